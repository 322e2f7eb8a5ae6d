from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_bootcamp.apps.yr.patches import from_patches, patch_grid, to_patches
from maelstrom_bootcamp.errors import BootcampError

SIZES = st.integers(1, 9)


@given(rows=st.integers(1, 4), columns=st.integers(1, 4), patch=SIZES, extra=st.integers(0, 8), c=SIZES)
def test_patches_tile_the_domain_once(rows, columns, patch, extra, c):
    ny, nx = rows * patch + extra % patch, columns * patch + (extra // 2) % patch
    fields = np.arange(2 * ny * nx * c).reshape(2, ny, nx, c)
    patches = to_patches(fields, patch)
    assert patches.shape == (2, rows * columns, patch, patch, c)
    kept = fields[:, : rows * patch, : columns * patch]
    assert sorted(patches.ravel()) == sorted(kept.ravel())  # each value once, none twice
    np.testing.assert_array_equal(from_patches(patches, ny, nx), kept)


def test_order_is_row_by_row():
    fields = np.arange(16).reshape(4, 4, 1)
    assert to_patches(fields, 2)[:, 0, 0, 0].tolist() == [0, 2, 8, 10]


def test_published_grid():
    assert patch_grid(2321, 1796, 256) == (9, 7)
    assert patch_grid(128, 128, 32) == (4, 4)


def test_patch_that_does_not_fit():
    with pytest.raises(BootcampError, match="256 x 256"):
        patch_grid(128, 300, 256)
    with pytest.raises(BootcampError, match="multiple of 32"):
        patch_grid(128, 128, 0)


def test_wrong_number_of_patches():
    with pytest.raises(BootcampError, match="all 16"):
        from_patches(np.zeros((15, 32, 32, 3)), 128, 128)
