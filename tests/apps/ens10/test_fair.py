"""The score against the library and against its expectation; the closed forms against numerical minima."""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
import math

from maelstrom_bootcamp.apps.ens10 import fair
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.verify.scores import crps_ensemble

import keras
import numpy as np
import pytest
import tensorflow as tf
import xarray as xr
from scipy.optimize import minimize_scalar
from scipy.stats import norm


def naive(members, y, alpha):
    """Along axis 1, as Lang et al. (2024) write it, in float64."""
    x = np.moveaxis(np.asarray(members, float), 1, 0)
    m = len(x)
    pairs = np.abs(x[:, None] - x[None]).sum((0, 1))
    return np.abs(x - y).mean(0) - (1 - (1 - alpha) / m) * pairs / (2 * m * (m - 1))


@pytest.mark.parametrize(("alpha", "is_fair"), [(0.0, False), (1.0, True)])
def test_ends_agree_with_the_score_of_the_verification(alpha, is_fair):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(7, 5, 3, 4)), rng.normal(size=(7, 3, 4))
    dims = ("time", "member", "y", "x")
    expected = crps_ensemble(
        xr.DataArray(x, dims=dims), xr.DataArray(y, dims=("time", "y", "x")), [], fair=is_fair
    )
    np.testing.assert_allclose(np.asarray(fair.ensemble_crps(x, y, alpha)), expected, atol=1e-6)


def test_between_the_ends_it_is_their_mixture():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(50, 4)), rng.normal(size=50)
    unfair, almost, whole = (np.asarray(fair.ensemble_crps(x, y, a)) for a in (0, 0.95, 1))
    np.testing.assert_allclose(almost, 0.95 * whole + 0.05 * unfair, rtol=1e-5)
    np.testing.assert_allclose(almost, naive(x, y, 0.95), rtol=1e-4, atol=1e-6)


def test_axis_and_order_of_members():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(6, 5)), rng.normal(size=6)
    one = np.asarray(fair.ensemble_crps(x, y, 0.5))
    np.testing.assert_allclose(fair.ensemble_crps(x.T, y, 0.5, axis=0), one, rtol=1e-6)
    np.testing.assert_allclose(fair.ensemble_crps(x[:, [3, 0, 4, 1, 2]], y, 0.5), one, rtol=1e-5)


def test_small_differences_of_large_numbers_survive_in_single_precision():
    rng = np.random.default_rng(3)
    x = (rng.choice([-1, 1], (200, 5)) * 1e4 + rng.normal(size=(200, 5))).astype("f4")  # two far camps
    y = np.sort(x, axis=1)[:, 2]  # the truth is a member
    exact = naive(x, y.astype(float), 1.0)
    found = np.asarray(fair.ensemble_crps(x, y, 1.0))
    assert found.dtype == np.float32
    assert np.abs(found - exact).max() < 1e-6 * np.abs(exact).max()
    between = np.array([[-1e6, 1e6]], "f4")
    assert float(fair.ensemble_crps(between, np.array([0.125], "f4"), 1.0)[0]) == 0
    assert (np.asarray(fair.ensemble_crps(x, y, 0.95)) >= 0).all()


def test_fair_score_of_two_is_the_distance_from_their_interval():
    x = np.array([[1.0, 3.0]] * 4)
    found = fair.ensemble_crps(x, np.array([0.0, 1.5, 3.0, 5.0]), 1.0)
    np.testing.assert_allclose(found, [1, 0, 0, 2])


def test_one_member_is_an_absolute_error_and_has_no_fair_score():
    found = fair.ensemble_crps(np.array([[3.0], [1.0]]), np.array([1.0, 1.0]), 0.0)
    np.testing.assert_allclose(found, [2, 0])
    with pytest.raises(BootcampError, match="1 members"):
        fair.ensemble_crps(np.zeros((2, 1)), np.zeros(2), 1.0)


@pytest.mark.parametrize("alpha", [-0.1, 1.1])
def test_alpha_out_of_range(alpha):
    for call in (
        lambda: fair.ensemble_crps(np.zeros((2, 3)), np.zeros(2), alpha),
        lambda: fair.EnsembleCRPS(alpha),
        lambda: fair.best_levels(3, alpha),
        lambda: fair.spread_error_ratio(3, alpha, together=True),
        lambda: fair.excess(1.0, 3, alpha),
    ):
        with pytest.raises(BootcampError, match="alpha"):
            call()


def test_expectation_of_independent_members():
    """Fair: that of the distribution for every M. Unfair and almost fair: more by a known amount."""
    rng = np.random.default_rng(4)
    n, s = 200_000, 0.7
    y = rng.normal(size=n)
    infinite = math.sqrt(2 / math.pi) * (math.sqrt(1 + s**2) - s / math.sqrt(2))
    for m in (2, 3, 5, 10):
        x = s * rng.normal(size=(n, m))
        for alpha in (0.0, 0.95, 1.0):
            score = np.asarray(fair.ensemble_crps(x, y, alpha))
            margin = 4.5 * score.std() / math.sqrt(n)
            assert abs(score.mean() - infinite - fair.excess(s, m, alpha)) < margin, (m, alpha)
        assert fair.excess(s, m) > 4 * margin, "the bias that is tested is larger than the margin"


