"""The networks: exact numbers of parameters, what a pixel sees, and errors that say what to do."""

import keras
import numpy as np
import pytest

from maelstrom_bootcamp import nn
from maelstrom_bootcamp.errors import BootcampError


def trainable(model):
    return sum(int(np.prod(w.shape)) for w in model.trainable_weights)


@pytest.mark.parametrize(
    ("options", "parameters"),
    [
        ({}, 1_314_019),
        ({"n_inputs": 14}, 1_313_971),
        ({"n_inputs": 16}, 1_314_003),
        ({"n_inputs": 18}, 1_314_035),
        ({"kernel_size": 3}, 9_000_291),
        ({"upsampling": "transpose"}, 1_314_019),
        ({"pooling": "max"}, 1_314_019),
        ({"activation": "relu"}, 1_314_019),
        ({"activation": "swish"}, 1_314_019),
    ],
)
def test_published_numbers_of_parameters(options, parameters):
    model = nn.unet(**options)
    assert trainable(model) == model.count_params() == parameters


def test_batch_normalisation_adds_only_weights_that_are_not_trained():
    model = nn.unet(batch_norm=True)
    assert trainable(model) == 1_314_019
    assert model.count_params() - trainable(model) == 6_016


def test_each_level_has_the_parameters_of_the_published_table():
    table = nn.cost_by_level(nn.unet())["parameters"].to_dict()
    assert table == {
        "enc1": 560,
        "enc2": 1_600,
        "enc3": 6_272,
        "enc4": 24_832,
        "enc5": 98_816,
        "bottleneck": 394_240,
        "up5": 393_728,
        "dec5": 197_120,
        "up4": 98_560,
        "dec4": 49_408,
        "up3": 24_704,
        "dec3": 12_416,
        "up2": 6_208,
        "dec2": 3_136,
        "up1": 1_568,
        "dec1": 800,
        "head": 51,
    }


@pytest.mark.parametrize("size", [(4, 4), (8, 12)])
@pytest.mark.parametrize("upsampling", ["nearest_conv", "nearest", "transpose"])
def test_output_lies_on_the_grid_of_the_input(size, upsampling):
    model = nn.unet(5, 2, features=2, levels=3, upsampling=upsampling, batch_norm=True, pooling="max")
    assert model(np.zeros((2, *size, 5), "f")).shape == (2, *size, 2)


def reach(model, size, pixel):
    """Rows of the input on which one pixel of the output depends."""
    x = np.random.default_rng(0).standard_normal((size, size, 3)).astype("f")
    batch = np.stack([x] * (size + 1))
    for row in range(size):
        batch[row, row] += 5.0  # sample `row` has another row `row`, the last sample is unchanged
    output = keras.ops.convert_to_numpy(model(batch))[:, pixel, pixel]
    return [row for row in range(size) if not np.allclose(output[row], output[-1], rtol=0, atol=1e-6)]


def test_a_pixel_sees_two_coarse_cells_at_most():
    nn.set_seed(1, deterministic=False)
    model = nn.unet(3, 1, features=4, levels=4)  # coarsest cells of 8 pixels
    seen = [reach(model, 32, pixel) for pixel in (8, 12, 15)]
    # The 2 x 2 kernels reach one coarse cell forward, never back.
    assert all(min(rows) == 8 for rows in seen)
    assert max(map(max, seen)) == 23
    assert len(seen[-1]) == 16


def test_the_pointwise_net_sees_one_pixel_only():
    assert reach(nn.pointwise_net(3, 1, width=4, depth=2), 6, 2) == [2]


def test_skip_connection_comes_first():
    model = nn.unet(3, 1, features=2, levels=2)
    first, second = model.get_layer("dec1_skip")._inbound_nodes[0].input_tensors
    assert first is model.get_layer("enc1_act2").output
    assert second is model.get_layer("up1_smooth_act").output


def test_leaky_relu_has_the_slope_of_keras_2():
    layer = nn.unet(2, 1, features=1, levels=1).get_layer("bottleneck_act1")
    np.testing.assert_allclose(layer(np.array([-1.0, 2.0])), [-0.3, 2.0], rtol=1e-6)


