"""The air of a column without its clouds: pressure, temperature, humidity, gases and aerosols.

Climatology by formula plus random departures that are smooth in height. The column is hydrostatic, the layers
are those of the IFS (L137). What is published carries its source; the other numbers are round ones of ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from maelstrom_bootcamp.bucket.radiation.places import DESERT, Places

G, R_DRY = 9.80665, 287.05  # m/s², J/(kg K)
EPSILON = 0.62198  # molar mass of water over that of dry air
M_O3, M_AIR = 47.998, 28.966  # g/mol
#: Pressure (Pa) and temperature (K) of the U.S. Standard Atmosphere (1976) above the tropopause.
_STANDARD_P = np.array([5474.9, 868.02, 110.91, 66.94, 3.9564, 0.3734])
_STANDARD_T = np.array([216.65, 228.65, 270.65, 270.65, 214.65, 186.95])
#: Gases that are mixed evenly below the stratosphere: values of 2019/20, mol/mol. The IFS counts all minor
#: halogens as CFC-11, so that its files hold 0 for HCFC-22 and CCl4, and so do ours.
_WELL_MIXED = {
    "co2_vmr": 4.12e-4,
    "n2o_vmr": 3.33e-7,
    "ch4_vmr": 1.87e-6,
    "o2_vmr": 0.2094,
    "cfc11_vmr": 8.6e-10,
    "cfc12_vmr": 5.0e-10,
    "hcfc22_vmr": 0.0,
    "ccl4_vmr": 0.0,
}
#: Extinction at 0.55 µm, m²/kg, of the twelve aerosols of the IFS: three sizes of sea salt, three of dust,
#: two of organic matter, two of soot, sulphate, stratospheric sulphate.
EXTINCTION = np.array([3000, 700, 100, 2500, 950, 400, 5000, 3500, 9000, 9000, 6000, 9000.0])
#: Share of each aerosol in the optical depth of its kind, and which kind it is (RRTMG's names).
KINDS = ("continental", "maritime", "desert", "urban", "volcanic", "stratospheric")
AEROSOL_KIND = np.array([1, 1, 1, 2, 2, 2, 0, 0, 3, 3, 0, 5])
_SHARE = np.array([0.35, 0.6, 0.05, 0.2, 0.3, 0.5, 0.35, 0.2, 0.5, 0.5, 0.45, 1.0])


@dataclass(frozen=True)
class Air:
    """Profiles (column, 138) at half levels or (column, 137) in layers, from the top down.

    Attributes
    ----------
    pressure_hl, temperature_hl : numpy.ndarray
        Pa, K, at half levels.
    pressure, temperature, thickness : numpy.ndarray
        Pa and K in layers; thickness in Pa.
    depth : numpy.ndarray
        Geometric thickness of the layers, m.
    q, q_saturation : numpy.ndarray
        Specific humidity and that of saturation, kg/kg.
    tropopause : numpy.ndarray
        Pressure of the tropopause (column,), Pa.
    """

    pressure_hl: np.ndarray
    temperature_hl: np.ndarray
    pressure: np.ndarray
    temperature: np.ndarray
    thickness: np.ndarray
    depth: np.ndarray
    q: np.ndarray
    q_saturation: np.ndarray
    tropopause: np.ndarray


@cache
def half_levels() -> tuple[np.ndarray, np.ndarray]:
    """Coefficients a (Pa) and b (138,) of the half levels: pressure = a + b times surface pressure.

    ECMWF, L137 model level definitions: https://confluence.ecmwf.int/display/UDOC/L137+model+level+definitions
    """
    table = (files("maelstrom_bootcamp.bucket.radiation") / "l137.csv").read_text().splitlines()[1:]
    a, b = np.array([[float(x) for x in line.split(",")[1:]] for line in table]).T
    return a, b


def air(at: Places, rng: np.random.Generator, warming: float = 0.0) -> Air:
    """Draw the air over each place.

    Parameters
    ----------
    at : Places
        Its temperatures already include the warming.
    rng : numpy.random.Generator
    warming : float
        Added to the whole troposphere, K; the stratosphere stays as it is.

    Returns
    -------
    Air
    """
    a, b = half_levels()
    scale = R_DRY * np.maximum(at.air + 0.00325 * at.altitude, 220) / G
    surface = at.sea_level_pressure * np.exp(-at.altitude / scale)
    half = a + b * surface[:, None]
    log_p = np.log(np.maximum(half, 1.0))
    tropopause = 9_500 + 19_000 * np.sin(np.radians(np.abs(at.latitude))) ** 2 * (1 - 0.1 * at.season)
    temperature = _temperature(at, log_p, tropopause, rng, warming)
    layer = 0.5 * (half[:, 1:] + half[:, :-1])
    kelvin = 0.5 * (temperature[:, 1:] + temperature[:, :-1])
    saturation = saturation_humidity(kelvin, layer)
    q = _humidity(at, layer, surface, saturation, tropopause, rng)
    virtual = kelvin * (1 + (1 / EPSILON - 1) * q)
    depth = R_DRY * virtual / G * np.diff(np.log(np.maximum(half, 1.0)))
    return Air(half, temperature, layer, kelvin, np.diff(half), depth, q, saturation, tropopause)


def _temperature(
    at: Places, log_p: np.ndarray, tropopause: np.ndarray, rng: np.random.Generator, warming: float
) -> np.ndarray:
    """Half-level temperatures (column, 138) in K."""
    n, polar = at.air.size, np.sin(np.radians(np.abs(at.latitude))) ** 2
    # Free air: the zonal mean with a damped season, from sea level to the tropopause; linear in ln p.
    ground = 299.5 - 40.0 * polar + 9.0 * polar * at.season + (1 + 3 * np.sqrt(polar)) * rng.normal(size=n)
    top = 196.0 + 24.0 * polar + 5.0 * polar * at.season
    nodes_p = np.log(_STANDARD_P[::-1])
    nodes_t = np.broadcast_to(_STANDARD_T[::-1], (n, 6)).copy()
    # Lower stratosphere: cold over the tropics and in the polar night, warm in the polar summer.
    nodes_t[:, 5] += -8.0 * (1 - polar) + 10.0 * polar * at.season
    nodes_t[:, 4] += 6.0 * polar * at.season
    nodes_t[:, 2:4] += 12.0 * (polar * at.season)[:, None]
    out = np.empty_like(log_p)
    for i in range(n):
        p = np.append(nodes_p, [np.log(tropopause[i]), np.log(101_325)])
        t = np.append(nodes_t[i], [top[i], ground[i]])
        out[i] = np.interp(log_p[i], p, t)
    troposphere = 1 / (1 + np.exp(-4 * (log_p - np.log(tropopause)[:, None])))
    out += warming * troposphere + smooth_noise(rng, log_p, 0.9) * (1.0 + 2.0 * np.sqrt(polar))[:, None]
    # The lowest kilometre or so knows the ground; warm ground mixes deeper than cold ground cools.
    below = np.log(np.exp(log_p[:, -1:]) / np.exp(log_p))
    excess = at.air - out[:, -1]
    reach = np.where(excess > 0, 0.25, 0.10)[:, None]
    out += np.maximum(excess, -25.0)[:, None] * np.exp(-below / reach)
    return np.maximum(_stable(out, log_p), 150.0)


def _stable(temperature: np.ndarray, log_p: np.ndarray) -> np.ndarray:
    """Limit the lapse rate to the dry adiabatic one, working upwards from the ground."""
    out = temperature.copy()
    for k in range(out.shape[1] - 2, 0, -1):
        adiabatic = out[:, k + 1] * np.exp(0.2857 * (log_p[:, k] - log_p[:, k + 1]))
        out[:, k] = np.maximum(out[:, k], adiabatic)
    return out


def saturation_humidity(temperature: np.ndarray, pressure: np.ndarray) -> np.ndarray:
    """Specific humidity of saturated air, kg/kg: over water above 0 °C, over ice below -23 °C, mixed between.

    IFS Documentation Cy47r3, part IV, section 7.4.2 (Teten's formula and its mixed phase).
    """
    t = temperature
    water = 611.21 * np.exp(17.502 * (t - 273.16) / (t - 32.19))
    ice = 611.21 * np.exp(22.587 * (t - 273.16) / (t + 0.7))
    liquid = liquid_fraction(t)
    e = np.minimum(liquid * water + (1 - liquid) * ice, 0.5 * pressure)
    return EPSILON * e / (pressure - (1 - EPSILON) * e)


def liquid_fraction(temperature: np.ndarray) -> np.ndarray:
    """Share of liquid water in condensate, 0 below 250.16 K and 1 above 273.16 K (same source)."""
    return np.clip((temperature - 250.16) / 23.0, 0, 1) ** 2


def _humidity(
    at: Places,
    p: np.ndarray,
    surface: np.ndarray,
    saturation: np.ndarray,
    tropopause: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    # Manabe and Wetherald (1967), doi:10.1175/1520-0469(1967)024<0241:TEOTAW>2.0.CO;2: relative humidity
    # falls linearly with pressure. Drier in the descending air of the subtropics.
    sigma = p / surface[:, None]
    relative = 0.77 * np.clip((sigma - 0.02) / 0.98, 0.15, None)
    dry = 0.45 * np.exp(-(((np.abs(at.latitude) - 23) / 9) ** 2))[:, None] * (sigma < 0.85)
    dry = dry + 0.25 * (at.surface == DESERT)[:, None]
    relative = relative * (1 - dry) * np.exp(0.45 * smooth_noise(rng, np.log(p), 0.5))
    q = np.clip(relative, 0.01, 1.02) * saturation
    # Above the tropopause about 5 ppmv of water.
    return np.where(p < tropopause[:, None], np.minimum(q, 3.1e-6), np.maximum(q, 3.1e-6))


def gases(at: Places, column: Air, day: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Ozone (kg/kg) and the other gases (mol/mol), each (column, 137).

    The shape of ozone is that of RCEMIP (Wing et al. 2018, doi:10.5194/gmd-11-793-2018), moved down towards
    the poles and scaled to about 260 to 380 Dobson units, with a scatter of 7 %.

    Parameters
    ----------
    at : Places
    column : Air
    day : int
        Day of the year.
    rng : numpy.random.Generator

    Returns
    -------
    dict of str to numpy.ndarray
    """
    polar = np.sin(np.radians(np.abs(at.latitude))) ** 2
    spring = np.cos(2 * np.pi * (day - 90) / 365.25) * np.sign(at.latitude)
    dobson = (260 + 90 * polar * (1 + 0.3 * spring)) * np.exp(0.07 * rng.standard_normal(polar.size))
    hpa = column.pressure / 100 / (1 + 1.2 * polar)[:, None]
    vmr = 3.6478e-6 * hpa**0.83209 * np.exp(-hpa / 11.3515) + 3e-8
    mass = vmr * M_O3 / M_AIR
    total = (mass * column.thickness).sum(1) / G / 2.1415e-5  # 1 Dobson unit is 2.1415e-5 kg/m²
    mass = mass * (dobson / total)[:, None] * np.exp(0.08 * smooth_noise(rng, np.log(column.pressure), 1.2))
    out = {"o3_mmr": mass}
    share = np.minimum(column.pressure / column.tropopause[:, None], 1.0)
    for name, value in _WELL_MIXED.items():
        # Methane, nitrous oxide and the CFCs are destroyed in the stratosphere.
        decay = {"n2o_vmr": 0.4, "ch4_vmr": 0.25, "cfc11_vmr": 0.8, "cfc12_vmr": 0.5}.get(name, 0.0)
        out[name] = value * share**decay
    return out


def aerosols(at: Places, column: Air, rng: np.random.Generator) -> np.ndarray:
    """Mass mixing ratios (column, 12, 137) of the IFS's aerosols, kg/kg."""
    n = at.surface.size
    sea, desert = at.sea, np.abs(np.abs(at.latitude) - 20) < 15
    peopled = np.exp(-(((at.latitude - 35) / 20) ** 2)) * np.where(sea, 0.35, 1.0)
    typical = np.stack(  # optical depth at 0.55 µm by kind
        [
            0.04 + 0.12 * peopled,
            np.where(sea, 0.07, 0.01),
            np.where(desert, np.where(sea, 0.06, 0.12), 0.01),
            0.003 + 0.01 * peopled,
            np.zeros(n),
            np.full(n, 0.003),
        ],
        axis=1,
    )
    spread = np.array([0.6, 0.6, 0.6, 0.6, 0.6, 0.25])  # the stratosphere is well mixed
    depth = typical * np.exp(spread * rng.standard_normal((n, 6)) - 0.5 * spread**2)
    # Exponential decay with height (scale 1 to 3 km); the last kind sits above the tropopause.
    sigma = column.pressure / column.pressure_hl[:, -1:]
    power = np.exp(rng.normal(1.1, 0.3, (n, 1)))
    low = sigma**power * column.thickness
    high = (column.pressure < column.tropopause[:, None]) * (column.pressure > 1_000) * column.thickness
    low, high = low / low.sum(1, keepdims=True), high / high.sum(1, keepdims=True)
    mass = np.empty((n, EXTINCTION.size, column.pressure.shape[1]))
    for i, (kind, share, k) in enumerate(zip(AEROSOL_KIND, _SHARE, EXTINCTION, strict=True)):
        profile = high if kind == 5 else low
        mass[:, i] = depth[:, kind, None] * share * profile / (k * column.thickness / G)
    return mass


def optical_depth(aerosol: np.ndarray, thickness: np.ndarray) -> np.ndarray:
    """Optical depth at 0.55 µm by RRTMG's kinds (6, column, 137) from mixing ratios (column, 12, 137)."""
    each = aerosol * EXTINCTION[:, None] * thickness[:, None] / G
    return np.stack([each[:, kind == AEROSOL_KIND].sum(1) for kind in range(len(KINDS))])


def smooth_noise(rng: np.random.Generator, x: np.ndarray, length: float) -> np.ndarray:
    """Gaussian process of variance 1 along x (column, k), correlated over `length`."""
    nodes = np.arange(-1.0, 12.5, 0.5 * min(length, 1.0))
    gap = (nodes[:, None] - nodes) / length
    values, vectors = np.linalg.eigh(np.exp(-0.5 * gap**2))
    root = vectors * np.sqrt(np.maximum(values, 0))
    # eigh's signs and order differ between linear algebra libraries: the symmetric root does not.
    draws = rng.standard_normal((x.shape[0], nodes.size)) @ (root @ vectors.T)
    return np.stack([np.interp(row, nodes, values) for row, values in zip(x, draws, strict=True)])
