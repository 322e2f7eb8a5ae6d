"""Steps of a training: columns, learning rates, weights of the loss, averages."""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
from maelstrom_bootcamp.apps.radiation import train as t
from maelstrom_bootcamp.apps.radiation import trainer
from maelstrom_bootcamp.errors import BootcampError

import keras
import numpy as np
import pytest

SMALL = {"levels": 12, "filters": 4, "dilation_rates": (1,), "convs": 1}
ALL = {
    "min_cnn": {**SMALL, "flux_width": 8},
    "cnn": SMALL,
    "attention": {"levels": 12, "filters": 4, "heads": 2, "convs": (1, 1)},
    "rnn": {"levels": 12, "units": 4},
    "dense": {"levels": 12, "widths": (8,)},
}
TINY = {"size": "ci", "batch_size": 8, "learning_rate": 0.3, "options": SMALL}


@pytest.mark.parametrize("band", ["sw", "lw"])
@pytest.mark.parametrize("model", list(ALL))
def test_every_network_learns(model, band, labelled):
    common = {"epochs": 8, "batch_size": 16, "learning_rate": 0.6, "huber": True, "options": ALL[model]}
    plan = t.Plan(model=model, band=band, heating_weight=1e-3, **common)
    data = [t.teaching(labelled[part], band) for part in ("train", "validation")]
    made = trainer.Trainer(t.build(plan), plan, *data)
    before = made.validate()
    history = []
    for epoch in range(plan.epochs):
        history.append(made.one_epoch(epoch, history))
    assert history[-1]["loss"] < history[0]["loss"]
    assert history[-1][f"val_{band}_rmse"] < 0.9 * before[f"val_{band}_rmse"]


def test_only_sunlit_columns_teach_about_sunlight(labelled):
    assert len(t.teaching(labelled["train"], "sw")["sw"]) == 48
    assert (t.teaching(labelled["train"], "sw")["sca_inputs"][:, 1] > 0).all()
    assert len(t.teaching(labelled["train"], "lw")["lw"]) == 64
    night = {name: values[::4] for name, values in labelled["train"].items()}
    with pytest.raises(BootcampError, match="sunlit"):
        t.teaching(night, "sw")


def test_linear_scaling_rule():
    assert t.Plan(model="rnn", batch_size=512).first_rate() == pytest.approx(1e-3)
    assert t.Plan(model="rnn", batch_size=64).first_rate() == pytest.approx(1.25e-4)
    assert t.Plan(batch_size=512, learning_rate=1e-3).first_rate() == pytest.approx(2e-3)


def test_cosine():
    rates = [trainer.cosine_rate(done, 2.0) for done in (0.0, 0.025, 0.05, 0.525, 1.0)]
    assert rates == pytest.approx([0, 1, 2, 1, 0])


def test_easing_in():
    assert [trainer.eased(done, 0.5) for done in (0, 0.25, 0.5, 1)] == pytest.approx([1e-3, 10**-1.5, 1, 1])
    assert trainer.eased(0, 0) == 1


