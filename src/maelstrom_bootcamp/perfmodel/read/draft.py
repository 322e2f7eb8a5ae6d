"""What the readers share: tensors and operators of any dialect become an `OpGraph`.

A reader walks its graph in order and reports every input, constant and operator to a `Draft`. The draft folds
what hangs on constants only, leaves out views (their edges run through them), books weights on the
operators that read them and refuses what cannot be counted.
"""

from __future__ import annotations

import math
from collections import ChainMap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from maelstrom_bootcamp.perfmodel.graph import ModelInputError, Op, OpGraph, Shape
from maelstrom_bootcamp.perfmodel.operators import Dialect, kind_of

#: No tensor and no operator may have more numbers than this: what int64 holds, with room to add.
MOST_NUMBERS = 2**62

#: More than any network has.
MOST_OPERATORS = 200_000

#: At most this share of the operators may be without a shape; more, and the sums would mean nothing.
UNSHAPED_SHARE = 0.1

#: Kinds whose cost is arithmetic: without shapes their share cannot be guessed.
ARITHMETIC = frozenset(
    ("conv", "grouped_conv", "depthwise_conv", "transposed_conv", "dense", "matmul", "recurrent")
)


def numbers_in(shape: Shape, name: str) -> int:
    """Count the numbers in a tensor.

    Parameters
    ----------
    shape : tuple of int
    name : str
        Of the tensor, for the message.

    Returns
    -------
    int

    Raises
    ------
    ModelInputError
        If they are more than `MOST_NUMBERS`.
    """
    return bounded(math.prod(shape), f"Tensor {name!r} of shape {list(shape)}")


def moves_nothing(shape: Shape | None, order: Sequence[int] | None) -> bool:
    """Whether a transposition leaves every number where it is: only axes of length 1 change places."""
    if shape is None or order is None or sorted(order) != list(range(len(shape))):
        return False
    long = [axis for axis in order if shape[axis] > 1]
    return long == sorted(long)


