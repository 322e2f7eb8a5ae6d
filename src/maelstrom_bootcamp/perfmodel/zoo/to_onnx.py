"""A blueprint as an ONNX model, written with onnx.helper alone: no framework, a few milliseconds."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from maelstrom_bootcamp.perfmodel.graph import ModelInputError, Shape
from maelstrom_bootcamp.perfmodel.zoo.blueprint import Blueprint, Layer
from maelstrom_bootcamp.perfmodel.zoo.to_graph import ONNX_NAMES

OPSET = 17  # the first with LayerNormalization; HardSwish is older, Gelu and Swish are younger
IR_VERSION = 9


def to_onnx(blueprint: Blueprint, batch: int = 1, weights: bool = True, seed: int = 0) -> onnx.ModelProto:
    """Turn a blueprint into an ONNX model with a fixed batch.

    Parameters
    ----------
    blueprint : Blueprint
    batch : int
    weights : bool
        True fills in random weights, so that it can run. False makes the weights inputs of the model, as an
        export without parameters does: a file of some kilobytes.
    seed : int
        Of the random weights.

    Returns
    -------
    onnx.ModelProto
        One input "input" (batch, channels, height, width), one output "output"; opset 17.

    Raises
    ------
    ModelInputError
        If the batch is smaller than 1.
    """
    if batch < 1:
        raise ModelInputError(f"A batch of {batch} is not a batch.", "Give a batch of at least 1.")
    return _Writer(blueprint, batch, weights, seed).model()


class _Writer:
    """The lists that become the model, and how layers that are more than one operator are written."""

    def __init__(self, blueprint: Blueprint, batch: int, weights: bool, seed: int) -> None:
        self.blueprint, self.batch, self.weights = blueprint, batch, weights
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.weight_inputs: list[onnx.ValueInfoProto] = []
        self.out = ""  # name of the first output of the layer at hand
        self.number = 0

    def model(self) -> onnx.ModelProto:
        layers = self.blueprint.layers
        names = [self._names(i, layer) for i, layer in enumerate(layers)]
        special = self._special()
        for layer, outputs in zip(layers[1:], names[1:], strict=True):
            self.out = outputs[0]
            inputs = [names[tensor.layer][tensor.port] for tensor in layer.inputs]
            if layer.op in special:
                special[layer.op](layer, inputs)
            else:
                self.node(ONNX_NAMES[layer.op], inputs)
        graph = helper.make_graph(
            self.nodes,
            self.blueprint.name or "blueprint",
            [self._value("input", layers[0].shape), *self.weight_inputs],
            [self._value("output", layers[-1].shape)],
            self.initializers,
        )
        return helper.make_model(
            graph,
            producer_name="maelstrom-bootcamp",
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
        )

    # -------------------------------------------------------------- elements

    def node(self, op: str, inputs: list[str], part: str | list[str] = "", **attributes: object) -> str:
        """Append an operator; ``part`` names an inner tensor of a layer, "" is what the layer makes."""
        outputs = part if isinstance(part, list) else [f"{self.out}.{part}" if part else self.out]
        self.nodes.append(helper.make_node(op, inputs, outputs, name=f"{op}.{outputs[0]}", **attributes))
        return outputs[0]

    def weight(self, shape: Shape, fill: float | None = None) -> str:
        """A trained array: random if ``fill`` is None, scaled by the root of how many products are summed."""
        name = f"w{self.number}"
        self.number += 1
        if not self.weights:
            self.weight_inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
            return name
        if fill is None:
            fan = math.prod(shape[1:]) if len(shape) > 2 else shape[0]
            array = self.rng.standard_normal(shape, dtype=np.float32) * np.float32(fan**-0.5)
        else:
            array = np.full(shape, fill, np.float32)
        self.initializers.append(numpy_helper.from_array(array, name))
        return name

    def constant(self, value: np.ndarray | np.generic) -> str:
        name = f"c{self.number}"
        self.number += 1
        self.initializers.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def shape(self, shape: Shape) -> str:
        return self.constant(np.array((self.batch, *shape), np.int64))

    def _value(self, name: str, shape: Shape) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, (self.batch, *shape))

    def _names(self, index: int, layer: Layer) -> list[str]:
        if index == 0:
            return ["input"]
        if index == len(self.blueprint.layers) - 1:
            return ["output"]
        return [f"t{index}" + (f".{port}" if port else "") for port in range(layer.outputs)]

    # ---------------------------------------------------------------- layers

    def _special(self) -> dict[str, Callable[[Layer, list[str]], object]]:
        """The layers that are not one operator without attributes."""
        return {
            "conv": self._conv,
            "batch_norm": self._batch_norm,
            "group_norm": self._group_norm,
            "layer_norm": self._layer_norm,
            "max_pool": self._pool,
            "average_pool": self._pool,
            "concat": lambda _, x: self.node("Concat", x, axis=1),
            "flatten": lambda _, x: self.node("Flatten", x, axis=1),
            "reshape": lambda layer, x: self.node("Reshape", [*x, self.shape(layer.shape)]),
            "transpose": self._transpose,
            "to_tokens": self._to_tokens,
            "to_map": self._to_map,
            "split": self._split,
            "roll": self._roll,
            "token_mean": lambda _, x: self.node("ReduceMean", x, axes=[1], keepdims=0),
            "dense": self._dense,
            "softmax": lambda _, x: self.node("Softmax", x, axis=-1),
            "scale": lambda layer, x: self.node(
                "Mul", [*x, self.constant(np.float32(layer.attributes["factor"]))]
            ),
            "layer_scale": self._layer_scale,
            "offset": lambda layer, x: self.node("Add", [*x, self.weight(layer.attributes["offset"], 0.0)]),
            "relu6": lambda _, x: self.node(
                "Clip", [*x, self.constant(np.float32(0)), self.constant(np.float32(6))]
            ),
            "hard_sigmoid": lambda _, x: self.node("HardSigmoid", x, alpha=1 / 6, beta=0.5),
            "silu": lambda _, x: self.node("Mul", [*x, self.node("Sigmoid", x, "sigmoid")]),
            "gelu": self._gelu,
        }

    def _conv(self, layer: Layer, x: list[str]) -> None:
        of = layer.attributes
        inner = layer.inputs[0].shape[0] // of["groups"]
        inputs = [*x, self.weight((layer.shape[0], inner, of["kernel"], of["kernel"]))]
        if of["bias"]:
            inputs.append(self.weight((layer.shape[0],), 0.0))
        self.node("Conv", inputs, group=of["groups"], **_window(layer))

    def _pool(self, layer: Layer, x: list[str]) -> None:
        self.node(ONNX_NAMES[layer.op], x, **_window(layer))

    def _batch_norm(self, layer: Layer, x: list[str]) -> None:
        scale_offset_mean_variance = (1.0, 0.0, 0.0, 1.0)
        arrays = [self.weight(layer.shape[:1], fill) for fill in scale_offset_mean_variance]
        self.node("BatchNormalization", x + arrays)

    def _group_norm(self, layer: Layer, x: list[str]) -> None:
        """One group is one instance of a single channel; scale and offset of the channels come after it."""
        flat = self.node("Reshape", [*x, self.constant(np.array([self.batch, 1, -1], np.int64))], "flat")
        # These two are not trained: they are constants, even if the weights are inputs.
        unit = [self.constant(np.ones(1, np.float32)), self.constant(np.zeros(1, np.float32))]
        normal = self.node("InstanceNormalization", [flat, *unit], "normal")
        back = self.node("Reshape", [normal, self.shape(layer.shape)], "back")
        per_channel = (layer.shape[0], 1, 1)
        scaled = self.node("Mul", [back, self.weight(per_channel, 1.0)], "scaled")
        self.node("Add", [scaled, self.weight(per_channel, 0.0)])

    def _layer_norm(self, layer: Layer, x: list[str]) -> None:
        channels = layer.shape[-1:]
        self.node("LayerNormalization", [*x, self.weight(channels, 1.0), self.weight(channels, 0.0)], axis=-1)

    def _transpose(self, layer: Layer, x: list[str]) -> None:
        self.node("Transpose", x, perm=[0, *(axis + 1 for axis in layer.attributes["order"])])

    def _to_tokens(self, layer: Layer, x: list[str]) -> None:
        tokens, channels = layer.shape
        flat = self.node("Reshape", [*x, self.shape((channels, tokens))], "flat")
        self.node("Transpose", [flat], perm=[0, 2, 1])

    def _to_map(self, layer: Layer, x: list[str]) -> None:
        turned = self.node("Transpose", x, "turned", perm=[0, 2, 1])
        self.node("Reshape", [turned, self.shape(layer.shape)])

    def _split(self, layer: Layer, x: list[str]) -> None:
        names = [self.out] + [f"{self.out}.{port}" for port in range(1, layer.outputs)]
        parts = [f"{name}.part" for name in names]
        self.node("Split", x, parts, axis=1)
        for part, name in zip(parts, names, strict=True):
            self.node("Reshape", [part, self.shape(layer.shape)], [name])

    def _roll(self, layer: Layer, x: list[str]) -> None:
        """ONNX has no Roll: the pixels are gathered in their new order."""
        height, width, channels = layer.shape
        order = np.arange(height * width).reshape(height, width)
        order = np.roll(order, (layer.attributes["shift"],) * 2, axis=(0, 1)).ravel()
        flat = self.node("Reshape", [*x, self.shape((height * width, channels))], "flat")
        rolled = self.node("Gather", [flat, self.constant(order)], "rolled", axis=1)
        self.node("Reshape", [rolled, self.shape(layer.shape)])

    def _dense(self, layer: Layer, x: list[str]) -> None:
        matrix = self.weight((layer.inputs[0].shape[-1], layer.shape[-1]))
        bias = [self.weight(layer.shape[-1:], 0.0)] if layer.attributes["bias"] else []
        if len(layer.shape) == 1:
            self.node("Gemm", [*x, matrix, *bias])
        elif bias:
            self.node("Add", [self.node("MatMul", [*x, matrix], "product"), *bias])
        else:
            self.node("MatMul", [*x, matrix])

    def _layer_scale(self, layer: Layer, x: list[str]) -> None:
        shape = (layer.shape[0], 1, 1) if layer.layout == "map" else layer.shape[-1:]
        self.node("Mul", [*x, self.weight(shape, 1.0)])

    def _gelu(self, layer: Layer, x: list[str]) -> None:
        """x / 2 * (1 + erf(x / sqrt 2)), operator by operator as PyTorch exports it."""
        scaled = self.node("Div", [*x, self.constant(np.float32(math.sqrt(2)))], "scaled")
        erf = self.node("Erf", [scaled], "erf")
        shifted = self.node("Add", [erf, self.constant(np.float32(1))], "shifted")
        product = self.node("Mul", [*x, shifted], "product")
        self.node("Mul", [product, self.constant(np.float32(0.5))])


def _window(layer: Layer) -> dict[str, list[int]]:
    of = layer.attributes
    return {
        "kernel_shape": [of["kernel"]] * 2,
        "strides": [of["stride"]] * 2,
        "pads": [of["pad"]] * 4,
    }
