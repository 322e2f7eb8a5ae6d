"""Features of a point for trees: the ground around it, and what the input tells of the flow around it.

All are made of the input of the network, no more: coarse temperature, both heights, date and hour. What needs
the neighbourhood is computed on the coarse cells' values (`coarse`), and interpolated.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr
from scipy.ndimage import gaussian_filter

from maelstrom_bootcamp.apps.downscaling.coarse import coarse_values, fine_values, local_lapse_rate
from maelstrom_bootcamp.apps.downscaling.dataset import LAPSE_RATE, heights

GROUND = (
    "height",
    "height difference",
    "height difference, bicubic",
    "position, 15 km",
    "position, 40 km",
    "sea",
    "sea around",
)
MOMENT = ("temperature", "hour", "day of year")
FLOW = (
    "lapse rate around",
    "lapse rate of the domain",
    "temperature of the domain",
    "warmer than the domain",
    "warmer than around",
    "gradient to the north",
    "gradient to the east",
    "bicubic minus bilinear",
)
REACH = 2.0  # coarse cells, of "around"


def ground_features(ds: xr.Dataset) -> dict[str, np.ndarray]:
    """What does not change with time, (lat, lon).

    Parameters
    ----------
    ds : xarray.Dataset
        Of `read_tier1`.

    Returns
    -------
    dict
        Height above the sea; fine minus coarse height, interpolated in both ways; height above the mean of
        the points around (Gaussian weights of 15 and 40 km), all in m; sea (height 0) at the point and its
        share around.
    """
    coarse, fine = (h.values.astype(float) for h in heights(ds))
    sea = (fine <= 0).astype(float)
    near, far = (fine - gaussian_filter(fine, points) for points in (1.5, 4.0))
    cubic = fine_values(coarse_values(coarse), order=3)
    found = (fine, fine - coarse, fine - cubic, near, far, sea, gaussian_filter(sea, 2.0))
    return dict(zip(GROUND, found, strict=True))


def flow_features(ds: xr.Dataset) -> Iterator[tuple[str, np.ndarray]]:
    """What changes with time, one feature after the other: a name and (time, lat, lon), float32.

    Temperatures of the flow are reduced to sea level with 6.5 K/km: mountains would hide the weather.

    Parameters
    ----------
    ds : xarray.Dataset
        Of `read_tier1`; the target's temperature is not used.

    Yields
    ------
    str, numpy.ndarray
        `MOMENT`, then `FLOW`: K, hours UTC, days, K/km, K, and K per coarse cell.
    """
    shape, time = ds.t2m_in.shape, ds.time.dt
    z = coarse_values(heights(ds)[0].values.astype(float))
    t = coarse_values(ds.t2m_in.values.astype(float))
    level = t + LAPSE_RATE * z / 1000
    domain = level.mean((-2, -1), keepdims=True)
    zd = z - z.mean()
    slope = 1000 * (t * zd).mean((-2, -1), keepdims=True) / (zd**2).mean()
    around = gaussian_filter(level, REACH, axes=(-2, -1), mode="nearest")
    south, east = np.gradient(level, axis=(-2, -1))

    def full(values: np.ndarray) -> np.ndarray:
        return np.broadcast_to(np.asarray(values, "f4").reshape(-1, 1, 1), shape)

    yield MOMENT[0], ds.t2m_in.values
    yield MOMENT[1], full(time.hour.values)
    yield MOMENT[2], full(time.dayofyear.values)
    yield FLOW[0], fine_values(local_lapse_rate(t, z, REACH)).astype("f4")
    yield FLOW[1], full(slope)
    yield FLOW[2], full(domain)
    yield FLOW[3], fine_values(level - domain).astype("f4")
    yield FLOW[4], fine_values(level - around).astype("f4")
    yield FLOW[5], fine_values(-south).astype("f4")
    yield FLOW[6], fine_values(east).astype("f4")
    yield FLOW[7], (fine_values(t, order=3) - fine_values(t)).astype("f4")
