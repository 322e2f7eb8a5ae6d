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


def on_earth(values, north=54.5, step=0.1):
    ny, nx = values.shape[-2:]
    grid = {"lat": north - step * np.arange(ny), "lon": 4 + step * np.arange(nx)}
    dims = ("time", "lat", "lon")[-values.ndim :]
    return xr.DataArray(values, grid, dims)


def test_spacing_of_degrees():
    dy, dx = spatial.spacing_of_degrees(on_earth(np.zeros((11, 5)), north=60.5))
    assert dy == pytest.approx(11.12, abs=0.01)
    assert dx == pytest.approx(dy / 2, rel=1e-6)  # cos(60 degrees)
    for bad in (field(np.zeros((4, 4))).rename(y="lat", x="lon"), on_earth(np.zeros((4, 4)))[[0, 1, 3]]):
        with pytest.raises(BootcampError, match="regular"):
            spatial.spacing_of_degrees(bad)


def test_rows_and_columns_differently_far_apart():
    y, x = np.mgrid[:6, :5]
    plane = field(3.0 * x + 4.0 * y)
    np.testing.assert_allclose(spatial.gradient_amplitude(plane, (2.0, 3.0)), np.hypot(2, 1))
    steep_x = field(5.0 * x + 0.0 * y)
    ratio = spatial.gradient_ratio(steep_x, plane, spacing=(2.0, 1.0))
    assert float(ratio) == pytest.approx(5 / np.hypot(2, 3))


def test_spectrum_knows_the_length_of_a_wave_in_both_directions():
    ny, nx, dy, dx = 48, 64, 10.0, 6.0
    along_y = np.cos(np.pi * 8 * (np.arange(ny) + 0.5) / ny)[:, None] * np.ones(nx)  # 2 ny dy / 8 = 120 km
    along_x = np.cos(np.pi * 8 * (np.arange(nx) + 0.5) / nx)[None] * np.ones((ny, 1))  # 2 nx dx / 8 = 96 km
    for wave, length in ((along_y, 120), (along_x, 96)):
        found = spatial.spectrum(field(wave), (dy, dx))
        assert float(found.wavelength[found.argmax()]) == pytest.approx(length, rel=0.07)
        assert float(found.max()) == pytest.approx(0.5)
    assert found.wavelength.min() >= 20  # what both directions resolve


def test_scale_variance_of_each_field():
    n = 64
    points = np.arange(n) + 0.5
    waves = [np.tile(np.cos(np.pi * k * points / n), (n, 1)) for k in (4, 40)]  # 32 and 3.2 grid lengths
    two = field(np.stack([waves[0] + 2 * waves[1], waves[0]]))
    assert spatial.finest_octave((1.0, 0.5)) == (2, 4)
    fine = spatial.scale_variance(two, *spatial.finest_octave(1.0))
    assert fine.dims == ("time",)
    np.testing.assert_allclose(fine, [2, 0], atol=1e-12)
    np.testing.assert_allclose(spatial.scale_variance(two, 4, 1000), [0.5, 0.5])
    with pytest.raises(BootcampError, match="No wave"):
        spatial.scale_variance(two, 0.1, 0.2)


def test_octave_borders_belong_to_one_side():
    n = 64
    shortest = np.tile(np.cos(np.pi * 32 * (np.arange(n) + 0.5) / n), (n, 1))  # exactly 4 grid lengths
    assert float(spatial.scale_variance(field(shortest), 2, 4)) == pytest.approx(0, abs=1e-12)
    assert float(spatial.scale_variance(field(shortest), 4, 8)) == pytest.approx(0.5)


def test_spectral_error_has_a_sign():
    o = field(np.random.default_rng(0).standard_normal((3, 32, 32)))
    smooth = o.rolling(x=3, y=3, center=True, min_periods=1).mean()
    assert float(spatial.spectral_error(o, o)) == 0
    assert float(spatial.spectral_error(0.5 * o, o)) == pytest.approx(-0.75)
    assert float(spatial.spectral_error(2 * o + 5, o)) == pytest.approx(3)
    assert -1 < float(spatial.spectral_error(smooth, o)) < -0.9
    assert spatial.spectral_error(smooth, o, []).dims == ("time",)
    ratio = spatial.spectral_error(o + 2 * (o - smooth), o, between=(16, 64))
    assert abs(float(ratio)) < 0.5 < float(spatial.spectral_error(o + 2 * (o - smooth), o))


def test_variances_are_averaged_before_they_are_divided():
    o = field(np.random.default_rng(0).standard_normal((2, 16, 16)))
    f = o * xr.DataArray([0.0, 2.0], dims="time")
    v = spatial.scale_variance(o, 2, 4).values
    assert float(spatial.spectral_error(f, o)) == pytest.approx(4 * v[1] / v.sum() - 1)


def test_coherence_tells_right_from_rough():
    rng = np.random.default_rng(0)
    o = field(rng.standard_normal((8, 32, 32)))
    other = field(rng.standard_normal((8, 32, 32)))
    np.testing.assert_allclose(spatial.coherence(2 * o + 1, o), 1)
    np.testing.assert_allclose(spatial.coherence(-o, o), -1)
    assert float(abs(spatial.coherence(other, o)).max()) < 0.5
    assert abs(float(spatial.spectral_error(other, o))) < 0.1  # as rough, and wrong all over
    assert spatial.coherence(o * 0, o).isnull().all()


def test_rescaled_waves():
    o = field(np.random.default_rng(0).standard_normal((2, 24, 32)) + 280)
    gains = spatial.spectrum(o) * 0 + 1
    np.testing.assert_allclose(spatial.rescaled(o, gains), o)
    double = spatial.rescaled(o.transpose("x", "time", "y"), 2 * gains)
    assert double.dims == ("x", "time", "y")
    anomaly = o - o.mean(("y", "x"))
    np.testing.assert_allclose(double.transpose(*o.dims) - o.mean(("y", "x")), 2 * anomaly)
    smooth = spatial.rescaled(o, gains.where(gains.wavelength > 8, 0))
    assert float(spatial.spectral_error(smooth, o)) == pytest.approx(-1)
    assert abs(float(spatial.spectral_error(smooth, o, between=(16, 64)))) < 1e-9


def test_gains_belong_to_lengths_in_km():
    o = field(np.random.default_rng(0).standard_normal((24, 32)))
    gains = spatial.spectrum(o) * 0 + np.linspace(2, 0, 23)
    in_km = gains.assign_coords(wavelength=10 * gains["wavelength"])
    np.testing.assert_allclose(spatial.rescaled(o, in_km, 10.0), spatial.rescaled(o, gains))


def test_bands_do_not_depend_on_the_unit_of_the_spacing():
    """With sides of 3 to 4, some waves lie exactly between two bands."""
    rng = np.random.default_rng(0)
    o, f = (field(rng.standard_normal((24, 32))) for _ in range(2))
    for spacing in (6.1, 10.0):
        near, far = spatial.coherence(f, o), spatial.coherence(f, o, spacing)
        np.testing.assert_allclose(far, near)
        np.testing.assert_allclose(far["wavelength"], spacing * near["wavelength"])
        np.testing.assert_allclose(spatial.spectrum(o, spacing), spatial.spectrum(o))
