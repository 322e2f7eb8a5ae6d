"""From the nodes of an ONNX graph to the operators of a draft."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto

from maelstrom_bootcamp.perfmodel.graph import ModelInputError, Shape
from maelstrom_bootcamp.perfmodel.read.draft import Draft, Work, moves_nothing
from maelstrom_bootcamp.perfmodel.read.einsum import einsum_macs
from maelstrom_bootcamp.perfmodel.read.onnx_shapes import attribute, infer, is_trained, numbers

#: Domains whose operators are those of the table; the others' names are written with their domain.
KNOWN_DOMAINS = frozenset(("", "ai.onnx", "com.microsoft"))
#: Where the second factor stands.
FACTORS = {"MatMul": (0, 1), "MatMulInteger": (0, 1), "QLinearMatMul": (0, 3), "Gemm": (0, 1)}
FILTERS = {"Conv": 1, "ConvInteger": 1, "QLinearConv": 3, "ConvTranspose": 1}
#: More branches and loops than any exporter writes.
MOST_BODIES = 1000

_RESHAPED = "Export the network with a symbolic batch (dynamic axes), or predict the batch of the file."


@dataclass
class Walk:
    """What stays the same while one graph is walked.

    Attributes
    ----------
    model : onnx.ModelProto
        For the versions of its operators.
    shapes, types : dict
        Tensor -> shape, tensor -> type of its numbers.
    batch : int
    values : dict
        Small constants.
    bodies : list of int
        One entry, shared by all walks of a model: how many bodies were read.
    """

    model: ModelProto
    shapes: dict[str, Shape]
    types: dict[str, int]
    batch: int
    values: dict[str, np.ndarray] = field(default_factory=dict)
    bodies: list[int] = field(default_factory=lambda: [0])


def draft_graph(model: ModelProto, data: tuple[str, ...], weights: set[str], batch: int) -> Draft:
    """Read the graph of a model whose inputs have shapes.

    Parameters
    ----------
    model : onnx.ModelProto
        Without local functions.
    data : tuple of str
        Inputs of the network.
    weights : set of str
        Inputs that are weights.
    batch : int

    Returns
    -------
    Draft

    Raises
    ------
    ModelInputError
        If shapes contradict each other or control flow cannot be counted.
    """
    shapes, types = infer(model)
    walk = Walk(model, shapes, types, batch)
    draft = Draft("onnx")
    for name in data:
        draft.source(name, shapes.get(name))
    for name in weights:
        draft.constant(name, shapes.get(name), trained=is_trained(types.get(name, 1)))
    _walk(model.graph, draft, walk)
    return draft


def _walk(graph: GraphProto, draft: Draft, walk: Walk) -> None:
    for weight in graph.initializer:
        draft.constant(weight.name, tuple(weight.dims), trained=is_trained(weight.data_type))
        _remember(walk, weight.name, weight)
    for sparse in graph.sparse_initializer:
        draft.constant(sparse.values.name, tuple(sparse.dims), trained=True)
    for index, node in enumerate(graph.node):
        label = node.name or f"number {index}"
        if node.op_type == "Constant" and node.domain in KNOWN_DOMAINS:
            _constant(node, draft, walk)
        elif node.op_type in ("If", "Loop", "Scan") and node.domain in KNOWN_DOMAINS:
            _control(node, label, draft, walk)
        else:
            _operator(node, label, draft, walk)


def _remember(walk: Walk, name: str, tensor: onnx.TensorProto) -> None:
    if not is_trained(tensor.data_type) and (values := numbers(tensor)) is not None:
        walk.values[name] = values


def _constant(node: NodeProto, draft: Draft, walk: Walk) -> None:
    tensor = attribute(node, "value")
    if isinstance(tensor, onnx.TensorProto):
        draft.constant(node.output[0], tuple(tensor.dims), trained=is_trained(tensor.data_type))
        _remember(walk, node.output[0], tensor)
        return
    for name in ("value_int", "value_ints"):
        if (value := attribute(node, name)) is not None:
            walk.values[node.output[0]] = np.asarray(value)
    draft.constant(node.output[0], walk.shapes.get(node.output[0]), trained=False)


def _operator(node: NodeProto, label: str, draft: Draft, walk: Walk) -> None:
    known = node.domain in KNOWN_DOMAINS
    name = node.op_type if known else f"{node.domain}.{node.op_type}"
    inputs = [each for each in node.input if each]
    outputs = [(each, walk.shapes.get(each)) for each in node.output if each]
    if name == "Reshape":
        _check_reshape(node, label, walk)
    if not inputs:  # a random number, a range: nothing flows into it
        for output, shape in outputs:
            draft.constant(output, shape, trained=False)
        return
    if name in ("Shape", "Size"):
        for output, shape in outputs:
            draft.constant(output, shape, trained=False)
        return
    if name == "Transpose" and moves_nothing(draft.shape(inputs[0]), attribute(node, "perm")):
        draft.enter(inputs[0], *outputs[0])
        return
    draft.add(name, label, inputs, outputs, lambda: _work(node, label, draft, walk) if known else Work())


def _check_reshape(node: NodeProto, label: str, walk: Walk) -> None:
    """Refuse a Reshape that was written for another batch; shape inference does not mind."""
    before, after = walk.shapes.get(node.input[0]), walk.shapes.get(node.output[0])
    if before is None or after is None:
        return
    target = walk.values.get(node.input[1]) if len(node.input) > 1 else None
    first = int(target.flat[0]) if target is not None and target.size else -1
    fits = math.prod(before) == math.prod(after)
    fixed = first > 0 and math.prod(after) * walk.batch == math.prod(before) * first
    split = first > 0 and walk.batch > 1 and before[:1] == (walk.batch,) and first % walk.batch != 0
    if (not fits and fixed) or (fits and split and len(after) > 1):
        raise ModelInputError(f"The batch is fixed at {first} by Reshape node {label!r}.", _RESHAPED)
    if not fits:
        raise ModelInputError(
            f"Reshape node {label!r} cannot turn {list(before)} into {list(after)}.", _RESHAPED
        )


def _work(node: NodeProto, label: str, draft: Draft, walk: Walk) -> Work:
    """Count the arithmetic of a node of the standard."""
    name = node.op_type
    out = walk.shapes.get(node.output[0])
    if name in FILTERS:
        return _convolution(node, label, draft, out)
    if name in FACTORS:
        return _product(node, label, draft, out)
    if name == "Einsum":
        shapes = [draft.shape(each) for each in node.input]
        equation = attribute(node, "equation", b"")
        macs = einsum_macs(bytes(equation).decode(errors="replace"), shapes)
        weighted = len(node.input) == 2 and any(draft.is_constant(each) for each in node.input)
        return Work(macs=macs, weighted=weighted)
    if name in ("LSTM", "GRU", "RNN"):
        return _recurrent(node, draft)
    kernel = attribute(node, "kernel_shape")
    if kernel:
        strides = attribute(node, "strides") or [1]
        return Work(kernel=int(kernel[0]), stride=int(strides[0]))
    return Work()


def _convolution(node: NodeProto, label: str, draft: Draft, out: Shape | None) -> Work:
    """Multiply each output (transposed: each input) with its filter."""
    place = FILTERS[node.op_type]
    x = draft.shape(node.input[0])
    w = draft.shape(node.input[place]) if len(node.input) > place else None
    if x is None or w is None or len(x) < 3 or len(w) != len(x):
        return Work()
    groups = int(attribute(node, "group", 1))
    strides = attribute(node, "strides") or [1]
    transposed = node.op_type == "ConvTranspose"
    if groups < 1 or x[1] != (w[0] if transposed else w[1] * groups):
        raise ModelInputError(
            f"{node.op_type} {label!r} has filters of shape {list(w)} in {groups} groups for an input of"
            f" shape {list(x)}.",
            "Export the network again.",
        )
    if out is None:
        return Work(in_shape=x)
    return Work(
        macs=math.prod(x if transposed else out) * math.prod(w[1:]),
        in_shape=x,
        channels_in=x[1],
        channels_out=out[1],
        kernel=w[2],
        stride=int(strides[0]),
        groups=groups,
    )


def _product(node: NodeProto, label: str, draft: Draft, out: Shape | None) -> Work:
    first, second = FACTORS[node.op_type]
    if len(node.input) <= second:
        return Work()
    a, b = draft.shape(node.input[first]), draft.shape(node.input[second])
    if not a or not b or max(len(a), len(b)) < 2:
        return Work()
    inner_a = a[0] if attribute(node, "transA", 0) else a[-1]
    inner_b = b[-1] if attribute(node, "transB", 0) or len(b) == 1 else b[-2]
    if inner_a != inner_b:
        raise ModelInputError(
            f"{node.op_type} {label!r} cannot multiply {list(a)} with {list(b)}.",
            "If the batch or the image size was changed, the network is fixed to the ones of its export.",
        )
    constant = [draft.is_constant(node.input[place]) for place in (first, second)]
    return Work(
        macs=math.prod(out or ()) * inner_a,
        in_shape=b if constant[0] and not constant[1] else a,
        channels_in=inner_a,
        channels_out=out[-1] if out else 1,
        weighted=any(constant),
    )


def _recurrent(node: NodeProto, draft: Draft) -> Work:
    """Multiply every step of every sample with all weights."""
    x = draft.shape(node.input[0])
    weights = [draft.shape(each) for each in node.input[1:3]]
    if x is None or len(x) != 3 or any(each is None for each in weights):
        return Work()
    return Work(macs=x[0] * x[1] * sum(math.prod(each) for each in weights), channels_in=x[2])


def _control(node: NodeProto, label: str, draft: Draft, walk: Walk) -> None:
    walk.bodies[0] += 1
    if walk.bodies[0] > MOST_BODIES:
        raise ModelInputError(
            f"The network has more than {MOST_BODIES} branches and loops.", "Export it without control flow."
        )
    if node.op_type == "If":
        branches = [attribute(node, each) for each in ("then_branch", "else_branch")]
        drafts = [_body(each, {}, 1, draft, walk) for each in branches if isinstance(each, GraphProto)]
        if len(drafts) != 2:
            raise ModelInputError(f"If {label!r} lacks a branch.", "Export the network again.")
        dearer = max((0, 1), key=lambda index: _cost(drafts[index]))
        _leave(drafts[dearer], branches[dearer], node, draft, walk)
        draft.notes.append(f"Of If {label!r} the more expensive branch is counted.")
        return
    body = attribute(node, "body")
    times, formal = _loop(node, label, walk, body)
    draft.notes.append(f"The body of {node.op_type} {label!r} is counted for {times} passes.")
    child = _body(body, formal, times, draft, walk)
    _leave(child, body, node, draft, walk, skip=1 if node.op_type == "Loop" else 0)


def _loop(node: NodeProto, label: str, walk: Walk, body: object) -> tuple[int, dict[str, tuple[str, int]]]:
    """Find how often a body runs, and which outer tensor each input is (with how many first axes cut off)."""
    refused = ModelInputError(
        f"{node.op_type} {label!r} runs for a number of passes that is not known before it runs.",
        "Export the network with the loop unrolled.",
    )
    if not isinstance(body, GraphProto):
        raise refused
    names = [each.name for each in body.input]
    if node.op_type == "Loop":
        count = walk.values.get(node.input[0]) if node.input[0] else None
        if count is None or count.size != 1 or not 1 <= int(count.flat[0]) <= 2**31:
            raise refused
        return int(count.flat[0]), {
            inner: (outer, 0) for inner, outer in zip(names[2:], node.input[2:], strict=False)
        }
    scanned = int(attribute(node, "num_scan_inputs", 0))
    states = len(node.input) - scanned
    steps = walk.shapes.get(node.input[-1])
    if any(attribute(node, "scan_input_axes") or ()) or not scanned or not steps:
        raise refused
    return steps[0], {
        inner: (outer, int(place >= states))
        for place, (inner, outer) in enumerate(zip(names, node.input, strict=False))
    }


def _body(
    body: GraphProto, formal: Mapping[str, tuple[str, int]], times: int, draft: Draft, walk: Walk
) -> Draft:
    """Read a body into a draft of its own; ``formal`` says which outer tensors its inputs are."""
    model = ModelProto(ir_version=walk.model.ir_version)
    model.opset_import.extend(walk.model.opset_import)
    model.graph.CopyFrom(body)
    graph = model.graph
    del graph.input[:]
    inner_names = {each.name for each in body.input}
    for value in body.input:
        if value.name in formal:
            outer, cut = formal[value.name]
            shape = walk.shapes.get(outer)
            graph.input.append(_value(value.name, walk.types.get(outer, 1), shape and shape[cut:]))
        else:  # the number of the pass, and whether to go on
            graph.input.append(_value(value.name, value.type.tensor_type.elem_type or 7, ()))
    made = {name for node in body.node for name in node.output} | {each.name for each in body.initializer}
    for name in sorted(_read_in(body) - made - inner_names):
        if name in walk.values:
            graph.initializer.append(onnx.numpy_helper.from_array(walk.values[name], name))
        elif name in walk.types:
            graph.input.append(_value(name, walk.types[name], walk.shapes.get(name)))
    shapes, types = infer(model)
    child = Draft("onnx", draft)
    child.times = draft.times * times
    for value in body.input:
        outer, _ = formal.get(value.name, ("", 0))
        if outer in draft.tensors:
            child.enter(outer, value.name, shapes.get(value.name))
        else:
            child.constant(value.name, (), trained=False)
    _walk(body, child, Walk(model, shapes, types, walk.batch, dict(walk.values), walk.bodies))
    return child


def _leave(
    child: Draft, body: GraphProto, node: NodeProto, draft: Draft, walk: Walk, *, skip: int = 0
) -> None:
    """Adopt a body and give its results the names that the outer graph reads."""
    draft.adopt(child)
    for outer, inner in zip(node.output, list(body.output)[skip:], strict=False):
        if outer and inner.name in draft.tensors:
            draft.enter(inner.name, outer, walk.shapes.get(outer))


def _cost(draft: Draft) -> tuple[int, int]:
    return sum(op.macs for op in draft.ops), sum(op.values for op in draft.ops)


def _value(name: str, dtype: int, shape: Shape | None) -> onnx.ValueInfoProto:
    return onnx.helper.make_tensor_value_info(name, dtype, shape)


def _read_in(graph: GraphProto) -> set[str]:
    """Collect all names that a body and the bodies in it read or return."""
    names = {name for node in graph.node for name in node.input if name}
    names |= {each.name for each in graph.output}
    for node in graph.node:
        for each in node.attribute:
            if each.HasField("g"):
                names |= _read_in(each.g)
    return names
