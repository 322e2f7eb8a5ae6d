import json
import sys

import pytest

from maelstrom_bootcamp import cli
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.hardware import bench as module
from maelstrom_bootcamp.hardware import command, results
from maelstrom_bootcamp.hardware.bench import Options, bench, count
from maelstrom_bootcamp.hardware.networks import networks

MLP = networks()["a4-mlp"]


def run(*words, capsys):
    code = cli.main(["bench", *map(str, words)])
    out = capsys.readouterr()
    return code, out.out, out.err


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """One real benchmark, by the command; the smallest network."""
    path = tmp_path_factory.mktemp("bench") / "a.jsonl"
    assert cli.main(["bench", "a4-mlp", "--repeats", "5", "--batch", "512", "--json", str(path)]) == 0
    return path


def test_a_benchmark_is_counted_and_measured(trained):
    (record,) = results.read(trained)
    assert record["network"] == "a4-mlp"
    assert record["batch"] == 512
    # Two products, 17 > 128 > 2: forward, and gradients of both weights and of the hidden layer only.
    assert record["flop"] == 2 * 512 * (3 * (17 * 128 + 128 * 2) - 17 * 128)
    assert record["flop_per_s"] == pytest.approx(record["flop"] / record["step_s"]["median"])
    assert record["first_s"] > 3 * record["step_s"]["median"], "the first step traces"
    assert record["samples_per_s"] == pytest.approx(512 / record["step_s"]["median"])
    assert record["memory"]["host_peak"] > 50e6
    assert record["revision"]
    assert record["machine"]["cores"] >= 1


def test_what_could_not_be_measured_says_why(trained):
    (record,) = results.read(trained)
    assert record["input"]["samples_per_s"] is None
    assert "no sample data of A4" in record["input"]["why"]
    for energy in record["energy"]:
        assert (energy["joules"] is None) == energy["why"].startswith("not measurable here, because")
    assert record["memory"]["accelerator_peak"] or "because" in record["memory"]["why"]


def test_results_are_told_in_words(trained):
    (record,) = results.read(trained)
    text = command.describe(record)
    assert "a4-mlp, training, batch 512, fp32, tensorflow" in text
    assert "input alone       not measurable here, because" in text
    single = {**record, "level": "operator", "operator": "dense 17>128 on point"}
    assert "\n" not in command.describe(single)
    read = {**record, "energy": [{"joules": 5.0, "joules_per_step": 1.0, "source": "NVML", "why": ""}]}
    assert "1 J a step (NVML)" in command.describe(read)


def test_files_are_compared_and_drawn(trained, tmp_path, capsys):
    picture = tmp_path / "ratio.png"
    code, out, _ = run("--compare", trained, trained, "--figure", picture, capsys=capsys)
    assert code == 0
    assert "a4-mlp" in out
    assert "####" in out
    assert picture.read_bytes().startswith(b"\x89PNG")
    code, _, err = run("--compare", trained, trained, "--figure", tmp_path / "a.xyz", capsys=capsys)
    assert code == 2
    assert "ends in .png" in err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["a9"], "no application or network 'a9'"),
        (["a2"], "A2 has no reference network"),
        ([], "Which network?"),
        (["a4-mlp", "--batch", "0"], "batch=0"),
        (["a4-mlp", "--repeats", "0"], "repeats=0"),
        (["a4-mlp", "--precision", "tf32"], "TF32 is computed by GPUs only"),
        (["--compare", "absent", "absent"], "cannot be read"),
    ],
)
def test_bad_words_are_one_clear_error(words, says, capsys):
    code, _, err = run(*words, capsys=capsys)
    assert code == 2
    assert says in err
    assert "What to do" in err
    assert "Traceback" not in err


def test_unknown_precision_is_told_by_the_library():
    with pytest.raises(BootcampError, match="no precision 'fp8'"):
        bench(MLP, Options(precision="fp8"))
    with pytest.raises(BootcampError, match="no level 'planet'"):
        bench(MLP, Options(level="planet"))
    with pytest.raises(BootcampError, match="no backend 'caffe'"):
        bench(MLP, Options(backend="caffe"))


