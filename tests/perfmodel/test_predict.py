"""The answers for a network: from files of all kinds, for all devices, with what is wrong about them."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import onnx
import pytest

from maelstrom_bootcamp.cli import main
from maelstrom_bootcamp.hardware import systems
from maelstrom_bootcamp.perfmodel import predict as facade
from maelstrom_bootcamp.perfmodel.arrays import arrays
from maelstrom_bootcamp.perfmodel.graph import ModelInputError, Op, OpGraph
from maelstrom_bootcamp.perfmodel.labels import table
from maelstrom_bootcamp.perfmodel.models import additive, make, tables
from maelstrom_bootcamp.perfmodel.models.scaling import scale, sheet_ratios
from maelstrom_bootcamp.perfmodel.predict import devices, predict
from maelstrom_bootcamp.perfmodel.zoo import families
from maelstrom_bootcamp.perfmodel.zoo.to_graph import to_graph
from maelstrom_bootcamp.perfmodel.zoo.to_keras import to_keras
from maelstrom_bootcamp.perfmodel.zoo.to_onnx import to_onnx

ANSWERS = {"latency", "training step", "memory of inference", "memory of training"}
ENERGIES = {"energy of inference", "energy of a training step"}


@pytest.fixture(scope="module")
def plan():
    return families.make("resnet", 3)


@pytest.fixture(scope="module")
def file(plan, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "resnet.onnx"
    onnx.save(to_onnx(plan, 4), path)
    return path


@pytest.mark.parametrize("device", devices())
def test_every_device_answers_with_ordered_intervals(plan, device):
    found = predict(to_graph(plan, 16), device=device)
    expected = ANSWERS if device == "cpu" else ANSWERS | ENERGIES
    assert set(found.quantities) == expected
    for quantity in found.quantities.values():
        assert 0 < quantity.low < quantity.value < quantity.high
    assert found.quantities["latency"].value < found.quantities["training step"].value
    assert found.quantities["memory of inference"].value < found.quantities["memory of training"].value
    bases = {name: q.basis for name, q in found.quantities.items()}
    measured = facade.MEASURED.get(device, ())
    assert bases["latency"] == ("measured" if "infer" in measured else "scaled")
    assert bases["training step"] == ("measured" if "train" in measured else "scaled")
    assert found.parameters == to_graph(plan).params
    assert set(found.mig) == {"a100-40gb", "a100-80gb", "h100-80gb"}


def test_the_same_network_from_onnx_and_keras_costs_nearly_the_same(plan, file):
    from_onnx, from_keras = predict(file), predict(to_keras(plan), batch=4)
    assert from_onnx.batch == from_keras.batch == 4
    assert from_onnx.macs == from_keras.macs
    assert from_onnx.parameters == from_keras.parameters
    for name, one in from_onnx.quantities.items():
        assert from_keras.quantities[name].value == pytest.approx(one.value, rel=0.15), name


def test_shipped_predictors_know_their_training_labels():
    """Not a score: a predictor that were not that of these labels would be off by more."""
    for what in ("infer", "train"):
        labels = table.load(what).iloc[::40]
        found = [facade.estimate(arrays(g), "cpu", what).value for g in table.graphs(labels)]
        off = np.abs(np.array(found) / (labels.ms / 1e3) - 1)
        assert np.median(off) < 0.06, what
        assert off.mean() < 0.1, what


def test_shipped_intervals_and_cards_are_whole():
    for name in ("cpu-infer", "cpu-train", "rtx3090-infer", "rtx3090-train", "rtx4090-infer", "cpu-memory"):
        card = facade.card(name)
        assert 0 < card["half_width"]["0.8"] <= card["half_width"]["0.9"] < 0.5, name
        assert card["sha256"], name
        assert card["machine"]["cores"] >= 1, name
        protocols = {row["protocol"] for row in card["scores"]}
        assert protocols == {"random", "unseen architectures", "unseen families"}, name
        ours = "liveness" if name == "cpu-memory" else "additive networks"
        unseen = {
            r["predictor"]: r["mape"] for r in card["scores"] if r["protocol"] == "unseen architectures"
        }
        assert min(unseen, key=unseen.get) == ours, f"{name}: ours is not the best: {unseen}"
    with pytest.raises(ModelInputError, match="cpu-infer"):
        facade.card("abacus-infer")


def test_cards_belong_to_the_labels_that_are_shipped():
    for name in ("cpu-infer", "cpu-train", "cpu-memory"):
        assert facade.card(name)["sha256"] == make.source(name)["sha256"], name


def test_scaling_is_by_the_data_sheets():
    prior = additive.roofline(tables.RTX3090)
    found = scale(prior, "a100-40gb")
    a100, rtx = systems.device("a100-40gb"), systems.device("rtx3090")
    ratio = found.seconds / prior.seconds
    np.testing.assert_allclose(ratio[:, 0], rtx.peak("fp16", matrix=True) / a100.peak("fp16", matrix=True))
    np.testing.assert_allclose(ratio[:, 1], rtx.bandwidth / a100.bandwidth)
    np.testing.assert_allclose(ratio[:, 2], 1)
    assert scale(prior, "rtx3090").per_parameter == pytest.approx(prior.per_parameter)
    assert list(sheet_ratios("rtx4090").values()) == pytest.approx([71 / 165.2, 936 / 1008], rel=1e-3)


def test_scaled_intervals_are_wider(plan):
    network = arrays(to_graph(plan, 16))
    here, there = (facade.estimate(network, d, "train") for d in ("rtx3090", "a100-80gb"))
    assert there.high / there.low > here.high / here.low


def test_doubts_are_told(plan):
    graph = to_graph(plan)
    odd = tuple(replace(op, kind="other", name="FlashThing") if op.kind == "conv" else op for op in graph.ops)
    found = predict(OpGraph(odd, graph.edges, unknown=("FlashThing",)))
    assert any("FlashThing" in w and "%" in w for w in found.warnings)
    huge = predict(graph.at_batch(65536), device="rtx3090")
    assert any("will not fit" in w for w in huge.warnings)
    assert huge.mig["a100-40gb"].startswith("none")
    assert any("batch" in w for w in huge.warnings)


def test_text_and_json_say_the_same(file, capsys):
    assert main(["predict", str(file), "--device", "rtx4090", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["quantities"]["latency"]["basis"] == "measured"
    assert told["quantities"]["energy of inference"]["basis"] == "assumed"
    assert main(["predict", str(file), "--device", "rtx4090", "--batch", "8"]) == 0
    text = capsys.readouterr().out
    assert "batch 8" in text
    assert "latency" in text
    assert "MIG slice" in text
    assert "extrapolated" in text


def test_the_command_prints_the_answer_and_nothing_else(file):
    """In a process of its own: TensorFlow's start-up lines come from C++ and only there."""
    command = [sys.executable, "-m", "maelstrom_bootcamp.cli", "predict", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.startswith("resnet")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--device", "abacus"], "abacus"),
        (["--device", "gc200"], "gc200"),
        (["--batch", "0"], "batch"),
        (["--bind", "height"], "bind"),
        (["--image-size", "1", "2", "3"], "two lengths"),
    ],
)
def test_bad_words_are_one_message(file, words, message, capsys):
    assert main(["predict", str(file), *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("What to do") == 1


def test_a_file_that_is_no_network_is_one_message(tmp_path, capsys):
    path = tmp_path / "thing.onnx"
    path.write_bytes(b"\x00\xffno")
    assert main(["predict", str(path)]) == 2
    assert "What to do" in capsys.readouterr().err
    assert main(["predict", str(tmp_path / "none.onnx")]) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["thing.onnx"], "nothing is written"


def test_a_network_of_views_only_is_refused():
    with pytest.raises(ModelInputError):
        predict(OpGraph((), np.zeros((0, 2), np.int32)))


def test_one_operator_is_enough():
    one = Op("Relu", "relu", (2, 8), (2, 8), values=32, out_values=16)
    found = predict(OpGraph((one,), np.zeros((0, 2), np.int32), batch=2))
    assert found.operators == 1
    assert found.warnings
