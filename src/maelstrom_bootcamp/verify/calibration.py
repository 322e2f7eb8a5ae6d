"""Are forecast probabilities right? Histograms of ranks and PIT values, and reliability of events.

Intervals come from dates, drawn in blocks: thousands of grid points of one date share their weather and are
not thousands of experiments. All dates are taken as one run, however far apart they are.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.verify import scores
from maelstrom_bootcamp.verify.bootstrap import block_bootstrap, paired_block_bootstrap
from maelstrom_bootcamp.verify.ensemble import is_normal, like, ranks


class Flatness(NamedTuple):
    """Whether a histogram of ranks or PIT values is flat.

    Attributes
    ----------
    flat : bool
        Whether all joint intervals hold the ideal share.
    deviation : float
        Sum of |share - ideal| over the bins, from 0 (flat) towards 2: the reliability index.
    """

    flat: bool
    deviation: float


def rank_histogram(
    members: xr.DataArray,
    target: xr.DataArray,
    weights: xr.DataArray | None = None,
    *,
    seed: int = 0,
    block: int = 3,
    confidence: float = 0.95,
) -> xr.Dataset:
    """Shares of the ranks of the truth among M members, with joint intervals.

    Parameters
    ----------
    members, target : xarray.DataArray
        With the dimension ``time``; `members` with ``member`` as well.
    weights, block, confidence
        As for `pit_histogram`.
    seed : int
        For ties and for the resamples.

    Returns
    -------
    xarray.Dataset
        ``share``, ``low``, ``high`` and ``ideal`` = 1 / (M + 1) of each ``bin`` (rank 0 to M).
    """
    n = members.sizes["member"] + 1 if not is_normal(members) else 0
    rank = ranks(members, target, seed)
    out = _histogram(rank, np.arange(n + 1) - 0.5, weights, block, confidence, seed)
    return out.assign_coords(bin=("bin", np.arange(n), {"long_name": "rank of the truth"}))


def pit_histogram(
    pit: xr.DataArray,
    weights: xr.DataArray | None = None,
    *,
    bins: int = 10,
    block: int = 3,
    confidence: float = 0.95,
    seed: int = 0,
) -> xr.Dataset:
    """Shares of PIT values in equal bins, with joint intervals.

    Parameters
    ----------
    pit : xarray.DataArray
        From `pit_normal`, with the dimension ``time``.
    weights : xarray.DataArray, optional
        Of the other dimensions, e.g. the area of a grid point. Default: all count the same.
    bins : int
        Two at least.
    block : int
        Dates that are drawn together in the block bootstrap, neighbours in time.
    confidence : float
        That all bins hold their true share at once (Bonferroni: each interval has a confidence of
        1 - (1 - confidence) / bins).
    seed : int
        Of the resamples.

    Returns
    -------
    xarray.Dataset
        ``share``, ``low``, ``high`` and ``ideal`` of each ``bin`` (its centre).

    Raises
    ------
    BootcampError
        If there are too few dates or bins, or a date without any value.
    """
    if bins < 2:
        raise BootcampError(f"{bins} bin shows nothing.", "Use two at least, e.g. 10.")
    edges = np.linspace(0, 1, bins + 1)
    out = _histogram(pit, edges, weights, block, confidence, seed)
    centres = (edges[1:] + edges[:-1]) / 2
    return out.assign_coords(bin=("bin", centres, {"long_name": "forecast probability of at most the truth"}))


def flatness(histogram: xr.Dataset) -> Flatness:
    """Tell whether a histogram is flat within its intervals, and how far from flat it is.

    "Flat" means no more than: these dates do not prove the contrary. Wide intervals are easily flat, so look
    at the deviation as well.

    Parameters
    ----------
    histogram : xarray.Dataset
        From `rank_histogram` or `pit_histogram`.

    Returns
    -------
    Flatness

    References
    ----------
    Delle Monache, L. et al. (2006): Probabilistic aspects of meteorological and ozone regional ensemble
    forecasts. J. Geophys. Res. 111, D24307 (reliability index).
    """
    h = histogram
    inside = (h["low"] <= h["ideal"]) & (h["ideal"] <= h["high"])
    return Flatness(bool(inside.all()), float(np.abs(h["share"] - h["ideal"]).sum()))


def event_reliability(
    probability: xr.DataArray,
    occurred: xr.DataArray,
    weights: xr.DataArray | None = None,
    *,
    bins: int = 10,
    block: int = 3,
    confidence: float = 0.95,
    seed: int = 0,
) -> xr.Dataset:
    """How often an event came when it was forecast with a probability of p, for classes of p.

    Parameters
    ----------
    probability : xarray.DataArray
        From 0 to 1, with the dimension ``time``.
    occurred : xarray.DataArray
        Whether it came true; same dimensions.
    weights, block, confidence, seed
        As for `pit_histogram`, but each interval stands alone.
    bins : int
        Classes of equal width.

    Returns
    -------
    xarray.Dataset
        For each ``bin``: ``probability`` (mean forecast), ``frequency`` (how often it came true), ``low``,
        ``high``, and ``share`` of all forecasts in this class (sharpness). Missing in an empty class;
        intervals are also missing where so few dates had such forecasts that a resample may be without.
    """
    probability, occurred = scores.matched(probability, occurred.astype(float))
    w = like(weights, probability).where(probability.notnull(), 0)
    label = np.clip(np.floor(probability * bins), 0, bins - 1)
    others = [d for d in probability.dims if d != "time"]
    rows = []
    for i in range(bins):
        here = w.where(label == i, 0)
        total, came = here.sum(others), (here * occurred.fillna(0)).sum(others)
        row = {"share": float(total.sum() / w.sum())}
        if row["share"] > 0:
            row["probability"] = float((here * probability.fillna(0)).sum() / total.sum())
            row["frequency"] = float(came.sum() / total.sum())
            row |= _ratio_interval(came, total, block, confidence, seed)
        rows.append(row)
    names = ("probability", "frequency", "low", "high", "share")
    data = {name: ("bin", [row.get(name, np.nan) for row in rows]) for name in names}
    return xr.Dataset(data, {"bin": np.arange(bins)})


def _ratio_interval(
    part: xr.DataArray, whole: xr.DataArray, block: int, confidence: float, seed: int
) -> dict[str, float]:
    """Interval of sum(part) / sum(whole), both summed over dates."""
    if float((whole > 0).sum()) < 2 * block:
        return {}
    try:
        found = paired_block_bootstrap(
            part, whole, block, seed=seed, relative=True, confidence=confidence, longest_gap=None
        )
    except BootcampError:  # some resample has no such forecast
        return {}
    # The bootstrap gives (part - whole) / whole.
    return {"low": max(0.0, 1 + found.low), "high": min(1.0, 1 + found.high)}


def _histogram(
    values: xr.DataArray,
    edges: np.ndarray,
    weights: xr.DataArray | None,
    block: int,
    confidence: float,
    seed: int,
) -> xr.Dataset:
    """Shares in bins, their joint intervals over dates."""
    if "time" not in values.dims:
        raise BootcampError("Intervals need dates.", "Keep the dimension 'time'.")
    values = values.transpose("time", ...)
    w = like(weights, values).where(values.notnull(), 0)
    w = w.values.reshape(values.sizes["time"], -1)
    bins = len(edges) - 1
    inner = np.nan_to_num(values.values, nan=edges[0]).reshape(w.shape)
    label = np.clip(np.searchsorted(edges, inner, side="right") - 1, 0, bins - 1)
    by_date = np.stack([np.where(label == i, w, 0).sum(1) for i in range(bins)], 1)
    total = by_date.sum(1, keepdims=True)
    if not (total > 0).all():
        raise BootcampError("A date has no value at all.", "Leave this date out.")
    shares = xr.DataArray(by_date / total, {"time": values["time"]}, ("time", "bin"))
    each = 1 - (1 - confidence) / bins
    found = block_bootstrap(shares, block, seed=seed, confidence=each, longest_gap=None)
    names = ("share", "low", "high")
    out = xr.Dataset({name: part.clip(0, 1) for name, part in zip(names, found, strict=True)})
    return out.assign(ideal=("bin", np.full(bins, 1 / bins)))
