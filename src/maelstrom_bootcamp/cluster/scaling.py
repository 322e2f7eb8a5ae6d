"""How long would a step take on many GPUs? Compute, a ring or tree all-reduce, overlap, and the loader.

The cost of a message is its latency plus its size over the bandwidth (the alpha-beta model). All of it is a
bound from below: stragglers, shared links, failures and validation are left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from scipy.optimize import nnls

from maelstrom_bootcamp.cluster.ring import ring_bytes
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.hardware.systems import system

ALGORITHMS = ("ring", "tree")
_NCCL = "NCCL's own cost model, src/graph/tuning.cc, github.com/NVIDIA/nccl, commit 01afd20"


@dataclass(frozen=True)
class Link:
    """A connection between neighbours.

    Attributes
    ----------
    latency : float
        Seconds from sending a message to its first byte's arrival ("alpha").
    bandwidth : float
        Bytes per second in one direction (1 / "beta").
    source : str
        Where the figures come from.
    """

    latency: float
    bandwidth: float
    source: str = ""


@dataclass(frozen=True)
class Fabric:
    """GPUs in nodes: fast links inside a node, slower ones between nodes.

    Attributes
    ----------
    name : str
    per_node, nodes : int
    inside, between : Link
        For one GPU each; `between` if every GPU has an adapter of its own.
    """

    name: str
    per_node: int
    nodes: int
    inside: Link
    between: Link


@dataclass(frozen=True)
class Work:
    """What one worker has to do in a step.

    Attributes
    ----------
    per_sample : float
        Seconds of computing for each sample.
    gradient_bytes : float
        To be summed over all workers.
    fixed : float
        Seconds of computing whatever the batch: the update of the weights, starting operations.
    sample_bytes : float
        Read from the file system for each sample.
    """

    per_sample: float
    gradient_bytes: float
    fixed: float = 0.0
    sample_bytes: float = 0.0

    def compute(self, share: float) -> float:
        """Seconds of computing for so many samples."""
        return self.fixed + self.per_sample * share


@dataclass(frozen=True)
class Step:
    """Where the seconds of a step go.

    Attributes
    ----------
    compute, communication : float
        Seconds.
    exposed : float
        What is left of the communication after overlap.
    loader : float
        Seconds in which the file system could deliver the batch; it works in parallel.
    total : float
    """

    compute: float
    communication: float
    exposed: float
    loader: float
    total: float


AllReduce = Callable[[float, int], float]


def ring_seconds(size: float, workers: int, link: Link) -> float:
    """All-reduce around a ring: 2 (n - 1) messages, one after the other, of size / n bytes each.

    Parameters
    ----------
    size : float
        Bytes.
    workers : int
    link : Link

    Returns
    -------
    float
        Seconds.
    """
    _check_workers(workers)
    return 2 * (workers - 1) * link.latency + ring_bytes(size, workers) / link.bandwidth


def tree_seconds(size: float, workers: int, link: Link) -> float:
    """All-reduce up a binary tree and down again, in a pipeline of many small messages.

    With two trees that share the load, everybody sends and receives 2 (n - 1) / n of the data, as in a ring.
    A message has only log2 n hops up and as many down.

    Parameters
    ----------
    size : float
        Bytes.
    workers : int
    link : Link

    Returns
    -------
    float
        Seconds.

    References
    ----------
    Sanders, P., Speck, J. and Träff, J. L. (2009): Two-tree algorithms for full bandwidth broadcast,
    reduction and scan. Parallel Computing 35, 581-594.
    """
    _check_workers(workers)
    return 2 * math.ceil(math.log2(workers)) * link.latency + ring_bytes(size, workers) / link.bandwidth


def fabric_allreduce(fabric: Fabric, algorithm: str = "ring") -> AllReduce:
    """All-reduce in three acts: reduce-scatter inside the nodes, all-reduce between them, all-gather inside.

    Parameters
    ----------
    fabric : Fabric
    algorithm : {"ring", "tree"}
        Between the nodes; inside it is always a ring.

    Returns
    -------
    callable
        (bytes, number of GPUs) to seconds. Between the nodes, each GPU carries its own part of the data
        through its own adapter.

    Raises
    ------
    BootcampError
        If there is no such algorithm; by the callable, if the GPUs do not fill nodes, or there are too few.
    """
    if algorithm not in ALGORITHMS:
        raise BootcampError(f"There is no algorithm {algorithm!r} here.", f"Take {' or '.join(ALGORITHMS)}.")
    outer = {"ring": ring_seconds, "tree": tree_seconds}[algorithm]

    def seconds(size: float, gpus: int) -> float:
        _check_workers(gpus)
        if gpus <= fabric.per_node:
            return ring_seconds(size, gpus, fabric.inside)
        nodes, rest = divmod(gpus, fabric.per_node)
        if rest or nodes > fabric.nodes:
            raise BootcampError(
                f"{gpus} GPUs are no whole number of nodes of {fabric.name}, or more than there are.",
                f"Take a multiple of {fabric.per_node} up to {fabric.per_node * fabric.nodes}.",
            )
        part = size / fabric.per_node
        return ring_seconds(size, fabric.per_node, fabric.inside) + outer(part, nodes, fabric.between)

    return seconds


def step_seconds(
    work: Work,
    share: float,
    workers: int,
    allreduce: AllReduce,
    *,
    overlap: float = 0.0,
    backward: float = 2 / 3,
    loader_bandwidth: float = math.inf,
) -> Step:
    """Seconds of a step in which each worker computes on `share` samples.

    Parameters
    ----------
    work : Work
    share : float
    workers : int
    allreduce : callable
        (bytes, workers) to seconds.
    overlap : float
        Which fraction of the communication may run while the backward pass computes: the gradients of the
        last layers are ready first. 0 and 1 bound the truth.
    backward : float
        Fraction of the compute time that the backward pass takes; no more can be hidden.
    loader_bandwidth : float
        Bytes/s of the file system, for all workers together.

    Returns
    -------
    Step
    """
    if not 0 <= overlap <= 1 or not 0 <= backward <= 1:
        raise BootcampError(f"overlap={overlap}, backward={backward}.", "Both are fractions from 0 to 1.")
    compute = work.compute(share)
    communication = allreduce(work.gradient_bytes, workers)
    exposed = communication - min(overlap * communication, backward * compute)
    loader = share * workers * work.sample_bytes / loader_bandwidth
    return Step(compute, communication, exposed, loader, max(compute + exposed, loader))


def scaling_table(
    work: Work,
    workers: Iterable[int],
    allreduce: AllReduce,
    *,
    share: float | None = None,
    batch: float | None = None,
    **options: float,
) -> pd.DataFrame:
    """Weak scaling (the same `share` for each worker) or strong scaling (the same `batch` for all together).

    Parameters
    ----------
    work : Work
    workers : iterable of int
    allreduce : callable
    share, batch : float
        Exactly one of them.
    **options
        For `step_seconds`.

    Returns
    -------
    pandas.DataFrame
        Index workers; the fields of `Step`, samples_per_s, speedup (of samples per second against one worker)
        and efficiency (speedup over workers).

    Raises
    ------
    BootcampError
        If both or none of share and batch are given.
    """
    if (share is None) == (batch is None):
        raise BootcampError("Strong or weak scaling?", "Give batch (strong) or share (weak), not both.")
    counts = list(workers)

    def row(n: int) -> dict[str, float]:
        own = share if share is not None else batch / n
        step = step_seconds(work, own, n, allreduce, **options)
        return {**asdict(step), "samples_per_s": own * n / step.total}

    alone = row(1)["samples_per_s"]
    table = pd.DataFrame([row(n) for n in counts], index=pd.Index(counts, name="workers"))
    table["speedup"] = table.samples_per_s / alone
    table["efficiency"] = table.speedup / table.index
    return table


def fit_link(sizes: Sequence[float], seconds: Sequence[float], workers: int, source: str = "fitted") -> Link:
    """Latency and bandwidth from timed all-reduces.

    Parameters
    ----------
    sizes : sequence of float
        Bytes.
    seconds : sequence of float
    workers : int
        Two or more.
    source : str

    Returns
    -------
    Link
        Least squares of the relative errors, both terms not negative.

    Raises
    ------
    BootcampError
        If there are less than two sizes or workers, or a time is not positive.
    """
    size, time = np.asarray(sizes, float), np.asarray(seconds, float)
    if workers < 2 or len(set(sizes)) < 2 or size.shape != time.shape or not (time > 0).all():
        raise BootcampError(
            f"A link cannot be fitted to {len(size)} sizes and {len(time)} times of {workers} workers.",
            "Time at least two sizes with at least two workers.",
        )
    columns = np.stack([np.full_like(size, 2 * (workers - 1)), ring_bytes(1, workers) * size], axis=1)
    scale = np.abs(columns / time[:, None]).max(axis=0)
    (alpha, beta), _ = nnls(columns / time[:, None] / scale, np.ones_like(time))
    beta = beta / scale[1]
    return Link(float(alpha / scale[0]), float(1 / beta) if beta > 0 else math.inf, source)


def juwels_booster() -> Fabric:
    """JUWELS Booster on paper: 936 nodes with four A100, an InfiniBand adapter for each.

    Returns
    -------
    Fabric
        NVLink: half of the table's figure, which counts both directions. InfiniBand: 200 Gbit/s per adapter
        and direction (Cherti et al., 2022, arXiv:2212.07143, appendix A.1). Latencies: what NCCL assumes for
        its ring with large messages ("Simple"), 3.4 and 9.6 microseconds.
    """
    node = system("juwels-booster")
    nvlink = node.devices[0].figure("link")
    inside = Link(3.4e-6, nvlink.value / 2, f"{nvlink.source.citation}; latency: {_NCCL}")
    between = Link(9.6e-6, 200e9 / 8, f"arXiv:2212.07143, appendix A.1; latency: {_NCCL}")
    return Fabric("JUWELS Booster", node.count, 936, inside, between)


def amdahl(serial: float, workers: float) -> float:
    """Speed-up of a fixed problem of which a fraction `serial` cannot be shared: 1 / (s + (1 - s) / n)."""
    return 1 / (serial + (1 - serial) / workers)


def gustafson(serial: float, workers: float) -> float:
    """Speed-up of a problem that grows with the workers; `serial` is a fraction of the parallel time."""
    return workers - serial * (workers - 1)


def serial_fraction(speedup: float, workers: int) -> float:
    """The serial fraction that explains a measured speed-up by Amdahl's law (Karp and Flatt, 1990)."""
    if workers < 2:
        raise BootcampError("One worker says nothing about a serial fraction.", "Measure with two or more.")
    return (1 / speedup - 1 / workers) / (1 - 1 / workers)


def _check_workers(workers: int) -> None:
    if workers < 1 or workers != int(workers):
        raise BootcampError(f"workers={workers!r} is no whole number >= 1.", "Give workers=2.")
