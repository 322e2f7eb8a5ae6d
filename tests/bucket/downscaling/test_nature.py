"""Physics of the runs, coarsening, and what the predictors of tier 2 are."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest

from maelstrom_bootcamp.bucket.downscaling import coarsen, nature, predictors, terrain, weather
from maelstrom_bootcamp.bucket.downscaling.nature import Moment
from maelstrom_bootcamp.bucket.downscaling.weather import Weather
from maelstrom_bootcamp.bucket.yr import column
from maelstrom_bootcamp.bucket.yr.column import t2m


def test_a_run_is_reproducible_and_seeds_months_and_days_differ(
    nature: list[Moment], summer: Weather
) -> None:
    ground = terrain.tier1()
    again = Weather(0, 201807, datetime(2018, 7, 9), 36)
    assert np.array_equal(
        weather.forcing(again, 5, ground).free_air, weather.forcing(summer, 5, ground).free_air
    )
    air = nature[0].forcing.free_air
    for other in (Weather(1, 201807, summer.start, 36), Weather(0, 201808, summer.start, 36)):
        assert np.abs(weather.forcing(other, 24, ground).free_air - air).mean() > 0.5
    assert nature[0].hour == 24
    assert nature[1].hour == 36


def test_days_are_warmer_than_nights_on_land_only(nature: list[Moment]) -> None:
    land = terrain.tier1().land
    change = t2m(nature[1].state) - t2m(nature[0].state)
    assert change[land].mean() > 3
    sea = terrain.tier1().maritime > 0.99
    assert np.abs(change[sea]).mean() < 0.4 * change[land].mean()
    for moment in nature:
        assert moment.state.air.dtype == "float32"
        assert 250 < t2m(moment.state).min() < t2m(moment.state).max() < 315


def test_storms_do_not_break_the_model_on_summits() -> None:
    """The explicit step oscillates where the exchange with the air is too strong for it."""
    w = Weather(0, 201904, datetime(2019, 4, 10), 14)
    w.series = replace(w.series, u=np.full(15, 45.0), v=np.full(15, -20.0))
    last = [t2m(m.state) for m in nature.run(w, terrain.tier1(), (12, 13))]
    assert last[1].min() > 253
    assert np.abs(last[1] - last[0]).max() < 4


def test_sun_of_a_point_is_that_of_chapter_01_and_sets_later_in_the_west(summer: Weather) -> None:
    ground = terrain.tier1()
    sine, azimuth = summer.sun(12, ground)
    assert sine[0].mean() < sine[-1].mean()  # north, south
    assert np.degrees(azimuth).mean() == pytest.approx(195, abs=12)
    evening = summer.sun(19, ground)[0]
    assert (evening[:, 0] > evening[:, -1]).all()
    flat = column.sunshine(ground, np.float32(0), summer.sun(19, ground))
    assert (flat[evening <= column.LOWEST_SUN] == 0).all()
    assert (flat[evening > 0.1] > 0).all()
    one = float(sine[50, 70]), float(azimuth[50, 70])
    fields = column.sunshine(ground, np.zeros_like(sine), (sine, azimuth))
    assert column.sunshine(ground, np.zeros_like(sine), one)[50, 70] == pytest.approx(
        fields[50, 70], rel=1e-3
    )


def test_fog_fills_basins_in_settled_weather_and_the_sun_dissolves_it() -> None:
    ground, winter = terrain.tier1(), Weather(0, 201701, datetime(2017, 1, 9), 400)
    hour = int(np.argmax(winter.series.inversion + winter.series.humid))
    dark = weather.fog(winter, hour, ground, np.zeros(ground.altitude.shape))
    assert dark.max() > 0.5
    assert dark[ground.altitude > 1600].max() < 0.01
    assert not weather.fog(winter, hour, ground, np.full(ground.altitude.shape, 0.6)).any()
    assert dark[ground.maritime > 0.99].max() < 0.01


def test_valleys_fill_with_cold_air_in_clear_calm_nights(summer: Weather) -> None:
    ground = terrain.tier1()
    clear, overcast = (np.full(ground.altitude.shape, c) for c in (0.0, 1.0))
    night = weather.night_layer(summer, 24, ground, ground.altitude, clear)
    relative = ground.altitude - ground.floor
    assert relative.min() >= 0
    assert not night[relative > weather.NIGHT_DEPTH].any()
    assert night[(relative < 50) & (ground.maritime < 0.01)].mean() > 0.5 * night.max() > 0
    assert (weather.night_layer(summer, 24, ground, ground.altitude, overcast) <= 0.21 * night).all()
    assert not weather.night_layer(summer, 36, ground, ground.altitude, clear).any()  # noon


def test_coarse_model_lacks_the_small_scales_of_the_clouds() -> None:
    w, ground = Weather(0, 7, datetime(2017, 1, 9), 12), terrain.tier1()
    whole, known = (w.field("clouds", 3, ground.x, ground.y, limit) for limit in (0.0, weather.KNOWN_CLOUDS))
    small = [np.abs(np.diff(f, axis=1)).mean() for f in (whole, known)]
    assert small[1] < 0.3 * small[0]
    assert np.corrcoef(whole.ravel(), known.ravel())[0, 1] > 0.7


def test_coarsening_keeps_the_mean_energy_and_a_plane() -> None:
    ground = terrain.tier1()
    z = coarsen.GRAVITY * ground.altitude
    t = 300 - 0.0065 * ground.altitude
    energy = coarsen.HEAT_CAPACITY * t + z
    area = np.cos(np.radians(ground.latitude))
    blocks = coarsen.coarse_means(area).shape
    assert blocks == (14, 18)
    weights = area.reshape(14, 8, 18, 8).sum((1, 3))
    mean = (coarsen.coarse_means(energy) * weights).sum() / weights.sum()
    assert mean == pytest.approx((energy * area).sum() / area.sum(), rel=1e-12)
    # A plane in longitude survives: positions are right to a fraction of a cell.
    plane, _ = coarsen.coarsen(ground.longitude.copy(), np.zeros_like(z))
    assert np.allclose(plane, ground.longitude[coarsen.INNER], atol=1e-9)
    north, _ = coarsen.coarsen(ground.latitude.copy(), np.zeros_like(z))
    assert np.abs(north - ground.latitude[coarsen.INNER]).max() < 0.01


def test_coarsening_goes_through_dry_static_energy() -> None:
    """Where the energy is uniform the input has the dry adiabatic temperature of the coarse ground."""
    ground = terrain.tier1()
    z = coarsen.GRAVITY * ground.altitude
    t_in, z_in = coarsen.coarsen(300 - z / coarsen.HEAT_CAPACITY, z)
    assert np.allclose(t_in, 300 - z_in / coarsen.HEAT_CAPACITY, atol=1e-9)
    assert (z_in - z[coarsen.INNER]).std() > 500  # m2 s-2: something is lost


def test_levels_stand_where_ecmwf_says() -> None:
    """Geometric heights of L137 in the standard atmosphere: 10 m for the lowest, 54 m for level 135."""
    heights = predictors.level_heights()
    assert heights[137] == pytest.approx(10, abs=0.5)
    assert heights[135] == pytest.approx(54, abs=1)
    assert list(heights.values()) == sorted(heights.values(), reverse=True)


def test_predictors_of_a_day_and_a_night() -> None:
    ground = terrain.tier2(coarse=True)
    w = Weather(0, 201807, datetime(2018, 7, 9), 36)
    night, noon = nature.run(w, ground, (24, 36), model=True)
    dark, bright = (predictors.predictors(w, m, ground) for m in (night, noon))
    assert set(dark) == set(predictors.UNITS)
    assert len(dark) == 15
    for values in (*dark.values(), *bright.values()):
        assert values.shape == (terrain.COARSE_ROWS, terrain.COARSE_COLUMNS)
        assert np.isfinite(values).all()
    assert bright["sshf_in"].mean() < 0 < dark["sshf_in"].mean()  # downward counts as positive
    assert bright["slhf_in"].mean() < -1e5
    assert bright["blh_in"].mean() > 2 * dark["blh_in"].mean()
    # By day it is colder aloft, by night there is an inversion near the ground.
    assert (bright["t2m_in"] - bright["t122_in"]).mean() > 3
    assert (dark["t131_in"] - dark["t137_in"]).mean() > 0
    scale = np.log(101500 / dark["sp_in"]) / np.maximum(ground.altitude, 50)
    assert np.median(scale) == pytest.approx(1 / 8300, rel=0.1)
    assert np.hypot(bright["u10_in"], bright["v10_in"]).mean() < np.hypot(w.series.u[36], w.series.v[36])


def test_what_the_coarse_model_does_not_know() -> None:
    w = Weather(0, 201807, datetime(2018, 7, 9), 12)
    ground = terrain.tier2(coarse=True)
    front = w.field("front", 6, ground.x, ground.y)
    cloud, high = np.zeros_like(front), ground.altitude + 2000
    model, truth = (weather.free_air(w, 6, ground, high, front, cloud, m) for m in (True, False))
    error = model - truth
    assert 0.05 < np.abs(error).mean() < 1.0  # above every inversion: the analysis error alone
