"""Composites become one operator, and a network reads alike in three dialects."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from maelstrom_bootcamp.perfmodel.graph import OpGraph
from maelstrom_bootcamp.perfmodel.read.fuse import fuse
from maelstrom_bootcamp.perfmodel.read.onnx import read_onnx
from maelstrom_bootcamp.perfmodel.read.traced import read_traced
from perfmodel import networks
from perfmodel.networks import NODE, SCALARS, gelu, ints, layer_norm, model, value, weight

DATA = Path(__file__).parent / "data"
X = [value("x", [2, 6, 8])]


def both(nodes, inputs=X, initializer=(), outputs=("y",)) -> tuple[OpGraph, OpGraph]:
    made = model(nodes, inputs, outputs, initializer)
    return read_onnx(made, fused=False), read_onnx(made)


def kinds(graph: OpGraph) -> list[str]:
    return [op.kind for op in graph.ops]


def test_silu() -> None:
    plain, fused = both([NODE("Sigmoid", ["x"], ["s"]), NODE("Mul", ["s", "x"], ["y"])])
    assert (kinds(plain), kinds(fused)) == (["sigmoid", "mul"], ["silu"])
    assert (plain.values, fused.values) == (5 * 96, 2 * 96)


def test_a_gate_is_no_silu() -> None:
    """The sigmoid of one tensor times another: squeeze and excite, gated units."""
    two = [NODE("Relu", ["x"], ["a"]), NODE("Exp", ["x"], ["b"])]
    _, fused = both([*two, NODE("Sigmoid", ["a"], ["s"]), NODE("Mul", ["s", "b"], ["y"])])
    assert sorted(kinds(fused)) == ["elementwise", "mul", "relu", "sigmoid"]
    _, fused = both(
        [
            NODE("GlobalAveragePool", ["x"], ["p"]),
            NODE("Sigmoid", ["p"], ["s"]),
            NODE("Mul", ["x", "s"], ["y"]),
        ]
    )
    assert kinds(fused) == ["reduce", "sigmoid", "mul"]


def test_a_sigmoid_that_is_read_elsewhere_stays() -> None:
    _, fused = both(
        [NODE("Sigmoid", ["x"], ["s"]), NODE("Mul", ["s", "x"], ["y"]), NODE("Exp", ["s"], ["z"])],
        outputs=("y", "z"),
    )
    assert sorted(kinds(fused)) == ["elementwise", "mul", "sigmoid"]


def test_gelu_with_erf_and_with_tanh() -> None:
    _, fused = both(gelu("x", "y", "g"), initializer=SCALARS)
    assert kinds(fused) == ["gelu"]
    assert fused.values == 2 * 96
    nodes = [
        NODE("Pow", ["x", "two"], ["c"]),
        NODE("Mul", ["c", "scale"], ["d"]),
        NODE("Add", ["x", "d"], ["e"]),
        NODE("Mul", ["e", "scale"], ["f"]),
        NODE("Tanh", ["f"], ["g"]),
        NODE("Add", ["g", "one"], ["h"]),
        NODE("Mul", ["x", "half"], ["i"]),
        NODE("Mul", ["i", "h"], ["y"]),
    ]
    _, fused = both(nodes, initializer=SCALARS)
    assert kinds(fused) == ["gelu"]


def test_what_follows_gelu_stays() -> None:
    nodes = [*gelu("x", "g", "g"), NODE("Mul", ["g", "two"], ["h"]), NODE("Add", ["h", "x"], ["y"])]
    _, fused = both(nodes, initializer=SCALARS)
    assert kinds(fused) == ["gelu", "mul", "add"]


@pytest.mark.parametrize("first", ["HardSigmoid", "Clip"])
def test_hard_swish(first: str) -> None:
    if first == "HardSigmoid":
        nodes = [NODE("HardSigmoid", ["x"], ["s"]), NODE("Mul", ["x", "s"], ["y"])]
    else:
        nodes = [
            NODE("Add", ["x", "two"], ["a"]),
            NODE("Clip", ["a", "one", "scale"], ["b"]),
            NODE("Mul", ["x", "b"], ["c"]),
            NODE("Div", ["c", "two"], ["y"]),
        ]
    _, fused = both(nodes, initializer=SCALARS)
    assert kinds(fused)[0] == "hard"
    assert "relu" not in kinds(fused)


def test_mish() -> None:
    nodes = [NODE("Softplus", ["x"], ["a"]), NODE("Tanh", ["a"], ["b"]), NODE("Mul", ["x", "b"], ["y"])]
    assert kinds(both(nodes)[1]) == ["tanh"]


def test_a_clip_alone_stays() -> None:
    _, fused = both([NODE("Clip", ["x", "one", "two"], ["y"])], initializer=SCALARS)
    assert kinds(fused) == ["relu"]


def test_layer_norm_and_the_sum_behind_it() -> None:
    chain, numbers = layer_norm("x", "n", 8, "ln")
    plain, fused = both([*chain, NODE("Add", ["n", "x"], ["y"])], initializer=[*SCALARS, *numbers])
    assert (len(plain), kinds(fused)) == (10, ["layer_norm", "add"])
    assert (fused.ops[0].params, fused.ops[0].values) == (16, 2 * 96 + 16)
    assert fused.params == plain.params


def test_group_norm_as_exporters_write_it() -> None:
    nodes = [
        NODE("Reshape", ["x", "groups"], ["g"]),
        NODE("InstanceNormalization", ["g", "ones", "zeros"], ["n"]),
        NODE("Reshape", ["n", "back"], ["b"]),
        NODE("Mul", ["b", "gamma"], ["m"]),
        NODE("Add", ["m", "beta"], ["y"]),
    ]
    constants = [ints("groups", 0, 3, -1), ints("back", 2, 6, 4, 4), weight("ones", 3), weight("zeros", 3)]
    constants += [weight("gamma", 6, 1, 1), weight("beta", 6, 1, 1)]
    _, fused = both(nodes, [value("x", [2, 6, 4, 4])], constants)
    assert kinds(fused) == ["group_norm"]
    assert (fused.params, fused.values) == (12, 2 * 192 + 12)


def test_offsets_of_products() -> None:
    nodes = [NODE("MatMul", ["x", "w"], ["m"]), NODE("Add", ["b", "m"], ["y"])]
    plain, fused = both(nodes, initializer=[weight("w", 8, 5), weight("b", 5)])
    (op,) = fused.ops
    assert (op.kind, op.params, op.macs) == ("dense", 45, plain.macs)
    assert op.values == 2 * 6 * 8 + 2 * 6 * 5 + 45


def test_an_offset_per_token_is_no_offset_of_the_product() -> None:
    nodes = [NODE("MatMul", ["x", "w"], ["m"]), NODE("Add", ["m", "place"], ["y"])]
    _, fused = both(nodes, initializer=[weight("w", 8, 5), weight("place", 6, 5)])
    assert kinds(fused) == ["dense", "add"]


def test_a_very_wide_network_is_left_as_it_is() -> None:
    """Three thousand gates beside each other: a search among all of them would take minutes."""
    wide = [NODE("Sigmoid", ["x"], [f"s{i}"]) for i in range(3000)]
    _, fused = both([*wide, NODE("Sum", [f"s{i}" for i in range(3000)], ["y"])])
    assert len(fused) == 3001


def test_fusing_twice_changes_nothing() -> None:
    graph = read_onnx(networks.small_vit(), batch=2)
    again = fuse(graph)
    assert again.ops == graph.ops
    assert again.edges.tolist() == graph.edges.tolist()


#: What PyTorch does around the products of an attention, and the others do not: see `fuse`.
ATTENTION = Counter({"copy": 4, "mul": 2})


@pytest.fixture(scope="module", params=["small_cnn", "small_vit"])
def three_ways(request) -> dict[str, OpGraph]:
    from maelstrom_bootcamp.perfmodel.read.tf import read_keras
    from perfmodel import keras_networks

    record = json.loads((DATA / f"{request.param}.json").read_text())
    return {
        "name": request.param,
        "aten": read_traced(record),
        "onnx": read_onnx(getattr(networks, request.param)(), batch=2),
        "tf": read_keras(getattr(keras_networks, request.param)(), batch=2),
    }


def test_three_ways_agree_in_arithmetic_and_parameters(three_ways: dict) -> None:
    for dialect in ("onnx", "tf"):
        assert three_ways[dialect].macs == three_ways["aten"].macs
        assert three_ways[dialect].params == three_ways["aten"].params
        assert three_ways[dialect].unknown == ()


def test_three_ways_agree_in_kinds(three_ways: dict) -> None:
    counts = {name: Counter(kinds(three_ways[name])) for name in ("aten", "onnx", "tf")}
    if three_ways["name"] == "small_cnn":
        assert counts["aten"] == counts["onnx"] == counts["tf"]
        return
    moved = ("copy", "mul")
    rest = {
        name: {kind: n for kind, n in count.items() if kind not in moved} for name, count in counts.items()
    }
    assert rest["aten"] == rest["onnx"] == rest["tf"]
    assert {kind: counts["aten"][kind] for kind in moved} == ATTENTION
    # ONNX turns the tokens, query, key, value and the result; Einsum of Keras hides this.
    assert {kind: counts["onnx"][kind] for kind in moved} == {"copy": 5, "mul": 1}
    assert {kind: counts["tf"][kind] for kind in moved} == {"copy": 0, "mul": 1}


def test_three_ways_agree_in_traffic(three_ways: dict) -> None:
    """Exactly per kind, but for the copies and the scaling around the products of an attention."""
    for dialect in ("onnx", "tf"):
        for kind in set(kinds(three_ways["aten"])) - {"copy", "mul"}:
            sums = [
                sum(op.values for op in three_ways[each].ops if op.kind == kind) for each in ("aten", dialect)
            ]
            assert sums[0] == sums[1], (dialect, kind)
        assert three_ways[dialect].values == pytest.approx(three_ways["aten"].values, rel=0.15)


def test_three_ways_agree_in_the_kernels(three_ways: dict) -> None:
    def convolutions(graph: OpGraph) -> list[tuple]:
        return [
            (op.kind, op.kernel, op.stride, op.groups, op.channels_in, op.channels_out)
            for op in graph.ops
            if "conv" in op.kind or op.kind == "dense"
        ]

    found = {name: sorted(convolutions(three_ways[name])) for name in ("aten", "onnx", "tf")}
    assert found["aten"] == found["onnx"] == found["tf"]
