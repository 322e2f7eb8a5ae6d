"""The loader of A3, and the faults of the plugin that it works around.

A test of the class `TestPlugin` that fails tells that upstream has mended a fault: then simplify records.py.
"""

from __future__ import annotations

import inspect
import random
from pathlib import Path

import numpy as np
import pytest
from climetlab_maelstrom_radiation.radiation_tf import radiation_tf

from maelstrom_bootcamp.apps.radiation import records
from maelstrom_bootcamp.apps.radiation.columns import load_split
from maelstrom_bootcamp.apps.radiation.records import (
    DARK,
    FEATURES,
    INPUTS,
    OUTPUTS,
    cos_zeniths,
    count_columns,
    make_dataset,
    norms,
    record_paths,
    tf,
)
from maelstrom_bootcamp.errors import BootcampError

TOTAL = 63  # columns in the three files
#: Columns of each file; a third of them by night.
TIMESTEPS = {0: 30, 750: 12, 1500: 21}


def arrays(n: int, seed: int) -> dict[str, np.ndarray]:
    """Random columns that can be told apart; the skin temperature is a serial number."""
    rng = np.random.default_rng(seed)
    made = {name: rng.random((n, *shape), np.float32) for name, shape in FEATURES.items()}
    made["sca_inputs"][:, 0] = 1000 * seed + np.arange(n)
    made["sca_inputs"][:, 1] = np.where(np.arange(n) % 3 == 0, -0.3, rng.uniform(0.03, 0.9, n))
    made["hr_sw"] /= 86_400  # in a file: K/s
    made["hr_lw"] /= 86_400
    return made


def write(path: Path, columns: dict[str, np.ndarray]) -> None:
    """Write columns as ECMWF does."""
    with tf.io.TFRecordWriter(str(path)) as out:
        for i in range(len(columns["sca_inputs"])):
            feature = {
                name: tf.train.Feature(float_list=tf.train.FloatList(value=values[i].ravel()))
                for name, values in columns.items()
            }
            out.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())


@pytest.fixture(scope="module")
def record_folder(tmp_path_factory) -> Path:
    """Three files of different lengths, named after their time step."""
    folder = tmp_path_factory.mktemp("records")
    for seed, (timestep, n) in enumerate(TIMESTEPS.items()):
        write(folder / f"triplecloud{timestep}.0.tfrecord", arrays(n, seed))
    return folder


@pytest.fixture(scope="module")
def record_files(record_folder) -> list[Path]:
    return sorted(record_folder.glob("*.tfrecord"))


def serials(dataset) -> list[int]:
    """Serial numbers of the columns in the order in which they come (kept as skin temperature)."""
    return [int(v) for inputs, _ in dataset for v in inputs["sca_inputs"][:, 0].numpy()]


def plugin(folder, **options):
    """The real plugin on the same files."""
    request = {"timestep": [0, 750, 1500], "filenum": [0], "shuffle_files": False} | options
    return radiation_tf(path=str(folder), **request)


# ---------------------------------------------------------------- our own loader


def test_columns_are_counted_truly(record_files):
    assert count_columns(record_files) == [30, 21, 12]  # sorted by name: 0, 1500, 750
    assert make_dataset(record_files, batch_size=10).cardinality() == 7
    assert make_dataset(record_files, batch_size=10, drop_remainder=True).cardinality() == 6


def test_every_column_comes_once_in_every_order(record_files):
    expected = sorted(serials(make_dataset(record_files, seed=None)))
    assert len(expected) == len(set(expected)) == TOTAL
    for options in ({}, {"shuffle_size": 5}, {"interleave": 1}, {"batch_size": 7, "interleave": 2}):
        assert sorted(serials(make_dataset(record_files, **options))) == expected


