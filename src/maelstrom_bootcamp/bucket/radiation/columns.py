"""Columns of air as the inputs of a radiation scheme, in the names and units of ``maelstrom-radiation``."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import xarray as xr

from maelstrom_bootcamp.bucket.radiation.air import aerosols, air, gases
from maelstrom_bootcamp.bucket.radiation.clouds import TYPES, clouds
from maelstrom_bootcamp.bucket.radiation.places import BANDS, SURFACES, places, reflection, sun
from maelstrom_bootcamp.errors import BootcampError

_COLUMN, _LEVEL, _HALF = ("column",), ("column", "level"), ("column", "half_level")
#: Name in the files -> dimensions, units, meaning.
INPUTS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "lat": (_COLUMN, "degrees_north", "latitude"),
    "lon": (_COLUMN, "degrees_east", "longitude"),
    "skin_temperature": (_COLUMN, "K", "temperature of the surface"),
    "cos_solar_zenith_angle": (_COLUMN, "1", "cosine of the solar zenith angle, 0 at night"),
    "sw_albedo": (("column", "sw_albedo_band"), "1", "albedo for diffuse sunlight"),
    "sw_albedo_direct": (("column", "sw_albedo_band"), "1", "albedo for direct sunlight"),
    "lw_emissivity": (("column", "lw_emiss_band"), "1", "longwave emissivity of the surface"),
    "pressure_hl": (_HALF, "Pa", "pressure at half levels"),
    "temperature_hl": (_HALF, "K", "temperature at half levels"),
    "q": (_LEVEL, "kg kg-1", "specific humidity"),
    "o3_mmr": (_LEVEL, "kg kg-1", "mass mixing ratio of ozone"),
    "co2_vmr": (_LEVEL, "mol mol-1", "volume mixing ratio of carbon dioxide"),
    "n2o_vmr": (_LEVEL, "mol mol-1", "volume mixing ratio of nitrous oxide"),
    "ch4_vmr": (_LEVEL, "mol mol-1", "volume mixing ratio of methane"),
    "o2_vmr": (_LEVEL, "mol mol-1", "volume mixing ratio of oxygen"),
    "cfc11_vmr": (_LEVEL, "mol mol-1", "volume mixing ratio of CFC-11, equivalent of all minor halogens"),
    "cfc12_vmr": (_LEVEL, "mol mol-1", "volume mixing ratio of CFC-12"),
    "hcfc22_vmr": (_LEVEL, "mol mol-1", "volume mixing ratio of HCFC-22 (counted as CFC-11)"),
    "ccl4_vmr": (_LEVEL, "mol mol-1", "volume mixing ratio of carbon tetrachloride (counted as CFC-11)"),
    "cloud_fraction": (_LEVEL, "1", "cloud cover of the layer"),
    "aerosol_mmr": (("column", "aerosol_type", "level"), "kg kg-1", "mass mixing ratios of aerosols"),
    "q_liquid": (_LEVEL, "kg kg-1", "cloud water, mean of cloudy and clear parts"),
    "q_ice": (_LEVEL, "kg kg-1", "cloud ice, mean of cloudy and clear parts"),
    "re_liquid": (_LEVEL, "m", "effective radius of cloud drops"),
    "re_ice": (_LEVEL, "m", "effective radius of ice crystals"),
    "overlap_param": (("column", "level_interface"), "1", "overlap of clouds in neighbouring layers"),
    "fractional_std": (_LEVEL, "1", "variability of cloud water inside of clouds: none in this sample"),
    "inv_cloud_effective_size": (_LEVEL, "m-1", "inverse size of clouds: no 3-D effects in this sample"),
}
#: What only the generator knows.
TRUTH = {
    "surface": (_COLUMN, "1", "kind of surface"),
    "altitude": (_COLUMN, "m", "height of the ground"),
    "cloud_type": (("column", "type"), "1", "which kinds of clouds are in the column"),
}


def columns(
    date: str, timestep: int, patch: int, n: int, *, seed: int = 0, warming: float = 0.0
) -> xr.Dataset:
    """Draw columns of one patch of the globe at one time.

    Parameters
    ----------
    date : str
        "YYYYMMDD".
    timestep : int
        Steps of 12 minutes since 00 UTC of the date.
    patch : int
        0 to 15: band of latitude from north to south, each of the same area.
    n : int
        Number of columns.
    seed : int
        The same arguments give the same columns.
    warming : float
        K added to the ground and the troposphere; relative humidity stays as it is, so that the air holds
        more water. The random numbers are those of ``warming=0``: the same weather in a warmer climate.

    Returns
    -------
    xarray.Dataset
        The variables of `INPUTS` and ``solar_irradiance`` (no dimension, W/m²), as in the files of
        ``maelstrom-radiation``, in double precision; besides those of `TRUTH`.

    Raises
    ------
    BootcampError
        If the date cannot be read, or a number is out of range.
    """
    try:
        time = datetime.strptime(date, "%Y%m%d") + timedelta(minutes=12 * timestep)
    except (TypeError, ValueError) as error:
        raise BootcampError(f"The date {date!r} cannot be read.", 'Write it as "YYYYMMDD".') from error
    if n < 1 or not 0 <= patch < BANDS or timestep < 0:
        raise BootcampError(
            f"There are no {n} columns in patch {patch} at time step {timestep}.",
            f"Take n >= 1, a patch from 0 to {BANDS - 1} and a time step >= 0.",
        )
    # One stream for each part: what one draws does not shift the others.
    streams = np.random.default_rng([seed, int(date), timestep, patch]).spawn(6)
    at = places(time, patch, n, streams[0], warming)
    column = air(at, streams[1], warming)
    cloud = clouds(at, column, streams[2])
    # Cloudy air is saturated.
    q = np.maximum(column.q, cloud.fraction * column.q_saturation)
    values = {
        "lat": at.latitude,
        "lon": at.longitude,
        "skin_temperature": at.skin,
        "cos_solar_zenith_angle": at.cos_zenith,
        "pressure_hl": column.pressure_hl,
        "temperature_hl": column.temperature_hl,
        "q": q,
        "cloud_fraction": cloud.fraction,
        "aerosol_mmr": aerosols(at, column, streams[3]),
        "q_liquid": cloud.liquid,
        "q_ice": cloud.ice,
        "re_liquid": cloud.re_liquid,
        "re_ice": cloud.re_ice,
        "overlap_param": cloud.overlap,
        "fractional_std": np.zeros_like(q),
        "inv_cloud_effective_size": np.zeros_like(q),
        "surface": at.surface,
        "altitude": at.altitude,
        "cloud_type": cloud.present,
    }
    values |= reflection(at, streams[4]) | gases(at, column, time.timetuple().tm_yday, streams[5])
    ds = xr.Dataset(
        {
            name: (dims, values[name], {"units": units, "long_name": text})
            for name, (dims, units, text) in (INPUTS | TRUTH).items()
        }
    )
    irradiance = {"units": "W m-2", "long_name": "sunlight on a plane that faces the sun"}
    ds["solar_irradiance"] = ((), sun(time, at.longitude)[2], irradiance)
    ds["surface"].attrs["flag_meanings"] = " ".join(SURFACES)
    ds["cloud_type"].attrs["flag_meanings"] = " ".join(TYPES)
    ds.attrs = {"time": f"{time:%Y-%m-%dT%H:%MZ}", "patch": patch, "seed": seed}
    return ds
