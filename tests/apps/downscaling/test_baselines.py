"""Baselines of A5: found again in made data, equal to the textbook's, never fed the target."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from sklearn.linear_model import LinearRegression, Ridge

from maelstrom_bootcamp.apps.downscaling import baselines as b
from maelstrom_bootcamp.apps.downscaling.coarse import coarse_values, fine_values
from maelstrom_bootcamp.apps.downscaling.dataset import GRAVITY, read_tier1
from maelstrom_bootcamp.apps.downscaling.flow import FLOW, GROUND, MOMENT, flow_features, ground_features
from maelstrom_bootcamp.errors import BootcampError

ROWS, COLUMNS = 16, 24
RATES = {0: -5.0, 12: -8.0}  # K/km


def world(n_days: int = 20, seed: int = 0, change: float = 0.0) -> xr.Dataset:
    """Input interpolated from coarse cells, target with a lapse rate of its own by night and by day.

    With `change`, the rate differs from time to time, too, and the coarse cells show it.
    """
    rng, ground = np.random.default_rng(seed), np.random.default_rng(7)
    cells_z = ground.uniform(0, 1500, (4, 5))
    z_in = fine_values(cells_z)
    z_tar = z_in + ground.normal(0, 300, (ROWS, COLUMNS))
    time = np.datetime64("2016-06-10", "ns") + np.arange(2 * n_days) * np.timedelta64(12, "h")
    hour = np.where(np.arange(2 * n_days) % 2, 12, 0)
    rate = np.array([RATES[h] for h in hour]) + change * rng.normal(size=2 * n_days)
    rate = rate[:, None, None] / 1000
    cells = (
        285
        + rng.normal(0, 4, (2 * n_days, 1, 1))
        + (0.3 if not change else 0) * rng.normal(size=(2 * n_days, 4, 5))
    )
    cells = cells + (rate * cells_z if change else -0.006 * cells_z)
    t_in = fine_values(cells)
    data = {"t2m_in": t_in, "t2m_tar": t_in + rate * (z_tar - z_in)}
    fields = {name: (("time", "lat", "lon"), v, {"units": "K"}) for name, v in data.items()}
    fields |= {n: (("lat", "lon"), GRAVITY * v) for n, v in {"z_in": z_in, "z_tar": z_tar}.items()}
    coords = {"time": time, "lat": 54.5 - 0.1 * np.arange(ROWS), "lon": 4 + 0.1 * np.arange(COLUMNS)}
    return xr.Dataset(fields, coords)


def rmse(forecast: xr.DataArray, ds: xr.Dataset) -> float:
    return float(((forecast - ds.t2m_tar) ** 2).mean() ** 0.5)


@pytest.fixture(scope="module")
def ci() -> dict[str, xr.Dataset]:
    return {split: read_tier1(split, size="ci") for split in ("training", "validation")}


@pytest.fixture(scope="module")
def fitted(ci) -> dict[str, b.Baseline]:
    return {name: m.fit(ci["training"]) for name, m in b.all_baselines(n_samples=2000).items()}


def test_fitted_rates_are_those_of_the_data():
    training = world()
    by_hour = b.LapseRate(by_hour=True).fit(training)
    assert by_hour.rates.sel(hour=[0, 12]).values == pytest.approx(list(RATES.values()), abs=1e-4)
    assert by_hour.parameters == 2
    assert rmse(by_hour.predict(world(seed=1)), world(seed=1)) < 1e-3
    one = b.LapseRate().fit(training)
    assert one.rates.values == pytest.approx(-6.5, abs=1e-4)
    assert one.parameters == 1


def test_a_given_rate_learns_nothing_and_is_applied():
    ds = world()
    given = b.LapseRate(-6.5).fit(ds)
    wanted = ds.t2m_in - 6.5 / 1000 * (ds.z_tar - ds.z_in) / GRAVITY
    np.testing.assert_allclose(given.predict(ds), wanted, atol=1e-4)
    assert given.parameters == 0
    with pytest.raises(BootcampError, match="by hour"):
        b.LapseRate(-6.5, by_hour=True)


def test_cubic_correction_interpolates_temperature_and_height_alike():
    """Where temperature is a function of height alone, the way of interpolation drops out."""
    ds = world()
    height = ds.z_in / GRAVITY / 1000
    ds["t2m_in"] = (280 - 6.5 * height).expand_dims(time=ds.time).transpose("time", "lat", "lon")
    straight, cubic = (b.LapseRate(-6.5, cubic=c).fit(ds).predict(ds) for c in (False, True))
    np.testing.assert_allclose(cubic, straight, atol=1e-4)
    assert np.abs(b.Bicubic().fit(ds).predict(ds) - ds.t2m_in).max() > 0.1


def test_bicubic_is_cubic_interpolation_of_the_cells():
    ds = world()
    wanted = fine_values(coarse_values(ds.t2m_in.values), order=3)
    np.testing.assert_allclose(b.Bicubic().fit(ds).predict(ds), wanted, atol=1e-4)
    with pytest.raises(BootcampError, match="not interpolated"):
        b.bicubic(ds.t2m_tar.values)


def test_rate_of_the_input_follows_the_air_mass():
    training, other = world(change=2.0), world(seed=1, change=2.0)
    local = b.LocalLapseRate().fit(training)
    assert local.constants[1] == pytest.approx(1, abs=0.1), "the shown rate is the true one here"
    fixed = b.LapseRate(by_hour=True).fit(training)
    assert rmse(local.predict(other), other) < 0.3 * rmse(fixed.predict(other), other)


def test_mean_correction_removes_a_constant_error_of_point_and_hour():
    ds = world()
    error = xr.DataArray(
        np.random.default_rng(2).normal(size=(2, ROWS, COLUMNS)), dims=("hour", "lat", "lon")
    )
    error = error.assign_coords(hour=[0, 12]).sel(hour=ds.time.dt.hour).drop_vars("hour")
    ds["t2m_tar"] = ds.t2m_in + error
    model = b.PointCorrection().fit(ds)
    np.testing.assert_allclose(model.predict(ds), ds.t2m_tar, atol=1e-4)
    assert model.parameters == 2 * ROWS * COLUMNS


@pytest.mark.parametrize(("flow", "pull"), [(False, 0.0), (True, 3.0)])
def test_point_regression_is_the_textbooks(flow, pull):
    training, other = world(n_days=24, change=1.0), world(n_days=3, seed=1, change=1.0)
    found = b.PointRegression(flow=flow, pull=pull).fit(training).predict(other)
    names = (MOMENT[0], *FLOW) if flow else (MOMENT[0],)
    i, j = 5, 17
    x, x_new = (
        np.stack([np.asarray(v)[:, i, j] for n, v in flow_features(ds) if n in names], -1).astype(float)
        for ds in (training, other)
    )
    for hour in (0, 12):
        m, q = (ds.time.dt.hour.values == hour for ds in (training, other))
        centre, size = x[m].mean(0), x[m].std(0) + 1e-6
        model = Ridge(pull) if pull else LinearRegression()
        y = (training.t2m_tar - training.t2m_in).values[m, i, j]
        wanted = model.fit((x[m] - centre) / size, y).predict((x_new[q] - centre) / size)
        np.testing.assert_allclose(found.values[q, i, j] - other.t2m_in.values[q, i, j], wanted, atol=2e-3)


def test_point_regression_wants_more_times_than_constants():
    with pytest.raises(BootcampError, match="constants a point"):
        b.PointRegression(flow=True).fit(world(n_days=9))


def test_all_of_them_are_complete_on_the_sample_and_most_beat_the_input(fitted, ci):
    ds = ci["validation"]
    scores = {}
    for name, model in fitted.items():
        forecast = model.predict(ds)
        assert forecast.dims == ("time", "lat", "lon")
        assert forecast.name == "t2m"
        assert forecast.attrs["units"] == "K"
        assert forecast.dtype == np.float32
        assert np.isfinite(forecast).all()
        scores[name] = rmse(forecast, ds)
    assert scores["bilinear"] == pytest.approx(rmse(ds.t2m_in, ds))
    assert all(score < scores["bilinear"] for name, score in scores.items() if name != "bilinear")
    assert max(s for n, s in scores.items() if n not in ("bilinear", "bicubic")) < 0.7 * scores["bilinear"]


@pytest.mark.parametrize("name", list(b.all_baselines()))
def test_the_target_of_a_forecast_is_not_looked_at(name, fitted, ci):
    ds = ci["validation"].isel(time=[0, 1])
    seen = fitted[name].predict(ds)
    np.testing.assert_array_equal(fitted[name].predict(ds.drop_vars("t2m_tar")), seen)
    alone = fitted[name].predict(ds.isel(time=[1]))
    np.testing.assert_allclose(alone, seen.isel(time=[1]), atol=1e-4, err_msg="nor at other times")


def test_features_have_names_and_leave_the_target_out(ci):
    ds = ci["validation"].drop_vars("t2m_tar")
    found = dict(flow_features(ds))
    assert tuple(found) == (*MOMENT, *FLOW)
    assert all(np.shape(v) == ds.t2m_in.shape for v in found.values())
    ground = ground_features(ds)
    assert tuple(ground) == GROUND
    assert 0.05 < ground["sea"].mean() < 0.5
    north = found["gradient to the north"]
    warmer_north = ds.assign(t2m_in=ds.t2m_in + 2 * (ds.lat - 50))  # K a degree
    raised = dict(flow_features(warmer_north))["gradient to the north"] - north
    np.testing.assert_allclose(raised, 1.6, atol=0.01, err_msg="a coarse cell has 0.8 degrees")


def test_the_flow_is_reduced_to_sea_level():
    ds = world(n_days=1)
    level = xr.DataArray([285.0, 289.0], {"time": ds.time}, ("time",))
    ds["t2m_in"] = (level - 6.5 / 1000 * ds.z_in / GRAVITY).transpose("time", "lat", "lon")
    found = dict(flow_features(ds))
    expected = {"lapse rate around": -6.5, "lapse rate of the domain": -6.5}
    expected |= dict.fromkeys(("warmer than the domain", "warmer than around"), 0)
    expected |= dict.fromkeys(("gradient to the north", "gradient to the east"), 0)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=1e-3, err_msg=name)
    np.testing.assert_allclose(found["temperature of the domain"][:, 0, 0], level, atol=1e-3)


def test_trees_use_the_flow_and_grow_alike_from_one_seed():
    training, other = world(n_days=40, change=2.0), world(seed=1, change=2.0)
    for kind in (b.RandomForest, b.BoostedTrees):
        first, again, second = (kind(8000, seed).fit(training).predict(other) for seed in (0, 0, 1))
        np.testing.assert_array_equal(first, again)
        assert np.abs(first - second).max() > 0
        assert rmse(first, other) < rmse(b.LapseRate(by_hour=True).fit(training).predict(other), other)


def test_trees_are_fitted_on_random_points_of_the_training():
    training = world()
    trees = b.BoostedTrees(500).fit(training)
    pick = trees.draw(training, 500)
    assert len(np.unique(pick)) == 500
    table = trees.table(training, pick)
    fields = trees.features(training)
    assert table.shape == (500, len(fields))
    column = list(fields).index("temperature")
    np.testing.assert_allclose(table[:, column], training.t2m_in.values.ravel()[pick], atol=1e-4)
    with pytest.raises(BootcampError):
        b.RandomForest(0)


@pytest.mark.parametrize("name", ["fitted rate, by hour", "mean correction, point", "regression, point"])
def test_an_hour_without_training_is_refused(name):
    model = b.all_baselines()[name].fit(world().isel(time=slice(0, None, 2)))
    with pytest.raises(BootcampError, match=r"no times at .*12"):
        model.predict(world())


def test_bad_input_is_refused():
    ds = world()
    model = b.LapseRate()
    with pytest.raises(BootcampError, match="not been fitted"):
        model.predict(ds)
    with pytest.raises(BootcampError, match="t2m_tar"):
        model.fit(ds.drop_vars("t2m_tar"))
    with pytest.raises(BootcampError, match="missing values"):
        model.fit(ds.assign(t2m_in=ds.t2m_in.where(ds.lat < 54)))
    with pytest.raises(BootcampError, match="dimensions"):
        model.fit(ds.assign(z_tar=ds.z_tar.expand_dims(time=ds.time)))
    with pytest.raises(BootcampError, match="Fitted on"):
        model.fit(ds).predict(ds.isel(lon=slice(0, 16)))
