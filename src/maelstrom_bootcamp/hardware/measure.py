"""Measure honestly: warm up, repeat, wait for the device, report the median and the spread.

Three tools. `repeat` times one task. `race` times competitors in turn, so that whatever else the machine does
meets all of them. `measured` watches a block: wall-clock and CPU time, peak memory, energy.
"""

from __future__ import annotations

import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from maelstrom_bootcamp.errors import BootcampError

Task = Callable[[], Any]
_SELF = Path("/proc/self")


@dataclass(frozen=True)
class Timing:
    """What a task took.

    Attributes
    ----------
    first : float
        Seconds of the very first call: tracing, compilation and allocation are in it.
    seconds : tuple of float
        One number for each repetition, after the warm-up, in the order of time.
    """

    first: float
    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """Seconds."""
        return statistics.median(self.seconds)

    @property
    def best(self) -> float:
        """Seconds; on a busy machine the least disturbed repetition."""
        return min(self.seconds)

    @property
    def low(self) -> float:
        """Lower quartile in seconds."""
        return _quartiles(self.seconds)[0]

    @property
    def high(self) -> float:
        """Upper quartile in seconds."""
        return _quartiles(self.seconds)[1]

    @property
    def spread(self) -> float:
        """Distance of the quartiles as a fraction of the median."""
        return (self.high - self.low) / self.median

    def __str__(self) -> str:
        return f"{1e3 * self.median:.3g} ms (quartiles {1e3 * self.low:.3g} to {1e3 * self.high:.3g})"


def _quartiles(seconds: tuple[float, ...]) -> tuple[float, float]:
    if len(seconds) == 1:
        return seconds[0], seconds[0]
    low, _, high = statistics.quantiles(seconds, n=4, method="inclusive")
    return low, high


def _check(**counts: int) -> None:
    for name, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, int) or count < (name == "repeats"):
            least = int(name == "repeats")
            raise BootcampError(f"{name}={count!r} is no whole number >= {least}.", f"Give {name}=10.")


def _clock(
    task: Task,
    synchronise: Callable[[Any], Any] | None,
    calls: int = 1,
    clock: Callable[[], float] | None = None,
) -> float:
    """Seconds of a call. Devices work on after a call has returned: `synchronise` waits for its result."""
    clock = clock or time.perf_counter
    start = clock()
    for _ in range(calls):
        result = task()
        if synchronise is not None:
            synchronise(result)
    return (clock() - start) / calls


def repeat(
    task: Task,
    *,
    warmup: int = 2,
    repeats: int = 10,
    min_seconds: float = 0.0,
    synchronise: Callable[[Any], Any] | None = None,
) -> Timing:
    """Time one task.

    Parameters
    ----------
    task : callable
        Takes nothing.
    warmup : int
        Calls after the first one that are not counted, either.
    repeats : int
        Repetitions that are.
    min_seconds : float
        A repetition calls the task as often as it takes to last about so long, and counts the mean: for tasks
        that are short against the resolution of the clock.
    synchronise : callable, optional
        Gets what the task returned, and waits until it is really there.

    Returns
    -------
    Timing

    Raises
    ------
    BootcampError
        If a number makes no sense.
    """
    _check(warmup=warmup, repeats=repeats)
    first = _clock(task, synchronise)
    once = first
    for _ in range(warmup):
        once = _clock(task, synchronise)
    calls = max(1, round(min_seconds / max(once, 1e-9)))
    return Timing(first, tuple(_clock(task, synchronise, calls) for _ in range(repeats)))


def race(
    tasks: Mapping[str, Task],
    rounds: int = 5,
    *,
    warmup: int = 1,
    synchronise: Callable[[Any], Any] | None = None,
    cpu: bool = False,
) -> dict[str, Timing]:
    """Time competitors in turn: what disturbs the machine for a while disturbs all of them.

    Parameters
    ----------
    tasks : mapping of str to callable
    rounds : int
        Every second round is run backwards, so that nobody always comes after the same neighbour.
    warmup : int
        Rounds, after the first, that are not counted.
    synchronise : callable, optional
        As for `repeat`.
    cpu : bool
        Count the CPU time of all threads of this process instead of the time on the wall: of what works on
        one core and waits for nobody, it does not notice who else uses that core.

    Returns
    -------
    dict of str to Timing
        In the order of the tasks. Ratios of medians of one race mean something on a busy machine as well.
    """
    _check(warmup=warmup, repeats=rounds)
    if not tasks:
        raise BootcampError("A race without competitors.", "Give at least one task.")
    clock = time.process_time if cpu else time.perf_counter
    first = {name: _clock(task, synchronise, clock=clock) for name, task in tasks.items()}
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for i in range(warmup + rounds):
        for name in list(tasks) if i % 2 == 0 else reversed(list(tasks)):
            took = _clock(tasks[name], synchronise, clock=clock)
            if i >= warmup:
                seconds[name].append(took)
    return {name: Timing(first[name], tuple(seconds[name])) for name in tasks}


@dataclass
class Cost:
    """What a block took; filled when the block ends.

    Attributes
    ----------
    wall, cpu : float
        Seconds on the clock, and of all threads of this process.
    memory_before, peak_memory : int
        Bytes that the process held when the block began, and at most until it ended.
    peak_is_of_block : bool
        False where the system only tells the peak since the process began.
    energy : tuple
        What the meter says, one entry for each of its counters; empty without a meter.
    """

    wall: float = float("nan")
    cpu: float = float("nan")
    memory_before: int = 0
    peak_memory: int = 0
    peak_is_of_block: bool = False
    energy: tuple[Any, ...] = field(default=())


@contextmanager
def measured(meter: Any = None) -> Iterator[Cost]:
    """Watch a block: time, peak memory of this process, energy.

    Parameters
    ----------
    meter : energy.Meter, optional
        Of `maelstrom_bootcamp.hardware.energy`; read at the same moments as the clock.

    Yields
    ------
    Cost

    Examples
    --------
    >>> with measured() as cost:
    ...     _ = sum(range(1000))
    >>> cost.wall > 0
    True
    """
    cost = Cost(memory_before=_resident(), peak_is_of_block=_reset_peak())
    if meter is not None:
        meter.__enter__()
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        yield cost
    finally:
        cost.wall, cost.cpu = time.perf_counter() - wall, time.process_time() - cpu
        if meter is not None:
            meter.__exit__(None, None, None)
            cost.energy = meter.energy if isinstance(meter.energy, tuple) else (meter.energy,)
        cost.peak_memory = max(_peak(), cost.memory_before)


def _status(field_name: str) -> int | None:
    """A field of Linux's report on this process, in bytes."""
    try:
        lines = (_SELF / "status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(field_name + ":")), None)


def _resident() -> int:
    import psutil

    return _status("VmRSS") or psutil.Process().memory_info().rss


def _reset_peak() -> bool:
    """Let Linux forget the largest memory so far; "5" is the code for it (man 5 proc, clear_refs)."""
    try:
        (_SELF / "clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _peak() -> int:
    # macOS counts in bytes, Linux in units of 1024
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return _status("VmHWM") or largest
