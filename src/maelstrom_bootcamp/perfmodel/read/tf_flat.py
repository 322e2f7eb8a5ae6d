"""TensorFlow graphs made flat: calls of functions replaced by the functions' bodies; nothing is run.

Functions of a SavedModel were traced with an unknown batch, and shape inference stops at a call. A flat graph
is imported once, with inputs of known shape, and TensorFlow infers every shape in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import tensorflow as tf
from tensorflow.core.framework import graph_pb2, node_def_pb2
from tensorflow.python.framework import op_def_registry

from maelstrom_bootcamp.perfmodel.graph import ModelInputError
from maelstrom_bootcamp.perfmodel.read.draft import MOST_OPERATORS

#: Functions in functions: more than any exporter nests.
DEEPEST = 50

_CALLS = frozenset(("PartitionedCall", "StatefulPartitionedCall"))
#: A reader must not touch files or run code, and the shape inference of TensorFlow computes constants.
_FORBIDDEN = frozenset(
    [
        "ReadFile",
        "WriteFile",
        "MatchingFiles",
        "PyFunc",
        "PyFuncStateless",
        "EagerPyFunc",
        "Save",
        "SaveV2",
        "Restore",
        "RestoreV2",
        "LoadAndRemapMatrix",
        "RemoteCall",
        "SymbolicGradient",
    ]
)
_CONTROL = frozenset(
    [
        "If",
        "StatelessIf",
        "Case",
        "StatelessCase",
        "While",
        "StatelessWhile",
        "For",
        "Switch",
        "Merge",
        "Enter",
    ]
)


def flatten(
    graph: graph_pb2.GraphDef, outputs: Sequence[str], replaced: Mapping[str, node_def_pb2.NodeDef]
) -> tuple[graph_pb2.GraphDef, list[str]]:
    """Replace all calls by the bodies of the functions, keeping what the outputs depend on.

    Parameters
    ----------
    graph : GraphDef
        With the functions in its library.
    outputs : sequence of str
        Tensors, as "node:0".
    replaced : mapping of str to NodeDef
        Nodes that take the place of others: inputs of known shape.

    Returns
    -------
    (GraphDef, list of str)
        Sorted, without functions; and the outputs' names in it.

    Raises
    ------
    ModelInputError
        If it holds control flow, functions that call themselves, operators that TensorFlow does not know or
        that touch files.
    """
    flat = graph_pb2.GraphDef(versions=graph.versions)
    library = {each.signature.name: each for each in graph.library.function}
    nodes = {each.name: replaced.get(each.name, each) for each in graph.node}
    return flat, _Flattener(flat, library).body(nodes, outputs, {}, "", _split_graph_reference)


def _split_graph_reference(reference: str, nodes: Mapping[str, node_def_pb2.NodeDef]) -> tuple[str, int]:
    name, _, place = reference.partition(":")
    if name not in nodes or (place and not place.isdecimal()):
        raise ModelInputError(f"The graph reads {reference!r}, which nothing makes.", "Export it again.")
    return name, int(place or 0)


def _split_function_reference(reference: str, nodes: Mapping[str, node_def_pb2.NodeDef]) -> tuple[str, int]:
    """Count through the named results of an operator: functions write "node:result:place"."""
    name, result, place = [*reference.split(":"), "", ""][:3]
    if name not in nodes:
        raise ModelInputError(f"A function reads {reference!r}, which nothing makes.", "Export it again.")
    node = nodes[name]
    definition = op_def_registry.get(node.op)
    start = 0
    for each in definition.output_arg if definition is not None else ():
        if each.name == result:
            break
        if each.number_attr:
            start += node.attr[each.number_attr].i
        elif each.type_list_attr:
            start += len(node.attr[each.type_list_attr].list.type)
        else:
            start += 1
    return name, start + int(place or 0)


class _Flattener:
    def __init__(self, flat: graph_pb2.GraphDef, library: Mapping) -> None:
        self.flat = flat
        self.library = library
        self.names: set[str] = set()
        self.path: list[str] = []

    def body(
        self,
        nodes: Mapping[str, node_def_pb2.NodeDef],
        outputs: Iterable[str],
        arguments: Mapping[str, str],
        prefix: str,
        split: Callable[[str, Mapping], tuple[str, int]],
    ) -> list[str]:
        """Write the nodes on which the outputs depend; return the outputs' names in the flat graph."""
        made: dict[str, list[str] | str] = {}

        def resolved(reference: str) -> str:
            if reference in arguments:
                return arguments[reference]
            name, place = split(reference, nodes)
            results = made[name]
            if isinstance(results, str):
                return f"{results}:{place}"
            if place >= len(results):
                raise ModelInputError(
                    f"The graph reads {reference!r}, which nothing makes.", "Export it again."
                )
            return results[place]

        wanted = list(outputs)
        needed = [split(each, nodes)[0] for each in wanted if each not in arguments]
        for name in _sorted(nodes, needed, arguments, split):
            node = nodes[name]
            inputs = [resolved(each) for each in node.input if not each.startswith("^")]
            made[name] = self.node(node, inputs, prefix)
        return [resolved(each) for each in wanted]

    def node(self, node: node_def_pb2.NodeDef, inputs: list[str], prefix: str) -> list[str] | str:
        function = node.attr["f"].func.name if node.op in _CALLS else node.op
        if function in self.library:
            return self.call(function, inputs, f"{prefix}{node.name}/")
        if node.op in _CONTROL:
            raise ModelInputError(
                f"The network holds control flow: {node.op} {node.name!r}.",
                "Build it without branches and loops (for recurrent layers of Keras: unroll=True).",
            )
        if node.op in _FORBIDDEN:
            raise ModelInputError(
                f"The network touches files or runs code: {node.op} {node.name!r}.",
                "Do not use this model unless you know who wrote it.",
            )
        if op_def_registry.get(node.op) is None:
            raise ModelInputError(
                f"TensorFlow does not know the operator {node.op!r} of {node.name!r}.",
                "Build the network with operators of TensorFlow.",
            )
        name = prefix + node.name
        while name in self.names:
            name += "_"
        self.names.add(name)
        if len(self.names) > MOST_OPERATORS:
            raise ModelInputError(
                f"The network has more than {MOST_OPERATORS:,} operators.", "Predict a part of it."
            )
        copy = self.flat.node.add()
        copy.CopyFrom(node)
        copy.name, copy.device = name, ""
        copy.input[:] = inputs
        for key in [
            each for each in copy.attr if each.startswith("_")
        ]:  # shapes, places, compilers of the export
            del copy.attr[key]
        return name

    def call(self, function: str, inputs: list[str], prefix: str) -> list[str]:
        if function in self.path or len(self.path) >= DEEPEST:
            raise ModelInputError(f"Function {function!r} calls itself.", "Export the network again.")
        self.path.append(function)
        body = self.library[function]
        arguments = dict(zip((each.name for each in body.signature.input_arg), inputs, strict=False))
        nodes = {each.name: each for each in body.node_def}
        outputs = [body.ret[each.name] for each in body.signature.output_arg]
        results = self.body(nodes, outputs, arguments, prefix, _split_function_reference)
        self.path.pop()
        return results


