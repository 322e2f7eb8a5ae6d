"""From the core's streamfunction to what is written: heights, temperatures and winds at any pressure.

Geopotential follows from the linear balance ``lap Phi = div(f grad psi)``, temperature from hydrostatic
balance ``T = -(1/R) dPhi/d(ln p)``, vertical velocity from the core's own thermodynamic equation. All three
keep to the balance of the equations that were integrated: nothing here is statistical.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from maelstrom_bootcamp.bucket.ens10.qg import DAY, PRESSURE, Atmosphere
from maelstrom_bootcamp.bucket.ens10.sphere import EARTH_RADIUS, EARTH_ROTATION, Sphere, along, epsilon

GAS_CONSTANT = 287.05  # J kg-1 K-1, dry air
GRAVITY = 9.80665  # m s-2
LAYER = 300e2  # Pa, thickness of each of the core's layers
INTERFACES = (350.0, 650.0)  # hPa, between them
TROPOPAUSE = 150.0  # hPa: above it the core knows nothing, and its anomalies of temperature end
TROPICS = 15.0  # degrees: nearer to the equator the vertical velocity fades, as 1/f cannot be used
# ICAO standard atmosphere.
_T0, _P0, _LAPSE, _TOP_T, _TOP_P = 288.15, 1013.25, 0.0065, 216.65, 226.32


def standard_temperature(pressure: float) -> float:
    """Temperature (K) of the ICAO standard atmosphere, isothermal above 226 hPa."""
    return max(_T0 * (pressure / _P0) ** (GAS_CONSTANT * _LAPSE / GRAVITY), _TOP_T)


def standard_geopotential(pressure: float) -> float:
    """Geopotential (m2 s-2) of the ICAO standard atmosphere."""
    within = max(pressure, _TOP_P)
    lower = GRAVITY * (_T0 - standard_temperature(within)) / _LAPSE
    return lower + GAS_CONSTANT * _TOP_T * float(np.log(within / pressure))


def balance(sphere: Sphere, psi: np.ndarray) -> np.ndarray:
    """Geopotential anomaly of a streamfunction by linear balance.

    Parameters
    ----------
    sphere : Sphere
    psi : numpy.ndarray
        Coefficients (m, n, ...), m2 s-1.

    Returns
    -------
    numpy.ndarray
        Coefficients (m, n, ...), m2 s-2.

    Notes
    -----
    With mu P(n) = eps(n+1) P(n+1) + eps(n) P(n-1) both terms of f lap psi + grad f . grad psi become
    couplings with the two neighbouring degrees::

        Phi(n) = 2 Omega [(n-1)/n eps(n) psi(n-1) + (n+2)/(n+1) eps(n+1) psi(n+1)]
    """
    m, n = sphere.m, np.maximum(sphere.n, 1)
    below = 2 * EARTH_ROTATION * (n - 1) / n * epsilon(n, m)
    above = 2 * EARTH_ROTATION * (n + 2) / (n + 1) * epsilon(n + 1, m)
    out = np.zeros_like(psi)
    out[:, 1:] += along(below[:, 1:], psi) * psi[:, :-1]
    out[:, :-1] += along(above[:, :-1], psi) * psi[:, 1:]
    out[:, 0] = 0
    return out.astype(psi.dtype) * along(sphere.inside, out)


def level_weights(pressure: float) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the core's three levels for a field and its slope at a pressure.

    A parabola in ln p goes through the three levels, so that temperature is continuous and hydrostatic.
    Above `TROPOPAUSE` the field stays what it is there.

    Parameters
    ----------
    pressure : float
        hPa.

    Returns
    -------
    value, slope : numpy.ndarray
        (3,): of the field and of its derivative with respect to ln p.
    """
    at = np.log(PRESSURE)
    x = np.log(max(pressure, TROPOPAUSE))
    value, slope = np.empty(3), np.empty(3)
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        scale = (at[i] - at[j]) * (at[i] - at[k])
        value[i] = (x - at[j]) * (x - at[k]) / scale
        slope[i] = (2 * x - at[j] - at[k]) / scale
    return value, slope * (pressure >= TROPOPAUSE)


def omega(atmosphere: Atmosphere, psi: np.ndarray, day: np.ndarray) -> np.ndarray:
    """Vertical velocity at the interfaces between the core's layers.

    Air that sinks warms: the thickness of a layer that follows the flow changes by relaxation and by
    vertical motion only, so that ``omega = (dp / f R^2) (D tau/Dt + (tau - tau_eq) / tau_R)`` with the
    difference tau of the streamfunctions above and below.

    Parameters
    ----------
    atmosphere : Atmosphere
        Whose equations the state obeys.
    psi : numpy.ndarray
        (m, n, 3, batch), m2 s-1.
    day : numpy.ndarray
        Day of the year, (batch,).

    Returns
    -------
    numpy.ndarray
        ``f omega``, coefficients (m, n, 2, batch), Pa s-2. `Flow.interfaces` divides it by f.
    """
    sphere, physics = atmosphere.sphere, atmosphere.physics
    rate = atmosphere.psi(atmosphere.tendency(atmosphere.q(psi), day))
    east, north = sphere.d_lambda(psi), sphere.d_mu(psi)
    over = ((EARTH_RADIUS * sphere.cos) ** -2).astype(sphere.dtype)[:, None, None]
    advection = (east[:, :, :2] * north[:, :, 1:] - north[:, :, :2] * east[:, :, 1:]) * over
    colder = (psi - atmosphere.resting(day)) / sphere.dtype.type(physics.relaxation_days * DAY)
    moved = rate + colder
    total = moved[:, :, :2] - moved[:, :, 1:] - sphere.to_spectral(advection)
    scale = np.array([LAYER / physics.radius_1**2, LAYER / physics.radius_2**2], sphere.dtype)
    return total * scale[:, None]


