"""The steps of a training of A3: which columns, which learning rate, one epoch after the other."""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from maelstrom_bootcamp import nn  # noqa: F401  (starts TensorFlow quietly)
from maelstrom_bootcamp.apps.radiation.layers import COS_ZENITH
from maelstrom_bootcamp.apps.radiation.losses import losses, targets
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.nn import resumable
from maelstrom_bootcamp.nn.blocks import check_choice
from maelstrom_bootcamp.nn.fast import training_step
from maelstrom_bootcamp.nn.training import adam, averaged_weights, cosine_rate

import keras
import tensorflow as tf

#: Learning rates of a batch of 256 columns: published, but for dense and budget, which are the course's own.
LEARNING_RATES = MappingProxyType(
    {"min_cnn": 1e-4, "cnn": 2e-4, "attention": 2e-4, "rnn": 5e-4, "dense": 2e-4, "budget": 1.2e-2}
)
#: Of the published callbacks: factor, patience, smallest improvement (Keras' own) and smallest rate; last the
#: patience of the end.
PLATEAU, PATIENCE, LEAST, FLOOR, STOP = 0.25, 4, 1e-4, 1e-6, 6
EASED_FROM = 1e-3  # of the heating rates' weight
SCHEDULES, SCALINGS = ("cosine", "plateau"), ("published", "rms")
INPUTS = ("sca_inputs", "col_inputs", "hl_inputs", "inter_inputs", "pressure_hl")
COMPILED = ("rnn", "attention")  # by XLA
AT_ONCE = 256  # columns in a step of the validation

History = Sequence[Mapping[str, float]]
Columns = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Plan:
    """Everything that decides the outcome of a training.

    Attributes
    ----------
    model : {"min_cnn", "cnn", "attention", "rnn", "dense"}
    band : {"sw", "lw"}
    size : {"ci", "default", "full"}
        Size of the sample.
    data_seed, seed : int
        Seed of the sample's generator (0: the course's own weather), and of weights and shuffling.
    epochs, batch_size : int
        At most so many epochs.
    learning_rate : float, optional
        Of a batch of 256; it grows in proportion to the batch. Default: the published one of the network.
    schedule : {"cosine", "plateau"}
        How the learning rate falls: with every update from its highest to 0, or as published, when the
        validation loss no longer does.
    heating_weight : float, optional
        Of the heating rates in the loss; the fluxes have 1. Default: the published one.
    huber : bool
        Square the heating rates' small errors, see `maelstrom_bootcamp.apps.radiation.losses.losses`. The
        reference does so in the longwave only.
    ease : float
        Share of the training in which the heating rates' weight grows from a thousandth to its value. A small
        roughness of the fluxes is a huge heating rate where layers are thin, and a network that has to avoid
        it from the start is slow to find the fluxes. Not in the reference.
    thick : float
        Pa. The heating rates of layers thinner than this count in proportion to their thickness; 0: all
        alike, as in the reference.
    ema : float, optional
        Momentum of a moving average of the weights over the updates. It averages out what the noise of single
        labels does, and is what is validated and kept. Not in the reference.
    weight_decay : float
        Of AdamW, biases apart; 0 is Adam, as in the reference.
    clip : float
        Longest gradient of each variable; 0: any, as in the reference. One batch with a bad cloud cannot then
        set the pace of the next thousand.
    scaling : {"published", "rms"}
        By what the inputs are divided: by the published maxima, or by the root mean square of each variable
        in the training columns. Cloud water is far below its maximum almost everywhere.
    options : dict
        More arguments of the network, e.g. ``{"units": 16}``.
    """

    model: str = "cnn"
    band: str = "sw"
    size: str = "default"
    data_seed: int = 0
    seed: int = 0
    epochs: int = 50
    batch_size: int = 32
    learning_rate: float | None = None
    schedule: str = "cosine"
    heating_weight: float | None = None
    huber: bool = False
    ease: float = 0.0
    thick: float = 0.0
    ema: float | None = None
    weight_decay: float = 0.0
    clip: float = 0.0
    scaling: str = "published"
    options: dict[str, Any] = field(default_factory=dict)

    def command(self) -> str:
        """The command line of this training."""
        return resumable.command("maelstrom_bootcamp.apps.radiation.train", asdict(self))

    def first_rate(self) -> float:
        """The highest learning rate, after the linear scaling rule."""
        base = LEARNING_RATES[self.model] if self.learning_rate is None else self.learning_rate
        return base * self.batch_size / 256


