"""Work of a network, operator by operator, forward and backward, and where it lies below a roof.

Counted from the graph that `perfmodel.read` makes of a model: what each operator computes and moves, if each
number it needs is read once and each number it makes is written once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.hardware.ceilings import WIDTH, Ceilings
from maelstrom_bootcamp.perfmodel.graph import Op, OpGraph

#: Kinds whose gradient is two products.
_CONVOLUTIONS = ("conv", "grouped_conv", "depthwise_conv", "transposed_conv")
PRODUCTS = (*_CONVOLUTIONS, "dense", "matmul")
#: Gradients of these need a field of the forward pass besides what arrives from above.
_REMEMBER = frozenset(
    (
        *("relu", "leaky_relu", "hard", "sigmoid", "silu", "selu", "gelu", "tanh", "softmax", "mul"),
        *("max_pool", "elementwise", "batch_norm", "layer_norm", "group_norm"),
    )
)
#: Gradients of these are another name for what arrives.
_FREE = frozenset(("add",))
#: Adam: reads weight, gradient and two moments, writes three of them; a dozen operations for each number.
ADAM_VALUES, ADAM_FLOP = 7, 12
_PIECES = frozenset(("Split", "SplitV", "Unpack"))
_ACTIVATIONS = frozenset(("relu", "leaky_relu"))
COLUMNS = (
    *("op", "name", "kind", "part", "out_shape", "flop", "bytes", "channels"),
    *("law", "law_flop", "law_bytes", "far_bytes", "calls"),
)


def count(
    model: Any,
    *,
    batch: int | None = None,
    image_size: Any = None,
    precision: str = "fp32",
    training: bool = False,
    fused: bool = False,
    parameters: int | None = None,
    variables: int | None = None,
) -> pd.DataFrame:
    """Count FLOP and bytes of each operator of a network.

    Parameters
    ----------
    model : keras.Model, OpGraph or whatever `perfmodel.read.read` takes
    batch, image_size
        As `perfmodel.read.read` takes them.
    precision : {"fp64", "fp32", "tf32", "bf16", "fp16"}
        In which all fields and weights are moved. The optimizer works in single precision at least.
    training : bool
        Also the backward pass, and Adam's update.
    fused : bool
        Rectifiers that follow a convolution or a product cost no traffic: they act before it is written.
    parameters, variables : int, optional
        Trained numbers, and of how many arrays. By default those of the Keras model; of a graph the sum over
        its operators, which counts weights that are used several times (recurrent networks) several times.

    Returns
    -------
    pandas.DataFrame
        A row for each operator and part ("forward", "input gradient", "weight gradient", "gradient",
        "offset gradient", "sum of gradients", "update"), in the order in which they run; columns `COLUMNS`.
        "law", "law_flop" and "law_bytes" say by which micro-benchmark a calibration judges the row,
        "far_bytes" which of its bytes were touched long ago, "calls" how often it is called.

    Raises
    ------
    BootcampError
        If the precision is unknown or the model cannot be read.

    Notes
    -----
    A product costs 2 FLOP for each multiply-accumulate; other operators are counted with one FLOP for each
    number that they write (pools: that they read). What a field costs that two operators read is an addition
    in the backward pass. No gradient is computed with respect to what depends on no weight.
    """
    if precision not in WIDTH:
        raise BootcampError(f"{precision!r} is no precision.", f"Take one of: {', '.join(WIDTH)}.")
    graph = _graph(model, batch, image_size)
    if parameters is None and hasattr(model, "trainable_variables"):
        parameters = sum(math.prod(v.shape) for v in model.trainable_variables)
        variables = variables or len(model.trainable_variables)
    rows = list(_forward(graph, WIDTH[precision], fused, training))
    if training:
        rows += _backward(graph, WIDTH[precision])
        trained = [op.params for op in graph.ops if op.params]
        parameters = sum(trained) if parameters is None else parameters
        rows.append(_update(parameters, variables or 2 * len(trained), max(4, WIDTH[precision])))
    return pd.DataFrame(rows, columns=COLUMNS)


def roofline(
    table: pd.DataFrame, ceilings: Ceilings, precision: str = "fp32", *, caches: bool = False
) -> pd.DataFrame:
    """Put each row of `count` below a roof.

    Parameters
    ----------
    table : pandas.DataFrame
    ceilings : Ceilings
    precision : str
        Of the arithmetic.
    caches : bool
        Whether an operator runs at the bandwidth of the cache into which its fields fit, as if all of them
        had just been there; else everything comes from main memory.

    Returns
    -------
    pandas.DataFrame
        The table with "intensity" (FLOP/byte), "bound" ("memory" or "compute") and "seconds" at the roof.

    Raises
    ------
    BootcampError
        If the ceilings do not have the precision.
    """
    speed = ceilings.bandwidth_at(table.bytes.to_numpy(float)) if caches else ceilings.bandwidth
    moving, computing = table.bytes / speed, table.flop / ceilings.peak(precision)
    with np.errstate(divide="ignore", invalid="ignore"):
        intensity = np.where(table.bytes > 0, table.flop / table.bytes, np.nan)
    return table.assign(
        intensity=intensity,
        bound=np.where(moving > computing, "memory", "compute"),
        seconds=np.maximum(moving, computing),
    )


def _graph(model: Any, batch: int | None, image_size: Any) -> OpGraph:
    from maelstrom_bootcamp.perfmodel.read import read

    return read(model, batch=batch, image_size=image_size)


def _law(op: Op) -> str:
    """Which micro-benchmark an operator is like; finer than its kind where its name tells more."""
    by_name = {
        "LeakyRelu": "leaky_relu",
        "Selu": "selu",
        "Tile": "tile",
        "AvgPool": "avg_pool",
        "AveragePool": "avg_pool",
        "MaxPool": "max_pool",
        "Cast": "slice",
    }
    if op.kind == "matmul":  # attention: scores are as many as all else, or they are what is read
        return "scores" if 2 * op.out_values > op.values else "mix"
    return by_name.get(op.name, "max_pool" if op.kind == "pool" else op.kind)


def _weights(op: Op) -> int:
    """Numbers of the kernel or matrix, without offsets."""
    if op.kind not in PRODUCTS or not op.params:
        return 0
    return op.params - op.channels_out if _offsets(op) else op.params


def _offsets(op: Op) -> bool:
    """Whether offsets are among the parameters: they are what a multiple of the outputs leaves over."""
    into = max(1, op.channels_in // op.groups)
    return op.params % (into * max(1, op.channels_out)) == op.channels_out % (into * op.channels_out) != 0


def _flop(op: Op, law: str) -> int:
    if op.macs:
        return 2 * op.macs
    if law in ("avg_pool", "max_pool", "reduce"):
        return op.values - op.out_values
    return op.out_values


def _row(i: int, op: Op, part: str, flop: float, values: float, width: int, **more: Any) -> dict[str, Any]:
    row = {
        "op": i,
        "name": op.name,
        "kind": op.kind,
        "part": part,
        "out_shape": op.out_shape,
        "flop": float(flop),
        "bytes": float(values * width),
        "channels": 0,
        "far_bytes": 0.0,
        "calls": 1,
    }
    row |= {"law_flop": row["flop"], "law_bytes": row["bytes"]}
    return row | more


def _inner(op: Op) -> int:
    return op.channels_out or (op.out_shape[-1] if op.out_shape else 1)


def _forward(graph: OpGraph, width: int, fused: bool, kept: bool) -> Iterator[dict[str, Any]]:
    joined = _joined(graph) if fused else frozenset()
    for i, op in enumerate(graph.ops):
        law = _law(op)
        if i in joined:
            yield _row(i, op, "forward", _flop(op, law), 0, width, law="none", law_flop=0.0)
            continue
        known = {"law": f"{law}.forward", "far_bytes": float(kept * op.out_values * width)}
        if op.kind in PRODUCTS and op.kind != "matmul":
            known["channels"] = _inner(op)
            if op.kind in _CONVOLUTIONS:
                known["law"] = "conv.input" if op.kind == "transposed_conv" else "conv.forward"
        yield _row(i, op, "forward", _flop(op, law), op.values, width, **known)


def _joined(graph: OpGraph) -> frozenset[int]:
    """Rectifiers that are the only reader of a convolution or a product."""
    edges = np.asarray(graph.edges).reshape(-1, 2)
    readers = np.bincount(edges[:, 0], minlength=len(graph))
    return frozenset(
        int(reader)
        for maker, reader in edges
        if graph.ops[maker].kind in (*_CONVOLUTIONS, "dense")
        and readers[maker] == 1
        and _law(graph.ops[reader]) in _ACTIVATIONS
    )


def _backward(graph: OpGraph, width: int) -> Iterator[dict[str, Any]]:
    edges = np.asarray(graph.edges).reshape(-1, 2)
    learns = np.zeros(len(graph), bool)  # whether what an operator reads depends on a weight
    for maker, reader in edges[np.argsort(edges[:, 1], kind="stable")]:
        learns[reader] |= learns[maker] or graph.ops[maker].params > 0
    readers = np.bincount(edges[:, 0], minlength=len(graph))
    for i in reversed(range(len(graph))):
        op = graph.ops[i]
        if not (learns[i] or op.params):
            continue
        # Who cuts a field into pieces hands each of them to another reader: nothing is summed.
        for _ in range(0 if op.name in _PIECES else readers[i] - 1):
            more = {"law": "add.forward", "channels": 0}
            yield _row(i, op, "sum of gradients", op.out_values, 3 * op.out_values, width, **more)
        if op.kind in PRODUCTS:
            yield from _product_gradients(i, op, width, bool(learns[i]))
        elif _law(op) not in _FREE:
            yield _pointwise_gradient(i, op, width)
        elif op.params:  # offsets that stand alone
            yield _offset_gradient(i, op, width)


def _pointwise_gradient(i: int, op: Op, width: int) -> dict[str, Any]:
    law = "concat" if op.name in _PIECES else _law(op)
    values = op.values - op.params + (op.out_values if law in _REMEMBER else 0)
    known = {"law": f"{law}.backward", "law_flop": float(_flop(op, law)), "law_bytes": op.values * width}
    known["far_bytes"] = float(op.out_values * width) if law in _REMEMBER else 0.0
    return _row(i, op, "gradient", _flop(op, law), values, width, **known)


def _product_gradients(i: int, op: Op, width: int, learns: bool) -> Iterator[dict[str, Any]]:
    flop, weights = 2 * op.macs, _weights(op)
    fields = op.values - op.params  # in and out
    if not op.params:  # of two fields: a gradient for each
        known = {"law": f"{_law(op)}.backward", "law_flop": float(flop)}
        yield _row(
            i, op, "gradient", 2 * flop, 2 * op.values, width, **known, law_bytes=float(op.values * width)
        )
        return
    law = "dense" if op.kind == "dense" else "conv"
    if learns:
        towards = "forward" if op.kind == "transposed_conv" else "input"
        known = {"law": f"{law}.{towards}", "channels": op.channels_in or op.in_shape[-1]}
        yield _row(i, op, "input gradient", flop, fields + weights, width, **known)
    offsets = weights < op.params
    known = {"law": f"{law}.weights", "channels": _inner(op)}
    known["far_bytes"] = float((fields - op.out_values) * width)
    yield _row(i, op, "weight gradient", flop, fields + weights, width, **known)
    if offsets:  # the offsets' gradient is a sum over all pixels; TensorFlow joins it with a convolution's
        joined = law == "conv" and op.kind != "transposed_conv"
        yield _offset_gradient(i, op, width, "conv.offsets" if joined else "bias.forward")


def _offset_gradient(i: int, op: Op, width: int, law: str = "bias.forward") -> dict[str, Any]:
    return _row(i, op, "offset gradient", op.out_values, op.out_values, width, law=law)


def _update(parameters: int, variables: int, width: int) -> dict[str, Any]:
    op = Op("Adam", "update", (parameters,), (parameters,))
    known = {"law": "adam.forward", "calls": variables}
    return _row(-1, op, "update", ADAM_FLOP * parameters, ADAM_VALUES * parameters, width, **known)
