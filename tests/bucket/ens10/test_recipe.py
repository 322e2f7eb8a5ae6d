"""The samples through ENS-10's own plugin: names, units, times, values, and the truth beside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from maelstrom_bootcamp import bucket
from maelstrom_bootcamp.bucket import recipes
from maelstrom_bootcamp.bucket.ens10 import forecast, grib, mini, recipe
from maelstrom_bootcamp.bucket.ens10.periods import windows


@pytest.fixture(scope="module")
def ci_bucket() -> Path:
    """The smallest samples of both, in the bucket that the tests share."""
    return bucket.serve("maelstrom-ens5mini", size="ci")


def opened(name: str, **request: str) -> xr.Dataset:
    bucket.serve(name, size="ci")
    import climetlab

    return climetlab.load_dataset(name, **request).to_xarray()


@pytest.fixture(scope="module")
def surface(ci_bucket: Path) -> xr.Dataset:
    return opened("maelstrom-ens10", date="0101", dtype="sfc")


@pytest.fixture(scope="module")
def upper(ci_bucket: Path) -> xr.Dataset:
    return opened("maelstrom-ens10", date="0101", dtype="pl")


@pytest.fixture(scope="module")
def small(ci_bucket: Path) -> xr.Dataset:
    return opened("maelstrom-ens5mini", date="01")


@pytest.fixture(scope="module")
def targets(ci_bucket: Path) -> xr.Dataset:
    return xr.open_dataset(bucket.serve("maelstrom-ens10", size="ci") / recipe.targets_path(0))


@pytest.mark.parametrize("size", ["ci", "default", "full"])
def test_plans_name_every_object_once(size: str) -> None:
    objects = [o for job in recipe.RECIPE.plan(size, 0) for o in job.objects]
    dates = sum(len(w.years) for w in windows(size))
    assert len(objects) == len(set(objects)) == 2 * dates + 2 * len(windows(size)) + 1
    assert recipe.object_path("sfc", "0101").endswith("MAELSTROM_AP4/output.sfc.20180101")
    months = [o for job in mini.RECIPE.plan(size, 0) for o in job.objects]
    assert len(months) == len(set(months)) == (2 if size == "ci" else 12)
    assert mini.RECIPE.needs == (recipe.NAME,)
    assert recipe.RECIPE.version in mini.RECIPE.version


def test_published_call_at_the_surface(surface: xr.Dataset) -> None:
    sizes = {"number": 10, "time": 2, "step": 3, "surface": 1, "latitude": 36, "longitude": 72}
    assert dict(surface.sizes) == sizes
    assert set(surface.data_vars) == set(forecast.SURFACE)
    assert surface.number.values.tolist() == list(range(1, 11))
    assert surface.step.values.astype("timedelta64[h]").astype(int).tolist() == [0, 24, 48]
    assert surface.time.values.astype("datetime64[D]").astype(str).tolist() == ["1998-01-01", "2016-01-01"]
    units = {"t2m": "K", "msl": "Pa", "tp": "m", "tcwv": "kg m**-2", "u10": "m s**-1", "sst": "K"}
    assert {name: surface[name].units for name in units} == units
    for name in set(surface.data_vars) - {"sst"}:
        assert np.isfinite(surface[name].values).all(), name
    assert surface.attrs["GRIB_edition"] == 1


def test_published_call_on_pressure_levels(upper: xr.Dataset) -> None:
    assert set(upper.data_vars) == set(forecast.UPPER)
    assert upper.isobaricInhPa.values.tolist() == [850.0, 500.0]
    units = {"z": "m**2 s**-2", "t": "K", "q": "kg kg**-1", "w": "Pa s**-1", "d": "s**-1", "u": "m s**-1"}
    assert {name: upper[name].units for name in units} == units
    assert 45000 < float(upper.z.sel(isobaricInhPa=500).min()) < 50000
    for name in upper.data_vars:
        assert np.isfinite(upper[name].values).all(), name


def test_quick_reader_gives_what_the_published_call_gives(
    ci_bucket: Path, surface: xr.Dataset, upper: xr.Dataset
) -> None:
    root = bucket.serve("maelstrom-ens10", size="ci")
    for kind, names, data in (("sfc", ["t2m", "sst"], surface), ("pl", ["z", "t"], upper)):
        read = grib.read(root / recipe.object_path(kind, "0101"), names, 48)
        for name in names:
            field = data[name].sel(step=np.timedelta64(48, "h"))
            expected = field.transpose("time", "number", ..., "latitude", "longitude").values
            assert np.array_equal(read[name], expected, equal_nan=True), name


def test_forecasts_start_near_the_truth_and_belong_to_it(
    surface: xr.Dataset, upper: xr.Dataset, targets: xr.Dataset
) -> None:
    fields = {
        "t2m": surface.t2m.squeeze("surface"),
        "t850": upper.t.sel(isobaricInhPa=850),
        "z500": upper.z.sel(isobaricInhPa=500),
    }
    for name, field in fields.items():
        truth = targets[name].sel(time=field.time)
        error = np.sqrt(((field.mean("number") - truth) ** 2).mean(("latitude", "longitude")))
        sd = float(truth.std())
        assert float(error.max()) < 0.12 * sd, name
        assert (error.isel(step=2) > error.isel(step=0)).all(), name
        wrong = truth.isel(time=slice(None, None, -1)).values  # the other year's weather
        other = np.sqrt(((field.mean("number").values - wrong) ** 2).mean((-1, -2)))
        assert (other > 3 * error.values).all(), name


def test_targets_cover_every_forecast_of_the_window(targets: xr.Dataset) -> None:
    assert dict(targets.sizes) == {"time": 8, "step": 3, "latitude": 36, "longitude": 72}
    assert targets.indexes["time"].is_monotonic_increasing
    assert {n: targets[n].units for n in ("t2m", "t850", "z500")} == {
        "t2m": "K",
        "t850": "K",
        "z500": "m2 s-2",
    }
    assert (targets.valid_time - targets.time == targets.step).all()
    assert "not ECMWF" in targets.title


def test_ground_stands_beside_the_targets(ci_bucket: Path) -> None:
    with xr.open_dataset(bucket.serve("maelstrom-ens10", size="ci") / recipe.GROUND_PATH) as ground:
        assert float(ground.land_area_fraction.sel(latitude=22.5, longitude=10)) > 0.9
        difference = ground.model_orography - ground.orography
        assert 5 < float(np.abs(difference).max()) < 300
        assert "ETOPO" in ground.source


def test_mini_has_the_published_layout(small: xr.Dataset) -> None:
    sizes = {"number": 5, "time": 4, "step": 2, "isobaricInhPa": 11, "latitude": 40, "longitude": 80}
    assert dict(small.sizes) == sizes
    assert set(small.data_vars) == set(forecast.UPPER)
    assert {small[n].dtype for n in small.data_vars} == {np.dtype("f4")}
    assert (float(small.latitude[0]), float(small.latitude[-1])) == (60.0, 40.5)
    assert float(small.longitude[-1]) == 39.5
    assert (small.time.dt.year < 2008).all()
    assert "simulated" in small.title
    for name in small.data_vars:
        assert ("formula" in small[name].comment) == (name in forecast.DIAGNOSED)


def test_mini_and_the_large_sample_are_the_same_forecasts(small: xr.Dataset, upper: xr.Dataset) -> None:
    """At the points that both grids have; as exact as 12 or 16 bits of GRIB allow."""
    points = {"latitude": [57.5, 52.5, 47.5, 42.5], "longitude": np.arange(0, 40, 5.0)}
    at = {**points, "number": range(1, 6), "isobaricInhPa": [850, 500], "time": ["1998-01-01"]}
    at["step"] = np.array([0, 24], "timedelta64[h]")
    allowed = {"z": 2.0, "t": 0.02, "u": 0.1, "v": 0.1, "w": 2e-3, "q": 1e-5}
    for name, precision in allowed.items():
        a, b = (
            d[name].sel(at).transpose("number", "time", "step", "isobaricInhPa", ...) for d in (small, upper)
        )
        assert np.abs(a.values - b.values).max() < precision, name
        assert a.values.std() > 5 * precision, name


def test_rows_are_recipes_not_placeholders() -> None:
    assert recipes.RECIPES[recipe.NAME] == "maelstrom_bootcamp.bucket.ens10.recipe:RECIPE"
    assert recipes.RECIPES[mini.NAME] == "maelstrom_bootcamp.bucket.ens10.mini:RECIPE"
