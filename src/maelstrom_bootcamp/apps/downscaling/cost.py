"""What downscaling costs: the parts of a step of the WGAN, seconds a kelvin, the model on a finer grid.

The model is the one that made the sample (`maelstrom_bootcamp.bucket.downscaling.nature`), a column of air
and soil at each point. It is a toy beside a weather model, by a factor that nobody here can measure: use its
seconds for ratios within one run, and put your own model's cost in their place.
"""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from maelstrom_bootcamp import nn  # noqa: F401
from maelstrom_bootcamp.apps.downscaling.gan import (
    CRITIC_STEPS,
    PUBLISHED_RECONSTRUCTION,
    critic_loss,
    generator_loss,
    gradient_penalty,
)
from maelstrom_bootcamp.bucket.downscaling import nature, terrain
from maelstrom_bootcamp.bucket.downscaling.weather import Weather
from maelstrom_bootcamp.bucket.yr.column import t2m
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.nn.blocks import check_counts

import keras
import tensorflow as tf

START = datetime(2020, 6, 10)  # of the run of the live model
#: What a step of the WGAN consists of, see `wgan_parts`.
PARTS = ("generate", "score", "penalty", "update generator")

Fields = dict[str, tf.Tensor]


# ---- a step of the WGAN ----------------------------------------------------------------------------


def wgan_parts(
    generator: keras.Model, critic: keras.Model, reconstruction: float = PUBLISHED_RECONSTRUCTION
) -> dict[str, Callable[[Fields], Any]]:
    """The parts of a step, each compiled by itself, to be counted or timed.

    Parameters
    ----------
    generator : keras.Model
        A `sha_unet` with the surface height.
    critic : keras.Model
    reconstruction : float
        Weight of the mean absolute errors; no matter of cost.

    Returns
    -------
    dict of str to callable
        By the names of `PARTS`; each takes `gan_fields`. "generate": the generator's fields. "score": scores
        of true and generated fields, and the gradient for the critic. "penalty": the gradient penalty, and
        *its* gradient, a second derivative. "update generator": the generator's fields once more, their score
        and errors, and the gradient for the generator. Optimisers are not among them.
    """
    judges, makers = critic.trainable_variables, generator.trainable_variables

    def generate(f: Fields) -> tf.Tensor:
        return generator(f["x"], training=True)["t2m"]

    def score(f: Fields) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            loss = critic_loss(critic(f["real"], training=True), critic(f["fake"], training=True))
        return tape.gradient(loss, judges)

    def penalty(f: Fields) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            loss = gradient_penalty(critic, f["real"], f["fake"], f["mix"])
        # The last offset shifts all scores alike: no slope depends on it.
        return [slope for slope in tape.gradient(loss, judges) if slope is not None]

    def update(f: Fields) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            made = generator(f["x"], training=True)
            error = tf.reduce_mean(tf.abs(made["t2m"] - f["real"])) + tf.reduce_mean(
                tf.abs(made["z"] - f["z"])
            )
            loss = generator_loss(critic(made["t2m"], training=True)) + reconstruction * error
        return tape.gradient(loss, makers)

    return dict(zip(PARTS, map(tf.function, (generate, score, penalty, update)), strict=True))


def gan_fields(generator: keras.Model, batch: int, seed: int = 0) -> Fields:
    """Noise in the place of fields, for what is only counted or timed.

    Parameters
    ----------
    generator : keras.Model
    batch : int
    seed : int

    Returns
    -------
    dict of str to tf.Tensor
        ``x`` (batch, rows, columns, inputs), ``real``, ``fake`` and ``z`` (batch, rows, columns, 1), standard
        normal; ``mix`` (batch, 1, 1, 1) from 0 to 1.
    """
    check_counts(batch=batch)
    rng = np.random.default_rng(seed)
    shape = (batch, *generator.input_shape[1:])
    made = {name: rng.standard_normal((*shape[:3], 1), "f4") for name in ("real", "fake", "z")}
    made |= {"x": rng.standard_normal(shape, "f4"), "mix": rng.random((batch, 1, 1, 1), "f4")}
    return {name: tf.constant(value) for name, value in made.items()}


