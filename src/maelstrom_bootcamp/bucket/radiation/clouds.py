"""Clouds of five kinds, drawn for each column: where they are likely, how much they cover, what they hold.

They are statistical, not the outcome of a model: each kind is present or not, by chance that depends on
latitude, surface and season, and several may lie above each other. Numbers without a source are round ones of
ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maelstrom_bootcamp.bucket.radiation.air import R_DRY, Air, G, liquid_fraction, smooth_noise
from maelstrom_bootcamp.bucket.radiation.places import LAND_ICE, SEA, Places

TYPES = ("stratocumulus", "cumulus", "altostratus", "cirrus", "deep")
#: Below this a layer counts as clear (so does the IFS).
LEAST_COVER = 1e-3


@dataclass(frozen=True)
class Clouds:
    """Clouds in the layers (column, 137), from the top down.

    Attributes
    ----------
    fraction : numpy.ndarray
        Cover, 0 to 1.
    liquid, ice : numpy.ndarray
        Mean over the whole layer, clear parts included, kg/kg.
    re_liquid, re_ice : numpy.ndarray
        Effective radius of drops and of crystals, m.
    overlap : numpy.ndarray
        Overlap of neighbouring layers (column, 136): 1 maximum, 0 random.
    present : numpy.ndarray
        Which `TYPES` are in the column (column, 5).
    """

    fraction: np.ndarray
    liquid: np.ndarray
    ice: np.ndarray
    re_liquid: np.ndarray
    re_ice: np.ndarray
    overlap: np.ndarray
    present: np.ndarray


def clouds(at: Places, column: Air, rng: np.random.Generator) -> Clouds:
    """Draw the clouds of each column.

    Parameters
    ----------
    at : Places
    column : Air
    rng : numpy.random.Generator

    Returns
    -------
    Clouds
    """
    present = rng.random((at.surface.size, len(TYPES))) < _chance(at)
    clear = np.ones_like(column.pressure)
    water = np.zeros_like(column.pressure)
    for kind in range(len(TYPES)):
        base, top, cover, path = _extent(kind, at, column, rng)
        shape = _shape(column.pressure, base, top)
        cover_here = (
            cover[:, None] * shape**0.5 * np.exp(0.3 * smooth_noise(rng, np.log(column.pressure), 0.3))
        )
        cover_here = np.clip(cover_here, 0, 1) * present[:, kind, None]
        content = shape * np.exp(0.5 * smooth_noise(rng, np.log(column.pressure), 0.2)) * column.thickness
        content = content / np.maximum(content.sum(1, keepdims=True), 1e-12)
        clear *= 1 - cover_here
        # path is that of the cloudy part, kg/m²; times the cover it is the mean of the layer.
        water += path[:, None] * content * G / column.thickness * cover_here
    fraction = np.where(1 - clear > LEAST_COVER, 1 - clear, 0.0)
    water = np.where(fraction > 0, water, 0.0)
    # A layer without water is no cloud.
    fraction = np.where(water / np.maximum(fraction, LEAST_COVER) > 1e-8, fraction, 0.0)
    water = np.where(fraction > 0, water, 0.0)
    liquid = liquid_fraction(column.temperature) * water
    ice = water - liquid
    re_liquid, re_ice = _radii(at, column, fraction, liquid, ice)
    return Clouds(fraction, liquid, ice, re_liquid, re_ice, _overlap(at, column), present)


def _chance(at: Places) -> np.ndarray:
    """Probability of each type (column, 5)."""
    lat = np.abs(at.latitude)
    rain_belt = np.exp(-(((at.latitude - 6 * at.season * np.sign(at.latitude)) / 9) ** 2))
    storms = np.exp(-(((lat - 52) / 16) ** 2))
    subtropics = np.exp(-(((lat - 23) / 10) ** 2))
    water = at.surface == SEA
    dry = np.where(at.surface == LAND_ICE, 0.5, 1.0)
    return np.stack(
        [
            np.where(water, 0.35 + 0.25 * subtropics + 0.2 * storms, 0.25 + 0.15 * storms),
            np.where(water, 0.45, 0.15 + 0.35 * at.cos_zenith),
            (0.15 + 0.35 * storms) * dry,
            0.3 + 0.3 * rain_belt + 0.15 * storms,
            (0.03 + 0.25 * rain_belt + 0.15 * storms) * (1 - 0.8 * subtropics) * dry,
        ],
        axis=1,
    )


def _extent(
    kind: int, at: Places, column: Air, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Base and top (Pa), cover, and water path of the cloudy part (kg/m²), each (column,)."""
    n = at.surface.size
    ground, trop = column.pressure_hl[:, -1], column.tropopause
    u, cover_draw = rng.random((2, n))
    spread = rng.standard_normal((2, n))
    if kind == 0:
        base = ground * (0.97 - 0.08 * u)
        thickness = ground * 0.03 * np.exp(0.4 * spread[0])
        cover, path = 0.4 + 0.6 * cover_draw, 0.07 * np.exp(0.6 * spread[1])
    elif kind == 1:
        base = ground * (0.95 - 0.06 * u)
        thickness = ground * 0.10 * np.exp(0.6 * spread[0])
        cover, path = 0.05 + 0.35 * cover_draw, 0.08 * np.exp(0.8 * spread[1])
    elif kind == 2:
        base = trop + (ground - trop) * (0.35 + 0.4 * u)
        thickness = 6_000 * np.exp(0.5 * spread[0])
        cover, path = 0.3 + 0.7 * cover_draw, 0.08 * np.exp(0.7 * spread[1])
    elif kind == 3:
        base = trop + (ground - trop) * (0.05 + 0.2 * u)
        thickness = 4_000 * np.exp(0.5 * spread[0])
        cover, path = 0.1 + 0.9 * cover_draw, 0.015 * np.exp(0.9 * spread[1])
    else:
        base = ground * (0.95 - 0.1 * u)
        thickness = (base - trop) * (0.6 + 0.4 * rng.random(n))
        cover, path = 0.3 + 0.7 * cover_draw, 0.6 * np.exp(0.7 * spread[1])
    return base, np.maximum(base - thickness, 0.9 * trop), cover, path


