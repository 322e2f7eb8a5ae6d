"""The builder, and the three forms of what it builds."""

from __future__ import annotations

import keras
import numpy as np
import onnx
import onnxruntime
import pytest

from maelstrom_bootcamp.perfmodel.graph import ModelInputError
from maelstrom_bootcamp.perfmodel.operators import KINDS
from maelstrom_bootcamp.perfmodel.zoo.blueprint import Blueprint
from maelstrom_bootcamp.perfmodel.zoo.builder import ACTIVATIONS, Builder
from maelstrom_bootcamp.perfmodel.zoo.to_graph import ONNX_NAMES, to_graph
from maelstrom_bootcamp.perfmodel.zoo.to_keras import to_keras
from maelstrom_bootcamp.perfmodel.zoo.to_onnx import to_onnx


def everything() -> Blueprint:
    """A network with every layer that the builder knows."""
    net = Builder((3, 12, 12))
    x = net.conv(net.input, 8, 3, 2, bias=True)  # 8 x 6 x 6
    x = net.activation(net.batch_norm(x), "relu")
    x = net.concat([x, net.conv(x, 8, 5, groups=8), net.conv(x, 16, 3, groups=4)])  # 32 x 6 x 6
    for function in ACTIVATIONS:
        x = net.activation(x, function)
    x = net.layer_scale(net.group_norm(net.average_pool(x, 3, 1, 1)))
    gate = net.activation(net.conv(net.global_pool(x), 32, 1), "sigmoid")
    x = net.multiply(x, gate)
    x = net.max_pool(x, 3, 2, 1)  # 32 x 3 x 3
    t = net.offset(net.layer_norm(net.to_tokens(x)))  # 9 x 32
    q, k, v = net.split(net.transpose(net.reshape(net.dense(t, 96), (9, 3, 4, 8)), (1, 2, 0, 3)), 3)
    scores = net.softmax(net.matmul(net.scale(q, 0.5), net.transpose(k, (0, 2, 1))))
    y = net.reshape(net.transpose(net.matmul(scores, v), (1, 0, 2)), (9, 32))
    t = net.layer_scale(net.add(t, net.dense(y, 32, bias=False)))
    t = net.reshape(net.roll(net.reshape(t, (3, 3, 32)), 1), (9, 32))
    u = net.average_pool(net.to_map(t, 3, 3), 2, 1)  # 32 x 2 x 2
    u = net.reshape(net.dense(net.flatten(u), 64), (2, 32))
    return net.finish(net.dense(net.token_mean(u), 5), name="everything")


def with_weights_of(model: onnx.ModelProto, blueprint: Blueprint) -> keras.Model:
    """The Keras model with the weights of the ONNX model, which stand there in the order of the layers."""
    stored = (onnx.numpy_helper.to_array(t) for t in model.graph.initializer if t.name.startswith("w"))
    network = to_keras(blueprint)
    for number, part in enumerate(blueprint.layers):
        if not part.params:
            continue
        layer = network.get_layer(f"{part.op}_{number}")
        arrays = [next(stored) for _ in layer.weights]
        source = blueprint.layers[part.inputs[0].layer]
        if part.op == "conv":
            # (out, in, y, x) -> (y, x, in, out); depthwise: (channels, 1, y, x) -> (y, x, channels, 1)
            depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
            arrays[0] = arrays[0].transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))
        elif part.op == "dense" and source.op == "flatten" and len(source.inputs[0].shape) == 3:
            rows = arrays[0].reshape(*source.inputs[0].shape, -1)  # (channels, y, x, out)
            arrays[0] = rows.transpose(1, 2, 0, 3).reshape(arrays[0].shape)
        layer.set_weights([a.reshape(w.shape) for a, w in zip(arrays, layer.weights, strict=True)])
    assert next(stored, None) is None
    return network


def run_onnx(model: onnx.ModelProto, image: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"input": image})[0]


def images(blueprint: Blueprint, batch: int) -> np.ndarray:
    return np.random.default_rng(7).standard_normal((batch, *blueprint.input_shape), np.float32)


def test_no_layer_is_missing_from_the_test_network():
    assert set(ONNX_NAMES) == {layer.op for layer in everything().layers} - {"input", "reshape", "flatten"}


def test_onnx_and_keras_compute_the_same():
    plan = everything()
    model, image = to_onnx(plan, batch=2, seed=3), images(plan, 2)
    onnx.checker.check_model(model, full_check=True)
    by_onnx = run_onnx(model, image)
    by_keras = with_weights_of(model, plan)(image.transpose(0, 2, 3, 1)).numpy()
    assert by_onnx.shape == (2, 5)
    assert by_onnx.std() > 1e-3
    np.testing.assert_allclose(by_keras, by_onnx, rtol=1e-3, atol=1e-5)


def test_the_same_parameters_in_all_forms():
    plan = everything()
    stored = sum(int(np.prod(t.dims)) for t in to_onnx(plan).graph.initializer if t.name.startswith("w"))
    assert plan.params == to_graph(plan).params == to_keras(plan).count_params() == stored


