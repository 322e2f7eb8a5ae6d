"""Columns of all latitudes and their fluxes, shared by the tests of A3's generator (about four seconds)."""

from __future__ import annotations

from pathlib import Path

import pytest
import xarray as xr

from maelstrom_bootcamp import bucket
from maelstrom_bootcamp.bucket.radiation.columns import columns
from maelstrom_bootcamp.bucket.radiation.recipe import _CONCAT
from maelstrom_bootcamp.bucket.radiation.solver import solve


def draw(**options) -> xr.Dataset:
    parts = [columns("20200331", 750, patch, 24, **options) for patch in range(16)]
    return xr.concat(parts, "column", **_CONCAT)


@pytest.fixture(scope="session")
def air() -> xr.Dataset:
    return draw()


@pytest.fixture(scope="session")
def warmer() -> xr.Dataset:
    return draw(warming=4.0)


@pytest.fixture(scope="session")
def fluxes(air: xr.Dataset) -> xr.Dataset:
    return solve(air)


@pytest.fixture(scope="session")
def ci_bucket() -> Path:
    """The smallest sample of both datasets, in the bucket that the tests share."""
    bucket.serve("maelstrom-radiation-tf", size="ci")
    return bucket.serve("maelstrom-radiation", size="ci")
