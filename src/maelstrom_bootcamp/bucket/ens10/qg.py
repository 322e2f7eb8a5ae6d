"""The dynamical core: a quasi-geostrophic atmosphere of three levels on the sphere.

Potential vorticity q of the levels 200, 500 and 800 hPa is carried by the wind that it implies::

    dq_i/dt = -J(psi_i, q_i) - thermal relaxation - Ekman drag (level 3) - del^8 diffusion
    q_1 = lap psi_1 - (psi_1 - psi_2) / R1^2 + f
    q_2 = lap psi_2 + (psi_1 - psi_2) / R1^2 - (psi_2 - psi_3) / R2^2 + f
    q_3 = lap psi_3 + (psi_2 - psi_3) / R2^2 + f (1 + h / H0)

This is the model of Marshall and Molteni (1993, J. Atmos. Sci. 50, 1792-1818). They force it with a constant
source that keeps the climate near observations; here the thermal relaxation pulls towards a temperature that
changes with the season. A state holds many atmospheres at once, coefficients ``(m, n, level, batch)``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maelstrom_bootcamp.bucket.ens10.sphere import EARTH_RADIUS, EARTH_ROTATION, Sphere, along

DAY = 86400.0  # s
YEAR = 365.25  # d
PRESSURE = (200.0, 500.0, 800.0)  # hPa, of the levels
NOTHING = float("inf")  # time scale of what is switched off


@dataclass(frozen=True)
class Physics:
    """Constants of an atmosphere. Those of nature; a forecast model has others.

    Attributes
    ----------
    radius_1, radius_2 : float
        Rossby radii of deformation between the levels, m: they stand for the static stability.
    ekman_days, relaxation_days, diffusion_days : float
        Time scales; that of diffusion is of the smallest waves.
    drag_land, drag_mountain : float
        How much more drag there is over land, and over high mountains.
    scale_height : float
        H0, m.
    shear_upper, shear_lower : float
        Difference of wind between levels 1 and 2, 2 and 3 in the jets' equilibrium, m s-1.
    land_contrast : float
        Equilibrium thickness over winter land against the sea, as a streamfunction, m2 s-1.

    Notes
    -----
    Radii, drag, diffusion and H0 after Marshall and Molteni (1993). The relaxation is faster than theirs
    (25 d), because it also has to carry the seasons.
    """

    radius_1: float = 700e3
    radius_2: float = 450e3
    ekman_days: float = 3.0
    relaxation_days: float = 10.0
    diffusion_days: float = 2.0
    drag_land: float = 0.5
    drag_mountain: float = 0.5
    scale_height: float = 9000.0
    shear_upper: float = 25.0
    shear_lower: float = 19.0
    land_contrast: float = 6e6


#: Only advection: energy and potential enstrophy do not change.
IDEAL = Physics(ekman_days=NOTHING, relaxation_days=NOTHING, diffusion_days=NOTHING)


def season(day: np.ndarray | float) -> np.ndarray:
    """1 in the middle of January, -1 in the middle of July."""
    return np.cos(2 * np.pi * (np.asarray(day, float) - 15) / YEAR)


class Atmosphere:
    """The equations with one set of constants over one ground.

    Parameters
    ----------
    sphere : Sphere
        With Gaussian latitudes.
    physics : Physics
    orography, land : numpy.ndarray
        Height (m) and share of land on the grid of `sphere`, (longitude, latitude).
    """

    def __init__(self, sphere: Sphere, physics: Physics, orography: np.ndarray, land: np.ndarray) -> None:
        self.sphere, self.physics = sphere, physics
        r1, r2 = physics.radius_1**-2, physics.radius_2**-2
        # Coupling of the levels by thickness: q - lap psi = -coupling psi.
        coupling = np.array([[r1, -r1, 0], [-r1, r1 + r2, -r2], [0, -r2, r2]])
        per_degree = sphere.laplacian[0].astype(float)[:, None, None] * np.eye(3) - coupling
        inverse = np.zeros_like(per_degree)
        inverse[1:] = np.linalg.inv(per_degree[1:])
        self._to_q, self._to_psi = per_degree.astype(sphere.dtype), inverse.astype(sphere.dtype)
        relax = coupling / (physics.relaxation_days * DAY)
        degree = sphere.n * (sphere.n + 1.0)
        smallest = sphere.truncation * (sphere.truncation + 1.0)
        diffuse = (degree[0] / smallest) ** 4 / (physics.diffusion_days * DAY)
        # Relaxation and diffusion at once, as an operator on q for each degree, and what relaxation pulls to.
        self._linear = (relax @ inverse - diffuse[:, None, None] * np.eye(3)).astype(sphere.dtype)
        self._set_ground(orography, land)
        self._equilibrium = equilibrium(sphere, physics, land)
        self._source = [
            (relax @ part[..., None])[..., 0].astype(sphere.complex) for part in self._equilibrium
        ]

    def _set_ground(self, orography: np.ndarray, land: np.ndarray) -> None:
        sphere, physics = self.sphere, self.physics
        drag = 1 + physics.drag_land * land + physics.drag_mountain * (1 - np.exp(-orography / 1000))
        drag = sphere.to_spectral(drag / (physics.ekman_days * DAY))
        self._over_cos2 = ((EARTH_RADIUS * sphere.cos) ** -2).astype(sphere.dtype)[:, None, None]
        self._drag = sphere.to_grid(drag)[..., None]
        self._drag_lambda = sphere.d_lambda(drag)[..., None]
        self._drag_mu = sphere.d_mu(drag)[..., None]
        coriolis = 2 * EARTH_ROTATION * sphere.mu
        size = sphere.truncation + 1
        planet = np.zeros((size, size, 3, 1), sphere.complex)
        planet[0, 1, :, 0] = 2 * EARTH_ROTATION / np.sqrt(3)  # P(0, 1) = sqrt(3) mu
        planet[..., 2, 0] += sphere.to_spectral(coriolis * orography / physics.scale_height)
        self.planetary = planet

    # ---------------------------------------------------------------- states

    def psi(self, q: np.ndarray) -> np.ndarray:
        """Streamfunction (m2 s-1) of potential vorticity without its planetary part (s-1)."""
        return self._across_levels(self._to_psi, q)

    def q(self, psi: np.ndarray) -> np.ndarray:
        """Potential vorticity without its planetary part, the inverse of `psi`."""
        return self._across_levels(self._to_q, psi)

    def _across_levels(self, matrix: np.ndarray, field: np.ndarray) -> np.ndarray:
        sphere = self.sphere
        flat = np.ascontiguousarray(field, sphere.complex).view(sphere.dtype)
        return np.matmul(matrix, flat).view(sphere.complex)

    def resting(self, day: np.ndarray) -> np.ndarray:
        """Streamfunction of the radiative equilibrium of a day of the year, (m, n, 3, batch)."""
        mean, winter = self._equilibrium
        return (mean[..., None] + winter[..., None] * season(day)).astype(self.sphere.complex)

    # ---------------------------------------------------------------- time

    def tendency(self, q: np.ndarray, day: np.ndarray) -> np.ndarray:
        """dq/dt.

        Parameters
        ----------
        q : numpy.ndarray
            Potential vorticity without its planetary part, (m, n, 3, batch), s-1.
        day : numpy.ndarray
            Day of the year with fraction, (batch,).

        Returns
        -------
        numpy.ndarray
            s-2.
        """
        sphere = self.sphere
        psi = self.psi(q)
        carried = q + self.planetary
        lowest = along(sphere.laplacian, psi[:, :, 2:]) * psi[:, :, 2:]
        both = np.concatenate([psi, carried], axis=2)
        north = sphere.d_mu(both)
        east = sphere.to_grid(np.concatenate([sphere.im(both), lowest], axis=2))
        change = east[:, :, 3:6] * north[:, :, :3]
        change -= east[:, :, :3] * north[:, :, 3:]
        change[:, :, 2] -= self._drag_lambda * east[:, :, 2] + self._drag_mu * north[:, :, 2]
        change *= self._over_cos2
        change[:, :, 2] -= self._drag * east[:, :, 6]
        out = sphere.to_spectral(change)
        out += self._across_levels(self._linear, q)
        mean, winter = self._source
        out -= mean[..., None] + winter[..., None] * season(day).astype(sphere.dtype)
        out[:, 0] = 0  # no sources of mean vorticity
        return out

    def step(self, q: np.ndarray, day: np.ndarray, hours: float) -> np.ndarray:
        """One step of the classical Runge-Kutta method of fourth order.

        Parameters
        ----------
        q : numpy.ndarray
            As in `tendency`.
        day : numpy.ndarray
            Day of the year at the start of the step, (batch,).
        hours : float
            Length of the step. Stable up to about 2 h at truncation 31.

        Returns
        -------
        numpy.ndarray
        """
        seconds, days = self.sphere.dtype.type(hours * 3600), hours / 24
        k1 = self.tendency(q, day)
        k2 = self.tendency(q + seconds / 2 * k1, day + days / 2)
        k3 = self.tendency(q + seconds / 2 * k2, day + days / 2)
        k4 = self.tendency(q + seconds * k3, day + days)
        return q + seconds / 6 * (k1 + 2 * (k2 + k3) + k4)

    def run(self, q: np.ndarray, day: np.ndarray, days: float, hours: float) -> np.ndarray:
        """Many steps.

        Parameters
        ----------
        q, day
            As in `step`.
        days : float
            How long, a multiple of the step.
        hours : float
            Length of a step.

        Returns
        -------
        numpy.ndarray
        """
        for i in range(round(days * 24 / hours)):
            q = self.step(q, day + i * hours / 24, hours)
        return q


def equilibrium(sphere: Sphere, physics: Physics, land: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Streamfunction that the thermal relaxation pulls towards.

    A jet in each hemisphere, stronger and nearer to the equator in winter; cold land in winter.

    Parameters
    ----------
    sphere : Sphere
    physics : Physics
    land : numpy.ndarray
        Share of land on the grid, (longitude, latitude).

    Returns
    -------
    mean, winter : numpy.ndarray
        (m, n, 3), m2 s-1: the equilibrium of a day is ``mean + winter * season(day)``.
    """

    def jets(winter: float) -> np.ndarray:
        north = (1 + 0.2 * winter) * np.exp(-(((sphere.latitude - 40 + 5 * winter) / 16) ** 2))
        south = (1 - 0.2 * winter) * np.exp(-(((sphere.latitude + 40 + 5 * winter) / 16) ** 2))
        return sphere.of_zonal_wind(north + south)

    shear = np.array([physics.shear_upper + physics.shear_lower, physics.shear_lower, 0.0])
    mean, winter = (jets(1) + jets(-1)) / 2, (jets(1) - jets(-1)) / 2
    middle = np.exp(-(((np.abs(sphere.latitude) - 50) / 20) ** 2))
    cold = sphere.to_spectral((land.mean() - land) * middle)[..., None] * physics.land_contrast
    return mean[..., None] * shear, winter[..., None] * shear + cold * np.array([2.0, 1.0, 0.0])
