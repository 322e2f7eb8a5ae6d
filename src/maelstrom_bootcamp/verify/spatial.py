"""Does a forecast look like weather? Sharpness of its gradients and variance at each scale.

Grid spacings are given in km, one number for a square grid, or two, (dy, dx), if rows and columns lie
differently far apart: on a grid of degrees they do, see `spacing_of_degrees`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from scipy import fft

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.verify.scores import Dims, matched, reduced_dims

PLANE = ("y", "x")
KM_PER_DEGREE = 111.195  # of latitude, on a sphere of 6371 km
Spacing = float | tuple[float, float]


def spacing_of_degrees(field: xr.DataArray, plane: Sequence[str] = ("lat", "lon")) -> tuple[float, float]:
    """Grid spacing of a regular grid of degrees, at its middle latitude.

    Parameters
    ----------
    field : xarray.DataArray
        With coordinates in degrees for the two dimensions of `plane`.
    plane : sequence of str
        Names of latitude and longitude.

    Returns
    -------
    (float, float)
        From row to row and from column to column, in km. Columns come closer to the poles: between 45 and
        54.5 degrees north their distance differs by 10 % from that in the middle.

    Raises
    ------
    BootcampError
        If the field has no such coordinates, or they are not regular.
    """
    steps = []
    for dim in plane:
        values = np.asarray(field[dim].values, float) if dim in field.coords else np.empty(0)
        if values.size < 2 or np.ptp(np.diff(values)) > 1e-3 * abs(values[1] - values[0]):
            raise BootcampError(
                f"There is no regular coordinate {dim!r}.", "Give two degrees or more of each."
            )
        steps.append(abs(float(values[-1] - values[0])) / (values.size - 1) * KM_PER_DEGREE)
    middle = np.deg2rad(float(field[plane[0]].mean()))
    return steps[0], steps[1] * float(np.cos(middle))


def gradient_amplitude(
    field: xr.DataArray, spacing: Spacing = 1.0, plane: Sequence[str] = PLANE
) -> xr.DataArray:
    """Amplitude of the horizontal gradient, |grad T|, by central differences.

    Parameters
    ----------
    field : xarray.DataArray
        With the two dimensions of `plane`.
    spacing : float or (float, float)
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
    dy, dx = np.gradient(np.asarray(field.values, float), *_both(spacing), axis=axes)
    return field.copy(data=np.hypot(dy, dx))


