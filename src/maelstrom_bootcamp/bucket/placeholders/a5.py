"""Placeholders of A5: both tiers of the downscaling data, on their true grids, a few times of each month."""

from __future__ import annotations

from pathlib import Path

from maelstrom_bootcamp.bucket.placeholders.layout import STORE, Field, Placeholder, write_netcdf, writer

_FOLDER = f"{STORE}/maelstrom-ap5"
_TIMES = 2
_TIER1 = {
    "t2m_in": Field(("time", "lat", "lon"), 270.0, 300.0, "K"),
    "z_in": Field(("time", "lat", "lon"), 0.0, 2000.0),
    "t2m_tar": Field(("time", "lat", "lon"), 270.0, 300.0, "K"),
    "z_tar": Field(("time", "lat", "lon"), 0.0, 2000.0),
}
_RANGES2 = {
    "u10_in": (-15.0, 15.0, "m s**-1"),
    "v10_in": (-15.0, 15.0, "m s**-1"),
    "t2m_in": (270.0, 300.0, "K"),
    "blh_in": (50.0, 2000.0, "m"),
    "slhf_in": (-1e6, 1e5, "J m**-2"),
    "sshf_in": (-1e6, 1e5, "J m**-2"),
    "sp_in": (85000.0, 103000.0, "Pa"),
    "z_in": (0.0, 20000.0, "m**2 s**-2"),
    "lsm_in": (0.0, 1.0, "1"),
    **{f"t{level}_in": (250.0, 295.0, "K") for level in (115, 122, 127, 131, 135, 137)},
    "t_2m_tar": (270.0, 300.0, "K"),
    "hsurf_tar": (0.0, 3000.0, "m"),
    "fr_land_tar": (0.0, 1.0, "1"),
}
_TIER2 = {name: Field(("time", "rlat", "rlon"), *limits) for name, limits in _RANGES2.items()}
_POLE = {
    "grid_mapping_name": "rotated_latitude_longitude",
    "grid_north_pole_latitude": 39.25,
    "grid_north_pole_longitude": -162.0,
}


def _tier1(path: Path, month: str) -> None:
    import numpy as np
    import pandas as pd

    coords = {
        "time": pd.date_range(f"{month}-01", periods=_TIMES, freq="12h"),
        "lat": ("lat", np.round(54.5 - 0.1 * np.arange(96), 6), {"units": "degrees_north"}),
        "lon": ("lon", np.round(4.0 + 0.1 * np.arange(128), 6), {"units": "degrees_east"}),
    }
    write_netcdf(path, {"time": _TIMES, "lat": 96, "lon": 128}, _TIER1, coords, dtype="f8")


def _tier2(path: Path, month: str) -> None:
    import numpy as np
    import pandas as pd

    coords = {
        "time": pd.date_range(f"{month}-01", periods=_TIMES, freq="1h"),
        "rlat": ("rlat", -3.933 + 0.055 * np.arange(96), {"units": "degrees"}),
        "rlon": ("rlon", -8.273 + 0.055 * np.arange(120), {"units": "degrees"}),
    }
    pole = {"rotated_pole": ((), np.int32(1), _POLE)}
    write_netcdf(path, {"time": _TIMES, "rlat": 96, "rlon": 120}, _TIER2, coords, extra=pole)


_MONTHS1 = [f"{year}-{month:02d}" for year in range(2016, 2021) for month in range(4, 10)]
_AUGMENTED = {"train": "2016-04", "val": "2020-05", "test": "2020-04"}
_MONTHS2 = [f"{year}-{month:02d}" for year in (2017, 2018) for month in range(1, 13)]

TIER1 = Placeholder(
    "maelstrom-downscaling-tier1",
    {f"{_FOLDER}/tier-1/downscaling_tier1_{m}.nc": writer(_tier1, m) for m in _MONTHS1}
    | {f"{_FOLDER}/tier-1/downscaling_tier1_{s}_aug.nc": writer(_tier1, m) for s, m in _AUGMENTED.items()},
)
TIER2 = Placeholder(
    "maelstrom-downscaling-tier2",
    {f"{_FOLDER}/tier-2/downscaling_tier2_{m}.nc": writer(_tier2, m) for m in _MONTHS2},
)
