"""RRTMG, a radiation scheme that weather and climate models use, on columns of ``maelstrom-radiation``.

RRTMG (Mlawer et al. 1997, doi:10.1029/97JD00237; Iacono et al. 2008, doi:10.1029/2008JD009944) as compiled
into climt (Monteiro et al. 2018, doi:10.5194/gmd-11-3781-2018). It has 14 bands of sunlight and 16 of
longwave. Where a layer is partly cloudy, each of its 112 and 140 spectral points sees one random arrangement
of the clouds (McICA, Pincus et al. 2003, doi:10.1029/2002JD003322), with maximum overlap of layers that touch
and random overlap of those that do not. Fluxes are right in the mean over the draws; one draw is noisy.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import numpy as np
import xarray as xr

from maelstrom_bootcamp.bucket.radiation.air import M_AIR, M_O3, G, optical_depth
from maelstrom_bootcamp.errors import BootcampError

CP = 1004.0  # J/(kg K), as in the plugin of maelstrom-radiation
BANDS = ("sw", "lw")
FLUXES = ("flux_dn_sw", "flux_up_sw", "flux_dn_lw", "flux_up_lw")
#: Columns that RRTMG is given at once: enough to fill its loops, few enough for the cache.
BLOCK = 64
#: Longwave bands of RRTMG inside the atmospheric window, 820 to 1180 per cm.
_WINDOW = slice(5, 8)
#: Radii, µm, that RRTMG's parametrisations cover: of crystals (Ebert and Curry 1992) and of drops.
_RADIUS_ICE, _RADIUS_LIQUID = (13.0, 130.0), (2.5, 60.0)
_HALF, _LAYER = ("column", "half_level"), ("column", "level")
_NEEDED = (
    "pressure_hl",
    "temperature_hl",
    "skin_temperature",
    "cos_solar_zenith_angle",
    "sw_albedo",
    "sw_albedo_direct",
    "lw_emissivity",
    "q",
    "o3_mmr",
    "co2_vmr",
    "n2o_vmr",
    "ch4_vmr",
    "o2_vmr",
    "cfc11_vmr",
    "cfc12_vmr",
    "hcfc22_vmr",
    "ccl4_vmr",
    "cloud_fraction",
    "aerosol_mmr",
    "q_liquid",
    "q_ice",
    "re_liquid",
    "re_ice",
)


def solve(
    columns: xr.Dataset,
    *,
    draws_sw: int = 1,
    draws_lw: int = 1,
    seed: int = 0,
    first: bool = False,
    bands: Sequence[str] = BANDS,
) -> xr.Dataset:
    """Compute the fluxes of sunlight and of the longwave.

    Parameters
    ----------
    columns : xarray.Dataset
        Inputs in the names, units and order (top first) of ``maelstrom-radiation``; "solar_irradiance" may be
        one number or one per column.
    draws_sw, draws_lw : int
        Random arrangements of the clouds to average over. Clear columns and the night need none.
    seed : int
        Of the arrangements.
    first : bool
        Also return the fluxes of the first draw alone, with ``_first``.
    bands : sequence of {"sw", "lw"}
        What to compute: sunlight, longwave or both.

    Returns
    -------
    xarray.Dataset
        ``flux_dn_sw``, ``flux_up_sw``, ``flux_dn_lw``, ``flux_up_lw`` and the same with ``_clear`` (without
        clouds), (column, half_level) in W/m²; with more than one draw also ``..._sd``, the standard deviation
        of a single draw, and ``hr_sw_sd``, ``hr_lw_sd`` (column, level), that of the heating rates in K/day.
        Attributes ``draws_sw``, ``draws_lw``.

    Raises
    ------
    BootcampError
        If a number of draws is not at least 1, there is no such band, or a variable is missing or not finite.
    """
    if not bands or set(bands) - set(BANDS):
        raise BootcampError(f"bands={bands!r} are no bands of radiation.", 'Give ("sw",), ("lw",) or both.')
    if min(draws_sw, draws_lw) < 1:
        raise BootcampError(f"{min(draws_sw, draws_lw)} draws cannot be averaged.", "Give at least 1.")
    bad = [n for n in _NEEDED if n not in columns or not np.isfinite(columns[n].values).all()]
    if bad:
        raise BootcampError(f"The columns lack finite values of {', '.join(bad)}.", "Check the inputs.")
    n = columns.sizes["column"]
    levels = columns.sizes["half_level"]
    fluxes = [name for name in FLUXES if name[-2:] in bands]
    out = {f"{f}{part}": np.zeros((n, levels)) for f in fluxes for part in ("", "_clear", "_first", "_sd")}
    out |= {f"hr_{band}_sd": np.zeros((n, levels - 1)) for band in BANDS if band in bands}
    lit = np.flatnonzero(columns["cos_solar_zenith_angle"].values > 0)
    for band, which, draws in (("sw", lit, draws_sw), ("lw", np.arange(n), draws_lw)):
        if band not in bands:
            continue
        for start in range(0, which.size, BLOCK):
            # A stream of its own for each block and band: what one draws does not shift the others.
            rng = np.random.default_rng([seed, band == "lw", start])
            _average(band, columns, which[start : start + BLOCK], draws, rng, out)
    draws = {"sw": draws_sw, "lw": draws_lw}
    ds = xr.Dataset(
        {
            name: (_LAYER, values, {"units": "K d-1"})
            if "hr" in name
            else (_HALF, values, {"units": "W m-2"})
            for name, values in out.items()
            if (first or not name.endswith("_first"))
            and (draws["sw" if "_sw" in name else "lw"] > 1 or not name.endswith("_sd"))
        }
    )
    return ds.assign_attrs(draws_sw=draws_sw, draws_lw=draws_lw)


def heating_rate(down: np.ndarray, up: np.ndarray, pressure: np.ndarray) -> np.ndarray:
    """Heating rate of the layers, -(g / cp) d(down - up) / dp, in K/day.

    Parameters
    ----------
    down, up, pressure : numpy.ndarray
        (..., half_level), W/m² and Pa.

    Returns
    -------
    numpy.ndarray
        (..., level)
    """
    return -G / CP * 86_400 * np.diff(down - up) / np.diff(pressure)


def _average(
    band: str,
    columns: xr.Dataset,
    block: np.ndarray,
    draws: int,
    rng: np.random.Generator,
    out: dict[str, np.ndarray],
) -> None:
    """Mean and standard deviation over the draws, written into `out` for the columns of a block."""
    names = [f"flux_{way}_{band}" for way in ("dn", "up")]
    here = columns.isel(column=block)
    total = _run(band, here, _state(here, band), rng)
    for way, name in enumerate(names):
        out[name][block] = out[f"{name}_first"][block] = total[way]
        out[f"{name}_clear"][block] = total[way + 2]
    cloudy = np.flatnonzero((here["cloud_fraction"].values > 0).any(axis=1))
    if draws == 1 or cloudy.size == 0:
        return
    here = here.isel(column=cloudy)
    state, pressure = _state(here, band), here["pressure_hl"].values
    parts = [f"flux_dn_{band}", f"flux_up_{band}", f"hr_{band}"]
    mean = [*total[:2, cloudy], heating_rate(*total[:2, cloudy], pressure)]
    squares = [np.zeros_like(m) for m in mean]
    for i in range(2, draws + 1):  # Welford (1962): stable, and no draw has to be kept
        flux = _run(band, here, state, rng)[:2]
        for j, value in enumerate((*flux, heating_rate(*flux, pressure))):
            step = value - mean[j]
            mean[j] = mean[j] + step / i
            squares[j] += step * (value - mean[j])
    for j, name in enumerate(parts):
        out[f"{name}_sd"][block[cloudy]] = np.sqrt(squares[j] / (draws - 1))
        if j < len(names):
            out[name][block[cloudy]] = mean[j]


def _run(band: str, columns: xr.Dataset, state: dict[str, Any], rng: np.random.Generator) -> np.ndarray:
    """Down, up, down clear, up clear of one draw (4, column, half_level), top first."""
    # climt takes RRTMG's seed from NumPy's global generator: give it back as it was.
    before = np.random.get_state()  # noqa: NPY002
    np.random.seed(rng.integers(2**31 - 1))  # noqa: NPY002
    try:
        _, fluxes = _scheme(band)(dict(state))
    finally:
        np.random.set_state(before)  # noqa: NPY002
    kind = {"sw": "shortwave", "lw": "longwave"}[band]
    names = [f"{way}welling_{kind}_flux_in_air" for way in ("down", "up")]
    names += [f"{name}_assuming_clear_sky" for name in names]
    result = np.stack([np.asarray(fluxes[name])[::-1].T for name in names])
    if band == "sw":
        # All fluxes are in proportion to the sun's: columns of different days can share one call.
        incoming = columns["cos_solar_zenith_angle"] * columns["solar_irradiance"]
        result *= (incoming.values / result[0, :, 0])[:, None]
    return result


@cache
def _scheme(band: str) -> Callable[[dict[str, Any]], tuple]:
    """RRTMG for one band; imported only here, because climt takes two seconds to import."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # climt's dependencies warn about themselves
        from climt import RRTMGLongwave, RRTMGShortwave

        common = {"mcica": True, "cloud_overlap_method": "maximum_random"}
        if band == "lw":
            return RRTMGLongwave(calculate_interface_temperature=False, **common).array_call
        return RRTMGShortwave(aerosol_type="ecmwf", ignore_day_of_year=True, **common).array_call


