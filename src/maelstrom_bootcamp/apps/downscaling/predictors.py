"""From fields in kelvins to what the network sees, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from maelstrom_bootcamp.apps.downscaling.method import DIMS, checked
from maelstrom_bootcamp.errors import BootcampError


@dataclass(frozen=True, eq=False)
class Scaling:
    """Constants of the normalisation, found in the training data alone.

    A temperature is normalised at each grid point by the mean and the standard deviation of that point: a
    summit and the sea then look alike, and what is left is the weather. The geopotentials are constants, for
    which a point has no standard deviation: they share one mean and one standard deviation over all points.

    Attributes
    ----------
    t2m_in_mean, t2m_in_std, t2m_tar_mean, t2m_tar_std : numpy.ndarray
        (lat, lon), K, float32.
    z_mean, z_std : float
        Of the fine geopotential over all points, m2 s-2; for both of them, so that a height is one number
        wherever it comes from.
    """

    t2m_in_mean: np.ndarray
    t2m_in_std: np.ndarray
    t2m_tar_mean: np.ndarray
    t2m_tar_std: np.ndarray
    z_mean: float
    z_std: float

    def as_arrays(self) -> dict[str, np.ndarray]:
        """All constants as arrays, by name."""
        return {name: np.asarray(value, np.float32) for name, value in vars(self).items()}

    @staticmethod
    def from_arrays(values: Mapping[str, np.ndarray]) -> Scaling:
        """From the arrays of `as_arrays`."""
        return Scaling(**{k: v if np.ndim(v) else float(v) for k, v in values.items()})


def find_scaling(training: xr.Dataset) -> Scaling:
    """Measure the constants of the normalisation.

    Parameters
    ----------
    training : xarray.Dataset
        From `read_tier1`.

    Returns
    -------
    Scaling

    Raises
    ------
    BootcampError
        If a temperature never changes at a point: there is nothing to divide by; if something is missing.
    """
    training = checked(training, ("t2m_in", "t2m_tar", "z_tar"))
    found: dict[str, np.ndarray] = {}
    for name in ("t2m_in", "t2m_tar"):
        values = training[name].values
        found[f"{name}_mean"] = values.mean(axis=0, dtype=np.float64).astype(np.float32)
        found[f"{name}_std"] = values.std(axis=0, dtype=np.float64).astype(np.float32)
        if not (found[f"{name}_std"] > 0).all():
            raise BootcampError(
                f"{name} never changes at some point in {len(values)} times.",
                "Give more times to learn from.",
            )
    z = training["z_tar"].values.astype(np.float64)
    return Scaling(**found, z_mean=float(z.mean()), z_std=float(z.std()))


def network_inputs(ds: xr.Dataset, scaling: Scaling) -> np.ndarray:
    """What the network sees.

    Parameters
    ----------
    ds : xarray.Dataset
        ``t2m_in``, ``z_in`` and ``z_tar``, as from `read_tier1`; the target is not looked at.
    scaling : Scaling
        Of the training data.

    Returns
    -------
    numpy.ndarray
        (time, lat, lon, 3), float32: coarse temperature, coarse and fine geopotential, normalised.

    Raises
    ------
    BootcampError
        If the grid is not that of the scaling, or something is missing.
    """
    ds = checked(ds, ("t2m_in", "z_in", "z_tar"))
    t = ds["t2m_in"].values
    _check_grid(t.shape[1:], scaling)
    out = np.empty((*t.shape, 3), np.float32)
    out[..., 0] = (t - scaling.t2m_in_mean) / scaling.t2m_in_std
    for i, name in enumerate(("z_in", "z_tar"), start=1):
        out[..., i] = (ds[name].values - scaling.z_mean) / scaling.z_std
    return out


def network_targets(ds: xr.Dataset, scaling: Scaling) -> dict[str, np.ndarray]:
    """What the network shall find.

    Parameters
    ----------
    ds : xarray.Dataset
        ``t2m_tar`` and ``z_tar``, as from `read_tier1`.
    scaling : Scaling

    Returns
    -------
    dict of str to numpy.ndarray
        ``t2m`` (time, lat, lon, 1) and ``z`` (1, lat, lon, 1: the same at all times), float32, normalised.

    Raises
    ------
    BootcampError
        If the grid is not that of the scaling, or something is missing.
    """
    ds = checked(ds, ("t2m_tar", "z_tar"))
    t = ds["t2m_tar"].values
    _check_grid(t.shape[1:], scaling)
    z = (ds["z_tar"].values - scaling.z_mean) / scaling.z_std
    t2m = (t - scaling.t2m_tar_mean) / scaling.t2m_tar_std
    return {"t2m": t2m[..., None].astype(np.float32), "z": z[None, ..., None].astype(np.float32)}


def temperature(normalised: np.ndarray, scaling: Scaling, like: xr.Dataset) -> xr.DataArray:
    """Kelvins from what the network found.

    Parameters
    ----------
    normalised : numpy.ndarray
        (time, lat, lon) or (time, lat, lon, 1).
    scaling : Scaling
    like : xarray.Dataset
        Gives the coordinates.

    Returns
    -------
    xarray.DataArray
        ``t2m`` (time, lat, lon), K.

    Raises
    ------
    BootcampError
        If the grid is not that of the scaling.
    """
    values = np.asarray(normalised)
    values = values[..., 0] if values.ndim == 4 else values
    _check_grid(values.shape[1:], scaling)
    kelvins = values * scaling.t2m_tar_std + scaling.t2m_tar_mean
    coords = {dim: like[dim] for dim in DIMS}
    return xr.DataArray(kelvins, coords, DIMS, "t2m", {"standard_name": "air_temperature", "units": "K"})


def _check_grid(shape: tuple[int, ...], scaling: Scaling) -> None:
    if tuple(shape) != scaling.t2m_in_mean.shape:
        raise BootcampError(
            f"The fields have {' x '.join(map(str, shape))} points, the normalisation belongs to "
            f"{' x '.join(map(str, scaling.t2m_in_mean.shape))}.",
            "Take fields of the region that the network was trained for.",
        )
