"""Large-scale weather of one month over central Europe: prescribed, hour by hour, as in chapter 01.

Every month of every year has weather of its own, drawn from the same climate: no state of the air or of the
ground leads from one month to the next, so that no model can score by remembering. Within a month, slow
quantities are Ornstein-Uhlenbeck processes around the season; fronts, clouds and air masses are random
fields that the wind carries; the moisture of the ground is a field that changes within `MEMORY_DAYS`.

What a coarse model knows of these fields is limited: of each wavenumber k the share exp(-(k limit)^2 / 2).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

import numpy as np
from scipy.fft import irfft2
from scipy.ndimage import map_coordinates

from maelstrom_bootcamp.bucket.downscaling.terrain import Land
from maelstrom_bootcamp.bucket.yr.column import Forcing
from maelstrom_bootcamp.bucket.yr.weather import MEMORY_DAYS, ornstein_uhlenbeck, sun_position

_TILE, _CELL = 256, 8000.0  # periodic tile of the fields: cells per side, m
_FAR = 1024e3  # m: half a tile away a field has forgotten itself
_STREAMS = ("slow", "wind", "inversion", "clouds", "front", "masses", "ground", "analysis")
# Outer scale (m) and steepness of each field's spectrum, and hours after which it has been replaced: the
# amplitude falls with the wavenumber k as (1 + (k length)^2)^-steepness. 0.75 gives the k^-2 spectrum of
# clouds (with the outer scale of chapter 01) and of soil moisture, 1.5 smooth air masses.
_FIELDS = {
    "clouds": (25e3, 0.75, 12),
    "front": (180e3, 1.5, 24),
    "masses": (250e3, 1.5, 48),
    "ground": (40e3, 0.75, round(24 * MEMORY_DAYS)),
    "analysis": (120e3, 1.5, 12),
}
FRONT_AMPLITUDE = 2.5  # K, half of the step between the air masses
FRONT_WIDTH = 0.35  # of a standard deviation of the field: about 30 km across
NIGHT_STRENGTH, NIGHT_DEPTH, NIGHT_WIND = 8.0, 500.0, 12.0  # K, m, m s-1
STRONGEST_WIND = 20.0  # m s-1 at 850 hPa: beyond, the column model's time step is too long on summits
FREEZE = 275.0  # K, the sea is not colder
INVERSION_MODEL = 0.7  # of nature's strength: as in chapter 01 (yr.simulate.MODEL_INVERSION)
KNOWN_CLOUDS = 30e3  # m, predictability limit of the coarse model's clouds: about its grid length
ANALYSIS_ERROR = 0.3  # K, of the coarse model's free air


@dataclass(frozen=True)
class Series:
    """Hourly series of a month, shape (hours,); units as in `maelstrom_bootcamp.bucket.yr.weather.Drivers`.

    Gradients are in K m-1; ``humid`` is the tendency to fog, in standard deviations.
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
    humid: np.ndarray
    pressure: np.ndarray
    travelled_x: np.ndarray
    travelled_y: np.ndarray
    season: np.ndarray


