"""Quantile losses, for targets that are known exactly and for targets that are not.

MAELSTROM's targets are analyses made of station observations, and every analysis comes with a standard
deviation. Far from stations it is large, and there an error of half a kelvin means little. The loss can know
that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from maelstrom_bootcamp.errors import BootcampError

QUANTILES = (0.1, 0.5, 0.9)
UNCERTAINTY = (None, "exact", "approximate", "weights")

#: Below this standard deviation (K) a target counts as certain: no division by zero, in value or gradient.
SMALLEST_SIGMA = 1e-6


def quantile_score(y: Any, yhat: Any, q: float) -> Any:
    """Quantile score (pinball loss) of each value.

    .. math:: \\rho_q(e) = (q - 1[e < 0])\\, e, \\qquad e = y - \\hat y

    Too low a forecast costs q per unit, too high a forecast costs 1 - q. The mean is smallest where the
    forecast is exceeded with probability 1 - q. For q = 0.5 it is half the absolute error.

    Parameters
    ----------
    y, yhat : tensor or array
        Target and forecast in the same unit; shapes broadcast.
    q : float
        Probability level, 0 < q < 1.

    Returns
    -------
    tensor
        Score of each value, in the unit of `y`.

    References
    ----------
    Koenker, R. and Bassett, G. (1978): Regression quantiles. Econometrica 46, 33-50.
    """
    error = ops.subtract(y, yhat)
    return ops.maximum(q * error, (q - 1) * error)


def exact_extra(error: Any, sigma: Any) -> Any:
    """What uncertainty of the target adds to the quantile score, exactly.

    If the truth is the target plus a Gaussian error of standard deviation sigma, the expected score is

    .. math:: E[\\rho_q(e + \\sigma Z)] = (q - \\tfrac12) e
        + \\tfrac12 \\left[e\\, \\mathrm{erf}\\frac{e}{\\sigma\\sqrt 2}
        + \\sigma \\sqrt{2/\\pi}\\; e^{-e^2 / 2\\sigma^2}\\right].

    This function returns that minus rho_q(e). It is the same for every q, because rho_q(e) is (q - 1/2) e +
    |e| / 2, and only the second part feels the spread (the mean of a folded normal distribution).

    Parameters
    ----------
    error : tensor
        Target minus forecast, in K.
    sigma : tensor
        Standard deviation of the target in K, >= 0; 0 gives 0.

    Returns
    -------
    tensor
        In K, between 0 and 0.399 sigma (at error 0).
    """
    u, sigma = _scaled(error, sigma)
    folded = u * ops.erf(u / 2**0.5) + (2 / math.pi) ** 0.5 * ops.exp(-(u**2) / 2)
    return sigma * (folded - u) / 2


def approximate_extra(error: Any, sigma: Any) -> Any:
    """What uncertainty of the target adds to the quantile score, in MET Norway's approximation.

    .. math:: \\tfrac12\\, 0.8\\, \\sigma\\, e^{-1.4 |e| / \\sigma}

    One exponential instead of an error function. It differs from `exact_extra` by at most 0.0197 sigma
    (at an error of 1.45 sigma).

    Parameters
    ----------
    error : tensor
        Target minus forecast, in K.
    sigma : tensor
        Standard deviation of the target in K, >= 0; 0 gives 0.

    Returns
    -------
    tensor
        In K.

    References
    ----------
    ``quantile_score_prob`` in ``maelstrom/loss.py`` of github.com/metno/maelstrom-train.
    """
    u, sigma = _scaled(error, sigma)
    return 0.8 * sigma * ops.exp(-1.4 * u) / 2


@keras.saving.register_keras_serializable(package="maelstrom_bootcamp")
class QuantileLoss(keras.losses.Loss):
    """Mean quantile score over quantiles and pixels, with or without the uncertainty of the target.

    Parameters
    ----------
    quantiles : sequence of float
        Probability level of each output channel, in this order.
    uncertainty : {None, "exact", "approximate", "weights"}
        None ignores it. "exact" and "approximate" take the expectation over a Gaussian error of the target
        (see `exact_extra`, `approximate_extra`). "weights" divides each pixel's score by 1 + sigma / (1 K).
    trim : int
        Pixels left out along each border. 32 = 2 ** 5 for the U-Net of 6 levels, whose output near a border
        depends on what lies beyond it.
    name, reduction, dtype
        As for every Keras loss.

    Notes
    -----
    ``y_true``: (batch, y, x, 2) = target and its standard deviation, in K; the second channel may be missing
    if `uncertainty` is None. ``y_pred``: (batch, y, x, number of quantiles) in K. A call returns K.
    """

    def __init__(
        self,
        quantiles: Sequence[float] = QUANTILES,
        uncertainty: str | None = None,
        trim: int = 32,
        *,
        name: str = "quantile_loss",
        reduction: str = "sum_over_batch_size",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if not quantiles or not all(0 < q < 1 for q in quantiles):
            raise BootcampError(
                f"quantiles={quantiles!r} are not all between 0 and 1.", "Try (0.1, 0.5, 0.9)."
            )
        if uncertainty not in UNCERTAINTY:
            raise BootcampError(
                f"uncertainty={uncertainty!r} does not exist.",
                "Choose None, 'exact', 'approximate' or 'weights'.",
            )
        if isinstance(trim, bool) or not isinstance(trim, int) or trim < 0:
            raise BootcampError(f"trim={trim!r} is not a whole number >= 0.", "Give a number of pixels.")
        self.quantiles = tuple(float(q) for q in quantiles)
        self.uncertainty = uncertainty
        self.trim = trim

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Score of each pixel that is kept: (batch, y - 2 trim, x - 2 trim) in K."""
        self._check(y_true.shape, y_pred.shape)
        y_true, y_pred = _trimmed(y_true, self.trim), _trimmed(y_pred, self.trim)
        target = y_true[..., 0]
        total = 0.0
        for i, q in enumerate(self.quantiles):
            score = quantile_score(target, y_pred[..., i], q)
            if self.uncertainty == "exact":
                score += exact_extra(target - y_pred[..., i], y_true[..., 1])
            elif self.uncertainty == "approximate":
                score += approximate_extra(target - y_pred[..., i], y_true[..., 1])
            total += score
        if self.uncertainty == "weights":
            total /= 1 + y_true[..., 1]
        return total / len(self.quantiles)

    def get_config(self) -> dict:
        """What a saved model needs to make this loss again."""
        own = {"quantiles": list(self.quantiles), "uncertainty": self.uncertainty, "trim": self.trim}
        return {**super().get_config(), **own}

    def _check(self, true_shape: tuple, pred_shape: tuple) -> None:
        if pred_shape[-1] != len(self.quantiles):
            raise BootcampError(
                f"The network has {pred_shape[-1]} outputs, the loss {len(self.quantiles)} quantiles.",
                "Build the network with n_outputs equal to the number of quantiles.",
            )
        if self.uncertainty is not None and true_shape[-1] < 2:
            raise BootcampError(
                f"The target has one channel, but uncertainty={self.uncertainty!r} needs two.",
                "Give y_true the channels (target, target_std), or use uncertainty=None.",
            )
        smallest = min((n for n in pred_shape[1:3] if n is not None), default=None)
        if smallest is not None and smallest <= 2 * self.trim:
            raise BootcampError(
                f"A trim of {self.trim} pixels leaves nothing of a patch of {smallest} pixels.",
                f"Use patches larger than {2 * self.trim} pixels, or a smaller trim.",
            )


def _trimmed(x: Any, trim: int) -> Any:
    return x[:, trim:-trim, trim:-trim] if trim else x


def _scaled(error: Any, sigma: Any) -> tuple[Any, Any]:
    """|error| in units of sigma, and sigma, safe where sigma is 0.

    The ratio is capped: at 30 both extras are below 1e-18 sigma, and a huge ratio squared would overflow and
    turn the gradient into NaN.
    """
    sigma = ops.convert_to_tensor(sigma)
    safe = ops.maximum(sigma, SMALLEST_SIGMA)
    return ops.minimum(ops.abs(error) / safe, 30.0), sigma