def test_fields_are_those_of_the_file(record_files):
    inputs, outputs = next(iter(make_dataset(record_files[:1], batch_size=30, seed=None)))
    assert {n: v.shape[1:] for n, v in (inputs | outputs).items()} == FEATURES
    stored = next(iter(tf.data.TFRecordDataset(str(record_files[0])).batch(30)))
    known = records._parse(stored, FEATURES)
    for name in (*INPUTS, "sw", "lw"):
        assert np.array_equal((inputs | outputs)[name], known[name]), name
    for name in ("hr_sw", "hr_lw"):
        assert np.allclose(outputs[name], known[name] * 86_400, rtol=1e-6), "K/s becomes K/day"


def test_same_seed_same_order(record_files):
    """Also after the plugin was imported, which switches the default of tf.data (it was, above)."""
    runs = [serials(make_dataset(record_files, batch_size=5, seed=3)) for _ in range(3)]
    assert runs[0] == runs[1] == runs[2]
    assert runs[0] != serials(make_dataset(record_files, batch_size=5, seed=4))


def test_each_epoch_has_another_order_and_the_second_can_be_repeated(record_files):
    first, second = (make_dataset(record_files, seed=3) for _ in range(2))
    epochs = [serials(first), serials(first)]
    assert epochs[0] != epochs[1]
    assert sorted(epochs[0]) == sorted(epochs[1])
    assert [serials(second), serials(second)] == epochs


def test_repeat_goes_on_with_the_next_epoch(record_files):
    endless = make_dataset(record_files, batch_size=63, repeat=True, drop_remainder=True).take(2)
    found = serials(endless)
    assert sorted(found[:TOTAL]) == sorted(found[TOTAL:])
    assert found[:TOTAL] != found[TOTAL:]