def wgan_step(
    parts: Mapping[str, float] | pd.Series, critic_steps: int = CRITIC_STEPS, *, shared: bool = True
) -> pd.Series:
    """What the parts of a step add up to.

    Parameters
    ----------
    parts : mapping of str to float, or pandas.Series
        Seconds or multiplications of one call of each of `PARTS`.
    critic_steps : int
        Updates of the critic for one of the generator.
    shared : bool
        As in this course: all updates of a step see the same fields, which are generated once, by the update
        of the generator. False: new fields for each update, as published.

    Returns
    -------
    pandas.Series
        By part, in the unit of `parts`; their sum is the step.

    Raises
    ------
    BootcampError
        If a part is missing, or `critic_steps` is no whole number >= 1.
    """
    check_counts(critic_steps=critic_steps)
    if set(parts.keys()) != set(PARTS):
        raise BootcampError(f"A step has the parts {', '.join(PARTS)}.", "Give a number for each of them.")
    calls = {"generate": 0 if shared else critic_steps, "score": critic_steps, "penalty": critic_steps}
    return pd.Series({name: calls.get(name, 1) * parts[name] for name in PARTS})


# ---- seconds a kelvin ------------------------------------------------------------------------------


def price(table: pd.DataFrame, reference: str, fields: float = 0.0) -> pd.DataFrame:
    """What a kelvin less of error costs, by method.

    Parameters
    ----------
    table : pandas.DataFrame
        Index: method. Columns ``fit`` (CPU seconds of the training), ``field`` (CPU seconds for a field),
        ``rmse`` (K).
    reference : str
        The method from which the gain is counted.
    fields : float
        How many fields are downscaled with what was learnt; 0: only the training counts.

    Returns
    -------
    pandas.DataFrame
        The table with ``gained`` (K, negative where it is worse than the reference), ``spent`` (CPU seconds)
        and ``price`` (CPU seconds a kelvin, infinite without a gain; not a number for the reference).

    Raises
    ------
    BootcampError
        If there is no such reference, or something costs less than nothing.
    """
    if reference not in table.index:
        raise BootcampError(f"There is no method {reference!r}.", f"Take one of: {', '.join(table.index)}.")
    if not (table[["fit", "field"]] >= 0).all(axis=None) or not 0 <= fields < math.inf:
        raise BootcampError("Time is never negative.", "Look for the sign.")
    gained = table["rmse"][reference] - table["rmse"]
    spent = table["fit"] + fields * table["field"]
    cost = (spent / gained.where(gained > 0)).fillna(math.inf)
    cost[reference] = math.nan
    return table.assign(gained=gained, spent=spent, price=cost)


# ---- the model on a finer grid ---------------------------------------------------------------------


@dataclass(frozen=True)
class LiveModel:
    """The sample's model on one of its grids, ready to run.

    Attributes
    ----------
    hours : int
        Length of the forecast.
    coarse : bool
        The coarse grid of tier 2 (26 x 30 points, 0.275 degree) with its simpler physics; else its fine one
        (96 x 120 points, 0.055 degree).
    """

    hours: int
    coarse: bool

    def __post_init__(self) -> None:
        check_counts(hours=self.hours)

    @property
    def points(self) -> int:
        """Columns of air that are computed."""
        return terrain.tier2(self.coarse).altitude.size

    def run(self) -> np.ndarray:
        """Integrate from hour 0; temperature of the air at the end, K, on the model's grid."""
        weather = Weather(0, 1, START, self.hours)
        ground = terrain.tier2(self.coarse)
        (last,) = nature.run(weather, ground, [self.hours], model=self.coarse)
        return t2m(last.state)


def refined(factor: float, *, levels: bool = False) -> float:
    """How many times dearer a weather model is on a grid that is so many times finer.

    Parameters
    ----------
    factor : float
        Of the distance of points, 1 or more.
    levels : bool
        Whether there are as many times more levels, too.

    Returns
    -------
    float
        factor squared for the points, and once more for the time step, which has to shrink with the
        distance of points: nothing may cross a cell in a step (Courant, Friedrichs and Lewy 1928).

    Raises
    ------
    BootcampError
        If the grid is not finer.
    """
    if not 1 <= factor < math.inf:
        raise BootcampError(f"A grid {factor} times as fine is not finer.", "Give 1 or more.")
    return factor ** (4 if levels else 3)
