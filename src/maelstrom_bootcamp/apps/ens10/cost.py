"""What a corrected ensemble costs: multiplications of a network, seconds of a member, members it is worth.

A member is an integration of the sample's own forecast model (`maelstrom_bootcamp.bucket.ens10.forecast`),
run live. It is a toy beside ECMWF's model, by a factor that nobody here can measure: use the seconds for
ratios within one run, and put your own model's cost in their place.
"""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from maelstrom_bootcamp.apps.ens10.correctors import corrector
from maelstrom_bootcamp.apps.ens10.dataset import task
from maelstrom_bootcamp.apps.ens10.predictors import SEES, Scaling, network_inputs
from maelstrom_bootcamp.bucket.ens10 import forecast
from maelstrom_bootcamp.bucket.ens10.periods import MEMBERS, Window
from maelstrom_bootcamp.bucket.ens10.truth import Truth, simulate
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.nn.graphs import graph_macs

import keras
import tensorflow as tf

START = ("0103", 1998)  # of the forecast that is run live


# ---- multiplications -------------------------------------------------------------------------------


def macs(model: keras.Model, batch: int = 1) -> pd.Series:
    """Multiply-accumulates of one application, by kind of operation, counted in TensorFlow's graph.

    Parameters
    ----------
    model : keras.Model
        With inputs of a known shape, apart from the batch.
    batch : int
        Forecasts at once.

    Returns
    -------
    pandas.Series
        ``convolution`` (with dense layers), ``attention`` (products of two things that depend on the input).
        Additions, exponentials and means are not counted.

    Raises
    ------
    BootcampError
        If the network contains a shape that is not known before it is run.
    """
    shapes = {
        each.name: tf.TensorSpec((batch, *each.shape[1:]), each.dtype, name=each.name)
        for each in model.inputs
    }
    inputs = shapes if isinstance(model.input, dict) else next(iter(shapes.values()))
    counted = graph_macs(tf.function(lambda x: model(x, training=False)), inputs)
    kinds = {"convolution": ["Conv2D", "MatMul"], "attention": ["BatchMatMulV2", "Einsum"]}
    return pd.Series({kind: counted[names].sum() for kind, names in kinds.items()})


# ---- networks on any grid --------------------------------------------------------------------------


def untrained(model: str, target: str, *, members: int, rows: int, columns: int) -> keras.Model:
    """A corrector with first weights: time and memory do not depend on the values of weights.

    Parameters
    ----------
    model : {"mlp", "lenet", "unet", "transformer"}
    target : {"z500", "t850", "t2m"}
    members, rows, columns : int
        Of the ensemble and of the grid.

    Returns
    -------
    keras.Model
        See `maelstrom_bootcamp.apps.ens10.correctors.corrector`.
    """
    names = task(target).variables
    one, zero = (1.0,) * len(names), (0.0,) * len(names)
    scaling = Scaling(names, zero, one, one, one)
    return corrector(model, target, scaling, members=members, rows=rows, columns=columns)


def noise_for(model: keras.Model, batch: int = 1, seed: int = 0) -> dict[str, np.ndarray]:
    """Inputs of the right shape, for a network that is only timed: standard normal, spread above 0."""
    rng = np.random.default_rng(seed)
    shapes = {each.name: (batch, *each.shape[1:]) for each in model.inputs}
    return {
        name: np.abs(rng.standard_normal(shape, "f4")) + np.float32(0.1) for name, shape in shapes.items()
    }


