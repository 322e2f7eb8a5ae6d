"""Small networks as ONNX graphs, for the tests of the readers. Weights are zeros: nobody reads them."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper

NODE = helper.make_node


def value(name, shape, dtype=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, dtype, shape)


def weight(name, *shape):
    return helper.make_tensor(name, TensorProto.FLOAT, shape, np.zeros(shape, np.float32).tobytes(), raw=True)


def ints(name, *values):
    return helper.make_tensor(name, TensorProto.INT64, [len(values)], values)


def model(nodes, inputs, outputs=("y",), initializer=(), opset=18, **more) -> onnx.ModelProto:
    results = [each if not isinstance(each, str) else value(each, None) for each in outputs]
    graph = helper.make_graph(list(nodes), "network", list(inputs), results, list(initializer))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], **more)


def one_conv(batch="N", height="H", width="W") -> onnx.ModelProto:
    """A convolution 3 -> 8, 3 x 3, stride 2, with offsets, and a ReLU."""
    return model(
        [
            NODE("Conv", ["x", "w", "b"], ["c"], "conv", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4),
            NODE("Relu", ["c"], ["y"], "relu"),
        ],
        [value("x", [batch, 3, height, width])],
        initializer=[weight("w", 8, 3, 3, 3), weight("b", 8)],
    )


def baked(target, *, batch="N") -> onnx.ModelProto:
    """A Reshape with constant lengths and a product behind it."""
    return model(
        [
            NODE("Reshape", ["x", "target"], ["r"], "to_tokens"),
            NODE("MatMul", ["r", "w"], ["y"], "head"),
        ],
        [value("x", [batch, 4, 6])],
        initializer=[ints("target", *target), weight("w", 6, 5)],
    )


def layer_norm(x, out, channels, tag):
    """Nine operators and their constants: layer normalisation before operator set 17."""
    names = {each: f"{tag}_{each}" for each in ("mu", "d", "q", "v", "ve", "sd", "n", "ng")}
    nodes = [
        NODE("ReduceMean", [x, "last"], [names["mu"]]),
        NODE("Sub", [x, names["mu"]], [names["d"]]),
        NODE("Pow", [names["d"], "two"], [names["q"]]),
        NODE("ReduceMean", [names["q"], "last"], [names["v"]]),
        NODE("Add", [names["v"], "epsilon"], [names["ve"]]),
        NODE("Sqrt", [names["ve"]], [names["sd"]]),
        NODE("Div", [names["d"], names["sd"]], [names["n"]]),
        NODE("Mul", [names["n"], f"{tag}_gamma"], [names["ng"]]),
        NODE("Add", [names["ng"], f"{tag}_beta"], [out]),
    ]
    return nodes, [weight(f"{tag}_gamma", channels), weight(f"{tag}_beta", channels)]


def gelu(x, out, tag):
    """Five operators: x / sqrt(2), erf, + 1, times x, times 1/2."""
    return [
        NODE("Div", [x, "root_two"], [f"{tag}_1"]),
        NODE("Erf", [f"{tag}_1"], [f"{tag}_2"]),
        NODE("Add", [f"{tag}_2", "one"], [f"{tag}_3"]),
        NODE("Mul", [x, f"{tag}_3"], [f"{tag}_4"]),
        NODE("Mul", [f"{tag}_4", "half"], [out]),
    ]


SCALARS = [weight(name) for name in ("two", "epsilon", "root_two", "one", "half", "scale")] + [
    ints("last", -1)
]


def small_cnn() -> onnx.ModelProto:
    """Conv-BN-ReLU, depthwise Conv-BN-SiLU, grouped Conv-BN-ReLU, maximum pool, mean, Dense: 10 classes."""
    nodes, weights = [], []

    def block(tag, x, channels_in, channels_out, groups, stride, act):
        weights.append(weight(f"{tag}_w", channels_out, channels_in // groups, 3, 3))
        weights.extend(weight(f"{tag}_{each}", channels_out) for each in "gbmv")
        nodes.append(
            NODE(
                "Conv",
                [x, f"{tag}_w"],
                [f"{tag}_c"],
                kernel_shape=[3, 3],
                strides=[stride] * 2,
                pads=[1] * 4,
                group=groups,
            )
        )
        nodes.append(
            NODE("BatchNormalization", [f"{tag}_c", *(f"{tag}_{each}" for each in "gbmv")], [f"{tag}_n"])
        )
        if act == "silu":
            nodes.append(NODE("Sigmoid", [f"{tag}_n"], [f"{tag}_s"]))
            nodes.append(NODE("Mul", [f"{tag}_n", f"{tag}_s"], [f"{tag}_y"]))
        else:
            nodes.append(NODE("Relu", [f"{tag}_n"], [f"{tag}_y"]))
        return f"{tag}_y"

    x = block("stem", "x", 3, 16, 1, 2, "relu")
    x = block("depth", x, 16, 16, 16, 1, "silu")
    x = block("group", x, 16, 32, 4, 1, "relu")
    nodes.append(NODE("MaxPool", [x], ["p"], kernel_shape=[2, 2], strides=[2, 2]))
    nodes.append(NODE("GlobalAveragePool", ["p"], ["g"]))
    nodes.append(NODE("Flatten", ["g"], ["f"]))
    nodes.append(NODE("Gemm", ["f", "head_w", "head_b"], ["y"], transB=1))
    weights += [weight("head_w", 10, 32), weight("head_b", 10)]
    return model(nodes, [value("x", ["N", 3, 32, 32])], initializer=weights)


def small_vit() -> onnx.ModelProto:
    """One block: 16 tokens of width 32, two heads, four times wider inside; mean over tokens, Dense."""
    nodes, weights = [], [*SCALARS]

    def dense(x, out, tag, channels_in, channels_out):
        weights.extend((weight(f"{tag}_w", channels_in, channels_out), weight(f"{tag}_b", channels_out)))
        nodes.append(NODE("MatMul", [x, f"{tag}_w"], [f"{tag}_m"]))
        nodes.append(NODE("Add", [f"{tag}_b", f"{tag}_m"], [out]))

    def norm(x, out, tag):
        chain, numbers = layer_norm(x, out, 32, tag)
        nodes.extend(chain)
        weights.extend(numbers)

    nodes.append(NODE("Conv", ["x", "patch_w", "patch_b"], ["p"], kernel_shape=[8, 8], strides=[8, 8]))
    weights += [weight("patch_w", 32, 3, 8, 8), weight("patch_b", 32), ints("flat", 0, 32, 16)]
    weights += [weight("place", 1, 16, 32), ints("heads", 0, 16, 2, 16), ints("joined", 0, 16, 32)]
    nodes.append(NODE("Reshape", ["p", "flat"], ["pf"]))
    nodes.append(NODE("Transpose", ["pf"], ["tokens"], perm=[0, 2, 1]))
    nodes.append(NODE("Add", ["tokens", "place"], ["t0"]))
    norm("t0", "n1", "norm1")
    for each, order in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])):
        dense("n1", f"{each}0", each, 32, 32)
        nodes.append(NODE("Reshape", [f"{each}0", "heads"], [f"{each}1"]))
        nodes.append(NODE("Transpose", [f"{each}1"], [f"{each}2"], perm=order))
    nodes.append(NODE("MatMul", ["q2", "k2"], ["qk"]))
    nodes.append(NODE("Mul", ["qk", "scale"], ["qks"]))
    nodes.append(NODE("Softmax", ["qks"], ["a"], axis=-1))
    nodes.append(NODE("MatMul", ["a", "v2"], ["av"]))
    nodes.append(NODE("Transpose", ["av"], ["avt"], perm=[0, 2, 1, 3]))
    nodes.append(NODE("Reshape", ["avt", "joined"], ["avj"]))
    dense("avj", "o", "out", 32, 32)
    nodes.append(NODE("Add", ["t0", "o"], ["t1"]))
    norm("t1", "n2", "norm2")
    dense("n2", "h", "wide", 32, 128)
    nodes.extend(gelu("h", "hg", "gelu"))
    dense("hg", "h2", "narrow", 128, 32)
    nodes.append(NODE("Add", ["t1", "h2"], ["t2"]))
    nodes.append(NODE("ReduceMean", ["t2", "tokens_axis"], ["pooled"], keepdims=0))
    weights.append(ints("tokens_axis", 1))
    dense("pooled", "y", "head", 32, 10)
    return model(nodes, [value("x", ["N", 3, 32, 32])], initializer=weights)
