"""The continuous ranked probability score of a normal distribution, as a loss."""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from maelstrom_bootcamp import nn  # noqa: F401  (starts TensorFlow quietly)
from maelstrom_bootcamp.errors import BootcampError

import keras
from keras import ops


def gaussian_crps(y: Any, mu: Any, sigma: Any) -> Any:
    """CRPS of the forecast "normal with mean mu and standard deviation sigma", in closed form.

    .. math:: \\mathrm{CRPS} = \\sigma\\left\\{z\\,[2\\Phi(z) - 1] + 2\\varphi(z) - \\pi^{-1/2}\\right\\},
        \\qquad z = (y - \\mu) / \\sigma

    with the distribution function and the density of the standard normal distribution. A certain forecast
    scores its absolute error, and a forecast that is right on average but too sure of itself pays for it.

    Parameters
    ----------
    y, mu : tensor or array
        Truth and mean of the forecast, in the same unit; shapes broadcast.
    sigma : tensor or array
        Standard deviation, > 0, in the same unit.

    Returns
    -------
    tensor
        Score of each value in the same unit; 0 is perfect.

    References
    ----------
    Gneiting, T., Raftery, A., Westveld, A. and Goldman, T. (2005): Calibrated probabilistic forecasting using
    ensemble model output statistics and minimum CRPS estimation. Mon. Wea. Rev. 133, 1098-1118, eq. (5).
    """
    z = (y - mu) / sigma
    density = ops.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    return sigma * (z * ops.erf(z / math.sqrt(2)) + 2 * density - 1 / math.sqrt(math.pi))


@keras.saving.register_keras_serializable(package="maelstrom_bootcamp")
class GaussianCRPS(keras.losses.Loss):
    """Mean `gaussian_crps` over fields, each row weighted by its area.

    Parameters
    ----------
    row_weights : sequence of float, optional
        Weight of each row of the grid, e.g. the cosine of its latitude; their mean is made 1. Default: all
        alike, so that a square kilometre near a pole counts more than one at the equator.
    name, reduction, dtype
        As for every Keras loss.

    Notes
    -----
    ``y_true``: (batch, rows, columns), the truth. ``y_pred``: (batch, rows, columns, 2), mean and standard
    deviation of the forecast in the same unit.
    """

    def __init__(
        self,
        row_weights: Sequence[float] | None = None,
        *,
        name: str = "gaussian_crps",
        reduction: str = "sum_over_batch_size",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.row_weights = None if row_weights is None else [float(w) for w in row_weights]
        if self.row_weights is not None and not all(w > 0 for w in self.row_weights):
            raise BootcampError(
                "The weights of the rows are not all positive.", "Give the cosine of each latitude."
            )

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Score of each grid point, times its weight: (batch, rows, columns)."""
        if len(y_pred.shape) != 4 or y_pred.shape[-1] != 2 or tuple(y_true.shape[1:]) != y_pred.shape[1:3]:
            raise BootcampError(
                f"GaussianCRPS got a truth of shape {tuple(y_true.shape)} and a forecast of shape "
                f"{tuple(y_pred.shape)}.",
                "Give (batch, rows, columns) and (batch, rows, columns, 2): mean and standard deviation.",
            )
        score = gaussian_crps(y_true, y_pred[..., 0], y_pred[..., 1])
        if self.row_weights is None:
            return score
        weights = ops.convert_to_tensor(self.row_weights, score.dtype)
        return score * (weights / ops.mean(weights))[:, None]

    def get_config(self) -> dict:
        """What a saved model needs to make this loss again."""
        return {**super().get_config(), "row_weights": self.row_weights}
