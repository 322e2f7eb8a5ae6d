"""From an ensemble to what the networks see: means and spreads, or members, normalised; and places."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import xarray as xr

from maelstrom_bootcamp.apps.ens10.dataset import task
from maelstrom_bootcamp.errors import BootcampError

DIMS = ("time", "member", "latitude", "longitude")
#: What each model sees: "points" are means, spreads and the place, "fields" only means and spreads.
SEES: Mapping[str, str] = {"mlp": "points", "lenet": "points", "unet": "fields", "transformer": "members"}
_NARROWEST = 1e-6  # smallest spread, as a share of its mean over the training data: a divisor, never 0


@dataclass(frozen=True)
class Scaling:
    """Constants of the normalisation, found in the training data alone.

    Attributes
    ----------
    variables : tuple of str
        In the order of the channels.
    mean, mean_scale : tuple of float
        Mean and standard deviation of the ensemble mean of each variable over all forecasts and grid points,
        in its unit.
    spread, spread_scale : tuple of float
        The same of the ensemble's standard deviation.
    """

    variables: tuple[str, ...]
    mean: tuple[float, ...]
    mean_scale: tuple[float, ...]
    spread: tuple[float, ...]
    spread_scale: tuple[float, ...]

    def as_dict(self) -> dict[str, Any]:
        """For a model card."""
        return asdict(self)

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Scaling:
        """From a model card."""
        return Scaling(**{name: tuple(each) for name, each in values.items()})


def mean_and_spread(members: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Ensemble mean and standard deviation of each variable.

    Parameters
    ----------
    members : xarray.Dataset
        (time, member, latitude, longitude), as from `read_members`.

    Returns
    -------
    mean, spread : numpy.ndarray
        (time, latitude, longitude, variable), float32, in the variables' units. The spread is the root of the
        unbiased variance (divided by M - 1).

    Raises
    ------
    BootcampError
        If there are less than two members, or other dimensions.
    """
    if set(members.sizes) != set(DIMS):
        raise BootcampError(
            f"The ensemble has the dimensions {tuple(members.sizes)}.", f"Give {', '.join(DIMS)}."
        )
    if members.sizes["member"] < 2:
        raise BootcampError("One member has no spread.", "Give at least 2 members.")
    means, spreads = [], []
    for name in members:
        values = members[name].transpose(*DIMS).values
        mean = values.mean(axis=1, dtype=np.float64)
        variance = np.square(values - mean[:, None]).sum(axis=1) / (values.shape[1] - 1)
        means.append(mean.astype(np.float32))
        spreads.append(np.sqrt(variance).astype(np.float32))
    return np.stack(means, axis=-1), np.stack(spreads, axis=-1)


def find_scaling(members: xr.Dataset) -> Scaling:
    """Measure the constants of the normalisation.

    Parameters
    ----------
    members : xarray.Dataset
        Of the training data.

    Returns
    -------
    Scaling
    """
    mean, spread = mean_and_spread(members)
    found = [
        (*map(float, (np.nanmean(a, dtype=np.float64), np.nanstd(a, dtype=np.float64))),)
        for values in (mean, spread)
        for a in np.moveaxis(values, -1, 0)
    ]
    n = len(members)
    return Scaling(
        tuple(map(str, members)),
        tuple(loc for loc, _ in found[:n]),
        tuple(scale or 1.0 for _, scale in found[:n]),
        tuple(loc for loc, _ in found[n:]),
        tuple(scale or 1.0 for _, scale in found[n:]),
    )


def place(latitude: np.ndarray, longitude: np.ndarray) -> np.ndarray:
    """Where a grid point is on the sphere: no jump at 180 degrees, neighbours are close.

    Parameters
    ----------
    latitude, longitude : numpy.ndarray
        Degrees north (rows) and east (columns).

    Returns
    -------
    numpy.ndarray
        (rows, columns, 3), float32: sin(lat), cos(lat) sin(lon), cos(lat) cos(lon).
    """
    lat, lon = np.deg2rad(np.asarray(latitude))[:, None], np.deg2rad(np.asarray(longitude))[None]
    parts = (np.sin(lat) + 0 * lon, np.cos(lat) * np.sin(lon), np.cos(lat) * np.cos(lon))
    return np.stack(parts, axis=-1).astype(np.float32)


def network_inputs(
    members: xr.Dataset, scaling: Scaling, sees: str, base: xr.Dataset | None = None
) -> dict[str, np.ndarray]:
    """The inputs of a corrector, see `maelstrom_bootcamp.apps.ens10.correctors`.

    Parameters
    ----------
    members : xarray.Dataset
        (time, member, latitude, longitude), as from `read_members`.
    scaling : Scaling
        Of the training data.
    sees : {"points", "fields", "members"}
    base : xarray.Dataset, optional
        Normal forecast, ``mu`` and ``sigma``, to be corrected instead of the raw ensemble.

    Returns
    -------
    dict of str to numpy.ndarray
        ``predictors``: normalised, 0 where a variable is missing (the sea's temperature over land), float32;
        "fields": (time, rows, columns, 2 n), mean and spread of each variable in turn; "points": the same
        with the three numbers of `place` behind; "members": (time, member, rows, columns, n).
        ``raw``: (time, rows, columns, 2), mean and spread of what is to be corrected, in the target's unit.

    Raises
    ------
    BootcampError
        If the scaling belongs to other variables.
    """
    if tuple(members) != scaling.variables:
        raise BootcampError(
            f"The forecast has the variables {', '.join(map(str, members))}, the scaling "
            f"{', '.join(scaling.variables)}.",
            "Take the forecast of the task that the network was trained for.",
        )
    mean, spread = mean_and_spread(members)
    own = scaling.variables.index(task(members.attrs["target"]).own)
    floor = _NARROWEST * scaling.spread[own]
    raw = np.stack([mean[..., own], np.maximum(spread[..., own], floor)], axis=-1)
    if base is not None:
        raw = np.stack([base[name].transpose(*DIMS[:1], *DIMS[2:]).values for name in ("mu", "sigma")], -1)
    loc, scale = np.float32(scaling.mean), np.float32(scaling.mean_scale)
    if sees == "members":
        arrays = [members[name].transpose(*DIMS).values for name in scaling.variables]
        predictors = np.stack([(a - loc[i]) / scale[i] for i, a in enumerate(arrays)], axis=-1)
        return {"predictors": np.nan_to_num(predictors, copy=False), "raw": raw}
    wide = (spread - np.float32(scaling.spread)) / np.float32(scaling.spread_scale)
    pairs = np.stack([(mean - loc) / scale, wide], axis=-1)
    predictors = np.nan_to_num(pairs.reshape(*mean.shape[:3], -1), copy=False)
    if sees == "points":
        where = place(members["latitude"].values, members["longitude"].values)
        where = np.broadcast_to(where, (*mean.shape[:3], where.shape[-1]))
        predictors = np.concatenate([predictors, where], axis=-1)
    return {"predictors": predictors, "raw": raw}
