"""Baselines of A4: counted, found again in data made of known constants, and never worse than raw."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy.integrate import quad
from scipy.optimize import approx_fprime
from scipy.stats import norm

from maelstrom_bootcamp.apps.ens10.baselines import (
    ClassicEmos,
    Climatology,
    Emos,
    LocalEmos,
    crps_and_slopes,
)
from maelstrom_bootcamp.apps.ens10.dataset import area_mean, read_members, read_truth
from maelstrom_bootcamp.errors import BootcampError


def world(n_dates=40, n_members=10, rows=4, columns=6, seed=0):
    """Members around a warm or cold mean whose spread differs from date to date, and a generator."""
    rng = np.random.default_rng(seed)
    shape = (n_dates, 1, rows, columns)
    mean, spread = 280 + 8 * rng.standard_normal(shape), rng.uniform(0.5, 2.0, shape)
    members = mean + spread * rng.standard_normal((n_dates, n_members, rows, columns))
    coords = {
        "time": np.datetime64("2000-01-01", "ns") + np.arange(n_dates) * np.timedelta64(9, "D"),
        "member": np.arange(1, n_members + 1),
        "latitude": np.linspace(60, -60, rows),
        "longitude": np.arange(columns) * 60.0,
    }
    return xr.DataArray(members, coords, tuple(coords), attrs={"units": "K"}), rng


def came_true(members, rng, mu, sigma):
    """A truth drawn from normal distributions, on the members' points."""
    return members.isel(member=0, drop=True).copy(data=mu + sigma * rng.standard_normal(mu.shape))


def crps(forecast, truth):
    found, _, _ = crps_and_slopes(forecast.mu, forecast.sigma, truth)
    return float(area_mean(found).mean())


def every_baseline(target="t2m"):
    return [
        Climatology(),
        Emos(target),
        Emos(target, tied=True),
        ClassicEmos(),
        ClassicEmos(tied=True),
        LocalEmos(),
        LocalEmos(season=True),
    ]


@pytest.mark.parametrize("y", [-1.3, 0.2, 4.0])
def test_crps_is_the_integral_and_the_slopes_are_its_slopes(y):
    mu, sigma = 0.4, 1.7
    below = quad(lambda t: norm.cdf(t, mu, sigma) ** 2, -40, y)[0]
    above = quad(lambda t: (1 - norm.cdf(t, mu, sigma)) ** 2, y, 40)[0]
    found, by_mu, by_sigma = crps_and_slopes(np.array(mu), np.array(sigma), np.array(y))
    assert found == pytest.approx(below + above, abs=1e-7)
    slopes = approx_fprime([mu, sigma], lambda p: float(crps_and_slopes(*np.array(p), y)[0]), 1e-7)
    np.testing.assert_allclose([by_mu, by_sigma], slopes, atol=1e-5)


@pytest.mark.parametrize(("n_members", "count"), [(10, 13), (5, 8)])
def test_emos_has_as_many_parameters_as_published(n_members, count):
    members, rng = world(n_members=n_members)
    truth = came_true(members, rng, members.mean("member").values, 1.0)
    for model in (Emos("t2m"), ClassicEmos()):
        assert model.fit(members, truth).parameters == count
    for model in (Emos("t2m", tied=True), ClassicEmos(tied=True)):
        assert model.fit(members, truth).parameters == 4
    assert LocalEmos().fit(members, truth).parameters == 4 * 4 * 6
    assert LocalEmos(season=True).fit(members, truth).parameters == 6 * 4 * 6
    assert Climatology().fit(members, truth).parameters == 4 * 4 * 6


def test_emos_knows_the_gradient_of_its_loss():
    members, rng = world()
    y = came_true(members, rng, members.mean("member").values + 0.5, 1.5).values
    model = Emos("t2m")
    terms, weight = model.terms(members), np.full(y.shape, 1 / y.size)
    p = rng.normal(0, 0.3, 13)
    slopes = approx_fprime(p, lambda p: model.loss(p, terms, y, weight)[0], 1e-6)
    np.testing.assert_allclose(model.loss(p, terms, y, weight)[1], slopes, rtol=1e-3, atol=1e-6)


def test_emos_finds_the_constants_that_made_the_truth():
    members, rng = world(n_dates=400)
    members["latitude"] = np.zeros(4) + np.arange(4)
    m, s = members.mean("member").values, members.std("member").values
    warmth = (m - 218) / 86
    truth = came_true(members, rng, m + s * (1.2 - 2 * warmth), 1.5 * s)
    model = Emos("t2m", tied=True).fit(members, truth)
    w, b, c, d = model.constants
    assert (w, b) == pytest.approx((-2, 1.2), abs=0.25)
    assert c + d * s.mean() / 86 == pytest.approx(np.log(1.5), abs=0.03)
    free = Emos("t2m").fit(members, truth)
    assert crps(free.predict(members), truth) <= crps(model.predict(members), truth) + 1e-6


def test_classic_emos_finds_the_constants_that_made_the_truth():
    members, rng = world(n_dates=400, n_members=4)
    weights = np.array([0.5, 0.3, 0.1, 0.05])
    mu = 15 + np.einsum("tmyx,m->tyx", members.values, weights)
    s = members.std("member", ddof=1).values
    model = ClassicEmos().fit(members, came_true(members, rng, mu, np.sqrt(0.3 + 0.6 * s**2)))
    np.testing.assert_allclose(model.weights, weights, atol=0.05)
    assert model.intercept == pytest.approx(15, abs=4)  # 280 K away from the data: 0.01 in the slope
    np.testing.assert_allclose(model.variance, (0.3, 0.6), atol=0.12)


