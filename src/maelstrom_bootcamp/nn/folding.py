"""Batch normalisation that costs nothing any more: folded into the convolution before it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers

from maelstrom_bootcamp.errors import BootcampError


def fold_batch_norm(model: keras.Model) -> keras.Model:
    """A network without batch normalisation that computes the same, for use after training.

    With fixed statistics, normalisation is a factor and an offset for each channel, and so is a part of the
    convolution before it: with s = gamma / sqrt(variance + epsilon), its kernel becomes s kernel and its bias
    s (bias - mean) + beta.

    Parameters
    ----------
    model : keras.Model
        In which a convolution, and nothing else, stands before each batch normalisation.

    Returns
    -------
    keras.Model
        Same inputs and outputs as `model` has with ``training=False``, but for rounding.

    Raises
    ------
    BootcampError
        If what stands before a normalisation is no convolution, or is read by others, too.
    """
    norms = {_before(layer).name: layer for layer in model.layers if _is_norm(layer)}
    gone = {norm.name for norm in norms.values()}

    def without(layer: layers.Layer) -> layers.Layer:
        config = layer.get_config()
        if _is_norm(layer):
            return layers.Activation("linear", name=layer.name)
        return layer.__class__.from_config(config | ({"use_bias": True} if layer.name in norms else {}))

    def call(layer: layers.Layer, *args: Any, **kwargs: Any) -> Any:
        return layer(*args, **({} if layer.name in gone else kwargs))  # a normalisation was told of masks

    folded = keras.models.clone_model(model, clone_function=without, call_function=call)
    for layer in model.layers:
        norm = norms.get(layer.name)
        if norm is not None:
            folded.get_layer(layer.name).set_weights(_folded(layer, norm))
        elif layer.weights and not _is_norm(layer):
            folded.get_layer(layer.name).set_weights(layer.get_weights())
    return folded


def _is_norm(layer: layers.Layer) -> bool:
    return isinstance(layer, layers.BatchNormalization)


def _before(norm: layers.Layer) -> layers.Layer:
    """The convolution before a normalisation."""
    before = norm.input._keras_history.operation
    if not isinstance(before, layers.Conv2D) or before.get_config()["activation"] != "linear":
        raise BootcampError(
            f"Before {norm.name!r} stands {before.name!r}, and no convolution alone.",
            "Fold networks of convolutions that are followed by their batch normalisation.",
        )
    if len(before._outbound_nodes) != 1:
        raise BootcampError(
            f"{before.name!r} is read by others than {norm.name!r}, too.", "Leave this network as it is."
        )
    return before


def _folded(conv: layers.Layer, norm: layers.Layer) -> list[np.ndarray]:
    kernel, *bias = conv.get_weights()
    ones = np.ones(kernel.shape[-1], np.float32)
    gamma, beta, mean, variance = (
        ones * fallback if weight is None else weight.numpy()
        for weight, fallback in (
            (norm.gamma, 1),
            (norm.beta, 0),
            (norm.moving_mean, 0),
            (norm.moving_variance, 1),
        )
    )
    scale = gamma / np.sqrt(variance + norm.epsilon)
    return [kernel * scale, scale * ((bias[0] if bias else 0) - mean) + beta]