def teaching(columns: Columns, band: str) -> dict[str, np.ndarray]:
    """The columns that a network of the band can learn from: sunlit ones, or all.

    Parameters
    ----------
    columns : mapping of str to array
    band : {"sw", "lw"}

    Returns
    -------
    dict of str to array

    Raises
    ------
    BootcampError
        If none is left.
    """
    kept = learns(columns, band)
    found = {name: values[kept] for name, values in columns.items()}
    if not len(found["sca_inputs"]):
        raise BootcampError("No column is sunlit.", "Take a larger sample, or band='lw'.")
    return found


def scales(columns: Columns, scaling: str) -> dict[str, list[float]] | None:
    """By what a network divides its inputs.

    Parameters
    ----------
    columns : mapping of str to array
        For training.
    scaling : {"published", "rms"}

    Returns
    -------
    dict of str to list of float, or None
        Root mean square of each variable, 1 where it is always 0; None stands for the published maxima.

    Raises
    ------
    BootcampError
        If there is no such scaling.
    """
    check_choice("scaling", scaling, SCALINGS)
    if scaling == "published":
        return None
    found = {}
    for name in INPUTS:
        values = columns[name].reshape(-1, columns[name].shape[-1])
        rms = np.sqrt(np.mean(np.square(values, dtype=np.float64), axis=0))
        found[name] = [float(f"{value:.4g}") for value in np.where(rms > 0, rms, 1)]
    return found


def eased(done: float, ease: float) -> float:
    """Factor of the heating rates in the loss: from 0.001 to 1 in equal ratios, then 1.

    Parameters
    ----------
    done : float
        How much of the training is over, 0 to 1.
    ease : float
        When it reaches 1; 0: from the start.

    Returns
    -------
    float
    """
    return 1.0 if done >= ease else float(EASED_FROM ** (1 - done / ease))


def plateau_rate(history: History, first: float) -> float:
    """Learning rate of the next epoch, as Keras' ReduceLROnPlateau would set it.

    Computed from the history alone, so that a training that was interrupted goes on with the right one.

    Parameters
    ----------
    history : sequence of mapping
        One per epoch, with "val_loss".
    first : float
        Rate of the first epoch.

    Returns
    -------
    float
    """
    rate, best, waited = first, np.inf, 0
    for row in history:
        if row["val_loss"] < best - LEAST:
            best, waited = row["val_loss"], 0
            continue
        waited += 1
        if waited >= PATIENCE:
            rate, waited = max(rate * PLATEAU, FLOOR), 0
    return rate


def is_over(history: History) -> bool:
    """Whether the validation loss has not fallen for six epochs, as Keras' EarlyStopping counts.

    Parameters
    ----------
    history : sequence of mapping

    Returns
    -------
    bool
    """
    losses = [row["val_loss"] for row in history]
    return bool(losses) and len(losses) - 1 - int(np.argmin(np.nan_to_num(losses, nan=np.inf))) >= STOP


