"""Join chains of operators that another dialect writes as one, so that a network reads alike in all of them.

What is left different on purpose: PyTorch copies (clone) before the products of an attention where ONNX and
TensorFlow transpose, scales query and key where they scale the product, and splits by a view where they copy.
"""

from __future__ import annotations

import math
from dataclasses import replace

from maelstrom_bootcamp.perfmodel.graph import Op, OpGraph
from maelstrom_bootcamp.perfmodel.read.draft import pruned

_MEANS = frozenset(("ReduceMean", "Mean"))
_ROOTS = frozenset(("Sqrt", "Rsqrt"))
_ADDS = frozenset(("Add", "AddV2", "BiasAdd"))
_SCALES = frozenset(("Mul", "Div", "RealDiv"))
_NORM = _MEANS | _ROOTS | _ADDS | _SCALES | {"Sub", "Pow", "Square", "SquaredDifference", "Neg", "Reciprocal"}
#: What an activation is recognised by, and its kind.
_CORES = {
    "Erf": "gelu",
    "Erfc": "gelu",
    "Tanh": "gelu",
    "Sigmoid": "silu",
    "HardSigmoid": "hard",
    "Relu6": "hard",
    "Clip": "hard",
}
_POINTWISE = _ADDS | _SCALES | set(_CORES) | {"Sub", "Pow", "Square", "Neg", "Softplus"}
_CONVOLUTIONS = frozenset(("conv", "grouped_conv", "depthwise_conv", "transposed_conv"))

#: The longest chain: a normalisation of Keras has twelve operators.
_LONGEST = 16
#: How many operators stand between what enters an activation and its core (tanh form of GELU: power,
#: factor, sum, factor).
_DEEPEST = 5
#: A tensor that more operators read is not the inside of a composite.
_WIDEST = 64


def fuse(graph: OpGraph) -> OpGraph:
    """Join composites to the one operator that they are.

    Bias into convolution and product; batch, layer and group normalisation; SiLU, GELU (with erf or tanh),
    hard swish and Mish. A joined operator reads what its chain reads from outside, writes what its last
    operator writes, and has the parameters of all.

    Parameters
    ----------
    graph : OpGraph
        Of the dialect ``onnx`` or ``tf``; of ``aten`` nothing is joined.

    Returns
    -------
    OpGraph
        The same arithmetic and the same parameters with fewer operators and less traffic.
    """
    net = _Net(graph)
    # Instance norms come first: their factor and offset look like those of a folded batch norm.
    for rule in (_bias, _instance_norm, _batch_norm, _norm, _activation):
        for index in range(len(net.ops)):
            if net.ops[index] is not None:
                rule(net, index)
    return net.graph(graph)


