"""Read ENS-10: the forecasts of a task as members, and the truth that belongs to them.

The published call opens one date of the year at a time, and takes a second for it. A training needs all
dates. `read_members` reads the same GRIB objects with ecCodes alone, once, and keeps what it read as plain
arrays in the bucket's cache, so that the next notebook gets them in no time.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import xarray as xr

from maelstrom_bootcamp import bucket
from maelstrom_bootcamp.bucket.ens10 import grib
from maelstrom_bootcamp.bucket.ens10.periods import (
    DATES,
    MEMBERS,
    STEPS,
    TEST_YEARS,
    TRAIN_YEARS,
    start_of,
    windows,
)
from maelstrom_bootcamp.bucket.ens10.recipe import NAME, object_path
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.nn.blocks import check_choice
from maelstrom_bootcamp.settings import SIZES, settings

LEVELS = (850, 500)  # hPa, as the sample's files have them
LEAD_TIME = 48  # h, of the benchmark


@dataclass(frozen=True)
class Task:
    """What is to be forecast, and from what.

    Attributes
    ----------
    target : str
        "z500", "t850" or "t2m": name of the truth.
    kind : {"sfc", "pl"}
        Files that hold the forecast.
    level : int or None
        hPa.
    own : str
        The forecast of the target itself, among `variables`.
    units : str
    variables : tuple of str
        All forecast variables of this level, in the order of the files.
    """

    target: str
    kind: str
    level: int | None
    own: str
    units: str
    variables: tuple[str, ...]


TASKS: Mapping[str, Task] = MappingProxyType(
    {
        "z500": Task("z500", "pl", 500, "z", "m2 s-2", tuple(grib.PRESSURE)),
        "t850": Task("t850", "pl", 850, "t", "K", tuple(grib.PRESSURE)),
        "t2m": Task("t2m", "sfc", None, "t2m", "K", tuple(grib.SURFACE)),
    }
)

#: "train" is "fit" and "validation" together. In the default sample a sixth of the calendar has three of the
#: training years: the validation takes the last one of each. In the smallest there are two sixths of one year
#: each, and the later is the validation. The original has no validation split.
SPLITS = ("train", "fit", "validation", "test")
_FIRST_VALIDATION_YEAR = {"ci": 2001, "default": 2010, "full": 2013}


def task(target: str) -> Task:
    """The task of a target.

    Raises
    ------
    BootcampError
        If there is no such task.
    """
    check_choice("target", target, tuple(TASKS))
    return TASKS[target]


def years_of(split: str, size: str | None = None) -> tuple[int, ...]:
    """Years of a split.

    Parameters
    ----------
    split : {"train", "fit", "validation", "test"}
    size : {"ci", "default", "full"}, optional
        By default that of the settings.

    Returns
    -------
    tuple of int

    Raises
    ------
    BootcampError
        If there is no such split or size.
    """
    check_choice("split", split, SPLITS)
    size = settings().size if size is None else size
    check_choice("size", size, SIZES)
    if split == "test":
        return TEST_YEARS
    first = _FIRST_VALIDATION_YEAR[size]
    chosen = {"train": lambda y: True, "fit": lambda y: y < first, "validation": lambda y: y >= first}[split]
    return tuple(year for year in TRAIN_YEARS if chosen(year))


def read_members(
    target: str,
    split: str,
    *,
    lead_time: int = LEAD_TIME,
    members: int = MEMBERS,
    size: str | None = None,
) -> xr.Dataset:
    """Read all forecasts of a task.

    Parameters
    ----------
    target : {"z500", "t850", "t2m"}
    split : {"train", "fit", "validation", "test"}
    lead_time : {0, 24, 48}
        h.
    members : int
        The first so many of the ten.
    size : {"ci", "default", "full"}, optional
        By default that of the settings. Sample objects that are missing are made.

    Returns
    -------
    xarray.Dataset
        Every variable of the task's level, (time, member, latitude, longitude), float32, read from disk when
        it is used. ``time`` is the start of the forecast, rising. ``sst`` is NaN over land.

    Raises
    ------
    BootcampError
        If there is no such target, split, lead time, number of members or size, or in remote mode.
    """
    wanted = task(target)
    check_choice("split", split, SPLITS)
    check_choice("lead_time", lead_time, STEPS)
    whole = isinstance(members, (int, np.integer)) and not isinstance(members, bool)
    if not whole or not 1 <= members <= MEMBERS:
        raise BootcampError(f"members={members!r}: ENS-10 has {MEMBERS}.", f"Give 1 to {MEMBERS}.")
    times, fields = _fields(wanted.kind, lead_time, size)
    years = times.astype("datetime64[Y]").astype(int) + 1970
    chosen = np.flatnonzero(np.isin(years, years_of(split, size)))
    level = 0 if wanted.level is None else LEVELS.index(wanted.level)
    coords = {
        "time": ("time", times[chosen], {"standard_name": "forecast_reference_time"}),
        "member": ("member", np.arange(1, members + 1), {"standard_name": "realization"}),
        **_grid(),
    }
    data = {
        name: (
            ("time", "member", "latitude", "longitude"),
            fields[name][chosen, :members, level],
            {"units": UNITS[name]},
        )
        for name in wanted.variables
    }
    attributes = {"target": target, "own": wanted.own, "lead_time": f"{lead_time} h"}
    return xr.Dataset(data, coords, attributes)


def read_truth(
    target: str, split: str, *, lead_time: int = LEAD_TIME, size: str | None = None
) -> xr.DataArray:
    """Read what came true.

    Parameters
    ----------
    target, split, lead_time, size
        As for `read_members`.

    Returns
    -------
    xarray.DataArray
        (time, latitude, longitude), float32, in the unit of the task. ``time`` is the start of the forecast,
        as in `read_members`.

    Raises
    ------
    BootcampError
        If there is no such target, split, lead time or size, or in remote mode.
    """
    wanted = task(target)
    check_choice("split", split, SPLITS)
    check_choice("lead_time", lead_time, STEPS)
    folder = bucket.truth(NAME, size=size)
    parts = [
        xr.load_dataset(folder / f"targets_{window.number}.nc")[wanted.target]
        for window in windows(size or settings().size)
    ]
    step = np.timedelta64(lead_time, "h")
    whole = xr.concat([part.sel(step=step, drop=True) for part in parts], "time").sortby("time")
    known = whole.isel(time=whole["time.year"].isin(years_of(split, size)).values)
    return known.drop_vars("valid_time", errors="ignore")


def read_ground(size: str | None = None) -> xr.Dataset:
    """Read heights and land.

    Returns
    -------
    xarray.Dataset
        ``orography`` and ``model_orography`` (m), ``land_area_fraction`` (1), (latitude, longitude).
    """
    return xr.load_dataset(bucket.truth(NAME, size=size) / "ground.nc")


def area_mean(field: xr.DataArray) -> xr.DataArray:
    """Mean over the globe, or what is there of it: a row counts as much as its area, cos(latitude).

    Parameters
    ----------
    field : xarray.DataArray
        With ``latitude`` (degrees north) and ``longitude``.

    Returns
    -------
    xarray.DataArray
        Without these two; missing values are left out.
    """
    weights = np.cos(np.deg2rad(field["latitude"]))
    return field.weighted(weights).mean(("latitude", "longitude"))


UNITS: Mapping[str, str] = MappingProxyType(
    {
        "z": "m2 s-2", "t": "K", "q": "kg kg-1", "w": "Pa s-1", "d": "s-1", "u": "m s-1", "v": "m s-1",
        "sst": "K", "tcw": "kg m-2", "tcwv": "kg m-2", "cp": "m", "msl": "Pa", "tcc": "1", "u10": "m s-1",
        "v10": "m s-1", "t2m": "K", "tp": "m", "skt": "K",
    }
)  # fmt: skip


def _grid() -> dict[str, tuple]:
    longitude = np.arange(grib.LONGITUDES) * 360 / grib.LONGITUDES
    return {
        "latitude": ("latitude", grib.LATITUDE, {"units": "degrees_north"}),
        "longitude": ("longitude", longitude, {"units": "degrees_east"}),
    }


def _fields(kind: str, lead_time: int, size: str | None) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Starts, and by variable (start, member, level, latitude, longitude), as memory maps."""
    if settings().data == "remote":
        raise BootcampError(
            "All forecasts at once can be read of the sample only: the original has three terabytes.",
            "Set MAELSTROM_DATA=sample and restart, or open single dates by the published call.",
        )
    root = bucket.serve(NAME, size=size)
    names = list(grib.SURFACE if kind == "sfc" else grib.PRESSURE)
    folder = _cached(root, kind, lead_time)
    if not folder.is_dir():
        _read_all(root, kind, lead_time, names, folder)
    times = np.load(folder / "time.npy")
    return times, {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in names}


