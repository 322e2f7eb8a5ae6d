"""The quantile loss, with and without uncertainty of the target."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from maelstrom_bootcamp import nn
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.nn.losses import approximate_extra, exact_extra

ERRORS = st.floats(-50, 50, width=32)
LEVELS = st.floats(0.01, 0.99)


def rho(error, q):
    return np.where(error < 0, (q - 1) * error, q * error)


def numpy(x):
    return np.asarray(keras.ops.convert_to_numpy(x))


@settings(deadline=None, max_examples=50)
@given(error=ERRORS, q=LEVELS)
def test_quantile_score_is_its_definition(error, q):
    error = np.float32(error)
    np.testing.assert_allclose(nn.quantile_score(error, 0.0, q), rho(error, q), rtol=1e-5, atol=1e-6)
    # Symmetric: turning the axis round swaps q and 1 - q.
    np.testing.assert_allclose(
        nn.quantile_score(-error, 0.0, 1 - q), nn.quantile_score(error, 0.0, q), rtol=1e-5, atol=1e-6
    )


def test_quantile_score_is_smallest_at_the_true_quantile():
    sample = np.random.default_rng(0).gamma(2.0, 1.5, 40_000).astype("f")
    for q in (0.1, 0.5, 0.9):
        truth = stats.gamma(2.0, scale=1.5).ppf(q)
        forecasts = truth + np.linspace(-1, 1, 41)
        mean = [float(np.mean(nn.quantile_score(sample, np.float32(f), q))) for f in forecasts]
        assert abs(forecasts[int(np.argmin(mean))] - truth) <= 0.051


@pytest.mark.parametrize("q", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.5])
@pytest.mark.parametrize("error", [-4.0, -0.7, 0.0, 0.2, 3.0])
def test_the_exact_loss_is_the_expectation_over_the_target(q, sigma, error):
    def integrand(z):
        return float(rho(error + sigma * z, q)) * stats.norm.pdf(z)

    kink = -error / sigma
    expected = integrate.quad(integrand, -12, kink)[0] + integrate.quad(integrand, kink, 12)[0]
    found = rho(error, q) + float(exact_extra(np.float32(error), np.float32(sigma)))
    assert found == pytest.approx(expected, abs=2e-6)


def test_the_exact_loss_agrees_with_monte_carlo():
    z = np.random.default_rng(1).standard_normal(400_000)
    expected = rho(0.4 + 0.8 * z, 0.9).mean()
    found = rho(0.4, 0.9) + float(exact_extra(np.float32(0.4), np.float32(0.8)))
    assert found == pytest.approx(expected, abs=4e-3)


def test_the_approximation_is_as_good_as_published():
    u = np.arange(0, 6, 1e-3)
    difference = numpy(approximate_extra(u, np.ones_like(u))) - numpy(exact_extra(u, np.ones_like(u)))
    assert np.abs(difference).max() == pytest.approx(0.0197, abs=5e-5)
    assert u[np.abs(difference).argmax()] == pytest.approx(1.45, abs=0.01)
    assert np.sqrt((difference**2).mean()) == pytest.approx(0.0093, abs=5e-5)


@settings(deadline=None, max_examples=50)
@given(error=ERRORS, sigma=st.floats(0.015625, 5, width=32))
def test_both_extras_scale_and_stay_in_bounds(error, sigma):
    error, sigma = np.float32(error), np.float32(sigma)
    exact, approximate = float(exact_extra(error, sigma)), float(approximate_extra(error, sigma))
    assert -1e-5 * max(1, abs(error)) <= exact <= sigma / np.sqrt(2 * np.pi) * 1.0001
    assert abs(exact - approximate) <= 0.0198 * sigma + 1e-5 * max(1, abs(error))
    doubled = float(exact_extra(2 * error, 2 * sigma))
    assert doubled == pytest.approx(2 * exact, rel=1e-4, abs=1e-4)
    assert float(exact_extra(-error, sigma)) == exact


@pytest.mark.parametrize("extra", [exact_extra, approximate_extra])
def test_a_certain_target_gives_the_plain_score_and_a_finite_gradient(extra):
    error = tf.constant([-3.0, -1e-6, 0.0, 1e-6, 2.0, 1e4])
    for sigma in (0.0, 1e-12, 1e-6, 0.5):
        with tf.GradientTape() as tape:
            tape.watch(error)
            value = extra(error, tf.fill(error.shape, sigma))
        gradient = tape.gradient(value, error)
        assert np.isfinite(numpy(value)).all()
        assert np.isfinite(numpy(gradient)).all()
        if sigma < 1e-7:
            np.testing.assert_allclose(numpy(value), 0, atol=1e-7)
    far = numpy(extra(np.float32([30.0, -30.0]), np.float32([1.0, 1.0])))
    np.testing.assert_allclose(far, 0, atol=1e-5)


def fields(size=8, sigma=0.5, seed=0):
    rng = np.random.default_rng(seed)
    target = rng.standard_normal((2, size, size, 1)).astype("f")
    y_true = np.concatenate([target, np.full_like(target, sigma)], -1)
    return y_true, rng.standard_normal((2, size, size, 3)).astype("f")


@pytest.mark.parametrize("trim", [0, 3])
@pytest.mark.parametrize("uncertainty", [None, "exact", "approximate", "weights"])
def test_the_loss_is_the_mean_over_quantiles_and_pixels_kept(uncertainty, trim):
    y_true, y_pred = fields()
    inner = slice(trim, 8 - trim)
    target, sigma = y_true[:, inner, inner, 0], y_true[:, inner, inner, 1]
    expected = []
    for i, q in enumerate((0.1, 0.5, 0.9)):
        error = target - y_pred[:, inner, inner, i]
        score = rho(error, q)
        if uncertainty == "exact":
            score = score + numpy(exact_extra(error, sigma))
        elif uncertainty == "approximate":
            score = score + 0.8 * sigma * np.exp(-1.4 * np.abs(error) / sigma) / 2
        elif uncertainty == "weights":
            score = score / (1 + sigma)
        expected.append(score.mean())
    found = nn.QuantileLoss(uncertainty=uncertainty, trim=trim)(y_true, y_pred)
    assert float(found) == pytest.approx(np.mean(expected), rel=1e-5)


def test_a_perfect_forecast_of_a_certain_target_scores_zero():
    y_true, _ = fields(sigma=0.0)
    y_pred = np.repeat(y_true[..., :1], 3, -1)
    for uncertainty in (None, "exact", "approximate", "weights"):
        assert float(nn.QuantileLoss(uncertainty=uncertainty, trim=0)(y_true, y_pred)) == 0


def test_the_median_alone_is_half_the_mean_absolute_error():
    y_true, y_pred = fields()
    loss = nn.QuantileLoss((0.5,), trim=0)(y_true, y_pred[..., :1])
    assert float(loss) == pytest.approx(np.abs(y_true[..., 0] - y_pred[..., 0]).mean() / 2, rel=1e-5)


def test_a_target_of_one_channel_does_without_uncertainty():
    y_true, y_pred = fields()
    loss = nn.QuantileLoss(trim=0)
    assert float(loss(y_true[..., :1], y_pred)) == float(loss(y_true, y_pred))


def test_the_loss_survives_saving(tmp_path):
    loss = nn.QuantileLoss((0.25, 0.75), "exact", 1, name="mine")
    again = nn.QuantileLoss.from_config(loss.get_config())
    assert again.get_config() == loss.get_config()
    model = nn.linear_net(2, 2)
    nn.compile_model(model, loss)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.loss.get_config() == loss.get_config()


@pytest.mark.parametrize(
    "options",
    [
        {"quantiles": ()},
        {"quantiles": (0.5, 1.0)},
        {"uncertainty": "some"},
        {"trim": -1},
        {"trim": 1.5},
    ],
)
def test_bad_options(options):
    with pytest.raises(BootcampError):
        nn.QuantileLoss(**options)


def test_bad_shapes_name_the_cure():
    y_true, y_pred = fields()
    with pytest.raises(BootcampError, match="n_outputs"):
        nn.QuantileLoss((0.5,), trim=0)(y_true, y_pred)
    with pytest.raises(BootcampError, match="target_std"):
        nn.QuantileLoss(uncertainty="exact", trim=0)(y_true[..., :1], y_pred)
    with pytest.raises(BootcampError, match="smaller trim"):
        nn.QuantileLoss(trim=4)(y_true, y_pred)
