"""The networks of A3: published numbers of parameters, and what their structure promises."""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
from maelstrom_bootcamp import nn
from maelstrom_bootcamp.apps.radiation import layers, networks
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.perfmodel.read import read

import keras
import numpy as np
import pytest
import tensorflow as tf

FAMILIES = [networks.min_cnn, networks.cnn, networks.attention, networks.rnn, networks.dense]
WHOLE = FAMILIES[1:]  # all but min_cnn give fluxes at all interfaces
PARAMETERS = [  # of sw and lw; those of sw are published
    (networks.min_cnn, {}, 261_515, 261_515),
    (networks.cnn, {}, 200_642, 200_642),
    (networks.attention, {}, 233_922, 233_922),
    (networks.rnn, {}, 124_930, 123_522),
    (networks.rnn, {"cell": "gru"}, 85_698, 84_930),
    (networks.dense, {}, 597_140, 597_140),
]
SMALL = [
    (networks.min_cnn, {}),
    (networks.min_cnn, {"pool": 5}),
    (networks.cnn, {"activation": "tanh"}),
    (networks.cnn, {"pool": 4}),
    (networks.attention, {}),
    (networks.attention, {"pool": 2}),
    (networks.rnn, {"unroll": True}),
    (networks.rnn, {"unroll": True, "cell": "gru"}),
    (networks.dense, {"widths": (8,)}),
    (networks.dense, {"widths": (8,), "pool": 5}),
]
BAD = [
    (networks.min_cnn, {"levels": 0}, "levels=0"),
    (networks.min_cnn, {"flux_layers": -1}, "flux_layers=-1"),
    (networks.min_cnn, {"pool": 0}, "pool=0"),
    (networks.cnn, {"dilation_rates": (1, 0)}, "dilation_rates"),
    (networks.cnn, {"activation": "relu"}, "activation='relu'"),
    (networks.cnn, {"maxima": {"sca_inputs": [1.0] * 16}}, "maxima of sca_inputs"),
    (networks.cnn, {"pool": 1.5}, "pool=1.5"),
    (networks.attention, {"filters": 4}, "heads=8"),
    (networks.rnn, {"cell": "simple"}, "cell='simple'"),
    (networks.dense, {"widths": (64, 0)}, "widths[1]=0"),
    (networks.dense, {"pool": -1}, "pool=-1"),
    *[(make, {"band": "uv"}, "band='uv'") for make in FAMILIES],
]


def run(model, x):
    return keras.tree.map_structure(np.asarray, model(x, training=False))


def limit(band, x):
    if band == "sw":
        return x["sca_inputs"][:, 1] * x["sca_inputs"][:, 16]
    warmest = np.maximum(x["sca_inputs"][:, 0], x["hl_inputs"][..., 0].max(axis=1))
    return 5.670374419e-8 * warmest**4


def randomised(model):
    """Weights as after a training: none is zero."""
    rng = np.random.default_rng(0)
    model.set_weights([w + 0.1 * rng.standard_normal(w.shape) for w in model.get_weights()])


@pytest.mark.parametrize(("make", "options", "sw", "lw"), PARAMETERS)
def test_numbers_of_parameters(make, options, sw, lw):
    for band, parameters in (("sw", sw), ("lw", lw)):
        model = make(**options, band=band)
        assert nn.trainable_parameters(model) == model.count_params() == parameters


@pytest.mark.parametrize("band", ["sw", "lw"])
@pytest.mark.parametrize(("make", "options"), SMALL)
def test_forward_pass_has_the_promised_shapes_and_finite_values(make, options, band, columns):
    model = make(levels=12, band=band, **options)
    output = run(model, columns(12, 2))
    flux = (2, 3) if make is networks.min_cnn else (2, 13, 2)
    assert {name: values.shape for name, values in output.items()} == {f"hr_{band}": (2, 12, 1), band: flux}
    assert all(np.isfinite(values).all() for values in output.values())


@pytest.mark.parametrize("band", ["sw", "lw"])
@pytest.mark.parametrize(("make", "options"), SMALL)
def test_the_performance_model_reads_all_operators(make, options, band):
    graph = read(make(levels=12, band=band, **options), batch=2)
    assert graph.unknown == ()
    assert graph.macs > 0


@pytest.mark.parametrize(("make", "options", "says"), BAD)
def test_bad_arguments_name_cause_and_cure(make, options, says):
    with pytest.raises(BootcampError) as caught:
        make(**options)
    assert says in caught.value.cause
    assert caught.value.cure


