import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.hardware import measure
from maelstrom_bootcamp.hardware.measure import Timing, measured, race, repeat


class Clock:
    """Stands still but for what tasks add to it."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        monkeypatch.setattr(measure.time, "perf_counter", lambda: self.now)

    def task(self, *seconds):
        left = list(seconds)

        def run():
            self.now += left.pop(0) if len(left) > 1 else left[0]
            return self.now

        return run


def test_the_first_call_and_the_warm_up_do_not_count(monkeypatch):
    clock = Clock(monkeypatch)
    timing = repeat(clock.task(60, 7, 5, 1, 2, 3), warmup=2, repeats=3)
    assert timing.first == 60
    assert timing.seconds == (1, 2, 3)
    assert timing.median == 2
    assert timing.best == 1


def test_short_tasks_are_called_until_the_clock_can_see_them(monkeypatch):
    clock = Clock(monkeypatch)
    calls = []
    task = clock.task(0.001)
    timing = repeat(lambda: calls.append(task()), warmup=1, repeats=2, min_seconds=0.1)
    assert len(calls) == 2 + 2 * 100
    assert timing.median == pytest.approx(0.001)


def test_waiting_for_the_device_is_part_of_the_time(monkeypatch):
    clock = Clock(monkeypatch)

    def wait(result):
        clock.now += 10

    launched = repeat(clock.task(1.0), repeats=3)
    assert repeat(clock.task(1.0), repeats=3, synchronise=wait).median == launched.median + 10


def test_competitors_meet_the_same_disturbance(monkeypatch):
    clock, calls = Clock(monkeypatch), []

    def competitor(name, seconds):
        def run():
            # the machine becomes slower and slower
            calls.append(name)
            clock.now += seconds * (1 + len(calls))

        return run

    timings = race({"a": competitor("a", 1.0), "b": competitor("b", 2.0)}, rounds=20)
    assert list(timings) == ["a", "b"]
    assert timings["b"].median / timings["a"].median == pytest.approx(2, rel=0.05)
    assert calls[:6] == ["a", "b", "a", "b", "b", "a"], "every second round backwards"


def test_rounds_of_warm_up_do_not_count_in_a_race(monkeypatch):
    clock = Clock(monkeypatch)
    timings = race({"a": clock.task(90, 60, 60, 1, 2, 3)}, rounds=3, warmup=2)
    assert timings["a"].first == 90
    assert timings["a"].seconds == (1, 2, 3)


def test_measurements_that_make_no_sense_are_refused():
    with pytest.raises(BootcampError, match="repeats=0"):
        repeat(lambda: 0, repeats=0)
    with pytest.raises(BootcampError, match="warmup=-1"):
        repeat(lambda: 0, warmup=-1)
    with pytest.raises(BootcampError, match="without competitors"):
        race({})


@given(st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=30))
def test_quartiles_are_in_order(seconds):
    timing = Timing(1.0, tuple(seconds))
    assert timing.best <= timing.low * (1 + 1e-12)
    assert timing.low <= timing.median * (1 + 1e-12)
    assert timing.median <= timing.high * (1 + 1e-12)
    assert timing.spread >= 0
    assert "ms" in str(timing)


def test_a_block_is_watched():
    with measured() as cost:
        block = np.ones(40_000_000, np.float32)  # 160 MB
        time.sleep(0.2)
    assert cost.wall >= 0.2
    assert cost.cpu < cost.wall, "sleeping takes no CPU time"
    assert cost.peak_memory >= cost.memory_before
    assert block.sum() > 0
    if cost.peak_is_of_block:
        assert cost.peak_memory - cost.memory_before > 100e6
        with measured() as after:
            pass
        del block
        assert after.peak_memory < cost.peak_memory + 50e6


def test_the_meter_runs_as_long_as_the_block():
    class Meter:
        energy = ("read",)
        log = ()

        def __enter__(self):
            self.log += ("on",)

        def __exit__(self, *error):
            self.log += ("off",)

    meter = Meter()
    cost = None
    try:
        with measured(meter) as cost:
            assert meter.log == ("on",)
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    assert meter.log == ("on", "off"), "also when the block fails"
    assert cost.energy == ("read",)
    assert cost.wall > 0


def test_systems_without_proc_still_answer(monkeypatch, tmp_path):
    monkeypatch.setattr(measure, "_SELF", tmp_path / "absent")
    with measured() as cost:
        pass
    assert not cost.peak_is_of_block
    assert cost.peak_memory > 0


def test_a_race_by_cpu_time_asks_the_clock_of_the_process(monkeypatch):
    ticks = iter(range(100))
    monkeypatch.setattr(measure.time, "process_time", lambda: next(ticks))
    assert race({"a": lambda: next(ticks)}, rounds=2, warmup=0, cpu=True)["a"].seconds == (2, 2)
    asked = next(ticks)
    race({"a": lambda: None}, rounds=2, warmup=0)
    assert next(ticks) == asked + 1, "by default the clock on the wall is asked"
