from __future__ import annotations

import numpy as np
import pytest

from maelstrom_bootcamp.apps.yr.baselines import Raw, Today
from maelstrom_bootcamp.apps.yr.evaluate import (
    Network,
    compare,
    evaluate,
    score_runs,
    surfaces,
    table,
    trimmed,
)
from maelstrom_bootcamp.apps.yr.features import analysis, control, quantile_forecast
from maelstrom_bootcamp.bucket.yr.periods import PERIODS
from maelstrom_bootcamp.errors import BootcampError

TEST = PERIODS["ci"]["test"]


class Perfect:
    def predict(self, ds):
        target = analysis(ds).values
        return quantile_forecast(np.stack([target] * 3, axis=2), ds)


@pytest.fixture(scope="module")
def scores(year):
    from maelstrom_bootcamp.apps.yr.dataset import open_runs

    today = Today().fit(open_runs(PERIODS["ci"]["train"], location=year))
    methods = {"perfect": Perfect(), "raw": Raw(), "today": today}
    return evaluate(methods, TEST, trim=16, location=year, chunk=3)


def test_perfect_forecast_scores_zero(scores):
    perfect = table(scores).xs("perfect", level="model")
    assert (perfect[["quantile_score", "mae", "bias", "width"]] == 0).all().all()
    assert (perfect["coverage"] == 1).all()


def test_scores_are_those_of_the_definition(scores, year):
    from maelstrom_bootcamp.apps.yr.dataset import open_runs

    ds = trimmed(open_runs(TEST, location=year), 16)
    error = abs(control(ds) - analysis(ds))
    land = surfaces(ds)["land"]
    rows = table(scores)
    assert rows.loc[("all", "raw"), "mae"] == pytest.approx(float(error.mean()), rel=1e-5)
    assert rows.loc[("land", "raw"), "mae"] == pytest.approx(float(error.where(land).mean()), rel=1e-5)
    assert rows.loc[("all", "raw"), "pixels"] == 32 * 32
    assert rows.loc[("land", "raw"), "pixels"] + rows.loc[("sea", "raw"), "pixels"] == 32 * 32
    assert rows.loc[("land", "raw"), "pixels"] == int(land.sum())


def test_dimensions(scores):
    assert set(scores["mae"].dims) == {"model", "surface", "time", "leadtime"}
    assert scores.sizes["time"] == len(TEST)
    assert list(table(scores).loc["all"].index) == ["perfect", "raw", "today"]


def test_chunks_do_not_matter(scores, year):
    again = evaluate({"raw": Raw()}, TEST, trim=16, location=year, chunk=1)
    np.testing.assert_allclose(again["mae"], scores["mae"].sel(model=["raw"]), rtol=1e-6)


def test_comparison_with_intervals(scores):
    found = compare(scores, "raw", block=2, n=200)
    assert set(found.columns) == {"percent", "low", "high"}
    assert found.loc[("mae", "all", "perfect"), "percent"] == pytest.approx(-100)
    today = found.loc[("mae", "all", "today")]
    rows = table(scores)["mae"]
    expected = 100 * (rows["all", "today"] / rows["all", "raw"] - 1)
    assert today["percent"] == pytest.approx(expected, rel=1e-4)
    assert today["low"] <= today["percent"] <= today["high"]
    assert "raw" not in found.index.get_level_values("model")
    with pytest.raises(BootcampError, match="no method 'regression'"):
        compare(scores, "regression")


def test_surface_without_pixels_is_left_out(year):
    from maelstrom_bootcamp.apps.yr.dataset import open_runs

    ds = open_runs(TEST, location=year).isel(x=slice(32, 64))
    scores = score_runs({"raw": Raw(), "perfect": Perfect()}, ds, trim=4)
    assert np.isnan(table(scores).loc[("sea", "raw"), "mae"])
    assert "sea" not in compare(scores, "raw", block=2, n=50).index.get_level_values("surface")


def test_trim(runs):
    assert trimmed(runs, 0).sizes["x"] == 64
    assert trimmed(runs, 8)["row"].values.tolist() == list(range(8, 56))
    with pytest.raises(BootcampError, match="trim of 32"):
        trimmed(runs, 32)


def test_nothing_to_score(year):
    with pytest.raises(BootcampError, match="no methods"):
        evaluate({}, TEST, location=year)


class Constant:
    """A network that predicts a residual of -1, 0, +1 K and remembers what it was given."""

    def __init__(self):
        self.shapes = []

    def predict_on_batch(self, features):
        self.shapes.append(features.shape)
        return np.broadcast_to([-1.0, 0.0, 1.0], (*features.shape[:3], 3))


def test_network_adds_the_raw_forecast(runs):
    model = Constant()
    forecast = Network(model, batch_size=16).predict(runs)
    np.testing.assert_allclose(forecast.sel(quantile=0.5), control(runs), atol=1e-6)
    np.testing.assert_allclose(forecast.sel(quantile=0.9) - forecast.sel(quantile=0.1), 2, atol=1e-5)
    assert [s[0] for s in model.shapes] == [16, 16, 8]
    assert model.shapes[0][-1] == 17
    Network(model, predictors=["altitude", "x"]).predict(runs.isel(time=[0]))
    assert model.shapes[-1] == (10, 64, 64, 2)
