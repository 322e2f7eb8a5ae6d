"""Where the columns stand: real land, ice, mountains and sea temperatures; the sun; the ground's reflection.

Land, land ice and orography (ETOPO 2022, on 2 degrees) and the monthly climatology of the sea surface (NOAA
OI SST V2, 1991-2020) are fields that ship with climt. All else is a formula with its source, or a round
number of ours, as the data card says.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import as_file, files

import numpy as np
import xarray as xr

BANDS = 16  # patches of the archive
SEA, LAND, LAND_ICE, SEA_ICE, DESERT, SNOW = range(6)
SURFACES = ("sea", "land", "land_ice", "sea_ice", "desert", "snow")
#: Diffuse albedo below and above 0.69 µm, and emissivity inside and outside of the window, by surface.
_ALBEDO = np.array([[0.06, 0.06], [0.06, 0.28], [0.85, 0.6], [0.6, 0.4], [0.22, 0.42], [0.75, 0.5]])
_EMISSIVITY = np.array([[0.98, 0.99], [0.96, 0.99], [0.98, 0.99], [0.97, 0.99], [0.92, 0.97], [0.98, 0.99]])
SOLAR_CONSTANT = 1361.0  # W/m², total solar irradiance (Kopp and Lean 2011)
FREEZING_SEA = 271.6  # K; the climatology holds this value, about, wherever the sea is frozen


@dataclass(frozen=True)
class Places:
    """Points of the globe at one time; all arrays are (column,).

    Attributes
    ----------
    latitude, longitude : numpy.ndarray
        Degrees north, degrees east from 0 to 360.
    altitude : numpy.ndarray
        Height of the ground above the sea, m.
    surface : numpy.ndarray
        Index into `SURFACES`.
    cos_zenith : numpy.ndarray
        Cosine of the solar zenith angle, 0 at night.
    season : numpy.ndarray
        From -1 (midwinter of this hemisphere) to 1 (midsummer).
    air, skin : numpy.ndarray
        Temperature near the ground and of its skin, K.
    sea_level_pressure : numpy.ndarray
        Pa.
    """

    latitude: np.ndarray
    longitude: np.ndarray
    altitude: np.ndarray
    surface: np.ndarray
    cos_zenith: np.ndarray
    season: np.ndarray
    air: np.ndarray
    skin: np.ndarray
    sea_level_pressure: np.ndarray

    @property
    def sea(self) -> np.ndarray:
        """Open water or sea ice."""
        return (self.surface == SEA) | (self.surface == SEA_ICE)


def places(time: datetime, patch: int, n: int, rng: np.random.Generator, warming: float = 0.0) -> Places:
    """Draw points of a patch, evenly over its area.

    Parameters
    ----------
    time : datetime.datetime
        UTC.
    patch : int
        0 to 15: band of latitude from north to south, each of the same area.
    n : int
        Number of points.
    rng : numpy.random.Generator
    warming : float
        Added to all temperatures of the ground, K.

    Returns
    -------
    Places
    """
    latitude = np.degrees(np.arcsin(1 - 2 * (patch + rng.random(n)) / BANDS))
    longitude = 360 * rng.random(n)
    code, altitude, sst = _geography(latitude, longitude, time)
    declination, hour_angle, _ = sun(time, longitude)
    mu = cos_zenith(latitude, declination, hour_angle)
    # Land and sea lag the sun by a month or two; one lag for all is enough here.
    lagged = np.cos(2 * np.pi * (time.timetuple().tm_yday - 200) / 365.25)
    season = lagged * np.sign(latitude)
    weather = rng.standard_normal((3, n))
    storminess = np.sin(np.radians(np.abs(latitude)))  # weather varies little in the tropics

    land = code > 0
    zonal = zonal_mean(latitude)
    amplitude = np.where(land, 20.0, 6.0) * storminess**2
    air = zonal + amplitude * season + (1.5 + 4.0 * storminess) * weather[0] - 0.0065 * altitude
    air = np.where(land, air, sst + (0.5 + 2.0 * storminess) * weather[0] - 1.0)
    frozen = ~land & (sst < FREEZING_SEA + 0.3) & (np.abs(latitude) > 50)
    air = np.where(frozen, np.minimum(zonal + 12 * season + 5 * weather[0] + 8, 273.0), air) + warming
    # The skin of dry land follows the sun; at night it is colder than the air.
    day = np.where(land, 14.0 * mu - 4.0, 0.0) + np.where(frozen, -1.5, 0.0)
    skin = np.where(land | frozen, air + day + 1.0 * weather[1], sst + warming)

    desert = land & (np.abs(np.abs(latitude) - 24) < 9) & (rng.random(n) < 0.55)
    snow = land & (air < 271.0)
    surface = np.select([code == 2, snow, desert, land, frozen], [LAND_ICE, SNOW, DESERT, LAND, SEA_ICE], SEA)
    skin = np.where(np.isin(surface, (LAND_ICE, SNOW, SEA_ICE)), np.minimum(skin, 273.16), skin)
    pressure = 101_300 + (300 + 1_000 * storminess) * weather[2] + 400 * np.cos(np.radians(6 * latitude))
    return Places(latitude, longitude, altitude, surface, mu, season, air, skin, pressure)


def zonal_mean(latitude: np.ndarray) -> np.ndarray:
    """Annual mean temperature of the air at sea level, K.

    North (1975), doi:10.1175/1520-0469(1975)032<2033:TOECM>2.0.CO;2: 14.9 °C - 28 K times the second Legendre
    polynomial of the sine of the latitude.
    """
    return 273.15 + 14.9 - 28.0 * (3 * np.sin(np.radians(latitude)) ** 2 - 1) / 2


def sun(time: datetime, longitude: np.ndarray) -> tuple[float, np.ndarray, float]:
    """Declination (radian), hour angle (radian), and irradiance at the distance of the day (W/m²).

    Fourier series of Spencer (1971), Search 2 (5), 172; with the equation of time, at most 16 minutes.
    """
    day = time.timetuple().tm_yday - 1 + time.hour / 24
    g = 2 * np.pi * day / 365.25
    declination = (
        0.006918
        - 0.399912 * np.cos(g)
        + 0.070257 * np.sin(g)
        - 0.006758 * np.cos(2 * g)
        + 0.000907 * np.sin(2 * g)
        - 0.002697 * np.cos(3 * g)
        + 0.00148 * np.sin(3 * g)
    )
    distance = 1.00011 + 0.034221 * np.cos(g) + 0.00128 * np.sin(g)
    distance += 0.000719 * np.cos(2 * g) + 0.000077 * np.sin(2 * g)
    equation = 0.000075 + 0.001868 * np.cos(g) - 0.032077 * np.sin(g)
    equation += -0.014615 * np.cos(2 * g) - 0.040849 * np.sin(2 * g)
    hours = time.hour + time.minute / 60
    hour_angle = 2 * np.pi * (hours - 12) / 24 + np.radians(longitude) + equation
    return declination, hour_angle, SOLAR_CONSTANT * distance


def cos_zenith(latitude: np.ndarray, declination: float, hour_angle: np.ndarray) -> np.ndarray:
    """Cosine of the solar zenith angle (column,), 0 where the sun is below the horizon."""
    phi = np.radians(latitude)
    mu = np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.cos(hour_angle)
    return np.maximum(mu, 0.0)


def reflection(at: Places, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Albedos and emissivities of the ground.

    Parameters
    ----------
    at : Places
    rng : numpy.random.Generator

    Returns
    -------
    dict of str to numpy.ndarray
        ``sw_albedo``, ``sw_albedo_direct`` (column, 6): the bands of the IFS, three below and three above
        0.69 µm; ``lw_emissivity`` (column, 2): in the atmospheric window and outside.
    """
    n = at.surface.size
    vary = np.exp(0.2 * rng.standard_normal((n, 1)) + 0.05 * rng.standard_normal((n, 2)))
    diffuse = np.clip(_ALBEDO[at.surface] * np.where(at.sea[:, None], 1.0, vary), 0.02, 0.95)
    mu = at.cos_zenith[:, None]
    # Over land after Briegleb (1992), doi:10.1029/92JD00291; over open water Taylor et al. (1996),
    # doi:10.1002/qj.49712253309.
    direct = np.clip(diffuse * 1.4 / (1 + 0.8 * mu), 0.02, 0.98)
    water = np.broadcast_to(0.037 / (1.1 * mu**1.4 + 0.15), direct.shape)
    direct = np.where((at.surface == SEA)[:, None], water, direct)
    emissivity = np.clip(_EMISSIVITY[at.surface] + 0.005 * rng.standard_normal((n, 2)), 0.85, 1.0)
    return {
        "sw_albedo": np.repeat(diffuse, 3, axis=1),
        "sw_albedo_direct": np.repeat(direct, 3, axis=1),
        "lw_emissivity": emissivity,
    }


