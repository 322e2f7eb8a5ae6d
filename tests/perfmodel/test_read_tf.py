"""Keras models and SavedModels."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from tensorflow.core.protobuf import saved_model_pb2

from maelstrom_bootcamp.perfmodel.graph import ModelInputError
from maelstrom_bootcamp.perfmodel.read import read
from maelstrom_bootcamp.perfmodel.read.tf import read_keras, read_savedmodel
from perfmodel.keras_networks import small_cnn


@pytest.fixture(scope="module")
def mixed() -> keras.Model:
    """What Keras writes in a dialect of its own: grouped, depthwise, normalised, attending."""
    x = given = keras.Input((8, 8, 16), name="image")
    x = layers.BatchNormalization()(layers.Conv2D(16, 3, groups=4)(x))
    x = layers.Activation("silu")(x)
    x = layers.GroupNormalization(4)(layers.DepthwiseConv2D(3)(x))
    x = layers.LayerNormalization()(layers.Reshape((16, 16))(layers.Activation("hard_swish")(x)))
    x = layers.MultiHeadAttention(2, 8)(x, x)
    x = layers.Dense(32, activation="gelu")(x)
    x = layers.Conv1D(8, 1)(x)
    return keras.Model(given, layers.Dense(4, "softmax")(layers.GlobalAveragePooling1D()(x)))


def exported(model: keras.Model, folder: Path) -> Path:
    model.export(folder, verbose=False)
    return folder


@pytest.fixture(scope="module")
def folder(mixed: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(mixed, tmp_path_factory.mktemp("saved") / "model")


def test_a_keras_model(mixed: keras.Model) -> None:
    graph = read_keras(mixed, batch=2)
    assert " ".join(op.kind for op in graph.ops) == (
        "grouped_conv batch_norm silu depthwise_conv group_norm hard layer_norm dense dense matmul mul"
        " softmax dense matmul dense dense gelu conv reduce dense softmax"
    )
    assert graph.params == mixed.count_params()
    assert (graph.batch, graph.unknown, graph.notes) == (2, (), ())
    grouped = graph.ops[0]
    assert (grouped.groups, grouped.channels_in, grouped.channels_out, grouped.kernel) == (4, 16, 16, 3)
    assert grouped.macs == 2 * 6 * 6 * 16 * 9 * 4


def test_a_savedmodel_reads_as_the_model_it_comes_from(mixed: keras.Model, folder: Path) -> None:
    for batch in (1, 3):
        saved, built = read_savedmodel(folder, batch=batch), read_keras(mixed, batch=batch)
        assert saved.ops == built.ops
        assert saved.edges.tolist() == built.edges.tolist()


def test_a_savedmodel_is_not_loaded(
    mixed: keras.Model, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even its variables have to be there."""
    (tmp_path / "saved_model.pb").write_bytes((folder / "saved_model.pb").read_bytes())
    monkeypatch.setattr(tf.saved_model, "load", lambda *_, **__: pytest.fail("loaded"))
    assert read_savedmodel(tmp_path).params == mixed.count_params()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "mmacs"), [("MobileNetV2", 300.8), ("ConvNeXtTiny", 4455.5)])
def test_the_applications_of_keras(name: str, mmacs: float, tmp_path: Path) -> None:
    model = getattr(keras.applications, name)(weights=None)
    built = read_keras(model)
    assert built.macs / 1e6 == pytest.approx(mmacs, abs=0.05)
    assert built.params == model.count_params()
    assert built.unknown == ()
    if name == "ConvNeXtTiny":  # its depthwise convolutions are functions in functions
        saved = read_savedmodel(exported(model, tmp_path / "model"))
        assert saved.ops == built.ops


def test_transposed_convolution_and_pools() -> None:
    x = given = keras.Input((8, 8, 4))
    x = layers.Conv2DTranspose(6, 2, 2)(layers.MaxPooling2D(2)(x))
    graph = read_keras(keras.Model(given, layers.AveragePooling2D(4, 2)(x)))
    pool, up, mean = graph.ops
    assert (pool.kind, pool.kernel, pool.stride) == ("pool", 2, 2)
    assert (up.kind, up.macs, up.params, up.in_shape) == (
        "transposed_conv",
        16 * 4 * 6 * 4,
        102,
        (1, 4, 4, 4),
    )
    assert (mean.kernel, mean.stride) == (4, 2)


