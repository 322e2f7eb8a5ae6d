"""Measure a network of your own: its training step on one core, as the shipped labels were measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from maelstrom_bootcamp.perfmodel.graph import ModelInputError
from maelstrom_bootcamp.perfmodel.labels.apart import Worker, WorkerError
from maelstrom_bootcamp.perfmodel.read.lengths import ImageSize, as_pair, check_lengths

_STEPS = "maelstrom_bootcamp.perfmodel.labels.steps:steps"


@dataclass(frozen=True)
class Measured:
    """What a training step took.

    Attributes
    ----------
    ms : float
        CPU time of a step with one thread: the smallest of all visits.
    visits : tuple of float
        The smallest of each visit, ms.
    memory_mb : float
        The most that TensorFlow's allocator had handed out at once, MB of 10^6 bytes.
    parameters : int
        Trained numbers.
    """

    ms: float
    visits: tuple[float, ...]
    memory_mb: float
    parameters: int

    @property
    def spread(self) -> float:
        """How far the visits lie apart: largest over smallest, minus 1."""
        return max(self.visits) / self.ms - 1


def measure_step(
    build: str | Callable[..., Any],
    arguments: Mapping[str, Any] | None = None,
    *,
    batch: int,
    image_size: ImageSize = None,
    visits: int = 2,
    seconds: float = 0.5,
    timeout: float = 600.0,
) -> Measured:
    """Measure the training step of a Keras model in a process of its own.

    Forward pass, gradients and Adam in one graph, single precision, one thread, as `labels.train` does it.

    Parameters
    ----------
    build : str or callable
        What builds the model: "package.module:function", or the function itself if it can be imported.
    arguments : mapping, optional
        Its keyword arguments; numbers and texts, since they travel to the other process.
    batch : int
    image_size : int or (int, int), optional
        Height and width, if the model leaves them open.
    visits : int
        How often it is measured; at least 1.
    seconds : float
        CPU time of each visit; one step at least is made.
    timeout : float
        Seconds of wall-clock time after which a visit is given up.

    Returns
    -------
    Measured

    Raises
    ------
    ModelInputError
        If the other process cannot import the function, or the measurement fails; the text says why.

    Notes
    -----
    In a script, call it below ``if __name__ == "__main__":``, as everything that starts processes.
    """
    check_lengths(batch, None, image_size)
    if visits < 1 or not seconds > 0:
        raise ModelInputError(f"{visits} visits of {seconds} s are no measurement.", "Take 2 of 0.5 s.")
    name = build if isinstance(build, str) else f"{build.__module__}:{build.__qualname__}"
    module, _, function = name.partition(":")
    if module == "__main__" or not function.isidentifier():
        raise ModelInputError(
            f"{name} cannot be imported by another process.",
            "Write the function into a .py file, or give one of a package: 'package.module:function'.",
        )
    from maelstrom_bootcamp.nn import quiet  # imports TensorFlow: only for those who measure

    pair = None if image_size is None else as_pair(image_size)
    try:
        with quiet():  # the server that all processes are forked from imports TensorFlow, which talks
            started = Worker(_STEPS, (name, dict(arguments or {}), batch, pair, seconds))
        with started as worker:
            ready = worker.next(timeout)
            found = [worker.next(timeout) for _ in range(visits)]
    except WorkerError as error:
        raise ModelInputError(
            f"The training step of {name} could not be measured: {error}.",
            "Build the model here and call it once; a smaller batch needs less memory.",
        ) from error
    times = tuple(visit["ms"] for visit in found)
    return Measured(min(times), times, max(visit["memory_mb"] for visit in found), ready["parameters"])
