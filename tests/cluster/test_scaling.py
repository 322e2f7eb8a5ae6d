"""The scaling model against numbers that were worked out by hand."""

from __future__ import annotations

import math

import pytest

from maelstrom_bootcamp.cluster import scaling as s
from maelstrom_bootcamp.errors import BootcampError

LINK = s.Link(latency=1e-6, bandwidth=1e9)
WORK = s.Work(per_sample=0.01, gradient_bytes=4e6, fixed=0.002, sample_bytes=1e6)


def ring(size, workers):
    return s.ring_seconds(size, workers, LINK)


def test_ring_by_hand():
    # 4 workers, 4 MB: 6 messages of 1 MB, each 1 us + 1 ms
    assert s.ring_seconds(4e6, 4, LINK) == pytest.approx(6 * (1e-6 + 1e-3))
    assert s.ring_seconds(4e6, 1, LINK) == 0


def test_tree_by_hand():
    # 8 workers: 3 hops up, 3 down; 2 * 7/8 of 8 MB
    assert s.tree_seconds(8e6, 8, LINK) == pytest.approx(6e-6 + 14e-3)
    assert s.tree_seconds(8e6, 1, LINK) == 0
    assert s.tree_seconds(8, 1000, LINK) < s.ring_seconds(8, 1000, LINK) / 90, "1998 hops against 20"


def test_fabric_by_hand():
    fabric = s.Fabric("test", 4, 10, s.Link(1e-6, 1e11), s.Link(1e-5, 1e10))
    total = s.fabric_allreduce(fabric)
    inside = 6 * 1e-6 + 1.5 * 8e6 / 1e11
    # 2 nodes: each GPU carries a quarter, 2 messages of 1 MB
    assert total(8e6, 8) == pytest.approx(inside + 2 * (1e-5 + 1e6 / 1e10))
    assert total(8e6, 4) == pytest.approx(inside)
    assert total(8e6, 2) == pytest.approx(2 * (1e-6 + 4e6 / 1e11))
    assert s.fabric_allreduce(fabric, "tree")(8e6, 40) < total(8e6, 40)


@pytest.mark.parametrize("gpus", [5, 44, 0])
def test_gpus_that_fill_no_nodes_are_refused(gpus):
    with pytest.raises(BootcampError):
        s.fabric_allreduce(s.Fabric("test", 4, 10, LINK, LINK))(8e6, gpus)


def test_unknown_algorithm():
    with pytest.raises(BootcampError, match="butterfly"):
        s.fabric_allreduce(s.juwels_booster(), "butterfly")


def test_step_by_hand():
    step = s.step_seconds(WORK, 8, 4, ring)
    assert step.compute == pytest.approx(0.082)
    assert step.communication == pytest.approx(6 * (1e-6 + 1e-3))
    assert step.exposed == step.communication
    assert step.total == pytest.approx(0.082 + step.communication)


def test_overlap_hides_at_most_the_backward_pass():
    assert s.step_seconds(WORK, 8, 4, ring, overlap=0.5).exposed == pytest.approx(ring(4e6, 4) / 2)
    assert s.step_seconds(WORK, 8, 4, ring, overlap=1).exposed == 0
    slow = s.step_seconds(WORK, 0, 4, ring, overlap=1, backward=0.5)  # 2 ms of computing, 6 ms of talking
    assert slow.exposed == pytest.approx(ring(4e6, 4) - 0.001)
    with pytest.raises(BootcampError):
        s.step_seconds(WORK, 8, 4, ring, overlap=1.5)


def test_loader_is_a_limit():
    step = s.step_seconds(WORK, 8, 4, ring, loader_bandwidth=1e8)  # 32 MB at 100 MB/s
    assert step.loader == pytest.approx(0.32)
    assert step.total == step.loader


def test_weak_and_strong_scaling():
    weak = s.scaling_table(WORK, [1, 2, 4], ring, share=8)
    assert weak.efficiency[1] == 1
    assert weak.efficiency[4] == pytest.approx(0.082 / (0.082 + ring(4e6, 4)))
    strong = s.scaling_table(WORK, [1, 2, 4], ring, batch=8)
    assert strong.speedup[4] == pytest.approx(0.082 / (0.022 + ring(4e6, 4)))
    assert strong.efficiency[4] < weak.efficiency[4]
    for both in ({}, {"share": 1, "batch": 2}):
        with pytest.raises(BootcampError, match="Strong or weak"):
            s.scaling_table(WORK, [1], ring, **both)


def test_without_communication_scaling_is_perfect():
    table = s.scaling_table(WORK, [1, 3, 100], lambda size, n: 0.0, share=5)
    assert table.efficiency.tolist() == pytest.approx([1, 1, 1])


@pytest.mark.parametrize("workers", [2, 5])
def test_fit_finds_the_link_that_made_the_times(workers):
    link = s.Link(3e-4, 2e9)
    sizes = [4, 1e4, 1e6, 1e8]
    found = s.fit_link(sizes, [s.ring_seconds(n, workers, link) for n in sizes], workers)
    assert found.latency == pytest.approx(3e-4)
    assert found.bandwidth == pytest.approx(2e9)


def test_fit_never_gives_negative_terms():
    found = s.fit_link([1e6, 2e6], [1e-3, 2.2e-3], 2)  # a line through negative latency
    assert found.latency == 0
    assert found.bandwidth > 0
    assert s.fit_link([1e3, 1e6], [2e-3, 1e-3], 2).bandwidth == math.inf  # larger is faster: no bandwidth


def test_fit_needs_something_to_fit():
    for arguments in (([1], [1], 2), ([1, 2], [1, 2], 1), ([1, 2], [0, 1], 2), ([1, 2, 3], [1, 2], 2)):
        with pytest.raises(BootcampError, match="cannot be fitted"):
            s.fit_link(*arguments)


def test_booster_is_the_one_of_the_table():
    booster = s.juwels_booster()
    assert booster.per_node * booster.nodes == 3744
    assert booster.between.bandwidth == 25e9
    assert booster.inside.bandwidth == 300e9
    assert "2212.07143" in booster.between.source
    assert "NCCL" in booster.inside.source


def test_laws():
    assert s.amdahl(0.1, 10) == pytest.approx(1 / 0.19)
    assert s.amdahl(0, 7) == 7
    assert s.amdahl(0.05, 1e12) == pytest.approx(20)
    assert s.gustafson(0.1, 10) == pytest.approx(9.1)
    assert s.serial_fraction(s.amdahl(0.03, 16), 16) == pytest.approx(0.03)
    with pytest.raises(BootcampError):
        s.serial_fraction(1.0, 1)
