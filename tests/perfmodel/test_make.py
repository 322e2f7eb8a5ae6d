from __future__ import annotations

import gzip
import json
from dataclasses import replace

import pytest

from maelstrom_bootcamp.perfmodel.labels import public
from maelstrom_bootcamp.perfmodel.models import additive, make, predictor
from maelstrom_bootcamp.perfmodel.samples import samples
from maelstrom_bootcamp.perfmodel.zoo.families import make as network
from maelstrom_bootcamp.perfmodel.zoo.to_graph import to_graph

QUICK = predictor.Settings(width=8, epochs=2, seeds=(0, 1))


@pytest.fixture(scope="module")
def measured():
    plans = [network(f, seed) for seed in range(6) for f in ("resnet", "vgg", "vit")]
    graphs = [to_graph(p, batch=8) for p in plans]
    names = [f"{p.family}_{p.seed}" for p in plans]
    seconds = [1e-3 + g.macs / 5e12 + g.values / 1e11 for g in graphs]
    return samples(graphs, seconds, [p.family for p in plans], names)


def test_a_predictor_is_made_with_its_card(measured, tmp_path, monkeypatch):
    monkeypatch.setattr(predictor, "Settings", lambda **_: QUICK)  # the race trains networks of its own
    made = make.make(measured, additive.roofline(make.RTX3090), QUICK, repeats=2)
    card = {"source": "imagined"}
    make.write(made, card, tmp_path / "weights", "imagined")
    assert sorted(p.name for p in (tmp_path / "weights").iterdir()) == ["imagined.json", "imagined.npz"]
    told = json.loads((tmp_path / "weights" / "imagined.json").read_text())
    assert told["source"] == "imagined"
    assert {r["protocol"] for r in told["scores"]} == {"random", "unseen architectures", "unseen families"}
    assert {r["predictor"] for r in told["scores"]} == set(make.RULES)
    assert all(r["splits"] == 2 and r["mape"] > 0 for r in told["scores"])
    again = predictor.load(tmp_path / "weights" / "imagined.npz")
    assert len(again.networks) == 2
    assert 0 < again.half_width[0.8] <= again.half_width[0.9]


def test_the_command_makes_what_is_missing_only(measured, tmp_path, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(public, "load", lambda folder, what: asked.append(what) or measured)
    monkeypatch.setattr(make, "source", lambda folder, what: {})
    bare = replace(predictor.fit(measured, additive.roofline(make.RTX4090), QUICK), card={"scores": []})
    monkeypatch.setattr(make, "make", lambda *_: bare)
    (tmp_path / "rtx3090-train.npz").touch()
    words = [str(tmp_path), "--out", str(tmp_path), "--what", "rtx3090-train", "rtx4090-infer"]
    assert make.main(words) == 0
    assert asked == ["rtx4090-infer"]
    assert make.main(words) == 0
    assert asked == ["rtx4090-infer"], "made once"
    assert len(predictor.load(tmp_path / "rtx4090-infer.npz").networks) == 2


def test_the_source_names_its_files(tmp_path):
    with gzip.open(tmp_path / "graphs.jsonl.gz", "wt") as out:
        out.write("{}\n")
    (tmp_path / public.TABLES["rtx3090-train"][0]).write_text("model\n")
    found = make.source(tmp_path, "rtx3090-train")
    assert set(found["sha256"]) == {"graphs.jsonl.gz", public.TABLES["rtx3090-train"][0]}
    assert "Apache-2.0" in found["source"]


def test_an_unreadable_folder_is_one_message(tmp_path, capsys):
    assert make.main([str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert "What to do" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
