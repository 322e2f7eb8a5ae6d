from __future__ import annotations

import numpy as np
import pytest

from maelstrom_bootcamp.apps.yr import train as t
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.nn import pointwise_net, read_model_card

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

    def stop_after_two(state, model, row):
        advance(state, model, row)
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


def test_state_of_another_training_is_refused(where, tmp_path):
    model = pointwise_net(17, width=4, depth=1)
    model.compile("adam", "mse")
    path = tmp_path / "w.npz.state.npz"
    state = t.State(path, t.Plan(seed=1))
    state.restore(model)
    state.advance(model, {"val_loss": 1.0})
    assert t.State(path, t.Plan(seed=1, epochs=99)).stored_epochs() == 1
    with pytest.raises(BootcampError, match="other settings"):
        t.State(path, t.Plan(seed=2)).stored_epochs()


def test_failed_write_leaves_the_old_state(tmp_path, monkeypatch):
    model = pointwise_net(17, width=4, depth=1)
    model.compile("adam", "mse")
    path = tmp_path / "s.npz"
    state = t.State(path, t.Plan())
    state.restore(model)
    state.advance(model, {"val_loss": 1.0})

    def full(*_, **__):
        raise OSError("No space left on device")

    monkeypatch.setattr(t.np, "savez", full)
    with pytest.raises(OSError, match="No space"):
        state.advance(model, {"val_loss": 0.5})
    assert t.State(path, t.Plan()).stored_epochs() == 1
    assert [p.name for p in tmp_path.iterdir()] == ["s.npz"]


def test_best_epoch():
    assert t.best_epoch([{"val_loss": v} for v in (3.0, float("nan"), 1.0, 2.0)]) == 2
    with pytest.raises(BootcampError, match="learning rate"):
        t.best_epoch([{"val_loss": float("nan")}])


def test_best_weights_are_kept(tmp_path):
    model = pointwise_net(17, width=4, depth=1)
    model.compile("adam", "mse")
    state = t.State(tmp_path / "s.npz", t.Plan())
    state.restore(model)
    for loss in (2.0, 1.0, 3.0, float("nan")):
        model.set_weights([np.full_like(w, loss) for w in model.get_weights()])
        state.advance(model, {"val_loss": loss})
    state.put_best(model)
    assert all((w == 1.0).all() for w in model.get_weights())


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


def test_hash_depends_on_names_and_contents(tmp_path):
    for name, text in (("a.nc", "1"), ("b.nc", "2"), ("c.nc", "1")):
        (tmp_path / name).write_text(text)
    a, b, c = (tmp_path / n for n in ("a.nc", "b.nc", "c.nc"))
    assert t.data_hash([a, b]) == t.data_hash([b, a])
    assert len({t.data_hash([a]), t.data_hash([b]), t.data_hash([c]), t.data_hash([a, b])}) == 4
