"""RRTMG as it is called here: the laws it has to keep, the noise of its draws, its bad inputs."""

from __future__ import annotations

import numpy as np
import pytest

from maelstrom_bootcamp.bucket.radiation.solver import BLOCK, FLUXES, heating_rate, solve
from maelstrom_bootcamp.errors import BootcampError

SIGMA = 5.670374e-8  # W/(m² K⁴)


@pytest.fixture(scope="module")
def cloudy(air):
    """24 lit columns with broken clouds."""
    broken = ((air.cloud_fraction > 0.05) & (air.cloud_fraction < 0.95)).any("level")
    return air.isel(column=np.flatnonzero(broken & (air.cos_solar_zenith_angle > 0.3))[:24])


def test_sunlight_comes_in_as_astronomy_says(air, fluxes):
    incoming = (air.cos_solar_zenith_angle * air.solar_irradiance).values
    assert np.allclose(fluxes.flux_dn_sw.values[:, 0], incoming, rtol=1e-12)
    night = incoming == 0
    assert 0.3 < night.mean() < 0.7
    for name in ("flux_dn_sw", "flux_up_sw", "flux_dn_sw_clear"):
        assert not fluxes[name].values[night].any()


def test_no_flux_of_sunlight_exceeds_what_comes_in_and_none_is_negative(fluxes):
    top = fluxes.flux_dn_sw.values[:, :1]
    down, up = fluxes.flux_dn_sw.values, fluxes.flux_up_sw.values
    assert down.min() >= 0
    assert up.min() >= 0
    # Between clouds and bright ground light goes to and fro: a few per cent more than what came in.
    assert (down <= 1.1 * top + 1e-9).all()
    assert (up <= down + 1e-6).all()


def test_ground_radiates_as_a_grey_body(air, fluxes):
    emissivity = air.lw_emissivity.values
    black = SIGMA * air.skin_temperature.values**4
    up, down = fluxes.flux_up_lw.values[:, -1], fluxes.flux_dn_lw.values[:, -1]
    low, high = emissivity.min(1), emissivity.max(1)
    assert (up > 0.995 * (low * black + (1 - low) * down)).all()
    assert (up < 1.005 * (high * black + (1 - high) * down)).all()
    warmest = np.maximum(air.temperature_hl.max("half_level"), air.skin_temperature).values
    assert (fluxes.flux_up_lw.values.max(1) < SIGMA * warmest**4 * 1.001).all(), "no flux beats a black body"
    assert not fluxes.flux_dn_lw.values[:, 0].any()


def test_global_budget_is_near_that_of_the_earth(fluxes):
    mean = fluxes.mean("column")
    assert 220 < mean.flux_up_lw[0] < 260  # about 240 W/m² in reality
    assert 310 < mean.flux_dn_lw[-1] < 370  # about 345
    assert 0.25 < mean.flux_up_sw[0] / mean.flux_dn_sw[0] < 0.40  # about 0.29
    assert mean.flux_up_lw_clear[0] > mean.flux_up_lw[0] + 10, "clouds keep longwave in"
    assert mean.flux_up_sw_clear[0] < mean.flux_up_sw[0] - 20, "and sunlight out"


def test_heating_rate_is_that_of_a_layer_that_keeps_one_watt():
    rate = heating_rate(np.array([1.0, 0.0]), np.zeros(2), np.array([0.0, 1004.0]))
    assert rate == pytest.approx(9.80665 / 1004 * 86_400 / 1004)
    from_below = heating_rate(np.zeros(2), np.array([0.0, 1.0]), np.array([0.0, 1004.0]))
    assert from_below == pytest.approx(rate), "light that comes up and stays heats, too"
    assert heating_rate(np.array([3.0, 3.0]), np.array([1.0, 1.0]), np.array([1.0, 2.0])) == 0


def test_clear_columns_need_no_draws(air):
    clear = air.isel(column=slice(0, 6)).assign(cloud_fraction=air.cloud_fraction[:6] * 0)
    one, many = solve(clear), solve(clear, draws_sw=3, draws_lw=3)
    for name in FLUXES:
        assert np.array_equal(one[name], many[name])
        assert np.array_equal(one[name], one[f"{name}_clear"])
        assert not many[f"{name}_sd"].any()
    assert not many.hr_sw_sd.any()


def test_draws_scatter_about_one_mean_and_their_spread_says_how_much(cloudy):
    a = solve(cloudy, draws_sw=48, draws_lw=48, seed=1, first=True)
    b = solve(cloudy, draws_sw=48, draws_lw=48, seed=2)
    for name, level in (("flux_dn_sw", -1), ("flux_up_sw", 0), ("flux_dn_lw", -1), ("flux_up_lw", 0)):
        error = np.hypot(a[f"{name}_sd"], b[f"{name}_sd"]).values[:, level] / np.sqrt(48)
        z = (a[name] - b[name]).values[:, level] / np.maximum(error, 1e-6)
        assert 0.6 < np.sqrt(np.mean(z**2)) < 1.5, name
        first = (a[f"{name}_first"] - b[name]).values[:, level] / np.maximum(
            b[f"{name}_sd"].values[:, level], 1e-6
        )
        assert 0.5 < np.sqrt(np.mean(first**2)) < 2.0, name
    assert a.flux_dn_sw_sd.values[:, -1].max() > 5
    assert a.attrs == {"draws_sw": 48, "draws_lw": 48}


def test_seed_decides_and_numpy_s_own_generator_is_left_alone(cloudy):
    np.random.seed(5)  # noqa: NPY002
    expected = np.random.random(3)  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    one = solve(cloudy, draws_sw=2, seed=3)
    assert np.array_equal(np.random.random(3), expected)  # noqa: NPY002
    assert one.identical(solve(cloudy, draws_sw=2, seed=3))
    assert not np.array_equal(one.flux_dn_sw, solve(cloudy, draws_sw=2, seed=4).flux_dn_sw)


def test_columns_that_come_later_change_nothing(air):
    long = solve(air.isel(column=slice(0, BLOCK + 8)))
    assert np.array_equal(long.flux_dn_lw[:BLOCK], solve(air.isel(column=slice(0, BLOCK))).flux_dn_lw)


def test_sunlight_is_in_proportion_to_the_sun(cloudy):
    brighter = cloudy.assign(solar_irradiance=cloudy.solar_irradiance * 1.03)
    assert np.allclose(solve(brighter).flux_dn_sw, 1.03 * solve(cloudy).flux_dn_sw, rtol=1e-6)


@pytest.mark.parametrize("name", ["q", "pressure_hl", "aerosol_mmr"])
def test_columns_that_lack_something_are_refused(air, name):
    part = air.isel(column=slice(0, 2))
    with pytest.raises(BootcampError, match=name):
        solve(part.drop_vars(name))
    spoilt = part[name].values.copy()
    spoilt.flat[3] = np.nan
    with pytest.raises(BootcampError, match=name):
        solve(part.assign({name: (part[name].dims, spoilt)}))


def test_no_draws_are_refused(air):
    with pytest.raises(BootcampError, match="at least 1"):
        solve(air, draws_lw=0)


def test_one_band_alone_is_the_same_as_with_the_other(cloudy):
    both = solve(cloudy, draws_lw=2)
    for band in ("sw", "lw"):
        alone = solve(cloudy, draws_lw=2, bands=(band,))
        assert set(alone) == {name for name in both if f"_{band}" in name}
        assert all(np.array_equal(alone[name], both[name]) for name in alone)
    for wrong in ((), ("uv",)):
        with pytest.raises(BootcampError, match="no bands"):
            solve(cloudy, bands=wrong)
