"""A small world for the tests of A5's package: hills on a plain, a lapse rate, no simulation."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

ROWS, COLUMNS, LAPSE = 16, 24, 6.5e-3


def make_split(days: int, seed: int) -> xr.Dataset:
    """Fine temperature that falls with height; the coarse one knows only the mean of blocks of 8 x 8."""
    rng = np.random.default_rng(seed)
    hills = np.random.default_rng(99).gamma(2.0, 200.0, (ROWS, COLUMNS))  # the same in every split
    noon = np.datetime64("2016-04-01T00", "ns") + np.arange(2 * days) * np.timedelta64(12, "h")
    level = 283 + 6 * rng.normal(size=(2 * days, 1, 1))
    wave = np.sin(np.arange(COLUMNS) / 4 + rng.uniform(0, 6, (2 * days, 1, 1)))
    fine = level + wave - LAPSE * hills + 0.1 * rng.normal(size=(2 * days, ROWS, COLUMNS))

    def coarse(field: np.ndarray) -> np.ndarray:
        blocks = field.reshape(*field.shape[:-2], ROWS // 8, 8, COLUMNS // 8, 8).mean((-3, -1))
        return blocks.repeat(8, -2).repeat(8, -1)

    data = {"t2m_in": coarse(fine), "t2m_tar": fine}
    fields = {name: (("time", "lat", "lon"), v.astype("f4"), {"units": "K"}) for name, v in data.items()}
    for name, values in {"z_in": coarse(hills), "z_tar": hills}.items():
        fields[name] = (("lat", "lon"), (9.80665 * values).astype("f4"), {"units": "m2 s-2"})
    coords = {"time": noon, "lat": 54.5 - 0.1 * np.arange(ROWS), "lon": 4 + 0.1 * np.arange(COLUMNS)}
    return xr.Dataset(fields, coords)


@pytest.fixture(scope="session")
def made_splits() -> dict[str, xr.Dataset]:
    """By split."""
    days = {"training": 24, "validation": 6, "testing": 6}
    return {split: make_split(n, seed) for seed, (split, n) in enumerate(days.items())}
