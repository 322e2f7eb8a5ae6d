"""Scores of probabilities against numbers that are known from elsewhere."""

import numpy as np
import pytest
import xarray as xr
from scipy import integrate, stats

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.verify import ensemble, scores

AREA = xr.DataArray([1.0, 3.0], {"latitude": [60.0, 0.0]}, "latitude")


def field(values, dims=("time", "latitude", "longitude")):
    return xr.DataArray(np.asarray(values, float), dims=dims)


def world(spread=1.0, members=10, n=200, shift=0.0, seed=0):
    """Truth and members from the same normal distribution, but for spread and shift of the members."""
    rng = np.random.default_rng(seed)
    centre = rng.normal(0, 3, (n, 2, 4))
    truth = field(centre + rng.normal(size=centre.shape)).assign_coords(latitude=[60.0, 0.0])
    drawn = centre[:, None] + spread * rng.normal(size=(n, members, 2, 4)) + shift
    raw = field(drawn, ("time", "member", "latitude", "longitude")).assign_coords(latitude=[60.0, 0.0])
    return raw, truth


@pytest.mark.parametrize(("mu", "sigma", "truth"), [(0, 1, 0), (1, 2, -3), (5, 0.3, 5.5)])
def test_crps_normal_is_the_integral_that_defines_it(mu, sigma, truth):
    cdf = stats.norm(mu, sigma).cdf
    known = integrate.quad(lambda x: cdf(x) ** 2, mu - 40, truth)[0]
    known += integrate.quad(lambda x: (1 - cdf(x)) ** 2, truth, mu + 40)[0]
    found = ensemble.crps_normal(field([mu], "x"), field([sigma], "x"), field([truth], "x"))
    assert float(found) == pytest.approx(known, rel=1e-6)


def test_crps_normal_keeps_dimensions_and_leaves_out_what_is_missing():
    mu, sigma = field([0, 0, 1], "x"), field([1, 1, np.nan], "x")
    truth = field([0, np.nan, 0], "x")
    each = ensemble.crps_normal(mu, sigma, truth, [])
    assert each.notnull().values.tolist() == [True, False, False]
    assert float(ensemble.crps_normal(mu, sigma, truth)) == float(each[0])


def test_crps_of_many_members_is_that_of_their_distribution():
    members = field(stats.norm(2, 3).ppf((np.arange(4000) + 0.5) / 4000)[:, None], ("member", "x"))
    truth, normal = field([4], "x"), xr.Dataset({"mu": field([2], "x"), "sigma": field([3], "x")})
    raw = float(ensemble.crps(members, truth))
    assert raw == float(scores.crps_ensemble(members, truth))
    assert raw == pytest.approx(float(ensemble.crps(normal, truth)), abs=1e-3)


@pytest.mark.parametrize("sigma", [0.0, -1.0])
def test_a_normal_distribution_needs_a_width(sigma):
    one = field([0], "x")
    with pytest.raises(BootcampError, match="not above 0"):
        ensemble.crps_normal(one, one + sigma, one)


def test_other_forecasts_are_refused():
    one = field([0], "x")
    for bad in (one, xr.Dataset({"mu": one})):
        with pytest.raises(BootcampError, match="neither"):
            ensemble.crps(bad, one)
    with pytest.raises(BootcampError, match="no spread"):
        ensemble.moments(one.expand_dims(member=1))
    with pytest.raises(BootcampError, match="no members"):
        ensemble.ranks(xr.Dataset({"mu": one, "sigma": one + 1}), one)


def test_pit_normal():
    found = ensemble.pit_normal(
        field([0, 0, 1], "x"), field([1, 1, 1], "x"), field([0, 1.959964, np.nan], "x")
    )
    np.testing.assert_allclose(found, [0.5, 0.975, np.nan], atol=1e-6)


