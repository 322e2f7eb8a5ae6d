"""Tables of scores: methods side by side, by lead time, by kind of surface, by class of station."""

# ruff: noqa: PD004  (xarray has notnull, not notna)

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd
import xarray as xr

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.verify import scores

Score = Callable[[xr.DataArray, xr.DataArray, scores.Dims], xr.DataArray]


def median_mae(forecast: xr.DataArray, target: xr.DataArray, dims: scores.Dims = None) -> xr.DataArray:
    """Mean absolute error of the median of a quantile forecast."""
    return scores.mae(scores.level(forecast, 0.5), target, dims)


def median_bias(forecast: xr.DataArray, target: xr.DataArray, dims: scores.Dims = None) -> xr.DataArray:
    """Mean error of the median of a quantile forecast."""
    return scores.bias(scores.level(forecast, 0.5), target, dims)


def width(forecast: xr.DataArray, target: xr.DataArray, dims: scores.Dims = None) -> xr.DataArray:
    """Mean width of the interval from the 10 % to the 90 % quantile, where the target is known."""
    return scores.sharpness(forecast.where(target.notnull()), dims)


#: The columns of `score_table`, for forecasts of the quantiles 0.1, 0.5 and 0.9.
STANDARD: Mapping[str, Score] = {
    "quantile_score": scores.mean_quantile_score,
    "mae": median_mae,
    "bias": median_bias,
    "coverage": scores.coverage,
    "width": width,
}


def score_table(
    forecasts: Mapping[str, xr.DataArray],
    target: xr.DataArray,
    columns: Mapping[str, Score] = STANDARD,
    masks: Mapping[str, xr.DataArray] | None = None,
) -> pd.DataFrame:
    """Score several methods on the same target.

    Parameters
    ----------
    forecasts : mapping
        Quantile forecasts by name of the method.
    target : xarray.DataArray
        Without the dimension ``quantile``.
    columns : mapping
        Scores by name; each a function of forecast, target and dimensions to average over.
    masks : mapping, optional
        Booleans by name, e.g. ``{"land": laf > 0.5, "sea": laf <= 0.5}``. They may lack dimensions of the
        target.

    Returns
    -------
    pandas.DataFrame
        One row per method, or per (mask, method); columns as asked, and ``n``, the number of values scored.
    """
    rows = {}
    for part, known in _parts(target, masks).items():
        for name, forecast in forecasts.items():
            row = {column: float(score(forecast, known, None)) for column, score in columns.items()}
            rows[part, name] = row | {"n": int(known.count())}
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis(["mask", "method"])
    return table.droplevel("mask") if masks is None else table


def by_dimension(
    forecasts: Mapping[str, xr.DataArray],
    target: xr.DataArray,
    score: Score = scores.mean_quantile_score,
    dim: str = "leadtime",
) -> dict[str, xr.DataArray]:
    """Score several methods for each value of a dimension: lead time, run, ...

    Parameters
    ----------
    forecasts : mapping
        Forecasts by name of the method.
    target : xarray.DataArray
    score : function
        Of forecast, target and dimensions to average over.
    dim : str
        Dimension to keep. "time" gives what the block bootstrap needs.

    Returns
    -------
    dict
        Score by name of the method, with the dimension `dim`: what `diagrams.score_by_lead_time` draws.
    """
    if dim not in target.dims:
        raise BootcampError(f"The target has no dimension {dim!r}.", f"It has {target.dims}.")
    others = [d for d in target.dims if d != dim]
    return {name: score(forecast, target, others) for name, forecast in forecasts.items()}


def by_class(
    forecasts: Mapping[str, xr.DataArray],
    target: xr.DataArray,
    classes: xr.DataArray,
    columns: Mapping[str, Score] = STANDARD,
) -> pd.DataFrame:
    """Score several methods at stations, for each class of station.

    Parameters
    ----------
    forecasts : mapping
        Forecasts at the stations, by name of the method.
    target : xarray.DataArray
        Observations, with the dimension of `classes`.
    classes : xarray.DataArray
        One label per station, e.g. "official" and "citizen", or "coast", "valley", "summit".
    columns : mapping
        As for `score_table`.

    Returns
    -------
    pandas.DataFrame
        Rows (class, method).
    """
    if classes.ndim != 1 or classes.dims[0] not in target.dims:
        raise BootcampError(
            f"The classes have the dimensions {classes.dims}, the target {target.dims}.",
            "Give one label per station.",
        )
    masks = {str(label): classes == label for label in pd.unique(classes.values)}
    return score_table(forecasts, target, columns, masks).rename_axis(["class", "method"])


def _parts(target: xr.DataArray, masks: Mapping[str, xr.DataArray] | None) -> dict[str, xr.DataArray]:
    if masks is None:
        return {"all": target}
    for name, mask in masks.items():
        if not set(mask.dims) <= set(target.dims):
            raise BootcampError(
                f"The mask {name!r} has the dimensions {mask.dims}.", f"Allowed: {target.dims}."
            )
    return {name: target.where(mask) for name, mask in masks.items()}
