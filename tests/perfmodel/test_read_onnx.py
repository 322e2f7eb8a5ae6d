"""ONNX graphs: arithmetic, traffic, weights, views, control flow."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from maelstrom_bootcamp.perfmodel.graph import ModelInputError
from maelstrom_bootcamp.perfmodel.read.draft import MOST_NUMBERS
from maelstrom_bootcamp.perfmodel.read.einsum import einsum_macs
from maelstrom_bootcamp.perfmodel.read.onnx import read_onnx
from perfmodel.networks import NODE, ints, model, one_conv, small_cnn, value, weight


def read(nodes, inputs, **more):
    keys = ("initializer", "outputs", "opset", "functions")
    made = model(nodes, inputs, **{key: more.pop(key) for key in keys if key in more})
    return read_onnx(made, **more)


def test_convolution_is_counted_by_hand() -> None:
    conv, relu = read_onnx(one_conv(), batch=2, image_size=(16, 32)).ops
    assert (conv.in_shape, conv.out_shape) == ((2, 3, 16, 32), (2, 8, 8, 16))
    assert conv.macs == 2 * 8 * 8 * 16 * 3 * 3 * 3
    assert conv.params == 8 * 3 * 3 * 3 + 8
    assert conv.values == 2 * 3 * 16 * 32 + 2 * 8 * 8 * 16 + conv.params
    assert (conv.channels_in, conv.channels_out, conv.kernel, conv.stride, conv.groups) == (3, 8, 3, 2, 1)
    assert (relu.kind, relu.values, relu.out_values) == ("relu", 2 * 2048, 2048)


@pytest.mark.parametrize(("groups", "kind"), [(1, "conv"), (4, "grouped_conv"), (8, "depthwise_conv")])
def test_groups_tell_the_kinds_of_convolutions(groups: int, kind: str) -> None:
    (op,) = read(
        [NODE("Conv", ["x", "w"], ["y"], group=groups)],
        [value("x", [1, 8, 5, 5])],
        initializer=[weight("w", 8, 8 // groups, 3, 3)],
    ).ops
    assert (op.kind, op.groups, op.macs) == (kind, groups, 8 * 9 * 9 * 8 // groups)


def test_transposed_convolution_spreads_its_input() -> None:
    (op,) = read(
        [NODE("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2])],
        [value("x", [2, 4, 5, 5])],
        initializer=[weight("w", 4, 6, 2, 2)],
    ).ops
    assert (op.kind, op.out_shape, op.macs) == ("transposed_conv", (2, 6, 10, 10), 2 * 4 * 25 * 6 * 4)


def test_products_with_weights_are_dense_and_without_are_not() -> None:
    graph = read(
        [NODE("Gemm", ["x", "w", "b"], ["h"], transB=1), NODE("MatMul", ["h", "z"], ["y"])],
        [value("x", [2, 8]), value("z", [6, 3])],
        initializer=[weight("w", 6, 8), weight("b", 6)],
    )
    gemm, matmul = graph.ops
    assert (gemm.kind, gemm.macs, gemm.params) == ("dense", 2 * 6 * 8, 54)
    assert (gemm.channels_in, gemm.channels_out) == (8, 6)
    assert (matmul.kind, matmul.macs, matmul.params) == ("matmul", 2 * 3 * 6, 0)
    assert graph.edges.tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("equation", "shapes", "macs"),
    [
        ("bij,bjk->bik", [(2, 3, 4), (2, 4, 5)], 2 * 3 * 4 * 5),
        ("...ij,jk->...ik", [(2, 7, 3, 4), (4, 5)], 2 * 7 * 3 * 4 * 5),
        ("ij->ji", [(3, 4)], 0),
        ("ijk,k->ij", [(3, 4), (4,)], 0),
        ("ij,jk", [None, (4, 5)], 0),
    ],
)
def test_einsum(equation: str, shapes: list, macs: int) -> None:
    assert einsum_macs(equation, shapes) == macs


def test_recurrent_layers_multiply_every_step() -> None:
    (op,) = read(
        [NODE("LSTM", ["x", "w", "r"], ["y"], hidden_size=6)],
        [value("x", [7, 2, 5])],
        initializer=[weight("w", 1, 24, 5), weight("r", 1, 24, 6)],
    ).ops
    assert (op.kind, op.macs, op.params) == ("recurrent", 7 * 2 * 24 * 11, 24 * 11)


def test_views_are_left_out_and_their_edges_run_through() -> None:
    graph = read(
        [
            NODE("Relu", ["x"], ["a"]),
            NODE("Reshape", ["a", "s"], ["b"]),
            NODE("Squeeze", ["b", "axis"], ["c"]),
            NODE("Sigmoid", ["c"], ["y"]),
        ],
        [value("x", [2, 3, 4])],
        initializer=[ints("s", 2, 1, 12), ints("axis", 1)],
    )
    assert [op.name for op in graph.ops] == ["Relu", "Sigmoid"]
    assert graph.edges.tolist() == [[0, 1]]


def test_what_hangs_on_constants_only_is_folded_and_booked_once() -> None:
    graph = read(
        [
            NODE("Shape", ["x"], ["s"]),
            NODE("Gather", ["s", "zero"], ["n"]),
            NODE("Concat", ["n", "minus"], ["target"], axis=0),
            NODE("Reshape", ["x", "target"], ["r"]),
            NODE("Transpose", ["w"], ["wt"]),
            NODE("MatMul", ["r", "wt"], ["y"]),
        ],
        [value("x", ["N", 3, 4])],
        initializer=[ints("zero", 0), ints("minus", -1), weight("w", 5, 12)],
        batch=3,
    )
    assert [op.kind for op in graph.ops] == ["dense"]
    assert (graph.params, graph.macs) == (60, 3 * 12 * 5)


def test_a_weight_that_is_split_counts_by_its_parts() -> None:
    graph = read(
        [
            NODE("Split", ["w"], ["a", "b"], axis=1, num_outputs=2),
            NODE("MatMul", ["x", "a"], ["p"]),
            NODE("MatMul", ["x", "b"], ["q"]),
            NODE("Add", ["p", "q"], ["y"]),
        ],
        [value("x", [2, 4])],
        initializer=[weight("w", 4, 6)],
    )
    assert [op.params for op in graph.ops] == [12, 12, 0]


def test_a_weight_that_is_shared_counts_twice_and_a_factor_not_at_all() -> None:
    graph = read(
        [
            NODE("MatMul", ["x", "w"], ["a"]),
            NODE("MatMul", ["a", "w"], ["b"]),
            NODE("Mul", ["b", "f"], ["y"]),
        ],
        [value("x", [2, 4])],
        initializer=[weight("w", 4, 4), weight("f")],
    )
    assert [op.params for op in graph.ops] == [16, 16, 0]


def test_weights_may_be_inputs() -> None:
    """As in files that were exported without their weights."""
    stored = one_conv(2, 16, 16)
    bare = one_conv(2, 16, 16)
    del bare.graph.initializer[:]
    bare.graph.input.extend([value("w", [8, 3, 3, 3]), value("b", [8])])
    assert read_onnx(bare).ops == read_onnx(stored).ops
    assert read_onnx(bare).params == 224


def test_a_second_input_of_data_is_no_weight() -> None:
    graph = read([NODE("Add", ["x", "z"], ["y"])], [value("x", [2, 3, 4]), value("z", [2, 3, 4])])
    assert (graph.params, graph.values) == (0, 72)


def test_batch_replaces_the_one_in_the_file() -> None:
    wide = read_onnx(one_conv(1, 16, 16), batch=8)
    assert (wide.batch, wide.ops[0].out_shape) == (8, (8, 8, 8, 8))
    assert wide.macs == 8 * read_onnx(one_conv(1, 16, 16)).macs
    assert wide.ops == read_onnx(one_conv(1, 16, 16)).at_batch(8).ops


def test_symbols_are_bound_by_name() -> None:
    bound = read_onnx(one_conv(), bind={"N": 2, "H": 16, "W": 16})
    assert bound.ops == read_onnx(one_conv(), batch=2, image_size=16).ops


def test_stale_shapes_in_the_file_are_not_believed() -> None:
    stale = one_conv(1, 16, 16)
    stale.graph.value_info.append(value("c", [1, 8, 99, 99]))
    stale.graph.output[0].CopyFrom(value("y", [1, 8, 99, 99]))
    assert read_onnx(stale, batch=2).ops[1].out_shape == (2, 8, 8, 8)


def test_the_model_itself_is_not_changed() -> None:
    source = one_conv()
    before = source.SerializeToString()
    read_onnx(source, batch=2, image_size=16)
    assert source.SerializeToString() == before


def test_operators_without_an_effect_are_dropped() -> None:
    graph = read(
        [NODE("Relu", ["x"], ["y"]), NODE("Exp", ["x"], ["unused"])], [value("x", [2, 3])], outputs=["y"]
    )
    assert [op.name for op in graph.ops] == ["Relu"]


def test_unknown_operators_are_counted_and_named() -> None:
    nodes = [NODE("Relu", [f"r{i}"], [f"r{i + 1}"]) for i in range(30)]
    graph = read(
        [*nodes, NODE("Blur", ["r30"], ["y"], domain="my.own")],
        [value("r0", [2, 3])],
        outputs=["y"],
    )
    assert graph.unknown == ("my.own.Blur",)
    assert graph.ops[-1].kind == "other"
    assert "Blur" in graph.notes[0]


def test_a_known_name_in_a_foreign_domain_is_unknown() -> None:
    graph = read(
        [NODE("Conv", ["x"], ["a"], domain="my.own"), *(NODE("Relu", ["x"], [f"y{i}"]) for i in range(20))],
        [value("x", [2, 3])],
        outputs=["a", *(f"y{i}" for i in range(20))],
    )
    assert graph.unknown == ("my.own.Conv",)
    assert graph.macs == 0


def branch(name, nodes, out):
    return helper.make_graph(nodes, name, [], [value(out, None)])


def test_of_a_branch_the_more_expensive_one_is_counted() -> None:
    graph = read(
        [
            NODE("Relu", ["x"], ["a"]),
            NODE(
                "If",
                ["c"],
                ["b"],
                "choice",
                then_branch=branch("t", [NODE("Relu", ["a"], ["t"])], "t"),
                else_branch=branch("e", [NODE("MatMul", ["a", "w"], ["e"])], "e"),
            ),
            NODE("Sigmoid", ["b"], ["y"]),
        ],
        [value("x", [2, 4]), value("c", [], TensorProto.BOOL)],
        initializer=[weight("w", 4, 4)],
    )
    assert [op.name for op in graph.ops] == ["Relu", "MatMul", "Sigmoid"]
    assert graph.edges.tolist() == [[0, 1], [1, 2]]
    assert (graph.macs, graph.params) == (32, 16)
    assert "choice" in graph.notes[0]


def loop(count_known: bool) -> onnx.ModelProto:
    body = helper.make_graph(
        [NODE("MatMul", ["s", "w"], ["p"]), NODE("Relu", ["p"], ["s2"]), NODE("Identity", ["go"], ["go2"])],
        "body",
        [value("i", [], 7), value("go", [], 9), value("s", None)],
        [value("go2", [], 9), value("s2", None)],
    )
    inputs = [value("x", [2, 4]), *([] if count_known else [value("n", [], 7)])]
    constants = [weight("w", 4, 4), *([helper.make_tensor("n", 7, [], [5])] if count_known else [])]
    return model(
        [NODE("Loop", ["n", "", "x"], ["r"], "steps", body=body), NODE("Sigmoid", ["r"], ["y"])],
        inputs,
        initializer=constants,
    )


def test_a_loop_is_counted_for_its_passes() -> None:
    graph = read_onnx(loop(count_known=True))
    assert [op.name for op in graph.ops] == ["MatMul", "Relu", "Sigmoid"]
    assert (graph.ops[0].macs, graph.ops[0].params) == (5 * 2 * 4 * 4, 16)
    assert graph.edges.tolist() == [[0, 1], [1, 2]]


def test_a_loop_without_a_known_number_of_passes_is_refused() -> None:
    with pytest.raises(ModelInputError, match=r"Loop 'steps' runs for a number of passes that is not known"):
        read_onnx(loop(count_known=False))


def test_local_functions_are_inlined() -> None:
    function = helper.make_function(
        "my", "Twice", ["a"], ["b"], [NODE("Relu", ["a"], ["h"]), NODE("Sigmoid", ["h"], ["b"])],
        [helper.make_opsetid("", 18)],
    )  # fmt: skip
    graph = read(
        [NODE("Twice", ["x"], ["m"], domain="my"), NODE("Twice", ["m"], ["y"], domain="my")],
        [value("x", [2, 3])],
        functions=[function],
    )
    assert [op.name for op in graph.ops] == ["Relu", "Sigmoid", "Relu", "Sigmoid"]
    assert graph.unknown == ()


def test_a_newer_operator_set_is_read_with_a_note() -> None:
    newer = small_cnn()
    newer.opset_import[0].version = 999
    graph = read_onnx(newer, batch=1)
    assert "999" in graph.notes[0]
    assert graph.macs == read_onnx(small_cnn(), batch=1).macs


def test_weights_are_not_needed(tmp_path) -> None:
    """External data that is missing costs a note, not the prediction."""
    path = tmp_path / "network.onnx"
    onnx.save_model(
        one_conv(2, 16, 16), path, save_as_external_data=True, location="weights.bin", size_threshold=0
    )
    there = read_onnx(path)
    (tmp_path / "weights.bin").unlink()
    gone = read_onnx(path)
    assert there.ops == gone.ops
    assert there.notes == ()
    assert "missing" in gone.notes[0]


def test_a_thousand_operators_in_a_row() -> None:
    nodes, weights = [], []
    for index in range(500):
        weights.append(weight(f"w{index}", 16, 16, 3, 3))
        nodes.append(NODE("Conv", [f"x{index}", f"w{index}"], [f"c{index}"], pads=[1] * 4))
        nodes.append(NODE("Relu", [f"c{index}"], [f"x{index + 1}"]))
    made = model(nodes, [value("x0", ["N", 16, 8, 8])], outputs=["x500"], initializer=weights)
    graph = read_onnx(made.SerializeToString(), batch=1)
    assert len(graph) == 1000
    assert np.array_equal(graph.edges[:, 0] + 1, graph.edges[:, 1])


def test_numbers_are_python_integers_up_to_the_limit() -> None:
    long = 2**20
    graph = read([NODE("Relu", ["x"], ["y"])], [value("x", [long, long, 2**20])])
    assert graph.values == 2 * 2**60
    with pytest.raises(ModelInputError, match="'x' of shape"):
        read([NODE("Relu", ["x"], ["y"])], [value("x", [2**40, 2**40])])
    assert MOST_NUMBERS == 2**62
