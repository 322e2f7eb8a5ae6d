"""Read the energy meters of this machine: NVIDIA, AMD, Grace, and the counters of the processor (RAPL).

`find_meter` takes every sensor that it finds. Each keeps an entry of its own: the energy of a GPU and that of
a processor are never summed silently, and some sensors contain others (a Grace Hopper module contains its
Grace). Where nothing can be read, there is one entry without joules that says why. Nothing is estimated.

Two kinds of sensors, read when the block begins, every 100 ms by a thread, and when the block ends:

- a counter of energy: differences are summed, so that it may begin anew at zero between two readings;
- a sensor of power: integrated by the trapezoidal rule from the first reading to the last. (JSC's jpwr takes
  the rectangle of each interval's last reading, and begins with its second.)
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.hardware import sensors
from maelstrom_bootcamp.hardware.sensors import Sensor

#: Seconds between two readings.
INTERVAL = 0.1
#: A sensor that was silent for more than this share of the block has not measured it.
_LONGEST_GAP = 0.1
_NOT_HERE = "not measurable here, because "


@dataclass(frozen=True)
class Energy:
    """What one sensor says of a block.

    Attributes
    ----------
    joules : float or None
        None if it could not be measured.
    source : str
        Which part of the machine, and by what; "none" without any sensor.
    why : str
        Without joules: "not measurable here, because ...". With joules: how they were measured.
    mean_watts, max_watts : float or None
        The maximum of a counter is that of the means between two readings.
    seconds : float or None
        From the first reading to the last.
    samples : int
        Readings that succeeded.
    """

    joules: float | None
    source: str
    why: str
    mean_watts: float | None = None
    max_watts: float | None = None
    seconds: float | None = None
    samples: int = 0

    @property
    def watt_hours(self) -> float | None:
        """The same in Wh."""
        return None if self.joules is None else self.joules / 3600

    def __str__(self) -> str:
        if self.joules is None:
            return f"{self.source}: {self.why}"
        return f"{self.source}: {self.joules:.4g} J, mean {self.mean_watts:.3g} W ({self.why})"


def evaluate(sensor: Sensor, begin: float, end: float) -> Energy:
    """What the readings of a sensor say of a block.

    Parameters
    ----------
    sensor : Sensor
    begin, end : float
        Of the block, seconds of `time.perf_counter`.

    Returns
    -------
    Energy
        Without joules if there are fewer than two readings, the sensor was silent for long, or its counter
        went backwards or stood still.
    """
    times, values, n = sensor.times, sensor.values, len(sensor.times)
    said = f" ({sensor.error})" if sensor.error else ""

    def none(reason: str) -> Energy:
        return Energy(None, sensor.source, f"{_NOT_HERE}{reason}", samples=n)

    if n < 2:
        return none(f"it gave {n} readings of {n + sensor.failed}{said}")
    gap = max(b - a for a, b in pairwise([begin, *times, end]))
    if sensor.failed and gap > max(_LONGEST_GAP * (end - begin), 5 * INTERVAL):
        return none(f"it was silent for {gap:.2g} s of {end - begin:.2g} s{said}")
    seconds = times[-1] - times[0]
    if sensor.kind == "power":
        joules, highest, how = integrate(times, values), max(values), "power, trapezoidal rule"
    else:
        steps = [_step(a, b, sensor.wraps_at) for a, b in pairwise(values)]
        if min(steps) < 0:
            return none("its counter went backwards")
        if sum(steps) == 0:
            return none(f"its counter stood still for {seconds:.2g} s")
        joules, how = sum(steps), "counter, difference"
        # a counter that moves every 20 ms jumps: means over half an interval or more
        widths = zip(steps, pairwise(times), strict=True)
        highest = max((s / (b - a) for s, (a, b) in widths if b - a > INTERVAL / 2), default=joules / seconds)
    lost = f", {sensor.failed} more failed" if sensor.failed else ""
    return Energy(joules, sensor.source, f"{how}, {n} readings{lost}", joules / seconds, highest, seconds, n)


def _step(before: float, after: float, wraps_at: float | None) -> float:
    return after - before + (wraps_at if wraps_at is not None and after < before else 0.0)


def integrate(times: Sequence[float], watts: Sequence[float]) -> float:
    """Energy of sampled power by the trapezoidal rule; the samples need not be evenly spaced.

    Parameters
    ----------
    times : (n,) sequence of float
        Seconds, ascending.
    watts : (n,) sequence of float

    Returns
    -------
    float
        Joules between the first and the last sample.

    Raises
    ------
    BootcampError
        With fewer than two samples, or if times do not ascend.
    """
    if len(times) != len(watts) or len(times) < 2:
        raise BootcampError(
            f"{len(times)} times and {len(watts)} powers are no curve to integrate.",
            "Give at least two samples, each with its time.",
        )
    widths = [b - a for a, b in pairwise(times)]
    if min(widths) < 0:
        raise BootcampError("The times of the samples do not ascend.", "Sort the samples by time.")
    return sum(w * (a + b) / 2 for w, (a, b) in zip(widths, pairwise(watts), strict=True))


class Meter:
    """Context manager that reads sensors while its block runs. It can be used again.

    Parameters
    ----------
    sensors : sequence of Sensor
    missing : sequence of str
        Why there are no others; told by `energy` if there are none at all.
    interval : float
        Seconds between two readings.

    Examples
    --------
    >>> meter = find_meter()
    >>> with meter:
    ...     _ = sum(range(1000))
    >>> len(meter.energy) >= 1
    True
    """

    def __init__(
        self, sensors: Sequence[Sensor] = (), missing: Sequence[str] = (), interval: float = INTERVAL
    ) -> None:
        if not interval > 0:
            raise BootcampError(f"interval={interval!r} is no time in seconds.", "Give interval=0.1.")
        self.sensors, self.missing, self.interval = tuple(sensors), tuple(missing), interval
        self._stop: threading.Event | None = None
        self._energy: tuple[Energy, ...] | None = None

    @property
    def energy(self) -> tuple[Energy, ...]:
        """One entry for each sensor; a single one without joules if there are none.

        Raises
        ------
        BootcampError
            Before the end of the block.
        """
        if self._energy is None:
            raise BootcampError("The meter has not measured a block yet.", "Read it after: with meter: ...")
        return self._energy

    def __enter__(self) -> Meter:
        if self._stop is not None:
            raise BootcampError(
                "The meter is running already.", "Take a meter of its own for the inner block."
            )
        self._energy, self._stop = None, threading.Event()
        for sensor in self.sensors:
            sensor.reset()
        self._begin = time.perf_counter()
        self._sample()
        if self.sensors:
            self._thread = threading.Thread(target=self._watch, args=(self._stop,), daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        stop, self._stop = self._stop, None
        if stop is None:
            return
        end = time.perf_counter()
        if self.sensors:
            stop.set()
            self._thread.join()
            self._sample()
        found = tuple(evaluate(sensor, self._begin, end) for sensor in self.sensors)
        self._energy = found or (
            Energy(None, "none", _NOT_HERE + "; ".join(self.missing or ("nobody looked",))),
        )

    def _sample(self) -> None:
        for sensor in self.sensors:
            sensor.sample()

    def _watch(self, stop: threading.Event) -> None:
        due = time.perf_counter() + self.interval
        while not stop.wait(max(0.0, due - time.perf_counter())):
            self._sample()
            due = max(due + self.interval, time.perf_counter())  # a slow sensor is not called twice in a row


def find_meter(root: Path = Path("/sys"), *, rocm_smi: str = "rocm-smi", interval: float = INTERVAL) -> Meter:
    """Find the sensors of this machine.

    Parameters
    ----------
    root : Path
        Where Linux shows its devices.
    rocm_smi : str
        Name or path of AMD's command, which is asked if the Python package amdsmi is not there.
    interval : float
        Seconds between two readings.

    Returns
    -------
    Meter
        Of all that is there: GPUs by NVML or ROCm, the processor by RAPL, the module by Grace's power meters.
    """
    searches: tuple[Callable[[], list[Sensor]], ...] = (
        sensors.nvidia,
        lambda: sensors.amd(rocm_smi),
        lambda: sensors.rapl(root / "class" / "powercap"),
        lambda: sensors.grace(root / "class" / "hwmon"),
    )
    found: list[Sensor] = []
    missing: list[str] = []
    for search in searches:
        try:
            found += search()
        except sensors.Absent as absent:
            missing.append(str(absent))
    return Meter(found, missing, interval)
