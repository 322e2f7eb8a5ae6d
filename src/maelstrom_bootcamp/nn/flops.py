"""Arithmetic of a network: parameters and multiply-accumulate operations, counted from its layers."""

from __future__ import annotations

import math

import keras
import pandas as pd
from keras import layers

from maelstrom_bootcamp.errors import BootcampError

#: Layers whose arithmetic is not counted: one operation or less per value, or none that is left at inference.
FREE = (
    layers.InputLayer,
    layers.Add,
    layers.Activation,
    layers.LeakyReLU,
    layers.ReLU,
    layers.AveragePooling2D,
    layers.GlobalAveragePooling2D,
    layers.MaxPooling2D,
    layers.UpSampling2D,
    layers.Concatenate,
    layers.BatchNormalization,
    layers.GroupNormalization,
)


def cost_by_layer(model: keras.Model, size: int = 256) -> pd.DataFrame:
    """Count the work of each layer for one forward pass.

    A convolution with a k x k kernel costs ``k * k * channels_in * channels_out`` multiply-accumulates (MAC)
    at each pixel of *its own* grid; here they are given per pixel of the *input* grid. Pooling, upsampling,
    activation and batch normalisation are counted as free.

    Parameters
    ----------
    model : keras.Model
        Network with inputs of shape (batch, y, x, channels).
    size : int
        Width and height in pixels of the patch on which it is counted; has to fit through the pooling.

    Returns
    -------
    pandas.DataFrame
        One row a layer (index: name) with ``level`` (the name up to its first underscore), ``parameters``,
        ``macs_per_pixel`` (forward, per pixel of the input) and ``outputs_per_pixel`` (values it produces).

    Raises
    ------
    BootcampError
        If the model holds a layer that this function cannot count.
    """
    channels = model.input.shape[-1]
    # A clone on a patch of known size tells the shape of every layer's output.
    fixed = keras.models.clone_model(model, input_tensors=keras.Input((size, size, channels)))
    rows = []
    for layer in fixed.layers:
        rows.append(
            {
                "layer": layer.name,
                "level": layer.name.split("_")[0],
                "parameters": layer.count_params(),
                "macs_per_pixel": _macs(layer) / size**2,
                "outputs_per_pixel": math.prod(layer.output.shape[1:]) / size**2,
            }
        )
    table = pd.DataFrame(rows).set_index("layer")
    return table.drop(index=[layer.name for layer in fixed.layers if isinstance(layer, layers.InputLayer)])


def cost_by_level(model: keras.Model, size: int = 256) -> pd.DataFrame:
    """Sum the table of `cost_by_layer` over the levels of the network (enc1, ..., bottleneck, ..., head)."""
    return cost_by_layer(model, size).groupby("level", sort=False).sum()


def macs_per_pixel(model: keras.Model, size: int = 256) -> float:
    """Multiply-accumulates of one forward pass per pixel of the input; 12,096 for the standard U-Net.

    One MAC is two floating-point operations. A training step costs about three times as much: forward,
    gradient with respect to the activations, gradient with respect to the weights.
    """
    return float(cost_by_layer(model, size)["macs_per_pixel"].sum())


def _macs(layer: layers.Layer) -> int:
    if isinstance(layer, layers.Conv2DTranspose):
        # Each input pixel is multiplied with the whole kernel and spread over the output.
        return math.prod(layer.input.shape[1:3]) * math.prod(layer.kernel.shape)
    if isinstance(layer, layers.Conv2D | layers.Dense):
        return math.prod(layer.output.shape[1:-1]) * math.prod(layer.kernel.shape)
    if isinstance(layer, FREE):
        return 0
    raise BootcampError(
        f"Layer {layer.name!r} ({type(layer).__name__}) cannot be counted.",
        "Use Conv2D, Conv2DTranspose, Dense, pooling, upsampling and activation layers only.",
    )
