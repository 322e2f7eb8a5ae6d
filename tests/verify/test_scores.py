"""Properties that every score has to have."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.verify import scores

LEVELS = [0.1, 0.5, 0.9]
FIELD = hnp.arrays(np.float64, (4, 3), elements=st.floats(-40, 40))
property_test = settings(deadline=None, max_examples=30)


def field(values):
    return xr.DataArray(values, dims=("time", "x"), coords={"time": np.arange(4)})


def quantiles(values, levels=LEVELS):
    """Quantile forecast whose quantiles are `values` plus something that grows with the level."""
    return xr.concat([field(values) + 2 * (q - 0.5) for q in levels], "quantile").assign_coords(
        quantile=levels
    )


@property_test
@given(values=FIELD)
def test_perfect_forecasts_score_zero(values):
    perfect = field(values)
    stack = xr.concat([perfect] * 3, "quantile").assign_coords(quantile=LEVELS)
    for score in (scores.mae, scores.rmse, scores.bias, scores.share_of_large_errors):
        assert float(score(perfect, perfect)) == 0
    assert float(scores.quantile_score(perfect, perfect, 0.3)) == 0
    assert float(scores.mean_quantile_score(stack, perfect)) == 0
    assert float(scores.crps_from_quantiles(stack, perfect)) == 0
    assert float(scores.crps_ensemble(stack.drop_vars("quantile").rename(quantile="member"), perfect)) == 0
    assert float(scores.coverage(stack, perfect)) == 1
    assert float(scores.sharpness(stack)) == 0


@property_test
@given(forecast=FIELD, target=FIELD)
def test_the_crps_of_a_point_forecast_is_the_mae(forecast, target):
    f, o = field(forecast), field(target)
    mae = float(scores.mae(f, o))
    one = f.expand_dims(member=1)
    assert float(scores.crps_ensemble(one, o)) == pytest.approx(mae, abs=1e-12)
    stack = xr.concat([f] * 3, "quantile").assign_coords(quantile=LEVELS)
    assert float(scores.crps_from_quantiles(stack, o)) == pytest.approx(mae, abs=1e-12)


@property_test
@given(forecast=FIELD, target=FIELD, q=st.floats(0.05, 0.95))
def test_quantile_score_symmetry_scaling_and_median(forecast, target, q):
    f, o = field(forecast), field(target)
    score = float(scores.quantile_score(f, o, q))
    assert score >= 0
    assert float(scores.quantile_score(-f, -o, 1 - q)) == pytest.approx(score, abs=1e-9)
    assert float(scores.quantile_score(3 * f, 3 * o, q)) == pytest.approx(3 * score, abs=1e-9)
    assert float(scores.quantile_score(f + 5, o + 5, q)) == pytest.approx(score, abs=1e-9)
    assert float(scores.quantile_score(f, o, 0.5)) == pytest.approx(float(scores.mae(f, o)) / 2, abs=1e-12)


@property_test
@given(forecast=FIELD, target=FIELD)
def test_errors_by_their_definition(forecast, target):
    f, o, e = field(forecast), field(target), forecast - target
    assert float(scores.mae(f, o)) == pytest.approx(np.abs(e).mean(), abs=1e-12)
    assert float(scores.rmse(f, o)) == pytest.approx(np.sqrt((e**2).mean()), abs=1e-9)
    assert float(scores.bias(f, o)) == pytest.approx(e.mean(), abs=1e-12)
    assert float(scores.share_of_large_errors(f, o)) == pytest.approx((np.abs(e) > 3).mean(), abs=1e-12)
    assert abs(float(scores.bias(f, o))) <= float(scores.mae(f, o)) + 1e-12
    assert float(scores.mae(f, o)) <= float(scores.rmse(f, o)) + 1e-9


@property_test
@given(forecast=FIELD, target=FIELD)
def test_quantile_forecasts_by_their_definition(forecast, target):
    f, o = quantiles(forecast), field(target)
    inside = (f[0] <= o) & (o <= f[2])
    assert float(scores.coverage(f, o)) == pytest.approx(float(inside.mean()), abs=1e-12)
    assert float(scores.sharpness(f)) == pytest.approx(1.6, abs=1e-9)
    np.testing.assert_allclose(scores.reliability(f, o), (o <= f).mean(("time", "x")))
    by_level = [float(scores.quantile_score(f[i], o, q)) for i, q in enumerate(LEVELS)]
    assert float(scores.mean_quantile_score(f, o)) == pytest.approx(np.mean(by_level), abs=1e-12)
    crps = 2 * np.dot([0.3, 0.4, 0.3], by_level)
    assert float(scores.crps_from_quantiles(f, o)) == pytest.approx(crps, abs=1e-9)


def test_quantile_score_is_smallest_at_the_true_quantile():
    target = xr.DataArray(np.random.default_rng(0).standard_normal(20_000), dims="x")
    for q, truth in ((0.1, -1.2816), (0.5, 0.0), (0.9, 1.2816)):
        tries = truth + np.linspace(-0.8, 0.8, 17)
        values = [float(scores.quantile_score(xr.full_like(target, t), target, q)) for t in tries]
        assert abs(tries[int(np.argmin(values))] - truth) <= 0.11


def test_many_quantiles_give_the_true_crps():
    # CRPS of a standard normal forecast of the value 0: sqrt(2 / pi) - 1 / sqrt(pi).
    from scipy import stats

    levels = (np.arange(100) + 0.5) / 100
    forecast = xr.DataArray(
        stats.norm.ppf(levels)[:, None], dims=("quantile", "x"), coords={"quantile": levels}
    )
    found = float(scores.crps_from_quantiles(forecast, xr.DataArray([0.0], dims="x")))
    assert found == pytest.approx(np.sqrt(2 / np.pi) - 1 / np.sqrt(np.pi), abs=2e-3)


def test_the_fair_crps_does_not_punish_small_ensembles():
    rng = np.random.default_rng(2)
    target = xr.DataArray(rng.standard_normal(40_000), dims="x")
    ensemble = xr.DataArray(rng.standard_normal((4, 40_000)), dims=("member", "x"))
    true = 1 / np.sqrt(np.pi)  # of a normal forecast that is right, averaged over the targets
    assert float(scores.crps_ensemble(ensemble, target, fair=True)) == pytest.approx(true, abs=0.01)
    assert float(scores.crps_ensemble(ensemble, target)) > true + 0.1


def test_skill():
    assert scores.skill(0.4, 0.4) == 0
    assert scores.skill(0.0, 0.4) == 1
    assert float(scores.skill(xr.DataArray(0.8), 0.4)) == -1


def test_dimensions_are_kept_by_name():
    rng = np.random.default_rng(0)
    f, o = quantiles(rng.standard_normal((4, 3))), field(rng.standard_normal((4, 3)))
    assert scores.mae(f[1], o, "x").dims == ("time",)
    assert scores.mean_quantile_score(f, o, ["x"]).dims == ("time",)
    assert scores.coverage(f, o, "time").dims == ("x",)
    assert scores.reliability(f, o, "time").dims == ("quantile", "x")
    assert scores.sharpness(f, "x").dims == ("time",)
    member = f.drop_vars("quantile").rename(quantile="member")
    assert scores.crps_ensemble(member, o, "x").dims == ("time",)


def test_missing_values_leave_out_the_pair():
    rng = np.random.default_rng(0)
    f, o = quantiles(rng.standard_normal((4, 3))), field(rng.standard_normal((4, 3)))
    holes, some = f.copy(), o.copy()
    holes[1, 0, 0] = np.nan  # one quantile only
    some[3, 2] = np.nan
    known = np.ones((4, 3), bool)
    known[0, 0] = known[3, 2] = False
    kept_f, kept_o = f.where(field(known)), o.where(field(known))
    member = {"quantile": "member"}
    pairs = [
        (scores.mean_quantile_score(holes, some), scores.mean_quantile_score(kept_f, kept_o)),
        (scores.crps_from_quantiles(holes, some), scores.crps_from_quantiles(kept_f, kept_o)),
        (
            scores.crps_ensemble(holes.drop_vars("quantile").rename(member), some),
            scores.crps_ensemble(kept_f.drop_vars("quantile").rename(member), kept_o),
        ),
        (scores.mae(holes[1], some), scores.mae(kept_f[1], kept_o)),
        (scores.share_of_large_errors(holes[1], some), scores.share_of_large_errors(kept_f[1], kept_o)),
    ]
    for found, expected in pairs:
        assert float(found) == pytest.approx(float(expected), abs=1e-12)
    one_less = f.copy()
    one_less[0, 0, 0] = np.nan
    width_unknown = float(scores.coverage(one_less, o))
    inside = ((f[0] <= o) & (o <= f[2])).values
    assert width_unknown == pytest.approx(np.delete(inside.ravel(), 0).mean())


def test_other_points_are_an_error_not_a_silent_selection():
    o = field(np.zeros((4, 3)))
    shifted = o.assign_coords(time=np.arange(4) + 1)
    with pytest.raises(BootcampError, match="same points"):
        scores.mae(shifted, o)
    with pytest.raises(BootcampError, match="dimensions"):
        scores.mae(o.isel(x=0), o)
    with pytest.raises(BootcampError, match="'station'"):
        scores.mae(o, o, "station")


def test_other_mistakes_name_their_cure():
    f, o = quantiles(np.zeros((4, 3))), field(np.zeros((4, 3)))
    for call in (
        lambda: scores.quantile_score(o, o, 1.0),
        lambda: scores.coverage(f, o, low=0.2),
        lambda: scores.mean_quantile_score(o, o),
        lambda: scores.mean_quantile_score(f.drop_vars("quantile"), o),
        lambda: scores.crps_from_quantiles(f.isel(quantile=[2, 1, 0]), o),
        lambda: scores.crps_ensemble(f, o),
        lambda: scores.crps_ensemble(o.expand_dims(member=1), o, fair=True),
    ):
        with pytest.raises(BootcampError) as caught:
            call()
        assert caught.value.cure
