"""The ring all-reduce, written out in NumPy: everybody ends up with the sum, nobody is the boss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from maelstrom_bootcamp.errors import BootcampError


class Reduced(NamedTuple):
    """What a ring all-reduce leaves.

    Attributes
    ----------
    arrays : list of numpy.ndarray
        One for each worker: the sum.
    sent : list of int
        Bytes that each worker has sent (and received).
    steps : int
        How often the ring turned.
    """

    arrays: list[np.ndarray]
    sent: list[int]
    steps: int


def ring_allreduce(arrays: Sequence[np.ndarray]) -> Reduced:
    """Sum the arrays of n workers that each talk to their right-hand neighbour only.

    Each array is cut into n chunks. In n - 1 steps partial sums travel around the ring, until each worker
    owns the sum of one chunk (reduce-scatter); in n - 1 more the finished chunks travel (all-gather).

    Parameters
    ----------
    arrays : sequence of numpy.ndarray
        One for each worker, all of the same shape and type. They stay as they are.

    Returns
    -------
    Reduced

    Raises
    ------
    BootcampError
        If there are none, or they differ in shape or type.

    References
    ----------
    Patarasuk, P. and Yuan, X. (2009): Bandwidth optimal all-reduce algorithms for clusters of workstations.
    J. Parallel Distrib. Comput. 69, 117-124.
    """
    if not arrays or len({(a.shape, a.dtype) for a in arrays}) != 1:
        raise BootcampError(
            "A ring needs arrays of one shape and type.", "Give one array for each worker, all alike."
        )
    n = len(arrays)
    chunks = [np.array_split(a.ravel().copy(), n) for a in arrays]  # chunks[worker][piece]
    sent = [0] * n
    for step in range(2 * (n - 1)):
        gathering = step >= n - 1
        # worker r sends piece r - step, which it has just completed one step further
        pieces = [(r + gathering - step % (n - 1)) % n for r in range(n)] if n > 1 else []
        letters = [chunks[r][p].copy() for r, p in enumerate(pieces)]  # all send at the same time
        for r, (piece, letter) in enumerate(zip(pieces, letters, strict=True)):
            right = (r + 1) % n
            chunks[right][piece] = letter if gathering else chunks[right][piece] + letter
            sent[r] += letter.nbytes
    return Reduced([np.concatenate(c).reshape(arrays[0].shape) for c in chunks], sent, 2 * (n - 1))


def ring_bytes(size: float, workers: int) -> float:
    """Bytes that each worker of a ring sends: 2 (n - 1) / n times the array.

    Parameters
    ----------
    size : float
        Bytes of the array.
    workers : int

    Returns
    -------
    float
    """
    return 2 * (workers - 1) / workers * size
