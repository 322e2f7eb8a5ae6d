"""From observations to the target: quality control with titanlib, optimal interpolation with gridpp.

Both are the libraries that MET Norway runs. The chapter's second notebook goes through the same steps one
by one; `tests/bucket/yr` proves that both give the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import gridpp
import numpy as np
import titanlib
from scipy.ndimage import map_coordinates

from maelstrom_bootcamp.bucket.yr.column import LAPSE_RATE
from maelstrom_bootcamp.bucket.yr.stations import Stations
from maelstrom_bootcamp.bucket.yr.terrain import ground

# The scale of background errors: they decorrelate over 10 km and over 200 m of height; land and sea are
# half as alike as two points on land.
CORRELATION_LENGTH, CORRELATION_HEIGHT, CORRELATION_LAND = 10000.0, 200.0, 0.5
# Observations further away (m) are left out: this changes the analysis by 0.04 K (rms), saves 40 % of time.
REACH = 20000.0
BACKGROUND_STD, CITIZEN_STD, OFFICIAL_STD = 1.0, 0.6, 0.25  # K
MAX_POINTS = 10  # observations used for each grid point


@dataclass(frozen=True)
class Analysis:
    """One analysis of 2 m temperature.

    Attributes
    ----------
    background : numpy.ndarray
        First guess brought to 1 km, (128, 128), K.
    mean, std : numpy.ndarray
        Analysis and its estimated error, (128, 128), K.
    flags : numpy.ndarray
        Quality control, (stations,): 0 good, else the test that failed (1 range, 2 buddy, 3 SCT).
    """

    background: np.ndarray
    mean: np.ndarray
    std: np.ndarray
    flags: np.ndarray


@lru_cache(maxsize=2)
def as_grid(model: bool = False) -> gridpp.Grid:
    """gridpp's view of the 1 km grid, or of the forecast model's (gridpp builds a search tree: keep it)."""
    terrain = ground(model)
    return gridpp.Grid(terrain.latitude, terrain.longitude, terrain.altitude, terrain.land_area_fraction)


def to_fine(field: np.ndarray) -> np.ndarray:
    """Bring a field of the forecast model to the 1 km grid, bilinearly.

    Parameters
    ----------
    field : numpy.ndarray
        Shape (n, n) or (time, n, n) on the model grid.

    Returns
    -------
    numpy.ndarray
        float32.
    """
    return np.asarray(gridpp.bilinear(as_grid(model=True), as_grid(), np.ascontiguousarray(field)))


def quality_control(stations: Stations, temperature: np.ndarray) -> np.ndarray:
    """Flag bad observations: range check, buddy check, spatial consistency test.

    Parameters
    ----------
    stations : Stations
    temperature : numpy.ndarray
        Shape (stations,), K.

    Returns
    -------
    numpy.ndarray of int
        0 good, 1 range, 2 buddy, 3 spatial consistency test.
    """
    n = temperature.size
    points = titanlib.Points(stations.latitude, stations.longitude, stations.altitude, np.ones(n))
    value = (temperature - 273.15).astype("float32")
    outside = np.array(titanlib.range_check(value, [-45.0], [45.0]))
    buddy = np.array(
        titanlib.buddy_check(
            points, value, [20000.0], [5], 4.0, 200.0, -LAPSE_RATE, 1.5, 2, (outside == 0).astype(int)
        )
    )
    passed = np.flatnonzero((outside == 0) & (buddy == 0))
    flags = np.where(outside > 0, 1, np.where(buddy > 0, 2, 0))
    if passed.size > 10:
        kept = titanlib.Points(
            *(a[passed] for a in (stations.latitude, stations.longitude, stations.altitude))
        )
        wide, ratio = np.full(passed.size, 7.0), np.full(passed.size, 0.5)
        sct = titanlib.sct(
            kept, value[passed], 5, 60, 30000, 50000, 2, 20, 100.0, 10000.0, 200.0, wide, wide, ratio
        )
        flags[passed[np.array(sct[0]) == 1]] = 3
    return flags


def analyse(stations: Stations, temperature: np.ndarray, guess: np.ndarray) -> Analysis:
    """Optimal interpolation of quality-controlled observations.

    Parameters
    ----------
    stations : Stations
    temperature : numpy.ndarray
        Observations, (stations,), K.
    guess : numpy.ndarray
        First guess on the model grid, (n, n), K.

    Returns
    -------
    Analysis
    """
    terrain, fine = ground(), as_grid()
    background = np.asarray(
        gridpp.simple_gradient(
            as_grid(model=True), fine, guess.astype("float32"), -LAPSE_RATE, gridpp.Bilinear
        )
    )
    flags = quality_control(stations, temperature)
    good = flags == 0
    if not good.any():  # gridpp ends the process when it is given no observation at all
        return Analysis(background, background.copy(), np.full_like(background, BACKGROUND_STD), flags)
    points = gridpp.Points(
        stations.latitude[good], stations.longitude[good], stations.altitude[good], np.ones(int(good.sum()))
    )
    at = [stations.row[good], stations.column[good]]
    height = stations.altitude[good] - map_coordinates(terrain.altitude, at, order=1)
    at_points = map_coordinates(background, at, order=1) - LAPSE_RATE * height
    error = np.where(stations.official[good], OFFICIAL_STD, CITIZEN_STD) ** 2
    variance = np.float32(BACKGROUND_STD**2)
    mean, left = gridpp.optimal_interpolation_full(
        fine,
        background,
        np.full_like(background, variance),
        points,
        temperature[good].astype("float32"),
        error.astype("float32"),
        at_points.astype("float32"),
        np.full(int(good.sum()), variance),
        gridpp.BarnesStructure(CORRELATION_LENGTH, CORRELATION_HEIGHT, CORRELATION_LAND, REACH),
        MAX_POINTS,
    )
    return Analysis(background, np.asarray(mean), np.sqrt(np.maximum(left, 0)).astype("float32"), flags)
