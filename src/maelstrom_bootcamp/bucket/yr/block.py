"""One block of consecutive days, simulated from nature to the plugin's predictors and targets.

What a run knows at its start T0: the forecast itself, the ground, and the analyses of the days before.
`Block.predictors` looks up nothing valid at or after T0 but the forecast.

    bias = control forecast, brought to 1 km and to its altitude, minus analysis
    bias_yesterday(lead time) = bias at the same time of the day in the 24 h before T0
    bias_recent = mean bias over the 48 h before T0

The forecast that a bias is about is the newest run that had started by then.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from maelstrom_bootcamp.bucket.yr import simulate, weather
from maelstrom_bootcamp.bucket.yr.analysis import Analysis, analyse, to_fine
from maelstrom_bootcamp.bucket.yr.column import LAPSE_RATE
from maelstrom_bootcamp.bucket.yr.periods import LEAD_TIMES, run_start
from maelstrom_bootcamp.bucket.yr.stations import network, observe
from maelstrom_bootcamp.bucket.yr.terrain import ground

SPIN_UP_DAYS = 3  # of nature and the cycle, before anything is used
LEAD_IN_DAYS = 4  # of runs (control only) and analyses, for the biases of the first run
RECENT_HOURS = 48
CELSIUS = np.float32(273.15)


def same_time_yesterday(start: int, lead: int) -> int:
    """Hour in the 24 h before `start` with the same time of the day as `start + lead`.

    Parameters
    ----------
    start : int
        Start of the run, hours since the origin.
    lead : int
        Lead time, h.

    Returns
    -------
    int
        In [start - 24, start - 1].
    """
    return start + lead - 24 * (lead // 24 + 1)


@dataclass(frozen=True)
class Block:
    """Everything simulated for a block; keys are hours since the origin.

    Attributes
    ----------
    seed : int
    runs : dict of int to simulate.Run
        Ensemble runs of the block, by start.
    controls : dict of int to numpy.ndarray
        Control forecasts brought to 1 km and its altitude, (lead time, 128, 128), K, by start, with the
        lead-in.
    analyses : dict of int to Analysis
    observations : dict of int to numpy.ndarray
        (stations,), K.
    truth : dict of int to numpy.ndarray
        (128, 128), K.
    """

    seed: int
    runs: dict[int, simulate.Run]
    controls: dict[int, np.ndarray]
    analyses: dict[int, Analysis]
    observations: dict[int, np.ndarray]
    truth: dict[int, np.ndarray]

    def bias(self, hour: int) -> np.ndarray:
        """Control forecast minus analysis at one analysis time before the run, (128, 128), K."""
        start = max(s for s in self.controls if s <= hour)
        return self.controls[start][(hour - start) // 6] - self.analyses[hour].mean

    def predictors(self, start: int) -> tuple[np.ndarray, np.ndarray]:
        """The plugin's predictors of one run.

        Parameters
        ----------
        start : int
            Start of the run, hours since the origin.

        Returns
        -------
        dynamic : numpy.ndarray
            (10, 128, 128, 8), float32, in the order and units of the plugin.
        static : numpy.ndarray
            (128, 128, 6), float32.
        """
        run, fine = self.runs[start], ground()
        low, high = np.quantile(run.t2m, [0.1, 0.9], axis=1)
        temperatures = [to_fine(f) - CELSIUS for f in (low, high, run.t2m[:, 0])]
        yesterday = np.stack([self.bias(same_time_yesterday(start, lead)) for lead in LEAD_TIMES])
        others = [to_fine(f) for f in (run.cloud, run.precipitation, run.wind_x, run.wind_y)]
        recent = range(start - RECENT_HOURS, start, 6)
        static = [
            fine.altitude,
            np.mean([self.analyses[h].std for h in recent], axis=0),
            np.mean([self.bias(h) for h in recent], axis=0),
            fine.land_area_fraction,
            to_fine(ground(model=True).altitude),
            np.clip(to_fine(ground(model=True).land_area_fraction), 0, 1),
        ]
        return np.stack([*temperatures, yesterday, *others], -1).astype("f4"), np.stack(static, -1).astype(
            "f4"
        )

    def targets(self, start: int) -> tuple[np.ndarray, np.ndarray]:
        """Analysis (degree Celsius) and its standard deviation (K) at a run's valid times, (10, 128, 128)."""
        valid = [self.analyses[start + lead] for lead in LEAD_TIMES]
        return np.stack([a.mean for a in valid]) - CELSIUS, np.stack([a.std for a in valid])


def _controls(
    seed: int, starts: list[int], states: dict, runs: dict[int, simulate.Run]
) -> dict[int, np.ndarray]:
    """Control forecasts at 1 km and its altitude; runs of the lead-in are made here."""
    coarse = ground(model=True)
    rise = LAPSE_RATE * (ground().altitude - to_fine(coarse.altitude))
    out = {}
    for start in starts:
        run = runs.get(start) or simulate.run(seed, start, states[start], range(0, 37, 6), members=1)
        out[start] = (to_fine(run.t2m[:, 0]) - rise).astype("float32")
    return out


def simulate_block(seed: int, days: list[str]) -> Block:
    """Simulate a block of consecutive days.

    Parameters
    ----------
    seed : int
        Data seed.
    days : list of str
        Dates of the runs, "YYYY-MM-DD", in order.

    Returns
    -------
    Block
    """
    first, last = date.fromisoformat(days[0]), date.fromisoformat(days[-1])
    calendar = [first + timedelta(days=i) for i in range(-LEAD_IN_DAYS, (last - first).days + 1)]
    starts = [weather.hour_of(run_start(d.isoformat())) for d in calendar]
    wanted = [weather.hour_of(run_start(d)) for d in days]
    begin = starts[0] - starts[0] % 24 - 24 * SPIN_UP_DAYS
    end = wanted[-1] + LEAD_TIMES[-1]
    hours = [h for h in range(begin, end + 1) if h % 24 in simulate.ANALYSIS_HOURS]
    truth = simulate.nature(seed, begin, end, hours)
    background, states = simulate.cycle(seed, begin, end, truth, starts)
    runs = {s: simulate.run(seed, s, states[s], LEAD_TIMES) for s in wanted}
    controls = _controls(seed, starts, states, runs)

    used = [h for h in hours if h >= wanted[0] - RECENT_HOURS]
    stations, fine = network(seed), ground()
    observations, analyses = {}, {}
    for h in used:
        cloud = simulate.flow(seed, h, fine, simulate.no_error()).cloud[0]
        observations[h] = observe(seed, h, truth[h], cloud)
        analyses[h] = analyse(stations, observations[h], background[h])
    return Block(seed, runs, controls, analyses, observations, {h: truth[h] for h in used})