def test_fair_is_fair_only_to_independent_members():
    """Members that are pushed away from their mean score better than the truth's own distribution."""
    rng = np.random.default_rng(5)
    n, m = 100_000, 5
    y, x = rng.normal(size=n), rng.normal(size=(n, m))
    mean = x.mean(axis=1, keepdims=True)
    pushed = mean + 1.3 * (x - mean)
    honest, cooperating = (np.asarray(fair.ensemble_crps(a, y, 1.0)) for a in (x, pushed))
    difference = cooperating - honest
    assert difference.mean() < -5 * difference.std() / math.sqrt(n)
    honest, cooperating = (np.asarray(fair.ensemble_crps(a, y, 0.0)) for a in (x, pushed))
    assert (cooperating - honest).mean() > 0, "the unfair score is not so easily misled"


@pytest.mark.parametrize("members", [2, 3, 5, 10])
@pytest.mark.parametrize("alpha", [0.0, 0.5, 0.95, 1.0])
@pytest.mark.parametrize("together", [False, True])
def test_best_spread_is_where_the_expected_score_is_least(members, alpha, together):
    k, w = 1 - 1 / members, 1 - (1 - alpha) / members

    def score(u):  # E|N(0, v)| = sqrt(2 v / pi); two members differ by N(0, 2 u²)
        far = 1 + u**2 * (k if together else 1)
        return math.sqrt(2 / math.pi) * (math.sqrt(far) - w * u / math.sqrt(2))

    expected = fair.spread_error_ratio(members, alpha, together=together)
    if members == 2 and alpha == 1 and together:
        assert math.isinf(expected)
        assert score(1e3) < score(1e2) < score(10)
        return
    u = minimize_scalar(score, bounds=(0, 30), method="bounded", options={"xatol": 1e-9}).x
    of_the_mean = 1 if together else math.sqrt(1 + u**2 / members)
    assert expected == pytest.approx(math.sqrt((members + 1) / members) * u / of_the_mean, rel=1e-4)


def test_best_spread_by_sampling():
    """The Gaussian algebra itself: draw worlds, push members apart, look where the score is least."""
    rng = np.random.default_rng(6)
    n, m = 60_000, 5
    x = rng.normal(size=(n, m))
    centre = x.mean(axis=1, keepdims=True)
    y = centre[:, 0] + rng.normal(size=n)
    for alpha in (0.0, 1.0):
        best = minimize_scalar(
            lambda c, a=alpha: float(np.mean(fair.ensemble_crps(centre + c * (x - centre), y, a))),
            bounds=(0.2, 4),
            method="bounded",
        ).x
        expected = fair.spread_error_ratio(m, alpha, together=True)
        assert math.sqrt((m + 1) / m) * best == pytest.approx(expected, rel=0.03)


def test_what_the_scores_ask_for():
    assert fair.spread_error_ratio(7, 1.0, together=False) == pytest.approx(1)
    assert fair.spread_error_ratio(7, 0.0, together=True) == pytest.approx(1)
    assert fair.spread_error_ratio(5, 1.0, together=True) == pytest.approx(math.sqrt(2.5))
    assert fair.spread_error_ratio(5, 0.0, together=False) < 0.75
    for together in (False, True):
        assert fair.spread_error_ratio(1000, 0.95, together=together) == pytest.approx(1, abs=0.01)
    with pytest.raises(BootcampError, match="1 members"):
        fair.spread_error_ratio(1, 0.0, together=False)


@pytest.mark.parametrize(("members", "alpha"), [(2, 0.0), (2, 0.95), (3, 0.5), (4, 0.0)])
def test_best_levels_have_the_least_expected_score(members, alpha):
    y = norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    best = norm.ppf(fair.best_levels(members, alpha))

    def score(x):
        return float(np.mean(fair.ensemble_crps(np.broadcast_to(x, (len(y), members)), y, alpha)))

    least = score(best)
    for i in range(members):
        for step in (-0.1, 0.1):
            other = best.copy()
            other[i] += step
            assert score(other) > least, (i, step)


def test_best_levels_at_the_ends():
    np.testing.assert_allclose(fair.best_levels(4, 0.0), [1 / 8, 3 / 8, 5 / 8, 7 / 8])
    np.testing.assert_allclose(fair.best_levels(3, 1.0), [0, 0.5, 1], atol=1e-12)
    with pytest.raises(BootcampError, match="1 member"):
        fair.best_levels(1, 0.0)


def test_loss_is_the_mean_score_and_trains_and_saves():
    rng = np.random.default_rng(7)
    x, y = rng.normal(size=(8, 5, 3)).astype("f4"), rng.normal(size=(8, 1, 3)).astype("f4")
    loss = fair.EnsembleCRPS(0.95)
    assert float(loss(y, x)) == pytest.approx(naive(x, y[:, 0], 0.95).mean(), rel=1e-5)
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert float(again(y, x)) == float(loss(y, x))
    members = tf.constant([[2.0, 4.0]])
    with tf.GradientTape() as tape:
        tape.watch(members)
        value = fair.EnsembleCRPS(1.0)(np.zeros((1, 1), "f4"), members)
    np.testing.assert_allclose(tape.gradient(value, members), [[1, 0]])


def test_loss_refuses_a_truth_without_place_for_members():
    with pytest.raises(BootcampError, match="shape"):
        fair.EnsembleCRPS()(np.zeros((8, 5), "f4"), np.zeros((8, 5), "f4"))
