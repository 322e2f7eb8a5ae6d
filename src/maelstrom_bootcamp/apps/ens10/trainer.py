"""The steps of a training of A4: what decides its outcome, and one epoch after the other."""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from maelstrom_bootcamp import nn  # noqa: F401  (starts TensorFlow quietly)
from maelstrom_bootcamp.apps.ens10.losses import GaussianCRPS
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.nn import resumable
from maelstrom_bootcamp.nn.fast import training_step
from maelstrom_bootcamp.nn.training import adam, averaged_weights, cosine_rate

import keras
import tensorflow as tf

#: Highest learning rates. Published are 1e-5, and 1e-3 for the transformer, with batches of one forecast on a
#: grid of a hundred times as many points and an epoch of 1,890 forecasts.
LEARNING_RATES = MappingProxyType({"mlp": 3e-3, "lenet": 1e-3, "unet": 1e-3, "transformer": 3e-3})
#: How the shipped networks were trained.
SHIPPED = MappingProxyType({"ema": 0.99, "weight_decay": 0.01, "clip": 1.0})
RECIPES = MappingProxyType(
    {
        "mlp": {"epochs": 20, "batch_size": 8},
        "lenet": {"epochs": 12, "batch_size": 8},
        "unet": {"epochs": 8, "batch_size": 4},
        "transformer": {"epochs": 8, "batch_size": 4},
    }
)
AT_ONCE = 16  # forecasts in a step of the validation

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Plan:
    """Everything that decides the outcome of a training.

    Attributes
    ----------
    model : {"mlp", "lenet", "unet", "transformer"}
    target : {"z500", "t850", "t2m"}
    members : int
        The first so many of the ten.
    base : {"raw", "emos"}
        What is corrected: the raw ensemble, or what local EMOS makes of it, see
        `maelstrom_bootcamp.apps.ens10.fitted` (not for the transformer, which corrects members).
    size : {"ci", "default", "full"}
        Size of the sample.
    data_seed, seed : int
        Seed of the sample's generator (0: the course's own weather), and of weights and shuffling.
    epochs, batch_size : int
        Forecasts, whole globes, in a batch.
    learning_rate : float, optional
        The highest one; it rises for a twentieth of the training and then falls like a cosine. Default: of
        the model.
    ema : float, optional
        Momentum of a moving average of the weights, which is what is validated and kept.
    weight_decay : float
        Of AdamW, biases apart; 0 is Adam, as in the reference.
    clip : float
        Longest gradient of each variable; 0: any, as in the reference.
    flat : bool
        Count all grid points alike, as the reference does, and not by their area.
    options : dict
        More arguments of the network, e.g. ``{"features": 16}``.
    """

    model: str = "unet"
    target: str = "t2m"
    members: int = 10
    base: str = "raw"
    size: str = "default"
    data_seed: int = 0
    seed: int = 0
    epochs: int = 20
    batch_size: int = 4
    learning_rate: float | None = None
    ema: float | None = None
    weight_decay: float = 0.0
    clip: float = 0.0
    flat: bool = False
    options: dict[str, Any] = field(default_factory=dict)

    def command(self) -> str:
        """The command line of this training."""
        return resumable.command("maelstrom_bootcamp.apps.ens10.train", asdict(self))

    def highest_rate(self) -> float:
        """The highest learning rate."""
        return LEARNING_RATES[self.model] if self.learning_rate is None else self.learning_rate


class Trainer:
    """Steps of a training, compiled as a whole.

    Parameters
    ----------
    model : keras.Model
        A corrector, see `maelstrom_bootcamp.apps.ens10.correctors`. Will be compiled.
    plan : Plan
    train, validation : mapping of str to array
        ``predictors`` and ``raw`` as from `network_inputs`, ``truth`` (time, rows, columns).
    latitude : numpy.ndarray
        Degrees north, of the rows.

    Raises
    ------
    BootcampError
        If there are too few forecasts for a batch.
    """

    def __init__(
        self, model: keras.Model, plan: Plan, train: Arrays, validation: Arrays, latitude: np.ndarray
    ) -> None:
        self.model, self.plan, self.train, self.validation = model, plan, train, validation
        self.n = len(train["truth"])
        if self.n < plan.batch_size:
            raise BootcampError(
                f"{self.n} forecasts do not make a batch of {plan.batch_size}.", "Take a smaller batch."
            )
        model.compile(adam(plan.highest_rate(), ema=plan.ema, weight_decay=plan.weight_decay, clip=plan.clip))
        self.loss = GaussianCRPS(None if plan.flat else np.cos(np.deg2rad(latitude)))
        self.step = training_step(model, self.loss, model.optimizer, jit=False)
        self.forecast = tf.function(lambda x: model(x, training=False))

    def one_epoch(self, epoch: int) -> dict[str, float]:
        """Train on all forecasts once, in an order that the epoch and the seed decide; then validate."""
        order = np.random.default_rng([self.plan.seed, epoch]).permutation(self.n)
        batches = order[: self.n // self.plan.batch_size * self.plan.batch_size]
        batches = batches.reshape(-1, self.plan.batch_size)
        seen = []
        for i, batch in enumerate(batches, start=1):
            done = (epoch + i / (len(batches) + 1)) / self.plan.epochs
            self.model.optimizer.learning_rate.assign(cosine_rate(done, self.plan.highest_rate()))
            seen.append(self.step(_inputs(self.train, batch), tf.constant(self.train["truth"][batch])))
        raw = self.model.get_weights()
        self.model.set_weights(self.kept())
        row = {"loss": float(np.mean(seen)), "val_loss": self.validate()}
        self.model.set_weights(raw)  # training goes on from here: from the average, it would lag behind
        return row

    def kept(self) -> list[np.ndarray]:
        """The weights that count: of the moving average, if the plan has one."""
        return averaged_weights(self.model)

    def validate(self) -> float:
        """Loss on the validation forecasts, of the weights that the model has."""
        truth = self.validation["truth"]
        parts = [
            self.forecast(_inputs(self.validation, np.arange(i, min(i + AT_ONCE, len(truth)))))
            for i in range(0, len(truth), AT_ONCE)
        ]
        return float(self.loss(tf.constant(truth), tf.concat(parts, 0)))


def _inputs(arrays: Arrays, batch: np.ndarray) -> dict[str, tf.Tensor]:
    return {name: tf.constant(arrays[name][batch]) for name in ("predictors", "raw")}
