"""Air at 2 m: it relaxes towards what the ground, the sea and the air aloft ask for.

The core has no boundary layer; this scheme stands for one. Heights, coasts and the climate of the sea are
real. Its constants were chosen (see the data card), for nature and, a little wrong, for the forecast model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maelstrom_bootcamp.bucket.ens10.flow import Flow, standard_temperature
from maelstrom_bootcamp.bucket.ens10.ground import Ground
from maelstrom_bootcamp.bucket.ens10.qg import season

AIR_LEVEL = 700.0  # hPa: the lower troposphere's anomaly of temperature is taken from here
LAPSE_RATE = 5.5e-3  # K m-1, of air at 2 m along the ground
LAND_SUMMER = 5.0  # K, of land against the air aloft, summer plus and winter minus
LAND_MEMORY, SEA_MEMORY = 1.5, 0.6  # K: standard deviation of what soil and sea remember
MEMORY_DAYS = 15.0
CALM = 3e-5  # s-1: anticyclonic vorticity of a fully grown inversion
FREEZING = 272.0  # K: a sea that is colder is ice, and behaves as land
FROZEN = 271.35  # K: sea water gets no colder
STEP_DAYS = 0.5


@dataclass(frozen=True)
class Scheme:
    """Constants of the surface.

    Attributes
    ----------
    inversion : float
        How much colder the ground is than the air aloft says, in calm winter weather, K.
    land_days, sea_days : float
        Time in which the air at 2 m adapts.
    sea_share : float
        Share of the sea, against the air aloft, in the air above it.
    """

    inversion: float = 9.0
    land_days: float = 1.0
    sea_days: float = 1.5
    sea_share: float = 0.75


NATURE = Scheme()
FORECAST = Scheme(inversion=7.5, land_days=0.8, sea_share=0.73)


@dataclass(frozen=True)
class Below:
    """What lies below the air at one time, fields (longitude, latitude, batch).

    Attributes
    ----------
    orography : numpy.ndarray
        m, without batch.
    land : numpy.ndarray
        Share of land and ice.
    sst : numpy.ndarray
        K, with its anomaly.
    memory : numpy.ndarray
        Anomaly of the ground with unit variance.
    inversion : numpy.ndarray
        Factor on the strength of the inversion, (batch,) or a number.
    """

    orography: np.ndarray
    land: np.ndarray
    sst: np.ndarray
    memory: np.ndarray
    inversion: np.ndarray | float = 1.0


def below(
    ground: Ground,
    orography: np.ndarray,
    day: np.ndarray,
    memory: np.ndarray,
    *,
    inversion: np.ndarray | float = 1.0,
    sea_bias: np.ndarray | float = 0.0,
) -> Below:
    """The ground of a day.

    Parameters
    ----------
    ground : Ground
    orography : numpy.ndarray
        Heights that the model believes in, (longitude, latitude), m.
    day : numpy.ndarray
        Day of the year, (batch,).
    memory : numpy.ndarray
        Anomaly of ground and sea, unit variance, (longitude, latitude, batch).
    inversion : numpy.ndarray or float
        Factor, see `Below`.
    sea_bias : numpy.ndarray or float
        What the model's sea is too warm, (longitude, latitude, 1), K.

    Returns
    -------
    Below
    """
    climate = ground.sst(day)
    ice = np.clip(FREEZING - climate, 0, 1)
    land = ground.land[..., None] + (1 - ground.land[..., None]) * ice
    sst = climate + (SEA_MEMORY * memory + sea_bias) * (1 - ice)
    return Below(orography, land, np.maximum(sst, FROZEN), memory, inversion)


def cold_pool(scheme: Scheme, flow: Flow, day: np.ndarray, inversion: np.ndarray | float) -> np.ndarray:
    """Strength of the inversion (K): in winter, where the air turns anticyclonically."""
    lat = flow.sphere.latitude[:, None]
    winter = np.clip(0.5 + 0.5 * season(day) * _hemisphere(lat), 0, 1) * np.clip(
        (np.abs(lat) - 20) / 15, 0, 1
    )
    calm = np.clip(0.2 - np.sign(lat) * flow.vorticity(2) / CALM, 0, 1.5)
    return scheme.inversion * inversion * winter * calm


def _hemisphere(latitude: np.ndarray) -> np.ndarray:
    """1 in the north, -1 in the south, smooth between 45 N and 45 S."""
    return np.clip(np.sin(np.radians(latitude)) / np.sin(np.radians(45)), -1, 1)


def target(scheme: Scheme, flow: Flow, day: np.ndarray, ground: Below) -> np.ndarray:
    """Temperature that the air at 2 m would have if weather stood still.

    Parameters
    ----------
    scheme : Scheme
    flow : Flow
        Batch of states.
    day : numpy.ndarray
        Day of the year, (batch,).
    ground : Below

    Returns
    -------
    numpy.ndarray
        (longitude, latitude, batch), K.
    """
    air = standard_temperature(1000.0) + flow.temperature_anomaly(AIR_LEVEL)
    summer = -season(day) * _hemisphere(flow.sphere.latitude)[:, None]
    land = air - LAPSE_RATE * ground.orography[..., None] + LAND_SUMMER * summer
    land = land - cold_pool(scheme, flow, day, ground.inversion) + LAND_MEMORY * ground.memory
    sea = scheme.sea_share * ground.sst + (1 - scheme.sea_share) * air
    return (ground.land * land + (1 - ground.land) * sea).astype("float32")


def relax(scheme: Scheme, t2m: np.ndarray, wanted: np.ndarray, ground: Below) -> np.ndarray:
    """Air at 2 m after one step of `STEP_DAYS`."""
    days = ground.land * scheme.land_days + (1 - ground.land) * scheme.sea_days
    kept = np.exp(-STEP_DAYS / days)
    return (kept * t2m + (1 - kept) * wanted).astype("float32")
