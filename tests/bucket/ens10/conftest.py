"""A window of the smallest sample, simulated once for the tests of the generator (about ten seconds)."""

from __future__ import annotations

import numpy as np
import pytest

from maelstrom_bootcamp.bucket.ens10 import forecast, truth
from maelstrom_bootcamp.bucket.ens10.flow import Flow, omega
from maelstrom_bootcamp.bucket.ens10.forecast import Forecasts
from maelstrom_bootcamp.bucket.ens10.ground import grid_sphere
from maelstrom_bootcamp.bucket.ens10.periods import windows
from maelstrom_bootcamp.bucket.ens10.qg import Physics
from maelstrom_bootcamp.bucket.ens10.truth import Truth


@pytest.fixture(scope="session")
def nature() -> Truth:
    """Truth of the first window: January of 1998 and 2016."""
    return truth.simulate(0, windows("ci")[0])


@pytest.fixture(scope="session")
def ensemble(nature: Truth) -> Forecasts:
    """The forecasts of that window."""
    return forecast.run(nature, 0, nature.window.starts)


@pytest.fixture(scope="session")
def flow() -> Flow:
    """Two states of nature, on the grid of the objects: 1 January of two years, after a short spin-up."""
    window, core = windows("ci")[0], truth.atmosphere(Physics())
    day = np.array([1.0, 1.0])
    q = core.run(truth.initial(core, 0, window, day - 20), day - 20, 20, 2.0)
    psi = core.psi(q)
    return Flow(grid_sphere(), psi, omega(core, psi, day))
