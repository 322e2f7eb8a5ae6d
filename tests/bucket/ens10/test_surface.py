from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from maelstrom_bootcamp.bucket.ens10 import surface
from maelstrom_bootcamp.bucket.ens10.flow import Flow
from maelstrom_bootcamp.bucket.ens10.ground import grid_ground

JANUARY, JULY = np.array([15.0, 15.0]), np.array([197.6, 197.6])


def below(day: np.ndarray, memory: float = 0.0) -> surface.Below:
    ground = grid_ground()
    return surface.below(ground, ground.orography, day, np.full((72, 36, 2), memory))


def row(latitude: float) -> int:
    return int(np.argmin(np.abs(grid_ground().latitude - latitude)))


def test_inversions_need_winter_and_calm_air(flow: Flow) -> None:
    january = surface.cold_pool(surface.NATURE, flow, JANUARY, 1.0)
    july = surface.cold_pool(surface.NATURE, flow, JULY, 1.0)
    north, south = slice(0, row(47.5)), slice(row(-47.5), None)
    assert january[:, north].mean() > 1 > 0.1 > july[:, north].mean()
    assert july[:, south].mean() > 1 > 0.1 > january[:, south].mean()
    vorticity = flow.vorticity(2)[:, north]
    calm, stormy = january[:, north][vorticity < -1e-5], january[:, north][vorticity > 1e-5]
    assert calm.mean() > stormy.mean() + 2
    assert january.min() >= 0
    assert january.max() <= 1.5 * surface.NATURE.inversion


def test_land_is_colder_in_winter_and_on_mountains(flow: Flow) -> None:
    january, july = (surface.target(surface.NATURE, flow, d, below(d)) for d in (JANUARY, JULY))
    land = grid_ground().land > 0.9
    assert (july - january)[land & (grid_ground().latitude > 40)].mean() > 5
    tibet = (18, row(32.5))  # 90 E
    flat = replace(below(JANUARY), orography=0 * grid_ground().orography)
    difference = surface.target(surface.NATURE, flow, JANUARY, flat)[tibet] - january[tibet]
    height = grid_ground().orography[tibet] * grid_ground().land[tibet]
    assert difference == pytest.approx(surface.LAPSE_RATE * height, rel=1e-3)


def test_air_over_the_sea_follows_the_sea(flow: Flow) -> None:
    ground = below(JANUARY)
    warmer = replace(ground, sst=ground.sst + 1)
    change = surface.target(surface.NATURE, flow, JANUARY, warmer) - surface.target(
        surface.NATURE, flow, JANUARY, ground
    )
    open_sea = ground.land[..., 0] == 0
    assert change[open_sea] == pytest.approx(surface.NATURE.sea_share, abs=1e-3)
    assert change[ground.land[..., 0] == 1] == pytest.approx(0, abs=1e-3)


def test_memory_warms_soil_and_sea_and_ice_counts_as_land() -> None:
    cold, warm = below(JANUARY), below(JANUARY, memory=1.0)
    tropics = row(2.5)
    assert (warm.sst - cold.sst)[:, tropics] == pytest.approx(surface.SEA_MEMORY)
    assert cold.land[:, row(87.5)].min() > 0.5  # the Arctic in January
    assert cold.sst.min() >= surface.FROZEN


def test_air_relaxes_towards_its_target_and_stays_there() -> None:
    ground = below(JANUARY)
    wanted = np.full((72, 36, 2), 280.0, "float32")
    t2m = wanted + 10
    once = surface.relax(surface.NATURE, t2m, wanted, ground)
    land, sea = ground.land == 1, ground.land == 0
    assert once[land] - 280 == pytest.approx(10 * np.exp(-0.5 / surface.NATURE.land_days), rel=1e-3)
    assert once[sea] - 280 == pytest.approx(10 * np.exp(-0.5 / surface.NATURE.sea_days), rel=1e-3)
    assert np.allclose(surface.relax(surface.NATURE, wanted, wanted, ground), wanted)
