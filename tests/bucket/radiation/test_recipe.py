"""Both samples through MAELSTROM's own plugins: names, units, values, and that they are the same columns."""

from __future__ import annotations

import netCDF4
import numpy as np
import pytest
import tensorflow as tf
import xarray as xr

from maelstrom_bootcamp import bucket
from maelstrom_bootcamp.bucket.radiation import recipe, records
from maelstrom_bootcamp.bucket.radiation.periods import PATCHES, SPLITS, record_files, snapshots
from maelstrom_bootcamp.errors import BootcampError

pytestmark = pytest.mark.usefixtures("ci_bucket")
TEST = snapshots("ci")["test"][0]


@pytest.fixture
def load(ci_bucket):
    """The published call."""
    bucket.serve("maelstrom-radiation", size="ci")
    import climetlab

    return climetlab.load_dataset


@pytest.mark.parametrize("size", ["ci", "default", "full"])
def test_plans_name_every_object_once(size):
    n = sum(map(len, snapshots(size).values()))
    objects = [o for job in recipe.RECIPE.plan(size, 0) for o in job.objects]
    assert len(objects) == len(set(objects)) == n * (3 * len(PATCHES) + 1)
    files = [o for job in records.RECIPE.plan(size, 0) for o in job.objects]
    assert len(files) == len(set(files)) == sum(len(record_files(size)[s]["timestep"]) for s in SPLITS) + 5
    steps = [t for part in record_files(size).values() for t in part["timestep"]]
    kept = sorted(s.key for t in steps for s in records.members(size, t))
    assert kept == sorted(s.key for part in snapshots(size).values() for s in part)


def test_default_call_gives_the_published_layout(load):
    ds = load("maelstrom-radiation").to_xarray()
    sizes = {"column": 64, "level": 137, "half_level": 138, "level_interface": 136, "aerosol_type": 12}
    assert {k: ds.sizes[k] for k in sizes} == sizes
    assert ds.sw_albedo.shape == (64, 6)
    assert ds.lw_emissivity.shape == (64, 2)
    assert ds.solar_irradiance.dims == ("column",)
    assert all(v.dtype == np.float32 for v in ds.data_vars.values())
    assert {ds[n].attrs["units"] for n in ("hr_sw", "hr_lw")} == {"K d-1"}
    assert ds.flux_dn_lw.attrs["units"] == "W m-2"


def test_blocks_of_inputs_have_the_exact_sizes(load):
    ds = load("maelstrom-radiation", subset="tier-1", raw_inputs=False, gather_fluxes=True).to_xarray()
    shapes = {"sca_inputs": (17,), "col_inputs": (137, 27), "hl_inputs": (138, 2), "inter_inputs": (136, 1)}
    assert {k: ds[k].shape[1:] for k in shapes} == shapes
    assert ds.sw.shape[1:] == (138, 2)


def test_single_patch_keeps_the_plugin_s_merger(ci_bucket):
    bucket_size = {"patch": 0, "date": "20200101", "timestep": 0}
    data = bucket.open_dataset("maelstrom-radiation", **bucket_size).to_xarray()
    assert data.solar_irradiance.dims == ("column",)


def test_inputs_stay_near_the_maxima_of_the_archive(load):
    from maelstrom_bootcamp.apps.radiation.layers import published_maxima

    ds = load("maelstrom-radiation", subset="tier-1", raw_inputs=False).to_xarray()
    for name, maxima in published_maxima().items():
        if name == "pressure_hl":
            continue
        ours = np.abs(ds[name].values).reshape(-1, ds[name].shape[-1]).max(0)
        assert (ours <= 2.0 * np.array(maxima)).all(), name
        varies = ours > 0
        assert (ours[varies] > 1e-3 * np.array(maxima)[varies]).all(), name


