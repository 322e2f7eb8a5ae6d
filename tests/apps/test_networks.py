"""The networks of A4 to A6: published numbers of parameters, and what their structure promises."""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
from maelstrom_bootcamp import nn
from maelstrom_bootcamp.apps.downscaling import networks as downscaling
from maelstrom_bootcamp.apps.ens10 import networks as ens10
from maelstrom_bootcamp.apps.power import networks as power
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.nn.blocks import conv_norm
from maelstrom_bootcamp.perfmodel.read import read

import keras
import numpy as np
import pytest

PUBLISHED = [
    (ens10.mlp, {}, 2_562),
    (ens10.mlp, {"n_variables": 11}, 3_586),
    (ens10.lenet, {}, 31_574),
    (ens10.lenet, {"n_variables": 11}, 36_182),
    (ens10.unet, {}, 633_698),
    (ens10.unet, {"n_variables": 11}, 636_002),
    (ens10.transformer, {}, 4_164_673),
    (ens10.transformer, {"n_variables": 7}, 4_163_873),
    (downscaling.sha_unet, {}, 3_525_650),
    (downscaling.sha_unet, {"n_inputs": 9}, 3_528_674),
    (downscaling.sha_unet, {"n_inputs": 12}, 3_530_186),
    (downscaling.critic, {}, 1_584_641),
    (power.deepcluster, {}, 28_055_104),
]
UNTRAINED = {
    "ens10_lenet": 224,
    "ens10_unet": 1_600,
    "sha_unet": 3_360,
    "critic": 1_920,
    "deepcluster": 57_216,
}
SMALL_GRID = {"rows": 8, "columns": 16}
SMALL_GLOBE = {"rows": 9, "columns": 12}
SMALL = [
    (ens10.mlp, {}, (2,)),
    (ens10.lenet, SMALL_GLOBE, (9, 12, 2)),
    (ens10.unet, SMALL_GLOBE, (9, 12, 2)),
    (ens10.transformer, {"members": 3, **SMALL_GLOBE}, (9, 12, 2)),
    (downscaling.sha_unet, {"features": 4, **SMALL_GRID}, {"t2m": (8, 16, 1), "z": (8, 16, 1)}),
    (downscaling.critic, {"features": 4, **SMALL_GRID}, (1,)),
    (
        power.deepcluster,
        {"rows": 33, "columns": 47, "features": 4, "hidden": 8, "embedding": 5, "prototypes": (4, 3)},
        {"embedding": (5,), "scores1": (4,), "scores2": (3,)},
    ),
]
BAD = [
    (ens10.mlp, {"n_variables": 2.0}, "n_variables=2.0"),
    (ens10.unet, {"columns": 718}, "columns=718"),
    (ens10.unet, {"rows": 3}, "rows=3"),
    (ens10.transformer, {"members": 1}, "members=1"),
    (ens10.transformer, {"kernel_size": 4}, "kernel_size=4"),
    (ens10.transformer, {"own": 11}, "own=11"),
    (ens10.lenet, {"features": (8, 0, 4)}, "features[1]=0"),
    (ens10.lenet, {"columns": 2}, "columns=2"),
    (ens10.transformer, {"columns": 1}, "columns=1"),
    (downscaling.sha_unet, {"rows": 100}, "rows=100"),
    (downscaling.sha_unet, {"columns": True}, "columns=True"),
    (downscaling.critic, {"convs": 0}, "convs=0"),
    (power.deepcluster, {"rows": 0}, "rows=0"),
    (power.deepcluster, {"prototypes": (40, 0)}, "prototypes"),
]


