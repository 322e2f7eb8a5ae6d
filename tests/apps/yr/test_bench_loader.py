from __future__ import annotations

import pytest

from maelstrom_bootcamp.apps.yr import bench_loader as bench
from maelstrom_bootcamp.apps.yr.loader import find_runs
from maelstrom_bootcamp.errors import BootcampError


def test_both_read_the_same_files(paths):
    runs = find_runs(paths)
    assert bench.read_all(runs) == sum(run.field_bytes for run in runs)
    assert bench.fromfile_all(runs) == sum(run.bytes for run in runs)


def test_side_by_side_takes_medians(monkeypatch):
    clock = iter([0, 1, 0, 2, 0, 1, 0, 4, 0, 2, 0, 2])
    monkeypatch.setattr(bench.time, "perf_counter", lambda: next(clock))
    a, b, ratio = bench.side_by_side(lambda: 4, lambda: 4, repeats=3)
    assert (a, b, ratio) == (4, 2, 2)


@pytest.mark.slow
def test_memory_of_a_fresh_process(paths):
    assert 1e7 < bench.peak_memory(paths[:1], batch_size=2, patch=64) < 1e10


@pytest.mark.slow
def test_report(paths, capsys, monkeypatch):
    measured = []
    monkeypatch.setattr(bench, "peak_memory", lambda p, **_: measured.append(len(p)) or 1_000_000 * len(p))
    found = bench.report(paths, batch_size=2, patch=64, repeats=1)
    printed = capsys.readouterr().out
    assert found["reading"]["ratio"] == found["reading"]["reader"] / found["reading"]["fromfile"]
    assert found["delivery"]["loader"] > 0
    assert measured == [1, 2, 4]
    assert found["memory"] == {1: 1_000_000, 2: 2_000_000, 4: 4_000_000}
    for line in ("4 files of", "reading alone", "np.fromfile", "loader", "training", "peak memory"):
        assert line in printed


def test_child_measures_itself(paths, capsys, monkeypatch):
    monkeypatch.setattr(bench.sys, "stdin", __import__("io").StringIO("\n".join(map(str, paths))))
    assert bench.main(["--child", "--patch", "64"]) == 0
    assert int(capsys.readouterr().out) > 1e7


@pytest.mark.slow
def test_failing_child_is_reported(tmp_path):
    with pytest.raises(BootcampError, match="measuring process failed"):
        bench.peak_memory([tmp_path / "none.nc"])


def test_too_few_files(tmp_path, capsys, write):
    write(tmp_path, "2020-07-06", n=16)
    assert bench.main(["--folder", str(tmp_path)]) == 1
    assert "at least four" in capsys.readouterr().err


def test_default_is_the_training_period(monkeypatch, paths):
    from maelstrom_bootcamp.apps.yr import dataset

    asked = {}
    monkeypatch.setattr(dataset, "run_paths", lambda dates: paths)
    monkeypatch.setattr(bench, "report", lambda given, **options: asked.update(paths=given, **options))
    assert bench.main(["--patch", "64", "--repeats", "1"]) == 0
    assert asked == {"paths": paths, "batch_size": 8, "patch": 64, "repeats": 1}
