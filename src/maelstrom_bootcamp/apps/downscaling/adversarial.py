"""The training of the U-Net as the generator of a WGAN, as one plan decides it: one epoch after the other."""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import xarray as xr

from maelstrom_bootcamp import nn
from maelstrom_bootcamp.apps.downscaling.gan import GanTrainer
from maelstrom_bootcamp.apps.downscaling.networks import critic
from maelstrom_bootcamp.apps.downscaling.predictors import DIMS, Scaling
from maelstrom_bootcamp.apps.downscaling.reference import SHELF
from maelstrom_bootcamp.apps.downscaling.trainer import Arrays, Plan
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.nn.training import averaged_weights
from maelstrom_bootcamp.verify.spatial import gradient_amplitude

import keras


#: What the training of a WGAN does not use, and what a plan has to leave it at.
UNUSED = MappingProxyType({"rate": "cosine", "loss": "mae", "weight_decay": 0.0, "clip": 0.0})


class AdversarialTrainer:
    """Steps of the training of a WGAN, with the interface of `trainer.Trainer`.

    The critic has no normalisation and judges what the generator adds to its input. It may train alone for a
    while first (``plan.head_start``): a critic that knows nothing would only disturb a trained generator.

    Parameters
    ----------
    model : keras.Model
        A `sha_unet`. Gets the weights of ``plan.start``, if there is one. Will be compiled.
    plan : Plan
    train, validation : mapping of str to array
        ``x`` as from `network_inputs`, ``t2m`` and ``z`` as from `network_targets`.
    scaling : Scaling
        Of the training data.

    Raises
    ------
    BootcampError
        If there are no such weights to start from, or they belong to another normalisation or network; if
        there are too few times for a batch, or the plan sets what this training does not use.
    """

    def __init__(
        self, model: keras.Model, plan: Plan, train: Arrays, validation: Arrays, scaling: Scaling
    ) -> None:
        _check(plan, len(train["x"]))
        self.model, self.plan, self.train, self.validation = model, plan, train, validation
        self.std = scaling.t2m_tar_std[..., None]
        self.mean = scaling.t2m_tar_mean[..., None]
        if plan.start:
            start_from(model, plan.start, scaling)
        rows, columns = train["x"].shape[1:3]
        self.gan = GanTrainer(
            model,
            critic(rows=rows, columns=columns, norm="none"),
            reconstruction=plan.reconstruction,
            height_weight=plan.height_weight,
            generator_rate=plan.learning_rate,
            critic_rate=plan.critic_rate,
            ema=plan.ema,
            relative=True,
            batch_statistics=not plan.start,  # a trained generator keeps the statistics that it has
            seed=plan.seed,
        )
        self.also = self.gan.variables

    def one_epoch(self, epoch: int) -> dict[str, float]:
        """Train on all times once; then validate the averaged weights."""
        if epoch == 0:
            self._head_start()
        size = {"batch_size": self.plan.batch_size, "critic_steps": self.plan.critic_steps}
        row = self.gan.one_epoch(self.train["x"], self.train, epoch, each=self._set_rates, **size)
        raw = self.model.get_weights()
        self.model.set_weights(self.kept())
        row |= self.validate()
        self.model.set_weights(raw)
        return row

    def kept(self) -> list[np.ndarray]:
        """The weights that count: of the moving average, if the plan has one."""
        return averaged_weights(self.model)

    def validate(self) -> dict[str, float]:
        """Errors of the normalised temperature on the validation times, and the ratio of the gradients."""
        found, truth = self.gan.predict(self.validation["x"]), self.validation["t2m"]
        error = found - truth
        steep = [_mean_gradient((field * self.std + self.mean)[..., 0]) for field in (found, truth)]
        return {
            "val_loss": float(np.abs(error).mean()),
            "val_rmse": math.sqrt(float(np.square(error).mean())),
            "val_gradient_ratio": steep[0] / steep[1],
        }

    def _head_start(self) -> None:
        """Train the critic alone, with fields that the generator made once."""
        n, batch = self.plan.head_start, self.plan.batch_size
        if not n:
            return
        rng = np.random.default_rng([self.plan.seed, 1])
        times = rng.permutation(len(self.train["x"]))[: n * batch]
        x, real = self.train["x"][times], self.train["t2m"][times]
        fake = self.gan.predict(x)
        for i in range(n):
            some = np.take(np.arange(len(times)), np.arange(i * batch, (i + 1) * batch), mode="wrap")
            self.gan.critic_step(x[some], real[some], fake[some])

    def _set_rates(self, done: float, row: Mapping[str, float]) -> None:
        """Constant for the first half of the training, then falling to 0 on a line."""
        share = min(1.0, 2 * max(1 - done / self.plan.epochs, 0.0))
        self.gan.set_rates(share * self.plan.learning_rate, share * self.plan.critic_rate)


def start_from(model: keras.Model, start: str, scaling: Scaling) -> None:
    """Give a network the weights of another training.

    Parameters
    ----------
    model : keras.Model
    start : str
        Name of reference weights, or the path of a file.
    scaling : Scaling
        The normalisation that the network will be used with.

    Raises
    ------
    BootcampError
        If there are no such weights, or they belong to another normalisation or network.
    """
    path = Path(start) if start.endswith(".npz") else SHELF.path(start)
    nn.load_weights_npz(model, path)
    own, known = scaling.as_arrays(), nn.read_extra(path)
    if not known or any(
        own[name].shape != v.shape or not np.allclose(own[name], v, 1e-4) for name, v in known.items()
    ):
        raise BootcampError(
            f"{path.name} was trained with another normalisation.",
            "Train on the sample that its card tells (size and data seed), or start from nothing.",
        )


def _check(plan: Plan, n: int) -> None:
    ignored = [name for name, value in UNUSED.items() if getattr(plan, name) != value]
    if ignored:
        raise BootcampError(f"The training of a WGAN does not use {', '.join(ignored)}.", "Leave it out.")
    if plan.head_start < 0:
        raise BootcampError(f"head_start={plan.head_start} updates cannot be made.", "Give 0 or more.")
    if n < plan.batch_size:  # said before the head start, not after it
        raise BootcampError(f"{n} times do not make a batch of {plan.batch_size}.", "Take a smaller batch.")


def _mean_gradient(fields: np.ndarray) -> float:
    """Mean amplitude of the gradient, K per point: rows and columns count as equally far apart."""
    return float(gradient_amplitude(xr.DataArray(fields, dims=DIMS), plane=DIMS[1:]).mean())
