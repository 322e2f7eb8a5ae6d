"""What the networks of several applications share: one block of layers, and the checks of their sizes."""

from __future__ import annotations

from typing import Any

from keras import layers

from maelstrom_bootcamp.errors import BootcampError

#: Batch normalisation as the two libraries do it by default; Keras' momentum is one minus PyTorch's.
BATCH_NORM = {"keras": {}, "pytorch": {"epsilon": 1e-5, "momentum": 0.9}}


def conv_norm(
    x: Any,
    channels: int,
    kernel_size: int = 3,
    *,
    name: str,
    stride: int = 1,
    bias: bool = True,
    relu: bool = True,
    like: str = "keras",
    initializer: Any = "glorot_uniform",
    norm: str = "batch",
) -> Any:
    """Convolution, normalisation and (if wanted) ReLU.

    Parameters
    ----------
    x : tensor
        Fields ``(batch, y, x, channels)``.
    channels : int
        Channels of the result.
    kernel_size : int
        Width in pixels; odd.
    name : str
        Begin of the names of the layers.
    stride : int
        Keep each `stride`-th row and column of the result.
    bias : bool
        Whether the convolution adds an offset. The normalisation takes it away again, so it costs parameters
        and changes nothing; MAELSTROM's networks differ in whether they have it.
    relu : bool
        Cut off what is negative.
    like : {"keras", "pytorch"}
        Whose defaults the network was trained with. They differ in the constants of the normalisation, and in
        where a convolution with stride begins: PyTorch pads all borders alike, "same" of TensorFlow pads
        right and bottom first.
    initializer : str or dict
        First weights of the convolution, as Keras names or configures them.
    norm : {"batch", "group", "none"}
        Batch normalisation; or over all pixels and channels of each field on its own (one group), with as
        many parameters; or none.

    Returns
    -------
    tensor
        ``(batch, ceil(y / stride), ceil(x / stride), channels)``.

    Raises
    ------
    BootcampError
        If there is no such normalisation.
    """
    check_choice("norm", norm, ("batch", "group", "none"))
    padding = "same"
    if like == "pytorch" and stride > 1:
        padding = "valid"
        if kernel_size > 1:
            x = layers.ZeroPadding2D((kernel_size - 1) // 2, name=f"{name}_pad")(x)
    start = {"kernel_initializer": initializer}
    x = layers.Conv2D(channels, kernel_size, stride, padding, use_bias=bias, name=f"{name}_conv", **start)(x)
    if norm == "batch":
        x = layers.BatchNormalization(name=f"{name}_norm", **BATCH_NORM[like])(x)
    elif norm == "group":
        x = layers.GroupNormalization(groups=1, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x) if relu else x


def check_counts(**numbers: int) -> None:
    """Refuse what is not a whole number >= 1.

    Parameters
    ----------
    **numbers : int
        The arguments of a network under their own names.

    Raises
    ------
    BootcampError
        Names the first argument that is wrong.
    """
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise BootcampError(
                f"{name}={value!r} is not a whole number >= 1.", f"Give {name} as 1, 2, 3, ..."
            )


def check_multiple(multiple: int, why: str, **lengths: int) -> None:
    """Refuse lengths of a grid that a network cannot halve often enough.

    Parameters
    ----------
    multiple : int
        What each length has to be a multiple of.
    why : str
        The reason, as the first half of a sentence: "The U-Net halves the grid three times".
    **lengths : int
        Rows and columns, under the names that the network gives them.

    Raises
    ------
    BootcampError
        Names the first length that does not fit, and the nearest lengths that do.
    """
    check_counts(**lengths)
    for name, length in lengths.items():
        if length % multiple:
            below, above = length // multiple * multiple, -(-length // multiple) * multiple
            fits = f"{below} or {above}" if below else f"{above}"
            raise BootcampError(
                f"{why}, and {name}={length} is not a multiple of {multiple}.",
                f"Crop or pad the fields to {name}={fits}.",
            )


def check_choice(name: str, value: object, allowed: tuple) -> None:
    """Refuse an option that does not exist.

    Parameters
    ----------
    name : str
        Of the argument.
    value : object
    allowed : tuple
        The values it may have.

    Raises
    ------
    BootcampError
        Lists the values it may have.
    """
    if value not in allowed:
        raise BootcampError(
            f"{name}={value!r} does not exist.", f"Choose one of: {', '.join(map(str, allowed))}."
        )
