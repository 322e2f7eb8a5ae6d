"""Forecasts made rough: as rough as they should be, at the price that theory says."""

import numpy as np
import pytest
import xarray as xr

from maelstrom_bootcamp.apps.downscaling import controls
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.verify import spatial

PLANE = ("lat", "lon")


def noise(seed, n=60, rows=24, columns=32):
    grid = {
        "time": np.datetime64("2020-05-01", "ns") + np.arange(n) * np.timedelta64(12, "h"),
        "lat": 50 - 0.1 * np.arange(rows),
        "lon": 4 + 0.1 * np.arange(columns),
    }
    values = np.random.default_rng(seed).standard_normal((n, rows, columns))
    return xr.DataArray(values, grid, ("time", *PLANE))


@pytest.fixture(scope="module")
def mean_and_truth():
    """A forecast that knows 64 % of the variance, and what comes true; first half to learn from."""
    known = 0.8 * noise(1) + 280
    return known, known + 0.6 * noise(2)


def mse(a, b):
    return float(((a - b) ** 2).mean())


def test_inflated(mean_and_truth):
    forecast, truth = (field.isel(time=slice(30, None)) for field in mean_and_truth)
    inflation = controls.Inflation().fit(*(field.isel(time=slice(30)) for field in mean_and_truth))
    np.testing.assert_allclose(inflation.gains, 1 / 0.8, rtol=0.15)
    rough = inflation.apply(forecast)
    options = {"spacing": spatial.spacing_of_degrees(truth), "plane": PLANE}
    assert float(spatial.spectral_error(forecast, truth, **options)) == pytest.approx(-0.36, abs=0.03)
    assert float(spatial.spectral_error(rough, truth, **options)) == pytest.approx(0, abs=0.05)
    assert mse(forecast, truth) == pytest.approx(0.36, rel=0.03)
    assert mse(rough, truth) == pytest.approx(2 * (1 - 0.8), rel=0.05)
    np.testing.assert_allclose(rough.mean(PLANE), forecast.mean(PLANE), rtol=1e-12)
    np.testing.assert_allclose(inflation.apply(forecast, power=0), forecast)


def test_mountains_are_not_inflated(mean_and_truth):
    hills = 5 * noise(7, n=1).isel(time=0, drop=True)
    forecast, truth = (field + hills for field in mean_and_truth)
    inflation = controls.Inflation().fit(forecast, truth)
    np.testing.assert_allclose(inflation.gains, 1 / 0.8, rtol=0.15)
    extra = inflation.apply(forecast) - forecast
    assert float(abs(extra.mean("time")).max()) < 1e-9
    assert float(extra.std()) == pytest.approx(0.25 * 0.8, rel=0.15)


def test_dressed(mean_and_truth):
    forecast, truth = (field.isel(time=slice(30, None)) for field in mean_and_truth)
    errors = (mean_and_truth[1] - mean_and_truth[0]).isel(time=slice(30))
    one, two = (controls.dress(forecast, errors, seed) for seed in (0, 1))
    assert float(one.std()) == pytest.approx(float(truth.std()), rel=0.02)
    assert mse(one, truth) == pytest.approx(2 * 0.36, rel=0.05)
    assert mse((one + two) / 2, truth) == pytest.approx(1.5 * 0.36, rel=0.05)
    assert one.equals(controls.dress(forecast, errors, 0))


def test_dressed_by_errors_of_the_same_hour(mean_and_truth):
    forecast, _ = mean_and_truth
    hour = forecast["time"].dt.hour
    dressed = controls.dress(forecast, xr.ones_like(forecast) * hour)
    np.testing.assert_allclose(dressed - forecast, xr.ones_like(forecast) * hour, atol=1e-9)


def test_mistakes_name_their_cure(mean_and_truth):
    forecast, truth = mean_and_truth
    for call in (
        lambda: controls.dress(forecast, truth.isel(lat=slice(5))),
        lambda: controls.dress(forecast, truth.isel(time=slice(0, None, 2))),
        lambda: controls.Inflation().fit(forecast, truth.isel(time=slice(5))),
        lambda: controls.Inflation().fit(forecast, truth).apply(forecast.isel(lat=slice(5))),
        lambda: (
            controls.Inflation()
            .fit(*(field.isel(time=slice(0, None, 2)) for field in mean_and_truth))
            .apply(forecast)
        ),
    ):
        with pytest.raises(BootcampError) as caught:
            call()
        assert caught.value.cure
