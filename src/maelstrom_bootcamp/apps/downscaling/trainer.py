"""The training of the U-Net: what decides its outcome, and one epoch after the other."""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from maelstrom_bootcamp import nn  # noqa: F401  (starts TensorFlow quietly)
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.nn import resumable
from maelstrom_bootcamp.nn.blocks import check_choice
from maelstrom_bootcamp.nn.fast import training_step
from maelstrom_bootcamp.nn.training import adam, averaged_weights, cosine_rate

import keras
import tensorflow as tf

RATES = ("cosine", "published")
LOSSES = ("mae", "mse")
PRECISIONS = ("float32", "mixed_bfloat16")
AT_ONCE = 30  # fields in a step of the validation
#: Published for tier 1: Adam with 5e-4, times exp(-0.1) at the start of epochs 5 to 29, counted from 0.
PUBLISHED_RATE, FIRST_DECAY, LAST_DECAY, DECAY = 5e-4, 5, 30, 0.1
#: How the shipped U-Net was trained.
SHIPPED = MappingProxyType(
    {
        "epochs": 8,
        "batch_size": 8,
        "learning_rate": 1e-3,
        "ema": 0.99,
        "weight_decay": 0.01,
        "clip": 1.0,
        "precision": "mixed_bfloat16",
        "options": {"residual": True},
    }
)

#: How the shipped WGAN was trained: from the U-Net, both pulls at a generated field alike (sqrt(pixels)).
SHIPPED_WGAN = MappingProxyType(
    {
        "epochs": 2,
        "batch_size": 4,
        "learning_rate": 4e-4,
        "critic_rate": 3e-4,
        "critic_steps": 2,
        "reconstruction": 110.9,
        "start": "unet",
        "head_start": 100,
        "ema": 0.98,
        "precision": "mixed_bfloat16",
        "options": {"residual": True},
    }
)

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Plan:
    """Everything that decides the outcome of a training.

    Attributes
    ----------
    model : {"unet", "wgan"}
        The U-Net alone, or as the generator of a WGAN (see `maelstrom_bootcamp.apps.downscaling.gan`).
    size : {"ci", "default", "full"}
        Size of the sample.
    data_seed, seed : int
        Seed of the sample's generator (0: the course's own weather), and of weights and shuffling.
    epochs, batch_size : int
        Fields in a batch; published are 30 epochs and batches of 32.
    learning_rate : float
        The highest one.
    rate : {"cosine", "published"}
        How it changes: a short rise and a cosine, or as published (see `published_rate`).
    loss : {"mae", "mse"}
        Of temperature and surface height, both normalised; published is the mean absolute error.
    height_weight : float
        Weight of the surface height beside the temperature; published is 1. With 0 there is no such output.
    ema : float, optional
        Momentum of a moving average of the weights, which is what is validated and kept.
    weight_decay : float
        Of AdamW, biases apart; 0 is Adam, as published.
    clip : float
        Longest gradient of each variable; 0: any, as published.
    precision : {"float32", "mixed_bfloat16"}
        Of the arithmetic in training. Weights, the last convolutions and the loss have float32 in any case.
    start : str
        Of the WGAN, as all that follow: reference weights (a name) or a file (a path) from which the
        generator starts. Empty: from nothing, as published.
    head_start : int
        Updates of the critic alone, before the first epoch.
    critic_steps : int
        Updates of the critic for one of the generator; published are 5.
    critic_rate : float
        Learning rate of the critic.
    reconstruction : float
        Weight of the mean absolute errors beside the critic's score, see
        `maelstrom_bootcamp.apps.downscaling.gan`.
    options : dict
        More arguments of the network, e.g. ``{"features": 16}``.
    """

    model: str = "unet"
    size: str = "default"
    data_seed: int = 0
    seed: int = 0
    epochs: int = 30
    batch_size: int = 32
    learning_rate: float = PUBLISHED_RATE
    rate: str = "cosine"
    loss: str = "mae"
    height_weight: float = 1.0
    ema: float | None = None
    weight_decay: float = 0.0
    clip: float = 0.0
    precision: str = "float32"
    start: str = ""
    head_start: int = 0
    critic_steps: int = 5
    critic_rate: float = 3e-4
    reconstruction: float = 110.9
    options: dict[str, Any] = field(default_factory=dict)

    def command(self) -> str:
        """The command line of this training."""
        return resumable.command("maelstrom_bootcamp.apps.downscaling.train", asdict(self))

    def rate_at(self, epoch: float) -> float:
        """Learning rate after so many epochs, of which the fraction is part of an epoch."""
        if self.rate == "published":
            return published_rate(int(epoch), self.learning_rate)
        return cosine_rate(epoch / self.epochs, self.learning_rate)


