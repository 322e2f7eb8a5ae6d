from __future__ import annotations

import threading
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import maelstrom_bootcamp.nn  # noqa: F401  (starts TensorFlow without its messages)
from maelstrom_bootcamp.apps.yr.features import PREDICTORS, PUBLISHED_TABLE, Normalisation, to_features
from maelstrom_bootcamp.apps.yr.loader import (
    BatchBuilder,
    batches_of,
    find_runs,
    make_dataset,
    sample_order,
)
from maelstrom_bootcamp.apps.yr.patches import to_patches
from maelstrom_bootcamp.errors import BootcampError


def everything(dataset) -> tuple[np.ndarray, np.ndarray]:
    features, target = zip(*dataset, strict=True)
    return np.concatenate(features), np.concatenate(target)


def keys(dataset) -> list[bytes]:
    """The samples, in order, as something that can be sorted and compared."""
    return [sample.tobytes() for sample in everything(dataset)[1]]


@pytest.mark.parametrize("patch", [64, 32])
def test_the_loader_gives_what_the_plugin_gives(runs, paths, patch):
    """The very bytes: the loader reads files, `runs` was opened by the published call."""
    expected = [to_patches(a, patch).reshape(-1, patch, patch, a.shape[-1]) for a in to_features(runs)]
    found = everything(make_dataset(paths, patch=patch, batch_size=7, shuffle=False))
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype == np.float32
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("scheme", ["published", "centred"])
def test_domain_that_is_no_multiple_of_the_patch(runs, paths, scheme):
    own = Normalisation(PUBLISHED_TABLE, scheme)
    features, target = to_features(runs, own)
    found = everything(make_dataset(paths, patch=48, shuffle=False, normalisation=own))
    np.testing.assert_array_equal(found[0], features[:, :48, :48])
    np.testing.assert_array_equal(found[1], target[:, :48, :48])


def test_compressed_files_give_the_same(tmp_path, write, paths):
    other = [write(tmp_path, day, compression="zlib") for day in ("2020-07-06", "2020-07-07")]
    assert not find_runs(other)[0].contiguous
    a, b = (everything(make_dataset(p, patch=32, shuffle=False)) for p in (paths[:2], other))
    np.testing.assert_array_equal(a[0], b[0])
    np.testing.assert_array_equal(a[1], b[1])


@pytest.mark.parametrize("patch", [64, 16])
def test_shuffling_loses_and_repeats_nothing(paths, patch):
    plain = keys(make_dataset(paths, patch=patch, shuffle=False))
    mixed = keys(make_dataset(paths, patch=patch, window=2, buffer=8))
    assert mixed != plain
    assert sorted(mixed) == sorted(plain)


def test_first_batch_mixes_dates_lead_times_and_patches(paths):
    order = next(
        batches_of(sample_order(40, 10, 4, 4, rng=np.random.default_rng(0), window=32, buffer=256), 64)
    )
    assert [len(set(column)) > n for column, n in zip(order.T, (16, 8, 3, 3), strict=True)] == [True] * 4


def test_same_seed_same_order_whatever_the_threads(paths):
    a = keys(make_dataset(paths, patch=32, seed=5, threads=1))
    b = keys(make_dataset(paths, patch=32, seed=5, threads=3, prefetch=4))
    assert a == b
    assert a != keys(make_dataset(paths, patch=32, seed=6))


def test_each_epoch_has_its_own_order_and_can_be_resumed(paths):
    dataset = make_dataset(paths, patch=64, seed=1)
    epochs = [keys(dataset) for _ in range(3)]
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    resumed = make_dataset(paths, patch=64, seed=1, first_epoch=1)
    assert [keys(resumed), keys(resumed)] == epochs[1:]
    endless = make_dataset(paths, patch=64, seed=1, repeat=True, batch_size=8)
    assert keys(islice(endless, 15)) == epochs[0] + epochs[1] + epochs[2]


def test_size_is_known(paths):
    assert make_dataset(paths, patch=64, batch_size=7).cardinality() == 6
    assert make_dataset(paths, patch=64, batch_size=7, drop_remainder=True).cardinality() == 5
    assert len(keys(make_dataset(paths, patch=64, batch_size=7, drop_remainder=True))) == 35
    assert make_dataset(paths, patch=64, repeat=True).cardinality() < 0
    features, target = make_dataset(paths, patch=32).element_spec
    assert features.shape.as_list() == [None, 32, 32, 17]
    assert target.shape.as_list() == [None, 32, 32, 2]


