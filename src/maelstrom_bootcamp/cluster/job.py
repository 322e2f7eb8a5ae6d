"""What is trained together: the job, who gets which rows, and how two results are compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.hardware.networks import networks

OPTIMIZERS = ("adam", "sgd")
#: Largest `drift` of the first step: sums of the same numbers in another order, nothing else. In fp64 it
#: holds for tens of steps. In fp32 training amplifies it (a unit whose input is all but zero may switch).
TOLERANCE = {"fp32": 1e-5, "fp64": 1e-12}


@dataclass(frozen=True)
class Job:
    """What is trained, and how.

    Attributes
    ----------
    network : str
        Key of a reference network (`maelstrom_bootcamp.hardware.networks`); "" to take `builder`.
    builder : str
        "package.module:function" of a Keras model, with `arguments`; its loss is then the mean square, or
        the quantile score of A1 with `trim`.
    arguments : mapping
    trim : int or None
        None: mean square. Else `QuantileLoss` without so many pixels along each border.
    batch : int
        Samples of a step, of all workers together.
    steps : int
    optimizer : {"adam", "sgd"}
    learning_rate : float
    clipnorm : float or None
        Largest norm of the gradient of each variable.
    precision : {"fp32", "fp64"}
    seed : int
        Of the first weights, and of random fields.
    """

    network: str = "a1"
    builder: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    trim: int | None = None
    batch: int = 4
    steps: int = 5
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    clipnorm: float | None = 1.0
    precision: str = "fp32"
    seed: int = 0

    def check(self, workers: int) -> None:
        """Raise a `BootcampError` if the job does not exist, or cannot be shared by so many workers."""
        if not self.builder and self.network not in networks():
            raise BootcampError(
                f"There is no network {self.network!r}.", f"Take one of: {', '.join(networks())}."
            )
        if self.optimizer not in OPTIMIZERS:
            raise BootcampError(
                f"There is no optimizer {self.optimizer!r} here.", f"Take {' or '.join(OPTIMIZERS)}."
            )
        if self.precision not in ("fp32", "fp64"):
            raise BootcampError(f"precision={self.precision!r} is not offered here.", "Take fp32 or fp64.")
        shares(self.batch, workers)
        if self.steps < 0:
            raise BootcampError(f"steps={self.steps} is negative.", "Give steps=5.")


@dataclass(frozen=True)
class Trained:
    """What a training left.

    Attributes
    ----------
    first, weights : list of numpy.ndarray
        Of the trainable variables, before and after.
    losses : list of float
        Of each step: the mean over the whole batch, before the step.
    """

    first: list[np.ndarray]
    weights: list[np.ndarray]
    losses: list[float]


def shares(batch: int, workers: int) -> list[slice]:
    """Which rows of a batch belong to which worker.

    Parameters
    ----------
    batch, workers : int

    Returns
    -------
    list of slice
        Equally long, side by side; together they are the batch.

    Raises
    ------
    BootcampError
        If somebody would get nothing, or not the same.
    """
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise BootcampError(f"workers={workers!r} is no whole number >= 1.", "Give workers=2.")
    if isinstance(batch, bool) or not isinstance(batch, int) or batch < 1:
        raise BootcampError(f"batch={batch!r} is no whole number >= 1.", "Give batch=4.")
    if workers > batch:
        raise BootcampError(
            f"{workers} workers for a batch of {batch}: some would have nothing to do.",
            f"Give a batch of {workers} or more, or at most {batch} workers.",
        )
    if batch % workers:
        down = batch - batch % workers
        raise BootcampError(
            f"A batch of {batch} cannot be shared evenly by {workers} workers, and the mean of unequal "
            "parts' means is not the mean of the batch.",
            f"Take a batch of {down} or {down + workers}.",
        )
    share = batch // workers
    return [slice(rank * share, (rank + 1) * share) for rank in range(workers)]


def drift(one: Trained, other: Trained) -> float:
    """How far two trainings from the same first weights are apart, as a fraction of the way they have gone.

    .. math:: \\| w_1 - w_2 \\| / \\| w_1 - w_0 \\|

    over all weights together. This is much stricter than a difference relative to the weights, because
    a few steps hardly move them.

    Parameters
    ----------
    one, other : Trained

    Returns
    -------
    float
        NaN if nothing has moved.
    """
    apart = sum(
        float(np.sum((a.astype(float) - b) ** 2)) for a, b in zip(one.weights, other.weights, strict=True)
    )
    way = sum(float(np.sum((a.astype(float) - b) ** 2)) for a, b in zip(one.weights, one.first, strict=True))
    return (apart / way) ** 0.5 if way else float("nan")
