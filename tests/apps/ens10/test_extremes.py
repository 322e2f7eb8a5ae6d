"""EFI against numbers that are known: the ends, the middle, an integral; a climate that knows its seasons."""

# ruff: noqa: PD004  (xarray has notnull, not notna)

import itertools

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import integrate, stats

from maelstrom_bootcamp.apps.ens10 import extremes
from maelstrom_bootcamp.errors import BootcampError

GRID = {"latitude": [50.0, 0.0], "longitude": [0.0, 120.0, 240.0]}


def climate(distribution=stats.uniform):
    inner = distribution.ppf(extremes.LEVELS.clip(1e-4, 1 - 1e-4))
    return xr.DataArray(inner, {"quantile": extremes.LEVELS}, "quantile")


def index(values, **options):
    return float(extremes.efi(xr.DataArray(np.asarray(values, float), dims="member"), climate(**options)))


def forecasts(times, value, members=3, noise=0.0):
    """Members whose mean is `value` of the day of the year, everywhere."""
    times = pd.DatetimeIndex(times)
    rng = np.random.default_rng(0)
    base = np.asarray(value(times.dayofyear.values), float)[:, None, None, None]
    data = base + noise * rng.normal(size=(len(times), members, 2, 3))
    return xr.DataArray(data, {"time": times, **GRID}, ("time", "member", "latitude", "longitude"))


def test_ends_and_middle():
    assert index([2, 3, 4]) == pytest.approx(1)
    assert index([-2, -3]) == pytest.approx(-1)
    assert index([0.501] * 3 + [0.499] * 3) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("distribution", [stats.uniform, stats.norm])
def test_an_ensemble_like_the_climate_is_nothing_special(distribution):
    members = distribution.ppf((np.arange(1000) + 0.5) / 1000)
    assert index(members, distribution=distribution) == pytest.approx(0, abs=5e-3)


@pytest.mark.parametrize("values", [[0.13, 0.42, 0.42, 0.97], [0.6] * 5, [-1, 0.2, 2]])
def test_it_is_the_integral(values):
    share = [np.mean(np.asarray(values) < q) for q in climate().values]

    def integrand(angle):  # p = sin² angle takes the infinite ends away
        p = np.sin(angle) ** 2
        return (p - np.interp(p, extremes.LEVELS, share)) * 2

    kinks = np.arcsin(np.sqrt(extremes.LEVELS))
    parts = [integrate.quad(integrand, a, b)[0] for a, b in itertools.pairwise(kinks)]
    assert index(values) == pytest.approx(2 / np.pi * sum(parts), abs=1e-9)


def test_higher_members_have_a_higher_index():
    found = [index(np.linspace(0, 1, 10) + shift) for shift in (-0.6, -0.3, 0, 0.3, 0.6)]
    assert (np.diff(found) > 0.1).all()


def test_missing_members_and_other_points():
    members = xr.DataArray([[0.1, np.nan], [0.2, 0.3]], {"x": [0, 1]}, ("member", "x"))
    found = extremes.efi(members, climate().expand_dims(x=[0, 1]))
    assert found.notnull().to_numpy().tolist() == [True, False]
    with pytest.raises(BootcampError, match="differ"):
        extremes.efi(members, climate().expand_dims(x=[0, 2]))


def test_the_climate_knows_the_season():
    times = pd.date_range("2000-01-03", "2003-12-28", freq="7D")
    warm = forecasts(times, lambda day: 10 * np.cos(2 * np.pi * (day - 1) / 365.25), noise=1)
    asked = xr.DataArray(pd.to_datetime(["2016-01-01", "2016-04-01", "2016-07-01"]), dims="time")
    found = extremes.model_climate(warm, asked)
    assert found.dims == ("time", "quantile", "latitude", "longitude")
    np.testing.assert_allclose(found.sel(quantile=0.5, method="nearest").mean(GRID), [10, 0, -10], atol=0.4)
    # A month to both sides of 1 April has seasons from +5 to -5 in it, and they are not in the climate.
    middle = found.isel(time=1, quantile=[5, 15]).mean(list(GRID))
    assert float(middle[1] - middle[0]) == pytest.approx(2 * 0.674, abs=0.25)


def test_the_window_goes_round_the_year_and_no_further():
    times = pd.to_datetime(["2000-12-25", "2001-01-05", "2001-03-20", "2001-07-01", "2001-09-20"])
    values = {360: 7.0, 5: 9.0}
    raw = forecasts(times, lambda day: [values.get(d, 500.0) for d in day])
    asked = xr.DataArray(pd.to_datetime(["2016-01-01"]), dims="time")
    wide = extremes.model_climate(raw, asked, window=200)
    near = extremes.model_climate(raw, asked, window=10)
    assert float(near.max() - near.min()) < float(wide.max() - wide.min()) / 5
    with pytest.raises(BootcampError, match="Widen"):
        extremes.model_climate(raw, asked, window=2)


@pytest.mark.parametrize("levels", [[0, 0.5], [0.1, 1], [0, 0.6, 0.5, 1], [[0, 1]]])
def test_bad_levels(levels):
    raw = forecasts(["2000-01-01"], lambda day: 0.0 * day)
    with pytest.raises(BootcampError, match="rise from 0 to 1"):
        extremes.model_climate(raw, raw["time"], levels=np.array(levels))


def test_eecrps_weighs_both_ends_alike():
    crps = xr.DataArray([1.0, 2.0, 3.0], {"x": [0, 1, 2]}, "x")
    efi = xr.DataArray([-0.5, 0.0, 1.0], {"x": [0, 1, 2]}, "x")
    assert extremes.eecrps(crps, efi).values.tolist() == [0.5, 0, 3]
    with pytest.raises(BootcampError, match="same dates"):
        extremes.eecrps(crps, efi.assign_coords(x=[1, 2, 3]))
