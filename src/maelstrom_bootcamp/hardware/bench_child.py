"""One benchmark in a process of its own: ``python -m maelstrom_bootcamp.hardware.bench_child`` < job.

A framework's backend, its precision and its peak memory belong to a process, so each benchmark gets a fresh
one. The job arrives as JSON on the standard input; the last line of the standard output is the result.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.hardware.measure import Cost, Timing, measured, repeat
from maelstrom_bootcamp.hardware.networks import Network, load, networks

Job = dict[str, Any]


def run(job: Job) -> dict[str, Any]:
    """Do what the job says.

    Parameters
    ----------
    job : dict
        "what" ("count" or "time"), "network", "batch"; for "time" also
        "level", "backend", "precision", "jit", "repeats", "seed" and "input".

    Returns
    -------
    dict
        The part of a record that has to be measured here.
    """
    network = networks()[job["network"]]
    return _count(network, job["batch"]) if job["what"] == "count" else _time(network, job)


def _count(network: Network, batch: int) -> dict[str, Any]:
    from maelstrom_bootcamp.nn import trainable_parameters
    from maelstrom_bootcamp.perfmodel.predict import predict

    graph = network.graph(batch)
    reads_input = set(range(len(graph))) - {int(edge[1]) for edge in graph.edges}
    first = sum(graph.ops[i].macs for i in reads_input)
    memory = predict(graph, device="cpu").quantities["memory of training"]
    return {
        "parameters": trainable_parameters(network.build()),
        "macs": graph.macs,
        "flop": {
            "network": 2 * graph.macs,
            # twice more for the gradients of weights and of inputs, but nobody asks for that of the fields
            "training": 2 * (3 * graph.macs - first),
        },
        "values": graph.values,
        "training_memory": memory.high * 1e6,
    }


def _time(network: Network, job: Job) -> dict[str, Any]:
    from maelstrom_bootcamp import nn  # starts TensorFlow quietly

    import keras  # isort: skip

    _choose_precision(job["precision"])
    if job["backend"] == "tensorflow":
        nn.set_seed(job["seed"], deterministic=False)
    else:
        keras.utils.set_random_seed(job["seed"])
    model = network.build(job["precision"])
    batch = job["batch"]
    x, y = network.inputs(model, batch, job["seed"]), network.targets(model, batch, job["seed"] + 1)
    jit = {"auto": "auto", "on": True, "off": False}[job["jit"]]
    model.compile(keras.optimizers.Adam(1e-3), network.losses(model), jit_compile=jit)
    task = _task(model, job["level"], x, y)
    timing, cost = _steps(task, job["repeats"])
    return {
        "first": timing.first,
        "seconds": list(timing.seconds),
        "cpu": cost.cpu / (job["repeats"] + 1),  # repeat's own first call is in the block, too
        "memory": _memory(cost),
        "energy": [_energy(e, job) for e in cost.energy],
        "accelerators": _accelerators(job["backend"]),
        "input": _input(network, job),
    }


def _task(model: Any, level: str, x: Any, y: Any) -> Callable[[], Any]:
    """Both return numbers of NumPy: nothing is left to wait for."""
    return (lambda: model.predict_on_batch(x)) if level == "network" else (lambda: model.train_on_batch(x, y))


def _steps(task: Callable[[], Any], repeats: int, warmup: int = 2) -> tuple[Timing, Cost]:
    from maelstrom_bootcamp.hardware.energy import find_meter

    first = repeat(task, warmup=warmup, repeats=1).first  # tracing is not what the meter should see
    with measured(find_meter()) as cost:
        timing = repeat(task, warmup=0, repeats=repeats)
    return Timing(first, timing.seconds), cost


def _energy(energy: Any, job: Job) -> dict[str, Any]:
    found = asdict(energy)
    joules = found.get("joules")
    return {**found, "joules_per_step": None if joules is None else joules / job["repeats"]}


def _memory(cost: Cost) -> dict[str, Any]:
    found: dict[str, Any] = {"host_peak": cost.peak_memory, "accelerator_peak": None, "why": ""}
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        found["accelerator_peak"] = tf.config.experimental.get_memory_info("GPU:0")["peak"]
    else:
        found["why"] = "not measurable here, because TensorFlow sees no GPU"
    return found


def _accelerators(backend: str) -> list[str]:
    import tensorflow as tf

    if backend == "tensorflow":
        details = map(tf.config.experimental.get_device_details, tf.config.list_physical_devices("GPU"))
        return [each.get("device_name", "unknown") for each in details]
    if backend == "jax":
        import jax

        return [d.device_kind for d in jax.devices() if d.platform != "cpu"]
    import torch

    return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]


def _choose_precision(precision: str) -> None:
    import tensorflow as tf

    if precision == "tf32" and not tf.config.list_physical_devices("GPU"):
        raise BootcampError("TF32 is computed by GPUs only, and there is none.", "Take fp32 or bf16.")
    tf.config.experimental.enable_tensor_float_32_execution(precision == "tf32")


def _input(network: Network, job: Job) -> dict[str, Any]:
    """Batches that the loader delivers when nobody computes."""
    if not network.pipeline:
        why = f"not measurable here, because there are no sample data of {network.app.upper()} yet"
        return {"samples_per_s": None, "why": why}
    if not job["input"]:
        return {"samples_per_s": None, "why": "not measured: --no-input"}
    batches = iter(load(network.pipeline)(job["batch"]))
    timing = repeat(lambda: next(batches), warmup=3, repeats=max(10, job["repeats"]))
    return {"samples_per_s": job["batch"] / timing.median, "why": ""}


def main() -> int:
    """Read a job, print its result."""
    job = json.load(sys.stdin)
    try:
        print(json.dumps({"ok": run(job)}))
    except BootcampError as error:
        print(json.dumps({"error": [error.cause, error.cure]}))
    except Exception as error:  # whatever a framework raises when memory runs out
        text = str(error)
        full = type(error).__name__ in ("ResourceExhaustedError", "MemoryError", "OutOfMemoryError") or any(
            word in text for word in ("RESOURCE_EXHAUSTED", "out of memory", "OOM when allocating")
        )
        if not full:
            raise
        print(json.dumps({"full": text.strip().splitlines()[0][:200]}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