def _sorted(
    nodes: Mapping[str, node_def_pb2.NodeDef],
    wanted: Iterable[str],
    arguments: Mapping[str, str],
    split: Callable[[str, Mapping], tuple[str, int]],
) -> list[str]:
    """Sort the nodes on which the wanted ones depend; every node after those that it reads."""
    order: list[str] = []
    state: dict[str, int] = {}
    waiting = list(reversed(list(wanted)))
    while waiting:
        name = waiting[-1]
        if state.get(name) is not None:
            waiting.pop()
            if state[name] == 0:
                state[name] = 1
                order.append(name)
            continue
        state[name] = 0
        reads = [each for each in nodes[name].input if not each.startswith("^") and each not in arguments]
        for each in reversed([split(reference, nodes)[0] for reference in reads]):
            if state.get(each) == 0:
                raise ModelInputError(f"The graph runs in a circle through {each!r}.", "Export it again.")
            if each not in state:
                waiting.append(each)
    return order


def imported(flat: graph_pb2.GraphDef) -> tf.Graph:
    """Import a flat graph: TensorFlow infers its shapes and checks that they fit; nothing runs.

    Raises
    ------
    ModelInputError
        If shapes contradict each other, as with a batch that is fixed in a Reshape.
    """
    graph = tf.Graph()
    try:
        with graph.as_default():
            tf.graph_util.import_graph_def(flat, name="")
    except (ValueError, TypeError, tf.errors.OpError) as error:
        text = " ".join(str(error).split())[:400]
        raise ModelInputError(
            f"The network does not fit the lengths of its inputs: {text}",
            "Use the batch and the image size with which it was exported, or export it with open lengths.",
        ) from error
    return graph