def test_ratio_and_convs_change_the_network_as_they_say():
    model = nn.unet(3, 1, features=4, levels=3, ratio=1, convs=1)
    names = [layer.name for layer in model.layers]
    assert "enc1_conv2" not in names
    assert {layer.filters for layer in model.layers if isinstance(layer, keras.layers.Conv2D)} == {4}


def test_small_networks_have_the_parameters_of_their_docstrings():
    assert nn.linear_net().count_params() == 54
    assert nn.basic_cnn().count_params() == 2_641
    for width, depth in ((60, 4), (16, 1)):
        expected = 18 * width + (depth - 1) * (width + 1) * width + 3 * (width + 1)
        assert nn.pointwise_net(width=width, depth=depth).count_params() == expected
    assert nn.pointwise_net().count_params() == 12_243


def test_basic_cnn_sees_seven_pixels():
    nn.set_seed(0, deterministic=False)
    assert reach(nn.basic_cnn(3, 1, activation="swish"), 15, 7) == list(range(4, 11))


def test_activations_can_be_looked_at():
    model = nn.unet(3, 1, features=2, levels=2)
    x = np.ones((1, 4, 4, 3), "f")
    inside = nn.activations(model)(x)
    assert inside["enc1_act1"].shape == (1, 4, 4, 2)
    assert inside["bottleneck_act2"].shape == (1, 2, 2, 4)
    chosen = nn.activations(model, ["head"])(x)
    np.testing.assert_array_equal(chosen["head"], model(x))
    with pytest.raises(BootcampError, match="enc9_act1"):
        nn.activations(model, ["enc9_act1"])


@pytest.mark.parametrize(
    "bad",
    [
        {"n_inputs": 0},
        {"n_outputs": 2.0},
        {"levels": -1},
        {"convs": True},
        {"pooling": "median"},
        {"activation": "tanh"},
        {"upsampling": "bilinear"},
    ],
)
def test_bad_arguments_name_cause_and_cure(bad):
    with pytest.raises(BootcampError) as caught:
        nn.unet(**bad)
    assert next(iter(bad)) in caught.value.cause
    assert caught.value.cure


def test_bad_arguments_of_the_small_networks():
    for make in (
        lambda: nn.pointwise_net(width=0),
        lambda: nn.pointwise_net(activation="none"),
        lambda: nn.linear_net(0),
        lambda: nn.basic_cnn(filters=(3, 0)),
        lambda: nn.basic_cnn(activation="none"),
    ):
        with pytest.raises(BootcampError):
            make()


def test_he_keeps_what_glorot_lets_fade_on_the_way_to_the_bottleneck():
    fields = np.random.default_rng(0).standard_normal((2, 64, 64, 17)).astype("f4")
    reach = {}
    for kind in ("he", "glorot"):
        nn.set_seed(0)
        inside = nn.activations(nn.unet(pooling="max", initializer=kind), ["enc1_act2", "bottleneck_act2"])
        out = inside(fields)
        reach[kind] = np.std(out["bottleneck_act2"]) / np.std(out["enc1_act2"])
    assert reach["he"] > 10 * reach["glorot"]


@pytest.mark.parametrize("kind", ["he", "glorot"])
def test_layers_of_the_same_shape_start_differently(kind):
    model = nn.unet(initializer=kind)
    one, other = (model.get_layer(n).get_weights()[0] for n in ("enc2_conv2", "dec2_conv2"))
    assert one.shape == other.shape
    assert not np.array_equal(one, other)
    hidden = [layer.get_weights()[0] for layer in nn.pointwise_net(initializer=kind).layers[3:7:2]]
    assert not np.array_equal(*hidden)


def test_unknown_initializer():
    with pytest.raises(BootcampError, match="initializer='zeros'"):
        nn.unet(initializer="zeros")


def test_trainable_parameters_leave_out_running_means():
    assert nn.trainable_parameters(nn.unet(batch_norm=True)) == 1_314_019
    assert nn.trainable_parameters(nn.pointwise_net(batch_norm=True)) == 12_243
