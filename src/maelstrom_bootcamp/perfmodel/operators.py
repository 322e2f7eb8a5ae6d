"""One table: what each framework calls an operator, and what kind of work it is.

A network is written down in three dialects here: ``aten`` (PyTorch, traced), ``onnx`` and ``tf`` (TensorFlow,
which Keras compiles to). They differ in names and in grain: ONNX writes GELU as five operators, PyTorch as
one. The kinds are what the three have in common, and what a cost model distinguishes: two operators of one
kind that move the same number of values with the same arithmetic should take the same time.
"""

from __future__ import annotations

from typing import Literal

Dialect = Literal["aten", "onnx", "tf"]

#: kind -> names in (aten, onnx, tf), separated by blanks. `kind_of` refines "conv" by its groups and "dense".
TABLE: dict[str, tuple[str, str, str]] = {
    "conv": (
        "convolution",
        "Conv ConvInteger QLinearConv",
        "Conv2D Conv1D Conv3D _FusedConv2D DepthwiseConv2dNative",
    ),
    "transposed_conv": ("conv_transpose", "ConvTranspose", "Conv2DBackpropInput Conv3DBackpropInputV2"),
    "dense": ("addmm mm linear", "Gemm", ""),
    "matmul": (
        "bmm baddbmm",
        "MatMul MatMulInteger QLinearMatMul Einsum",
        "MatMul _FusedMatMul BatchMatMul BatchMatMulV2 BatchMatMulV3 Einsum XlaDotV2",
    ),
    "batch_norm": (
        "native_batch_norm",
        "BatchNormalization",
        "FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 _FusedBatchNormEx",
    ),
    "layer_norm": ("native_layer_norm", "LayerNormalization SimplifiedLayerNormalization", ""),
    "group_norm": ("native_group_norm", "InstanceNormalization GroupNormalization", ""),
    "relu": (
        "relu leaky_relu hardtanh clamp clamp_min prelu threshold elu",
        "Relu LeakyRelu PRelu Clip ThresholdedRelu Elu",
        "Relu Relu6 LeakyRelu Elu ClipByValue",
    ),
    "hard": ("hardswish hardsigmoid", "HardSwish HardSigmoid", ""),
    "sigmoid": ("sigmoid", "Sigmoid", "Sigmoid"),
    "silu": ("silu", "Swish", ""),
    "gelu": ("gelu", "Gelu FastGelu QuickGelu", ""),
    "tanh": ("tanh mish softplus", "Tanh Mish Softplus Selu", "Tanh Softplus Selu Softsign"),
    "softmax": (
        "_softmax _safe_softmax _log_softmax",
        "Softmax LogSoftmax Hardmax",
        "Softmax LogSoftmax",
    ),
    "add": ("add sub rsub", "Add Sub Sum", "AddV2 Add Sub BiasAdd AddN"),
    "mul": ("mul div addcmul addcdiv", "Mul Div", "Mul RealDiv Div DivNoNan"),
    "elementwise": (
        "pow neg rsqrt sqrt exp log abs sin cos maximum minimum erf reciprocal floor ceil round "
        "where bitwise_not "
        "logical_not eq ne lt le gt ge cumsum masked_fill",
        "Pow Neg Sqrt Exp Log Abs Sin Cos Max Min Erf Reciprocal Floor Ceil Round Where Not And Or "
        "Equal Less "
        "LessOrEqual Greater GreaterOrEqual CumSum Sign Mod Tile",
        "Pow Neg Rsqrt Sqrt Square SquaredDifference Exp Log Abs Sin Cos Maximum Minimum Erf Erfc Reciprocal "
        "Floor Ceil Round Select SelectV2 LogicalNot LogicalAnd LogicalOr Equal NotEqual Less "
        "LessEqual Greater "
        "GreaterEqual Cumsum Sign Tile Expm1 Log1p OnesLike ZerosLike",
    ),
    "concat": ("cat stack", "Concat", "ConcatV2 Pack"),
    "slice": (
        "unsafe_split split index index_select gather select_copy narrow_copy embedding",
        "Split Slice Gather GatherElements GatherND Compress",
        "Split SplitV Slice StridedSlice GatherV2 GatherNd Unpack ResourceGather",
    ),
    "copy": (
        "clone copy _to_copy roll repeat",
        "Transpose Cast DepthToSpace SpaceToDepth QuantizeLinear DequantizeLinear DynamicQuantizeLinear",
        "Transpose Cast Roll DepthToSpace SpaceToDepth BroadcastTo SpaceToBatchND BatchToSpaceND",
    ),
    "pad": ("constant_pad_nd reflection_pad2d replication_pad2d", "Pad", "Pad PadV2 MirrorPad"),
    "pool": (
        "avg_pool2d max_pool2d_with_indices adaptive_max_pool2d max_pool3d_with_indices im2col col2im unfold",
        "MaxPool AveragePool LpPool",
        "MaxPool MaxPoolV2 AvgPool MaxPool3D AvgPool3D ExtractImagePatches",
    ),
    "reduce": (
        "mean sum amax amin max min var std linalg_vector_norm _adaptive_avg_pool2d argmax topk prod",
        "GlobalAveragePool GlobalMaxPool ReduceMean ReduceSum ReduceMax ReduceMin ReduceProd "
        "ReduceL1 ReduceL2 "
        "ReduceSumSquare ReduceLogSumExp ArgMax ArgMin TopK",
        "Mean Sum Max Min Prod ArgMax ArgMin TopKV2 All Any",
    ),
    "resize": (
        "upsample_nearest2d upsample_bilinear2d upsample_bicubic2d _upsample_bicubic2d_aa "
        "_upsample_bilinear2d_aa upsample_linear1d grid_sampler_2d",
        "Resize Upsample GridSample",
        "ResizeNearestNeighbor ResizeBilinear ResizeBicubic ScaleAndTranslate",
    ),
    "recurrent": ("lstm gru", "LSTM GRU RNN", "CudnnRNNV3 While StatelessWhile"),
    # What costs nothing: another name or another shape for values that stay where they are.
    "view": (
        "empty empty_like zeros zeros_like ones full arange eye scalar_tensor view _unsafe_view "
        "reshape permute "
        "transpose t expand squeeze unsqueeze detach alias slice select split_with_sizes lift_fresh",
        "Reshape Flatten Squeeze Unsqueeze Identity Dropout Shape Size Constant ConstantOfShape Expand Range",
        "Reshape Squeeze ExpandDims Identity IdentityN StopGradient PreventGradient Shape Const "
        "ReadVariableOp NoOp "
        "Placeholder Fill Range Snapshot Rank Size PlaceholderWithDefault EnsureShape "
        "BroadcastArgs _Arg _Retval "
        "CheckNumerics",
    ),
}

