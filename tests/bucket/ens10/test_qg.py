"""The core against theory: conservation, the Rossby-Haurwitz wave, drag, relaxation; and its bookkeeping."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from maelstrom_bootcamp.bucket.ens10.qg import DAY, IDEAL, NOTHING, Atmosphere, Physics, season
from maelstrom_bootcamp.bucket.ens10.sphere import EARTH_RADIUS, EARTH_ROTATION, Sphere, along

SPHERE = Sphere(21, dtype="float64")
FLAT = np.zeros((SPHERE.longitude.size, SPHERE.latitude.size))
HILL = 3000 * np.exp(-(((SPHERE.longitude[:, None] - 90) / 30) ** 2) - ((SPHERE.latitude - 40) / 15) ** 2)
JANUARY = np.array([15.0])


def noise(count: int, amplitude: float, seed: int = 0) -> np.ndarray:
    """Random streamfunctions with large waves, different at the levels."""
    g = np.random.default_rng(seed)
    size = SPHERE.truncation + 1
    values = g.standard_normal((size, size, 3, count)) + 1j * g.standard_normal((size, size, 3, count))
    values[0] = values[0].real
    red = amplitude / (1 + (SPHERE.n / 5) ** 4) * SPHERE.inside * (SPHERE.n > 0)
    return along(red, values) * values


def mean_product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Mean over the sphere of the product of two fields, for each level and member."""
    both = (a * b.conj()).real
    return both[0].sum(0) + 2 * both[1:].sum((0, 1))


def energy(model: Atmosphere, q: np.ndarray) -> np.ndarray:
    """Kinetic and available potential energy, summed over the levels, m2 s-2."""
    return -mean_product(model.psi(q), q).sum(0) / 2


def enstrophy(model: Atmosphere, q: np.ndarray) -> np.ndarray:
    """Potential enstrophy of each level, s-2."""
    return mean_product(q + model.planetary, q + model.planetary) / 2


def test_energy_is_that_of_wind_and_thickness() -> None:
    model = Atmosphere(SPHERE, IDEAL, FLAT, FLAT)
    psi = noise(1, 2e6)
    kinetic = -mean_product(psi, along(SPHERE.laplacian, psi) * psi).sum(0) / 2
    tau = psi[:, :, :2] - psi[:, :, 1:]
    radii = np.array([IDEAL.radius_1, IDEAL.radius_2])[:, None]
    available = (mean_product(tau, tau) / radii**2).sum(0) / 2
    assert energy(model, model.q(psi)) == pytest.approx(kinetic + available)
    assert kinetic > 100  # m2 s-2: a wind worth the name


def test_advection_conserves_energy_and_enstrophy_to_the_order_of_the_time_step() -> None:
    """Quadratic invariants of RK4 decay with the step's fifth power: half the step, 1/32 of the error."""
    model = Atmosphere(SPHERE, IDEAL, HILL, FLAT)
    start = model.q(noise(1, 2e6))
    drift = {}
    for hours in (2.0, 1.0):
        end = model.run(start, JANUARY, 2, hours)
        assert not np.allclose(end, start, rtol=0.1)  # it did move
        drift[hours] = np.array(
            [
                energy(model, end) / energy(model, start) - 1,
                *(enstrophy(model, end) / enstrophy(model, start) - 1),
            ]
        ).ravel()
    assert np.abs(drift[1.0]).max() < 1e-4
    ratio = drift[2.0] / drift[1.0]
    assert (ratio > 20).all()
    assert (ratio < 50).all()


def test_instantaneous_tendency_conserves_to_round_off() -> None:
    model = Atmosphere(SPHERE, IDEAL, HILL, FLAT)
    q = model.q(noise(2, 2e6))
    change = model.tendency(q, np.array([0.0, 100.0]))
    size = np.sqrt(mean_product(change, change) * mean_product(model.psi(q), model.psi(q)))
    assert np.abs(mean_product(model.psi(q), change).sum(0)).max() < 1e-12 * size.max()
    total = q + model.planetary
    size = np.sqrt(mean_product(change, change) * mean_product(total, total))
    assert np.abs(mean_product(total, change) / size).max() < 1e-12


