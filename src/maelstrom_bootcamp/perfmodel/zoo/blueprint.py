"""A network as data: layers with their shapes, from which a graph, an ONNX file or a Keras model is made.

A blueprint knows no framework and no batch. Its tensors have one of two layouts: a *map* has the shape
(channels, height, width), *tokens* end with their channels. `Builder` writes it; `to_graph`, `to_onnx` and
`to_keras` turn it into the three forms. If they hold a map in another order (Keras: channels last), that is
their affair.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple

from maelstrom_bootcamp.perfmodel.graph import Shape

Layout = Literal["map", "tokens"]

#: Layers that only give their values another shape.
VIEWS = ("input", "reshape", "flatten")


class Tensor(NamedTuple):
    """What a layer makes, as its readers see it.

    Attributes
    ----------
    layer : int
        Place of the layer in `Blueprint.layers`.
    port : int
        Which of the layer's outputs; 0 for all but "split".
    shape : tuple of int
        Without the batch.
    layout : {"map", "tokens"}
    """

    layer: int
    port: int
    shape: Shape
    layout: Layout


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer.

    Attributes
    ----------
    op : str
        Name of the method of `Builder` that made it, or of the activation.
    inputs : tuple of Tensor
    shape : tuple of int
        Of its output, of each if it has several; without the batch.
    layout : {"map", "tokens"}
    params : int
        Trained numbers; of batch normalisation the running statistics, too.
    macs : int
        Multiply-accumulates for one sample.
    outputs : int
        How many tensors it makes.
    attributes : mapping
        Whatever else the layer needs: kernel, stride, groups, ...
    """

    op: str
    inputs: tuple[Tensor, ...]
    shape: Shape
    layout: Layout
    params: int = 0
    macs: int = 0
    outputs: int = 1
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Blueprint:
    """A network with one input, a map, and one output: its last layer's.

    Attributes
    ----------
    layers : tuple of Layer
        The first is the input; each reads only what stands before it.
    name, family : str
    seed : int
        From which `families.make` drew it; -1 if it was built by hand.
    """

    layers: tuple[Layer, ...]
    name: str = ""
    family: str = ""
    seed: int = -1

    @property
    def input_shape(self) -> Shape:
        """(channels, height, width) of the input."""
        return self.layers[0].shape

    @property
    def output_shape(self) -> Shape:
        """Shape of the output without the batch."""
        return self.layers[-1].shape

    @property
    def resolution(self) -> int:
        """Height of the input in pixels."""
        return self.input_shape[1]

    @cached_property
    def macs(self) -> int:
        """Multiply-accumulates of one forward pass of one sample."""
        return sum(layer.macs for layer in self.layers)

    @cached_property
    def params(self) -> int:
        """Trained numbers, running statistics of batch normalisation included."""
        return sum(layer.params for layer in self.layers)

    def digest(self) -> str:
        """A name of the network: of its layers and how they are connected, but not of family and seed.

        Returns
        -------
        str
            Sixteen hexadecimal digits of a SHA-256.
        """
        rows = [
            (layer.op, [tensor[:2] for tensor in layer.inputs], layer.shape, sorted(layer.attributes.items()))
            for layer in self.layers
        ]
        return hashlib.sha256(repr(rows).encode()).hexdigest()[:16]