@pytest.mark.parametrize("seed", range(3))
def test_plateau_is_that_of_keras(seed):
    """Rates and end from the history alone: the same as Keras' callbacks, which keep theirs in memory."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(1e-2), "mse")
    reduce = keras.callbacks.ReduceLROnPlateau("val_loss", 0.25, 4, min_lr=1e-6)
    stop = keras.callbacks.EarlyStopping("val_loss", patience=6)
    for callback in (reduce, stop):
        callback.set_model(model)
        callback.on_train_begin()
    rng, history = np.random.default_rng(seed), []
    for epoch in range(60):
        expected = float(model.optimizer.learning_rate)
        assert trainer.plateau_rate(history, 1e-2) == pytest.approx(expected, rel=1e-5)
        assert trainer.is_over(history) == model.stop_training
        history.append({"val_loss": float(1 / (epoch + 1) + 0.02 * rng.random())})
        for callback in (reduce, stop):
            callback.on_epoch_end(epoch, dict(history[-1]))
        if model.stop_training:
            break
    assert model.stop_training
    assert trainer.is_over(history)


def test_average_of_the_weights(labelled):
    """What is kept is the average over all updates; training goes on from the weights themselves."""
    plan = t.Plan(**TINY, epochs=2, ema=0.5)
    made = trainer.Trainer(t.build(plan), plan, labelled["train"], labelled["validation"])
    step, seen = made.step, []

    def watched(x, y):
        loss = step(x, y)
        seen.append([np.array(v) for v in made.model.trainable_variables])
        return loss

    made.step = watched
    row = made.one_epoch(0, [])
    made.one_epoch(1, [row])
    average = seen[0]
    for weights in seen[1:]:
        average = [0.5 * a + 0.5 * w for a, w in zip(average, weights, strict=True)]
    for now, last, found, expected in zip(
        made.model.get_weights(), seen[-1], made.kept(), average, strict=True
    ):
        np.testing.assert_array_equal(now, last)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_validation_is_of_the_weights_that_are_kept(labelled):
    plan = t.Plan(**TINY, epochs=1, ema=0.9)
    made = trainer.Trainer(t.build(plan), plan, labelled["train"], labelled["validation"])
    row = made.one_epoch(0, [])
    raw = made.validate()["val_loss"]
    made.model.set_weights(made.kept())
    assert made.validate()["val_loss"] == pytest.approx(row["val_loss"], rel=1e-6)
    assert raw != pytest.approx(row["val_loss"], rel=1e-4)


def test_without_an_average_the_weights_are_kept_as_they_are(labelled):
    plan = t.Plan(**TINY, epochs=1)
    made = trainer.Trainer(t.build(plan), plan, labelled["train"], labelled["validation"])
    made.one_epoch(0, [])
    for kept, now in zip(made.kept(), made.model.get_weights(), strict=True):
        np.testing.assert_array_equal(kept, now)


def test_long_gradients_are_cut(labelled):
    plan = t.Plan(**TINY, clip=0.25)
    made = trainer.Trainer(t.build(plan), plan, labelled["train"], labelled["validation"])
    assert made.model.optimizer.clipnorm == 0.25
    free = trainer.Trainer(t.build(t.Plan(**TINY)), t.Plan(**TINY), labelled["train"], labelled["validation"])
    assert free.model.optimizer.clipnorm is None


def test_weights_decay_and_biases_do_not(labelled):
    plan = t.Plan(**TINY, weight_decay=0.5)
    made = trainer.Trainer(t.build(plan), plan, labelled["train"], labelled["validation"])
    optimizer, zero = made.model.optimizer, [0 * v for v in made.model.trainable_variables]
    optimizer.build(made.model.trainable_variables)
    made.model.set_weights([np.ones_like(w) for w in made.model.get_weights()])
    optimizer.apply(zero, made.model.trainable_variables)
    for variable in made.model.trainable_variables:
        assert (np.array(variable) < 1).all() == ("bias" not in variable.path)


def test_thin_layers_count_less(labelled):
    plan = t.Plan(**TINY, thick=1e4)
    made = trainer.Trainer(t.build(plan), plan, labelled["train"], labelled["validation"])
    thickness = np.diff(labelled["train"]["pressure_hl"][..., 0], axis=1)
    np.testing.assert_allclose(made.y["depth"], np.minimum(1, thickness / 1e4), rtol=1e-5)
    right = {name: made.y[name] for name in ("sw", "hr_sw")}
    wrong = {**right, "hr_sw": right["hr_sw"] + 1}  # by 1 K/day everywhere
    difference = made._loss(made.y, wrong) - made._loss(made.y, right)
    assert float(difference) == pytest.approx(0.1 * np.minimum(1, thickness / 1e4).mean(), rel=1e-3)
