"""What the tests of A3 share."""

from __future__ import annotations

import numpy as np
import pytest

from maelstrom_bootcamp.apps.radiation.layers import published_maxima


def _columns(levels=12, n=3, seed=0):
    rng = np.random.default_rng(seed)
    maxima = published_maxima()
    shapes = {"sca_inputs": (17,), "col_inputs": (levels, 27), "inter_inputs": (levels - 1, 1)}
    x = {name: rng.uniform(0.05, 1, (n, *shape)) * maxima[name] for name, shape in shapes.items()}
    pressure = np.sort(rng.uniform(1, 101_325, (n, levels + 1, 1)), axis=1)
    pressure += 100 * np.arange(levels + 1)[:, None]  # no layer thinner than 1 hPa
    temperature = rng.uniform(200, 300, (n, levels + 1, 1))
    x |= {"pressure_hl": pressure, "hl_inputs": np.concatenate([temperature, pressure], -1)}
    return {name: values.astype("f4") for name, values in x.items()}


@pytest.fixture(scope="session")
def columns():
    """Makes random columns of air, ``columns(levels, n, seed)``, as large as those of the data set."""
    return _columns
