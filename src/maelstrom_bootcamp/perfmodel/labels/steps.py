"""Training steps of any Keras model, measured as the labels were. Runs in a process of its own (`own`)."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from importlib import import_module
from typing import Any

# First: it chooses TensorFlow's allocator, which has to be done before TensorFlow allocates anything.
from maelstrom_bootcamp.perfmodel.labels.train import _visit

import keras  # isort: skip
import tensorflow as tf  # isort: skip

#: Name of the function that builds the model, its arguments, batch, open lengths, CPU seconds of a visit.
Job = tuple[str, Mapping[str, Any], int, tuple[int, int] | None, float]


def steps(job: Job) -> Generator[dict[str, Any], None, None]:
    """Measure a model, a visit at a time, for ever.

    As `labels.train.train`, but for any network: it is fed with random numbers between 0.5 and 1.5, and the
    loss is the mean square of each of its outputs.

    Parameters
    ----------
    job : tuple
        A `Job`.

    Yields
    ------
    dict
        First {"ready": CPU seconds, "parameters": trained numbers}, then for each visit {"ms", "memory_mb"}.
    """
    build, arguments, batch, lengths, seconds = job
    start = time.process_time()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    keras.utils.set_random_seed(0)
    module, _, name = build.partition(":")
    model = getattr(import_module(module), name)(**arguments)
    step = _training_step(model, batch, lengths)
    for _ in range(2):  # the first traces; the second finds everything allocated
        step()
    yield {"ready": round(time.process_time() - start, 3), "parameters": _trained(model)}
    while True:
        yield _visit(step, seconds)


def _training_step(model: keras.Model, batch: int, lengths: tuple[int, int] | None) -> Callable[[], Any]:
    optimizer = keras.optimizers.Adam(1e-3)
    optimizer.build(model.trainable_variables)
    fields = keras.tree.map_structure(lambda each: _random(each.shape, batch, lengths), model.input)

    @tf.function
    def step(x: Any) -> tf.Tensor:
        with tf.GradientTape() as tape:
            outputs = keras.tree.flatten(model(x, training=True))
            value = tf.add_n([tf.reduce_mean(tf.square(y)) for y in outputs])
        variables = model.trainable_variables
        gradients = tape.gradient(value, variables, unconnected_gradients="zero")
        optimizer.apply(gradients, variables)
        return value

    return lambda: step(fields).numpy()


def _random(shape: tuple[int | None, ...], batch: int, lengths: tuple[int, int] | None) -> tf.Tensor:
    """One input; what it leaves open is filled with the lengths, in turn."""
    left = iter(lengths or ())
    filled = [batch, *(next(left) if n is None else n for n in shape[1:])]
    return tf.random.uniform(filled, 0.5, 1.5)


def _trained(model: keras.Model) -> int:
    return sum(int(tf.size(variable.value)) for variable in model.trainable_variables)
