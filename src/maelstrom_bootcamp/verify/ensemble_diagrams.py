"""Diagrams for ensembles: histograms of ranks and PIT, spread and error, reliability of events, globe maps.

As in `maelstrom_bootcamp.verify.diagrams`: each function returns ``(fig, ax)``, and methods are told apart by
colour, marker and line style, in the order of the mapping.
"""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.verify.diagrams import COLOURS, GREY, open_axes, styles


def flat_histogram(histograms: Mapping[str, xr.Dataset], ax: Axes | None = None) -> tuple[Figure, Axes]:
    """Draw histograms of ranks or PIT values, with their intervals.

    Parameters
    ----------
    histograms : mapping
        From `calibration.rank_histogram` or `calibration.pit_histogram`, by name of the method; same bins.
    ax : matplotlib axes, optional

    Returns
    -------
    fig, ax
        Grey line: a reliable forecast. U-shaped: too narrow; hump: too wide; slope: biased.
    """
    fig, ax = open_axes(ax, (6.0, 3.6))
    bins = [h["bin"].values for h in histograms.values()]
    if any(not np.array_equal(b, bins[0]) for b in bins):
        raise BootcampError(
            "The histograms have different bins.", "Draw those with the same ones together; one ax for each."
        )
    step = float(bins[0][1] - bins[0][0])
    width = 0.86 * step / len(histograms)
    for i, (name, h) in enumerate(histograms.items()):
        x = bins[0] + (i + 0.5 - len(histograms) / 2) * width
        colour = COLOURS[i % len(COLOURS)]
        ax.bar(x, h["share"], 0.92 * width, color=colour, alpha=0.75, label=name)
        reach = np.abs(np.stack([h["share"] - h["low"], h["high"] - h["share"]]))
        ax.errorbar(x, h["share"], reach, fmt="none", ecolor="black", elinewidth=0.8, capsize=1.5)
    first = next(iter(histograms.values()))
    ax.axhline(float(first["ideal"][0]), color=GREY, lw=1.2, ls="--", label="reliable")
    if np.issubdtype(bins[0].dtype, np.integer):
        ax.set_xticks(bins[0])
    else:
        ax.set_xlim(bins[0][0] - step / 2, bins[0][-1] + step / 2)
    ax.set(xlabel=first["bin"].attrs.get("long_name", "bin"), ylabel="share of the truth (1)", ylim=(0, None))
    ax.legend(frameon=False)
    return fig, ax


def spread_skill(
    binned: Mapping[str, xr.Dataset], unit: str = "K", ax: Axes | None = None
) -> tuple[Figure, Axes]:
    """Draw the error in classes of spread against the spread.

    Parameters
    ----------
    binned : mapping
        From `ensemble.spread_error_bins`, by name of the method.
    unit : str
    ax : matplotlib axes, optional

    Returns
    -------
    fig, ax
        On the diagonal: reliable. Above: too narrow. A flat line: the spread tells nothing.
    """
    fig, ax = open_axes(ax, (4.6, 4.4))
    end = 1.05 * max(float(b[name].max()) for b in binned.values() for name in ("spread", "error"))
    ax.plot([0, end], [0, end], color=GREY, lw=1, label="reliable")
    for (name, b), style in zip(binned.items(), styles(binned), strict=True):
        ax.plot(b["spread"], b["error"], label=name, **style)
    ax.set(xlim=(0, end), ylim=(0, end), aspect="equal")
    ax.set_xlabel(f"forecast spread ({unit})")
    ax.set_ylabel(f"error of the mean, RMSE ({unit})")
    ax.legend(frameon=False)
    return fig, ax


def event_reliability(found: Mapping[str, xr.Dataset], ax: Axes | None = None) -> tuple[Figure, Axes]:
    """Draw how often an event came against its forecast probability, and how often it was forecast.

    Parameters
    ----------
    found : mapping
        From `calibration.event_reliability`, by name of the method.
    ax : matplotlib axes, optional

    Returns
    -------
    fig, ax
        On the diagonal: reliable. The small panel has the share of forecasts in each class: at both ends is
        sharp.
    """
    fig, ax = open_axes(ax, (5.0, 4.6))
    inset = ax.inset_axes([0.13, 0.68, 0.34, 0.26])
    ax.plot([0, 1], [0, 1], color=GREY, lw=1)
    for (name, f), style in zip(found.items(), styles(found), strict=True):
        ax.plot(f["probability"], f["frequency"], label=name, **style)
        ax.vlines(f["probability"], f["low"], f["high"], color=style["color"], lw=1, alpha=0.6)
        centres = (f["bin"] + 0.5) / f.sizes["bin"]
        inset.plot(centres, f["share"], **style | {"markersize": 2.5, "lw": 1})
    inset.set(yscale="log", xlim=(0, 1))
    inset.yaxis.set_minor_formatter(NullFormatter())
    inset.set_title("share of forecasts", fontsize=8)
    inset.tick_params(labelsize=7)
    inset.spines[["top", "right"]].set_visible(False)
    ax.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    ax.set_xlabel("forecast probability (1)")
    ax.set_ylabel("how often it came true (1)")
    ax.legend(frameon=False, loc="lower right")
    return fig, ax


