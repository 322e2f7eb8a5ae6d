"""Lengths of an ONNX graph: symbols bound, stale shapes thrown away, all shapes inferred anew."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

from maelstrom_bootcamp.perfmodel.graph import ModelInputError, Shape
from maelstrom_bootcamp.perfmodel.read.draft import numbers_in

#: Initialisers of at most so many numbers are kept with their values: they may be shapes, axes, trip counts.
STEERING = 4096

#: Loops that hang on each other are given shapes one after the other, so many at most.
MOST_ROUNDS = 8

#: Which inputs of an operator are weights, for files that were exported without them (export_params=False).
WEIGHT_INPUTS: dict[str, frozenset[int]] = {
    "Conv": frozenset((1, 2)),
    "ConvTranspose": frozenset((1, 2)),
    "BatchNormalization": frozenset((1, 2, 3, 4)),
    "InstanceNormalization": frozenset((1, 2)),
    "LayerNormalization": frozenset((1, 2)),
    "GroupNormalization": frozenset((1, 2)),
    "PRelu": frozenset((1,)),
    "LSTM": frozenset((1, 2, 3)),
    "GRU": frozenset((1, 2, 3)),
    "RNN": frozenset((1, 2, 3)),
}
#: The same, but only believed if the file holds no weights at all: these may also join two activations.
WEIGHT_INPUTS_BARE: dict[str, frozenset[int]] = {
    "Gemm": frozenset((1, 2)),
    "MatMul": frozenset((0, 1)),
    "Gather": frozenset((0,)),
    **{name: frozenset((0, 1)) for name in ("Add", "Mul", "Sub", "Div")},
    "Concat": frozenset((0,)),
    "Expand": frozenset((0,)),
}
_NOT_TRAINED = frozenset((TensorProto.INT64, TensorProto.INT32, TensorProto.BOOL, TensorProto.STRING))


def is_trained(dtype: int) -> bool:
    """Whether numbers of this type are weights: integers and booleans only steer."""
    return dtype not in _NOT_TRAINED


def shape_of(value: ValueInfoProto) -> Shape | None:
    """Give the shape that is written in the file; None if a length is missing or not a positive number."""
    kind = value.type.tensor_type
    if not value.type.HasField("tensor_type") or not kind.HasField("shape"):
        return None
    lengths = tuple(each.dim_value if each.HasField("dim_value") else -1 for each in kind.shape.dim)
    return lengths if all(length >= 0 for length in lengths) else None


def weight_inputs(graph: GraphProto) -> set[str]:
    """Find inputs that are weights, as in files that were exported with ``export_params=False``.

    The first input is always data. Another one is a weight if its shape is fixed and every operator that
    reads it takes a weight there: `WEIGHT_INPUTS`; and, if the file holds no weight of its own,
    `WEIGHT_INPUTS_BARE`, where a factor of a product must be a matrix, and an addend must be a vector or
    have a first length of 1.
    """
    stored = {each.name for each in graph.initializer}
    bare = not any(is_trained(each.data_type) and math.prod(each.dims) > 1 for each in graph.initializer)
    open_inputs = [each for each in graph.input if each.name not in stored]
    candidates = {each.name: shape for each in open_inputs[1:] if (shape := shape_of(each)) is not None}
    used: set[str] = set()
    for node in graph.node:
        places = WEIGHT_INPUTS.get(node.op_type, frozenset())
        if bare:
            places = places | WEIGHT_INPUTS_BARE.get(node.op_type, frozenset())
        for place, name in enumerate(node.input):
            if name not in candidates:
                continue
            used.add(name)
            if place not in places or not _fits(node.op_type, candidates[name]):
                del candidates[name]
    return {name for name in candidates if name in used}


def _fits(operator: str, shape: Shape) -> bool:
    if operator == "MatMul":
        return len(shape) == 2
    if operator in ("Add", "Mul", "Sub", "Div", "Concat", "Expand"):
        return len(shape) <= 1 or shape[0] == 1
    return True


def bind_inputs(
    inputs: Sequence[ValueInfoProto],
    *,
    batch: int | None,
    bind: Mapping[str, int],
    image_size: tuple[int, int] | None,
) -> int:
    """Give every length of the network's inputs a number, in place.

    Parameters
    ----------
    inputs : sequence of onnx.ValueInfoProto
        Without weights.
    batch : int, optional
        For a first length that is a symbol, or a number that all inputs with a batch share.
    bind : mapping of str to int
        Symbol -> length.
    image_size : (int, int), optional
        Height and width, for images whose height and width are symbols.

    Returns
    -------
    int
        The batch.

    Raises
    ------
    ModelInputError
        If symbols are left, with the arguments that bind them; if an input is not a tensor.
    """
    found = dict(bind)
    missing: list[str] = []
    first_batch = _first_length(inputs)
    for value in inputs:
        if not value.type.HasField("tensor_type") or not value.type.tensor_type.HasField("shape"):
            raise ModelInputError(
                f"Input {value.name!r} has no shape.", "Export the network with inputs that are tensors."
            )
        dims = value.type.tensor_type.shape.dim
        for axis, dim in enumerate(dims):
            given = _given(axis, dims, batch, image_size, found)
            fixed = dim.HasField("dim_value") and dim.dim_value > 0
            if fixed:
                if axis == 0 and batch is not None and dim.dim_value == first_batch:
                    dim.dim_value = batch
            elif given is None:
                missing.append(_missing(value.name, axis, dims))
            else:
                if dim.dim_param:
                    found.setdefault(dim.dim_param, given)
                dim.dim_value = given
    if missing:
        raise ModelInputError(
            f"Lengths of the inputs are not known: {'; '.join(dict.fromkeys(missing))}.",
            "Give them with the arguments that are named.",
        )
    return _first_length(inputs) or 1


def _first_length(inputs: Sequence[ValueInfoProto]) -> int | None:
    """Give the first length of the first input that has one; None if it is a symbol."""
    for value in inputs:
        dims = value.type.tensor_type.shape.dim
        if len(dims):
            return dims[0].dim_value if dims[0].HasField("dim_value") and dims[0].dim_value > 0 else None
    return None


def _image_axes(dims: Sequence) -> tuple[int, int] | None:
    """Find height and width: the middle two of four lengths if only the last is fixed, else the last two."""
    if len(dims) != 4:
        return None
    fixed = [dim.HasField("dim_value") and dim.dim_value > 0 for dim in dims]
    return (1, 2) if fixed[3] and not fixed[1] and not fixed[2] else (2, 3)


def _given(
    axis: int,
    dims: Sequence,
    batch: int | None,
    image_size: tuple[int, int] | None,
    found: Mapping[str, int],
) -> int | None:
    symbol = dims[axis].dim_param
    if symbol and symbol in found:
        return found[symbol]
    if axis == 0:
        return batch
    axes = _image_axes(dims)
    if image_size is not None and axes is not None and axis in axes:
        return image_size[axes.index(axis)]
    return None


def _missing(name: str, axis: int, dims: Sequence) -> str:
    symbol = dims[axis].dim_param
    what = f"{name}[{axis}]" + (f" = {symbol!r}" if symbol else "")
    if axis == 0:
        return f"{what} (batch=...)"
    axes = _image_axes(dims)
    ways = (["image_size=..."] if axes is not None and axis in axes else []) + (
        [f"bind={{{symbol!r}: ...}}"] if symbol else []
    )
    return f"{what} ({' or '.join(ways) or 'nothing binds a length without a name: export it with one'})"


def infer(model: ModelProto) -> tuple[dict[str, Shape], dict[str, int]]:
    """Infer the shapes of all tensors of a model; what the file says of them is not believed.

    Parameters
    ----------
    model : onnx.ModelProto
        With the weights' numbers left out. Its shapes are overwritten.

    Returns
    -------
    (dict, dict)
        Tensor -> shape, tensor -> type of its numbers, for those that can be known.

    Raises
    ------
    ModelInputError
        If the shapes contradict each other or a tensor is too large.
    """
    graph = model.graph
    del graph.value_info[:]
    for output in graph.output:
        if output.type.HasField("tensor_type"):
            output.type.tensor_type.ClearField("shape")
    for _ in range(MOST_ROUNDS):
        done = _inferred(model)
        shapes, types = _collected(done)
        states = _loop_states(graph, shapes, types)
        if not states:
            break
        graph.value_info.extend(states)
    return shapes, types


def _inferred(model: ModelProto) -> GraphProto:
    try:
        return onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    except Exception as error:  # a dozen types from C++, none of them documented
        raise ModelInputError(
            f"The shapes of the ONNX graph contradict each other: {str(error).splitlines()[0][:300]}",
            "Check the file with onnx.checker.check_model(file, full_check=True).",
        ) from error


def _collected(graph: GraphProto) -> tuple[dict[str, Shape], dict[str, int]]:
    shapes = {each.name: tuple(each.dims) for each in graph.initializer}
    types = {each.name: each.data_type for each in graph.initializer}
    for sparse in graph.sparse_initializer:
        shapes[sparse.values.name] = tuple(sparse.dims)
        types[sparse.values.name] = sparse.values.data_type
    for value in (*graph.value_info, *graph.input, *graph.output):
        shape = shape_of(value)
        types.setdefault(value.name, value.type.tensor_type.elem_type)
        if shape is not None:
            numbers_in(shape, value.name)
            shapes[value.name] = shape
    return shapes, types


def _loop_states(graph: GraphProto, shapes: Mapping[str, Shape], types: Mapping[str, int]) -> list:
    """Give what a Loop carries the shape that it had before: shape inference leaves it open."""
    found = []
    for node in graph.node:
        if node.op_type == "Loop":
            for before, after in zip(node.input[2:], node.output, strict=False):
                if after and after not in shapes and before in shapes:
                    found.append(
                        onnx.helper.make_tensor_value_info(after, types.get(before, 1), shapes[before])
                    )
    return found


def skeleton(source: ModelProto) -> ModelProto:
    """Copy a model without the numbers in its weights, which no shape depends on."""
    bare = ModelProto()
    for field in ("ir_version", "producer_name", "domain"):
        setattr(bare, field, getattr(source, field))
    known = onnx.defs.onnx_opset_version()
    for each in source.opset_import:
        # The newest operators that the installed package knows stand in for still newer ones.
        version = min(each.version, known) if each.domain in ("", "ai.onnx") else each.version
        bare.opset_import.add(domain=each.domain, version=version)
    bare.functions.extend(source.functions)
    graph = bare.graph
    graph.name = source.graph.name
    graph.node.extend(source.graph.node)
    graph.input.extend(source.graph.input)
    graph.output.extend(source.graph.output)
    graph.sparse_initializer.extend(source.graph.sparse_initializer)
    for weight in source.graph.initializer:
        if math.prod(weight.dims) <= STEERING and weight.data_location != TensorProto.EXTERNAL:
            graph.initializer.append(weight)
        else:
            graph.initializer.add(name=weight.name, data_type=weight.data_type, dims=weight.dims)
    return bare


def numbers(tensor: TensorProto) -> np.ndarray | None:
    """Read the values of a small constant; None if it is large, or if they are not in the file."""
    if tensor.data_location == TensorProto.EXTERNAL or math.prod(tensor.dims) > STEERING:
        return None
    try:
        return onnx.numpy_helper.to_array(tensor)
    except (ValueError, TypeError):
        return None


def attribute(node: NodeProto, name: str, default: object = None) -> object:
    """Read an attribute of a node."""
    for each in node.attribute:
        if each.name == name:
            if each.type == AttributeProto.TENSOR:
                return each.t
            return onnx.helper.get_attribute_value(each)
    return default