#: The kinds that cost something, in the order of the features; "other" is what the table does not know.
KINDS: tuple[str, ...] = (
    "conv",
    "grouped_conv",
    "depthwise_conv",
    *(kind for kind in TABLE if kind not in ("conv", "view")),
    "other",
)

#: Kinds that do their work in the same way: what is not known of one is guessed from the others.
RELATIVES: dict[str, tuple[str, ...]] = {
    "convolutions": ("conv", "grouped_conv", "depthwise_conv", "transposed_conv", "recurrent"),
    "products": ("dense", "matmul"),
    "pointwise": (
        "relu",
        "hard",
        "sigmoid",
        "silu",
        "gelu",
        "tanh",
        "softmax",
        "add",
        "mul",
        "elementwise",
        "other",
    ),
    "normalisations": ("batch_norm", "layer_norm", "group_norm"),
    "movements": ("concat", "slice", "copy", "pad", "pool", "reduce", "resize"),
}

_DIALECTS: tuple[Dialect, ...] = ("aten", "onnx", "tf")
_BY_NAME: dict[Dialect, dict[str, str]] = {
    dialect: {name: kind for kind, row in TABLE.items() for name in row[column].split()}
    for column, dialect in enumerate(_DIALECTS)
}


def kind_of(
    dialect: Dialect, name: str, *, groups: int = 1, channels_in: int = 0, weighted: bool = False
) -> str:
    """What kind of work an operator is.

    Parameters
    ----------
    dialect : {"aten", "onnx", "tf"}
    name : str
        As the framework calls it.
    groups : int
        Of a convolution: into how many independent parts its channels are divided.
    channels_in : int
        Of a convolution: with as many groups as channels it is depthwise.
    weighted : bool
        A product with a trained matrix is "dense", one of two activations "matmul".

    Returns
    -------
    str
        One of `KINDS`, or "view" for what costs nothing; "other" for names that are not in the table.
    """
    kind = _BY_NAME[dialect].get(name, "other")
    if name == "DepthwiseConv2dNative":
        return "depthwise_conv"
    if kind == "conv" and groups > 1:
        return "depthwise_conv" if groups == channels_in else "grouped_conv"
    if kind == "matmul" and weighted:
        return "dense"
    return kind