def test_conv_by_hand():
    net = Builder((4, 9, 9))
    graph = to_graph(net.finish(net.conv(net.input, 6, 3, 2, groups=2, bias=True)), batch=5)
    (op,) = graph.ops
    assert (op.name, op.kind) == ("Conv", "grouped_conv")
    assert (op.in_shape, op.out_shape) == ((5, 4, 9, 9), (5, 6, 5, 5))
    assert op.params == 6 * 2 * 9 + 6
    assert op.macs == 5 * (6 * 5 * 5) * (2 * 9)
    assert op.out_values == 5 * 6 * 5 * 5
    assert op.values == 5 * 4 * 9 * 9 + op.out_values + op.params
    assert (op.channels_in, op.channels_out, op.kernel, op.stride, op.groups) == (4, 6, 3, 2, 2)
    assert graph.edges.shape == (0, 2)


def test_dense_and_matmul_by_hand():
    net = Builder((3, 2, 2))
    tokens = net.to_tokens(net.input)  # 4 x 3
    wide = net.dense(tokens, 8)
    product = net.matmul(wide, net.transpose(wide, (1, 0)))
    copy, dense, turn, matmul = to_graph(net.finish(product), batch=2).ops
    assert [op.kind for op in (copy, dense, turn, matmul)] == ["copy", "dense", "copy", "matmul"]
    assert (dense.macs, dense.params) == (2 * 4 * 3 * 8, 3 * 8 + 8)
    assert (matmul.macs, matmul.params) == (2 * 4 * 8 * 4, 0)
    assert (matmul.channels_in, matmul.channels_out) == (8, 4)
    assert matmul.values == 2 * (4 * 8 + 8 * 4 + 4 * 4)


def test_edges_run_through_views():
    net = Builder((3, 4, 4))
    x = net.activation(net.flatten(net.input), "relu")
    plan = net.finish(net.add(net.reshape(x, (48,)), net.activation(x, "gelu")))
    graph = to_graph(plan)
    assert [op.kind for op in graph.ops] == ["relu", "gelu", "add"]
    assert {tuple(edge) for edge in graph.edges.tolist()} == {(0, 1), (0, 2), (1, 2)}


def test_the_graph_grows_with_the_batch():
    plan = everything()
    assert to_graph(plan, 1).at_batch(6).ops == to_graph(plan, 6).ops
    assert to_graph(plan, 1).digest() == to_graph(plan, 6).digest()
    assert plan.macs == to_graph(plan, 1).macs
    assert {op.kind for op in to_graph(plan).ops} <= set(KINDS)


def test_onnx_without_weights_has_them_as_inputs():
    plan = everything()
    bare, full = to_onnx(plan, weights=False), to_onnx(plan)
    names = {t.name for t in full.graph.initializer if t.name.startswith("w")}
    assert {value.name for value in bare.graph.input} == {"input"} | names
    assert not {t.name for t in bare.graph.initializer} & names
    assert len(bare.SerializeToString()) < len(full.SerializeToString())
    onnx.checker.check_model(bare, full_check=True)


def test_onnx_weights_by_seed():
    plan = everything()
    assert to_onnx(plan, seed=1) == to_onnx(plan, seed=1)
    assert to_onnx(plan, seed=1) != to_onnx(plan, seed=2)


def test_keras_model_is_saved_and_loaded(tmp_path):
    plan = everything()
    network = to_keras(plan)
    network.save(tmp_path / "network.keras")
    again = keras.models.load_model(tmp_path / "network.keras")
    image = images(plan, 1).transpose(0, 2, 3, 1)
    np.testing.assert_allclose(again(image), network(image), rtol=1e-5)


@pytest.mark.parametrize("batch", [0, -1])
def test_no_batch(batch):
    plan = everything()
    for form in (to_graph, to_onnx):
        with pytest.raises(ModelInputError, match="not a batch"):
            form(plan, batch)


@pytest.mark.parametrize(
    ("build", "cause"),
    [
        (lambda net: net.conv(net.input, 8, 9, pad=0), "kernel of 9 does not fit a map of 4 x 4"),
        (lambda net: net.average_pool(net.input, 3, 2, 1), "not the same in every framework"),
        (lambda net: net.conv(net.input, 9, groups=2), "3 and 9 channels cannot be divided into 2"),
        (lambda net: net.dense(net.input, 4), "dense takes a tensor of layout 'tokens'"),
        (lambda net: net.conv(net.to_tokens(net.input), 4), "conv takes a tensor of layout 'map'"),
        (lambda net: net.add(net.input, net.conv(net.input, 4)), "cannot be added"),
        (lambda net: net.multiply(net.input, net.conv(net.input, 4)), "cannot be multiplied"),
        (lambda net: net.matmul(net.to_tokens(net.input), net.to_tokens(net.input)), "cannot be multiplied"),
        (lambda net: net.concat([net.input, net.max_pool(net.input, 2, 2)]), "cannot be concatenated"),
        (lambda net: net.reshape(net.to_tokens(net.input), (5, 5)), "48 values, not 25"),
        (lambda net: net.to_map(net.to_tokens(net.input), 4, 5), "no map of 4 x 5"),
        (lambda net: net.split(net.to_tokens(net.input), 3), "not 3 long"),
        (lambda net: net.roll(net.to_tokens(net.input), 1), "cannot be rolled"),
        (lambda net: net.offset(net.to_tokens(net.input), (16, 4)), "does not fit"),
        (lambda net: net.activation(net.input, "swoosh"), "no activation 'swoosh'"),
        (lambda net: net.conv(net.input, 0), "is empty"),
        (
            lambda net: net.finish(net.input) and net.conv(net.input, 4) and net.finish(net.input),
            "last layer",
        ),
    ],
)
def test_what_does_not_fit_is_refused(build, cause):
    with pytest.raises(ModelInputError, match=cause):
        build(Builder((3, 4, 4)))
