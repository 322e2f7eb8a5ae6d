"""Losses of the radiation networks as published, and metrics in W/m² and K/day.

The reference (``climetlab_maelstrom_radiation.benchmarks``, version 0.7.5, ``benchmarks_sw.py`` and
``losses.py``; ECMWF, Apache License 2.0) trains

- min_cnn with the mean square error of the fluxes in (W/m²)² and 1000 times that of the heating rates in
  (K/day)²,
- the others with the mean absolute error of the fluxes as shares of the flux that enters at the top, and 0.1
  times that of the heating rates in K/day.

At night nothing enters, and the reference divides 0 by 0; here such a column costs nothing (`TopScaledMAE`).
For heat, the reference has one network only, with a Huber loss. Here all losses serve both bands: what enters
at the top becomes what leaves there, see `TopScaledMAE`.
"""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
from __future__ import annotations

from typing import Any

import numpy as np

from maelstrom_bootcamp import nn  # noqa: F401  (starts TensorFlow quietly)
from maelstrom_bootcamp.apps.radiation.layers import BANDS, register
from maelstrom_bootcamp.nn.blocks import check_choice

import keras
from keras import ops

#: Networks that give fluxes at the top and at the surface only, and the heating rates apart.
MINIMAL = ("min_cnn", "budget")
HEATING_WEIGHT = dict.fromkeys(MINIMAL, 1000.0)  # of (K/day)²; of K/day for the others:
OTHER_HEATING_WEIGHT = 0.1


@register
class TopScaledMAE(keras.losses.Loss):
    """Mean absolute error of the fluxes as shares of the largest flux at the top of the atmosphere.

    For sunlight that is what comes in, for heat what goes out. So a column in the evening counts as much as
    one at noon. A column without flux at the top, night in the shortwave, has the loss 0: there is nothing to
    learn, as the networks are bound to 0 there.

    Called with target and forecast ``(batch, levels + 1, 2)`` in W/m²; a loss without unit.
    """

    def __init__(self, name: str = "top_scaled_mae", **options: Any) -> None:
        super().__init__(name=name, **options)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Divide both by the flux at the top; one number for each level of each column."""
        top = ops.max(y_true[:, :1], axis=-1, keepdims=True)
        lit = top > 0
        share = ops.abs(y_true - y_pred) / ops.where(lit, top, 1.0)
        return ops.mean(ops.where(lit, share, 0.0), axis=-1)


@register
class LitRMSE(keras.metrics.Metric):
    """Root mean square error over all columns whose target is not 0 everywhere, in the unit of the target.

    Night columns of the shortwave are right by construction (but for min_cnn); counting them would dilute
    the error. For heat all columns count.

    Parameters
    ----------
    name, dtype
        As for every Keras metric.
    """

    def __init__(self, name: str = "rmse", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.squares = self.add_weight(shape=(), initializer="zeros", name="squares")
        self.count = self.add_weight(shape=(), initializer="zeros", name="count")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch."""
        axes = tuple(range(1, len(y_true.shape)))
        lit = ops.cast(ops.any(y_true != 0, axis=axes), y_pred.dtype)
        squares = ops.mean(ops.square(y_true - y_pred), axis=axes)
        self.squares.assign_add(ops.sum(lit * squares))
        self.count.assign_add(ops.sum(lit))

    def result(self) -> Any:
        """Of all batches so far; 0 if there was no such column."""
        return ops.sqrt(self.squares / ops.maximum(self.count, 1.0))


def losses(
    model: str, band: str, heating_weight: float | None = None, huber: bool = False
) -> dict[str, dict[str, Any]]:
    """What ``model.compile`` gets: the published losses, their weights, and metrics with units.

    Parameters
    ----------
    model : str
        Name of the network: "min_cnn", or any other.
    band : {"sw", "lw"}
    heating_weight : float, optional
        Of the heating rates; default: the published one.
    huber : bool
        Square errors of the heating rates below 1 K/day, as the reference does in the longwave, in place of
        the absolute ones: the pull of an error then fades with the error. For min_cnn and budget, that square
        all, it is the other way round: larger errors count in proportion only.

    Returns
    -------
    dict
        "loss", "loss_weights" and "metrics", each by name of the output.

    Raises
    ------
    BootcampError
        If there is no such band.
    """
    check_choice("band", band, BANDS)
    heating = f"hr_{band}"
    minimal = model in MINIMAL
    heating_loss = keras.losses.Huber(1.0) if huber else keras.losses.MeanAbsoluteError()
    if heating_weight is None:
        heating_weight = HEATING_WEIGHT.get(model, OTHER_HEATING_WEIGHT)
    return {
        "loss": {
            heating: keras.losses.MeanSquaredError() if minimal and not huber else heating_loss,
            band: keras.losses.MeanSquaredError() if minimal else TopScaledMAE(),
        },
        "loss_weights": {heating: heating_weight, band: 1.0},
        "metrics": {heating: [LitRMSE()], band: [LitRMSE()]},
    }


def targets(model: str, band: str, columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The labels of a network in the form of its outputs.

    Parameters
    ----------
    model : str
        Name of the network.
    band : {"sw", "lw"}
    columns : dict of str to array
        `band` ``(batch, levels + 1, 2)``, down and up, in W/m², and "hr_" + `band` in K/day.

    Returns
    -------
    dict of str to array
        The same two; for "min_cnn" the fluxes are ``(batch, 3)``: net at the top, down and up at the surface.
    """
    flux = columns[band]
    if model in MINIMAL:
        flux = np.stack([flux[:, 0, 0] - flux[:, 0, 1], flux[:, -1, 0], flux[:, -1, 1]], axis=-1)
    return {f"hr_{band}": columns[f"hr_{band}"], band: flux}
