"""Records of traced PyTorch networks."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from maelstrom_bootcamp.perfmodel.graph import ModelInputError
from maelstrom_bootcamp.perfmodel.read.traced import read_traced, trace

DATA = Path(__file__).parent / "data"


def record(nodes, edges=(), **more):
    return {"name": "net", "size": 8, "b": 2, "nodes": nodes, "edges": list(edges)} | more


CONV = ["convolution", [2, 4, 8, 8], [2, 4, 8, 8], 18432, 144, 1168, 3, 1, 1]
EMPTY = ["empty", [], [0], 0, 0, 0, 1, 1, 1]
NORM = ["native_batch_norm", [2, 4, 8, 8], [2, 4, 8, 8], 0, 16, 1048, 1, 1, 1]
SILU = ["silu", [2, 4, 8, 8], [2, 4, 8, 8], 0, 0, 1024, 1, 1, 1]


def test_what_only_reserves_memory_is_dropped() -> None:
    graph = read_traced(record([CONV, EMPTY, NORM, SILU], [[0, 2], [2, 3]]))
    assert [op.kind for op in graph.ops] == ["conv", "batch_norm", "silu"]
    assert graph.edges.tolist() == [[0, 1], [1, 2]]
    assert (graph.batch, graph.name, graph.params, graph.macs) == (2, "net", 160, 18432)


def test_edges_run_through_views() -> None:
    view = ["reshape", [2, 4, 8, 8], [2, 256], 0, 0, 0, 1, 1, 1]
    graph = read_traced(record([CONV, view, view, SILU], [[0, 1], [1, 2], [2, 3]]))
    assert graph.edges.tolist() == [[0, 1]]


def test_what_only_training_keeps_is_not_counted() -> None:
    """The record counts mean and deviation of every channel, which the operator writes besides."""
    (norm,) = read_traced(record([NORM])).ops
    assert norm.values == 2 * 512 + 16


@pytest.mark.parametrize(("groups", "kind"), [(1, "conv"), (2, "grouped_conv"), (4, "depthwise_conv")])
def test_groups(groups: int, kind: str) -> None:
    (op,) = read_traced(record([[*CONV[:-1], groups]])).ops
    assert (op.kind, op.channels_in, op.channels_out) == (kind, 4, 4)


def test_the_inner_length_of_a_product_comes_from_its_arithmetic() -> None:
    """The record names the first tensor, which is the offset here."""
    (op,) = read_traced(record([["addmm", [6], [2, 6], 96, 54, 82, 1, 1, 1]])).ops
    assert (op.kind, op.in_shape, op.channels_in, op.channels_out) == ("dense", (2, 8), 8, 6)


def test_unknown_operators_are_named() -> None:
    graph = read_traced(record([["fft_c2r", [2, 3], [2, 3], 0, 0, 12, 1, 1, 1]]))
    assert (graph.unknown, graph.ops[0].kind) == (("fft_c2r",), "other")


@pytest.mark.parametrize(
    "damaged",
    [
        {},
        {"nodes": [], "edges": []},
        record([]),
        record([EMPTY]),
        record([CONV[:-1]]),
        record([CONV], [[0, 5]]),
        record([CONV, SILU], [[1, 0]]),
        record([CONV], b=0),
        record([["convolution", [2, -4, 8, 8], *CONV[2:]]]),
        record([[*CONV[:3], 2**70, *CONV[4:]]]),
        record([[*CONV[:3], "many", *CONV[4:]]]),
        record([["convolution", [], [], *CONV[3:]]]),
    ],
)
def test_damaged_records_are_refused(damaged: dict) -> None:
    with pytest.raises(ModelInputError):
        read_traced(damaged)


@pytest.mark.parametrize(
    ("name", "operators", "macs", "params"),
    [("small_cnn", 12, 885_376, 2_314), ("small_vit", 24, 623_232, 19_722)],
)
def test_the_stored_records(name: str, operators: int, macs: int, params: int) -> None:
    graph = read_traced(json.loads((DATA / f"{name}.json").read_text()))
    assert (len(graph), graph.macs, graph.params, graph.unknown) == (operators, macs, params, ())


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="PyTorch is there")
def test_without_pytorch_there_is_one_clear_error() -> None:
    with pytest.raises(ModelInputError, match="PyTorch is not installed"):
        trace(None, [])


def test_our_own_tracer_counts_views_once_and_weights_by_name() -> None:
    torch = pytest.importorskip("torch")

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.up = torch.nn.ConvTranspose2d(4, 6, 2, 2)
            self.head = torch.nn.Linear(6, 3)

        def forward(self, x):
            return self.head(torch.relu_(self.up(x)).flatten(2).transpose(1, 2))

    graph = read_traced(trace(Net(), torch.zeros(2, 4, 5, 5)))
    # Of turned tokens PyTorch adds the offset by itself, after the product.
    found = [op.kind for op in graph.ops if op.kind not in ("copy", "add")]
    assert found == ["transposed_conv", "relu", "dense"]
    assert graph.macs == 2 * 4 * 25 * 6 * 4 + 2 * 100 * 6 * 3
    assert graph.params == 4 * 6 * 4 + 6 + 6 * 3 + 3
