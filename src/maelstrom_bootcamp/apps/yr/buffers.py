"""Memory that is used again: a pool of arrays and a bounded cache, both safe between threads."""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from math import prod
from typing import Any

import numpy as np

#: TensorFlow takes over an array that begins on a cache line without copying it.
ALIGNMENT = 64


class BufferPool:
    """Hands out float32 arrays, and hands them out again once nobody refers to them any more.

    Fresh memory is slow: the system clears each page at its first touch, which takes longer than reading a
    batch from the page cache. A buffer is free again when the last view of it is gone, be it held by us, by
    TensorFlow or by a learner's variable: Python counts the references, so a batch that is still in use is
    never overwritten. The pool grows to what is in use at the same time, and no further.
    """

    def __init__(self) -> None:
        self._buffers: dict[int, list[np.ndarray]] = {}
        self._lock = threading.Lock()
        # References that the list and the call themselves hold (2 in CPython 3.11 and 3.12).
        self._unused = _references([np.empty(0)], 0)

    def take(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return an array whose values are arbitrary.

        Parameters
        ----------
        shape : tuple of int

        Returns
        -------
        numpy.ndarray
            Float32, C-contiguous, aligned to 64 bytes.
        """
        n = prod(shape)
        with self._lock:
            buffers = self._buffers.setdefault(n, [])
            for i in range(len(buffers)):
                if _references(buffers, i) == self._unused:
                    return _view(buffers[i], shape)
            buffers.append(np.empty(n + ALIGNMENT // 4, np.float32))
            return _view(buffers[-1], shape)

    @property
    def bytes(self) -> int:
        """Memory held, in use or not."""
        with self._lock:
            return sum(b.nbytes for buffers in self._buffers.values() for b in buffers)


def _references(buffers: list[np.ndarray], i: int) -> int:
    return sys.getrefcount(buffers[i])


def _view(buffer: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    first = -buffer.ctypes.data % ALIGNMENT // 4
    return buffer[first : first + prod(shape)].reshape(shape)


class BoundedCache:
    """The last few results of something expensive.

    Parameters
    ----------
    capacity : int
        Most results kept.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._kept: OrderedDict = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """Return what was kept under ``key``, or make it (two threads may both make it: same values)."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            while len(self._kept) >= self.capacity:  # first let go, so that the memory can be used again
                self._kept.popitem(last=False)
        value = make()
        with self._lock:
            self._kept[key] = value
        return value

    def __len__(self) -> int:
        return len(self._kept)
