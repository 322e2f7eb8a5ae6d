"""How unusual is a forecast: model climate, Extreme Forecast Index, and the CRPS that it weights.

A hot day is no extreme in a hot place. The **model climate** says what the model itself usually forecasts at
a grid point at this time of the year. The **Extreme Forecast Index** (EFI) compares an ensemble with it: 0 as
usual, towards 1 unusually high, towards -1 unusually low. ECMWF's user guide calls an absolute value of 0.5
to 0.8 unusual, above 0.8 very unusual.

As in spcl/ens10 (``EFI/calculate_efi.py``), the raw ensemble is compared, whatever method is scored. So the
weight is known before the outcome and the same for all methods, and the weighted CRPS stays proper.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from maelstrom_bootcamp.apps.ens10.baselines import annual_wave
from maelstrom_bootcamp.errors import BootcampError

#: Probabilities of the model climate, as published.
LEVELS = np.linspace(0, 1, 21)
#: Days before and after a date whose forecasts make its climate.
WINDOW = 30
UNUSUAL, VERY_UNUSUAL = 0.5, 0.8


def model_climate(
    members: xr.DataArray, dates: xr.DataArray, *, window: int = WINDOW, levels: np.ndarray = LEVELS
) -> xr.DataArray:
    """Quantiles of what the model forecasts at this time of the year, at each grid point.

    The published climate pools nine forecast dates, two a week and so about 14 days to both sides, of 19
    years with ten members. The default sample has less than a tenth of these forecasts. So the window is
    wider here, and since a season changes within it, mean and annual wave of each point are taken off before
    values are pooled, and given back for the date.

    Parameters
    ----------
    members : xarray.DataArray
        Raw forecasts of the training years, (time, member, latitude, longitude).
    dates : xarray.DataArray
        Coordinate ``time`` of the forecasts to be judged.
    window : int
        Days to both sides; the year goes round.
    levels : numpy.ndarray
        Probabilities from 0 to 1, rising, both included.

    Returns
    -------
    xarray.DataArray
        (time, quantile, latitude, longitude), float32, in the unit of the members.

    Raises
    ------
    BootcampError
        If levels are wrong, or a date has no training forecast within the window.
    """
    levels = np.asarray(levels, float)
    if levels.ndim != 1 or levels[[0, -1]].tolist() != [0, 1] or (np.diff(levels) <= 0).any():
        raise BootcampError(f"The levels {levels.tolist()} do not rise from 0 to 1.", "See LEVELS.")
    members = members.transpose("time", "member", "latitude", "longitude")
    values = members.values.astype(np.float64)
    wave = annual_wave(members)
    # The shortest constants that fit: a handful of dates may not tell a whole wave.
    constants, *_ = np.linalg.lstsq(wave, values.mean(1).reshape(len(wave), -1), rcond=None)
    left = values - (wave @ constants).reshape(len(wave), 1, *values.shape[2:])
    asked = xr.DataArray(np.asarray(dates), dims="time", coords={"time": np.asarray(dates)})
    season = (annual_wave(asked) @ constants).reshape(-1, *values.shape[2:])
    days = members["time"].dt.dayofyear.values
    out = np.empty((asked.size, len(levels), *values.shape[2:]), np.float32)
    for i, day in enumerate(asked.dt.dayofyear.values):
        near = np.abs((days - day + 183) % 366 - 183) <= window
        if not near.any():
            raise BootcampError(
                f"No training forecast lies within {window} days of {np.datetime_as_string(asked[i], 'D')}.",
                "Widen the window.",
            )
        pool = left[near].reshape(-1, *values.shape[2:])
        out[i] = np.quantile(pool, levels, axis=0) + season[i]
    grid = {name: members[name] for name in ("latitude", "longitude") if name in members.coords}
    coords = {"time": asked["time"], "quantile": levels, **grid}
    return xr.DataArray(out, coords, ("time", "quantile", "latitude", "longitude"), attrs=members.attrs)


def share_below(members: xr.DataArray, climate: xr.DataArray) -> xr.DataArray:
    """F_f(p): share of the members below the climate's quantiles.

    Parameters
    ----------
    members : xarray.DataArray
        With a dimension ``member``.
    climate : xarray.DataArray
        With a dimension ``quantile``, on the same points.

    Returns
    -------
    xarray.DataArray
        From 0 to 1, (quantile, ...).
    """
    try:
        members, climate = xr.align(members, climate, join="exact", exclude=("member", "quantile"))
    except ValueError as error:
        raise BootcampError(
            f"Members and climate differ: {error}", "Make the climate of these dates."
        ) from error
    below = [
        (members < climate.isel(quantile=i, drop=True)).mean("member")
        for i in range(climate.sizes["quantile"])
    ]
    return xr.concat(below, climate["quantile"])


def efi(members: xr.DataArray, climate: xr.DataArray) -> xr.DataArray:
    """Extreme Forecast Index.

    .. math:: \\mathrm{EFI} = \\frac{2}{\\pi} \\int_0^1 \\frac{p - F_f(p)}{\\sqrt{p (1 - p)}}\\, dp

    F_f is taken as linear between the quantiles of the climate. Then the integral is exact, although the
    weight is infinite at both ends: 1/sqrt(p (1 - p)) integrates to 2 asin(sqrt p), and p times it to
    asin(sqrt p) - sqrt(p (1 - p)).

    Parameters
    ----------
    members : xarray.DataArray
        Raw forecast, with a dimension ``member``.
    climate : xarray.DataArray
        From `model_climate`, of the same dates.

    Returns
    -------
    xarray.DataArray
        From -1 (all members below everything in the climate) to 1; missing where a member is.

    References
    ----------
    Lalaurette, F. (2003): Early detection of abnormal weather conditions using a probabilistic extreme
    forecast index. QJRMS 129, 3037-3057. Dutra, E. et al. (2013): The extreme forecast index at the seasonal
    scale. Mon. Wea. Rev. (the form with the square root).
    """
    share = share_below(members, climate)
    found = xr.dot(share, efi_weights(climate["quantile"]), dim="quantile")
    return (1 - found).where(members.notnull().all("member")).assign_attrs(units="1").rename("efi")


def efi_weights(levels: xr.DataArray) -> xr.DataArray:
    """What each share counts in the index: EFI = 1 - sum of weight times share.

    Parameters
    ----------
    levels : xarray.DataArray
        Probabilities (quantile), from 0 to 1.

    Returns
    -------
    xarray.DataArray
        (quantile), sum 2: all members below everything give -1.
    """
    p = levels.values.astype(float)
    angle = np.arcsin(np.sqrt(p))
    whole = 2 * np.diff(angle)  # of 1 / sqrt(p (1 - p)), over each interval
    first = np.diff(angle - np.sqrt(p * (1 - p)))  # of p times it
    rising = (first - p[:-1] * whole) / np.diff(p)  # of the straight line from 0 to 1
    weights = np.zeros_like(p)
    weights[1:] += rising
    weights[:-1] += whole - rising
    return levels.copy(data=2 / np.pi * weights)


def eecrps(crps: xr.DataArray, index: xr.DataArray) -> xr.DataArray:
    """CRPS weighted by how unusual the forecast is, abs(EFI) CRPS, at each point.

    Parameters
    ----------
    crps : xarray.DataArray
        At each grid point and date.
    index : xarray.DataArray
        EFI of the raw ensemble at the same points.

    Returns
    -------
    xarray.DataArray
        In the unit of the CRPS; take means afterwards.

    References
    ----------
    Ashkboos, S. et al. (2022): ENS-10: A dataset for post-processing ensemble weather forecasts.
    arXiv:2206.14786.
    """
    try:
        crps, index = xr.align(crps, index, join="exact")
    except ValueError as error:
        raise BootcampError(f"CRPS and EFI differ: {error}", "Take both of the same dates.") from error
    return np.abs(index) * crps
