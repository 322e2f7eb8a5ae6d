"""Tier 1 as the package reads it, and what the networks see of it."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from maelstrom_bootcamp import bucket
from maelstrom_bootcamp.apps.downscaling import dataset as d
from maelstrom_bootcamp.apps.downscaling import predictors as p
from maelstrom_bootcamp.errors import BootcampError


def test_a_split_is_what_the_published_call_gives():
    ds = d.read_tier1("validation", size="ci")
    raw = bucket.open_dataset(d.TIER1, sample_size="ci", dataset="validation").to_xarray()
    assert dict(ds.sizes) == {"time": 6, "lat": 96, "lon": 128}
    assert ds["z_tar"].dims == ("lat", "lon")
    assert all(ds[name].dtype == np.float32 for name in ds)
    for name in ("t2m_in", "t2m_tar"):
        np.testing.assert_allclose(ds[name], raw[name].sortby("time").values, atol=1e-4)
    for moment in (0, -1):
        np.testing.assert_allclose(ds["z_in"], raw["z_in"].isel(time=moment).values, rtol=1e-6)
    assert ds.indexes["time"].is_monotonic_increasing
    assert float(ds["lat"][0]) > float(ds["lat"][-1])


def test_no_month_is_in_two_splits():
    months = [set(d.read_tier1(s, size="ci").indexes["time"].strftime("%Y-%m")) for s in d.SPLITS]
    assert len(set.union(*months)) == sum(map(len, months)) == 30


def test_heights_are_metres():
    coarse, fine = d.heights(d.read_tier1("testing", size="ci"))
    assert fine.attrs["units"] == "m"
    assert 2500 < float(fine.max()) < 4900  # summits of the Alps, in cells of 0.1 degrees
    assert float(coarse.max()) < float(fine.max())


def test_an_unknown_split_is_refused():
    with pytest.raises(BootcampError, match="training"):
        d.read_tier1("test", size="ci")


def test_an_object_without_heights_is_refused(monkeypatch):
    class Opened:
        def to_xarray(self):
            return xr.Dataset({"t2m_in": ("time", [1.0])}, {"time": [0]})

    monkeypatch.setattr(d.bucket, "open_dataset", lambda *a, **k: Opened())
    with pytest.raises(BootcampError, match="have no t2m_tar, z_in, z_tar"):
        d.read_tier1("testing")


def test_blocks_are_runs_of_days_within_a_month():
    days = ["2020-04-28", "2020-04-29", "2020-04-30", "2020-05-01", "2020-05-02", "2020-05-03", "2020-05-04"]
    time = xr.DataArray(np.array(days, "M8[ns]").repeat(2), dims="time")
    blocks = d.time_blocks(time, days=2)
    assert blocks.tolist() == [0, 0, 0, 0, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]
    assert d.time_blocks(time, days=5).tolist() == [0] * 6 + [1] * 8
    with pytest.raises(BootcampError, match="length"):
        d.time_blocks(time, days=0)


def test_what_is_left_of_a_month_joins_its_last_block():
    days = [f"2020-04-{d:02d}" for d in range(1, 7)] + [f"2020-06-{d:02d}" for d in range(1, 9)]
    time = xr.DataArray(np.array(days, "M8[ns]"), dims="time")
    assert d.time_blocks(time, days=5).tolist() == [0] * 6 + [1] * 5 + [2] * 3


def test_times_rise_whatever_the_order_of_the_files(monkeypatch):
    whole = bucket.open_dataset(d.TIER1, sample_size="ci", dataset="validation").to_xarray()

    class Opened:
        def to_xarray(self):
            return whole.isel(time=slice(None, None, -1))

    expected = d.read_tier1("validation", size="ci")
    monkeypatch.setattr(d.bucket, "open_dataset", lambda *a, **k: Opened())
    xr.testing.assert_equal(d.read_tier1("validation", size="ci"), expected)


def test_each_point_is_normalised_by_its_own_weather(made_splits):
    ds = made_splits["training"]
    scaling = p.find_scaling(ds)
    x, y = p.network_inputs(ds, scaling), p.network_targets(ds, scaling)
    assert x.shape == (*ds["t2m_in"].shape, 3)
    assert x.dtype == y["t2m"].dtype == np.float32
    for values in (x[..., 0], y["t2m"][..., 0]):
        np.testing.assert_allclose(values.mean(0), 0, atol=1e-3)
        np.testing.assert_allclose(values.std(0), 1, atol=1e-3)
    # heights: one scale for both, so that the same height is the same number
    assert y["z"].shape == (1, *ds["z_tar"].shape, 1)
    np.testing.assert_array_equal(x[0, ..., 2], y["z"][0, ..., 0])
    expected = (ds["z_in"].values - ds["z_tar"].values) / ds["z_tar"].values.std()
    np.testing.assert_allclose(x[5, ..., 1] - x[5, ..., 2], expected, rtol=1e-3, atol=1e-5)
    assert abs(x[..., 2].std() - 1) < 1e-4


def test_kelvins_and_back(made_splits):
    scaling = p.find_scaling(made_splits["training"])
    again = p.Scaling.from_arrays(scaling.as_arrays())
    ds = made_splits["testing"]
    back = p.temperature(p.network_targets(ds, scaling)["t2m"], again, ds)
    np.testing.assert_allclose(back, ds["t2m_tar"], atol=1e-3)
    assert back.name == "t2m"
    assert back.attrs["units"] == "K"


def test_fields_of_another_grid_are_refused(made_splits):
    ds = made_splits["training"]
    scaling = p.find_scaling(ds)
    with pytest.raises(BootcampError, match="16 x 20 points.*16 x 24"):
        p.network_inputs(ds.isel(lon=slice(20)), scaling)
    with pytest.raises(BootcampError, match="region"):
        p.temperature(np.zeros((2, 3, 3)), scaling, ds)


def test_networks_refuse_what_is_missing_as_baselines_do(made_splits):
    ds = made_splits["training"]
    scaling = p.find_scaling(ds)
    holes = ds.assign(t2m_in=ds["t2m_in"].where(ds["lat"] < 54))
    for call in (p.find_scaling, lambda ds: p.network_inputs(ds, scaling)):
        with pytest.raises(BootcampError, match="t2m_in has missing values"):
            call(holes)
    with pytest.raises(BootcampError, match="has no z_tar"):
        p.network_inputs(ds.drop_vars("z_tar"), scaling)
    with pytest.raises(BootcampError, match="has no t2m_tar"):
        p.network_targets(ds.drop_vars("t2m_tar"), scaling)
    turned = p.network_inputs(ds.transpose("lon", "lat", "time"), scaling)
    np.testing.assert_array_equal(turned, p.network_inputs(ds, scaling))


def test_a_point_without_weather_is_refused(made_splits):
    still = made_splits["training"].copy(deep=True)
    still["t2m_tar"][:, 3, 3] = 280.0
    with pytest.raises(BootcampError, match="t2m_tar never changes"):
        p.find_scaling(still)
