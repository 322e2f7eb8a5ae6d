"""A small world for the tests of A4's package: warm bias near one pole, spread too small, no simulation."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from maelstrom_bootcamp.apps.ens10.dataset import task

Pair = tuple[xr.Dataset, xr.DataArray]
ROWS, COLUMNS, BIAS, ERROR, SPREAD = 12, 16, 1.5, 1.0, 0.5


def make_pair(target: str, dates: int, members: int, seed: int) -> Pair:
    """Members that are too sure of themselves, and what came true."""
    rng = np.random.default_rng(seed)
    what = task(target)
    latitude = 90 - 180 / ROWS * (np.arange(ROWS) + 0.5)
    coords = {
        "time": np.datetime64("2016-01-04", "ns") + np.arange(dates) * np.timedelta64(7, "D"),
        "latitude": latitude,
        "longitude": np.arange(COLUMNS) * 360 / COLUMNS,
    }
    shape = (dates, ROWS, COLUMNS)
    truth = 280 + 20 * np.cos(np.deg2rad(latitude))[:, None] + 3 * rng.normal(size=shape)
    centre = truth + BIAS * (latitude > 0)[:, None] + ERROR * rng.normal(size=shape)
    dims = ("time", "member", "latitude", "longitude")
    data = {}
    for i, name in enumerate(what.variables):
        own = name == what.own
        values = (centre if own else 10 * i + rng.normal(size=shape))[:, None]
        values = values + SPREAD * rng.normal(size=(dates, members, ROWS, COLUMNS))
        data[name] = (dims, values.astype("f4"))
    if "sst" in data:
        data["sst"][1][..., : COLUMNS // 2] = np.nan
    attributes = {"target": target, "own": what.own, "lead_time": "48 h"}
    ensemble = xr.Dataset(data, coords | {"member": np.arange(1, members + 1)}, attributes)
    known = xr.DataArray(truth.astype("f4"), coords, ("time", "latitude", "longitude"), name=target)
    return ensemble, known.assign_attrs(units=what.units)


@pytest.fixture(scope="session")
def made_pairs() -> dict[str, dict[str, Pair]]:
    """By target and split: members and truth."""
    dates = {"fit": 24, "validation": 8, "test": 8}
    return {
        target: {split: make_pair(target, n, 4, seed) for seed, (split, n) in enumerate(dates.items())}
        for target in ("t2m", "z500")
    }
