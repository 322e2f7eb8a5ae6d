"""From the operators of a flat TensorFlow graph to the operators of a draft."""

from __future__ import annotations

import math
from collections.abc import Callable

import tensorflow as tf

from maelstrom_bootcamp.perfmodel.graph import Shape
from maelstrom_bootcamp.perfmodel.read.draft import Draft, Work, moves_nothing
from maelstrom_bootcamp.perfmodel.read.einsum import einsum_macs

_PRODUCTS = {
    "MatMul": "transpose_a",
    "_FusedMatMul": "transpose_a",
    "BatchMatMul": "adj_x",
    "BatchMatMulV2": "adj_x",
    "BatchMatMulV3": "adj_x",
}


def draft_graph(graph: tf.Graph, weights: frozenset[str]) -> Draft:
    """Read a flat graph.

    Parameters
    ----------
    graph : tf.Graph
        Sorted, of known shapes.
    weights : frozenset of str
        Placeholders that are constants of the network.

    Returns
    -------
    Draft
    """
    draft = Draft("tf")
    operations = graph.get_operations()
    # A graph without variables is frozen: its constants are the weights.
    frozen = not any(each.type in ("VarHandleOp", "VariableV2") for each in operations)
    for operation in operations:
        _walk(operation, draft, weights, frozen)
    return draft


def _shape(tensor: tf.Tensor) -> Shape | None:
    shape = tensor.shape
    return tuple(shape.as_list()) if shape.is_fully_defined() else None


def _walk(operation: tf.Operation, draft: Draft, weights: frozenset[str], frozen: bool) -> None:
    outputs = [(each.name, _shape(each)) for each in operation.outputs]
    if not outputs:
        return
    name, kind = outputs[0][0], operation.type
    if kind in ("VarHandleOp", "VariableV2"):
        shape = operation.get_attr("shape")
        draft.constant(name, tuple(dim.size for dim in shape.dim), trained=True)
    elif kind == "Const":
        if not operation.outputs[0].dtype.is_floating:
            draft.constant(name, outputs[0][1], trained=False)
        elif frozen:
            draft.constant(name, outputs[0][1], trained=True)
        else:
            draft.table(name, outputs[0][1] or ())
    elif kind == "Placeholder":
        if operation.name in weights:
            draft.table(name, outputs[0][1] or ())
        else:
            draft.source(name, outputs[0][1])
    elif kind in ("Shape", "ShapeN", "Size", "Rank") or not operation.inputs:
        for output, shape in outputs:
            draft.constant(output, shape, trained=False)
    elif kind == "IdentityN":
        for each, (output, shape) in zip(operation.inputs, outputs, strict=True):
            draft.enter(each.name, output, shape)
    elif kind == "Transpose" and moves_nothing(_shape(operation.inputs[0]), _order(operation)):
        draft.enter(operation.inputs[0].name, name, outputs[0][1])
    else:
        inputs = [each.name for each in operation.inputs]
        draft.add(kind, operation.name, inputs, outputs, lambda: _work(operation, draft))


def _order(operation: tf.Operation) -> list[int] | None:
    order = tf.get_static_value(operation.inputs[1])
    return None if order is None else order.tolist()


def _work(operation: tf.Operation, draft: Draft) -> Work:
    """Count the arithmetic of an operator."""
    count = _COUNTS.get(operation.type)
    if count is not None:
        return count(operation)
    if operation.type in _PRODUCTS:
        return _product(operation, draft)
    if operation.type == "Einsum":
        shapes = [_shape(each) for each in operation.inputs]
        equation = operation.get_attr("equation").decode()
        weighted = len(shapes) == 2 and any(draft.is_constant(each.name) for each in operation.inputs)
        return Work(macs=einsum_macs(equation, shapes), weighted=weighted)
    return Work()


def _spatial(operation: tf.Operation) -> tuple[int, int]:
    """Find the first spatial axis and the axis of the channels."""
    try:
        layout = operation.get_attr("data_format").decode()
    except ValueError:
        layout = "NHWC"
    return (2, 1) if layout.startswith("NC") else (1, -1)


def _convolution(operation: tf.Operation) -> Work:
    x, w, out = (
        _shape(operation.inputs[0]),
        _shape(operation.inputs[1]),
        _shape(operation.outputs[0]),
    )
    if x is None or w is None or out is None:
        return Work()
    space, channel = _spatial(operation)
    stride = operation.get_attr("strides")[space]
    if operation.type == "DepthwiseConv2dNative":
        each, groups = math.prod(w[:2]), x[channel]
    else:
        each, groups = math.prod(w[:-1]), x[channel] // w[-2]
    return Work(
        macs=math.prod(out) * each,
        in_shape=x,
        channels_in=x[channel],
        channels_out=out[channel],
        kernel=w[0],
        stride=stride,
        groups=groups,
    )


def _transposed(operation: tf.Operation) -> Work:
    """Multiply each input with the whole filter: the inputs are the shape, the filter, the image."""
    w, x, out = (
        _shape(operation.inputs[1]),
        _shape(operation.inputs[2]),
        _shape(operation.outputs[0]),
    )
    if x is None or w is None or out is None:
        return Work()
    space, channel = _spatial(operation)
    return Work(
        macs=math.prod(x) * math.prod(w[:-1]),
        in_shape=x,
        channels_in=x[channel],
        channels_out=out[channel],
        kernel=w[0],
        stride=operation.get_attr("strides")[space],
        groups=x[channel] // w[-1],
    )


def _product(operation: tf.Operation, draft: Draft) -> Work:
    a, b = operation.inputs[:2]
    shape, other, out = _shape(a), _shape(b), _shape(operation.outputs[0])
    if shape is None or other is None or out is None:
        return Work()
    inner = shape[-2] if operation.get_attr(_PRODUCTS[operation.type]) else shape[-1]
    constant = draft.is_constant(a.name), draft.is_constant(b.name)
    return Work(
        macs=math.prod(out) * inner,
        in_shape=other if constant[0] and not constant[1] else shape,
        channels_in=inner,
        channels_out=out[-1],
        weighted=any(constant),
    )


def _pool(operation: tf.Operation) -> Work:
    space, _ = _spatial(operation)
    return Work(kernel=operation.get_attr("ksize")[space], stride=operation.get_attr("strides")[space])


_COUNTS: dict[str, Callable[[tf.Operation], Work]] = {
    **dict.fromkeys(("Conv2D", "Conv3D", "_FusedConv2D", "DepthwiseConv2dNative"), _convolution),
    **dict.fromkeys(("Conv2DBackpropInput", "Conv3DBackpropInputV2"), _transposed),
    **dict.fromkeys(("MaxPool", "AvgPool", "MaxPool3D", "AvgPool3D"), _pool),
}
