"""Benchmark the reference networks on this machine, in Deep500's levels.

- operator: the convolutions and products that do most of a network's work, one by one (forward),
- network: inference, ``model.predict_on_batch``,
- training: forward, loss, gradients and Adam, ``model.train_on_batch``,
- distributed: the same training by several worker processes.

Each network runs in a process of its own (`bench_child`), so that it starts like any other program: cold
caches, no tracing done, its own backend and its own peak memory.

References
----------
Ben-Nun, T. et al. (2019): A modular benchmarking infrastructure for high-performance and reproducible deep
learning (Deep500). IPDPS. arXiv:1901.10183.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.util import find_spec
from typing import Any

import psutil

from maelstrom_bootcamp import machine
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.hardware.measure import Timing
from maelstrom_bootcamp.hardware.networks import Network, policy
from maelstrom_bootcamp.hardware.results import LEVELS, SCHEMA, Record, check

BACKENDS = ("tensorflow", "jax", "torch")
JIT = ("auto", "on", "off")
#: Bytes of a number as it travels between layers.
ITEM = {"fp64": 8, "fp32": 4, "tf32": 4, "bf16": 2, "fp16": 2}
_CHILD = "maelstrom_bootcamp.hardware.bench_child"


@dataclass(frozen=True)
class Options:
    """How a network is benchmarked.

    Attributes
    ----------
    level : {"operator", "network", "training", "distributed"}
    precision : {"fp64", "fp32", "tf32", "bf16", "fp16"}
    backend : {"tensorflow", "jax", "torch"}
    batch : int or None
        By default the network's own.
    repeats : int
        Steps that are timed, after the first one (tracing) and two more (warm-up).
    jit : {"auto", "on", "off"}
        Of ``model.compile``: XLA for TensorFlow and JAX, torch.compile for PyTorch.
    seed : int
    workers : int
        Of the level "distributed".
    input : bool
        Also measure the input pipeline, where there is one; makes sample data if need be.
    """

    level: str = "training"
    precision: str = "fp32"
    backend: str = "tensorflow"
    batch: int | None = None
    repeats: int = 20
    jit: str = "auto"
    seed: int = 0
    workers: int = 1
    input: bool = True

    def check(self) -> None:
        """Raise a `BootcampError` if something of this does not exist, or is not installed here."""
        for name, value, allowed in (
            ("level", self.level, LEVELS),
            ("backend", self.backend, BACKENDS),
            ("jit", self.jit, JIT),
        ):
            if value not in allowed:
                raise BootcampError(f"There is no {name} {value!r}.", f"Take one of: {', '.join(allowed)}.")
        policy(self.precision)
        batch = 1 if self.batch is None else self.batch
        for name, count in {"batch": batch, "repeats": self.repeats, "workers": self.workers}.items():
            if not isinstance(count, int) or count < 1:
                raise BootcampError(f"{name}={count} is no whole number >= 1.", f"Give --{name} 4.")
        if find_spec(self.backend) is None:
            raise BootcampError(
                f"The backend {self.backend} is not installed: it is an extra.",
                f"Call pip install {self.backend}, or take --backend tensorflow.",
            )


def bench(network: Network, options: Options | None = None) -> list[Record]:
    """Benchmark a network.

    Parameters
    ----------
    network : Network
    options : Options, optional

    Returns
    -------
    list of dict
        One record; at the level "operator" one for each operator.

    Raises
    ------
    BootcampError
        If an option does not exist, the batch does not fit into the memory, or the process fails.
    """
    options = options or Options()
    options.check()
    batch = options.batch or network.batch
    counted = count(network.key, batch)
    if options.level == "operator":
        from maelstrom_bootcamp.hardware.operators import bench_operators

        return [_record(network, options, batch, **part) for part in bench_operators(network, options, batch)]
    _check_memory(counted["training_memory"], options, batch)
    if options.level == "distributed":
        from maelstrom_bootcamp.hardware.distributed import bench_distributed

        return [_record(network, options, batch, **bench_distributed(network, options, batch, counted))]
    job = {**asdict(options), "what": "time", "network": network.key, "batch": batch}
    found = _in_child(job, options.backend)
    found["timing"] = Timing(found.pop("first"), tuple(found.pop("seconds")))
    flop = counted["flop"][options.level]
    return [_record(network, options, batch, flop=flop, values=counted["values"], counted=counted, **found)]


@cache
def count(key: str, batch: int) -> dict[str, Any]:
    """What a network computes and moves, counted from its operators, once.

    Counting needs Keras on TensorFlow: done here if that is loaded already, else in a process of its own.

    Parameters
    ----------
    key : str
        Of a `Network`.
    batch : int

    Returns
    -------
    dict
        ``parameters``, ``macs`` (forward), ``flop`` (of a step, by level), ``values`` (read and written by a
        forward pass), ``training_memory`` (bytes; upper end of the memory predictor's interval).
    """
    job = {"what": "count", "network": key, "batch": batch}
    loaded = sys.modules.get("keras")
    if loaded is not None and loaded.backend.backend() == "tensorflow":
        from maelstrom_bootcamp.hardware import bench_child

        return bench_child.run(job)
    return _in_child(job, "tensorflow")


def _check_memory(needed: float, options: Options, batch: int) -> None:
    """Refuse what would make the machine kill somebody. GPUs say themselves when they are full."""
    free = psutil.virtual_memory().available
    needed *= ITEM[options.precision] / 4
    if options.level != "training" or needed < free or options.backend != "tensorflow":
        return
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        raise _does_not_fit(batch, f"needs about {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free")


def _does_not_fit(batch: int, why: str) -> BootcampError:
    return BootcampError(
        f"A batch of {batch} does not fit into the memory: it {why}.", f"Try --batch {max(1, batch // 2)}."
    )


def _in_child(job: dict[str, Any], backend: str) -> dict[str, Any]:
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    run = subprocess.run(
        [sys.executable, "-m", _CHILD], input=json.dumps(job), text=True, capture_output=True, env=environment
    )
    lines = run.stdout.strip().splitlines()
    if run.returncode == -9:
        raise _does_not_fit(job["batch"], "was killed by the system, probably because memory ran out")
    if run.returncode or not lines:
        last = (run.stderr.strip().splitlines() or ["no message"])[-1]
        raise BootcampError(
            f"The benchmark of {job['network']} failed: {last[:300]}",
            "Run it with --backend tensorflow --precision fp32 to see whether the option is to blame.",
        )
    answer = json.loads(lines[-1])
    if "error" in answer:
        raise BootcampError(*answer["error"])
    if "full" in answer:
        raise _does_not_fit(job["batch"], f"failed with: {answer['full']}")
    return answer["ok"]


def _record(
    network: Network,
    options: Options,
    batch: int,
    *,
    timing: Timing,
    flop: float,
    values: float,
    operator: str = "",
    accelerators: Sequence[str] = (),
    **more: Any,
) -> Record:
    absent = {"why": f"not measured at the level {options.level}"}
    record = {
        "schema": SCHEMA,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "network": network.key,
        "operator": operator,
        **{k: getattr(options, k) for k in ("level", "backend", "precision", "jit", "seed", "repeats")},
        "batch": batch,
        "workers": options.workers,
        "sample": network.sample,
        "first_s": timing.first,
        "step_s": {
            "median": timing.median,
            "low": timing.low,
            "high": timing.high,
            "best": timing.best,
            "repeats": len(timing.seconds),
        },
        "samples_per_s": batch / timing.median,
        "flop": flop,
        "flop_per_s": flop / timing.median,
        "bytes": values * ITEM[options.precision],
        "input": {"samples_per_s": None, **absent},
        "memory": {"host_peak": None, "accelerator_peak": None, **absent},
        "energy": [],
        "accelerators": list(accelerators),
        "machine": machine.machine(),
        "versions": machine.versions(),
        "revision": machine.revision(),
        **more,
    }
    return check(record)
