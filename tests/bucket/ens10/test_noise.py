from __future__ import annotations

import numpy as np
import pytest

from maelstrom_bootcamp.bucket.ens10 import noise


def area_variance(fields: np.ndarray) -> float:
    weights = np.cos(np.radians(noise.surface_sphere().latitude))
    return float(np.average((fields**2).mean((0, 2)), weights=weights))


def test_fields_have_unit_variance_and_no_mean() -> None:
    fields = noise.surface_fields(noise.rng(0, "ground"), 300)
    assert area_variance(fields) == pytest.approx(1, abs=0.03)
    assert (
        abs(np.average(fields.mean((0, 2)), weights=np.cos(np.radians(noise.surface_sphere().latitude))))
        < 0.01
    )


def test_streams_and_seeds_are_independent_and_repeatable() -> None:
    draws = [
        noise.rng(*key).standard_normal(50)
        for key in ((0, "ground"), (1, "ground"), (0, "start"), (0, "ground", 1))
    ]
    assert np.abs(np.corrcoef(draws) - np.eye(4)).max() < 0.5
    assert np.array_equal(noise.rng(0, "ground").standard_normal(50), draws[0])
    with pytest.raises(ValueError):
        noise.rng(0, "no such purpose")


def test_memory_fades_and_keeps_its_variance() -> None:
    memory = noise.Memory([noise.rng(0, "ground", i) for i in range(200)], days=15)
    start = memory.field()
    memory.advance(15)
    now = memory.field()
    assert np.corrcoef(start.ravel(), now.ravel())[0, 1] == pytest.approx(np.exp(-1), abs=0.03)
    assert area_variance(now) == pytest.approx(1, abs=0.05)
