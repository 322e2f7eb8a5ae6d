"""The sensors of energy and power: NVIDIA, AMD, Grace, and the counters of the processor (RAPL).

Each search returns what is there, or raises `Absent` with the reason why nothing is.

References
----------
https://docs.kernel.org/power/powercap/powercap.html (energy_uj, max_energy_range_uj);
https://docs.kernel.org/hwmon/acpi_power_meter.html (power1_average, power1_oem_info);
https://github.com/FZJ-JSC/jpwr (ctxmgr.py, gpu/rocm.py; sys/gh.py for the files of Grace).
"""

from __future__ import annotations

import importlib
import json
import math
import shutil
import subprocess
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Sensor:
    """Something that can be read.

    Attributes
    ----------
    source : str
    kind : {"counter", "power"}
    read : callable
        Joules since some moment, or watts. May raise anything when it cannot.
    wraps_at : float or None
        Joules at which a counter begins anew.
    times, values : array
        Its readings: seconds of `time.perf_counter`, joules or watts.
    failed : int
        Readings that did not succeed.
    error : str
        Of the last of them.
    """

    source: str
    kind: str
    read: Callable[[], float]
    wraps_at: float | None = None
    times: array = field(default_factory=lambda: array("d"))
    values: array = field(default_factory=lambda: array("d"))
    failed: int = 0
    error: str = ""

    def sample(self) -> bool:
        """Read once; whether that succeeded."""
        start = time.perf_counter()
        try:
            value = float(self.read())
            if not math.isfinite(value) or value < 0:
                raise ValueError(f"the sensor says {value}")
        except Exception as error:  # a library, a file or a command: each has its own way to fail
            self.failed += 1
            self.error = str(error).strip().partition("\n")[0][:120] or type(error).__name__
            return False
        self.times.append((start + time.perf_counter()) / 2)
        self.values.append(value)
        return True

    def reset(self) -> None:
        """Forget all readings."""
        del self.times[:], self.values[:]
        self.failed, self.error = 0, ""


class Absent(Exception):  # noqa: N818 (nothing went wrong)
    """A kind of sensor is not here; the message says why."""


