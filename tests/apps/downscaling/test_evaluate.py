"""Tables of scores whose values are known, and intervals that are wide where they should be."""

import numpy as np
import pytest
import xarray as xr

from maelstrom_bootcamp.apps.downscaling import evaluate
from maelstrom_bootcamp.apps.downscaling.dataset import heights, time_blocks
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.verify import spatial


@pytest.fixture(scope="module")
def test_months(made_splits):
    return made_splits["training"]  # the longest


@pytest.fixture(scope="module")
def forecasts(test_months):
    target = test_months["t2m_tar"].astype(float)
    rough = xr.zeros_like(target) + np.random.default_rng(0).standard_normal(target.shape)
    return {
        "bilinear": test_months["t2m_in"],
        "fitted rate": target + 1.0,
        "rough": target + 0.5 * rough,
        "half": target.mean(("lat", "lon")) + 0.5 * (target - target.mean(("lat", "lon"))),
    }


@pytest.fixture(scope="module")
def found(forecasts, test_months):
    return evaluate.by_time(forecasts, test_months)


def test_what_is_kept_of_each_time(found, forecasts, test_months):
    assert found["square"].dims == ("model", "time")
    error = forecasts["bilinear"].astype(float) - test_months["t2m_tar"]
    np.testing.assert_allclose(found["square"].sel(model="bilinear"), (error**2).mean(("lat", "lon")))
    np.testing.assert_array_equal(found["block"], time_blocks(test_months["time"], evaluate.BLOCK_DAYS))
    single = evaluate.by_time({"bilinear": forecasts["bilinear"]}, test_months, days=1)
    assert len(np.unique(single["block"])) == 24, "a block for each day"
    spacing = spatial.spacing_of_degrees(test_months["t2m_tar"])
    gradient = spatial.gradient_amplitude(test_months["t2m_tar"], spacing, evaluate.PLANE)
    np.testing.assert_allclose(found["gradient_of_target"], gradient.mean(("lat", "lon")))


def test_scores_of_forecasts_that_are_known(found):
    known = {
        ("fitted rate", "rmse"): 1,
        ("fitted rate", "bias"): 1,
        ("fitted rate", "gradient"): 1,
        ("fitted rate", "octave"): 0,
        ("rough", "rmse"): 0.5,
        ("half", "bias"): 0,
        ("half", "gradient"): 0.5,
        ("half", "octave"): -0.75,
    }
    for (method, score), value in known.items():
        interval = evaluate.estimate(found, method, score)
        assert interval.estimate == pytest.approx(value, abs=0.01), (method, score)
        assert interval.low - 1e-6 <= interval.estimate <= interval.high + 1e-6
    assert evaluate.estimate(found, "rough", "octave").low > 0.05
    assert evaluate.estimate(found, "rough", "gradient").low > 1


def test_skill_is_in_the_rmse(found):
    squares = found["square"].mean("time")
    ratio = np.sqrt(squares.sel(model="rough") / squares.sel(model="fitted rate"))
    gain = evaluate.skill(found, "rough", "fitted rate")
    assert gain.estimate == pytest.approx(1 - float(ratio))
    assert 0.4 < gain.low <= gain.estimate <= gain.high < 0.6
    assert tuple(evaluate.skill(found, "rough", "rough")) == (0, 0, 0)
    back = evaluate.skill(found, "fitted rate", "rough")
    assert back.low <= -1 <= back.high


def test_a_few_hard_days_make_a_wide_interval(test_months):
    target = test_months["t2m_tar"].astype(float)
    block = xr.DataArray(time_blocks(test_months["time"]), dims="time")
    steady, stormy = target + 1.0, target + xr.where(block == 0, 2.0, 0.5)
    found = evaluate.by_time({"steady": steady, "stormy": stormy}, test_months)
    widths = {m: np.ptp(evaluate.estimate(found, m, "rmse")[1:]) for m in ("steady", "stormy")}
    assert widths["steady"] < 1e-6
    assert widths["stormy"] > 0.3


def test_table_in_one_call(forecasts, test_months, found):
    scored = evaluate.table(forecasts, test_months, n=200)
    assert scored.index.tolist() == list(forecasts)
    assert set(scored.columns.get_level_values(0)) == {
        *evaluate.SCORES,
        "below bilinear",
        "below fitted rate",
    }
    assert scored.loc["rough", ("below fitted rate", "value")] == pytest.approx(50, abs=1)
    assert scored.loc["bilinear", ("below bilinear", "value")] == 0
    again = evaluate.table(found, n=200)
    np.testing.assert_array_equal(scored.values, again.values)
    text = evaluate.told(scored)
    assert text.loc["rough", "rmse"].startswith("0.499 (0.49")
    assert " to " in text.loc["rough", "below bilinear"]
    assert text.loc["bilinear", "below bilinear"] == "0.0"


def test_kinds_of_ground_are_apart(test_months):
    ds = test_months.copy()
    z = np.full(ds["z_tar"].shape, 300.0)
    z[:, :4] = 0  # sea
    z[8, 12], z[4, 18] = 100, 900
    ds["z_tar"] = ds["z_tar"].copy(data=9.80665 * z)
    masks = evaluate.kinds_of_ground(ds)
    assert list(masks) == ["sea", "coast", "valley", "ridge", "other land"]
    np.testing.assert_array_equal(sum(mask.astype(int) for mask in masks.values()), 1)
    assert masks["sea"].values[:, :4].all()
    assert masks["coast"].values[:, 4:7].all()
    assert not masks["coast"].values[:, 7:].any()
    assert np.argwhere(masks["valley"].values).tolist() == [[8, 12]]
    assert np.argwhere(masks["ridge"].values).tolist() == [[4, 18]]
    assert "sea" not in evaluate.kinds_of_ground(test_months)


def test_rmse_in_parts(forecasts, test_months):
    height = heights(test_months)[1]
    masks = {"high": height > height.mean(), "low": height <= height.mean()}
    parts = evaluate.rmse_by(forecasts, test_months, masks)
    assert parts.columns.tolist() == [*forecasts, "n"]
    assert parts["n"].sum() == test_months["t2m_tar"].size
    whole = np.sqrt((parts["bilinear"] ** 2 * parts["n"]).sum() / parts["n"].sum())
    error = forecasts["bilinear"].astype(float) - test_months["t2m_tar"]
    assert whole == pytest.approx(float(np.sqrt((error**2).mean())))
    hour = {"night": test_months["time"].dt.hour == 0}
    assert evaluate.rmse_by(forecasts, test_months, hour).loc["night", "fitted rate"] == pytest.approx(1)


def test_mistakes_name_their_cure(forecasts, found, test_months):
    few = {"bilinear": forecasts["bilinear"].isel(time=slice(4))}
    nowhere = {"moon": heights(test_months)[1] < -1e5}
    for call in (
        lambda: evaluate.by_time({}, test_months),
        lambda: evaluate.by_time(few, test_months),
        lambda: evaluate.estimate(found, "magic", "rmse"),
        lambda: evaluate.estimate(found, "rough", "psnr"),
        lambda: evaluate.skill(found, "rough", "magic"),
        lambda: evaluate.table(forecasts),
        lambda: evaluate.table({"rough": forecasts["rough"]}, test_months),
        lambda: evaluate.rmse_by(forecasts, test_months, nowhere),
    ):
        with pytest.raises(BootcampError) as caught:
            call()
        assert caught.value.cure