def test_a_missing_backend_is_an_extra(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(BootcampError, match="jax is not installed"):
        bench(MLP, Options(backend="jax"))


def test_a_file_of_another_schema_is_refused_before_anything_is_measured(tmp_path, capsys, monkeypatch):
    path = tmp_path / "notes.txt"
    path.write_text("my notes")
    monkeypatch.setattr(command, "bench", lambda *args: pytest.fail("measured in vain"))
    code, _, err = run("a4-mlp", "--json", path, capsys=capsys)
    assert code == 2
    assert "no JSON" in err
    assert path.read_text() == "my notes"


def test_a_batch_that_does_not_fit_is_refused_before_it_kills_the_machine():
    with pytest.raises(BootcampError, match=r"batch of 500000000 does not fit .* GB are free"):
        bench(MLP, Options(batch=500_000_000, repeats=1))


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "killed by the system"),
        ("import json; print(json.dumps({'full': 'OOM when allocating'}))", "OOM when allocating"),
        ("raise ValueError('something odd')", "something odd"),
        ("pass", "no message"),
    ],
)
def test_a_process_that_fails_is_told(code, says, monkeypatch):
    real = module.subprocess.run
    monkeypatch.setattr(
        module.subprocess, "run", lambda words, **options: real([sys.executable, "-c", code], **options)
    )
    with pytest.raises(BootcampError, match=says):
        module._in_child({"network": "a4-mlp", "batch": 8}, "tensorflow")


def test_frameworks_that_run_out_of_memory_are_understood(monkeypatch, capsys):
    from maelstrom_bootcamp.hardware import bench_child

    class ResourceExhaustedError(Exception):
        pass

    def full(job):
        raise ResourceExhaustedError("OOM when allocating tensor of shape [9]")

    monkeypatch.setattr(bench_child, "run", full)
    monkeypatch.setattr(bench_child.json, "load", lambda file: {})
    assert bench_child.main() == 0
    assert "OOM" in json.loads(capsys.readouterr().out)["full"]

    def broken(job):
        raise ValueError("a bug")

    monkeypatch.setattr(bench_child, "run", broken)
    with pytest.raises(ValueError, match="a bug"):
        bench_child.main()


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bf16", "fp64"])
def test_inference_in_other_precisions(precision):
    (record,) = bench(MLP, Options(level="network", precision=precision, batch=64, repeats=2))
    counted = count("a4-mlp", 64)
    assert record["flop"] == 2 * counted["macs"]
    assert record["bytes"] == counted["values"] * (2 if precision == "bf16" else 8)


@pytest.mark.slow
def test_operators_one_by_one(capsys, tmp_path):
    path = tmp_path / "operators.jsonl"
    code, out, _ = run("a4-mlp", "--level", "operator", "--repeats", 2, "--json", path, capsys=capsys)
    assert code == 0
    assert "dense 17>128" in out
    assert {r["operator"] for r in results.read(path)} == {line[16:54].strip() for line in out.splitlines()}


@pytest.mark.slow
def test_the_input_pipeline_is_measured_apart():
    (record,) = bench(networks()["a1-pointwise"], Options(batch=2, repeats=2, level="network"))
    assert record["input"]["samples_per_s"] > 0


@pytest.mark.slow
def test_two_workers_train_the_same(capsys, tmp_path):
    path = tmp_path / "workers.jsonl"
    words = ["a4-mlp", "--level", "distributed", "--batch", 64, "--repeats", 3, "--json", path]
    code, out, err = run(*words, capsys=capsys)
    assert code == 0, err
    (record,) = results.read(path)
    assert record["workers"] == 2
    assert record["distributed"]["share"] == 32
    assert record["distributed"]["drift"] < 1e-3
    assert "2 workers" in out
    assert "equality" in out
    code, _, err = run(*words[:-2], "--batch", 63, capsys=capsys)
    assert code == 2, "63 samples cannot be shared by two"
    code, _, err = run(*words[:-2], "--precision", "bf16", capsys=capsys)
    assert code == 2
    assert "fp32 or fp64" in err


def test_workers_are_those_of_tensorflow(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: True)
    with pytest.raises(BootcampError, match="Workers train on TensorFlow only"):
        bench(MLP, Options(level="distributed", backend="jax", workers=2, batch=8))
