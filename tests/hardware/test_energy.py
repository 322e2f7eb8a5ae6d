"""Energy: sensors that are faked, sensors that die, and a machine without any."""

from __future__ import annotations

import json
import stat
import sys
import time
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.hardware import sensors
from maelstrom_bootcamp.hardware.energy import Energy, Meter, evaluate, find_meter, integrate
from maelstrom_bootcamp.hardware.sensors import Sensor

NO_ROCM = "no-such-command-anywhere"


@pytest.fixture(autouse=True)
def no_libraries(monkeypatch):
    """A machine with a real GPU must not answer for the fakes."""
    for name in ("pynvml", "amdsmi"):
        monkeypatch.setitem(sys.modules, name, None)


def read_by(kind, times, values, **more):
    sensor = Sensor("fake", kind, lambda: 0.0, **more)
    sensor.times.extend(times)
    sensor.values.extend(values)
    return sensor


def zone(root: Path, name: str, label: str, energy: int, largest: int = 1000_000_000) -> Path:
    folder = root / "class" / "powercap" / name
    folder.mkdir(parents=True)
    for file, text in (("name", label), ("energy_uj", energy), ("max_energy_range_uj", largest)):
        (folder / file).write_text(f"{text}\n")
    return folder / "energy_uj"


# ------------------------------------------------------------------------------------------------ arithmetic


def test_the_trapezoidal_rule_is_exact_for_lines_however_unevenly_sampled():
    times = [0.0, 0.1, 0.7, 2.0]
    assert integrate(times, [10 + 50 * t for t in times]) == pytest.approx(10 * 2 + 25 * 2**2)
    assert integrate(np.array(times), np.full(4, 300.0)) == pytest.approx(600)


@pytest.mark.parametrize(("times", "watts"), [([], []), ([1.0], [5.0]), ([0, 1], [1.0]), ([1, 0], [5, 5])])
def test_no_curve_no_energy(times, watts):
    with pytest.raises(BootcampError):
        integrate(times, watts)


def test_power_gives_joules_mean_and_maximum():
    energy = evaluate(read_by("power", [0, 1, 2], [100, 200, 100]), 0, 2)
    assert (energy.joules, energy.mean_watts, energy.max_watts) == (300, 150, 200)
    assert energy.watt_hours == pytest.approx(300 / 3600)
    assert (energy.seconds, energy.samples) == (2, 3)
    assert "trapezoid" in energy.why
    assert "300 J" in str(energy)


def test_a_counter_gives_its_difference_and_the_largest_mean():
    energy = evaluate(read_by("counter", [0, 1, 2], [50, 60, 90]), 0, 2)
    assert (energy.joules, energy.mean_watts, energy.max_watts) == (40, 20, 30)


def test_a_counter_may_begin_anew_more_than_once():
    energy = evaluate(read_by("counter", [0, 1, 2, 3], [90, 20, 95, 10], wraps_at=100), 0, 3)
    assert energy.joules == pytest.approx(30 + 75 + 15)


def test_a_counter_that_goes_backwards_without_a_range_has_not_measured():
    energy = evaluate(read_by("counter", [0, 1], [90, 20]), 0, 1)
    assert energy.joules is None
    assert energy.watt_hours is None
    assert energy.why == "not measurable here, because its counter went backwards"


def test_a_counter_that_stands_still_has_not_measured_zero():
    assert "stood still" in evaluate(read_by("counter", [0, 1], [90, 90]), 0, 1).why


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_readings(n):
    sensor = read_by("power", [0.0][:n], [100.0][:n])
    energy = evaluate(sensor, 0, 1)
    assert energy.joules is None
    assert f"{n} readings" in energy.why
    assert energy.samples == n


def test_a_single_failure_is_told_and_a_long_silence_is_not_bridged():
    sensor = read_by("power", np.arange(0, 10.01, 0.1), np.full(101, 100.0))
    sensor.failed, sensor.error = 1, "bus error"
    energy = evaluate(sensor, 0, 10)
    assert energy.joules == pytest.approx(1000)
    assert "1 more failed" in energy.why
    for died in (evaluate(sensor, 0, 20), evaluate(sensor, -5, 10)):
        assert died.joules is None
        assert "silent" in died.why
        assert "bus error" in died.why


# ----------------------------------------------------------------------------------------------------- meter


def test_the_meter_reads_at_both_ends_and_in_between():
    meter = Meter([Sensor("fake", "power", lambda: 100.0)], interval=0.02)
    with meter:
        time.sleep(0.3)
    (energy,) = meter.energy
    assert energy.samples >= 4
    assert energy.seconds >= 0.3
    assert energy.joules == pytest.approx(100 * energy.seconds)
    with meter:
        pass
    assert meter.energy[0].samples == 2
    assert meter.energy[0].joules < energy.joules


