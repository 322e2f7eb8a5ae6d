"""What a coarse cell of tier 1 knows for certain: the mean temperature of its 8 x 8 points.

The input of tier 1 comes from means over cells of 8 x 8 points: of dry static energy, weighted by area.
Energy is linear in temperature, its other part is known ground, and both were averaged and interpolated in
the same way; so the cells' mean *temperatures* were averaged and interpolated, too. `known_means` finds them
again, without a look at the target.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from maelstrom_bootcamp.apps.downscaling.coarse import FACTOR, MISFIT, coarse_values, fine_values
from maelstrom_bootcamp.apps.downscaling.predictors import DIMS
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.nn.blocks import check_multiple

CELLS = ("time", "cell_lat", "cell_lon")


def row_weights(latitude: Sequence[float] | np.ndarray) -> np.ndarray:
    """Share of each point in the mean of its coarse cell: areas, which shrink with the cosine of latitude.

    Parameters
    ----------
    latitude : sequence of float
        Of the rows, degrees north; a multiple of 8 of them, cell after cell.

    Returns
    -------
    numpy.ndarray
        Shape (rows,), float64. Over the 8 x 8 points of a cell they add up to 1.

    Raises
    ------
    BootcampError
        If the rows do not make whole cells, or a latitude is at or beyond a pole.
    """
    latitude = np.asarray(latitude, np.float64)
    check_multiple(FACTOR, f"A coarse cell has {FACTOR} rows", rows=int(latitude.size))
    if not (np.abs(latitude) < 90).all():
        raise BootcampError(
            "A latitude is not between -90 and 90 degrees.", "Give degrees north of each row."
        )
    area = np.cos(np.radians(latitude)).reshape(-1, FACTOR)
    return (area / (FACTOR * area.sum(axis=1, keepdims=True))).ravel()


def cell_means(field: xr.DataArray) -> xr.DataArray:
    """Mean over each coarse cell, weighted by area.

    Parameters
    ----------
    field : xarray.DataArray
        (time, lat, lon), any unit.

    Returns
    -------
    xarray.DataArray
        (time, cell_lat, cell_lon), float64: 12 x 16 cells for tier 1.

    Raises
    ------
    BootcampError
        If the points do not make whole cells.
    """
    field = field.transpose(*DIMS)
    rows, columns = field.shape[1:]
    check_multiple(FACTOR, f"A coarse cell has {FACTOR} points a side", rows=rows, columns=columns)
    share = row_weights(field["lat"].values)[:, None]
    values = (field.values.astype(np.float64) * share).reshape(
        -1, rows // FACTOR, FACTOR, columns // FACTOR, FACTOR
    )
    return _cells(values.sum(axis=(2, 4)), field)


def known_means(ds: xr.Dataset, name: str = "t2m_in") -> xr.DataArray:
    """Mean temperature of each coarse cell, found in the input: no look at the target.

    The input was interpolated bilinearly from the cells' means, so these are found by least squares, see
    `maelstrom_bootcamp.apps.downscaling.coarse.coarse_values`.

    Parameters
    ----------
    ds : xarray.Dataset
        As from `read_tier1`.
    name : str
        Of the interpolated field, (time, lat, lon).

    Returns
    -------
    xarray.DataArray
        (time, cell_lat, cell_lon), K, float32: these exact numbers are what the layers keep.

    Raises
    ------
    BootcampError
        If the points do not make whole cells, or the field is no such interpolation.
    """
    field = ds[name].transpose(*DIMS)
    values = field.values.astype(np.float64)
    found = coarse_values(values)
    misfit = np.abs(fine_values(found) - values).max()
    if not misfit < MISFIT:
        raise BootcampError(
            f"{name} was not interpolated bilinearly from cells of {FACTOR} x {FACTOR} points: off by up to "
            f"{misfit:.2g} K.",
            "Give the input of tier 1, whole and unchanged.",
        )
    return _cells(found[..., 1:-1, 1:-1].astype(np.float32), field)  # one cell lies around the points


def violation(field: xr.DataArray, known: xr.DataArray) -> xr.DataArray:
    """By how much a fine field misses the means that it ought to have, in its own unit.

    Parameters
    ----------
    field : xarray.DataArray
        (time, lat, lon).
    known : xarray.DataArray
        (time, cell_lat, cell_lon), of `known_means`.

    Returns
    -------
    xarray.DataArray
        (time, cell_lat, cell_lon), mean minus known mean, float64.

    Raises
    ------
    BootcampError
        If there are other cells or times.
    """
    means = cell_means(field)
    if means.shape != known.shape:
        raise BootcampError(
            f"The field makes {means.shape} cell means, {known.shape} are known.",
            "Take both of the same times.",
        )
    check_times(field, known)
    return means - known.values.astype(np.float64)


def check_times(field: xr.DataArray, known: xr.DataArray) -> None:
    """Refuse fields and known means of different times: of equal shape, they would pass for violations.

    Parameters
    ----------
    field, known : xarray.DataArray
        With the dimension ``time``.

    Raises
    ------
    BootcampError
        If their times differ.
    """
    if not np.array_equal(field["time"].values, known["time"].values):
        raise BootcampError(
            f"{field.sizes['time']} fields and {known.sizes['time']} known means are of different times.",
            "Take both of the same times.",
        )


def _cells(values: np.ndarray, field: xr.DataArray) -> xr.DataArray:
    """Cells with their times and centres."""
    lat, lon = (field[d].values.reshape(-1, FACTOR).mean(axis=1) for d in ("lat", "lon"))
    coords = {"time": field["time"], "cell_lat": lat, "cell_lon": lon}
    return xr.DataArray(values, coords, CELLS, attrs={"units": field.attrs.get("units", "")})
