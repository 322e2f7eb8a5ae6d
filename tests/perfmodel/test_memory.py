from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from maelstrom_bootcamp.perfmodel import splits
from maelstrom_bootcamp.perfmodel.graph import ModelInputError, OpGraph
from maelstrom_bootcamp.perfmodel.labels.cases import case_of
from maelstrom_bootcamp.perfmodel.memory.liveness import liveness
from maelstrom_bootcamp.perfmodel.memory.pool import FIRST_REGION, GRAIN, Allocator, Pool
from maelstrom_bootcamp.perfmodel.memory.predictor import memory_predictor
from maelstrom_bootcamp.perfmodel.memory.rules import RULES, has_bias, padded_values, rule_of, size
from maelstrom_bootcamp.perfmodel.operators import KINDS
from maelstrom_bootcamp.perfmodel.zoo.builder import Builder
from maelstrom_bootcamp.perfmodel.zoo.families import FAMILIES
from maelstrom_bootcamp.perfmodel.zoo.to_graph import to_graph

#: Bytes of a map of 16 channels and 8 x 8 pixels in a batch of 4.
MAP = 4 * 16 * 64 * 4


def graph_of(write, shape=(16, 8, 8), batch=4):
    """What ``write`` makes of the input, then a mean and one score."""
    net = Builder(shape)
    return to_graph(net.finish(net.dense(net.flatten(net.global_pool(write(net, net.input))), 1)), batch)


def kept(write):
    return liveness(graph_of(write)).kept


def test_by_hand():
    net = Builder((3, 8, 8))
    x = net.activation(net.conv(net.input, 16, 3), "relu")
    found = liveness(to_graph(net.finish(net.dense(net.flatten(net.global_pool(x)), 10)), 4))
    # Everything in multiples of 256 bytes: kernel 432 numbers, matrix 160, offset 10.
    assert found.weights == 1792 + 768 + 256
    assert found.moments == 2 * found.weights
    # Image, map (convolution and ReLU share it), means, scores.
    assert found.kept == 3072 + MAP + 256 + 256
    # The largest moment: the mean's gradient is spread over the map, which ReLU still keeps.
    assert (found.phase, found.operator) == ("backward", 2)
    assert found.gradients == 768  # of the matrix; the offset's comes last
    assert found.activations == 3072 + MAP + 256
    assert found.work == 256 + 256 + MAP
    assert found.constants == 3 * 10 * 256
    # All of it fits into the first region, and little is lost between the pieces.
    asked = 3 * 2816 + 7680 + 768 + (3072 + MAP + 256) + (512 + MAP)
    assert asked <= found.peak == asked + found.lost < 1.1 * asked


def test_update_is_the_peak_of_a_network_that_is_all_weights():
    net = Builder((1, 16, 16))
    x = net.dense(net.flatten(net.input), 1000, bias=False)
    found = liveness(to_graph(net.finish(x), 1))
    assert found.phase == "update"
    assert found.gradients == size(256_000)
    assert found.work >= size(256_000)  # Adam's own


def conv(net, x, channels=16, **more):
    return net.conv(x, channels, 3, **more)


def after(function):
    return lambda net, x: conv(net, net.activation(conv(net, x), function))


def test_activations_keep_what_their_gradients_read():
    plain = kept(lambda net, x: conv(net, conv(net, x)))
    assert kept(after("relu")) == plain  # in the place of its input
    assert kept(after("silu")) == plain + 2 * MAP
    assert kept(after("gelu")) == plain + 3 * MAP
    assert kept(after("hard_swish")) == plain + 3 * MAP
    assert kept(after("hard_sigmoid")) == plain + MAP


def test_normalisations_keep_their_input():
    plain = kept(lambda net, x: conv(net, conv(net, x)))
    batch = kept(lambda net, x: conv(net, net.batch_norm(conv(net, x))))
    group = kept(lambda net, x: conv(net, net.group_norm(conv(net, x))))
    assert group == plain + MAP
    assert plain + MAP < batch <= plain + MAP + 2 * 256  # and statistics


def test_shared_tensors_count_once():
    def twice(net, x):
        x = conv(net, x)
        return net.add(conv(net, x), conv(net, x))

    # The input, what both convolutions read, their sum's place; one result is gone after the sum.
    chain = kept(lambda net, x: conv(net, conv(net, x)))
    assert kept(twice) == chain


def test_sum_does_not_take_the_place_of_what_is_kept():
    def residual(net, x):
        x = conv(net, x)
        return conv(net, net.add(x, conv(net, x)))

    chain = kept(lambda net, x: conv(net, conv(net, conv(net, x))))
    assert kept(residual) == chain


def test_concatenation_copies():
    def dense(net, x):
        a, b = conv(net, x), conv(net, x)
        return conv(net, net.concat([a, b]))

    # a and b are gone; their copy, twice as large, takes their place.
    chain = kept(lambda net, x: conv(net, conv(net, x)))
    assert kept(dense) == chain + MAP


