"""Measuring on this machine: that it works, goes on where it was, and outlives what fails."""

from __future__ import annotations

import argparse
import json
from itertools import islice

import pytest

from maelstrom_bootcamp.perfmodel.graph import ModelInputError
from maelstrom_bootcamp.perfmodel.labels import file as label_file
from maelstrom_bootcamp.perfmodel.labels import measure as module
from maelstrom_bootcamp.perfmodel.labels import table as labels
from maelstrom_bootcamp.perfmodel.labels.apart import Worker, WorkerError
from maelstrom_bootcamp.perfmodel.labels.cases import case_of, cases
from maelstrom_bootcamp.perfmodel.labels.file import LabelFile
from maelstrom_bootcamp.perfmodel.labels.measure import measure

QUICK = {"rounds": 2, "visit": 0.002}


def quiet(_: str) -> None:
    """Take a line of the report."""


@pytest.fixture
def stand_in(monkeypatch):
    """Measure with the functions of crashing.py: the second of eleven families kills, another fails."""
    monkeypatch.setattr(module, "_INFER", "perfmodel.crashing:infer")
    monkeypatch.setattr(module, "_TRAIN", "perfmodel.crashing:train")


def by_family(path):
    return {r["family"]: r for r in label_file.read(path) if r["record"] != "run"}


# ---------------------------------------------------------------------- real


def test_inference_of_real_networks(tmp_path):
    out = tmp_path / "infer.jsonl"
    assert measure("infer", 3, out, say=quiet, **QUICK) == {"measured": 3, "failed": 0, "left": 0}
    run, *rest = label_file.read(out)
    assert run["what"] == "infer"
    assert run["machine"]["cpu"]
    assert set(run["versions"]) == {"onnxruntime", "onnx", "numpy"}
    for record, case in zip(rest, cases("infer"), strict=False):
        assert (record["family"], record["seed"], record["batch"]) == (case.family, case.seed, case.batch)
        assert record["digest"] == case.blueprint().digest()
        assert len(record["ms"]) == 2
        assert all(0.01 < ms < 10_000 for ms in record["ms"])


@pytest.mark.slow
def test_training_of_a_real_network(tmp_path, monkeypatch):
    case = case_of("train", "vit", 1)
    monkeypatch.setattr(module, "cases", lambda what: iter([case]))
    out = tmp_path / "train.jsonl"
    assert measure("train", 1, out, say=quiet, **QUICK) == {"measured": 1, "failed": 0, "left": 0}
    _, record = label_file.read(out)
    assert record["digest"] == case.blueprint().digest()
    assert all(0.1 < ms < 60_000 for ms in record["ms"])
    # Weights and the two moments of Adam are held, and most activations at once, in single precision.
    graph = case.graph()
    assert record["memory_mb"] * 1e6 > 4 * (3 * graph.params + graph.out_values / 4)
    assert record["memory_mb"] * 1e6 < 4 * (6 * graph.params + 20 * graph.out_values)
    table = labels.pack(out, tmp_path / "train-cpu.csv")
    assert len(labels.graphs(table)) == 1


# ------------------------------------------------------------------ stand-ins


def test_what_crashes_in_inference_is_found_and_skipped(tmp_path, stand_in):
    out = tmp_path / "infer.jsonl"
    assert measure("infer", 11, out, say=quiet, **QUICK) == {"measured": 9, "failed": 2, "left": 0}
    found = by_family(out)
    assert found["vgg"]["record"] == found["swin"]["record"] == "failure"
    assert "SIGKILL" in found["vgg"]["reason"]
    assert found["swin"]["reason"] == "Fail: no kernel"
    assert found["vit"]["ms"] == [2.0, 3.0]


def test_what_crashes_in_training_is_skipped(tmp_path, stand_in):
    out, said = tmp_path / "train.jsonl", []
    result = measure("train", 11, out, rounds=4, visit=0.001, say=said.append)
    assert result == {"measured": 9, "failed": 2, "left": 0}
    found = by_family(out)
    assert found["vgg"]["reason"] == "MemoryError: cannot allocate 3 TB"
    assert found["swin"]["reason"] == "the process ended with code 3"
    assert found["vit"]["ms"] == [10.0, 9.0, 8.0, 7.0]
    assert found["vit"]["memory_mb"] == 7.0
    assert any("vgg 0" in line and "not measured" in line for line in said)


@pytest.mark.parametrize("what", ["infer", "train"])
def test_a_second_run_adds_what_is_missing(what, tmp_path, stand_in):
    out, said = tmp_path / "labels.jsonl", []
    measure(what, 3, out, say=quiet, **QUICK)
    before = out.read_text()
    assert measure(what, 3, out, say=quiet, **QUICK) == {"measured": 0, "failed": 0, "left": 0}
    assert measure(what, 5, out, say=said.append, **QUICK)["measured"] == 1
    assert out.read_text().startswith(before)
    assert "2 networks to measure (3 of 5 are there already)" in said[0]
    # Failures of trainings are known before the labels of those that began earlier.
    wanted = sorted(case.family for case in islice(cases(what), 5))
    assert sorted(r["family"] for r in label_file.read(out) if r["record"] != "run") == wanted


