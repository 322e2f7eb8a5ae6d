"""Layers that know physics, checked by hand."""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
from maelstrom_bootcamp import nn  # noqa: F401
from maelstrom_bootcamp.apps.radiation import layers
from maelstrom_bootcamp.errors import BootcampError

import keras
import numpy as np
import pytest


def test_heating_rate_of_a_layer_by_hand():
    flux = np.array([[[1000.0, 300.0], [950.0, 290.0]]])  # 40 W/m² stay in a layer of 100 hPa
    rate = layers.HeatingRate()(flux, np.array([[[20_000.0], [30_000.0]]]))
    np.testing.assert_allclose(rate, [[[9.80665 * 40 / (1004 * 10_000) * 86_400]]], rtol=1e-5)


def test_top_flux_by_hand():
    surface = np.array([[940.0, 300.0]])
    rate = np.full((1, 1, 1), 9.80665 * 40 / (1004 * 10_000) * 86_400)  # what heats are 40 W/m²
    top = layers.TopFlux()(surface, rate, np.array([[[20_000.0], [30_000.0]]]))
    np.testing.assert_allclose(top, [[680, 940, 300]], rtol=1e-5)


def test_black_body_takes_the_warmest_of_surface_and_air():
    scalars = np.zeros((2, 17), "f4")
    scalars[:, 0] = [300, 250]
    air = np.full((2, 4, 2), 280, "f4")
    air[:, 2, 0] = 290
    air[..., 1] = 100_000  # pressure must not count
    emitted = layers.BlackBody()(scalars, air)
    np.testing.assert_allclose(emitted, [[459.30], [401.05]], rtol=1e-4)  # sigma T^4 of 300 K, 290 K


def test_incoming_sunlight():
    scalars = np.zeros((2, 17), "f4")
    scalars[:, 1], scalars[:, 16] = [0.5, 0], 1361
    np.testing.assert_allclose(layers.Incoming()(scalars), [[680.5], [0]])


def test_features_of_a_layer_by_hand():
    gases = np.arange(2 * 27, dtype="f4").reshape(1, 2, 27)
    pressure = np.array([[[10.0], [30.0], [70.0]]], "f4")
    temperature = np.array([[[200.0], [210.0], [240.0]]], "f4")
    seen = np.asarray(layers.LayerFeatures()(gases, temperature, pressure, np.array([[0.5]], "f4")))
    assert seen.shape == (1, 2, 28)
    kept = [i for i in range(27) if i not in (5, 8, 9)]
    np.testing.assert_array_equal(seen[..., :24], gases[..., kept])
    expected = [[0.5, np.log(p), t, d] for p, t, d in ((20, 205, 20), (50, 225, 40))]
    np.testing.assert_allclose(seen[0, :, 24:] / [1, *layers.RNN_SCALES], expected, rtol=1e-5)
    dark = layers.LayerFeatures()(gases, temperature, pressure)
    np.testing.assert_array_equal(dark, np.delete(seen, 24, axis=-1))


@pytest.mark.parametrize("pool", [1, 2, 3, 5, 9, 13, 20])
def test_levels_are_joined_and_parted_without_loss(pool):
    x = keras.Input((13, 3))
    joined, steps = layers.joined(x, pool)
    assert joined.shape[1:] == (steps, 3 * pool)
    assert steps == -(-13 // pool)
    values = np.random.default_rng(0).random((2, 13, 3), "f4")
    np.testing.assert_array_equal(keras.Model(x, layers.parted(joined, 13, pool))(values), values)


def test_inputs_are_divided_by_their_maxima_and_pressure_is_not(columns):
    x = columns(levels=4)
    inputs = layers.column_inputs(4)
    maxima = {name: [2.0] * tensor.shape[-1] for name, tensor in inputs.items()}
    found = keras.Model(inputs, layers.scaled(inputs, maxima))(x)
    assert set(found) == {"sca_inputs", "col_inputs", "hl_inputs", "inter_inputs"}
    for name, values in found.items():
        np.testing.assert_allclose(values, x[name] / 2, rtol=1e-6)
    with pytest.raises(BootcampError, match="positive number"):
        layers.scaled(inputs, maxima | {"inter_inputs": [0.0]})


def test_published_maxima_are_those_of_the_plugin():
    maxima = layers.published_maxima()
    assert [len(maxima[k]) for k in ("sca_inputs", "col_inputs", "hl_inputs", "inter_inputs")] == [
        17,
        27,
        2,
        1,
    ]
    assert maxima["sca_inputs"][16] == pytest.approx(1407.193)
    assert maxima["col_inputs"][8] == 1.0  # always zero in the data


def test_all_inputs_at_all_levels(columns):
    x = columns(levels=4, n=2)
    inputs = layers.column_inputs(4)
    ones = {name: [1.0] * tensor.shape[-1] for name, tensor in inputs.items()}
    made = np.asarray(keras.Model(inputs, layers.whole_column(layers.scaled(inputs, ones), 4))(x))
    assert made.shape == (2, 5, 47)
    np.testing.assert_array_equal(made[:, 3, :17], x["sca_inputs"])
    np.testing.assert_array_equal(made[:, 1:, 17:44], x["col_inputs"])
    np.testing.assert_array_equal(made[:, 0, 17:44], 0)
    np.testing.assert_array_equal(made[..., 44:46], x["hl_inputs"])
    np.testing.assert_array_equal(made[:, 1:-1, 46:], x["inter_inputs"])
