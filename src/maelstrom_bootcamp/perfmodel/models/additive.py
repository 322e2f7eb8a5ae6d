"""The additive model: a network takes as long as its operators together.

Each operator costs time for its arithmetic, for the values it moves and for being started, and how much
depends on its kind. That is linear in three numbers per kind, and non-negative, so that "non-negative least
squares" finds them. By itself it gives nonsense to kinds that it has hardly seen. So it is drawn towards a
guess, in two steps: what the data sheet promises (`roofline`) is corrected for whole groups of relatives,
such as all that works number by number; and that is what a kind costs until measurements say otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.perfmodel.arrays import Arrays
from maelstrom_bootcamp.perfmodel.operators import KINDS, RELATIVES

_LEAST = 0.02


@dataclass(frozen=True)
class Device:
    """What a data sheet says of a device, and what is assumed of a program on it.

    Attributes
    ----------
    name : str
    flops : float
        Peak floating-point operations per second in the precision that is used; one MAC is two.
    bandwidth : float
        Of the memory, bytes per second.
    launch : float
        Seconds to start one operator.
    bytes_per_value : float
        4 in single precision, 2 in half.
    """

    name: str
    flops: float
    bandwidth: float
    launch: float
    bytes_per_value: float = 4.0


@dataclass(frozen=True)
class Additive:
    """Time as a sum over operators: ``seconds[kind] @ (MACs, activations, 1)`` and ``per_parameter``.

    Attributes
    ----------
    seconds : numpy.ndarray
        Shape (len(KINDS), 3), float64: seconds per MAC, per activation moved, per operator.
    per_parameter : float
        Seconds per parameter: weights come from the memory, where activations may come from a cache; in a
        training step the optimiser's work, too.
    """

    seconds: np.ndarray
    per_parameter: float = 0.0

    def by_operator(self, network: Arrays) -> np.ndarray:
        """Seconds of each operator (one of those it stands for).

        Parameters
        ----------
        network : Arrays
            n operators that differ.

        Returns
        -------
        numpy.ndarray
            Shape (n,), float64.
        """
        own = (self.seconds[network.kind] * network.work[:, :3]).sum(1)
        return own + self.per_parameter * network.work[:, 3]

    def predict(self, networks: Sequence[Arrays]) -> np.ndarray:
        """Seconds of each network.

        Parameters
        ----------
        networks : sequence of Arrays

        Returns
        -------
        numpy.ndarray
            Shape (len(networks),), float64.
        """
        return np.array([float(n.count @ self.by_operator(n)) for n in networks])


def roofline(device: Device, passes: float = 1.0) -> Additive:
    """What the data sheet promises, with half the peak reached in arithmetic and four fifths in traffic.

    A roofline takes the longer of arithmetic and traffic; the sum that stands here is at most twice that,
    and linear.

    Parameters
    ----------
    device : Device
    passes : float
        1 for inference; 3 for a training step (forward, gradient of the activations, gradient of the
        weights).

    Returns
    -------
    Additive
    """
    one = np.array([2 / device.flops / 0.5, device.bytes_per_value / device.bandwidth / 0.8, device.launch])
    # Adam reads weight, gradient and two moments and writes three of them, in single precision.
    adam = 7 * 4 / device.bandwidth if passes > 1 else 0.0
    return Additive(passes * np.tile(one, (len(KINDS), 1)), passes * one[1] + adam)


def fit(networks: Sequence[Arrays], seconds: np.ndarray, prior: Additive, pull: float = 0.03) -> Additive:
    """Non-negative least squares of the relative error, drawn towards relatives, and these towards a prior.

    Minimises ``mean((A w / t - 1)^2) + pull * mean((w / w_guess - 1)^2)`` over w >= 0; twice, first with one
    factor for all relatives and the prior as the guess, then for each kind with what came out as the guess.

    Parameters
    ----------
    networks : sequence of Arrays
        m networks, as they were measured (batch).
    seconds : numpy.ndarray
        Shape (m,), what was measured.
    prior : Additive
        From `roofline`.
    pull : float
        How much the guess counts; with 0 it is plain least squares.

    Returns
    -------
    Additive

    Raises
    ------
    BootcampError
        If there is nothing to fit to, or a time is not positive.
    """
    seconds = np.asarray(seconds, np.float64)
    if len(networks) != len(seconds) or not len(seconds) or not (seconds > 0).all():
        raise BootcampError(
            f"{len(networks)} networks and {len(seconds)} times cannot be fitted.",
            "Give one positive time for each network.",
        )
    asked = np.stack([totals(network) for network in networks]) / seconds[:, None]
    guess = np.append(prior.seconds.ravel(), prior.per_parameter)
    together = _related()
    common = _factors(asked * guess @ together, pull)
    # No relative is free: a factor of zero could not be mended by the second step.
    guess = guess * (together @ np.maximum(common, _LEAST))
    found = guess * _factors(asked * guess, pull)
    return Additive(found[:-1].reshape(-1, 3), float(found[-1]))


def _related() -> np.ndarray:
    """Which numbers share a factor in the first step, shape (3 * len(KINDS) + 1, factors), of 0 and 1."""
    group = {kind: i for i, kinds in enumerate(RELATIVES.values()) for kind in kinds}
    columns = [3 * group[kind] + term for kind in KINDS for term in range(3)]
    return np.eye(3 * len(RELATIVES) + 1)[[*columns, 3 * len(RELATIVES)]]


def _factors(design: np.ndarray, pull: float) -> np.ndarray:
    """Factors u >= 0 for which ``design @ u`` is near 1, and u not far from 1."""
    rows, columns = design.shape
    weight = np.sqrt(pull * rows / columns)
    system = np.vstack([design, weight * np.eye(columns)])
    return nnls(system, np.append(np.ones(rows), np.full(columns, weight)), maxiter=100 * columns)[0]


def totals(network: Arrays) -> np.ndarray:
    """What a network asks for, by kind of operator.

    Parameters
    ----------
    network : Arrays

    Returns
    -------
    numpy.ndarray
        Shape (3 * len(KINDS) + 1,): MACs, activations and number of each kind; parameters.
    """
    work = network.work * network.count[:, None]
    by_kind = np.stack([np.bincount(network.kind, column, len(KINDS)) for column in work[:, :3].T], 1)
    return np.append(by_kind.ravel(), work[:, 3].sum())