class _Net:
    """An operator graph in which operators can be joined."""

    def __init__(self, graph: OpGraph) -> None:
        self.ops: list[Op | None] = list(graph.ops)
        self.makers: list[set[int]] = [set() for _ in graph.ops]
        self.readers: list[set[int]] = [set() for _ in graph.ops]
        for maker, reader in graph.edges.tolist():
            self.makers[reader].add(maker)
            self.readers[maker].add(reader)
        # Those that read inputs of the network only.
        self.first = {index for index, makers in enumerate(self.makers) if not makers}

    def next_of(self, index: int) -> int | None:
        """The one operator that reads only this one, and is the only one to read it."""
        if len(self.readers[index]) != 1:
            return None
        (reader,) = self.readers[index]
        return reader if self.makers[reader] == {index} else None

    def join(self, members: set[int], last: int, op: Op) -> None:
        """Replace the members by one operator in the place of the last."""
        before = set().union(*(self.makers[each] for each in members)) - members
        for maker in before:
            self.readers[maker] = (self.readers[maker] - members) | {last}
        self.makers[last] = before
        self.ops[last] = op
        if self.first & members:
            self.first -= members
            self.first |= set() if before else {last}
        for each in members - {last}:
            self.ops[each] = None
            self.makers[each] = set()
            self.readers[each] = set()

    def graph(self, old: OpGraph) -> OpGraph:
        edges = [(maker, reader) for reader, makers in enumerate(self.makers) for maker in makers]
        alive = [index for index, op in enumerate(self.ops) if op is not None]
        ops, table = pruned(self.ops, edges, alive)
        return replace(old, ops=tuple(ops), edges=table)

    def grown(self, entry: set[int], first: int, names: frozenset[str] | set[str]) -> list[int]:
        """Collect operators of these names, in order, that read nothing but the entry and each other.

        An empty entry is an input of the network, which is no operator: who reads it has no makers.
        """
        found: list[int] = []
        beside = {each for maker in entry for each in self.readers[maker]} if entry else self.first
        waiting = {first} | beside
        while waiting and len(found) < _LONGEST and len(waiting) <= _WIDEST:
            ready = [
                each
                for each in sorted(waiting)
                if self.ops[each].name in names and self.makers[each] <= entry | set(found)
            ]
            if not ready:
                break
            found.append(ready[0])
            waiting.discard(ready[0])
            waiting |= self.readers[ready[0]] - set(found)
        return found

    def behind(self, last: int, region: list[int]) -> set[int]:
        """Collect the operators of a region on which one of them depends, itself included."""
        inside = set(region)
        found: set[int] = set()
        waiting = [last]
        while waiting:
            each = waiting.pop()
            if each not in found:
                found.add(each)
                waiting += self.makers[each] & inside
        return found

    def closed(self, members: set[int], last: int) -> bool:
        """Whether nothing outside reads a member but the last."""
        return all(self.readers[each] <= members for each in members - {last})


def _is_unary(op: Op) -> bool:
    """Whether it reads one tensor: the other operand is a number that is written down."""
    return op.params == 0 and op.values == 2 * op.out_values


def _pointwise(net: _Net, members: set[int], last: int, kind: str, name: str) -> None:
    """Join members to one operator that reads one tensor and writes one of the same size."""
    end = net.ops[last]
    params = sum(net.ops[each].params for each in members)
    op = Op(
        name,
        kind,
        in_shape=end.out_shape,
        out_shape=end.out_shape,
        params=params,
        values=2 * end.out_values + params,
        out_values=end.out_values,
    )
    net.join(members, last, op)


def _bias(net: _Net, index: int) -> None:
    """Offsets of a convolution or a product: as many numbers as it has channels."""
    op = net.ops[index]
    following = net.next_of(index)
    if following is None or op.kind not in _CONVOLUTIONS | {"dense"}:
        return
    offset = net.ops[following]
    if offset.name in _ADDS and offset.params == op.channels_out and offset.out_values == op.out_values:
        joined = replace(op, params=op.params + offset.params, values=op.values + offset.params)
        net.join({index, following}, following, joined)


def _batch_norm(net: _Net, index: int) -> None:
    """Factor and offset that hang on a mean and a variance: Keras folds these, their weights tell them."""
    factor = net.ops[index]
    following = net.next_of(index)
    if factor.name != "Mul" or following is None or not factor.out_shape:
        return
    offset = net.ops[following]
    channels = factor.out_shape[-1]
    two = 2 * channels in (factor.params, offset.params)
    if offset.name in _ADDS and two and 3 * channels <= factor.params + offset.params <= 4 * channels:
        _pointwise(net, {index, following}, following, "batch_norm", "BatchNormalization")


def _norm(net: _Net, index: int) -> None:
    """Mean, deviation from it, its mean square, its root, quotient, factor and offset."""
    first = net.ops[index]
    if first.name not in _MEANS:
        return
    region = net.grown(set(net.makers[index]), index, _NORM)
    size = math.prod(first.in_shape)
    for last in region:
        members = net.behind(last, region)
        names = [net.ops[each].name for each in members]
        whole = math.prod(net.ops[last].out_shape) == size
        if index not in members or not whole or not net.closed(members, last):
            continue
        if sum(name in _MEANS for name in names) != 2 or not any(name in _ROOTS for name in names):
            continue
        last = _affine(net, members, last)
        shape = first.in_shape
        apart = size // max(1, math.prod(first.out_shape))
        layer = apart in (shape[-1], shape[1] if len(shape) > 2 else 0)
        kind, name = ("layer_norm", "LayerNormalization") if layer else ("group_norm", "GroupNormalization")
        _pointwise(net, members, last, kind, name)
        return


