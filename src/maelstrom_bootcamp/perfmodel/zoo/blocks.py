"""What the families are built of: repeated patterns of layers, and the draw of their sizes."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from maelstrom_bootcamp.perfmodel.zoo.blueprint import Tensor
from maelstrom_bootcamp.perfmodel.zoo.builder import Builder

T = TypeVar("T")


class Draw:
    """Sizes of a network by lot.

    Only the generator's plain uniform numbers are used: they are the same in every version of NumPy and on
    every machine, and so is what is built from them.

    Parameters
    ----------
    seed : sequence of int
    """

    def __init__(self, seed: tuple[int, ...]) -> None:
        self._rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))

    def pick(self, *options: T) -> T:
        """One of the options, all with the same chance."""
        return options[int(self._rng.random() * len(options))]

    def between(self, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``, both included."""
        return low + int(self._rng.random() * (high - low + 1))

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return bool(self._rng.random() < probability)


def rounded(width: float, multiple: int = 8) -> int:
    """The nearest multiple, at least one of them: widths of channels as hardware likes them."""
    return max(multiple, int(width / multiple + 0.5) * multiple)


def conv_norm(
    net: Builder,
    x: Tensor,
    channels: int,
    kernel: int = 3,
    stride: int = 1,
    *,
    groups: int = 1,
    activation: str | None = "relu",
) -> Tensor:
    """Convolution, batch normalisation and, unless it is None, an activation."""
    x = net.batch_norm(net.conv(x, channels, kernel, stride, groups=groups))
    return net.activation(x, activation) if activation else x


def norm_conv(net: Builder, x: Tensor, channels: int, kernel: int) -> Tensor:
    """Batch normalisation, ReLU and convolution: the other order."""
    return net.conv(net.activation(net.batch_norm(x), "relu"), channels, kernel)


def classify(net: Builder, x: Tensor, classes: int) -> Tensor:
    """Mean over the map, and one score for each class."""
    return net.dense(net.flatten(net.global_pool(x)), classes)


def squeeze_excite(
    net: Builder, x: Tensor, channels: int, activation: str = "relu", gate: str = "sigmoid"
) -> Tensor:
    """Each channel times a number between 0 and 1 that all channels' means decide on."""
    squeezed = net.activation(net.conv(net.global_pool(x), channels, 1, bias=True), activation)
    return net.multiply(x, net.activation(net.conv(squeezed, x.shape[0], 1, bias=True), gate))


def inverted_bottleneck(
    net: Builder,
    x: Tensor,
    channels: int,
    *,
    kernel: int = 3,
    stride: int = 1,
    expansion: int = 6,
    activation: str = "relu",
    squeeze: float = 0.0,
    gate: str = "sigmoid",
) -> Tensor:
    """MobileNet's block: widen, filter each channel, narrow. ``squeeze`` is relative to the input."""
    wide = x.shape[0] * expansion
    y = conv_norm(net, x, wide, 1, activation=activation) if expansion > 1 else x
    y = conv_norm(net, y, wide, kernel, stride, groups=wide, activation=activation)
    if squeeze:
        y = squeeze_excite(net, y, max(4, int(x.shape[0] * squeeze)), activation, gate)
    y = conv_norm(net, y, channels, 1, activation=None)
    return net.add(x, y) if x.shape == y.shape else y


def attention(net: Builder, x: Tensor, heads: int, *, bias: bool = True, relative: bool = False) -> Tensor:
    """Attention among tokens (..., tokens, channels); axes before the tokens are windows of their own.

    ``relative`` adds to the scores a trained number for each pair of tokens and each head.
    """
    *windows, tokens, channels = x.shape
    n, width = len(windows), channels // heads
    qkv = net.reshape(net.dense(x, 3 * channels, bias), (*windows, tokens, 3, heads, width))
    # (..., tokens, 3, heads, width) -> (3, ..., heads, tokens, width)
    q, k, v = net.split(net.transpose(qkv, (n + 1, *range(n), n + 2, n, n + 3)), 3)
    swap = (*range(n + 1), n + 2, n + 1)
    scores = net.matmul(net.scale(q, width**-0.5), net.transpose(k, swap))
    if relative:
        scores = net.offset(scores, (heads, tokens, tokens))
    mixed = net.matmul(net.softmax(scores), v)
    # (..., heads, tokens, width) -> (..., tokens, heads, width)
    y = net.reshape(net.transpose(mixed, (*range(n), n + 1, n, n + 2)), x.shape)
    return net.dense(y, channels)


def mlp(net: Builder, x: Tensor, ratio: float, activation: str = "gelu") -> Tensor:
    """Two dense layers on each token."""
    return net.dense(net.activation(net.dense(x, int(x.shape[-1] * ratio)), activation), x.shape[-1])


def conv_mlp(net: Builder, x: Tensor, ratio: float, bias: bool = True) -> Tensor:
    """The same on a map: two convolutions of one pixel."""
    channels = x.shape[0]
    wide = net.conv(x, int(channels * ratio), 1, bias=bias)
    return net.conv(net.activation(wide, "gelu"), channels, 1, bias=bias)
