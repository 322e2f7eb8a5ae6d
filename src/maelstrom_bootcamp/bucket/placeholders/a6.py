"""Placeholders of A6: constants of the model levels, wind turbines, and weather on a few points of Europe."""

from __future__ import annotations

from pathlib import Path

from maelstrom_bootcamp.bucket.placeholders.layout import STORE, Field, Placeholder, write_netcdf, writer

_FOLDER = f"{STORE}/maelstrom-ap6"
_RANGES = {
    "t": (220.0, 290.0, "K"),
    "q": (0.0, 1e-2, "kg kg**-1"),
    "u": (-20.0, 20.0, "m s**-1"),
    "v": (-20.0, 20.0, "m s**-1"),
    "z": (0.0, 60000.0, "m**2 s**-2"),
    "r": (0.0, 100.0, "%"),
    "sp": (95000.0, 103000.0, "Pa"),
}
_KINDS = {
    "ml": (("t", "q", "u", "v"), tuple(range(128, 138))),
    "pl": (("z", "t", "r", "u", "v"), (500, 1000)),
    "sfc": (("sp",), ()),
}
_DATES = ("2019-01-01", "2019-01-02")
_STEPS = 49
_TURBINE_TIMES = 144  # one day


def _constants(path: Path) -> None:
    half = {"hyai": Field(("dim0",), 0.0, 20000.0, "Pa"), "hybi": Field(("dim0",), 0.0, 1.0)}
    full = {"hyam": Field(("dim0_0",), 0.0, 20000.0, "Pa"), "hybm": Field(("dim0_0",), 0.0, 1.0)}
    write_netcdf(path, {"dim0": 138, "dim0_0": 137}, half | full)


def _turbine(path: Path, number: int) -> None:
    import pandas as pd

    dims = ("time", "level", "latitude", "longitude")
    fields = {"production": Field(dims, 0.0, 850.0, "kW"), "wind_speed": Field(dims, 0.0, 20.0, "m s**-1")}
    coords = {
        "time": pd.date_range("2019-01-01", periods=_TURBINE_TIMES, freq="10min"),
        "level": ("level", [98.0], {"units": "m"}),
        "latitude": ("latitude", [52.2], {"units": "degrees_north"}),
        "longitude": ("longitude", [11.2], {"units": "degrees_east"}),
    }
    attrs = {"wind plant": f"wind_turbine_{number}", "power rating": "850 kW", "hub height": "98 m"}
    sizes = {"time": _TURBINE_TIMES, "level": 1, "latitude": 1, "longitude": 1}
    write_netcdf(path, sizes, fields, coords, attrs=attrs)


def _weather(path: Path, kind: str, start: str) -> None:
    import numpy as np
    import pandas as pd

    names, levels = _KINDS[kind]
    latitude, longitude = np.round(53 - 0.1 * np.arange(16), 1), np.round(10.5 + 0.1 * np.arange(16), 1)
    coords = {
        "time": pd.date_range(start, periods=_STEPS, freq="1h"),
        "latitude": ("latitude", latitude.astype("f4"), {"units": "degrees_north"}),
        "longitude": ("longitude", longitude.astype("f4"), {"units": "degrees_east"}),
    }
    dims = ("time", "level", "latitude", "longitude") if levels else ("time", "latitude", "longitude")
    if levels:
        coords["level"] = ("level", np.array(levels, "i4"))
    sizes = {"time": _STEPS, "level": len(levels), "latitude": 16, "longitude": 16}
    fields = {name: Field(dims, *_RANGES[name]) for name in names}
    write_netcdf(path, sizes, fields, coords, attrs={"Conventions": "CF-1.6"})


def _runs(name: str, kind: str) -> Placeholder:
    return Placeholder(
        name,
        {
            f"{_FOLDER}/{kind}_{date.replace('-', '')}_{run}.nc": writer(_weather, kind, f"{date}T{run}")
            for date in _DATES
            for run in ("00", "12")
        },
    )


CONSTANTS = Placeholder("maelstrom-constants-a-b", {f"{_FOLDER}/ECMWF_AB137.nc": writer(_constants)})
PRODUCTION = Placeholder(
    "maelstrom-power-production",
    {f"{_FOLDER}/production_data/wind_turbine_{n}.nc": writer(_turbine, n) for n in range(1, 5)},
)
MODEL_LEVEL = _runs("maelstrom-weather-model-level", "ml")
PRESSURE_LEVEL = _runs("maelstrom-weather-pressure-level", "pl")
SURFACE_LEVEL = _runs("maelstrom-weather-surface-level", "sfc")