def bounded(count: int, what: str) -> int:
    """Return ``count``; refuse it if it is more than `MOST_NUMBERS` (``what`` begins the sentence)."""
    if count > MOST_NUMBERS:
        raise ModelInputError(
            f"{what} would hold or compute {float(count):.3g} numbers.",
            "Check the lengths of the network's inputs: one of them cannot be meant.",
        )
    return count


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of a draft.

    Attributes
    ----------
    shape : tuple of int, or None
        None: unknown.
    makers : frozenset of int
        The operators it comes from; several if a view joins tensors.
    roots : frozenset of str, or None
        Of a constant: the weights that it hangs on. None: an activation.
    derived : bool
        Of a constant: computed from its roots, which are booked on its first reader only.
    limit : int or None
        Of a part of a weight: no more than this is booked.
    extra : int
        Of a constant that is not trained: the numbers that its reader moves.
    """

    shape: Shape | None
    makers: frozenset[int] = frozenset()
    roots: frozenset[str] | None = None
    derived: bool = False
    limit: int | None = None
    extra: int = 0

    @property
    def constant(self) -> bool:
        """Whether it is known before the network runs."""
        return self.roots is not None


@dataclass(frozen=True, slots=True)
class Work:
    """The arithmetic of an operator and what `Op` says about its form (fields as there)."""

    macs: int = 0
    in_shape: Shape | None = None
    channels_in: int = 0
    channels_out: int = 0
    kernel: int = 1
    stride: int = 1
    groups: int = 1
    weighted: bool = False


Output = tuple[str, Shape | None]


class Draft:
    """An operator graph that is being read.

    Parameters
    ----------
    dialect : {"aten", "onnx", "tf"}
    parent : Draft, optional
        Of the body of a branch: its tensors can be read here, and `adopt` takes this draft back into it.
    """

    def __init__(self, dialect: Dialect, parent: Draft | None = None) -> None:
        self.dialect = dialect
        self.offset = 0 if parent is None else parent.offset + len(parent.ops)
        self.tensors: ChainMap[str, Tensor] = ChainMap() if parent is None else parent.tensors.new_child()
        # The numbers in each weight, and how many of them were not yet booked when it is read through others.
        self.sizes: ChainMap[str, int] = ChainMap() if parent is None else parent.sizes.new_child()
        self.left: ChainMap[str, int] = ChainMap() if parent is None else parent.left.new_child()
        self.times = 1 if parent is None else parent.times
        self.ops: list[Op] = []
        self.edges: list[tuple[int, int]] = []
        self.unshaped: list[str] = []
        self.notes: list[str] = []

    def source(self, name: str, shape: Shape | None) -> None:
        """Report an input of the network."""
        self.tensors[name] = Tensor(self._checked(name, shape))

    def constant(self, name: str, shape: Shape | None, *, trained: bool) -> None:
        """Report a weight, or (not trained) a constant that is only there to steer: axes, shapes, limits."""
        if shape is not None and any(length < 0 for length in shape):
            raise ModelInputError(
                f"Weight {name!r} has the shape {list(shape)}.",
                "Export the network again: the file is damaged.",
            )
        if trained and shape:
            self.sizes[name] = self.left[name] = numbers_in(shape, name)
            self.tensors[name] = Tensor(shape, roots=frozenset((name,)))
        else:
            self.tensors[name] = Tensor(shape, roots=frozenset())

    def table(self, name: str, shape: Shape) -> None:
        """Report a constant that is not trained, but moved when it is read: a mask, a grid of positions."""
        count = numbers_in(shape, name) if shape else 0
        self.tensors[name] = Tensor(shape, roots=frozenset(), extra=count if count > 1 else 0)

    def is_constant(self, name: str) -> bool:
        """Whether a tensor was reported, or folded, as a constant."""
        return name in self.tensors and self.tensors[name].constant

    def shape(self, name: str) -> Shape | None:
        """Give the shape of a tensor; None if it is unknown."""
        return self.tensors[name].shape if name in self.tensors else None

    def enter(self, name: str, other: str, shape: Shape | None) -> None:
        """Let a tensor have a second name, and perhaps another shape: how a body calls what it is given."""
        self.tensors[other] = replace(self.tensors[name], shape=shape)

    def add(
        self,
        name: str,
        label: str,
        inputs: Sequence[str],
        outputs: Sequence[Output],
        work: Callable[[], Work],
    ) -> None:
        """Report an operator.

        Parameters
        ----------
        name : str
            What its framework calls it.
        label : str
            The name of this one, for messages.
        inputs : sequence of str
            Tensors that were reported before.
        outputs : sequence of (str, tuple of int or None)
            Its results and their shapes.
        work : callable
            Computes its arithmetic; called only if it is neither folded nor a view.

        Raises
        ------
        ModelInputError
            If a tensor is too large, or an operator whose arithmetic counts has no shape.
        """
        read = [self.tensors[each] for each in dict.fromkeys(inputs)]
        kind = kind_of(self.dialect, name)
        if all(each.constant for each in read):
            self._fold(read, outputs, whole=kind not in ("slice", "view"))
            return
        if kind == "view":
            makers = frozenset().union(*(each.makers for each in read if not each.constant))
            for output, shape in outputs:
                self.tensors[output] = Tensor(self._checked(output, shape), makers)
            return
        self._book(name, label, read, outputs, work)

    def adopt(self, child: Draft) -> None:
        """Take over the operators of a draft that was opened with this one as its parent."""
        self.ops += child.ops
        self.edges += child.edges
        self.unshaped += child.unshaped
        self.notes += child.notes
        self.tensors.update(child.tensors.maps[0])
        self.sizes.update(child.sizes.maps[0])
        self.left.update(child.left.maps[0])

    def finish(self, outputs: Iterable[str], *, batch: int, name: str = "") -> OpGraph:
        """Close the draft.

        Parameters
        ----------
        outputs : iterable of str
            What the network returns: operators on which none of it depends are dropped.
        batch : int
        name : str

        Returns
        -------
        OpGraph

        Raises
        ------
        ModelInputError
            If nothing is left, or more than `UNSHAPED_SHARE` of the operators have no shape.
        """
        wanted = frozenset().union(*(self.tensors[each].makers for each in outputs if each in self.tensors))
        ops, edges = pruned(self.ops, self.edges, wanted)
        if not ops:
            raise ModelInputError("The network computes nothing.", "Export it with at least one layer.")
        if len(self.unshaped) > UNSHAPED_SHARE * len(self.ops):
            raise ModelInputError(
                f"The shapes of {len(self.unshaped)} of {len(self.ops)} operators are unknown, from"
                f" {self.unshaped[0]} on.",
                "Bind all lengths of the inputs, or export the network with operators of the standard.",
            )
        if self.unshaped:
            self.notes.append(f"Counted as nothing, for lack of a shape: {', '.join(self.unshaped)}.")
        unknown = tuple(sorted({op.name for op in ops if op.kind == "other"}))
        return OpGraph(tuple(ops), edges, batch, name, unknown, tuple(dict.fromkeys(self.notes)))

    def _fold(self, read: list[Tensor], outputs: Sequence[Output], *, whole: bool) -> None:
        """Make the outputs constants: arithmetic carries all weights on, a part only as much as it has."""
        roots = frozenset().union(*(each.roots or frozenset() for each in read))
        extra = max((each.extra for each in read), default=0)
        weights = [each for each in read if each.roots]
        for output, shape in outputs:
            count = math.prod(shape) if shape else None
            if len(weights) == 1 and not weights[0].derived and count == sum(map(self.sizes.get, roots)):
                # The same weight in another form: whoever reads it, reads all of it.
                self.tensors[output] = replace(weights[0], shape=shape)
                continue
            self.tensors[output] = Tensor(
                shape,
                roots=roots,
                derived=True,
                limit=None if whole else count,
                extra=min(extra, count or extra) if not roots else 0,
            )

    def _book(
        self,
        name: str,
        label: str,
        read: list[Tensor],
        outputs: Sequence[Output],
        work: Callable[[], Work],
    ) -> None:
        done = work()
        kind = kind_of(
            self.dialect,
            name,
            groups=done.groups,
            channels_in=done.channels_in,
            weighted=done.weighted,
        )
        shapes = [self._checked(output, shape) for output, shape in outputs]
        data = [each for each in read if not each.constant]
        if not shapes or shapes[0] is None or any(each.shape is None for each in data):
            if kind in ARITHMETIC:
                raise ModelInputError(
                    f"The shape of what {name} {label!r} makes of {[each.shape for each in read]} is open.",
                    "Bind all lengths of the inputs (a small image may not fit), or export the network with"
                    " operators of the standard.",
                )
            self.unshaped.append(f"{name} {label!r}")
        params = sum(self._booked(each, kind) for each in read if each.constant)
        inside = sum(math.prod(each.shape) for each in data if each.shape is not None)
        written = sum(math.prod(shape) for shape in shapes if shape is not None)
        extra = sum(each.extra for each in read)
        index = self.offset + len(self.ops)
        if index >= MOST_OPERATORS:
            raise ModelInputError(
                f"The network has more than {MOST_OPERATORS:,} operators.", "Predict a part of it."
            )
        first = done.in_shape if done.in_shape is not None else next((each.shape for each in data), None)
        self.ops.append(
            Op(
                name=name,
                kind=kind,
                in_shape=first or (),
                out_shape=(shapes[0] or ()) if shapes else (),
                macs=bounded(done.macs * self.times, f"{name} {label!r}"),
                params=params,
                values=bounded((inside + written + extra) * self.times + params, f"{name} {label!r}"),
                out_values=written * self.times,
                channels_in=done.channels_in,
                channels_out=done.channels_out,
                kernel=done.kernel,
                stride=done.stride,
                groups=done.groups,
            )
        )
        makers = frozenset((index,))
        self.edges += sorted({(maker, index) for each in data for maker in each.makers})
        for (output, _), shape in zip(outputs, shapes, strict=True):
            self.tensors[output] = Tensor(shape, makers)

    def _booked(self, tensor: Tensor, kind: str) -> int:
        """Count the trained numbers that an operator reads with a constant."""
        roots = tensor.roots or frozenset()
        if not tensor.derived:
            count = sum(self.sizes[root] for root in roots)
            # A single number beside an activation was written down by somebody, not learned.
            return count if count > 1 or kind in ARITHMETIC or "norm" in kind else 0
        room = tensor.limit if tensor.limit is not None else MOST_NUMBERS
        booked = 0
        for root in sorted(roots):
            taken = min(self.left[root], room - booked)
            self.left[root] -= taken
            booked += taken
        return booked if booked > 1 else 0

    def _checked(self, name: str, shape: Shape | None) -> Shape | None:
        if shape is None:
            return None
        if any(length < 1 for length in shape):
            raise ModelInputError(
                f"Tensor {name!r} of shape {list(shape)} holds no values.",
                "Check the lengths of the inputs: the network may need a larger image.",
            )
        numbers_in(shape, name)
        return shape


def pruned(
    ops: Sequence[Op], edges: Sequence[tuple[int, int]], wanted: Iterable[int]
) -> tuple[list[Op], np.ndarray]:
    """Keep the operators on which the wanted ones depend.

    Parameters
    ----------
    ops : sequence of Op
        In an order in which they can run.
    edges : sequence of (int, int)
        Maker and reader.
    wanted : iterable of int

    Returns
    -------
    (list of Op, numpy.ndarray)
        Those that stay, and the edges between them, shape (m, 2), int32.
    """
    makers: dict[int, list[int]] = {}
    for maker, reader in edges:
        makers.setdefault(reader, []).append(maker)
    kept: set[int] = set()
    waiting = list(wanted)
    while waiting:
        index = waiting.pop()
        if index not in kept:
            kept.add(index)
            waiting += makers.get(index, [])
    number = {old: new for new, old in enumerate(sorted(kept))}
    pairs = sorted(
        {(number[maker], number[reader]) for maker, reader in edges if maker in number and reader in number}
    )
    table = np.asarray(pairs, dtype=np.int32).reshape(-1, 2)
    return [ops[old] for old in sorted(kept)], table
