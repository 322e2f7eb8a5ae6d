"""Inference times by onnxruntime, many models in turns. Runs in a process of its own (`apart`)."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
import onnxruntime

from maelstrom_bootcamp.perfmodel.labels.cases import Case
from maelstrom_bootcamp.perfmodel.zoo.to_onnx import to_onnx

_FEWEST, _MOST = 3, 60  # runs in a visit


def infer(job: tuple[Sequence[Case], int, float]) -> Generator[dict[str, Any], None, None]:
    """Measure some models, in rounds.

    The time is CPU time of this thread (onnxruntime gets no other), the smallest of a visit: on a machine
    that others use, wall-clock times of the same model vary by a third, these by a few percent.

    Parameters
    ----------
    job : tuple of (sequence of Case, int, float)
        The models; how many rounds, each in another random order; CPU seconds of a visit in a round.

    Yields
    ------
    dict
        After each round {"round": number}; at last {"labels": [...]}, for each case either {"ms": [smallest
        of each round]} or {"reason": why it could not be run}.
    """
    cases, rounds, seconds = job
    opened: list[tuple[onnxruntime.InferenceSession, np.ndarray]] = []
    labels: list[dict[str, Any]] = []
    where: list[int] = []
    for case in cases:
        try:
            opened.append(_open(case))
            where.append(len(labels))
            labels.append({"ms": []})
        except Exception as error:  # one model that cannot be opened must not stop the others
            labels.append({"reason": f"{type(error).__name__}: {error}"[:300]})
    order = np.random.default_rng(0)
    for number in range(rounds):
        for i in order.permutation(len(opened)):
            session, image = opened[i]
            labels[where[i]]["ms"].append(round(1e3 * _visit(session, image, seconds), 5))
        yield {"round": number + 1}
    yield {"labels": labels}


def _open(case: Case) -> tuple[onnxruntime.InferenceSession, np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    plan = case.blueprint()
    session = onnxruntime.InferenceSession(
        to_onnx(plan, case.batch).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    image = np.random.default_rng(case.seed).standard_normal((case.batch, *plan.input_shape), np.float32)
    return session, image


def _visit(session: onnxruntime.InferenceSession, image: np.ndarray, seconds: float) -> float:
    """Smallest CPU time of a run in seconds."""
    feed = {"input": image}
    session.run(None, feed)  # the others have emptied the caches
    times: list[float] = []
    end = time.thread_time() + seconds
    while len(times) < _FEWEST or (time.thread_time() < end and len(times) < _MOST):
        start = time.thread_time()
        session.run(None, feed)
        times.append(time.thread_time() - start)
    return min(times)
