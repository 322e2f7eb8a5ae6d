"""The CRPS of an ensemble as a loss: unfair, fair, almost fair; and what each of them asks an ensemble to do.

A few members are scored. The plain CRPS takes them for the whole forecast and finds fault with any gap
between them; the fair CRPS asks what an infinite ensemble of the same kind would score. It can know that
only if the members are independent draws, given what the forecast knows. Where they are not, because a
network lets them see each other, it is misled. `spread_error_ratio` says by how much, `best_levels` how far
that can go.
"""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
from __future__ import annotations

import math
from typing import Any

import numpy as np

from maelstrom_bootcamp import nn  # noqa: F401  (starts TensorFlow quietly)
from maelstrom_bootcamp.errors import BootcampError

import keras
from keras import ops

#: Of the almost fair score by which AIFS-CRPS was trained (Lang et al., 2024).
ALMOST_FAIR = 0.95


def ensemble_crps(members: Any, y: Any, alpha: float = 1.0, *, axis: int = 1) -> Any:
    """CRPS of an ensemble: unfair (alpha = 0), fair (1) or in between.

    .. math:: \\mathrm{CRPS}_\\alpha = \\frac1M \\sum_i |x_i - y|
        - \\frac{1 - \\varepsilon}{2M(M-1)} \\sum_{i,j} |x_i - x_j|, \\qquad \\varepsilon = (1 - \\alpha) / M

    which is alpha times the fair score plus 1 - alpha times the unfair one. The formula takes the difference
    of two numbers that may be large and alike. What is computed has no difference in it: of each pair of
    members the distance of the truth from the interval between them (that is the fair score), and a multiple
    of the length of that interval,

    .. math:: \\mathrm{CRPS}_\\alpha = \\overline{\\mathrm{dist}(y, [x_i, x_j])}
        + \\frac{\\varepsilon}{2} \\overline{|x_i - x_j|}

    (bars: means over pairs of different members), because |a - y| + |b - y| - |a - b| is twice that distance.

    Parameters
    ----------
    members : tensor or array
        With M members along `axis`; M is known when the function is called.
    y : tensor or array
        Truth in the same unit, of the shape of `members` without `axis`.
    alpha : float
        From 0 to 1.
    axis : int
        Dimension of the members, counted from the front.

    Returns
    -------
    tensor
        Score of each truth, in the same unit, of the shape of `y`; never below 0.

    Raises
    ------
    BootcampError
        If alpha is not from 0 to 1, or there are fewer than two members (for alpha = 0: than one).

    References
    ----------
    Lang, S. et al. (2024), arXiv:2412.15832, section 2 (the almost fair score, written as a sum of terms that
    are never negative). Ferro, C. (2014): Fair scores for ensemble forecasts. QJRMS 140, 1917-1923.
    """
    _check(alpha)
    members = ops.moveaxis(ops.convert_to_tensor(members), axis, 0)
    y = ops.cast(y, members.dtype)
    m = members.shape[0]
    if m is None or m < 1 or (m < 2 and alpha > 0):
        raise BootcampError(f"The fair CRPS of {m} members does not exist.", "Give two members at least.")
    if m == 1:
        return ops.abs(members[0] - y)
    outside, length = ops.zeros_like(y), ops.zeros_like(y)
    for lag in range(1, m):  # all pairs, as slices: one slice has all pairs that stand `lag` places apart
        low = ops.minimum(members[lag:], members[:-lag])
        high = ops.maximum(members[lag:], members[:-lag])
        outside += ops.sum(ops.relu(low - y) + ops.relu(y - high), axis=0)
        length += ops.sum(high - low, axis=0)
    return (outside + (1 - alpha) / (2 * m) * length) / (m * (m - 1) / 2)


