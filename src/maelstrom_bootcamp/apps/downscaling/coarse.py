"""What the input of tier 1 holds: the values of some 250 coarse cells, on 12,288 points.

The input was interpolated bilinearly from cells of 8 x 8 points. Interpolation is a matrix product, with many
more rows than columns: the cells' values can be found again by least squares, but for rounding. From them
other interpolations follow, and what describes the flow around can be computed on a fiftieth of the points.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.interpolate import make_interp_spline
from scipy.ndimage import gaussian_filter

from maelstrom_bootcamp.errors import BootcampError

FACTOR = 8  # points to a coarse cell and side
#: Largest misfit of the input and what coarse cells interpolate to, K: rounding is 0.001 K.
MISFIT = 0.05
#: Terrain below which a coarse cell tells little of the lapse rate, m (one standard deviation).
FLAT = 50.0


@lru_cache(maxsize=16)
def weights(n_points: int, order: int = 1) -> np.ndarray:
    """Matrix that interpolates coarse values along one axis.

    The first coarse cell lies wholly outside of the points, the second begins at the first point (as the
    sample is made; upstream's script, too, leaves a margin).

    Parameters
    ----------
    n_points : int
        Fine points along the axis, a multiple of 8, at least 16.
    order : {1, 3}
        1: straight lines, as the input was made. 3: cubic spline (not-a-knot at both ends).

    Returns
    -------
    numpy.ndarray
        Shape (n_points, n_points / 8 + 2).

    Raises
    ------
    BootcampError
        If the points do not make whole coarse cells, or the order is another.
    """
    if n_points % FACTOR or n_points < 2 * FACTOR:
        raise BootcampError(
            f"{n_points} points do not make coarse cells of {FACTOR}.", "Give whole fields of tier 1."
        )
    if order not in (1, 3):
        raise BootcampError(f"There is no interpolation of order {order} here.", "1 is linear, 3 is cubic.")
    n_cells = n_points // FACTOR + 2
    at = (np.arange(n_points) + FACTOR - (FACTOR - 1) / 2) / FACTOR
    return make_interp_spline(np.arange(n_cells), np.eye(n_cells), k=order)(at)


def coarse_values(field: np.ndarray) -> np.ndarray:
    """Values of the coarse cells that a field was interpolated from bilinearly, by least squares.

    With W of `weights`, the field is F = Wy C Wx'. The least squares solution is C = Wy+ F Wx+', with the
    pseudoinverses.

    Parameters
    ----------
    field : numpy.ndarray
        Shape (..., latitude, longitude), e.g. (..., 96, 128).

    Returns
    -------
    numpy.ndarray
        Shape (..., 14, 18) for tier 1, with one cell around the points on each side.
    """
    inverse_y, inverse_x = (np.linalg.pinv(weights(n)) for n in field.shape[-2:])
    return inverse_y @ field @ inverse_x.T


def fine_values(coarse: np.ndarray, order: int = 1) -> np.ndarray:
    """Interpolate coarse values to the points.

    Parameters
    ----------
    coarse : numpy.ndarray
        Shape (..., rows, columns), of `coarse_values`.
    order : {1, 3}
        Bilinear or bicubic.

    Returns
    -------
    numpy.ndarray
        Shape (..., 8 (rows - 2), 8 (columns - 2)).
    """
    rows, columns = (FACTOR * (n - 2) for n in coarse.shape[-2:])
    return weights(rows, order) @ coarse @ weights(columns, order).T


def local_lapse_rate(
    temperature: np.ndarray, height: np.ndarray, reach: float, usual: float = -6.5
) -> np.ndarray:
    """Lapse rate around each coarse cell: regression of temperature on height, weighted by distance.

    ::

        rate = (cov(T, z) + s^2 usual) / (var(z) + s^2)

    Covariance and variance are those of the cells around, with Gaussian weights. Where the ground is flat
    (standard deviation below s = 50 m) the cells know nothing, and the usual rate is taken.

    Parameters
    ----------
    temperature : numpy.ndarray
        Shape (time, rows, columns), K.
    height : numpy.ndarray
        Shape (rows, columns), m.
    reach : float
        Standard deviation of the weights, in coarse cells.
    usual : float
        K/km.

    Returns
    -------
    numpy.ndarray
        Shape (time, rows, columns), K/km; negative where it gets colder upwards.
    """

    def mean(a: np.ndarray) -> np.ndarray:
        return gaussian_filter(a, reach, axes=(-2, -1), mode="nearest")

    centre = temperature.mean((-2, -1), keepdims=True)  # keeps the digits of the covariance
    height, departure = height / 1000, temperature - centre
    covariance = mean(departure * height) - mean(departure) * mean(height)
    variance = mean(height**2) - mean(height) ** 2
    return (covariance + (FLAT / 1000) ** 2 * usual) / (variance + (FLAT / 1000) ** 2)
