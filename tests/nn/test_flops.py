"""Counting the arithmetic of a network."""

import keras
import pytest

from maelstrom_bootcamp import nn
from maelstrom_bootcamp.errors import BootcampError


def test_work_per_pixel_of_the_standard_unet():
    levels = nn.cost_by_level(nn.unet())["macs_per_pixel"]
    assert nn.macs_per_pixel(nn.unet()) == levels.sum() == 12_096
    encoder = levels[["enc1", "enc2", "enc3", "enc4", "enc5", "bottleneck"]]
    assert encoder.sum() == 2_448
    # Channels double while pixels quarter: every level costs the same.
    assert (encoder.iloc[1:] == 384).all()
    for level in range(1, 6):
        assert levels[f"up{level}"] + levels[f"dec{level}"] == 1_920
    assert levels["head"] == 48


def test_the_2x2_convolutions_do_5120_of_it():
    layers = nn.cost_by_layer(nn.unet())["macs_per_pixel"]
    assert layers[layers.index.str.endswith("_smooth")].sum() == 5_120


def test_work_does_not_depend_on_the_patch():
    model = nn.unet(4, 2, features=4, levels=3, kernel_size=3, upsampling="transpose")
    assert nn.macs_per_pixel(model, 16) == nn.macs_per_pixel(model, 64)


def test_a_transposed_convolution_works_on_its_input_grid():
    table = nn.cost_by_layer(nn.unet(1, 1, features=1, levels=2, kernel_size=3, upsampling="transpose"))
    # 3 x 3 kernel, 2 -> 1 channels, on a quarter of the pixels.
    assert table.loc["up1_transpose", "macs_per_pixel"] == 9 * 2 / 4


def test_the_pointwise_net_works_as_hard_as_the_unet():
    assert nn.macs_per_pixel(nn.pointwise_net()) == 12_000


def test_memory_of_the_layers():
    table = nn.cost_by_layer(nn.unet())
    assert table.loc["enc1_conv1", "outputs_per_pixel"] == 16
    assert table.loc["enc2_conv1", "outputs_per_pixel"] == 8
    assert table["parameters"].sum() == 1_314_019


def test_a_layer_that_cannot_be_counted_is_named():
    inputs = keras.Input((None, None, 2))
    model = keras.Model(inputs, keras.layers.SeparableConv2D(2, 1, name="odd_one")(inputs))
    with pytest.raises(BootcampError, match="odd_one"):
        nn.macs_per_pixel(model, 8)
