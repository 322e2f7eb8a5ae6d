"""One run of each model for the tests of A5's generator (about two seconds)."""

from __future__ import annotations

from datetime import datetime

import pytest

from maelstrom_bootcamp.bucket.downscaling import terrain
from maelstrom_bootcamp.bucket.downscaling.nature import Moment, run
from maelstrom_bootcamp.bucket.downscaling.weather import Weather

KEPT = (24, 36)  # midnight and noon


@pytest.fixture(scope="session")
def summer() -> Weather:
    return Weather(0, 201807, datetime(2018, 7, 9), 36)


@pytest.fixture(scope="session")
def nature(summer: Weather) -> list[Moment]:
    """Tier 1 at midnight and at noon of a day in July."""
    return list(run(summer, terrain.tier1(), KEPT))