def test_a_line_that_was_cut_is_measured_again(tmp_path, stand_in):
    out = tmp_path / "labels.jsonl"
    measure("infer", 2, out, say=quiet, **QUICK)
    whole = out.read_bytes()
    out.write_bytes(whole[:-20])
    assert measure("infer", 2, out, say=quiet, **QUICK)["measured"] == 1
    kinds = [record["record"] for record in label_file.read(out)]
    assert kinds == ["run", "label", "run", "label"]


def test_nothing_is_begun_after_the_budget(tmp_path, stand_in):
    for what in ("infer", "train"):
        out = tmp_path / f"{what}.jsonl"
        result = measure(what, 4, out, budget=1e-9, say=quiet, **QUICK)
        assert result == {"measured": 0, "failed": 0, "left": 4}


# --------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"what": "guess"}, "nothing to measure"),
        ({"count": 0}, "0 networks cannot be measured"),
        ({"budget": 0.0}, "budget of 0 s"),
        ({"budget": float("nan")}, "budget of nan s"),
        ({"rounds": 1}, "no halves"),
    ],
)
def test_arguments_that_make_no_sense(change, cause, tmp_path):
    out = tmp_path / "labels.jsonl"
    with pytest.raises(ModelInputError, match=cause):
        measure(**({"what": "infer", "count": 1, "out": out} | change))
    assert not out.exists()


def test_missing_package(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(ModelInputError, match="onnxruntime is not installed"):
        measure("infer", 1, tmp_path / "labels.jsonl")


def test_file_that_cannot_be_written(tmp_path):
    for out in (tmp_path, tmp_path / "no" / "labels.jsonl"):
        with pytest.raises(ModelInputError, match="cannot be written"):
            measure("infer", 1, out)


def test_files_of_others_are_left_alone(tmp_path):
    for text in ("a note without an end of line", "a,b\n1,2\n", '{"record": "label"}\n', "[1]\n", "\n"):
        out = tmp_path / "note.txt"
        out.write_text(text)
        with pytest.raises(ModelInputError, match="Line 1 of .* is not a record"):
            measure("infer", 1, out)
        assert out.read_text() == text


@pytest.mark.parametrize(
    ("key", "value", "cause"),
    [
        ("what", "train", "other subject"),
        ("rounds", 5, "other rounds"),
        ("machine", {"cpu": "Abacus"}, "other processor: Abacus"),
        ("versions", {"numpy": "1.0"}, "other versions"),
    ],
)
def test_no_two_measurements_in_one_file(key, value, cause, tmp_path):
    out = tmp_path / "labels.jsonl"
    LabelFile(out, "infer", 2)
    run = json.loads(out.read_text())
    out.write_text(json.dumps(run | {key: value}) + "\n")
    with pytest.raises(ModelInputError, match=cause):
        LabelFile(out, "infer", 2)


def test_the_machine_has_no_name_in_the_file(tmp_path):
    import platform

    LabelFile(tmp_path / "labels.jsonl", "train", 2)
    found = label_file.machine()
    assert set(found) == {"cpu", "cores", "memory_gb", "system", "python"}
    assert found["cores"] >= 1
    assert platform.node() not in json.dumps(found)


# -------------------------------------------------------------------- workers


def test_worker_ends_with_its_function():
    with Worker("perfmodel.crashing:ends", 2) as worker:
        assert [worker.next(), worker.next(), worker.next()] == [0, 1, None]


def test_worker_that_does_not_answer():
    with Worker("perfmodel.crashing:asleep", None) as worker:
        assert worker.next() == "awake"
        with pytest.raises(WorkerError, match="no answer in 0 s"):
            worker.next(timeout=0.3)


def test_worker_without_a_function():
    with Worker("perfmodel.crashing:nothing", None) as worker, pytest.raises(WorkerError, match="nothing"):
        worker.next()


# --------------------------------------------------------------- command line


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    module.add_parser(parser.add_subparsers())
    return parser.parse_args(["measure", *words])


def test_command_line(tmp_path, stand_in, capsys):
    out = tmp_path / "labels.jsonl"
    words = parse("--what", "train", "--count", "2", "--out", str(out))
    assert words.run(words) == 0
    assert out.is_file()
    printed = capsys.readouterr().out
    assert "min on an idle core" in printed
    assert "2 measured, 0 failed, 0 left" in printed
    words = parse("--what", "train", "--count", "4", "--out", str(out), "--budget", "1e-9")
    assert words.run(words) == 1
    assert "0 measured, 0 failed, 2 left" in capsys.readouterr().out


def test_interrupted_command(tmp_path, monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "measure", interrupted)
    words = parse("--what", "infer", "--count", "2", "--out", str(tmp_path / "labels.jsonl"))
    assert words.run(words) == 130
    assert "The same call goes on" in capsys.readouterr().err


def test_wrong_words():
    with pytest.raises(SystemExit):
        parse("--what", "guess", "--count", "1", "--out", "x")
