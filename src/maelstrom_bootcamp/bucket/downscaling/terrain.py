"""Ground of both tiers: real heights and coasts of central Europe on the grids of the plugin.

``terrain.npz`` is made by `maelstrom_bootcamp.bucket.downscaling.crop`. Tier 1 is simulated on 112 x 144
points, one coarse cell more on each side than the 96 x 128 that are written, so that coarsening needs
nothing beyond the edge. Tier 2 has a fine grid, and the coarse one of the model that forces it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates, minimum_filter, uniform_filter

from maelstrom_bootcamp.bucket.downscaling.crop import PER_DEGREE, centres
from maelstrom_bootcamp.bucket.yr.terrain import EARTH_RADIUS, Ground

#: Tier 1: points of the objects, and how many more are simulated on each side.
LATITUDE = np.round(54.5 - 0.1 * np.arange(96), 6)
LONGITUDE = np.round(4.0 + 0.1 * np.arange(128), 6)
MARGIN = 8
#: Tier 2: rotated coordinates of the objects; the pole of COSMO-REA6.
ROTATED_LATITUDE = -3.933 + 0.055 * np.arange(96)
ROTATED_LONGITUDE = -8.273 + 0.055 * np.arange(120)
POLE_LATITUDE, POLE_LONGITUDE = 39.25, -162.0
#: Fine cells of tier 2 in a coarse one, and coarse cells: three and more beyond the fine grid on each side.
RATIO = 5
COARSE_ROWS, COARSE_COLUMNS = 26, 30
CENTRE = (49.75, 10.35)  # origin of the distances, degrees
COAST_SCALE = 15e3  # m, reach of the sea's influence over land on these grids
FLOOR_REACH = 30e3  # m, width of the window in which the floor of a valley is looked for
_METRES = np.radians(1) * EARTH_RADIUS  # of a degree of latitude


@dataclass(frozen=True)
class Land(Ground):
    """Ground with the altitude of the valleys' floors around, m: the lowest within 30 km, smoothed."""

    floor: np.ndarray


