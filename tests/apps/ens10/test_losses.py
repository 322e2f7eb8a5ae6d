"""The closed form of the CRPS, and the loss that weighs rows by their area."""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
from maelstrom_bootcamp.apps.ens10.losses import GaussianCRPS, gaussian_crps
from maelstrom_bootcamp.errors import BootcampError

import keras
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm


@pytest.mark.parametrize(("y", "mu", "sigma"), [(0.0, 0.0, 1.0), (2.5, 1.0, 0.4), (-3.0, 1.0, 2.0)])
def test_closed_form_is_the_integral_that_defines_the_score(y, mu, sigma):
    below, _ = quad(lambda x: norm.cdf(x, mu, sigma) ** 2, mu - 12 * sigma - 5, y)
    above, _ = quad(lambda x: norm.sf(x, mu, sigma) ** 2, y, mu + 12 * sigma + 5)
    assert float(gaussian_crps(y, mu, sigma)) == pytest.approx(below + above, rel=1e-5)


def test_a_certain_forecast_scores_its_absolute_error():
    assert float(gaussian_crps(3.0, 1.0, 1e-6)) == pytest.approx(2, rel=1e-5)


def test_the_score_is_proper():
    """Truth from N(0, 1): the mean score is least for just this forecast."""
    y = norm.ppf((np.arange(4000) + 0.5) / 4000)
    mean = {(m, s): float(np.mean(gaussian_crps(y, m, s))) for m in (-0.2, 0.0, 0.2) for s in (0.8, 1.0, 1.2)}
    assert min(mean, key=mean.get) == (0.0, 1.0)


def test_rows_count_as_their_area():
    y = np.zeros((2, 3, 4), "f4")
    forecast = np.zeros((2, 3, 4, 2), "f4")
    forecast[..., 1] = 1e-6
    forecast[:, 0, :, 0] = 1  # only the first row is wrong, by one
    assert float(GaussianCRPS()(y, forecast)) == pytest.approx(1 / 3, rel=1e-4)
    assert float(GaussianCRPS([1, 2, 1])(y, forecast)) == pytest.approx(1 / 4, rel=1e-4)


def test_loss_survives_saving():
    loss = GaussianCRPS([1.0, 0.5])
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert again.row_weights == [1.0, 0.5]


def test_bad_input_is_refused():
    with pytest.raises(BootcampError, match="not all positive"):
        GaussianCRPS([1, 0])
    with pytest.raises(BootcampError, match="shape"):
        GaussianCRPS()(np.zeros((2, 3, 4), "f4"), np.zeros((2, 4, 3, 2), "f4"))
