"""What speed is worth; the same columns for solver and networks; networks in 8 bits."""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
from maelstrom_bootcamp.apps.radiation import cost, networks
from maelstrom_bootcamp.apps.radiation.columns import load_split, open_columns
from maelstrom_bootcamp.apps.radiation.to_onnx import to_onnx
from maelstrom_bootcamp.errors import BootcampError

import numpy as np
import pytest


@pytest.fixture(scope="module")
def split():
    return open_columns("test"), load_split("test")


def test_solver_and_networks_get_the_same_columns(split):
    raw, arrays = cost.timing_columns(6, *split)
    assert raw.sizes["column"] == 6
    assert set(arrays) == set(cost.INPUTS)
    np.testing.assert_allclose(arrays["pressure_hl"][..., 0], raw.pressure_hl, rtol=1e-6)
    np.testing.assert_allclose(arrays["sca_inputs"][:, 1], raw.cos_solar_zenith_angle, rtol=1e-6)
    np.testing.assert_allclose(arrays["col_inputs"][..., 0], raw.q, rtol=1e-6)
    assert (raw.cos_solar_zenith_angle > 0).all()
    assert len(np.unique(raw.skin_temperature)) == 6


def test_few_columns_are_taken_again_and_night_only_if_wanted(split):
    raw, arrays = cost.timing_columns(300, *split, sunlit=False)
    assert raw.sizes["column"] == len(arrays["sca_inputs"]) == 300
    assert (raw.cos_solar_zenith_angle <= 0).any()
    assert len(np.unique(raw.skin_temperature)) < 300


def test_columns_that_differ_or_are_none_are_refused(split):
    raw, arrays = split
    with pytest.raises(BootcampError, match="0 columns"):
        cost.timing_columns(0, raw, arrays)
    with pytest.raises(BootcampError, match="not the same columns"):
        cost.timing_columns(4, raw.isel(column=slice(None, None, -1)), arrays)
    night = np.flatnonzero(arrays["sca_inputs"][:, 1] <= 0)
    with pytest.raises(BootcampError, match="by day"):
        cost.timing_columns(4, raw.isel(column=night), {n: v[night] for n, v in arrays.items()})


@pytest.mark.parametrize("make", [networks.dense, networks.cnn, networks.rnn])
def test_eight_bits_are_smaller_and_nearly_the_same(make, columns):
    model, rng = make(levels=12), np.random.default_rng(0)
    model.set_weights([w + 0.05 * rng.standard_normal(w.shape) for w in model.get_weights()])
    whole = to_onnx(model)
    small = cost.quantised(whole)
    assert small.ByteSize() < 0.7 * whole.ByteSize()
    x = columns(12, 8)
    exact, rough = (cost.open_session(m).run(["sw"], x)[0] for m in (whole, small))
    limit = (x["sca_inputs"][:, 1] * x["sca_inputs"][:, 16])[:, None, None]
    off = np.abs(rough - exact) / limit
    assert 0 < off.max() < 0.1
    assert (rough >= 0).all()
    assert (rough <= limit * (1 + 1e-6)).all(), "the physics is not rounded"


def test_averaging_makes_noise_smaller_by_the_root_of_the_number():
    assert cost.draws_worth(18.0, 4.5) == 16
    rng = np.random.default_rng(0)
    n = round(cost.draws_worth(2.0, 0.5))
    assert rng.normal(0, 2.0, (20_000, n)).mean(axis=1).std() == pytest.approx(0.5, rel=0.05)
    with pytest.raises(BootcampError, match="error=0"):
        cost.draws_worth(1.0, 0.0)


def test_break_even_is_where_both_took_equally_long():
    columns = cost.break_even(100.0, 10.0, 1000.0)
    assert columns / 10 == pytest.approx(100 + columns / 1000)
    assert cost.break_even(100.0, 10.0, 10.0) == np.inf
    with pytest.raises(BootcampError, match="solver=-1"):
        cost.break_even(1.0, -1.0, 1.0)


def test_a_part_of_the_forecast_cannot_save_more_than_its_time():
    assert cost.whole_forecast(0.1, 1e12) == pytest.approx(1 / 0.9)
    assert cost.whole_forecast(1.0, 7.0) == pytest.approx(7.0)
    assert cost.whole_forecast(0.5, 1.0) == 1
    assert cost.whole_forecast(0.1, 0.5) < 1
    for share, speed_up in ((1.5, 2.0), (0.1, 0.0)):
        with pytest.raises(BootcampError):
            cost.whole_forecast(share, speed_up)
