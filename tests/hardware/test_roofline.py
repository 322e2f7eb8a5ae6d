from __future__ import annotations

import numpy as np
import pytest

from maelstrom_bootcamp import nn  # noqa: F401  (starts TensorFlow quietly)
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.hardware.ceilings import Ceilings
from maelstrom_bootcamp.hardware.networks import networks
from maelstrom_bootcamp.hardware.roofline import ADAM_FLOP, ADAM_VALUES, count, roofline

import keras  # isort: skip

TOY = Ceilings("toy", {"fp32": 1e12, "bf16": 4e12}, 1e11, ((1e4, 8e11), (1e8, 1e11)))
PIXELS = 2 * 8 * 8


@pytest.fixture(scope="module")
def model():
    """Two convolutions, a rectifier between them, and what went in joined to what came out."""
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, padding="same")(inputs)
    y = keras.layers.LeakyReLU()(x)
    z = keras.layers.Conv2D(5, 1, use_bias=False)(y)
    return keras.Model(inputs, keras.layers.Concatenate()([y, z]))


def rows(table, **want):
    for column, value in want.items():
        table = table[table[column] == value]
    return table


def test_forward_by_hand(model):
    table = count(model, batch=2)
    first, second = (row for _, row in rows(table, kind="conv").iterrows())
    assert list(table.part.unique()) == ["forward"]
    assert len(table) == 4
    assert first.flop == 2 * PIXELS * 9 * 3 * 4
    assert second.flop == 2 * PIXELS * 4 * 5
    assert first.bytes == 4 * (PIXELS * (3 + 4) + 9 * 3 * 4 + 4)
    assert second.bytes == 4 * (PIXELS * (4 + 5) + 20)
    relu = rows(table, kind="relu").iloc[0]
    assert relu.flop == PIXELS * 4
    assert relu.bytes == 4 * PIXELS * 8
    assert rows(table, kind="concat").bytes.item() == 4 * PIXELS * 18


def test_backward_by_hand(model):
    table = count(model, batch=2, training=True)
    assert len(rows(table, part="input gradient")) == 1, "nobody needs the gradient of the predictors"
    assert len(rows(table, part="weight gradient")) == 2
    forward = rows(table, kind="conv", part="forward")
    weights = rows(table, part="weight gradient").set_index("op")
    assert (weights.flop.sort_index().to_numpy() == forward.flop.to_numpy()).all()
    assert rows(table, part="input gradient").flop.item() == 2 * PIXELS * 4 * 5
    offsets = rows(table, part="offset gradient")
    assert offsets.bytes.item() == 4 * PIXELS * 4, "only the first convolution has offsets"
    summed = rows(table, part="sum of gradients")
    assert summed.flop.item() == PIXELS * 4, "the rectified field is read twice: its gradients are added"
    assert rows(table, kind="relu", part="gradient").bytes.item() == 4 * PIXELS * 12
    parameters = 9 * 3 * 4 + 4 + 20
    update = table.iloc[-1]
    assert update.part == "update"
    assert update.calls == 3
    assert (update.flop, update.bytes) == (ADAM_FLOP * parameters, 4 * ADAM_VALUES * parameters)


def test_training_is_three_forward_passes_less_the_first_gradient(model):
    table = count(model, batch=2, training=True)
    others = ["sum of gradients", "offset gradient"]
    products = table[(table.kind == "conv") & ~table.part.isin(others)].flop.sum()
    forward = count(model, batch=2)
    assert products == 3 * rows(forward, kind="conv").flop.sum() - 2 * PIXELS * 9 * 3 * 4


def test_unet_as_on_paper():
    network = networks()["a1"]
    table = count(network.build(), batch=1, image_size=128)
    products = table[table.kind.isin(["conv", "dense"])]
    assert products.flop.sum() == 2 * 12_096 * 128**2
    assert 0.95 < products.flop.sum() / table.flop.sum() < 1


def test_fused_rectifiers_move_nothing(model):
    plain, fused = (count(model, batch=2, fused=fused) for fused in (False, True))
    saved = plain.bytes.sum() - fused.bytes.sum()
    assert saved == 4 * PIXELS * 8
    assert plain.flop.sum() == fused.flop.sum()


def test_half_the_width_half_the_bytes_but_not_for_adam(model):
    wide, half = (count(model, batch=2, training=True, precision=p) for p in ("fp32", "bf16"))
    inner = wide.part != "update"
    assert np.allclose(half.bytes[inner], wide.bytes[inner] / 2)
    assert half.bytes.iloc[-1] == wide.bytes.iloc[-1]


def test_roof_of_each_row(model):
    table = roofline(count(model, batch=2, training=True), TOY)
    low = roofline(count(model, batch=2), Ceilings("slow", {"fp32": 4e11}, 1e11))
    assert set(low.bound) == {"memory", "compute"}
    assert (table.seconds >= table.flop / 1e12 - 1e-18).all()
    assert (table.seconds >= table.bytes / 1e11 - 1e-18).all()
    memory = table.intensity < TOY.ridge("fp32")
    assert (table.bound[memory] == "memory").all()
    assert (table.bound[~memory] == "compute").all()
    warm = roofline(count(model, batch=2, training=True), TOY, caches=True)
    assert (warm.seconds <= table.seconds).all()
    assert warm.seconds.sum() < table.seconds.sum()


def test_bad_input_is_one_clear_error(model):
    with pytest.raises(BootcampError, match="fp8"):
        count(model, batch=1, precision="fp8")
    with pytest.raises(BootcampError, match="tf32"):
        roofline(count(model, batch=1), TOY, "tf32")
    with pytest.raises(BootcampError, match="not a network"):
        count(3)
