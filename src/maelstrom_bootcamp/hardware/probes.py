"""What is timed to calibrate a roofline: single operators on generic shapes, none of them a network's own.

A probe knows its work (FLOP and bytes), so that its measured time can be compared with the roof.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

#: (batch, rows, columns, channels in, channels out, kernel rows, kernel columns).
_CONVOLUTIONS = (
    (1, 24, 24, 24, 24, 1, 1),
    (2, 60, 60, 16, 16, 1, 1),
    (4, 100, 100, 8, 8, 1, 1),
    (4, 140, 140, 16, 48, 1, 1),
    (6, 110, 110, 48, 24, 1, 1),
    (2, 90, 90, 72, 72, 1, 1),
    (8, 14, 14, 144, 144, 1, 1),
    (2, 30, 30, 96, 320, 1, 1),
    (4, 20, 20, 400, 100, 1, 1),
    (8, 6, 6, 640, 320, 1, 1),
    (4, 90, 90, 80, 80, 1, 1),
    (1, 300, 300, 40, 40, 1, 1),
    (2, 24, 24, 16, 16, 2, 2),
    (6, 120, 120, 24, 24, 2, 2),
    (2, 50, 50, 72, 72, 2, 2),
    (4, 12, 12, 200, 200, 2, 2),
    (1, 140, 140, 8, 8, 3, 3),
    (2, 12, 12, 40, 40, 3, 3),
    (2, 120, 120, 24, 24, 3, 3),
    (4, 60, 60, 48, 48, 3, 3),
    (1, 100, 100, 96, 48, 3, 3),
    (2, 28, 28, 80, 160, 3, 3),
    (4, 10, 10, 288, 288, 3, 3),
    (1, 20, 20, 480, 480, 3, 3),
    (16, 1, 40, 24, 24, 1, 5),
    (40, 1, 150, 48, 48, 1, 5),
    (16, 1, 250, 96, 96, 1, 5),
    (100, 1, 110, 32, 80, 1, 5),
    (4, 80, 80, 12, 12, 5, 5),
    (8, 40, 40, 20, 20, 5, 5),
    (2, 60, 60, 24, 72, 7, 7),
)
#: (rows, inner length, columns).
_PRODUCTS = (
    (64, 48, 48),
    (100, 96, 200),
    (500, 24, 24),
    (3000, 12, 96),
    (10000, 96, 4),
    (40000, 12, 4),
    (8000, 48, 48),
    (2000, 200, 100),
    (30, 900, 700),
    (300, 400, 400),
    (1500, 300, 600),
)
#: (batch, length, heads, numbers for each head).
_ATTENTIONS = ((2, 40, 4, 16), (8, 100, 4, 8), (8, 160, 8, 12), (24, 120, 6, 8), (1, 12, 8, 30_000))
#: (batch, rows, columns, channels): 16 KB to 30 MB.
_FIELDS = (
    (1, 16, 16, 16),
    (1, 40, 40, 48),
    (2, 50, 50, 96),
    (4, 100, 100, 48),
    (8, 140, 140, 48),
)
#: Numbers of a variable, and how many variables.
_VARIABLES = ((24, 40), (2000, 40), (60_000, 12), (1_500_000, 2))
POINTWISE = (
    *("relu", "leaky_relu", "sigmoid", "silu", "tanh", "selu", "gelu", "softmax"),
    *("add", "mul", "elementwise", "tile", "concat", "slice", "copy", "pad"),
    *("avg_pool", "max_pool", "reduce", "resize", "batch_norm", "layer_norm", "group_norm"),
)
_ONCE = 2**18  # bytes: what is larger is not repeated in one graph


@dataclass(frozen=True)
class Probe:
    """One operator to be timed.

    Attributes
    ----------
    kind : str
        "conv", "dense", "scores", "mix" (attention), "adam", "bias", "call" (of a graph that does
        nothing), or one of `POINTWISE`.
    direction : str
        "forward"; "input" and "weights" for the two gradients of convolutions and products, "biased" for the
        weights' gradient together with that of offsets; "training" for forward and gradient together.
    shape : tuple of int
        As the lists of this module have it.
    copies : int
        How often one graph does it, on other numbers each time.
    """

    kind: str
    direction: str
    shape: tuple[int, ...]
    copies: int = 1

    @property
    def flop(self) -> float:
        """Of the forward operator, or of one gradient; one for each number written if it is pointwise.

        Of "biased", it is the work of the offsets' gradient alone.
        """
        return _work(self)[0]

    @property
    def bytes(self) -> float:
        """Read and written in single precision, each number once; of the forward operator if pointwise."""
        return 4 * _work(self)[1]

    @property
    def channels(self) -> int:
        """Innermost length of what is written: what the vector units work along; 0 if pointwise."""
        return _work(self)[2]


def _work(probe: Probe) -> tuple[float, float, int]:
    """FLOP, numbers, channels."""
    shape, kind, direction = probe.shape, probe.kind, probe.direction
    if kind == "conv":
        batch, rows, columns, into, out, high, wide = shape
        pixels, weights = batch * rows * columns, high * wide * into * out
        if direction == "biased":
            return float(pixels * out), pixels * out, 0
        inner = into if direction == "input" else out
        return 2.0 * pixels * weights, pixels * (into + out) + weights, inner
    if kind == "dense":
        m, k, n = shape
        return 2.0 * m * k * n, m * k + m * n + k * n, k if direction == "input" else n
    if kind in ("scores", "mix"):
        batch, length, heads, width = shape
        scores = batch * heads * length * length
        return 2.0 * scores * width, 2 * batch * heads * length * width + scores, 0
    count = math.prod(shape)
    return _pointwise(kind, count, shape)


def _pointwise(kind: str, count: int, shape: tuple[int, ...]) -> tuple[float, float, int]:
    inputs = 2 if kind in ("add", "mul", "concat") else 1
    written = {
        "tile": 2 * count,
        "concat": 2 * count,
        "resize": 4 * count,
        "avg_pool": count // 4,
        "max_pool": count // 4,
        "bias": shape[-1],
        "reduce": shape[0] * shape[-1],
    }.get(kind, count)
    flop = {"bias": count, "reduce": count, "adam": 12 * count, "avg_pool": count, "max_pool": count}
    values = 7 * count if kind == "adam" else inputs * count + written
    return float(flop.get(kind, written)), float(values), 0


def probes() -> Iterator[Probe]:
    """All probes of the calibration: about 420, of a few milliseconds each.

    Yields
    ------
    Probe
    """
    for kind, shapes in (("conv", _CONVOLUTIONS), ("dense", _PRODUCTS)):
        for shape in shapes:
            for direction in ("forward", "input", "weights"):
                yield _with_copies(Probe(kind, direction, shape))
            if kind == "conv":
                yield _with_copies(Probe(kind, "biased", shape))
    for shape in _ATTENTIONS:
        for kind in ("scores", "mix"):
            for direction in ("forward", "training"):
                yield _with_copies(Probe(kind, direction, shape))
    for shape in _FIELDS:
        yield _with_copies(Probe("bias", "forward", shape))
        for kind in POINTWISE:
            for direction in ("forward", "training"):
                yield _with_copies(Probe(kind, direction, shape))
    for count, copies in _VARIABLES:
        yield Probe("adam", "forward", (count,), copies)
    yield Probe("call", "forward", (1,))


def _with_copies(probe: Probe) -> Probe:
    copies = 6 if probe.bytes < _ONCE else 1
    return Probe(probe.kind, probe.direction, probe.shape, copies)
