"""Scores: one small function each, xarray in, xarray out, dimensions by name.

Forecasts of quantiles carry a dimension ``quantile`` whose coordinate holds the probability levels. All
functions take `dims`, the dimensions to average over (None: all of them), and leave out pairs with a missing
value. Where the library `scores` (https://scores.readthedocs.io) has the score, it does the work.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable

import numpy as np
import scores.continuous
import scores.probability
import xarray as xr

from maelstrom_bootcamp.errors import BootcampError

Dims = str | Iterable[Hashable] | None


def mae(forecast: xr.DataArray, target: xr.DataArray, dims: Dims = None) -> xr.DataArray:
    """Mean absolute error, mean(|f - o|).

    Parameters
    ----------
    forecast, target : xarray.DataArray
        In the same unit.
    dims : str or iterable of str, optional
        Dimensions to average over; default all.

    Returns
    -------
    xarray.DataArray
        In the unit of the forecast; 0 is perfect.
    """
    forecast, target = matched(forecast, target)
    return scores.continuous.mae(forecast, target, reduce_dims=reduced_dims(forecast, dims))


def rmse(forecast: xr.DataArray, target: xr.DataArray, dims: Dims = None) -> xr.DataArray:
    """Root mean square error, sqrt(mean((f - o)^2)). Parameters and unit as for `mae`."""
    forecast, target = matched(forecast, target)
    return scores.continuous.rmse(forecast, target, reduce_dims=reduced_dims(forecast, dims))


def bias(forecast: xr.DataArray, target: xr.DataArray, dims: Dims = None) -> xr.DataArray:
    """Mean error, mean(f - o): positive where the forecast is too warm. Parameters and unit as for `mae`."""
    forecast, target = matched(forecast, target)
    return scores.continuous.mean_error(forecast, target, reduce_dims=reduced_dims(forecast, dims))


def share_of_large_errors(
    forecast: xr.DataArray, target: xr.DataArray, dims: Dims = None, threshold: float = 3.0
) -> xr.DataArray:
    """Share of errors |f - o| > threshold, from 0 to 1 (MET Norway's ``within``, with 3 K).

    Parameters
    ----------
    forecast, target : xarray.DataArray
        In the same unit.
    dims : str or iterable of str, optional
        Dimensions to average over; default all.
    threshold : float
        In the unit of the forecast.

    Returns
    -------
    xarray.DataArray
        Fraction, from 0 to 1.
    """
    forecast, target = matched(forecast, target)
    near = scores.continuous.percent_within_x(
        forecast, target, threshold, reduce_dims=reduced_dims(forecast, dims), is_inclusive=True
    )
    return 1 - near / 100


def quantile_score(forecast: xr.DataArray, target: xr.DataArray, q: float, dims: Dims = None) -> xr.DataArray:
    """Quantile score, mean(rho_q(o - f)) with rho_q(e) = (q - 1[e < 0]) e.

    Parameters
    ----------
    forecast : xarray.DataArray
        Forecasts of the q-quantile.
    target : xarray.DataArray
        In the same unit.
    q : float
        Probability level, 0 < q < 1.
    dims : str or iterable of str, optional
        Dimensions to average over; default all.

    Returns
    -------
    xarray.DataArray
        In the unit of the forecast; 0 is perfect. Half the absolute error for q = 0.5.

    References
    ----------
    Gneiting, T. (2011): Making and evaluating point forecasts. J. Amer. Stat. Assoc. 106, 746-762.
    """
    if not 0 < q < 1:
        raise BootcampError(f"q={q} is not a probability level.", "Give a number between 0 and 1, as 0.9.")
    forecast, target = matched(forecast, target)
    return scores.continuous.quantile_score(forecast, target, q, reduce_dims=reduced_dims(forecast, dims))


def mean_quantile_score(forecast: xr.DataArray, target: xr.DataArray, dims: Dims = None) -> xr.DataArray:
    """Quantile score averaged over the quantiles of the forecast: what the networks are trained on.

    Parameters
    ----------
    forecast : xarray.DataArray
        With a dimension ``quantile``.
    target : xarray.DataArray
        Without it, in the same unit.
    dims : str or iterable of str, optional
        Dimensions to average over, besides ``quantile``; default all.

    Returns
    -------
    xarray.DataArray
        In the unit of the forecast.
    """
    return sum(_score_by_level(forecast, target, dims)) / forecast.sizes["quantile"]


def crps_from_quantiles(forecast: xr.DataArray, target: xr.DataArray, dims: Dims = None) -> xr.DataArray:
    """Continuous ranked probability score, approximated from a few quantiles.

    The CRPS is twice the integral of the quantile score over all levels, CRPS = 2 * integral_0^1 rho_q(o -
    f_q) dq. Here each level stands for the interval that reaches half-way to its neighbours; for 0.1, 0.5,
    0.9 the weights are 0.3, 0.4, 0.3. With few quantiles this is a rough number: use it to compare forecasts
    of the same levels, not with a CRPS from elsewhere.

    Parameters
    ----------
    forecast : xarray.DataArray
        With a dimension ``quantile`` in ascending order.
    target : xarray.DataArray
        Without it, in the same unit.
    dims : str or iterable of str, optional
        Dimensions to average over, besides ``quantile``; default all.

    Returns
    -------
    xarray.DataArray
        In the unit of the forecast. If all quantiles are the same and the levels are symmetric about 0.5, it
        is the absolute error.

    References
    ----------
    Laio, F. and Tamea, S. (2007): Verification tools for probabilistic forecasts of continuous hydrological
    variables. Hydrol. Earth Syst. Sci. 11, 1267-1277 (CRPS as an integral of quantile scores).
    """
    levels = quantile_levels(forecast)
    if (np.diff(levels) <= 0).any():
        raise BootcampError(
            f"The quantiles {levels.tolist()} do not ascend.", "Sort: forecast.sortby('quantile')."
        )
    edges = np.concatenate([[0], (levels[1:] + levels[:-1]) / 2, [1]])
    by_level = _score_by_level(forecast, target, dims)
    return sum(2 * w * score for w, score in zip(np.diff(edges), by_level, strict=True))


def crps_ensemble(
    forecast: xr.DataArray,
    target: xr.DataArray,
    dims: Dims = None,
    *,
    member: str = "member",
    fair: bool = False,
) -> xr.DataArray:
    """Continuous ranked probability score of an ensemble.

    CRPS = mean_i |x_i - o| - sum_ij |x_i - x_j| / (2 K), K = M^2, or M (M - 1) for the fair score.

    Parameters
    ----------
    forecast : xarray.DataArray
        With a dimension `member` of M members.
    target : xarray.DataArray
        Without it, in the same unit.
    dims : str or iterable of str, optional
        Dimensions to average over, besides `member`; default all.
    member : str
        Name of the ensemble's dimension.
    fair : bool
        Estimate what an infinite ensemble of the same kind would score.

    Returns
    -------
    xarray.DataArray
        In the unit of the forecast. For one member (not fair) it is the mean absolute error.

    References
    ----------
    Gneiting, T. and Raftery, A. (2007): Strictly proper scoring rules, prediction, and estimation. J. Amer.
    Stat. Assoc. 102, 359-378. Ferro, C. (2014): Fair scores for ensemble forecasts. QJRMS 140, 1917-1923.
    """
    if member not in forecast.dims:
        raise BootcampError(
            f"The forecast has no dimension {member!r}, only {forecast.dims}.", "Name it: member='...'."
        )
    if fair and forecast.sizes[member] < 2:
        raise BootcampError("The fair CRPS needs two members at least.", "Use fair=False.")
    one, target = matched(forecast.isel({member: 0}, drop=True), target)
    # Where one member is missing, the whole ensemble is: the library would score a smaller one.
    forecast = forecast.where(forecast.notnull().all(member))
    return scores.probability.crps_for_ensemble(
        forecast, target, member, method="fair" if fair else "ecdf", reduce_dims=reduced_dims(one, dims)
    )


def coverage(
    forecast: xr.DataArray,
    target: xr.DataArray,
    dims: Dims = None,
    *,
    low: float = 0.1,
    high: float = 0.9,
) -> xr.DataArray:
    """Share of targets inside the interval between two quantiles; ideally ``high - low``.

    Parameters
    ----------
    forecast : xarray.DataArray
        With a dimension ``quantile`` that has the levels `low` and `high`.
    target : xarray.DataArray
        Without it, in the same unit.
    dims : str or iterable of str, optional
        Dimensions to average over; default all.
    low, high : float
        Levels of the interval.

    Returns
    -------
    xarray.DataArray
        Fraction, from 0 to 1.
    """
    lower, known = matched(level(forecast, low), target)
    upper, _ = matched(level(forecast, high), target)
    inside = (lower <= known) & (known <= upper)
    return inside.where(lower.notnull() & upper.notnull()).mean(reduced_dims(lower, dims))


def sharpness(
    forecast: xr.DataArray, dims: Dims = None, *, low: float = 0.1, high: float = 0.9
) -> xr.DataArray:
    """Mean width of the interval between two quantiles, mean(f_high - f_low): narrow is sharp.

    Parameters
    ----------
    forecast : xarray.DataArray
        With a dimension ``quantile`` that has the levels `low` and `high`.
    dims : str or iterable of str, optional
        Dimensions to average over; default all.
    low, high : float
        Levels of the interval.

    Returns
    -------
    xarray.DataArray
        In the unit of the forecast.
    """
    width = level(forecast, high) - level(forecast, low)
    return width.mean(reduced_dims(width, dims))


def reliability(forecast: xr.DataArray, target: xr.DataArray, dims: Dims = None) -> xr.DataArray:
    """Share of targets at or below each quantile, mean(1[o <= f_q]); reliable forecasts give q.

    Parameters
    ----------
    forecast : xarray.DataArray
        With a dimension ``quantile``.
    target : xarray.DataArray
        Without it, in the same unit.
    dims : str or iterable of str, optional
        Dimensions to average over, besides ``quantile``; default all.

    Returns
    -------
    xarray.DataArray
        Fraction, from 0 to 1, with the dimension ``quantile``.
    """
    quantile_levels(forecast)
    one, known = matched(forecast.isel(quantile=0, drop=True), target)
    below = (known <= forecast).where(known.notnull() & forecast.notnull())
    return below.mean(reduced_dims(one, dims)).transpose("quantile", ...)


def skill(score: xr.DataArray | float, reference: xr.DataArray | float) -> xr.DataArray | float:
    """Skill score 1 - S / S_ref of a score that is 0 for a perfect forecast.

    Parameters
    ----------
    score, reference : xarray.DataArray or float
        Scores of the forecast and of the reference.

    Returns
    -------
    xarray.DataArray or float
        1: perfect; 0: as good as the reference; below 0: worse.

    References
    ----------
    Wilks, D. (2019): Statistical Methods in the Atmospheric Sciences, 4th ed., section 9.1.4.
    """
    return 1 - score / reference


def level(forecast: xr.DataArray, q: float) -> xr.DataArray:
    """Pick the quantile of one level; a BootcampError if the forecast does not have it."""
    levels = quantile_levels(forecast)
    found = np.flatnonzero(np.isclose(levels, q, rtol=0, atol=1e-6))
    if found.size != 1:
        raise BootcampError(f"The forecast has no quantile {q}.", f"It has the levels {levels.tolist()}.")
    return forecast.isel(quantile=int(found[0]), drop=True)


def quantile_levels(forecast: xr.DataArray) -> np.ndarray:
    """Probability levels of a forecast, float64; a BootcampError if it has no such coordinate."""
    if "quantile" not in forecast.dims or "quantile" not in forecast.coords:
        raise BootcampError(
            f"The forecast has no dimension 'quantile' with coordinate (it has {forecast.dims}).",
            "Give it one: forecast.assign_coords(quantile=[0.1, 0.5, 0.9]).",
        )
    return forecast["quantile"].values.astype(float)


def matched(forecast: xr.DataArray, target: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Check that both lie on the same points, and mask the pairs of which one is missing.

    xarray would silently keep the points that both have, or repeat one along a dimension that it lacks.
    """
    if set(forecast.dims) != set(target.dims):
        raise BootcampError(
            f"The forecast has the dimensions {forecast.dims}, the target {target.dims}.",
            "Select what you want to compare, so that both have the same dimensions.",
        )
    try:
        forecast, target = xr.align(forecast, target, join="exact", copy=False)
    except ValueError as error:
        raise BootcampError(
            f"Forecast and target do not lie on the same points: {error}", "Select the same points of both."
        ) from error
    both = forecast.notnull() & target.notnull()
    if both.all():  # usual on a grid, and spares two copies of the fields
        return forecast, target
    return forecast.where(both), target.where(both)


def reduced_dims(field: xr.DataArray, dims: Dims) -> list[Hashable]:
    """Dimensions to average over, all for None; a BootcampError if the field lacks one."""
    if dims is None:
        return list(field.dims)
    wanted = [dims] if isinstance(dims, str) else list(dims)
    unknown = [d for d in wanted if d not in field.dims]
    if unknown:
        raise BootcampError(f"There is no dimension {unknown[0]!r}.", f"The dimensions are {field.dims}.")
    return wanted


def _score_by_level(forecast: xr.DataArray, target: xr.DataArray, dims: Dims) -> list[xr.DataArray]:
    # A pair counts for all levels or for none, so that every level is averaged over the same pairs.
    target = target.where(forecast.notnull().all("quantile")) if "quantile" in forecast.dims else target
    return [quantile_score(level(forecast, q), target, q, dims) for q in quantile_levels(forecast)]
