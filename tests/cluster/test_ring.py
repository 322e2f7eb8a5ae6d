"""The ring all-reduce gives the sum, and sends as many bytes as the formula says."""

from __future__ import annotations

import numpy as np
import pytest

from maelstrom_bootcamp.cluster.ring import ring_allreduce, ring_bytes
from maelstrom_bootcamp.errors import BootcampError


@pytest.mark.parametrize("workers", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("size", [1, 5, 12, 100])
def test_everybody_has_the_sum(workers, size):
    rng = np.random.default_rng(workers * size)
    arrays = [rng.integers(-9, 9, size).astype(float) for _ in range(workers)]  # whole: sums are exact
    before = [a.copy() for a in arrays]
    reduced = ring_allreduce(arrays)
    assert all(np.array_equal(a, sum(before)) for a in reduced.arrays)
    assert all(np.array_equal(a, b) for a, b in zip(arrays, before, strict=True)), "input was changed"
    assert reduced.steps == 2 * (workers - 1)


def test_all_workers_have_the_same_bits():
    rng = np.random.default_rng(0)
    reduced = ring_allreduce([rng.normal(size=(3, 5)).astype(np.float32) for _ in range(5)])
    assert all(np.array_equal(reduced.arrays[0], other) for other in reduced.arrays)
    assert reduced.arrays[0].shape == (3, 5)
    assert reduced.arrays[0].dtype == np.float32


@pytest.mark.parametrize("workers", [1, 2, 4, 6])
def test_bytes_are_those_of_the_formula(workers):
    array = np.ones(12 * workers, np.float32)
    reduced = ring_allreduce([array] * workers)
    assert reduced.sent == [ring_bytes(array.nbytes, workers)] * workers


def test_uneven_chunks_send_together_what_the_formula_says():
    reduced = ring_allreduce([np.ones(7)] * 3)
    assert sum(reduced.sent) == pytest.approx(3 * ring_bytes(56, 3))


def test_arrays_that_differ_are_refused():
    for arrays in ([], [np.ones(2), np.ones(3)], [np.ones(2), np.ones(2, np.float32)]):
        with pytest.raises(BootcampError, match="one shape"):
            ring_allreduce(arrays)
