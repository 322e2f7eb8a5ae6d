"""The arithmetic of an Einstein sum."""

from __future__ import annotations

import math
from collections.abc import Sequence

from maelstrom_bootcamp.perfmodel.graph import Shape


def einsum_macs(equation: str, shapes: Sequence[Shape | None]) -> int:
    """Count the multiply-accumulates of a product of two tensors: the product of all lengths that it names.

    Parameters
    ----------
    equation : str
        As in ``numpy.einsum``; an ellipsis stands for the leading axes that the letters leave over.
    shapes : sequence of tuple of int
        Of the factors.

    Returns
    -------
    int
        0 for one factor (a sum or another order of axes), more than two factors, unknown shapes, or an
        equation that does not fit the shapes.
    """
    terms = equation.replace(" ", "").split("->")[0].split(",")
    if len(terms) != 2 or len(shapes) != 2 or any(shape is None for shape in shapes):
        return 0
    lengths: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        letters = term.replace("...", "")
        spare = len(shape) - len(letters)
        if spare < 0 or (spare and "..." not in term):
            return 0
        start = term.find("...") if "..." in term else 0
        names = [*letters[:start], *(f"...{place - spare}" for place in range(spare)), *letters[start:]]
        for name, length in zip(names, shape, strict=True):
            lengths[name] = max(lengths.get(name, 1), length)
    return math.prod(lengths.values())
