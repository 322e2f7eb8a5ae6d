from __future__ import annotations

import gzip
import json
from dataclasses import replace

import numpy as np
import pytest

from maelstrom_bootcamp.perfmodel.labels import public
from maelstrom_bootcamp.perfmodel.models import additive, make, predictor, race, tables
from maelstrom_bootcamp.perfmodel.models.scaling import scale
from maelstrom_bootcamp.perfmodel.samples import samples
from maelstrom_bootcamp.perfmodel.zoo.families import make as network
from maelstrom_bootcamp.perfmodel.zoo.to_graph import to_graph

QUICK = predictor.Settings(width=8, epochs=2, seeds=(0, 1))
FAST = {name: race.RULES[name] for name in ("rate", "additive", race.OURS)}


@pytest.fixture(scope="module")
def measured():
    plans = [network(f, seed) for seed in range(6) for f in ("resnet", "vgg", "vit")]
    graphs = [to_graph(p, batch=8) for p in plans]
    names = [f"{p.family}_{p.seed}" for p in plans]
    seconds = [1e-3 + g.macs / 5e12 + g.values / 1e11 for g in graphs]
    return samples(graphs, seconds, [p.family for p in plans], names)


def test_a_predictor_is_made_with_its_card(measured, tmp_path, monkeypatch):
    one = replace(QUICK, seeds=(0,))
    monkeypatch.setattr(predictor, "Settings", lambda **_: one)  # the race trains networks of its own
    made = make.make("rtx3090-train", measured, QUICK, repeats=2, rules=FAST)
    make.write(made, {"source": "imagined"}, tmp_path / "weights", "imagined")
    assert sorted(p.name for p in (tmp_path / "weights").iterdir()) == ["imagined.json", "imagined.npz"]
    told = json.loads((tmp_path / "weights" / "imagined.json").read_text())
    assert told["source"] == "imagined"
    assert {r["protocol"] for r in told["scores"]} == {"random", "unseen architectures", "unseen families"}
    assert {r["predictor"] for r in told["scores"]} == set(FAST)
    assert all(r["splits"] == 2 and r["mape"] > 0 and r["mape_spread"] >= 0 for r in told["scores"])
    assert set(told["families"]) == {"resnet", "vgg", "vit"}
    again = predictor.load(tmp_path / "weights" / "imagined.npz")
    assert len(again.networks) == 2
    assert 0 < again.half_width[0.8] <= again.half_width[0.9]


def test_the_command_makes_what_is_missing_only(measured, tmp_path, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(public, "load", lambda folder, what: asked.append(what) or measured)
    monkeypatch.setattr(make, "source", lambda name, folder: {})
    bare = replace(predictor.fit(measured, additive.roofline(tables.RTX4090), QUICK), card={"scores": []})
    monkeypatch.setattr(make, "make", lambda *_: bare)
    (tmp_path / "rtx3090-train.json").touch()
    words = ["--folder", str(tmp_path), "--out", str(tmp_path), "--what", "rtx3090-train", "rtx4090-infer"]
    assert make.main(words) == 0
    assert asked == ["rtx4090-infer"]
    assert make.main(words) == 0
    assert asked == ["rtx4090-infer"], "made once"
    assert len(predictor.load(tmp_path / "rtx4090-infer.npz").networks) == 2


def test_scaling_is_judged_on_networks_that_both_devices_have_run(measured):
    base = predictor.fit(measured, tables.STARTS["rtx3090-infer"], QUICK)
    # An imagined RTX 4090 whose times are the scaled ones of the RTX 3090, but for a tenth.
    scaled = replace(base, prior=scale(base.prior, "rtx4090"))
    there = replace(measured.take(range(12)), values=1.1 * scaled.predict(measured.networks[:12]))
    here = measured.take(range(3, 18))
    found = make.scaling(there, here, base, "rtx4090")
    assert found["networks"] == 9
    rows = {r["predictor"]: r for r in found["scores"]}
    assert rows["scaled operators"]["mape"] == pytest.approx(100 * (1 - 1 / 1.1), abs=0.1)
    assert rows["ratio of peaks"]["mape"] > 20
    assert found["half_width"]["0.9"] == pytest.approx(np.log(1.1), abs=1e-3)


def test_memory_is_raced_too(measured):
    graphs = measured.measured_graphs()
    megabytes = replace(measured, values=np.array([1.02 * make.liveness(g).peak / 1e6 for g in graphs]))
    rules = {name: race.MEMORY_RULES[name] for name in ("boosting", "additive", "liveness")}
    card, widths = make.contest("cpu-memory", megabytes, 2, rules, once=("boosting",))
    assert [r["protocol"] for r in card["scores"] if r["predictor"] == "boosting"] == ["unseen architectures"]
    assert card["unit"] == "MB"
    scores = {(r["protocol"], r["predictor"]): r["mape"] for r in card["scores"]}
    assert scores["unseen architectures", "liveness"] < 0.1 < scores["unseen architectures", "additive"]
    assert widths[0.9] < 0.01


def test_the_source_names_its_files(tmp_path):
    with gzip.open(tmp_path / "graphs.jsonl.gz", "wt") as out:
        out.write("{}\n")
    (tmp_path / public.TABLES["rtx3090-train"][0]).write_text("model\n")
    found = make.source("rtx3090-train", tmp_path)
    assert set(found["sha256"]) == {"graphs.jsonl.gz", public.TABLES["rtx3090-train"][0]}
    assert "Apache-2.0" in found["source"]
    own = make.source("cpu-train")
    assert own["noise_percent"] < 5
    assert own["measured_on"]["rounds"] == 8


def test_an_unreadable_folder_is_one_message(tmp_path, capsys):
    words = ["--folder", str(tmp_path), "--out", str(tmp_path / "out"), "--what", "rtx3090-train"]
    assert make.main(words) == 1
    assert "What to do" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_labels_of_this_package_can_be_read_again():
    infer, memory = make.data("cpu-infer"), make.data("cpu-memory")
    assert len(infer) >= 440
    assert len(memory) >= 350
    assert len(set(infer.families)) == 11
    assert 1e-5 < infer.values.min() < infer.values.max() < 1
    assert 1 < memory.values.min() < memory.values.max() < 10_000
