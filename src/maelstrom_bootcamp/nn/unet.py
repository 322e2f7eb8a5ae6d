"""The U-Net that MET Norway trained for yr.no, and three simpler networks to compare it with.

Every network maps normalised predictor fields, shape ``(batch, y, x, n_inputs)``, to output fields on the
same grid, shape ``(batch, y, x, n_outputs)``. The outputs are quantiles of the residual temperature
(target minus control forecast) in K. One sample is one lead time: nothing mixes in time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

from maelstrom_bootcamp.errors import BootcampError

ACTIVATIONS = ("relu", "leaky_relu", "swish")
POOLING = {"average": layers.AveragePooling2D, "max": layers.MaxPooling2D}
UPSAMPLING = ("nearest_conv", "nearest", "transpose")
INITIALIZERS = ("he", "glorot")
SLOPE = 0.3  # of Leaky ReLU below zero: the default of Keras when MET Norway's model was written


def unet(
    n_inputs: int = 17,
    n_outputs: int = 3,
    *,
    features: int = 16,
    levels: int = 6,
    kernel_size: int = 1,
    convs: int = 2,
    ratio: int = 2,
    pooling: str = "average",
    activation: str = "leaky_relu",
    batch_norm: bool = False,
    upsampling: str = "nearest_conv",
    initializer: str = "he",
) -> keras.Model:
    """Build MET Norway's U-Net; with the defaults it has exactly 1,314,019 parameters.

    The encoder halves the resolution ``levels - 1`` times, and multiplies the number of channels by `ratio`
    each time. The decoder comes back up the same stairs. At each step a skip connection hands it the fields
    that the encoder saw at this resolution, so that no detail is lost on the way.

    With ``kernel_size=1`` all convolutions look at one pixel only. Neighbours are seen through the pooling
    and through the 2 x 2 convolutions of the decoder, and nowhere else.

    Parameters
    ----------
    n_inputs, n_outputs : int
        Number of predictor fields and of output fields.
    features : int
        Channels of the first level.
    levels : int
        Number of resolutions. Patches have to be a multiple of ``2 ** (levels - 1)`` pixels wide and high.
    kernel_size : int
        Width in pixels of the convolutions of encoder and decoder.
    convs : int
        Convolutions per level.
    ratio : int
        Factor on the number of channels from one level to the next.
    pooling : {"average", "max"}
    activation : {"relu", "leaky_relu", "swish"}
        "leaky_relu" has a slope of 0.3 below zero, the default of Keras when MET's model was written.
    batch_norm : bool
        Normalise between convolution and activation, without scale and offset (the next layer has weights).
    upsampling : {"nearest_conv", "nearest", "transpose"}
        "nearest_conv" repeats each pixel 2 x 2 times, then a 2 x 2 convolution with learnt weights smooths
        the blocks; "nearest" leaves the blocks as they are; "transpose" fills the new pixels by a strided
        transposed convolution instead of repeating them (same number of parameters, prone to checkerboards).
    initializer : {"he", "glorot"}
        "he" starts with weights that keep the variance of a field from layer to layer; "glorot", the default
        of Keras and of MET Norway's code, lets it shrink where the number of channels grows, so that the deep
        levels have little to say when training starts.

    Returns
    -------
    keras.Model
        Input ``(batch, y, x, n_inputs)``, output ``(batch, y, x, n_outputs)``, any y and x that fit.

    Raises
    ------
    BootcampError
        If an argument does not exist or cannot be built.

    References
    ----------
    Own code after the class ``Unet`` in ``maelstrom/models.py`` of github.com/metno/maelstrom-train. There
    the layers are Conv3D with kernels [1, k, k]; here a lead time is a member of the batch, which is the
    same.
    """
    _check_counts(n_inputs=n_inputs, n_outputs=n_outputs, features=features, levels=levels)
    _check_counts(kernel_size=kernel_size, convs=convs, ratio=ratio)
    _check_choice("pooling", pooling, tuple(POOLING))
    _check_choice("activation", activation, ACTIVATIONS)
    _check_choice("upsampling", upsampling, UPSAMPLING)
    start = {"kernel_initializer": _initializer(initializer, activation)}

    def conv_block(x: Any, channels: int, name: str) -> Any:
        """(convolution -> normalisation -> activation), `convs` times."""
        for i in range(1, convs + 1):
            x = layers.Conv2D(channels, kernel_size, padding="same", name=f"{name}_conv{i}", **start)(x)
            if batch_norm:
                x = layers.BatchNormalization(scale=False, center=False, name=f"{name}_norm{i}")(x)
            x = _activation(activation, f"{name}_act{i}")(x)
        return x

    def upsample(x: Any, channels: int, name: str) -> Any:
        """Twice the resolution, `channels` channels."""
        if upsampling == "transpose":
            make = layers.Conv2DTranspose
            x = make(channels, kernel_size, 2, padding="same", name=f"{name}_transpose", **start)(x)
        else:
            x = layers.Conv2D(channels, kernel_size, padding="same", name=f"{name}_squeeze", **start)(x)
            x = _activation(activation, f"{name}_squeeze_act")(x)
            x = layers.UpSampling2D(2, interpolation="nearest", name=f"{name}_nearest")(x)
        if upsampling != "nearest":
            x = layers.Conv2D(channels, 2, padding="same", name=f"{name}_smooth", **start)(x)
            x = _activation(activation, f"{name}_smooth_act")(x)
        return x

    inputs = keras.Input((None, None, n_inputs), name="predictors")
    x, skips = inputs, {}
    for level in range(1, levels):
        x = conv_block(x, features * ratio ** (level - 1), f"enc{level}")
        skips[level] = x
        x = POOLING[pooling](2, name=f"enc{level}_pool")(x)
    x = conv_block(x, features * ratio ** (levels - 1), "bottleneck")
    for level in reversed(range(1, levels)):
        channels = features * ratio ** (level - 1)
        x = upsample(x, channels, f"up{level}")
        x = layers.Concatenate(name=f"dec{level}_skip")([skips[level], x])
        x = conv_block(x, channels, f"dec{level}")
    outputs = layers.Dense(n_outputs, name="head")(x)
    return keras.Model(inputs, outputs, name="unet")


def pointwise_net(
    n_inputs: int = 17,
    n_outputs: int = 3,
    *,
    width: int = 60,
    depth: int = 4,
    activation: str = "leaky_relu",
    batch_norm: bool = False,
    initializer: str = "he",
) -> keras.Model:
    """Build the fair comparison: the same predictors, no neighbours.

    A stack of 1 x 1 convolutions, that is, the same small dense network at each pixel. What the U-Net does
    better than this one it owes to the surroundings of the pixel. The defaults do the same work per pixel as
    the standard U-Net (12,000 against 12,096 multiply-accumulates) with 12,243 parameters: the U-Net has a
    hundred times more because its parameters sit at the coarse levels, where pixels are few.

    Parameters
    ----------
    n_inputs, n_outputs : int
        Number of predictor fields and of output fields.
    width : int
        Channels of each hidden layer.
    depth : int
        Number of hidden layers.
    activation : {"relu", "leaky_relu", "swish"}
    batch_norm : bool
    initializer : {"he", "glorot"}
        These three as in `unet`.

    Returns
    -------
    keras.Model
        With ``(n_inputs + 1) * width + (depth - 1) * (width + 1) * width + (width + 1) * n_outputs``
        parameters.

    Raises
    ------
    BootcampError
        If an argument does not exist or cannot be built.
    """
    _check_counts(n_inputs=n_inputs, n_outputs=n_outputs, width=width, depth=depth)
    _check_choice("activation", activation, ACTIVATIONS)
    x = inputs = keras.Input((None, None, n_inputs), name="predictors")
    start = {"kernel_initializer": _initializer(initializer, activation)}
    for i in range(1, depth + 1):
        x = layers.Conv2D(width, 1, name=f"hidden_conv{i}", **start)(x)
        if batch_norm:
            x = layers.BatchNormalization(scale=False, center=False, name=f"hidden_norm{i}")(x)
        x = _activation(activation, f"hidden_act{i}")(x)
    return keras.Model(inputs, layers.Dense(n_outputs, name="head")(x), name="pointwise")


def linear_net(n_inputs: int = 17, n_outputs: int = 3) -> keras.Model:
    """Build MET Norway's "Regression": each output is a weighted sum of the predictors at the pixel.

    The defaults give 54 parameters.

    Parameters
    ----------
    n_inputs, n_outputs : int
        Number of predictor fields and of output fields.

    Returns
    -------
    keras.Model

    Raises
    ------
    BootcampError
        If a number is not a whole number >= 1.
    """
    _check_counts(n_inputs=n_inputs, n_outputs=n_outputs)
    inputs = keras.Input((None, None, n_inputs), name="predictors")
    return keras.Model(inputs, layers.Dense(n_outputs, name="head")(inputs), name="linear")


def basic_cnn(
    n_inputs: int = 17,
    n_outputs: int = 3,
    *,
    filters: Sequence[int] = (12, 5, 5),
    kernel_size: int = 3,
    activation: str = "relu",
) -> keras.Model:
    """Build MET Norway's "BasicBenchmark": a few small convolutions at full resolution.

    The defaults give 2,641 parameters and see 7 x 7 pixels.

    Parameters
    ----------
    n_inputs, n_outputs : int
        Number of predictor fields and of output fields.
    filters : sequence of int
        Channels of each convolution.
    kernel_size : int
        Width of each convolution in pixels.
    activation : {"relu", "leaky_relu", "swish"}

    Returns
    -------
    keras.Model

    Raises
    ------
    BootcampError
        If an argument does not exist or cannot be built.
    """
    _check_counts(n_inputs=n_inputs, n_outputs=n_outputs, kernel_size=kernel_size)
    _check_counts(**{f"filters[{i}]": n for i, n in enumerate(filters)})
    _check_choice("activation", activation, ACTIVATIONS)
    x = inputs = keras.Input((None, None, n_inputs), name="predictors")
    for i, channels in enumerate(filters, start=1):
        x = layers.Conv2D(channels, kernel_size, padding="same", name=f"hidden_conv{i}")(x)
        x = _activation(activation, f"hidden_act{i}")(x)
    return keras.Model(inputs, layers.Dense(n_outputs, name="head")(x), name="basic_cnn")


def trainable_parameters(model: keras.Model) -> int:
    """How many numbers a training changes; the running means of batch normalisation are not among them.

    Parameters
    ----------
    model : keras.Model

    Returns
    -------
    int
    """
    return sum(math.prod(variable.shape) for variable in model.trainable_variables)


def activations(model: keras.Model, names: Sequence[str] | None = None) -> keras.Model:
    """Build a model that returns what flows through the network, for looking inside.

    Parameters
    ----------
    model : keras.Model
        Any model of this module.
    names : sequence of str, optional
        Names of the layers to show; default: all activation layers.

    Returns
    -------
    keras.Model
        Maps the predictors to a dict {layer name: fields (batch, y, x, channels)}. It shares its weights with
        `model`.

    Raises
    ------
    BootcampError
        If the model has no such layer.
    """
    known = [layer.name for layer in model.layers]
    if names is None:
        names = [name for name in known if "_act" in name]
    missing = [name for name in names if name not in known]
    if missing:
        raise BootcampError(
            f"{model.name} has no layer {missing[0]!r}.", f"Choose among: {', '.join(known)}."
        )
    return keras.Model(
        model.input, {name: model.get_layer(name).output for name in names}, name="activations"
    )


def _activation(kind: str, name: str) -> layers.Layer:
    if kind == "leaky_relu":
        return layers.LeakyReLU(negative_slope=SLOPE, name=name)
    return layers.Activation(kind, name=name)


def _initializer(kind: str, activation: str) -> dict[str, Any]:
    """First weights of the convolutions, as a recipe.

    A recipe and not an object: an object of Keras gives the same numbers to all layers of the same shape.

    The variance 2 / ((1 + slope^2) inputs) keeps the variance of what flows through a rectifier (He et al.,
    2015, arXiv:1502.01852).
    """
    _check_choice("initializer", kind, INITIALIZERS)
    if kind == "glorot":
        return {"class_name": "GlorotUniform", "config": {}}
    slope = SLOPE if activation == "leaky_relu" else 0.0
    scale = {"scale": 2 / (1 + slope**2), "mode": "fan_in", "distribution": "truncated_normal"}
    return {"class_name": "VarianceScaling", "config": scale}


def _check_counts(**numbers: int) -> None:
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise BootcampError(
                f"{name}={value!r} is not a whole number >= 1.", f"Give {name} as 1, 2, 3, ..."
            )


def _check_choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise BootcampError(f"{name}={value!r} does not exist.", f"Choose one of: {', '.join(allowed)}.")