def test_one_file_after_the_other_or_in_turns(record_files):
    def files(interleave):
        order = serials(make_dataset(record_files, seed=None, interleave=interleave))
        return [serial // 1000 for serial in order]

    assert files(1) == [0] * 30 + [2] * 21 + [1] * 12
    assert sorted(files(16)[:9]) == [0, 0, 0, 1, 1, 1, 2, 2, 2]


@pytest.mark.parametrize("seed", [None, 5])
def test_shards_are_disjoint_complete_and_balanced(record_files, seed):
    parts = [serials(make_dataset(record_files, shard=(i, 4), seed=seed)) for i in range(4)]
    assert len({s for part in parts for s in part}) == sum(map(len, parts)) == TOTAL
    assert max(map(len, parts)) - min(map(len, parts)) <= len(record_files)
    sizes = [
        int(make_dataset(record_files, shard=(i, 4), seed=seed, batch_size=1).cardinality()) for i in range(4)
    ]
    assert sizes == [len(part) for part in parts]


def test_night_is_left_out_and_counted(record_files):
    zeniths = np.concatenate(cos_zeniths(record_files))
    day = make_dataset(record_files, night=False, batch_size=1)
    found = np.concatenate([x["sca_inputs"][:, 1].numpy() for x, _ in day])
    assert (zeniths <= DARK).sum() == 21
    assert found.min() > DARK
    assert len(found) == int(day.cardinality()) == TOTAL - 21


def test_zenith_angles_are_drawn_equally(tmp_path):
    n = 400
    columns = {name: np.zeros((n, *shape), np.float32) for name, shape in FEATURES.items()}
    # Three quarters in the first tenth, a quarter in the last (also 1.0 itself), and some by night.
    columns["sca_inputs"][:, 1] = np.where(np.arange(n) % 4, 0.05, 1.0)
    columns["sca_inputs"][::10, 1] = -0.5
    write(tmp_path / "a.tfrecord", columns)
    equal = make_dataset([tmp_path / "a.tfrecord"], equal_zenith=True)
    epochs = [np.concatenate([x["sca_inputs"][:, 1].numpy() for x, _ in equal]) for _ in range(2)]
    for found in epochs:
        low, high = (found < 0.1).sum(), (found > 0.9).sum()
        assert low + high == len(found), "no column of the night"
        assert high == 80, "none of the rarest class is left out"
        assert 55 < low < 110, "as many, but for chance, from the fullest"
    assert equal.cardinality() == tf.data.UNKNOWN_CARDINALITY
    again = make_dataset([tmp_path / "a.tfrecord"], equal_zenith=True)
    assert np.array_equal(epochs[0], np.concatenate([x["sca_inputs"][:, 1].numpy() for x, _ in again]))


@pytest.mark.parametrize(
    ("fluxes", "option"),
    [
        ("ends", {"minimal_outputs": True}),
        ("top_net", {"minimal_outputs": True, "topnetflux": True}),
        ("net", {"netflux": True}),
    ],
)
def test_outputs_are_the_plugin_s(record_folder, record_files, fluxes, option):
    _, ours = next(iter(make_dataset(record_files[:1], batch_size=30, seed=None, fluxes=fluxes)))
    published = plugin(record_folder, timestep=[0], **option)
    theirs = next(iter(published.to_tfdataset(batch_size=30, shuffle=False, parallel_reads=1)))[1]
    for name in OUTPUTS:
        assert np.allclose(ours[name], theirs[name], rtol=1e-6), name


def test_normalised_inputs_keep_their_shape(record_files):
    norm = {name: (np.full(s, 0.5, "f4"), np.full(s, 2.0, "f4")) for name, s in FEATURES.items()}
    del norm["pressure_hl"]
    plain, _ = next(iter(make_dataset(record_files, seed=None)))
    scaled, _ = next(iter(make_dataset(record_files, seed=None, norm=norm)))
    for name in INPUTS:
        assert scaled[name].shape == plain[name].shape
        expected = plain[name] if name == "pressure_hl" else (plain[name] - 0.5) / 2
        assert np.allclose(scaled[name], expected, atol=1e-6)


BAD = [
    ({"batch_size": 0}, "batch_size=0"),
    ({"shuffle_size": -1}, "shuffle_size=-1"),
    ({"shard": (2, 2)}, "shard 2 of 2"),
    ({"inputs": ("sca",)}, "no input 'sca'"),
    ({"outputs": ("sca_inputs",)}, "no output 'sca_inputs'"),
    ({"fluxes": "some"}, "fluxes='some'"),
]


@pytest.mark.parametrize(("options", "text"), BAD)
def test_bad_arguments(record_files, options, text):
    with pytest.raises(BootcampError, match=text):
        make_dataset(record_files, **options)


def test_no_files_missing_truncated_foreign_and_dark_ones(record_files, tmp_path):
    with pytest.raises(BootcampError, match="no files"):
        make_dataset([])
    with pytest.raises(BootcampError, match=r"no file gone\.tfrecord"):
        make_dataset([tmp_path / "gone.tfrecord"])
    content = record_files[0].read_bytes()
    for name, data in (("cut", content[:-7]), ("header", content + b"abc"), ("empty", b"")):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(BootcampError, match=f"{name} .* cannot be read: it (ends|holds)"):
            make_dataset([tmp_path / name])
    for scalars in (4, 17):
        write(tmp_path / "foreign", {"sca_inputs": np.zeros((2, scalars), "f4")})
        with pytest.raises(BootcampError, match="foreign .* cannot be read"):
            make_dataset([tmp_path / "foreign"])
    dark = {name: np.zeros((2, *shape), np.float32) for name, shape in FEATURES.items()}
    write(tmp_path / "dark", dark)
    with pytest.raises(BootcampError, match="in the night"):
        make_dataset([tmp_path / "dark"], equal_zenith=True)


# ---------------------------------------------------------------- the plugin's faults


class TestPlugin:
    """Version 0.7.5 as it is. See the module's docstring."""

    def test_norm_adds_an_axis(self, record_folder, monkeypatch):
        norms = {n: np.ones((1, *s), np.float32) for n, s in FEATURES.items()}
        monkeypatch.setattr(radiation_tf, "load_norms", lambda self: (norms, norms))
        inputs, _ = next(iter(plugin(record_folder, norm=True).to_tfdataset(batch_size=4, shuffle_size=8)))
        assert inputs["sca_inputs"].shape == (4, 1, 17)
        assert inputs["col_inputs"].shape == (4, 1, 137, 27)

    @pytest.mark.parametrize("option", [{"dark_side": False}, {"equal_csza": True}])
    def test_selections_raise(self, record_folder, option):
        with pytest.raises(ValueError):
            plugin(record_folder).to_tfdataset(batch_size=4, shuffle_size=8, **option)

    def test_number_of_columns_is_a_constant(self, record_folder):
        assert plugin(record_folder).numcolumns == 3 * 67_840

    def test_order_is_that_of_two_random_generators(self, record_folder):
        orders, urls = [], []
        for seed in range(6):
            random.seed(seed)
            tf.random.set_seed(seed)
            published = plugin(record_folder, shuffle_files=True)
            urls.append(tuple(source.path for source in published.source.sources))
            orders.append(tuple(serials(published.to_tfdataset(shuffle=False, parallel_reads=1))))
        assert len(set(urls)) > 1, "the files are shuffled by Python's own generator"
        assert len(set(orders)) > 1, "and once more by TensorFlow's, although shuffle=False"

    def test_shards_overlap(self, record_folder):
        parts = []
        for worker in range(2):  # two processes would have two states of the generator
            tf.random.set_seed(worker)
            options = {"shuffle": False, "parallel_reads": 1, "shard_num": 2, "shard_idx": worker}
            parts.append(serials(plugin(record_folder).to_tfdataset(**options)))
        assert set(parts[0]) & set(parts[1])

    def test_import_makes_the_whole_process_non_deterministic(self):
        assert tf.data.Options.deterministic is False, "a property of the class was overwritten"

    def test_shuffle_buffer_is_too_big(self):
        size = inspect.signature(radiation_tf.to_tfdataset).parameters["shuffle_size"].default
        column = 4 * sum(np.prod(shape) for shape in FEATURES.values())
        assert size * column > 0.6e9


# ---------------------------------------------------------------- the sample


def sorted_columns(arrays):
    """Columns in an order that does not depend on where they come from."""
    order = np.lexsort(arrays["sca_inputs"].T)
    return {name: values[order] for name, values in arrays.items()}


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_records_and_netcdf_hold_the_same_columns(split):
    netcdf = sorted_columns(load_split(split))
    batches = [x | y for x, y in make_dataset(record_paths(split), batch_size=64, seed=None)]
    records = sorted_columns({n: np.concatenate([b[n] for b in batches]) for n in netcdf})
    assert len(np.unique(netcdf["sca_inputs"], axis=0)) == len(netcdf["sca_inputs"])
    for name, values in netcdf.items():
        if name.startswith("hr_"):  # K/s in the records, so that the last digits differ
            assert np.allclose(records[name], values, rtol=1e-5, atol=1e-5), name
        else:
            assert np.array_equal(records[name], values), name


def test_norms_normalise_the_training_columns():
    norm = norms()
    assert set(norm) == set(INPUTS)
    batch, _ = next(iter(make_dataset(record_paths("train"), batch_size=10_000, norm=norm)))
    for name in ("sca_inputs", "hl_inputs", "col_inputs"):
        values = batch[name].numpy()
        assert np.isfinite(values).all(), name
        assert values.shape[1:] == FEATURES[name]
    assert abs(batch["sca_inputs"].numpy()[:, 0].mean()) < 0.5, "skin temperature"
    assert 0.5 < batch["sca_inputs"].numpy()[:, 0].std() < 1.5
    kept = norms(keep_sun=True)["sca_inputs"]
    assert kept[0].ravel()[[1, -1]].tolist() == [0, 0]
    assert kept[1].ravel()[[1, -1]].tolist() == [1, 1]


@pytest.mark.parametrize(("arguments", "text"), [(("all",), "no split 'all'"), (("test", "tiny"), "'tiny'")])
def test_bad_splits(arguments, text):
    with pytest.raises(BootcampError, match=text):
        record_paths(*arguments)
