"""Deep500's level "distributed": how long a step of N workers takes, and what of it is talking.

All competitors run in the same processes, in turn, round by round: a busy machine disturbs all of them alike.
While worker 0 works alone, the others wait.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from maelstrom_bootcamp.cluster.job import TOLERANCE, Job, Trained, drift
from maelstrom_bootcamp.cluster.ring import ring_bytes
from maelstrom_bootcamp.cluster.train import Trainer, checked, read_weights, rows_of, start, write_data
from maelstrom_bootcamp.cluster.workers import run_workers
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.hardware.measure import Timing

_NET = Path("/proc/net/dev")
#: What is timed in each round -> who does it.
TASKS = {"step": "all", "alone": "first", "share": "first", "compute": "all", "reduce": "all"}


def measure_distributed(
    workers: int = 2,
    *,
    job: Job | None = None,
    x: Any = None,
    y: Any = None,
    rounds: int = 10,
    sizes: Sequence[int] = (),
    timeout: float = 180.0,
    **options: Any,
) -> dict[str, Any]:
    """Time data-parallel training by worker processes of this machine, and check that it is still the same.

    Parameters
    ----------
    workers : int
        Each with one thread, and a core of its own if there are enough: 1 against 2 workers is then fair.
    job : Job, optional
        By default five steps of the A1 U-Net with a batch of 4.
    x, y : numpy.ndarray, optional
        Samples; by default random fields.
    rounds : int
        How often everything is timed; one more round is for warming up.
    sizes : sequence of int
        Bytes of further buffers whose all-reduce is timed.
    timeout : float
        Seconds for all of it.
    **options
        For `run_workers`.

    Returns
    -------
    dict
        "workers", "batch", "share" (samples of one worker), "gradient_bytes", "ring_bytes" (sent by each
        worker in a step, counted), "loopback" (what the kernel counted, or why not).
        "step", "alone", "share_alone", "compute", "reduce": seconds, as first, median, low, high, best,
        spread and the list seconds. "step": all together. "alone": worker 0 with the whole batch.
        "share_alone": worker 0 with its share, the others idle. "compute": all with their shares at once,
        but without talking. "reduce": the all-reduce of a buffer as large as the gradients. Of tasks for
        all, the slowest worker of a round counts.
        "speedup" (strong scaling: alone / step), "weak_efficiency" (share_alone / step).
        "drift" (after the job's steps, against worker 0 alone), "tolerance" (for a single step), "between"
        (largest difference of a weight between workers), "losses" of these steps.
        "allreduce": median seconds for each of `sizes`.

    Raises
    ------
    BootcampError
        If the batch cannot be shared evenly, a number makes no sense, or a worker dies.
    """
    job = job or Job()
    job.check(workers)
    if rounds < 1 or any(size < 4 for size in sizes):
        raise BootcampError(
            f"rounds={rounds}, sizes={list(sizes)}.", "Give rounds >= 1 and sizes >= 4 bytes."
        )
    data = checked(job, x, y)
    with tempfile.TemporaryDirectory(prefix="bootcamp-workers-") as name:
        folder = Path(name)
        task = {
            "job": {**asdict(job), "arguments": dict(job.arguments)},
            "rounds": rounds,
            "sizes": list(sizes),
            **write_data(folder, data),
        }
        found = run_workers(f"{__name__}:work", task, workers, timeout=timeout, folder=folder, **options)
        weights = [read_weights(folder, f"weights-{rank}") for rank in range(workers)]
    return {**_report(job, workers, found), "between": _between(weights)}


def work(task: Mapping[str, Any], rank: int, folder: Path) -> dict[str, Any]:
    """What a worker of `measure_distributed` does.

    Parameters
    ----------
    task : mapping
    rank : int
    folder : pathlib.Path

    Returns
    -------
    dict
    """
    colleagues, trainer, data, rows = start(task, rank, folder)
    together = trainer.step(colleagues.mean)
    single = Trainer(trainer.job) if rank == 0 else trainer  # what worker 0 trains alone, the others wait
    whole, part = single.step(), trainer.step()
    many, first_s = _train(trainer, together, data, rows)
    np.savez(folder / f"weights-{rank}.npz", *many.weights)
    if rank == 0:
        for variable, value in zip(single.model.trainable_variables, many.first, strict=True):
            variable.assign(value)
        one, _ = _train(single, whole, data, slice(None))
        apart = {"drift": drift(one, many)}
    else:
        apart = {}
    colleagues.wait()
    x, y = _tensors(trainer.batch(0, data))
    mine = rows_of(x, rows), rows_of(y, rows)
    tasks = {
        "step": lambda: together(*mine),
        "alone": lambda: whole(x, y),
        "share": lambda: part(*mine),
        "compute": lambda: part(*mine),
        "reduce": _allreduce(colleagues, trainer.gradient_bytes),
    }
    if rank:
        tasks = {key: each for key, each in tasks.items() if TASKS[key] == "all"}
    sent, seconds = 0, {key: [] for key in TASKS}
    for i in range(task["rounds"] + 1):
        for key in TASKS:
            colleagues.wait()
            before = _loopback()
            seconds[key].append(_clock(tasks[key]) if key in tasks else 0.0)
            if key == "step" and i and before is not None:
                colleagues.wait()
                sent += _loopback() - before
    sizes = {size: _sizes(colleagues, size, task["rounds"]) for size in task["sizes"]}
    colleagues.wait()
    return {
        **apart,
        "losses": many.losses,
        "first_s": first_s,
        "seconds": seconds,
        "sizes": list(sizes.values()),
        "gradient_bytes": trainer.gradient_bytes,
        "loopback": None if _loopback() is None else sent / task["rounds"],
    }


def _train(trainer: Trainer, step: Callable, data: Any, rows: slice) -> tuple[Trained, float]:
    """All steps of the job with these rows of each batch; also the seconds of the first one."""
    first, losses, took = trainer.weights, [], 0.0
    tick = time.perf_counter()
    for i in range(trainer.job.steps):
        x, y = trainer.batch(i, data)
        losses.append(float(step(rows_of(x, rows), rows_of(y, rows))))
        took = took or time.perf_counter() - tick
    return Trained(first, trainer.weights, losses), took


def _tensors(structure: Any) -> Any:
    import keras
    import tensorflow as tf

    return keras.tree.map_structure(tf.constant, structure)


def _clock(task: Callable[[], Any]) -> float:
    tick = time.perf_counter()
    task().numpy()
    return time.perf_counter() - tick


def _allreduce(colleagues: Any, size: int) -> Callable[[], Any]:
    """The all-reduce of a buffer of so many bytes, as a task."""
    import tensorflow as tf

    buffer = tf.Variable(tf.ones(max(1, size // 4)))
    return tf.function(lambda: colleagues.total([buffer.read_value()])[0][0])


def _sizes(colleagues: Any, size: int, rounds: int) -> list[float]:
    task, seconds = _allreduce(colleagues, size), []
    for _ in range(rounds + 1):
        colleagues.wait()
        seconds.append(_clock(task))
    return seconds[1:]


def _loopback() -> int | None:
    """Bytes that went through the loopback device so far (Linux), whoever sent them."""
    try:
        lines = _NET.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.strip().startswith("lo:")), None)


def _report(job: Job, workers: int, found: list[dict[str, Any]]) -> dict[str, Any]:
    timings = {}
    for key, who in TASKS.items():
        every = [f["seconds"][key] for f in found] if who == "all" else [found[0]["seconds"][key]]
        slowest = [max(round_) for round_ in zip(*every, strict=True)]
        first = found[0]["first_s"] if key == "step" and job.steps else slowest[0]
        timings[key] = _timing(Timing(first, tuple(slowest[1:])))
    counted, seen = ring_bytes(found[0]["gradient_bytes"], workers), found[0]["loopback"]
    why = "" if seen is not None else "not measurable here, because this system has no /proc/net/dev"
    step = timings["step"]["median"]
    return {
        "workers": workers,
        "batch": job.batch,
        "share": job.batch // workers,
        "gradient_bytes": found[0]["gradient_bytes"],
        "ring_bytes": counted,
        "loopback": {"bytes_per_step": seen, "counted": counted * workers, "why": why},
        "step": timings["step"],
        "alone": timings["alone"],
        "share_alone": timings["share"],
        "compute": timings["compute"],
        "reduce": timings["reduce"],
        "speedup": timings["alone"]["median"] / step,
        "weak_efficiency": timings["share"]["median"] / step,
        "drift": found[0].get("drift", float("nan")),
        "tolerance": TOLERANCE[job.precision],
        "losses": found[0]["losses"],
        "allreduce": _slowest_of_sizes(found),
    }


def _between(weights: list[list[np.ndarray]]) -> float:
    """Largest difference between a weight of worker 0 and the same one of another."""
    return max(
        float(np.abs(a - b).max()) for other in weights for a, b in zip(weights[0], other, strict=True)
    )


def _slowest_of_sizes(found: list[dict[str, Any]]) -> list[float]:
    each = zip(*(f["sizes"] for f in found), strict=True)
    return [statistics.median(max(r) for r in zip(*workers, strict=True)) for workers in each]


def _timing(timing: Timing) -> dict[str, Any]:
    values = {key: getattr(timing, key) for key in ("first", "median", "low", "high", "best", "spread")}
    return {**values, "seconds": list(timing.seconds)}
