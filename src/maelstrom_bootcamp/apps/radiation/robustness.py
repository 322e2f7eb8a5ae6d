"""Emulators beyond what they have learnt: inputs exchanged or out of range, columns of a warmer climate.

Columns are arrays as of `maelstrom_bootcamp.apps.radiation.columns.load_split`, and anything with ``predict``
is a method, see `maelstrom_bootcamp.apps.radiation.evaluate`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from maelstrom_bootcamp.apps.radiation.evaluate import Method, errors
from maelstrom_bootcamp.apps.radiation.predictors import Columns
from maelstrom_bootcamp.apps.radiation.variables import HALF_LEVELS, PROFILES, SCALARS
from maelstrom_bootcamp.bucket.radiation.columns import columns as draw_columns
from maelstrom_bootcamp.bucket.radiation.records import stack
from maelstrom_bootcamp.bucket.radiation.solver import FLUXES, solve
from maelstrom_bootcamp.errors import BootcampError

#: Names of the variables along the last axis of each input.
NAMES: Mapping[str, tuple[str, ...]] = {
    "sca_inputs": SCALARS,
    "col_inputs": PROFILES,
    "hl_inputs": HALF_LEVELS,
    "inter_inputs": ("overlap_param",),
    "pressure_hl": ("pressure_hl",),
}
_CONCAT = {"data_vars": "minimal", "coords": "minimal", "compat": "override", "join": "override"}
_TRACE = ("co2_vmr", "n2o_vmr", "ch4_vmr", "o2_vmr", "cfc11_vmr", "cfc12_vmr", "hcfc22_vmr", "ccl4_vmr")
#: Variables that are exchanged together, because one without the others would be absurd. Pressure is left
#: out: with another column's pressure the layers would have another mass.
GROUPS: Mapping[str, tuple[str, ...]] = {
    "sun": ("cos_solar_zenith_angle", "solar_irradiance"),
    "albedo": tuple(name for name in SCALARS if "albedo" in name),
    "skin temperature": ("skin_temperature",),
    "emissivity": ("lw_emissivity_1", "lw_emissivity_2"),
    "air temperature": ("temperature_hl",),
    "humidity": ("q",),
    "ozone": ("o3_mmr",),
    "other gases": _TRACE,
    "clouds": ("cloud_fraction", "q_liquid", "q_ice", "re_liquid", "re_ice"),
    "aerosols": tuple(name for name in PROFILES if "aerosol" in name),
    "overlap": ("overlap_param",),
}


@dataclass(frozen=True)
class Solved:
    """Columns that were drawn and solved just now.

    Attributes
    ----------
    columns : dict of str to numpy.ndarray
        Inputs and labels, as of ``load_split``.
    noise : dict of str to numpy.ndarray
        Standard error of the labels, as of ``label_noise``; 0 with a single draw.
    where : xarray.Dataset
        Coordinates (column): date, timestep, patch, lat, lon, surface.
    """

    columns: dict[str, np.ndarray]
    noise: dict[str, np.ndarray]
    where: xr.Dataset


def solve_live(
    times: Sequence[tuple[str, int]],
    patches: Sequence[int],
    n: int,
    *,
    warming: float = 0.0,
    draws_sw: int = 8,
    draws_lw: int = 4,
    seed: int = 1,
) -> Solved:
    """Draw columns that are in no file, and compute their fluxes with RRTMG.

    Parameters
    ----------
    times : sequence of (str, int)
        Date "YYYYMMDD" and time step of 12 minutes of each snapshot.
    patches : sequence of int
        Bands of latitude, 0 to 15.
    n : int
        Columns of each patch at each time.
    warming : float
        K added to ground and troposphere at constant relative humidity. The random numbers are the same for
        each warming: column by column the same weather.
    draws_sw, draws_lw : int
        Random arrangements of the clouds to average over.
    seed : int
        Another one than that of the sample (0), or its columns come again.

    Returns
    -------
    Solved

    Raises
    ------
    BootcampError
        If there are no times or patches, or the generator or the solver cannot take an argument.
    """
    if not times or not patches:
        raise BootcampError("There is no snapshot or no patch to draw.", "Give at least one of each.")
    drawn, labels = [], []
    for date, step in times:
        for patch in patches:
            part = draw_columns(date, step, patch, n, seed=seed, warming=warming)
            sun = part["solar_irradiance"].expand_dims(column=n)
            labels.append({"date": np.full(n, int(date)), "timestep": np.full(n, step)})
            labels[-1]["patch"] = np.full(n, patch)
            drawn.append(part.assign(solar_irradiance=sun))
    # As in the sample: what the networks see is what is solved, in single precision.
    air = xr.concat(
        drawn, "column", data_vars="minimal", coords="minimal", compat="override", join="override"
    )
    air = air.astype("f4").astype("f8")
    fluxes = solve(air, draws_sw=draws_sw, draws_lw=draws_lw, seed=seed)
    found = {name: np.asarray(value, "f4") for name, value in stack(air, fluxes).items()}
    found |= {name: found[name] * 86_400 for name in ("hr_sw", "hr_lw")}
    each = {name: ("column", np.concatenate([label[name] for label in labels])) for name in labels[0]}
    each |= {name: ("column", air[name].values) for name in ("lat", "lon")}
    each["surface"] = ("column", air["surface"].values.astype(int))
    return Solved(found, _noise(fluxes), xr.Dataset(coords=each))


def permuted(columns: Columns, group: str, seed: int) -> dict[str, np.ndarray]:
    """The same columns, but with some inputs of another column each: whole profiles, plausible in themselves.

    Parameters
    ----------
    columns : mapping
    group : str
        One of `GROUPS`; its variables go together.
    seed : int
        Of the order.

    Returns
    -------
    dict of str to numpy.ndarray
        New arrays where something changed; labels are untouched.

    Raises
    ------
    BootcampError
        If there is no such group.
    """
    if group not in GROUPS:
        raise BootcampError(f"There is no group of inputs {group!r}.", f"Take one of {', '.join(GROUPS)}.")
    order = np.random.default_rng(seed).permutation(len(columns["sca_inputs"]))
    found = dict(columns)
    for field, names in NAMES.items():
        which = [i for i, name in enumerate(names) if name in GROUPS[group]]
        if which:
            found[field] = columns[field].copy()
            found[field][..., which] = columns[field][order][..., which]
    return found


def importance(
    methods: Mapping[str, Method],
    columns: Columns,
    *,
    quantity: str = "net",
    repeats: int = 3,
    seed: int = 0,
) -> pd.DataFrame:
    """How much larger the error becomes when a group of inputs is exchanged between columns.

    Parameters
    ----------
    methods : mapping
        By name.
    columns : mapping
        Inputs and labels.
    quantity : str
        One of `maelstrom_bootcamp.apps.radiation.evaluate.QUANTITIES`.
    repeats : int
        Random orders.
    seed : int

    Returns
    -------
    pandas.DataFrame
        Rows (band, model, group); "rmse" intact, mean "increase" of the RMSE over the repeats, and "spread",
        their standard deviation (0 for one repeat), all in the unit of the quantity. Bands that a method does
        not know are left out.
    """
    intact = _rmse(methods, columns, quantity)
    rows = {}
    for group in GROUPS:
        found = [
            _rmse(methods, permuted(columns, group, seed + i), quantity) - intact for i in range(repeats)
        ]
        for (band, model), rmse in intact.items():
            gains = np.array([f[band, model] for f in found])
            spread = gains.std(ddof=1) if repeats > 1 else 0.0
            rows[band, model, group] = {"rmse": rmse, "increase": gains.mean(), "spread": spread}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["band", "model", "group"])


def ranges(columns: Columns) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Least and largest value of each input at each level.

    Parameters
    ----------
    columns : mapping

    Returns
    -------
    dict of str to (numpy.ndarray, numpy.ndarray)
    """
    return {field: (columns[field].min(axis=0), columns[field].max(axis=0)) for field in NAMES}


