from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from maelstrom_bootcamp.bucket.yr import column, weather
from maelstrom_bootcamp.bucket.yr.terrain import ground

SUMMER_NOON = (0.92, np.pi)
NIGHT = (-0.5, 0.0)


def _run(
    hours: int, sun: tuple[float, float], cloud: float, wind: float, physics: column.Physics
) -> list[column.State]:
    g = ground()
    free = np.full((1, 128, 128), 283.0, "float32") - 0.006 * (g.altitude - 300).astype("float32")
    forcing = column.Forcing(free, np.full((1, 1, 1), wind, "f4"), np.full((1, 128, 128), cloud, "f4"), 288.0)
    land = column.surface(g, 0.0, 282.0)
    states = [column.initial_state(g, free, 288.0)]
    for _ in range(4 * hours):
        states.append(column.step(states[-1], forcing, land, g, physics, sun))
    return states


def test_clear_calm_night_cools_and_valleys_become_colder_than_slopes() -> None:
    g = ground()
    states = _run(10, NIGHT, cloud=0.0, wind=2.0, physics=column.NATURE)
    cooling = (column.t2m(states[0]) - column.t2m(states[8]))[0][g.land].mean() / 2
    assert 0.5 < cooling < 4  # K per hour in the first two hours
    theta = column.t2m(states[-1])[0] + column.LAPSE_RATE * g.altitude
    valley, slope = (g.shelter > 0.8) & g.land, (g.shelter < 0.2) & g.land
    assert theta[valley].mean() - theta[slope].mean() < -2


def test_the_model_has_no_cold_pools() -> None:
    valley = (ground().shelter > 0.8) & ground().land
    nature, model = (
        column.t2m(_run(10, NIGHT, 0.0, 2.0, physics)[-1])[0][valley].mean()
        for physics in (column.NATURE, column.MODEL)
    )
    assert model - nature > 1.0


def test_cloud_and_wind_keep_the_night_warm() -> None:
    land = ground().land
    clear, cloudy, windy = (
        column.t2m(_run(8, NIGHT, c, w, column.NATURE)[-1])[0][land].mean()
        for c, w in ((0, 2), (1, 2), (0, 15))
    )
    assert cloudy > clear + 1
    assert windy > clear + 1


def test_sunshine_warms_the_land_but_not_the_sea() -> None:
    g = ground()
    states = _run(4, SUMMER_NOON, cloud=0.0, wind=4.0, physics=column.NATURE)
    change = (column.t2m(states[-1]) - column.t2m(states[0]))[0]
    assert change[g.land].mean() > 3
    assert abs(states[-1].skin[0][~g.land] - 288.0).max() < 0.01


def test_sunshine_is_zero_at_night_and_prefers_slopes_that_face_the_sun() -> None:
    g = ground()
    assert column.sunshine(g, np.zeros((1, 128, 128)), NIGHT) == 0.0
    short = column.sunshine(g, np.zeros((1, 128, 128), "f4"), (0.5, np.pi))[0]
    steep = g.slope > 0.2
    south, north = steep & (np.cos(g.aspect) < -0.7), steep & (np.cos(g.aspect) > 0.7)
    assert short[south].mean() > 1.5 * short[north].mean()
    assert short.max() < column.SOLAR_CONSTANT
    overcast = column.sunshine(g, np.ones((1, 128, 128), "f4"), (0.5, np.pi))[0]
    assert overcast.mean() < 0.35 * short.mean()


def test_sea_breeze_cools_the_coast_of_a_warm_day_and_the_model_s_is_weaker() -> None:
    g = ground()
    air = np.full((1, 128, 128), 298.0, "f4")
    calm = column.Forcing(air, np.full((1, 1, 1), 2.0, "f4"), np.zeros_like(air), sea=293.0)
    full, weak = (column.sea_breeze(air, calm, g, p)[0] for p in (column.NATURE, column.MODEL))
    coast, inland = g.land & (g.maritime > 0.4) & (g.altitude < 50), g.land & (g.maritime < 0.01)
    assert full[coast].mean() > 10 * full[inland].mean()
    assert weak[coast].mean() < 0.5 * full[coast].mean()
    assert not full[~g.land].any()
    assert not column.sea_breeze(air - 6, calm, g, column.NATURE).any()  # the land is colder than the sea
    windy = replace(calm, wind=np.full((1, 1, 1), 20.0, "f4"))
    assert column.sea_breeze(air, windy, g, column.NATURE).max() < 0.01


def test_snow_line_follows_the_season() -> None:
    g = ground()
    winter, summer = (column.surface(g, 0.0, t).albedo for t in (268.0, 288.0))
    high = g.altitude > 1500
    assert winter[high].mean() > summer[high].mean() + 0.2
    wet, dry = (column.surface(g, h, 288.0).latent.mean() for h in (1.0, -1.0))
    assert wet > dry


def test_mixing_conserves_the_mean_and_smooths() -> None:
    g = ground()
    air = np.random.default_rng(0).normal(280, 2, (1, 128, 128)).astype("f4")
    state = column.State(air, air, air)
    mixed = column.mix(state, replace(g, altitude=np.zeros_like(g.altitude)))
    assert mixed.air.mean() == pytest.approx(air.mean(), abs=1e-3)
    assert mixed.air.std() < air.std()


def test_free_air_decides_in_the_long_run() -> None:
    """With strong wind and no radiation gap the air stays within a few kelvin of the free air."""
    states = _run(24, NIGHT, cloud=1.0, wind=15.0, physics=column.NATURE)
    g = ground()
    free = 283.0 - 0.006 * (g.altitude - 300)
    assert np.abs(states[-1].air[0] - free)[g.land].mean() < 3


def test_weather_constants_are_the_grid_s() -> None:
    assert weather.WIDTH == 128_000.0
