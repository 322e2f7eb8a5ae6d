from __future__ import annotations

import os

import netCDF4
import numpy as np
import pytest

from maelstrom_bootcamp.apps.yr.features import DYNAMIC
from maelstrom_bootcamp.apps.yr.reader import VARIABLES, RunReader, index_run, index_runs, read_run
from maelstrom_bootcamp.errors import BootcampError

DAY = "2020-07-06"


def plain(path) -> dict[str, np.ndarray]:
    with netCDF4.Dataset(path) as nc:
        nc.set_auto_mask(False)
        return {name: nc[name][...] for name in VARIABLES}


def test_index_of_a_contiguous_file(paths):
    run = index_run(paths[0])
    assert run.contiguous
    assert run.domain == (64, 64)
    assert run.hours == tuple(range(0, 60, 6))
    assert run.start == np.datetime64("2020-07-06T09").astype("datetime64[s]").astype(int)
    assert run.field_bytes == 4 * 64 * 64 * (10 * 8 + 6 + 2 * 10)


@pytest.mark.filterwarnings("ignore:endian-ness")
@pytest.mark.parametrize(
    "storage",
    [
        {},
        {"compression": "zlib", "shuffle": True},
        {"contiguous": False, "endian": "big"},
        {"dtype": "f8"},
    ],
    ids=["contiguous", "compressed", "big-endian", "double"],
)
def test_values_are_those_of_netcdf(tmp_path, write, storage):
    path = write(tmp_path, DAY, n=16, n_lead=3, **storage)
    expected, run = plain(path), read_run(path)
    for name in VARIABLES:
        found = getattr(run, name)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, expected[name].astype("f4"))
    assert index_run(path).contiguous == (not storage)
    with RunReader(path) as reader:
        for name in VARIABLES:
            lead = None if name == "static_predictors" else 2
            where = expected[name] if lead is None else expected[name][lead]
            np.testing.assert_array_equal(reader.read(name, lead, 5, 7), where[5:12].astype("f4"))


def test_reader_fills_the_buffer_it_is_given(paths):
    out = np.empty((64, 64, 8), np.float32)
    with RunReader(paths[0]) as reader:
        assert reader.read("predictors", 0, 0, 64, out) is out
    np.testing.assert_array_equal(out, plain(paths[0])["predictors"][0])


def test_short_reads_are_continued(paths, monkeypatch):
    whole = os.preadv
    monkeypatch.setattr(os, "preadv", lambda fd, to, at: whole(fd, [memoryview(to[0]).cast("B")[:1000]], at))
    np.testing.assert_array_equal(read_run(paths[0]).target_mean, plain(paths[0])["target_mean"])


def test_end_of_file_in_the_middle(paths, monkeypatch):
    with RunReader(paths[0]) as reader:
        monkeypatch.setattr(os, "preadv", lambda *_: 0)
        with pytest.raises(BootcampError, match="ended before"):
            reader.read("target_std", 9, 0, 64)


def test_missing_file(tmp_path):
    with pytest.raises(BootcampError, match="no file"):
        index_run(tmp_path / "20200706T09Z.nc")


@pytest.mark.parametrize("keep", [0, 100, 0.5, 0.98])
def test_truncated_file_is_named(tmp_path, write, keep):
    path = write(tmp_path, DAY, n=16)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(int(keep * size) if keep < 1 else keep)
    with pytest.raises(BootcampError, match=r"20200706T09Z\.nc is truncated") as error:
        index_run(path)
    assert "data make" in error.value.cure


def test_missing_variable_is_named(tmp_path, write):
    path = write(tmp_path, DAY, n=16, drop=("target_std",))
    with pytest.raises(BootcampError, match=r"20200706T09Z\.nc lacks the variables target_std"):
        index_run(path)


def test_other_predictors_are_refused(tmp_path, write):
    path = write(tmp_path, DAY, n=16, names=(*DYNAMIC[:-1], "relative_humidity"))
    with pytest.raises(BootcampError, match="relative_humidity"):
        index_run(path)


def test_wrong_shape_is_refused(tmp_path, write):
    path = write(tmp_path, DAY, n=16, drop=("target_std",))
    with netCDF4.Dataset(path, "a") as nc:
        nc.createVariable("target_std", "f4", ("y", "x"))[...] = 0
    with pytest.raises(BootcampError, match=r"target_std has the shape \(16, 16\), not \(10, 16, 16\)"):
        index_run(path)


def test_file_that_changed_is_refused(tmp_path, write):
    path = write(tmp_path, DAY, n=16)
    run = index_run(path)
    write(tmp_path, DAY, n=16, n_lead=4)
    with pytest.raises(BootcampError, match="has changed"):
        RunReader(run)
    path.unlink()
    with pytest.raises(BootcampError, match="cannot be opened"):
        RunReader(run)


def test_files_that_differ_are_refused(tmp_path, write):
    paths = [write(tmp_path, DAY, n=16), write(tmp_path, "2020-07-07", n=32)]
    with pytest.raises(BootcampError, match=r"20200707T15Z\.nc has 10 lead times of \(32, 32\)"):
        index_runs(paths)
    with pytest.raises(BootcampError, match="no files"):
        index_runs([])


def test_close_twice(paths):
    reader = RunReader(paths[0])
    reader.close()
    reader.close()
