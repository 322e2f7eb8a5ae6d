"""A network as a graph of operators: what every reader returns and every predictor takes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from maelstrom_bootcamp.errors import BootcampError

Shape = tuple[int, ...]


class ModelInputError(BootcampError, ValueError):
    """A model that cannot be read, or not be predicted; names the cause and the cure."""


@dataclass(frozen=True, slots=True)
class Op:
    """One operator, counted for a whole batch.

    Attributes
    ----------
    name : str
        As its framework calls it ("Conv", "addmm", "FusedBatchNormV3").
    kind : str
        One of `maelstrom_bootcamp.perfmodel.operators.KINDS`.
    in_shape, out_shape : tuple of int
        Of the first input that is not a weight, and of the first output; batch first, the framework's layout.
    macs : int
        Multiply-accumulates of convolutions and products; 0 for everything else.
    params : int
        Trained numbers (weights, offsets, scales; running statistics of batch normalisation, too).
    values : int
        Numbers read and written: all inputs, all outputs, all parameters. Times four it is the traffic in
        bytes of a network in single precision that keeps nothing in its caches.
    out_values : int
        Numbers written: what has to be kept until its last reader is done.
    channels_in, channels_out : int
        Of convolutions; the inner and the outer length of products; else 0.
    kernel, stride, groups : int
        Of convolutions and pools (height); else 1.
    """

    name: str
    kind: str
    in_shape: Shape
    out_shape: Shape
    macs: int = 0
    params: int = 0
    values: int = 0
    out_values: int = 0
    channels_in: int = 0
    channels_out: int = 0
    kernel: int = 1
    stride: int = 1
    groups: int = 1


@dataclass(frozen=True)
class OpGraph:
    """A network as operators and the tensors that flow between them.

    Attributes
    ----------
    ops : tuple of Op
        In an order in which they can run. Views, constants and weights are not among them.
    edges : numpy.ndarray
        Shape (m, 2), int32: the operator that makes a tensor, the operator that reads it.
    batch : int
        The batch for which the operators are counted.
    name : str
    unknown : tuple of str
        Names of operators that the table does not know; they are among ``ops`` with kind "other".
    notes : tuple of str
        What the reader wants its user to know.
    """

    ops: tuple[Op, ...]
    edges: np.ndarray
    batch: int = 1
    name: str = ""
    unknown: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=(), compare=False)

    def __len__(self) -> int:
        return len(self.ops)

    @cached_property
    def macs(self) -> int:
        """Multiply-accumulates of one forward pass."""
        return sum(op.macs for op in self.ops)

    @cached_property
    def params(self) -> int:
        """Trained numbers. A weight that two operators share counts twice."""
        return sum(op.params for op in self.ops)

    @cached_property
    def values(self) -> int:
        """Numbers that all operators together read and write."""
        return sum(op.values for op in self.ops)

    @cached_property
    def out_values(self) -> int:
        """Numbers that all operators together write: the activations that training keeps."""
        return sum(op.out_values for op in self.ops)

    def at_batch(self, batch: int) -> OpGraph:
        """The same network with another batch.

        Arithmetic, and traffic but for the weights', grow in proportion. An operator that works on weights
        only (its first length is not the batch) is scaled, too: there are few, and they are small.

        Parameters
        ----------
        batch : int

        Returns
        -------
        OpGraph

        Raises
        ------
        ModelInputError
            If the batch is smaller than 1.
        """
        if batch < 1:
            raise ModelInputError(f"A batch of {batch} is not a batch.", "Give a batch of at least 1.")
        if batch == self.batch:
            return self
        ops = tuple(_scaled(op, batch, self.batch) for op in self.ops)
        return replace(self, ops=ops, batch=batch)

    def architecture(self) -> str:
        """A name of the architecture, the same at every batch and every size of the image.

        Returns
        -------
        str
            Sixteen hexadecimal digits of a SHA-256 over kinds, parameters, kernels and channels, in order.
        """
        rows = [
            (op.kind, op.params, op.kernel, op.stride, op.groups, op.channels_in, op.channels_out)
            for op in self.ops
            if op.params
        ]
        return _hashed(repr(rows))

    def digest(self) -> str:
        """A name of the network: the same for twins that differ in their weights, names or batch only.

        Returns
        -------
        str
            Sixteen hexadecimal digits of a SHA-256 over kinds, shapes without the batch, kernels and edges.
        """
        rows = [
            (op.kind, op.out_shape[1:], op.params, op.kernel, op.stride, op.groups, op.macs // self.batch)
            for op in self.ops
        ]
        return _hashed(repr(rows) + repr(np.asarray(self.edges).tolist()))


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _scaled(op: Op, batch: int, was: int) -> Op:
    def grown(count: int) -> int:
        return count * batch // was

    def shape(old: Shape) -> Shape:
        return (grown(old[0]), *old[1:]) if old and old[0] % was == 0 else old

    return replace(
        op,
        in_shape=shape(op.in_shape),
        out_shape=shape(op.out_shape),
        macs=grown(op.macs),
        values=grown(op.values - op.params) + op.params,
        out_values=grown(op.out_values),
    )