def published_rate(epoch: int, highest: float = PUBLISHED_RATE) -> float:
    """The learning rate of MAELSTROM's U-Net: constant, then a slow exponential decay, then constant.

    Parameters
    ----------
    epoch : int
        From 0.
    highest : float

    Returns
    -------
    float
    """
    steps = min(max(epoch + 1 - FIRST_DECAY, 0), LAST_DECAY - FIRST_DECAY)
    return highest * math.exp(-DECAY * steps)


class DownscalingLoss:
    """Error of the temperature, and of the surface height beside it.

    Parameters
    ----------
    kind : {"mae", "mse"}
    height_weight : float

    Raises
    ------
    BootcampError
        If there is no such kind.
    """

    def __init__(self, kind: str = "mae", height_weight: float = 1.0) -> None:
        check_choice("loss", kind, LOSSES)
        self.distance = tf.abs if kind == "mae" else tf.square
        self.height_weight = height_weight

    def __call__(self, y: Mapping[str, Any], forecast: Mapping[str, Any]) -> Any:
        """Mean over fields and points: a scalar."""
        total = tf.reduce_mean(self.distance(forecast["t2m"] - y["t2m"]))
        if self.height_weight:
            total += self.height_weight * tf.reduce_mean(self.distance(forecast["z"] - y["z"]))
        return total


class Trainer:
    """Steps of a training, compiled as a whole.

    Parameters
    ----------
    model : keras.Model
        A `sha_unet`. Will be compiled.
    plan : Plan
    train, validation : mapping of str to array
        ``x`` as from `network_inputs`, ``t2m`` and ``z`` as from `network_targets`.

    Raises
    ------
    BootcampError
        If there are too few times for a batch, or no such rate.
    """

    def __init__(self, model: keras.Model, plan: Plan, train: Arrays, validation: Arrays) -> None:
        check_choice("rate", plan.rate, RATES)
        self.model, self.plan, self.train, self.validation = model, plan, train, validation
        self.n = len(train["x"])
        if self.n < plan.batch_size:
            raise BootcampError(
                f"{self.n} times do not make a batch of {plan.batch_size}.", "Take a smaller batch."
            )
        self.also: list[keras.Variable] = []  # nothing that a state would have to hold besides the model
        model.compile(adam(plan.learning_rate, ema=plan.ema, weight_decay=plan.weight_decay, clip=plan.clip))
        self.loss = DownscalingLoss(plan.loss, plan.height_weight)
        self.step = training_step(model, self.loss, model.optimizer, jit=False)
        self.forecast = tf.function(lambda x: model(x, training=False)["t2m"])

    def one_epoch(self, epoch: int) -> dict[str, float]:
        """Train on all times once, in an order that the epoch and the seed decide; then validate."""
        batches = shuffled(self.n, self.plan.batch_size, [self.plan.seed, epoch])
        seen = []
        for i, batch in enumerate(batches, start=1):
            self.model.optimizer.learning_rate.assign(self.plan.rate_at(epoch + i / (len(batches) + 1)))
            y = {"t2m": tf.constant(self.train["t2m"][batch]), "z": tf.constant(self.train["z"])}
            seen.append(self.step(tf.constant(self.train["x"][batch]), y))
        raw = self.model.get_weights()
        self.model.set_weights(self.kept())
        row = {"loss": float(np.mean(seen)), **self.validate()}
        self.model.set_weights(raw)  # training goes on from here: from the average, it would lag behind
        return row

    def kept(self) -> list[np.ndarray]:
        """The weights that count: of the moving average, if the plan has one."""
        return averaged_weights(self.model)

    def validate(self) -> dict[str, float]:
        """Errors of the normalised temperature on the validation times, of the weights the model has."""
        x, truth = self.validation["x"], self.validation["t2m"]
        parts = [self.forecast(tf.constant(x[i : i + AT_ONCE])) for i in range(0, len(x), AT_ONCE)]
        error = np.concatenate(parts) - truth
        mae, mse = float(np.abs(error).mean()), float(np.square(error).mean())
        return {"val_loss": mae if self.plan.loss == "mae" else mse, "val_rmse": math.sqrt(mse)}


def shuffled(n: int, batch_size: int, seed: Any) -> np.ndarray:
    """Numbers of the samples of each batch, in a new order; what makes no whole batch is left out.

    Parameters
    ----------
    n, batch_size : int
    seed : int or sequence of int

    Returns
    -------
    numpy.ndarray
        (batch, sample).
    """
    order = np.random.default_rng(seed).permutation(n)
    return order[: n // batch_size * batch_size].reshape(-1, batch_size)
