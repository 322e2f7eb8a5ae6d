"""Has the predictor seen anything like this? What it is asked may lie outside of what it has learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from maelstrom_bootcamp.perfmodel.arrays import Arrays
from maelstrom_bootcamp.perfmodel.models.additive import Additive
from maelstrom_bootcamp.perfmodel.operators import KINDS

#: A kind of operator that fewer training networks had is new.
_RARE = 5
#: New kinds may take so much of the time before it is worth a word.
_SHARE = 0.05
_TOTALS = ("multiply-accumulates", "values moved", "operators", "parameters", "batch")


@dataclass(frozen=True)
class Verdict:
    """Whether a network is like those of the training.

    Attributes
    ----------
    inside : bool
    family : str
        Of the training network whose time is made up most alike.
    warnings : tuple of str
        What is new about it, one sentence each.
    """

    inside: bool
    family: str
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Domain:
    """What the training networks were like.

    Attributes
    ----------
    shares : numpy.ndarray
        Shape (n, len(KINDS)): of each training network, each kind's share of its additive time.
    families : numpy.ndarray
        Shape (n,), str.
    low, high : numpy.ndarray
        Shape (5,): smallest and largest totals of `totals_of`.
    reach : float
        Distance to the nearest other training network that 99 % of them keep.
    """

    shares: np.ndarray
    families: np.ndarray
    low: np.ndarray
    high: np.ndarray
    reach: float

    def judge(self, network: Arrays, prior: Additive) -> Verdict:
        """Compare a network with those of the training.

        Parameters
        ----------
        network : Arrays
        prior : Additive
            The additive model of the training.

        Returns
        -------
        Verdict
        """
        share = shares_of(network, prior)
        warnings = []
        seen = (self.shares > 0).sum(0)
        new = [(k, s) for k, s, n in zip(KINDS, share, seen, strict=True) if n < _RARE and s > _SHARE]
        for kind, part in new:
            warnings.append(f"{part:.0%} of the time is of a kind that was hardly ever measured: {kind}.")
        for name, value, low, high in zip(_TOTALS, totals_of(network), self.low, self.high, strict=True):
            if not low / 2 <= value <= high * 2:
                warnings.append(
                    f"Its {name} ({value:.3g}) lie outside of what was measured ({low:.3g} to {high:.3g})."
                )
        distance = _distance(self.shares, share)
        nearest = int(distance.argmin())
        if distance[nearest] > 2 * self.reach:
            warnings.append("Its time is made up unlike that of any network that was measured.")
        return Verdict(not warnings, str(self.families[nearest]), tuple(warnings))


def domain(networks: Sequence[Arrays], families: Sequence[str], prior: Additive) -> Domain:
    """Describe the networks of a training.

    Parameters
    ----------
    networks : sequence of Arrays
        At least two.
    families : sequence of str
    prior : Additive

    Returns
    -------
    Domain
    """
    shares = np.stack([shares_of(n, prior) for n in networks])
    nearest = []
    for i, share in enumerate(shares):
        distance = _distance(shares, share)
        distance[i] = np.inf
        nearest.append(distance.min())
    totals = np.stack([totals_of(n) for n in networks])
    return Domain(
        shares, np.asarray(families, str), totals.min(0), totals.max(0), float(np.quantile(nearest, 0.99))
    )


def shares_of(network: Arrays, prior: Additive) -> np.ndarray:
    """Each kind's share of a network's additive time.

    Parameters
    ----------
    network : Arrays
    prior : Additive

    Returns
    -------
    numpy.ndarray
        Shape (len(KINDS),), sum 1.
    """
    seconds = np.bincount(network.kind, network.count * prior.by_operator(network), len(KINDS))
    return seconds / max(seconds.sum(), 1e-30)


def totals_of(network: Arrays) -> np.ndarray:
    """MACs, values moved, operators and parameters of a network, and its batch.

    Parameters
    ----------
    network : Arrays

    Returns
    -------
    numpy.ndarray
        Shape (5,).
    """
    return np.append(network.count @ network.work, network.batch)


def _distance(many: np.ndarray, one: np.ndarray) -> np.ndarray:
    return np.abs(many - one).sum(1)
