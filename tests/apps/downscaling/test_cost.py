"""The parts of a step are those of the formulas, a kelvin has a price, the live model is the sample's."""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
from maelstrom_bootcamp import nn
from maelstrom_bootcamp.apps.downscaling import cost, networks
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.nn.graphs import graph_macs

import numpy as np
import pandas as pd
import pytest

GRID = {"rows": 16, "columns": 16}
BATCH = 2


@pytest.fixture(scope="module")
def pair():
    nn.set_seed(0)
    return networks.sha_unet(features=4, **GRID), networks.critic(features=4, convs=2, **GRID)


@pytest.fixture(scope="module")
def counted(pair):
    fields = cost.gan_fields(pair[0], BATCH)
    return {name: graph_macs(part, fields).sum() for name, part in cost.wgan_parts(*pair).items()}


def test_the_parts_of_a_step_are_those_of_the_formulas(pair, counted):
    layers = [nn.cost_by_layer(model, 16).macs_per_pixel * 256 * BATCH for model in pair]
    (g, c), (g_first, c_first) = (sum(each) for each in layers), (each.iloc[0] for each in layers)
    dense, score = layers[1][["hidden", "score"]].sum(), layers[1]["score"]  # no gradient needs the score
    assert counted["generate"] == g - layers[0]["z"]  # nobody asks for the height
    # Forward and two gradients; none with respect to the fields.
    assert counted["score"] == 2 * (3 * c - c_first - score)
    # Generator: forward and two gradients, none for the predictors. Critic: forward, and for the fields.
    assert counted["update generator"] == 3 * g - g_first + 2 * c - dense
    # Forward, slope, both again for the gradient, and back through the normalisations.
    assert counted["penalty"] == pytest.approx(6 * c - c_first, abs=4 * dense)


def test_every_part_gives_numbers(pair):
    fields = cost.gan_fields(pair[0], BATCH)
    for name, part in cost.wgan_parts(*pair).items():
        made = [part(fields)] if name == "generate" else part(fields)
        assert all(np.isfinite(np.asarray(each)).all() for each in made), name
    assert np.abs(np.asarray(cost.wgan_parts(*pair)["penalty"](fields)[0])).max() > 0


def test_a_step_is_the_sum_of_its_parts():
    parts = {"generate": 1.0, "score": 10.0, "penalty": 100.0, "update generator": 1000.0}
    assert cost.wgan_step(parts, 5).tolist() == [0, 50, 500, 1000]
    assert cost.wgan_step(pd.Series(parts), 5, shared=False).tolist() == [5, 50, 500, 1000]
    with pytest.raises(BootcampError, match="has the parts"):
        cost.wgan_step({"generate": 1.0})
    with pytest.raises(BootcampError, match="critic_steps"):
        cost.wgan_step(parts, 0)


def test_the_price_of_a_kelvin():
    table = pd.DataFrame(
        {"fit": [0, 10, 10, 0], "field": [0, 0, 1, 2], "rmse": [2.0, 1.5, 1.0, 3.0]}, ["raw", "a", "b", "c"]
    )
    found = cost.price(table, "raw")
    assert found.gained.tolist() == [0, 0.5, 1, -1]
    assert found.price[["a", "b", "c"]].tolist() == [20, 10, np.inf]
    assert np.isnan(found.price["raw"])
    assert cost.price(table, "raw", fields=100).spent.tolist() == [0, 10, 110, 200]
    with pytest.raises(BootcampError, match="no method"):
        cost.price(table, "d")
    for changed, fields in ((-table, 0), (table, -1), (table, np.inf)):
        with pytest.raises(BootcampError, match="never negative"):
            cost.price(changed, "raw", fields)


def test_the_live_model_on_both_grids():
    coarse, fine = (cost.LiveModel(2, coarse) for coarse in (True, False))
    assert (coarse.points, fine.points) == (26 * 30, 96 * 120)
    for model in (coarse, fine):
        air = model.run()
        assert air.size == model.points
        assert 240 < air.min() < air.max() < 320
    with pytest.raises(BootcampError, match="hours"):
        cost.LiveModel(0, coarse=True)


def test_a_finer_grid_has_its_price():
    assert cost.refined(8) == 512
    assert cost.refined(2, levels=True) == 16
    assert cost.refined(1) == 1
    for factor in (0.5, np.inf, np.nan):
        with pytest.raises(BootcampError, match="not finer"):
            cost.refined(factor)


def test_fields_are_of_one_seed(pair):
    one, same, other = (cost.gan_fields(pair[0], 1, seed) for seed in (0, 0, 1))
    assert one["x"].shape == (1, 16, 16, 3)
    assert (one["x"] == same["x"]).numpy().all()
    assert not (one["x"] == other["x"]).numpy().any()
    assert 0 <= float(one["mix"][0, 0, 0, 0]) < 1
    with pytest.raises(BootcampError, match="batch"):
        cost.gan_fields(pair[0], 0)
