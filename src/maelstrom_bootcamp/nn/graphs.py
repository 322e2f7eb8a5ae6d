"""Arithmetic of anything that TensorFlow has compiled: counted in its graph, so that nothing is forgotten.

`maelstrom_bootcamp.nn.flops` counts a network layer by layer, which is a forward pass. A training step with
second derivatives is no list of layers, but its graph tells each product.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd

from maelstrom_bootcamp.errors import BootcampError

#: Operations that are counted; additions, means, activations and normalisations are not.
PRODUCTS = (
    "Conv2D",
    "Conv2DBackpropInput",
    "Conv2DBackpropFilter",
    "MatMul",
    "BatchMatMulV2",
    "Einsum",
)
#: Operations with a graph of their own inside, which is not looked into.
INNER = ("PartitionedCall", "StatefulPartitionedCall", "If", "StatelessIf", "While", "StatelessWhile")


def graph_macs(function: Callable[..., Any], *inputs: Any) -> pd.Series:
    """Multiply-accumulates of one call of a function, by kind of operation.

    Parameters
    ----------
    function : callable
        A ``tf.function``, or what can be made one.
    *inputs : tensors, or structures of tensors or ``tf.TensorSpec``
        Of shapes that are known in full.

    Returns
    -------
    pandas.Series
        By the names of `PRODUCTS`, int. "Conv2DBackpropInput" is the gradient with respect to what a
        convolution reads, and just as well the forward pass of a transposed convolution.

    Raises
    ------
    BootcampError
        If the graph contains a shape that is not known before it is run, or calls of other compiled
        functions, branches or loops.
    """
    import tensorflow as tf

    compiled = function if hasattr(function, "get_concrete_function") else tf.function(function)
    graph = compiled.get_concrete_function(*inputs).graph
    found = dict.fromkeys(PRODUCTS, 0)
    for operation in _needed(graph):
        if operation.type in INNER:
            raise BootcampError(
                f"The graph has a graph inside ({operation.type}), whose products would be forgotten.",
                "Give a function without other compiled functions, branches and loops over tensors.",
            )
        if operation.type in PRODUCTS:
            found[operation.type] += _macs(operation)
    return pd.Series(found)


def _needed(graph: Any) -> Iterator[Any]:
    """Operations on which a result or a side effect depends; TensorFlow leaves out the others, too."""
    waiting = [*(tensor.op for tensor in graph.outputs), *graph.control_outputs]
    seen = set()
    while waiting:
        operation = waiting.pop()
        if operation.name not in seen:
            seen.add(operation.name)
            yield operation
            waiting += [*(tensor.op for tensor in operation.inputs), *operation.control_inputs]


def _macs(operation: Any) -> int:
    """Multiply-accumulates of a product."""
    # Convolutions backwards get a shape as one of their inputs; its own shape is known and of no use.
    shapes = [each.shape for each in (*operation.inputs, *operation.outputs)]
    if not all(shape.is_fully_defined() for shape in shapes):
        raise BootcampError(
            f"The shape of {operation.name!r} is not known before it is run.", "Build it for a fixed grid."
        )
    first, second, *third, out = (tuple(shape) for shape in shapes)
    match operation.type:
        case "Conv2D":
            return math.prod(out) * math.prod(second[:3])
        case "Conv2DBackpropInput":
            return math.prod(third[0]) * math.prod(second[:3])
        case "Conv2DBackpropFilter":
            return math.prod(third[0]) * math.prod(out[:3])
        case "MatMul":
            return math.prod(out) * first[0 if operation.get_attr("transpose_a") else 1]
        case "BatchMatMulV2":
            return math.prod(out) * first[-2 if operation.get_attr("adj_x") else -1]
    left, right = operation.get_attr("equation").decode().split("->")[0].split(",")
    return math.prod(dict(zip(left + right, first + second, strict=True)).values())
