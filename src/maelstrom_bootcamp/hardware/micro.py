"""Micro-benchmarks: the ceilings, and single operators of TensorFlow. Runs in a process of its own.

Every generator function here is run by `ceilings.run_apart`. With one thread the clock is CPU time.
"""

from __future__ import annotations

import os

# Before TensorFlow allocates anything. BFC keeps freed memory: what is measured is the operator, not the
# system that hands out fresh pages. The benchmark of training steps (`perfmodel.labels`) does the same.
os.environ["TF_CPU_ALLOCATOR_USE_BFC"] = "true"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from maelstrom_bootcamp.hardware.probes import Probe

Task = Callable[[], Any]
_DTYPES = {"fp64": tf.float64, "fp32": tf.float32, "bf16": tf.bfloat16, "fp16": tf.float16}
_SIDES = (512, 1024)  # of the matrices: three of them in single precision take 3 and 12 MB
_SMALLEST, _LARGEST = 13, 28  # powers of two: bytes that a copy touches
raw = tf.raw_ops


def start(threads: int) -> Callable[[], float]:
    """Fix the number of threads; the clock that goes with it."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    return time.process_time if threads == 1 else time.perf_counter


def best(task: Task, clock: Callable[[], float], seconds: float, fewest: int = 3) -> float:
    """Shortest of the runs that fit into the time, after two that warm up."""
    task(), task()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < fewest or (time.perf_counter() < end and len(times) < 200):
        begin = clock()
        task()
        times.append(clock() - begin)
    return min(times)


# ------------------------------------------------------------------ ceilings


def ceilings(
    job: tuple[int, tuple[str, ...], float],
) -> Generator[tuple[dict[str, float], list[tuple[float, float]]], None, None]:
    """Measure both kinds of ceilings.

    Parameters
    ----------
    job : tuple
        Threads, precisions, seconds for each product.

    Yields
    ------
    (dict, list)
        Precision -> FLOP/s; (bytes touched, bytes/s) from small to large.
    """
    threads, precisions, seconds = job
    clock = start(threads)
    before = {precision: _product(precision, clock, seconds / 4) for precision in precisions}
    with ThreadPoolExecutor(threads) as pool:
        sizes = [2**power for power in range(_SMALLEST, _LARGEST + 1)]
        sweep = [(float(size), _copy(size, threads, pool, clock, seconds / 5)) for size in sizes]
    # Twice, some time apart: what slows the machine for a second does not lower the ceiling.
    yield {p: max(before[p], _product(p, clock, seconds / 4)) for p in precisions}, sweep


def _product(precision: str, clock: Callable[[], float], seconds: float) -> float:
    """FLOP/s of the best matrix product."""
    speeds = []
    for side in _SIDES:
        matrix = tf.cast(tf.random.uniform((side, side), 0.5, 1.5), _DTYPES[precision])
        speeds.append(2 * side**3 / best(lambda m=matrix: tf.matmul(m, m), clock, seconds))
    return max(speeds)


def _copy(
    size: int, threads: int, pool: ThreadPoolExecutor, clock: Callable[[], float], seconds: float
) -> float:
    """Bytes/s, read and written, of a copy that touches so many bytes altogether."""
    part = size // 2 // threads
    pairs = [(np.ones(part, np.uint8), np.ones(part, np.uint8)) for _ in range(threads)]
    nothing = [(pair[0][:0], pair[1][:0]) for pair in pairs]
    rounds = max(2, 2**23 // size)

    def copy(pair: tuple[np.ndarray, np.ndarray]) -> None:
        source, sink = pair
        for _ in range(rounds):
            np.copyto(sink, source)

    def task(pairs: list[tuple[np.ndarray, np.ndarray]]) -> Task:
        if threads == 1:
            return lambda: copy(pairs[0])
        return lambda: list(pool.map(copy, pairs))

    call = best(task(nothing), clock, seconds / 4)  # what Python takes is no traffic
    return size * rounds / max(best(task(pairs), clock, seconds) - call, 1e-9)


# ----------------------------------------------------------------- operators


def operators(job: tuple[int, Sequence[Probe], float, int]) -> Generator[list[float], None, None]:
    """Time single operators, each in a graph of its own.

    Parameters
    ----------
    job : tuple
        Threads, the probes, seconds for a visit, visits: all probes are timed in turn, the best visit counts.

    Yields
    ------
    list of float
        Seconds for each probe.
    """
    threads, probes, seconds, visits = job
    clock = start(threads)
    tasks = [(_task(probe), probe.copies) for probe in probes]
    empty = {copies: _compiled(lambda x: x, _inputs((1,), copies)) for copies in {p.copies for p in probes}}
    shortest = [np.inf] * len(probes)
    for _ in range(visits):
        # Known well, since it is subtracted from everything.
        base = {copies: best(task, clock, 10 * seconds, 50) / copies for copies, task in empty.items()}
        for i, (task, copies) in enumerate(tasks):
            own = 0.0 if probes[i].kind == "call" else base[copies]
            shortest[i] = min(shortest[i], best(task, clock, seconds) / copies - own)
    yield [max(each, 1e-8) for each in shortest]


def _inputs(shape: Sequence[int], copies: int) -> list[tuple[tf.Tensor, ...]]:
    return [(tf.random.uniform(shape, 0.5, 1.5),) for _ in range(copies)]


def _compiled(function: Callable[..., Any], inputs: Sequence[tuple[tf.Tensor, ...]]) -> Task:
    """One graph that does the same to each of the inputs: so the call itself weighs less."""
    return tf.function(lambda: [function(*each) for each in inputs])


def _task(probe: Probe) -> Task:
    make = {
        "conv": _conv,
        "dense": _dense,
        "scores": _attention,
        "mix": _attention,
        "adam": _adam,
        "call": _call,
    }.get(probe.kind, _pointwise)
    return make(probe)


def _several(shapes: Sequence[Sequence[int]], copies: int) -> list[tuple[tf.Tensor, ...]]:
    return [tuple(tf.random.uniform(shape, 0.5, 1.5) for shape in shapes) for _ in range(copies)]


def _conv(probe: Probe) -> Task:
    batch, rows, columns, into, out, high, wide = probe.shape
    x, w, y = (batch, rows, columns, into), (high, wide, into, out), (batch, rows, columns, out)
    like = {"strides": [1, 1, 1, 1], "padding": "SAME"}
    if probe.direction == "forward":
        return _compiled(lambda a, b: raw.Conv2D(input=a, filter=b, **like), _several((x, w), probe.copies))
    if probe.direction == "input":

        def gradient(b: tf.Tensor, dy: tf.Tensor) -> tf.Tensor:
            return raw.Conv2DBackpropInput(input_sizes=x, filter=b, out_backprop=dy, **like)

        return _compiled(gradient, _several((w, y), probe.copies))

    def weights(a: tf.Tensor, dy: tf.Tensor) -> tf.Tensor:
        return raw.Conv2DBackpropFilter(input=a, filter_sizes=w, out_backprop=dy, **like)

    if probe.direction == "biased":  # in one graph, TensorFlow joins both (and may be slower for it)
        return _compiled(
            lambda a, dy: (weights(a, dy), raw.BiasAddGrad(out_backprop=dy)), _several((x, y), probe.copies)
        )
    return _compiled(weights, _several((x, y), probe.copies))


def _dense(probe: Probe) -> Task:
    m, k, n = probe.shape
    shapes, flags = {
        "forward": (((m, k), (k, n)), {}),
        "input": (((m, n), (k, n)), {"transpose_b": True}),
        "weights": (((m, k), (m, n)), {"transpose_a": True}),
    }[probe.direction]
    return _compiled(lambda a, b: tf.matmul(a, b, **flags), _several(shapes, probe.copies))


def _attention(probe: Probe) -> Task:
    """The two products of attention, as Keras writes them."""
    batch, length, heads, width = probe.shape
    fields, scores = (batch, length, heads, width), (batch, heads, length, length)
    if probe.kind == "scores":
        equation, shapes = "BTNH,BSNH->BNTS", (fields, fields)
    else:
        equation, shapes = "BNTS,BSNH->BTNH", (scores, fields)

    def product(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        return keras.ops.einsum(equation, a, b)

    function = product if probe.direction == "forward" else _with_gradient(product)
    return _compiled(function, _several(shapes, probe.copies))


def _call(probe: Probe) -> Task:
    nothing = tf.function(tf.identity)
    number = tf.zeros(probe.shape)
    return lambda: nothing(number).numpy()


def _adam(probe: Probe) -> Task:
    """The update of several variables; `copies` of them make one call."""
    optimizer = keras.optimizers.Adam(1e-3)
    variables = [keras.Variable(tf.random.uniform(probe.shape)) for _ in range(probe.copies)]
    optimizer.build(variables)
    gradients = [tf.random.uniform(probe.shape) for _ in variables]

    @tf.function
    def update() -> tf.Tensor:
        optimizer.apply(gradients, variables)
        return tf.constant(0.0)

    return update


def _with_gradient(function: Callable[..., tf.Tensor], variables: Sequence[Any] = ()) -> Callable[..., Any]:
    """The function and its gradient for all that it reads."""

    def both(*inputs: tf.Tensor) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            y = function(*inputs)
        # What arrives from above: any field of this shape; another one than y, so that both are read.
        return y, tape.gradient(y, [*inputs, *variables], output_gradients=_other(inputs, y))

    return both


def _other(inputs: Sequence[tf.Tensor], y: tf.Tensor) -> tf.Tensor:
    same = [x for x in inputs if x.shape == y.shape]
    return same[0] if same else tf.stop_gradient(y)


def _pointwise(probe: Probe) -> Task:
    shape, layer = probe.shape, _LAYERS.get(probe.kind)
    count = 2 if probe.kind in ("add", "mul", "concat") else 1
    inputs = _several([shape] * count, probe.copies)
    if layer is not None:
        made = layer()
        made.build(shape)
        training = probe.direction == "training"

        def function(x: tf.Tensor) -> tf.Tensor:
            return made(x, training=training) if probe.kind == "batch_norm" else made(x)

        variables = [each.value for each in made.trainable_variables]
    else:
        function, variables = _FUNCTIONS[probe.kind], ()
    if probe.direction == "training":
        function = _with_gradient(function, variables)
    return _compiled(function, inputs)


_LAYERS: dict[str, Callable[[], keras.layers.Layer]] = {
    "batch_norm": keras.layers.BatchNormalization,
    "layer_norm": keras.layers.LayerNormalization,
    "group_norm": lambda: keras.layers.LayerNormalization(axis=(1, 2, 3)),
}
_FUNCTIONS: dict[str, Callable[..., tf.Tensor]] = {
    "relu": tf.nn.relu,
    "leaky_relu": lambda x: tf.nn.leaky_relu(x, 0.3),
    "sigmoid": tf.sigmoid,
    "silu": tf.nn.silu,
    "tanh": tf.tanh,
    "selu": tf.nn.selu,
    "gelu": tf.nn.gelu,
    "softmax": tf.nn.softmax,
    "add": tf.add,
    "mul": tf.multiply,
    "elementwise": tf.sqrt,
    "tile": lambda x: keras.ops.repeat(x, 2, axis=2),
    "concat": lambda x, y: tf.concat([x, y], -1),
    "slice": lambda x: x[:, :, 1:],
    "copy": lambda x: tf.transpose(x, (0, 2, 1, 3)),
    "pad": lambda x: tf.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))),
    "avg_pool": lambda x: tf.nn.avg_pool2d(x, 2, 2, "SAME"),
    "max_pool": lambda x: tf.nn.max_pool2d(x, 2, 2, "SAME"),
    "reduce": lambda x: tf.reduce_mean(x, axis=(1, 2)),
    "resize": lambda x: tf.image.resize(x, (2 * x.shape[1], 2 * x.shape[2])),
    "bias": lambda x: tf.reduce_sum(x, axis=(0, 1, 2)),
}


# --------------------------------------------------------------------- steps


def steps(job: tuple[str, dict[str, Any], int, Any, bool, int, float]) -> Generator[list[float], None, None]:
    """Time a step of a network.

    Parameters
    ----------
    job : tuple
        "package.module:function" of the builder, its arguments, batch, lengths that the inputs leave open,
        whether to train, threads, seconds.

    Yields
    ------
    list of float
        Seconds of each step, after two that warm up.
    """
    name, arguments, batch, lengths, training, threads, seconds = job
    clock = start(threads)
    from importlib import import_module

    module, _, function = name.partition(":")
    model = getattr(import_module(module), function)(**arguments)

    def random(each: keras.KerasTensor) -> tf.Tensor:
        left = iter(lengths or ())
        filled = [batch, *(next(left) if n is None else n for n in each.shape[1:])]
        return tf.random.uniform(filled, 0.5, 1.5)

    fields = keras.tree.map_structure(random, model.input)
    step = _training(model) if training else _forward(model)
    step(fields).numpy(), step(fields).numpy()
    while True:
        times: list[float] = []
        end = time.perf_counter() + seconds
        while len(times) < 3 or (time.perf_counter() < end and len(times) < 100):
            begin = clock()
            step(fields).numpy()
            times.append(clock() - begin)
        yield times


def _training(model: keras.Model) -> Callable[[Any], tf.Tensor]:
    optimizer = keras.optimizers.Adam(1e-3)
    optimizer.build(model.trainable_variables)

    @tf.function
    def step(x: Any) -> tf.Tensor:
        with tf.GradientTape() as tape:
            outputs = keras.tree.flatten(model(x, training=True))
            value = tf.add_n([tf.reduce_mean(tf.square(y)) for y in outputs])
        variables = model.trainable_variables
        optimizer.apply(tape.gradient(value, variables, unconnected_gradients="zero"), variables)
        return value

    return step


def _forward(model: keras.Model) -> Callable[[Any], tf.Tensor]:
    @tf.function
    def step(x: Any) -> tf.Tensor:
        return tf.add_n([tf.reduce_max(y) for y in keras.tree.flatten(model(x, training=False))])

    return step
