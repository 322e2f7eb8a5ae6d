"""Two cheap ways to give a smooth forecast the variance it lacks, and what they cost: controls for a GAN.

Whoever claims that a network has learnt to be rough must beat these. Both learn from past errors of the
forecast itself (on the validation months), know nothing of weather, and have no network.

References
----------
Blau, Y. and Michaeli, T. (2018): The perception-distortion tradeoff. CVPR, 6228-6237, arXiv:1711.06077.
"""

from __future__ import annotations

from typing import Self

import numpy as np
import xarray as xr

from maelstrom_bootcamp.apps.downscaling.method import by_hour
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.verify import spatial
from maelstrom_bootcamp.verify.scores import matched

PLANE = ("lat", "lon")
DIMS = ("time", *PLANE)


class Inflation:
    """Make a forecast as rough as the target by scaling the waves of its weather: nothing is invented.

    The mean of the forecast at each point and hour of the day is left alone: mountains have most of the
    small-scale variance, are there every day, and are forecast well. What departs from it, the weather, is
    multiplied at each wavelength by the root of the ratio of the variances.

    For a wave of which the forecast has the share r^2 of the variance, and else is right (what is missing
    has no correlation with it), the mean square error rises from V (1 - r^2) to 2 V (1 - r).

    Attributes
    ----------
    gains : xarray.DataArray
        Dimension ``wavelength`` in km, after `fit`.
    """

    def fit(self, forecast: xr.DataArray, target: xr.DataArray) -> Self:
        """Learn from months that are not for testing; returns itself.

        Parameters
        ----------
        forecast, target : xarray.DataArray
            (time, lat, lon), K.

        Raises
        ------
        BootcampError
            If they do not lie on the same points.
        """
        forecast, target = matched(forecast.transpose(*DIMS), target.transpose(*DIMS))
        spacing = spatial.spacing_of_degrees(target)
        self.usual = forecast.groupby(forecast["time"].dt.hour).mean("time")
        weather = (field - _at_hours(field) for field in (target, forecast))
        of_target, of_forecast = (spatial.spectrum(field, spacing, PLANE) for field in weather)
        self.gains = np.sqrt(of_target / of_forecast)
        return self

    def apply(self, forecast: xr.DataArray, power: float = 1.0) -> xr.DataArray:
        """Inflate.

        Parameters
        ----------
        forecast : xarray.DataArray
            (time, lat, lon), K.
        power : float
            Of the factors: 0 leaves the forecast as it is, 1 gives it the variance of the target.

        Returns
        -------
        xarray.DataArray
            Like the forecast.

        Raises
        ------
        BootcampError
            If there was no time of one of the hours to learn from, or the grid is another.
        """
        forecast = forecast.transpose(*DIMS)
        _check_grid(forecast, self.usual)
        usual = forecast.copy(data=by_hour(self.usual, forecast))
        spacing = spatial.spacing_of_degrees(forecast)
        return usual + spatial.rescaled(forecast - usual, self.gains**power, spacing, PLANE)


def dress(forecast: xr.DataArray, errors: xr.DataArray, seed: int = 0) -> xr.DataArray:
    """Add an error of the past to each field: one of many fields that the forecast allows.

    The error comes from a random time of the same hour of the day. If errors have nothing to do with the
    forecast, and each is as likely as another, then this is as rough as the target, and its mean square error
    is twice that of the forecast: the error that was, and the error that was added.

    Parameters
    ----------
    forecast : xarray.DataArray
        (time, lat, lon), K.
    errors : xarray.DataArray
        Target minus forecast at other times, same grid.
    seed : int
        Another one gives another field that is equally possible.

    Returns
    -------
    xarray.DataArray
        Like the forecast.

    Raises
    ------
    BootcampError
        If the grids differ, or there is no error of one of the hours.

    References
    ----------
    Roulston, M. and Smith, L. (2003): Combining dynamical and statistical ensembles. Tellus A 55, 16-30.
    """
    forecast, errors = forecast.transpose(*DIMS), errors.transpose(*DIMS)
    _check_grid(forecast, errors)
    rng = np.random.default_rng(seed)
    hours, past = (field["time"].dt.hour.values for field in (forecast, errors))
    chosen = np.empty(len(hours), int)
    for hour in np.unique(hours):
        there = np.flatnonzero(past == hour)
        if not there.size:
            raise BootcampError(f"There is no past error at {hour} UTC.", "Give whole days.")
        chosen[hours == hour] = rng.choice(there, (hours == hour).sum())
    return forecast.copy(data=forecast.values + errors.values[chosen])


def _at_hours(field: xr.DataArray) -> xr.DataArray:
    """The mean over the times of the same hour of the day, at each time."""
    return field.copy(data=by_hour(field.groupby(field["time"].dt.hour).mean("time"), field))


def _check_grid(a: xr.DataArray, b: xr.DataArray) -> None:
    if a.shape[1:] != b.shape[1:]:
        raise BootcampError(
            f"The forecast has {a.shape[1:]} points, what was learnt has {b.shape[1:]}.",
            "Take the same region.",
        )
