"""Networks that correct an ensemble forecast: per grid point, per field, and per member.

What goes in are the 7 variables of a pressure level (tasks Z500 and T850) or the 11 variables at the surface
(task T2m), normalised. What comes out describes a normal distribution at each grid point, see each network.

Own code after the baselines of ENS-10, github.com/spcl/ens10 (``baselines/models``), github.com/sashkboos/
ens10-d3.7 (``baselines/models/LeNet.py``) and, for the transformer, github.com/4castRenewables/ens10
(``baselines/models/tformer.py``); Ashkboos et al. (2022), arXiv:2206.14786.
First weights are those of Keras; the originals start with PyTorch's.
"""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
from __future__ import annotations

from typing import Any

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.nn.blocks import BATCH_NORM, check_counts, check_multiple, conv_norm

import keras
from keras import layers, ops

ROWS, COLUMNS = 361, 720  # of ENS-10: 0.5 degrees, both poles
LOCATION = 3  # sin(lat), cos(lat) sin(lon), cos(lat) cos(lon): neighbours are close, also across 180 E
SMALLEST_SPREAD = 1e-6


def mlp(n_variables: int = 7, *, hidden: int = 128) -> keras.Model:
    """Build the network that corrects each grid point on its own.

    It has exactly 2,562 parameters for the 7 variables of a pressure level, and 3,586 for the 11 at the
    surface.

    Parameters
    ----------
    n_variables : int
        Forecast variables; ensemble mean and spread of each go in.
    hidden : int
        Width of the hidden layer.

    Returns
    -------
    keras.Model
        Input ``(batch, 2 * n_variables + 3)``: one sample is one grid point, its means and spreads in turn
        and three numbers for its place on the sphere. Output ``(batch, 2)``: the mean of the forecast
        distribution is ``out[0] * spread + mean``, its standard deviation ``exp(out[1]) * spread``, with mean
        and spread of the raw ensemble.

    Raises
    ------
    BootcampError
        If an argument is not a whole number >= 1.

    References
    ----------
    ``MLP.py`` of spcl/ens10.
    """
    check_counts(n_variables=n_variables, hidden=hidden)
    inputs = keras.Input((2 * n_variables + LOCATION,), name="predictors")
    x = layers.Dense(hidden, activation="relu", name="hidden")(inputs)
    return keras.Model(inputs, layers.Dense(2, name="head")(x), name="ens10_mlp")


def lenet(
    n_variables: int = 7,
    *,
    rows: int = ROWS,
    columns: int = COLUMNS,
    features: tuple[int, int, int] = (64, 32, 16),
) -> keras.Model:
    """Build the network that corrects each grid point with an eye on its surroundings of 7 x 7 points.

    It has exactly 31,574 trainable parameters for 7 variables, and 36,182 for 11. The original cuts out the
    surroundings of each point and lets three convolutions shrink them to one point. Sliding over the globe
    is the same, and does not compute again what neighbours share. Beyond a pole the last row is repeated, as
    in the original; beyond 180 degrees the globe goes on, where the original repeats its last column, too.

    Parameters
    ----------
    n_variables : int
        Forecast variables; ensemble mean and spread of each go in.
    rows, columns : int
        Grid points from north to south and around the globe.
    features : tuple of int
        Channels of the three convolutions.

    Returns
    -------
    keras.Model
        Input ``(batch, rows, columns, 2 * n_variables + 3)``: means and spreads in turn, and three numbers
        for the place of each grid point, which only the last two layers see. Output ``(batch, rows, columns,
        2)`` with the meaning it has in `mlp`.

    Raises
    ------
    BootcampError
        If an argument is not a whole number >= 1, or the globe is narrower than 3 points.

    References
    ----------
    ``LeNet.py`` of github.com/sashkboos/ens10-d3.7.
    """
    check_counts(n_variables=n_variables, rows=rows, columns=columns)
    check_counts(**{f"features[{i}]": width for i, width in enumerate(features)})
    margin = len(features)
    if columns < margin:
        raise BootcampError(f"columns={columns} is narrower than a surrounding.", f"Give at least {margin}.")
    inputs = keras.Input((rows, columns, 2 * n_variables + LOCATION), name="predictors")
    x = _around_the_globe(inputs[..., :-LOCATION], margin, "surroundings", poles="repeat")
    for i, channels in enumerate(features, start=1):
        x = layers.Conv2D(channels, 3, activation="elu", name=f"conv{i}")(x)
        x = layers.BatchNormalization(name=f"norm{i}", **BATCH_NORM["pytorch"])(x)
    x = layers.Concatenate(name="and_place")([x, inputs[..., -LOCATION:]])
    x = layers.Dense(6, name="narrow")(x)
    return keras.Model(inputs, layers.Dense(2, name="head")(x), name="ens10_lenet")


