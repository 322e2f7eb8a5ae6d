"""Score forecasts of ENS-10: many methods, one table, intervals from dates.

A method is its forecast: raw members (DataArray) or a normal distribution (Dataset with ``mu`` and
``sigma``), see `maelstrom_bootcamp.verify.ensemble`. `by_date` scores each test date once; all tables are
made from that. Methods are always compared on the same dates, so that easy and hard weather is in both.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from maelstrom_bootcamp.apps.ens10 import extremes
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.verify import calibration, ensemble
from maelstrom_bootcamp.verify.bootstrap import Interval, paired_block_bootstrap

#: Degrees: equatorwards the quasi-geostrophic sample has hardly any weather.
TROPICS = 20.0
#: Forecasts in a block of the bootstrap: test dates are about ten days apart, memory of the soil 15 days.
BLOCK = 3
SEASONS = ("DJF", "MAM", "JJA", "SON")


def area(field: xr.DataArray) -> xr.DataArray:
    """Weights of the rows, cos(latitude)."""
    return np.cos(np.deg2rad(field["latitude"]))


def regions(ground: xr.Dataset) -> dict[str, xr.DataArray]:
    """Parts of the globe, as masks.

    Parameters
    ----------
    ground : xarray.Dataset
        From `dataset.read_ground`.

    Returns
    -------
    dict of str to xarray.DataArray
        Booleans (latitude, longitude): "globe", "extratropics" (poleward of 20 degrees), "tropics", "land"
        (more than half of the area), "sea".
    """
    land = ground["land_area_fraction"] > 0.5
    far = np.abs(ground["latitude"]) >= TROPICS
    everywhere = xr.ones_like(land)
    return {
        "globe": everywhere,
        "extratropics": everywhere & far,
        "tropics": everywhere & ~far,
        "land": land,
        "sea": ~land,
    }


def by_date(
    forecasts: Mapping[str, ensemble.Forecast],
    truth: xr.DataArray,
    index: xr.DataArray | None = None,
    masks: Mapping[str, xr.DataArray] | None = None,
) -> xr.Dataset:
    """Scores of each method, region and date, weighted by area.

    Parameters
    ----------
    forecasts : mapping
        By name of the method, on the points of the truth.
    truth : xarray.DataArray
        (time, latitude, longitude)
    index : xarray.DataArray, optional
        EFI of the raw ensemble, for the EECRPS.
    masks : mapping, optional
        Booleans (latitude, longitude) by name, from `regions`; default: the whole grid as "globe".

    Returns
    -------
    xarray.Dataset
        (model, region, time): ``crps``, ``eecrps`` (if there is an index; both in the unit of the truth),
        ``variance`` that the error of the mean should have, ``square`` that it has, and ``bias``.

    Raises
    ------
    BootcampError
        If there is no method, a region is empty, or points differ.
    """
    if not forecasts:
        raise BootcampError("There are no forecasts to score.", "Give at least one, by name.")
    masks = {"globe": xr.ones_like(truth.isel(time=0, drop=True), bool)} if masks is None else masks
    for name, mask in masks.items():
        if not bool(mask.any()):
            raise BootcampError(f"The region {name!r} has no grid point.", "Leave it out.")
    weights = xr.concat([mask * area(truth) for mask in masks.values()], pd.Index(list(masks), name="region"))
    rows = [
        _each(forecast, truth, index).weighted(weights).mean(("latitude", "longitude"))
        for forecast in forecasts.values()
    ]
    return xr.concat(rows, pd.Index(list(forecasts), name="model")).transpose("model", "region", "time")


def _each(forecast: ensemble.Forecast, truth: xr.DataArray, index: xr.DataArray | None) -> xr.Dataset:
    """What is averaged, at each point and date."""
    crps = ensemble.crps(forecast, truth, [])
    mean, variance = ensemble.moments(forecast)
    error = mean - truth
    out = {"crps": crps, "variance": variance, "square": error**2, "bias": error}
    if index is not None:
        out["eecrps"] = extremes.eecrps(crps, index)
    return xr.Dataset({name: part.transpose(*truth.dims).drop_attrs() for name, part in out.items()}).astype(
        float
    )


def compare(
    found: xr.Dataset,
    method: str,
    reference: str,
    *,
    region: str = "globe",
    score: str = "crps",
    block: int = BLOCK,
    seed: int = 0,
) -> Interval:
    """Skill of a method against another one, 1 - S / S_ref, with its interval.

    Parameters
    ----------
    found : xarray.Dataset
        From `by_date`.
    method, reference : str
        Two methods in it.
    region : str
    score : {"crps", "eecrps"}
    block : int
        Forecasts in a block of the paired bootstrap.
    seed : int

    Returns
    -------
    Interval
        Estimate, low, high, without unit: 0.1 is a CRPS 10 % lower.

    Raises
    ------
    BootcampError
        If there is no such method, region or score.
    """
    for name, known in (("model", method), ("model", reference), ("region", region)):
        if known not in found[name]:
            raise BootcampError(
                f"There is no {name} {known!r}.", f"There is {', '.join(found[name].values)}."
            )
    if score not in ("crps", "eecrps") or score not in found:
        raise BootcampError(
            f"{score!r} was not scored.", "Take 'crps', or 'eecrps' and give by_date an index."
        )
    series = found[score].sel(region=region)
    worse = paired_block_bootstrap(
        series.sel(model=method, drop=True),
        series.sel(model=reference, drop=True),
        block,
        seed=seed,
        relative=True,
        longest_gap=None,
    )
    return Interval(0.0 - worse.estimate, 0.0 - worse.high, 0.0 - worse.low)


def table(
    found: xr.Dataset,
    reference: str,
    *,
    region: str = "globe",
    against: str | None = None,
    block: int = BLOCK,
) -> pd.DataFrame:
    """One row for each method.

    Parameters
    ----------
    found : xarray.Dataset
        From `by_date`.
    reference : str
        Method whose skill is 0, e.g. the raw ensemble.
    region : str
    against : str, optional
        A second reference, e.g. climatology.
    block : int
        As for `compare`.

    Returns
    -------
    pandas.DataFrame
        Columns ``crps`` (unit of the target); ``skill``, ``low``, ``high``: per cent of the CRPS of the
        reference, with the 95 % interval; ``eecrps``, ``ee_skill``, ``ee_low``, ``ee_high`` likewise, if it
        was scored; ``skill_2`` against the second reference; ``spread``, ``error``, ``ratio`` and ``bias``.
    """
    rows = {}
    for method in found["model"].values:
        here = found.sel(model=method, region=region).mean("time")
        row = {"crps": float(here["crps"])}
        row |= _percent(compare(found, method, reference, region=region, block=block), "")
        if "eecrps" in found:
            row["eecrps"] = float(here["eecrps"])
            row |= _percent(
                compare(found, method, reference, region=region, score="eecrps", block=block), "ee_"
            )
        if against is not None:
            row["skill_2"] = 100 * compare(found, method, against, region=region, block=block).estimate
        spread, error = (float(np.sqrt(here[name])) for name in ("variance", "square"))
        rows[method] = row | {
            "spread": spread,
            "error": error,
            "ratio": spread / error,
            "bias": float(here["bias"]),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")


def by_season(found: xr.Dataset) -> dict[str, xr.Dataset]:
    """Sort dates by season of the year ("DJF", ...), the same for both hemispheres; empty ones are left out.

    Parameters
    ----------
    found : xarray.Dataset
        From `by_date`.

    Returns
    -------
    dict of str to xarray.Dataset
    """
    season = found["time"].dt.season.values
    return {name: found.isel(time=season == name) for name in SEASONS if (season == name).any()}


def flat(
    forecast: ensemble.Forecast, truth: xr.DataArray, mask: xr.DataArray | None = None, *, bins: int = 10
) -> xr.Dataset:
    """Histogram of ranks (raw) or PIT values (normal), weighted by area, with joint intervals.

    Parameters
    ----------
    forecast : xarray.DataArray or xarray.Dataset
    truth : xarray.DataArray
    mask : xarray.DataArray, optional
        Booleans (latitude, longitude).
    bins : int
        Of a normal forecast; a raw one has one more than members.

    Returns
    -------
    xarray.Dataset
        See `calibration.pit_histogram`.
    """
    weights = area(truth) if mask is None else area(truth) * mask
    if ensemble.is_normal(forecast):
        pit = ensemble.pit_normal(forecast["mu"], forecast["sigma"], truth)
        return calibration.pit_histogram(pit, weights, bins=bins, block=BLOCK)
    return calibration.rank_histogram(forecast, truth, weights, block=BLOCK)


def _percent(skill: Interval, prefix: str) -> dict[str, float]:
    names = (f"{prefix}skill", f"{prefix}low", f"{prefix}high")
    return {name: 100 * float(part) for name, part in zip(names, skill, strict=True)}
