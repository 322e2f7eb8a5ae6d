"""Score methods on a test period, run by run, and say how sure the differences are.

Forecasts of a test period may not fit into memory together, so they are made and scored a few runs at a time.
What is kept is one number per run, lead time, surface and score: small, and just what the block bootstrap
needs. The border of 32 pixels is left out for every method, because the U-Net's output there depends on what
lies outside of the domain.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pandas as pd
import xarray as xr

from maelstrom_bootcamp.apps.yr.baselines import LAND
from maelstrom_bootcamp.apps.yr.dataset import open_runs
from maelstrom_bootcamp.apps.yr.features import (
    PREDICTORS,
    PUBLISHED,
    Normalisation,
    analysis,
    predictor,
    residuals_to_forecast,
    to_features,
)
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.verify.bootstrap import paired_block_bootstrap
from maelstrom_bootcamp.verify.tables import STANDARD

if TYPE_CHECKING:
    import keras

TRIM = 32
SURFACES = ("all", "land", "sea")


class Method(Protocol):
    """Anything that forecasts quantiles: a baseline, a `Network`, your own."""

    def predict(self, ds: xr.Dataset) -> xr.DataArray:
        """Forecast (time, leadtime, quantile, y, x), in degree Celsius."""


@dataclass
class Network:
    """A trained network as a method.

    Attributes
    ----------
    model : keras.Model
        Predicts residual quantiles 0.1, 0.5, 0.9 (B, y, x, 3) in K from features (B, y, x, C).
    normalisation : Normalisation
        The one that the network was trained with.
    predictors : sequence of str, optional
        Those that it was trained with; default: all 17.
    batch_size : int
        Fields predicted at a time.
    """

    model: keras.Model
    normalisation: Normalisation = PUBLISHED
    predictors: Sequence[str] | None = None
    batch_size: int = 10

    def predict(self, ds: xr.Dataset) -> xr.DataArray:
        """See `Method.predict`."""
        features, _ = to_features(ds, self.normalisation)
        if self.predictors is not None:
            features = features[..., [PREDICTORS.index(name) for name in self.predictors]]
        parts = [
            np.asarray(self.model.predict_on_batch(features[i : i + self.batch_size]))
            for i in range(0, len(features), self.batch_size)
        ]
        return residuals_to_forecast(np.concatenate(parts), ds)


def trimmed(field: xr.DataArray | xr.Dataset, trim: int = TRIM) -> xr.DataArray | xr.Dataset:
    """Leave out the border.

    Parameters
    ----------
    field : xarray.DataArray or xarray.Dataset
        With the dimensions y and x.
    trim : int
        Pixels left out along each border.

    Returns
    -------
    xarray.DataArray or xarray.Dataset

    Raises
    ------
    BootcampError
        If nothing would be left.
    """
    smallest = min(field.sizes["y"], field.sizes["x"])
    if not 0 <= 2 * trim < smallest:
        raise BootcampError(
            f"A trim of {trim} pixels leaves nothing of a domain of {smallest} pixels.",
            f"Take a trim from 0 to {(smallest - 1) // 2}.",
        )
    kept = slice(trim, -trim or None)
    return field.isel(y=kept, x=kept)


def surfaces(ds: xr.Dataset) -> dict[str, xr.DataArray]:
    """Masks (y, x) of all pixels, those over land and those over sea.

    Parameters
    ----------
    ds : xarray.Dataset

    Returns
    -------
    dict of str to xarray.DataArray
    """
    land = predictor(ds, "land_area_fraction").isel(time=0, leadtime=0, drop=True) > LAND
    return {"all": xr.ones_like(land), "land": land, "sea": ~land}


def score_runs(methods: Mapping[str, Method], ds: xr.Dataset, trim: int = TRIM) -> xr.Dataset:
    """Forecast and score runs that are in memory.

    Parameters
    ----------
    methods : mapping
        By name.
    ds : xarray.Dataset
        From `maelstrom_bootcamp.apps.yr.dataset.open_runs`, not thinned.
    trim : int
        Pixels left out along each border.

    Returns
    -------
    xarray.Dataset
        The scores of `maelstrom_bootcamp.verify.tables.STANDARD`, with the dimensions (model, surface, time,
        leadtime), and ``pixels`` (surface). A surface without pixels has the score NaN.
    """
    kept = trimmed(ds, trim)
    target, masks = analysis(kept), surfaces(kept)
    rows = []
    for method in methods.values():
        forecast = trimmed(method.predict(ds), trim)
        parts = []
        for mask in masks.values():
            known = target.where(mask)
            scores = {n: score(forecast, known, ["y", "x"]) for n, score in STANDARD.items()}
            parts.append(xr.Dataset(scores).drop_vars("quantile", errors="ignore"))
        rows.append(xr.concat(parts, _axis("surface", SURFACES)))
    out = xr.concat(rows, _axis("model", list(methods)))
    return out.assign(pixels=("surface", [int(mask.sum()) for mask in masks.values()]))


def _axis(name: str, values: Sequence[str]) -> xr.DataArray:
    return xr.DataArray(np.array(values), dims=name, name=name)


def evaluate(
    methods: Mapping[str, Method],
    dates: Sequence[str],
    *,
    trim: int = TRIM,
    location: str | os.PathLike[str] | None = None,
    chunk: int = 5,
) -> xr.Dataset:
    """Forecast and score a period of any length, a few runs at a time.

    Parameters
    ----------
    methods : mapping
        By name; baselines must be fitted.
    dates : sequence of str
        "YYYY-MM-DD".
    trim : int
        Pixels left out along each border.
    location : path, optional
        As for `maelstrom_bootcamp.apps.yr.dataset.open_runs`.
    chunk : int
        Runs in memory at a time.

    Returns
    -------
    xarray.Dataset
        See `score_runs`.
    """
    if not methods:
        raise BootcampError("There are no methods to score.", "Give at least one, by name.")
    days = sorted(set(dates))
    parts = [
        score_runs(methods, open_runs(days[i : i + chunk], location=location), trim)
        for i in range(0, len(days), chunk)
    ]
    pixels = parts[0]["pixels"]
    return xr.concat([p.drop_vars("pixels") for p in parts], "time").assign(pixels=pixels)


def table(scores: xr.Dataset) -> pd.DataFrame:
    """Mean scores, one row per surface and method.

    Parameters
    ----------
    scores : xarray.Dataset
        From `evaluate`.

    Returns
    -------
    pandas.DataFrame
        quantile_score, mae, bias and width in K, coverage from 0 to 1, and the number of pixels per field.
    """
    mean = scores.drop_vars("pixels").mean(["time", "leadtime"]).to_dataframe()
    frame = mean.join(scores["pixels"].to_series(), on="surface")
    order = pd.MultiIndex.from_product([scores["surface"].values, scores["model"].values])
    frame = frame.reorder_levels(["surface", "model"]).reindex(order.set_names(["surface", "model"]))
    return frame[[*STANDARD, "pixels"]]


def compare(
    scores: xr.Dataset,
    reference: str,
    *,
    names: Sequence[str] = ("quantile_score", "mae"),
    block: int = 5,
    n: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Differences to one method, in percent of its score, with paired block-bootstrap intervals.

    Parameters
    ----------
    scores : xarray.Dataset
        From `evaluate`.
    reference : str
        Name of the method that the others are compared with.
    names : sequence of str
        Scores to compare (of those where lower is better).
    block, n, seed : int
        As for `maelstrom_bootcamp.verify.bootstrap.paired_block_bootstrap`.

    Returns
    -------
    pandas.DataFrame
        Rows (score, surface, model); ``percent``, and ``low`` and ``high``, the ends of the 95 % interval.
        Below zero the method is better than the reference.
    """
    known = [str(m) for m in scores["model"].values]
    if reference not in known:
        raise BootcampError(f"There is no method {reference!r} in these scores.", f"There are {known}.")
    daily = scores[list(names)].mean("leadtime")
    rows = {}
    for name in names:
        for surface in [s for s in SURFACES if int(scores["pixels"].sel(surface=s)) > 0]:
            series = daily[name].sel(surface=surface, drop=True)
            other = series.sel(model=reference, drop=True)
            for method in known:
                if method != reference:
                    found = paired_block_bootstrap(
                        series.sel(model=method, drop=True), other, block, n, seed, relative=True
                    )
                    rows[name, surface, method] = [100 * float(v) for v in found]
    index = pd.MultiIndex.from_tuples(rows, names=["score", "surface", "model"])
    return pd.DataFrame(list(rows.values()), index, columns=["percent", "low", "high"])
