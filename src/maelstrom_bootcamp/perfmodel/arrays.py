"""A graph of operators as arrays: what the networks of this chapter read.

Networks repeat themselves. A ResNet-101 has 22 times the same block, and operators whose surroundings are
alike as as a graph network can see get the same answer from it. `arrays` therefore keeps one of them and
its number (`Arrays.count`): a quarter of the operators is left, the predictions are the same to round-off,
and training takes a quarter of the time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from maelstrom_bootcamp.perfmodel.graph import ModelInputError, Op, OpGraph, Shape
from maelstrom_bootcamp.perfmodel.operators import KINDS

#: Names of the columns of `Arrays.features`, after one column for each kind.
COLUMNS = (
    "macs",
    "traffic",
    "parameters",
    "written",
    "read",
    "channels in",
    "channels out",
    "kernel",
    "stride",
    "groups",
    "positions",
    "intensity",
    "odd channels in",
    "odd channels out",
    "rank",
    "longest length out",
    "second length out",
    "third length out",
    "longest length in",
    "second length in",
    "third length in",
    "channels in of a group",
    "channels out of a group",
    "channels in beyond 16",
    "channels out beyond 16",
    "not by 16 in",
    "not by 16 out",
    "group not by 16",
    # of the whole batch, so they change with it: a cache is full or not, whoever fills it
    "batch",
    "macs of the batch",
    "traffic of the batch",
)
_OF_BATCH = 3
_INDEX = {kind: i for i, kind in enumerate(KINDS)}


@dataclass(frozen=True)
class Arrays:
    """One network; n operators that differ, out of `count.sum()`.

    Attributes
    ----------
    features : numpy.ndarray
        Shape (n, len(KINDS) + len(COLUMNS)), float32: a one for the kind, then logarithms of sizes for one
        sample of the batch; the last three are of the whole batch.
    kind : numpy.ndarray
        Shape (n,), index into KINDS.
    work : numpy.ndarray
        Shape (n, 4), float64, for the whole batch: MACs, activations moved, 1, parameters. A linear cost
        model multiplies it by seconds.
    count : numpy.ndarray
        Shape (n,), float32: how many operators this one stands for.
    read, written : numpy.ndarray
        Shape (e, 2), int32: (neighbour, operator): who writes what the operator reads, and who reads what
        it writes.
    batch : int
    """

    features: np.ndarray
    kind: np.ndarray
    work: np.ndarray
    count: np.ndarray
    read: np.ndarray
    written: np.ndarray
    batch: int

    def at_batch(self, batch: int) -> Arrays:
        """The same network with another batch.

        Parameters
        ----------
        batch : int

        Returns
        -------
        Arrays
        """
        work = self.work.copy()
        work[:, :2] *= batch / self.batch
        features = self.features.copy()
        features[:, -_OF_BATCH:] = _of_batch(work, batch)
        return replace(self, features=features, work=work, batch=batch)


def arrays(graph: OpGraph, hops: int = 2) -> Arrays:
    """Turn a graph into arrays.

    Parameters
    ----------
    graph : OpGraph
    hops : int
        As far as a graph network with so many layers can see: operators that are alike up to there are
        merged. A negative number merges nothing.

    Returns
    -------
    Arrays

    Raises
    ------
    ModelInputError
        If no operator of the graph does any work.
    """
    if not graph.ops:
        raise ModelInputError(
            f"{graph.name or 'The network'} has no operator that does any work.",
            "Give a network with layers.",
        )
    rows = np.array([_numbers(op) for op in graph.ops], np.float64).reshape(len(graph), -1)
    kind = np.array([_INDEX[op.kind] for op in graph.ops], np.int64)
    kept, count, class_of = merge(np.column_stack([kind, rows]), graph.edges, hops)
    place = np.full(len(graph), -1)
    place[kept] = np.arange(len(kept))
    writer, reader = np.asarray(graph.edges, np.int64).reshape(-1, 2).T
    read = np.stack([class_of[writer], place[reader]], 1)[place[reader] >= 0]
    written = np.stack([class_of[reader], place[writer]], 1)[place[writer] >= 0]
    work = np.array([(op.macs, op.values - op.params, 1, op.params) for op in graph.ops], np.float64).reshape(
        -1, 4
    )
    return Arrays(
        features=_features(kind[kept], rows[kept], work[kept], graph.batch),
        kind=kind[kept],
        work=work[kept],
        count=count.astype(np.float32),
        read=read.astype(np.int32),
        written=written.astype(np.int32),
        batch=graph.batch,
    )


def _numbers(op: Op) -> tuple[float, ...]:
    length = np.prod(op.in_shape) if op.in_shape else 0
    return (
        op.macs,
        op.values,
        op.params,
        op.out_values,
        float(length),
        op.channels_in,
        op.channels_out,
        op.kernel,
        op.stride,
        op.groups,
        len(op.out_shape),
        *_longest(op.out_shape),
        *_longest(op.in_shape),
    )


def _longest(shape: Shape) -> list[int]:
    # Sorted, because frameworks differ in where they put the channels. Without the batch.
    lengths = sorted(shape[1:], reverse=True)[:3]
    return lengths + [0] * (3 - len(lengths))


def _of_batch(work: np.ndarray, batch: int) -> np.ndarray:
    log = np.log1p(work[:, :2]) / 10
    return np.column_stack([np.full(len(work), np.log2(batch) / 3), log])


def _features(kind: np.ndarray, rows: np.ndarray, work: np.ndarray, batch: int) -> np.ndarray:
    macs, values, params, out, length, c_in, c_out, kernel, stride, groups, rank = rows.T[:11]
    macs, out, length = macs / batch, out / batch, length / batch
    traffic = np.maximum(values - params, 0) / batch
    log = np.log1p
    columns = [
        log(macs) / 10,
        log(traffic) / 10,
        log(params) / 10,
        log(out) / 10,
        log(length) / 10,
        log(c_in) / 5,
        log(c_out) / 5,
        kernel / 5,
        stride / 2,
        log(groups) / 4,
        log(out / np.maximum(c_out, 1)) / 8,
        (macs / np.maximum(traffic, 1)) ** 0.25 / 3,
        c_in % 8 > 0,  # tensor cores want multiples of eight
        c_out % 8 > 0,
        rank / 4,
        *log(rows.T[11:]) / 5,
        *_sixteens(c_in, c_out, np.maximum(groups, 1)),
        *_of_batch(work, batch).T,
    ]
    return np.column_stack([np.eye(len(KINDS))[kind], *columns]).astype(np.float32)


def _sixteens(c_in: np.ndarray, c_out: np.ndarray, groups: np.ndarray) -> list[np.ndarray]:
    """Vectors of a processor hold sixteen numbers of 32 bits: channels that fill none cost as much as one."""
    inner, outer = c_in / groups, c_out / groups
    return [
        np.log1p(inner) / 5,
        np.log1p(outer) / 5,
        c_in % 16 / 16,
        c_out % 16 / 16,
        c_in % 16 > 0,
        c_out % 16 > 0,
        inner % 16 > 0,
    ]


def merge(colours: np.ndarray, edges: np.ndarray, hops: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Operators that are alike to a graph network with so many layers.

    Refinement of colours after Weisfeiler and Leman: in each round an operator's new colour is its old one
    and those of its neighbours. After h rounds operators of one colour look alike to h layers of messages.

    Parameters
    ----------
    colours : numpy.ndarray
        Shape (n, k): what is known of each operator by itself.
    edges : numpy.ndarray
        Shape (e, 2): (writer, reader).
    hops : int
        A negative number merges nothing.

    Returns
    -------
    kept : numpy.ndarray
        The first operator of each class.
    count : numpy.ndarray
        The size of each class.
    class_of : numpy.ndarray
        Shape (n,): each operator's class.
    """
    if hops < 0:
        everyone = np.arange(len(colours))
        return everyone, np.ones(len(colours)), everyone
    _, colour = np.unique(colours, axis=0, return_inverse=True)
    colour = colour.ravel().astype(np.int64)
    before: list[list[int]] = [[] for _ in colours]
    after: list[list[int]] = [[] for _ in colours]
    for writer, reader in edges:
        before[reader].append(writer)
        after[writer].append(reader)
    for _ in range(hops):
        seen: dict[tuple, int] = {}
        colour = np.array(
            [seen.setdefault(_around(colour, i, before[i], after[i]), len(seen)) for i in range(len(colours))]
        )
    _, kept, colour, count = np.unique(colour, return_index=True, return_inverse=True, return_counts=True)
    return kept, count, colour.ravel()


def _around(colour: np.ndarray, i: int, before: list[int], after: list[int]) -> tuple[int, ...]:
    # -1 is no colour: it keeps those before apart from those after.
    return (colour[i], *sorted(colour[before].tolist()), -1, *sorted(colour[after].tolist()))