def test_max_pool_keeps_both_average_pool_nothing():
    def pooled(kind):
        return kept(lambda net, x: conv(net, getattr(net, kind)(conv(net, x), 2, 2)))

    assert pooled("max_pool") == pooled("average_pool") + MAP


def test_attention_reads_its_parts_and_frees_them_one_by_one():
    net = Builder((3, 16, 16))
    x = net.to_tokens(net.conv(net.input, 32, 4, 4, pad=0))  # 16 tokens
    a, b = net.split(net.reshape(x, (2, 8, 32)), 2)
    y = net.matmul(a, net.transpose(b, (1, 0)))
    found = liveness(to_graph(net.finish(net.dense(net.flatten(net.softmax(y)), 3)), 4))
    image, half, scores = 4 * 3 * 256 * 4, 4 * 8 * 32 * 4, 4 * 64 * 4
    # The second part is gone: its transposition is kept; softmax takes the place of the scores.
    assert found.kept == image + half + half + scores + 256


def test_channels_that_only_change_ends_are_not_moved():
    net = Builder((16, 8, 8))
    x = net.to_map(net.to_tokens(net.conv(net.input, 16)), 8, 8)
    turned = to_graph(net.finish(net.dense(net.flatten(net.global_pool(net.conv(x, 16))), 1)), 4)
    assert sum(op.name == "Transpose" for op in turned.ops) == 2
    assert liveness(turned).kept == kept(lambda net, x: conv(net, conv(net, x)))


def test_a_step_of_two_needs_a_border():
    ops = graph_of(lambda net, x: net.conv(x, 16, 3, 2)).ops
    assert padded_values(ops[0]) == 4 * 16 * 10 * 10
    for more in ({"kernel": 3}, {"kernel": 2, "stride": 2, "pad": 0}, {"kernel": 1, "stride": 2}):
        assert padded_values(graph_of(lambda net, x, more=more: net.conv(x, 16, **more)).ops[0]) == 0


def test_a_border_is_recognised_with_channels_last_too():
    op = graph_of(lambda net, x: net.conv(x, 16, 3, 2)).ops[0]
    last = replace(op, in_shape=(4, 8, 8, 16), out_shape=(4, 4, 4, 16))
    assert padded_values(last) == padded_values(op) == 4 * 16 * 10 * 10
    pool = graph_of(lambda net, x: net.max_pool(x, 3, 2, 1)).ops[0]
    last = replace(pool, in_shape=(4, 8, 8, 16), out_shape=(4, 4, 4, 16))
    assert padded_values(last) == padded_values(pool) == 4 * 16 * 10 * 10
    bare = replace(last, in_shape=(4, 9, 9, 16))  # a border that somebody else has put around
    assert padded_values(bare) == 0


def test_gradients_of_kernels_with_a_bias_wait():
    bare = liveness(graph_of(lambda net, x: conv(net, conv(net, conv(net, x)))))
    biased = liveness(
        graph_of(lambda net, x: conv(net, conv(net, conv(net, x, bias=True), bias=True), bias=True))
    )
    assert biased.peak - biased.weights > bare.peak - bare.weights
    first = graph_of(lambda net, x: conv(net, x, bias=True)).ops[0]
    assert has_bias(first)
    assert not has_bias(graph_of(conv).ops[0])


def test_every_kind_has_a_rule():
    assert set(RULES) == set(KINDS)


@pytest.mark.parametrize("family", FAMILIES)
def test_families(family):
    graph = case_of("train", family, 3).graph()
    training, inference = liveness(graph), liveness(graph, "infer")
    assert inference.peak < training.peak
    assert inference.weights == training.weights
    assert inference.moments == inference.gradients == inference.kept == 0
    assert training.peak >= training.weights + training.moments + training.kept
    parts = (training.constants, training.gradients, training.activations, training.work, training.lost)
    assert training.peak == training.weights + training.moments + sum(parts)
    assert training.lost >= 0
    assert -1 <= training.operator < len(graph)
    assert training.fits(training.peak)
    assert not training.fits(training.peak - 1)
    # A batch twice as large needs twice the activations and the same weights.
    twice = liveness(graph.at_batch(2 * graph.batch))
    assert twice.weights == training.weights
    assert twice.kept == pytest.approx(2 * training.kept, rel=0.05)
    # Never less than what is there all the time, never more than keeping every tensor four times over.
    assert training.peak < 16 * graph.params + 4 * 4 * 4 * (graph.values + graph.out_values)


def test_is_the_same_every_time():
    graph = case_of("train", "swin", 5).graph()
    assert liveness(graph) == liveness(graph)


def test_bad_input():
    graph = graph_of(conv)
    with pytest.raises(ModelInputError, match="mode"):
        liveness(graph, "test")
    with pytest.raises(ModelInputError, match="order"):
        liveness(OpGraph(ops=(), edges=np.zeros((0, 2), np.int32)))
    with pytest.raises(ModelInputError, match="order"):
        liveness(replace(graph, edges=graph.edges[:, ::-1]))
    with pytest.raises(ModelInputError, match="order"):
        liveness(replace(graph, edges=np.array([[0, 99]])))


