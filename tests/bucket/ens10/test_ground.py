from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from maelstrom_bootcamp.bucket.ens10 import ground
from maelstrom_bootcamp.errors import BootcampError


def at(field: np.ndarray, latitude: float, longitude: float) -> float:
    g = ground.grid_ground()
    return field[np.argmin(np.abs(g.longitude - longitude)), np.argmin(np.abs(g.latitude - latitude))]


def test_grid_is_a_part_of_the_original_one() -> None:
    """Every point of the sample is a point of ENS-10 (0.5 degrees, 90 N to 90 S, 0 to 359.5 E)."""
    sphere = ground.grid_sphere()
    assert np.isin(sphere.latitude, 90 - 0.5 * np.arange(361)).all()
    assert np.isin(sphere.longitude, 0.5 * np.arange(720)).all()
    assert (sphere.latitude.size, sphere.longitude.size) == (36, 72)


def test_known_places() -> None:
    g = ground.grid_ground()
    assert at(g.orography, 32.5, 90) > 4000  # Tibet
    assert at(g.orography, -80, 90) > 2500  # Antarctica
    assert at(g.orography, 0, 330) == 0  # Atlantic
    assert at(g.land, 25, 10) > 0.95  # Sahara
    assert at(g.land, 0, 200) == 0  # Pacific
    assert (
        0.27 < (g.land * np.cos(np.radians(g.latitude))).mean() / np.cos(np.radians(g.latitude)).mean() < 0.35
    )


def test_cell_mean_keeps_the_mean_of_the_globe() -> None:
    lat, lon = -89 + 2.0 * np.arange(90), 1 + 2.0 * np.arange(180)
    values = np.random.default_rng(0).random((90, 180))
    field = xr.DataArray(values, {"lat": lat, "lon": lon}, ("lat", "lon"))
    coarse = ground.cell_mean(field, ground.LATITUDE, np.arange(72) * 5.0)

    def area(latitude: np.ndarray, half: float) -> np.ndarray:
        edges = np.sin(np.radians([latitude - half, latitude + half]))
        return edges[1] - edges[0]

    assert coarse.shape == (72, 36)
    fine_mean = np.average(values.mean(1), weights=area(lat, 1))
    assert np.average(coarse.mean(0), weights=area(ground.LATITUDE, 2.5)) == pytest.approx(fine_mean)
    constant = ground.cell_mean(xr.ones_like(field), ground.LATITUDE, np.arange(72) * 5.0)
    assert np.allclose(constant, 1)


def test_sea_has_seasons() -> None:
    g = ground.grid_ground()
    months = g.sst(np.array([60.0, 244.0]))  # the end of winter and of summer in the north
    assert at(months[..., 1] - months[..., 0], 40, 160) > 5
    assert at(months[..., 1] - months[..., 0], -40, 200) < -2
    assert at(months.mean(-1), 0, 160) > 300


def test_missing_package_has_a_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ground, "find_spec", lambda _: None)
    with pytest.raises(BootcampError, match="climt"):
        ground.ground(ground.grid_sphere())