def globe(
    field: xr.DataArray,
    land: xr.DataArray | None = None,
    *,
    label: str = "",
    limits: tuple[float, float] | None = None,
    diverging: bool = False,
    cmap: str | None = None,
    ax: Axes | None = None,
) -> tuple[Figure, Axes]:
    """Draw a map of the globe in Mollweide's projection: a square centimetre is the same area everywhere.

    Parameters
    ----------
    field : xarray.DataArray
        (latitude, longitude) in degrees, longitude evenly around the globe.
    land : xarray.DataArray, optional
        Land area fraction on the same kind of grid. The coast is where it crosses one half.
    label : str
        What is drawn, with its unit.
    limits : (float, float), optional
        Ends of the colour scale; default: 2nd and 98th percentile, symmetric about 0 if diverging.
    diverging : bool
        Blue for negative, white for 0, red for positive values.
    cmap : str, optional
        Another colour map of matplotlib.
    ax : matplotlib axes, optional
        With ``projection="mollweide"``.

    Returns
    -------
    fig, ax

    Raises
    ------
    BootcampError
        If the field has other dimensions, or the axes another projection.
    """
    for name in (field, land):
        if name is not None and set(name.dims) != {"latitude", "longitude"}:
            raise BootcampError(
                f"A globe needs the dimensions latitude and longitude, not {name.dims}.",
                "Average over the others.",
            )
    if ax is None:
        size = {"projection": "mollweide"}
        _, ax = plt.subplots(figsize=(7.4, 3.8), layout="constrained", facecolor="white", subplot_kw=size)
    if ax.name != "mollweide":
        raise BootcampError("The axes are not a globe.", "Make them with projection='mollweide'.")
    values = _from_the_date_line(field)
    low, high = limits or _limits(values.values, diverging)
    east, north = (np.deg2rad(_edges(values[name].values)) for name in ("longitude", "latitude"))
    mesh = ax.pcolormesh(
        np.clip(east, -np.pi, np.pi),
        np.clip(north, -np.pi / 2, np.pi / 2),
        values.values,
        vmin=low,
        vmax=high,
        cmap=cmap or ("RdBu_r" if diverging else "cividis_r"),
        rasterized=True,
    )
    if land is not None:
        coast = _closed(_from_the_date_line(land))
        at = (np.deg2rad(coast["longitude"]), np.deg2rad(coast["latitude"]))
        ax.contour(*at, coast.values, levels=[0.5], colors="black", linewidths=0.7)
    ax.set_xticks([])
    ax.set_yticks([])
    inside = values.values[np.isfinite(values.values)]
    ends = ("neither", "max", "min", "both")[2 * bool((inside < low).any()) + bool((inside > high).any())]
    ax.figure.colorbar(mesh, ax=ax, label=label, shrink=0.75, pad=0.02, extend=ends)
    return ax.figure, ax


def _from_the_date_line(field: xr.DataArray) -> xr.DataArray:
    """From 0...360 to -180...180 degrees, rising."""
    field = field.transpose("latitude", "longitude")
    east = (field["longitude"].values + 180) % 360 - 180
    return field.assign_coords(longitude=east).sortby(["latitude", "longitude"])


def _closed(field: xr.DataArray) -> xr.DataArray:
    """The two ends of each row, repeated on the other side, so that a contour has no gap at the date line."""
    first, last = field.isel(longitude=[0]), field.isel(longitude=[-1])
    first = first.assign_coords(longitude=first["longitude"] + 360)
    last = last.assign_coords(longitude=last["longitude"] - 360)
    whole = xr.concat([last, field, first], "longitude")
    return whole.interp(longitude=np.linspace(-180, 180, 2 * field.sizes["longitude"] + 1))


def _edges(centres: np.ndarray) -> np.ndarray:
    half = np.diff(centres) / 2
    return np.concatenate([[centres[0] - half[0]], centres[:-1] + half, [centres[-1] + half[-1]]])


def _limits(values: np.ndarray, diverging: bool) -> tuple[float, float]:
    if diverging:
        end = float(np.nanpercentile(np.abs(values), 98)) or 1.0
        return -end, end
    low, high = np.nanpercentile(values, [2, 98])
    return float(low), float(high) if high > low else float(low) + 1.0
