"""What the tests of A3 share."""

from __future__ import annotations

import numpy as np
import pytest

from maelstrom_bootcamp.apps.radiation.layers import PER_DAY, published_maxima


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


@pytest.fixture(scope="session")
def labelled():
    """Splits of columns of 12 layers with fluxes that follow from the inputs by a simple law."""

    def split(n, seed):
        x = _columns(12, n, seed)
        x["sca_inputs"][::4, 1] = 0  # every fourth column is dark
        depth = np.cumsum(x["col_inputs"][..., 0] / x["col_inputs"][..., 0].max(), axis=1)
        through = np.exp(-0.1 * np.concatenate([np.zeros((n, 1)), depth], axis=1))
        sun = (x["sca_inputs"][:, 1] * x["sca_inputs"][:, 16])[:, None]
        warm = 5.67e-8 * x["hl_inputs"][..., 0] ** 4
        flux = {"sw": [sun * through, 0.3 * sun * through], "lw": [warm * (1 - through), warm]}
        for band, ways in flux.items():
            x[band] = np.stack(ways, axis=-1).astype("f4")
            net = x[band][..., 0] - x[band][..., 1]
            heats = -PER_DAY * np.diff(net) / np.diff(x["pressure_hl"][..., 0])
            x[f"hr_{band}"] = heats[..., None].astype("f4")
        return x

    return {"train": split(64, 1), "validation": split(16, 2), "test": split(16, 3)}


@pytest.fixture(scope="session")
def noise(labelled):
    """Standard errors of the labels of the test columns: 1 W/m², 0.1 K/day."""
    return {
        name: np.full_like(labelled["test"][name], 0.1 if name.startswith("hr_") else 1.0)
        for name in ("sw", "lw", "hr_sw", "hr_lw")
    }