def sample(model, n=2, seed=0):
    """Something that `model` can read."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, *model.input_shape[1:])).astype("f4")


def run(model, x):
    return keras.tree.map_structure(np.asarray, model(x, training=False))


@pytest.mark.parametrize(("make", "options", "parameters"), PUBLISHED)
def test_published_numbers_of_parameters(make, options, parameters):
    model = make(**options)
    assert nn.trainable_parameters(model) == parameters
    assert model.count_params() - parameters == UNTRAINED.get(model.name, 0)


@pytest.mark.parametrize(("make", "options", "shapes"), SMALL)
def test_forward_pass_has_the_promised_shapes_and_finite_values(make, options, shapes):
    model = make(**options)
    output = run(model, sample(model))
    one = not isinstance(shapes, dict)
    for name, shape in ({"out": shapes} if one else shapes).items():
        values = output if one else output[name]
        assert values.shape == (2, *shape)
        assert np.isfinite(values).all()
    assert one or set(output) == set(shapes)


@pytest.mark.parametrize(("make", "options", "shapes"), SMALL)
def test_the_performance_model_reads_all_operators(make, options, shapes):
    graph = read(make(**options), batch=2)
    assert graph.unknown == ()
    assert graph.macs > 0


@pytest.mark.parametrize(("make", "options", "says"), BAD)
def test_bad_sizes_name_cause_and_cure(make, options, says):
    with pytest.raises(BootcampError) as caught:
        make(**options)
    assert says in caught.value.cause
    assert caught.value.cure


def test_a4_unet_repeats_the_first_row_of_an_odd_grid():
    model = ens10.unet(2, rows=9, columns=8, features=4)
    x = sample(model)
    steps = nn.activations(model, ["dec1_up", "dec1_repeat", "dec1_skip"])
    short, full, joined = (np.asarray(steps(x)[name]) for name in ("dec1_up", "dec1_repeat", "dec1_skip"))
    assert short.shape[1] == 8
    np.testing.assert_array_equal(full, np.concatenate([short[:, :1], short], axis=1))
    np.testing.assert_array_equal(joined[..., 4:], full)


def test_a4_doubling_lies_between_the_points_as_in_pytorch():
    x = keras.Input((2, 2, 1))
    double = keras.Model(x, ens10._double(x, 4, "x"))
    field = np.array([0.0, 4.0] * 2, "f").reshape(1, 2, 2, 1)
    np.testing.assert_allclose(double(field)[0, :, :, 0], [[0, 1, 3, 4]] * 4)


def test_a4_transformer_knows_no_order_of_members_and_no_first_longitude():
    nn.set_seed(0, deterministic=False)
    model = ens10.transformer(3, members=4, **SMALL_GLOBE)
    x = sample(model)
    out = run(model, x)
    np.testing.assert_allclose(run(model, x[:, ::-1]), out, atol=1e-5)
    np.testing.assert_allclose(run(model, np.roll(x, 5, axis=3)), np.roll(out, 5, axis=2), atol=1e-5)


def test_a4_transformer_gives_mean_and_spread_of_members_that_look_at_each_other():
    nn.set_seed(0, deterministic=False)
    model = ens10.transformer(3, members=4, **SMALL_GLOBE)
    x = sample(model, n=1)
    same = np.repeat(x[:, :1], 4, axis=1)
    assert run(model, same)[..., 1].max() < 1e-5  # members that agree have no spread
    other = x.copy()
    other[:, 0] += 1
    corrected = keras.Model(model.input, model.get_layer("head").output)
    changed = np.abs(run(corrected, other) - run(corrected, x)).max(axis=(1, 2, 3))
    assert (changed > 1e-7).all()  # all members feel what happens to the first


def test_a4_transformer_attends_as_the_sum_over_members_says():
    """Written out: each member's perturbation counts by how alike its key is to the other's query."""
    nn.set_seed(0, deterministic=False)
    model = ens10.transformer(3, members=4, **SMALL_GLOBE)
    names = ("attention_value", "attention_key", "attention_query")
    inside = [model.get_layer(name).output for name in names] + [model.get_layer("attention_out").input]
    found = [np.asarray(x, float) for x in keras.Model(model.input, inside)(20 * sample(model, n=1))]
    value, key, query, moved = (x.reshape(4, 9 * 12, 16) for x in found)
    perturbation = value - value.mean(axis=0)
    for head in range(16):
        alike = key[..., head] @ query[..., head].T / (9 * 12) ** 0.5
        weights = np.exp(alike - alike.max(axis=0))
        weights /= weights.sum(axis=0)  # of all members that one member looks at
        expected = value[..., head] + weights.T @ perturbation[..., head]
        np.testing.assert_allclose(moved[..., head], expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("surface_height", [True, False])
def test_a5_height_of_the_ground_is_one_more_head_and_nothing_else(surface_height):
    model = downscaling.sha_unet(features=4, surface_height=surface_height, **SMALL_GRID)
    heads = [layer.name for layer in model.layers if getattr(layer, "kernel_size", None) == (1, 1)]
    assert heads == (["t2m", "z"] if surface_height else ["t2m"])
    assert set(model.output) == set(heads)
    assert len({model.get_layer(name).input.name for name in heads}) == 1


def test_a5_levels_have_the_channels_of_the_paper():
    model = downscaling.sha_unet(**SMALL_GRID)
    names = ["enc1_2_relu", "enc2_1_relu", "enc3_1_relu", "bottleneck_1_relu", "dec3_2_relu", "dec1_2_relu"]
    assert [model.get_layer(n).output.shape[-1] for n in names] == [56, 112, 224, 448, 224, 56]
    assert model.get_layer("bottleneck_1_relu").output.shape[1:3] == (1, 2)


def test_a6_embedding_lies_on_the_unit_sphere_and_scores_are_its_products():
    model = power.deepcluster(3, rows=32, columns=32, features=4, hidden=8, embedding=5, prototypes=(4, 3))
    out = run(model, sample(model))
    np.testing.assert_allclose(np.linalg.norm(out["embedding"], axis=1), 1, rtol=1e-5)
    kernel = model.get_layer("scores2").get_weights()[0]
    np.testing.assert_allclose(out["scores2"], out["embedding"] @ kernel, atol=1e-6)


def test_a6_resnet_has_its_stride_in_the_middle_and_halves_five_times():
    model = power.deepcluster()
    convs = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert len(convs) == 53  # 1 + 3 * 16, and 4 shortcuts that change the channels
    assert {c.name for c in convs if c.strides == (2, 2) and c.kernel_size == (3, 3)} == {
        f"stage{stage}_block1_spatial_conv" for stage in (2, 3, 4)
    }
    assert model.get_layer("mean").input.shape[1:] == (4, 4, 2048)
    assert not any(c.use_bias for c in convs)


def test_stride_begins_where_the_library_of_the_original_begins():
    x = keras.Input((6, 6, 1))
    impulse = np.zeros((1, 6, 6, 1), "f")
    impulse[0, 0, 0] = 1
    for like, first in (("pytorch", 4), ("keras", 0)):  # which weight of the 3 x 3 kernel meets the corner
        model = keras.Model(x, conv_norm(x, 1, stride=2, relu=False, bias=False, like=like, name=like))
        kernel = np.arange(1, 10, dtype="f").reshape(3, 3, 1, 1)
        model.get_layer(f"{like}_conv").set_weights([kernel])
        seen = float(np.asarray(model(impulse))[0, 0, 0, 0])
        assert round(seen) == first + 1  # the normalisation divides by sqrt(1 + epsilon) at most
