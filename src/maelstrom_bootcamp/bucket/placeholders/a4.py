"""Placeholders of A4: ENS-10 as GRIB edition 1, and ENS5-mini as netCDF, on a few points of the true grid."""

from __future__ import annotations

from pathlib import Path

from maelstrom_bootcamp.bucket.placeholders.layout import (
    OLD_STORE,
    Field,
    Placeholder,
    ramp,
    write_netcdf,
    writer,
)

_FOLDER = f"{OLD_STORE}/MAELSTROM_AP4"
_LEVELS = (1000, 925, 850, 700, 500, 400, 300, 200, 100, 50, 10)
#: GRIB parameter (table 128) -> typical value, where 1 would be absurd.
_SURFACE = {34: 285.0, 136: 15.0, 137: 15.0, 143: 1e-3, 151: 101000.0, 164: 0.5} | {
    165: 5.0,
    166: 5.0,
    167: 280.0,
    228: 1e-3,
    235: 280.0,
}
_PRESSURE = {129: 50000.0, 130: 270.0, 133: 5e-3, 135: 0.1, 155: 1e-5, 131: 10.0, 132: 10.0}
_NI, _NJ = 16, 9
_YEARS, _MEMBERS, _STEPS = (1998, 1999), (1, 2), (0, 24, 48)
_MINI = {
    "z": Field((), 0.0, 3e5, "m**2 s**-2"),
    "t": Field((), 210.0, 290.0, "K"),
    "q": Field((), 0.0, 1e-2, "kg kg**-1"),
    "w": Field((), -1.0, 1.0, "Pa s**-1"),
    "d": Field((), -1e-5, 1e-5, "s**-1"),
    "u": Field((), -30.0, 30.0, "m s**-1"),
    "v": Field((), -30.0, 30.0, "m s**-1"),
}


def _message(kind: str) -> int:
    """A GRIB handle with the grid and what all messages share."""
    import eccodes

    handle = eccodes.codes_grib_new_from_samples(f"regular_ll_{kind}_grib1")
    keys = {
        "centre": 98,
        "class": "od",
        "type": "pf",
        "stream": "enfh",
        "expver": "0001",
        "table2Version": 128,
        "Ni": _NI,
        "Nj": _NJ,
        "latitudeOfFirstGridPointInDegrees": 60.0,
        "latitudeOfLastGridPointInDegrees": 60.0 - 0.5 * (_NJ - 1),
        "longitudeOfFirstGridPointInDegrees": 0.0,
        "longitudeOfLastGridPointInDegrees": 0.5 * (_NI - 1),
        "iDirectionIncrementInDegrees": 0.5,
        "jDirectionIncrementInDegrees": 0.5,
        "bitsPerValue": 16,
        "dataTime": 0,
        "totalNumber": 11,
    }
    for key, value in keys.items():
        eccodes.codes_set(handle, key, value)
    return handle


def _grib(path: Path, kind: str, mmdd: str) -> None:
    import eccodes

    parameters, levels = (_SURFACE, (0,)) if kind == "sfc" else (_PRESSURE, _LEVELS)
    handle = _message(kind)
    try:
        with path.open("wb") as out:
            for year in _YEARS:
                for member in _MEMBERS:
                    for step in _STEPS:
                        # The delivered "time" is the year of the reforecast.
                        where = {"dataDate": int(f"{year}{mmdd}"), "number": member, "stepRange": str(step)}
                        _write_fields(handle, out, where, parameters, levels)
    finally:
        eccodes.codes_release(handle)


def _write_fields(handle: int, out: object, where: dict, parameters: dict[int, float], levels: tuple) -> None:
    import eccodes

    for parameter, typical in parameters.items():
        for level in levels:
            for key, value in (where | {"indicatorOfParameter": parameter}).items():
                eccodes.codes_set(handle, key, value)
            if len(levels) > 1:
                eccodes.codes_set(handle, "level", level)
            eccodes.codes_set_values(handle, ramp((_NJ * _NI,), 0.9 * typical, 1.1 * typical, "f8"))
            eccodes.codes_write(handle, out)


def _mini(path: Path) -> None:
    import numpy as np
    import pandas as pd

    time = pd.DatetimeIndex(["1998-01-01", "1998-01-04"])
    step = pd.to_timedelta([0, 24], "h")
    coords = {
        "number": np.arange(1, 6),
        "time": time,
        "step": step,
        "isobaricInhPa": ("isobaricInhPa", np.array(_LEVELS, "f8"), {"units": "hPa"}),
        "latitude": ("latitude", 60 - 0.5 * np.arange(8), {"units": "degrees_north"}),
        "longitude": ("longitude", 0.5 * np.arange(16), {"units": "degrees_east"}),
        "valid_time": (("time", "step"), time.values[:, None] + step.values[None]),
    }
    dims = ("number", "time", "step", "isobaricInhPa", "latitude", "longitude")
    sizes = dict(zip(dims, (5, 2, 2, 11, 8, 16), strict=True))
    write_netcdf(path, sizes, {n: Field(dims, f.low, f.high, f.units) for n, f in _MINI.items()}, coords)


ENS10 = Placeholder(
    "maelstrom-ens10",
    {
        f"{_FOLDER}/output.{kind}.2018{mmdd}": writer(_grib, kind, mmdd)
        for kind in ("sfc", "pl")
        for mmdd in ("0101",)
    },
)
ENS5MINI = Placeholder("maelstrom-ens5mini", {f"{_FOLDER}/toy/ens5mini.01.nc": writer(_mini)})
