"""Open tier 1 of maelstrom-downscaling by the published call: coarse and fine temperature, and heights."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import xarray as xr

from maelstrom_bootcamp import bucket
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.nn.blocks import check_choice

TIER1 = "maelstrom-downscaling-tier1"
SPLITS = ("training", "validation", "testing")
GRAVITY = 9.80665  # m s-2, standard acceleration (ISO 80000-3); turns a geopotential into a height
LAPSE_RATE = 6.5  # K/km, of the ISO standard atmosphere (ISO 2533)
_ATTRIBUTES = MappingProxyType(
    {
        "t2m_in": {"standard_name": "air_temperature", "long_name": "2 m temperature, coarse", "units": "K"},
        "t2m_tar": {"standard_name": "air_temperature", "long_name": "2 m temperature, fine", "units": "K"},
        "z_in": {"standard_name": "geopotential", "long_name": "surface, coarse", "units": "m2 s-2"},
        "z_tar": {"standard_name": "geopotential", "long_name": "surface, fine", "units": "m2 s-2"},
    }
)


def read_tier1(split: str, *, size: str | None = None) -> xr.Dataset:
    """Read a split of tier 1.

    The call behind it is ``climetlab.load_dataset("maelstrom-downscaling-tier1", dataset=split)`` followed by
    ``to_xarray()``. What the ground does not change over time is kept once, and numbers become float32: the
    files hold temperatures in steps of 1/512 K.

    Parameters
    ----------
    split : {"training", "validation", "testing"}
    size : {"ci", "default", "full"}, optional
        By default that of the settings. Sample objects that are missing are made.

    Returns
    -------
    xarray.Dataset
        ``t2m_in`` and ``t2m_tar`` (time, lat, lon; K), ``z_in`` and ``z_tar`` (lat, lon; m2 s-2), float32, in
        memory. Both temperatures lie on the fine grid; rows run from north to south.

    Raises
    ------
    BootcampError
        If there is no such split, or its objects cannot be made or opened.
    """
    check_choice("split", split, SPLITS)
    opened = bucket.open_dataset(TIER1, sample_size=size, dataset=split).to_xarray()
    missing = [name for name in _ATTRIBUTES if name not in opened]
    if missing:
        raise BootcampError(
            f"The objects of {TIER1} ({split}) have no {', '.join(missing)}.",
            f"Make them again: 'bootcamp data make {TIER1}'.",
        )
    # One thread: netCDF4 crashes when dask reads with several.
    ds = opened[list(_ATTRIBUTES)].sortby("time").load(scheduler="synchronous")
    for name, attributes in _ATTRIBUTES.items():
        field = ds[name].isel(time=0, drop=True) if name.startswith("z_") else ds[name]
        ds[name] = field.astype(np.float32).assign_attrs(attributes)
    return ds.assign_attrs(split=split)


def heights(ds: xr.Dataset) -> tuple[xr.DataArray, xr.DataArray]:
    """Heights of the ground as the coarse and as the fine grid see it.

    Parameters
    ----------
    ds : xarray.Dataset
        From `read_tier1`.

    Returns
    -------
    coarse, fine : xarray.DataArray
        (lat, lon), m.
    """
    names = {"standard_name": "surface_altitude", "units": "m"}
    coarse, fine = ((ds[name] / GRAVITY).assign_attrs(names) for name in ("z_in", "z_tar"))
    return coarse.rename("coarse"), fine.rename("fine")


def time_blocks(time: xr.DataArray, days: int = 5) -> np.ndarray:
    """Which times belong together: runs of days, none of them across two months.

    The weather of a day is much like that of the day before, so an interval that takes single times for
    independent is too narrow. Each month of the sample has weather of its own.

    Parameters
    ----------
    time : xarray.DataArray
        datetime64, rising.
    days : int
        Length of a block. The last one of a month takes what is left over, if that is less than half of it.

    Returns
    -------
    numpy.ndarray
        A whole number for each time, from 0, rising.

    Raises
    ------
    BootcampError
        If the blocks would have no length.
    """
    if days < 1:
        raise BootcampError(f"days={days}: a block needs a length.", "Give a whole number >= 1.")
    stamps = np.asarray(time.values, "datetime64[D]")
    months = stamps.astype("datetime64[M]")
    labels = np.empty(len(stamps), int)
    for month in np.unique(months):
        there = months == month
        day = (stamps[there] - stamps[there].min()).astype(int)
        blocks = max(round((day.max() + 1) / days), 1)
        within = np.minimum(day // days, blocks - 1)
        labels[there] = within + (0 if month == months[0] else labels[months < month].max() + 1)
    return np.unique(labels, return_inverse=True)[1]
