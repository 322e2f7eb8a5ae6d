"""A blueprint as a graph of operators: what the ONNX reader makes of its file, without the file."""

from __future__ import annotations

import math

import numpy as np

from maelstrom_bootcamp.perfmodel.graph import ModelInputError, Op, OpGraph, Shape
from maelstrom_bootcamp.perfmodel.operators import kind_of
from maelstrom_bootcamp.perfmodel.zoo.blueprint import VIEWS, Blueprint, Layer

#: What ONNX calls the layers; an activation that ONNX writes with several operators has the fused name.
ONNX_NAMES: dict[str, str] = {
    "conv": "Conv",
    "batch_norm": "BatchNormalization",
    "group_norm": "GroupNormalization",
    "layer_norm": "LayerNormalization",
    "max_pool": "MaxPool",
    "average_pool": "AveragePool",
    "global_pool": "GlobalAveragePool",
    "token_mean": "ReduceMean",
    "concat": "Concat",
    "split": "Split",
    "roll": "Gather",
    "transpose": "Transpose",
    "to_tokens": "Transpose",
    "to_map": "Transpose",
    "dense": "MatMul",
    "matmul": "MatMul",
    "softmax": "Softmax",
    "add": "Add",
    "offset": "Add",
    "multiply": "Mul",
    "scale": "Mul",
    "layer_scale": "Mul",
    "relu": "Relu",
    "relu6": "Clip",
    "sigmoid": "Sigmoid",
    "hard_sigmoid": "HardSigmoid",
    "hard_swish": "HardSwish",
    "silu": "Swish",
    "gelu": "Gelu",
}
_KINDS = {op: kind_of("onnx", name, weighted=op == "dense") for op, name in ONNX_NAMES.items()}


def to_graph(blueprint: Blueprint, batch: int = 1) -> OpGraph:
    """Turn a blueprint into a graph; a millisecond or less.

    Parameters
    ----------
    blueprint : Blueprint
    batch : int

    Returns
    -------
    OpGraph
        Without the layers that only reshape; edges run through them.

    Raises
    ------
    ModelInputError
        If the batch is smaller than 1.
    """
    if batch < 1:
        raise ModelInputError(f"A batch of {batch} is not a batch.", "Give a batch of at least 1.")
    ops: list[Op] = []
    edges: list[tuple[int, int]] = []
    made_by: list[int] = []  # for each layer: which operator made its values, -1 for the input's
    for layer in blueprint.layers:
        if _is_view(layer):
            made_by.append(made_by[layer.inputs[0].layer] if layer.inputs else -1)
            continue
        sources = (made_by[tensor.layer] for tensor in layer.inputs)
        edges.extend((source, len(ops)) for source in sources if source >= 0)
        made_by.append(len(ops))
        ops.append(_op(layer, batch))
    return OpGraph(
        ops=tuple(ops),
        edges=np.array(sorted(set(edges)), dtype=np.int32).reshape(-1, 2),
        batch=batch,
        name=blueprint.name,
    )


def _op(layer: Layer, batch: int) -> Op:
    of = layer.attributes
    first = layer.inputs[0].shape
    groups, inner, outer = 1, 0, 0
    kind, name = _KINDS[layer.op], ONNX_NAMES[layer.op]
    if layer.op == "conv":
        groups, inner, outer = of["groups"], first[0], layer.shape[0]
        kind = kind_of("onnx", "Conv", groups=groups, channels_in=inner)
    elif layer.op in ("dense", "matmul"):
        inner, outer = first[-1], layer.shape[-1]
        if layer.op == "dense" and len(first) == 1:
            name = "Gemm"
    shape_in, shape_out = _onnx_shapes(layer)
    written = batch * layer.outputs * math.prod(layer.shape)
    read = batch * sum(math.prod(tensor.shape) for tensor in layer.inputs)
    return Op(
        name=name,
        kind=kind,
        in_shape=(batch, *shape_in),
        out_shape=(batch, *shape_out),
        macs=batch * layer.macs,
        params=layer.params,
        values=read + written + layer.params,
        out_values=written,
        channels_in=inner,
        channels_out=outer,
        kernel=of.get("kernel", 1),
        stride=of.get("stride", 1),
        groups=groups,
    )


def _is_view(layer: Layer) -> bool:
    """Whether all values stay where they are: another shape, or no axis but those of length 1 is moved."""
    if layer.op in VIEWS:
        return True
    if layer.op in ("to_tokens", "to_map"):
        tokens, channels = layer.shape if layer.op == "to_tokens" else layer.inputs[0].shape
        return min(tokens, channels) == 1
    if layer.op == "transpose":
        shape = layer.inputs[0].shape
        moved = [axis for axis in layer.attributes["order"] if shape[axis] > 1]
        return moved == sorted(moved)
    return False


def _onnx_shapes(layer: Layer) -> tuple[Shape, Shape]:
    """What goes in and out where ONNX has to reshape before or after the operator that does the work."""
    shape_in, shape_out = layer.inputs[0].shape, layer.shape
    if layer.op == "to_tokens":
        shape_in = (shape_in[0], math.prod(shape_in[1:]))
    elif layer.op == "to_map":
        shape_out = (shape_out[0], math.prod(shape_out[1:]))
    elif layer.op == "split":
        shape_out = (1, *shape_out)
    elif layer.op == "roll":
        shape_in = shape_out = (math.prod(shape_out[:-1]), shape_out[-1])
    return shape_in, shape_out
