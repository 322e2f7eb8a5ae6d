from __future__ import annotations

import json

import numpy as np
import pytest

from maelstrom_bootcamp.apps.yr import ablate
from maelstrom_bootcamp.apps.yr.features import PREDICTORS
from maelstrom_bootcamp.apps.yr.train import Plan
from maelstrom_bootcamp.errors import BootcampError

TINY = Plan(
    model="pointwise",
    size="ci",
    patch=64,
    batch_size=8,
    trim=8,
    cycle=1,
    epochs=1,
    options={"width": 4, "depth": 1},
)


def record(variant, seed, score, **more):
    return {
        "variant": variant,
        "seed": seed,
        "parameters": 9,
        "scores": {"all": {"quantile_score": score}},
        **more,
    }


def test_each_variant_changes_one_thing():
    due = ablate.plans(ablate.BASE, [0, 1])
    assert list(due)[: len(ablate.VARIANTS)] == [(n, 0) for n in ablate.VARIANTS], (
        "the first seed comes first"
    )
    for name in list(ablate.VARIANTS)[1:]:
        plan = due[name, 1]
        changed = [k for k, v in vars(plan).items() if v != getattr(due[ablate.REFERENCE, 1], k)]
        assert len(changed) == 1, (name, changed)
        assert set(plan.predictors) <= set(PREDICTORS)
    assert len({plan.command() for plan in due.values()}) == len(due), "a command tells them apart"


def test_variants_build_the_published_networks():
    from maelstrom_bootcamp.apps.yr.train import build
    from maelstrom_bootcamp.nn import trainable_parameters

    due = ablate.plans(ablate.BASE, [0], ["reference", "no biases", "max pooling", "3 x 3 kernels"])
    counts = [trainable_parameters(build(plan)) for plan in due.values()]
    assert counts == [1_314_019, 1_314_019 - 2 * 16, 1_314_019, 9_000_291]


def test_unknown_variant():
    with pytest.raises(BootcampError, match="no variant 'leaky'"):
        ablate.plans(Plan(), [0], ["leaky"])


def test_verdict_needs_seeds_that_do_not_overlap():
    assert ablate.verdict([0.20, 0.21], [0.22, 0.25]) == "better"
    assert ablate.verdict([0.26, 0.30], [0.22, 0.25]) == "worse"
    assert ablate.verdict([0.21, 0.24], [0.22, 0.25]) == "cannot tell"
    assert ablate.verdict([0.1], [0.22, 0.25]) == "one seed"


def test_table():
    found = ablate.table(
        [
            record("max pooling", 0, 0.3),
            record("reference", 0, 0.2),
            record("reference", 1, 0.2),
            record("max pooling", 1, 0.32),
        ]
    )
    assert list(found.index) == ["reference", "max pooling"]
    assert found.loc["max pooling", "mean"] == pytest.approx(0.31)
    assert found.loc["max pooling", "percent"] == pytest.approx(55)
    assert found.loc["max pooling", "verdict"] == "worse"
    assert found.loc["reference", "verdict"] == ""


def test_table_without_results_or_without_reference():
    assert ablate.table([]).empty
    assert ablate.table([record("ReLU", 0, 0.3)]).percent.isna().all()


def test_weather_pairs_the_days_of_common_seeds():
    days = np.array([0.1, 0.3, 0.2])  # three test days of size ci: hard ones are hard for both
    known = [record("reference", s, 0.2, size="ci", daily={"mae": [*days, 0.2]}) for s in (0, 1)]
    known.append(record("ReLU", 1, 0.2, size="ci", daily={"mae": [*1.1 * days, 0.22]}))
    known.append(record("max pooling", 7, 0.2, size="ci", daily={"mae": [*days, 0.2]}))
    found = ablate.weather(known, "mae", block=1)
    assert list(found.index) == ["ReLU"], "no seed in common with the reference: nothing can be said"
    assert found.loc["ReLU"].to_list() == pytest.approx([10, 10, 10]), "10 % on each day, whatever the days"
    assert ablate.weather([], "mae").empty


def test_missing():
    there = [record(n, 0, 0.2) for n in ablate.VARIANTS if n != "ReLU"]
    assert ablate.missing(there, [0]) == [("ReLU", 0)]
    assert len(ablate.missing([], [0, 1])) == 2 * len(ablate.VARIANTS)


@pytest.fixture
def where(tmp_path, year):
    return {
        "results": tmp_path / "sub" / "ablations.json",
        "scratch": tmp_path / "scratch",
        "folder": str(year),
        "verbose": False,
    }


def test_results_are_kept_and_only_what_is_missing_is_trained(where, monkeypatch):
    names = ["reference", "temperature only"]
    trained = []
    really = ablate.train
    monkeypatch.setattr(
        ablate, "train", lambda plan, *a, **k: trained.append(plan.seed) or really(plan, *a, **k)
    )
    first = ablate.run(ablate.plans(TINY, [0], names[:1]), **where)
    assert trained == [0]
    assert first[0]["variant"] == "reference"
    assert len(first[0]["daily"]["quantile_score"]) == len(ablate.split("ci").test)
    mean = sum(first[0]["daily"]["mae"]) / len(first[0]["daily"]["mae"])
    assert mean == pytest.approx(first[0]["scores"]["all"]["mae"], abs=2e-4)
    both = ablate.run(ablate.plans(TINY, [0], names), **where)
    assert trained == [0, 0], "the first is not trained again"
    assert [r["variant"] for r in both] == names
    assert both[0] == first[0]
    assert both[1]["parameters"] < both[0]["parameters"]
    assert json.loads(where["results"].read_text()) == both


def test_a_finished_training_without_result_is_only_scored(where, monkeypatch):
    due = ablate.plans(TINY, [0], ["reference"])
    before = ablate.run(due, **where)[0]
    where["results"].unlink()
    monkeypatch.setattr(ablate, "train", lambda *a, **k: pytest.fail("was trained again"))
    after = ablate.run(due, **where)[0]
    assert {**after, "seconds": 0} == {**before, "seconds": 0}


def test_other_settings_replace_an_old_result(where):
    from dataclasses import replace

    ablate.run(ablate.plans(TINY, [0], ["reference"]), **where)
    found = ablate.run(ablate.plans(replace(TINY, learning_rate=3e-3), [0], ["reference"]), **where)
    assert len(found) == 1
    assert "--learning-rate 0.003" in found[0]["command"]


def test_command(tmp_path, year, capsys, monkeypatch):
    monkeypatch.setattr(ablate, "run", lambda due, **_: [record(n, s, 0.2 + s / 10) for n, s in due])
    words = ["--size", "ci", "--seeds", "0", "1", "--only", "reference", "ReLU", "--epochs", "2"]
    assert ablate.main([*words, "--out", str(tmp_path / "a.json"), "--folder", str(year)]) == 0
    printed = capsys.readouterr().out
    assert "ReLU" in printed
    assert "cannot tell" in printed


def test_command_tells_cause_and_cure(tmp_path, capsys):
    words = ["--size", "ci", "--seeds", "0", "--epochs", "1", "--only", "ReLU"]
    assert ablate.main([*words, "--out", str(tmp_path / "a.json"), "--folder", str(tmp_path / "no")]) == 1
    assert "What to do" in capsys.readouterr().err
