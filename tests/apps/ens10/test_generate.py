"""Members drawn from a normal forecast have its margins; coupled ones have the raw members' ranks."""

import numpy as np
import pytest
import xarray as xr

from maelstrom_bootcamp.apps.ens10.generate import couple, draw_members, quantile_members
from maelstrom_bootcamp.errors import BootcampError

DIMS = ("time", "latitude", "longitude")


@pytest.fixture
def forecast():
    rng = np.random.default_rng(0)
    mu = xr.DataArray(rng.normal(280, 10, (4, 3, 5)).astype("f4"), dims=DIMS)
    return xr.Dataset({"mu": mu, "sigma": mu * 0 + 2})


@pytest.fixture
def raw():
    """Members with a smooth pattern each: neighbours rise and fall together."""
    rng = np.random.default_rng(1)
    pattern = rng.normal(size=(4, 6, 1, 1)) * np.ones((1, 1, 3, 5)) + 0.01 * rng.normal(size=(4, 6, 3, 5))
    return xr.DataArray(pattern, dims=("time", "member", *DIMS[1:]), coords={"member": np.arange(1, 7)})


def test_drawn_members_have_the_margins_of_the_forecast(forecast):
    members = draw_members(forecast, 2000, seed=3)
    assert members.dims == ("member", *DIMS)
    z = (members - forecast["mu"]) / forecast["sigma"]
    assert abs(z.mean("member")).max() < 5 / np.sqrt(2000)
    assert abs(z.std("member") - 1).max() < 5 / np.sqrt(4000)
    assert not np.array_equal(members, draw_members(forecast, 2000, seed=4))


def test_quantile_members(forecast):
    z = (quantile_members(forecast, 3) - forecast["mu"]) / forecast["sigma"]
    np.testing.assert_allclose(z.isel(time=0, latitude=0, longitude=0), [-0.6745, 0, 0.6745], atol=1e-4)


def test_coupling_keeps_the_values_of_each_point_and_takes_the_ranks(forecast, raw):
    members = draw_members(forecast, 6)
    coupled = couple(members, raw)
    assert coupled.dims == raw.dims
    values = members.transpose(*raw.dims).values
    np.testing.assert_array_equal(np.sort(coupled.values, 1), np.sort(values, 1))
    np.testing.assert_array_equal(coupled.values.argsort(1), raw.values.argsort(1))


def test_coupling_gives_the_area_mean_its_spread_back(forecast, raw):
    drawn = draw_members(forecast, 6)
    wide, narrow = (
        m.mean(("latitude", "longitude")).std("member", ddof=1).mean() for m in (couple(drawn, raw), drawn)
    )
    assert wide > 2 * narrow, "15 independent points make the mean's spread about 4 times too small"


@pytest.mark.parametrize("members", [0, 2.5, True])
def test_no_such_number_of_members(forecast, members):
    with pytest.raises(BootcampError, match="cannot be drawn"):
        draw_members(forecast, members)


def test_bad_input(forecast, raw):
    with pytest.raises(BootcampError, match="normal forecast"):
        draw_members(raw, 3)
    with pytest.raises(BootcampError, match="new members"):
        couple(draw_members(forecast, 5), raw)
    with pytest.raises(BootcampError, match="no members"):
        couple(forecast, raw)
    with pytest.raises(BootcampError, match="Missing"):
        couple(draw_members(forecast, 6).where(forecast["mu"] > forecast["mu"].min()), raw)
