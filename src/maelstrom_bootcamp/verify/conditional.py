"""Conditional quantiles: what was true when the forecast said so, and what was said when it was true."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.verify.scores import matched

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


def conditional_quantiles(
    values: xr.DataArray,
    given: xr.DataArray,
    levels: Sequence[float] = LEVELS,
    *,
    edges: Sequence[float] | None = None,
    bins: int = 20,
    fewest: int = 200,
) -> xr.Dataset:
    """Quantiles of one field in classes of another.

    Of the target, given the forecast: a calibrated forecast has its median on the diagonal. Of the forecast,
    given the target: the median shows how much of what happens a forecast dares to say; the mean of what is
    possible stays on the near side of the diagonal, however good it is.

    Parameters
    ----------
    values : xarray.DataArray
        Whose quantiles are wanted.
    given : xarray.DataArray
        Sorts the pairs into classes; same points, same unit.
    levels : sequence of float
        Probability levels, rising, each between 0 and 1.
    edges : sequence of float, optional
        Borders of the classes, rising; pairs outside are left out. By default from the 0.1st to the 99.9th
        percentile of `given`.
    bins : int
        Number of classes, if there are no edges.
    fewest : int
        Classes with fewer pairs are missing values.

    Returns
    -------
    xarray.Dataset
        Dimension ``bin``: ``given`` (mean of the class), ``quantile`` (dimension ``level``; both in the unit
        of the fields) and ``share`` of all pairs.

    Raises
    ------
    BootcampError
        If points differ, all pairs are missing, or levels or edges do not rise.

    References
    ----------
    Murphy, A., Brown, B. and Chen, Y. (1989): Diagnostic verification of temperature forecasts. Weather and
    Forecasting 4, 485-501.
    """
    values, given = matched(values, given)
    levels = np.asarray(levels, float)
    if not (levels.size and (np.diff(levels) > 0).all() and levels[0] > 0 and levels[-1] < 1):
        raise BootcampError(f"{levels.tolist()} are no levels.", "Give rising numbers between 0 and 1.")
    y, x = (np.asarray(f, float).ravel() for f in (values.transpose(*given.dims), given))
    known = np.isfinite(y) & np.isfinite(x)
    y, x = y[known], x[known]
    if not x.size:
        raise BootcampError("There is no pair without a missing value.", "Check masks and units.")
    edges = (
        np.linspace(*np.quantile(x, [0.001, 0.999]), bins + 1) if edges is None else np.array(edges, float)
    )
    if edges.size < 2 or not (np.diff(edges) > 0).all():
        raise BootcampError("The borders of the classes do not rise.", "Give edges, e.g. [-2, -1, 0, 1, 2].")
    return _classes(y, x, levels, edges, fewest)


def _classes(y: np.ndarray, x: np.ndarray, levels: np.ndarray, edges: np.ndarray, fewest: int) -> xr.Dataset:
    n_bins = len(edges) - 1
    member = np.digitize(x, edges) - 1
    member[x == edges[-1]] = n_bins - 1
    order = np.argsort(member, kind="stable")
    first = np.searchsorted(member[order], np.arange(n_bins + 1))
    middle, quantiles = np.full(n_bins, np.nan), np.full((len(levels), n_bins), np.nan)
    for i in range(n_bins):
        chosen = order[first[i] : first[i + 1]]
        if len(chosen) >= max(fewest, 1):
            middle[i], quantiles[:, i] = x[chosen].mean(), np.quantile(y[chosen], levels)
    return xr.Dataset(
        {
            "given": ("bin", middle),
            "quantile": (("level", "bin"), quantiles),
            "share": ("bin", np.diff(first) / len(x)),
        },
        {"level": levels, "bin": (edges[1:] + edges[:-1]) / 2},
    )
