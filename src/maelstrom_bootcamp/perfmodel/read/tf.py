"""Keras models and SavedModels as operator graphs, in inference mode, without a detour over ONNX.

A Keras model is traced, a SavedModel is only parsed: none of its functions, initialisers or restorers runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import keras
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.framework import graph_pb2, node_def_pb2
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from maelstrom_bootcamp.perfmodel.graph import ModelInputError, OpGraph, Shape
from maelstrom_bootcamp.perfmodel.read.fuse import fuse
from maelstrom_bootcamp.perfmodel.read.lengths import (
    MAX_BYTES,
    ImageSize,
    as_pair,
    check_lengths,
    damage_refused,
)
from maelstrom_bootcamp.perfmodel.read.tf_flat import flatten, imported
from maelstrom_bootcamp.perfmodel.read.tf_walk import draft_graph

Input = tuple[str, tuple[int | None, ...]]


def read_keras(
    model: keras.Model,
    *,
    batch: int | None = None,
    image_size: ImageSize = None,
    bind: Mapping[str, int] | None = None,
    fused: bool = True,
) -> OpGraph:
    """Read a Keras model as an operator graph.

    Parameters
    ----------
    model : keras.Model
        Built; of any number of inputs and outputs.
    batch : int, optional
        1, or what the model fixes, if it is not given.
    image_size : int or (int, int), optional
        Height and width, if they are open.
    bind : mapping of str to int, optional
        Other open lengths: "name of the input:axis" -> length.
    fused : bool
        Join chains that other dialects write as one operator, see `fuse`.

    Returns
    -------
    OpGraph

    Raises
    ------
    ModelInputError
        If the model was never built, lengths are open, or it cannot be traced.
    """
    check_lengths(batch, bind, image_size)
    if keras.backend.backend() != "tensorflow":
        raise ModelInputError(
            f"Keras runs on {keras.backend.backend()}.", "Set KERAS_BACKEND=tensorflow before it is imported."
        )
    structure = _input_structure(model)
    flat = keras.tree.flatten(structure)
    inputs = [(each.name, tuple(each.shape)) for each in flat]
    bound = bind_inputs(inputs, batch=batch, image_size=image_size, bind=bind)
    specs = [
        tf.TensorSpec(shape, keras.backend.standardize_dtype(each.dtype), name=f"input_{place}")
        for place, (shape, each) in enumerate(zip(bound, flat, strict=True))
    ]

    def forward(*tensors: tf.Tensor) -> object:
        return model(keras.tree.pack_sequence_as(structure, list(tensors)), training=False)

    try:
        traced = tf.function(forward).get_concrete_function(*specs).graph
    except Exception as error:  # whatever the layers of a model raise
        text = " ".join(str(error).split())[:300]
        raise ModelInputError(
            f"The Keras model {model.name!r} cannot be called with inputs of shape {bound}: {text}",
            "Call it once with such inputs and mend what fails.",
        ) from error
    outputs = [each.name for each in traced.outputs]
    replaced, weights = _captured(traced)
    sources = [each.op.name for each in traced.inputs[: len(specs)]]
    replaced |= {
        each.node_def.name: each.node_def for each in (traced.get_operation_by_name(s) for s in sources)
    }
    return _read(traced.as_graph_def(), outputs, replaced, sources, weights, model.name, fused)


def read_savedmodel(
    folder: Path | str,
    *,
    batch: int | None = None,
    signature: str | None = None,
    image_size: ImageSize = None,
    bind: Mapping[str, int] | None = None,
    max_bytes: int = MAX_BYTES,
    fused: bool = True,
) -> OpGraph:
    """Read a SavedModel as an operator graph, without loading it.

    Parameters
    ----------
    folder : path
        With ``saved_model.pb``; the variables are not needed.
    batch : int, optional
        1, or what the model fixes, if it is not given.
    signature : str, optional
        "serving_default", or the only one there is.
    image_size, bind, fused
        As in `read_keras`.
    max_bytes : int
        A larger ``saved_model.pb`` is refused.

    Returns
    -------
    OpGraph

    Raises
    ------
    ModelInputError
        If it is not a SavedModel, has no such signature, leaves lengths open or cannot be read.
    """
    check_lengths(batch, bind, image_size)
    folder = Path(folder)
    with damage_refused("The SavedModel"):
        meta = _meta_graph(folder, max_bytes)
        chosen = _signature(meta, signature)
        replaced = _bound_placeholders(chosen, batch, image_size, bind)
        outputs = [info.name for _, info in sorted(chosen.outputs.items())]
        return _read(meta.graph_def, outputs, replaced, list(replaced), frozenset(), folder.name, fused)


def _bound_placeholders(
    chosen: meta_graph_pb2.SignatureDef,
    batch: int | None,
    image_size: ImageSize,
    bind: Mapping[str, int] | None,
) -> dict[str, node_def_pb2.NodeDef]:
    unknown = [name for name, info in chosen.inputs.items() if info.tensor_shape.unknown_rank]
    if unknown:
        raise ModelInputError(
            f"Input {unknown[0]!r} has no shape.", "Export the model with an input signature."
        )
    inputs = [
        (name, tuple(None if dim.size < 0 else dim.size for dim in info.tensor_shape.dim))
        for name, info in sorted(chosen.inputs.items())
    ]
    bound = bind_inputs(inputs, batch=batch, image_size=image_size, bind=bind)
    replaced = {}
    for (name, _), shape in zip(inputs, bound, strict=True):
        node = chosen.inputs[name].name.partition(":")[0]
        replaced[node] = placeholder(node, chosen.inputs[name].dtype, shape)
    return replaced


def placeholder(name: str, dtype: int, shape: Sequence[int]) -> node_def_pb2.NodeDef:
    """Make an input of known shape."""
    node = node_def_pb2.NodeDef(name=name, op="Placeholder")
    node.attr["dtype"].type = dtype
    node.attr["shape"].shape.CopyFrom(tf.TensorShape(shape).as_proto())
    return node


def bind_inputs(
    inputs: Sequence[Input],
    *,
    batch: int | None,
    image_size: ImageSize,
    bind: Mapping[str, int] | None,
) -> list[Shape]:
    """Give every open length of the inputs a number.

    Parameters
    ----------
    inputs : sequence of (str, tuple of int or None)
        Names and shapes.
    batch, image_size, bind
        As in `read_keras`.

    Returns
    -------
    list of tuple of int

    Raises
    ------
    ModelInputError
        If lengths are left open, or a fixed batch is another one.
    """
    pair, bind, missing, shapes = as_pair(image_size), bind or {}, [], []
    for name, shape in inputs:
        lengths = list(shape)
        for axis, length in enumerate(shape):
            key = f"{name}:{axis}"
            if axis == 0 and batch is not None and length not in (None, batch):
                raise ModelInputError(
                    f"The batch is fixed at {length} by input {name!r}.",
                    f"Predict a batch of {length}, or build the network with an open batch.",
                )
            if length is not None:
                continue
            if key in bind:
                lengths[axis] = bind[key]
            elif axis == 0:
                lengths[axis] = batch or 1
            elif pair is not None and len(shape) == 4 and axis in _image_axes(shape):
                lengths[axis] = pair[_image_axes(shape).index(axis)]
            else:
                image = "image_size=... or " if len(shape) == 4 and axis in _image_axes(shape) else ""
                missing.append(f"{name}[{axis}] ({image}bind={{{key!r}: ...}})")
        shapes.append(tuple(lengths))
    if missing:
        raise ModelInputError(
            f"Lengths of the inputs are not known: {'; '.join(missing)}.",
            "Give them with the arguments that are named.",
        )
    return shapes


def _image_axes(shape: Sequence[int | None]) -> tuple[int, int]:
    return (2, 3) if shape[1] is not None and shape[3] is None else (1, 2)


def _input_structure(model: keras.Model) -> object:
    if not isinstance(model, keras.Model):
        raise ModelInputError(f"{type(model).__name__} is not a Keras model.", "Give a keras.Model.")
    cure = "Give it an Input layer, or call it once with an input of the right shape."
    if not model.built:
        raise ModelInputError(f"The Keras model {model.name!r} was never built.", cure)
    try:
        return model.input if not isinstance(model, keras.Sequential) else model.inputs[0]
    except (AttributeError, ValueError, IndexError, TypeError):
        pass
    # A model that is a class of its own knows only the shapes with which it was built.
    known = getattr(model, "_build_shapes_dict", None) or {}
    shapes = list(known.values())
    if (
        len(shapes) != 1
        or not isinstance(shapes[0], tuple)
        or not all(isinstance(length, int | None) for length in shapes[0])
    ):
        raise ModelInputError(f"The inputs of the Keras model {model.name!r} are not known.", cure)
    return keras.KerasTensor((None, *shapes[0][1:]), name="input")


def _captured(graph: tf.Graph) -> tuple[dict[str, node_def_pb2.NodeDef], frozenset[str]]:
    """Write variables that a traced function holds as nodes; also name the tensors that it holds."""
    replaced, weights = {}, set()
    for outer, inner in graph.captures:
        name = inner.op.name
        if inner.dtype == tf.resource:
            handle = getattr(outer, "_handle_data", None)
            if handle is None or not handle.shape_and_type:
                raise ModelInputError(
                    f"The network holds a table or another resource: {name!r}.",
                    "Look words up before the network, not in it.",
                )
            node = node_def_pb2.NodeDef(name=name, op="VarHandleOp")
            node.attr["shape"].shape.CopyFrom(handle.shape_and_type[0].shape)
            node.attr["dtype"].type = handle.shape_and_type[0].dtype
            replaced[name] = node
        else:
            weights.add(name)
            replaced[name] = placeholder(name, inner.dtype.as_datatype_enum, inner.shape)
    return replaced, frozenset(weights)


def _meta_graph(folder: Path, max_bytes: int) -> meta_graph_pb2.MetaGraphDef:
    path = folder / "saved_model.pb"
    if not path.is_file():
        raise ModelInputError(f"{folder} holds no saved_model.pb.", "Give the folder of a SavedModel.")
    size = path.stat().st_size
    if size > max_bytes:
        raise ModelInputError(
            f"{path.name} has {size / 2**20:,.0f} MB; at most {max_bytes / 2**20:,.0f} MB are read.",
            "Keep the weights in variables, or raise max_bytes.",
        )
    saved = saved_model_pb2.SavedModel()
    try:
        saved.ParseFromString(path.read_bytes())
    except DecodeError as error:
        raise ModelInputError(
            f"{path.name} is not a SavedModel, or it is cut off.", "Export the model again."
        ) from error
    for meta in saved.meta_graphs:
        if "serve" in meta.meta_info_def.tags:
            return meta
    raise ModelInputError("The SavedModel has no graph for serving.", "Export it with model.export(folder).")


def _signature(meta: meta_graph_pb2.MetaGraphDef, wanted: str | None) -> meta_graph_pb2.SignatureDef:
    usable = {name: each for name, each in meta.signature_def.items() if each.inputs and each.outputs}
    if wanted is None:
        wanted = "serving_default" if "serving_default" in usable or len(usable) != 1 else next(iter(usable))
    if wanted not in usable:
        names = ", ".join(sorted(usable)) or "none"
        raise ModelInputError(
            f"The SavedModel has no signature {wanted!r}; it has: {names}.",
            "Choose one of them with signature=..., or export the model with model.export(folder).",
        )
    return usable[wanted]


def _read(
    graph: graph_pb2.GraphDef,
    outputs: Sequence[str],
    replaced: Mapping[str, node_def_pb2.NodeDef],
    sources: Sequence[str],
    weights: frozenset[str],
    name: str,
    fused: bool,
) -> OpGraph:
    flat, results = flatten(graph, outputs, replaced)
    # The first length of the first input that has one; a network of numbers without axes has a batch of 1.
    shapes = [[dim.size for dim in replaced[each].attr["shape"].shape.dim] for each in sources]
    batch = next((shape[0] for shape in shapes if shape), 1)
    draft = draft_graph(imported(flat), frozenset(weights))
    result = draft.finish(results, batch=batch, name=name)
    return fuse(result) if fused else result
