"""What every baseline has in common: it is fitted, it predicts, and it checks what it is given."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Self

import numpy as np
import xarray as xr

from maelstrom_bootcamp.errors import BootcampError

DIMS = ("time", "lat", "lon")


class Baseline(ABC):
    """A method that learns from training times, and puts detail on coarse temperatures."""

    #: How many numbers were learnt; None before `fit`.
    parameters: int | None = None

    def fit(self, training: xr.Dataset) -> Self:
        """Learn from coarse and fine temperatures; returns itself.

        Parameters
        ----------
        training : xarray.Dataset
            Of `read_tier1`: ``t2m_in``, ``t2m_tar`` (time, lat, lon; K), ``z_in``, ``z_tar`` (lat, lon).

        Raises
        ------
        BootcampError
            If a variable or a value is missing.
        """
        training = checked(training, ("t2m_in", "t2m_tar", "z_in", "z_tar"))
        self._grid = training.t2m_in.shape[1:]
        self.parameters = self._learn(training)
        return self

    def predict(self, ds: xr.Dataset) -> xr.DataArray:
        """Downscale.

        Parameters
        ----------
        ds : xarray.Dataset
            As for `fit`; the target's temperature is not used.

        Returns
        -------
        xarray.DataArray
            ``t2m`` (time, lat, lon), K, float32.

        Raises
        ------
        BootcampError
            If the method has not been fitted, or to another grid, or the input is not complete.
        """
        if self.parameters is None:
            raise BootcampError(f"{type(self).__name__} has not been fitted.", "Call fit(training).")
        ds = checked(ds, ("t2m_in", "z_in", "z_tar"))
        if ds.t2m_in.shape[1:] != self._grid:
            raise BootcampError(
                f"Fitted on {self._grid} points, and these are {ds.t2m_in.shape[1:]}.",
                "Fit another one on this grid.",
            )
        found = ds.t2m_in.copy(data=self._apply(ds).astype("f4"))
        return found.rename("t2m").assign_attrs(long_name="2 m temperature, downscaled")

    @abstractmethod
    def _learn(self, ds: xr.Dataset) -> int:
        """Learn; return how many numbers."""

    @abstractmethod
    def _apply(self, ds: xr.Dataset) -> np.ndarray:
        """Fine temperature, (time, lat, lon), K."""


def checked(ds: xr.Dataset, names: Sequence[str]) -> xr.Dataset:
    """Dimensions in their order, if the dataset is complete.

    Parameters
    ----------
    ds : xarray.Dataset
    names : sequence of str
        Variables that are wanted.

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    BootcampError
        If a variable or a value is missing, or a variable has other dimensions.
    """
    missing = [name for name in names if name not in ds]
    if missing:
        raise BootcampError(f"The dataset has no {', '.join(missing)}.", "Open it with read_tier1(split).")
    for name in names:
        dims = DIMS if name.startswith("t2m") else DIMS[1:]
        if set(ds[name].dims) != set(dims):
            raise BootcampError(f"{name} has the dimensions {ds[name].dims}.", f"It needs {dims}.")
        if not np.isfinite(ds[name].values).all():
            raise BootcampError(f"{name} has missing values.", "Leave these times out.")
    return ds.transpose(*DIMS)


def by_hour(field: xr.DataArray, ds: xr.Dataset | xr.DataArray) -> np.ndarray:
    """Pick what belongs to the hour of each time.

    Parameters
    ----------
    field : xarray.DataArray
        With the dimension ``hour`` first.
    ds : xarray.Dataset or xarray.DataArray
        With the coordinate ``time``.

    Returns
    -------
    numpy.ndarray
        Shape (time, ...).

    Raises
    ------
    BootcampError
        If a time has an hour that the field does not have.
    """
    hours = ds.time.dt.hour
    unknown = set(hours.values.tolist()) - set(field.hour.values.tolist())
    if unknown:
        raise BootcampError(f"The training has no times at {sorted(unknown)} UTC.", "Leave them out.")
    return field.sel(hour=hours).values