class Trainer:
    """Steps of a training, compiled as a whole.

    By XLA where that helps on a CPU: the recurrent network trains two to four times as fast (Keras' ``fit``
    would refuse), that with attention twice as fast, the convolutional ones a quarter slower.

    Parameters
    ----------
    model : keras.Model
        Will be compiled.
    plan : Plan
    train, validation : mapping of str to array
        Columns.
    """

    def __init__(self, model: keras.Model, plan: Plan, train: Columns, validation: Columns) -> None:
        check_choice("schedule", plan.schedule, SCHEDULES)
        self.model, self.plan = model, plan
        self.x, self.y = _tensors(train, plan)
        self.validation = _tensors(validation, plan)
        self.n = len(train["sca_inputs"])
        if self.n < plan.batch_size:
            raise BootcampError(
                f"{self.n} columns do not make a batch of {plan.batch_size}.", "Take a smaller batch."
            )
        model.compile(adam(plan.first_rate(), ema=plan.ema, weight_decay=plan.weight_decay, clip=plan.clip))
        rule = losses(plan.model, plan.band, plan.heating_weight, plan.huber)
        self.weights = rule["loss_weights"]
        self.parts = rule["loss"]
        self.eased = tf.Variable(1.0)  # a variable, for the compiled step reads it anew each time
        jit = plan.model in COMPILED
        self.step = training_step(model, self._loss, model.optimizer, jit=jit)
        self.forecast = tf.function(lambda x: model(x, training=False), jit_compile=jit)

    def one_epoch(self, epoch: int, history: History) -> dict[str, float]:
        """Train on all columns once, in an order that the epoch and the seed decide; then validate."""
        first = self.plan.first_rate()
        rate = plateau_rate(history, first)
        order = np.random.default_rng([self.plan.seed, epoch]).permutation(self.n)
        size = self.plan.batch_size
        batches = order[: self.n // size * size].reshape(-1, size)  # XLA wants batches of one size
        seen = []
        for i, batch in enumerate(batches, start=1):
            if self.plan.schedule == "cosine":
                rate = cosine_rate((epoch + i / (len(batches) + 1)) / self.plan.epochs, first)
            self.model.optimizer.learning_rate.assign(rate)
            self.eased.assign(eased((epoch + i / (len(batches) + 1)) / self.plan.epochs, self.plan.ease))
            seen.append(self.step(_take(self.x, batch), _take(self.y, batch)))
        raw = self.model.get_weights()
        self.model.set_weights(self.kept())
        row = {"loss": float(np.mean(seen)), **self.validate(), "rate": float(rate)}
        self.model.set_weights(raw)  # training goes on from here: from the average, it would lag behind
        return row

    def kept(self) -> list[np.ndarray]:
        """The weights that count: of the moving average, if the plan has one."""
        return averaged_weights(self.model)

    def validate(self) -> dict[str, float]:
        """Losses and RMSE on the validation columns, of the weights that the model has."""
        x, y = self.validation
        found: dict[str, list[np.ndarray]] = {}
        n = len(x["sca_inputs"])
        for start in range(0, n, AT_ONCE):
            batch = np.minimum(np.arange(start, start + AT_ONCE), n - 1)  # the last column again and again
            for name, values in self.forecast(_take(x, batch)).items():
                found.setdefault(name, []).append(np.asarray(values))
        forecast = {name: np.concatenate(parts)[:n] for name, parts in found.items()}
        rmse = {
            f"val_{name}_rmse": float(np.sqrt(np.mean((values - y[name].numpy()) ** 2)))
            for name, values in forecast.items()
        }
        self.eased.assign(1.0)
        return {"val_loss": float(self._loss(y, forecast)), **rmse}

    def _loss(self, y: Mapping[str, Any], forecast: Mapping[str, Any]) -> Any:
        heating, flux = f"hr_{self.plan.band}", self.plan.band
        warmth = self.parts[heating](y[heating], forecast[heating], sample_weight=y["depth"])
        warmth = self.eased * self.weights[heating] * warmth
        return self.parts[flux](y[flux], forecast[flux]) * self.weights[flux] + warmth


def learns(columns: Columns, band: str) -> np.ndarray:
    """True for the columns that a network of the band can learn from."""
    sun = columns["sca_inputs"][:, COS_ZENITH][:, 0]
    return sun > 0 if band == "sw" else np.full(len(sun), True)


def _tensors(columns: Columns, plan: Plan) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
    y = targets(plan.model, plan.band, dict(columns))
    y["depth"] = np.diff(columns["pressure_hl"][..., 0], axis=1)
    y["depth"] = np.minimum(1, y["depth"] / plan.thick) if plan.thick else np.ones_like(y["depth"])
    return {k: tf.constant(columns[k], tf.float32) for k in INPUTS}, {
        k: tf.constant(v, tf.float32) for k, v in y.items()
    }


def _take(tensors: Mapping[str, tf.Tensor], indices: np.ndarray) -> dict[str, tf.Tensor]:
    return {name: tf.gather(values, indices) for name, values in tensors.items()}
