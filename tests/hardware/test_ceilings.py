from __future__ import annotations

import numpy as np
import pytest

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.hardware.ceilings import (
    MEASURED,
    Ceilings,
    from_device,
    from_sweep,
    measure_ceilings,
)
from maelstrom_bootcamp.hardware.systems import device, devices
from maelstrom_bootcamp.machine import cores
from support import compares_times

TOY = Ceilings("toy", {"fp32": 1e12, "bf16": 4e12}, 1e11, ((1e4, 8e11), (1e6, 4e11), (1e8, 1e11)))


def test_roof_bends_at_the_ridge():
    assert TOY.ridge("fp32") == 10
    assert TOY.ridge("bf16") == 40
    assert TOY.roof(5.0) == 5e11
    assert TOY.roof(20.0) == 1e12
    assert TOY.roof(20.0, "bf16") == 2e12, "more arithmetic moves the ridge to the right, not the slope"
    assert TOY.roof(1.0, bandwidth=4e11) == 4e11


def test_bandwidth_depends_on_what_is_touched():
    assert TOY.bandwidth_at(1.0) == 8e11
    assert np.isclose(TOY.bandwidth_at(1e6), 4e11)
    assert np.isclose(TOY.bandwidth_at(1e12), TOY.bandwidth)
    between = TOY.bandwidth_at(np.array([1e4, 1e5, 1e6, 1e7, 1e9]))
    assert (np.diff(between) < 0).all()
    flat = Ceilings("flat", {"fp32": 1e12}, 1e11)
    assert np.isclose(flat.bandwidth_at(10), 1e11)
    assert (flat.bandwidth_at(np.array([1, 1e9])) == 1e11).all()


def test_a_larger_block_is_never_faster():
    found = from_sweep("m", {"fp32": 1.0}, [(1e3, 5.0), (1e4, 9.0), (1e5, 3.0)], 1)
    assert [speed for _, speed in found.caches] == [9.0, 9.0, 3.0]
    assert found.bandwidth == 3.0


def test_ceilings_of_every_sheet():
    for key, each in devices().items():
        if "bandwidth" not in each.figures or not any("." in name for name in each.figures):
            with pytest.raises(BootcampError, match=key):
                from_device(each)
            continue
        found = from_device(each)
        assert found.bandwidth == each.bandwidth
        assert found.threads is None
        assert not found.caches
        assert all(speed == each.peak(precision) for precision, speed in found.flops.items())


def test_matrix_and_vector_units():
    vector, matrix = (from_device(device("a100-40gb"), units) for units in (False, True))
    assert vector.peak("fp32") == 19.5e12
    assert matrix.peak("bf16") == 312e12
    assert vector.bandwidth == matrix.bandwidth
    with pytest.raises(BootcampError, match="No ceiling of .* for fp32"):
        matrix.peak("fp32")
    with pytest.raises(BootcampError, match="no peak of matrix units"):
        from_device(device("epyc-7742"), True)


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda: TOY.peak("fp8"), "no precision of the table"),
        (lambda: TOY.peak("fp64"), "fp32, bf16"),
        (lambda: Ceilings("m", {"fp32": 0.0}, 1.0), "not a speed"),
        (lambda: Ceilings("m", {"fp32": 1.0}, float("nan")), "not a speed"),
        (lambda: measure_ceilings(0), "threads=0"),
        (lambda: measure_ceilings(cores() + 1), "does not fit"),
        (lambda: measure_ceilings(1, precisions=("tf32",)), "tf32"),
    ],
)
def test_bad_input_is_one_clear_error(ask, words):
    with pytest.raises(BootcampError, match=words):
        ask()


@compares_times
def test_this_machine_measured():
    found = measure_ceilings(1, precisions=("fp32", "fp64"), seconds=0.02)
    assert found.threads == 1
    assert set(found.flops) == {"fp32", "fp64"}
    assert set(MEASURED) > set(found.flops)
    assert 1e8 < found.peak("fp64") < found.peak("fp32") < 1e13
    assert 1e8 < found.bandwidth <= found.caches[0][1] < 1e13
    assert found.caches[0][1] > 1.2 * found.bandwidth, "the first cache is faster than main memory"
    assert found.ridge("fp32") > 0.5
