"""Scores by date and tables of them, on a small world whose best forecast is known."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from maelstrom_bootcamp.apps.ens10 import evaluate
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.verify import ensemble

LATITUDE, LONGITUDE = np.array([85.0, 45, 10, -10, -45, -85]), np.arange(0.0, 360, 45)
GRID = {"latitude": LATITUDE, "longitude": LONGITUDE}
N = 16


@pytest.fixture(scope="module")
def truth():
    rng = np.random.default_rng(0)
    times = pd.date_range("2016-01-05", periods=N, freq="23D")
    return xr.DataArray(rng.normal(size=(N, 6, 8)), {"time": times, **GRID}, ("time", *GRID))


@pytest.fixture(scope="module")
def forecasts(truth):
    rng = np.random.default_rng(1)
    raw = 0.3 + 0.5 * rng.normal(size=(N, 10, 6, 8))
    dims = ("time", "member", "latitude", "longitude")
    raw = xr.DataArray(raw, {"time": truth.time, **GRID}, dims)
    right = xr.Dataset({"mu": 0 * truth, "sigma": 0 * truth + 1})
    return {"raw": raw, "right": right, "wide": right.assign(sigma=right.sigma * 3)}


@pytest.fixture(scope="module")
def found(forecasts, truth):
    index = xr.zeros_like(truth) - 0.5
    ground = xr.Dataset({"land_area_fraction": xr.ones_like(truth[0]).where(truth.longitude < 90, 0)})
    return evaluate.by_date(forecasts, truth, index, evaluate.regions(ground))


def test_regions_share_the_globe(found, truth):
    for a, b in (("extratropics", "tropics"), ("land", "sea")):
        parts = {}
        for name in (a, b, "globe"):
            ground = xr.Dataset({"land_area_fraction": xr.ones_like(truth[0]).where(truth.longitude < 90, 0)})
            parts[name] = float((evaluate.regions(ground)[name] * evaluate.area(truth)).sum())
        assert parts[a] + parts[b] == pytest.approx(parts["globe"])
        assert min(parts.values()) > 0


def test_scores_are_means_by_area(found, forecasts, truth):
    each = ensemble.crps(forecasts["raw"], truth, [])
    weights = np.cos(np.deg2rad(truth.latitude))
    known = (each * weights).sum(["latitude", "longitude"]) / (8 * weights.sum())
    np.testing.assert_allclose(found.crps.sel(model="raw", region="globe"), known)
    far = each.sel(latitude=[85, 45, -45, -85]).weighted(weights).mean(["latitude", "longitude"])
    np.testing.assert_allclose(found.crps.sel(model="raw", region="extratropics"), far)
    np.testing.assert_allclose(found.eecrps, 0.5 * found.crps)


def test_the_table_finds_the_best_forecast(found):
    table = evaluate.table(found, "raw", against="wide")
    assert table.crps.idxmin() == "right"
    assert table.loc["right", "low"] > 0 > table.loc["wide", "high"]
    assert (table.loc["raw", ["skill", "low", "high", "ee_skill"]] == 0).all()
    assert table.loc["right", "skill"] == pytest.approx(100 * (1 - table.crps["right"] / table.crps["raw"]))
    assert table.loc["right", "skill_2"] == pytest.approx(
        100 * (1 - table.crps["right"] / table.crps["wide"])
    )
    assert table.ratio["right"] == pytest.approx(1, abs=0.1)
    assert table.ratio["wide"] == pytest.approx(3, abs=0.3)
    assert table.ratio["raw"] < 0.7
    assert table.bias["raw"] == pytest.approx(0.3, abs=0.1)


def test_skill_is_positive_for_the_better_one(found):
    better = evaluate.compare(found, "right", "raw")
    worse = evaluate.compare(found, "raw", "right", score="eecrps")
    assert better.low < better.estimate < better.high
    assert better.low > 0 > worse.high


@pytest.mark.parametrize(
    ("method", "options", "match"),
    [
        ("wrong", {}, "no model"),
        ("raw", {"region": "moon"}, "no region"),
        ("raw", {"score": "bias"}, "not scored"),
    ],
)
def test_what_is_not_there(found, method, options, match):
    with pytest.raises(BootcampError, match=match):
        evaluate.compare(found, method, "raw", **options)


def test_nothing_to_score(truth, forecasts):
    with pytest.raises(BootcampError, match="no forecasts"):
        evaluate.by_date({}, truth)
    with pytest.raises(BootcampError, match="no grid point"):
        evaluate.by_date(forecasts, truth, masks={"moon": xr.zeros_like(truth[0], bool)})
    with pytest.raises(BootcampError, match="same points"):
        evaluate.by_date(forecasts, truth.isel(time=slice(3)))


def test_seasons_share_the_dates(found):
    seasons = evaluate.by_season(found)
    assert set(seasons) == {"DJF", "MAM", "JJA", "SON"}
    assert sum(part.sizes["time"] for part in seasons.values()) == N
    assert set(seasons["JJA"].time.dt.month.values) <= {6, 7, 8}


def test_histograms_of_both_kinds(forecasts, truth):
    raw = evaluate.flat(forecasts["raw"], truth)
    right = evaluate.flat(forecasts["right"], truth, np.abs(0 * truth[0] + truth.latitude) > 20, bins=5)
    assert raw.sizes["bin"] == 11
    assert right.sizes["bin"] == 5
    assert raw.share[0] > 2 * raw.ideal[0]
    np.testing.assert_allclose(right.share, 0.2, atol=0.08)
