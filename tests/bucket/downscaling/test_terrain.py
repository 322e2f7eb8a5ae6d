"""The grids of both tiers lie where the plugin's do, and the ground on them is that of central Europe."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest

from maelstrom_bootcamp.bucket.downscaling import crop, terrain

#: Places whose height is known (m, means over 10 km are lower than summits): latitude, longitude, range.
PLACES = {
    "Matterhorn": (45.98, 7.66, 1800, 3400),
    "Po valley": (45.1, 10.5, 5, 60),
    "Munich": (48.1, 11.6, 450, 600),
    "Brocken": (51.8, 10.6, 400, 1000),
    "Berlin": (52.5, 13.4, 20, 80),
    "Hamburg": (53.6, 10.0, 0, 50),
}


def _at(latitude: float, longitude: float) -> tuple[int, int]:
    g = terrain.tier1()
    return int(np.abs(g.latitude[:, 0] - latitude).argmin()), int(np.abs(g.longitude[0] - longitude).argmin())


@pytest.mark.parametrize("place", PLACES)
def test_heights_of_known_places(place: str) -> None:
    latitude, longitude, low, high = PLACES[place]
    assert low <= terrain.tier1().altitude[_at(latitude, longitude)] <= high


def test_coasts_are_where_they_are() -> None:
    land = terrain.tier1().land
    assert not land[_at(54.2, 5.0)]  # North Sea
    assert not land[_at(44.8, 13.0)]  # Adriatic
    assert land[_at(52.3, 5.6)]  # below sea level in part, yet land
    assert not terrain.tier1().altitude[~land & (terrain.tier1().land_area_fraction < 0.02)].any()


def test_both_sources_join_at_50_degrees() -> None:
    """The mean step between neighbouring rows is no larger across the join than beside it."""
    with np.load(files("maelstrom_bootcamp.bucket.downscaling") / "terrain.npz") as data:
        height = data["elevation"].astype(float)
    steps = np.abs(np.diff(height, axis=0)).mean(axis=1)
    join = round((crop.NORTH - crop.GLOBE_NORTH) * crop.PER_DEGREE) - 1
    beside = np.r_[steps[join - 12 : join - 2], steps[join + 3 : join + 13]]
    assert steps[join] < 1.5 * beside.max()


def test_rotated_grid_follows_the_mapping_of_cf() -> None:
    """The grid's own origin is at 50.75 N, 18 E; a rotated degree is a degree on the sphere."""
    latitude, longitude = terrain.unrotate(np.array([0.0, 0.0]), np.array([0.0, 1.0]))
    assert latitude[0] == pytest.approx(50.75)
    assert longitude[0] == pytest.approx(18.0)
    cosine = np.cos(np.radians(latitude))
    a = np.sin(np.radians(np.diff(latitude)[0] / 2)) ** 2
    a += cosine.prod() * np.sin(np.radians(np.diff(longitude)[0] / 2)) ** 2
    assert np.degrees(2 * np.arcsin(np.sqrt(a))) == pytest.approx(1.0)
    pole, _ = terrain.unrotate(np.array([90.0]), np.array([0.0]))
    assert pole[0] == pytest.approx(terrain.POLE_LATITUDE)


def test_coarse_cells_surround_the_fine_grid_and_hold_five_by_five_of_it() -> None:
    rlat, rlon = terrain.coarse_coordinates()
    assert rlat[0] < terrain.ROTATED_LATITUDE[0]
    assert rlat[-1] > terrain.ROTATED_LATITUDE[-1]
    assert rlon[0] < terrain.ROTATED_LONGITUDE[0]
    assert rlon[-1] > terrain.ROTATED_LONGITUDE[-1]
    fine = terrain.tier2().altitude
    means = fine[:95].reshape(19, 5, 24, 5).mean((1, 3))
    coarse = terrain.tier2(coarse=True).altitude[3:22, 3:27]
    assert np.corrcoef(means.ravel(), coarse.ravel())[0, 1] > 0.99
    # What is interpolated to the fine grid is a position-true, smooth version of it.
    assert np.corrcoef(terrain.to_fine(terrain.tier2(coarse=True).altitude).ravel(), fine.ravel())[0, 1] > 0.9
    plane = terrain.tier2(coarse=True)
    assert np.allclose(terrain.to_fine(plane.latitude), terrain.tier2().latitude, atol=0.01)


def test_valleys_are_sheltered_and_summits_are_not() -> None:
    g = terrain.tier1()
    alps = (g.altitude > 300) & (g.latitude < 47.5)
    high = g.altitude > np.quantile(g.altitude[alps], 0.9)
    assert g.shelter[alps & high].mean() < 0.2
    assert g.exposure[alps & high].mean() > 1.5
    assert g.shelter[_at(46.25, 7.4)] > 0.6  # upper Rhone valley