@dataclass(frozen=True)
class Winds:
    """Wind at one pressure: eastward and northward, (longitude, latitude, batch), m s-1."""

    u: np.ndarray
    v: np.ndarray


class Flow:
    """A state of the core, seen on the grid of the objects.

    Parameters
    ----------
    sphere : Sphere
        With the latitudes and longitudes wanted.
    psi : numpy.ndarray
        Coefficients (m, n, 3, batch), m2 s-1.
    motion : numpy.ndarray, optional
        What `omega` returned; without it there is no vertical velocity.
    """

    def __init__(self, sphere: Sphere, psi: np.ndarray, motion: np.ndarray | None = None) -> None:
        self.sphere, self._psi, self._motion = sphere, psi, motion

    @cached_property
    def _phi(self) -> np.ndarray:
        """Geopotential anomaly at the core's levels, (longitude, latitude, level, batch)."""
        return self.sphere.to_grid(balance(self.sphere, self._psi))

    @cached_property
    def _wind(self) -> tuple[np.ndarray, np.ndarray]:
        """Wind at the core's levels."""
        over = (1 / (EARTH_RADIUS * self.sphere.cos)).astype(self.sphere.dtype)[:, None, None]
        return -self.sphere.d_mu(self._psi) * over, self.sphere.d_lambda(self._psi) * over

    def geopotential(self, pressure: float) -> np.ndarray:
        """Geopotential, (longitude, latitude, batch), m2 s-2."""
        value, _ = level_weights(pressure)
        return standard_geopotential(pressure) + np.einsum("l,xylb->xyb", value, self._phi)

    def temperature_anomaly(self, pressure: float) -> np.ndarray:
        """Temperature against the standard atmosphere, (longitude, latitude, batch), K."""
        _, slope = level_weights(pressure)
        return np.einsum("l,xylb->xyb", -slope / GAS_CONSTANT, self._phi)

    def temperature(self, pressure: float) -> np.ndarray:
        """Temperature, (longitude, latitude, batch), K."""
        return standard_temperature(pressure) + self.temperature_anomaly(pressure)

    def wind(self, pressure: float) -> Winds:
        """Wind at a pressure."""
        value, _ = level_weights(pressure)
        return Winds(*(np.einsum("l,xylb->xyb", value, component) for component in self._wind))

    def vorticity(self, level: int) -> np.ndarray:
        """Relative vorticity at one of the core's levels, (longitude, latitude, batch), s-1."""
        return self.sphere.to_grid(
            along(self.sphere.laplacian, self._psi[:, :, level]) * self._psi[:, :, level]
        )

    @cached_property
    def interfaces(self) -> np.ndarray:
        """Vertical velocity at `INTERFACES`, (longitude, latitude, 2, batch), Pa s-1, positive downwards."""
        f = 2 * EARTH_ROTATION * self.sphere.mu
        floor = 2 * EARTH_ROTATION * np.sin(np.radians(TROPICS))
        over_f = (f / (f**2 + floor**2)).astype(self.sphere.dtype)
        return self.sphere.to_grid(self._motion) * over_f[:, None, None]

    def vertical(self, pressure: float) -> tuple[np.ndarray, np.ndarray]:
        """Vertical velocity and divergence at a pressure.

        Vertical velocity is linear in p between nought at 50 hPa, the interfaces, and nought at 950 hPa:
        the edges of the core's layers.

        Parameters
        ----------
        pressure : float
            hPa.

        Returns
        -------
        omega, divergence : numpy.ndarray
            (longitude, latitude, batch), Pa s-1 and s-1, with d(omega)/dp + divergence = 0.
        """
        at = self.interfaces
        edges = (INTERFACES[0] - LAYER / 100, *INTERFACES, INTERFACES[1] + LAYER / 100)
        layer = int(np.clip(np.searchsorted(edges, pressure) - 1, 0, 2))
        nought = np.zeros_like(at[:, :, 0])
        upper, lower = ((nought, at[:, :, 0]), (at[:, :, 0], at[:, :, 1]), (at[:, :, 1], nought))[layer]
        share = np.clip((pressure - edges[layer]) / (LAYER / 100), 0, 1)
        inside = edges[0] <= pressure <= edges[-1]
        return upper + np.float32(share) * (lower - upper), (upper - lower) / np.float32(LAYER) * inside
