"""GRIB edition 1 as ENS-10 has it: one message for each field of a member, written and read with ecCodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import eccodes
import numpy as np

from maelstrom_bootcamp.bucket.ens10.ground import LATITUDE, LONGITUDES

MISSING = 9999.0
EXPERIMENT = "mbqg"  # not ECMWF's: MAELSTROM bootcamp, quasi-geostrophic
#: generatingProcessIdentifier of section 1: where a field comes from.
CORE, SURFACE_SCHEME, FORMULA = 1, 2, 3


@dataclass(frozen=True)
class Variable:
    """A variable in ECMWF's table 128.

    Attributes
    ----------
    parameter : int
    origin : int
        `CORE`, `SURFACE_SCHEME` or `FORMULA`.
    bits : int
        For each value.
    """

    parameter: int
    origin: int
    bits: int = 12


SURFACE: Mapping[str, Variable] = {
    "sst": Variable(34, SURFACE_SCHEME, 16),
    "tcw": Variable(136, FORMULA),
    "tcwv": Variable(137, FORMULA),
    "cp": Variable(143, FORMULA),
    "msl": Variable(151, CORE, 16),
    "tcc": Variable(164, FORMULA),
    "u10": Variable(165, SURFACE_SCHEME),
    "v10": Variable(166, SURFACE_SCHEME),
    "t2m": Variable(167, SURFACE_SCHEME, 16),
    "tp": Variable(228, FORMULA),
    "skt": Variable(235, SURFACE_SCHEME, 16),
}
PRESSURE: Mapping[str, Variable] = {
    "z": Variable(129, CORE, 16),
    "t": Variable(130, CORE, 16),
    "q": Variable(133, FORMULA),
    "w": Variable(135, CORE),
    "d": Variable(155, CORE),
    "u": Variable(131, CORE),
    "v": Variable(132, CORE),
}


def _template(kind: str, variable: Variable) -> int:
    """A handle with everything that the messages of a variable share."""
    handle = eccodes.codes_grib_new_from_samples(f"regular_ll_{kind}_grib1")
    step = 360 / LONGITUDES
    keys = {
        "centre": 98,  # whose table of parameters is used
        "class": "rd",  # research
        "type": "pf",
        "stream": "enfh",
        "expver": EXPERIMENT,
        "generatingProcessIdentifier": variable.origin,
        "table2Version": 128,
        "indicatorOfParameter": variable.parameter,
        "Ni": LONGITUDES,
        "Nj": LATITUDE.size,
        "latitudeOfFirstGridPointInDegrees": float(LATITUDE[0]),
        "latitudeOfLastGridPointInDegrees": float(LATITUDE[-1]),
        "longitudeOfFirstGridPointInDegrees": 0.0,
        "longitudeOfLastGridPointInDegrees": 360 - step,
        "iDirectionIncrementInDegrees": step,
        "jDirectionIncrementInDegrees": float(LATITUDE[0] - LATITUDE[1]),
        "bitsPerValue": variable.bits,
        "dataTime": 0,
        "totalNumber": 11,
        "missingValue": MISSING,
    }
    for key, value in keys.items():
        eccodes.codes_set(handle, key, value)
    return handle


def write(
    path: Path,
    kind: str,
    fields: Mapping[str, np.ndarray],
    dates: Sequence[int],
    steps: Sequence[int],
    levels: Sequence[int] = (0,),
) -> None:
    """Write forecasts.

    Parameters
    ----------
    path : pathlib.Path
    kind : {"sfc", "pl"}
    fields : mapping of str to numpy.ndarray
        (date, member, step, level, latitude, longitude) by name; NaN where there is no value.
    dates : sequence of int
        yyyymmdd of the starts.
    steps : sequence of int
        h.
    levels : sequence of int
        hPa; (0,) at the surface.
    """
    table = SURFACE if kind == "sfc" else PRESSURE
    with path.open("wb") as out:
        for name, values in fields.items():
            handle = _template(kind, table[name])
            try:
                _write_variable(handle, out, values, dates, steps, levels)
            finally:
                eccodes.codes_release(handle)


def _write_variable(
    handle: int,
    out: BinaryIO,
    values: np.ndarray,
    dates: Sequence[int],
    steps: Sequence[int],
    levels: Sequence[int],
) -> None:
    holes = bool(np.isnan(values).any())
    eccodes.codes_set(handle, "bitmapPresent", int(holes))
    values = np.where(np.isnan(values), MISSING, values) if holes else values
    values = values.reshape(*values.shape[:4], -1).astype(float)
    for i, date in enumerate(dates):
        eccodes.codes_set(handle, "dataDate", date)
        for number, step, level in np.ndindex(values.shape[1:4]):
            eccodes.codes_set(handle, "number", number + 1)
            eccodes.codes_set(handle, "stepRange", str(steps[step]))
            if len(levels) > 1:
                eccodes.codes_set(handle, "level", levels[level])
            eccodes.codes_set_values(handle, values[i, number, step, level])
            eccodes.codes_write(handle, out)


def _messages(path: Path) -> Iterator[int]:
    with path.open("rb") as file:
        while (handle := eccodes.codes_grib_new_from_file(file)) is not None:
            try:
                yield handle
            finally:
                eccodes.codes_release(handle)


def read(path: Path, names: Sequence[str], step: int = 48) -> dict[str, np.ndarray]:
    """Read some variables at one lead time, without an index: quicker than cfgrib if a few are wanted.

    Parameters
    ----------
    path : pathlib.Path
        An object of the sample.
    names : sequence of str
        Names of variables.
    step : int
        Lead time, h.

    Returns
    -------
    dict of str to numpy.ndarray
        (date, member, level, latitude, longitude), dates rising, levels falling, float32, NaN where missing.
    """
    wanted = {(SURFACE | PRESSURE)[name].parameter: name for name in names}
    found: dict[str, dict[tuple[int, int, int], np.ndarray]] = {name: {} for name in names}
    for handle in _messages(path):
        name = wanted.get(eccodes.codes_get_long(handle, "indicatorOfParameter"))
        if name is None or eccodes.codes_get_long(handle, "step") != step:
            continue
        eccodes.codes_set(handle, "missingValue", MISSING)
        values = eccodes.codes_get_values(handle).astype("float32")
        values[values == MISSING] = np.nan
        at = (eccodes.codes_get_long(handle, k) for k in ("dataDate", "number", "level"))
        date, number, level = at
        found[name][date, number, -level] = values
    return {name: _stack(values) for name, values in found.items()}


def _stack(fields: Mapping[tuple[int, int, int], np.ndarray]) -> np.ndarray:
    axes = [sorted({key[i] for key in fields}) for i in range(3)]
    stacked = np.stack([fields[d, n, z] for d in axes[0] for n in axes[1] for z in axes[2]])
    return stacked.reshape(*map(len, axes), LATITUDE.size, LONGITUDES)