def _affine(net: _Net, members: set[int], last: int) -> int:
    """Take a trained factor and a trained offset that follow into the members; return the new last."""
    for names in (frozenset(("Mul",)), _ADDS):
        following = net.next_of(last)
        if following is not None and net.ops[following].name in names and net.ops[following].params > 1:
            members.add(following)
            last = following
    return last


def _instance_norm(net: _Net, index: int) -> None:
    """Group normalisation as exporters write it: normalised per group, then scaled per channel.

    The factors and offsets per group are the exporter's ones and zeros: nobody trained them.
    """
    op = net.ops[index]
    if op.name != "InstanceNormalization":
        return
    members = {index}
    last = _affine(net, members, index)
    if last != index:
        net.ops[index] = replace(op, params=0)
        _pointwise(net, members, last, "group_norm", "GroupNormalization")


def _activation(net: _Net, index: int) -> None:
    """A function of x that is multiplied with x."""
    core = net.ops[index]
    if core.name not in _CORES:
        return
    entry = set(net.makers[index])
    chain = index
    for _ in range(_DEEPEST):
        if _gated(net, index, chain, entry):
            return
        if len(entry) != 1:  # two tensors enter: the nearer one of them may be a function of the other
            inner = [each for each in entry if net.makers[each] & entry or not net.makers[each]]
        else:
            inner = list(entry)
        if len(inner) != 1 or net.ops[inner[0]].name not in _POINTWISE or net.ops[inner[0]].params:
            return
        chain = inner[0]
        entry = (entry - {chain}) | net.makers[chain]


def _gated(net: _Net, core: int, first: int, entry: set[int]) -> bool:
    """Join what lies between the entry and a product of the entry with a function of it."""
    region = net.grown(entry, first, _POINTWISE)
    size = net.ops[core].out_values
    for last in region:
        end = net.ops[last]
        if end.name != "Mul" or end.params or end.out_values != size or _is_unary(end):
            continue
        members = net.behind(last, region)
        if core not in members or not net.closed(members, last):
            continue
        if any(net.ops[each].params or net.ops[each].out_values != size for each in members):
            continue
        # Who reads what enters: the function, and the product (or, of GELU, the half of x).
        if sum(_enters(net, each, entry) for each in members) < 2:
            continue
        names = [net.ops[each].name for each in members]
        kind = "tanh" if "Softplus" in names else _CORES[net.ops[core].name]
        if kind == "gelu":
            last = _half(net, members, last, wanted=3 if net.ops[core].name == "Tanh" else 2)
        _pointwise(
            net, members, last, kind, {"tanh": "Mish", "silu": "Swish", "gelu": "Gelu"}.get(kind, "HardSwish")
        )
        return True
    return False


def _enters(net: _Net, index: int, entry: set[int]) -> bool:
    makers = net.makers[index]
    if not entry:  # an input of the network: the operand that no operator makes
        return not makers or (len(makers) == 1 and not _is_unary(net.ops[index]))
    return bool(makers & entry)


def _half(net: _Net, members: set[int], last: int, *, wanted: int) -> int:
    """Take the factor 1/2 of GELU into the members if it comes last; return the new last."""
    scales = sum(net.ops[each].name in _SCALES and _is_unary(net.ops[each]) for each in members)
    following = net.next_of(last)
    if scales < wanted and following is not None:
        op = net.ops[following]
        if op.name in _SCALES and _is_unary(op):
            members.add(following)
            return following
    return last
