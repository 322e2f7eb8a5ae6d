from __future__ import annotations

import numpy as np
import pytest

from maelstrom_bootcamp.apps.yr import baselines as b
from maelstrom_bootcamp.apps.yr.features import CONTROL, HIGH, LOW, analysis, control, predictor
from maelstrom_bootcamp.errors import BootcampError


@pytest.fixture(scope="module")
def train(runs):
    return runs.isel(time=[0, 1, 3])


@pytest.fixture(scope="module")
def test_runs(runs):
    return runs.isel(time=[2])


def mae(forecast, ds):
    return float(abs(forecast.sel(quantile=0.5) - analysis(ds)).mean())


def test_raw_is_the_ensemble(runs):
    forecast = b.Raw().fit(runs).predict(runs)
    for q, name in ((0.1, LOW), (0.5, CONTROL), (0.9, HIGH)):
        np.testing.assert_array_equal(forecast.sel(quantile=q).values, predictor(runs, name).values)


def test_all_have_the_same_interface(train, test_runs):
    found = {m.name: m.fit(train).predict(test_runs) for m in b.all_baselines(thin=2)}
    assert list(found) == ["climatology", "raw", "elevation", "today", "regression"]
    for forecast in found.values():
        assert forecast.dims == ("time", "leadtime", "quantile", "y", "x")
        assert forecast.dtype == np.float32
        assert (forecast.diff("quantile") >= 0).all()
    errors = [mae(f, test_runs) for f in found.values()]
    assert errors == sorted(errors, reverse=True)  # by construction of these fields, each knows more


def test_signs(train):
    today = b.Today().fit(train)
    mean = today.coefficients.mean("leadtime")
    assert mean.sel(term="height_difference") == pytest.approx(-0.0065, abs=5e-4)
    assert mean.sel(term=["bias_recent", "bias_yesterday"]).sum() == pytest.approx(-1, abs=0.05)
    assert (today.coefficients.sel(term="constant") == 0).all()
    rate = b.ElevationCorrection().fit(train).coefficients.sel(term="height_difference")
    assert rate.shape == (10,)
    np.testing.assert_allclose(rate, -0.0065, atol=1e-3)


def test_elevation_correction_recovers_a_known_lapse_rate(train):
    ds = train.copy(deep=True)
    error = 0.005 * b.height_difference(ds)
    ds["targets"][..., 0] = control(ds).values - error + 0.25  # a constant goes into the dressing
    model = b.ElevationCorrection().fit(ds)
    np.testing.assert_allclose(model.coefficients.sel(term="height_difference"), -0.005, atol=2e-4)
    np.testing.assert_allclose(model.dressing, 0.25, atol=0.05)
    assert mae(model.predict(ds), ds) < 0.05


def test_dressing_covers_eighty_percent_of_the_training_period(train):
    for by_surface in (False, True):
        forecast = b.Today(by_surface=by_surface).fit(train).predict(train)
        target = analysis(train)
        inside = (forecast.sel(quantile=0.1) <= target) & (target <= forecast.sel(quantile=0.9))
        np.testing.assert_allclose(inside.mean(["time", "y", "x"]), 0.8, atol=0.01)
        below = (target <= forecast.sel(quantile=0.5)).mean(["time", "y", "x"])
        np.testing.assert_allclose(below, 0.5, atol=0.01)


def test_land_and_sea_apart(train):
    ds = train.copy(deep=True)
    land = predictor(ds, "land_area_fraction").values > 0.5
    noise = np.random.default_rng(0).normal(size=land.shape)
    ds["targets"][..., 0] = control(ds).values + noise * np.where(land, 2.0, 0.5)
    model = b.ElevationCorrection(by_surface=True).fit(ds)
    width = model.dressing.sel(quantile=0.9) - model.dressing.sel(quantile=0.1)
    ratio = (width.sel(surface="land") / width.sel(surface="sea")).mean()
    assert ratio == pytest.approx(4, abs=0.3)
    forecast = model.predict(ds)
    got = (forecast.sel(quantile=0.9) - forecast.sel(quantile=0.1)).values
    assert (got[land].min()) > (got[~land].max())


def test_training_without_sea_borrows(train):
    only_land = train.isel(x=slice(30, 64))
    model = b.Today(by_surface=True).fit(only_land)
    np.testing.assert_array_equal(model.dressing.sel(surface="sea"), model.dressing.sel(surface="land"))


def test_climatology_knows_no_forecast(train, test_runs):
    model = b.Climatology().fit(train)
    changed = test_runs.copy(deep=True)
    names = list(changed["predictor"].values)
    for name in (LOW, CONTROL, HIGH, "cloud_area_fraction", "bias_recent"):
        changed["predictors"][..., names.index(name)] = 99
    np.testing.assert_array_equal(model.predict(changed).values, model.predict(test_runs).values)
    assert (model.coefficients == model.coefficients.isel(leadtime=0)).all()


def test_thinned_fit_is_close(train):
    full, thin = (b.Today(thin=t).fit(train).coefficients for t in (1, 2))
    np.testing.assert_allclose(full, thin, atol=0.1)


def test_predict_before_fit(runs):
    with pytest.raises(BootcampError, match="Today has not been fitted"):
        b.Today().predict(runs)


def test_other_lead_times_are_refused(runs):
    with pytest.raises(BootcampError, match="other lead times"):
        b.Today().fit(runs).predict(runs.isel(leadtime=slice(0, 3)))