@pytest.mark.parametrize(("m", "n"), [(4, 5), (2, 3), (6, 9)])
def test_rossby_haurwitz_wave_travels_at_its_theoretical_speed(m: int, n: int) -> None:
    """Angular phase speed w - 2 (Omega + w) / (n (n + 1)), exact for any amplitude (Haurwitz, 1940)."""
    rotation, days = 6e-6, 4
    model = Atmosphere(SPHERE, IDEAL, FLAT, FLAT)
    psi = np.zeros((22, 22, 3, 1), complex)
    psi[0, 1] = -(EARTH_RADIUS**2) * rotation / np.sqrt(3)
    psi[m, n] = 5e6
    end = model.psi(model.run(model.q(psi), JANUARY, days, 1.0))
    speed = rotation - 2 * (EARTH_ROTATION + rotation) / (n * (n + 1))
    expected = 5e6 * np.exp(-1j * m * speed * days * DAY)
    assert np.abs(end[m, n] - expected).max() < 2e-4 * 5e6
    assert abs(np.angle(np.exp(-1j * m * speed * days * DAY))) > 0.1  # it would be seen
    rest = end.copy()
    rest[m, n] = rest[0, 1] = 0
    assert np.abs(rest).max() < 1e-6 * 5e6


def test_potential_vorticity_and_streamfunction_are_inverse() -> None:
    model = Atmosphere(SPHERE, Physics(), HILL, FLAT)
    psi = noise(3, 2e6)
    assert np.allclose(model.psi(model.q(psi)), psi, rtol=1e-10, atol=1e-6)


def test_planetary_vorticity_is_coriolis_and_the_mountain() -> None:
    model = Atmosphere(SPHERE, Physics(), HILL, FLAT)
    field = SPHERE.to_grid(model.planetary[..., 0])
    f = np.broadcast_to(2 * EARTH_ROTATION * SPHERE.mu, HILL.shape)
    assert np.allclose(field[..., 0], f, atol=1e-12)
    assert np.allclose(field[..., 2], f * (1 + HILL / 9000), atol=2e-6)


def test_drag_spins_the_lowest_level_down() -> None:
    only_drag = replace(IDEAL, ekman_days=3.0, drag_land=0.0, drag_mountain=0.0)
    model = Atmosphere(SPHERE, only_drag, FLAT, FLAT)
    psi = np.zeros((22, 22, 3, 1), complex)
    psi[0, 3, 2] = 1e7  # zonal: no advection
    change = model.tendency(model.q(psi), JANUARY)
    assert change[0, 3, 2, 0] == pytest.approx(-SPHERE.laplacian[0, 3] * 1e7 / (3 * DAY))
    assert np.abs(change[..., :2, :]).max() < 1e-12 * abs(change[0, 3, 2, 0])


def test_land_has_more_drag() -> None:
    only_drag = replace(IDEAL, ekman_days=3.0, drag_land=0.5, drag_mountain=0.0)
    psi = np.zeros((22, 22, 3, 1), complex)
    psi[0, 3, 2] = 1e7
    sea, land = (Atmosphere(SPHERE, only_drag, FLAT, FLAT + share) for share in (0, 1))
    ratio = land.tendency(land.q(psi), JANUARY)[0, 3, 2, 0] / sea.tendency(sea.q(psi), JANUARY)[0, 3, 2, 0]
    assert ratio == pytest.approx(1.5)


