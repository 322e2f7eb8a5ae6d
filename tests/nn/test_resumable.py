from __future__ import annotations

import argparse
from dataclasses import dataclass, field

import keras
import numpy as np
import pytest

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.nn import pointwise_net, resumable


@dataclass(frozen=True)
class Plan:
    seed: int = 0
    epochs: int = 1
    learning_rate: float | None = None
    options: dict = field(default_factory=dict)


@pytest.fixture
def model():
    made = pointwise_net(17, width=4, depth=1)
    made.compile(keras.optimizers.Adam(0.1), "mse")
    return made


def test_state_of_another_training_is_refused(model, tmp_path):
    path = tmp_path / "w.npz.state.npz"
    state = resumable.State(path, Plan(seed=1))
    state.restore(model)
    state.advance(model, {"val_loss": 1.0})
    assert resumable.State(path, Plan(seed=1, epochs=99)).stored_epochs() == 1
    with pytest.raises(BootcampError, match="other settings"):
        resumable.State(path, Plan(seed=2)).stored_epochs()


@pytest.mark.parametrize("other", [{"width": 5, "depth": 1}, {"width": 4, "depth": 2}])
def test_state_of_another_network_is_refused_and_nothing_is_set(model, tmp_path, other):
    state = resumable.State(tmp_path / "s.npz", Plan())
    state.restore(model)
    state.advance(model, {"val_loss": 1.0})
    changed = pointwise_net(17, **other)
    changed.compile(keras.optimizers.Adam(0.1), "mse")
    before = changed.get_weights()
    with pytest.raises(BootcampError, match="another network"):
        resumable.State(tmp_path / "s.npz", Plan()).restore(changed)
    assert all(np.array_equal(a, b) for a, b in zip(before, changed.get_weights(), strict=True))


def test_failed_write_leaves_the_old_state(model, tmp_path, monkeypatch):
    path = tmp_path / "s.npz"
    state = resumable.State(path, Plan())
    state.restore(model)
    state.advance(model, {"val_loss": 1.0})

    def full(*_, **__):
        raise OSError("No space left on device")

    monkeypatch.setattr(resumable.np, "savez", full)
    with pytest.raises(OSError, match="No space"):
        state.advance(model, {"val_loss": 0.5})
    assert resumable.State(path, Plan()).stored_epochs() == 1
    assert [p.name for p in tmp_path.iterdir()] == ["s.npz"]


def test_weights_and_optimiser_come_back(model, tmp_path):
    state = resumable.State(tmp_path / "s.npz", Plan())
    state.restore(model)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 4, 4, 17)), rng.standard_normal((2, 4, 4, 3))
    model.train_on_batch(x, y)
    state.advance(model, {"val_loss": 1.0})
    model.train_on_batch(x, y)
    expected = model.get_weights()
    again = resumable.State(tmp_path / "s.npz", Plan())
    again.restore(model)
    assert again.history == [{"val_loss": 1.0}]
    model.train_on_batch(x, y)  # with the momentum of the first step
    for a, b in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_best_epoch():
    assert resumable.best_epoch([{"val_loss": v} for v in (3.0, float("nan"), 1.0, 2.0)]) == 2
    with pytest.raises(BootcampError, match="learning rate"):
        resumable.best_epoch([{"val_loss": float("nan")}])


def test_best_weights_are_kept(model, tmp_path):
    state = resumable.State(tmp_path / "s.npz", Plan())
    state.restore(model)
    for loss in (2.0, 1.0, 3.0, float("nan")):
        model.set_weights([np.full_like(w, loss) for w in model.get_weights()])
        state.advance(model, {"val_loss": loss})
    state.put_best(model)
    assert all((w == 1.0).all() for w in model.get_weights())