def gradient_ratio(
    forecast: xr.DataArray,
    target: xr.DataArray,
    dims: Sequence[str] | None = None,
    plane: Sequence[str] = PLANE,
    spacing: Spacing = 1.0,
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
    spacing : float or (float, float)
        Grid spacing in km; matters only if rows and columns lie differently far apart.

    Returns
    -------
    xarray.DataArray
        1: as much structure as the target; below 1: too smooth.
    """
    forecast, target = matched(forecast, target)
    of_forecast = gradient_amplitude(forecast, spacing, plane)
    of_target = gradient_amplitude(target.transpose(*forecast.dims), spacing, plane)
    return of_forecast.mean(dims) / of_target.mean(dims)


def spectrum(field: xr.DataArray, spacing: Spacing = 1.0, plane: Sequence[str] = PLANE) -> xr.DataArray:
    """Variance of a field by wavelength, from its two-dimensional cosine transform.

    A cosine transform needs no periodic field: a Fourier transform would take the jump between opposite
    borders for small-scale weather.

    Parameters
    ----------
    field : xarray.DataArray
        Without missing values; averaged over all dimensions but those of `plane`, after the transform.
    spacing : float or (float, float)
        Grid spacing in km.
    plane : sequence of str
        Names of the two dimensions.

    Returns
    -------
    xarray.DataArray
        Dimension ``wavelength`` in km, from long to short: variance in each band, in the field's unit
        squared. The bands are one wave number of the shorter side wide, and their sum is the variance of the
        field but for what is left out: the corners of the spectrum (waves that the grid resolves in some
        directions only), and waves longer than four times the shorter side.

    References
    ----------
    Denis, B., Cote, J. and Laprise, R. (2002): Spectral decomposition of two-dimensional atmospheric fields
    on limited-area domains using the discrete cosine transform. Mon. Wea. Rev. 130, 1812-1829.
    """
    waves = _transformed(field, plane)
    return _in_bands((waves**2).reshape(-1, *waves.shape[-2:]).mean(0), spacing)


def coherence(
    forecast: xr.DataArray, target: xr.DataArray, spacing: Spacing = 1.0, plane: Sequence[str] = PLANE
) -> xr.DataArray:
    """Correlation of forecast and target by wavelength: whether structures are in the right place.

    A spectrum says how much there is of each scale, and would praise noise. This says how much is right:
    sum(F O) / sqrt(sum(F^2) sum(O^2)) over the cosine coefficients F and O of a band, of all fields.

    Parameters
    ----------
    forecast, target : xarray.DataArray
        On the same grid, without missing values.
    spacing, plane
        As for `spectrum`.

    Returns
    -------
    xarray.DataArray
        Dimension ``wavelength`` in km: from -1 to 1. No variance in a band: missing.

    References
    ----------
    Denis et al. (2002), see `spectrum`.
    """
    forecast, target = matched(forecast, target)
    f, o = _transformed(forecast, plane), _transformed(target.transpose(*forecast.dims), plane)
    products = ((a * b).reshape(-1, *f.shape[-2:]).mean(0) for a, b in ((f, o), (f, f), (o, o)))
    both, of_forecast, of_target = (_in_bands(product, spacing) for product in products)
    size = np.sqrt(of_forecast * of_target)
    return (both / size.where(size > 0)).rename("coherence")


def finest_octave(spacing: Spacing) -> tuple[float, float]:
    """Wavelengths between which the shortest octave lies that the grid resolves in all directions.

    Parameters
    ----------
    spacing : float or (float, float)
        Grid spacing in km.

    Returns
    -------
    (float, float)
        Two and four grid lengths, of the wider spacing, in km.
    """
    widest = max(_both(spacing))
    return 2 * widest, 4 * widest


def scale_variance(
    field: xr.DataArray,
    shortest: float,
    longest: float,
    spacing: Spacing = 1.0,
    plane: Sequence[str] = PLANE,
) -> xr.DataArray:
    """Variance of each field in waves between two lengths.

    Parameters
    ----------
    field : xarray.DataArray
        Without missing values.
    shortest, longest : float
        Wavelengths in km: shortest <= wavelength < longest.
    spacing, plane
        As for `spectrum`.

    Returns
    -------
    xarray.DataArray
        Without the dimensions of `plane`, in the field's unit squared.

    Raises
    ------
    BootcampError
        If no wave of the grid lies between them.
    """
    waves = _transformed(field, plane)
    number = _wave_numbers(waves.shape[-2:], spacing)
    inside = (number > 1 / longest) & (number <= 1 / shortest * (1 + 1e-9)) & (number > 0)
    if not inside.any():
        raise BootcampError(
            f"No wave of this grid lies between {shortest} and {longest} km.", "Widen the range."
        )
    variance = (waves[..., inside] ** 2).sum(-1)
    return field.isel(dict.fromkeys(plane, 0), drop=True).copy(data=variance)


def spectral_error(
    forecast: xr.DataArray,
    target: xr.DataArray,
    dims: Dims = None,
    *,
    spacing: Spacing = 1.0,
    plane: Sequence[str] = PLANE,
    between: tuple[float, float] | None = None,
) -> xr.DataArray:
    """Relative error of the forecast's variance at small scales, V_f / V_o - 1.

    Parameters
    ----------
    forecast, target : xarray.DataArray
        In the same unit, on the same grid, without missing values.
    dims : str or iterable of str, optional
        Dimensions besides the plane to average both variances over, before the division; default all.
    spacing, plane
        As for `spectrum`.
    between : (float, float), optional
        Wavelengths in km; default `finest_octave`.

    Returns
    -------
    xarray.DataArray
        0: as much variance as the target. -0.3: 30 % of it is missing, the forecast is too smooth. Positive:
        too rough. -1 is the lowest value. Whether the variance is in the right place it does not say, see
        `coherence`.
    """
    forecast, target = matched(forecast, target)
    between = between or finest_octave(spacing)
    of_forecast, of_target = (scale_variance(f, *between, spacing, plane) for f in (forecast, target))
    dims = reduced_dims(of_forecast, dims)
    return of_forecast.mean(dims) / of_target.mean(dims) - 1


def rescaled(
    field: xr.DataArray, gains: xr.DataArray, spacing: Spacing = 1.0, plane: Sequence[str] = PLANE
) -> xr.DataArray:
    """Multiply each wave of a field by a factor that depends on its length.

    Parameters
    ----------
    field : xarray.DataArray
        Without missing values.
    gains : xarray.DataArray
        Dimension ``wavelength`` in km; linear in the wave number between two of them, constant beyond the
        first and the last. The mean of a field is left as it is.
    spacing, plane
        As for `spectrum`.

    Returns
    -------
    xarray.DataArray
        Like the field.
    """
    waves = _transformed(field, plane)
    by_number = gains.sortby("wavelength", ascending=False)
    numbers = _wave_numbers(waves.shape[-2:], spacing)
    factors = np.interp(numbers, 1 / by_number["wavelength"].values, by_number.values)
    factors[0, 0] = 1.0
    values = fft.idctn(waves * factors * np.sqrt(factors.size), axes=(-2, -1), norm="ortho")
    return field.copy(data=np.moveaxis(values, (-2, -1), _axes(field, plane)).astype(field.dtype))


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


def _both(spacing: Spacing) -> tuple[float, float]:
    dy, dx = (spacing, spacing) if np.ndim(spacing) == 0 else spacing
    if not (dy > 0 and dx > 0):
        raise BootcampError(f"A grid spacing of {spacing} km is none.", "Give one or two lengths above 0.")
    return float(dy), float(dx)


def _transformed(field: xr.DataArray, plane: Sequence[str]) -> np.ndarray:
    """Cosine coefficients (..., y, x), scaled so that the sum of their squares is the mean square."""
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
    return fft.dctn(values, axes=(-2, -1), norm="ortho") / np.sqrt(ny * nx)


def _wave_numbers(shape: tuple[int, int], spacing: Spacing) -> np.ndarray:
    """Inverse wavelength of each coefficient, 1/km: (i, j) has i half waves over the rows, j over columns."""
    (ny, nx), (dy, dx) = shape, _both(spacing)
    return np.hypot(np.arange(ny)[:, None] / (2 * ny * dy), np.arange(nx)[None, :] / (2 * nx * dx))


def _in_bands(power: np.ndarray, spacing: Spacing) -> xr.DataArray:
    ny, nx = power.shape
    dy, dx = _both(spacing)
    side = min(ny * dy, nx * dx)
    n_bands = int(round(side / max(dy, dx), 6))
    # Rounded first: on which side of a border a wave lies must not depend on the unit of the spacing.
    band = np.floor(np.round(_wave_numbers((ny, nx), spacing) * 2 * side + 0.5, 6)).astype(int)
    variance = np.bincount(band.ravel(), power.ravel(), minlength=n_bands)[1:n_bands]
    wavelength = 2 * side / np.arange(1, n_bands)
    coordinate = ("wavelength", wavelength, {"units": "km", "long_name": "wavelength"})
    return xr.DataArray(variance, {"wavelength": coordinate}, ("wavelength",), "variance")
