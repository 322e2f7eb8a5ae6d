from __future__ import annotations

import numpy as np
import pytest

from maelstrom_bootcamp.apps.yr import train as t
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.nn import read_model_card

SMALL = {"size": "ci", "patch": 64, "batch_size": 8, "trim": 8, "cycle": 2}
TINY = {**SMALL, "model": "pointwise", "options": {"width": 4, "depth": 1}, "learning_rate": 3e-3}


@pytest.fixture
def where(tmp_path, year):
    return {"out": tmp_path / "w.npz", "folder": str(year), "verbose": False}


def stored(path) -> dict[str, np.ndarray]:
    with np.load(path) as file:
        return {name: file[name] for name in file.files if name != "model_card"}


@pytest.mark.slow
def test_one_epoch_of_the_unet(where, year, capsys):
    """The real network of 1,314,019 parameters, one epoch on tiny files, through the command line."""
    words = "--size ci --patch 64 --batch-size 8 --trim 8 --epochs 1 --seed 3"
    options = ["--out", str(where["out"]), "--folder", str(year)]
    assert t.main([*words.split(), *options]) == 0
    printed = capsys.readouterr().out
    assert "epoch   1" in printed
    assert "1,314,019 parameters" in printed
    card = read_model_card(where["out"])
    assert card["parameters"] == 1_314_019
    assert card["seed"] == 3
    assert card["best_epoch"] == 1
    assert {"quantile_score", "mae", "coverage", "width", "pixels"} <= set(card["scores"]["all"])
    assert not list(where["out"].parent.glob("*.state*"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory, year):
    """A training of three epochs without interruption: its card and its weights."""
    out = tmp_path_factory.mktemp("whole") / "w.npz"
    card = t.train(t.Plan(**TINY, epochs=3), out, folder=str(year), verbose=False)
    return card, stored(out)


def test_training_lowers_the_loss(whole):
    history = whole[0]["history"]
    assert history[-1]["val_loss"] < 0.95 * history[0]["val_loss"]


def test_the_card_says_how_to_repeat_the_training(whole):
    card, _ = whole
    plan, _ = t.parse(card["command"].split()[3:])
    assert plan == t.Plan(**TINY, epochs=3)
    assert card["plan"]["options"] == TINY["options"]
    assert len(card["data_hash"]) == 64


@pytest.mark.slow
def test_interrupted_training_goes_on_where_it_stopped(where, whole, monkeypatch):
    """And, as a consequence, the same command gives the same weights."""
    plan = t.Plan(**TINY, epochs=3)
    card, weights = whole
    advance = t.State.advance

    def stop_after_two(state, model, row, *more):
        advance(state, model, row, *more)
        if len(state.history) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(t.State, "advance", stop_after_two)
        with pytest.raises(KeyboardInterrupt):
            t.train(plan, **where)
    assert not where["out"].exists()
    resumed = t.train(plan, **where)
    for key in ("history", "scores", "data_hash", "best_epoch"):
        assert resumed[key] == card[key]
    for name, values in stored(where["out"]).items():
        np.testing.assert_array_equal(values, weights[name])


def test_command_line():
    plan, given = t.parse(["--option", "pooling=max", "features=8", "--drop", "x", "y"])
    assert plan.options == {"pooling": "max", "features": 8}
    assert len(plan.predictors) == 15
    assert given.out is None
    assert t.parse(plan.command().split()[3:])[0] == plan
    with pytest.raises(SystemExit):
        t.parse(["--option", "pooling"])


def test_unknown_model():
    with pytest.raises(BootcampError, match="no model 'resnet'"):
        t.build(t.Plan(model="resnet"))


def test_error_is_told(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("MAELSTROM_SIZE", "ci")
    assert t.main(["--size", "ci", "--folder", str(tmp_path), "--out", str(tmp_path / "w.npz")]) == 1
    assert "What to do" in capsys.readouterr().err