def outside(columns: Columns, known: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> xr.DataArray:
    """How many values of each input of each column lie outside of a range.

    Parameters
    ----------
    columns : mapping
    known : mapping
        From `ranges`, of the training columns.

    Returns
    -------
    xarray.DataArray
        (column, variable): share of the levels outside, 0 to 1; a scalar counts as one level.
    """
    parts = {}
    for field, names in NAMES.items():
        low, high = known[field]
        beyond = (columns[field] < low) | (columns[field] > high)
        share = beyond if beyond.ndim == 2 else beyond.mean(axis=1)
        parts |= {name: share[:, i] for i, name in enumerate(names)}
    values = np.stack([np.asarray(part, float) for part in parts.values()], axis=1)
    return xr.DataArray(values, dims=("column", "variable"), coords={"variable": list(parts)})


def _rmse(methods: Mapping[str, Method], columns: Columns, quantity: str) -> pd.Series:
    e = errors(methods, columns)[quantity]
    rmse = (e**2).mean([d for d in e.dims if d not in ("model", "band")], skipna=False) ** 0.5
    return rmse.transpose("band", "model").to_series().dropna()


def _noise(fluxes: xr.Dataset) -> dict[str, np.ndarray]:
    """Standard error of the mean over the draws, in the layout of ``label_noise``."""
    noise = {}
    for band in ("sw", "lw"):
        root = float(np.sqrt(fluxes.attrs[f"draws_{band}"]))
        spread = [fluxes.get(f"{n}_sd", 0 * fluxes[n]).values for n in FLUXES if n.endswith(band)]
        shape = (spread[0].shape[0], spread[0].shape[1] - 1)
        heating = fluxes[f"hr_{band}_sd"].values if f"hr_{band}_sd" in fluxes else np.zeros(shape)
        noise[band] = (np.stack(spread, axis=-1) / root).astype("f4")
        noise[f"hr_{band}"] = (heating / root).astype("f4")[..., None]
    return noise