def test_local_emos_finds_other_constants_at_each_point():
    members, rng = world(n_dates=900, rows=2, columns=3)
    m, s = members.mean("member").values, members.std("member", ddof=1).values
    bias, factor = rng.normal(0, 2, (2, 3)), rng.uniform(0.5, 2, (2, 3))
    phase = 2 * np.pi * (members.time.dt.dayofyear.values - 1) / 365.25
    truth = came_true(members, rng, m + bias + np.cos(phase)[:, None, None], factor * s)
    found = LocalEmos(season=True).fit(members, truth).predict(members)
    left = found.mu - members.mean("member") - np.cos(phase)[:, None, None]
    np.testing.assert_allclose(left.mean("time"), bias, atol=0.2)
    np.testing.assert_allclose((found.sigma / s).mean("time"), factor, rtol=0.12)
    plain = LocalEmos().fit(members, truth).predict(members)
    assert crps(found, truth) < 0.9 * crps(plain, truth), "the season is worth something here"


def test_local_emos_is_at_its_minimum():
    members, rng = world(n_dates=60, rows=2, columns=2)
    sigma = 1 + 0.5 * members.std("member").values  # far from the bounds of c and d
    truth = came_true(members, rng, members.mean("member").values - 1, sigma)
    model = LocalEmos().fit(members, truth)
    assert (model._factors[-2:] > 0.06).all()
    best = crps_and_slopes(*(model.predict(members)[n] for n in ("mu", "sigma")), truth)[0].mean("time")
    for i in range(4):
        for step in (-0.05, 0.05):
            model._factors[i] += step
            moved = model.predict(members)
            model._factors[i] -= step
            near = crps_and_slopes(moved.mu, moved.sigma, truth)[0].mean("time")
            assert (near > best - 1e-6).all(), "a neighbour is better"


@pytest.mark.parametrize("target", ["z500", "t850", "t2m"])
def test_all_are_better_than_raw_where_they_were_fitted(target):
    some = {"latitude": slice(None, None, 3), "longitude": slice(None, None, 4)}
    members, truth = read_members(target, "train").isel(some), read_truth(target, "train").isel(some)
    own = members[members.own]
    raw = xr.Dataset({"mu": own.mean("member"), "sigma": own.std("member")})
    climate, *others = every_baseline(target)
    for model in others:
        forecast = model.fit(members, truth).predict(members)
        assert crps(forecast, truth) < crps(raw, truth)
        assert forecast.mu.attrs["units"] == truth.attrs["units"] == own.units
        assert forecast.mu.dims == ("time", "latitude", "longitude")
        assert np.isfinite(forecast.mu).all()
        assert (forecast.sigma > 0).all()
    usual = climate.fit(members, truth).predict(members)
    assert crps(usual, truth) > crps(raw, truth), "48 h ahead, climatology is worse than a forecast"


def test_the_same_data_give_the_same_forecast_in_any_order_of_dimensions():
    members, rng = world()
    truth = came_true(members, rng, members.mean("member").values, 1.0)
    for model in every_baseline():
        turned = members.transpose("longitude", "member", "latitude", "time")
        first = model.fit(members, truth).predict(members)
        xr.testing.assert_identical(first, model.fit(turned, truth.transpose(..., "time")).predict(turned))


def test_climatology_finds_mean_wave_and_deviation_whatever_the_members():
    members, rng = world(n_dates=400)
    phase = 2 * np.pi * (members.time.dt.dayofyear.values - 1) / 365.25
    usual = np.broadcast_to((270 + 12 * np.sin(phase))[:, None, None], (400, 4, 6))
    found = Climatology().fit(members, came_true(members, rng, usual, 3.0)).predict(members + 50)
    assert abs(found.mu - usual).max() < 1.2
    np.testing.assert_allclose(found.sigma, 3.0, rtol=0.15)


def test_bad_input_is_named():
    members, rng = world()
    truth = came_true(members, rng, members.mean("member").values, 1.0)
    for model in every_baseline():
        with pytest.raises(BootcampError, match="has not been fitted"):
            model.predict(members)
        with pytest.raises(BootcampError, match="same points"):
            model.fit(members, truth.assign_coords(time=truth.time + np.timedelta64(1, "D")))
        with pytest.raises(BootcampError, match="truth has the dimensions"):
            model.fit(members, truth.isel(time=0))
        with pytest.raises(BootcampError, match="truth is missing"):
            model.fit(members, truth.where(truth.latitude > 0))
        with pytest.raises(BootcampError, match="members are missing"):
            model.fit(members.where(members.member > 1), truth)
        with pytest.raises(BootcampError, match="no spread"):
            model.fit(members.isel(member=[0]), truth)
        with pytest.raises(BootcampError, match="members have the dimensions"):
            model.fit(members.isel(member=0), truth)
        with pytest.raises(BootcampError, match="Fitted to"):
            model.fit(members, truth).predict(members.isel(member=slice(5)))
    with pytest.raises(BootcampError, match="own"):
        LocalEmos().fit(members.to_dataset(name="t2m"), truth)
    with pytest.raises(BootcampError, match="target"):
        Emos("rain")
    with pytest.raises(BootcampError, match="dates"):
        LocalEmos().fit(members.isel(time=slice(4)), truth.isel(time=slice(4)))
    with pytest.raises(BootcampError, match="dates"):
        Climatology().fit(members.isel(time=slice(3)), truth.isel(time=slice(3)))