def test_mcica_is_one_draw_of_the_same_columns(load, ci_bucket):
    request = {"date": TEST.date, "timestep": TEST.timestep, "all_outputs": True}
    mean = load("maelstrom-radiation", dataset="tripleclouds", **request).to_xarray()
    one = load("maelstrom-radiation", dataset="mcica", **request).to_xarray()
    assert np.array_equal(mean.q, one.q)
    assert np.array_equal(mean.flux_dn_sw_clear, one.flux_dn_sw_clear)
    with xr.open_dataset(ci_bucket / recipe.truth_path(TEST)) as truth:
        assert (truth.attrs["draws_sw"], truth.attrs["draws_lw"]) == (64, 16)
        # The plugin sorts patches as strings: 0, 10, 12, 14, 2, ...
        by_name = np.argsort([str(p) for p in truth.patch.values], kind="stable")
        spread = truth.flux_dn_lw_sd.values[by_name, -1]
    off = np.abs(mean.flux_dn_lw - one.flux_dn_lw).values[:, -1]
    assert not off[spread == 0].any()
    assert 0.4 < np.sqrt(np.mean(off**2) / np.mean(spread**2)) < 2.0


def test_files_say_what_they_are(ci_bucket):
    path = ci_bucket / recipe.object_path(recipe.MEAN, TEST, 0)
    with netCDF4.Dataset(path) as f:
        assert "simulated columns, fluxes by RRTMG" in f.title
        assert (f.draws_sw, f.draws_lw) == (64, 16)
        assert f.time == "2019-06-12T12:00Z"
        assert "pressure_hl" in f.variables


@pytest.mark.parametrize("dataset", ["3dcorrection", "spartacus"])
@pytest.mark.parametrize("name", ["maelstrom-radiation", "maelstrom-radiation-tf"])
def test_no_3d_solver_is_pretended(ci_bucket, name, dataset):
    def open_it():
        opened = bucket.open_dataset(name, dataset=dataset)
        return opened.to_tfdataset() if name.endswith("tf") else opened.to_xarray()

    with pytest.raises(BootcampError, match=r"SPARTACUS.*pretence") as error:
        open_it()
    assert "MAELSTROM_DATA=remote" in error.value.cure


# ---- records


def read(path) -> dict[str, np.ndarray]:
    """All features of a file, without the plugin."""
    rows = [
        tf.train.Example.FromString(r.numpy()).features.feature for r in tf.data.TFRecordDataset(str(path))
    ]
    return {k: np.array([row[k].float_list.value for row in rows], "f4") for k in rows[0]}


def test_records_hold_the_columns_of_the_netcdf_files(load, ci_bucket):
    rows = read(ci_bucket / records.record_path(2019053100))
    ds = load(
        "maelstrom-radiation",
        date="20190531",
        timestep=[s.timestep for s in snapshots("ci")["test"] if s.date == "20190531"],
        raw_inputs=False,
        gather_fluxes=True,
        hr_units="K s-1",
    ).to_xarray()
    order, other = (np.lexsort(x.reshape(len(x), -1).T) for x in (rows["sca_inputs"], ds.sca_inputs.values))
    assert not np.array_equal(order, np.arange(len(order))), "records are mixed"
    for name in rows:
        ours, theirs = rows[name][order], ds[name].values[other].reshape(len(other), -1)
        assert np.allclose(ours, theirs, rtol=2e-5, atol=1e-9), name


def test_plugin_reads_the_records(ci_bucket):
    data = bucket.open_dataset("maelstrom-radiation-tf", **record_files("ci")["train"])
    batch = next(iter(data.to_tfdataset(batch_size=8, shuffle_size=8)))
    assert batch[0]["col_inputs"].shape == (8, 137, 27)
    assert batch[1]["hr_lw"].shape == (8, 137, 1)
    for subset in ("tier-1", "tier-1-val", "tier-1-test"):
        bucket.open_dataset("maelstrom-radiation-tf", subset=subset)


def test_norms_are_those_of_the_training_columns(ci_bucket):
    parts = [
        read(ci_bucket / records.record_path(t))["sca_inputs"]
        for t in record_files("ci")["train"]["timestep"]
    ]
    joined = np.concatenate(parts).astype("f8")
    with xr.open_dataset(ci_bucket / records.norm_path("sca_inputs")) as norm:
        assert np.allclose(norm.sca_inputs_mean, joined.mean(0), rtol=1e-5)
        assert (norm.sca_inputs_std > 0).all()
        assert np.allclose(norm.sca_inputs_std[0], joined[:, 0].std(), rtol=1e-5)
