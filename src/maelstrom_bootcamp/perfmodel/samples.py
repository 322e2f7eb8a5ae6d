"""Measured networks, ready to learn from: graphs, times and who is whose twin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from maelstrom_bootcamp.perfmodel.arrays import Arrays, arrays
from maelstrom_bootcamp.perfmodel.graph import ModelInputError, OpGraph


@dataclass(frozen=True)
class Samples:
    """n networks that were measured.

    Attributes
    ----------
    networks : tuple of Arrays
        At the batch at which they were measured.
    values : numpy.ndarray
        Shape (n,), float64: what was measured; seconds, or MB of 10^6 bytes.
    families : numpy.ndarray
        Shape (n,), str; empty for a network of none of the families that are scored.
    architectures : numpy.ndarray
        Shape (n,), str: the same for twins, which differ in name, weights, batch or size of the image only.
    names : numpy.ndarray
        Shape (n,), str.
    graphs : tuple of OpGraph
        What the networks were made from, at any batch: for predictors with features of their own.
    """

    networks: tuple[Arrays, ...]
    values: np.ndarray
    families: np.ndarray
    architectures: np.ndarray
    names: np.ndarray
    graphs: tuple[OpGraph, ...]

    def __len__(self) -> int:
        return len(self.networks)

    def take(self, indices: Sequence[int] | np.ndarray) -> Samples:
        """Some of them.

        Parameters
        ----------
        indices : sequence of int

        Returns
        -------
        Samples
        """
        chosen = np.asarray(indices, np.int64)
        networks, graphs = (tuple(a[i] for i in chosen) for a in (self.networks, self.graphs))
        rest = (a[chosen] for a in (self.values, self.families, self.architectures, self.names))
        return Samples(networks, *rest, graphs)

    def measured_graphs(self) -> list[OpGraph]:
        """The graphs at the batch at which they were measured.

        Returns
        -------
        list of OpGraph
        """
        return [g.at_batch(n.batch) for g, n in zip(self.graphs, self.networks, strict=True)]


def samples(
    graphs: Sequence[OpGraph],
    values: Sequence[float],
    families: Sequence[str],
    names: Sequence[str] | None = None,
    batches: Sequence[int] | None = None,
) -> Samples:
    """Join graphs and measurements; of identical graphs (batch and sizes, too) only the first is kept.

    Parameters
    ----------
    graphs : sequence of OpGraph
    values : sequence of float
        What was measured, positive.
    families : sequence of str
    names : sequence of str, optional
        By default those of the graphs.
    batches : sequence of int, optional
        At which they were measured; by default those of the graphs.

    Returns
    -------
    Samples

    Raises
    ------
    ModelInputError
        If the lengths differ, or a value is not positive.
    """
    measured = np.asarray(values, np.float64)
    names = [g.name for g in graphs] if names is None else names
    if not len(graphs) == len(measured) == len(families) == len(names) or not len(graphs):
        raise ModelInputError(
            f"There are {len(graphs)} graphs, {len(measured)} measurements and {len(families)} families.",
            "Give one of each for every network.",
        )
    if not (np.isfinite(measured).all() and (measured > 0).all()):
        raise ModelInputError("A measurement is zero, negative or missing.", "Leave its network out.")
    batches = [g.batch for g in graphs] if batches is None else batches
    # The same graph may have been measured on several devices and at several batches: it is read once.
    once = {id(g): (g.digest(), g.architecture(), arrays(g)) for g in {id(g): g for g in graphs}.values()}
    first: dict[tuple[str, int], int] = {}
    for i, (graph, batch) in enumerate(zip(graphs, batches, strict=True)):
        first.setdefault((once[id(graph)][0], batch), i)
    kept = list(first.values())
    return Samples(
        tuple(once[id(graphs[i])][2].at_batch(batches[i]) for i in kept),
        measured[kept],
        np.array([families[i] for i in kept], dtype=str),
        np.array([once[id(graphs[i])][1] for i in kept], dtype=str),
        np.array([names[i] for i in kept], dtype=str),
        tuple(graphs[i] for i in kept),
    )
