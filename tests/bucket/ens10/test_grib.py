from __future__ import annotations

from pathlib import Path

import eccodes
import numpy as np
import pytest

from maelstrom_bootcamp.bucket.ens10 import forecast, grib

DATES, STEPS = (19980101, 20160101), (0, 24, 48)


def values(scale: float, levels: int = 1) -> np.ndarray:
    return scale * (1 + 0.1 * np.random.default_rng(0).random((2, 3, 3, levels, 36, 72)))


@pytest.fixture
def surface_file(tmp_path: Path) -> tuple[Path, dict[str, np.ndarray]]:
    fields = {"t2m": values(280), "sst": values(280), "tcc": values(0.5)}
    fields["sst"][..., 10:20, :] = np.nan
    grib.write(tmp_path / "sfc", "sfc", fields, DATES, STEPS)
    return tmp_path / "sfc", fields


def test_what_is_written_is_read(surface_file: tuple[Path, dict[str, np.ndarray]]) -> None:
    path, fields = surface_file
    for i, step in enumerate(STEPS):
        back = grib.read(path, list(fields), step)
        for name, field in fields.items():
            assert back[name].shape == (2, 3, 1, 36, 72)
            bits = grib.SURFACE[name].bits
            precision = 2 * np.nanmax(field) * 0.1 / 2 ** (bits - 1)
            assert np.array_equal(np.isnan(back[name]), np.isnan(field[:, :, i]))
            assert np.nanmax(np.abs(back[name] - field[:, :, i])) < precision, name


def test_levels_are_kept_apart(tmp_path: Path) -> None:
    fields = {"z": values(5e4, 2), "u": values(20, 2)}
    fields["z"][:, :, :, 1] *= 0.3
    grib.write(tmp_path / "pl", "pl", fields, DATES, STEPS, (500, 850))
    back = grib.read(tmp_path / "pl", ["z"], 48)
    assert set(back) == {"z"}
    assert np.abs(back["z"][:, :, 0] / fields["z"][:, :, 2, 1] - 1).max() < 1e-3  # 850 hPa first
    assert np.abs(back["z"][:, :, 1] / fields["z"][:, :, 2, 0] - 1).max() < 1e-3


def test_messages_say_where_they_come_from(surface_file: tuple[Path, dict[str, np.ndarray]]) -> None:
    path, _ = surface_file
    seen = {}
    for handle in grib._messages(path):
        parameter = eccodes.codes_get_long(handle, "indicatorOfParameter")
        seen[parameter] = eccodes.codes_get_long(handle, "generatingProcessIdentifier")
        assert eccodes.codes_get(handle, "expver") == grib.EXPERIMENT
        assert eccodes.codes_get(handle, "class") == "rd"  # research, not ECMWF's operations
        assert eccodes.codes_get_long(handle, "edition") == 1
    assert seen == {34: grib.SURFACE_SCHEME, 164: grib.FORMULA, 167: grib.SURFACE_SCHEME}


def test_tables_know_every_variable_and_what_is_diagnosed() -> None:
    assert set(grib.SURFACE) == set(forecast.SURFACE)
    assert set(grib.PRESSURE) == set(forecast.UPPER)
    both = grib.SURFACE | grib.PRESSURE
    assert {name for name, v in both.items() if v.origin == grib.FORMULA} == set(forecast.DIAGNOSED)
