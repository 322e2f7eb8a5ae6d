"""The 15 predictors of tier 2, diagnosed from the coarse model's column and its weather.

Temperatures of the levels come from the model's surface layer and its free air, fluxes from its energy
balance; wind, boundary-layer height and surface pressure are formulas of them. Signs as in ERA5: fluxes
downward, accumulated over an hour (here the last one times 3600 s).
"""

from __future__ import annotations

import csv
from functools import lru_cache
from importlib.resources import files

import numpy as np

from maelstrom_bootcamp.bucket.downscaling.coarsen import GRAVITY, HEAT_CAPACITY
from maelstrom_bootcamp.bucket.downscaling.nature import Moment
from maelstrom_bootcamp.bucket.downscaling.terrain import Land
from maelstrom_bootcamp.bucket.downscaling.weather import Weather, free_air
from maelstrom_bootcamp.bucket.yr.column import latent_heat, sensible_heat, sunshine, t2m

LEVELS = (115, 122, 127, 131, 135, 137)
GAS_CONSTANT = 287.05  # J kg-1 K-1, dry air
CORIOLIS = 1.1e-4  # s-1, at 49 N
DENSITY = 1.2  # kg m-3
STABLE_DEPTH = 150.0  # m, e-folding height of a stable surface layer
#: Name, units, and step to which values are rounded (a power of two: keeps files small).
UNITS = {
    "u10_in": ("m s**-1", 2**-7),
    "v10_in": ("m s**-1", 2**-7),
    "t2m_in": ("K", 2**-8),
    "blh_in": ("m", 2**-2),
    "slhf_in": ("J m**-2", 2**8),
    "sshf_in": ("J m**-2", 2**8),
    "sp_in": ("Pa", 1.0),
    "z_in": ("m**2 s**-2", 2**-2),
    "lsm_in": ("1", 2**-10),
    **{f"t{level}_in": ("K", 2**-8) for level in LEVELS},
}


@lru_cache(maxsize=1)
def level_heights() -> dict[int, float]:
    """Height above the ground of the full levels in the standard atmosphere, m.

    Returns
    -------
    dict of int to float
        From the coefficients of ECMWF's L137 (``bucket/radiation/l137.csv``) with a surface at 1013.25 hPa.
    """
    with (files("maelstrom_bootcamp.bucket.radiation") / "l137.csv").open(encoding="utf-8") as f:
        half = [float(r["a_pa"]) + 101325 * float(r["b"]) for r in csv.DictReader(f)]
    pressure = {n: (half[n - 1] + half[n]) / 2 for n in LEVELS}
    exponent = GAS_CONSTANT * 0.0065 / GRAVITY
    return {n: 288.15 / 0.0065 * (1 - (p / 101325) ** exponent) for n, p in pressure.items()}


def boundary_layer_height(m: Moment, heated: np.ndarray, speed: np.ndarray) -> np.ndarray:
    """Height of the boundary layer, m: where a parcel from the ground meets the free air, or by the wind.

    Parameters
    ----------
    m : Moment
    heated : numpy.ndarray of bool
        Where the ground heats the air.
    speed : numpy.ndarray
        Wind at 10 m, m s-1.

    Returns
    -------
    numpy.ndarray
    """
    excess = np.maximum(t2m(m.state) + 0.5 - m.forcing.free_air, 0)
    convective = excess / (GRAVITY / HEAT_CAPACITY - 0.006)
    return np.clip(np.where(heated, convective, 0) + 80 * speed, 50, 3000)


def level_temperature(w: Weather, m: Moment, ground: Land, height: float, heated: np.ndarray) -> np.ndarray:
    """Temperature at a height above the ground, K: mixed by day, a stable layer below free air by night."""
    front = w.field(
        "front", m.hour, ground.x - w.series.travelled_x[m.hour], ground.y - w.series.travelled_y[m.hour]
    )
    free = free_air(w, m.hour, ground, ground.altitude + height, front, m.forcing.cloud, model=True)
    mixed = np.maximum(free, m.state.air - GRAVITY / HEAT_CAPACITY * height)
    stable = free + (m.state.air - m.forcing.free_air) * np.exp(-height / STABLE_DEPTH)
    return np.where(heated, mixed, stable)


def predictors(w: Weather, m: Moment, ground: Land) -> dict[str, np.ndarray]:
    """All predictors on the coarse grid.

    Parameters
    ----------
    w : Weather
    m : Moment
        Of the coarse model.
    ground : Land
        Its ground.

    Returns
    -------
    dict of str to numpy.ndarray
        Shape (26, 30) each, in the order and units of `UNITS`.
    """
    s, forcing = w.series, m.forcing
    short = sunshine(ground, forcing.cloud, w.sun(m.hour, ground))
    sensible = sensible_heat(m.state, forcing, ground)
    heated = sensible > 0
    factor = (0.7 - 0.3 * ground.land_area_fraction) * ground.exposure * (1 - 0.55 * ground.shelter)
    speed = forcing.wind * factor
    u, v = s.u[m.hour], s.v[m.hour]
    along, across = u / np.hypot(u, v), v / np.hypot(u, v)
    # Geostrophic gradient of the pressure at sea level, then the height of the ground.
    sea_level = s.pressure[m.hour] + DENSITY * CORIOLIS * (v * ground.x - u * ground.y)
    mean = m.state.air + 0.00325 * ground.altitude
    heights = level_heights()
    return {
        "u10_in": along * speed,
        "v10_in": across * speed,
        "t2m_in": t2m(m.state),
        "blh_in": boundary_layer_height(m, heated, speed),
        "slhf_in": -3600 * latent_heat(m.land, short),
        "sshf_in": -3600 * sensible,
        "sp_in": sea_level * np.exp(-GRAVITY * ground.altitude / (GAS_CONSTANT * mean)),
        "z_in": GRAVITY * ground.altitude,
        "lsm_in": ground.land_area_fraction,
        **{f"t{n}_in": level_temperature(w, m, ground, heights[n], heated) for n in LEVELS},
    }
