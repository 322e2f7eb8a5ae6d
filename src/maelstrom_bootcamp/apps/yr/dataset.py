"""Open runs of maelstrom-yr by the published call, as a Dataset with proper coordinates."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from datetime import date
from pathlib import Path

import numpy as np
import xarray as xr

from maelstrom_bootcamp.bucket import guards, open_dataset, serve
from maelstrom_bootcamp.bucket.yr.periods import MISSING, run_start
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.settings import settings

NAME = "maelstrom-yr"
SIZE = "5GB"
#: Where CliMetLab's mirror keeps the objects of MET Norway's store.
MIRROR = "url/https/object-store.os-api.cci1.ecmwf.int/maelstrom-ap1"
#: First and last run of the archive.
FIRST, LAST = "2020-03-01", "2022-02-28"


def open_runs(
    dates: Sequence[str], *, thin: int = 1, location: str | os.PathLike[str] | None = None, chunk: int = 31
) -> xr.Dataset:
    """Open the runs of the given dates.

    The call behind it is ``climetlab.load_dataset("maelstrom-yr", size="5GB", dates=dates,
    probabilistic_target=True)`` followed by ``to_xarray()``. Added are: coordinates with units, lead times as
    ``timedelta64``, the place in the whole domain (``row``, ``column``), and care for a single date, for
    which CliMetLab skips the plugin's merger and hands out the raw file.

    Parameters
    ----------
    dates : sequence of str
        "YYYY-MM-DD". The order does not matter: runs come sorted by time.
    thin : int
        Keep every thin-th row and column. A year of whole fields takes 4 GB of memory, a year thinned by 4
        takes 0.25 GB and still fits a linear regression well.
    location : path, optional
        A folder that holds ``air_temperature/5GB/*.nc``, instead of the bucket.
    chunk : int
        Most runs opened in one call of the plugin, which reads all it opens into memory.

    Returns
    -------
    xarray.Dataset
        ``predictors`` (time, leadtime, y, x, predictor) and ``targets`` (time, leadtime, y, x, target: mean
        and std), float32, in the units of the files.

    Raises
    ------
    BootcampError
        If no date is given, a date does not exist in the archive, or its object cannot be opened.
    """
    wanted = _checked(dates)
    if thin < 1 or chunk < 1:
        raise BootcampError(f"thin={thin} and chunk={chunk} must be at least 1.", "Give whole numbers >= 1.")
    parts = []
    for i in range(0, len(wanted), chunk):
        part = _open(wanted[i : i + chunk], location)
        part = _with_coordinates(part).isel(y=slice(None, None, thin), x=slice(None, None, thin))
        parts.append(part.copy(deep=True) if thin > 1 else part)  # let go of the whole fields
    ds = xr.concat(parts, "time", **_CONCAT) if len(parts) > 1 else parts[0]
    if ds.sizes["time"] != len(wanted):
        raise BootcampError(
            f"{len(wanted)} runs were asked for, {ds.sizes['time']} were found.",
            "Make the missing objects ('bootcamp data make maelstrom-yr'), or ask for dates that exist.",
        )
    return ds


_CONCAT = {"data_vars": "minimal", "coords": "minimal", "compat": "override", "join": "override"}


def run_paths(dates: Sequence[str], *, location: str | os.PathLike[str] | None = None) -> list[Path]:
    """Files that the published call resolves these dates to, sorted by time.

    Parameters
    ----------
    dates : sequence of str
        "YYYY-MM-DD".
    location : path, optional
        As for `open_runs`.

    Returns
    -------
    list of pathlib.Path
        In sample mode inside the bucket, in remote mode in CliMetLab's cache.

    Raises
    ------
    BootcampError
        As for `open_runs`.
    """
    wanted = _checked(dates)
    if location is not None:
        paths = [Path(location) / object_name(day) for day in wanted]
    elif settings().data == "sample":
        # The plugin would find the same files, but looks up every date in the list of all dates, twice.
        root = serve(NAME) / MIRROR
        paths = [root / object_name(day) for day in wanted]
    else:
        paths = _resolved(wanted, None)
    missing = [p.name for p in paths if not p.is_file()]
    if missing:
        raise BootcampError(
            f"{len(wanted)} runs were asked for, {len(missing)} are missing: {', '.join(missing[:5])}.",
            "Make the missing objects ('bootcamp data make maelstrom-yr'), or ask for dates that exist.",
        )
    return paths


def object_name(day: str) -> str:
    """Name of a run in MET Norway's store.

    Parameters
    ----------
    day : str
        "YYYY-MM-DD".

    Returns
    -------
    str
        "air_temperature/5GB/YYYYMMDDTHHZ.nc", HH being the hour at which the run of this day starts (UTC).
    """
    return f"air_temperature/{SIZE}/{run_start(day):%Y%m%dT%HZ}.nc"


def _resolved(days: list[str], location: str | os.PathLike[str] | None) -> list[Path]:
    """What the plugin itself resolves dates to; in remote mode this downloads them."""
    source = _load(days, location).source
    return [Path(s.path) for s in getattr(source, "sources", [source])]


def _checked(dates: Sequence[str]) -> list[str]:
    if isinstance(dates, str):
        dates = [dates]
    try:
        days = sorted({date.fromisoformat(str(d)[:10]).isoformat() for d in dates})
    except ValueError as error:
        raise BootcampError(f"A date cannot be read: {error}.", 'Write dates as "YYYY-MM-DD".') from error
    if not days:
        raise BootcampError("No dates were given.", 'Give at least one, as "YYYY-MM-DD".')
    unknown = [d for d in days if not FIRST <= d <= LAST or d in MISSING]
    if unknown:
        raise BootcampError(
            f"The archive has no run of {', '.join(unknown[:5])}{' ...' if len(unknown) > 5 else ''}.",
            "It holds 2020-03-01 to 2022-02-28, less the six days in bucket.yr.periods.MISSING.",
        )
    return days


def _load(days: list[str], location: str | os.PathLike[str] | None):
    """CliMetLab's dataset object; the plugin prints its terms of use and warnings to standard output."""
    request = {"size": SIZE, "dates": days, "probabilistic_target": True}
    if location is None:
        return open_dataset(NAME, **request)
    guards.install()
    import climetlab

    folder = f"{Path(location)}{os.sep}"  # the plugin wants the trailing slash
    try:
        with redirect_stdout(None):
            return climetlab.load_dataset(NAME, location=folder, **request)
    except RuntimeError as error:
        raise BootcampError(
            f"{folder} holds none of the runs asked for ({days[0]} ... {days[-1]}).",
            f"It must contain air_temperature/{SIZE}/YYYYMMDDTHHZ.nc.",
        ) from error


def _open(days: list[str], location: str | os.PathLike[str] | None) -> xr.Dataset:
    data = _load(days, location)
    try:
        with warnings.catch_warnings(), redirect_stdout(None):
            warnings.simplefilter("ignore")  # "No index created for dimension time"
            ds = data.to_xarray()
            if "targets" not in ds:  # a single date: do what the merger would have done
                with (
                    ds as file
                ):  # a file left open may be opened again by another HDF5 library: crashes were seen
                    ds = data.preprocess(file).expand_dims("time").load()
    except (OSError, KeyError, ValueError) as error:
        raise BootcampError(
            f"A run between {days[0]} and {days[-1]} cannot be read: {error}.",
            "'bootcamp data verify maelstrom-yr' finds what is damaged, 'bootcamp data make' remakes it.",
        ) from error
    return ds


def _with_coordinates(ds: xr.Dataset) -> xr.Dataset:
    """Give each axis a coordinate that says what it is (CF names and units)."""
    ny, nx = ds.sizes["y"], ds.sizes["x"]
    seconds = np.rint(ds["leadtime"].values).astype("timedelta64[s]")
    return ds.assign_coords(
        time=("time", ds["time"].values.reshape(-1).astype("datetime64[ns]"), _CF["time"]),
        leadtime=("leadtime", seconds.astype("timedelta64[ns]"), _CF["leadtime"]),
        x=("x", ds["x"].values, _CF["x"]),
        y=("y", ds["y"].values, _CF["y"]),
        latitude=ds["latitude"].compute(),
        longitude=ds["longitude"].compute(),
        row=("y", np.arange(ny), {"long_name": "row in the whole domain", "size": ny}),
        column=("x", np.arange(nx), {"long_name": "column in the whole domain", "size": nx}),
        predictor=("predictor", ds["predictor"].values.astype(str)),
        target=("target", ds["target"].values.astype(str)),
    )


_CF = {
    "time": {"standard_name": "forecast_reference_time"},
    "leadtime": {"standard_name": "forecast_period"},
    "x": {"standard_name": "projection_x_coordinate", "units": "m"},
    "y": {"standard_name": "projection_y_coordinate", "units": "m"},
}
