"""Random numbers and random fields of one purpose, independent of all others and of the order of the work."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from maelstrom_bootcamp.bucket.ens10.ground import LATITUDE, LONGITUDES
from maelstrom_bootcamp.bucket.ens10.sphere import Sphere

SMALLEST = 13  # degree of the smallest waves of surface fields: about 3000 km long
_STREAMS = ("start", "surface", "sea bias", "analysis", "members", "ground")


def rng(seed: int, stream: str, *index: int) -> np.random.Generator:
    """Random numbers of one purpose.

    Parameters
    ----------
    seed : int
        Data seed.
    stream : str
        Purpose, one of a fixed list.
    *index : int
        For example the window and the year.

    Returns
    -------
    numpy.random.Generator
    """
    return np.random.default_rng([seed, _STREAMS.index(stream), *index])


@lru_cache(maxsize=1)
def surface_sphere() -> Sphere:
    """The sphere of the surface fields, on the grid of the objects."""
    return Sphere(SMALLEST, LATITUDE, LONGITUDES)


def coefficients(generator: np.random.Generator, truncation: int, *batch: int) -> np.ndarray:
    """White noise on the sphere: every coefficient has the same variance, and degree 0 none.

    Parameters
    ----------
    generator : numpy.random.Generator
    truncation : int
    *batch : int
        How many fields.

    Returns
    -------
    numpy.ndarray
        (m, n, *batch), complex64; the fields have unit variance (mean over the sphere and many draws).
    """
    size = truncation + 1
    real, imaginary = generator.standard_normal((2, size, size, *batch))
    real[0] *= np.sqrt(2)
    imaginary[0] = 0
    inside = np.arange(size)[None] >= np.maximum(np.arange(size), 1)[:, None]
    out = (real + 1j * imaginary) * inside.reshape(size, size, *(1,) * len(batch))
    # Degree n has 2 n + 1 waves, each complex coefficient (m > 0) stands for two of them.
    return (out * np.sqrt(0.5 / (size**2 - 1))).astype("complex64")


def surface_fields(generator: np.random.Generator, count: int) -> np.ndarray:
    """Smooth random fields with unit variance on the grid of the objects, (longitude, latitude, count)."""
    return surface_sphere().to_grid(coefficients(generator, SMALLEST, count))


class Memory:
    """Random surface fields that forget with time: an Ornstein-Uhlenbeck process of every coefficient.

    Parameters
    ----------
    generators : list of numpy.random.Generator
        One for each field.
    days : float
        Decorrelation time.
    """

    def __init__(self, generators: list[np.random.Generator], days: float) -> None:
        self._generators, self._days = generators, days
        self._state = self._draw()

    def _draw(self) -> np.ndarray:
        return np.stack([coefficients(g, SMALLEST) for g in self._generators], axis=-1)

    def advance(self, days: float) -> None:
        """Let time pass."""
        kept = np.float32(np.exp(-days / self._days))
        self._state = kept * self._state + np.sqrt(1 - kept**2) * self._draw()

    def field(self) -> np.ndarray:
        """The fields now, (longitude, latitude, field), unit variance."""
        return surface_sphere().to_grid(self._state)
