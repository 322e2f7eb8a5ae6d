"""Tables of the errors of radiation emulators: by class of column, by level, tails, pairs of methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from maelstrom_bootcamp.apps.radiation.evaluate import QUANTITIES
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.verify.bootstrap import paired_group_bootstrap

#: Limits of the published error tails (climetlab-maelstrom-radiation, notebooks), W/m².
TAILS = (10.0, 5.0, 2.0)


def table(
    found: xr.Dataset, noise: xr.Dataset | None = None, masks: Mapping[str, np.ndarray] | None = None
) -> pd.DataFrame:
    """Bias, MAE and RMSE of each quantity.

    Parameters
    ----------
    found : xarray.Dataset
        From `errors`.
    noise : xarray.Dataset, optional
        From `noise_of`, of the same columns.
    masks : mapping, optional
        Booleans (N,) by name, from `classes` or `masks_of`.

    Returns
    -------
    pandas.DataFrame
        Rows (class if masks were given, band, quantity, model); columns bias, mae, rmse in W/m² or K/day, and
        n, the number of columns. With noise also "noise", the RMS of the labels' standard error, and
        "rmse_above_noise" = sqrt(max(0, rmse² - noise²)): the error against the mean over all random states
        of the clouds. It takes for granted that the labels' errors are independent of the method's.
    """
    rows = {}
    for part, mask in ({"all": None} if masks is None else masks).items():
        kept = found if mask is None else found.isel(column=np.flatnonzero(mask))
        if not kept.sizes["column"]:
            continue
        for band in found["band"].values:
            for name in QUANTITIES:
                floor = None if noise is None else _floor(noise[name].sel(band=band), mask)
                for model in found["model"].values:
                    e = kept[name].sel(band=band, model=model).values
                    if np.isfinite(e).all():
                        rows[part, band, name, model] = _scores(e, floor)
    frame = pd.DataFrame.from_dict(rows, orient="index")
    frame.index = pd.MultiIndex.from_tuples(rows, names=["class", "band", "quantity", "model"])
    return frame.droplevel("class") if masks is None else frame


def by_level(found: xr.Dataset, quantity: str = "heating", score: str = "rmse") -> xr.DataArray:
    """A score at each level.

    Parameters
    ----------
    found : xarray.Dataset
        From `errors`; select columns of a class with ``isel(column=np.flatnonzero(mask))``.
    quantity : {"down", "up", "net", "heating"}
    score : {"bias", "mae", "rmse"}

    Returns
    -------
    xarray.DataArray
        (model, band, level or half_level)

    Raises
    ------
    BootcampError
        If there is no such profile or score.
    """
    if quantity not in QUANTITIES or len(QUANTITIES[quantity][0]) == 1 or score not in _BY_LEVEL:
        raise BootcampError(
            f"There is no profile of the {score} of {quantity!r}.",
            f"Take down, up, net or heating, and one of {', '.join(_BY_LEVEL)}.",
        )
    with xr.set_options(keep_attrs=True):
        return _BY_LEVEL[score](found[quantity])


_BY_LEVEL = {
    "bias": lambda e: e.mean("column"),
    "mae": lambda e: abs(e).mean("column"),
    "rmse": lambda e: (e**2).mean("column") ** 0.5,
}


def tails(found: xr.Dataset, limits: Sequence[float] = TAILS) -> pd.DataFrame:
    """How often the net flux is badly wrong.

    Parameters
    ----------
    found : xarray.Dataset
        From `errors`.
    limits : sequence of float
        In W/m².

    Returns
    -------
    pandas.DataFrame
        Rows (band, model); for each limit the share of all net fluxes ("values": columns times half levels)
        whose error exceeds it, and the share of columns in which one does at any half level ("columns").
    """
    rows = {}
    for band in found["band"].values:
        for model in found["model"].values:
            e = np.abs(found["net"].sel(band=band, model=model).values)
            if np.isfinite(e).all():
                shares = {("values", f"> {x:g} W/m²"): float((e > x).mean()) for x in limits}
                shares |= {("columns", f"> {x:g} W/m²"): float((e > x).any(axis=1).mean()) for x in limits}
                rows[band, model] = shares
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["band", "model"])


def compare(
    found: xr.Dataset,
    reference: str,
    groups: np.ndarray,
    *,
    quantities: Sequence[str] = ("surface_down", "top_up", "net", "heating"),
    n: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Differences of the RMSE to one method, in percent, with paired bootstrap intervals over groups.

    Parameters
    ----------
    found : xarray.Dataset
        From `errors`.
    reference : str
        Name of the method that the others are compared with.
    groups : numpy.ndarray
        Label of each column, from `weather_groups`.
    quantities : sequence of str
    n, seed : int
        As for `maelstrom_bootcamp.verify.bootstrap.paired_group_bootstrap`.

    Returns
    -------
    pandas.DataFrame
        Rows (band, quantity, model); ``percent``, and ``low`` and ``high``, the ends of the 95 % interval.
        Below zero the method is better than the reference. Quantities that the reference does not tell, or
        in which it is perfect, are left out.
    """
    known = [str(m) for m in found["model"].values]
    if reference not in known:
        raise BootcampError(f"There is no method {reference!r} in these errors.", f"There are {known}.")
    rows = {}
    for band in found["band"].values:
        for name in quantities:
            squares = {m: _squares(found[name].sel(band=band, model=m)) for m in known}
            other = squares.pop(reference)
            if not np.isfinite(other).all() or not other.any():
                continue  # not told, or perfect: there is no percent of nothing
            for model, square in squares.items():
                if np.isfinite(square).all():
                    change = paired_group_bootstrap(square, other, groups, n, seed, root=True, relative=True)
                    rows[band, name, model] = [100 * value for value in change]
    index = pd.MultiIndex.from_tuples(rows, names=["band", "quantity", "model"])
    return pd.DataFrame(list(rows.values()), index, columns=["percent", "low", "high"])


def weather_groups(where: xr.Dataset) -> np.ndarray:
    """Columns that share a weather: those of the same start date and patch.

    Parameters
    ----------
    where : xarray.Dataset
        From `maelstrom_bootcamp.apps.radiation.columns.origin`.

    Returns
    -------
    numpy.ndarray
        Whole numbers (N,).
    """
    return where["date"].values * 100 + where["patch"].values


def _floor(noise: xr.DataArray, mask: np.ndarray | None) -> float:
    values = noise.values if mask is None else noise.values[mask]
    return float(np.sqrt((values**2).mean()))


def _scores(e: np.ndarray, floor: float | None) -> dict[str, float]:
    row = {"bias": e.mean(), "mae": np.abs(e).mean(), "rmse": np.sqrt((e**2).mean())}
    if floor is not None:
        above = np.nan if np.isnan(floor) else np.sqrt(max(0.0, row["rmse"] ** 2 - floor**2))
        row |= {"noise": floor, "rmse_above_noise": above}
    return {name: float(value) for name, value in row.items()} | {"n": len(e)}


def _squares(e: xr.DataArray) -> np.ndarray:
    return (e.values**2).reshape(e.sizes["column"], -1).mean(axis=1)
