"""Score emulators of radiation: fluxes and heating rates, by level and by kind of column, above label noise.

All that is asked of a method is what it computes from the inputs of `maelstrom_bootcamp.apps.radiation
.columns.load_split`::

    method.predict(columns)     # {"sw": fluxes, "hr_sw": heating rates, and/or "lw", "hr_lw"}

Fluxes are ``(N, 138, 2)``, down and up at each half level, or, as of the network min_cnn, ``(N, 3)``: net at
the top, down and up at the surface. Then net fluxes in between follow from the heating rates, summed up from
the surface, and fluxes down and up apart exist at the ends only (elsewhere they are scored as missing). What
a method does not give is left out of the tables.

Every score is a mean over errors of single columns. These errors are kept (`errors`), so that any table
(`maelstrom_bootcamp.apps.radiation.tables`) can be made from them afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pandas as pd
import xarray as xr

from maelstrom_bootcamp.apps.radiation.predictors import COS_ZENITH, Columns, incoming, total_cloud_cover
from maelstrom_bootcamp.bucket.radiation.solver import CP, G
from maelstrom_bootcamp.errors import BootcampError

if TYPE_CHECKING:
    import keras

BANDS = ("sw", "lw")
#: What is scored: name -> (dimensions, unit, meaning). "net" is down minus up.
QUANTITIES: Mapping[str, tuple[tuple[str, ...], str, str]] = {
    "surface_down": (("column",), "W m-2", "flux down at the surface"),
    "surface_up": (("column",), "W m-2", "flux up at the surface"),
    "top_up": (("column",), "W m-2", "flux up at the top of the atmosphere"),
    "down": (("column", "half_level"), "W m-2", "flux down at all half levels"),
    "up": (("column", "half_level"), "W m-2", "flux up at all half levels"),
    "net": (("column", "half_level"), "W m-2", "net flux at all half levels"),
    "heating": (("column", "level"), "K d-1", "heating rate of all layers"),
}
#: K/day of a layer of 1 Pa that keeps 1 W/m².
PER_DAY = G / CP * 86_400
#: A column is clear if its total cloud cover is below the first, cloudy if it is above the second.
CLEAR, CLOUDY = 0.01, 0.5


class Method(Protocol):
    """Anything that computes fluxes and heating rates: a baseline, a `Network`, the solver, your own."""

    def predict(self, columns: Columns) -> dict[str, np.ndarray]:
        """Fluxes in W/m² and heating rates (N, 137, 1) in K/day, for one band or both."""


@dataclass(frozen=True)
class Network:
    """Trained networks as a method: one for each band, or only one.

    Attributes
    ----------
    models : tuple of keras.Model
    batch_size : int
        Columns computed at a time.
    """

    models: tuple[keras.Model, ...]
    batch_size: int = 512

    def predict(self, columns: Columns) -> dict[str, np.ndarray]:
        """See `Method.predict`."""
        found: dict[str, np.ndarray] = {}
        for model in self.models:
            names = [tensor.name for tensor in model.inputs]
            parts = [
                model.predict_on_batch(
                    {name: columns[name][start : start + self.batch_size] for name in names}
                )
                for start in range(0, _count(columns), self.batch_size)
            ]
            found |= {name: np.concatenate([np.asarray(part[name]) for part in parts]) for name in parts[0]}
        return found


def classes(columns: Columns) -> dict[str, np.ndarray]:
    """Kinds of columns: night and day, clear and cloudy (those between belong to neither).

    Parameters
    ----------
    columns : mapping

    Returns
    -------
    dict of str to numpy.ndarray
        Booleans (N,): what `maelstrom_bootcamp.apps.radiation.tables.table` takes as masks.
    """
    day = columns["sca_inputs"][:, COS_ZENITH] > 0
    cover = total_cloud_cover(columns)
    clear, cloudy = cover < CLEAR, cover > CLOUDY
    return {
        "all": np.ones_like(day),
        "night": ~day,
        "day": day,
        "clear": clear,
        "cloudy": cloudy,
        "day, clear": day & clear,
        "day, cloudy": day & cloudy,
    }


def masks_of(labels: Sequence[object] | np.ndarray) -> dict[str, np.ndarray]:
    """One mask for each label, e.g. the date or the kind of surface of each column.

    Parameters
    ----------
    labels : sequence
        (N,)

    Returns
    -------
    dict of str to numpy.ndarray
        Booleans (N,).
    """
    labels = np.asarray(labels)
    return {str(label): labels == label for label in np.unique(labels)}


def profiles(found: Mapping[str, np.ndarray], columns: Columns, band: str) -> dict[str, np.ndarray]:
    """What is scored of one band, from what a method gives.

    Parameters
    ----------
    found : mapping
        From `Method.predict`, or the labels.
    columns : mapping
        The inputs.
    band : {"sw", "lw"}

    Returns
    -------
    dict of str to numpy.ndarray
        The `QUANTITIES`, float64, NaN where the method does not tell. Empty if it does not know the band.

    Raises
    ------
    BootcampError
        If fluxes have neither of the two shapes, or heating rates are missing or misshapen.
    """
    if band not in found:
        return {}
    flux = np.asarray(found[band], float)
    pressure = columns["pressure_hl"][..., 0].astype(float)
    n, half = pressure.shape
    heating = np.asarray(found.get(f"hr_{band}", np.empty(0)), float)
    if heating.size != n * (half - 1) or flux.shape not in ((n, half, 2), (n, 3)):
        raise BootcampError(
            f"{band!r} has the shape {flux.shape} and its heating rates {heating.shape}, for {n} columns.",
            f"Give fluxes ({n}, {half}, 2) or ({n}, 3), and heating rates ({n}, {half - 1}, 1).",
        )
    heating = heating.reshape(n, half - 1)
    if flux.ndim == 3:
        down, up = flux[..., 0], flux[..., 1]
        net = down - up
    else:
        warms = heating * np.diff(pressure) / PER_DAY  # W/m² that each layer keeps
        surface = (flux[:, 1] - flux[:, 2])[:, None]
        net = np.hstack([surface + np.cumsum(warms[:, ::-1], axis=1)[:, ::-1], surface])
        net[:, 0] = flux[:, 0]
        down, up = np.full((2, n, half), np.nan)
        down[:, 0] = incoming(columns) * (band == "sw")  # no longwave comes in
        up[:, 0] = down[:, 0] - flux[:, 0]
        down[:, -1], up[:, -1] = flux[:, 1], flux[:, 2]
    ends = {"surface_down": down[:, -1], "surface_up": up[:, -1], "top_up": up[:, 0]}
    return ends | {"down": down, "up": up, "net": net, "heating": heating}


def errors(methods: Mapping[str, Method], columns: Columns, where: xr.Dataset | None = None) -> xr.Dataset:
    """Errors of each method on each column.

    Parameters
    ----------
    methods : mapping
        By name; baselines must be fitted.
    columns : mapping
        Inputs and labels, from `maelstrom_bootcamp.apps.radiation.columns.load_split`.
    where : xarray.Dataset, optional
        Coordinates of the columns, from `maelstrom_bootcamp.apps.radiation.columns.origin`.

    Returns
    -------
    xarray.Dataset
        The `QUANTITIES`, method minus label, with the dimensions (model, band, column, half_level or level);
        NaN where a method tells nothing.

    Raises
    ------
    BootcampError
        If there is no method, or a method returns what cannot be scored.
    """
    if not methods:
        raise BootcampError("There are no methods to score.", "Give at least one, by name.")
    label = {band: profiles(columns, columns, band) for band in BANDS if band in columns}
    rows = []
    for method in methods.values():
        found = method.predict(columns)
        bands = [_difference(profiles(found, columns, band), known) for band, known in label.items()]
        rows.append(xr.concat(bands, pd.Index(list(label), name="band")))
    out = xr.concat(rows, pd.Index(list(methods), name="model"))
    for name, (_, units, text) in QUANTITIES.items():
        out[name].attrs = {"units": units, "long_name": f"error of the {text}"}
    return out if where is None else out.assign_coords({n: where[n].variable for n in where.coords})


def noise_of(noise: Mapping[str, np.ndarray]) -> xr.Dataset:
    """Standard error of the labels in the layout of `errors`.

    Parameters
    ----------
    noise : mapping
        From `maelstrom_bootcamp.apps.radiation.columns.label_noise`.

    Returns
    -------
    xarray.Dataset
        NaN for the net flux: the noise of down and up is correlated, and only that of each is known.
    """
    parts = []
    for band in BANDS:
        down, up = (noise[band][..., i].astype(float) for i in (0, 1))
        known = {"surface_down": down[:, -1], "surface_up": up[:, -1], "top_up": up[:, 0]}
        known |= {"down": down, "up": up, "net": np.full(down.shape, np.nan)}
        known["heating"] = noise[f"hr_{band}"][..., 0].astype(float)
        parts.append(_dataset(known))
    return xr.concat(parts, pd.Index(BANDS, name="band"))


def energy_residual(found: Mapping[str, np.ndarray], columns: Columns, band: str) -> np.ndarray:
    """Energy that a method makes or loses: net flux at the top, less that at the surface, less what heats.

    Parameters
    ----------
    found : mapping
        From `Method.predict`.
    columns : mapping
        The inputs.
    band : {"sw", "lw"}

    Returns
    -------
    numpy.ndarray
        (N,) in W/m²; 0 but for round-off if heating rates and fluxes agree.
    """
    known = profiles(found, columns, band)
    if not known:
        raise BootcampError(f"The method tells nothing of {band!r}.", f"It gives {', '.join(found)}.")
    heats = known["heating"] * np.diff(columns["pressure_hl"][..., 0].astype(float)) / PER_DAY
    top = np.asarray(found[band], float)
    top = top[:, 0, 0] - top[:, 0, 1] if top.ndim == 3 else top[:, 0]
    return top - (known["surface_down"] - known["surface_up"]) - heats.sum(axis=1)


def _count(columns: Columns) -> int:
    return len(columns["sca_inputs"])


def _difference(found: Mapping[str, np.ndarray], known: Mapping[str, np.ndarray]) -> xr.Dataset:
    return _dataset({name: found[name] - label if found else np.nan * label for name, label in known.items()})


def _dataset(values: Mapping[str, np.ndarray]) -> xr.Dataset:
    return xr.Dataset({name: (QUANTITIES[name][0], value) for name, value in values.items()})