def test_several_inputs_whole_numbers_and_outputs() -> None:
    words, image = keras.Input((5,), dtype="int32"), keras.Input((7,))
    x = layers.Flatten()(layers.Embedding(11, 3)(words))
    x = layers.Concatenate()([x, image])
    graph = read_keras(keras.Model([words, image], [layers.Dense(2)(x), layers.Dense(4)(x)]), batch=3)
    # The words are made positive first: that is not free, either.
    found = [op.kind for op in graph.ops if op.kind not in ("add", "elementwise")]
    assert sorted(found) == ["concat", "dense", "dense", "slice"]
    assert graph.params == 33 + 22 * 2 + 2 + 22 * 4 + 4
    assert graph.macs == 3 * 22 * 6


def test_sequential_named_and_own_models() -> None:
    dense = keras.Sequential([keras.Input((6,)), layers.Dense(3)])
    assert read_keras(dense).macs == 18
    named = {"a": keras.Input((6,), name="a"), "b": keras.Input((6,), name="b")}
    joined = keras.Model(named, layers.Dense(3)(layers.Add()([named["a"], named["b"]])))
    assert read_keras(joined).macs == 18

    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.inside = layers.Dense(3)

        def call(self, x):
            return self.inside(x)

    own = Own()
    own(np.zeros((4, 6), np.float32))
    assert read_keras(own, batch=2).macs == 36


def test_tracing_leaves_the_model_as_it_is() -> None:
    model = small_cnn()
    image = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype(np.float32)
    before = model(image, training=False).numpy()
    weights = [each.numpy() for each in model.weights]
    read_keras(model, batch=2)
    np.testing.assert_array_equal(model(image, training=False), before)
    for old, new in zip(weights, model.weights, strict=True):
        np.testing.assert_array_equal(old, new)


def refused(match: str, reader, *args, **more) -> None:
    with pytest.raises(ModelInputError, match=match) as caught:
        reader(*args, **more)
    assert "\n" not in caught.value.cause


def test_models_that_were_never_built() -> None:
    refused("was never built", read_keras, keras.Sequential([layers.Dense(3)]))
    refused("is not a Keras model", read_keras, layers.Dense(3))


def test_open_and_fixed_lengths() -> None:
    given = keras.Input((None, None, 3), name="image")
    open_size = keras.Model(given, layers.Conv2D(4, 3, padding="same")(given))
    refused(r"image\[1\] \(image_size=... or bind={'image:1': ...}\)", read_keras, open_size)
    assert read_keras(open_size, image_size=(8, 4)).macs == 32 * 27 * 4
    assert read_keras(open_size, bind={"image:1": 8, "image:2": 4}).macs == 32 * 27 * 4
    fixed = keras.Input((6,), batch_size=2, name="rows")
    model = keras.Model(fixed, layers.Dense(3)(fixed))
    assert read_keras(model).batch == 2
    refused("The batch is fixed at 2 by input 'rows'", read_keras, model, batch=8)
    refused("batch = 0 is not a length", read_keras, model, batch=0)


def test_a_batch_that_is_baked_in(tmp_path: Path) -> None:
    """TensorFlow itself notices, once the lengths are known."""

    class Tokens(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, 4, 6))])
        def __call__(self, x):
            return tf.reshape(x, (2, 24)) * 2.0

    module = Tokens()
    tf.saved_model.save(module, tmp_path / "m", signatures=module.__call__)
    assert len(read_savedmodel(tmp_path / "m", batch=2)) == 1
    refused("does not fit the lengths", read_savedmodel, tmp_path / "m", batch=8)


def test_control_flow_and_files_are_refused(tmp_path: Path) -> None:
    class Loop(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, 4))])
        def __call__(self, x):
            while tf.reduce_sum(x) < 10.0:
                x = x + 1.0
            return x

    class Spy(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, 4))])
        def __call__(self, x):
            tf.io.write_file(str(tmp_path / "written"), "x")
            return x + tf.cast(tf.strings.length(tf.io.read_file("/etc/hostname")), tf.float32)

    for module, match in ((Loop(), "control flow: .*While"), (Spy(), "touches files or runs code: ReadFile")):
        folder = tmp_path / type(module).__name__
        tf.saved_model.save(module, folder, signatures=module.__call__)
        refused(match, read_savedmodel, folder)
    assert not (tmp_path / "written").exists()