_GASES = {
    "carbon_dioxide": "co2_vmr",
    "methane": "ch4_vmr",
    "nitrous_oxide": "n2o_vmr",
    "oxygen": "o2_vmr",
    "cfc11": "cfc11_vmr",
    "cfc12": "cfc12_vmr",
    "cfc22": "hcfc22_vmr",
    "carbon_tetrachloride": "ccl4_vmr",
}


def _state(columns: xr.Dataset, band: str) -> dict[str, Any]:
    """The columns in climt's names, units and order: (level, column), from the ground up."""

    def up(values: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(values.T[::-1], dtype=float)

    value = {name: np.asarray(columns[name].values, float) for name in _NEEDED}
    half = np.maximum(value["pressure_hl"], 0.1)  # RRTMG cannot take the 0 Pa at the top
    layer = 0.5 * (half[:, 1:] + half[:, :-1])
    kelvin = 0.5 * (value["temperature_hl"][:, 1:] + value["temperature_hl"][:, :-1])
    # RRTMG wants the water of the cloudy part, in g/m².
    mass = np.diff(half) / G * 1000 / np.maximum(value["cloud_fraction"], 1e-6)
    state = {
        "air_pressure": up(layer / 100),
        "air_pressure_on_interface_levels": up(half / 100),
        "air_temperature": up(kelvin),
        "air_temperature_on_interface_levels": up(value["temperature_hl"]),
        "surface_temperature": value["skin_temperature"],
        "specific_humidity": up(value["q"]),
        "mole_fraction_of_ozone_in_air": up(value["o3_mmr"] * M_AIR / M_O3),
        "cloud_area_fraction_in_atmosphere_layer": up(value["cloud_fraction"]),
        "mass_content_of_cloud_ice_in_atmosphere_layer": up(value["q_ice"] * mass),
        "mass_content_of_cloud_liquid_water_in_atmosphere_layer": up(value["q_liquid"] * mass),
        "cloud_ice_particle_size": up(np.clip(1e6 * value["re_ice"], *_RADIUS_ICE)),
        "cloud_water_droplet_radius": up(np.clip(1e6 * value["re_liquid"], *_RADIUS_LIQUID)),
    }
    for gas, name in _GASES.items():
        state[f"mole_fraction_of_{gas}_in_air"] = up(value[name])
    return state | (_sunlight if band == "sw" else _longwave)(value, layer.shape)


def _sunlight(value: dict[str, np.ndarray], shape: tuple[int, int]) -> dict[str, Any]:
    n, levels = shape
    bands = 14
    depth = optical_depth(value["aerosol_mmr"], np.diff(value["pressure_hl"]))
    state = {
        "time": datetime(2020, 1, 1),  # not used, but looked up
        "solar_cycle_fraction": np.array(0.0),
        "flux_adjustment_for_earth_sun_distance": np.array(1.0),
        "zenith_angle": np.arccos(value["cos_solar_zenith_angle"]),
        "aerosol_optical_depth_at_55_micron": np.ascontiguousarray(depth.transpose(0, 2, 1)[:, ::-1]),
    }
    # The IFS has three bands below 0.69 µm and three above; climt has one each.
    for kind, name in (("direct", "sw_albedo_direct"), ("diffuse", "sw_albedo")):
        albedo = value[name]
        state[f"surface_albedo_for_{kind}_shortwave"] = albedo[:, :3].mean(axis=1)
        state[f"surface_albedo_for_{kind}_near_infrared"] = albedo[:, 3:].mean(axis=1)
    for name in ("shortwave_optical_thickness", "single_scattering_albedo"):
        state[f"{name}_due_to_cloud"] = np.zeros((levels, n, bands))
        state[f"{name}_due_to_aerosol"] = np.zeros((bands, levels, n))
    state["aerosol_asymmetry_parameter"] = np.zeros((bands, levels, n))
    for name in ("cloud_asymmetry_parameter", "cloud_forward_scattering_fraction"):
        state[name] = np.zeros((levels, n, bands))
    return state


def _longwave(value: dict[str, np.ndarray], shape: tuple[int, int]) -> dict[str, Any]:
    n, levels = shape
    bands = 16
    inside, outside = value["lw_emissivity"].T
    emissivity = np.tile(outside, (bands, 1))
    emissivity[_WINDOW] = inside
    return {
        "surface_longwave_emissivity": np.minimum(emissivity, 1.0),
        "longwave_optical_thickness_due_to_cloud": np.zeros((levels, n, bands)),
        "longwave_optical_thickness_due_to_aerosol": np.zeros((bands, levels, n)),
    }
