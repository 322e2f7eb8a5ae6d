from __future__ import annotations

import numpy as np
import pytest

from maelstrom_bootcamp.bucket.ens10 import flow as f
from maelstrom_bootcamp.bucket.ens10.qg import IDEAL, Atmosphere
from maelstrom_bootcamp.bucket.ens10.sphere import EARTH_RADIUS, EARTH_ROTATION, Sphere, along

SPHERE = Sphere(15, dtype="float64")


def noise(*batch: int) -> np.ndarray:
    g = np.random.default_rng(3)
    values = g.standard_normal((16, 16, *batch)) + 1j * g.standard_normal((16, 16, *batch))
    values[0] = values[0].real
    return 1e6 * values * along(SPHERE.inside & (SPHERE.n > 0), values)


def test_linear_balance_is_the_divergence_of_f_times_the_slope() -> None:
    """Against the same derivatives taken on the grid; the highest degree of the product is cut off."""
    psi = noise()
    psi[:, 15] = 0
    coriolis = 2 * EARTH_ROTATION * SPHERE.mu
    right = coriolis * SPHERE.to_grid(SPHERE.laplacian * psi)
    right = right + 2 * EARTH_ROTATION / EARTH_RADIUS**2 * SPHERE.d_mu(psi)
    left = SPHERE.laplacian * f.balance(SPHERE, psi)
    assert np.allclose(left, SPHERE.to_spectral(right), rtol=1e-9, atol=1e-20)


def test_linear_balance_round_trip() -> None:
    """psi -> Phi -> psi: the operator couples neighbours of each m; inverted with one degree more of Phi."""
    wide = Sphere(16, dtype="float64")
    psi = np.zeros((17, 17), complex)
    psi[:16, :16] = noise()
    phi = f.balance(wide, psi)
    for m in range(16):
        operator = []
        for n in range(max(m, 1), 16):
            unit = np.zeros((17, 17), complex)
            unit[m, n] = 1
            operator.append(f.balance(wide, unit)[m].real)
        back, *_ = np.linalg.lstsq(np.array(operator).T, phi[m], rcond=None)
        assert np.allclose(back, psi[m, max(m, 1) : 16], rtol=1e-6, atol=1e-3)


def test_standard_atmosphere() -> None:
    """Known values of the ICAO standard atmosphere: 5574 m and 252 K at 500 hPa, 11784 m at 200 hPa."""
    assert f.standard_geopotential(500) / f.GRAVITY == pytest.approx(5574, abs=2)
    assert f.standard_geopotential(200) / f.GRAVITY == pytest.approx(11784, abs=5)
    assert f.standard_geopotential(1013.25) == pytest.approx(0, abs=1e-6)
    assert f.standard_temperature(500) == pytest.approx(251.9, abs=0.2)
    assert f.standard_temperature(10) == 216.65


def test_level_weights_pass_through_the_levels_and_differentiate() -> None:
    for i, pressure in enumerate((200.0, 500.0, 800.0)):
        assert f.level_weights(pressure)[0] == pytest.approx(np.eye(3)[i])
    for pressure in (160.0, 333.0, 850.0, 1000.0):
        value, slope = f.level_weights(pressure)
        assert value.sum() == pytest.approx(1)
        assert slope.sum() == pytest.approx(0, abs=1e-12)
        step = 1e-4
        difference = (f.level_weights(pressure * np.exp(step))[0] - value) / step
        assert difference == pytest.approx(slope, abs=1e-3)
    assert f.level_weights(10.0)[0] == pytest.approx(f.level_weights(f.TROPOPAUSE)[0])
    assert (f.level_weights(10.0)[1] == 0).all()


def test_temperature_is_hydrostatic(flow: f.Flow) -> None:
    """Thickness of a thin layer = R T d(ln p), to the accuracy of single precision."""
    upper, lower = flow.geopotential(490.0), flow.geopotential(510.0)
    mean = (upper - lower) / (f.GAS_CONSTANT * np.log(510 / 490))
    assert np.abs(mean - flow.temperature(500.0)).max() < 0.1


def test_wind_follows_the_heights(flow: f.Flow) -> None:
    """Geostrophic wind of the balanced heights, in middle latitudes: nearly the wind."""
    wind, lat = flow.wind(500.0), np.radians(flow.sphere.latitude)
    slope = np.gradient(flow.geopotential(500.0), lat, axis=1) / EARTH_RADIUS
    coriolis = 2 * EARTH_ROTATION * np.sin(lat)[:, None]
    rows = np.abs(np.abs(flow.sphere.latitude) - 50) < 15
    correlation = np.corrcoef((-slope / coriolis)[:, rows].ravel(), wind.u[:, rows].ravel())[0, 1]
    assert correlation > 0.95
    assert np.abs(wind.v.mean(0)).max() < 1e-3  # no mean meridional wind: it has a streamfunction


def test_vertical_motion_stretches_the_vortices() -> None:
    """f omega from the thermodynamic equation = dp times the vorticity budget of the uppermost level."""
    flat = np.zeros((SPHERE.longitude.size, SPHERE.latitude.size))
    model = Atmosphere(SPHERE, IDEAL, flat, flat)
    psi = noise(3, 2)
    psi *= along(1 / (1 + (SPHERE.n / 4) ** 4), psi)
    day = np.zeros(2)
    motion = f.omega(model, psi, day)
    rate = model.psi(model.tendency(model.q(psi), day))
    zeta = along(SPHERE.laplacian, psi) * psi + model.planetary
    east, north = (d(np.stack([psi[:, :, 0], zeta[:, :, 0]])[0]) for d in (SPHERE.d_lambda, SPHERE.d_mu))
    east_z, north_z = SPHERE.d_lambda(zeta[:, :, 0]), SPHERE.d_mu(zeta[:, :, 0])
    advection = (east * north_z - north * east_z) / ((EARTH_RADIUS * SPHERE.cos) ** 2)[:, None]
    budget = along(SPHERE.laplacian, rate[:, :, 0]) * rate[:, :, 0] + SPHERE.to_spectral(advection)
    assert np.allclose(motion[:, :, 0], f.LAYER * budget, atol=1e-9 * np.abs(motion).max())
    assert np.abs(motion).max() > 0


def test_mass_is_conserved_in_the_column(flow: f.Flow) -> None:
    """Divergence is the slope of omega; both ends of the column are closed."""
    step = 5.0
    for pressure in (200.0, 500.0, 850.0):
        low, high = (flow.vertical(pressure + d)[0] for d in (-step, step))
        slope = (high - low) / (200 * step)
        assert np.allclose(slope, -flow.vertical(pressure)[1], rtol=1e-3, atol=1e-10)
    for pressure in (10.0, 50.0, 950.0, 1000.0):
        assert np.abs(flow.vertical(pressure)[0]).max() < 1e-6
    total = sum(flow.vertical(p)[1] for p in (200.0, 500.0, 800.0))
    assert np.abs(total).max() < 1e-6 * np.abs(flow.vertical(500.0)[1]).max()


def test_values_are_those_of_an_atmosphere(flow: f.Flow) -> None:
    height, t850 = flow.geopotential(500.0) / f.GRAVITY, flow.temperature(850.0)
    assert 4600 < height.min() < 5100
    assert 5700 < height.max() < 6050
    assert 225 < t850.min() < 260
    assert 285 < t850.max() < 300
    motion = flow.vertical(500.0)[0]
    assert 0.02 < motion.std() < 0.3  # Pa s-1
    assert np.abs(motion).max() < 2
