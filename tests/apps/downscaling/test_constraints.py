"""Constraint layers: means kept to rounding, formulas by hand, gradients, and what does not fit."""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
from __future__ import annotations

from maelstrom_bootcamp import nn
from maelstrom_bootcamp.apps.downscaling import cells, constraints
from maelstrom_bootcamp.apps.downscaling.predictors import find_scaling, network_targets
from maelstrom_bootcamp.errors import BootcampError

import keras
import numpy as np
import pytest
import tensorflow as tf
import xarray as xr

LATITUDE = 54.5 - 0.1 * np.arange(16)
OPTIONS = {"softmax": {"scale": 280.0}, "scaled": {"low": 200.0, "high": 340.0}}
SPACING = float(np.spacing(np.float32(280)))  # of single precision, K


def arrays(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Temperatures that miss their means by some kelvins."""
    rng = np.random.default_rng(seed)
    fine = 280 + 8 * rng.normal(size=(3, 16, 24, 1))
    known = 280 + 5 * rng.normal(size=(3, 2, 3, 1))
    return fine.astype("f4"), known.astype("f4")


def means(fine: np.ndarray) -> np.ndarray:
    """In double precision."""
    share = cells.row_weights(LATITUDE)[:, None, None]
    return (np.asarray(fine, np.float64) * share).reshape(-1, 2, 8, 3, 8, 1).sum((2, 4))


def made(name: str) -> constraints.Constraint:
    return constraints.LAYERS[name](LATITUDE, **OPTIONS.get(name, {}))


@pytest.mark.parametrize("name", constraints.LAYERS)
def test_means_are_kept_to_rounding(name):
    fine, known = arrays()
    assert np.abs(means(fine) - known).max() > 1
    kept = np.asarray(made(name)(fine, known))
    assert kept.dtype == np.float32
    assert np.abs(means(kept) - known).max() < 3 * SPACING
    again = np.asarray(made(name)(kept, known))
    if name != "softmax":  # the others leave alone what has its means
        np.testing.assert_allclose(again, kept, atol=4 * SPACING)


def test_formulas_by_hand():
    fine, known = arrays(1)
    m, x = (a.repeat(8, 1).repeat(8, 2) for a in (means(fine), known.astype(float)))
    f = fine.astype(float)
    s = np.where(m >= x, 1.0, -1.0)
    g, n, u = ((a - 270) / 70 for a in (f, m, x))  # 200 to 340 becomes -1 to 1
    total = means(np.exp(f / 280)).repeat(8, 1).repeat(8, 2)
    expected = {
        "additive": f + x - m,
        "multiplicative": f * x / m,
        "softmax": x * np.exp(f / 280) / total,
        "scaled": 270 + 70 * (g + (u - n) * (s + g) / (s + n)),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(made(name)(fine, known), values, atol=4 * SPACING, err_msg=name)


def test_smooth_correction_has_no_steps():
    known = np.zeros((1, 2, 3, 1), "f4")
    known[0, 0, 0] = 1.0
    flat = np.zeros((1, 16, 24, 1), "f4")
    steps = {}
    for name in ("additive", "smooth"):
        y = np.asarray(made(name)(flat, known))[0, ..., 0]
        steps[name] = np.abs(np.diff(y, axis=1)).max()
    assert steps["additive"] == pytest.approx(1)
    assert steps["smooth"] < 0.35
    everywhere = np.full((1, 2, 3, 1), 2.5, "f4")  # one shift for all is the same in both
    np.testing.assert_allclose(made("smooth")(flat, everywhere), 2.5, rtol=1e-5)


def test_zeros_signs_and_range():
    rng = np.random.default_rng(2)
    fine = rng.gamma(0.3, 1.0, (3, 16, 24, 1)).astype("f4")
    fine[:, ::3] = 0
    known = rng.uniform(0.01, 0.1, (3, 2, 3, 1)).astype("f4")
    assert np.asarray(made("additive")(fine, known)).min() < 0
    rain = np.asarray(made("multiplicative")(fine, known))
    assert rain.min() == 0
    assert (rain[:, ::3] == 0).all()
    below = fine - 1
    shared = np.asarray(constraints.Softmax(LATITUDE)(100 * below, known))
    assert shared.min() >= 0
    assert np.isfinite(shared).all()
    inside = np.asarray(constraints.ScaledAdditive(LATITUDE, 0.0, 30.0)(fine, known))
    assert inside.min() >= 0
    assert inside.max() <= 30
    zero = np.zeros((1, 16, 24, 1), "f4")
    nothing = constraints.ScaledAdditive(LATITUDE)(zero, np.zeros((1, 2, 3, 1), "f4"))
    np.testing.assert_array_equal(nothing, zero)  # 0 / 0 in the published code
    dry = constraints.ScaledAdditive(LATITUDE, 0.0, 30.0)(zero, np.zeros((1, 2, 3, 1), "f4"))
    np.testing.assert_array_equal(dry, zero)  # all points at the end of the range


@pytest.mark.parametrize("name", ["additive", "smooth"])
def test_the_loss_says_nothing_about_the_mean_of_a_cell(name):
    fine, known = arrays(3)
    target = tf.constant(arrays(4)[0])
    x = tf.constant(fine)
    layer = made(name)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(tf.square(layer(x, known) - target))
    g = tape.gradient(loss, x).numpy()
    assert np.abs(g).max() > 1
    if name == "additive":  # no shift of a whole cell changes anything
        per_cell = g.reshape(3, 2, 8, 3, 8, 1).sum((2, 4))
        np.testing.assert_allclose(per_cell, 0, atol=1e-4 * np.abs(g).max())
    moved = layer(fine + np.float32(7), known)
    np.testing.assert_allclose(moved, layer(fine, known), atol=4 * SPACING)


def test_mean_square_error_falls_by_the_square_of_the_violation(made_splits):
    ds = made_splits["testing"]
    target = ds["t2m_tar"].astype("f8")
    known = cells.cell_means(target)
    forecast = target + 1.0 + ds["z_tar"] / 5000
    area = np.cos(np.radians(ds["lat"]))

    def mse(field):
        return float(np.square(field - target).weighted(area).mean())

    missed = cells.violation(forecast, known)
    weights = np.cos(np.radians(known["cell_lat"]))
    gain = mse(forecast) - mse(constraints.conserve(forecast, known))
    assert gain == pytest.approx(float(np.square(missed).weighted(weights).mean()), rel=1e-4)
    assert gain > 1


def test_normalised_fields_have_other_means(made_splits):
    ds = made_splits["testing"]
    scaling = find_scaling(made_splits["training"])
    target = network_targets(ds, scaling)["t2m"]
    known = cells.cell_means(ds["t2m_tar"]).astype("f4")
    kelvins = constraints.Kelvins(scaling.t2m_tar_mean, scaling.t2m_tar_std)
    np.testing.assert_allclose(kelvins(target)[..., 0], ds["t2m_tar"], atol=1e-3)
    right = constraints.Additive(ds["lat"].values)(kelvins(0.5 * target), known.values[..., None])
    mean = constraints.CellMean(ds["lat"].values)
    np.testing.assert_allclose(mean(right)[..., 0], known, atol=4 * SPACING)
    wrong = kelvins(constraints.Additive(ds["lat"].values)(0.5 * target, mean(target)))
    assert np.abs(mean(wrong)[..., 0] - known).max() > 0.005


def test_soft_penalty_by_hand():
    fine, known = arrays(5)
    target = arrays(6)[0]
    error, missed = np.square(fine - target).mean(), np.square(means(fine) - known).mean()
    loss = constraints.SoftPenalty(LATITUDE, 0.25)(target, fine, known)
    assert float(loss) == pytest.approx(0.75 * error + 0.25 * missed, rel=1e-4)
    assert float(constraints.SoftPenalty(LATITUDE)(target, fine, known)) == pytest.approx(error, rel=1e-4)
    with pytest.raises(BootcampError, match="alpha"):
        constraints.SoftPenalty(LATITUDE, 1.0)


@pytest.mark.parametrize("name", ["smooth", "softmax", "scaled"])
def test_a_model_with_the_layer_trains_and_is_saved(name, tmp_path):
    nn.set_seed(0)
    fine, known = arrays(7)
    inputs = keras.Input((16, 24, 1)), keras.Input((2, 3, 1))
    scaled = constraints.Kelvins(np.full((16, 24), 270.0), np.full((16, 24), 10.0))
    raw = scaled(keras.layers.Conv2D(1, 3, padding="same")(inputs[0]))
    model = keras.Model(inputs, made(name)(raw, inputs[1]))
    model.compile(keras.optimizers.Adam(0.01), "mse")
    before = model.get_weights()[0]
    model.fit([(fine - 270) / 10, known], fine, epochs=1, verbose=0)
    assert np.abs(model.get_weights()[0] - before).max() > 1e-4
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    given = [(fine - 270) / 10, known]
    np.testing.assert_array_equal(loaded.predict(given, verbose=0), model.predict(given, verbose=0))


def test_conserve_takes_any_forecast(made_splits):
    ds = made_splits["training"].isel(time=slice(0, 5))
    known = cells.cell_means(ds["t2m_tar"]).astype("f4")
    kept = constraints.conserve(ds["t2m_in"] + 1, known, "smooth")
    assert kept.dims == ds["t2m_in"].dims
    assert float(np.abs(cells.violation(kept, known)).max()) < 3 * SPACING
    turned = constraints.conserve((ds["t2m_in"] + 1).transpose("lon", "time", "lat"), known, "smooth")
    xr.testing.assert_equal(turned, kept)


def test_what_does_not_fit_is_refused(made_splits):
    fine, known = arrays()
    layer = made("additive")
    for wrong in (fine[:, :8], fine[..., 0], np.concatenate([fine, fine], -1)):
        with pytest.raises(BootcampError, match="latitudes"):
            layer(wrong, known)
    with pytest.raises(BootcampError, match="columns"):
        layer(fine[:, :, :20], known)
    with pytest.raises(BootcampError, match="Known means"):
        layer(fine, known[:, :1])
    with pytest.raises(BootcampError, match="scale"):
        constraints.Softmax(LATITUDE, scale=0)
    with pytest.raises(BootcampError, match="range"):
        constraints.ScaledAdditive(LATITUDE, 1.0, 1.0)
    ds = made_splits["testing"]
    cells_there = cells.cell_means(ds["t2m_tar"])
    with pytest.raises(BootcampError, match="does not exist"):
        constraints.conserve(ds["t2m_in"], cells_there, "other")
    with pytest.raises(BootcampError, match="different times"):
        constraints.conserve(ds["t2m_in"], cells_there[:1])
    with pytest.raises(BootcampError, match="different times"):
        constraints.conserve(ds["t2m_in"][1:], cells_there[:-1])
