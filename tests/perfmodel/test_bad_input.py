"""Every way in which a model can be wrong: one clear error, nothing executed, nothing written."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from maelstrom_bootcamp.perfmodel.graph import ModelInputError
from maelstrom_bootcamp.perfmodel.read.onnx import read_onnx
from perfmodel.networks import NODE, baked, ints, model, one_conv, small_vit, value, weight


def refused(match: str, source, **more) -> ModelInputError:
    with pytest.raises(ModelInputError, match=match) as caught:
        read_onnx(source, **more)
    assert caught.value.cause.count("\n") == 0
    assert caught.value.cure.endswith(".")
    return caught.value


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "is empty"),
        (b"import torch\n", r"not ONNX, or it is cut off \(it begins with b'import t'\)"),
        (bytes(range(1, 200)), "not ONNX"),
        (b"\x00" * 64, "not ONNX"),
        (onnx.ModelProto().SerializeToString() + b"\x08\x0a", "names no version"),
    ],
)
def test_files_that_are_not_onnx(tmp_path: Path, content: bytes, match: str) -> None:
    path = tmp_path / "network.onnx"
    path.write_bytes(content)
    refused(match, path)
    refused(match, content)
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    refused("There is no file", tmp_path / "no.onnx")
    refused("There is no file", tmp_path)
    refused("There is no file", "/dev/zero")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_file_that_is_cut_off(share: float) -> None:
    content = small_vit().SerializeToString()
    with pytest.raises(ModelInputError):
        read_onnx(content[: int(len(content) * share)], batch=1)


def test_a_graph_without_operators() -> None:
    refused("no operators", model([], [value("x", [1])], outputs=[value("x", [1])]))


def test_a_graph_without_inputs() -> None:
    refused("no input", model([NODE("Relu", ["w"], ["y"])], [], initializer=[weight("w", 3)]))


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.onnx"
    with path.open("wb") as file:
        file.truncate(3 * 2**30)  # a hole: it takes no space on the disk
    error = refused("large.onnx has 3,072 MB, more than the 512 MB", path)
    assert "external data" in error.cure
    refused("more than the 0 MB", one_conv().SerializeToString(), max_bytes=10)


def test_symbols_are_listed_with_the_arguments_that_bind_them() -> None:
    error = refused("Lengths of the inputs are not known", one_conv())
    assert "x[0] = 'N' (batch=...)" in error.cause
    assert "x[2] = 'H' (image_size=... or bind={'H': ...})" in error.cause
    refused(r"^(?!.*batch).*x\[3\] = 'W'", one_conv("N", 16, "W"), batch=2)
    refused(r"x\[1\] \(nothing binds", model([NODE("Relu", ["x"], ["y"])], [value("x", [2, None])]))


@pytest.mark.parametrize("wrong", [{"batch": 0}, {"batch": -3}, {"batch": 1.5}, {"batch": True}])
def test_lengths_that_are_none(wrong: dict) -> None:
    refused("is not a length", one_conv(), **wrong)
    refused(r"bind\['H'\] = 0", one_conv(), bind={"H": 0})
    refused(r"image_size\[1\] = 'x'", one_conv(), image_size=(3, "x"))


@pytest.mark.parametrize(
    ("target", "given", "fixed"),
    [([2, 4, 6], 8, 2), ([2, -1, 6], 8, 2), ([1, -1, 6], 8, 1), ([2, 4, 6], 3, 2)],
)
def test_a_batch_that_is_baked_in(target: list[int], given: int, fixed: int) -> None:
    assert read_onnx(baked(target), batch=fixed).macs == fixed * 4 * 6 * 5
    refused(rf"The batch is fixed at {fixed} by Reshape node 'to_tokens'", baked(target), batch=given)
    refused(f"The batch is fixed at {fixed}", baked(target, batch=fixed), batch=given)


def test_a_reshape_that_keeps_the_batch_open_is_none_of_these() -> None:
    for target in ([0, 4, 6], [-1, 4, 6], [-1, 6]):
        assert read_onnx(baked(target), batch=8).macs == 8 * 4 * 6 * 5


def test_an_image_that_is_too_small() -> None:
    made = model(
        [NODE("Conv", ["x", "w"], ["y"])],
        [value("x", [1, 3, "H", "W"])],
        initializer=[weight("w", 8, 3, 9, 9)],
    )
    refused("The shape of what Conv 'number 0' makes of", made, image_size=4)


def test_shapes_that_contradict_each_other() -> None:
    refused(
        r"Conv 'c' has filters of shape \[4, 5, 3, 3\] in 1 groups",
        model(
            [NODE("Conv", ["x", "w"], ["y"], "c")],
            [value("x", [1, 3, 8, 8])],
            initializer=[weight("w", 4, 5, 3, 3)],
        ),
    )
    refused(
        r"Gemm 'g' cannot multiply \[2, 3\] with \[4, 5\]",
        model([NODE("Gemm", ["x", "w"], ["y"], "g")], [value("x", [2, 3])], initializer=[weight("w", 4, 5)]),
    )


def test_lengths_that_cannot_be_meant() -> None:
    refused("'x' of shape", model([NODE("Relu", ["x"], ["y"])], [value("x", [2**40, 2**40])]))
    long = model(
        [NODE("MatMul", ["x", "w"], ["y"], "m")],
        [value("x", [2**30, 2**21])],
        initializer=[TensorProto(name="w", data_type=1, dims=[2**21, 2**30])],
    )
    refused("MatMul 'm' would hold or compute", long)


def test_unsorted_circular_and_doubled_nodes() -> None:
    x = [value("x", [2, 3])]
    unsorted = [NODE("Relu", ["b"], ["y"], "second"), NODE("Relu", ["x"], ["b"], "first")]
    refused("Node 'second' reads 'b' before it is made", model(unsorted, x))
    circle = [NODE("Add", ["x", "b"], ["a"], "one"), NODE("Relu", ["a"], ["b"], "two")]
    refused("Node 'one' reads 'b' .* has a cycle", model(circle, x, outputs=["b"]))
    itself = [NODE("Add", ["x", "y"], ["y"], "self")]
    refused("Node 'self' reads 'y'", model(itself, x))
    twice = [NODE("Relu", ["x"], ["y"], "one"), NODE("Relu", ["x"], ["y"], "two")]
    refused("Node 'two' makes 'y' a second time", model(twice, x))
    refused("reads 'gone', which nothing makes", model([NODE("Relu", ["gone"], ["y"])], x))
    refused("returns 'z', which nothing makes", model([NODE("Relu", ["x"], ["y"])], x, outputs=["z"]))


def test_a_network_of_unknown_operators_is_refused() -> None:
    nodes = [NODE("Blur", ["x"], ["a"], "blur", domain="my.own"), NODE("Relu", ["a"], ["y"])]
    refused(
        "The shapes of 2 of 2 operators are unknown, from my.own.Blur 'blur' on",
        model(nodes, [value("x", [1, 3])]),
    )
    hidden = [
        NODE("Blur", ["x"], ["a"], domain="my.own"),
        NODE("Conv", ["a", "w"], ["y"], "behind"),
    ]
    refused(
        "The shape of what Conv 'behind' makes",
        model(hidden, [value("x", [1, 3, 8, 8])], initializer=[weight("w", 4, 3, 3, 3)]),
    )


def pointing_to(location: str) -> onnx.ModelProto:
    made = one_conv(1, 8, 8)
    stored = made.graph.initializer[0]
    stored.ClearField("raw_data")
    stored.data_location = TensorProto.EXTERNAL
    stored.external_data.add(key="location", value=location)
    return made


@pytest.mark.parametrize(
    "location",
    ["../secret", "/etc/passwd", "a/../../b", "C:\\windows\\b", "..\\b", "\\\\host\\share", "", "a\0b"],
)
def test_external_data_outside_of_the_folder(tmp_path: Path, location: str) -> None:
    path = tmp_path / "network.onnx"
    path.write_bytes(pointing_to(location).SerializeToString())
    refused("points outside of the model's folder", path)
    refused("points outside of the model's folder", pointing_to(location))


def test_external_data_through_a_link(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "weights").write_bytes(b"0")
    (folder / "weights").symlink_to(tmp_path / "weights")
    path = folder / "network.onnx"
    path.write_bytes(pointing_to("weights").SerializeToString())
    refused("through the link 'weights'", path)


def test_missing_external_data_is_an_error_where_shapes_hang_on_it() -> None:
    """A weight's numbers are not needed; those of a target shape are."""
    made = baked([2, 4, 6])
    target = made.graph.initializer[0]
    target.ClearField("int64_data")
    target.data_location = TensorProto.EXTERNAL
    target.external_data.add(key="location", value="numbers.bin")
    refused("The shape of what MatMul 'head' makes", made, batch=2)


