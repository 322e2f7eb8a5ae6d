"""Trainings of A3: they learn, they can be interrupted, their cards say how to repeat them."""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
from maelstrom_bootcamp.apps.radiation import train as t
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.nn import resumable

import numpy as np
import pytest

SMALL = {"levels": 12, "filters": 4, "dilation_rates": (1,), "convs": 1}
TINY = {"size": "ci", "batch_size": 8, "learning_rate": 0.3, "ema": 0.9, "options": SMALL}


def stored(path):
    with np.load(path) as file:
        return {name: file[name] for name in file.files if name != "model_card"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory, labelled, noise):
    """A training of three epochs without interruption: its card and its weights."""
    out = tmp_path_factory.mktemp("whole") / "w.npz"
    card = t.train(t.Plan(**TINY, epochs=3), out, data=labelled, noise=noise, verbose=False)
    return card, stored(out)


def test_the_card_says_how_to_repeat_the_training(whole, labelled):
    card, _ = whole
    plan, _ = t.parse(card["command"].split()[3:])
    assert plan == t.Plan(**{**TINY, "options": {**SMALL, "dilation_rates": [1]}}, epochs=3)
    assert card["data_hash"] == resumable.array_hash(labelled["train"])
    assert len(card["history"]) == 3
    assert card["maxima"] is None
    down = card["scores"]["surface_down"]
    assert down["n"] == 12, "the dark columns are not scored"
    assert down["noise"] == 1
    assert abs(down["bias"]) <= down["mae"] <= down["rmse"]


def test_interrupted_training_goes_on_where_it_stopped(tmp_path, whole, labelled, noise, monkeypatch):
    """And, as a consequence, the same command gives the same weights."""
    card, weights = whole
    where = {"out": tmp_path / "w.npz", "data": labelled, "noise": noise, "verbose": False}
    advance = resumable.State.advance

    def stop_after_two(state, model, row, *more):
        advance(state, model, row, *more)
        if len(state.history) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(resumable.State, "advance", stop_after_two)
        with pytest.raises(KeyboardInterrupt):
            t.train(t.Plan(**TINY, epochs=3), **where)
    assert not where["out"].exists()
    resumed = t.train(t.Plan(**TINY, epochs=3), **where)
    for key in ("history", "scores", "data_hash", "best_epoch"):
        assert resumed[key] == card[key]
    for name, values in stored(where["out"]).items():
        np.testing.assert_array_equal(values, weights[name])
    assert [p.name for p in tmp_path.iterdir()] == ["w.npz"]


def test_scaling_by_the_data(labelled, tmp_path):
    found = t.scales(labelled["train"], "rms")
    gas = labelled["train"]["col_inputs"][..., 3].astype(float)
    assert found["col_inputs"][3] == pytest.approx(np.sqrt(np.mean(gas**2)), rel=1e-3)
    dark = {**labelled["train"], "inter_inputs": 0 * labelled["train"]["inter_inputs"]}
    assert t.scales(dark, "rms")["inter_inputs"] == [1.0]
    assert t.scales(dark, "published") is None
    plan = t.Plan(**TINY, epochs=1, scaling="rms")
    card = t.train(plan, tmp_path / "w.npz", data=labelled, verbose=False)
    assert card["maxima"]["sca_inputs"] == t.scales(t.teaching(labelled["train"], "sw"), "rms")["sca_inputs"]


BAD = [
    ({"model": "resnet"}, "model='resnet'"),
    ({"options": {"units": 3}}, "units"),
    ({"schedule": "steps"}, "schedule='steps'"),
    ({"scaling": "mean"}, "scaling='mean'"),
    ({"batch_size": 100}, "100"),
]


@pytest.mark.parametrize(("wrong", "says"), BAD)
def test_bad_plans_name_cause_and_cure(wrong, says, labelled, tmp_path):
    plan = t.Plan(**{**TINY, **wrong})
    with pytest.raises(BootcampError) as caught:
        t.train(plan, tmp_path / "w.npz", data=labelled, verbose=False)
    assert says in caught.value.cause
    assert caught.value.cure


def test_error_is_told(capsys, monkeypatch):
    def fail(*_, **__):
        raise BootcampError("It broke.", "Mend it.")

    monkeypatch.setattr(t, "load_split", fail)
    assert t.main(["--size", "ci", "--model", "cnn"]) == 1
    assert "Mend it." in capsys.readouterr().err
