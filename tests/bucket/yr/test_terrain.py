from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from maelstrom_bootcamp.bucket.yr import terrain


def test_grid_is_one_kilometre_on_the_sphere() -> None:
    g = terrain.ground()
    lat, lon = np.radians(g.latitude), np.radians(g.longitude)
    # Great-circle distance of neighbours (haversine); the tangent cone distorts by far less than 1 %.
    a = np.sin(np.diff(lat, axis=0) / 2) ** 2
    a = a + np.cos(lat[1:]) * np.cos(lat[:-1]) * np.sin(np.diff(lon, axis=0) / 2) ** 2
    distance = 2 * terrain.EARTH_RADIUS * np.arcsin(np.sqrt(a))
    assert np.allclose(distance, terrain.SPACING, rtol=2e-3)


def test_centre_of_the_projection() -> None:
    lat, lon = terrain.lambert_inverse(np.array([0.0]), np.array([0.0]))
    assert lat[0] == pytest.approx(terrain.LATITUDE_0)
    assert lon[0] == pytest.approx(terrain.LONGITUDE_0)


def test_known_places_are_where_they_should_be() -> None:
    g = terrain.ground()

    def altitude(lat: float, lon: float) -> float:
        return float(g.altitude.flat[np.argmin((g.latitude - lat) ** 2 + (g.longitude - lon) ** 2)])

    assert altitude(46.07, 14.52) == pytest.approx(297, abs=20)  # the plain of Ljubljana lies at about 295 m
    assert altitude(46.07, 13.24) == pytest.approx(110, abs=30)  # Udine lies at about 110 m
    assert altitude(45.60, 13.50) == 0  # Gulf of Trieste
    assert g.altitude.max() > 2300  # Julian Alps


def test_land_and_sea_both_survive_the_trimming_of_32_pixels() -> None:
    inner = terrain.ground().land[32:-32, 32:-32]
    assert 0.6 < inner.mean() < 0.95


def test_model_ground_is_smoother_and_wider() -> None:
    fine, coarse = terrain.ground(), terrain.ground(model=True)
    assert coarse.altitude.max() < fine.altitude.max()
    assert coarse.x[0] <= fine.x[0]
    assert coarse.x[-1] >= fine.x[-1]


def test_valleys_are_sheltered_and_summits_exposed() -> None:
    g = terrain.ground()
    high = g.altitude > 1800
    assert g.exposure[high].mean() > 1.3 > g.exposure[~high].mean()
    assert g.shelter[high].mean() < 0.3


def test_settlements_lie_in_the_domain() -> None:
    g, places = terrain.ground(), terrain.settlements()
    assert len(places) > 300
    assert all(g.latitude.min() < p["latitude"] < g.latitude.max() for p in places)


def test_crops_are_made_from_the_public_files(tmp_path: Path) -> None:
    tile = np.zeros((6000, 10800), "int16")
    tile[round((50 - 46.0) * 120), round(13.0 * 120)] = 321
    np.savez_compressed(tmp_path / "g.npz", arr_0=tile)
    cities = {
        "1": {"name": "Inside", "latitude": 45.8, "longitude": 13.7, "population": 7},
        "2": {"name": "Outside", "latitude": 48.0, "longitude": 13.7, "population": 9},
    }
    (tmp_path / "c.json").write_text(json.dumps(cities), encoding="utf-8")
    terrain.make_crops(tmp_path / "g.npz", tmp_path / "c.json", tmp_path)
    with np.load(tmp_path / "terrain.npz") as crop:
        assert crop["elevation"].max() == 321
        assert crop["elevation"].min() == -500
    assert (tmp_path / "settlements.csv").read_text(encoding="utf-8").splitlines()[1:] == [
        "Inside,45.8000,13.7000,7"
    ]
