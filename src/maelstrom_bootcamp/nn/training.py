"""Reproducible training: seeds, optimiser, learning rate, and a fit that keeps the best weights."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.nn.losses import QuantileLoss

WARM_UP = 0.05  # of all updates, in which the rate of `cosine_rate` rises


def set_seed(seed: int, deterministic: bool = True) -> None:
    """Seed Python, NumPy, TensorFlow and Keras, so that a training gives the same weights each time.

    Parameters
    ----------
    seed : int
        Whole number from 0 to 2 ** 32 - 1.
    deterministic : bool
        Also make TensorFlow choose operations that add up in a fixed order. This costs some speed, holds
        until the process ends, and makes results repeat on this machine; another CPU still rounds in another
        way.

    Raises
    ------
    BootcampError
        If the seed is out of range.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise BootcampError(
            f"seed={seed!r} is not a whole number from 0 to 2**32 - 1.", "Give for example 0."
        )
    keras.utils.set_random_seed(seed)
    if deterministic:
        tf.config.experimental.enable_op_determinism()


def cosine_restarts(
    steps: int, learning_rate: float = 1e-3, lowest: float = 0.0
) -> keras.optimizers.schedules.LearningRateSchedule:
    """Build MET Norway's learning rate: a cosine from `learning_rate` down to `lowest`, again and again.

    Parameters
    ----------
    steps : int
        Updates per cycle (MET Norway: one cycle per validation period of 36 files).
    learning_rate : float
        Start of each cycle (MET Norway: 1e-3, or 3e-3 with batches of 32).
    lowest : float
        End of each cycle.

    Returns
    -------
    keras.optimizers.schedules.CosineDecayRestarts
        With cycles of equal length and height.

    Raises
    ------
    BootcampError
        If a number is out of range.

    References
    ----------
    Loshchilov, I. and Hutter, F. (2017): SGDR: Stochastic gradient descent with warm restarts. ICLR.
    """
    if steps < 1 or not 0 <= lowest < learning_rate:
        raise BootcampError(
            f"A cosine of {steps} steps from {learning_rate} to {lowest} cannot be made.",
            "Give steps >= 1 and 0 <= lowest < learning_rate.",
        )
    return keras.optimizers.schedules.CosineDecayRestarts(
        learning_rate, first_decay_steps=steps, t_mul=1.0, m_mul=1.0, alpha=lowest / learning_rate
    )


def cosine_rate(done: float, highest: float) -> float:
    """Learning rate that rises for a twentieth of the training, and then falls like a cosine to 0.

    Parameters
    ----------
    done : float
        How much of the training is over, 0 to 1.
    highest : float

    Returns
    -------
    float
    """
    if done < WARM_UP:
        return highest * done / WARM_UP
    return highest * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP))) / 2


def adam(
    learning_rate: float, *, ema: float | None = None, weight_decay: float = 0.0, clip: float = 0.0
) -> keras.optimizers.Optimizer:
    """Adam with what short trainings gain from.

    Parameters
    ----------
    learning_rate : float
    ema : float, optional
        Momentum of a moving average of the weights, see `averaged_weights`.
    weight_decay : float
        Of AdamW, biases apart; 0 is Adam.
    clip : float
        Longest gradient of each variable; 0: any.

    Returns
    -------
    keras.optimizers.Optimizer
    """
    more: dict[str, Any] = {} if ema is None else {"use_ema": True, "ema_momentum": ema}
    more |= {"clipnorm": clip} if clip else {}
    if not weight_decay:
        return keras.optimizers.Adam(learning_rate, **more)
    made = keras.optimizers.AdamW(learning_rate, weight_decay=weight_decay, **more)
    made.exclude_from_weight_decay(var_names=["bias"])
    return made


def averaged_weights(model: keras.Model) -> list[np.ndarray]:
    """The weights that count: of the optimiser's moving average, if it keeps one.

    Parameters
    ----------
    model : keras.Model
        With its optimiser. Its own weights stay as they are: a training that went on from the average would
        lag behind.

    Returns
    -------
    list of numpy.ndarray
    """
    raw = model.get_weights()
    if not getattr(model.optimizer, "use_ema", False):
        return raw
    model.optimizer.finalize_variable_values(model.trainable_variables)
    average = model.get_weights()
    model.set_weights(raw)
    return average


