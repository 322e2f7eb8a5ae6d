"""ONNX files as operator graphs. Weights are never read, nothing is executed and nothing is written.

Shapes come from `onnx.shape_inference` after every symbol is bound; what a file says of its inner shapes is
not believed, because it is stale once the batch is another one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PureWindowsPath

import onnx
import onnx.inliner
from google.protobuf.message import DecodeError
from onnx import GraphProto, ModelProto, NodeProto, TensorProto

from maelstrom_bootcamp.perfmodel.graph import ModelInputError, OpGraph
from maelstrom_bootcamp.perfmodel.read.draft import MOST_OPERATORS
from maelstrom_bootcamp.perfmodel.read.fuse import fuse
from maelstrom_bootcamp.perfmodel.read.lengths import (
    MAX_BYTES,
    ImageSize,
    as_pair,
    check_lengths,
    damage_refused,
)
from maelstrom_bootcamp.perfmodel.read.onnx_shapes import bind_inputs, skeleton, weight_inputs
from maelstrom_bootcamp.perfmodel.read.onnx_walk import draft_graph


def read_onnx(
    source: Path | str | bytes | ModelProto,
    *,
    batch: int | None = None,
    bind: Mapping[str, int] | None = None,
    image_size: ImageSize = None,
    max_bytes: int = MAX_BYTES,
    fused: bool = True,
) -> OpGraph:
    """Read an ONNX model as an operator graph.

    Parameters
    ----------
    source : path, bytes or onnx.ModelProto
        A file, its contents, or the model itself (which is not changed).
    batch : int, optional
        First length of the inputs. Needed if it is a symbol; replaces it if it is a number.
    bind : mapping of str to int, optional
        Symbol in the shapes of the inputs -> length.
    image_size : int or (int, int), optional
        Height and width, if they are symbols.
    max_bytes : int
        Larger files are refused before they are read.
    fused : bool
        Join chains that other dialects write as one operator, see `fuse`.

    Returns
    -------
    OpGraph
        Operators that the table does not know are counted by their traffic and named in ``unknown``.

    Raises
    ------
    ModelInputError
        If it is not an ONNX model, contradicts itself, leaves lengths open, or is too large.
    """
    check_lengths(batch, bind, image_size)
    with damage_refused("The ONNX model"):
        model, name, folder = _loaded(source, max_bytes)
        result = _read(model, name, folder, batch, bind or {}, as_pair(image_size))
    return fuse(result) if fused else result


def _read(
    model: ModelProto,
    name: str,
    folder: Path | None,
    batch: int | None,
    bind: Mapping[str, int],
    image_size: tuple[int, int] | None,
) -> OpGraph:
    notes = _checked(model, folder)
    model = _inlined(skeleton(model))
    graph = model.graph
    _check_order(graph, set())
    weights = weight_inputs(graph)
    stored = {each.name for each in graph.initializer} | {
        each.values.name for each in graph.sparse_initializer
    }
    data = [each for each in graph.input if each.name not in stored | weights]
    if not data:
        raise ModelInputError("The ONNX graph has no input.", "Export the network with its inputs.")
    batch = bind_inputs(data, batch=batch, bind=bind, image_size=image_size)
    draft = draft_graph(model, tuple(each.name for each in data), weights, batch)
    draft.notes[:0] = notes
    return draft.finish((each.name for each in graph.output), batch=batch, name=name)


def _loaded(source: Path | str | bytes | ModelProto, max_bytes: int) -> tuple[ModelProto, str, Path | None]:
    if isinstance(source, ModelProto):
        return source, source.graph.name, None
    folder = None
    name = "the model"
    if not isinstance(source, bytes):
        path = Path(source)
        if not path.is_file():
            raise ModelInputError(f"There is no file {path}.", "Check the path.")
        size = path.stat().st_size
        name, folder = path.name, path.parent
        if size <= max_bytes:
            source = path.read_bytes()
    else:
        size = len(source)
    if size > max_bytes:
        raise ModelInputError(
            f"{name} has {size / 2**20:,.0f} MB, more than the {max_bytes / 2**20:,.0f} MB that are read.",
            "Save it with external data (weights are not needed here), or raise max_bytes"
            f" if {3 * size / 2**30:.1f} GB of memory are free.",
        )
    if not source:
        raise ModelInputError(f"{name} is empty.", "Export the network again.")
    model = ModelProto()
    try:
        model.ParseFromString(source)
    except DecodeError as error:
        raise ModelInputError(
            f"{name} is not ONNX, or it is cut off (it begins with {source[:8]!r}).",
            "Export the network again, or check that the file was copied in full.",
        ) from error
    return model, Path(name).stem, folder


def _checked(model: ModelProto, folder: Path | None) -> list[str]:
    """Refuse what decodes, but is not a network; return notes."""
    if not model.ir_version or not model.opset_import:
        raise ModelInputError(
            "The file is not an ONNX model: it names no version of its operators.",
            "Export the network again with torch.onnx, tf2onnx or onnx.helper.make_model.",
        )
    if not model.graph.node:
        raise ModelInputError("The ONNX graph has no operators.", "Export the network again.")
    if len(model.graph.node) > MOST_OPERATORS:
        raise ModelInputError(
            f"The network has more than {MOST_OPERATORS:,} operators.", "Predict a part of it."
        )
    notes = []
    known = onnx.defs.onnx_opset_version()
    newest = max((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), default=0)
    if newest > known:
        notes.append(f"Written for operator set {newest}, read as {known}, the newest that is known here.")
    missing = 0
    for weight in model.graph.initializer:
        if weight.data_location == TensorProto.EXTERNAL:
            missing += not _external(weight, folder)
    if missing:
        notes.append(f"The files of {missing} weights are missing; only their shapes were needed.")
    return notes


def _external(weight: TensorProto, folder: Path | None) -> bool:
    """Whether the file with a weight's numbers is there; it may only lie next to the model or below."""
    location = next((each.value for each in weight.external_data if each.key == "location"), "")
    inside = location and "\0" not in location and not PureWindowsPath(location).is_absolute()
    parts = PureWindowsPath(location).parts
    if not inside or ".." in parts or location.startswith(("/", "\\")) or PureWindowsPath(location).drive:
        raise ModelInputError(
            f"Weight {weight.name!r} points outside of the model's folder: {location[:200]!r}.",
            "Do not use this file unless you know who wrote it; save it again with onnx.save_model.",
        )
    if folder is None:
        return True
    target = folder / location
    if not target.resolve().is_relative_to(folder.resolve()):
        raise ModelInputError(
            f"Weight {weight.name!r} points outside of the model's folder, through the link {location!r}.",
            "Replace the link by the file.",
        )
    return target.is_file()


