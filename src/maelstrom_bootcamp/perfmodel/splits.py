"""How you split is what you get: the protocols under which a predictor is scored.

A random split flatters. Models come as families (ResNets, ViTs), and within a family as twins: the same
architecture under another name, with other weights or another batch. A predictor that has seen the twin
need not predict, it remembers. So a split says what is new in its test set: only the model (`random`), the
architecture (`unseen_architectures`) or the whole family (`unseen_families`). Every table of this course
names the one it used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from maelstrom_bootcamp.errors import BootcampError

#: TraPPM repeats its split with the seeds 1337 to 1341.
FIRST_SEED = 1337


class Split(NamedTuple):
    """Which models are for training and which for the test.

    Attributes
    ----------
    protocol : str
        "random", "unseen architectures" or "unseen families".
    part : str
        Which repetition: the seed, or the families that are held out.
    train, test : numpy.ndarray
        Indices, int64, ascending, disjoint.
    """

    protocol: str
    part: str
    train: np.ndarray
    test: np.ndarray


def random(
    families: Sequence[str], *, share: float = 0.7, repeats: int = 5, first_seed: int = FIRST_SEED
) -> Iterator[Split]:
    """TraPPM's protocol: in each family 70 % of the models at random, five times. Twins may be on both sides.

    Parameters
    ----------
    families : sequence of str
        Family of each model.
    share : float
        Of the training.
    repeats : int
    first_seed : int

    Yields
    ------
    Split
    """
    names = [str(i) for i in range(len(families))]  # every model is its own architecture
    for split in unseen_architectures(families, names, share=share, repeats=repeats, first_seed=first_seed):
        yield split._replace(protocol="random")


def unseen_architectures(
    families: Sequence[str],
    architectures: Sequence[str],
    *,
    share: float = 0.7,
    repeats: int = 5,
    first_seed: int = FIRST_SEED,
) -> Iterator[Split]:
    """Within each family 70 % of the architectures at random; twins stay together.

    Parameters
    ----------
    families : sequence of str
        Family of each model.
    architectures : sequence of str
        Name of its architecture, the same for twins; `OpGraph.digest`.
    share : float
        Of the training.
    repeats : int
    first_seed : int

    Yields
    ------
    Split

    Raises
    ------
    BootcampError
        If the share leaves nothing for one of the sides.
    """
    families, architectures = _pair(families, architectures)
    if not 0 < share < 1:
        raise BootcampError(f"A share of {share} leaves one side empty.", "Give a share between 0 and 1.")
    # Twins may carry names of different families; the architecture goes with the first of them.
    distinct, first = np.unique(architectures, return_index=True)
    family = families[first]
    for seed in range(first_seed, first_seed + repeats):
        rng = np.random.default_rng(seed)
        test: list[str] = []
        for name in np.unique(family):
            order = rng.permutation(distinct[family == name])
            test += list(order[max(1, int(share * len(order))) :])
        yield _split("unseen architectures", f"seed {seed}", np.isin(architectures, test))


def unseen_families(families: Sequence[str], groups: int | None = None, *, seed: int = 0) -> Iterator[Split]:
    """Whole families are held out, one after the other or in groups.

    Parameters
    ----------
    families : sequence of str
        Family of each model.
    groups : int, optional
        Number of groups into which the families are dealt at random; by default each is held out by itself.
    seed : int
        Of the deal.

    Yields
    ------
    Split

    Raises
    ------
    BootcampError
        If there are fewer families than groups, or only one.
    """
    families, _ = _pair(families, families)
    names = np.random.default_rng(seed).permutation(np.unique(families))
    count = len(names) if groups is None else groups
    if not 2 <= count <= len(names):
        raise BootcampError(
            f"{len(names)} families cannot be dealt into {count} groups.",
            "Give at least two groups and not more than there are families.",
        )
    for held in np.array_split(names, count):
        yield _split("unseen families", ", ".join(sorted(held)), np.isin(families, held))


def _split(protocol: str, part: str, test: np.ndarray) -> Split:
    return Split(protocol, part, np.flatnonzero(~test), np.flatnonzero(test))


def _pair(a: Sequence[str], b: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    if len(a) != len(b) or not len(a):
        raise BootcampError(
            f"There are {len(a)} families for {len(b)} models.", "Give one family and architecture per model."
        )
    return np.asarray(a, str), np.asarray(b, str)