def test_unknown_operators_keep_everything():
    graph = graph_of(lambda net, x: conv(net, net.activation(conv(net, x), "relu")))
    ops = tuple(replace(op, kind="other") if op.kind == "relu" else op for op in graph.ops)
    assert rule_of(ops[1]).keeps_input
    assert rule_of(ops[1]).keeps_output
    assert liveness(replace(graph, ops=ops)).kept == liveness(graph).kept + MAP


# -------------------------------------------------------------------- learned


@pytest.fixture(scope="module")
def counted():
    return [liveness(case_of("train", family, seed).graph()) for family in FAMILIES for seed in range(4)]


def peaks(counted):
    return np.array([m.peak for m in counted]) / 1e6


def halves(n):
    index = np.arange(n)
    return [splits.Split("halves", "odd", index[::2], index[1::2])]


def test_prediction_and_interval(counted):
    measured = peaks(counted) * 1.07 * np.exp(np.random.default_rng(1).normal(0, 0.02, len(counted)))
    predictor = memory_predictor(counted, measured, halves(len(counted)))
    graph = case_of("train", "vit", 40).graph()
    found = predictor.predict(graph)
    assert found.low < found.value < found.high
    assert found.value == pytest.approx(1.07 * liveness(graph).peak / 1e6, rel=0.03)
    assert found.counted == liveness(graph)
    narrow = predictor.predict(graph, 0.8)
    assert found.low < narrow.low
    assert narrow.high < found.high
    assert 0.02 < predictor.half_width[0.9] < 0.05  # 1.64 standard deviations


def test_predictor_refuses(counted):
    measured = peaks(counted)
    with pytest.raises(ModelInputError, match="cannot be fitted"):
        memory_predictor(counted, measured[1:], halves(43))
    with pytest.raises(ModelInputError, match="cannot be fitted"):
        memory_predictor(counted, -measured, halves(44))
    with pytest.raises(ModelInputError, match="cannot be fitted"):
        memory_predictor([], [], halves(0))
    with pytest.raises(ModelInputError, match="no split"):
        memory_predictor(counted, measured, [])
    predictor = memory_predictor(counted, measured, halves(len(counted)))
    with pytest.raises(ModelInputError, match=r"0\.5 was not tested"):
        predictor.predict(graph_of(conv), 0.5)


# ------------------------------------------------------------------- measured

_MEASURE = """
from maelstrom_bootcamp.perfmodel.labels.train import train
from maelstrom_bootcamp.perfmodel.labels.cases import case_of
visits = train((case_of("train", "vit", 1), 0.0))
next(visits)
print("MB", next(visits)["memory_mb"])
"""


def test_tensorflow_needs_what_was_counted():
    run = subprocess.run(
        [sys.executable, "-c", _MEASURE],
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=True,
    )
    measured = float(run.stdout.split("MB")[1])
    case = case_of("train", "vit", 1)
    assert liveness(case.graph()).peak / 1e6 == pytest.approx(measured, rel=0.05)


# ------------------------------------------------------------------ allocator


def test_allocator_cuts_pieces_and_joins_them():
    memory = Allocator()
    a, b, c = (memory.take(1024) for _ in range(3))
    assert memory.used == 3 * 1024
    memory.give(a)
    memory.give(c)
    memory.give(b)
    assert memory.used == 0
    # Everything is one piece again: the whole region can be had.
    memory.take(FIRST_REGION)
    assert memory.used == FIRST_REGION


def test_allocator_takes_the_smallest_piece_that_fits():
    memory = Allocator()
    big, _, small, _ = (memory.take(size) for size in (4096, GRAIN, 1024, GRAIN))
    memory.give(big)
    memory.give(small)
    assert memory.take(768) == small


def test_allocator_loses_up_to_half():
    memory = Allocator()
    free, _ = memory.take(2048), memory.take(GRAIN)
    memory.give(free)
    memory.take(1280)  # more than half of what is free: not cut
    assert memory.used == 2048 + GRAIN
    other = Allocator()
    free, _ = other.take(2048), other.take(GRAIN)
    other.give(free)
    other.take(1024)  # half of it: cut
    assert other.used == 1024 + GRAIN


def test_allocator_asks_for_more():
    memory = Allocator()
    memory.take(3 * FIRST_REGION)  # the next region has four times the size of the first: not cut
    assert memory.used == 4 * FIRST_REGION


def test_pool_counts_users():
    pool = Pool(Allocator())
    tensor = pool.need(pool.new(512, "activation"))
    pool.drop(tensor)
    assert pool.held["activation"] == 512
    pool.drop(tensor)
    pool.brief(1024)
    assert pool.held == {"activation": 0, "gradient": 0, "work": 0}
    assert (pool.peak, pool.peak_held["work"]) == (1024, 1024)
