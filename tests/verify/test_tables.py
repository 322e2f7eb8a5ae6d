"""Tables: the same numbers as the scores, in the right rows."""

import numpy as np
import pytest
import xarray as xr

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.verify import scores, tables

LEVELS = [0.1, 0.5, 0.9]


@pytest.fixture
def case():
    rng = np.random.default_rng(0)
    dims = ("time", "leadtime", "y", "x")
    target = xr.DataArray(rng.standard_normal((3, 2, 4, 5)), dims=dims).assign_coords(leadtime=[0, 6])
    spread = xr.DataArray([-1.2816, 0.0, 1.2816], {"quantile": LEVELS}, "quantile")
    good = (target + 0.3 * rng.standard_normal(target.shape)) + 0.3 * spread
    poor = (0 * target + 0.5) + spread
    land = xr.DataArray(rng.random((4, 5)) > 0.5, dims=("y", "x"))
    return {"U-Net": good, "climate": poor}, target, land


def test_one_row_a_method(case):
    forecasts, target, _ = case
    table = tables.score_table(forecasts, target)
    assert list(table.index) == ["U-Net", "climate"]
    assert list(table.columns) == ["quantile_score", "mae", "bias", "coverage", "width", "n"]
    row = table.loc["climate"]
    assert row["quantile_score"] == pytest.approx(
        float(scores.mean_quantile_score(forecasts["climate"], target))
    )
    assert row["mae"] == pytest.approx(float(np.abs(0.5 - target).mean()))
    assert row["bias"] == pytest.approx(float((0.5 - target).mean()))
    assert row["width"] == pytest.approx(2.5632)
    assert row["n"] == target.size
    assert table.loc["U-Net", "quantile_score"] < row["quantile_score"]


def test_masks_split_the_sample(case):
    forecasts, target, land = case
    table = tables.score_table(forecasts, target, masks={"land": land, "sea": ~land})
    whole = tables.score_table(forecasts, target)
    assert list(table.index) == [(m, f) for m in ("land", "sea") for f in forecasts]
    for name in forecasts:
        parts = table.xs(name, level="method")
        assert parts["n"].sum() == target.size
        for column in tables.STANDARD:
            mean = np.average(parts[column], weights=parts["n"])
            assert mean == pytest.approx(whole.loc[name, column])


def test_by_lead_time_and_by_run(case):
    forecasts, target, _ = case
    found = tables.by_dimension(forecasts, target)
    assert list(found) == list(forecasts)
    assert found["climate"].dims == ("leadtime",)
    one = scores.mean_quantile_score(forecasts["U-Net"].sel(leadtime=6), target.sel(leadtime=6))
    assert float(found["U-Net"].sel(leadtime=6)) == pytest.approx(float(one))
    assert tables.by_dimension(forecasts, target, tables.median_mae, "time")["U-Net"].dims == ("time",)
    with pytest.raises(BootcampError, match="station"):
        tables.by_dimension(forecasts, target, dim="station")


def test_by_class_of_station():
    rng = np.random.default_rng(1)
    target = xr.DataArray(rng.standard_normal((5, 4)), dims=("time", "station"))
    classes = xr.DataArray(["official", "citizen", "citizen", "citizen"], dims="station")
    forecast = xr.concat([target + e for e in (-1.0, 0.0, 1.0)], "quantile").assign_coords(quantile=LEVELS)
    forecast = forecast + 2.0 * (classes == "citizen")
    table = tables.by_class({"raw": forecast}, target, classes)
    assert table.loc[("official", "raw"), "mae"] == pytest.approx(0)
    assert table.loc[("citizen", "raw"), "bias"] == pytest.approx(2)
    assert table["n"].tolist() == [5, 15]
    with pytest.raises(BootcampError, match="one label"):
        tables.by_class({"raw": forecast}, target, classes.rename(station="site"))


def test_a_mask_of_other_points_is_refused(case):
    forecasts, target, land = case
    with pytest.raises(BootcampError, match="mask 'land'"):
        tables.score_table(forecasts, target, masks={"land": land.rename(y="lat")})


def test_scores_of_the_median_and_the_width_follow_the_target(case):
    forecasts, target, _ = case
    known = target.where(target > 0)
    assert float(tables.width(forecasts["climate"], known)) == pytest.approx(2.5632)
    assert int(tables.width(forecasts["climate"], known, "time").notnull().sum()) == int(
        known.notnull().any("time").sum()
    )
