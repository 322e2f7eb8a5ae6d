"""How tier 1 loses its detail: coarsened conservatively by 8, and interpolated back, as upstream does it.

The steps are those of MAELSTROM's own script for tier 1 (``coarsen_ifs_hres.sh``, M. Langguth, 2021): dry
static energy from temperature at 2 m and geopotential, first-order conservative remapping from 0.1 to 0.8
degree, bilinear interpolation back, temperature from the energy with the coarse geopotential.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import map_coordinates

from maelstrom_bootcamp.bucket.downscaling.terrain import MARGIN, tier1

GRAVITY = 9.80665  # m s-2
HEAT_CAPACITY = 1004.709  # J kg-1 K-1: dry air in the IFS, as in the script
FACTOR = 8
HEIGHT = 2.0  # m, of the temperature above the ground
INNER = (slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))


def coarse_means(field: np.ndarray) -> np.ndarray:
    """Means over 8 x 8 cells, weighted by their area (first-order conservative remapping).

    Parameters
    ----------
    field : numpy.ndarray
        Shape (112, 144), on tier 1 with its margin.

    Returns
    -------
    numpy.ndarray
        Shape (14, 18).
    """
    area = np.cos(np.radians(tier1().latitude))
    rows, columns = (n // FACTOR for n in field.shape)
    cut = (rows, FACTOR, columns, FACTOR)
    return (field * area).reshape(cut).sum((1, 3)) / area.reshape(cut).sum((1, 3))


def back(coarse: np.ndarray) -> np.ndarray:
    """Interpolate bilinearly from the coarse cells' centres to the 96 x 128 points of tier 1."""
    at = [(np.arange(n * FACTOR)[MARGIN:-MARGIN] - (FACTOR - 1) / 2) / FACTOR for n in coarse.shape]
    return map_coordinates(coarse, np.meshgrid(*at, indexing="ij"), order=1)


def coarsen(t2m: np.ndarray, geopotential: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Input of tier 1.

    Parameters
    ----------
    t2m : numpy.ndarray
        Shape (112, 144), K.
    geopotential : numpy.ndarray
        Of the ground, the same shape, m2 s-2.

    Returns
    -------
    t2m_in, z_in : numpy.ndarray
        Shape (96, 128), K and m2 s-2.
    """
    energy = HEAT_CAPACITY * t2m + geopotential + GRAVITY * HEIGHT
    z_in = back(coarse_means(geopotential))
    return (back(coarse_means(energy)) - z_in - GRAVITY * HEIGHT) / HEAT_CAPACITY, z_in
