"""The eleven families: drawn the same everywhere, true to their structure, and runnable in three forms."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import numpy as np
import onnx
import onnxruntime
import pytest

from maelstrom_bootcamp.perfmodel.graph import ModelInputError, OpGraph
from maelstrom_bootcamp.perfmodel.labels.cases import LIMITS, WHATS, case_of, cases
from maelstrom_bootcamp.perfmodel.operators import KINDS
from maelstrom_bootcamp.perfmodel.read.onnx import read_onnx
from maelstrom_bootcamp.perfmodel.zoo.builder import Builder
from maelstrom_bootcamp.perfmodel.zoo.families import FAMILIES, LABELLED_SEEDS, RESOLUTIONS, corpus, make
from maelstrom_bootcamp.perfmodel.zoo.to_graph import to_graph
from maelstrom_bootcamp.perfmodel.zoo.to_keras import to_keras
from maelstrom_bootcamp.perfmodel.zoo.to_onnx import to_onnx

#: What may not change: shipped labels name networks by their seeds.
FIRST = {
    "densenet": ("cfa26915cf7f8f8b", 19_807_768, 32),
    "efficientnet": ("4012eac7960d2644", 50_667_152, 80),
    "vgg": ("1fb41a8742157996", 220_875_264, 48),
    "swin": ("7cfd5b00b30b1c83", 86_990_080, 80),
    "visformer": ("ac417f3d941fafac", 61_385_728, 96),
    "resnet": ("aa4c7767457f0255", 322_435_456, 96),
    "poolformer": ("17907fd620ae56df", 35_795_456, 128),
    "mobilenet": ("5b54f737bd4afcdf", 5_735_456, 64),
    "mnasnet": ("79a0175a3475312a", 79_892_688, 96),
    "convnext": ("ddebf543a1aaa4e5", 575_804_160, 112),
    "vit": ("f03a2967132ccc3b", 75_903_488, 32),
}


def kinds(graph: OpGraph) -> Counter[str]:
    return Counter(op.kind for op in graph.ops)


def some(family: str, n: int = 8) -> list[OpGraph]:
    return [to_graph(make(family, seed)) for seed in range(n)]


@pytest.mark.parametrize("family", FAMILIES)
def test_seeds_mean_the_same_network_for_ever(family):
    digest, macs, resolution = FIRST[family]
    plan = make(family, 0)
    assert (plan.digest(), plan.macs, plan.resolution) == (digest, macs, resolution)
    assert (plan.family, plan.seed, plan.name) == (family, 0, f"{family}-0")


@pytest.mark.parametrize("family", FAMILIES)
def test_onnx_reads_as_the_same_graph(family):
    for seed in range(3):
        plan = make(family, seed, max_macs=200_000_000)
        by_hand, by_reader = to_graph(plan, 2), read_onnx(to_onnx(plan, 2))
        assert by_reader.ops == by_hand.ops
        np.testing.assert_array_equal(by_reader.edges, by_hand.edges)
        assert by_reader.digest() == by_hand.digest()
        assert not by_reader.unknown


@pytest.mark.parametrize("family", FAMILIES)
def test_all_forms_run(family):
    plan = make(family, 5, resolutions=(32,), max_macs=50_000_000)
    image = np.random.default_rng(0).standard_normal((2, *plan.input_shape), np.float32)
    model = to_onnx(plan, 2)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    by_onnx = session.run(None, {"input": image})[0]
    network = to_keras(plan)
    by_keras = network(image.transpose(0, 2, 3, 1)).numpy()
    assert by_onnx.shape == by_keras.shape == (2, *plan.output_shape)
    assert np.isfinite(by_onnx).all()
    assert np.isfinite(by_keras).all()
    assert network.count_params() == plan.params == to_graph(plan).params


@pytest.mark.parametrize("family", FAMILIES)
def test_sizes_vary_within_their_limits(family):
    plans = [make(family, seed) for seed in range(40)]
    macs = [plan.macs for plan in plans]
    assert max(macs) <= 600_000_000
    assert max(macs) > 10 * min(macs)
    assert {plan.resolution for plan in plans} <= set(RESOLUTIONS)
    assert len({plan.resolution for plan in plans}) >= 4
    graphs = [to_graph(plan) for plan in plans]
    assert len({graph.digest() for graph in graphs}) == len(graphs)
    assert set().union(*map(kinds, graphs)) <= set(KINDS) - {"other"}
    small = [make(family, seed, resolutions=(32,), max_macs=30_000_000) for seed in range(5)]
    assert max(plan.macs for plan in small) <= 30_000_000
    assert {plan.resolution for plan in small} == {32}


def test_edges_lead_forward_and_reach_every_operator():
    for family in FAMILIES:
        for graph in some(family, 4):
            makers, readers = graph.edges.T
            assert (makers < readers).all()
            assert set(readers) | {0} >= set(range(1, len(graph))) - _first_readers(graph)
            # Only the last operator's values are not read.
            assert set(range(len(graph))) - set(makers) == {len(graph) - 1}


def test_a_digest_names_the_network():
    plan = make("resnet", 0)
    assert plan.digest() == make("resnet", 0).digest()
    assert len({make(family, seed).digest() for family in FAMILIES for seed in range(20)}) == 220
    # Of the same shapes and parameters: only the attributes differ.
    nets = []
    for kernel, pad in ((3, 1), (5, 2)):
        net = Builder((3, 8, 8))
        nets.append(net.finish(net.max_pool(net.input, kernel, 1, pad)).digest())
    assert nets[0] != nets[1]


def _first_readers(graph: OpGraph) -> set[int]:
    """Operators that read nothing but the input."""
    return set(range(len(graph))) - set(graph.edges[:, 1].tolist())


@pytest.mark.parametrize(
    ("family", "always", "never"),
    [
        ("densenet", {"concat", "batch_norm", "conv"}, {"add", "depthwise_conv", "softmax"}),
        ("efficientnet", {"silu", "depthwise_conv", "mul", "sigmoid"}, {"relu", "gelu", "softmax"}),
        ("vgg", {"conv", "pool", "dense"}, {"add", "reduce", "depthwise_conv"}),
        ("swin", {"softmax", "layer_norm", "matmul", "gelu", "slice"}, {"batch_norm", "depthwise_conv"}),
        ("visformer", {"grouped_conv", "batch_norm", "gelu"}, {"depthwise_conv", "layer_norm"}),
        ("resnet", {"add", "batch_norm", "relu"}, {"depthwise_conv", "gelu", "softmax"}),
        ("poolformer", {"pool", "group_norm", "gelu", "add"}, {"softmax", "depthwise_conv", "batch_norm"}),
        ("mobilenet", {"depthwise_conv", "batch_norm"}, {"silu", "gelu", "softmax", "pool"}),
        ("mnasnet", {"depthwise_conv", "batch_norm", "relu"}, {"silu", "hard", "softmax"}),
        ("convnext", {"depthwise_conv", "layer_norm", "gelu", "mul"}, {"batch_norm", "softmax", "relu"}),
        ("vit", {"softmax", "layer_norm", "matmul", "gelu"}, {"batch_norm", "depthwise_conv", "relu"}),
    ],
)
def test_structure_of_each_family(family, always, never):
    for graph in some(family):
        found = set(kinds(graph))
        assert always <= found
        assert not never & found


def test_attention_has_two_products_and_one_softmax_each():
    for family in ("vit", "swin", "visformer"):
        for graph in some(family):
            count = kinds(graph)
            assert count["matmul"] == 2 * count["softmax"] == 2 * count["slice"] or family == "swin"
            assert count["matmul"] == 2 * count["softmax"]


def test_unknown_names_and_impossible_limits():
    with pytest.raises(ModelInputError, match="no family 'alexnet'"):
        make("alexnet", 0)
    with pytest.raises(ModelInputError, match="negative"):
        make("vit", -1)
    for resolutions in ((), (8, 32)):
        with pytest.raises(ModelInputError, match="too small"):
            make("vit", 0, resolutions=resolutions)
    with pytest.raises(ModelInputError, match="at most 1,000 multiply"):
        make("resnet", 0, max_macs=1000)
    with pytest.raises(ModelInputError, match="no corpus"):
        next(corpus(-1))


def test_the_corpus_is_drawn_again_and_free_of_labelled_networks():
    first, again = list(corpus(33)), list(corpus(33))
    assert [to_graph(a).digest() for a in first] == [to_graph(b).digest() for b in again]
    assert Counter(plan.family for plan in first) == dict.fromkeys(FAMILIES, 3)
    assert min(plan.seed for plan in first) >= LABELLED_SEEDS
    other = {to_graph(plan).digest() for plan in corpus(33, seed=1)}
    assert not other & {to_graph(plan).digest() for plan in first}


@pytest.mark.parametrize("what", WHATS)
def test_cases_keep_within_the_limits(what):
    limits = LIMITS[what]
    drawn = list(islice(cases(what), 110))
    assert Counter(case.family for case in drawn) == dict.fromkeys(FAMILIES, 10)
    assert len(set(drawn)) == 110
    for case in drawn:
        plan = case.blueprint()
        assert plan.macs <= limits.max_macs
        assert plan.resolution in limits.resolutions
        assert case.batch == 1 or case.batch * plan.macs <= limits.max_batch_macs
        assert case.graph().batch == case.batch
    assert len({case.batch for case in drawn}) >= 4
    assert case_of(what, drawn[20].family, drawn[20].seed) == drawn[20]


def test_no_case_of_an_unknown_kind():
    with pytest.raises(ModelInputError, match="nothing to measure by the name 'guess'"):
        case_of("guess", "vit", 0)
