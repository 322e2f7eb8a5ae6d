"""Networks that were traced in PyTorch: the records of public collections, and a tracer of our own.

A record is a mapping (in files: a line of JSON) with ``name``, ``size`` (of the image), ``b`` (the batch),
``nodes``: [operator, input shape, output shape, multiply-accumulates, parameters, values, kernel, stride,
groups], and ``edges``: [maker, reader].
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any

from maelstrom_bootcamp.perfmodel.graph import ModelInputError, Op, OpGraph, Shape
from maelstrom_bootcamp.perfmodel.operators import kind_of
from maelstrom_bootcamp.perfmodel.read.draft import MOST_NUMBERS, Draft, Work, pruned

#: They also write what training keeps: mean and deviation, the places of the maxima. At inference nobody
#: reads these, and the other dialects do not count them.
_KEEPING = frozenset(f"native_{each}_norm" for each in ("batch", "layer", "group")) | {
    "max_pool2d_with_indices",
    "max_pool3d_with_indices",
}
_PRODUCTS = frozenset(("addmm", "mm", "bmm", "baddbmm"))
_CONVOLUTIONS = frozenset(("convolution", "conv_transpose"))


def read_traced(record: Mapping[str, Any]) -> OpGraph:
    """Read a record as an operator graph.

    Parameters
    ----------
    record : mapping
        As the module's text describes it.

    Returns
    -------
    OpGraph
        For the record's batch. Views and what only reserves memory ("empty") are left out.

    Raises
    ------
    ModelInputError
        If the record does not have this form.
    """
    try:
        nodes = [_node(*each) for each in record["nodes"]]
        edges = [(int(maker), int(reader)) for maker, reader in record["edges"]]
        batch, name = int(record["b"]), str(record.get("name", ""))
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ModelInputError(
            f"The record is not a traced network: {type(error).__name__}: {error}.",
            "Give a mapping with name, b, nodes and edges, as trace returns it.",
        ) from error
    if batch < 1 or not all(0 <= maker < reader < len(nodes) for maker, reader in edges):
        raise ModelInputError(
            "The record's edges or its batch make no sense.", "Trace the network again: the file is damaged."
        )
    sources: list[frozenset[int]] = []
    made: list[set[int]] = [set() for _ in nodes]
    for maker, reader in edges:
        made[reader].add(maker)
    for index, op in enumerate(nodes):
        if op.kind == "view":
            sources.append(frozenset().union(*(sources[maker] for maker in made[index])))
        else:
            sources.append(frozenset((index,)))
    through = [(source, reader) for maker, reader in edges for source in sources[maker]]
    kept = [index for index, op in enumerate(nodes) if op.kind != "view"]
    if not kept:
        raise ModelInputError("The record holds no operators.", "Trace the network again.")
    ops, table = pruned(nodes, through, kept)
    unknown = tuple(sorted({op.name for op in ops if op.kind == "other"}))
    return OpGraph(tuple(ops), table, batch, name, unknown)


def _node(
    name: str,
    in_shape: Sequence[int],
    out_shape: Sequence[int],
    macs: int,
    params: int,
    values: int,
    kernel: int,
    stride: int,
    groups: int,
) -> Op:
    read, written = _shape(in_shape), _shape(out_shape)
    numbers = [int(each) for each in (macs, params, values, kernel, stride, groups)]
    if any(not 0 <= each <= MOST_NUMBERS for each in numbers):
        raise ValueError(f"numbers of {name} out of range")
    macs, params, values, kernel, stride, groups = numbers
    channels_in = channels_out = 0
    if name in _CONVOLUTIONS:
        channels_in, channels_out = read[1], written[1]
    elif name in _PRODUCTS and written:
        # The record names the first tensor, which may be the offset; the arithmetic tells the inner length.
        channels_in, channels_out = macs // max(1, math.prod(written)), written[-1]
        read = (*written[:-1], channels_in)
    if name in _KEEPING:
        values = min(values, math.prod(read) + math.prod(written) + params)
    return Op(
        name=name,
        kind=kind_of("aten", name, groups=groups, channels_in=channels_in),
        in_shape=read,
        out_shape=written,
        macs=macs,
        params=params,
        values=values,
        out_values=math.prod(written),
        channels_in=channels_in,
        channels_out=channels_out,
        kernel=kernel,
        stride=stride,
        groups=groups,
    )


def _shape(lengths: Sequence[int]) -> Shape:
    shape = tuple(int(each) for each in lengths)
    if any(length < 0 for length in shape):
        raise ValueError(f"negative length in {shape}")
    return shape


def trace(module: Any, inputs: Any, *, name: str = "", size: int = 0) -> dict[str, Any]:
    """Trace a PyTorch module without computing anything: on the device "meta" tensors have shapes only.

    Parameters
    ----------
    module : torch.nn.Module
        Traced in inference mode; a copy of it is moved to "meta".
    inputs : torch.Tensor or sequence of torch.Tensor
        Their first length is the batch.
    name : str
    size : int
        Of the image, for the record only.

    Returns
    -------
    dict
        A record for `read_traced`.

    Raises
    ------
    ModelInputError
        If PyTorch is not installed, or the module cannot run without values.
    """
    try:
        import torch
        from torch.nn.attention import SDPBackend, sdpa_kernel
        from torch.utils._python_dispatch import TorchDispatchMode
    except ImportError as error:
        raise ModelInputError(
            "PyTorch is not installed.", "Install it (pip install torch), or export the network to ONNX."
        ) from error
    tensors = [inputs] if isinstance(inputs, torch.Tensor) else list(inputs)
    module = copy.deepcopy(module).to("meta").eval()
    tracer = _Tracer(torch, module)
    tensors = [tracer.source(each) for each in tensors]

    class Mode(TorchDispatchMode):
        def __torch_dispatch__(
            self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
        ) -> Any:
            result = func(*args, **(kwargs or {}))
            tracer.report(func, args, kwargs or {}, result)
            return result

    try:
        with torch.no_grad(), torch.device("meta"), sdpa_kernel(SDPBackend.MATH), Mode():
            result = module(*tensors)
    except ModelInputError:
        raise
    except Exception as error:  # whatever a module raises
        raise ModelInputError(
            f"The module cannot be traced: {' '.join(str(error).split())[:300]}",
            "Trace a module whose shapes do not depend on values, or export the network to ONNX.",
        ) from error
    outputs = [tracer.key(each) for each in tracer.tensors(result)]
    batch = int(tensors[0].shape[0]) if tensors and tensors[0].ndim else 1
    graph = tracer.draft.finish(outputs, batch=batch)
    fields = ("name", "in_shape", "out_shape", "macs", "params", "values", "kernel", "stride", "groups")
    nodes = [[getattr(op, each) for each in fields] for op in graph.ops]
    nodes = [[list(each) if isinstance(each, tuple) else each for each in node] for node in nodes]
    return {"name": name, "size": size, "b": batch, "nodes": nodes, "edges": graph.edges.tolist()}


class _Tracer:
    """Reports what PyTorch dispatches to a draft."""

    def __init__(self, torch: Any, module: Any) -> None:
        self.torch = torch
        self.draft = Draft("aten")
        # Tensors are told apart by their identity, which is theirs only as long as they live.
        self.alive: list[Any] = []
        for label, weight in module.named_parameters():
            self._constant(weight, label)
        for label, buffer in module.named_buffers():
            running = label.rpartition(".")[2] in ("running_mean", "running_var")
            self._constant(buffer, label, trained=running)

    def key(self, tensor: Any) -> str:
        return str(id(tensor))

    def source(self, tensor: Any) -> Any:
        moved = tensor.to("meta")
        self.alive.append(moved)
        self.draft.source(self.key(moved), tuple(moved.shape))
        return moved

    def tensors(self, tree: Any) -> list[Any]:
        from torch.utils._pytree import tree_leaves

        return [each for each in tree_leaves(tree) if isinstance(each, self.torch.Tensor)]

    def report(self, func: Any, args: tuple, kwargs: Mapping[str, Any], result: Any) -> None:
        read, written = self.tensors((args, kwargs)), self.tensors(result)
        self.alive += written
        for tensor in read:
            if self.key(tensor) not in self.draft.tensors:  # made outside of the module's parts
                self._constant(tensor, "", trained=False)
        name = func._schema.name.partition("::")[2]
        aliases = [each.alias_info for each in func._schema.returns]
        changes = any(each is not None and each.is_write for each in aliases)
        name = name[:-1] if changes and name.endswith("_") else name
        if name == "convolution" and args[6]:
            name = "conv_transpose"
        outputs = [(self.key(each), tuple(each.shape)) for each in written if each.numel()]
        inputs = [self.key(each) for each in read]
        if not outputs:
            return
        if not inputs:  # zeros, a range: nothing flows into it
            for output, shape in outputs:
                self.draft.constant(output, shape, trained=False)
        elif any(each is not None for each in aliases) and not changes:
            for output, shape in outputs:
                self.draft.enter(inputs[0], output, shape)
        else:
            work = self._work(name, args, outputs[0][1])
            if name in _KEEPING:
                outputs = outputs[:1]
            self.draft.add(name, name, inputs, outputs, lambda: work)

    def _constant(self, tensor: Any, label: str, *, trained: bool = True) -> None:
        self.alive.append(tensor)
        if trained:
            self.draft.constant(self.key(tensor), tuple(tensor.shape), trained=True)
        else:
            self.draft.table(self.key(tensor), tuple(tensor.shape))

    def _work(self, name: str, args: tuple, out: Shape) -> Work:
        if name in _CONVOLUTIONS:
            x, w = tuple(args[0].shape), tuple(args[1].shape)
            pixels = math.prod(x) if name == "conv_transpose" else math.prod(out)
            return Work(
                macs=pixels * math.prod(w[1:]),
                in_shape=x,
                channels_in=x[1],
                channels_out=out[1],
                kernel=w[2],
                stride=int(args[3][0]),
                groups=int(args[8]),
            )
        if name in _PRODUCTS:
            a, b = (args[1], args[2]) if name in ("addmm", "baddbmm") else (args[0], args[1])
            rows, inner, columns = math.prod(a.shape[:-1]), a.shape[-1], b.shape[-1]
            return Work(
                macs=rows * inner * columns,
                in_shape=tuple(a.shape),
                channels_in=inner,
                channels_out=columns,
            )
        if name.startswith(("max_pool", "avg_pool")) and len(args) > 1:
            kernel = list(args[1])
            stride = list(args[2]) if len(args) > 2 and args[2] else kernel
            return Work(kernel=int(kernel[0]), stride=int(stride[0]))
        return Work()