def test_relaxation_pulls_the_thickness_to_the_equilibrium() -> None:
    only_heat = replace(Physics(), ekman_days=NOTHING, diffusion_days=NOTHING, land_contrast=0.0)
    model = Atmosphere(SPHERE, only_heat, FLAT, FLAT)
    rest = model.tendency(model.q(model.resting(JANUARY)), JANUARY)
    away = model.tendency(model.q(0.5 * model.resting(JANUARY)), JANUARY)
    assert np.abs(rest).max() < 1e-10 * np.abs(away).max()
    tau = model.psi(away)[0, :, 0] - model.psi(away)[0, :, 1]
    wanted = model.resting(JANUARY)[0, :, 0] - model.resting(JANUARY)[0, :, 1]
    assert (tau * wanted).real.sum() > 0


def test_jets_are_strong_in_winter_and_the_land_cold() -> None:
    land = FLAT + ((SPHERE.longitude > 60) & (SPHERE.longitude < 120))[:, None]
    model = Atmosphere(SPHERE, Physics(), FLAT, land)
    psi = model.resting(np.array([15.0, 15 + 182.6]))  # January, July
    wind = -SPHERE.d_mu(psi)[:, :, 0] / SPHERE.cos[:, None] / EARTH_RADIUS
    north = wind[:, SPHERE.latitude > 20].mean(0).max(0)
    south = wind[:, SPHERE.latitude < -20].mean(0).max(0)
    assert north[0] > 1.2 * north[1]
    assert south[1] > 1.2 * south[0]
    thickness = SPHERE.to_grid(psi[:, :, 1] - psi[:, :, 2]) * (2 * EARTH_ROTATION * SPHERE.mu)[:, None]
    contrast = thickness[16] - thickness[48]  # 90 E (land), 90 W (sea)
    for latitude in (50, -50):
        row = np.argmin(np.abs(SPHERE.latitude - latitude))
        winter, summer = (0, 1) if latitude > 0 else (1, 0)
        assert contrast[row, winter] < 0 < contrast[row, summer]


def test_season_turns_in_a_year() -> None:
    assert season(15.0) == pytest.approx(1)
    assert season(15 + 365.25 / 2) == pytest.approx(-1)
    assert season(15 + 365.25) == pytest.approx(1)


def single(count: int) -> tuple[Atmosphere, np.ndarray]:
    sphere = Sphere(21)
    model = Atmosphere(sphere, Physics(), HILL, FLAT)
    psi = 0.7 * model.resting(np.full(count, 15.0)) + noise(count, 2e6)
    return model, model.q(psi.astype("complex64"))


def test_same_start_same_end_to_the_bit() -> None:
    model, q = single(2)
    days = np.full(2, 15.0)
    ends = [model.run(q, days, 1, 1.5) for _ in range(2)]
    assert np.array_equal(*ends)
    assert ends[0].dtype == np.complex64


def test_members_do_not_feel_each_other() -> None:
    """A batch of five and each alone: equal up to the rounding of single precision, grown for two days."""
    model, q = single(5)
    days = np.array([15.0, 100.0, 200.0, 300.0, 15.0])
    together = model.run(q, days, 2, 1.5)
    for i in (0, 3):
        alone = model.run(q[..., i : i + 1], days[i : i + 1], 2, 1.5)[..., 0]
        error = np.abs(together[..., i] - alone).max() / np.abs(alone).max()
        assert error < 2e-5


def test_a_season_of_weather_stays_bounded_and_alive() -> None:
    """Sixty days at low resolution: jets and storms, no explosion and no standstill."""
    model, q = single(1)
    q = model.run(q, np.array([330.0]), 60, 2.0)
    psi = model.psi(q)[..., 0]
    wind = -model.sphere.d_mu(psi) / EARTH_RADIUS / model.sphere.cos[:, None]
    assert 25 < wind[..., 0].mean(0).max() < 80
    eddies = psi.copy()
    eddies[0] = 0
    height = model.sphere.to_grid(eddies)[:, model.sphere.latitude > 30, 1] * 1e-4 / 9.81
    assert 40 < height.std() < 250  # m, at 500 hPa