def _inlined(model: ModelProto) -> ModelProto:
    """Replace calls of the model's own functions by their bodies."""
    domains = {each.domain for each in model.opset_import}
    for node in _all_nodes(model.graph):
        if node.domain not in domains:
            model.opset_import.add(domain=node.domain, version=1)
            domains.add(node.domain)
    if not model.functions:
        return model
    _check_functions(model)
    try:
        return onnx.inliner.inline_local_functions(model)
    except Exception as error:  # from C++, undocumented
        raise ModelInputError(
            f"The functions of the ONNX model cannot be inlined: {str(error).splitlines()[0][:300]}",
            "Export the network without local functions.",
        ) from error


def _check_functions(model: ModelProto) -> None:
    """Refuse functions that call themselves or unfold into too many operators, before they are unfolded."""
    bodies = {(each.domain, each.name): list(_all_nodes(each)) for each in model.functions}
    sizes: dict[tuple[str, str], int] = {}
    path: set[tuple[str, str]] = set()

    def size(key: tuple[str, str]) -> int:
        if key in path or len(path) > 100:
            raise ModelInputError(
                f"ONNX function {key[1]!r} calls itself.", "Export the network without local functions."
            )
        if key not in sizes:
            path.add(key)
            sizes[key] = sum(
                size(call) if (call := (node.domain, node.op_type)) in bodies else 1 for node in bodies[key]
            )
            path.remove(key)
        return sizes[key]

    total = 0
    for node in _all_nodes(model.graph):
        key = (node.domain, node.op_type)
        total += size(key) if key in bodies else 1
    if total > MOST_OPERATORS:
        raise ModelInputError(
            f"The functions of the model unfold into more than {MOST_OPERATORS:,} operators.",
            "Predict a part of it.",
        )


def _all_nodes(graph: GraphProto | onnx.FunctionProto) -> Iterator[NodeProto]:
    for node in graph.node:
        yield node
        for inner in _bodies(node):
            yield from _all_nodes(inner)


def _bodies(node: NodeProto) -> Iterator[GraphProto]:
    for each in node.attribute:
        if each.HasField("g"):
            yield each.g
        yield from each.graphs


def _check_order(graph: GraphProto, outer: set[str]) -> None:
    """Refuse graphs that are not sorted, run in a circle, or make a tensor twice; name the node."""
    known = outer | {each.name for each in (*graph.initializer, *graph.input)}
    known |= {each.values.name for each in graph.sparse_initializer}
    made_here = {name for node in graph.node for name in node.output if name}
    for index, node in enumerate(graph.node):
        label = node.name or f"{node.op_type} number {index}"
        for name in node.input:
            if name and name not in known:
                raise ModelInputError(
                    f"Node {label!r} reads {name!r} before it is made: the graph is unsorted or has a cycle."
                    if name in made_here
                    else f"Node {label!r} reads {name!r}, which nothing makes.",
                    "Export the network again, or sort it with onnx-graphsurgeon or onnxslim.",
                )
        for inner in _bodies(node):
            _check_order(inner, known)
        for name in node.output:
            if name and name in known and name not in outer:
                raise ModelInputError(
                    f"Node {label!r} makes {name!r} a second time.", "Export the network again."
                )
            known.add(name)
    for output in graph.output:
        if output.name not in known:
            raise ModelInputError(
                f"The graph returns {output.name!r}, which nothing makes.", "Export the network again."
            )
