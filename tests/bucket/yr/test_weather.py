from __future__ import annotations

import itertools
from datetime import datetime

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from maelstrom_bootcamp.bucket.yr import weather
from maelstrom_bootcamp.bucket.yr.periods import MISSING, PERIODS, SPLITS, blocks, run_start


def test_hours_and_times_are_inverse() -> None:
    time = datetime(2021, 7, 10, 15)
    assert weather.time_of(weather.hour_of(time)) == time


def test_ornstein_uhlenbeck_has_unit_variance_and_its_decorrelation_time() -> None:
    x = weather.ornstein_uhlenbeck(np.random.default_rng(1), 200_000, tau=20)
    assert x.std() == pytest.approx(1, abs=0.05)
    assert np.corrcoef(x[:-20], x[20:])[0, 1] == pytest.approx(np.exp(-1), abs=0.05)


def test_archive_is_covered() -> None:
    last = max(d for split in PERIODS["full"].values() for d in split)
    assert weather.hour_of(run_start(last)) + 54 < weather.HOURS
    first = min(d for split in PERIODS["full"].values() for d in split)
    assert weather.hour_of(run_start(first)) > 24 * 10


def test_seasons_and_seeds() -> None:
    d = weather.drivers(0)
    july, january = (weather.hour_of(datetime(2021, m, 15)) for m in (7, 1))
    assert d.t850_climate[july] - d.t850_climate[january] > 14
    assert not np.allclose(d.t850, weather.drivers(1).t850)
    assert np.array_equal(weather.drivers.__wrapped__(0).t850, d.t850)


def test_travelling_field_travels_and_keeps_its_variance() -> None:
    x = np.arange(256) * 4000.0
    xx, yy = np.meshgrid(x, x)
    field = weather.travelling_field(0, "clouds", 100, xx, yy, 25e3)
    assert field.std() == pytest.approx(1, abs=0.25)
    shifted = weather.travelling_field(0, "clouds", 100, xx - 8000.0, yy, 25e3)
    assert np.allclose(shifted, np.roll(field, 2, axis=1), atol=1e-3)
    later = weather.travelling_field(0, "clouds", 101, xx, yy, 25e3)
    next_day = weather.travelling_field(0, "clouds", 124, xx, yy, 25e3)
    assert np.corrcoef(field.ravel(), later.ravel())[0, 1] > 0.9
    assert abs(np.corrcoef(field.ravel(), next_day.ravel())[0, 1]) < 0.5


def test_what_is_known_and_what_is_lost_add_up_and_small_scales_go_first() -> None:
    x = np.arange(256) * 4000.0
    xx, yy = np.meshgrid(x, x)
    kind = {"length": 25e3, "steepness": 0.75}
    whole = weather.travelling_field(0, "clouds", 100, xx, yy, **kind)
    known = weather.travelling_field(0, "clouds", 100, xx, yy, **kind, limit=10e3)
    other = weather.travelling_field(0, "run", 100, xx, yy, **kind, limit=10e3, lost=True)
    assert (known + other).var() == pytest.approx(whole.var(), rel=0.1)

    def coherence(scale: float) -> float:
        """Correlation of forecast and nature at one scale (cells of 4 km)."""
        band = [gaussian_filter(f, scale) - gaussian_filter(f, 2 * scale) for f in (whole, known + other)]
        return float(np.corrcoef(band[0].ravel(), band[1].ravel())[0, 1])

    assert coherence(8) > 0.9
    assert coherence(1) < 0.5


def test_inversions_are_a_matter_of_calm_winter_weather() -> None:
    d = weather.drivers(0)
    month = np.array([weather.time_of(h).month for h in range(0, weather.HOURS, 24)])
    strength, wind = d.inversion[::24], np.hypot(d.u, d.v)[::24]
    winter = np.isin(month, (12, 1, 2))
    assert 0.3 < (strength[winter] > 0.5).mean() < 0.8
    assert (strength[np.isin(month, (6, 7, 8))] > 0.5).mean() < 0.25
    assert 3 < np.quantile(strength[winter], 0.95) < 12
    assert wind[winter & (strength > 2)].mean() < wind[winter & (strength == 0)].mean()


def test_hidden_ground_forgets_within_the_gap_between_the_splits() -> None:
    h = weather.hidden_ground(0)
    lag = lambda days: np.corrcoef(h[:-days].ravel(), h[days:].ravel())[0, 1]  # noqa: E731
    assert lag(1) > 0.85
    assert lag(int(weather.MEMORY_DAYS)) == pytest.approx(np.exp(-1), abs=0.1)
    assert abs(lag(36)) < 0.15


def test_sun_is_in_the_south_at_noon_and_down_at_midnight() -> None:
    noon = weather.hour_of(datetime(2021, 6, 21, 11))
    height, azimuth = weather.solar_position(noon)
    assert np.degrees(np.arcsin(height)) == pytest.approx(90 - weather.LATITUDE_0 + 23.4, abs=1)
    assert np.degrees(azimuth) == pytest.approx(180, abs=6)
    assert weather.solar_position(noon + 12)[0] < 0
    morning = weather.solar_position(noon - 5)[1]
    assert np.degrees(morning) < 120


@pytest.mark.parametrize("size", PERIODS)
def test_splits_are_later_periods_with_gaps_beyond_the_memory(size: str) -> None:
    periods = PERIODS[size]
    for earlier, later in itertools.pairwise(SPLITS):
        gap = np.datetime64(min(periods[later])) - np.datetime64(max(periods[earlier]))
        assert gap > np.timedelta64(int(3 * weather.MEMORY_DAYS), "D")
    days = [d for split in SPLITS for d in periods[split]]
    assert len(days) == len(set(days))
    assert not set(days) & set(MISSING)
    assert sorted(d for b in blocks(size) for d in b) == sorted(days)


def test_sizes_of_the_test_period() -> None:
    assert len(PERIODS["default"]["test"]) >= 20
    assert len(PERIODS["full"]["test"]) >= 60
    months = {d[5:7] for d in PERIODS["full"]["test"]}
    assert {"07", "01"} <= months