def test_names_and_fields_that_are_damaged() -> None:
    content = one_conv(2, 16, 16).SerializeToString()
    refused("The ONNX model is damaged: UnicodeDecodeError", content.replace(b"network", b"netw\xffrk"))
    wrong = one_conv(2, 16, 16)
    wrong.graph.node[0].attribute.append(helper.make_attribute("group", weight("w", 2)))
    refused("The ONNX model is damaged: TypeError", wrong)


def test_functions_that_call_themselves_or_explode() -> None:
    opset = [helper.make_opsetid("", 18), helper.make_opsetid("my", 1)]

    def function(name, callee, times=1):
        nodes = [
            NODE(callee, [f"a{i}"], [f"a{i + 1}"], domain="my" if callee != "Relu" else "")
            for i in range(times)
        ]
        return helper.make_function("my", name, ["a0"], [f"a{times}"], nodes, opset)

    call = [NODE("F0", ["x"], ["y"], domain="my")]
    refused("'F0' calls itself", model(call, [value("x", [1])], functions=[function("F0", "F0")]))
    bomb = [function(f"F{i}", f"F{i + 1}", 10) for i in range(30)] + [function("F30", "Relu")]
    refused("unfold into more than", model(call, [value("x", [1])], functions=bomb))


def test_nothing_is_written_and_nothing_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    opened: list = []
    real = os.open
    monkeypatch.setattr(os, "open", lambda *given, **more: (opened.append(given), real(*given, **more))[1])
    read_onnx(small_vit(), batch=1)
    refused("points outside", pointing_to("../x"))
    assert list(tmp_path.iterdir()) == []
    assert opened == []


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_damaged_file_is_read_or_refused(data: st.DataObject) -> None:
    """Bytes of a good file, flipped, cut or doubled: a graph or a `ModelInputError`, nothing else."""
    content = bytearray(one_conv(2, 16, 16).SerializeToString()[:-900] if data.draw(st.booleans()) else _GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, 40))
    try:
        graph = read_onnx(bytes(content[: len(content) - cut]), batch=2)
    except ModelInputError:
        return
    assert all(op.macs >= 0 and op.values >= 0 and op.params >= 0 for op in graph.ops)


_GOOD = model(
    [NODE("Reshape", ["x", "s"], ["r"]), NODE("MatMul", ["r", "w"], ["m"]), NODE("Softmax", ["m"], ["y"])],
    [value("x", [2, 4, 6])],
    initializer=[ints("s", 2, 24), helper.make_tensor("w", 1, [24, 3], np.zeros(72))],
).SerializeToString()
