"""What all placeholders share: the recipe, ramps, and netCDF files that say what they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from maelstrom_bootcamp.bucket.writing import Job, Writer

TITLE = "PLACEHOLDER: layout only"
STORE = "url/https/object-store.os-api.cci1.ecmwf.int"
OLD_STORE = "url/https/storage.ecmwf.europeanweather.cloud"


@dataclass(frozen=True)
class Placeholder:
    """A recipe that writes objects of the true layout with ramps as values.

    Attributes
    ----------
    name : str
        Registered name of the dataset.
    writers : mapping
        Function that writes an object, by its path relative to the bucket. Size and seed change nothing.
    version : str
    in_process : bool
        Too small for worker processes.
    """

    name: str
    writers: Mapping[str, Callable[[Path], None]]
    version: str = "placeholder-1"
    in_process: bool = True

    def plan(self, size: str, seed: int) -> list[Job]:
        """One job for each object."""
        return [Job(key=path, objects=(path,)) for path in self.writers]

    def make(self, job: Job, out: Writer) -> None:
        """Write the object of a job."""
        for path in job.objects:
            out.write(path, self.writers[path])


def ramp(shape: tuple[int, ...], low: float, high: float, dtype: str = "f4") -> np.ndarray:
    """Values that rise evenly from `low` to `high` in the order of storage.

    Parameters
    ----------
    shape : tuple of int
    low, high : float
        Units of the variable.
    dtype : str

    Returns
    -------
    numpy.ndarray
        Of this shape.
    """
    return np.linspace(low, high, int(np.prod(shape)), dtype=dtype).reshape(shape)


@dataclass(frozen=True)
class Field:
    """One variable of a placeholder: where its ramp starts and ends, and its units."""

    dims: tuple[str, ...]
    low: float
    high: float
    units: str = "1"


def write_netcdf(
    path: Path,
    sizes: Mapping[str, int],
    fields: Mapping[str, Field],
    coords: Mapping[str, Any] | None = None,
    dtype: str = "f4",
    extra: Mapping[str, Any] | None = None,
    attrs: Mapping[str, Any] | None = None,
) -> None:
    """Write a netCDF file of ramps.

    Parameters
    ----------
    path : pathlib.Path
    sizes : mapping of str to int
        Length of every dimension.
    fields : mapping of str to Field
    coords, extra : mapping, optional
        Coordinates and further variables as xarray takes them.
    dtype : str
        Type of the fields.
    attrs : mapping, optional
        Global attributes besides the title.
    """
    import xarray as xr

    variables = {
        name: (f.dims, ramp(tuple(sizes[d] for d in f.dims), f.low, f.high, dtype), {"units": f.units})
        for name, f in fields.items()
    }
    dataset = xr.Dataset(
        variables | dict(extra or {}), dict(coords or {}), {"title": TITLE} | dict(attrs or {})
    )
    packing = {"zlib": True, "complevel": 1, "shuffle": True}
    encoding = {name: packing for name, f in fields.items() if f.dims}
    dataset.to_netcdf(path, engine="netcdf4", encoding=encoding)


def writer(function: Callable[..., None], *args: Any, **kwargs: Any) -> Callable[[Path], None]:
    """A function of the path only, with everything else filled in."""
    return partial(_call, function, args, kwargs)


def _call(function: Callable[..., None], args: tuple, kwargs: dict, path: Path) -> None:
    function(path, *args, **kwargs)
