"""The time and the memory of a training step in TensorFlow. Runs in a process of its own (`apart`)."""

from __future__ import annotations

import os

# Has to be set before TensorFlow allocates anything: BFC is the allocator that keeps statistics on a CPU.
os.environ["TF_CPU_ALLOCATOR_USE_BFC"] = "true"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import time
from collections.abc import Callable, Generator
from typing import Any

import keras
import tensorflow as tf

from maelstrom_bootcamp.perfmodel.labels.cases import Case
from maelstrom_bootcamp.perfmodel.zoo.to_keras import to_keras

_DEVICE = "CPU:0"
_MOST = 40  # steps in a visit


def train(job: tuple[Case, float]) -> Generator[dict[str, Any], None, None]:
    """Measure a model, a visit at a time, for ever.

    Forward pass, gradients and Adam's update in one graph, in single precision, by one thread; the time is
    CPU time of the process. The memory is the largest that was allocated at once during a step: weights,
    moments, gradients, activations and work space.

    Parameters
    ----------
    job : tuple of (Case, float)
        The model, and the CPU seconds of a visit.

    Yields
    ------
    dict
        First {"ready": CPU seconds that building and tracing took}, then for each visit {"ms": smallest CPU
        time of a step, "memory_mb": peak of the last one, 1 MB = 10^6 bytes}.
    """
    case, seconds = job
    start = time.process_time()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    # The graph optimiser takes longer than it saves here, and it makes the memory differ from run to run.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    step = _training_step(case)
    for _ in range(2):  # the first traces; the second finds everything allocated
        step()
    yield {"ready": round(time.process_time() - start, 3)}
    while True:
        yield _visit(step, seconds)


def _training_step(case: Case) -> Callable[[], Any]:
    keras.utils.set_random_seed(case.seed)
    model = to_keras(case.blueprint())
    optimizer = keras.optimizers.Adam(1e-3)
    optimizer.build(model.trainable_variables)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    images = tf.random.normal([case.batch, *model.input_shape[1:]])
    classes = tf.zeros([case.batch], tf.int32)

    @tf.function
    def step(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            value = loss(y, model(x, training=True))
        variables = model.trainable_variables
        optimizer.apply(tape.gradient(value, variables), variables)
        return value

    return lambda: step(images, classes).numpy()


def _visit(step: Callable[[], Any], seconds: float) -> dict[str, float]:
    times: list[float] = []
    end = time.process_time() + seconds
    while not times or (time.process_time() < end and len(times) < _MOST):
        tf.config.experimental.reset_memory_stats(_DEVICE)
        start = time.process_time()
        step()
        times.append(time.process_time() - start)
    peak = tf.config.experimental.get_memory_info(_DEVICE)["peak"]
    return {"ms": round(1e3 * min(times), 5), "memory_mb": round(peak / 1e6, 4)}
