"""Columns of maelstrom-radiation (netCDF) by the published call: as a Dataset with coordinates, or as arrays.

>>> from maelstrom_bootcamp.apps.radiation.columns import load_split, open_columns
>>> open_columns("test").flux_dn_sw                              # doctest: +SKIP
>>> load_split("train")["sca_inputs"].shape                      # doctest: +SKIP
(6656, 17)
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from datetime import datetime
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from maelstrom_bootcamp.apps.radiation.variables import CF, SOLVERS_3D, describe
from maelstrom_bootcamp.bucket import open_dataset, truth
from maelstrom_bootcamp.bucket.radiation.periods import PATCHES, Snapshot, snapshots
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.settings import SIZES, settings

NAME = "maelstrom-radiation"
#: What `load_split` returns, in this order.
FIELDS = (
    "sca_inputs",
    "col_inputs",
    "hl_inputs",
    "inter_inputs",
    "pressure_hl",
    "sw",
    "lw",
    "hr_sw",
    "hr_lw",
)
#: Coordinates that name a column: where it stands in the archive.
ORIGIN = ("date", "timestep", "patch", "number")
_OBJECT = re.compile(r"_(?P<date>\d{8})00_(?P<timestep>\d+)c(?P<patch>\d+)\.nc$")
_CONCAT = {"data_vars": "minimal", "coords": "minimal", "compat": "override", "join": "override"}


def open_columns(
    split: str,
    size: str | None = None,
    dataset: str = "tripleclouds",
    raw_inputs: bool = True,
    all_outputs: bool = False,
) -> xr.Dataset:
    """Open all columns of a split.

    The call behind it is ``climetlab.load_dataset("maelstrom-radiation", dataset=, date=, timestep=)``
    followed by ``to_xarray()``, once for each snapshot. Added are: coordinates, CF names and units, and where
    each column comes from (``date``, ``timestep``, ``patch``, ``number`` in the patch, valid ``time``).

    Parameters
    ----------
    split : {"train", "validation", "test"}
    size : {"ci", "default", "full"}, optional
        Size of the sample; by default that of the settings.
    dataset : {"tripleclouds", "mcica"}
        The solver, by the plugin's names: in the sample the mean over many random states of the clouds, or
        one of them. ("3dcorrection" and "spartacus" exist in the archive only.)
    raw_inputs : bool
        One variable for each quantity. False: gathered, as networks take them (see `load_split`).
    all_outputs : bool
        Also what else the solver wrote, such as the fluxes of a clear sky. With raw inputs only.

    Returns
    -------
    xarray.Dataset
        Lazy, with the dimensions column, level (137, from the top), half_level (138), ...; fluxes in W m-2,
        heating rates in K d-1.

    Raises
    ------
    BootcampError
        If there is no such split, size or solver, or an object is missing or damaged.
    """
    if all_outputs and not raw_inputs:
        raise BootcampError(
            "all_outputs=True and raw_inputs=False do not go together.", "Take raw_inputs=True."
        )
    request = {
        "dataset": dataset,
        "raw_inputs": raw_inputs,
        "gather_fluxes": not raw_inputs,
        "all_outputs": all_outputs,
    }
    parts = [_open(s, size, request) for s in _snapshots(split, size)]
    return xr.concat(parts, "column", **_CONCAT)


def load_split(
    split: str, size: str | None = None, dataset: str = "tripleclouds", fields: Sequence[str] = FIELDS
) -> dict[str, np.ndarray]:
    """Load all columns of a split into memory: 20 kB each.

    Parameters
    ----------
    split, size, dataset
        As for `open_columns`.
    fields : sequence of str
        Which to load.

    Returns
    -------
    dict of str to numpy.ndarray
        float32, in the order of `open_columns`: "sca_inputs" (N, 17), "col_inputs" (N, 137, 27), "hl_inputs"
        (N, 138, 2: temperature in K and pressure in Pa), "inter_inputs" (N, 136, 1), "pressure_hl"
        (N, 138, 1) in Pa, "sw" and "lw" (N, 138, 2: down and up) in W/m², "hr_sw" and "hr_lw" (N, 137, 1) in
        K/day. What the first four hold tells `maelstrom_bootcamp.apps.radiation.networks`.

    Raises
    ------
    BootcampError
        As `open_columns`, or if there is no such field.
    """
    unknown = sorted(set(fields) - set(FIELDS))
    if unknown or not fields:
        raise BootcampError(
            f"There are no fields {unknown}." if unknown else "No field was asked for.",
            f"Choose from {', '.join(FIELDS)}.",
        )
    request = {"dataset": dataset, "raw_inputs": False, "gather_fluxes": True}
    parts = [_arrays(_open(s, size, request), fields) for s in _snapshots(split, size)]
    return {name: np.concatenate([part[name] for part in parts]) for name in fields}


def origin(split: str, size: str | None = None) -> xr.Dataset:
    """Where and when the columns of a split are, in the order of `load_split`.

    Parameters
    ----------
    split, size
        As for `open_columns`.

    Returns
    -------
    xarray.Dataset
        Coordinates only, in memory: date, timestep, patch, number, time, lat, lon, each (column).
    """
    ds = open_columns(split, size)
    return ds.drop_vars(list(ds.data_vars)).load()


def open_truth(split: str, size: str | None = None) -> xr.Dataset:
    """What only the generator of the sample knows about the columns of a split.

    Parameters
    ----------
    split, size
        As for `open_columns`.

    Returns
    -------
    xarray.Dataset
        In the order of `load_split`: standard deviations of one draw (``flux_dn_sw_sd``, ...), kinds of
        surface and of cloud, total cloud cover.

    Raises
    ------
    BootcampError
        In remote mode, or if the files are missing or do not hold the columns of the split.
    """
    folder = truth(NAME, size=size)
    wanted = origin(split, size)
    parts = [_truth(folder / f"{s.key}.nc", s) for s in _snapshots(split, size)]
    known = xr.concat(parts, "column", **_CONCAT)
    keys = [_keys(ds) for ds in (known, wanted)]
    place = {key: i for i, key in enumerate(keys[0])}
    if not set(keys[1]) <= set(place):
        raise BootcampError(
            f"The truth in {folder} is not that of the columns of {split}.",
            f"Make the sample again: `bootcamp data make {NAME}`.",
        )
    return known.isel(column=[place[key] for key in keys[1]])


def label_noise(split: str, size: str | None = None) -> dict[str, np.ndarray]:
    """Standard error of the labels: each is a mean over a few random states of the clouds.

    Parameters
    ----------
    split, size
        As for `open_columns`.

    Returns
    -------
    dict of str to numpy.ndarray
        "sw", "lw" (N, 138, 2) in W/m² and "hr_sw", "hr_lw" (N, 137, 1) in K/day, float32: the standard
        deviation of one draw over the root of the number of draws. A perfect emulator, one that knows the
        mean over all states, would have an RMSE of this size against these labels.

    Raises
    ------
    BootcampError
        As `open_truth`.
    """
    known = open_truth(split, size)
    noise = {}
    for band in ("sw", "lw"):
        root = np.sqrt(known[f"draws_{band}"].values)[:, None]
        flux = [known[f"flux_{way}_{band}_sd"].values / root for way in ("dn", "up")]
        noise[band] = np.stack(flux, axis=-1).astype(np.float32)
        noise[f"hr_{band}"] = (known[f"hr_{band}_sd"].values / root).astype(np.float32)[..., None]
    return noise


def check_split(times: Mapping[str, Sequence[datetime]], gap_days: float = 10) -> None:
    """Make sure that no column is tested on weather that trained the model.

    Columns of one snapshot share a weather: were they divided at random, a test column would lie between
    training columns, and its score would tell how well the model interpolates, not how well it emulates.

    Parameters
    ----------
    times : mapping of str to sequence of datetime
        Valid times of the snapshots of each split, from `split_times`.
    gap_days : float
        Shortest time between two splits; weather regimes last up to about ten days.

    Raises
    ------
    BootcampError
        If a split is empty, or two splits share a date or come too close.
    """
    for name, found in times.items():
        if not found:
            raise BootcampError(f"The split {name!r} has no snapshot.", "Give it at least one.")
    for (first, a), (second, b) in combinations(times.items(), 2):
        shared = sorted({t.date() for t in a} & {t.date() for t in b})
        if shared:
            raise BootcampError(
                f"{first} and {second} share {len(shared)} dates (the first: {shared[0]}).",
                f"Remove them from {first} or from {second}.",
            )
        gap = min(abs(t - u).total_seconds() for t in a for u in b) / 86_400
        if gap < gap_days:
            raise BootcampError(
                f"{first} and {second} come within {gap:.1f} days of each other.",
                f"Leave out snapshots until the gap is {gap_days:g} days at least.",
            )


def split_times(size: str | None = None) -> dict[str, list[datetime]]:
    """Valid times of the snapshots of each split (UTC).

    Parameters
    ----------
    size : {"ci", "default", "full"}, optional
        By default that of the settings.

    Returns
    -------
    dict of str to list of datetime
    """
    return {name: [s.time for s in found] for name, found in snapshots(_size(size)).items()}


def _size(size: str | None) -> str:
    if size is None:
        return settings().size
    if size not in SIZES:
        raise BootcampError(f"There is no sample of size {size!r}.", f"Take one of {', '.join(SIZES)}.")
    return size


def _snapshots(split: str, size: str | None) -> tuple[Snapshot, ...]:
    found = snapshots(_size(size))
    if split not in found:
        raise BootcampError(f"There is no split {split!r}.", f"Take one of {', '.join(found)}.")
    return found[split]


def _open(snapshot: Snapshot, size: str | None, request: Mapping[str, Any]) -> xr.Dataset:
    """One snapshot by the published call, with coordinates."""
    solver = request["dataset"]
    if solver in SOLVERS_3D and settings().data == "sample":
        raise BootcampError(
            f"{NAME}: {solver!r} needs a solver of radiation in three dimensions, which cannot run here.",
            "Take dataset='tripleclouds', or set MAELSTROM_DATA=remote for the archive's own columns.",
        )
    with redirect_stdout(None):  # the plugin tells what it opens
        opened = open_dataset(
            NAME,
            sample_size=size,
            date=snapshot.date,
            timestep=snapshot.timestep,
            patch=list(PATCHES),
            **request,
        )
    paths = [Path(source.path) for source in opened.source_inputs.sources]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # FutureWarnings of xarray about the plugin's concat
            ds = opened.to_xarray()
        return _with_coordinates(ds, paths)
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise _unreadable(f"A file of the snapshot {snapshot.key}", error) from error


def _with_coordinates(ds: xr.Dataset, paths: Sequence[Path]) -> xr.Dataset:
    """Say of each axis and variable what it is, and of each column where it comes from."""
    names, counts = [_OBJECT.search(path.name) for path in paths], [_count(path) for path in paths]
    if sum(counts) != ds.sizes["column"]:
        raise ValueError(f"{len(paths)} files hold {sum(counts)} columns, opened were {ds.sizes['column']}")
    each = {k: np.repeat([int(n[k]) for n in names], counts) for k in ("date", "timestep", "patch")}
    each["number"] = np.concatenate([np.arange(n) for n in counts])
    time = _days(each["date"]).astype("datetime64[ns]") + each["timestep"] * np.timedelta64(12, "m")
    columns = {name: ("column", values, CF[name]) for name, values in each.items()}
    levels = {
        "level": np.arange(1, ds.sizes["level"] + 1),
        "half_level": np.arange(ds.sizes["half_level"]),
        "level_interface": np.arange(1, ds.sizes["level_interface"] + 1),
    }
    coords = columns | {name: (name, values, CF[name]) for name, values in levels.items()}
    coords["time"] = ("column", time, CF["time"])
    ds = ds.assign_coords(coords).set_coords(["lat", "lon"])
    ds.attrs = {n: v for n, v in ds.attrs.items() if n not in coords}  # those of the first file
    return describe(ds)


def _days(dates: np.ndarray) -> np.ndarray:
    """20200131 as a date of NumPy's."""
    text = [f"{d // 10_000}-{d // 100 % 100:02d}-{d % 100:02d}" for d in dates]
    return np.array(text, "datetime64[D]")


