"""Objects of maelstrom-yr in the true layout, small and smooth, for the tests of A1's package."""

from __future__ import annotations

from datetime import UTC, date
from pathlib import Path

import netCDF4
import numpy as np
import pytest

from maelstrom_bootcamp.apps.yr.features import DYNAMIC, STATIC
from maelstrom_bootcamp.bucket.yr.periods import run_start

UNITS = ["celsius"] * 4 + ["1", "kg/m^2", "m/s", "m/s"]
STATIC_UNITS = ["m", "celsius", "celsius", "1", "m", "1"]
DATES = ("2020-07-06", "2020-07-07", "2020-07-08", "2020-12-07")


def fields(day: str, n: int = 64, n_lead: int = 10) -> dict[str, np.ndarray]:
    """Smooth fields of plausible range whose errors depend on terrain, bias and cloud, as in real life."""
    rng = np.random.default_rng(date.fromisoformat(day).toordinal())
    yy, xx = np.meshgrid(np.linspace(0, 1, n), np.linspace(0, 1, n), indexing="ij")

    def smooth(*shape: int) -> np.ndarray:
        k = rng.uniform(1, 6, (2, 4))
        wave = sum(
            rng.normal(size=(*shape, 1, 1)) * np.sin(2 * np.pi * (k[0, i] * xx + k[1, i] * yy) + i)
            for i in range(4)
        )
        return wave / 2

    altitude = 400 + 300 * np.sin(3 * xx) + 200 * np.cos(7 * yy)
    model_altitude = altitude - 120 * np.sin(20 * xx) * np.sin(20 * yy)
    land = (xx > 0.4).astype(float)
    bias = 0.6 * np.sin(9 * xx + 5 * yy)
    hours = 6.0 * np.arange(n_lead)
    cloud = np.clip(0.6 + 0.5 * smooth(n_lead), 0, 1)
    season = -8 * np.cos(2 * np.pi * (date.fromisoformat(day).timetuple().tm_yday - 15) / 365)
    control = (
        6
        + season
        - 0.0065 * model_altitude
        + smooth(n_lead)
        + 3 * np.sin(2 * np.pi * hours / 24)[:, None, None]
    )
    error = 0.0065 * (altitude - model_altitude) + bias + 0.8 * (cloud - 0.6) + 0.15 * smooth(n_lead)
    spread = 0.8 + 0.02 * hours[:, None, None] + 0 * control
    bias_yesterday = np.broadcast_to(bias + 0.1 * smooth(), control.shape)
    rain = np.maximum(smooth(n_lead), 0)
    dynamic = [
        control - spread,
        control + spread,
        control,
        bias_yesterday,
        cloud,
        rain,
        *3 * smooth(2, n_lead),
    ]
    static = [altitude, 0.3 + 0.1 * xx, bias + 0.05 * smooth(), land, model_altitude, land]
    return {
        "predictors": np.stack(dynamic, -1).astype("f4"),
        "static_predictors": np.stack(static, -1).astype("f4"),
        "target_mean": (control - error).astype("f4"),
        "target_std": (0.3 + 0.1 * np.abs(smooth(n_lead))).astype("f4"),
    }


def write_run(
    root: Path,
    day: str,
    n: int = 64,
    n_lead: int = 10,
    drop: tuple[str, ...] = (),
    names: tuple[str, ...] = DYNAMIC,
    dtype: str = "f4",
    **storage,
) -> Path:
    """Write one run as MET Norway does (uncompressed and contiguous unless ``storage`` says otherwise)."""
    start = run_start(day)
    path = root / "air_temperature" / "5GB" / f"{day.replace('-', '')}T{start.hour:02d}Z.nc"
    path.parent.mkdir(parents=True, exist_ok=True)
    data = fields(day, n, n_lead)
    grid = ("leadtime", "y", "x")
    with netCDF4.Dataset(path, "w") as nc:
        sizes = {"y": n, "x": n, "leadtime": n_lead, "predictor": 8, "static_predictor": 6}
        for dim, size in sizes.items():
            nc.createDimension(dim, size)

        def var(name: str, kind, dims: tuple[str, ...], values, compress: bool = False, **attrs) -> None:
            if name not in drop:
                v = nc.createVariable(name, kind, dims, **(storage if compress else {}))
                v[...] = values
                v.setncatts(attrs)

        index = np.arange(n)
        lat, lon = np.meshgrid(45 + 0.009 * index, 11 + 0.012 * index, indexing="ij")
        var("x", "f4", ("x",), 1000.0 * index, units="m", standard_name="projection_x_coordinate")
        var("y", "f4", ("y",), 1000.0 * index, units="m", standard_name="projection_y_coordinate")
        var("latitude", "f4", ("y", "x"), lat, units="degree_north", standard_name="latitude")
        var("longitude", "f4", ("y", "x"), lon, units="degree_east", standard_name="longitude")
        var(
            "leadtime",
            "f8",
            ("leadtime",),
            21600.0 * np.arange(n_lead),
            units="seconds",
            standard_name="leadtime",
        )
        since = "seconds since 1970-01-01 00:00:00 +00:00"
        var("time", "f8", (), start.replace(tzinfo=UTC).timestamp(), units=since, standard_name="time")
        lists = (("predictor", names, UNITS), ("static_predictor", STATIC, STATIC_UNITS))
        for dim, listed, units in lists:
            var(dim, str, (dim,), np.array(listed, object))
            var(f"{dim}_units", str, (dim,), np.array(units, object))
        var("altitude", "f4", ("y", "x"), data["static_predictors"][..., 0], units="m")
        var("land_area_fraction", "f4", ("y", "x"), data["static_predictors"][..., 3], units="1")
        var("static_predictors", dtype, ("y", "x", "static_predictor"), data["static_predictors"], True)
        order = [DYNAMIC.index(name) if name in DYNAMIC else 0 for name in names]
        var("predictors", dtype, (*grid, "predictor"), data["predictors"][..., order], True)
        for name in ("target_mean", "target_std"):
            var(name, dtype, grid, data[name], True, standard_name=name, units="celsius")
        var("projection_lcc", "i4", (), 0, grid_mapping_name="lambert_conformal_conic", proj4="+proj=lcc")
    return path


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    """Four runs of 64 x 64 points, in MET Norway's folders."""
    root = tmp_path_factory.mktemp("yr")
    for day in DATES:
        write_run(root, day)
    return root


@pytest.fixture(scope="session")
def paths(folder) -> list[Path]:
    return sorted(folder.rglob("*.nc"))


@pytest.fixture(scope="session")
def runs(folder):
    """The same four runs, opened by the plugin."""
    from maelstrom_bootcamp.apps.yr.dataset import open_runs

    return open_runs(DATES, location=folder)


@pytest.fixture(scope="session")
def write():
    """The writer itself, for objects with a fault."""
    return write_run


@pytest.fixture(scope="session")
def year(tmp_path_factory) -> Path:
    """Runs of all dates of the sample of size ci, 64 x 64 points and 3 lead times."""
    from maelstrom_bootcamp.bucket.yr.periods import PERIODS

    root = tmp_path_factory.mktemp("year")
    for dates in PERIODS["ci"].values():
        for day in dates:
            write_run(root, day, n_lead=3)
    return root
