"""The truth run: what happened, in every year of a window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maelstrom_bootcamp.bucket.ens10 import surface
from maelstrom_bootcamp.bucket.ens10.flow import Flow
from maelstrom_bootcamp.bucket.ens10.ground import core_ground, core_sphere, grid_ground, grid_sphere
from maelstrom_bootcamp.bucket.ens10.noise import Memory, rng
from maelstrom_bootcamp.bucket.ens10.periods import SPIN_UP, STEPS, Window, day_of_year, first_day
from maelstrom_bootcamp.bucket.ens10.qg import Atmosphere, Physics
from maelstrom_bootcamp.bucket.ens10.sphere import along

HOURS = 1.5  # of the core's time step
EARLIER = 20  # days before a window's first date from which states are kept: perturbations are made of them
PER_DAY = round(1 / surface.STEP_DAYS)
START_NOISE, START_DEGREE = 2e6, 6  # m2 s-1 and degree where its spectrum falls off
START_SHARE = 0.7  # of the equilibrium's jets


@dataclass(frozen=True)
class Truth:
    """States of the truth runs of a window, twice a day.

    Attributes
    ----------
    window : Window
    psi : numpy.ndarray
        Streamfunction, (time, m, n, level, run), m2 s-1.
    t2m, memory : numpy.ndarray
        Temperature at 2 m (K) and anomaly of the ground (1), (time, longitude, latitude, run).
    """

    window: Window
    psi: np.ndarray
    t2m: np.ndarray
    memory: np.ndarray

    def at(self, date: str, year: int, hours: int = 0) -> tuple[int, int]:
        """Index (time, run) of a start, or of a time after it."""
        days = self.window.offset(date, year) + EARLIER + hours / 24
        return round(days * PER_DAY), self.window.runs.index(year)


def atmosphere(physics: Physics) -> Atmosphere:
    """The core over the real ground with given constants."""
    ground = core_ground()
    return Atmosphere(core_sphere(), physics, ground.orography, ground.land)


def initial(nature: Atmosphere, seed: int, window: Window, day: np.ndarray) -> np.ndarray:
    """Potential vorticity that the spin-up starts from: weak jets and large random waves."""
    sphere = nature.sphere
    size = sphere.truncation + 1
    noise = []
    for year in window.runs:
        re, im = rng(seed, "start", window.number, year).standard_normal((2, size, size))
        noise.append(re + 1j * im)
    red = START_NOISE / (1 + (sphere.n / START_DEGREE) ** 4) * sphere.inside * (sphere.n > 0)
    waves = np.stack(noise, axis=-1)[:, :, None]
    waves[0] = waves[0].real
    psi = START_SHARE * nature.resting(day) + along(red, waves) * waves
    return nature.q(psi.astype(sphere.complex))


def simulate(seed: int, window: Window) -> Truth:
    """Simulate the truth of a window, all its years at once.

    Parameters
    ----------
    seed : int
        Data seed.
    window : Window

    Returns
    -------
    Truth
    """
    nature, ground, sphere = atmosphere(Physics()), grid_ground(), grid_sphere()
    day = np.array([day_of_year(first_day(window, year)) for year in window.runs])
    q = initial(nature, seed, window, day)
    memory = Memory([rng(seed, "ground", window.number, year) for year in window.runs], surface.MEMORY_DAYS)
    last = max(window.offset(date, year) for date, year in window.starts) + STEPS[-1] // 24
    kept: list[tuple[np.ndarray, ...]] = []
    t2m = None
    for step in range((SPIN_UP + last) * PER_DAY + 1):
        now = day + step / PER_DAY
        if step >= (SPIN_UP - EARLIER) * PER_DAY:
            psi, field = nature.psi(q), memory.field()
            below = surface.below(ground, ground.orography, now, field)
            wanted = surface.target(surface.NATURE, Flow(sphere, psi), now, below)
            t2m = wanted if t2m is None else surface.relax(surface.NATURE, t2m, wanted, below)
            kept.append((psi, t2m, field))
        q = nature.run(q, now, surface.STEP_DAYS, HOURS)
        memory.advance(surface.STEP_DAYS)
    return Truth(window, *(np.stack(states) for states in zip(*kept, strict=True)))