def test_a_sensor_that_dies_midway():
    start = time.perf_counter()

    def read():
        if time.perf_counter() - start > 0.1:
            raise OSError("gone")
        return 100.0

    meter = Meter([Sensor("fake", "power", read), Sensor("alive", "power", lambda: 5.0)], interval=0.02)
    with meter:
        time.sleep(0.9)
    dead, alive = meter.energy
    assert dead.joules is None
    assert "silent" in dead.why
    assert "gone" in dead.why
    assert alive.joules > 0


@pytest.mark.parametrize("value", [float("nan"), -1.0, float("inf")])
def test_nonsense_is_no_reading(value):
    meter = Meter([Sensor("fake", "power", lambda: value)])
    with meter:
        pass
    assert meter.energy[0].joules is None


def test_an_exception_in_the_block_passes_and_stops_the_thread():
    meter = Meter([Sensor("fake", "power", lambda: 100.0)], interval=0.01)
    with pytest.raises(ZeroDivisionError), meter:
        raise ZeroDivisionError
    assert not meter._thread.is_alive()
    assert meter.energy[0].joules > 0


def test_the_meter_says_when_it_is_used_wrongly():
    meter = Meter()
    with pytest.raises(BootcampError, match="not measured a block"):
        _ = meter.energy
    with pytest.raises(BootcampError, match="running"), meter, meter:
        pass
    with pytest.raises(BootcampError, match="interval"):
        Meter(interval=0)


# ------------------------------------------------------------------------------------------------ find_meter


def test_without_sensors_every_reason_is_told(tmp_path):
    meter = find_meter(tmp_path, rocm_smi=NO_ROCM)
    with meter:
        pass
    (energy,) = meter.energy
    assert energy == Energy(None, "none", energy.why)
    assert energy.why.startswith("not measurable here, because ")
    for reason in ("NVIDIA", "AMD", NO_ROCM, "RAPL", "Grace"):
        assert reason in energy.why


def test_rapl_takes_packages_and_memory_and_wraps(tmp_path):
    first = zone(tmp_path, "intel-rapl:0", "package-0", 999_000_000)
    zone(tmp_path, "intel-rapl:1", "package-1", 5)
    zone(tmp_path, "intel-rapl:0:0", "core", 7)
    zone(tmp_path, "intel-rapl:0:1", "dram", 7)
    zone(tmp_path, "intel-rapl:2", "psys", 7)
    zone(tmp_path, "intel-rapl-mmio:0", "package-0", 7)
    meter = find_meter(tmp_path, rocm_smi=NO_ROCM)
    with meter:
        first.write_text("500000\n")
    names = [e.source for e in meter.energy]
    assert names == ["CPU package-0 (RAPL)", "memory of CPU 0 (RAPL)", "CPU package-1 (RAPL)"]
    assert meter.energy[0].joules == pytest.approx(1.5)
    assert meter.energy[2].joules is None


def test_rapl_that_only_root_may_read(tmp_path, monkeypatch):
    zone(tmp_path, "intel-rapl:0", "package-0", 1)
    read = Path.read_text

    def refuse(self, *args, **more):
        if self.name == "energy_uj":
            raise PermissionError(13, "Permission denied")
        return read(self, *args, **more)

    monkeypatch.setattr(Path, "read_text", refuse)
    meter = find_meter(tmp_path, rocm_smi=NO_ROCM)
    with meter:
        pass
    assert "energy_uj is readable for root only" in meter.energy[0].why


def test_grace_takes_the_meters_of_its_sockets_by_their_label(tmp_path):
    for i, label in enumerate(("Module Power Socket 0", "Grace Power Socket 0", "something else")):
        device = tmp_path / "class" / "hwmon" / f"hwmon{i + 1}" / "device"
        device.mkdir(parents=True)
        (device / "power1_oem_info").write_text(f"{label}\n")
        (device / "power1_average").write_text("300000000\n")
    (tmp_path / "class" / "hwmon" / "hwmon9" / "device").mkdir(parents=True)
    meter = find_meter(tmp_path, rocm_smi=NO_ROCM)
    with meter:
        time.sleep(0.02)
    assert [e.source for e in meter.energy] == [
        "Module Power Socket 0 (hwmon)",
        "Grace Power Socket 0 (hwmon)",
    ]
    assert meter.energy[0].mean_watts == pytest.approx(300)


