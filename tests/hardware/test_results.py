import json

import pytest

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.hardware import results


def record(**changes):
    """A record that could be of a machine far away."""
    step = {"median": 0.1, "low": 0.09, "high": 0.12, "best": 0.08, "repeats": 5}
    return {
        "schema": results.SCHEMA,
        "time": "2026-01-01T00:00:00+00:00",
        "level": "training",
        "network": "a1",
        "operator": "",
        "backend": "tensorflow",
        "precision": "fp32",
        "jit": "auto",
        "batch": 4,
        "workers": 1,
        "seed": 0,
        "repeats": 5,
        "first_s": 3.0,
        "step_s": step,
        "samples_per_s": 40.0,
        "flop": 4.7e9,
        "flop_per_s": 4.7e10,
        "bytes": 1e8,
        "input": {"samples_per_s": None, "why": "not measured"},
        "memory": {"host_peak": 10**9, "accelerator_peak": None, "why": "no GPU"},
        "energy": [],
        "accelerators": [],
        "machine": {"cpu": "some"},
        "versions": {"keras": "3"},
        "revision": "unknown",
        **changes,
    }


def slower(factor, **changes):
    step = {q: factor * s if q != "repeats" else s for q, s in record()["step_s"].items()}
    return record(step_s=step, **changes)


def test_records_come_back_as_they_were(tmp_path):
    path = tmp_path / "deep" / "a.jsonl"
    results.append(path, [record()])
    results.append(path, [record(network="a5"), record(network="a6")])
    assert [r["network"] for r in results.read(path)] == ["a1", "a5", "a6"]
    assert results.read(path)[0] == record()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("not json", "line 1 is no JSON"),
        ("[]", "another schema \\(list"),
        ("{}", "another schema \\(none"),
        (json.dumps({"schema": "other/3"}), "another schema \\(other/3"),
        (json.dumps({**record(), "batch": "four"}), "'batch' is 'four'"),
        (json.dumps({**record(), "batch": True}), "'batch' is True"),
        (json.dumps({k: v for k, v in record().items() if k != "machine"}), "'machine' is None"),
        (json.dumps(record(step_s={"median": 0})), "positive median"),
        (json.dumps(record(level="planet")), "no level 'planet'"),
        (json.dumps(record())[:100], "no JSON"),
        ("", "holds no result"),
    ],
)
def test_what_is_no_result_is_refused_and_left_alone(line, says, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(line)
    with pytest.raises(BootcampError, match=says):
        results.read(path)
    with pytest.raises(BootcampError, match=says):
        results.append(path, [record()])
    assert path.read_text() == line


def test_a_missing_or_binary_file_is_told(tmp_path):
    with pytest.raises(BootcampError, match=r"absent\.jsonl cannot be read"):
        results.read(tmp_path / "absent.jsonl")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\xff")
    with pytest.raises(BootcampError, match=r"picture\.png cannot be read"):
        results.read(tmp_path / "picture.png")


def test_a_bad_record_is_not_written(tmp_path):
    with pytest.raises(BootcampError):
        results.append(tmp_path / "a.jsonl", [record(), record(seed=None)])
    with pytest.raises(ValueError, match="JSON"):
        results.append(tmp_path / "a.jsonl", [record(flop=float("inf"))])
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.jsonl"
    results.append(path, [record()])
    old = path.read_bytes()

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(results.os, "fsync", full)
    with pytest.raises(BootcampError, match="No space left"):
        results.append(path, [record()])
    assert path.read_bytes() == old
    assert [p.name for p in tmp_path.iterdir()] == ["a.jsonl"]


def test_interrupted_writing_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.jsonl"
    results.append(path, [record()])

    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(results.os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        results.append(path, [record()])
    assert len(results.read(path)) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["a.jsonl"]


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BootcampError, match="could not be written"):
        results.append(tmp_path / "file" / "a.jsonl", [record()])


def test_ratios_stand_side_by_side():
    a = [record(), record(batch=8), record(network="a5")]
    b = [slower(2), slower(3, batch=8), slower(9, network="a6")]
    table = results.compare(a, b)
    assert list(table.index) == ["a1 batch 4", "a1 batch 8"]
    assert table["ratio"].tolist() == pytest.approx([2, 3])
    assert (table["low"] < table["ratio"]).all()
    assert (table["ratio"] < table["high"]).all()
    assert table["low"].iloc[0] == pytest.approx(2 * 0.09 / 0.12)


def test_the_last_of_equal_records_counts():
    assert results.compare([slower(5), record()], [record()])["ratio"].tolist() == [1]


def test_nothing_in_common_is_told():
    with pytest.raises(BootcampError, match="no benchmark in common"):
        results.compare([record()], [record(precision="bf16")])


def test_a_comparison_can_be_drawn(tmp_path):
    table = results.compare([record(), record(network="a5")], [slower(2), slower(4, network="a5")])
    lines = results.bars(table, width=40).splitlines()
    assert [line.count("#") for line in lines] == [20, 40]
    axes = results.draw(table, ("here", "there")).axes[0]
    assert axes.get_xscale() == "log"
    assert "there / here" in axes.get_xlabel()
    assert [t.get_text() for t in axes.get_yticklabels()] == ["a1", "a5"]
