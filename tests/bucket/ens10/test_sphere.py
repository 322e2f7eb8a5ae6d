from __future__ import annotations

import numpy as np
import pytest

from maelstrom_bootcamp.bucket.ens10.sphere import EARTH_RADIUS, Sphere, along


@pytest.fixture(scope="module")
def sphere() -> Sphere:
    return Sphere(21, dtype="float64")


def random_coefficients(sphere: Sphere, *batch: int) -> np.ndarray:
    g = np.random.default_rng(1)
    size = sphere.truncation + 1
    values = g.standard_normal((size, size, *batch)) + 1j * g.standard_normal((size, size, *batch))
    values[0] = values[0].real
    return values * along(sphere.inside, values)


def test_there_and_back(sphere: Sphere) -> None:
    there = random_coefficients(sphere, 2, 3)
    field = sphere.to_grid(there)
    assert field.shape == (64, 32, 2, 3)
    assert np.allclose(sphere.to_spectral(field), there, atol=1e-12)


def test_functions_are_orthonormal(sphere: Sphere) -> None:
    one = np.zeros((22, 22), complex)
    one[0, 0] = 1
    assert np.allclose(sphere.to_grid(one), 1)
    wave = np.zeros((22, 22), complex)
    wave[3, 7] = 1
    power = np.einsum("xy,y->", sphere.to_grid(wave) ** 2, sphere.weights) / sphere.longitude.size
    assert power == pytest.approx(2)  # m and -m


def test_known_functions(sphere: Sphere) -> None:
    """Degree 1 is a straight line in mu, m = 1 a cosine of longitude."""
    field = np.zeros((22, 22), complex)
    field[0, 1], field[1, 1] = 1, 1j
    lon = np.radians(sphere.longitude)[:, None]
    expected = np.sqrt(3) * sphere.mu - 2 * np.sqrt(1.5) * sphere.cos * np.sin(lon)
    assert np.allclose(sphere.to_grid(field), expected)


def test_derivatives(sphere: Sphere) -> None:
    """Of sin(lon) cos(lat)^2 sin(lat): both, and the Laplacian (degree 3)."""
    lon = np.radians(sphere.longitude)[:, None]
    coefficients = sphere.to_spectral(np.sin(2 * lon) * sphere.cos**2 * sphere.mu)
    mu = sphere.mu
    assert np.allclose(sphere.d_lambda(coefficients), 2 * np.cos(2 * lon) * sphere.cos**2 * mu)
    assert np.allclose(sphere.d_mu(coefficients), np.sin(2 * lon) * (1 - mu**2) * (1 - 3 * mu**2))
    lap = sphere.to_grid(sphere.laplacian * coefficients)
    assert np.allclose(lap, -12 / EARTH_RADIUS**2 * np.sin(2 * lon) * sphere.cos**2 * mu)


def test_streamfunction_of_a_zonal_wind(sphere: Sphere) -> None:
    wind = 20 * sphere.cos * (1 + sphere.mu**2)
    psi = sphere.of_zonal_wind(wind)
    assert np.allclose(-sphere.d_mu(psi) / sphere.cos / EARTH_RADIUS, wind, atol=1e-9)


def test_other_grids_see_the_same_field(sphere: Sphere) -> None:
    coefficients = random_coefficients(sphere)
    other = Sphere(21, sphere.latitude[::-1], 128, "float64", keep=40)
    assert other.longitude.max() == pytest.approx(39 * 360 / 128)
    assert np.allclose(other.to_grid(coefficients)[::2], sphere.to_grid(coefficients)[:20, ::-1])


def test_single_precision_is_the_default() -> None:
    single = Sphere(10)
    field = single.to_grid(random_coefficients(single))
    assert field.dtype == np.float32
    assert single.to_spectral(field).dtype == np.complex64


def test_widths_do_not_disturb_each_other(sphere: Sphere) -> None:
    """The work space is reused: a wide transform between two narrow ones leaves no trace."""
    narrow, wide = random_coefficients(sphere, 1), random_coefficients(sphere, 5)
    before = sphere.to_grid(narrow)
    sphere.to_grid(wide)
    assert np.array_equal(sphere.to_grid(narrow), before)
