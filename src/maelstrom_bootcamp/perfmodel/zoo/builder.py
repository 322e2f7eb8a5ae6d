"""How blueprints are written: layer after layer, each checked against what it reads."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from maelstrom_bootcamp.perfmodel.graph import ModelInputError, Shape
from maelstrom_bootcamp.perfmodel.zoo.blueprint import Blueprint, Layer, Layout, Tensor

#: Functions of one number that `Builder.activation` takes.
ACTIVATIONS = ("relu", "relu6", "sigmoid", "hard_sigmoid", "silu", "hard_swish", "gelu")


class Builder:
    """Write a network down, layer after layer; every method takes tensors and returns a tensor.

    Parameters
    ----------
    input_shape : tuple of int
        (channels, height, width).

    Raises
    ------
    ModelInputError
        By every method, if its arguments do not fit together.

    Examples
    --------
    >>> net = Builder((3, 32, 32))
    >>> x = net.activation(net.batch_norm(net.conv(net.input, 16, stride=2)), "relu")
    >>> plan = net.finish(net.dense(net.flatten(net.global_pool(x)), 10), name="small")
    >>> plan.macs, plan.params
    (110752, 666)
    """

    def __init__(self, input_shape: Shape) -> None:
        self._layers: list[Layer] = []
        self.input = self._append("input", (), tuple(input_shape), "map")

    def finish(self, output: Tensor, *, name: str = "", family: str = "", seed: int = -1) -> Blueprint:
        """The blueprint, whose output has to be what the last layer made."""
        _demand(
            output.layer == len(self._layers) - 1 and self._layers[-1].outputs == 1,
            "The output of a blueprint has to be what its last layer made.",
            "Finish with the last tensor.",
        )
        return Blueprint(tuple(self._layers), name=name, family=family, seed=seed)

    # ------------------------------------------------------------------ maps

    def conv(
        self,
        x: Tensor,
        channels: int,
        kernel: int = 3,
        stride: int = 1,
        *,
        groups: int = 1,
        bias: bool = False,
        pad: int | None = None,
    ) -> Tensor:
        """Convolution of a map; without ``pad``, half a kernel of zeros is put around it."""
        pad = kernel // 2 if pad is None else pad
        inner, height, width = self._map_shape("conv", x, kernel, stride, pad)
        _demand(
            inner % groups == 0 and channels % groups == 0,
            f"{inner} and {channels} channels cannot be divided into {groups} groups.",
            "Choose a number of groups that divides both.",
        )
        weights = channels * (inner // groups) * kernel * kernel
        return self._append(
            "conv",
            (x,),
            (channels, height, width),
            "map",
            params=weights + (channels if bias else 0),
            macs=weights * height * width,
            kernel=kernel,
            stride=stride,
            groups=groups,
            bias=bias,
            pad=pad,
        )

    def batch_norm(self, x: Tensor) -> Tensor:
        """Batch normalisation of a map: scale, offset and two running statistics for each channel."""
        _demand_layout("batch_norm", x, "map")
        return self._append("batch_norm", (x,), x.shape, "map", params=4 * x.shape[0])

    def group_norm(self, x: Tensor) -> Tensor:
        """Group normalisation of a map with a single group: over all channels and pixels of a sample."""
        _demand_layout("group_norm", x, "map")
        return self._append("group_norm", (x,), x.shape, "map", params=2 * x.shape[0])

    def max_pool(self, x: Tensor, kernel: int, stride: int, pad: int = 0) -> Tensor:
        """Largest value under the kernel."""
        return self._pool("max_pool", x, kernel, stride, pad)

    def average_pool(self, x: Tensor, kernel: int, stride: int, pad: int = 0) -> Tensor:
        """Mean under the kernel; what lies outside of the map does not count. Padded with steps of 1 only."""
        _demand(
            pad == 0 or (stride == 1 and kernel == 2 * pad + 1),
            f"A mean with kernel {kernel}, stride {stride} and pad {pad} is not the same in every framework.",
            "Pad half an odd kernel with a stride of 1, or nothing.",
        )
        return self._pool("average_pool", x, kernel, stride, pad)

    def global_pool(self, x: Tensor) -> Tensor:
        """Mean of each channel, shape (channels, 1, 1)."""
        _demand_layout("global_pool", x, "map")
        return self._append("global_pool", (x,), (x.shape[0], 1, 1), "map")

    def concat(self, tensors: Iterable[Tensor]) -> Tensor:
        """Maps of the same size behind each other, along the channels."""
        parts = tuple(tensors)
        _demand(
            len({(*x.shape[1:], x.layout) for x in parts}) == 1 and parts[0].layout == "map",
            f"Shapes {[x.shape for x in parts]} cannot be concatenated.",
            "Give maps of the same height and width.",
        )
        return self._append("concat", parts, (sum(x.shape[0] for x in parts), *parts[0].shape[1:]), "map")

    def to_tokens(self, x: Tensor) -> Tensor:
        """A map (channels, height, width) as tokens (height * width, channels)."""
        _demand_layout("to_tokens", x, "map")
        channels, height, width = x.shape
        return self._append("to_tokens", (x,), (height * width, channels), "tokens")

    def flatten(self, x: Tensor) -> Tensor:
        """All values of a sample as one vector."""
        return self._append("flatten", (x,), (math.prod(x.shape),), "tokens")

    # ---------------------------------------------------------------- tokens

    def to_map(self, x: Tensor, height: int, width: int) -> Tensor:
        """Tokens (height * width, channels) as a map (channels, height, width)."""
        _demand_layout("to_map", x, "tokens")
        _demand(
            len(x.shape) == 2 and x.shape[0] == height * width,
            f"Tokens of shape {x.shape} are no map of {height} x {width} pixels.",
            "Give the height and the width that the map had.",
        )
        return self._append("to_map", (x,), (x.shape[1], height, width), "map")

    def dense(self, x: Tensor, channels: int, bias: bool = True) -> Tensor:
        """Product of the last axis with a trained matrix."""
        _demand_layout("dense", x, "tokens")
        inner = x.shape[-1]
        return self._append(
            "dense",
            (x,),
            (*x.shape[:-1], channels),
            "tokens",
            params=inner * channels + (channels if bias else 0),
            macs=math.prod(x.shape) * channels,
            bias=bias,
        )

    def layer_norm(self, x: Tensor) -> Tensor:
        """Layer normalisation over the last axis."""
        _demand_layout("layer_norm", x, "tokens")
        return self._append("layer_norm", (x,), x.shape, "tokens", params=2 * x.shape[-1])

    def reshape(self, x: Tensor, shape: Shape) -> Tensor:
        """The same values in another shape."""
        _demand_layout("reshape", x, "tokens")
        _demand(
            math.prod(shape) == math.prod(x.shape),
            f"{x.shape} cannot be reshaped to {shape}: {math.prod(x.shape)} values, not {math.prod(shape)}.",
            "Give a shape with as many values.",
        )
        return self._append("reshape", (x,), tuple(shape), "tokens")

    def transpose(self, x: Tensor, order: tuple[int, ...]) -> Tensor:
        """Axes in another order; 0 is the first one after the batch."""
        _demand_layout("transpose", x, "tokens")
        return self._append("transpose", (x,), tuple(x.shape[i] for i in order), "tokens", order=tuple(order))

    def matmul(self, a: Tensor, b: Tensor) -> Tensor:
        """Product of two activations over the last two axes."""
        _demand(
            a.shape[:-2] == b.shape[:-2] and a.shape[-1] == b.shape[-2],
            f"{a.shape} and {b.shape} cannot be multiplied.",
            "The last length of the first has to be the last but one of the second.",
        )
        shape = (*a.shape[:-1], b.shape[-1])
        return self._append("matmul", (a, b), shape, "tokens", macs=math.prod(shape) * a.shape[-1])

    def softmax(self, x: Tensor) -> Tensor:
        """Softmax over the last axis."""
        return self._append("softmax", (x,), x.shape, x.layout)

    def split(self, x: Tensor, parts: int) -> tuple[Tensor, ...]:
        """Equal parts along the first axis, which has to be ``parts`` long and is dropped."""
        _demand_layout("split", x, "tokens")
        _demand(x.shape[0] == parts, f"{x.shape} is not {parts} long.", "Reshape the tensor before.")
        first = self._append("split", (x,), x.shape[1:], "tokens", outputs=parts)
        return tuple(first._replace(port=port) for port in range(parts))

    def roll(self, x: Tensor, shift: int) -> Tensor:
        """Tokens (height, width, channels) moved by ``shift`` along both axes, around the edges."""
        _demand_layout("roll", x, "tokens")
        _demand(len(x.shape) == 3, f"{x.shape} cannot be rolled.", "Give tokens (height, width, channels).")
        return self._append("roll", (x,), x.shape, "tokens", shift=shift)

    def token_mean(self, x: Tensor) -> Tensor:
        """Mean of all tokens: (tokens, channels) to (channels,)."""
        _demand_layout("token_mean", x, "tokens")
        return self._append("token_mean", (x,), (x.shape[-1],), "tokens")

    # ------------------------------------------------------------ elementwise

    def activation(self, x: Tensor, function: str) -> Tensor:
        """One of `ACTIVATIONS`."""
        _demand(
            function in ACTIVATIONS,
            f"There is no activation {function!r}.",
            f"Take one of {', '.join(ACTIVATIONS)}.",
        )
        return self._append(function, (x,), x.shape, x.layout)

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        """Sum of two tensors of the same shape."""
        _demand(
            a.shape == b.shape and a.layout == b.layout,
            f"{a.shape} and {b.shape} cannot be added.",
            "Bring them to the same shape first.",
        )
        return self._append("add", (a, b), a.shape, a.layout)

    def multiply(self, a: Tensor, b: Tensor) -> Tensor:
        """Product of a map with another of the same shape, or with one number for each of its channels."""
        _demand(
            b.shape in (a.shape, (a.shape[0], 1, 1)),
            f"{a.shape} and {b.shape} cannot be multiplied.",
            "The second has to be like the first, or (channels, 1, 1).",
        )
        return self._append("multiply", (a, b), a.shape, a.layout)

    def scale(self, x: Tensor, factor: float) -> Tensor:
        """Product with a constant."""
        return self._append("scale", (x,), x.shape, x.layout, factor=float(factor))

    def layer_scale(self, x: Tensor) -> Tensor:
        """Product with a trained number for each channel."""
        channels = x.shape[0] if x.layout == "map" else x.shape[-1]
        return self._append("layer_scale", (x,), x.shape, x.layout, params=channels)

    def offset(self, x: Tensor, shape: Shape | None = None) -> Tensor:
        """Sum with a trained array, of the shape of the last axes of ``x``: positions of tokens."""
        _demand_layout("offset", x, "tokens")
        shape = x.shape if shape is None else tuple(shape)
        _demand(
            shape == x.shape[len(x.shape) - len(shape) :],
            f"An offset of shape {shape} does not fit {x.shape}.",
            "Give the last lengths of the tensor.",
        )
        return self._append("offset", (x,), x.shape, "tokens", params=math.prod(shape), offset=shape)

    # ---------------------------------------------------------------- private

    def _append(
        self,
        op: str,
        inputs: tuple[Tensor, ...],
        shape: Shape,
        layout: Layout,
        *,
        params: int = 0,
        macs: int = 0,
        outputs: int = 1,
        **attributes: Any,
    ) -> Tensor:
        _demand(
            min(shape, default=1) >= 1, f"A {op} of shape {shape} is empty.", "Give lengths of at least 1."
        )
        self._layers.append(Layer(op, inputs, shape, layout, params, macs, outputs, attributes))
        return Tensor(len(self._layers) - 1, 0, shape, layout)

    def _pool(self, op: str, x: Tensor, kernel: int, stride: int, pad: int) -> Tensor:
        shape = self._map_shape(op, x, kernel, stride, pad)
        return self._append(op, (x,), shape, "map", kernel=kernel, stride=stride, pad=pad)

    def _map_shape(self, op: str, x: Tensor, kernel: int, stride: int, pad: int) -> tuple[int, int, int]:
        _demand_layout(op, x, "map")
        channels, *size = x.shape
        height, width = ((length + 2 * pad - kernel) // stride + 1 for length in size)
        _demand(
            min(height, width) >= 1,
            f"A kernel of {kernel} does not fit a map of {size[0]} x {size[1]} pixels.",
            "Take a larger input, or fewer steps that make it smaller.",
        )
        return channels, height, width


def _demand(holds: bool, cause: str, cure: str) -> None:
    if not holds:
        raise ModelInputError(cause, cure)


def _demand_layout(op: str, x: Tensor, layout: Layout) -> None:
    if x.layout != layout:
        raise ModelInputError(
            f"{op} takes a tensor of layout {layout!r}, not {x.layout!r}.",
            "Change it with to_tokens or to_map.",
        )
