"""Coarse cells found again in the input, other interpolations of them, and the lapse rate that they show."""

from __future__ import annotations

import numpy as np
import pytest

from maelstrom_bootcamp.apps.downscaling.coarse import coarse_values, fine_values, local_lapse_rate, weights
from maelstrom_bootcamp.apps.downscaling.dataset import read_tier1
from maelstrom_bootcamp.bucket.downscaling.coarsen import back
from maelstrom_bootcamp.errors import BootcampError


def random_cells(*shape: int, seed: int = 0) -> np.ndarray:
    return 280 + 5 * np.random.default_rng(seed).normal(size=shape)


def test_bilinear_is_what_the_sample_was_made_with():
    cells = random_cells(14, 18)
    np.testing.assert_allclose(fine_values(cells), back(cells), atol=1e-10)


def test_cells_are_found_again():
    cells = random_cells(3, 14, 18)
    np.testing.assert_allclose(coarse_values(fine_values(cells)), cells, atol=1e-9)


def test_input_of_the_sample_is_an_interpolation_but_for_rounding():
    t2m = read_tier1("validation", size="ci").t2m_in.values.astype(float)
    assert np.abs(fine_values(coarse_values(t2m)) - t2m).max() < 2**-9
    fine = read_tier1("validation", size="ci").t2m_tar.values.astype(float)
    assert np.abs(fine_values(coarse_values(fine)) - fine).max() > 1, "the target is not"


def test_cubic_is_exact_for_cubic_polynomials_and_linear_is_not():
    def values(y, x):
        return 2 + y - 0.3 * x * y**2 + 0.01 * x**3

    cells = values(*np.meshgrid(np.arange(14.0), np.arange(18.0), indexing="ij"))
    at = [(np.arange(n) + 8 - 3.5) / 8 for n in (96, 128)]
    wanted = values(*np.meshgrid(*at, indexing="ij"))
    np.testing.assert_allclose(fine_values(cells, order=3), wanted, atol=1e-9)
    assert np.abs(fine_values(cells) - wanted).max() > 0.1


def test_weights_add_up_to_one():
    for order in (1, 3):
        np.testing.assert_allclose(weights(96, order).sum(1), 1)


@pytest.mark.parametrize("call", [lambda: weights(97), lambda: weights(8), lambda: weights(96, 2)])
def test_what_cannot_be_interpolated_is_refused(call):
    with pytest.raises(BootcampError):
        call()


def test_local_rate_is_that_of_the_mountains_around():
    height = np.random.default_rng(1).uniform(0, 2000, (14, 18))
    height[:, :6] = 5.0
    temperature = 290 - np.array([4.0, 9.0])[:, None, None] * height / 1000
    rate = local_lapse_rate(temperature, height, 1.0)
    np.testing.assert_allclose(rate[:, :, 12:], [[[-4.0]], [[-9.0]]] + 0 * rate[:, :, 12:], rtol=0.03)
    np.testing.assert_allclose(rate[:, :, 0], -6.5, atol=1e-6, err_msg="flat ground knows nothing")
    near, far = (local_lapse_rate(temperature, height, reach)[0, 7, 7] for reach in (0.5, 3.0))
    assert near != pytest.approx(far, abs=1e-6)


def test_gradients_from_place_to_place_do_not_count_where_the_ground_is_flat():
    temperature = np.linspace(270, 290, 14 * 18).reshape(1, 14, 18)
    rate = local_lapse_rate(temperature, np.zeros((14, 18)), 2.0, usual=-5.0)
    np.testing.assert_allclose(rate, -5.0)
