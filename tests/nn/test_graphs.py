"""Products of a graph: forward, backward, and twice backward, as the formulas have them."""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
from maelstrom_bootcamp import nn  # noqa: F401
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.nn.graphs import graph_macs

import keras
import pytest
import tensorflow as tf

FIELDS = tf.TensorSpec((2, 8, 8, 3))
#: Multiplications of a 3 x 3 convolution from 3 to 5 channels with stride 2, on two fields.
CONV = 2 * 4 * 4 * 9 * 3 * 5


@pytest.fixture
def conv():
    layer = keras.layers.Conv2D(5, 3, 2, "same")
    layer.build((None, 8, 8, 3))
    return layer


def test_a_convolution_forward_and_backward(conv):
    def gradients(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(tf.square(conv(x)))
        return tape.gradient(total, [x, conv.kernel.value])

    assert graph_macs(conv, FIELDS).to_dict() == {
        "Conv2D": CONV,
        "Conv2DBackpropInput": 0,
        "Conv2DBackpropFilter": 0,
        "MatMul": 0,
        "BatchMatMulV2": 0,
        "Einsum": 0,
    }
    found = graph_macs(gradients, FIELDS)
    assert found[["Conv2D", "Conv2DBackpropInput", "Conv2DBackpropFilter"]].tolist() == [CONV] * 3


def test_the_gradient_of_a_gradient_is_two_products_more(conv):
    def twice(x):
        with tf.GradientTape() as outer:
            with tf.GradientTape() as inner:
                inner.watch(x)
                total = tf.reduce_sum(conv(x))
            slope = tf.reduce_sum(tf.square(inner.gradient(total, x)))
        return outer.gradient(slope, conv.kernel.value)

    found = graph_macs(twice, FIELDS)
    # Forward and the slope; its gradient with respect to the kernel. What arrives from above is constant.
    assert found["Conv2DBackpropInput"] == found["Conv2DBackpropFilter"] == CONV


def test_a_transposed_convolution_and_dense_layers():
    up = keras.layers.Conv2DTranspose(4, 2, 2, "same")
    up.build((None, 8, 8, 3))
    assert graph_macs(up, FIELDS)["Conv2DBackpropInput"] == 2 * 8 * 8 * 4 * 3 * 4
    a, b = tf.TensorSpec((6, 2)), tf.TensorSpec((6, 5))
    assert graph_macs(lambda a, b: tf.matmul(a, b, transpose_a=True), a, b)["MatMul"] == 2 * 6 * 5
    both = tf.TensorSpec((7, 2, 3)), tf.TensorSpec((7, 3, 4))
    assert graph_macs(tf.matmul, *both)["BatchMatMulV2"] == 7 * 2 * 3 * 4
    assert graph_macs(lambda a, b: tf.einsum("nij,njk->nik", a, b), *both)["Einsum"] == 7 * 2 * 3 * 4


def test_what_is_not_known_beforehand_is_not_counted(conv):
    with pytest.raises(BootcampError, match="not known"):
        graph_macs(conv, tf.TensorSpec((None, 8, 8, 3)))


def test_a_graph_inside_is_refused_and_not_forgotten(conv):
    inner = tf.function(conv)
    with pytest.raises(BootcampError, match="graph inside"):
        graph_macs(lambda x: inner(x), FIELDS)
