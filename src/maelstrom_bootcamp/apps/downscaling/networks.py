"""The U-Net that JSC downscales 2 m temperature with, and the critic that makes a GAN of it.

Both are own code after ``downscaling_ap5/models/unet_model.py`` and ``wgan_model.py`` of
github.com/mlangguth89/downscaling_benchmark (MIT licence; the public successor of the repository of
MAELSTROM's fifth application). The U-Net is an adaptation of Sha et al. (2020), doi:10.1175/JAMC-D-20-0057.1.
"""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
from __future__ import annotations

from typing import Any

from maelstrom_bootcamp.nn.blocks import check_counts, check_multiple, conv_norm

import keras
from keras import layers

ROWS, COLUMNS = 96, 128  # of tier 1: 45-54.5 N, 4-16.7 E, 0.1 degrees apart
START = "he_normal"


def sha_unet(
    n_inputs: int = 3,
    *,
    rows: int = ROWS,
    columns: int = COLUMNS,
    features: int = 56,
    surface_height: bool = True,
    residual: bool = False,
) -> keras.Model:
    """Build the U-Net; with the defaults it has exactly 3,525,650 trainable parameters.

    The input lies on the fine grid already, blurred: the coarse forecast is interpolated to it beforehand.
    Three times the encoder halves the grid, and three times the decoder doubles it again.

    The second output is a trick for the training: from the same features as the temperature, the network has
    to find the height of the ground, which it was given. So the features keep what is known of the terrain.

    Parameters
    ----------
    n_inputs : int
        Predictor fields, normalised. Tier 1 has three: coarse temperature, coarse and fine surface height.
    rows, columns : int
        Grid points from south to north and from west to east; multiples of 8.
    features : int
        Channels of the finest level; they double from level to level.
    surface_height : bool
        Whether there is the second output.
    residual : bool
        Whether the network finds the difference between the fine temperature and the first predictor, both
        normalised, instead of the fine temperature itself. It has the same layers and parameters. The
        published network has to learn first of all to hand its input through; and because batch
        normalisation measures a temperature against the other fields of the batch, this takes long.

    Returns
    -------
    keras.Model
        Input ``(batch, rows, columns, n_inputs)``; outputs "t2m" (normalised temperature) and "z" (normalised
        surface height), both ``(batch, rows, columns, 1)``. Its 3,360 running means and variances of batch
        normalisation are not trained: `count_params` counts them, the published number does not.

    Raises
    ------
    BootcampError
        If an argument is not a whole number >= 1, or the grid cannot be halved three times.

    References
    ----------
    ``sha_unet`` in ``unet_model.py``, see the top of this module.
    """
    check_counts(n_inputs=n_inputs, features=features)
    check_multiple(8, "The U-Net halves the grid three times", rows=rows, columns=columns)
    inputs = keras.Input((rows, columns, n_inputs), name="predictors")

    skips = []
    x = inputs
    for level, convs in enumerate((2, 1, 1)):
        x = _convs(x, features * 2**level, convs, f"enc{level + 1}")
        skips.append(x)
        x = layers.MaxPooling2D(2, name=f"enc{level + 1}_pool")(x)
    x = _convs(x, features * 8, 1, "bottleneck")
    for level in (2, 1, 0):
        channels = features * 2**level
        x = layers.Conv2DTranspose(channels, 2, 2, padding="same", name=f"up{level + 1}")(x)
        x = layers.Concatenate(name=f"dec{level + 1}_skip")([x, skips[level]])
        x = _convs(x, channels, 2, f"dec{level + 1}")

    names = ("t2m", "z") if surface_height else ("t2m",)
    # In a training with mixed precision, the results are to have all their digits.
    last = {"kernel_initializer": START, "dtype": "float32"}
    outputs = {name: layers.Conv2D(1, 1, name=name, **last)(x) for name in names}
    if residual:
        outputs["t2m"] = layers.Add(name="residual", dtype="float32")([inputs[..., :1], outputs["t2m"]])
    return keras.Model(inputs, outputs, name="sha_unet")


def critic(
    n_outputs: int = 1,
    *,
    rows: int = ROWS,
    columns: int = COLUMNS,
    features: int = 64,
    convs: int = 4,
    norm: str = "batch",
) -> keras.Model:
    """Build the critic of the Wasserstein GAN; with the defaults it has 1,584,641 trainable parameters.

    It gives a field of temperature one number: how much it looks like a true one. The generator, which it
    judges, is `sha_unet`.

    Parameters
    ----------
    n_outputs : int
        Fields to judge; the surface height is not among them.
    rows, columns : int
        Grid points.
    features : int
        Channels of the first convolution, and width of the hidden dense layer.
    convs : int
        Convolutions; each halves the grid and doubles the channels.
    norm : {"batch", "group", "none"}
        After each convolution. As published it is batch normalisation, although Gulrajani et al. (2017,
        arXiv:1704.00028) advise against it: the penalty holds for each field on its own, and a batch mixes
        them. "group" normalises each field by itself, with as many parameters.

    Returns
    -------
    keras.Model
        Input ``(batch, rows, columns, n_outputs)``, output ``(batch, 1)`` without unit or bounds.

    Raises
    ------
    BootcampError
        If a number is not whole and >= 1, or there is no such normalisation.

    References
    ----------
    ``critic_model`` in ``wgan_model.py``, see the top of this module. As there, the hidden dense layer has no
    activation.
    """
    check_counts(n_outputs=n_outputs, rows=rows, columns=columns, features=features, convs=convs)
    x = inputs = keras.Input((rows, columns, n_outputs), name="fields")
    for i in range(convs):
        x = conv_norm(x, features * 2**i, stride=2, initializer=START, name=f"down{i + 1}", norm=norm)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    x = layers.Dense(features, name="hidden")(x)
    return keras.Model(inputs, layers.Dense(1, name="score")(x), name="critic")


def _convs(x: Any, channels: int, convs: int, name: str) -> Any:
    for i in range(1, convs + 1):
        x = conv_norm(x, channels, initializer=START, name=f"{name}_{i}")
    return x
