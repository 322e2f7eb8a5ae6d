"""Cut fields into square patches, and put them together again."""

from __future__ import annotations

import numpy as np

from maelstrom_bootcamp.errors import BootcampError


def patch_grid(ny: int, nx: int, patch: int) -> tuple[int, int]:
    """How many patches fit along y and x.

    A remainder at the upper and right edge is dropped, as in MET Norway's loader: 2321 x 1796 points hold
    9 x 7 = 63 patches of 256 x 256.

    Parameters
    ----------
    ny, nx, patch : int
        Points of the domain and of a patch.

    Returns
    -------
    rows, columns : int

    Raises
    ------
    BootcampError
        If not one patch fits.
    """
    if not 1 <= patch <= min(ny, nx):
        raise BootcampError(
            f"A patch of {patch} x {patch} points does not fit into a domain of {ny} x {nx} (y, x).",
            f"Choose a patch from 1 to {min(ny, nx)}; the U-Net of 6 levels needs a multiple of 32.",
        )
    return ny // patch, nx // patch


def to_patches(fields: np.ndarray, patch: int) -> np.ndarray:
    """Cut fields into patches that do not overlap.

    Parameters
    ----------
    fields : numpy.ndarray
        Shape (..., y, x, channel).
    patch : int
        Points along each side of a patch.

    Returns
    -------
    numpy.ndarray
        Shape (..., n, patch, patch, channel): row by row from the domain's first corner.
    """
    *lead, ny, nx, channels = fields.shape
    rows, columns = patch_grid(ny, nx, patch)
    kept = fields[..., : rows * patch, : columns * patch, :]
    cut = kept.reshape(*lead, rows, patch, columns, patch, channels)
    return np.swapaxes(cut, -4, -3).reshape(*lead, rows * columns, patch, patch, channels)


def from_patches(patches: np.ndarray, ny: int, nx: int) -> np.ndarray:
    """Put patches back in their places: the inverse of `to_patches`.

    Parameters
    ----------
    patches : numpy.ndarray
        Shape (..., n, patch, patch, channel).
    ny, nx : int
        Points of the domain that the patches were cut from.

    Returns
    -------
    numpy.ndarray
        Shape (..., y, x, channel), without the remainder that does not fill a patch.

    Raises
    ------
    BootcampError
        If the number of patches is not that of the domain.
    """
    *lead, n, patch, _, channels = patches.shape
    rows, columns = patch_grid(ny, nx, patch)
    if n != rows * columns:
        raise BootcampError(
            f"{n} patches of {patch} x {patch} points do not tile a domain of {ny} x {nx}.",
            f"Pass all {rows * columns} patches, in the order of to_patches.",
        )
    cut = patches.reshape(*lead, rows, columns, patch, patch, channels)
    return np.swapaxes(cut, -4, -3).reshape(*lead, rows * patch, columns * patch, channels)
