"""The recipes of both tiers: an object a month, in the plugin's layout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from maelstrom_bootcamp.bucket.downscaling import periods, terrain
from maelstrom_bootcamp.bucket.downscaling.coarsen import GRAVITY, INNER, coarsen
from maelstrom_bootcamp.bucket.downscaling.nature import run
from maelstrom_bootcamp.bucket.downscaling.periods import Stretch
from maelstrom_bootcamp.bucket.downscaling.predictors import UNITS, predictors
from maelstrom_bootcamp.bucket.downscaling.weather import Weather
from maelstrom_bootcamp.bucket.writing import Job, Writer
from maelstrom_bootcamp.bucket.yr.column import t2m

STORE = "url/https/object-store.os-api.cci1.ecmwf.int/maelstrom-ap5"
TITLE = "Sample of {name} made by the MAELSTROM bootcamp: simulated weather over real ground, not {original}"
_STEPS = {"K": 2**-9, "m**2 s**-2": 2**-2}  # to which tier 1's values are rounded
_POLE = {
    "grid_mapping_name": "rotated_latitude_longitude",
    "grid_north_pole_latitude": terrain.POLE_LATITUDE,
    "grid_north_pole_longitude": terrain.POLE_LONGITUDE,
}
_NAMES = {
    "t2m_in": "2 m temperature",
    "t2m_tar": "2 m temperature",
    "t_2m_tar": "2 m temperature",
    "z_in": "geopotential of the ground",
    "z_tar": "geopotential of the ground",
    "hsurf_tar": "height of the ground",
    "fr_land_tar": "share of land",
    "blh_in": "height of the boundary layer",
    "slhf_in": "latent heat flux, downward, of an hour",
    "sshf_in": "sensible heat flux, downward, of an hour",
    "sp_in": "surface pressure",
    "lsm_in": "share of land",
    "u10_in": "eastward wind at 10 m",
    "v10_in": "northward wind at 10 m",
}


def object_path(tier: int, month: str) -> str:
    """Path of a month's object in the bucket."""
    return f"{STORE}/tier-{tier}/downscaling_tier{tier}_{month}.nc"


def _rounded(values: np.ndarray, step: float, dtype: str) -> np.ndarray:
    return (np.round(np.asarray(values, "f8") / step) * step).astype(dtype)


def _label(name: str) -> str:
    level = name[1:4]
    return f"temperature at model level {level}" if level.isdigit() else _NAMES[name]


def tier1_dataset(seed: int, stretch: Stretch) -> xr.Dataset:
    """A month of tier 1.

    Parameters
    ----------
    seed : int
        Data seed.
    stretch : Stretch

    Returns
    -------
    xarray.Dataset
        ``t2m_in``, ``t2m_tar`` (K), ``z_in``, ``z_tar`` (m2 s-2), (time, lat, lon), float64.
    """
    ground = terrain.tier1()
    geopotential = GRAVITY * ground.altitude
    w = Weather(seed, stretch.key, stretch.start, stretch.keep[-1])
    fields: dict[str, list[np.ndarray]] = {name: [] for name in ("t2m_in", "z_in", "t2m_tar", "z_tar")}
    for moment in run(w, ground, stretch.keep):
        target = t2m(moment.state).astype("f8")
        made = (*coarsen(target, geopotential), target[INNER], geopotential[INNER])
        for values, name in zip(made, fields, strict=True):
            fields[name].append(values)
    kinds = {name: "K" if name.startswith("t2m") else "m**2 s**-2" for name in fields}
    units = {name: (unit, _STEPS[unit]) for name, unit in kinds.items()}
    coords = {
        "time": ("time", stretch.times, {"standard_name": "time"}),
        "lat": ("lat", terrain.LATITUDE, {"units": "degrees_north", "standard_name": "latitude"}),
        "lon": ("lon", terrain.LONGITUDE, {"units": "degrees_east", "standard_name": "longitude"}),
    }
    title = TITLE.format(name="maelstrom-downscaling-tier1", original="the IFS")
    return _dataset(fields, units, ("time", "lat", "lon"), coords, title, seed, "f8")