class Weather:
    """Weather of a stretch of hours.

    Parameters
    ----------
    seed : int
        Data seed.
    key : int
        Number of the stretch; another number is other weather.
    start : datetime.datetime
        Hour 0, UTC.
    hours : int
        Length.
    """

    def __init__(self, seed: int, key: int, start: datetime, hours: int) -> None:
        self.seed, self.key, self.start = seed, key, start
        self.series = self._draw(hours + 1)

    def _rng(self, stream: str, *index: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, 5, self.key, _STREAMS.index(stream), *index])

    def time(self, hour: float) -> datetime:
        """Date and time of an hour."""
        return self.start + timedelta(hours=float(hour))

    def day_of_year(self, hour: float) -> float:
        """Day of the year, with fraction."""
        time = self.time(hour)
        return time.timetuple().tm_yday + (time.hour + time.minute / 60) / 24

    def _draw(self, n: int) -> Series:
        """Sizes and times as in chapter 01, for a domain of 1000 km instead of 128 km."""
        g = self._rng("slow")
        slow = [ornstein_uhlenbeck(g, n, tau=60, smooth=4) for _ in range(7)]
        g = self._rng("wind")
        wind = [ornstein_uhlenbeck(g, n, tau=36, smooth=3) for _ in range(2)]
        g = self._rng("inversion")
        subsidence, top = (ornstein_uhlenbeck(g, n, tau=60, smooth=6) for _ in range(2))
        year = 2 * np.pi * (self.day_of_year(0) + np.arange(n) / 24) / 365.25
        cold = np.cos(year - 2 * np.pi * 25 / 365.25)  # coldest around 25 January
        climate = 276.5 - 8.0 * cold
        u, v = 3.0 + 6.0 * wind[0], 5.5 * wind[1]
        settled = 0.8 * subsidence - 0.4 * slow[4] + 0.8 * cold - 0.06 * (np.hypot(u, v) - 6) - 0.7
        return Series(
            t850=climate + 3.5 * slow[0],
            t850_climate=climate,
            gradient_x=2.5e-6 * slow[1],
            gradient_y=-4.5e-6 + 2.5e-6 * slow[2],
            lapse_rate=-(6.0 + 0.9 * slow[3] - 0.5 * cold) / 1000,
            u=u,
            v=v,
            cloudiness=1.2 * slow[4] + 0.04 * u + 0.3 + 0.3 * cold,
            inversion=4.0 * np.maximum(settled, 0),
            inversion_top=np.clip(800 + 250 * top, 350, 1500),
            humid=slow[5],
            pressure=101400 + 700 * slow[6] - 400 * slow[4],
            travelled_x=np.cumsum(u) * 3600,
            travelled_y=np.cumsum(v) * 3600,
            season=cold,
        )

    def field(self, stream: str, hour: float, x: np.ndarray, y: np.ndarray, limit: float = 0.0) -> np.ndarray:
        """A random field at points of the moving air (m), unit variance, slowly replaced by another."""
        length, steepness, renewal = _FIELDS[stream]
        number, part = divmod(hour, renewal)
        angle = part / renewal * np.pi / 2  # cos^2 + sin^2 = 1 keeps the variance
        at = [np.asarray(y) / _CELL, np.asarray(x) / _CELL]
        old, new = (self._tile(stream, int(number) + i, length, steepness, limit) for i in (0, 1))
        both = np.float32(np.cos(angle)) * old + np.float32(np.sin(angle)) * new
        return map_coordinates(both, at, order=1, mode="grid-wrap")

    @lru_cache(maxsize=24)  # noqa: B019 - a few tiles of the last Weathers
    def _tile(self, stream: str, number: int, length: float, steepness: float, limit: float) -> np.ndarray:
        amplitude = _amplitude(length, steepness)
        noise = self._rng(stream, number).standard_normal((2, _TILE, _TILE // 2 + 1), dtype="float32")
        spectrum = (noise[0] + 1j * noise[1]) * amplitude
        scale = np.float32(irfft2(spectrum, s=(_TILE, _TILE)).std()) if limit else None
        known = np.exp(-0.5 * _wavenumber2() * limit**2).astype("float32")
        tile = irfft2(spectrum * known, s=(_TILE, _TILE)).astype("float32")
        return tile / (scale or tile.std())

    def ground_state(self, hour: float, ground: Land) -> np.ndarray:
        """Hidden state of the ground (wet > 0, dry < 0), unit variance, shape of the grid."""
        return self.field("ground", hour, ground.x, ground.y)

    def sea(self, hour: int, ground: Land) -> np.ndarray:
        """Sea surface temperature, K: from the Mediterranean in the south to the Baltic in the north."""
        lag = 2 * np.pi * (self.day_of_year(hour) - 45) / 365.25
        south = np.clip((54.5 - ground.latitude) / 9.5, 0, 1)
        warm = 282.8 + 7.0 * south - (6.3 + 1.2 * south) * np.cos(lag)
        return np.maximum(warm, FREEZE).astype("float32")

    def sun(self, hour: float, ground: Land) -> tuple[np.ndarray, np.ndarray]:
        """Sine of the elevation and azimuth (radians) at every point, float32."""
        time = self.time(hour)
        latitude, longitude = (a.astype("float32") for a in (ground.latitude, ground.longitude))
        clock = time.hour + time.minute / 60
        sine, azimuth = sun_position(self.day_of_year(hour), clock, np.radians(latitude), longitude)
        return sine.astype("float32"), azimuth.astype("float32")


@lru_cache(maxsize=1)
def _wavenumber2() -> np.ndarray:
    kx = np.fft.fftfreq(_TILE, _CELL)[:, None] * 2 * np.pi
    ky = np.fft.rfftfreq(_TILE, _CELL)[None] * 2 * np.pi
    return kx**2 + ky**2


@lru_cache(maxsize=8)
def _amplitude(length: float, steepness: float) -> np.ndarray:
    amplitude = (1 + _wavenumber2() * length**2) ** -steepness
    amplitude[0, 0] = 0
    return amplitude.astype("float32")


def free_air(
    w: Weather,
    hour: int,
    ground: Land,
    altitude: np.ndarray,
    front: np.ndarray,
    cloud: np.ndarray,
    model: bool,
) -> np.ndarray:
    """Temperature of the free air at an altitude above every point, K.

    Parameters
    ----------
    w : Weather
    hour : int
    ground : Land
    altitude : numpy.ndarray
        m above sea level, shape of the grid.
    front : numpy.ndarray
        The front's field.
    cloud : numpy.ndarray
        Cloud fraction.
    model : bool
        With the errors of the coarse model.

    Returns
    -------
    numpy.ndarray
    """
    s = w.series
    x, y = ground.x - s.travelled_x[hour], ground.y - s.travelled_y[hour]
    masses = w.field("masses", hour, x, y)
    # Below an inversion it is colder than the lapse rate says: full at sea level, 0 at the top, and little
    # of it over the sea. Its strength varies from one air mass to another.
    strength = s.inversion[hour] * (1 + 0.5 * np.tanh(w.field("masses", hour, x + _FAR, y)))
    below = np.clip(1 - altitude / s.inversion_top[hour], 0, 1) * (1 - 0.75 * ground.maritime)
    cold = strength * below + night_layer(w, hour, ground, altitude, cloud)
    step = FRONT_AMPLITUDE * np.tanh(front / FRONT_WIDTH) * (0.6 + 0.4 * np.abs(front))
    lapse_rate = s.lapse_rate[hour] - 0.0008 * masses
    warm = s.t850[hour] + s.gradient_x[hour] * ground.x + s.gradient_y[hour] * ground.y + 0.7 * step
    error = ANALYSIS_ERROR * w.field("analysis", hour, x, y) if model else 0.0
    return warm + lapse_rate * (altitude - 1450) - cold * (INVERSION_MODEL if model else 1) + error


def night_layer(w: Weather, hour: int, ground: Land, altitude: np.ndarray, cloud: np.ndarray) -> np.ndarray:
    """How much colder the air in valleys and basins becomes in the course of a calm, clear night, K.

    Parameters
    ----------
    w : Weather
    hour : int
    ground : Land
    altitude : numpy.ndarray
        m above sea level.
    cloud : numpy.ndarray
        Cloud fraction.

    Returns
    -------
    numpy.ndarray
        Not negative: full on the valley's floor, 0 on what stands `NIGHT_DEPTH` above it and by day.

    Notes
    -----
    Major inversions lie in the first 500 m above the floor of an Alpine valley ("Altitudinal temperature
    lapse rates in an Alpine valley", Int. J. Climatol., 2013); lapse rates are weaker by night and change
    with the weather ("Seasonal and synoptic variations in near-surface air temperature lapse rates in a
    mountainous basin", J. Appl. Meteor. Climatol., 2008; of both only the abstracts were read). The strength
    and the wind that prevents it are choices.
    """
    s = w.series
    earlier, _ = w.sun(hour - 3, ground)
    night = np.clip(0.5 - 2.5 * earlier, 0, 1)
    calm = np.exp(-((np.hypot(s.u[hour], s.v[hour]) / NIGHT_WIND) ** 2))
    fill = np.clip(1 - (altitude - ground.floor) / NIGHT_DEPTH, 0, 1)
    return NIGHT_STRENGTH * night * calm * (1 - 0.8 * cloud) * fill * (1 - ground.maritime)


def fog(w: Weather, hour: int, ground: Land, sin_elevation: np.ndarray) -> np.ndarray:
    """Fraction of fog and low stratus in basins below an inversion, 0 to 1.

    A sheet with a level top fills the hollows of the terrain in settled, humid and calm weather; the sun
    dissolves it when it stands higher than in winter. The sea has none.
    """
    s = w.series
    calm = np.exp(-np.hypot(s.u[hour], s.v[hour]) / 10)
    ready = np.clip(calm * (0.5 * s.inversion[hour] + 0.7 * s.humid[hour]), 0, 1)
    top = 0.6 * s.inversion_top[hour]
    filled = 1 / (1 + np.exp(np.clip((ground.altitude - top) / 60, -30, 30)))
    hollow = np.clip(ground.shelter / 0.3, 0, 1)
    sun = np.clip(1 - (sin_elevation - 0.25) / 0.15, 0, 1)
    return ready * filled * hollow * sun * (1 - ground.maritime)


def forcing(w: Weather, hour: int, ground: Land, model: bool = False) -> Forcing:
    """What the large scale imposes on the column model at one hour.

    Parameters
    ----------
    w : Weather
    hour : int
    ground : Land
    model : bool
        As the coarse model has it: clouds without small scales, weak inversions, no fog.

    Returns
    -------
    Forcing
        Fields of the grid's shape, float32.
    """
    s = w.series
    x, y = ground.x - s.travelled_x[hour], ground.y - s.travelled_y[hour]
    clouds = w.field("clouds", hour, x, y, limit=KNOWN_CLOUDS if model else 0.0)
    front = w.field("front", hour, x, y)
    band = 2.2 * np.exp(-((front / 0.4) ** 2)) - 0.8  # cloud along the front, between the air masses
    cloud = 1 / (1 + np.exp(-(1.4 * s.cloudiness[hour] + 2.0 * clouds + band)))
    if not model:
        cloud = 1 - (1 - cloud) * (1 - fog(w, hour, ground, w.sun(hour, ground)[0]))
    air = free_air(w, hour, ground, ground.altitude, front, cloud, model)
    gust = np.exp(0.35 * w.field("masses", hour, x, y + _FAR))
    wind = np.minimum(np.hypot(s.u[hour], s.v[hour]) * gust, STRONGEST_WIND)
    fields = (np.asarray(f, dtype="float32") for f in (air, wind, cloud))
    return Forcing(*fields, sea=w.sea(hour, ground))
