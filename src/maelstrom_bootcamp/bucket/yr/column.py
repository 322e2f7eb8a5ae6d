"""Surface energy balance of every grid point: skin, near-surface air and deep soil.

    C dTs/dt = (1 - a) S + e (Ld - sigma Ts^4) - H - LE - k (Ts - Td)
    dTa/dt   = H / (rho cp h) + min(Ts - Ta, 0) / 5 h - (Ta - Tfree) / tau - D - B
    dTd/dt   = (Ts - Td) / 8 days

S is the sunshine on the slope under the clouds, Ld the long wave from air and cloud, H the sensible heat
(weak when stable: the air then decouples from the ground), LE the latent heat, Tfree the free air at
that altitude. tau grows with the strength of the inversion and with shelter; D is the drainage of cold air
into hollows on calm clear nights, B the sea breeze. The forecast model has the same equations, coarser
ground, no D, a weak B and a cap on tau: the classic warm bias of models in cold pools.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter

from maelstrom_bootcamp.bucket.yr.terrain import Ground

SIGMA = 5.67e-8  # W m-2 K-4
RHO_CP = 1.2 * 1005.0  # J m-3 K-1
EMISSIVITY = 0.97
SOLAR_CONSTANT = 1361.0  # W m-2
HEAT_CAPACITY = 1.3e5  # of the skin layer, J m-2 K-1
RADIATIVE_TIME = 5 * 3600.0  # s, cooling of a stable surface layer to the ground by long-wave exchange
BREEZE_TIME = 3 * 3600.0  # s, exchange of the air at the coast by a full sea breeze
DEEP_SOIL_TIME = 8 * 86400.0  # s
STEP = 900.0  # s
LOWEST_SUN = 0.02  # sine of the elevation, below which it is night
LAPSE_RATE = 0.0065  # K m-1, standard atmosphere: for mixing along slopes


@dataclass(frozen=True)
class Physics:
    """What tells nature from the forecast model.

    Attributes
    ----------
    drainage : float
        Cooling of hollows by drainage at full strength, K h-1.
    longest_mixing : float
        Cap on the growth of the mixing time, h.
    breeze : float
        Strength of the sea breeze, 1 in nature.
    """

    drainage: float
    longest_mixing: float
    breeze: float


NATURE = Physics(drainage=1.3, longest_mixing=8.0, breeze=1.0)
MODEL = Physics(drainage=0.0, longest_mixing=3.0, breeze=0.4)


@dataclass(frozen=True)
class Surface:
    """Albedo (1), latent share (1) and conductance (W m-2 K-1) of the ground, shape (..., n, n)."""

    albedo: np.ndarray
    latent: np.ndarray
    conductance: np.ndarray


@dataclass(frozen=True)
class State:
    """Temperatures of skin, air and deep soil, K, shape (..., n, n)."""

    skin: np.ndarray
    air: np.ndarray
    deep: np.ndarray


@dataclass(frozen=True)
class Forcing:
    """What the large scale imposes: free air (K), wind at 850 hPa (m s-1), cloud fraction (1), sea (K).

    ``sea`` is one number, or a field of the grid.
    """

    free_air: np.ndarray
    wind: np.ndarray
    cloud: np.ndarray
    sea: float | np.ndarray


def surface(ground: Ground, hidden: np.ndarray | float, t850_climate: float) -> Surface:
    """Ground properties from the season's snow line and the hidden state.

    Parameters
    ----------
    ground : Ground
    hidden : numpy.ndarray or float
        Hidden state of the ground, unit variance; the forecast model uses 0.
    t850_climate : float
        Seasonal mean temperature at 1450 m, K: sets the snow line.

    Returns
    -------
    Surface
    """
    freezing_level = 1450 + (t850_climate - 273.15) / LAPSE_RATE
    snow = 1 / (1 + np.exp(np.clip(-(ground.altitude - freezing_level) / 200, -30, 30)))
    albedo = np.clip(0.2 + 0.35 * snow + 0.07 * np.asarray(hidden), 0.08, 0.8)
    latent = np.clip(0.4 + 0.18 * np.asarray(hidden) * (1 - snow), 0.05, 0.9)
    conductance = 3.0 * np.exp(0.35 * np.asarray(hidden)) * (1 - 0.5 * snow)
    as32 = [np.asarray(f, dtype="float32") for f in (albedo, latent, conductance)]
    return Surface(*as32)


def initial_state(ground: Ground, free_air: np.ndarray, sea: float | np.ndarray) -> State:
    """State close to balance with the free air.

    Parameters
    ----------
    ground : Ground
    free_air : numpy.ndarray
        Shape (..., n, n), K.
    sea : float or numpy.ndarray
        Sea surface temperature, K.

    Returns
    -------
    State
    """
    air = np.asarray(free_air, dtype="float32")
    deep = np.where(ground.land, air + 2, np.float32(sea)).astype("float32")
    return State(skin=np.where(ground.land, air + 1, deep), air=air, deep=deep)


def sunshine(
    ground: Ground, cloud: np.ndarray, sun: tuple[float | np.ndarray, float | np.ndarray]
) -> np.ndarray | float:
    """Short-wave radiation on the sloping ground, W m-2.

    Parameters
    ----------
    ground : Ground
    cloud : numpy.ndarray
        Cloud fraction, (..., n, n).
    sun : tuple of float or of numpy.ndarray
        Sine of the elevation, azimuth (radians): of the whole domain, or of every point.

    Returns
    -------
    numpy.ndarray or float
        0.0 when it is night everywhere.

    Notes
    -----
    Transmissivity 0.76 to the power of the air mass; cloud transmission 1 - 0.75 c^2 (for the power law with
    3.4 see Kasten and Czeplak, 1980, Solar Energy 24; 2 is used, as clouds are thinner on average here).
    """
    sin_elevation, azimuth = sun
    if np.max(sin_elevation) <= LOWEST_SUN:
        return 0.0
    up = sin_elevation > LOWEST_SUN
    sin_elevation = np.maximum(sin_elevation, LOWEST_SUN)
    cos_elevation = np.sqrt(1 - sin_elevation**2)
    facing = np.cos(ground.slope) + np.sin(ground.slope) * cos_elevation / np.maximum(
        sin_elevation, 0.12
    ) * np.cos(azimuth - ground.aspect)
    facing = np.clip(facing, 0.2, 2.0).astype("float32")
    clear = np.float32(up * SOLAR_CONSTANT * sin_elevation * 0.76 ** (1 / sin_elevation))
    direct = np.float32(0.8) * (1 - cloud)
    return clear * (1 - np.float32(0.75) * cloud**2) * (direct * facing + 1 - direct)


def step(
    state: State,
    forcing: Forcing,
    land: Surface,
    ground: Ground,
    physics: Physics,
    sun: tuple[float | np.ndarray, float | np.ndarray],
) -> State:
    """Advance by `STEP` seconds.

    Parameters
    ----------
    state, forcing, land, ground, physics
        As described above.
    sun : tuple of float or of numpy.ndarray
        Sine of the elevation, azimuth (radians).

    Returns
    -------
    State
    """
    ts, ta, td = state.skin, state.air, state.deep
    jump = ts - ta
    cloud, wind = forcing.cloud, forcing.wind
    short = sunshine(ground, cloud, sun)
    sensible = sensible_heat(state, forcing, ground)
    long_down = (0.70 + 0.0045 * (ta - 273.15) + 0.24 * cloud) * np.float32(SIGMA) * ta**4
    long_net = np.float32(EMISSIVITY) * (long_down - np.float32(SIGMA) * ts**4)
    latent = latent_heat(land, short)
    balance = (1 - land.albedo) * short + long_net - sensible - latent - land.conductance * (ts - td)
    new_skin = np.where(ground.land, ts + np.float32(STEP / HEAT_CAPACITY) * balance, td)

    inversion = np.clip((forcing.free_air - ta) / 4, 0, 2)
    calm = np.exp(-wind / 5)
    tau = 2.5 + physics.longest_mixing * inversion * (0.3 + ground.shelter.astype("float32")) * calm
    tau = np.float32(3600) * np.where(jump > 0, np.float32(5), tau)
    depth = np.where(jump > 0, 200 + 140 * np.clip(jump, 0, 5), np.float32(90))
    radiative = np.minimum(jump, 0) / np.float32(RADIATIVE_TIME)
    turbulent = sensible / (np.float32(RHO_CP) * depth)
    new_air = ta + np.float32(STEP) * (turbulent + radiative - (ta - forcing.free_air) / tau)
    if physics.drainage:
        drain = (
            ground.shelter.astype("float32")
            * np.clip(-jump / 3, 0, 1.5)
            * np.exp(-wind / 4)
            * (1 - 0.7 * cloud)
        )
        new_air = new_air - np.float32(physics.drainage * STEP / 3600) * drain
    new_air = new_air - np.float32(STEP / BREEZE_TIME) * sea_breeze(ta, forcing, ground, physics)
    new_deep = np.where(
        ground.land, td + np.float32(STEP / DEEP_SOIL_TIME) * (ts - td), np.float32(forcing.sea)
    )
    return State(*(np.asarray(f, dtype="float32") for f in (new_skin, new_air, new_deep)))


def sensible_heat(state: State, forcing: Forcing, ground: Ground) -> np.ndarray:
    """Sensible heat flux from the ground to the air, W m-2, (..., n, n); weak when stable."""
    wind = forcing.wind
    speed = np.maximum(0.33 * wind * (ground.exposure * (1 - 0.55 * ground.shelter)).astype("float32"), 0.5)
    jump = state.skin - state.air
    richardson = np.clip(-jump / speed**2 * 0.35, -3, 6)
    stable = 1 / (1 + 4 * np.maximum(richardson, 0)) ** 1.3
    unstable = 1 + 1.5 * np.sqrt(np.maximum(-richardson, 0))
    return np.float32(RHO_CP * 0.006) * speed * np.where(richardson > 0, stable, unstable) * jump


def latent_heat(land: Surface, short: np.ndarray | float) -> np.ndarray:
    """Latent heat flux from the ground to the air, W m-2, of this sunshine."""
    return land.latent * np.maximum(short * 0.5 - 30, 0)


def sea_breeze(air: np.ndarray, forcing: Forcing, ground: Ground, physics: Physics) -> np.ndarray:
    """How far the air over land is from the marine air that a sea breeze brings.

    Parameters
    ----------
    air : numpy.ndarray
        Near-surface air, K, (..., n, n).
    forcing : Forcing
    ground : Ground
    physics : Physics

    Returns
    -------
    numpy.ndarray
        K, to be divided by `BREEZE_TIME`; 0 where no breeze blows.

    Notes
    -----
    A closure, not a circulation: the breeze sets in where the land is 2 K warmer than the sea, is full at
    8 K, fades with the large-scale wind, the distance from the coast and the altitude.
    """
    warmer = air - np.float32(forcing.sea)
    onset = np.clip((warmer - 2) / 6, 0, 1) * np.exp(-((forcing.wind / 8) ** 2))
    near = np.where(ground.land, 2 * ground.maritime * np.exp(-ground.altitude / 250), 0)
    return np.float32(physics.breeze) * near.astype("float32") * onset * warmer


def mix(state: State, ground: Ground, share: float = 0.25, length: float = 2000.0) -> State:
    """Mix the air with its neighbours along the slope, once an hour.

    Parameters
    ----------
    state : State
    ground : Ground
    share : float
        How much of the difference from the smoothed field goes.
    length : float
        Standard deviation of the Gaussian, m.

    Returns
    -------
    State
    """
    theta = state.air + np.float32(LAPSE_RATE) * ground.altitude.astype("float32")
    sigma = [0.0] * (theta.ndim - 2) + [length / ground.spacing] * 2
    return replace(state, air=state.air + np.float32(share) * (gaussian_filter(theta, sigma) - theta))


def t2m(state: State) -> np.ndarray:
    """Temperature at 2 m between skin and air, K."""
    return state.air + np.clip(0.3 * (state.skin - state.air), -3.0, 2.5)
