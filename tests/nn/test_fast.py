"""The fast form of the U-Net gives the same outputs, gradients and weights. No times here."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from maelstrom_bootcamp import nn
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.nn.fast import (
    BlockMean,
    PhaseConv,
    copy_weights,
    fast_unet,
    phase_kernels,
    training_step,
)


def small(**options):
    keras.utils.set_random_seed(0)
    model = nn.unet(5, 3, features=4, levels=3, **options)
    rng = np.random.default_rng(1)
    # biases other than zero: else a bias that is forgotten or added twice would not show
    model.set_weights([w + 0.1 * rng.normal(size=w.shape).astype("f4") for w in model.get_weights()])
    return model


def data(batch=2, side=16, channels=5):
    rng = np.random.default_rng(2)
    x = rng.normal(size=(batch, side, side, channels)).astype("f4")
    return tf.constant(x), tf.constant(rng.normal(size=(batch, side, side, 1)).astype("f4"))


def gradients(model, x, y):
    loss = nn.QuantileLoss(trim=2)
    with tf.GradientTape() as tape:
        value = loss(y, model(x, training=True))
    found = tape.gradient(value, model.trainable_variables)
    return {v.path: g.numpy() for v, g in zip(model.trainable_variables, found, strict=True)}


def close(a, b, tolerance=1e-5):
    scale = np.abs(a).max()
    assert np.abs(a.ravel() - b.ravel()).max() <= tolerance * scale + 1e-9


def test_phase_kernels_are_sums_of_taps():
    kernel = np.arange(4, dtype="f4").reshape(2, 2, 1, 1) + 1  # 1 2 / 3 4
    (k00, k01), (k10, k11) = (map(np.array, row) for row in phase_kernels(kernel))
    assert k00.ravel().tolist() == [10]
    assert k01.shape == (1, 2, 1, 1)
    assert k01.ravel().tolist() == [4, 6]
    assert k10.shape == (2, 1, 1, 1)
    assert k10.ravel().tolist() == [3, 7]
    assert k11.ravel().tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 4)])
def test_phase_conv_is_upsampling_and_convolution(size):
    x = np.random.default_rng(0).normal(size=(2, *size, 3)).astype("f4")
    layer, conv = PhaseConv(4), keras.layers.Conv2D(4, 2, padding="same")
    big = keras.layers.UpSampling2D(2)(x)
    conv(big), layer(x)
    weights = [conv.get_weights()[0], np.arange(4, dtype="f4")]
    conv.set_weights(weights), layer.set_weights(weights)
    np.testing.assert_allclose(layer(x), conv(big), atol=2e-6)
    assert layer.compute_output_shape(x.shape) == layer(x).shape


def test_block_mean_is_average_pooling():
    x = np.random.default_rng(0).normal(size=(2, 4, 6, 3)).astype("f4")
    np.testing.assert_allclose(BlockMean()(x), keras.layers.AveragePooling2D(2)(x), atol=1e-6)


def test_outputs_and_gradients_are_equal():
    model = small()
    fast = fast_unet(model)
    x, y = data()
    close(model(x).numpy(), fast(x).numpy())
    a, b = gradients(model, x, y), gradients(fast, x, y)
    assert a.keys() == b.keys()
    for name in a:
        close(a[name], b[name], 2e-5)


@pytest.mark.parametrize("jit", [False, True])
def test_weights_after_steps_are_equal(jit):
    model = small()
    fast, start = fast_unet(model), [w.copy() for w in model.get_weights()]
    x, y = data()
    loss = nn.QuantileLoss(trim=2)
    # SGD: a step is proportional to the gradient; Adam would blow rounding up where gradients vanish
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss, jit_compile=False)
    step = training_step(fast, loss, keras.optimizers.SGD(0.1, momentum=0.9), jit=jit)
    for _ in range(5):
        model.train_on_batch(x, y)
        step(x, y)
    moved = False
    for before, a, b in zip(start, model.get_weights(), fast_back(fast), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5)
        moved = moved or np.abs(a - before).max() > 1e-3
    assert moved, "nothing was trained"


def fast_back(fast):
    back = small()
    copy_weights(fast, back)
    return back.get_weights()


def test_weights_go_there_and_back_exactly():
    model = small()
    for a, b in zip(model.get_weights(), fast_back(fast_unet(model)), strict=True):
        assert np.array_equal(a, b)


def test_a_copy_not_a_view():
    model = small()
    fast = fast_unet(model)
    before = model.get_weights()[0].copy()
    fast.set_weights([w + 1 for w in fast.get_weights()])
    assert np.array_equal(model.get_weights()[0], before)


def test_the_standard_network_keeps_its_size():
    model = nn.unet()
    fast = fast_unet(model)
    assert fast.count_params() == model.count_params() == 1_314_019


def test_saved_and_loaded(tmp_path):
    fast = fast_unet(small())
    x, _ = data()
    fast.save(tmp_path / "fast.keras")
    loaded = keras.models.load_model(tmp_path / "fast.keras")
    assert np.array_equal(fast(x), loaded(x))


@pytest.mark.parametrize(
    "options", [{"kernel_size": 3}, {"batch_norm": True}, {"pooling": "max"}, {"upsampling": "transpose"}]
)
def test_what_has_no_fast_form_is_refused(options):
    with pytest.raises(BootcampError, match="no faster form"):
        fast_unet(small(**options))


def test_weights_of_another_network_are_refused():
    fast = fast_unet(small())
    before = [w.copy() for w in fast.get_weights()]
    with pytest.raises(BootcampError, match="do not fit"):
        copy_weights(nn.unet(5, 3, features=8, levels=3), fast)
    assert all(np.array_equal(a, b) for a, b in zip(before, fast.get_weights(), strict=True))
    with pytest.raises(BootcampError, match="same layers"):
        copy_weights(nn.unet(5, 3, features=4, levels=2), fast)


def test_in_float64_gradients_agree_to_the_last_digits():
    """What separates the two forms in float32 is rounding, and nothing else."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    try:
        model = small()
        fast, loss = fast_unet(model), nn.QuantileLoss(trim=2, dtype="float64")
        x, y = (tf.cast(a, "float64") for a in data())
        found = []
        for network in (model, fast):
            with tf.GradientTape() as tape:
                value = loss(y, network(x, training=True))
            found.append(tape.gradient(value, network.trainable_variables))
        for a, b in zip(*found, strict=True):
            assert a.dtype == "float64"
            close(a.numpy(), b.numpy(), 1e-12)
    finally:
        keras.config.set_dtype_policy(policy)
