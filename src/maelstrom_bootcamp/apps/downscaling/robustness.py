"""Downscaling where it was not trained: altered inputs, other weather, another place, extremes, inversions.

What alters a dataset takes one as from `read_tier1` and returns one of the same layout, so that every method
can be asked again. Normalisations stay those of the training: that is what would happen in operations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import xarray as xr

from maelstrom_bootcamp.apps.downscaling.dataset import heights
from maelstrom_bootcamp.bucket.downscaling.periods import TIER1_SPLITS, Stretch
from maelstrom_bootcamp.bucket.downscaling.recipe import tier1_dataset
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.settings import settings
from maelstrom_bootcamp.verify.scores import rmse

PLANE = ("lat", "lon")
SPIN_UP = 24  # hours, as in the sample of size default
FIRST_DAY = 10  # of the month
Predict = Callable[[xr.Dataset], xr.DataArray]


def warmer(ds: xr.Dataset, kelvins: float = 3.0) -> xr.Dataset:
    """Coarse and fine temperature raised alike, as if the climate had warmed and all else had stayed.

    Parameters
    ----------
    ds : xarray.Dataset
    kelvins : float

    Returns
    -------
    xarray.Dataset
        A method that works on differences of temperature does not notice.
    """
    return ds.assign({name: ds[name] + np.float32(kelvins) for name in ("t2m_in", "t2m_tar")})


def noisy(ds: xr.Dataset, kelvins: float = 0.5, seed: int = 0) -> xr.Dataset:
    """Independent noise on the coarse temperature of each point.

    Parameters
    ----------
    ds : xarray.Dataset
    kelvins : float
        Standard deviation.
    seed : int

    Returns
    -------
    xarray.Dataset
        The target is left as it was.
    """
    noise = np.random.default_rng(seed).normal(0, kelvins, ds["t2m_in"].shape).astype(np.float32)
    return ds.assign(t2m_in=ds["t2m_in"] + noise)


def flat(ds: xr.Dataset) -> xr.Dataset:
    """The fine heights replaced by the coarse ones: no mountain is told to the method.

    Parameters
    ----------
    ds : xarray.Dataset

    Returns
    -------
    xarray.Dataset
    """
    return ds.assign(z_tar=ds["z_in"].assign_attrs(ds["z_tar"].attrs))


def shuffled(ds: xr.Dataset, seed: int = 0, cells: int = 8) -> xr.Dataset:
    """The detail of the heights, fine minus coarse, exchanged between blocks: right statistics, wrong places.

    Parameters
    ----------
    ds : xarray.Dataset
    seed : int
    cells : int
        Points along a side of a block; the grid has to consist of whole blocks.

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    BootcampError
        If it does not.
    """
    detail = (ds["z_tar"] - ds["z_in"]).transpose(*PLANE).values
    rows, columns = detail.shape
    if rows % cells or columns % cells:
        raise BootcampError(
            f"{rows} x {columns} points are no whole blocks of {cells} x {cells}.", "Give the whole grid."
        )
    blocks = detail.reshape(rows // cells, cells, columns // cells, cells).swapaxes(1, 2)
    mixed = np.random.default_rng(seed).permutation(blocks.reshape(-1, cells, cells))
    detail = mixed.reshape(blocks.shape).swapaxes(1, 2).reshape(rows, columns)
    return ds.assign(z_tar=ds["z_in"].transpose(*PLANE).copy(data=ds["z_in"].transpose(*PLANE) + detail))


def shifted(ds: xr.Dataset, points: int = 1) -> xr.Dataset:
    """The fine heights moved to the east: the maps of ground and weather do not quite fit.

    Parameters
    ----------
    ds : xarray.Dataset
    points : int
        Grid points; the westernmost column is repeated.

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    BootcampError
        If nothing of the map would be left.
    """
    n = ds.sizes["lon"]
    if not 0 <= points < n:
        raise BootcampError(f"A shift by {points} of {n} points.", "Give 0 to fewer than there are.")
    source = np.maximum(np.arange(n) - points, 0)
    return ds.assign(z_tar=ds["z_tar"].copy(data=ds["z_tar"].isel(lon=source).values))


def mirrored(ds: xr.Dataset) -> xr.Dataset:
    """West and east exchanged, in all fields: a region not seen yet, with weather that fits its ground.

    Parameters
    ----------
    ds : xarray.Dataset

    Returns
    -------
    xarray.Dataset
        Coordinates stay, so that a method takes it for the region of its training. (At 00 and 12 UTC the sun
        is near its lowest and highest, so that it is hardly on the wrong side.)
    """
    axis = {name: field.dims.index("lon") for name, field in ds.items() if "lon" in field.dims}
    return ds.assign({name: ds[name].copy(data=np.flip(ds[name].values, axis[name])) for name in axis})


def other_weather(
    data_seed: int = 1, months: Sequence[str] = TIER1_SPLITS["testing"], days: int = 8
) -> xr.Dataset:
    """Months of another data seed, made just now and written nowhere: weather that no choice was made on.

    Parameters
    ----------
    data_seed : int
        Another one than that of the sample.
    months : sequence of str
        "YYYY-MM".
    days : int
        Of each month, from the 10th; two times a day. A month takes some seconds.

    Returns
    -------
    xarray.Dataset
        As from `read_tier1`. Another `days` gives the same weather, longer; but it is not that of another
        size of sample.

    Raises
    ------
    BootcampError
        If there is no month or no day, or in remote mode: nobody can draw real weather anew.
    """
    if settings().data == "remote":
        raise BootcampError("Real weather has no other seed.", "Set MAELSTROM_DATA=sample and restart.")
    if days < 1 or not months:
        raise BootcampError(f"{days} days of {len(months)} months.", "Ask for one of each at least.")
    keep = tuple(range(SPIN_UP, SPIN_UP + 24 * days, 12))
    made = []
    for month in months:
        start = datetime.fromisoformat(f"{month}-{FIRST_DAY}") - timedelta(hours=SPIN_UP)
        made.append(tier1_dataset(data_seed, Stretch(month, "testing", start, keep)))
    ds = xr.concat(made, "time", data_vars="all").astype(np.float32)
    return ds.assign({name: ds[name].isel(time=0, drop=True) for name in ("z_in", "z_tar")})


def slopes(ds: xr.Dataset) -> xr.DataArray:
    """How the target's temperature changes with height below the coarse scale, at each time.

    Parameters
    ----------
    ds : xarray.Dataset

    Returns
    -------
    xarray.DataArray
        (time), K/km: slope of fine minus coarse temperature over fine minus coarse height; -6.5 in a standard
        atmosphere, higher in inversions.
    """
    coarse, fine = heights(ds)
    dz = (fine - coarse) / 1000
    return ((ds["t2m_tar"] - ds["t2m_in"]) * dz).mean(PLANE) / (dz**2).mean(PLANE)


def moments(ds: xr.Dataset, share: float = 0.25) -> dict[str, xr.DataArray]:
    """Kinds of times, as masks: by hour, and nights by their stability.

    Parameters
    ----------
    ds : xarray.Dataset
    share : float
        Of the nights, that count as "inversion" (flattest slopes of temperature over height).

    Returns
    -------
    dict of str to xarray.DataArray
        Booleans (time): "00 UTC", "12 UTC", "inversion nights", "other nights". The target decides which
        nights these are: nobody knows it beforehand.
    """
    night = ds["time"].dt.hour == 0
    slope = slopes(ds)
    stable = night & (slope >= slope.where(night).quantile(1 - share, skipna=True))
    masks = {"00 UTC": night, "12 UTC": ~night, "inversion nights": stable, "other nights": night & ~stable}
    return {name: mask.drop_vars("quantile", errors="ignore") for name, mask in masks.items()}


def extremes(ds: xr.Dataset, training: xr.Dataset, share: float = 0.01) -> dict[str, xr.DataArray]:
    """Where the *input* says that it is unusually cold or warm, as masks.

    Each point and hour of the day has its own limits, the outermost per cent of the training's input. The
    target must not decide: whoever chooses the cases by what happened rewards exaggeration (the forecaster's
    dilemma).

    Parameters
    ----------
    ds, training : xarray.Dataset
        With coarse temperatures; the limits are found in the second.
    share : float
        Of the values on each side, below one half.

    Returns
    -------
    dict of str to xarray.DataArray
        Booleans (time, lat, lon): "coldest", "warmest", "usual".

    Raises
    ------
    BootcampError
        If the share is none.

    References
    ----------
    Lerch, S. et al. (2017): Forecaster's dilemma: extreme events and forecast evaluation. Stat. Sci. 32,
    106-127.
    """
    if not 0 < share < 0.5:
        raise BootcampError(f"A share of {share} on each side.", "Give a number between 0 and 0.5.")
    cold = xr.zeros_like(ds["t2m_in"], bool)
    warm = xr.zeros_like(cold)
    for hour in np.unique(ds["time"].dt.hour):
        known = training["t2m_in"].values[training["time"].dt.hour.values == hour]
        if not len(known):
            raise BootcampError(f"The training has no times at {hour} UTC.", "Leave them out.")
        low, high = np.quantile(known, [share, 1 - share], axis=0)
        at = np.flatnonzero(ds["time"].dt.hour.values == hour)
        cold.values[at], warm.values[at] = ds["t2m_in"].values[at] < low, ds["t2m_in"].values[at] > high
    return {"coldest": cold, "warmest": warm, "usual": ~cold & ~warm}


def under(methods: Mapping[str, Predict], situations: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """RMSE of each method in each situation.

    Parameters
    ----------
    methods : mapping
        Functions from a dataset to a forecast, by name, e.g. ``model.predict`` of a fitted baseline.
    situations : mapping
        Datasets by name.

    Returns
    -------
    pandas.DataFrame
        One row for each situation, one column for each method, K.
    """
    rows = {
        name: {method: float(rmse(predict(ds), ds["t2m_tar"])) for method, predict in methods.items()}
        for name, ds in situations.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("situation")
