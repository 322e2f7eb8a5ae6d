"""Does a forecast look like weather? Sharpness of its gradients and variance at each scale."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from scipy import fft

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.verify.scores import matched

PLANE = ("y", "x")


def gradient_amplitude(
    field: xr.DataArray, spacing: float = 1.0, plane: Sequence[str] = PLANE
) -> xr.DataArray:
    """Amplitude of the horizontal gradient, |grad T|, by central differences.

    Parameters
    ----------
    field : xarray.DataArray
        With the two dimensions of `plane`.
    spacing : float
        Grid spacing in km.
    plane : sequence of str
        Names of the two dimensions.

    Returns
    -------
    xarray.DataArray
        Same dimensions, in the field's unit per km.
    """
    axes = _axes(field, plane)
    if min(field.sizes[d] for d in plane) < 2:
        raise BootcampError(
            f"A field of {dict(field.sizes)} has no gradient.", "Give two points a side at least."
        )
    dy, dx = np.gradient(np.asarray(field.values, float), spacing, axis=axes)
    return field.copy(data=np.hypot(dy, dx))


def gradient_ratio(
    forecast: xr.DataArray,
    target: xr.DataArray,
    dims: Sequence[str] | None = None,
    plane: Sequence[str] = PLANE,
) -> xr.DataArray:
    """Mean gradient of the forecast over mean gradient of the target, <|grad f|> / <|grad o|>.

    Parameters
    ----------
    forecast, target : xarray.DataArray
        In the same unit, on the same grid.
    dims : sequence of str, optional
        Dimensions to average over; default all.
    plane : sequence of str
        Names of the two horizontal dimensions.

    Returns
    -------
    xarray.DataArray
        1: as much structure as the target; below 1: too smooth.
    """
    forecast, target = matched(forecast, target)
    of_forecast = gradient_amplitude(forecast, plane=plane)
    of_target = gradient_amplitude(target.transpose(*forecast.dims), plane=plane)
    return of_forecast.mean(dims) / of_target.mean(dims)


def spectrum(field: xr.DataArray, spacing: float = 1.0, plane: Sequence[str] = PLANE) -> xr.DataArray:
    """Variance of a field by wavelength, from its two-dimensional cosine transform.

    A cosine transform needs no periodic field: a Fourier transform would take the jump between opposite
    borders for small-scale weather.

    Parameters
    ----------
    field : xarray.DataArray
        Without missing values; averaged over all dimensions but those of `plane`, after the transform.
    spacing : float
        Grid spacing in km.
    plane : sequence of str
        Names of the two dimensions.

    Returns
    -------
    xarray.DataArray
        Dimension ``wavelength`` in km, from long to short: variance in each band, in the field's unit
        squared. The bands are one wave number wide, so that the sum over all bands is the variance of the
        field; the corners of the spectrum (waves shorter than two grid lengths along an axis allow) are left
        out.

    References
    ----------
    Denis, B., Cote, J. and Laprise, R. (2002): Spectral decomposition of two-dimensional atmospheric fields
    on limited-area domains using the discrete cosine transform. Mon. Wea. Rev. 130, 1812-1829.
    """
    axes = _axes(field, plane)
    values = np.moveaxis(np.asarray(field.values, float), axes, (-2, -1))
    if not np.isfinite(values).all():
        raise BootcampError(
            "A spectrum needs a field without missing values.", "Cut out a complete rectangle."
        )
    ny, nx = values.shape[-2:]
    if min(ny, nx) < 4:
        raise BootcampError(
            f"A spectrum of {ny} x {nx} points says nothing.", "Give 4 points a side at least."
        )
    power = fft.dctn(values, axes=(-2, -1), norm="ortho") ** 2 / (ny * nx)
    power = power.reshape(-1, ny, nx).mean(0)
    # Coefficient (i, j) is a wave of length 2 * spacing / alpha; alpha = 1 is the shortest along an axis.
    alpha = np.hypot(np.arange(ny)[:, None] / ny, np.arange(nx)[None, :] / nx)
    n_bands = min(ny, nx)
    band = np.floor(alpha * n_bands + 0.5).astype(int)
    variance = np.bincount(band.ravel(), power.ravel(), minlength=n_bands)[1:n_bands]
    wavelength = 2 * spacing * n_bands / np.arange(1, n_bands)
    coordinate = ("wavelength", wavelength, {"units": "km", "long_name": "wavelength"})
    return xr.DataArray(variance, {"wavelength": coordinate}, ("wavelength",), "variance")


def spectrum_slope(spectrum: xr.DataArray, shortest: float, longest: float) -> float:
    """Slope of log variance against log wave number, by least squares.

    Parameters
    ----------
    spectrum : xarray.DataArray
        From `spectrum`.
    shortest, longest : float
        Wavelengths in km between which the line is fitted.

    Returns
    -------
    float
        About -5/3 or -3 for the atmosphere; more negative: smoother.

    Raises
    ------
    BootcampError
        If there are less than three bands between the two wavelengths.
    """
    inside = spectrum.where((spectrum.wavelength >= shortest) & (spectrum.wavelength <= longest), drop=True)
    if inside.size < 3 or not (inside > 0).all():
        raise BootcampError(
            f"No line can be fitted to {inside.size} bands between {shortest} and {longest} km.",
            "Widen the range of wavelengths, or take a field that varies.",
        )
    return float(np.polyfit(np.log(1 / inside.wavelength), np.log(inside), 1)[0])


def _axes(field: xr.DataArray, plane: Sequence[str]) -> tuple[int, int]:
    missing = [d for d in plane if d not in field.dims]
    if missing:
        raise BootcampError(
            f"The field has no dimension {missing[0]!r}.", f"Name the plane; it has {field.dims}."
        )
    return tuple(field.dims.index(d) for d in plane)