def fake_nvml(monkeypatch, counter: bool, gpus: int = 2) -> None:
    module, millijoules = ModuleType("pynvml"), [0]

    def total(handle):
        if not counter:
            raise RuntimeError("Not Supported")
        millijoules[0] += 5000
        return millijoules[0]

    module.nvmlInit = lambda: None
    module.nvmlDeviceGetCount = lambda: gpus
    module.nvmlDeviceGetHandleByIndex = lambda i: i
    module.nvmlDeviceGetName = lambda handle: b"Fake A100"
    module.nvmlDeviceGetTotalEnergyConsumption = total
    module.nvmlDeviceGetPowerUsage = lambda handle: 250_000
    monkeypatch.setitem(sys.modules, "pynvml", module)


def test_nvml_by_its_counter(tmp_path, monkeypatch):
    fake_nvml(monkeypatch, counter=True)
    meter = find_meter(tmp_path, rocm_smi=NO_ROCM)
    with meter:
        pass
    first, second = meter.energy
    assert (first.source, second.source) == ("GPU 0, Fake A100 (NVML)", "GPU 1, Fake A100 (NVML)")
    assert first.joules == pytest.approx(10)  # each reading of either GPU moves the fake by 5 J
    assert "counter" in first.why


def test_nvml_by_power_where_there_is_no_counter_and_the_processor_beside_it(tmp_path, monkeypatch):
    fake_nvml(monkeypatch, counter=False, gpus=1)
    energy_uj = zone(tmp_path, "intel-rapl:0", "package-0", 0)
    meter = find_meter(tmp_path, rocm_smi=NO_ROCM)
    with meter:
        energy_uj.write_text("7000000")
    gpu, cpu = meter.energy
    assert gpu.mean_watts == pytest.approx(250)
    assert cpu.joules == pytest.approx(7)  # apart, never summed


@pytest.mark.parametrize("trouble", ["no driver", "no GPU"])
def test_nvml_without_a_driver_or_a_gpu(tmp_path, monkeypatch, trouble):
    fake_nvml(monkeypatch, counter=True, gpus=0)
    if trouble == "no driver":
        monkeypatch.setattr(sys.modules["pynvml"], "nvmlInit", lambda: 1 / 0)
    meter = find_meter(tmp_path, rocm_smi=NO_ROCM)
    with meter:
        pass
    assert "NVML" in meter.energy[0].why


def rocm(tmp_path: Path, answer: str) -> str:
    script = tmp_path / "rocm-smi"
    script.write_text(f"#!{sys.executable}\nprint({answer!r})\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return str(script)


def test_rocm_smi_counts_primary_dies_and_ignores_limits(tmp_path):
    answer = {
        "card0": {"Average Graphics Package Power (W)": "237.0", "Max Graphics Package Power (W)": "560.0"},
        "card1": {"Average Graphics Package Power (W)": "N/A (Secondary die)"},
        "card2": {"Current Socket Graphics Package Power (W)": "100.0", "GPU use (%)": "3"},
        "system": {"Driver version": "6.1"},
    }
    meter = find_meter(tmp_path, rocm_smi=rocm(tmp_path, json.dumps(answer)))
    with meter:
        pass
    assert [(e.source, round(e.mean_watts)) for e in meter.energy] == [
        ("GPU card0 (rocm-smi)", 237),
        ("GPU card2 (rocm-smi)", 100),
    ]


@pytest.mark.parametrize("answer", ["no JSON", "{}", '{"card0": {"Temperature": "30"}}'])
def test_rocm_smi_that_tells_nothing(tmp_path, answer):
    meter = find_meter(tmp_path, rocm_smi=rocm(tmp_path, answer))
    with meter:
        pass
    assert "no AMD GPU" in meter.energy[0].why


def test_amdsmi_takes_the_power_that_is_a_number(tmp_path, monkeypatch):
    infos = [
        {"current_socket_power": "N/A", "average_socket_power": 94},
        {"current_socket_power": 717, "average_socket_power": "N/A"},
        {"current_socket_power": "N/A", "average_socket_power": 0},  # a second die
    ]
    module = ModuleType("amdsmi")
    module.amdsmi_init = lambda: None
    module.amdsmi_get_processor_handles = lambda: [0, 1, 2]
    module.amdsmi_get_power_info = lambda handle: infos[handle]
    monkeypatch.setitem(sys.modules, "amdsmi", module)
    meter = find_meter(tmp_path, rocm_smi=NO_ROCM)
    with meter:
        pass
    assert [(e.source, round(e.mean_watts)) for e in meter.energy] == [
        ("GPU 0 (amdsmi)", 94),
        ("GPU 1 (amdsmi)", 717),
    ]


def test_a_library_that_breaks_on_import_is_a_reason(tmp_path, monkeypatch):
    (tmp_path / "amdsmi.py").write_text("raise OSError('libamd_smi.so not found')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "amdsmi")
    with pytest.raises(sensors.Absent, match="libamd_smi"):
        sensors.amd(NO_ROCM)