def test_savedmodels_that_are_none(tmp_path: Path) -> None:
    refused("holds no saved_model.pb", read_savedmodel, tmp_path)
    file = tmp_path / "saved_model.pb"
    file.write_bytes(b"import torch")
    refused("is not a SavedModel, or it is cut off", read_savedmodel, tmp_path)
    file.write_bytes(b"")
    refused("has no graph for serving", read_savedmodel, tmp_path)
    with file.open("wb") as opened:
        opened.truncate(3 * 2**30)
    refused("3,072 MB; at most 512 MB are read", read_savedmodel, tmp_path)


def test_a_signature_that_is_not_there(folder: Path) -> None:
    refused(r"no signature 'other'; it has: serv\w+", read_savedmodel, folder, signature="other")


def test_damaged_savedmodels(tmp_path: Path) -> None:
    """References that lead nowhere, functions that call themselves, operators that nobody knows."""
    folder = exported(keras.Sequential([keras.Input((6,)), layers.Dense(3)]), tmp_path / "model")
    good = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())

    def damaged(change) -> Path:
        copy = saved_model_pb2.SavedModel()
        copy.CopyFrom(good)
        for function in copy.meta_graphs[0].graph_def.library.function:
            for node in function.node_def:
                change(function, node)
        (folder / "saved_model.pb").write_bytes(copy.SerializeToString())
        return folder

    def lost(_, node):
        if node.op == "MatMul":
            node.input[0] = "nowhere:output:0"

    def itself(function, node):
        if "PartitionedCall" in node.op:
            node.attr["f"].func.name = function.signature.name

    def strange(_, node):
        if node.op == "MatMul":
            node.op = "MatMulOfTomorrow"

    refused("reads 'nowhere:output:0', which nothing makes", read_savedmodel, damaged(lost))
    refused("calls itself", read_savedmodel, damaged(itself))
    refused("does not know the operator 'MatMulOfTomorrow'", read_savedmodel, damaged(strange))


def test_a_savedmodel_with_flipped_bytes(folder: Path, tmp_path: Path) -> None:
    """A graph or a `ModelInputError`, nothing else."""
    good = (folder / "saved_model.pb").read_bytes()
    dice = np.random.default_rng(3)
    outcomes = set()
    for _ in range(25):
        content = bytearray(good)
        for place in dice.integers(0, len(good), 8):
            content[place] = dice.integers(0, 256)
        (tmp_path / "saved_model.pb").write_bytes(content)
        try:
            outcomes.add(read_savedmodel(tmp_path).macs >= 0)
        except ModelInputError:
            outcomes.add("refused")
    assert outcomes <= {True, "refused"}
    assert "refused" in outcomes


def test_one_door_for_all(mixed: keras.Model, folder: Path, tmp_path: Path) -> None:
    graph = read(mixed, batch=2)
    assert read(graph) is graph
    assert read(graph, batch=4).macs == 2 * graph.macs
    mixed.save(tmp_path / "model.keras")
    for source in (
        folder,
        folder / "saved_model.pb",
        tmp_path / "model.keras",
        str(tmp_path / "model.keras"),
    ):
        assert read(source, batch=2).ops == graph.ops


def test_what_the_door_refuses(tmp_path: Path) -> None:
    refused("There is no file", read, tmp_path / "no.onnx")
    refused("holds no saved_model.pb", read, tmp_path)
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "a.keras").write_text("x")
    refused("a.txt is none of the files", read, tmp_path / "a.txt")
    refused("a.keras is not a Keras file", read, tmp_path / "a.keras")
    refused("A int is not a network", read, 3)
    refused("batch = -1", read, tmp_path, batch=-1)
    code = keras.Sequential([keras.Input((6,)), layers.Lambda(lambda x: x * 2)])
    code.save(tmp_path / "code.keras")
    refused("code.keras cannot be loaded", read, tmp_path / "code.keras")
