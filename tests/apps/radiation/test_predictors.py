"""What simple physics knows of a column: against numbers that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from maelstrom_bootcamp.apps.radiation.predictors import (
    cloud_depth,
    clouds,
    column_paths,
    cover_from_top,
    emission,
    incoming,
    total_cloud_cover,
)
from maelstrom_bootcamp.apps.radiation.variables import PROFILES


@pytest.fixture
def air():
    """Two columns of air without water, ozone or clouds, 137 layers of the same mass, surface at 1000 hPa."""
    pressure = np.tile(np.linspace(0, 1e5, 138), (2, 1))
    temperature = np.full((2, 138), 250.0)
    return {
        "sca_inputs": np.zeros((2, 17)),
        "col_inputs": np.zeros((2, 137, 27)),
        "hl_inputs": np.stack([temperature, pressure], -1),
        "inter_inputs": np.ones((2, 136, 1)),
        "pressure_hl": pressure[..., None],
    }


def put(air, name, value, levels=slice(None)):
    air["col_inputs"][0, levels, PROFILES.index(name)] = value


def test_paths(air):
    put(air, "q", 0.01)
    put(air, "aerosol_mmr_7", 1e-9)
    paths = column_paths(air)
    assert paths["water"] == pytest.approx([0.01 * 1e5 / 9.80665, 0])
    assert paths["aerosol_7"] == pytest.approx([1e-9 * 1e5 / 9.80665, 0])
    assert paths["aerosol_8"] == pytest.approx([0, 0])


def test_sunlight_and_black_bodies(air):
    air["sca_inputs"][:, 1], air["sca_inputs"][:, 16] = (0.5, -0.1), 1360
    assert incoming(air) == pytest.approx([680, 0]), "no sunlight from below the horizon"
    assert emission(np.array(288.15)) == pytest.approx(390.9, abs=0.1)


def test_optical_depth_of_water_and_ice(air):
    mass = 1e5 / 137 / 9.80665
    put(air, "q_liquid", 0.1 / mass, 100)  # 100 g/m²
    put(air, "re_liquid", 10e-6)
    put(air, "q_ice", 0.05 / mass, 50)
    put(air, "re_ice", 30e-6)
    depth = cloud_depth(air)
    assert depth[0, 100] == pytest.approx(15), "3 W / (2 rho r) = 3 x 0.1 / (2 x 1000 x 1e-5)"
    assert depth[0, 50] == pytest.approx(1.5 * 0.05 / (917 * 30e-6))
    assert np.count_nonzero(depth) == 2


@pytest.mark.parametrize(
    ("cover", "alpha", "expected"),
    [
        ([0.3], [], 0.3),
        ([0.3, 0.5], [1.0], 0.5),
        ([0.3, 0.5], [0.0], 1 - 0.7 * 0.5),
        ([0.3, 0.5], [0.5], 0.5 * 0.5 + 0.5 * (1 - 0.7 * 0.5)),
        ([0.3, 0.0, 0.5], [1.0, 1.0], 1 - 0.7 * 0.5),  # a gap makes the overlap random
        ([0.2, 0.4, 0.6], [1.0, 1.0], 0.6),
        ([0.2, 1.0, 0.6], [0.3, 0.3], 1.0),
    ],
)
def test_overlap(cover, alpha, expected):
    c, a = np.array([cover]), np.array([alpha])
    total = cover_from_top(c, a)
    assert total.shape == (1, len(cover) + 1)
    assert total[0, 0] == 0
    assert total[0, -1] == pytest.approx(expected, abs=1e-5)
    assert (np.diff(total) >= -1e-12).all(), "more layers cannot hide less"
    from_below = cover_from_top(c[:, ::-1], a[:, ::-1])[0, -1]
    assert from_below == pytest.approx(expected, abs=1e-5), "it does not matter from where one looks"


def test_clouds_above_and_below(air):
    put(air, "cloud_fraction", 0.6, slice(80, 90))
    put(air, "q_liquid", 1e-4, slice(80, 90))
    put(air, "re_liquid", 10e-6)
    above, below = clouds(air)
    assert total_cloud_cover(air) == pytest.approx([0.6, 0])
    assert above.cover[0, [80, 90]] == pytest.approx([0, 0.6])
    assert below.cover[0, [80, 90]] == pytest.approx([0.6, 0])
    whole = cloud_depth(air)[0].sum() / 0.6
    assert above.depth[0, -1] == pytest.approx(whole)
    assert below.depth[0, 0] == pytest.approx(whole)
    assert above.emits[0, -1] == pytest.approx(emission(np.array(250.0)))
    assert above.reflects[0, -1] == pytest.approx(0.6 * 0.13 * whole / (1 + 0.13 * whole))
    assert 0 < below.absorbs[0, 0] <= 0.6
    for cloud in (above, below):
        assert not cloud.reflects[1].any(), "the second column is clear"
        assert not cloud.absorbs[1].any()