def test_a_training_runs_the_epochs_that_are_due(model, tmp_path, capsys):
    losses = [3.0, 1.0, 2.0, 0.5]

    def one_epoch(epoch):
        model.set_weights([np.full_like(w, losses[epoch]) for w in model.get_weights()])
        return {"val_loss": losses[epoch]}

    for epochs in (2, 3):  # the second goes on where the first ended
        state = resumable.State(tmp_path / "s.npz", Plan())
        state.restore(model)
        state.run(model, one_epoch, epochs)
    assert [row["val_loss"] for row in state.history] == losses[:3]
    assert capsys.readouterr().out.splitlines()[-1].split() == ["epoch", "3", "val_loss", "2"]
    assert all((w == 1.0).all() for w in model.get_weights())
    state.run(model, one_epoch, 4, over=lambda history: len(history) == 3, verbose=False)
    assert len(state.history) == 3, "ended early"


def test_weights_to_keep_may_be_others_than_those_that_training_goes_on_with(model, tmp_path):
    def one_epoch(epoch):
        model.set_weights([np.full_like(w, 1.0) for w in model.get_weights()])
        return {"val_loss": 1.0}

    state = resumable.State(tmp_path / "s.npz", Plan())
    state.restore(model)
    state.run(model, one_epoch, 1, kept=lambda: [0 * w + 7 for w in model.get_weights()], verbose=False)
    assert all((w == 7.0).all() for w in model.get_weights())
    again = resumable.State(tmp_path / "s.npz", Plan())
    again.restore(model)
    assert all((w == 1.0).all() for w in model.get_weights()), "training goes on from here"


def test_the_last_epoch_is_kept_where_the_loss_is_no_judge(model, tmp_path):
    def one_epoch(epoch):
        model.set_weights([np.full_like(w, epoch) for w in model.get_weights()])
        return {"val_loss": float(epoch)}

    state = resumable.State(tmp_path / "s.npz", Plan())
    state.restore(model)
    state.run(model, one_epoch, 3, keep_last=True, verbose=False)
    assert all((w == 2.0).all() for w in model.get_weights())


def test_weights_are_rounded_as_they_are_stored(model):
    model.set_weights([np.full_like(w, 1.0001) for w in model.get_weights()])
    resumable.round_as_stored(model)
    assert all((w == 1.0).all() for w in model.get_weights())


def test_hash_depends_on_names_and_contents(tmp_path):
    for name, text in (("a.nc", "1"), ("b.nc", "2"), ("c.nc", "1")):
        (tmp_path / name).write_text(text)
    a, b, c = (tmp_path / n for n in ("a.nc", "b.nc", "c.nc"))
    of = resumable.data_hash
    assert of([a, b]) == of([b, a])
    assert len({of([a]), of([b]), of([c]), of([a, b])}) == 4


def test_hash_of_arrays_depends_on_names_shapes_and_contents():
    of, x = resumable.array_hash, np.arange(6.0)
    assert of({"a": x, "b": x}) == of({"b": x.copy(), "a": x})
    other = [{"a": x}, {"b": x}, {"a": x.reshape(2, 3)}, {"a": x + 1}, {"a": x.astype("f4")}]
    assert len({of(arrays) for arrays in other}) == 5


def test_command_line_and_back():
    options = {"pooling": "max", "units": 16, "rates": [1, 2], "batch_norm": True}
    values = {"seed": 3, "learning_rate": None, "drop": ["x", "y"], "options": options}
    words = resumable.command("some.module", values).split()
    assert words[:3] == ["python", "-m", "some.module"]
    assert words[3:8] == ["--seed", "3", "--drop", "x", "y"]
    parser = argparse.ArgumentParser()
    resumable.add_option(parser)
    assert resumable.options(parser.parse_args(words[8:]).option, parser) == options
    assert resumable.options(["batch_norm=True"], parser) == {"batch_norm": True}, "as older cards have it"
    assert resumable.command("m", {"options": {}, "drop": [], "huber": False}) == "python -m m"
    assert resumable.command("m", {"some_flag": True, "seed": 0}) == "python -m m --some-flag --seed 0"
    with pytest.raises(SystemExit):
        resumable.options(["pooling"], parser)
