"""Ceilings of a machine: how fast it computes and how fast it moves data, measured or from a data sheet.

Measured as TensorFlow and NumPy reach them, since that is what our networks run on: large matrix products for
each precision (the fastest counts), and copies of blocks from a few KB (first cache) to hundreds of MB (main
memory).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.hardware.systems import PRECISIONS, Device
from maelstrom_bootcamp.machine import cores, cpu_name
from maelstrom_bootcamp.perfmodel.labels.apart import Worker, WorkerError

_MEASURE = "maelstrom_bootcamp.hardware.micro:ceilings"
#: What a CPU is asked for; TF32 exists on GPUs only.
MEASURED = ("fp64", "fp32", "bf16", "fp16")
#: Bytes of one number.
WIDTH = MappingProxyType({"fp64": 8, "fp32": 4, "tf32": 4, "bf16": 2, "fp16": 2})


@dataclass(frozen=True)
class Ceilings:
    """What a machine can do at most.

    Attributes
    ----------
    machine : str
    flops : mapping of str to float
        Precision -> FLOP/s.
    bandwidth : float
        Of the main memory, bytes/s, read and written bytes together.
    caches : tuple of (float, float)
        Bytes that are touched -> bytes/s, ascending in bytes. Empty: nothing is known of caches.
    threads : int or None
        With which it was measured; None for a data sheet.
    note : str
        Where the figures come from.
    """

    machine: str
    flops: Mapping[str, float]
    bandwidth: float
    caches: tuple[tuple[float, float], ...] = ()
    threads: int | None = None
    note: str = ""

    def __post_init__(self) -> None:
        """Refuse what is no speed."""
        for name, value in (*self.flops.items(), ("bandwidth", self.bandwidth)):
            if not (np.isfinite(value) and value > 0):
                raise BootcampError(
                    f"{self.machine}: {name} is {value!r}, not a speed.", "Give a number above 0."
                )

    def peak(self, precision: str = "fp32") -> float:
        """FLOP/s of a precision; a `BootcampError` if it is not known."""
        if precision not in self.flops:
            known = ", ".join(self.flops)
            hint = "" if precision in PRECISIONS else f" ({precision!r} is no precision of the table)"
            raise BootcampError(
                f"No ceiling of {self.machine} is known for {precision}{hint}.", f"Take one of: {known}."
            )
        return self.flops[precision]

    def bandwidth_at(self, touched: float | np.ndarray) -> float | np.ndarray:
        """Bandwidth for a working set.

        Parameters
        ----------
        touched : float or numpy.ndarray
            Bytes that are read and written.

        Returns
        -------
        float or numpy.ndarray
            Bytes/s: between the points of `caches` interpolated in logarithms, beyond them main memory.
        """
        if not self.caches:
            return self.bandwidth + 0.0 * np.asarray(touched, float) if np.ndim(touched) else self.bandwidth
        sizes, speeds = np.log(np.array(self.caches, float).T)
        found = np.exp(
            np.interp(np.log(np.maximum(touched, 1.0)), sizes, speeds, right=np.log(self.bandwidth))
        )
        return found if np.ndim(touched) else float(found)

    def ridge(self, precision: str = "fp32") -> float:
        """FLOP/byte of main memory above which arithmetic is the limit."""
        return self.peak(precision) / self.bandwidth

    def roof(
        self, intensity: float | np.ndarray, precision: str = "fp32", bandwidth: float | None = None
    ) -> float | np.ndarray:
        """Attainable FLOP/s at an intensity (FLOP/byte), by main memory or another bandwidth.

        References
        ----------
        Williams et al. (2009), doi:10.1145/1498765.1498785.
        """
        return np.minimum(self.peak(precision), intensity * (bandwidth or self.bandwidth))


def from_device(device: Device, matrix: bool | None = None) -> Ceilings:
    """Ceilings that the data sheet of a device promises.

    Parameters
    ----------
    device : systems.Device
    matrix : bool, optional
        True: the matrix units (tensor cores) only, False: the vector units only, by default the faster.

    Returns
    -------
    Ceilings
        For the precisions that the sheet tells. No caches: sheets do not say how fast they are.

    Raises
    ------
    BootcampError
        If the sheet has no bandwidth, or no peak of such units.
    """
    flops = {}
    for precision in PRECISIONS:
        try:
            flops[precision] = device.peak(precision, matrix)
        except BootcampError:  # this sheet is silent about this precision
            continue
    if not flops:
        units = {True: "matrix units", False: "vector units"}.get(matrix, "any units")
        raise BootcampError(
            f"The sheet of {device.key} tells no peak of {units}.",
            "Leave matrix out, or take another device of systems.devices().",
        )
    units = {True: ", matrix units", False: ", vector units"}.get(matrix, "")
    return Ceilings(device.name + units, MappingProxyType(flops), device.bandwidth, note="data sheet, dense")


def measure_ceilings(
    threads: int = 1, *, precisions: tuple[str, ...] = MEASURED, seconds: float = 0.1
) -> Ceilings:
    """Measure the ceilings of this machine, in a process of its own with so many threads.

    Parameters
    ----------
    threads : int
        1 measures CPU time (fair on a busy machine), more measure wall-clock time.
    precisions : tuple of str
    seconds : float
        For each product, and a fifth of it for each size of the copies.

    Returns
    -------
    Ceilings
        ``caches`` from 8 KB on; a larger block is never faster than a smaller one (what is slower at small
        sizes is the call, not the cache).

    Raises
    ------
    BootcampError
        If there are fewer cores than threads, a precision is unknown, or the measurement fails.
    """
    check_threads(threads)
    for precision in precisions:
        if precision not in MEASURED:
            raise BootcampError(
                f"{precision!r} cannot be measured on a processor.", f"Take some of: {', '.join(MEASURED)}."
            )
    flops, sweep = run_apart(_MEASURE, (threads, tuple(precisions), seconds))
    return from_sweep(cpu_name(), flops, sweep, threads)


def from_sweep(
    machine: str, flops: Mapping[str, float], sweep: list[tuple[float, float]], threads: int | None
) -> Ceilings:
    """Ceilings from measured products and copies; the largest block is main memory.

    Parameters
    ----------
    machine : str
    flops : mapping
    sweep : list of (float, float)
        Bytes touched and bytes/s, ascending.
    threads : int or None

    Returns
    -------
    Ceilings
    """
    sizes, speeds = np.array(sweep, float).T
    speeds = np.maximum.accumulate(speeds[::-1])[::-1]
    pairs = tuple((float(size), float(speed)) for size, speed in zip(sizes, speeds, strict=True))
    note = "measured: TensorFlow's matrix product, NumPy's copy"
    return Ceilings(machine, MappingProxyType(dict(flops)), pairs[-1][1], pairs, threads, note)


def check_threads(threads: int) -> None:
    """Refuse a number of threads that this machine cannot run side by side."""
    if isinstance(threads, bool) or not isinstance(threads, int) or not 1 <= threads <= cores():
        raise BootcampError(
            f"threads={threads!r} does not fit this process, which may use {cores()} cores.",
            f"Give a whole number from 1 to {cores()}.",
        )


def run_apart(function: str, job: object, timeout: float = 600.0) -> object:
    """First value of a generator function, computed in a process of its own.

    Its threads, its allocator and its graphs do not touch those of the caller.

    Raises
    ------
    BootcampError
        If it fails; the text says why.
    """
    from maelstrom_bootcamp.nn import quiet  # imports TensorFlow: only for those who measure

    try:
        with quiet():  # the server that the process is forked from imports TensorFlow, which talks
            worker = Worker(function, job)
            with worker:
                return worker.next(timeout)
    except WorkerError as error:
        raise BootcampError(
            f"{function.rpartition(':')[2]} could not be measured: {error}.",
            "Close what else is running; in a script, call it below if __name__ == '__main__'.",
        ) from error
