"""Large-scale weather over the domain: the part of the atmosphere that is prescribed, hour by hour.

Everything here is a function of the seed and the hour, so that any block of days can be simulated on its
own (in parallel, resumed after a kill) and meets the same weather. Slow quantities are Ornstein-Uhlenbeck
processes around a seasonal cycle. Clouds and fronts are random fields that the wind carries across the
domain: a forecast with a wrong wind has the right front in the wrong place, and its neighbours know.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

import numpy as np
from scipy.fft import irfft2
from scipy.ndimage import gaussian_filter, gaussian_filter1d, map_coordinates
from scipy.signal import lfilter

from maelstrom_bootcamp.bucket.yr.terrain import LATITUDE_0, LONGITUDE_0, POINTS, SPACING

ORIGIN = datetime(2020, 2, 1)  # hour 0, UTC
HOURS = 24 * 765  # to 2022-03-07
MEMORY_DAYS = 12.0  # of the hidden state of the ground: decorrelation time
FRONT_AMPLITUDE = 1.8  # K at 850 hPa
_TILE, _CELL = 256, 4000.0  # periodic tile of the travelling fields: cells per side, m
_RENEWAL = 12  # h, after which a travelling field has been replaced by a new one
_STREAMS = (
    "slow",
    "wind",
    "drift",
    "ground",
    "clouds",
    "front",
    "run",
    "stations",
    "observations",
    "assimilation",
    "inversion",
)


def rng(seed: int, stream: str, *index: int) -> np.random.Generator:
    """Random numbers of one purpose, independent of all others.

    Parameters
    ----------
    seed : int
        Data seed.
    stream : str
        Purpose, one of a fixed list.
    *index : int
        For example the number of the run.

    Returns
    -------
    numpy.random.Generator
    """
    return np.random.default_rng([seed, _STREAMS.index(stream), *index])


def hour_of(time: datetime) -> int:
    """Hours since the origin of the simulated archive."""
    return round((time - ORIGIN).total_seconds() / 3600)


def time_of(hour: int) -> datetime:
    """Inverse of `hour_of`."""
    return ORIGIN + timedelta(hours=hour)


def day_of_year(hour: float) -> float:
    """Day of the year, with fraction."""
    time = ORIGIN + timedelta(hours=float(hour))
    return time.timetuple().tm_yday + (time.hour + time.minute / 60) / 24


def ornstein_uhlenbeck(generator: np.random.Generator, n: int, tau: float, smooth: float = 0.0) -> np.ndarray:
    """Stationary AR(1) series with unit variance (before smoothing).

    Parameters
    ----------
    generator : numpy.random.Generator
    n : int
        Number of steps.
    tau : float
        Decorrelation time, in steps.
    smooth : float
        Standard deviation of a Gaussian smoother, in steps; 0 for none.

    Returns
    -------
    numpy.ndarray
        Shape (n,).
    """
    a = np.exp(-1 / tau)
    noise = generator.standard_normal(n)
    start = noise[0]
    noise = noise * np.sqrt(1 - a * a)
    noise[0] = start
    series = lfilter([1.0], [1.0, -a], noise)
    return gaussian_filter1d(series, smooth) if smooth else series


@dataclass(frozen=True)
class Drivers:
    """Hourly series of the large scale; each has shape (HOURS,).

    Attributes
    ----------
    t850 : numpy.ndarray
        Temperature at 1450 m, K.
    t850_climate : numpy.ndarray
        Its seasonal cycle, K.
    gradient_x, gradient_y : numpy.ndarray
        Horizontal gradient, K per 128 km.
    lapse_rate : numpy.ndarray
        dT/dz of the free air, K m-1 (negative).
    u, v : numpy.ndarray
        Wind at 850 hPa, m s-1.
    cloudiness : numpy.ndarray
        Log-odds of cloud, without texture.
    inversion : numpy.ndarray
        Strength of the low-level inversion, K at sea level; 0 for none.
    inversion_top : numpy.ndarray
        Its top, m above sea level.
    travelled_x, travelled_y : numpy.ndarray
        Path of the air since the origin, m.
    sea_surface_temperature : numpy.ndarray
        K.
    model_drift : numpy.ndarray
        Large-scale temperature error of the forecast model, K, decorrelating in 10 days.
    """

    t850: np.ndarray
    t850_climate: np.ndarray
    gradient_x: np.ndarray
    gradient_y: np.ndarray
    lapse_rate: np.ndarray
    u: np.ndarray
    v: np.ndarray
    cloudiness: np.ndarray
    inversion: np.ndarray
    inversion_top: np.ndarray
    travelled_x: np.ndarray
    travelled_y: np.ndarray
    sea_surface_temperature: np.ndarray
    model_drift: np.ndarray


@lru_cache(maxsize=2)
def drivers(seed: int) -> Drivers:
    """Large-scale series of one archive.

    Parameters
    ----------
    seed : int
        Data seed.

    Returns
    -------
    Drivers
    """
    g = rng(seed, "slow")
    slow = [ornstein_uhlenbeck(g, HOURS, tau=60, smooth=4) for _ in range(5)]
    g = rng(seed, "wind")
    wind = [ornstein_uhlenbeck(g, HOURS, tau=36, smooth=3) for _ in range(2)]
    first = day_of_year(0)
    year = 2 * np.pi * (first + np.arange(HOURS) / 24) / 365.25
    cold = np.cos(year - 2 * np.pi * 25 / 365.25)  # coldest around 25 January
    climate = 278.5 - 8.5 * cold
    u, v = 2.5 + 5.5 * wind[0], 5.5 * wind[1]
    g = rng(seed, "inversion")
    subsidence, top = (ornstein_uhlenbeck(g, HOURS, tau=60, smooth=6) for _ in range(2))
    # Cold air lies in the lowlands in anticyclonic weather: calm, above it clear, mostly in winter.
    settled = 0.8 * subsidence - 0.4 * slow[4] + 0.8 * cold - 0.06 * (np.hypot(u, v) - 6) - 0.7
    return Drivers(
        t850=climate + 4.0 * slow[0],
        t850_climate=climate,
        gradient_x=1.2 * slow[1],
        gradient_y=-1.2 + 1.2 * slow[2],
        lapse_rate=-(6.0 + 0.9 * slow[3] - 0.5 * cold) / 1000,
        u=u,
        v=v,
        cloudiness=1.2 * slow[4] + 0.04 * u + 0.5 + 0.3 * cold,
        inversion=4.0 * np.maximum(settled, 0),
        inversion_top=np.clip(800 + 250 * top, 350, 1500),
        travelled_x=np.cumsum(u) * 3600,
        travelled_y=np.cumsum(v) * 3600,
        sea_surface_temperature=289.5 - 7.0 * np.cos(year - 2 * np.pi * 45 / 365.25),
        model_drift=0.35 * ornstein_uhlenbeck(rng(seed, "drift"), HOURS, tau=240, smooth=12),
    )


@lru_cache(maxsize=32)
def _spectrum(seed: int, stream: str, number: int, length: float, steepness: float) -> np.ndarray:
    """Spectrum of one periodic Gaussian random field with unit variance and outer scale `length` (m)."""
    g = rng(seed, stream, number)
    amplitude = (1 + _wavenumber2() * length**2) ** -steepness
    amplitude[0, 0] = 0
    noise = g.standard_normal((2, _TILE, _TILE // 2 + 1), dtype="float32")
    spectrum = ((noise[0] + 1j * noise[1]) * amplitude).astype("complex64")
    return spectrum / np.float32(irfft2(spectrum, s=(_TILE, _TILE)).std())


@lru_cache(maxsize=1)
def _wavenumber2() -> np.ndarray:
    kx = np.fft.fftfreq(_TILE, _CELL)[:, None] * 2 * np.pi
    ky = np.fft.rfftfreq(_TILE, _CELL)[None] * 2 * np.pi
    return kx**2 + ky**2


@lru_cache(maxsize=64)
def _tile(
    seed: int, stream: str, number: int, length: float, steepness: float, limit: float, lost: bool
) -> np.ndarray:
    """What a forecast with the predictability limit `limit` (m) knows of a field, or has lost."""
    spectrum = _spectrum(seed, stream, number, length, steepness)
    known = np.exp(-0.5 * _wavenumber2() * limit**2)
    share = np.sqrt(np.maximum(1 - known**2, 0)) if lost else known
    return irfft2(spectrum * share.astype("float32"), s=(_TILE, _TILE)).astype("float32")


def travelling_field(
    seed: int,
    stream: str,
    hour: float,
    x: np.ndarray,
    y: np.ndarray,
    length: float,
    *,
    steepness: float = 1.5,
    limit: float = 0.0,
    lost: bool = False,
) -> np.ndarray:
    """Random field carried by the wind and slowly replaced, unit variance.

    Parameters
    ----------
    seed : int
        Data seed.
    stream : {"clouds", "front"}
        Which field; other streams give independent fields of the same kind.
    hour : float
        Hours since the origin.
    x, y : numpy.ndarray
        Where to sample it, in the coordinates of the moving air, m.
    length : float
        Outer scale, m: the spectrum is flat beyond it.
    steepness : float
        The amplitude falls with the wavenumber k as (1 + (k length)^2)^-steepness: 1.5 gives smooth air
        masses, 0.75 the k^-2 spectrum of clouds.
    limit : float
        Predictability limit, m: of each wavenumber a forecast knows the share exp(-(k limit)^2 / 2).
        Small scales are lost first (Lorenz, 1969, Tellus, doi:10.1111/j.2153-3490.1969.tb00444.x).
    lost : bool
        Return the complement, what a field of the same kind has where the known one has been lost: the sum
        of both parts has unit variance again.

    Returns
    -------
    numpy.ndarray
        Shape of `x`.
    """
    number, part = divmod(hour, _RENEWAL)
    angle = part / _RENEWAL * np.pi / 2  # cos^2 + sin^2 = 1 keeps the variance
    old, new = (_tile(seed, stream, int(number) + i, length, steepness, limit, lost) for i in (0, 1))
    field = np.float32(np.cos(angle)) * old + np.float32(np.sin(angle)) * new
    at = [np.asarray(y) / _CELL, np.asarray(x) / _CELL]
    return map_coordinates(field, at, order=1, mode="grid-wrap")


@lru_cache(maxsize=1)
def hidden_ground(seed: int) -> np.ndarray:
    """Hidden state of the ground (wet or snowy > 0, dry < 0), one field a day on a coarse grid.

    Parameters
    ----------
    seed : int
        Data seed.

    Returns
    -------
    numpy.ndarray
        Shape (days, 48, 48), 4 km spacing, unit variance, correlated over `MEMORY_DAYS`.
    """
    n, days = 48, HOURS // 24
    noise = rng(seed, "ground").standard_normal((days, n, n))
    noise = gaussian_filter(noise, (0, 3, 3), mode="wrap")
    noise /= noise.std()
    a = np.exp(-1 / MEMORY_DAYS)
    noise[1:] *= np.sqrt(1 - a * a)
    return lfilter([1.0], [1.0, -a], noise, axis=0).astype("float32")


def ground_state(seed: int, hour: int) -> np.ndarray:
    """Hidden state of the ground on the 1 km grid.

    Parameters
    ----------
    seed : int
        Data seed.
    hour : int
        Hours since the origin.

    Returns
    -------
    numpy.ndarray
        Shape (128, 128).
    """
    at = np.arange(POINTS) / 4 + 8
    yy, xx = np.meshgrid(at, at, indexing="ij")
    return map_coordinates(hidden_ground(seed)[hour // 24], [yy, xx], order=1).astype("float32")


def solar_position(hour: float) -> tuple[float, float]:
    """Sine of the solar elevation and azimuth at the centre of the domain.

    Parameters
    ----------
    hour : float
        Hours since the origin, UTC.

    Returns
    -------
    sin_elevation : float
    azimuth : float
        Radians, clockwise from north.
    """
    latitude, longitude = np.radians(LATITUDE_0), LONGITUDE_0
    sin_elevation, azimuth = sun_position(day_of_year(hour), hour % 24, latitude, longitude)
    return float(sin_elevation), float(azimuth)


def sun_position(
    day: float, hour: float, latitude: float | np.ndarray, longitude: float | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Sine of the solar elevation and azimuth anywhere.

    Parameters
    ----------
    day : float
        Day of the year, with fraction.
    hour : float
        Hour of the day, UTC.
    latitude : float or numpy.ndarray
        Radians.
    longitude : float or numpy.ndarray
        Degrees.

    Returns
    -------
    sin_elevation : numpy.ndarray
    azimuth : numpy.ndarray
        Radians, clockwise from north.

    Notes
    -----
    Declination after Cooper (1969); the equation of time (at most 16 minutes) is left out.
    """
    declination = np.radians(23.45) * np.sin(2 * np.pi * (284 + day) / 365)
    angle = np.radians(15 * (hour - 12) + longitude)
    sin_elevation = np.sin(latitude) * np.sin(declination) + np.cos(latitude) * np.cos(declination) * np.cos(
        angle
    )
    azimuth = np.pi + np.arctan2(
        np.sin(angle), np.cos(angle) * np.sin(latitude) - np.tan(declination) * np.cos(latitude)
    )
    return sin_elevation, azimuth


#: Width of the domain, m: horizontal gradients are per this length.
WIDTH = POINTS * SPACING