def _shape(p: np.ndarray, base: np.ndarray, top: np.ndarray) -> np.ndarray:
    """0 outside of the cloud, 1 in its middle (column, 137)."""
    # At least 1200 Pa deep, so that most thin clouds meet the middle of a layer.
    middle, half = 0.5 * (base + top)[:, None], np.maximum(0.5 * (base - top), 600.0)[:, None]
    return np.clip(1 - ((p - middle) / half) ** 2, 0, 1)


def _radii(
    at: Places, column: Air, fraction: np.ndarray, liquid: np.ndarray, ice: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    density = column.pressure / (R_DRY * column.temperature)
    inside = density / np.maximum(fraction, LEAST_COVER)
    # Drops after Martin et al. (1994), doi:10.1175/1520-0469(1994)051<1823:TMAPOE>2.0.CO;2: number and
    # width of their spectrum differ over sea and land.
    number, width = np.where(at.sea, 100e6, 300e6)[:, None], np.where(at.sea, 0.80, 0.67)[:, None]
    drops = np.cbrt(3 * liquid * inside / (4 * np.pi * 1000.0 * number * width))
    re_liquid = np.clip(drops, 4e-6, 30e-6)
    # Crystals after Sun and Rikus (1999), corrected by Sun (2001), as in ecRad's ice_effective_radius.F90.
    content, celsius = 1000 * ice * inside, column.temperature - 273.15
    size = 45.8966 * content**0.2214 + 0.7957 * content**0.2535 * (column.temperature - 83.15)
    diameter = np.clip((1.2351 + 0.0105 * celsius) * size, 40, 155)
    re_ice = 0.64952e-6 * np.where(ice > 0, diameter, 80.0)
    return re_liquid, re_ice


def _overlap(at: Places, column: Air) -> np.ndarray:
    # Decorrelation length after Shonk et al. (2010), doi:10.1002/qj.647, equation 13.
    length = 2_899 - 27.59 * np.abs(at.latitude)
    between = 0.5 * (column.depth[:, 1:] + column.depth[:, :-1])
    return np.exp(-between / length[:, None])
