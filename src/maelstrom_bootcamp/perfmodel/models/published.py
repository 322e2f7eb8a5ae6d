"""What DIPPM and TraPPM look at: their features of operators and networks, as published.

They are the baselines of this chapter, so they are kept as they are, with what is wrong about them: raw
values, a million times larger than the ones beside them; static features normalised over themselves, which
loses their scale; operators that the list does not know become "None" without a word.

References
----------
Panner Selvam, K. and Brorsson, M. (2023): DIPPM: a Deep Learning Inference Performance Predictive Model
using Graph Neural Networks. Euro-Par 2023, doi:10.1007/978-3-031-39698-4_1; code:
github.com/karthickai/dippm (Apache-2.0). Panner Selvam, K. and Brorsson, M.: TraPPM; code:
github.com/karthickai/trappm (MIT).
"""

from __future__ import annotations

import numpy as np

from maelstrom_bootcamp.perfmodel.graph import Op, OpGraph, Shape
from maelstrom_bootcamp.perfmodel.operators import TABLE

#: The 98 operators that TraPPM tells apart, in its order.
TRAPPM_OPERATORS: tuple[str, ...] = (
    "Sub",
    "Add",
    "Min",
    "Max",
    "Neg",
    "Div",
    "Mul",
    "Abs",
    "Ceil",
    "Exp",
    "Softmax",
    "Log",
    "ImageScaler",
    "InstanceNormalization",
    "Sqrt",
    "Pow",
    "Sin",
    "Cos",
    "Range",
    "Sigmoid",
    "Tanh",
    "HardSigmoid",
    "Relu",
    "PRelu",
    "LeakyRelu",
    "Sum",
    "NonMaxSuppression",
    "LRN",
    "Less",
    "LessOrEqual",
    "Not",
    "And",
    "Where",
    "Transpose",
    "Gemm",
    "MatMul",
    "Tile",
    "Gather",
    "Clip",
    "Reciprocal",
    "Relu6",
    "Constant",
    "Concat",
    "OneHot",
    "Einsum",
    "Unsqueeze",
    "Squeeze",
    "Shape",
    "Resize",
    "Upsample",
    "PoolBase",
    "AveragePool",
    "MaxPool",
    "Dropout",
    "GlobalAveragePool",
    "Expand",
    "Pad",
    "Identity",
    "Erf",
    "BatchNormalization",
    "Flatten",
    "ArgMax",
    "ArrayFeatureExtractor",
    "ZipMap",
    "Slice",
    "ReduceMean",
    "ReduceProd",
    "ReduceSum",
    "ReduceMin",
    "ReduceMax",
    "TopK",
    "Scan",
    "Compress",
    "Hardmax",
    "CategoryMapper",
    "LSTM",
    "Conv",
    "ReduceL2",
    "CumSum",
    "NonZero",
    "Equal",
    "Floor",
    "RoiAlign",
    "ScatterElements",
    "ScatterND",
    "Greater",
    "DequantizeLinear",
    "QuantizeLinear",
    "MatMulInteger",
    "QLinearMatMul",
    "QLinearConv",
    "ConvTranspose",
    "Reshape",
    "GRU",
    "ConstantOfShape",
    "Cast",
    "Split",
    "None",
)
#: What DIPPM tells apart among operators with weights: 16 kinds, here those that come nearest.
DIPPM_KINDS: tuple[str, ...] = (
    "conv",
    "transposed_conv",
    "dense",
    "matmul",
    "add",
    "softmax",
    "dropout",
    "layer_norm",
    "reshape",
    "copy",
    "split",
    "mul",
    "squeeze",
    "reduce",
    "pool",
    "batch_norm",
)
_CONVS = ("conv", "grouped_conv", "depthwise_conv")
_PLACES = {name: i for i, name in enumerate(TRAPPM_OPERATORS)}
#: Kind -> the place of the first of its names in ONNX that stands in the list.
_PLACES_OF_KINDS = {
    kind: next(_PLACES[name] for name in names.split() if name in _PLACES)
    for kind, (_, names, _) in TABLE.items()
    if _PLACES.keys() & set(names.split())
} | dict.fromkeys(_CONVS, _PLACES["Conv"])


