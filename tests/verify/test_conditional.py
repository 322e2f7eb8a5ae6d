"""Conditional quantiles of pairs whose distribution is known."""

import numpy as np
import pytest
import xarray as xr

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.verify.conditional import conditional_quantiles


def pairs(n=200_000, correlation=0.8):
    rng = np.random.default_rng(0)
    x = rng.standard_normal(n)
    y = correlation * x + np.sqrt(1 - correlation**2) * rng.standard_normal(n)
    return (xr.DataArray(a.reshape(100, -1), dims=("time", "point")) for a in (y, x))


def test_normal_pairs():
    y, x = pairs()
    found = conditional_quantiles(y, x, [0.1, 0.5, 0.9], edges=np.linspace(-2, 2, 11))
    np.testing.assert_allclose(found["quantile"].sel(level=0.5), 0.8 * found["given"], atol=0.05)
    width = found["quantile"].sel(level=0.9) - found["quantile"].sel(level=0.1)
    np.testing.assert_allclose(width, 2 * 1.2816 * 0.6, rtol=0.15)
    assert float(found["share"].sum()) == pytest.approx(0.9545, abs=0.005)  # within two standard deviations
    np.testing.assert_allclose(found["bin"], np.linspace(-1.8, 1.8, 10))


def test_pairs_may_come_in_any_order_of_dimensions():
    y, x = pairs(2000)
    a = conditional_quantiles(y, x, edges=[-1, 0, 1])
    b = conditional_quantiles(y.transpose(), x, edges=[-1, 0, 1])
    xr.testing.assert_equal(a, b)


def test_few_pairs_and_missing_values():
    y = xr.DataArray([1.0, 2, 3, np.nan, 5], dims="x")
    x = xr.DataArray([0.1, 0.2, 0.3, 0.4, 2.0], dims="x")
    found = conditional_quantiles(y, x, [0.5], edges=[0, 1, 2], fewest=2)
    assert found["quantile"].values[0, 0] == 2
    assert np.isnan(found["quantile"].values[0, 1])
    assert found["share"].values.tolist() == [0.75, 0.25]  # the upper border belongs to the last class


def test_mistakes_name_their_cure():
    y, x = pairs(1000)
    for call in (
        lambda: conditional_quantiles(y, x, [0.5, 0.1]),
        lambda: conditional_quantiles(y, x, [0, 0.5]),
        lambda: conditional_quantiles(y, x, edges=[1, 0]),
        lambda: conditional_quantiles(y, 0 * x),
        lambda: conditional_quantiles(y.isel(time=0), x),
        lambda: conditional_quantiles(y * np.nan, x),
    ):
        with pytest.raises(BootcampError) as caught:
            call()
        assert caught.value.cure
