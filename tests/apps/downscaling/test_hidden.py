"""The weather behind the sample, drawn again: the same as the simulation had."""

from __future__ import annotations

import numpy as np
import pytest

from maelstrom_bootcamp.apps.downscaling.dataset import read_tier1
from maelstrom_bootcamp.apps.downscaling.hidden import hidden_weather
from maelstrom_bootcamp.bucket.downscaling import periods, recipe
from maelstrom_bootcamp.errors import BootcampError


def test_wind_and_clouds_are_those_of_the_simulation(monkeypatch):
    """Catch the weather that the recipe makes a month with, and compare."""
    stretch = next(s for s in periods.tier1("ci") if s.month == "2020-06")
    caught = []
    monkeypatch.setattr(recipe, "run", lambda w, ground, keep: caught.append(w) or iter(()))
    with pytest.raises(ValueError, match="need at least one array"):
        recipe.tier1_dataset(0, stretch)
    series = caught[0].series
    ds = read_tier1("testing", size="ci").sel(time="2020-06")
    found = hidden_weather(ds.time, "ci")
    hours = list(stretch.keep)
    np.testing.assert_allclose(found.wind, np.hypot(series.u, series.v)[hours])
    np.testing.assert_allclose(found.cloudiness, series.cloudiness[hours])


def test_order_of_the_times_does_not_matter():
    time = read_tier1("testing", size="ci").time
    turned = hidden_weather(time[::-1], "ci")
    np.testing.assert_array_equal(turned.wind[::-1], hidden_weather(time, "ci").wind)


def test_other_times_and_other_data_are_refused(monkeypatch):
    time = read_tier1("testing", size="ci").time
    with pytest.raises(BootcampError, match="no month"):
        hidden_weather(time - np.timedelta64(400, "D"), "ci")
    with pytest.raises(BootcampError, match="does not hold"):
        hidden_weather(time + np.timedelta64(6, "h"), "ci")
    monkeypatch.setenv("MAELSTROM_DATA", "remote")
    with pytest.raises(BootcampError, match="drawn again"):
        hidden_weather(time, "ci")