def steps(
    model: keras.Model,
    scaling: Scaling,
    name: str,
    members: xr.Dataset,
    base: Callable[[xr.Dataset], xr.Dataset] | None = None,
) -> dict[str, Callable]:
    """What happens when forecasts are corrected, as tasks for a race.

    Parameters
    ----------
    model : keras.Model
        A corrector.
    scaling : Scaling
    name : {"mlp", "lenet", "unet", "transformer"}
    members : xarray.Dataset
        Forecasts in memory, as from `read_members`.
    base : callable, optional
        Turns members into the normal forecast that the network corrects; default: it corrects the ensemble.

    Returns
    -------
    dict of str to callable
        "prepare": means, spreads, normalisation, and the base if there is one. "network": the network,
        compiled to a graph. "whole": both.
    """
    compute = tf.function(lambda x: model(x, training=False))

    def prepare() -> dict[str, np.ndarray]:
        return network_inputs(members, scaling, SEES[name], None if base is None else base(members))

    ready = {key: tf.constant(value) for key, value in prepare().items()}
    return {
        "prepare": prepare,
        "network": lambda: compute(ready).numpy(),
        "whole": lambda: compute({key: tf.constant(value) for key, value in prepare().items()}).numpy(),
    }


# ---- members ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LiveModel:
    """The sample's forecast model, ready to run.

    Attributes
    ----------
    truth : Truth
        A short truth run, from which the ensemble is started.
    """

    truth: Truth
    members: int = MEMBERS

    def run(self) -> forecast.Forecasts:
        """Integrate the ensemble of one date for 48 hours, and compute all variables at 0, 24 and 48 h."""
        return forecast.run(self.truth, 0, [START])


def live_model() -> LiveModel:
    """Simulate a truth run of one year, to start an ensemble from it; takes some seconds."""
    return LiveModel(simulate(0, Window(0, {START[0]: (START[1],)})))


# ---- what it is worth ------------------------------------------------------------------------------


def size_law(sizes: Sequence[int], crps: Sequence[float]) -> tuple[float, float]:
    """Fit CRPS = a + b / M to the CRPS of raw ensembles of several sizes.

    For M independent members of a reliable ensemble b = a (Leutbecher 2019, doi:10.1002/qj.3387).

    Parameters
    ----------
    sizes : sequence of int
        Members, two sizes at least.
    crps : sequence of float

    Returns
    -------
    a, b : float
        In the unit of the CRPS; a is what infinitely many members would score.

    Raises
    ------
    BootcampError
        If there are less than two sizes, or a score for each is missing.
    """
    m, known = np.asarray(sizes, float), np.asarray(crps, float)
    if m.shape != known.shape or len(np.unique(m)) < 2 or m.min() < 1 or not np.isfinite(known).all():
        raise BootcampError(
            f"{len(known)} scores for the sizes {list(sizes)} tell no law.", "Give a score for each of two."
        )
    b, a = np.polyfit(1 / m, known, 1)
    return float(a), float(b)


def members_needed(law: tuple[float, float], crps: float) -> float:
    """How many raw members reach a score.

    Parameters
    ----------
    law : (float, float)
        From `size_law`.
    crps : float
        Wanted, in the same unit.

    Returns
    -------
    float
        Infinite if no number of members reaches it.
    """
    a, b = law
    return b / (crps - a) if crps > a and b > 0 else math.inf


def plan_costs(
    member: float, correction: Mapping[str, float], sizes: Mapping[str, int], *, factor: float = 1.0
) -> pd.Series:
    """Seconds of a whole forecast: its members, and what corrects them.

    Parameters
    ----------
    member : float
        Seconds of one member.
    correction : mapping of str to float
        Seconds of the correction, by plan.
    sizes : mapping of str to int
        Members, by plan.
    factor : float
        How much dearer a member of your own model is, with the same correction.

    Returns
    -------
    pandas.Series
        Seconds, by plan.

    Raises
    ------
    BootcampError
        If the plans differ, or a number makes no sense.
    """
    if set(correction) != set(sizes):
        raise BootcampError("Corrections and sizes are of other plans.", "Give both for each plan.")
    if not member > 0 or not factor > 0 or min(correction.values()) < 0 or min(sizes.values()) < 1:
        raise BootcampError("A member costs time, a correction no less than none.", "Look for the sign.")
    return pd.Series({plan: sizes[plan] * member * factor + correction[plan] for plan in correction})
