from __future__ import annotations

import numpy as np
import pytest

from maelstrom_bootcamp.bucket.ens10 import moist
from maelstrom_bootcamp.bucket.ens10.flow import Flow


def test_saturation_against_known_values() -> None:
    """Vapour pressure 6.11 hPa at 0 C and 23.4 hPa at 20 C."""
    for celsius, vapour in ((0.0, 6.11), (20.0, 23.4)):
        expected = 0.622 * vapour / (1000 - 0.378 * vapour)
        assert moist.saturation(np.array(celsius + 273.15), 1000.0) == pytest.approx(expected, rel=2e-3)
    assert moist.saturation(np.array(330.0), 10.0) <= 0.622  # thin warm air: not more vapour than air


def test_rising_air_is_moist_cloudy_and_rainy(flow: Flow) -> None:
    water, motion = moist.moisture(flow), flow.interfaces[:, :, 1]
    up, down = motion < -0.05, motion > 0.05
    assert up.sum() > 50
    assert water.tcc[up].mean() > water.tcc[down].mean() + 0.2
    assert water.rain[up].mean() > 0
    assert (water.rain[down] == 0).all()
    humid = moist.relative_humidity(flow, 500.0)
    assert humid[flow.vertical(500.0)[0] < 0].mean() > humid[flow.vertical(500.0)[0] > 0].mean()


def test_bounds_and_sizes(flow: Flow) -> None:
    water = moist.moisture(flow)
    assert water.tcc.min() >= 0
    assert water.tcc.max() <= 1
    assert water.convective.min() > 0
    assert water.convective.max() < 1
    assert (water.tcw >= water.tcwv).all()
    tropics = np.abs(flow.sphere.latitude) < 10
    poles = np.abs(flow.sphere.latitude) > 80
    assert 25 < water.tcwv[:, tropics].mean() < 60  # kg m-2
    assert water.tcwv[:, poles].mean() < 8
    per_day = water.rain.mean() * 86400  # mm
    assert 0.2 < per_day < 5
    assert 0 < moist.specific_humidity(flow, 500.0).max() < 0.01
