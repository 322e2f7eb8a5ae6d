"""Diagrams of verification: plain matplotlib, white, readable for colour-blind people, units on all axes.

Each function returns ``(fig, ax)``, and draws into `ax` if it is given one. Methods are told apart by colour,
marker and line style, always in the order of the mapping.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.verify import scores

#: Okabe and Ito (2008), without yellow (too light for lines on white) and black (kept for the reference).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P")
#: What forecasts are compared with is drawn in black, so that a method has one colour in all diagrams.
REFERENCES = ("analysis", "target", "observed", "truth")
LINES = ("-", "--", "-.", ":")
GREY = "#6E6E6E"


def reliability_diagram(observed: Mapping[str, xr.DataArray], ax: Axes | None = None) -> tuple[Figure, Axes]:
    """Draw how often the target was at or below each quantile against how often it should be.

    Parameters
    ----------
    observed : mapping
        `scores.reliability` by name of the method: dimension ``quantile``, fractions.
    ax : matplotlib axes, optional

    Returns
    -------
    fig, ax
        On the diagonal: reliable. Too flat a line: too narrow intervals.
    """
    fig, ax = open_axes(ax, (4.6, 4.4))
    ax.plot([0, 1], [0, 1], color=GREY, lw=1, label="reliable")
    for (name, values), style in zip(observed.items(), styles(observed), strict=True):
        ax.plot(scores.quantile_levels(values), values.values, label=name, **style)
    ax.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    ax.set_xlabel("probability level of the quantile (1)")
    ax.set_ylabel("share of targets at or below it (1)")
    ax.legend(frameon=False)
    return fig, ax


def score_by_lead_time(
    values: Mapping[str, xr.DataArray],
    bands: Mapping[str, tuple[xr.DataArray, xr.DataArray]] | None = None,
    ylabel: str = "quantile score (K)",
    ax: Axes | None = None,
) -> tuple[Figure, Axes]:
    """Draw scores against lead time, with confidence bands.

    Parameters
    ----------
    values : mapping
        Score by name of the method: dimension ``leadtime`` (timedeltas, or numbers of hours).
    bands : mapping, optional
        (low, high) by name of the method, e.g. from `bootstrap.block_bootstrap`.
    ylabel : str
        What is drawn, with its unit.
    ax : matplotlib axes, optional

    Returns
    -------
    fig, ax
    """
    fig, ax = open_axes(ax, (6.4, 3.8))
    for (name, value), style in zip(values.items(), styles(values), strict=True):
        hours = _hours(value)
        ax.plot(hours, value.values, label=name, **style)
        if bands and name in bands:
            low, high = bands[name]
            ax.fill_between(hours, low.values, high.values, color=style["color"], alpha=0.18, lw=0)
    ax.set_xlabel("lead time (h)")
    ax.set_xticks(np.unique(np.concatenate([_hours(v) for v in values.values()])))
    ax.set_ylabel(ylabel)
    ax.grid(axis="y", color="#DDDDDD", lw=0.6)
    ax.legend(frameon=False, ncols=2)
    return fig, ax


def error_map(
    error: xr.DataArray,
    *,
    altitude: xr.DataArray | None = None,
    limit: float | None = None,
    label: str = "forecast minus analysis (K)",
    diverging: bool = True,
    ax: Axes | None = None,
) -> tuple[Figure, Axes]:
    """Draw a map of an error, with contours of the altitude if wanted.

    Parameters
    ----------
    error : xarray.DataArray
        Dimensions (y, x); coordinates ``x`` and ``y`` in m if it has them, else grid points are counted.
    altitude : xarray.DataArray, optional
        Dimensions (y, x), in m. Contours every 500 m.
    limit : float, optional
        End of the colour scale; default: the 99th percentile of the absolute values.
    label : str
        What is drawn, with its unit.
    diverging : bool
        True: from -limit (blue) through 0 (white) to limit (red). False: from 0 (light) to limit, for
        amplitudes.
    ax : matplotlib axes, optional

    Returns
    -------
    fig, ax
    """
    if set(error.dims) != {"y", "x"}:
        raise BootcampError(
            f"A map needs the dimensions y and x, not {error.dims}.", "Average over the others."
        )
    fig, ax = open_axes(ax, (5.6, 4.6))
    error = error.transpose("y", "x")
    if limit is None:
        limit = float(np.nanpercentile(np.abs(error.values), 99)) or 1.0
    x, y, unit = _plane(error)
    colours = {"cmap": "RdBu_r", "vmin": -limit} if diverging else {"cmap": "cividis_r", "vmin": 0}
    mesh = ax.pcolormesh(x, y, error.values, vmax=limit, shading="nearest", rasterized=True, **colours)
    if altitude is not None:
        heights = altitude.transpose("y", "x").values
        steps = np.arange(500, max(501.0, float(np.nanmax(heights))), 500)
        if np.nanmax(heights) > steps[0]:
            ax.contour(x, y, heights, levels=steps, colors="black", linewidths=0.5, alpha=0.7)
    fig.colorbar(mesh, ax=ax, label=label, extend="both" if diverging else "max", shrink=0.85)
    ax.set(aspect="equal", xlabel=f"x ({unit})", ylabel=f"y ({unit})")
    return fig, ax


def quantile_histogram(observed: Mapping[str, xr.DataArray], ax: Axes | None = None) -> tuple[Figure, Axes]:
    """Draw the share of targets between neighbouring quantiles: a rank histogram for quantile forecasts.

    Parameters
    ----------
    observed : mapping
        `scores.reliability` by name of the method: dimension ``quantile``, fractions.
    ax : matplotlib axes, optional

    Returns
    -------
    fig, ax
        Grey lines: the share of a reliable forecast. U-shaped: too narrow; sloping: biased.
    """
    fig, ax = open_axes(ax, (6.0, 3.8))
    levels = None
    for i, (name, values) in enumerate(observed.items()):
        found = scores.quantile_levels(values)
        if levels is not None and not np.array_equal(found, levels):
            raise BootcampError(
                "The methods have different quantiles.", "Draw those with the same ones together."
            )
        levels = found
        shares = np.diff(np.concatenate([[0], values.values, [1]]))
        offset = (i + 0.5) / len(observed) - 0.5
        ax.bar(
            np.arange(shares.size) + 0.8 * offset,
            shares,
            0.72 / len(observed),
            color=COLOURS[i % len(COLOURS)],
            label=name,
        )
    edges = np.concatenate([[0], levels, [1]])
    for i, ideal in enumerate(np.diff(edges)):
        ax.plot(
            [i - 0.45, i + 0.45], [ideal, ideal], color=GREY, lw=1.2, label="reliable" if i == 0 else None
        )
    names = [f"below {levels[0]:.0%}"]
    names += [f"{a:.0%} to {b:.0%}" for a, b in pairwise(levels)]
    ax.set_xticks(np.arange(edges.size - 1), [*names, f"above {levels[-1]:.0%}"])
    ax.set(xlabel="interval between quantiles", ylabel="share of targets (1)")
    ax.legend(frameon=False)
    return fig, ax


def error_histogram(
    errors: Mapping[str, xr.DataArray | np.ndarray],
    *,
    limit: float | None = None,
    bins: int = 60,
    label: str = "forecast minus analysis (K)",
    ax: Axes | None = None,
) -> tuple[Figure, Axes]:
    """Draw how errors are distributed, on a logarithmic axis: the large ones are what users remember.

    Parameters
    ----------
    errors : mapping
        Errors by name of the method, any shape; missing values are left out.
    limit : float, optional
        The histogram reaches from -limit to limit; default: far enough for all errors.
    bins : int
    label : str
        What is drawn, with its unit.
    ax : matplotlib axes, optional

    Returns
    -------
    fig, ax
    """
    fig, ax = open_axes(ax, (6.0, 3.8))
    flat = {name: _finite(values) for name, values in errors.items()}
    if limit is None:
        limit = max(float(np.abs(values).max()) for values in flat.values()) or 1.0
    edges = np.linspace(-limit, limit, bins + 1)
    for (name, values), style in zip(flat.items(), styles(flat), strict=True):
        density, _ = np.histogram(values, edges)
        share = density / values.size
        ax.stairs(share, edges, label=name, color=style["color"], linestyle=style["linestyle"], lw=1.6)
    ax.axvline(0, color=GREY, lw=0.8)
    ax.set(yscale="log", xlabel=label, ylabel=f"share per {edges[1] - edges[0]:.2g} K (1)")
    ax.legend(frameon=False)
    return fig, ax


def spectra(
    variances: Mapping[str, xr.DataArray], ylabel: str = "variance (K$^2$)", ax: Axes | None = None
) -> tuple[Figure, Axes]:
    """Draw variance against wavelength, long waves on the left.

    Parameters
    ----------
    variances : mapping
        `spatial.spectrum` by name of the method: dimension ``wavelength`` in km.
    ylabel : str
        What is drawn, with its unit.
    ax : matplotlib axes, optional

    Returns
    -------
    fig, ax
    """
    fig, ax = open_axes(ax, (6.0, 3.8))
    for (name, values), style in zip(variances.items(), styles(variances), strict=True):
        ax.plot(values["wavelength"], values, label=name, **style | {"marker": None})
    ax.set(xscale="log", yscale="log", xlabel="wavelength (km)", ylabel=ylabel)
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter(ScalarFormatter())  # 100, not 10^2
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.invert_xaxis()
    ax.legend(frameon=False)
    return fig, ax


def open_axes(ax: Axes | None, size: tuple[float, float]) -> tuple[Figure, Axes]:
    """Give axes the look of the course; make them, of so many inches, if there are none."""
    if ax is None:
        _, ax = plt.subplots(figsize=size, layout="constrained", facecolor="white")
    ax.set_facecolor("white")
    ax.spines[["top", "right"]].set_visible(False)
    return ax.get_figure(), ax


def styles(names: Mapping[str, object]) -> list[dict]:
    """Give one look to each name: black for the reference, the others by their order among themselves."""
    looks, i = [], 0
    for name in names:
        if name in REFERENCES:
            looks.append({"color": "black", "marker": None, "linestyle": "-", "lw": 1.8})
            continue
        colour, marker = COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]
        style = {"color": colour, "marker": marker, "linestyle": LINES[i % len(LINES)]}
        looks.append(style | {"markersize": 4.5, "lw": 1.8})
        i += 1
    return looks


def _hours(value: xr.DataArray) -> np.ndarray:
    lead = value["leadtime"].values
    if np.issubdtype(lead.dtype, np.timedelta64):
        return lead / np.timedelta64(1, "h")
    return lead.astype(float)


def _plane(field: xr.DataArray) -> tuple[np.ndarray, np.ndarray, str]:
    if "x" in field.coords and "y" in field.coords:
        return (
            (field["x"].values - field["x"].values[0]) / 1e3,
            (field["y"].values - field["y"].values[0]) / 1e3,
            "km",
        )
    return np.arange(field.sizes["x"]), np.arange(field.sizes["y"]), "grid points"


def _finite(values: xr.DataArray | np.ndarray) -> np.ndarray:
    flat = np.asarray(values, float).ravel()
    flat = flat[np.isfinite(flat)]
    if not flat.size:
        raise BootcampError("There is no error to draw: all values are missing.", "Check the mask.")
    return flat
