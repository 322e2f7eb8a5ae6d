"""Runs of the column model of chapter 01 on the grids of A5: nature, and the coarse model of tier 2."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace

from maelstrom_bootcamp.bucket.downscaling.terrain import Land
from maelstrom_bootcamp.bucket.downscaling.weather import Weather, forcing
from maelstrom_bootcamp.bucket.yr.column import (
    MODEL,
    NATURE,
    STEP,
    Forcing,
    State,
    Surface,
    initial_state,
    mix,
    step,
    surface,
)

SUBSTEPS = round(3600 / STEP)
MIXING_LENGTH = 12e3  # m, of the air along slopes within an hour: what the wind carries it


@dataclass(frozen=True)
class Moment:
    """The state at one hour, and what made it."""

    hour: int
    state: State
    forcing: Forcing
    land: Surface


def single(ground: Land) -> Land:
    """The same ground in single precision, which is as good here and twice as fast."""
    as32 = {
        f.name: getattr(ground, f.name).astype("float32")
        for f in fields(ground)
        if f.name not in ("x", "y", "latitude", "longitude", "spacing")
    }
    return replace(ground, **as32)


def run(w: Weather, ground: Land, keep: Iterable[int], model: bool = False) -> Iterator[Moment]:
    """Integrate the column model from hour 0.

    Parameters
    ----------
    w : Weather
    ground : Land
    keep : iterable of int
        Hours to give out, not before the spin-up is over.
    model : bool
        The coarse model: no cold-air drainage, shallow inversions, an average ground (`yr.column.MODEL`).

    Yields
    ------
    Moment
        In the order of time.
    """
    ground, wanted = single(ground), sorted(keep)
    physics = MODEL if model else NATURE
    climate = w.series.t850_climate
    now = forcing(w, 0, ground, model)
    state = initial_state(ground, now.free_air, now.sea)
    land = None
    for hour in range(wanted[-1] + 1):
        now = forcing(w, hour, ground, model)
        if land is None or hour % 24 == 0:
            hidden = 0.0 if model else w.ground_state(hour, ground)
            land = surface(ground, hidden, float(climate[hour]))
        if hour in wanted:
            yield Moment(hour, state, now, land)
        if hour < wanted[-1]:
            for sub in range(SUBSTEPS):
                sun = w.sun(hour + sub / SUBSTEPS, ground)
                state = step(state, now, land, ground, physics, sun)
            state = mix(state, ground, length=MIXING_LENGTH)