def unrotate(rlat: np.ndarray, rlon: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Geographic position of points of the rotated grid.

    Parameters
    ----------
    rlat, rlon : numpy.ndarray
        Rotated latitude and longitude, degrees.

    Returns
    -------
    latitude, longitude : numpy.ndarray
        Degrees.

    Notes
    -----
    A turn about the axis that brings the rotated pole to its geographic place (the mapping
    ``rotated_latitude_longitude`` of the CF conventions).
    """
    phi, lam, pole = (np.radians(a) for a in (rlat, rlon, POLE_LATITUDE))
    sine = np.sin(phi) * np.sin(pole) + np.cos(phi) * np.cos(lam) * np.cos(pole)
    east = np.cos(phi) * np.sin(lam)
    north = np.cos(phi) * np.cos(lam) * np.sin(pole) - np.sin(phi) * np.cos(pole)
    longitude = np.degrees(np.arctan2(east, north)) + POLE_LONGITUDE + 180
    return np.degrees(np.arcsin(sine)), longitude


@lru_cache(maxsize=1)
def _crop() -> tuple[np.ndarray, np.ndarray]:
    with np.load(files(__package__) / "terrain.npz") as crop:
        return crop["elevation"].astype(float), crop["land"].astype(float) / 100


def _sample(latitude: np.ndarray, longitude: np.ndarray, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Height and land fraction, means over squares of so many cells of the crop."""
    north, west = (c[0] for c in centres())
    at = [(north - latitude) * PER_DEGREE, (longitude - west) * PER_DEGREE]
    # The mean over an even number of cells belongs to the corner between the middle ones.
    at = [a + 0.5 * (cells % 2 == 0) for a in at]
    fields = [uniform_filter(f, cells, mode="nearest") if cells > 1 else f for f in _crop()]
    height, land = (map_coordinates(f, at, order=1, mode="nearest") for f in fields)
    return np.maximum(height, 0), np.clip(land, 0, 1)


def _shape(h: np.ndarray, spacing: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Slope, aspect, shelter, exposure: as in chapter 01, for valleys of 14 to 40 km instead of 4 to 10."""
    gy, gx = np.gradient(h, spacing)
    near, middle, far = (gaussian_filter(h, km * 1000 / spacing) for km in (14, 20, 40))
    position, wider = h - near, h - far
    hollow = 1 / (1 + np.exp(position / 120 + wider / 400))
    shelter = hollow * np.clip((middle - h) / 150 + 0.4, 0, 1)
    exposure = np.clip(1 + position / 500 + wider / 1200, 0.35, 2.2)
    return np.arctan(np.hypot(gx, gy)), np.arctan2(-gx, gy), shelter, exposure


def _ground(latitude: np.ndarray, longitude: np.ndarray, cells: int, spacing: float, rows: int) -> Land:
    """Ground of a grid; `rows` is +1 where the rows run north, -1 where they run south."""
    height, laf = _sample(latitude, longitude, cells)
    height = np.where(laf > 0.02, height, 0.0)
    maritime = gaussian_filter((laf <= 0.5).astype(float), COAST_SCALE / spacing)
    slope, aspect, shelter, exposure = _shape(height, spacing)
    if rows > 0:
        aspect = np.pi - aspect
    # Positions for the travelling fields: metres east and north of the centre.
    y = (latitude - CENTRE[0]) * _METRES
    x = (longitude - CENTRE[1]) * _METRES * np.cos(np.radians(CENTRE[0]))
    floor = minimum_filter(height, max(3, 2 * round(FLOOR_REACH / spacing / 2) + 1))
    floor = np.minimum(gaussian_filter(floor, FLOOR_REACH / 2 / spacing), height)
    return Land(
        x,
        y,
        latitude,
        longitude,
        height,
        laf,
        slope,
        aspect,
        shelter,
        exposure,
        maritime,
        spacing,
        floor,
    )


@lru_cache(maxsize=1)
def tier1() -> Land:
    """Ground of tier 1 with its margin, (112, 144), rows from the north; ``x`` and ``y`` are fields."""
    latitude = np.round(54.5 + 0.1 * MARGIN - 0.1 * np.arange(96 + 2 * MARGIN), 6)
    longitude = np.round(4.0 - 0.1 * MARGIN + 0.1 * np.arange(128 + 2 * MARGIN), 6)
    grid = np.meshgrid(latitude, longitude, indexing="ij")
    spacing = 0.1 * _METRES * np.sqrt(np.cos(np.radians(CENTRE[0])))  # between that of rows and of columns
    return _ground(*grid, cells=2, spacing=float(spacing), rows=-1)


@lru_cache(maxsize=2)
def tier2(coarse: bool = False) -> Land:
    """Ground of tier 2, rows from the south; ``x`` and ``y`` are fields.

    Parameters
    ----------
    coarse : bool
        The coarse model's grid (26, 30), 0.275 degree, instead of the fine one (96, 120).

    Returns
    -------
    Land
    """
    spacing = 0.055
    rlat, rlon = ROTATED_LATITUDE, ROTATED_LONGITUDE
    if coarse:
        spacing *= RATIO
        rlat, rlon = coarse_coordinates()
    latitude, longitude = unrotate(*np.meshgrid(rlat, rlon, indexing="ij"))
    cells = 6 if coarse else 1
    return _ground(latitude, longitude, cells, spacing * _METRES, rows=1)


def coarse_coordinates() -> tuple[np.ndarray, np.ndarray]:
    """Rotated latitudes and longitudes of the coarse model, degrees: its cells hold 5 x 5 fine ones."""
    first = [a[2] - 3 * 0.275 for a in (ROTATED_LATITUDE, ROTATED_LONGITUDE)]
    return first[0] + 0.275 * np.arange(COARSE_ROWS), first[1] + 0.275 * np.arange(COARSE_COLUMNS)


def to_fine(field: np.ndarray) -> np.ndarray:
    """Interpolate a field of tier 2's coarse model to the fine grid, bilinearly.

    Parameters
    ----------
    field : numpy.ndarray
        Shape (26, 30).

    Returns
    -------
    numpy.ndarray
        Shape (96, 120).
    """
    rlat, rlon = coarse_coordinates()
    at = [(ROTATED_LATITUDE - rlat[0]) / 0.275, (ROTATED_LONGITUDE - rlon[0]) / 0.275]
    return map_coordinates(field, np.meshgrid(*at, indexing="ij"), order=1)