def test_batches_that_are_kept_are_not_overwritten(paths):
    """Buffers are used again: not while TensorFlow, or we, still hold them."""
    dataset = make_dataset(paths, patch=32, seed=3, batch_size=4)
    kept = list(dataset)
    list(dataset)
    again = make_dataset(paths, patch=32, seed=3, batch_size=4)
    for (features, target), (f, t) in zip(kept, again, strict=True):
        np.testing.assert_array_equal(features.numpy(), f.numpy())
        np.testing.assert_array_equal(target.numpy(), t.numpy())


def test_memory_does_not_grow(paths):
    builder = BatchBuilder(find_runs(paths), 32, kept=4, statics_kept=4)
    sizes = []
    for epoch in range(4):
        rng = np.random.default_rng(epoch)
        for index in batches_of(sample_order(4, 10, 2, 2, rng=rng, window=2, buffer=8), 8):
            builder(index)
        sizes.append(builder._pool.bytes)
    assert sizes[0] == sizes[-1] < 5e6
    assert len(builder._bands) <= 4
    assert len(builder._late) <= 4


def test_builder_is_safe_between_threads(paths):
    builder = BatchBuilder(find_runs(paths), 32, kept=2, statics_kept=2)
    index = np.array(
        [[f, lead, r, c] for f in range(4) for lead in range(10) for r in (0, 1) for c in (0, 1)]
    )
    expected = [a.copy() for a in BatchBuilder(find_runs(paths), 32)(index)]
    wrong = []

    def work() -> None:
        for order in (slice(None), slice(None, None, -1)):
            found = builder(index[order])
            wrong.extend(i for i in (0, 1) if not np.array_equal(found[i], expected[i][order]))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_chosen_predictors(runs, paths):
    names = ("air_temperature_2m", "leadtime", "altitude")
    features, _ = to_features(runs)
    found, _ = everything(make_dataset(paths, patch=64, shuffle=False, predictors=names))
    np.testing.assert_array_equal(found, features[..., [PREDICTORS.index(n) for n in names]])


@given(
    files=st.integers(1, 7),
    lead=st.integers(1, 4),
    rows=st.integers(1, 3),
    columns=st.integers(1, 3),
    window=st.integers(1, 9),
    buffer=st.integers(1, 20),
    batch=st.integers(1, 11),
    seed=st.one_of(st.none(), st.integers(0, 99)),
)
def test_every_sample_comes_once(files, lead, rows, columns, window, buffer, batch, seed):
    rng = None if seed is None else np.random.default_rng(seed)
    pieces = sample_order(files, lead, rows, columns, rng=rng, window=window, buffer=buffer)
    batches = list(batches_of(pieces, batch))
    assert all(len(b) == batch for b in batches[:-1])
    found = [tuple(row) for b in batches for row in b.tolist()]
    everything_once = [tuple(i) for i in np.ndindex(files, lead, rows, columns)]
    assert sorted(found) == everything_once
    if seed is None:
        assert found == everything_once


def test_dates_are_found_through_the_bucket(monkeypatch, paths):
    from maelstrom_bootcamp.apps.yr import dataset

    asked = []
    monkeypatch.setattr(dataset, "run_paths", lambda dates: asked.append(dates) or paths)
    assert [r.path for r in find_runs(["2020-07-06", "2020-07-07"])] == paths
    assert asked == [["2020-07-06", "2020-07-07"]]
    assert find_runs(find_runs(paths)) == find_runs([str(p) for p in paths])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size=0"),
        ({"threads": 0}, "threads=0"),
        ({"patch": 65}, "65 x 65"),
        ({"predictors": ["rain"]}, "no predictor rain"),
        ({"predictors": []}, "No predictor"),
    ],
)
def test_bad_options(paths, options, message):
    with pytest.raises(BootcampError, match=message):
        make_dataset(paths, **{"patch": 64, **options})


def test_file_damaged_after_indexing_is_named_by_tensorflow(tmp_path, write):
    import tensorflow as tf

    path = write(tmp_path, "2020-07-06", n=32)
    dataset = make_dataset([path], patch=32)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(tf.errors.OpError, match=r"20200706T09Z\.nc has changed"):
        list(dataset)


def test_both_ways_into_the_sample_bucket_give_the_same():
    """The published call and the loader, given the same dates of the course's own sample."""
    from maelstrom_bootcamp.apps.yr.dataset import _resolved, open_runs, run_paths
    from maelstrom_bootcamp.bucket.yr.periods import PERIODS

    dates = PERIODS["ci"]["test"][:2]
    features, target = to_features(open_runs(dates))
    found = everything(make_dataset(dates, shuffle=False))
    np.testing.assert_array_equal(found[0], features)
    np.testing.assert_array_equal(found[1], target)
    assert run_paths(dates) == _resolved(dates, None)