@pytest.mark.parametrize("band", ["sw", "lw"])
@pytest.mark.parametrize("make", WHOLE)
def test_fluxes_stay_within_their_bound_and_heating_follows_from_them(make, band, columns):
    x = columns()
    model = make(levels=12, band=band)
    last, rng = model.get_layer("share"), np.random.default_rng(0)
    for weights in (0, 1, 1e4):  # large weights: shares of nearly 0 and nearly 1
        last.set_weights([weights * rng.standard_normal(w.shape) for w in last.get_weights()])
        out = run(model, x)
        flux, most = out[band], limit(band, x)[:, None, None]
        assert (flux >= 0).all()
        assert (flux <= most * (1 + 1e-5)).all()
        net = flux[..., 0] - flux[..., 1]
        kept = np.sum(out[f"hr_{band}"] * np.diff(x["pressure_hl"], axis=1), axis=(1, 2)) / layers.PER_DAY
        np.testing.assert_allclose(kept, net[:, 0] - net[:, -1], atol=2e-3)
    assert (flux / most).min() < 0.1 < 0.9 < (flux / most).max()


@pytest.mark.parametrize("make", FAMILIES)
def test_no_flux_at_night(make, columns):
    x = columns()
    x["sca_inputs"][:, 1] = 0
    out = run(make(levels=12), x)
    assert np.abs(out["sw"][..., -2:]).max() == 0  # of min_cnn only the surface is bound to the sunlight
    assert make is networks.min_cnn or not out["hr_sw"].any()


@pytest.mark.parametrize("make", WHOLE)
def test_training_starts_without_heating(make, columns):
    x = columns()
    out = run(make(levels=12), x)
    np.testing.assert_allclose(out["sw"], 0.5 * np.broadcast_to(limit("sw", x)[:, None, None], (3, 13, 2)))
    assert not out["hr_sw"].any()


def seen_from_the_top(model, columns):
    """The lowest layer whose contents change the upward flux at the top."""
    randomised(model)
    x = {name: tf.constant(0.01 * values) for name, values in columns(137, 1).items()}
    with tf.GradientTape() as tape:
        tape.watch(x["col_inputs"])
        flux = model(x)["sw"][:, 0, 1]
    gradient = np.abs(tape.gradient(flux, x["col_inputs"])).max(axis=(0, 2))
    return int(np.flatnonzero(gradient).max())


def test_published_cnn_does_not_see_from_the_top_to_the_ground(columns):
    """Kernels of 5 levels with gaps of 1 to 16, and six without, reach 74 levels far; the column has 138."""
    small = {"filters": 8}
    assert seen_from_the_top(networks.cnn(**small), columns) == 73  # its place is half level 74
    assert seen_from_the_top(networks.cnn(**small, pool=2), columns) == 136
    assert seen_from_the_top(networks.cnn(**small, dilation_rates=(1, 2, 4, 8, 16, 32)), columns) == 136
    assert seen_from_the_top(networks.attention(filters=8), columns) == 136
    assert seen_from_the_top(networks.rnn(units=4), columns) == 136


def test_recurrent_network_of_the_longwave_does_not_see_the_sun(columns):
    x = columns()
    model = networks.rnn(levels=12, band="lw")
    randomised(model)
    before = run(model, x)["lw"]
    x["sca_inputs"][:, 1:14] = 0  # sun and albedos
    np.testing.assert_array_equal(run(model, x)["lw"], before)
    x["sca_inputs"][:, 14:16] = 0.5  # emissivities
    assert np.abs(run(model, x)["lw"] - before).max() > 0


@pytest.mark.parametrize("band", ["sw", "lw"])
def test_min_cnn_closes_the_energy_budget_at_the_top(band, columns):
    x = columns()
    out = run(networks.min_cnn(levels=12, band=band), x)
    top, down, up = out[band].T
    kept = np.sum(out[f"hr_{band}"] * np.diff(x["pressure_hl"], axis=1), axis=(1, 2)) / layers.PER_DAY
    np.testing.assert_allclose(top, down - up + kept, rtol=1e-5)
    assert (np.maximum(down, up) <= limit(band, x)).all()


@pytest.mark.parametrize("make", [networks.min_cnn, networks.cnn, networks.attention])
def test_joined_levels_cost_less(make):
    costs = [read(make(levels=24, pool=pool), batch=1).macs for pool in (1, 4)]
    assert costs[1] < costs[0] / 2


def test_networks_are_saved_and_loaded_with_their_physics(tmp_path, columns):
    x = columns()
    for make, band in ((networks.min_cnn, "sw"), (networks.rnn, "sw"), (networks.rnn, "lw")):
        model = make(levels=12, band=band)
        randomised(model)
        model.save(tmp_path / "a3.keras")
        loaded = run(keras.models.load_model(tmp_path / "a3.keras"), x)
        for name, values in run(model, x).items():
            np.testing.assert_array_equal(loaded[name], values)


def test_unrolled_loops_give_the_same_numbers(columns):
    x = columns()
    model, unrolled = networks.rnn(levels=12), networks.rnn(levels=12, unroll=True)
    randomised(model)
    unrolled.set_weights(model.get_weights())
    for name, values in run(model, x).items():
        np.testing.assert_allclose(run(unrolled, x)[name], values, rtol=1e-4, atol=1e-4)
