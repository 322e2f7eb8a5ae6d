"""The ensemble: the same core with wrong constants, started from a wrong analysis, ten times.

The model error is real: the static stability (the radii of deformation) and the drag differ from nature's,
so that waves move and grow at the wrong rate, more in strong flow. The ensemble knows nothing of that, and
its members start a little closer together than the analysis is wrong: it is under-dispersive.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from maelstrom_bootcamp.bucket.ens10 import moist, surface
from maelstrom_bootcamp.bucket.ens10.flow import GAS_CONSTANT, Flow, omega
from maelstrom_bootcamp.bucket.ens10.ground import core_ground, core_sphere, grid_ground, grid_sphere
from maelstrom_bootcamp.bucket.ens10.noise import rng, surface_fields
from maelstrom_bootcamp.bucket.ens10.periods import MEMBERS, STEPS, day_of_year, start_of
from maelstrom_bootcamp.bucket.ens10.qg import Physics
from maelstrom_bootcamp.bucket.ens10.truth import HOURS, PER_DAY, Truth, atmosphere

STABILITY_ERROR = 1.06  # factor on the radii of deformation
#: Of the difference of two states of the same season: error of the analysis, departure of the members.
ANALYSIS_ERROR, MEMBER_SPREAD = 0.04, 0.035
#: The same for the ground's memory (standard deviation of nature's: 1) and for air at 2 m (K).
GROUND_ERROR, GROUND_SPREAD = 0.6, 0.5
T2M_ERROR, T2M_SPREAD = 0.45, 0.35
INVERSION_SPREAD = 0.2  # logarithm of each member's factor on the inversion
SKIN_SHARE = 0.3  # of the inversion, by which the land's skin is colder than the air at 2 m
SMOOTH_DEGREE = 21  # of the terrain that the model's is mixed with
LEVELS = (850, 500)  # hPa, of the sample
_DRAG_AT_SEA, _DRAG_ON_LAND = (0.75, 15.0), (0.45, 25.0)  # factor and turn (degrees) of the wind at 10 m

SURFACE = ("sst", "tcw", "tcwv", "cp", "msl", "tcc", "u10", "v10", "t2m", "tp", "skt")
UPPER = ("z", "t", "q", "w", "d", "u", "v")
#: Formulas of the flow, not part of the simulation.
DIAGNOSED = ("tcw", "tcwv", "cp", "tcc", "tp", "q")


@dataclass(frozen=True)
class System:
    """A forecast model.

    Attributes
    ----------
    physics : Physics
        Of the core.
    scheme : surface.Scheme
        Of the air at 2 m.
    sea_bias : float
        Standard deviation of the error of the sea surface temperature, the same in all forecasts, K.
    smooth_share : float
        How much of smoother terrain is mixed into the surface's terrain.
    """

    physics: Physics
    scheme: surface.Scheme
    sea_bias: float
    smooth_share: float


MODEL = System(
    Physics(
        radius_1=STABILITY_ERROR * Physics.radius_1,
        radius_2=STABILITY_ERROR * Physics.radius_2,
        ekman_days=2.8,
        drag_land=0.3,
        relaxation_days=10.5,
        land_contrast=5.5e6,
    ),
    surface.FORECAST,
    sea_bias=0.3,
    smooth_share=0.1,
)
#: Nature's own equations: what remains is the error of the analysis. Only the tests run it, as an oracle.
PERFECT = System(Physics(), surface.NATURE, sea_bias=0.0, smooth_share=0.0)


@dataclass(frozen=True)
class Forecasts:
    """Forecasts of some starts.

    Attributes
    ----------
    starts : tuple of (str, int)
        Date "mmdd" and year.
    surface : dict of str to numpy.ndarray
        (start, member, step, latitude, longitude).
    upper : dict of str to numpy.ndarray
        (start, member, step, level, latitude, longitude).
    psi : numpy.ndarray
        Streamfunction, (start, member, step, level of the core, m, n).
    """

    starts: tuple[tuple[str, int], ...]
    surface: dict[str, np.ndarray]
    upper: dict[str, np.ndarray]
    psi: np.ndarray


@dataclass(frozen=True)
class _Start:
    """Initial conditions of one ensemble, members last."""

    psi: np.ndarray
    t2m: np.ndarray
    memory: np.ndarray
    inversion: np.ndarray


def _pairs(generator_fields: np.ndarray) -> np.ndarray:
    """Plus and minus each of five fields: departures of members (1, 2), (3, 4), ..."""
    signed = np.stack([generator_fields, -generator_fields], axis=-1)
    return signed.reshape(*generator_fields.shape[:-1], -1)


def _differences(truth: Truth, generator: np.random.Generator, count: int) -> np.ndarray:
    """Differences of two states of the window's season, (m, n, level, count)."""
    times, runs = truth.psi.shape[0], truth.psi.shape[-1]
    out = []
    for _ in range(count):
        first, second = generator.choice(times * runs, 2, replace=False)
        out.append(
            truth.psi[first // runs, ..., first % runs] - truth.psi[second // runs, ..., second % runs]
        )
    return np.stack(out, axis=-1)


def analysis(truth: Truth, seed: int, date: str, year: int) -> _Start:
    """What the model believes at the start of a forecast, and its members around it.

    Parameters
    ----------
    truth : Truth
    seed : int
        Data seed.
    date : str
        "mmdd".
    year : int

    Returns
    -------
    _Start
    """
    time, run = truth.at(date, year)
    flow, ground = (rng(seed, stream, year, int(date)) for stream in ("analysis", "members"))
    differences = _differences(truth, flow, 1 + MEMBERS // 2)
    psi = truth.psi[time, ..., run, None] + ANALYSIS_ERROR * differences[..., :1]
    psi = psi + MEMBER_SPREAD * _pairs(differences[..., 1:])
    fields = surface_fields(ground, 2 + 2 * (MEMBERS // 2))
    wrong, departures = fields[..., :2], fields[..., 2:]
    memory = truth.memory[time, ..., run, None] + GROUND_ERROR * wrong[..., :1]
    t2m = truth.t2m[time, ..., run, None] + T2M_ERROR * wrong[..., 1:]
    half = MEMBERS // 2
    return _Start(
        psi.astype("complex64"),
        t2m + T2M_SPREAD * _pairs(departures[..., :half]),
        memory + GROUND_SPREAD * _pairs(departures[..., half:]),
        np.exp(INVERSION_SPREAD * ground.standard_normal(MEMBERS)),
    )


def model_orography(share: float = MODEL.smooth_share) -> np.ndarray:
    """Heights that the forecast model's surface believes in, (longitude, latitude), m: a little smoother."""
    core, true = core_sphere(), grid_ground().orography
    smooth = grid_sphere().to_grid(core.to_spectral(core_ground().orography) * (core.n <= SMOOTH_DEGREE))
    return true + share * (np.maximum(smooth, 0) - true)


def run(truth: Truth, seed: int, starts: Sequence[tuple[str, int]], system: System = MODEL) -> Forecasts:
    """Ensemble forecasts of some starts, all members at once.

    Parameters
    ----------
    truth : Truth
    seed : int
        Data seed.
    starts : sequence of (str, int)
        Date "mmdd" and year. About 20 members at once are fastest.
    system : System
        The model.

    Returns
    -------
    Forecasts
    """
    model = atmosphere(system.physics)
    began = [analysis(truth, seed, date, year) for date, year in starts]
    day = np.repeat([day_of_year(start_of(date, year)) for date, year in starts], MEMBERS)
    psi, t2m, memory, inversion = (
        np.concatenate([getattr(s, name) for s in began], axis=-1)
        for name in ("psi", "t2m", "memory", "inversion")
    )
    bias = system.sea_bias * surface_fields(rng(seed, "sea bias"), 1)
    heights = model_orography(system.smooth_share)
    q, rain = model.q(psi), _Rain()
    surfaces, uppers, states = [], [], []
    for step in range(STEPS[-1] // 24 * PER_DAY + 1):
        now = day + step / PER_DAY
        psi = model.psi(q)
        flow = Flow(grid_sphere(), psi, omega(model, psi, now))
        below = surface.below(grid_ground(), heights, now, memory, inversion=inversion, sea_bias=bias)
        if step:
            wanted = surface.target(system.scheme, flow, now, below)
            t2m = surface.relax(system.scheme, t2m, wanted, below)
        water = moist.moisture(flow)
        rain.add(water)
        if step * 24 // PER_DAY in STEPS:
            skin = t2m - SKIN_SHARE * surface.cold_pool(system.scheme, flow, now, below.inversion)
            surfaces.append(_surface_fields(flow, t2m, skin, below, water, rain))
            uppers.append(_upper_fields(flow))
            states.append(psi)
        q = model.run(q, now, surface.STEP_DAYS, HOURS)
    count = len(starts)
    return Forecasts(
        tuple(starts),
        {name: _by_start(np.stack([s[name] for s in surfaces]), count) for name in SURFACE},
        {name: _by_start(np.stack([u[name] for u in uppers]), count) for name in UPPER},
        np.moveaxis(np.stack(states), (-1, 0, 3), (0, 1, 2)).reshape(
            count, MEMBERS, len(states), 3, *psi.shape[:2]
        ),
    )


def _by_start(fields: np.ndarray, count: int) -> np.ndarray:
    """(step, ..., longitude, latitude, batch) to (start, member, step, ..., latitude, longitude)."""
    moved = np.moveaxis(fields, -1, 0).swapaxes(-1, -2)
    return moved.reshape(count, MEMBERS, *moved.shape[1:]).astype("float32")


class _Rain:
    """Rain since the start, m: the mean of the rates at both ends of every step."""

    def __init__(self) -> None:
        self.total: np.ndarray | float = 0.0
        self.convective: np.ndarray | float = 0.0
        self._before: moist.Moisture | None = None

    def add(self, water: moist.Moisture) -> None:
        if self._before is not None:
            half = surface.STEP_DAYS * 86400 / 2 / moist.WATER_DENSITY
            self.total = self.total + half * (self._before.rain + water.rain)
            parts = [w.rain * w.convective for w in (self._before, water)]
            self.convective = self.convective + half * sum(parts)
        self._before = water


def _surface_fields(
    flow: Flow, t2m: np.ndarray, skin: np.ndarray, below: surface.Below, water: moist.Moisture, rain: _Rain
) -> dict[str, np.ndarray]:
    height = flow.geopotential(1000.0)
    wind = _wind_10m(flow, below.land)
    sea = np.broadcast_to(below.sst, t2m.shape)
    return {
        "sst": np.where(grid_ground().land[..., None] > 0.5, np.nan, sea),
        "tcw": water.tcw,
        "tcwv": water.tcwv,
        "cp": rain.convective + 0 * t2m,
        "msl": 1e5 * np.exp(height / (GAS_CONSTANT * t2m)),
        "tcc": water.tcc,
        "u10": wind[0],
        "v10": wind[1],
        "t2m": t2m,
        "tp": rain.total + 0 * t2m,
        "skt": below.land * skin + (1 - below.land) * sea,
    }


def _wind_10m(flow: Flow, land: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Wind at 1000 hPa, slowed and turned towards low pressure, more so on land."""
    wind = flow.wind(1000.0)
    factor, turn = (land * a + (1 - land) * b for a, b in zip(_DRAG_ON_LAND, _DRAG_AT_SEA, strict=True))
    angle = np.radians(turn) * np.sign(flow.sphere.latitude)[:, None]
    cos, sin = factor * np.cos(angle), factor * np.sin(angle)
    return cos * wind.u - sin * wind.v, sin * wind.u + cos * wind.v


def _upper_fields(flow: Flow) -> dict[str, np.ndarray]:
    return {name: np.stack(values) for name, values in upper_fields(flow, LEVELS).items()}


def upper_fields(flow: Flow, levels: Sequence[float]) -> dict[str, list[np.ndarray]]:
    """The seven variables of a pressure level, each a list over levels of (longitude, latitude, batch)."""
    out: dict[str, list[np.ndarray]] = {name: [] for name in UPPER}
    for level in map(float, levels):
        wind, (motion, divergence) = flow.wind(level), flow.vertical(level)
        values = (
            flow.geopotential(level),
            flow.temperature(level),
            moist.specific_humidity(flow, level),
            motion,
            divergence,
            wind.u,
            wind.v,
        )
        for name, value in zip(UPPER, values, strict=True):
            out[name].append(value)
    return out


def targets(truth: Truth, date: str, year: int) -> dict[str, np.ndarray]:
    """The truth at the steps of a forecast: ``t2m``, ``t850``, ``z500``, (step, latitude, longitude)."""
    at = [truth.at(date, year, hours) for hours in STEPS]
    flow = Flow(grid_sphere(), np.stack([truth.psi[t, ..., r] for t, r in at], axis=-1))
    fields = {
        "t2m": np.stack([truth.t2m[t, ..., r] for t, r in at], axis=-1),
        "t850": flow.temperature(850.0),
        "z500": flow.geopotential(500.0),
    }
    return {
        name: np.moveaxis(field, -1, 0).swapaxes(-1, -2).astype("float32") for name, field in fields.items()
    }