def _library(name: str, what: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        raise Absent(what) from None
    except Exception as error:  # amdsmi raises what it likes when its library is missing
        text = str(error).strip().partition("\n")[0][:120]
        raise Absent(f"{what} ({text})") from None


def _works(read: Callable[[], float]) -> bool:
    """Whether it gives a number above zero: the second die of a card may say that it draws nothing."""
    try:
        return 0 < float(read()) < math.inf
    except Exception:
        return False


def nvidia() -> list[Sensor]:
    """NVML: a counter in mJ since Volta, the power in mW on all."""
    nvml = _library("pynvml", "no NVIDIA: the Python package nvidia-ml-py is not installed")
    try:
        nvml.nvmlInit()
        handles = [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(nvml.nvmlDeviceGetCount())]
        names = [_text(nvml.nvmlDeviceGetName(handle)) for handle in handles]
    except Exception as error:
        raise Absent(f"no NVIDIA: NVML does not start ({error})") from None
    sensors = []
    for i, (handle, name) in enumerate(zip(handles, names, strict=True)):

        def counter(handle: Any = handle) -> float:
            return nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3

        def power(handle: Any = handle) -> float:
            return nvml.nvmlDeviceGetPowerUsage(handle) / 1e3

        kind, read = ("counter", counter) if _works(counter) else ("power", power)
        sensors.append(Sensor(f"GPU {i}, {name} (NVML)", kind, read))
    if not sensors:
        raise Absent("no NVIDIA: NVML sees no GPU")
    return sensors


def amd(command: str) -> list[Sensor]:
    """Power by amdsmi, else by the command. AMD's counter is doubtful: ROCm/amdsmi, issues 22 and 38."""
    try:
        return _amdsmi()
    except Absent as absent:
        path = shutil.which(command)
        if path is None:
            raise Absent(f"{absent}, and there is no command {command}") from None
    rocm = _Rocm(path)
    cards = rocm.watts()
    if not cards:
        raise Absent(f"no AMD GPU: {command} tells no power")
    return [Sensor(f"GPU {c} (rocm-smi)", "power", lambda c=c: rocm.watts()[c]) for c in cards]


def _amdsmi() -> list[Sensor]:
    smi = _library("amdsmi", "no AMD GPU: the Python package amdsmi is not there")
    try:
        smi.amdsmi_init()
        handles = list(smi.amdsmi_get_processor_handles())
    except Exception as error:
        raise Absent(f"no AMD GPU: amdsmi does not start ({error})") from None

    def power(handle: Any) -> float:
        found = smi.amdsmi_get_power_info(handle)
        keys = ("average_socket_power", "current_socket_power")  # MI200 has the first, MI300 the second
        numbers = [found[k] for k in keys if isinstance(found.get(k), int | float)]
        return numbers[0] if numbers else math.nan

    # of a card with two dies only the first has a sensor, which counts both
    sensors = [
        Sensor(f"GPU {i} (amdsmi)", "power", lambda handle=handle: power(handle))
        for i, handle in enumerate(handles)
        if _works(lambda handle=handle: power(handle))
    ]
    if not sensors:
        raise Absent("no AMD GPU: amdsmi tells no power")
    return sensors


class _Rocm:
    """AMD's command. It takes a while and tells all cards at once: one answer serves all of a round."""

    _FRESH = 0.03  # seconds

    def __init__(self, path: str) -> None:
        self._path, self._when, self._watts = path, -math.inf, {}

    def watts(self) -> dict[str, float]:
        """Watts by card. Secondary dies say "N/A (Secondary die)": the primary counts both."""
        if time.perf_counter() - self._when > self._FRESH:
            self._watts = self._ask()
            self._when = time.perf_counter()
        return self._watts

    def _ask(self) -> dict[str, float]:
        command = [self._path, "--showpower", "--json"]
        try:
            run = subprocess.run(command, capture_output=True, text=True, timeout=10)
            cards = json.loads(run.stdout)
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            raise Absent(f"no AMD GPU: {self._path} does not answer ({error})") from None
        powers = {}
        for card, entries in cards.items():
            for key, value in entries.items() if card.startswith("card") else ():
                if "Package Power (W)" in key and "Max" not in key and _works(lambda value=value: value):
                    powers[card] = float(value)
        return powers


def rapl(folder: Path) -> list[Sensor]:
    """Packages, and memory where it counts apart; cores are within the package, psys contains it."""
    zones = sorted(folder.glob("intel-rapl:*"))  # AMD's processors bear this name, too
    sensors, why = [], ""
    for zone in zones:
        try:
            name = (zone / "name").read_text().strip()
            if not name.startswith(("package", "dram")):
                continue
            (zone / "energy_uj").read_text()
            wraps = float((zone / "max_energy_range_uj").read_text()) / 1e6
        except PermissionError:
            why = f"{zone / 'energy_uj'} is readable for root only"
            continue
        except (OSError, ValueError) as error:
            why = str(error)
            continue
        parent = zone.name.split(":")[1]
        source = f"CPU {name} (RAPL)" if name.startswith("package") else f"memory of CPU {parent} (RAPL)"
        read = _file(zone / "energy_uj")
        sensors.append(Sensor(source, "counter", read, wraps))
    if not sensors:
        raise Absent(f"no RAPL: {why}" if why else f"no RAPL: {folder} shows no package")
    return sensors


def grace(folder: Path) -> list[Sensor]:
    """The files that jpwr reads, found by their label. "Module" contains the other three and the GPU."""
    sensors = []
    for device in sorted(folder.glob("hwmon*/device")):
        try:
            label = (device / "power1_oem_info").read_text().strip()
            (device / "power1_average").read_text()
        except OSError:
            continue
        if "Socket" in label:
            sensors.append(Sensor(f"{label} (hwmon)", "power", _file(device / "power1_average")))
    if not sensors:
        raise Absent(f"no Grace: {folder} shows no power meter of a socket")
    return sensors


def _file(path: Path) -> Callable[[], float]:
    """Reader of a file in millionths of a joule or of a watt."""
    return lambda: float(path.read_text()) / 1e6


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name
