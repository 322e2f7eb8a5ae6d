from __future__ import annotations

import numpy as np
import pytest

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.perfmodel.arrays import COLUMNS, arrays
from maelstrom_bootcamp.perfmodel.graph import Op, OpGraph
from maelstrom_bootcamp.perfmodel.models import additive
from maelstrom_bootcamp.perfmodel.operators import KINDS, RELATIVES
from maelstrom_bootcamp.perfmodel.zoo.families import make
from maelstrom_bootcamp.perfmodel.zoo.to_graph import to_graph

RTX = additive.Device("a card", flops=71e12, bandwidth=936e9, launch=8e-6, bytes_per_value=2)


def chain(blocks: int) -> OpGraph:
    """The same two operators, again and again."""
    conv = Op("Conv", "conv", (2, 8, 4, 4), (2, 8, 4, 4), 9216, 584, 1096, 256, 8, 8, 3)
    relu = Op("Relu", "relu", (2, 8, 4, 4), (2, 8, 4, 4), values=512, out_values=256)
    ops = (conv, relu) * blocks
    edges = np.array([(i, i + 1) for i in range(len(ops) - 1)], np.int32)
    return OpGraph(ops, edges, batch=2)


@pytest.fixture(scope="module")
def networks():
    return [to_graph(make(f, seed), batch=2) for f in ("resnet", "vit", "mobilenet") for seed in range(3)]


def test_repeated_blocks_are_kept_once():
    long, longer = arrays(chain(20)), arrays(chain(40))
    assert len(long.kind) == len(longer.kind) < 12
    assert longer.count.sum() == 80
    assert len(arrays(chain(20), hops=-1).kind) == 40
    assert long.features.shape[1] == len(KINDS) + len(COLUMNS)


def test_merging_loses_no_work(networks):
    for graph in networks:
        merged, full = arrays(graph), arrays(graph, hops=-1)
        assert len(merged.kind) <= len(full.kind) == len(graph)
        np.testing.assert_allclose(additive.totals(merged), additive.totals(full), rtol=1e-12)
        assert additive.totals(merged)[-1] == graph.params
        assert merged.count @ merged.work[:, 0] == graph.macs


def test_only_the_last_features_depend_on_the_batch_and_work_does(networks):
    small, large = arrays(networks[0]), arrays(networks[0].at_batch(6))
    assert [
        i for i in range(-len(COLUMNS), 0) if not np.allclose(small.features[:, i], large.features[:, i])
    ] == [
        -3,
        -2,
        -1,
    ]
    np.testing.assert_allclose(small.at_batch(6).features, large.features, atol=1e-6)
    assert large.work[:, 0].sum() == 3 * small.work[:, 0].sum()
    assert large.batch == 6


def test_messages_reach_merged_operators_from_all_neighbours():
    """A mean over the neighbours gives the same on the merged graph, as many times as there are layers."""
    graph = chain(6)

    def spread(a):
        h = a.features[:, -14]
        for _ in range(2):
            mean = np.zeros_like(h)
            for neighbour, operator in a.read:
                mean[operator] += h[neighbour]
            h = h + mean
        return h

    merged, full = arrays(graph), arrays(graph, hops=-1)
    assert (merged.count @ spread(merged)) == pytest.approx(spread(full).sum())


def test_fit_finds_the_costs_that_made_the_times(networks):
    samples = [arrays(n) for n in networks]
    truth = additive.Additive(additive.roofline(RTX).seconds * 1.7, 1e-12)
    prior = additive.roofline(RTX, passes=3)
    found = additive.fit(samples, truth.predict(samples), prior, pull=1e-6)
    np.testing.assert_allclose(found.predict(samples), truth.predict(samples), rtol=0.02)
    held = additive.fit(samples, truth.predict(samples), prior, pull=1e6)
    np.testing.assert_allclose(held.predict(samples), prior.predict(samples), rtol=0.01)
    assert sorted(k for kinds in RELATIVES.values() for k in kinds) == sorted(KINDS)
    assert (found.seconds >= 0).all()


def test_a_kind_that_was_never_measured_is_guessed_from_its_relatives(networks):
    """Pointwise operators take a tenth of what was promised; one of them does not occur in the training."""
    promised = additive.roofline(additive.Device("a core", flops=100e9, bandwidth=20e9, launch=1e-7))
    cheap = promised.seconds.copy()
    cheap[[KINDS.index(kind) for kind in RELATIVES["pointwise"]]] *= 0.1
    truth, gelu = additive.Additive(cheap), KINDS.index("gelu")
    without = [n for n in map(arrays, networks) if not (n.kind == gelu).any()]
    assert 0 < len(without) < len(networks)
    found = additive.fit(without, truth.predict(without), promised, pull=1e-3)
    factor = found.seconds[:, 1] / promised.seconds[:, 1]
    assert factor[gelu] < 0.6, "without relatives it would stay at 1"
    assert factor[gelu] == pytest.approx(factor[KINDS.index("relu")], abs=0.1)


def test_time_is_the_sum_over_operators(networks):
    model = additive.roofline(RTX)
    a = arrays(networks[1])
    assert model.predict([a])[0] == pytest.approx(float((a.count * model.by_operator(a)).sum()))
    more = arrays(networks[1].at_batch(4))
    assert model.predict([a])[0] < model.predict([more])[0] < 2 * model.predict([a])[0], "starts cost once"


def test_times_that_cannot_be_fitted_are_refused(networks):
    with pytest.raises(BootcampError, match="What to do"):
        additive.fit([arrays(networks[0])], np.array([0.0]), additive.roofline(RTX))
