"""The sample through MAELSTROM's own plugin: names, units, times, values."""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from maelstrom_bootcamp import bucket
from maelstrom_bootcamp.bucket.yr import recipe
from maelstrom_bootcamp.bucket.yr.block import Block
from maelstrom_bootcamp.bucket.yr.periods import LEAD_TIMES, PERIODS, blocks, run_start

pytestmark = pytest.mark.usefixtures("ci_bucket")
DATES = PERIODS["ci"]["test"][:2]


@pytest.fixture(scope="module")
def ds(ci_bucket: Path) -> xr.Dataset:
    """Two runs by the published call."""
    bucket.serve("maelstrom-yr", size="ci")
    import climetlab

    return climetlab.load_dataset("maelstrom-yr", size="5GB", dates=DATES).to_xarray()


def test_plan_names_every_run_and_the_truth() -> None:
    for size, periods in PERIODS.items():
        objects = [o for job in recipe.RECIPE.plan(size, 0) for o in job.objects]
        assert len(objects) == len(set(objects)) == sum(len(p) for p in periods.values()) + len(blocks(size))
    assert recipe.object_path("2020-03-01").endswith("air_temperature/5GB/20200301T03Z.nc")


def test_published_call_returns_the_published_layout(ds: xr.Dataset) -> None:
    assert dict(ds.predictors.sizes) == {"time": 2, "leadtime": 10, "y": 128, "x": 128, "predictor": 14}
    assert [str(p) for p in ds.predictor.values] == [n for n, _ in (*recipe.DYNAMIC, *recipe.STATIC)]
    hours = ds.leadtime.values.astype("timedelta64[h]" if ds.leadtime.dtype.kind == "m" else float)
    assert np.array_equal(
        np.asarray(hours, float) / (1 if ds.leadtime.dtype.kind == "m" else 3600), LEAD_TIMES
    )
    assert [np.datetime64(t, "h") for t in ds.time.values] == [
        np.datetime64(run_start(d), "h") for d in DATES
    ]
    assert np.isfinite(ds.predictors.values).all()
    assert np.isfinite(ds.targets.values).all()


def test_values_lie_where_the_published_table_puts_them(ds: xr.Dataset) -> None:
    """Within three standard deviations of the plugin's table where the ground does not decide."""
    from climetlab_maelstrom_yr.yr import Yr

    mean, std = (dict(zip(recipe_names(), values, strict=True)) for values in zip(*table(Yr), strict=True))
    for name in ("bias_yesterday", "bias_recent", "cloud_area_fraction", "x_wind_10m", "y_wind_10m"):
        values = ds.predictors.sel(predictor=name).values
        assert abs(values.mean() - mean[name]) < 3 * std[name], name
        assert 0.1 * std[name] < values.std() < 4 * std[name], name


def recipe_names() -> list[str]:
    return [n for n, _ in (*recipe.DYNAMIC, *recipe.STATIC)]


def table(yr: type) -> list[tuple[float, float]]:
    """The plugin's normalisation in our order."""
    norm = yr.get_normalization()
    return [tuple(norm[name]) for name in recipe_names()]


def test_objects_are_uncompressed_and_contiguous_as_the_original(ci_bucket: Path) -> None:
    root = bucket.serve("maelstrom-yr", size="ci")
    with netCDF4.Dataset(root / recipe.object_path(DATES[0])) as f:
        for name in ("predictors", "static_predictors", "target_mean", "target_std"):
            assert f[name].chunking() == "contiguous"
            assert f[name].dtype == np.float32
        units = dict(zip(f["predictor"][:], f["predictor_units"][:], strict=True))
        assert units == dict(recipe.DYNAMIC)
        assert f["time"].units.startswith("seconds since 1970-01-01")


def test_truth_stands_beside_the_bucket(ci_bucket: Path, ds: xr.Dataset) -> None:
    bucket.serve("maelstrom-yr", size="ci")
    folder = bucket.truth("maelstrom-yr")
    with xr.open_dataset(folder / Path(recipe.truth_path(PERIODS["ci"]["test"][0])).name) as truth:
        start = ds.time.values[0]
        valid = start + np.array(LEAD_TIMES, "timedelta64[h]")
        analysis = truth.analysis.sel(time=valid).values
        assert np.abs(analysis - ds.targets.values[0, ..., 0]).max() < 0.01
        assert 0.05 < np.abs(truth.truth.sel(time=valid).values - analysis).mean() < 1.5
        assert set(np.unique(truth.flag)) <= {0, 1, 2, 3}


def test_truth_dataset_has_units(block: Block) -> None:
    truth = recipe.truth_dataset(block)
    assert {truth[n].attrs["units"] for n in ("truth", "background", "analysis")} == {"degC"}
    assert truth.analysis_std.attrs["units"] == "K"