def compile_model(
    model: keras.Model,
    loss: keras.losses.Loss | Callable | None = None,
    learning_rate: float | keras.optimizers.schedules.LearningRateSchedule = 1e-3,
    clipnorm: float | None = 1.0,
    metrics: list | None = None,
    jit_compile: bool | str = False,
) -> keras.Model:
    """Give a model its loss and MET Norway's optimiser: Adam with clipped gradients.

    Parameters
    ----------
    model : keras.Model
    loss : keras.losses.Loss, optional
        Default: `QuantileLoss` of the quantiles 0.1, 0.5, 0.9 with a trim of 32 pixels.
    learning_rate : float or schedule
    clipnorm : float, optional
        Largest norm of the gradient of each variable; None switches clipping off.
    metrics : list, optional
    jit_compile : bool or "auto"
        Compile with XLA; "auto" leaves it off on machines without a GPU. The first step then takes some
        seconds longer, the others less time (chapter 07, notebook "libraries").

    Returns
    -------
    keras.Model
        The same model, compiled.
    """
    optimizer = keras.optimizers.Adam(learning_rate, clipnorm=clipnorm)
    model.compile(optimizer, loss or QuantileLoss(), metrics=metrics, jit_compile=jit_compile)
    return model


class KeepBest(keras.callbacks.Callback):
    """Remember the weights of the epoch with the lowest `monitor`, and put them back when training ends."""

    def __init__(self, monitor: str) -> None:
        super().__init__()
        self.monitor = monitor
        self.best = float("inf")
        self.epoch: int | None = None
        self.weights: list | None = None

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Compare this epoch with the best so far."""
        value = (logs or {})[self.monitor]
        if value < self.best:  # False for NaN: a training that diverged never replaces good weights
            self.best, self.epoch, self.weights = value, epoch, self.model.get_weights()

    def on_train_end(self, logs: dict | None = None) -> None:
        """Put the best weights back."""
        if self.weights is not None:
            self.model.set_weights(self.weights)


class Report(keras.callbacks.Callback):
    """Collect one row per epoch; print it if asked, without times, so that stored outputs repeat."""

    def __init__(self, verbose: bool) -> None:
        super().__init__()
        self.verbose = verbose
        self.rows: list[dict[str, float]] = []

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Start the clock."""
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Add the row, and print it."""
        self.rows.append({"epoch": epoch + 1, **(logs or {}), "seconds": time.perf_counter() - self.start})
        if self.verbose:
            print(f"epoch {epoch + 1:3d}   " + "   ".join(f"{k} {v:.3f}" for k, v in (logs or {}).items()))


def fit(
    model: keras.Model,
    train: Any,
    validation: Any = None,
    *,
    epochs: int = 1,
    verbose: bool = True,
    callbacks: list[keras.callbacks.Callback] | None = None,
    **options,
) -> pd.DataFrame:
    """Train a compiled model; in the end it holds the weights of its best epoch.

    Parameters
    ----------
    model : keras.Model
        Compiled (see `compile_model`).
    train, validation : tf.data.Dataset or tuple of arrays
        Batches of (predictors, target), or the two arrays themselves.
    epochs : int
    verbose : bool
        Print one line per epoch.
    callbacks : list, optional
        More Keras callbacks.
    **options
        For ``model.fit``, e.g. ``batch_size`` or ``steps_per_epoch``.

    Returns
    -------
    pandas.DataFrame
        One row per epoch: loss, val_loss, other metrics, seconds, and ``best`` (True for the epoch kept).

    Raises
    ------
    BootcampError
        If the loss was never a finite number.
    """
    keep, report = KeepBest("loss" if validation is None else "val_loss"), Report(verbose)
    x, y = train if isinstance(train, tuple) else (train, None)
    model.fit(
        x,
        y,
        validation_data=validation,
        epochs=epochs,
        verbose=0,
        callbacks=[keep, report, *(callbacks or [])],
        **options,
    )
    if keep.epoch is None:
        raise BootcampError(
            f"The {keep.monitor} was not a number in any of the {epochs} epochs.",
            "Check the predictors for missing values, or lower the learning rate.",
        )
    history = pd.DataFrame(report.rows).set_index("epoch")
    return history.assign(best=history.index == keep.epoch + 1)
