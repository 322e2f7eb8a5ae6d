"""Humidity, cloud and rain: DIAGNOSED. The core is dry; these are formulas of its motion and temperature.

They have the right units, size and seasons, and rising air is moist, cloudy and rainy. They do not act back
on the flow and carry no information of their own. The data card and the metadata say so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maelstrom_bootcamp.bucket.ens10.flow import GRAVITY, Flow

BACKGROUND, SLOPE, SMALLEST_HUMIDITY = 0.65, 3.0, 0.1  # relative humidity at rest; per (Pa s-1) of ascent
WATER_DENSITY = 1000.0  # kg m-3


@dataclass(frozen=True)
class Moisture:
    """Diagnosed fields, (longitude, latitude, batch).

    Attributes
    ----------
    tcwv, tcw : numpy.ndarray
        Column water vapour, and with cloud water, kg m-2.
    tcc : numpy.ndarray
        Cloud cover, 0 to 1.
    rain : numpy.ndarray
        Rate, kg m-2 s-1.
    convective : numpy.ndarray
        Share of it that is called convective.
    """

    tcwv: np.ndarray
    tcw: np.ndarray
    tcc: np.ndarray
    rain: np.ndarray
    convective: np.ndarray


def saturation(temperature: np.ndarray, pressure: float) -> np.ndarray:
    """Specific humidity (kg kg-1) of saturated air over water.

    Magnus formula with the constants of Bolton (1980, Mon. Wea. Rev. 108, 1046-1053).
    """
    celsius = temperature - 273.15
    vapour = 6.112 * np.exp(17.67 * celsius / (celsius + 243.5))  # hPa
    return 0.622 * vapour / np.maximum(pressure - 0.378 * vapour, vapour)


def relative_humidity(flow: Flow, pressure: float) -> np.ndarray:
    """Relative humidity, 0 to 1: more where air rises."""
    motion, _ = flow.vertical(pressure)
    return np.clip(BACKGROUND - SLOPE * motion, SMALLEST_HUMIDITY, 1)


def specific_humidity(flow: Flow, pressure: float) -> np.ndarray:
    """Specific humidity, kg kg-1."""
    return relative_humidity(flow, pressure) * saturation(flow.temperature(pressure), pressure)


def moisture(flow: Flow) -> Moisture:
    """Column water, cloud and rain.

    Humidity is taken to fall with the cube of pressure, from its value at 850 hPa.
    """
    humidity = specific_humidity(flow, 850.0)
    tcwv = humidity / 0.85**3 * 1e5 / (4 * GRAVITY)
    rising = flow.interfaces[:, :, 1]
    relative = np.clip(BACKGROUND - SLOPE * rising, SMALLEST_HUMIDITY, 1)
    tcc = np.clip((relative - 0.4) / 0.6, 0, 1)
    rain = np.maximum(-rising, 0) * humidity / GRAVITY * tcc
    warm = np.clip((flow.temperature(850.0) - 265) / 30, 0.05, 0.8)
    return Moisture(tcwv, tcwv + 0.5 * tcc**2, tcc, rain, warm)
