"""Gradients and spectra of fields whose answer is known."""

import numpy as np
import pytest
import xarray as xr

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.verify import spatial


def field(values):
    values = np.asarray(values, float)
    return xr.DataArray(values, dims=("time", "y", "x")[-values.ndim :])


def test_gradient_of_a_plane():
    y, x = np.mgrid[:6, :5]
    plane = field(3.0 * x + 4.0 * y)
    np.testing.assert_allclose(spatial.gradient_amplitude(plane), 5)
    np.testing.assert_allclose(spatial.gradient_amplitude(plane, spacing=2.0), 2.5)


def test_gradient_ratio_of_a_smoother_forecast():
    o = field(np.random.default_rng(0).standard_normal((2, 32, 32)))
    smooth = o.rolling(x=3, y=3, center=True, min_periods=1).mean()
    assert float(spatial.gradient_ratio(o, o)) == 1
    assert float(spatial.gradient_ratio(0.5 * o, o)) == pytest.approx(0.5)
    assert float(spatial.gradient_ratio(smooth, o)) < 0.6
    assert spatial.gradient_ratio(smooth, o.transpose("y", "time", "x"), ("y", "x")).dims == ("time",)


def test_spectrum_finds_a_wave():
    n, k = 64, 8
    wave = np.cos(np.pi * k * (np.arange(n) + 0.5) / n)  # wavelength 2 n / k = 16 grid lengths
    found = spatial.spectrum(field(np.tile(wave, (n, 1))), spacing=2.0)
    assert float(found.wavelength[found.argmax()]) == pytest.approx(32.0)
    assert float(found.max()) == pytest.approx(0.5)  # variance of a wave of amplitude 1
    assert float(found.sum()) == pytest.approx(0.5)


def test_spectrum_is_averaged_over_fields_and_scales_with_the_variance():
    values = np.random.default_rng(0).standard_normal((3, 16, 24))
    whole = spatial.spectrum(field(values))
    each = [spatial.spectrum(field(v)) for v in values]
    np.testing.assert_allclose(whole, sum(each) / 3)
    np.testing.assert_allclose(spatial.spectrum(field(2 * values)), 4 * whole)
    assert (np.diff(whole.wavelength) < 0).all()
    # White noise: what is left out are the corners and half a band at both ends.
    assert 0.6 < float(whole.sum()) < 1.0


def test_slope_of_a_power_law():
    wavelength = 128 / np.arange(1, 64)
    power = xr.DataArray(wavelength**3, {"wavelength": wavelength}, ("wavelength",))
    assert spatial.spectrum_slope(power, 5, 100) == pytest.approx(-3)


def test_mistakes_name_their_cure():
    good = field(np.random.default_rng(0).standard_normal((8, 8)))
    holes = good.where(good > -1)
    for call in (
        lambda: spatial.gradient_amplitude(good, plane=("lat", "x")),
        lambda: spatial.gradient_amplitude(good[:1]),
        lambda: spatial.spectrum(holes),
        lambda: spatial.spectrum(good[:3]),
        lambda: spatial.spectrum_slope(spatial.spectrum(good), 3, 4),
    ):
        with pytest.raises(BootcampError) as caught:
            call()
        assert caught.value.cure