def _geography(
    latitude: np.ndarray, longitude: np.ndarray, time: datetime
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Kind of surface (0 sea, 1 land, 2 land ice), altitude (m) and sea surface temperature (K)."""
    mask, orography, sst = _fields()
    at = {"lat": xr.DataArray(latitude, dims="column"), "lon": xr.DataArray(longitude, dims="column")}
    month = (time.timetuple().tm_yday - 15) / 30.4375 % 12  # the monthly means stand for mid-month
    low = int(month)
    two = sst.isel(time=[low, (low + 1) % 12]).sel(at, method="nearest").values
    kelvin = 273.15 + two[0] * (1 - month + low) + two[1] * (month - low)
    code = mask.sel(at, method="nearest").values
    return code, np.maximum(orography.sel(at, method="nearest").values, 0.0), kelvin


@cache
def _fields() -> tuple[xr.DataArray, xr.DataArray, xr.DataArray]:
    folder = files("climt") / "_data"

    def read(path: str, name: str) -> xr.DataArray:
        with as_file(folder.joinpath(path)) as file, xr.open_dataset(file, decode_times=False) as ds:
            return ds[name].load()

    topography = read("topography/earth_topography_2deg.nc", "surface_geopotential") / 9.80665
    mask = read("land_mask/earth_landmask_2deg.nc", "area_type_code")
    return mask, topography, read("data_ocean/earth_sst_climatology_1deg.nc", "tos")
