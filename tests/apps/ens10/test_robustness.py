"""Altered ensembles: what was to change has changed, and nothing else."""

# ruff: noqa: PD003  (xarray has isnull, not isna)

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from maelstrom_bootcamp.apps.ens10 import robustness
from maelstrom_bootcamp.errors import BootcampError


@pytest.fixture
def members():
    rng = np.random.default_rng(0)
    dims = ("time", "member", "latitude", "longitude")
    data = {n: (dims, rng.normal(280, 5, (4, 5, 2, 3)).astype("f4"), {"units": "K"}) for n in ("t", "z")}
    data["z"][1][:, :, 0] = np.nan  # as sst over land
    times = pd.date_range("2016-01-01", periods=4)
    return xr.Dataset(data, {"time": times}, {"target": "t850", "own": "t"})


def test_fewer(members):
    found = robustness.fewer(members, 3)
    assert found.equals(members.isel(member=[0, 1, 2]))
    for n in (1, 6):
        with pytest.raises(BootcampError, match="Keep two"):
            robustness.fewer(members, n)


def test_with_spread(members):
    found = robustness.with_spread(members, 0.5)
    np.testing.assert_allclose(found.t.mean("member"), members.t.mean("member"), rtol=1e-5)
    np.testing.assert_allclose(found.t.std("member"), 0.5 * members.t.std("member"), rtol=1e-3)
    assert found.z.isnull().equals(members.z.isnull())
    assert found.attrs == members.attrs
    with pytest.raises(BootcampError, match="above 0"):
        robustness.with_spread(members, 0)


def test_shifted(members):
    found = robustness.shifted(members, 2.0)
    np.testing.assert_allclose(found.t - members.t, 2, atol=1e-3)
    assert found.z.equals(members.z)
    assert found.t.attrs == members.t.attrs


def test_broken(members):
    found = robustness.broken(members, ["z"])
    assert found.t.equals(members.t)
    np.testing.assert_array_equal(found.z[0], members.z[2])
    assert not found.z.equals(members.z)
    assert tuple(found) == tuple(members)
    with pytest.raises(BootcampError, match="'q'"):
        robustness.broken(members, ["q"])