def unet(
    n_variables: int = 7, *, rows: int = ROWS, columns: int = COLUMNS, features: int = 32
) -> keras.Model:
    """Build the U-Net that corrects a whole field.

    It has exactly 633,698 trainable parameters for 7 variables, and 636,002 for 11.

    A grid from pole to pole has an odd number of rows. Halved and doubled again, it is one row short: the
    decoder repeats the first one.

    Parameters
    ----------
    n_variables : int
        Forecast variables; ensemble mean and spread of each go in.
    rows, columns : int
        Grid points from north to south (>= 4, also odd) and around the globe (a multiple of 4).
    features : int
        Channels of the finest level; the two coarser ones have two and four times as many.

    Returns
    -------
    keras.Model
        Input ``(batch, rows, columns, 2 * n_variables)``, output ``(batch, rows, columns, 2)`` with the
        meaning it has in `mlp`. The running means and variances of batch normalisation are not trained:
        `count_params` counts them, the published numbers do not.

    Raises
    ------
    BootcampError
        If an argument is not a whole number >= 1, or the grid does not fit.

    References
    ----------
    ``UNet.py`` of spcl/ens10.
    """
    check_counts(n_variables=n_variables, rows=rows, features=features)
    check_multiple(4, "The U-Net halves the grid twice", columns=columns)
    if rows < 4:
        raise BootcampError(f"The U-Net halves the grid twice, and rows={rows}.", "Give it 4 rows or more.")
    inputs = keras.Input((rows, columns, 2 * n_variables), name="predictors")

    fine = _two_convs(inputs, features, features, "enc1")
    middle = _two_convs(_halve(fine, "enc1"), 2 * features, 2 * features, "enc2")
    x = _two_convs(_halve(middle, "enc2"), 4 * features, 4 * features, "enc3")
    x = _two_convs(x, 4 * features, 2 * features, "dec3")
    x = layers.Concatenate(name="dec2_skip")([middle, _double(x, rows // 2, "dec2")])
    x = _two_convs(x, 2 * features, features, "dec2")
    x = layers.Concatenate(name="dec1_skip")([fine, _double(x, rows, "dec1")])
    x = _two_convs(x, features, features, "dec1")
    outputs = layers.Conv2D(2, 3, padding="same", name="head")(x)
    return keras.Model(inputs, outputs, name="ens10_unet")


def transformer(
    n_variables: int = 11,
    *,
    members: int = 10,
    rows: int = ROWS,
    columns: int = COLUMNS,
    features: int = 8,
    heads: int = 16,
    kernel_size: int = 5,
    own: int | None = None,
) -> keras.Model:
    """Build the network in which the members of an ensemble look at each other.

    Three convolutions read each member for itself. Then one layer of attention moves the members towards or
    away from their mean: how much weight member j gives to the perturbation of member i follows from how
    alike the two look over the whole globe. Each of the 16 heads is one field per member.

    Of the 4,164,673 parameters with the defaults (4,163,873 for 7 variables), 4,158,720 are the scale and the
    offset of the layer normalisation at each grid point. These numbers are counted from the public code.

    Parameters
    ----------
    n_variables : int
        Forecast variables.
    members : int
        Members of the ensemble, at least 2.
    rows, columns : int
        Grid points from north to south and around the globe.
    features : int
        Channels of the convolutions.
    heads : int
        Heads of the attention.
    kernel_size : int
        Width of the convolutions in pixels; odd.
    own : int, optional
        Channel with the member's own forecast of the target. What the network gives is then added to it, so
        that a small correction is easy to learn; the public code does not, and first has to learn to repeat
        the forecast.

    Returns
    -------
    keras.Model
        Input ``(batch, members, rows, columns, n_variables)``, output ``(batch, rows, columns, 2)``: mean and
        standard deviation of the corrected members, normalised as the target.

    Raises
    ------
    BootcampError
        If an argument is not a whole number >= 1, or the network cannot be built of it.

    References
    ----------
    ``tformer.py`` of 4castRenewables/ens10, which adapts github.com/tobifinn/ensemble_transformer; Finn
    (2021), arXiv:2106.13924.
    """
    check_counts(n_variables=n_variables, members=members, rows=rows, columns=columns, features=features)
    check_counts(heads=heads, kernel_size=kernel_size)
    _check_transformer(members, columns, kernel_size)
    if own is not None and own not in range(n_variables):
        raise BootcampError(f"own={own} is no channel of {n_variables}.", "Count from 0.")
    inputs = keras.Input((members, rows, columns, n_variables), name="members")
    x = ops.reshape(inputs, (-1, rows, columns, n_variables))  # a member is a sample, until they meet
    for i in (1, 2, 3):
        x = _around_the_globe(x, kernel_size // 2, f"embed{i}")
        x = layers.Conv2D(features, kernel_size, activation="selu", name=f"embed{i}_conv")(x)
    normed = layers.LayerNormalization(axis=(1, 2, 3), epsilon=1e-5, name="attention_norm")(x)
    project = {"use_bias": False}
    value = layers.Conv2D(heads, 1, name="attention_value", **project)(normed)
    key = layers.Conv2D(heads, 1, activation="relu", name="attention_key", **project)(normed)
    query = layers.Conv2D(heads, 1, activation="relu", name="attention_query", **project)(normed)

    shape = (-1, members, rows * columns, heads)
    value, key, query = (ops.reshape(each, shape) for each in (value, key, query))
    alike = ops.einsum("bisc,bjsc->bcij", key, query) / (rows * columns) ** 0.5
    weights = ops.softmax(alike, axis=-2)
    perturbation = value - ops.mean(value, axis=1, keepdims=True)
    moved = value + ops.einsum("bcij,bisc->bjsc", weights, perturbation)
    moved = ops.reshape(moved, (-1, rows, columns, heads))
    x = layers.Add(name="residual")([layers.Conv2D(features, 1, name="attention_out")(moved), x])
    start = "glorot_uniform" if own is None else "zeros"  # of a correction: nothing
    x = layers.ReLU(name="residual_relu")(x)
    x = layers.Conv2D(1, 1, kernel_initializer=start, name="head")(x)
    corrected = ops.reshape(x, (-1, members, rows, columns))
    if own is not None:
        corrected = corrected + inputs[..., own]
    return keras.Model(inputs, _mean_and_spread(corrected, members), name="ens10_transformer")


def _two_convs(x: Any, first: int, second: int, name: str) -> Any:
    x = conv_norm(x, first, like="pytorch", name=f"{name}_1")
    return conv_norm(x, second, like="pytorch", name=f"{name}_2")


def _halve(x: Any, name: str) -> Any:
    return layers.MaxPooling2D(2, name=f"{name}_pool")(x)


def _double(x: Any, rows: int, name: str) -> Any:
    """Twice the resolution, bilinear; the first row once more if `rows` is odd."""
    x = layers.UpSampling2D(2, interpolation="bilinear", name=f"{name}_up")(x)
    if x.shape[1] == rows:
        return x
    first = layers.Cropping2D(((0, x.shape[1] - 1), (0, 0)), name=f"{name}_first")(x)
    return layers.Concatenate(axis=1, name=f"{name}_repeat")([first, x])


def _around_the_globe(x: Any, width: int, name: str, poles: str = "zero") -> Any:
    """Pad fields ``(batch, y, x, channels)``: periodic in longitude; 0 or the last row beyond the poles."""
    if width == 0:
        return x
    columns = x.shape[2]
    east = layers.Cropping2D(((0, 0), (columns - width, 0)), name=f"{name}_east")(x)
    west = layers.Cropping2D(((0, 0), (0, columns - width)), name=f"{name}_west")(x)
    x = layers.Concatenate(axis=2, name=f"{name}_globe")([east, x, west])
    if poles == "zero":
        return layers.ZeroPadding2D((width, 0), name=f"{name}_poles")(x)
    north, south = x[:, :1], x[:, -1:]
    return layers.Concatenate(axis=1, name=f"{name}_poles")([north] * width + [x] + [south] * width)


def _mean_and_spread(members: Any, count: int) -> Any:
    """From ``(batch, members, y, x)`` to ``(batch, y, x, 2)``; the spread is the unbiased one."""
    mean = ops.mean(members, axis=1)
    variance = ops.sum(ops.square(members - ops.expand_dims(mean, 1)), axis=1) / (count - 1)
    spread = ops.sqrt(ops.maximum(variance, SMALLEST_SPREAD**2))
    return ops.stack([mean, spread], axis=-1)


def _check_transformer(members: int, columns: int, kernel_size: int) -> None:
    if members < 2:
        raise BootcampError("members=1 is no ensemble: it has no spread.", "Give at least 2 members.")
    if kernel_size % 2 == 0:
        raise BootcampError(
            f"kernel_size={kernel_size} has no pixel in its middle.", "Give an odd kernel_size: 1, 3, 5, ..."
        )
    if columns < kernel_size // 2:
        raise BootcampError(
            f"columns={columns} is narrower than half of kernel_size={kernel_size}.",
            f"Give at least {kernel_size // 2} columns.",
        )
