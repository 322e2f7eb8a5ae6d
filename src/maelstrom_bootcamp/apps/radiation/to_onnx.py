"""A radiation network as an ONNX model, for inference without TensorFlow.

Each Keras layer becomes a few ONNX operators; the numbers are the same up to rounding. The files run in any
runtime of ONNX, on one thread if that is what is to be measured (`session`).
"""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from maelstrom_bootcamp.apps.radiation import budget_onnx, layers as physics
from maelstrom_bootcamp.errors import BootcampError

import keras

import onnx
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    import onnxruntime

OPSET = 17
ACTIVATIONS = {"sigmoid": ["Sigmoid"], "tanh": ["Tanh"], "linear": []}


def to_onnx(model: keras.Model) -> onnx.ModelProto:
    """Write a network of `maelstrom_bootcamp.apps.radiation.networks` as an ONNX model.

    Parameters
    ----------
    model : keras.Model
        Of `networks`; recurrent ones with ``unroll=False`` and LSTM cells.

    Returns
    -------
    onnx.ModelProto
        Inputs and outputs have the names of the Keras model; the size of the batch is free.

    Raises
    ------
    BootcampError
        If a layer has no translation.
    """
    writer = Writer()
    for name, tensor in model.input.items():
        writer.names[id(tensor)] = name
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if not node.is_input:
                writer.add(node)
    for name, tensor in model.output.items():
        writer.op("Identity", [writer.names[id(tensor)]], out=name)
    values = {name: _value(name, tensor) for name, tensor in {**model.input, **model.output}.items()}
    graph = helper.make_graph(
        writer.nodes,
        model.name,
        [values[name] for name in model.input],
        [values[name] for name in model.output],
        writer.constants,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    made.ir_version = 9  # of opset 17 and later: any runtime since 2023 reads it
    onnx.checker.check_model(made)
    return made


def session(model: keras.Model, threads: int = 1) -> onnxruntime.InferenceSession:
    """Open a network in onnxruntime.

    Parameters
    ----------
    model : keras.Model
    threads : int
        Threads of the runtime.

    Returns
    -------
    onnxruntime.InferenceSession
        ``session.run(["sw"], inputs)`` computes fluxes from a dict of float32 arrays.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        to_onnx(model).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def _value(name: str, tensor: Any) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *tensor.shape[1:]])


class Writer:
    """Collects operators and constants; knows the ONNX name of each Keras tensor."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.names: dict[int, str] = {}

    def add(self, node: Any) -> None:
        """Translate one call of a layer."""
        kind = type(node.operation).__name__
        if kind not in _TRANSLATIONS:
            raise BootcampError(
                f"Layer {node.operation.name!r} ({kind}) has no translation to ONNX.",
                f"Build the network from: {', '.join(_TRANSLATIONS)}.",
            )
        inputs = [self.names[id(tensor)] for tensor in node.input_tensors]
        found = _TRANSLATIONS[kind](self, node, inputs)
        found = [found] if isinstance(found, str) else found
        for tensor, name in zip(node.output_tensors, found, strict=True):
            self.names[id(tensor)] = name

    def op(self, kind: str, inputs: Sequence[str], *, out: str | None = None, **attributes: Any) -> str:
        """Add an operator with one output; returns its name."""
        return self.ops(kind, inputs, 1, out, **attributes)[0]

    def ops(
        self, kind: str, inputs: Sequence[str], count: int, out: str | None = None, **attributes: Any
    ) -> list[str]:
        """Add an operator with several outputs."""
        names = [out or f"t{len(self.nodes)}_{i}" for i in range(count)]
        self.nodes.append(helper.make_node(kind, inputs, names, **attributes))
        return names

    def constant(self, values: Any, dtype: Any = np.float32) -> str:
        """Add an array."""
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def integers(self, *values: int) -> str:
        """Add whole numbers, as shapes and axes are given."""
        return self.constant(values, np.int64)

    def cut(self, x: str, axis: int, start: int, end: int, step: int = 1) -> str:
        """Part of an axis."""
        return self.op("Slice", [x, *(self.integers(i) for i in (start, end, axis, step))])

    def turn(self, x: str) -> str:
        """(batch, levels, channels) <-> (batch, channels, levels)."""
        return self.op("Transpose", [x], perm=[0, 2, 1])

    def activated(self, x: str, function: Callable) -> str:
        """The activation of a layer."""
        kind = function.__name__
        if kind in ("silu", "swish"):
            return self.op("Mul", [x, self.op("Sigmoid", [x])])
        for operator in ACTIVATIONS[kind]:
            x = self.op(operator, [x])
        return x

    def times(self, x: str, factor: float | Sequence[float]) -> str:
        """Multiply by a constant."""
        return self.op("Mul", [x, self.constant(factor)])

    def thickness(self, pressure: str) -> str:
        """Pressure difference of each layer."""
        return self.op("Sub", [self.cut(pressure, 1, 1, _END), self.cut(pressure, 1, 0, -1)])

    def middle(self, x: str) -> str:
        """Sum of the values at both interfaces of each layer."""
        return self.op("Add", [self.cut(x, 1, 1, _END), self.cut(x, 1, 0, -1)])


_END = np.iinfo(np.int64).max


def _rescaling(w: Writer, node: Any, x: list[str]) -> str:
    return w.times(x[0], node.operation.scale)


def _padding(w: Writer, node: Any, x: list[str]) -> str:
    before, after = node.operation.padding
    return w.op("Pad", [x[0], w.integers(0, before, 0, 0, after, 0)])


def _cropping(w: Writer, node: Any, x: list[str]) -> str:
    before, after = node.operation.cropping
    return w.cut(x[0], 1, before, -after if after else _END)


def _repeat(w: Writer, node: Any, x: list[str]) -> str:
    one = w.op("Unsqueeze", [x[0], w.integers(1)])
    return w.op("Expand", [one, w.integers(1, node.operation.n, 1)])


def _concatenate(w: Writer, node: Any, x: list[str]) -> str:
    return w.op("Concat", x, axis=node.operation.axis)


def _reshape(w: Writer, node: Any, x: list[str]) -> str:
    return w.op("Reshape", [x[0], w.integers(-1, *node.output_tensors[0].shape[1:])])


def _multiply(w: Writer, node: Any, x: list[str]) -> str:
    return w.op("Mul", x)


def _add(w: Writer, node: Any, x: list[str]) -> str:
    return w.op("Add", x)


def _conv(w: Writer, node: Any, x: list[str]) -> str:
    layer = node.operation
    kernel, bias = (np.asarray(v) for v in layer.weights)
    (rate,), (width,) = layer.dilation_rate, layer.kernel_size
    if width == 1:
        y = w.op("MatMul", [x[0], w.constant(kernel[0])])
        return w.activated(w.op("Add", [y, w.constant(bias)]), layer.activation)
    whole = rate * (width - 1)
    y = w.op(
        "Conv",
        [w.turn(x[0]), w.constant(kernel.transpose(2, 1, 0)), w.constant(bias)],
        dilations=[rate],
        pads=[whole // 2, whole - whole // 2],
    )
    return w.turn(w.activated(y, layer.activation))


def _dense(w: Writer, node: Any, x: list[str]) -> str:
    kernel, bias = node.operation.weights
    y = w.op("Gemm", [x[0], w.constant(kernel), w.constant(bias)])
    return w.activated(y, node.operation.activation)


def _mean(w: Writer, node: Any, x: list[str]) -> str:
    (pool,) = node.operation.pool_size
    levels = node.input_tensors[0].shape[1]
    missing = -levels % pool
    y = w.op(
        "AveragePool",
        [w.turn(x[0])],
        kernel_shape=[pool],
        strides=[pool],
        pads=[missing // 2, missing - missing // 2],
    )
    return w.turn(y)


def _attention(w: Writer, node: Any, x: list[str]) -> str:
    layer = node.operation
    projected = []
    for part in (layer.query_dense, layer.key_dense, layer.value_dense):
        kernel, bias = (np.asarray(v) for v in part.weights)
        features, heads, size = kernel.shape
        y = w.op("MatMul", [x[0], w.constant(kernel.reshape(features, -1))])
        y = w.op("Add", [y, w.constant(bias.reshape(-1))])
        projected.append(w.op("Reshape", [y, w.integers(0, 0, heads, size)]))
    query = w.op("Transpose", [w.times(projected[0], size**-0.5)], perm=[0, 2, 1, 3])
    key = w.op("Transpose", [projected[1]], perm=[0, 2, 3, 1])
    value = w.op("Transpose", [projected[2]], perm=[0, 2, 1, 3])
    weights = w.op("Softmax", [w.op("MatMul", [query, key])], axis=-1)
    y = w.op("Transpose", [w.op("MatMul", [weights, value])], perm=[0, 2, 1, 3])
    kernel, bias = (np.asarray(v) for v in layer.output_dense.weights)
    y = w.op("Reshape", [y, w.integers(0, 0, heads * size)])
    y = w.op("MatMul", [y, w.constant(kernel.reshape(heads * size, -1))])
    return w.op("Add", [y, w.constant(bias)])


def _lstm(w: Writer, node: Any, x: list[str]) -> str | list[str]:
    """Keras orders the gates input, forget, cell, output; ONNX input, output, forget, cell."""
    layer = node.operation
    units = layer.units

    def gates(values: Any) -> np.ndarray:
        i, f, c, o = np.split(np.asarray(values), 4, axis=-1)
        return np.concatenate([i, o, f, c], axis=-1).T[None]

    kernel, recurrent, bias = layer.cell.weights
    biases = np.concatenate([gates(bias), np.zeros((1, 4 * units))], axis=1)
    sequence = w.cut(x[0], 1, -1, -_END, -1) if layer.go_backwards else x[0]
    start = [w.op("Unsqueeze", [state, w.integers(0)]) for state in x[1:]]
    y, h, c = w.ops(
        "LSTM",
        [
            w.op("Transpose", [sequence], perm=[1, 0, 2]),
            *(w.constant(v) for v in (gates(kernel), gates(recurrent), biases)),
            *(["", *start] if start else []),
        ],
        3,
        hidden_size=units,
    )
    y = w.op("Transpose", [w.op("Squeeze", [y, w.integers(1)])], perm=[1, 0, 2])
    if not layer.return_state:
        return y
    return [y, *(w.op("Squeeze", [state, w.integers(0)]) for state in (h, c))]


def _get_item(w: Writer, node: Any, x: list[str]) -> str:
    key = node.arguments.args[1] if len(node.arguments.args) > 1 else node.arguments.kwargs["key"]
    rank = len(node.input_tensors[0].shape)
    key = list(key)
    if Ellipsis in key:
        at = key.index(Ellipsis)
        key[at : at + 1] = [slice(None)] * (rank - len(key) + 1)
    y = x[0]
    for axis, part in enumerate(key):
        step = part.step or 1
        if part != slice(None):
            start = part.start if part.start is not None else (0 if step > 0 else -1)
            end = part.stop if part.stop is not None else (_END if step > 0 else -_END)
            y = w.cut(y, axis, start, end, step)
    return y


def _heating_rate(w: Writer, node: Any, x: list[str]) -> str:
    flux, pressure = x
    net = w.op("Sub", [w.cut(flux, 2, 0, 1), w.cut(flux, 2, 1, 2)])
    return w.times(w.op("Div", [w.thickness(net), w.thickness(pressure)]), -physics.PER_DAY)


def _top_flux(w: Writer, node: Any, x: list[str]) -> str:
    surface, heating, pressure = x
    heats = w.op("Mul", [heating, w.thickness(pressure)])
    heats = w.op("ReduceSum", [heats, w.integers(1)], keepdims=0)
    net = w.op("Sub", [w.cut(surface, 1, 0, 1), w.cut(surface, 1, 1, 2)])
    top = w.op("Add", [net, w.times(heats, 1 / physics.PER_DAY)])
    return w.op("Concat", [top, surface], axis=-1)


def _incoming(w: Writer, node: Any, x: list[str]) -> str:
    parts = [w.cut(x[0], 1, part.start, part.stop) for part in (physics.COS_ZENITH, physics.IRRADIANCE)]
    return w.op("Mul", parts)


def _black_body(w: Writer, node: Any, x: list[str]) -> str:
    skin = w.cut(x[0], 1, physics.SKIN.start, physics.SKIN.stop)
    air = w.op("ReduceMax", [w.cut(x[1], 2, 0, 1)], axes=[1], keepdims=0)
    warmest = w.times(w.op("Max", [skin, air]), 0.01)
    square = w.op("Mul", [warmest, warmest])
    return w.times(w.op("Mul", [square, square]), 1e8 * physics.STEFAN_BOLTZMANN)


def _layer_features(w: Writer, node: Any, x: list[str]) -> str:
    gases, temperature, pressure, *cosine = x
    log_p, kelvin, pascal = physics.RNN_SCALES
    vary = [i for i in range(physics.GASES) if i not in physics.CONSTANT_GASES]
    parts = [w.op("Gather", [gases, w.integers(*vary)], axis=2)]
    if cosine:
        one = w.op("Unsqueeze", [cosine[0], w.integers(1)])
        parts.append(w.op("Expand", [one, w.integers(1, node.input_tensors[0].shape[1], 1)]))
    parts.append(w.times(w.op("Log", [w.times(w.middle(pressure), 0.5)]), log_p))
    parts.append(w.times(w.middle(temperature), 0.5 * kelvin))
    parts.append(w.times(w.thickness(pressure), pascal))
    return w.op("Concat", parts, axis=2)


_TRANSLATIONS: Mapping[str, Callable[[Writer, Any, list[str]], str | list[str]]] = {
    "Rescaling": _rescaling,
    "ZeroPadding1D": _padding,
    "Cropping1D": _cropping,
    "RepeatVector": _repeat,
    "Concatenate": _concatenate,
    "Reshape": _reshape,
    "Flatten": _reshape,
    "Multiply": _multiply,
    "Add": _add,
    "Conv1D": _conv,
    "Dense": _dense,
    "AveragePooling1D": _mean,
    "MultiHeadAttention": _attention,
    "LSTM": _lstm,
    "GetItem": _get_item,
    "HeatingRate": _heating_rate,
    "TopFlux": _top_flux,
    "Incoming": _incoming,
    "BlackBody": _black_body,
    "LayerFeatures": _layer_features,
    "OpticalTerms": budget_onnx.optical_terms,
    "ScalarTerms": budget_onnx.scalar_terms,
    "EnergyBudget": budget_onnx.energy_budget,
}
