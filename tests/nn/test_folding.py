"""A network without its batch normalisation computes the same."""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
from maelstrom_bootcamp import nn
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.nn.blocks import conv_norm
from maelstrom_bootcamp.nn.folding import fold_batch_norm

import keras
import numpy as np
import pytest

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 8, 12, 3)).astype("f4")


def shaken(model):
    """The model with statistics and weights that are no ones and zeros."""
    model.set_weights([w + RNG.uniform(0.1, 0.5, w.shape) for w in model.get_weights()])
    return model


@pytest.mark.parametrize("bias", [True, False])
def test_folded_is_the_same_function(bias):
    nn.set_seed(0)
    inputs = keras.Input((8, 12, 3))
    x = skip = conv_norm(inputs, 4, name="one", bias=bias)
    x = keras.layers.MaxPooling2D(2)(x)
    x = keras.layers.Conv2DTranspose(4, 2, 2, name="up")(x)
    x = conv_norm(keras.layers.Concatenate()([x, skip]), 5, name="two", bias=bias, like="pytorch")
    outputs = {"t2m": keras.layers.Conv2D(1, 1, name="t2m")(x), "z": keras.layers.Conv2D(1, 1, name="z")(x)}
    model = shaken(keras.Model(inputs, outputs))
    folded = fold_batch_norm(model)
    assert not any(isinstance(layer, keras.layers.BatchNormalization) for layer in folded.layers)
    assert folded.count_params() == model.count_params() - 4 * (4 + 5) + (0 if bias else 4 + 5)
    for name, expected in model(X, training=False).items():
        assert np.allclose(folded(X)[name], expected, rtol=1e-4, atol=1e-4), name
        assert not np.allclose(model(X, training=True)[name], expected, rtol=1e-2, atol=1e-2)


def test_a_normalisation_without_factor_and_offset():
    inputs = keras.Input((8, 12, 3))
    x = keras.layers.Conv2D(2, 1)(inputs)
    model = keras.Model(inputs, keras.layers.BatchNormalization(center=False, scale=False)(x))
    assert np.allclose(fold_batch_norm(shaken(model))(X), model(X, training=False), rtol=1e-4, atol=1e-5)


def networks_that_cannot_be_folded():
    inputs = keras.Input((8, 12, 3))
    conv = keras.layers.Conv2D(3, 1)(inputs)
    norm = keras.layers.BatchNormalization()
    yield "no convolution", keras.Model(inputs, norm(inputs))
    curved = keras.layers.Conv2D(3, 1, activation="relu")(inputs)
    yield "no convolution", keras.Model(inputs, keras.layers.BatchNormalization()(curved))
    added = keras.layers.Add()([conv, keras.layers.BatchNormalization()(conv)])
    yield "read by others", keras.Model(inputs, added)


@pytest.mark.parametrize(("words", "model"), networks_that_cannot_be_folded())
def test_others_are_refused(words, model):
    with pytest.raises(BootcampError, match=words):
        fold_batch_norm(model)
