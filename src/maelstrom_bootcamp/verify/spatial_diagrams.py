"""Diagrams for fields: maps with coast and heights, spectra against the target's, conditional quantiles.

As in `maelstrom_bootcamp.verify.diagrams`: plain matplotlib; functions that draw one panel return
``(fig, ax)`` and take an `ax`, and methods are told apart by colour, marker and line style, in the order of
the mapping.
"""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.verify.diagrams import GREY, open_axes, styles

HEIGHTS = (500.0, 1000.0, 2000.0)  # m, of the contours
PLANE = ("lat", "lon")
LEAST_SHARE = 0.02  # of the target's variance, that is still drawn


def maps(
    fields: Mapping[str, xr.DataArray],
    height: xr.DataArray | None = None,
    *,
    label: str = "2 m temperature (K)",
    limits: tuple[float, float] | None = None,
    diverging: bool = False,
    cmap: str | None = None,
    columns: int = 3,
    contours: tuple[float, ...] = HEIGHTS,
    panel: tuple[float, float] = (2.1, 2.5),
) -> tuple[Figure, np.ndarray]:
    """Draw fields side by side with one colour scale, with the coast and contours of the height.

    Parameters
    ----------
    fields : mapping
        Fields (lat, lon) by name, with coordinates in degrees; all on the same region.
    height : xarray.DataArray, optional
        (lat, lon), m. The coast is drawn where it crosses 0.5 m: the sea has height 0.
    label : str
        What is drawn, with its unit.
    limits : (float, float), optional
        Ends of the colour scale; default: 1st and 99th percentile of all fields, symmetric if diverging.
    diverging : bool
        For differences: blue, white at 0, red.
    cmap : str, optional
        Another colour map of matplotlib.
    columns : int
        Panels in a row, at most.
    contours : tuple of float
        Heights to draw, m.
    panel : (float, float)
        Width and height of a panel in inches.

    Returns
    -------
    fig, axes
        Axes of the panels, flat, in the order of the mapping.

    Raises
    ------
    BootcampError
        If there is no field, or one has other dimensions.
    """
    if not fields:
        raise BootcampError("There is no field to draw.", "Give at least one, by name.")
    for field in [*fields.values(), *([] if height is None else [height])]:
        if set(field.dims) != set(PLANE):
            raise BootcampError(
                f"A map needs the dimensions lat and lon, not {field.dims}.", "Select or average the others."
            )
    columns = min(columns, len(fields))
    rows = -(-len(fields) // columns)
    size = (columns * panel[0] + 0.8, rows * panel[1])
    fig, axes = plt.subplots(
        rows, columns, figsize=size, layout="compressed", facecolor="white", squeeze=False
    )
    low, high = limits or _limits(fields.values(), diverging)
    look = {"vmin": low, "vmax": high, "cmap": cmap or ("RdBu_r" if diverging else "viridis")}
    for ax in axes.ravel()[len(fields) :]:
        ax.set_visible(False)
    for i, (ax, (name, field)) in enumerate(zip(axes.ravel(), fields.items(), strict=False)):
        mesh = _map(ax, field, height, contours, look)
        ax.set_title(name, fontsize=9)
        ax.tick_params(labelsize=8)
        ax.label_outer()
        if i % columns == 0:
            ax.set_ylabel("latitude (°N)", fontsize=8)
        if i + columns >= len(fields):
            ax.set_xlabel("longitude (°E)", fontsize=8)
            ax.tick_params(labelbottom=True)
    bar = fig.colorbar(mesh, ax=axes, label=label, extend=_extend(fields.values(), low, high), shrink=0.85)
    bar.ax.tick_params(labelsize=8)
    return fig, axes.ravel()[: len(fields)]


def relative_spectra(
    variances: Mapping[str, xr.DataArray],
    target: xr.DataArray,
    octave: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> tuple[Figure, Axes]:
    """Draw the variance of forecasts as a share of the target's, by wavelength.

    Parameters
    ----------
    variances : mapping
        `spatial.spectrum` by name of the method.
    target : xarray.DataArray
        `spatial.spectrum` of the target.
    octave : (float, float), optional
        Wavelengths to shade, km, e.g. `spatial.finest_octave`.
    ax : matplotlib axes, optional

    Returns
    -------
    fig, ax
        On the line at 1: as much variance as the target. Below: too smooth.
    """
    shares = {name: values / target for name, values in variances.items()}
    fig, ax = by_wavelength(shares, "variance, forecast / target (1)", octave, ax)
    ax.set(yscale="log", ylim=(max(LEAST_SHARE, 0.8 * ax.get_ylim()[0]), None))
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_formatter(NullFormatter())
    return fig, ax


def by_wavelength(
    values: Mapping[str, xr.DataArray],
    ylabel: str = "coherence with the target (1)",
    octave: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> tuple[Figure, Axes]:
    """Draw something whose ideal is 1 against wavelength, long waves on the left.

    Parameters
    ----------
    values : mapping
        E.g. `spatial.coherence` by name of the method: dimension ``wavelength`` in km.
    ylabel : str
        What is drawn, with its unit.
    octave : (float, float), optional
        Wavelengths to shade, km.
    ax : matplotlib axes, optional

    Returns
    -------
    fig, ax
    """
    fig, ax = open_axes(ax, (6.0, 3.8))
    if octave is not None:
        ax.axvspan(*octave, color="#EEEEEE", zorder=0)
    ax.axhline(1, color=GREY, lw=1)
    for (name, curve), style in zip(values.items(), styles(values), strict=True):
        ax.plot(curve["wavelength"], curve, label=name, **style | {"marker": None, "lw": 1.5})
    ax.set(xscale="log", xlabel="wavelength (km)", ylabel=ylabel)
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter(ScalarFormatter())
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.invert_xaxis()
    ax.legend(frameon=False, fontsize=8)
    return fig, ax


def conditional_quantiles(
    found: Mapping[str, xr.Dataset],
    xlabel: str = "forecast (K)",
    ylabel: str = "target (K)",
    ax: Axes | None = None,
) -> tuple[Figure, Axes]:
    """Draw median and outermost quantiles of one thing, given another.

    Parameters
    ----------
    found : mapping
        From `conditional.conditional_quantiles`, by name of the method; the level 0.5 among the levels.
    xlabel, ylabel : str
        What was given, and whose quantiles these are, with units.
    ax : matplotlib axes, optional

    Returns
    -------
    fig, ax
        Lines: medians; shading, or thin lines with more than one method: lowest to highest level. On the
        grey diagonal both are equal.

    Raises
    ------
    BootcampError
        If a median is missing.
    """
    fig, ax = open_axes(ax, (4.6, 4.4))
    ends = []
    for (name, classes), style in zip(found.items(), styles(found), strict=True):
        if not np.isclose(classes["level"], 0.5).any():
            raise BootcampError(f"{name} has no median.", "Put 0.5 among the levels.")
        x, quantile = classes["given"], classes["quantile"]
        ax.plot(x, quantile.sel(level=0.5, method="nearest"), label=name, **style)
        outer = quantile.isel(level=[0, -1])
        if len(found) == 1:
            ax.fill_between(x, *outer.values, color=style["color"], alpha=0.18, lw=0)
        else:
            ax.plot(x, outer.values.T, **style | {"marker": None, "lw": 0.8})
        ends += [float(x.min()), float(x.max())]
    ax.plot([min(ends), max(ends)], [min(ends), max(ends)], color=GREY, lw=1, zorder=0)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.legend(frameon=False, fontsize=8)
    return fig, ax


def _map(
    ax: Axes, field: xr.DataArray, height: xr.DataArray | None, contours: tuple[float, ...], look: dict
) -> object:
    field = field.transpose(*PLANE)
    x, y = field["lon"].values, field["lat"].values
    mesh = ax.pcolormesh(x, y, field.values, shading="nearest", rasterized=True, **look)
    if height is not None:
        ground = height.transpose(*PLANE)
        lines = {"colors": "black", "alpha": 0.8}
        if float(ground.min()) < 0.5 < float(ground.max()):
            ax.contour(ground["lon"], ground["lat"], ground.values, levels=[0.5], linewidths=0.9, **lines)
        levels = [level for level in contours if float(ground.min()) < level < float(ground.max())]
        if levels:
            ax.contour(ground["lon"], ground["lat"], ground.values, levels=levels, linewidths=0.35, **lines)
    ax.set_aspect(1 / np.cos(np.deg2rad(float(y.mean()))))
    return mesh


def _limits(fields: object, diverging: bool) -> tuple[float, float]:
    values = np.concatenate([np.asarray(field.values, float).ravel() for field in fields])
    if diverging:
        end = float(np.nanpercentile(np.abs(values), 99)) or 1.0
        return -end, end
    low, high = np.nanpercentile(values, [1, 99])
    return float(low), float(high) if high > low else float(low) + 1.0


def _extend(fields: object, low: float, high: float) -> str:
    below = any(bool((field < low).any()) for field in fields)
    above = any(bool((field > high).any()) for field in fields)
    return ("neither", "max", "min", "both")[2 * below + above]