def _count(path: Path) -> int:
    import netCDF4

    with netCDF4.Dataset(path) as file:
        return file.dimensions["column"].size


def _arrays(ds: xr.Dataset, fields: Sequence[str]) -> dict[str, np.ndarray]:
    try:
        loaded = ds[list(fields)].load()
    except (OSError, RuntimeError) as error:
        raise _unreadable("A file", error) from error
    arrays = {name: loaded[name].values.astype(np.float32, copy=False) for name in fields}
    return {n: v[..., None] if n.startswith("hr_") else v for n, v in arrays.items()}


def _truth(path: Path, snapshot: Snapshot) -> xr.Dataset:
    try:
        with xr.open_dataset(path) as file:
            ds = file.load()
    except (OSError, ValueError) as error:
        raise _unreadable(f"The truth of the snapshot {snapshot.key}", error) from error
    n, patch = ds.sizes["column"], ds["patch"].values
    found = {name: np.full(n, ds.attrs[name]) for name in ("draws_sw", "draws_lw")}
    found |= {"date": np.full(n, int(snapshot.date)), "timestep": np.full(n, snapshot.timestep)}
    found["number"] = np.array([(patch[:i] == patch[i]).sum() for i in range(n)])
    return ds.assign({name: ("column", values) for name, values in found.items()})


def _unreadable(what: str, error: Exception) -> BootcampError:
    return BootcampError(
        f"{what} of {NAME} cannot be read: {error}.",
        f"`bootcamp data verify {NAME}` finds what is damaged and makes it again.",
    )


def _keys(ds: xr.Dataset) -> list[tuple[int, ...]]:
    return list(zip(*(ds[name].values.tolist() for name in ORIGIN), strict=True))
