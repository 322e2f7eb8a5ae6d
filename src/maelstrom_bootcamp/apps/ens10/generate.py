"""Members from a normal forecast, and their ranks from the raw ensemble (ensemble copula coupling).

A post-processed forecast says how likely each temperature is at each point, and nothing about two points at
once. `draw_members` takes any number of members from it, each point for itself: no weather map. `couple` puts
what was drawn into the order of the raw members, which have one.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy.special import ndtri

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.verify.ensemble import is_normal


def draw_members(forecast: xr.Dataset, members: int, seed: int = 0) -> xr.DataArray:
    """Draw members from a normal forecast, independently at each point.

    Parameters
    ----------
    forecast : xarray.Dataset
        ``mu`` and ``sigma``, any dimensions.
    members : int
        One or more.
    seed : int
        Of the random numbers.

    Returns
    -------
    xarray.DataArray
        ``member`` (from 1) and the same dimensions, in the unit of the forecast.

    Raises
    ------
    BootcampError
        If it is no normal forecast, or there is no member to draw.
    """
    shape = _shape(forecast, members)
    noise = np.random.default_rng(seed).standard_normal(shape)
    return _placed(forecast, noise)


def quantile_members(forecast: xr.Dataset, members: int) -> xr.DataArray:
    """Members at the quantiles i / (M + 1) of a normal forecast, the lowest first everywhere.

    Parameters
    ----------
    forecast : xarray.Dataset
        ``mu`` and ``sigma``, any dimensions.
    members : int
        M, one or more.

    Returns
    -------
    xarray.DataArray
        As from `draw_members`. No randomness, and no weather either, before they are coupled.

    Raises
    ------
    BootcampError
        As for `draw_members`.

    References
    ----------
    Schefzik, R., Thorarinsdottir, T. and Gneiting, T. (2013): Uncertainty quantification in complex
    simulation models using ensemble copula coupling. Statist. Sci. 28, 616-640 ("ECC-Q").
    """
    shape = _shape(forecast, members)
    levels = ndtri(np.arange(1, members + 1) / (members + 1))
    return _placed(forecast, np.broadcast_to(levels.reshape(-1, *[1] * (len(shape) - 1)), shape))


def couple(members: xr.DataArray, raw: xr.DataArray) -> xr.DataArray:
    """Ensemble copula coupling: order members at each point as the raw members are ordered there.

    Where raw member 3 is the second warmest, member 3 of the result gets the second warmest of the new
    values. Each point keeps its values, and each member its weather map.

    Parameters
    ----------
    members : xarray.DataArray
        New values, with a dimension ``member``.
    raw : xarray.DataArray
        The raw ensemble: as many members, the same points.

    Returns
    -------
    xarray.DataArray
        Dimensions and coordinates of `raw`.

    Raises
    ------
    BootcampError
        If the points or the number of members differ, or a value is missing.

    References
    ----------
    Schefzik, R., Thorarinsdottir, T. and Gneiting, T. (2013): Uncertainty quantification in complex
    simulation models using ensemble copula coupling. Statist. Sci. 28, 616-640.
    """
    for each in (members, raw):
        if is_normal(each):
            raise BootcampError("A normal forecast has no members to order.", "Draw some: draw_members.")
    if dict(members.sizes) != dict(raw.sizes):
        raise BootcampError(
            f"The new members have the dimensions {dict(members.sizes)}, the raw ones {dict(raw.sizes)}.",
            "Draw as many members as the raw ensemble has, for the same points.",
        )
    axis = raw.get_axis_num("member")
    new = members.transpose(*raw.dims).values
    if np.isnan(new).any() or np.isnan(raw.values).any():
        raise BootcampError("Missing values have no rank.", "Leave out the points that miss a member.")
    ranks = np.argsort(np.argsort(raw.values, axis=axis, kind="stable"), axis=axis, kind="stable")
    return raw.copy(data=np.take_along_axis(np.sort(new, axis=axis), ranks, axis=axis))


def _shape(forecast: xr.Dataset, members: int) -> tuple[int, ...]:
    if not is_normal(forecast):
        raise BootcampError("Members are drawn from a normal forecast.", "Give a Dataset with mu and sigma.")
    if isinstance(members, bool) or not isinstance(members, int) or members < 1:
        raise BootcampError(f"members={members!r} cannot be drawn.", "Give a whole number from 1.")
    return (members, *forecast["mu"].shape)


def _placed(forecast: xr.Dataset, z: np.ndarray) -> xr.DataArray:
    number = xr.DataArray(np.arange(1, len(z) + 1), dims="member")
    normal = xr.DataArray(z.astype("f4"), dims=("member", *forecast["mu"].dims))
    members = forecast["mu"] + forecast["sigma"] * normal
    return members.transpose(*normal.dims).assign_coords(member=number)
