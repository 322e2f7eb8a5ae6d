"""Histograms and reliability: forecasts whose faults are known have to be found out."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.verify import calibration, ensemble

POINTS = 30


def dates(n):
    return np.datetime64("2016-01-01", "ns") + np.arange(n) * np.timedelta64(10, "D")


def reliable(n=60, members=9, spread=1.0, shared=0.0, seed=0):
    """Members and truth; `shared`: the part of the scatter that all points of a date have in common."""
    rng = np.random.default_rng(seed)

    def scatter(*shape):
        own = np.sqrt(1 - shared) * rng.normal(size=(*shape, POINTS))
        return own + np.sqrt(shared) * rng.normal(size=(*shape, 1))

    truth = xr.DataArray(scatter(n), {"time": dates(n)}, ("time", "x"))
    raw = xr.DataArray(spread * scatter(n, members), {"time": dates(n)}, ("time", "member", "x"))
    return raw, truth


def pit(truth, sigma=1.0, mu=0.0):
    return ensemble.pit_normal(0 * truth + mu, 0 * truth + sigma, truth)


def test_a_reliable_ensemble_is_flat():
    found = calibration.rank_histogram(*reliable())
    assert found.bin.values.tolist() == list(range(10))
    assert float(found.share.sum()) == pytest.approx(1)
    assert calibration.flatness(found).flat
    assert calibration.flatness(found).deviation < 0.15


def test_a_narrow_ensemble_is_u_shaped():
    found = calibration.rank_histogram(*reliable(spread=0.5))
    assert (found.low[[0, -1]] > 0.1).all()
    assert found.share[5] < 0.1
    assert not calibration.flatness(found).flat


@pytest.mark.parametrize(
    ("options", "shape"), [({"sigma": 0.5}, "u"), ({"sigma": 2}, "hump"), ({"mu": 1}, "slope")]
)
def test_pit_of_a_wrong_distribution(options, shape):
    _, truth = reliable()
    found = calibration.pit_histogram(pit(truth, **options)).share.values
    ends, middle = found[[0, -1]], found[4:6].mean()
    assert {"u": ends.min() > middle, "hump": ends.max() < middle, "slope": ends[0] > middle > ends[1]}[shape]


def test_pit_shares_are_those_of_the_distribution():
    _, truth = reliable(n=400)
    found = calibration.pit_histogram(pit(truth, sigma=0.5), bins=4).share
    edge = 0.5 * stats.norm.ppf(0.25)
    np.testing.assert_allclose(
        found,
        [stats.norm.cdf(edge), 0.5 - stats.norm.cdf(edge)] * 1
        + [0.5 - stats.norm.cdf(edge), stats.norm.cdf(edge)],
        atol=0.015,
    )


def test_the_interval_knows_that_points_of_a_date_are_alike():
    alone = calibration.pit_histogram(pit(reliable()[1]), bins=2)
    alike = calibration.pit_histogram(pit(reliable(shared=0.9)[1]), bins=2)
    width = lambda h: float((h.high - h.low).mean())  # noqa: E731
    assert width(alike) > 3 * width(alone)


def test_joint_intervals_hold_what_they_promise():
    # 100 worlds of 40 dates of which all points are alike: the truth is flat, and found not to be so rarely.
    flat = [
        calibration.flatness(
            calibration.pit_histogram(pit(reliable(40, 1, shared=0.5, seed=s)[1]), bins=5, block=1)
        ).flat
        for s in range(60)
    ]
    assert sum(flat) >= 53


def test_weights_and_missing_values():
    values = xr.DataArray([[0.1, 0.9], [0.1, np.nan], [0.1, 0.9], [0.1, 0.9]], dims=("time", "x"))
    weights = xr.DataArray([3.0, 1.0], dims="x")
    found = calibration.pit_histogram(values, weights, bins=2, block=1)
    assert float(found.share[0]) == pytest.approx((3 * 0.75 + 1) / 4)


def test_the_ends_of_the_scale_count():
    values = xr.DataArray([[0.0, 1.0]] * 4, dims=("time", "x"))
    assert calibration.pit_histogram(values, bins=4, block=1).share.values.tolist() == [0.5, 0, 0, 0.5]


def test_bad_histograms():
    values = xr.DataArray(np.full((4, 2), 0.5), dims=("time", "x"))
    with pytest.raises(BootcampError, match="Use two"):
        calibration.pit_histogram(values, bins=1)
    with pytest.raises(BootcampError, match="'time'"):
        calibration.pit_histogram(values.isel(time=0))
    with pytest.raises(BootcampError, match="date has no value"):
        calibration.pit_histogram(values.where(values.time > 0))
    with pytest.raises(BootcampError, match="two blocks"):
        calibration.pit_histogram(values, block=3)


def test_event_reliability_of_an_honest_and_of_a_boasting_forecast():
    rng = np.random.default_rng(0)
    p = xr.DataArray(rng.uniform(size=(80, POINTS)), {"time": dates(80)}, ("time", "x"))
    came = p > rng.uniform(size=p.shape)
    found = calibration.event_reliability(p, came, bins=5)
    assert ((found.low <= found.probability) & (found.probability <= found.high)).sum() >= 4
    np.testing.assert_allclose(found.share, 0.2, atol=0.03)
    np.testing.assert_allclose(found.probability, [0.1, 0.3, 0.5, 0.7, 0.9], atol=0.02)
    boasts = calibration.event_reliability((p > 0.5) * 1.0, came, bins=5)
    assert boasts.share[0] + boasts.share[4] == 1
    assert boasts.frequency[4] == pytest.approx(0.75, abs=0.03)
    assert boasts.high[4] < 1
    assert np.isnan(boasts.frequency[2])


def test_event_reliability_with_a_date_unknown_and_too_few_cases():
    p = xr.DataArray(np.full((8, 2), 0.5), {"time": dates(8)}, ("time", "x"))
    p[0] = 0.95
    known = xr.ones_like(p).where(p.time > dates(2)[1])
    found = calibration.event_reliability(p, known, bins=2)
    assert np.isnan(found.low).values.tolist() == [True, False]
    assert found.frequency[1] == 1
    assert float(found.probability[1]) == 0.5  # the first two dates are unknown