def tier2_dataset(seed: int, stretch: Stretch) -> xr.Dataset:
    """A month of tier 2.

    Parameters
    ----------
    seed : int
        Data seed.
    stretch : Stretch

    Returns
    -------
    xarray.Dataset
        15 predictors and 3 targets, (time, rlat, rlon), float32, and the scalar ``rotated_pole``.
    """
    fine, coarse = terrain.tier2(), terrain.tier2(coarse=True)
    w = Weather(seed, stretch.key, stretch.start, stretch.keep[-1])
    targets = ("t_2m_tar", "hsurf_tar", "fr_land_tar")
    fields: dict[str, list[np.ndarray]] = {name: [] for name in (*UNITS, *targets)}
    for moment in run(w, coarse, stretch.keep, model=True):
        for name, values in predictors(w, moment, coarse).items():
            fields[name].append(terrain.to_fine(values))
    for moment in run(w, fine, stretch.keep):
        made = (t2m(moment.state), fine.altitude, fine.land_area_fraction)
        for name, values in zip(targets, made, strict=True):
            fields[name].append(values)
    units = UNITS | {"t_2m_tar": ("K", 2**-8), "hsurf_tar": ("m", 2**-2), "fr_land_tar": ("1", 2**-10)}
    coords = {
        "time": ("time", stretch.times, {"standard_name": "time"}),
        "rlat": ("rlat", terrain.ROTATED_LATITUDE, {"units": "degrees", "standard_name": "grid_latitude"}),
        "rlon": ("rlon", terrain.ROTATED_LONGITUDE, {"units": "degrees", "standard_name": "grid_longitude"}),
    }
    title = TITLE.format(name="maelstrom-downscaling-tier2", original="ERA5 or COSMO-REA6")
    dataset = _dataset(fields, units, ("time", "rlat", "rlon"), coords, title, seed, "f4")
    return dataset.assign(rotated_pole=((), np.int32(1), _POLE))


def _dataset(
    fields: Mapping[str, list[np.ndarray]],
    units: Mapping[str, tuple[str, float]],
    dims: tuple[str, ...],
    coords: Mapping[str, tuple],
    title: str,
    seed: int,
    dtype: str,
) -> xr.Dataset:
    data = {
        name: (
            dims,
            _rounded(np.stack(values), units[name][1], dtype),
            {"units": units[name][0], "long_name": _label(name)},
        )
        for name, values in fields.items()
    }
    return xr.Dataset(data, coords, {"title": title, "Conventions": "CF-1.8", "seed": seed})


def _write(path: Path, dataset: xr.Dataset) -> None:
    packing = {"zlib": True, "complevel": 1, "shuffle": True}
    encoding: dict[str, dict] = {
        name: packing | {"chunksizes": (1, *values.shape[1:])}
        for name, values in dataset.data_vars.items()
        if values.ndim == 3
    }
    # One epoch in all objects: the plugin opens them together.
    encoding["time"] = {"units": "hours since 1995-01-01 00:00:00", "dtype": "i4"}
    dataset.to_netcdf(path, encoding=encoding)


@dataclass(frozen=True)
class TierRecipe:
    """Makes the sample of a tier, one month a job.

    Attributes
    ----------
    tier : int
        1 or 2.
    stretches : callable
        Months of a size, see `maelstrom_bootcamp.bucket.downscaling.periods`.
    simulate : callable
        Seed and stretch to the month's dataset.
    bytes : int
        Of one time of an object, measured.
    """

    tier: int
    stretches: Callable[[str], list[Stretch]]
    simulate: Callable[[int, Stretch], xr.Dataset]
    bytes: int
    version: str = "1"

    @property
    def name(self) -> str:
        """Registered name of the dataset."""
        return f"maelstrom-downscaling-tier{self.tier}"

    def plan(self, size: str, seed: int) -> list[Job]:
        """One job for each month."""
        months = self.stretches(size)
        return [Job(s.month, (object_path(self.tier, s.month),), self.bytes * len(s.keep)) for s in months]

    def make(self, job: Job, out: Writer) -> None:
        """Simulate a month and write its object."""
        stretch = next(s for s in self.stretches(out.size) if s.month == job.key)
        dataset = self.simulate(out.seed, stretch)
        out.write(job.objects[0], lambda path: _write(path, dataset))


TIER1 = TierRecipe(1, periods.tier1, tier1_dataset, bytes=90_000)
TIER2 = TierRecipe(2, periods.tier2, tier2_dataset, bytes=310_000)