def test_ranks_count_the_members_below():
    members = field([[1, 1, 1], [2, 2, np.nan], [3, 3, 3]], ("member", "x"))
    assert ensemble.ranks(members, field([0.5, 2.5, 2.5], "x")).values.tolist()[:2] == [0, 2]
    assert np.isnan(ensemble.ranks(members, field([0.5, 2.5, 2.5], "x"))[2])


def test_ties_are_drawn_evenly():
    # No rain in any member and none in truth: the rank may be any, not always the first.
    members = field(np.zeros((3, 4000)), ("member", "x"))
    found = ensemble.ranks(members, field(np.zeros(4000), "x"), seed=1)
    assert np.bincount(found.values.astype(int)) == pytest.approx(np.full(4, 1000), abs=120)
    assert found.equals(ensemble.ranks(members, field(np.zeros(4000), "x"), seed=1))


@pytest.mark.parametrize("members", [2, 5, 10])
def test_spread_of_a_reliable_ensemble_is_its_error_whatever_its_size(members):
    raw, truth = world(members=members, n=1500)
    assert float(ensemble.spread_error(raw, truth).ratio) == pytest.approx(1, abs=0.02)


def test_spread_that_is_half_as_large():
    raw, truth = world(spread=0.5, n=1500)
    # error² = 1 + 0.25 / 10, spread² = 0.25 * 11 / 10
    assert float(ensemble.spread_error(raw, truth).ratio) == pytest.approx(np.sqrt(0.275 / 1.025), abs=0.02)


def test_spread_error_of_a_normal_forecast_by_latitude_and_area():
    truth = field([[[3.0], [1.0]]]).assign_coords(latitude=[60.0, 0.0])
    normal = xr.Dataset({"mu": 0 * truth, "sigma": truth.copy(data=[[[3.0], [2.0]]])})
    by_row = ensemble.spread_error(normal, truth, ["time", "longitude"])
    assert by_row.ratio.values.tolist() == [1, 2]
    found = ensemble.spread_error(normal, truth, weights=AREA)
    assert float(found.error**2) == pytest.approx((9 + 3 * 1) / 4)
    assert float(found.spread**2) == pytest.approx((9 + 3 * 4) / 4)


def test_spread_error_bins_find_what_the_spread_knows():
    rng = np.random.default_rng(0)
    sigma = field(rng.uniform(0.5, 4, (500, 2, 4)))
    normal = xr.Dataset({"mu": 0 * sigma, "sigma": sigma})
    truth = sigma * rng.normal(size=sigma.shape)
    found = ensemble.spread_error_bins(normal, truth, bins=5)
    assert (np.diff(found.spread) > 0).all()
    np.testing.assert_allclose(found.error, found.spread, rtol=0.1)
    blind = ensemble.spread_error_bins(normal, field(rng.normal(size=sigma.shape)), bins=5)
    np.testing.assert_allclose(blind.error, 1, rtol=0.1)


def test_spread_error_bins_with_equal_spreads_and_too_few_cases():
    truth = field(np.ones((4, 1, 1)))
    normal = xr.Dataset({"mu": 0 * truth, "sigma": truth})
    assert ensemble.spread_error_bins(normal, truth, bins=2).error.values.tolist() == [1, 1]
    with pytest.raises(BootcampError, match="fewer classes"):
        ensemble.spread_error_bins(normal, truth, bins=5)


def test_probability_above():
    members = field([[1, 1], [2, 2], [3, np.nan], [4, 4]], ("member", "x"))
    np.testing.assert_array_equal(ensemble.probability_above(members, 2.0), [0.5, np.nan])
    normal = xr.Dataset({"mu": field([1, 1], "x"), "sigma": field([2, 2], "x")})
    found = ensemble.probability_above(normal, field([1, 3], "x"))
    np.testing.assert_allclose(found, [0.5, 1 - stats.norm.cdf(1)])


def test_weights_need_dimensions_of_the_field():
    with pytest.raises(BootcampError, match="weights"):
        ensemble.like(AREA, field([0, 0], "x"))