def trappm_features(graph: OpGraph) -> np.ndarray:
    """TraPPM's 113 features of every operator: which of 98, six lengths in, six out, MACs, parameters, bytes.

    Parameters
    ----------
    graph : OpGraph
        Best read from ONNX with ``fused=False``, so that the operators carry the names of the list. Names of
        other dialects are replaced by ONNX's name for their kind; a kind without one is "None".

    Returns
    -------
    numpy.ndarray
        Shape (n, 113), float32, raw values.
    """
    out = np.zeros((len(graph), len(TRAPPM_OPERATORS) + 15), np.float32)
    for row, op in zip(out, graph.ops, strict=True):
        row[_PLACES.get(op.name, _PLACES_OF_KINDS.get(op.kind, _PLACES["None"]))] = 1
        row[98:104], row[104:110] = _six(op.in_shape), _six(op.out_shape)
        row[110:] = op.macs, op.params, 4 * op.out_values
    return out


def trappm_static(graph: OpGraph) -> np.ndarray:
    """TraPPM's six features of a network: batch, operators, edges, MACs, parameters, bytes.

    Each network's six numbers are brought to mean 0 and standard deviation 1 *over the six*, as in the
    published code: a network and one a thousand times larger look nearly alike.

    Parameters
    ----------
    graph : OpGraph

    Returns
    -------
    numpy.ndarray
        Shape (6,), float32.
    """
    raw = static(graph)
    return ((raw - raw.mean()) / raw.std()).astype(np.float32)


def static(graph: OpGraph) -> np.ndarray:
    """Six numbers of a network: batch, operators, edges, MACs, parameters, bytes that it writes.

    Parameters
    ----------
    graph : OpGraph

    Returns
    -------
    numpy.ndarray
        Shape (6,), float64, raw.
    """
    return np.array(
        [graph.batch, len(graph), len(graph.edges), graph.macs, graph.params, 4 * graph.out_values],
        np.float64,
    )


def dippm_features(graph: OpGraph) -> np.ndarray:
    """DIPPM's 32 features of every operator with weights: one of 16, 12 of a convolution, 4 of its weights.

    Parameters
    ----------
    graph : OpGraph

    Returns
    -------
    numpy.ndarray
        Shape (m, 32), float32, raw values; m operators with weights.

    Notes
    -----
    Padding is not kept by `OpGraph`; it is worked out from the lengths, all on one side. Dilation is
    taken as 1.
    """
    weighted = [op for op in graph.ops if op.params]
    out = np.zeros((len(weighted), 32), np.float32)
    for row, op in zip(out, weighted, strict=True):
        kind = "conv" if op.kind in _CONVS else op.kind
        if kind in DIPPM_KINDS:
            row[DIPPM_KINDS.index(kind)] = 1
        if kind == "conv":
            pad = _padding(op)
            row[16:24] = op.stride, op.stride, pad, pad, 0, 0, 1, 1
            row[24:28] = op.groups, op.channels_out, op.kernel, op.kernel
            row[28:] = op.channels_out, op.channels_in // op.groups, op.kernel, op.kernel
        else:
            row[28:30] = op.channels_out, op.channels_in
    return out


def dippm_static(graph: OpGraph) -> np.ndarray:
    """DIPPM's five features of a network: batch, GMACs, and its numbers of convolutions, products and ReLUs.

    Parameters
    ----------
    graph : OpGraph

    Returns
    -------
    numpy.ndarray
        Shape (5,), float32.
    """
    kinds = [op.kind for op in graph.ops]
    convs = sum(kinds.count(kind) for kind in _CONVS)
    return np.array(
        [graph.batch, graph.macs / 1e9, convs, kinds.count("dense"), kinds.count("relu")], np.float32
    )


def chain(count: int) -> np.ndarray:
    """DIPPM's edges: each operator to the next, whatever the network's branches do.

    Parameters
    ----------
    count : int
        Number of operators.

    Returns
    -------
    numpy.ndarray
        Shape (count - 1, 2), int32.
    """
    first = np.arange(max(count - 1, 0), dtype=np.int32)
    return np.stack([first, first + 1], 1)


def _six(shape: Shape) -> list[int]:
    return [*shape[:6], *[0] * (6 - len(shape))]


def _padding(op: Op) -> int:
    inner, outer = max(op.in_shape[2:] or (0,)), max(op.out_shape[2:] or (0,))
    return max(0, (outer - 1) * op.stride + op.kernel - inner)
