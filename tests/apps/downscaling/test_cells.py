"""What a coarse cell knows: means by area, and the same means found in what was interpolated from them."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from maelstrom_bootcamp.apps.downscaling import cells
from maelstrom_bootcamp.apps.downscaling.dataset import read_tier1
from maelstrom_bootcamp.bucket.downscaling.coarsen import FACTOR, coarse_means, coarsen
from maelstrom_bootcamp.errors import BootcampError

LATITUDE = 54.5 - 0.1 * np.arange(16)


def field(values: np.ndarray, latitude: np.ndarray = LATITUDE) -> xr.DataArray:
    times = np.datetime64("2020-04-01", "ns") + np.arange(len(values)) * np.timedelta64(1, "D")
    coords = {"time": times, "lat": latitude, "lon": 4 + 0.1 * np.arange(values.shape[2])}
    return xr.DataArray(values, coords, ("time", "lat", "lon"), attrs={"units": "K"})


def test_a_cell_weighs_its_rows_by_area():
    share = cells.row_weights([60.0] * 7 + [0.0])  # cos 60 degrees is a half
    np.testing.assert_allclose(share[:7] / share[7], 0.5)
    np.testing.assert_allclose(8 * share.sum(), 1)
    values = np.zeros((1, 8, 8))
    values[:, 7] = 9.0
    mean = cells.cell_means(field(values, np.array([60.0] * 7 + [0.0])))
    np.testing.assert_allclose(mean, 2.0)  # 9 * 1 / (7 / 2 + 1)
    assert mean.dims == cells.CELLS
    assert mean.shape == (1, 1, 1)


def test_means_come_back_from_what_was_interpolated_and_are_those_of_the_target():
    rng = np.random.default_rng(0)
    t2m, ground = 280 + 5 * rng.normal(size=(112, 144)), 9000 * rng.random((112, 144))
    t2m_in, _ = coarsen(t2m, ground)  # the detour by the energy drops out
    inner = coarse_means(t2m)[1:-1, 1:-1]
    latitude = np.round(54.5 - 0.1 * np.arange(96), 6)
    ds = xr.Dataset({"t2m_in": field(t2m_in[None].astype("f4"), latitude)})
    found = cells.known_means(ds)
    np.testing.assert_allclose(found[0], inner, atol=1e-4)
    target = field(t2m[None, 8:-8, 8:-8], latitude)
    np.testing.assert_allclose(cells.violation(target, found)[0], 0, atol=1e-4)
    # Interpolation does not keep means: noise has none of its own.
    assert float(np.abs(cells.violation(ds["t2m_in"], found)).max()) > 0.1
    assert FACTOR == 8


def test_the_sample_keeps_means_but_for_its_steps():
    ds = read_tier1("validation", size="ci")
    found = cells.known_means(ds)
    assert found.shape == (6, 12, 16)
    assert found.dtype == np.float32
    assert float(np.abs(cells.violation(ds["t2m_tar"], found)).max()) < 1 / 512


def test_what_does_not_fit_is_refused():
    with pytest.raises(BootcampError, match="8 rows"):
        cells.row_weights(LATITUDE[:15])
    with pytest.raises(BootcampError, match="latitude"):
        cells.row_weights([90.0] * 8)
    with pytest.raises(BootcampError, match="8 points"):
        cells.cell_means(field(np.zeros((1, 16, 12))))
    known = cells.cell_means(field(np.zeros((2, 16, 16))))
    with pytest.raises(BootcampError, match="known"):
        cells.violation(field(np.zeros((3, 16, 16))), known)
    later = known.assign_coords(time=known["time"] + np.timedelta64(1, "D"))
    with pytest.raises(BootcampError, match="different times"):
        cells.violation(field(np.zeros((2, 16, 16))), later)


def test_means_of_a_field_that_is_no_interpolation_are_not_made_up():
    with pytest.raises(BootcampError, match="t2m_tar was not interpolated"):
        cells.known_means(read_tier1("validation", size="ci"), "t2m_tar")
