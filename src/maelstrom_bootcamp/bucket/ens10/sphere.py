"""Spherical harmonics: from coefficients to a grid of latitudes and longitudes, and back.

Coefficients stand in complex arrays ``(m, n, ...)`` for zonal wavenumbers m and degrees n up to the
truncation T, zero where n < m; fields in real arrays ``(longitude, latitude, ...)``. Any number of fields is
transformed at once: what follows the first two axes is batch.
"""

from __future__ import annotations

import numpy as np
from scipy import fft

EARTH_RADIUS = 6.371e6  # m
EARTH_ROTATION = 7.292e-5  # s-1


def epsilon(n: np.ndarray | int, m: np.ndarray | int) -> np.ndarray:
    """Coefficient of the recurrence mu P(m, n) = eps(n + 1) P(m, n + 1) + eps(n) P(m, n - 1)."""
    n, m = np.asarray(n, float), np.asarray(m, float)
    return np.sqrt(np.maximum(n * n - m * m, 0) / (4 * n * n - 1))


def legendre(truncation: int, mu: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Associated Legendre functions and their derivatives.

    Parameters
    ----------
    truncation : int
        T.
    mu : numpy.ndarray
        Sine of latitude, (latitude,).

    Returns
    -------
    values, derivatives : numpy.ndarray
        P(m, n) and (1 - mu^2) dP(m, n)/dmu, shape (T + 1, T + 1, latitude). The mean of P^2 over the sphere
        is 1 for m = 0 (so the field 1 has the coefficient 1), and the same holds for the other m.

    References
    ----------
    Standard recurrences, see for example Durran (2010), Numerical Methods for Fluid Dynamics, chapter 6.
    """
    size = truncation + 1
    p = np.zeros((size, size + 1, mu.size))  # one degree more: the derivatives need it
    p[0, 0] = 1
    for m in range(1, size):
        p[m, m] = np.sqrt((2 * m + 1) / (2 * m)) * np.sqrt(1 - mu**2) * p[m - 1, m - 1]
    for m in range(size):
        for n in range(m + 1, size + 1):
            before = epsilon(n - 1, m) * p[m, n - 2] if n - 2 >= m else 0
            p[m, n] = (mu * p[m, n - 1] - before) / epsilon(n, m)
    d = np.zeros((size, size, mu.size))
    for m in range(size):
        for n in range(m, size):
            d[m, n] = -n * epsilon(n + 1, m) * p[m, n + 1]
            if n > m:
                d[m, n] += (n + 1) * epsilon(n, m) * p[m, n - 1]
    return p[:, :size], d


class Sphere:
    """Transforms between spherical harmonics and one grid.

    Parameters
    ----------
    truncation : int
        Largest degree T (triangular truncation).
    latitude : numpy.ndarray, optional
        Latitudes of the grid, degrees. By default Gaussian latitudes, from south to north, on which products
        of two fields are exact.
    longitudes : int, optional
        Number of longitudes, from 0 to the east. By default at least 3 T + 1.
    dtype : {"float32", "float64"}
    keep : int, optional
        Give back only the first longitudes of the circle.

    Attributes
    ----------
    latitude, longitude : numpy.ndarray
        Degrees.
    mu, cos : numpy.ndarray
        Sine and cosine of latitude.
    weights : numpy.ndarray or None
        Gaussian weights with sum 1; None on other latitudes, from which there is no way back.
    m, n : numpy.ndarray
        Zonal wavenumber and degree, (T + 1, 1) and (1, T + 1).
    laplacian : numpy.ndarray
        Eigenvalues -n (n + 1) / a^2, (1, T + 1), m-2.
    """

    def __init__(
        self,
        truncation: int,
        latitude: np.ndarray | None = None,
        longitudes: int | None = None,
        dtype: str = "float32",
        keep: int | None = None,
    ) -> None:
        self.truncation, self.dtype = truncation, np.dtype(dtype)
        self.complex = np.result_type(self.dtype, np.complex64)
        exact = fft.next_fast_len(3 * truncation + 1, real=True)
        count = longitudes or exact + exact % 2
        self.weights = None
        if latitude is None:
            self.mu, weights = np.polynomial.legendre.leggauss(count // 2)
            self.latitude = np.degrees(np.arcsin(self.mu))
            self.weights = weights / 2
        else:
            self.latitude = np.asarray(latitude, float)
            self.mu = np.sin(np.radians(self.latitude))
        self.cos = np.sqrt(1 - self.mu**2)
        self._circle = count
        self.longitude = (np.arange(count) * 360.0 / count)[:keep]
        self.m, self.n = np.arange(truncation + 1)[:, None], np.arange(truncation + 1)[None]
        self.inside = self.n >= self.m
        self.laplacian = (-self.n * (self.n + 1) / EARTH_RADIUS**2).astype(self.dtype)
        values, derivatives = legendre(truncation, self.mu)
        self._value = np.ascontiguousarray(values.transpose(0, 2, 1), self.dtype)
        self._slope = np.ascontiguousarray(derivatives.transpose(0, 2, 1), self.dtype)
        self._waves: dict[int, np.ndarray] = {}
        if self.weights is not None:
            self._analysis = np.ascontiguousarray(values * self.weights, self.dtype)

    def to_grid(self, coefficients: np.ndarray) -> np.ndarray:
        """Field of coefficients ``(m, n, ...)``, as ``(longitude, latitude, ...)``."""
        return self._synthesis(self._value, coefficients)

    def d_mu(self, coefficients: np.ndarray) -> np.ndarray:
        """The derivative (1 - mu^2) d/dmu, on the grid."""
        return self._synthesis(self._slope, coefficients)

    def d_lambda(self, coefficients: np.ndarray) -> np.ndarray:
        """The derivative with respect to longitude (radians), on the grid."""
        return self.to_grid(self.im(coefficients))

    def im(self, coefficients: np.ndarray) -> np.ndarray:
        """Coefficients of the derivative with respect to longitude."""
        return along(1j * self.m, coefficients).astype(self.complex) * coefficients

    def to_spectral(self, field: np.ndarray) -> np.ndarray:
        """Coefficients of a field on the Gaussian grid, the inverse of `to_grid`."""
        batch = field.shape[2:]
        size = self.truncation + 1
        flat = np.asarray(field, self.dtype).reshape(*field.shape[:2], -1)
        waves = fft.rfft(flat, axis=0, norm="forward")[:size]
        out = np.matmul(self._analysis, waves.view(self.dtype))
        return out.view(self.complex).reshape(size, size, *batch)

    def of_zonal_wind(self, wind: np.ndarray) -> np.ndarray:
        """Streamfunction of a zonal wind.

        Parameters
        ----------
        wind : numpy.ndarray
            Eastward wind on the Gaussian latitudes, m s-1.

        Returns
        -------
        numpy.ndarray
            Coefficients (m, n), m2 s-1: of u = -(1/a) dpsi/dphi, projected by parts.
        """
        slopes = self._slope[0].astype(float)  # (latitude, n)
        vorticity = (self.weights * wind / self.cos / EARTH_RADIUS) @ slopes
        out = np.zeros((self.truncation + 1, self.truncation + 1), self.complex)
        out[0, 1:] = vorticity[1:] / self.laplacian[0, 1:]
        return out

    def _synthesis(self, kernel: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
        batch = coefficients.shape[2:]
        size, count = self.truncation + 1, self._circle
        flat = np.ascontiguousarray(coefficients, self.complex).reshape(size, size, -1)
        waves = self._waves.get(flat.shape[2])
        if waves is None:  # kept: rows beyond the truncation stay zero, and new memory is slow
            waves = np.zeros((count // 2 + 1, self.mu.size, flat.shape[2]), self.complex)
            self._waves = {flat.shape[2]: waves}
        np.matmul(kernel, flat.view(self.dtype), out=waves[:size].view(self.dtype))
        field = fft.irfft(waves, n=count, axis=0, norm="forward")[: self.longitude.size]
        return field.reshape(self.longitude.size, self.mu.size, *batch)


def along(factor: np.ndarray, field: np.ndarray) -> np.ndarray:
    """Give a factor on the first two axes as many axes as a field has."""
    return factor.reshape(*factor.shape, *(1,) * (field.ndim - factor.ndim))
