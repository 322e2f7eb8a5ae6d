"""Which networks are measured: families in turn, with a batch and limits that suit what is measured."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Literal, NamedTuple, get_args

from maelstrom_bootcamp.perfmodel.graph import ModelInputError, OpGraph
from maelstrom_bootcamp.perfmodel.zoo.blocks import Draw
from maelstrom_bootcamp.perfmodel.zoo.blueprint import Blueprint
from maelstrom_bootcamp.perfmodel.zoo.families import FAMILIES, MAX_MACS, RESOLUTIONS, make
from maelstrom_bootcamp.perfmodel.zoo.to_graph import to_graph

What = Literal["infer", "train"]
WHATS: tuple[What, ...] = get_args(What)


class Limits(NamedTuple):
    """Sizes of the networks that are measured.

    Attributes
    ----------
    resolutions : tuple of int
        Heights of the input in pixels.
    max_macs : int
        Of one sample.
    batches : tuple of int
        One is drawn; what stands there twice has twice the chance.
    max_batch_macs : int
        Of the whole batch: larger batches are halved.
    """

    resolutions: tuple[int, ...]
    max_macs: int
    batches: tuple[int, ...]
    max_batch_macs: int


#: A tenth of a second for an inference and a second for a training step, at most, on one core of today.
LIMITS: dict[What, Limits] = {
    "infer": Limits(RESOLUTIONS, MAX_MACS, (1, 1, 2, 4, 8), 1_500_000_000),
    "train": Limits((32, 48, 64), 200_000_000, (2, 4, 8, 16), 800_000_000),
}


@dataclass(frozen=True, slots=True)
class Case:
    """A network to be measured, or that has been.

    Attributes
    ----------
    what : {"infer", "train"}
    family : str
    seed : int
    batch : int
    """

    what: What
    family: str
    seed: int
    batch: int

    def blueprint(self) -> Blueprint:
        """Draw the network again."""
        limits = LIMITS[self.what]
        return make(self.family, self.seed, resolutions=limits.resolutions, max_macs=limits.max_macs)

    def graph(self) -> OpGraph:
        """The network as a graph, at its batch."""
        return to_graph(self.blueprint(), self.batch)


def case_of(what: What, family: str, seed: int) -> Case:
    """The case of a seed: its batch is drawn, too.

    Parameters
    ----------
    what : {"infer", "train"}
    family : str
    seed : int

    Returns
    -------
    Case

    Raises
    ------
    ModelInputError
        If there is no such family, or nothing of the name ``what``.
    """
    if what not in WHATS:
        raise ModelInputError(f"There is nothing to measure by the name {what!r}.", "Take infer or train.")
    limits = LIMITS[what]
    batch = Draw((zlib.crc32(f"{what} {family}".encode()), seed)).pick(*limits.batches)
    macs = Case(what, family, seed, batch).blueprint().macs
    while batch > 1 and batch * macs > limits.max_batch_macs:
        batch //= 2
    return Case(what, family, seed, batch)


def cases(what: What, first: int = 0) -> Iterator[Case]:
    """All cases, without end: the families in turn, then the next seed.

    Parameters
    ----------
    what : {"infer", "train"}
    first : int
        Seed to begin with.

    Yields
    ------
    Case
    """
    for seed in count(first):
        for family in FAMILIES:
            yield case_of(what, family, seed)
