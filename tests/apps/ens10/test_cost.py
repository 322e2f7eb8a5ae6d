"""Multiplications are those of the formulas, a live member is the sample's, and members have a price."""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
from maelstrom_bootcamp import nn  # noqa: F401
from maelstrom_bootcamp.apps.ens10 import cost, networks
from maelstrom_bootcamp.apps.ens10.dataset import read_members
from maelstrom_bootcamp.apps.ens10.predictors import SEES, find_scaling
from maelstrom_bootcamp.errors import BootcampError

import keras
import numpy as np
import pytest
import xarray as xr

GRID = {"rows": 8, "columns": 12}
POINTS = 96


def test_a_networks_multiplications_are_counted_as_layer_by_layer():
    counted = cost.macs(networks.unet(7, rows=16, columns=16))
    fine = 14 * 32 + 32 * 32 + 64 * 32 + 32 * 32 + 32 * 2
    middle = 32 * 64 + 64 * 64 + 128 * 64 + 64 * 32
    coarse = 64 * 128 + 128 * 128 + 128 * 128 + 128 * 64
    assert counted.convolution == 9 * (256 * fine + 64 * middle + 16 * coarse)
    assert counted.attention == 0
    assert cost.macs(networks.mlp(7)).convolution == 17 * 128 + 128 * 2


def test_attention_over_members_is_quadratic_and_the_rest_is_linear():
    found = {m: cost.macs(networks.transformer(11, members=m, **GRID, own=8)) for m in (2, 4)}
    features, heads = 8, 16
    per_member = 25 * features * (11 + 2 * features) + 3 * features * heads + heads * features + features
    for m, count in found.items():
        assert count.attention == 2 * m * m * POINTS * heads
        assert count.convolution == m * POINTS * per_member


def test_a_batch_costs_as_much_as_its_forecasts_and_the_wrapped_network_no_more():
    model = cost.untrained("mlp", "t2m", members=5, **GRID)
    assert cost.macs(model).convolution == POINTS * (25 * 128 + 128 * 2)
    assert cost.macs(model, batch=3).convolution == 3 * cost.macs(model).convolution


def test_what_is_not_known_beforehand_is_not_counted():
    free = keras.Input((None, None, 3))
    model = keras.Model(free, keras.layers.Conv2D(4, 3)(free))
    with pytest.raises(BootcampError, match="not known"):
        cost.macs(model)


@pytest.mark.parametrize("name", sorted(SEES))
def test_tasks_of_a_race_compute_the_correction(name):
    some = {"latitude": slice(8), "longitude": slice(12), "time": slice(2)}
    members = read_members("t2m", "test", members=5).isel(some).load()
    model = cost.untrained(name, "t2m", members=5, **GRID)
    scaling = find_scaling(members)
    tasks = cost.steps(model, scaling, name, members)
    whole = tasks["whole"]()
    assert whole.shape == (2, 8, 12, 2)
    np.testing.assert_array_equal(whole, tasks["network"]())
    np.testing.assert_allclose(whole, np.asarray(model(tasks["prepare"](), training=False)), rtol=1e-4)
    shapes = {key: value.shape for key, value in tasks["prepare"]().items()}
    assert {key: value.shape for key, value in cost.noise_for(model, 2).items()} == shapes
    assert np.isfinite(np.asarray(model(cost.noise_for(model), training=False))).all()


@pytest.mark.slow
def test_a_live_ensemble_is_one_of_the_sample():
    model = cost.live_model()
    found = model.run()
    assert found.surface["t2m"].shape == (1, model.members, 3, 36, 72)
    spread = found.surface["t2m"][0, :, :].std(axis=0).mean(axis=(1, 2))
    assert (np.diff(spread) > 0).all(), "members drift apart"
    assert 200 < found.surface["t2m"].min() < found.surface["t2m"].max() < 330


def test_a_network_may_correct_a_base_instead_of_the_ensemble():
    some = {"latitude": slice(8), "longitude": slice(12), "time": slice(2)}
    members = read_members("t2m", "test", members=5).isel(some).load()
    model, scaling = cost.untrained("unet", "t2m", members=5, **GRID), find_scaling(members)
    other = {"mu": members["t2m"].mean("member") + 1, "sigma": members["t2m"].std("member", ddof=1)}
    warmer = cost.steps(model, scaling, "unet", members, lambda x: xr.Dataset(other))["whole"]()
    plain = cost.steps(model, scaling, "unet", members)["whole"]()
    np.testing.assert_allclose(warmer[..., 0] - plain[..., 0], 1, atol=1e-3)


def test_members_needed_for_a_score():
    law = cost.size_law([2, 4, 8], [1.5, 1.25, 1.125])
    assert law == pytest.approx((1, 1))
    assert cost.members_needed(law, 1.1) == pytest.approx(10)
    assert cost.members_needed(law, 0.999) == cost.members_needed(law, 0.9) == np.inf
    for sizes, crps in (([5], [1.0]), ([5, 5], [1.0, 1.1]), ([5, 10], [1.0]), ([5, 10], [1.0, np.nan])):
        with pytest.raises(BootcampError, match="no law"):
            cost.size_law(sizes, crps)


def test_a_plan_pays_for_its_members_and_their_correction():
    found = cost.plan_costs(2.0, {"raw": 0.0, "half": 3.0}, {"raw": 10, "half": 5}, factor=10)
    assert found.to_dict() == {"raw": 200, "half": 103}
    with pytest.raises(BootcampError, match="other plans"):
        cost.plan_costs(2.0, {"raw": 0.0}, {"half": 5})
    for member, correction, factor in ((0.0, 0.0, 1.0), (1.0, -1.0, 1.0), (1.0, 0.0, 0.0)):
        with pytest.raises(BootcampError, match="costs time"):
            cost.plan_costs(member, {"a": correction}, {"a": 5}, factor=factor)