@keras.saving.register_keras_serializable(package="maelstrom_bootcamp")
class EnsembleCRPS(keras.losses.Loss):
    """Mean `ensemble_crps`.

    Parameters
    ----------
    alpha : float
        0: unfair, 1: fair, 0.95: almost fair.
    name, reduction, dtype
        As for every Keras loss.

    Notes
    -----
    ``y_true``: (batch, 1, ...), the truth. ``y_pred``: (batch, members, ...), in the same unit. The place of
    the members is kept in the truth, because Keras wants targets and forecasts of the same rank.
    """

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        name: str = "ensemble_crps",
        reduction: str = "sum_over_batch_size",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        _check(alpha)
        self.alpha = float(alpha)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Score of each case: (batch, ...)."""
        if len(y_true.shape) != len(y_pred.shape) or y_true.shape[1] != 1:
            raise BootcampError(
                f"EnsembleCRPS got a truth of shape {tuple(y_true.shape)} and members of shape "
                f"{tuple(y_pred.shape)}.",
                "Give (batch, 1, ...) and (batch, members, ...).",
            )
        return ensemble_crps(y_pred, ops.squeeze(y_true, 1), self.alpha)

    def get_config(self) -> dict:
        """What a saved model needs to make this loss again."""
        return {**super().get_config(), "alpha": self.alpha}


def excess(spread: float, members: int, alpha: float = 0.0) -> float:
    """What a score of M independent members has too much: its expectation minus that of infinitely many.

    The fair score has the expectation of the infinite ensemble. The others have more, (1 - alpha) / (2 M) of
    the mean distance of two members; for members that are normally distributed that is 2 s / sqrt(pi).

    Parameters
    ----------
    spread : float
        Standard deviation s of the normal distribution from which the members are drawn.
    members : int
        M.
    alpha : float
        From 0 (unfair) to 1 (fair).

    Returns
    -------
    float
        In the unit of the spread.

    References
    ----------
    Ferro, C., Richardson, D. and Weigel, A. (2008): On the effect of ensemble size on the discrete and
    continuous ranked probability scores. Meteorol. Appl. 15, 19-24.
    """
    _check(alpha)
    return (1 - alpha) / members * spread / math.sqrt(math.pi)


def spread_error_ratio(members: int, alpha: float, *, together: bool) -> float:
    """Spread over error of the ensemble that has the smallest expected score, in a Gaussian world.

    The members are x_i = m + u e_i with independent e_i ~ N(0, 1), and the truth differs from m by an
    independent N(0, 1). The spread u is free.

    - ``together=False``: m is the centre that nobody knows exactly, and each member is made without regard to
      the others. The expected score is sqrt(2 / pi) [sqrt(1 + u²) - (1 - eps) u / sqrt(2)], least for
      u² = w² / (2 - w²) with w = 1 - eps, eps = (1 - alpha) / M.
    - ``together=True``: members are the mean of the ensemble plus u / s times their departures from it, and
      the error of that *mean* has the standard deviation 1. A member then differs from the truth by
      1 + u² k, k = (M - 1) / M, and the best u² is w² / (k (2 k - w²)).

    The fair score (w = 1) asks independent members for a ratio of 1, and members that know their mean for
    sqrt(M (M + 1) / ((M - 1) (M - 2))): too much, and without limit if there are two. The unfair one
    (w = k) asks independent members for too little, and those that know their mean for exactly 1.

    Parameters
    ----------
    members : int
        M, two or more.
    alpha : float
        From 0 (unfair) to 1 (fair).
    together : bool
        Whether members know the ensemble mean.

    Returns
    -------
    float
        Root of (M + 1) / M times the mean variance of the members, over the root-mean-square error of their
        mean: 1 is reliable. Infinite where the score is the smaller, the wider the ensemble.

    References
    ----------
    The setting is that of Roberts, C. D. (2026), arXiv:2602.15830, section 3; the formulas were derived here,
    and tests check them against numerical minima.
    """
    _check(alpha)
    if members < 2:
        raise BootcampError(f"{members} members have no spread.", "Give two at least.")
    k, w = 1 - 1 / members, 1 - (1 - alpha) / members
    if together:
        below = k * (2 * k - w**2)
        return math.inf if below <= 1e-12 else math.sqrt((members + 1) / members * w**2 / below)
    spread = w**2 / (2 - w**2)
    return math.sqrt((members + 1) / members * spread / (1 + spread / members))


def best_levels(members: int, alpha: float) -> np.ndarray:
    """Where members go that may be put anywhere: levels of the true distribution, for the least score.

    The expected score of fixed points x_1 < ... < x_M, where the truth has the distribution function F, has
    the derivative (1 / M) [2 F(x_i) - 1 - (1 - eps) (2 i - M - 1) / (M - 1)] in x_i: least where it is 0.

    Parameters
    ----------
    members : int
        M, two or more.
    alpha : float
        From 0 (unfair) to 1 (fair).

    Returns
    -------
    numpy.ndarray
        F(x_i), rising: (2 i - 1) / (2 M) for the unfair score, (i - 1) / (M - 1) for the fair one, so that
        its outermost members are infinitely far away.
    """
    _check(alpha)
    if members < 2:
        raise BootcampError(f"{members} member has no neighbour.", "Give two at least.")
    step = 2 * np.arange(1, members + 1) - members - 1
    return 0.5 + (1 - (1 - alpha) / members) * step / (2 * (members - 1))


def _check(alpha: float) -> None:
    if not 0 <= alpha <= 1:
        raise BootcampError(
            f"alpha={alpha} is not between 0 and 1.", "0 is unfair, 1 fair, 0.95 almost fair."
        )