def _cached(root: Path, kind: str, lead_time: int) -> Path:
    """Folder of what was read of a bucket; another one when the bucket's contents change."""
    manifest = (root / "manifest" / f"{NAME}.jsonl").read_bytes()
    return root / "read" / f"{NAME}-{kind}-{lead_time}h-{hashlib.sha256(manifest).hexdigest()[:16]}"


def _read_all(root: Path, kind: str, lead_time: int, names: list[str], folder: Path) -> None:
    times: list[np.datetime64] = []
    parts: dict[str, list[np.ndarray]] = {name: [] for name in names}
    planned = {d: years for window in windows(_size_of(root)) for d, years in window.years.items()}
    for date in DATES:
        if date not in planned:
            continue
        values = grib.read(root / object_path(kind, date), names, lead_time)
        times += [np.datetime64(start_of(date, year), "ns") for year in sorted(planned[date])]
        for name in names:
            parts[name].append(values[name])
    order = np.argsort(times)
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".read"))
    try:
        np.save(draft / "time.npy", np.array(times)[order])
        for name in names:
            np.save(draft / f"{name}.npy", np.concatenate(parts.pop(name))[order])
        draft.chmod(root.stat().st_mode & 0o777)  # a bucket may be shared: mkdtemp lets only its owner in
        os.replace(draft, folder)
    except OSError:
        if not folder.is_dir():
            raise
        # Somebody else was quicker: what is there has the same contents.
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _size_of(root: Path) -> str:
    return root.name.partition("-")[0]
