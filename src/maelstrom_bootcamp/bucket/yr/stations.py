"""The observing network: citizens' stations around real settlements, a few official ones, and their faults.

Kinds of fault follow Netatmo studies (see the chapter's second notebook): sun on the sensor, stations
indoors, wrong coordinates, a stuck value, a constant bias. Which station has which fault is kept as truth,
so that the quality control can be marked.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.ndimage import map_coordinates

from maelstrom_bootcamp.bucket.yr import weather
from maelstrom_bootcamp.bucket.yr.column import LAPSE_RATE
from maelstrom_bootcamp.bucket.yr.terrain import (
    EARTH_RADIUS,
    LATITUDE_0,
    LONGITUDE_0,
    SPACING,
    ground,
    settlements,
)

CITIZENS, OFFICIAL = 500, 24
FAULTS = ("good", "sun", "indoor", "misplaced", "stuck")
FAULT_SHARES = (0.80, 0.15, 0.02, 0.02, 0.01)


@dataclass(frozen=True)
class Stations:
    """The network; every array has shape (stations,).

    Attributes
    ----------
    latitude, longitude : numpy.ndarray
        Degrees.
    altitude : numpy.ndarray
        As reported by the owner, m.
    row, column : numpy.ndarray
        Position on the 1 km grid, in points.
    ground_altitude : numpy.ndarray
        True altitude, m.
    official : numpy.ndarray of bool
    fault : numpy.ndarray of int
        Index into `FAULTS`.
    bias : numpy.ndarray
        Constant error, K.
    sun : numpy.ndarray
        Error in full sunshine, K.
    """

    latitude: np.ndarray
    longitude: np.ndarray
    altitude: np.ndarray
    row: np.ndarray
    column: np.ndarray
    ground_altitude: np.ndarray
    official: np.ndarray
    fault: np.ndarray
    bias: np.ndarray
    sun: np.ndarray


def _to_grid(latitude: np.ndarray, longitude: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row and column on the 1 km grid (equirectangular about the centre: off by less than 0.3 km)."""
    north = np.radians(latitude - LATITUDE_0) * EARTH_RADIUS
    east = (
        np.radians(longitude - LONGITUDE_0) * EARTH_RADIUS * np.cos(np.radians((latitude + LATITUDE_0) / 2))
    )
    terrain = ground()
    return (north - terrain.y[0]) / SPACING, (east - terrain.x[0]) / SPACING


def _citizens(g: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Positions scattered around settlements, more where more people live."""
    places = settlements()
    weight = np.array([max(p["population"], 300.0) for p in places]) ** 0.5
    pick = g.choice(len(places), size=CITIZENS * 3, p=weight / weight.sum())
    latitude = np.array([p["latitude"] for p in places])[pick] + g.normal(0, 0.020, pick.size)
    longitude = np.array([p["longitude"] for p in places])[pick] + g.normal(0, 0.028, pick.size)
    row, column = _to_grid(latitude, longitude)
    terrain = ground()
    inside = (row > 1) & (row < 126) & (column > 1) & (column < 126)
    at = [np.where(inside, row, 2), np.where(inside, column, 2)]
    ok = inside & (map_coordinates(terrain.land_area_fraction, at, order=1) > 0.6)
    return row[ok][:CITIZENS], column[ok][:CITIZENS]


def _official(g: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Positions spread over the land and over all altitudes."""
    terrain = ground()
    rows, columns = np.nonzero(terrain.land)
    order = np.argsort(terrain.altitude[rows, columns])
    strata = np.array_split(order, OFFICIAL)  # one station for each slice of altitude
    pick = np.array([g.choice(s) for s in strata])
    return rows[pick].astype(float), columns[pick].astype(float)


@lru_cache(maxsize=2)
def network(seed: int) -> Stations:
    """The stations of one archive.

    Parameters
    ----------
    seed : int
        Data seed.

    Returns
    -------
    Stations
    """
    g = weather.rng(seed, "stations")
    row, column = (np.concatenate(p) for p in zip(_citizens(g), _official(g), strict=True))
    n, terrain = row.size, ground()
    official = np.arange(n) >= n - OFFICIAL
    sample = lambda f: map_coordinates(f, [row, column], order=1)  # noqa: E731
    altitude = sample(terrain.altitude)
    fault = np.where(official, 0, g.choice(len(FAULTS), size=n, p=FAULT_SHARES))
    return Stations(
        latitude=sample(terrain.latitude),
        longitude=sample(terrain.longitude),
        altitude=np.maximum(altitude + np.where(official, 2, 15) * g.standard_normal(n), 0),
        row=row,
        column=column,
        ground_altitude=altitude,
        official=official,
        fault=fault,
        bias=np.where(official, 0.1 * g.standard_normal(n), 0.2 + 0.3 * g.standard_normal(n)),
        sun=np.where(fault == FAULTS.index("sun"), g.uniform(1.0, 4.0, n), np.where(official, 0.0, 0.2)),
    )


def observe(seed: int, hour: int, truth: np.ndarray, cloud: np.ndarray) -> np.ndarray:
    """What the stations report at one hour.

    Parameters
    ----------
    seed : int
        Data seed.
    hour : int
        Hours since the origin.
    truth : numpy.ndarray
        True 2 m temperature, (128, 128), K.
    cloud : numpy.ndarray
        True cloud fraction, (128, 128).

    Returns
    -------
    numpy.ndarray
        Shape (stations,), K.
    """
    s, g = network(seed), weather.rng(seed, "observations", hour)
    sample = lambda f: map_coordinates(f, [s.row, s.column], order=1)  # noqa: E731
    here = sample(truth)
    # The garden is not the grid point: a local departure on top of the sensor's noise.
    noise = np.where(s.official, 0.2, 0.45) * g.standard_normal(here.size)
    sunshine = max(weather.solar_position(hour)[0], 0.0) * (1 - sample(cloud))
    value = here + s.bias + s.sun * sunshine + noise
    indoor = 293.5 + g.standard_normal(here.size)
    # A wrong address: the value of a place 40 stations down the list, on its own altitude.
    elsewhere = np.roll(here, 40) + LAPSE_RATE * (np.roll(s.ground_altitude, 40) - s.ground_altitude) * 0.2
    elsewhere = elsewhere + 2.5 * g.standard_normal(here.size)
    value = np.where(s.fault == FAULTS.index("indoor"), indoor, value)
    value = np.where(s.fault == FAULTS.index("misplaced"), elsewhere, value)
    return np.where(s.fault == FAULTS.index("stuck"), 278.15, value)
