"""Verify probabilities: ensembles of members, and normal distributions made from them.

Two kinds of forecasts are taken everywhere. A **raw** one is a DataArray with a dimension ``member``; a
**normal** one is a Dataset with ``mu`` and ``sigma``, mean and standard deviation of a normal distribution,
in the unit of the target. Dimensions go by name, pairs with a missing value are left out, and whatever is an
average over grid points takes `weights`, such as the cosine of the latitude.

Histograms of ranks and PIT values, and the reliability of events, with intervals, are in
`maelstrom_bootcamp.verify.calibration`.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy.special import ndtr

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.verify import scores

#: A raw or a normal forecast.
Forecast = xr.DataArray | xr.Dataset


def crps_normal(
    mu: xr.DataArray, sigma: xr.DataArray, target: xr.DataArray, dims: scores.Dims = None
) -> xr.DataArray:
    """Continuous ranked probability score of a normal distribution.

    CRPS = sigma (z (2 Phi(z) - 1) + 2 phi(z) - 1 / sqrt(pi)), z = (o - mu) / sigma.

    Parameters
    ----------
    mu, sigma, target : xarray.DataArray
        Mean, standard deviation (above 0) and truth, same dimensions, same unit.
    dims : str or iterable of str, optional
        Dimensions to average over; default all, ``[]`` none.

    Returns
    -------
    xarray.DataArray
        In the unit of the forecast; 0 is perfect.

    Raises
    ------
    BootcampError
        If the points differ, or a sigma is not above 0.

    References
    ----------
    Gneiting, T. and Raftery, A. (2007): Strictly proper scoring rules, prediction, and estimation. J. Amer.
    Stat. Assoc. 102, 359-378, section 4.2.
    """
    z = _standardised(mu, sigma, target)
    density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    score = sigma * (z * (2 * xr.apply_ufunc(ndtr, z) - 1) + 2 * density - 1 / np.sqrt(np.pi))
    return score.mean(scores.reduced_dims(score, dims))


def crps(
    forecast: Forecast, target: xr.DataArray, dims: scores.Dims = None, *, fair: bool = False
) -> xr.DataArray:
    """CRPS of a raw or a normal forecast, see `scores.crps_ensemble` and `crps_normal`.

    Parameters
    ----------
    forecast : xarray.DataArray or xarray.Dataset
        Raw or normal.
    target : xarray.DataArray
        In the same unit.
    dims : str or iterable of str, optional
        Dimensions to average over; default all, ``[]`` none.
    fair : bool
        For raw forecasts: what an infinite ensemble of the same kind would score.

    Returns
    -------
    xarray.DataArray
        In the unit of the forecast.
    """
    if is_normal(forecast):
        return crps_normal(forecast["mu"], forecast["sigma"], target, dims)
    return scores.crps_ensemble(forecast, target, dims, fair=fair)


def is_normal(forecast: Forecast) -> bool:
    """Tell a normal forecast from a raw one; a BootcampError if it is neither."""
    if isinstance(forecast, xr.Dataset) and {"mu", "sigma"} <= set(forecast):
        return True
    if isinstance(forecast, xr.DataArray) and "member" in forecast.dims:
        return False
    raise BootcampError(
        "This is neither a raw nor a normal forecast.",
        "Give a DataArray with the dimension 'member', or a Dataset with 'mu' and 'sigma'.",
    )


def moments(forecast: Forecast) -> tuple[xr.DataArray, xr.DataArray]:
    """Mean of a forecast, and the variance that its error has if the forecast is reliable.

    For M members the latter is (M + 1) / M times their variance (with M - 1 in the denominator): the truth
    scatters about the true mean as members do, and the mean of M members misses it by 1 / M of the variance.

    Parameters
    ----------
    forecast : xarray.DataArray or xarray.Dataset
        Raw (two members at least) or normal.

    Returns
    -------
    mean, variance : xarray.DataArray

    References
    ----------
    Fortin, V. et al. (2014): Why should ensemble spread match the RMSE of the ensemble mean? J. Hydrometeor.
    15, 1708-1713.
    """
    if is_normal(forecast):
        return forecast["mu"], forecast["sigma"] ** 2
    m = forecast.sizes["member"]
    if m < 2:
        raise BootcampError("One member has no spread.", "Take two members at least.")
    forecast = forecast.where(forecast.notnull().all("member"))
    return forecast.mean("member"), (m + 1) / m * forecast.var("member", ddof=1)


def pit_normal(mu: xr.DataArray, sigma: xr.DataArray, target: xr.DataArray) -> xr.DataArray:
    """Probability integral transform: the forecast probability of at most what came true, Phi(z).

    Parameters
    ----------
    mu, sigma, target : xarray.DataArray
        As for `crps_normal`.

    Returns
    -------
    xarray.DataArray
        From 0 to 1, evenly spread if the forecast is reliable. Missing where one of the three is.
    """
    return xr.apply_ufunc(ndtr, _standardised(mu, sigma, target)).rename("pit")


def ranks(members: xr.DataArray, target: xr.DataArray, seed: int = 0) -> xr.DataArray:
    """Rank of the truth among the members: how many are below it; ties are drawn at random.

    Parameters
    ----------
    members : xarray.DataArray
        With a dimension ``member`` of M members.
    target : xarray.DataArray
        Without it.
    seed : int
        For ties.

    Returns
    -------
    xarray.DataArray
        0 to M as floats, missing where the truth or a member is.

    References
    ----------
    Hamill, T. (2001): Interpretation of rank histograms for verifying ensemble forecasts. Mon. Wea. Rev. 129,
    550-560.
    """
    if is_normal(members):
        raise BootcampError("A normal forecast has no members.", "Use pit_normal for it.")
    _, known = scores.matched(members.isel(member=0, drop=True), target)
    below = (members < known).sum("member")
    tied = (members == known).sum("member").transpose(*below.dims)
    drawn = np.random.default_rng(seed).integers(0, tied.values + 1)
    rank = (below + tied.copy(data=drawn)).where(known.notnull() & members.notnull().all("member"))
    return rank.rename("rank")


def spread_error(
    forecast: Forecast,
    target: xr.DataArray,
    dims: scores.Dims = None,
    weights: xr.DataArray | None = None,
) -> xr.Dataset:
    """Spread, root-mean-square error of the mean, and their ratio.

    Parameters
    ----------
    forecast : xarray.DataArray or xarray.Dataset
        Raw or normal.
    target : xarray.DataArray
        In the same unit.
    dims : str or iterable of str, optional
        Dimensions to average over; default all.
    weights : xarray.DataArray, optional
        Of dimensions that are averaged over.

    Returns
    -------
    xarray.Dataset
        ``spread`` (root of the mean of the variance of `moments`), ``error``, and ``ratio`` = spread / error:
        1 is reliable, below 1 too narrow.
    """
    variance, square = _variance_and_square(forecast, target)
    reduced = scores.reduced_dims(variance, dims)
    spread, error = (np.sqrt(_mean(field, reduced, weights)) for field in (variance, square))
    return xr.Dataset({"spread": spread, "error": error, "ratio": spread / error})


def spread_error_bins(
    forecast: Forecast,
    target: xr.DataArray,
    weights: xr.DataArray | None = None,
    bins: int = 10,
) -> xr.Dataset:
    """Sort cases by spread, and give the error of each class: forecasts should know how sure they are.

    Parameters
    ----------
    forecast : xarray.DataArray or xarray.Dataset
        Raw or normal.
    target : xarray.DataArray
    weights : xarray.DataArray, optional
        E.g. the area of a grid point.
    bins : int
        Classes, each with the same number of cases.

    Returns
    -------
    xarray.Dataset
        ``spread`` and ``error`` (both roots of means of squares) of each ``bin``, from narrow to wide.
    """
    variance, square = _variance_and_square(forecast, target)
    known = variance.notnull().values.ravel()
    of = variance.values.ravel()[known]
    if bins < 1 or of.size < bins:
        raise BootcampError(f"{of.size} cases do not fill {bins} classes.", "Use fewer classes.")
    w = like(weights, variance).values.ravel()[known]
    # Ranks, not values, make the classes: equal values cannot leave a class empty.
    label = (np.argsort(np.argsort(of, kind="stable"), kind="stable") * bins) // of.size
    total = np.bincount(label, w, bins)
    rows = {
        name: ("bin", np.sqrt(np.bincount(label, w * values, bins) / total))
        for name, values in (("spread", of), ("error", square.values.ravel()[known]))
    }
    return xr.Dataset(rows, {"bin": np.arange(bins)})


def probability_above(forecast: Forecast, threshold: xr.DataArray | float) -> xr.DataArray:
    """Forecast probability of a value above a threshold.

    Parameters
    ----------
    forecast : xarray.DataArray or xarray.Dataset
        Raw: the share of members above it. Normal: 1 - Phi.
    threshold : xarray.DataArray or float
        In the unit of the forecast, e.g. one for each grid point.

    Returns
    -------
    xarray.DataArray
        From 0 to 1.
    """
    if is_normal(forecast):
        return xr.apply_ufunc(ndtr, (forecast["mu"] - threshold) / forecast["sigma"])
    known = forecast.notnull().all("member")
    return (forecast > threshold).mean("member").where(known)


def _standardised(mu: xr.DataArray, sigma: xr.DataArray, target: xr.DataArray) -> xr.DataArray:
    mu, known = scores.matched(mu, target)
    sigma, _ = scores.matched(sigma, target)
    if (sigma <= 0).any():
        raise BootcampError("Some sigma is not above 0.", "A normal distribution needs a width: clip it.")
    return (known - mu) / sigma


def _variance_and_square(forecast: Forecast, target: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    mean, variance = moments(forecast)
    mean, known = scores.matched(mean, target)
    square = (mean - known) ** 2
    return variance.where(square.notnull()).transpose(*square.dims), square


def _mean(field: xr.DataArray, dims: list, weights: xr.DataArray | None) -> xr.DataArray:
    return field.mean(dims) if weights is None else field.weighted(weights).mean(dims)


def like(weights: xr.DataArray | None, field: xr.DataArray) -> xr.DataArray:
    """Repeat weights along the dimensions of a field that they lack; None: one for all."""
    if weights is None:
        return xr.ones_like(field, float)
    if not set(weights.dims) <= set(field.dims):
        raise BootcampError(
            f"The weights have the dimensions {weights.dims}, the field {field.dims}.",
            "Give weights of dimensions that the field has.",
        )
    return weights.broadcast_like(field).transpose(*field.dims).astype(float)
