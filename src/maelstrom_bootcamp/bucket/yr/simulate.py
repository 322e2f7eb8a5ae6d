"""Nature, the forecast model's cycle and its ensemble runs, over one block of consecutive days.

*Nature* is the column model at 1 km with drainage and a ground whose moisture and snow the forecast model
does not know. The *cycle* is the forecast model at 2.5 km, corrected every six hours towards nature's large
scale. *Runs* start from the cycle: a control and four perturbed members. Their errors are those of the
physics (no drainage, shallow inversions, climatological ground, smooth terrain), a slow drift of the large
scale, and a wrong wind that displaces clouds and fronts further with every hour.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from maelstrom_bootcamp.bucket.yr import weather
from maelstrom_bootcamp.bucket.yr.column import (
    MODEL,
    NATURE,
    Forcing,
    Physics,
    State,
    Surface,
    initial_state,
    mix,
    step,
    surface,
    t2m,
)
from maelstrom_bootcamp.bucket.yr.terrain import Ground, ground

ANALYSIS_HOURS = (3, 9, 15, 21)  # UTC: valid times of every run, whichever its cycle
MEMBERS = 5
MEMBER_DISTANCE = 200e3  # m
CLOUDS = {"length": 25e3, "steepness": 0.75}
LIMIT_AT_START = 4e3  # m: half of a wave of 25 km is known (exp(-(k limit)^2 / 2))
LIMIT_GROWTH = 6e3  # m per day
# Models make strong inversions too weak. "Evaluation of NWP results for wintertime nocturnal boundary-layer
# temperatures over Europe and Finland" found it in IFS, HIRLAM, AROME and GFS; by how much is set here.
MODEL_INVERSION = 0.7
SUBSTEPS = 4  # of 15 minutes


@dataclass(frozen=True)
class FlowError:
    """How the large scale of a forecast differs from nature's; each has shape (members,).

    Attributes
    ----------
    temperature : numpy.ndarray
        K.
    wind_x, wind_y : numpy.ndarray
        m s-1.
    cloudiness : numpy.ndarray
        Log-odds.
    shift_x, shift_y : numpy.ndarray
        Displacement of clouds and fronts, m.
    inversion : numpy.ndarray
        Factor on the strength of the low-level inversion; 1 in nature.
    limit : float
        Predictability limit of the clouds, m; 0 for nature's own clouds.
    stream : int
        Number of the independent clouds that take the place of the lost ones.
    """

    temperature: np.ndarray
    wind_x: np.ndarray
    wind_y: np.ndarray
    cloudiness: np.ndarray
    shift_x: np.ndarray
    shift_y: np.ndarray
    inversion: np.ndarray
    limit: float = 0.0
    stream: int = -1


def no_error() -> FlowError:
    """The flow of nature itself (one member)."""
    zero = np.zeros(1, dtype="float32")
    return FlowError(zero, zero, zero, zero, zero, zero, inversion=zero + 1)


def cold_air(d: weather.Drivers, hour: int, terrain: Ground) -> np.ndarray:
    """How much colder the air is than the free air's lapse rate says, below an inversion.

    Parameters
    ----------
    d : weather.Drivers
    hour : int
        Hours since the origin.
    terrain : Ground

    Returns
    -------
    numpy.ndarray
        (n, n), K, not negative: full at sea level, 0 at the top; the sea destroys most of it.
    """
    below = np.clip(1 - terrain.altitude / d.inversion_top[hour], 0, 1)
    return d.inversion[hour] * below * (1 - 0.75 * terrain.maritime)


def flow(seed: int, hour: int, terrain: Ground, error: FlowError) -> Forcing:
    """Forcing of the column model at one hour.

    Parameters
    ----------
    seed : int
        Data seed.
    hour : int
        Hours since the origin.
    terrain : Ground
    error : FlowError

    Returns
    -------
    Forcing
        Fields of shape (members, n, n).
    """
    d = weather.drivers(seed)
    across = [a[:, None, None] for a in (error.shift_x, error.shift_y)]
    x = terrain.x[None, None, :] - d.travelled_x[hour] - across[0] + 0 * terrain.y[None, :, None]
    y = terrain.y[None, :, None] - d.travelled_y[hour] - across[1] + 0 * terrain.x[None, None, :]
    clouds = weather.travelling_field(seed, "clouds", hour, x, y, **CLOUDS, limit=error.limit)
    if error.limit:
        # Every member has clouds of its own: the same independent field, sampled far from the others.
        away = MEMBER_DISTANCE * np.arange(len(error.temperature))[:, None, None]
        own = hour + 1000 * error.stream
        clouds += weather.travelling_field(
            seed, "run", own, x + away, y, **CLOUDS, limit=error.limit, lost=True
        )
    front = weather.travelling_field(seed, "front", hour, x, y, length=120e3)
    band = 2.2 * np.exp(-((front / 0.4) ** 2)) - 0.8  # cloud along the front, between the air masses
    odds = 1.4 * (d.cloudiness[hour] + error.cloudiness[:, None, None]) + 2.0 * clouds + band
    across_domain = d.gradient_x[hour] * terrain.x[None, :] + d.gradient_y[hour] * terrain.y[:, None]
    free_air = (
        d.t850[hour]
        + error.temperature[:, None, None]
        + weather.FRONT_AMPLITUDE * front
        + across_domain / weather.WIDTH
        + d.lapse_rate[hour] * (terrain.altitude - 1450)
        - error.inversion[:, None, None] * cold_air(d, hour, terrain)
    )
    wind = np.hypot(d.u[hour] + error.wind_x, d.v[hour] + error.wind_y)[:, None, None]
    as32 = [np.asarray(f, dtype="float32") for f in (free_air, wind, 1 / (1 + np.exp(-odds)))]
    return Forcing(*as32, sea=float(d.sea_surface_temperature[hour]))


def advance(
    state: State, forcing: Forcing, hour: int, land: Surface, terrain: Ground, physics: Physics
) -> State:
    """One hour of the column model."""
    for sub in range(SUBSTEPS):
        state = step(state, forcing, land, terrain, physics, weather.solar_position(hour + sub / SUBSTEPS))
    return mix(state, terrain)


def _start(seed: int, hour: int, terrain: Ground) -> State:
    forcing = flow(seed, hour, terrain, no_error())
    return initial_state(terrain, forcing.free_air, forcing.sea)


def nature(seed: int, first: int, last: int, keep: Iterable[int]) -> dict[int, np.ndarray]:
    """True 2 m temperature at 1 km.

    Parameters
    ----------
    seed : int
        Data seed.
    first, last : int
        Hours since the origin; the first days are spin-up.
    keep : iterable of int
        Hours to return.

    Returns
    -------
    dict of int to numpy.ndarray
        Shape (128, 128), K, by hour.
    """
    terrain, wanted, out = ground(), set(keep), {}
    climate = weather.drivers(seed).t850_climate
    state = _start(seed, first, terrain)
    land = None
    for hour in range(first, last + 1):
        if hour in wanted:
            out[hour] = t2m(state)[0]
        if land is None or hour % 24 == 0:
            land = surface(terrain, weather.ground_state(seed, hour), float(climate[hour]))
        state = advance(state, flow(seed, hour, terrain, no_error()), hour, land, terrain, NATURE)
    return out


def _cycle_error(seed: int, hour: int) -> FlowError:
    """Error of the cycle's large scale: the drift, and a small error that changes every six hours."""
    g = weather.rng(seed, "assimilation", hour // 6)
    drift = weather.drivers(seed).model_drift[hour]
    one = lambda scale: (scale * g.standard_normal(1)).astype("float32")  # noqa: E731
    return FlowError(
        temperature=one(0.15) + np.float32(drift),
        wind_x=one(0.8),
        wind_y=one(0.8),
        cloudiness=one(0.1),
        shift_x=one(6e3),
        shift_y=one(6e3),
        inversion=np.full(1, MODEL_INVERSION, dtype="float32"),
        limit=LIMIT_AT_START,
        stream=hour // 6,
    )


def _observe(truth: np.ndarray, terrain: Ground, length: float = 12.0) -> np.ndarray:
    """Nature's large scale on the model grid: smoothed over `length` km, then interpolated."""
    fine = ground()
    at = [np.interp(g, f, np.arange(f.size)) for g, f in ((terrain.y, fine.y), (terrain.x, fine.x))]
    yy, xx = np.meshgrid(*at, indexing="ij")
    return map_coordinates(gaussian_filter(truth, length), [yy, xx], order=1)


def cycle(
    seed: int, first: int, last: int, truth: dict[int, np.ndarray], starts: Iterable[int]
) -> tuple[dict[int, np.ndarray], dict[int, State]]:
    """The forecast model's assimilation cycle.

    Parameters
    ----------
    seed : int
        Data seed.
    first, last : int
        Hours since the origin.
    truth : dict of int to numpy.ndarray
        Nature at the analysis hours.
    starts : iterable of int
        Starts of the runs.

    Returns
    -------
    background : dict of int to numpy.ndarray
        First guess at the analysis hours on the model grid, K.
    states : dict of int to State
        Corrected state at the start of each run.
    """
    terrain, wanted = ground(model=True), set(starts)
    climate = weather.drivers(seed).t850_climate
    state, background, states, land = _start(seed, first, terrain), {}, {}, None
    for hour in range(first, last + 1):
        if hour in truth:
            guess = t2m(state)[0]
            background[hour] = guess
            fine_guess = gaussian_filter(guess, 12e3 / terrain.spacing)
            increment = np.float32(0.5) * (_observe(truth[hour], terrain) - fine_guess)
            state = State(state.skin, (state.air + increment).astype("float32"), state.deep)
        if hour in wanted:
            states[hour] = state
        if land is None or hour % 24 == 0:
            land = surface(terrain, 0.0, float(climate[hour]))
        state = advance(
            state, flow(seed, hour, terrain, _cycle_error(seed, hour)), hour, land, terrain, MODEL
        )
    return background, states


@dataclass(frozen=True)
class Run:
    """One ensemble forecast on the model grid.

    Attributes
    ----------
    t2m : numpy.ndarray
        Shape (lead time, member, n, n), K; member 0 is the control.
    cloud : numpy.ndarray
        Control, (lead time, n, n), 1.
    precipitation : numpy.ndarray
        Control, (lead time, n, n), kg m-2 in the hour before.
    wind_x, wind_y : numpy.ndarray
        Control at 10 m, (lead time, n, n), m s-1.
    """

    t2m: np.ndarray
    cloud: np.ndarray
    precipitation: np.ndarray
    wind_x: np.ndarray
    wind_y: np.ndarray


@dataclass(frozen=True)
class _RunErrors:
    """Random numbers of a run: error of the control and departures of the members, initial and growing."""

    initial: np.ndarray  # (7, members): temperature, wind x, y, cloudiness, shift x, y, log inversion
    growth: np.ndarray  # the same, per day (shifts: m per day)
    stream: int


MEMBER_LOCAL_SPREAD = 0.6  # K, at the start
# Standard deviations of the control's error and of the members' departures from it. The members are
# under-dispersive on purpose, as operational ensembles are near the ground.
_CONTROL_INITIAL = np.array([0.15, 0.8, 0.8, 0.1, 6e3, 6e3, 0.1])
_CONTROL_GROWTH = np.array([0.35, 1.2, 1.2, 0.2, 20e3, 20e3, 0.1])
_MEMBER_INITIAL = np.array([0.3, 0.8, 0.8, 0.2, 6e3, 6e3, 0.2])
_MEMBER_GROWTH = np.array([0.45, 1.2, 1.2, 0.3, 20e3, 20e3, 0.15])


def _draw_errors(seed: int, start: int, members: int) -> _RunErrors:
    g = weather.rng(seed, "run", start)
    initial = _CONTROL_INITIAL[:, None] * g.standard_normal((7, 1)) * np.ones((1, MEMBERS))
    growth = _CONTROL_GROWTH[:, None] * g.standard_normal((7, 1)) * np.ones((1, MEMBERS))
    initial[:, 1:] += _MEMBER_INITIAL[:, None] * g.standard_normal((7, MEMBERS - 1))
    growth[:, 1:] += _MEMBER_GROWTH[:, None] * g.standard_normal((7, MEMBERS - 1))
    return _RunErrors(initial[:, :members], growth[:, :members], stream=start)


def _error_at(seed: int, hour: int, lead: int, errors: _RunErrors) -> FlowError:
    days = lead / 24
    total = (errors.initial + np.sqrt(days) * errors.growth * (0.5 + 0.5 * min(days, 1))).astype("float32")
    total[0] += np.float32(weather.drivers(seed).model_drift[hour])
    inversion = np.float32(MODEL_INVERSION) * np.exp(total[6])
    limit = LIMIT_AT_START + LIMIT_GROWTH * (lead // 6) / 4  # in steps: fields are kept for six hours
    return FlowError(*total[:6], inversion, limit=limit, stream=errors.stream)


def _diagnose(
    seed: int, hour: int, terrain: Ground, forcing: Forcing, error: FlowError
) -> tuple[np.ndarray, ...]:
    """Precipitation and wind at 10 m of the control."""
    d = weather.drivers(seed)
    u, v = d.u[hour] + error.wind_x[0], d.v[hour] + error.wind_y[0]
    gy, gx = np.gradient(terrain.altitude, terrain.spacing)
    lift = np.maximum(u * gx + v * gy, 0)  # m s-1
    wet = np.clip((forcing.cloud[0] - 0.8) / 0.2, 0, 1) ** 2
    # The sea is smooth: more of the wind at 850 hPa arrives at 10 m than over land.
    factor = (0.7 - 0.3 * terrain.land_area_fraction) * terrain.exposure * (1 - 0.55 * terrain.shelter)
    return wet * (1.0 + 5.0 * lift), u * factor, v * factor


def _perturbation(seed: int, start: int, terrain: Ground, errors: _RunErrors) -> np.ndarray:
    """Departure of the members' first temperature from the control's, (members, n, n), K."""
    number = np.arange(errors.initial.shape[1])[:, None, None]
    x = terrain.x[None, None, :] + MEMBER_DISTANCE * number + 0 * terrain.y[None, :, None]
    y = terrain.y[None, :, None] + 0 * x
    local = weather.travelling_field(seed, "run", 1000 * start, x, y, length=20e3)
    whole = errors.initial[0] - errors.initial[0, 0]
    spread = whole[:, None, None] + MEMBER_LOCAL_SPREAD * local
    return np.where(number > 0, spread, 0).astype("float32")


def run(seed: int, start: int, state: State, leads: Iterable[int], members: int = MEMBERS) -> Run:
    """One ensemble run of the forecast model.

    Parameters
    ----------
    seed : int
        Data seed.
    start : int
        Start, hours since the origin.
    state : State
        Corrected state of the cycle at the start.
    leads : iterable of int
        Lead times to keep, h.
    members : int
        1 for the control only.

    Returns
    -------
    Run
    """
    terrain, wanted = ground(model=True), sorted(leads)
    climate = weather.drivers(seed).t850_climate
    errors = _draw_errors(seed, start, members)
    state = State(*(np.repeat(f[:1], members, axis=0) for f in (state.skin, state.air, state.deep)))
    state = replace(state, air=state.air + _perturbation(seed, start, terrain, errors))
    kept: list[tuple[np.ndarray, ...]] = []
    land = surface(terrain, 0.0, float(climate[start]))
    for lead in range(wanted[-1] + 1):
        hour = start + lead
        error = _error_at(seed, hour, lead, errors)
        forcing = flow(seed, hour, terrain, error)
        if lead in wanted:
            kept.append((t2m(state), forcing.cloud[0], *_diagnose(seed, hour, terrain, forcing, error)))
        if lead < wanted[-1]:
            state = advance(state, forcing, hour, land, terrain, MODEL)
    return Run(*(np.stack(f).astype("float32") for f in zip(*kept, strict=True)))
