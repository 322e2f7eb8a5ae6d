"""Is the difference between two forecasts larger than chance? Paired block bootstrap over dates.

Two methods are compared on the same days, so that the weather, easy or hard, is in both scores and drops out
of the difference. Neighbouring days are alike, so that days are resampled in blocks, not one by one: as if
single days were independent, the interval would be too narrow.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from scipy import stats

from maelstrom_bootcamp.errors import BootcampError


class Interval(NamedTuple):
    """An estimate and its confidence interval (floats, or DataArrays if the scores had more dimensions)."""

    estimate: xr.DataArray | float
    low: xr.DataArray | float
    high: xr.DataArray | float

    @property
    def excludes_zero(self) -> xr.DataArray | bool:
        """Whether the whole interval lies on one side of zero."""
        return (self.low > 0) | (self.high < 0)


def paired_block_bootstrap(
    a: xr.DataArray | np.ndarray,
    b: xr.DataArray | np.ndarray,
    block: int = 5,
    n: int = 2000,
    seed: int = 0,
    *,
    relative: bool = False,
    confidence: float = 0.95,
    dim: str = "time",
    longest_gap: int | None = 3,
) -> Interval:
    """Difference of the mean scores of two methods, with a confidence interval.

    Parameters
    ----------
    a, b : xarray.DataArray or numpy.ndarray
        Score of each method on each date (same dates, same order). Arrays: dates along the first axis.
        DataArrays: dates along `dim`; with a coordinate of datetimes, blocks do not reach across gaps longer
        than `longest_gap`, and each run of dates keeps its share in every resample.
    block : int
        Length of a block in dates. Longer than the memory of the weather, much shorter than the sample.
    n : int
        Number of resamples.
    seed : int
        Seed of the random blocks.
    relative : bool
        Return (mean a - mean b) / mean b instead of mean a - mean b.
    confidence : float
        Confidence of the interval, 0 < confidence < 1.
    dim : str
        Dimension of the dates.
    longest_gap : int, optional
        Days between neighbours in a run of dates. None: all dates are one run, e.g. if all are weeks apart.

    Returns
    -------
    Interval
        ``(estimate, low, high)``. Below zero: `a` has the lower score, so it is better.

    Raises
    ------
    BootcampError
        If shapes or dates differ, values are missing, or there are fewer than two blocks.

    Notes
    -----
    Circular block bootstrap with percentile interval, stretched about the estimate because blocks are few. K
    blocks in R runs of dates leave K - R degrees of freedom; the interval is widened by sqrt(K / (K - R))
    (resampling about the mean of the sample itself) and by the ratio of the quantiles of Student's t and of
    the normal distribution. Runs of dates are fixed: the interval says how sure the mean over *these* seasons
    is, not over others.

    Measured on 500 series of an AR(1) process with a lag-one correlation of 0.3, blocks of 5 and a confidence
    of 0.95: the plain percentile interval holds the truth in 80 % (20 dates) and 89 % (60 dates) of the
    cases, the stretched one in 96 % and 94 %. With a correlation of 0.6 and 60 dates it is 85 % and 89 %: use
    longer blocks.

    References
    ----------
    Politis, D. and Romano, J. (1992): A circular block-resampling procedure for stationary data. In:
    Exploring the Limits of Bootstrap, 263-270. Hamill, T. (1999): Hypothesis tests for evaluating numerical
    precipitation forecasts. Wea. Forecasting 14, 155-167 (paired resampling of days).
    """
    values_a, values_b, dates, template = _prepare(a, b, dim)
    runs = _runs(None if longest_gap is None else dates, len(values_a), longest_gap)
    if block < 1 or n < 1 or not 0 < confidence < 1:
        raise BootcampError(
            f"Blocks of {block} dates, {n} resamples and a confidence of {confidence} do not do.",
            "Give at least one date and one resample, and a confidence between 0 and 1.",
        )
    if min(map(len, runs)) < 2 * block:
        raise BootcampError(
            f"A run of {min(map(len, runs))} dates holds less than two blocks of {block}.",
            "Score more dates, or use shorter blocks.",
        )
    counts = _counts(runs, block, n, np.random.default_rng(seed))
    estimate = _difference(np.full((1, len(values_a)), 1.0), values_a, values_b, relative)[0]
    resampled = _difference(counts, values_a, values_b, relative)
    tail = (1 - confidence) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail], axis=0)
    stretch = _stretch(len(values_a) / block, len(runs), tail)
    low, high = estimate + stretch * (low - estimate), estimate + stretch * (high - estimate)
    return Interval(*(_like(template, values) for values in (estimate, low, high)))


def paired_group_bootstrap(
    a: np.ndarray,
    b: np.ndarray,
    groups: np.ndarray,
    n: int = 2000,
    seed: int = 0,
    *,
    root: bool = False,
    relative: bool = False,
    confidence: float = 0.95,
) -> Interval:
    """Difference of the mean scores of two methods on cases that come in groups, with a confidence interval.

    Cases of one group are alike: columns of the same air mass, stations of the same valley. Whole groups are
    drawn, with their cases, so that a thousand cases in ten groups count as ten, not as a thousand.

    Parameters
    ----------
    a, b : numpy.ndarray
        Score of each method for each case, shape (cases,), same cases, same order.
    groups : numpy.ndarray
        Label of the group of each case, shape (cases,). Groups may differ in size.
    n : int
        Number of resamples.
    seed : int
        Seed of the random groups.
    root : bool
        Compare the roots of the means: give squared errors, and the RMSE is compared.
    relative : bool
        Return the difference as a fraction of the score of `b`.
    confidence : float
        Confidence of the interval, 0 < confidence < 1.

    Returns
    -------
    Interval
        ``(estimate, low, high)``. Below zero: `a` has the lower score, so it is better.

    Raises
    ------
    BootcampError
        If shapes differ, values are missing, there are fewer than two groups, or a root or a fraction cannot
        be taken.

    Notes
    -----
    Percentile interval, stretched about the estimate as in `paired_block_bootstrap`: G groups leave G - 1
    degrees of freedom.

    References
    ----------
    Davison, A. and Hinkley, D. (1997): Bootstrap Methods and their Application, section 3.8 (hierarchical
    data: resample the groups, keep what is in them).
    """
    values_a, values_b, _, _ = _prepare(np.asarray(a), np.asarray(b), "case")
    groups = np.asarray(groups)
    if values_a.ndim != 1 or groups.shape != values_a.shape:
        raise BootcampError(
            f"The scores have the shape {values_a.shape}, the groups {groups.shape}.",
            "Give one score and one label per case.",
        )
    labels, member = np.unique(groups, return_inverse=True)
    if len(labels) < 2 or n < 1 or not 0 < confidence < 1:
        raise BootcampError(
            f"{len(labels)} groups, {n} resamples and a confidence of {confidence} do not do.",
            "Give at least two groups and one resample, and a confidence between 0 and 1.",
        )
    sums = [np.bincount(member, weights) for weights in (values_a, values_b, None)]
    counts = _counts([np.arange(len(labels))], 1, n, np.random.default_rng(seed))
    counts = np.vstack([np.ones(len(labels)), counts])  # the sample itself comes first
    mean_a, mean_b = (counts @ sum_ / (counts @ sums[2]) for sum_ in sums[:2])
    if (root and min(mean_a.min(), mean_b.min()) < 0) or (relative and not (mean_b > 0).all()):
        raise BootcampError(
            "Some resample scores zero or below.", "Use relative=False, and root=True for squares only."
        )
    if root:
        mean_a, mean_b = np.sqrt(mean_a), np.sqrt(mean_b)
    difference = (mean_a - mean_b) / (mean_b if relative else 1)
    tail = (1 - confidence) / 2
    ends = np.quantile(difference[1:], [tail, 1 - tail])
    stretch = _stretch(len(labels), 1, tail)
    low, high = difference[0] + stretch * (ends - difference[0])
    return Interval(float(difference[0]), float(low), float(high))


def block_bootstrap(
    a: xr.DataArray | np.ndarray, block: int = 5, n: int = 2000, seed: int = 0, **options
) -> Interval:
    """Mean score of one method, with a confidence interval.

    Parameters are those of `paired_block_bootstrap`. To compare methods use that one: two intervals that
    overlap say little, because both methods have met the same weather.
    """
    return paired_block_bootstrap(a, a * 0, block, n, seed, **options)


def _prepare(a: Any, b: Any, dim: str) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, Any]:
    """Scores as float64 (dates, ...), the dates if known, and what the result should look like."""
    template = dates = None
    if isinstance(a, xr.DataArray) and isinstance(b, xr.DataArray):
        if dim not in a.dims or set(a.dims) != set(b.dims):
            raise BootcampError(
                f"The scores have the dimensions {a.dims} and {b.dims}.", f"Both need the same, with {dim!r}."
            )
        try:
            a, b = xr.align(a, b, join="exact")
        except ValueError as error:
            raise BootcampError(
                f"The two methods were not scored on the same points: {error}",
                "Score both on the same dates.",
            ) from error
        a = a.transpose(dim, ...)
        b = b.transpose(*a.dims)
        template = a.isel({dim: 0}, drop=True)
        if dim in a.coords and np.issubdtype(a[dim].dtype, np.datetime64):
            dates = a[dim].values
    values_a, values_b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if values_a.shape != values_b.shape or values_a.ndim == 0:
        raise BootcampError(
            f"The scores have the shapes {values_a.shape} and {values_b.shape}.",
            "Give one score per date for each method, on the same dates.",
        )
    if not (np.isfinite(values_a).all() and np.isfinite(values_b).all()):
        raise BootcampError("Some scores are missing or infinite.", "Leave these dates out of both methods.")
    return values_a, values_b, dates, template


def _runs(dates: np.ndarray | None, n_dates: int, longest_gap: int | None = 3) -> list[np.ndarray]:
    """Indices of the dates, in runs without gaps."""
    if dates is None:
        return [np.arange(n_dates)]
    order = np.argsort(dates, kind="stable")
    gaps = np.diff(dates[order]) > np.timedelta64(longest_gap, "D")
    return np.split(order, np.flatnonzero(gaps) + 1)


def _counts(runs: list[np.ndarray], block: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """How often each resample holds each date: (n, dates). A resampled mean is then a matrix product."""
    counts = np.zeros((n, sum(map(len, runs))))
    for run in runs:
        length = len(run)
        starts = rng.integers(0, length, (n, -(-length // block)))
        chosen = (starts[..., None] + np.arange(min(block, length))) % length
        # The last block is cut, so that each resample has as many dates as the sample.
        rows = np.repeat(np.arange(n), length)
        np.add.at(counts, (rows, run[chosen.reshape(n, -1)[:, :length].ravel()]), 1)
    return counts


def _difference(counts: np.ndarray, a: np.ndarray, b: np.ndarray, relative: bool) -> np.ndarray:
    # The difference is taken first: identical methods then differ by exactly zero in every resample.
    difference = np.tensordot(counts, a - b, 1)
    if not relative:
        return difference / a.shape[0]
    reference = np.tensordot(counts, b, 1)
    if not (reference > 0).all():
        raise BootcampError("The reference scores zero on some resample.", "Use relative=False.")
    return difference / reference


def _stretch(blocks: float, runs: int, tail: float) -> float:
    freedom = blocks - runs
    return float(np.sqrt(blocks / freedom) * stats.t.isf(tail, freedom) / stats.norm.isf(tail))


def _like(template: xr.DataArray | None, values: np.ndarray) -> xr.DataArray | float:
    if template is None or template.ndim == 0:
        return float(values) if values.ndim == 0 else values
    return template.copy(data=values)
