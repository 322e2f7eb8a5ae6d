"""Deep500's highest level: the training of a network by several worker processes of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.hardware.measure import Timing
from maelstrom_bootcamp.hardware.networks import Network

if TYPE_CHECKING:
    from maelstrom_bootcamp.hardware.bench import Options


def bench_distributed(
    network: Network, options: Options, batch: int, counted: Mapping[str, Any]
) -> dict[str, Any]:
    """Time data-parallel steps, each worker with one thread.

    Parameters
    ----------
    network : Network
    options : bench.Options
        Backend "tensorflow", precision fp32 or fp64.
    batch : int
        Of all workers together.
    counted : mapping
        Of `bench.count`.

    Returns
    -------
    dict
        What `bench` needs for a record, and "distributed": speed-up over one worker, bytes on the wire,
        seconds of the all-reduce alone, equality with the training of one worker.

    Raises
    ------
    BootcampError
        With another backend, or what `measure_distributed` refuses.
    """
    if options.backend != "tensorflow":
        raise BootcampError(
            f"Workers train on TensorFlow only, not on {options.backend}.", "Take --backend tensorflow."
        )
    from maelstrom_bootcamp.cluster.job import Job
    from maelstrom_bootcamp.cluster.measure import measure_distributed

    job = Job(network=network.key, batch=batch, precision=options.precision, seed=options.seed)
    found = measure_distributed(options.workers, job=job, rounds=options.repeats)
    step = found["step"]
    told = ("share", "gradient_bytes", "ring_bytes", "speedup", "weak_efficiency", "drift", "tolerance")
    return {
        "timing": Timing(step["first"], tuple(step["seconds"])),
        "flop": counted["flop"]["training"],
        "values": counted["values"],
        "distributed": {name: found[name] for name in told} | {"reduce_s": found["reduce"]["median"]},
    }
