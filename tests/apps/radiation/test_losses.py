"""Losses as published, explicit at night; metrics with units."""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
from maelstrom_bootcamp.apps.radiation import losses, networks
from maelstrom_bootcamp.errors import BootcampError

import keras
import numpy as np
import pytest
import tensorflow as tf


def fluxes(top_down, top_up=0.0):
    """Two interfaces of one column: flux down and up."""
    return np.array([[[top_down, top_up], [0.5 * top_down, 0.1 * top_down]]], "f4")


def test_scaled_by_what_comes_in():
    truth = np.concatenate([fluxes(1000.0, 300.0), fluxes(10.0, 3.0)])
    off = truth * [[[1.1]], [[1.1]]]
    one, other = (losses.TopScaledMAE()(truth[[i]], off[[i]]) for i in (0, 1))
    assert float(one) == pytest.approx(0.1 * (1000 + 300 + 500 + 100) / 4 / 1000, rel=1e-5)
    assert float(one) == pytest.approx(float(other), rel=1e-5), "evening counts as much as noon"


def test_scaled_by_what_leaves_in_the_longwave():
    truth = np.array([[[0.0, 250.0], [300.0, 400.0]]], "f4")
    assert float(losses.TopScaledMAE()(truth, truth + 25)) == pytest.approx(0.1)


def test_night_costs_nothing_and_gives_no_gradient():
    truth = tf.constant(np.concatenate([fluxes(0.0), fluxes(1000.0, 300.0)]))
    forecast = tf.Variable(truth + 10.0)
    with tf.GradientTape() as tape:
        value = losses.TopScaledMAE()(truth, forecast)
    gradient = tf.convert_to_tensor(tape.gradient(value, forecast)).numpy()
    assert float(value) == pytest.approx(0.5 * 10 / 1000)
    assert np.isfinite(gradient).all()
    assert not gradient[0].any()
    assert gradient[1].all()


@pytest.mark.parametrize("shape", [(3, 2), (3,)])
def test_rmse_counts_lit_columns_only_over_batches(shape):
    rng = np.random.default_rng(0)
    truth = rng.uniform(1, 2, (5, *shape)).astype("f4")
    truth[1] = 0
    forecast = truth + rng.standard_normal((5, *shape)).astype("f4")
    metric = losses.LitRMSE()
    assert float(metric.result()) == 0
    metric.update_state(truth[:2], forecast[:2])
    metric.update_state(truth[2:], forecast[2:])
    lit = [0, 2, 3, 4]
    expected = np.sqrt(np.mean((truth[lit] - forecast[lit]) ** 2))
    assert float(metric.result()) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("band", ["sw", "lw"])
@pytest.mark.parametrize("make", [networks.min_cnn, networks.cnn])
def test_networks_train_with_their_losses(make, band, columns):
    model = make(levels=12, band=band)
    known = {band: np.ones((3, 13, 2), "f4"), f"hr_{band}": np.ones((3, 12, 1), "f4")}
    y = losses.targets(model.name, band, known)
    model.compile("adam", **losses.losses(model.name, band))
    logs = model.train_on_batch(columns(), y, return_dict=True)
    assert {f"{band}_rmse", f"hr_{band}_rmse", "loss"} <= set(logs)
    assert np.isfinite(list(logs.values())).all()


def test_published_weights():
    for name, weight in (("min_cnn", 1000), ("cnn", 0.1), ("rnn", 0.1), ("attention", 0.1)):
        rule = losses.losses(name, "sw")
        assert rule["loss_weights"] == {"hr_sw": weight, "sw": 1}
    assert isinstance(losses.losses("min_cnn", "sw")["loss"]["sw"], keras.losses.MeanSquaredError)
    assert isinstance(losses.losses("rnn", "sw")["loss"]["hr_sw"], keras.losses.MeanAbsoluteError)
    assert isinstance(losses.losses("rnn", "sw", huber=True)["loss"]["hr_sw"], keras.losses.Huber)
    assert losses.losses("rnn", "lw", 0.5)["loss_weights"]["hr_lw"] == 0.5
    with pytest.raises(BootcampError, match="band='uv'"):
        losses.losses("rnn", "uv")


def test_targets_of_min_cnn_are_net_at_the_top_and_both_at_the_surface():
    known = {"sw": np.array([[[1000.0, 300.0], [700.0, 200.0], [500.0, 100.0]]]), "hr_sw": np.ones((1, 2, 1))}
    np.testing.assert_array_equal(losses.targets("min_cnn", "sw", known)["sw"], [[700, 500, 100]])
    assert losses.targets("cnn", "sw", known)["sw"] is known["sw"]
