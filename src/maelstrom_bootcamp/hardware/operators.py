"""Deep500's lowest level: the convolutions and products of a network, one by one, forward, on TensorFlow."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.hardware.measure import repeat
from maelstrom_bootcamp.hardware.networks import Network, policy

if TYPE_CHECKING:
    from maelstrom_bootcamp.hardware.bench import Options
    from maelstrom_bootcamp.perfmodel.graph import Op

#: Operators are timed until they make up this share of the network's multiply-accumulates.
SHARE = 0.9
_KINDS = ("conv", "dense")


def bench_operators(network: Network, options: Options, batch: int) -> Iterator[dict[str, Any]]:
    """Time the distinct operators that do most of the work, the largest first.

    Parameters
    ----------
    network : Network
    options : bench.Options
        With the backend "tensorflow".
    batch : int

    Yields
    ------
    dict
        What `bench` needs for a record.

    Raises
    ------
    BootcampError
        With another backend, or if the network has none of the operators that are timed.
    """
    if options.backend != "tensorflow":
        raise BootcampError(
            f"Single operators are timed on TensorFlow only, not on {options.backend}.",
            "Take --backend tensorflow, or --level network.",
        )
    graph = network.graph(batch)
    chosen = heaviest(op for op in graph.ops if op.kind in _KINDS)
    if not chosen:
        raise BootcampError(
            f"{network.key} has no convolution and no product.", "Take --level network or training."
        )
    dtype = policy(options.precision).removeprefix("mixed_")
    for op in chosen:
        task = _task(op, dtype)
        timing = repeat(task, repeats=options.repeats, min_seconds=0.01)
        yield {"timing": timing, "flop": 2 * op.macs, "values": op.values, "operator": describe(op)}


def heaviest(ops: Iterable[Op], share: float = SHARE) -> list[Op]:
    """The distinct operators that make up a share of all multiply-accumulates, the largest sum first.

    Parameters
    ----------
    ops : iterable of Op
    share : float

    Returns
    -------
    list of Op
        One of each description.
    """
    total, example = Counter(), {}
    for op in ops:
        total[describe(op)] += op.macs
        example[describe(op)] = op
    chosen, so_far = [], 0
    for name, macs in total.most_common():
        if so_far >= share * total.total():
            break
        chosen.append(example[name])
        so_far += macs
    return chosen


def describe(op: Op) -> str:
    """What tells an operator apart: kind, kernel, stride, channels, grid."""
    grid = "x".join(map(str, op.out_shape[1:-1])) or "point"
    words = [op.kind, f"{op.channels_in}>{op.channels_out}"]
    if op.kind != "dense":
        words.insert(1, "x".join(map(str, _kernel(op))))
        words += [f"stride {op.stride}"] * (op.stride > 1) + [f"groups {op.groups}"] * (op.groups > 1)
    return " ".join([*words, "on", grid])


def _task(op: Op, dtype: str) -> Callable[[], Any]:
    from maelstrom_bootcamp import nn  # noqa: F401  (starts TensorFlow quietly)

    import tensorflow as tf  # isort: skip

    x = tf.cast(tf.random.normal(op.in_shape), dtype)
    if op.kind == "dense":
        w = tf.cast(tf.random.normal((op.in_shape[-1], op.channels_out)), dtype)
        product = tf.function(lambda a: tf.linalg.matmul(a, w))
    else:
        w = tf.cast(tf.random.normal((*_kernel(op), op.channels_in // op.groups, op.channels_out)), dtype)
        # What was padded before comes as its own operator: then the grid shrinks by the kernel.
        padding = "SAME" if _fits(op) else "VALID"
        product = tf.function(lambda a: tf.nn.convolution(a, w, strides=op.stride, padding=padding))
    return lambda: product(x).numpy()


def _kernel(op: Op) -> tuple[int, int]:
    """Height and width; the graph holds the height, the count of multiplications the rest."""
    places = math.prod(op.out_shape[:-1]) * op.channels_out
    taps = round(op.macs / places * op.groups / op.channels_in)
    return op.kernel, max(1, taps // op.kernel)


def _fits(op: Op) -> bool:
    grids = zip(op.in_shape[1:-1], op.out_shape[1:-1], strict=True)
    return all(-(-into // op.stride) == out for into, out in grids)
