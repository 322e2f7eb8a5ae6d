"""Trainings of A5: they learn, they go on where they stopped, and what they write can be used."""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
from __future__ import annotations

import math

from maelstrom_bootcamp import nn
from maelstrom_bootcamp.apps.downscaling import predictors, reference
from maelstrom_bootcamp.apps.downscaling import train as t
from maelstrom_bootcamp.apps.downscaling import trainer as steps
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.nn.shelf import Shelf
from maelstrom_bootcamp.nn.weights import as_stored

import keras
import numpy as np
import pytest
import tensorflow as tf
from support import interrupt_once

#: Another processor rounds in another way, and so may the sample that is made on it.
MARGIN = 0.03
QUICK = {"size": "ci", "batch_size": 4, "epochs": 12, "learning_rate": 1e-2}
NET = {"rows": 16, "columns": 24, "features": 4, "residual": True}


def plan(**more):
    options = NET | more.pop("options", {})
    return steps.Plan(**(QUICK | more), options=options)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, made_splits):
    """A shelf with one quick training."""
    folder = tmp_path_factory.mktemp("weights")
    t.train(plan(), folder / "unet.npz", data=made_splits, verbose=False)
    return Shelf(folder, reference.MODULE)


def test_a_training_learns_what_the_hills_do(trained):
    """What is left of the errors of the input is mostly what it cannot know."""
    scores = trained.card("unet")["scores"]
    assert scores["rmse"] < 0.6 * scores["rmse_bilinear"]
    assert scores["rmse_lapse"] < 0.3 * scores["rmse_bilinear"]


def test_weights_give_the_scores_of_their_card(trained, made_splits):
    forecast = reference.downscale("unet", made_splits["testing"], trained)
    assert forecast.dims == ("time", "lat", "lon")
    card = trained.card("unet")
    assert t.score(forecast, made_splits["testing"]) == pytest.approx(card["scores"], abs=2e-4)
    table = reference.overview(trained)
    assert table.loc["unet", "parameters"] == card["parameters"]
    assert table.loc["unet", "RMSE (K)"] == card["scores"]["rmse"]


def test_the_normalisation_of_the_training_comes_with_the_weights(trained, made_splits):
    _, scaling, _ = reference.load_reference("unet", trained)
    own = predictors.find_scaling(made_splits["training"]).as_arrays()
    for name, values in scaling.as_arrays().items():
        np.testing.assert_array_equal(values, own[name])


def test_scores_are_what_they_are_called(made_splits):
    ds = made_splits["testing"]
    found = t.score(ds["t2m_tar"] + 0.5, ds)
    assert found["rmse"] == pytest.approx(0.5, abs=1e-4)
    assert found["bias"] == pytest.approx(0.5, abs=1e-4)
    assert found["gradient_ratio"] == pytest.approx(1, abs=1e-4)
    rmse = float(np.sqrt(((ds["t2m_in"] - ds["t2m_tar"]) ** 2).mean()))
    assert found["rmse_bilinear"] == pytest.approx(rmse, rel=1e-4)


def test_an_interrupted_training_ends_like_one_in_one_go(tmp_path, made_splits, monkeypatch):
    whole, parts = tmp_path / "whole.npz", tmp_path / "parts.npz"
    one = plan(epochs=3, ema=0.9, clip=1.0, weight_decay=0.01)
    first = t.train(one, whole, data=made_splits, verbose=False)
    calls = interrupt_once(monkeypatch, t.Trainer)
    with pytest.raises(KeyboardInterrupt):
        t.train(one, parts, data=made_splits, verbose=False)
    assert not parts.exists()
    second = t.train(one, parts, data=made_splits, verbose=False)
    assert calls == [0, 1, 1, 2]
    for row, again in zip(first["history"], second["history"], strict=True):
        assert again == pytest.approx(row, rel=1e-4)
    assert second["scores"] == pytest.approx(first["scores"], rel=1e-3, abs=1e-4)


def test_the_average_counts_and_training_goes_on_without_it(made_splits, monkeypatch):
    real, seeds = steps.shuffled, []
    monkeypatch.setattr(steps, "shuffled", lambda n, size, seed: seeds.append(seed) or real(n, size, seed))
    scaling = predictors.find_scaling(made_splits["training"])
    parts = (t.arrays_of(made_splits[split], scaling) for split in ("training", "validation"))
    made = plan(epochs=4, ema=0.9, loss="mse", seed=5)
    trainer = steps.Trainer(t.build(made), made, *parts)
    row = trainer.one_epoch(1)
    assert seeds == [[5, 1]], "another order in each epoch"
    assert row["val_loss"] == pytest.approx(row["val_rmse"] ** 2)
    pairs = zip(trainer.kept(), trainer.model.get_weights(), strict=True)
    assert not all(np.array_equal(average, raw) for average, raw in pairs)


def test_mixed_precision_is_for_the_training_only(tmp_path, made_splits, monkeypatch):
    made = plan(epochs=1, precision="mixed_bfloat16")
    inside = t.build(made, made.precision)
    assert inside.get_layer("enc1_1_conv").compute_dtype == "bfloat16"
    assert inside.get_layer("enc1_1_conv").kernel.dtype == inside.get_layer("t2m").compute_dtype == "float32"
    assert keras.config.dtype_policy().name == "float32", "the setting of the whole program is as it was"
    rounded, predict = [], t.predict

    def watched(model, *rest):
        rounded.append(all(np.array_equal(as_stored(v).astype("f4"), v) for v in model.weights))
        return predict(model, *rest)

    monkeypatch.setattr(t, "predict", watched)
    t.train(made, tmp_path / "half.npz", data=made_splits, verbose=False)
    assert rounded == [True], "what is scored are the weights as the file holds them"
    model, *_ = reference.load_reference("half", Shelf(tmp_path, reference.MODULE))
    assert model.get_layer("enc1_1_conv").compute_dtype == "float32"


def test_the_height_of_the_ground_is_an_output_unless_it_has_no_weight():
    assert set(t.build(plan()).output) == {"t2m", "z"}
    assert set(t.build(plan(height_weight=0.0)).output) == {"t2m"}


@pytest.mark.parametrize(("kind", "expected"), [("mae", 2.0 + 3 * 0.5), ("mse", 4.0 + 3 * 0.25)])
def test_loss(kind, expected):
    y = {"t2m": tf.zeros((2, 4, 4, 1)), "z": tf.zeros((1, 4, 4, 1))}
    forecast = {"t2m": tf.fill((2, 4, 4, 1), 2.0), "z": tf.fill((2, 4, 4, 1), -0.5)}
    assert float(steps.DownscalingLoss(kind, 3.0)(y, forecast)) == pytest.approx(expected)
    assert float(steps.DownscalingLoss(kind, 0.0)(y, forecast)) == pytest.approx(
        expected - 3 * 0.5**2 if kind == "mse" else 2.0
    )


def test_the_published_rate_decays_between_its_epochs():
    rates = [steps.published_rate(epoch) for epoch in range(40)]
    assert rates[:4] == [5e-4] * 4
    falls = np.diff(np.log(rates))
    np.testing.assert_allclose(falls[4:29], -0.1)
    assert rates[29:] == [rates[29]] * 11
    assert plan(rate="published", learning_rate=5e-4).rate_at(12.7) == rates[12]
    assert plan(rate="cosine", epochs=10).rate_at(10) == pytest.approx(0, abs=1e-9)
    assert math.isclose(plan(rate="cosine", epochs=10).rate_at(0.5), QUICK["learning_rate"])


def test_shuffling_takes_every_time_once():
    batches = steps.shuffled(11, 3, [0, 1])
    assert batches.shape == (3, 3)
    assert len(set(batches.ravel())) == 9
    assert not np.array_equal(batches, steps.shuffled(11, 3, [0, 2]))
    assert np.array_equal(batches, steps.shuffled(11, 3, [0, 1]))


def test_command_line_and_back():
    made = plan(ema=0.99, clip=0.5, precision="mixed_bfloat16", loss="mse")
    words = made.command().split()
    assert words[:3] == ["python", "-m", "maelstrom_bootcamp.apps.downscaling.train"]
    assert t.parse(words[3:]) == (made, "weights/unet.npz")


def test_shipped_settings_are_a_default_that_can_be_changed():
    made, out = t.parse(["--shipped", "--size", "ci", "--epochs", "2", "--out", "x.npz"])
    assert made.epochs == 2
    assert made.ema == steps.SHIPPED["ema"]
    assert out == "x.npz"


def test_bad_input_is_refused(made_splits, tmp_path):
    with pytest.raises(BootcampError, match="do not make a batch"):
        t.train(plan(batch_size=64), tmp_path / "x.npz", data=made_splits)
    with pytest.raises(BootcampError, match="cannot be built"):
        t.build(plan(options={"depth": 3}))
    with pytest.raises(BootcampError, match="rate"):
        t.train(plan(rate="step"), tmp_path / "x.npz", data=made_splits)
    with pytest.raises(BootcampError, match="loss"):
        t.train(plan(loss="huber"), tmp_path / "x.npz", data=made_splits)
    with pytest.raises(BootcampError, match="precision"):
        t.build(plan(), "float16")
    assert not list(tmp_path.iterdir())


# ---- what is shipped ---------------------------------------------------------------------------------


def test_all_that_is_shipped_is_recorded_and_nothing_else():
    cure = "run python -m maelstrom_bootcamp.apps.downscaling.reference"
    assert reference.names() == sorted(reference.SHELF.records()) == ["unet", "wgan"], cure


@pytest.mark.parametrize("name", ["unet", "wgan"])
def test_shipped_weights_score_what_is_recorded(name):
    known = reference.SHELF.records()[name]["sample"]
    found = reference.sample_scores(name)
    assert found["rmse"] == pytest.approx(known["rmse"], rel=MARGIN)
    assert found["gradient_ratio"] == pytest.approx(known["gradient_ratio"], abs=0.02)
    assert found["rmse"] < 0.6 * found["rmse_bilinear"]


def test_what_the_shipped_networks_are_for():
    """The U-Net has the smaller error, the generator of the WGAN the better structure."""
    unet, wgan = (reference.SHELF.records()[name]["sample"] for name in ("unet", "wgan"))
    assert unet["rmse"] < 0.9 * unet["rmse_lapse"]
    assert unet["rmse"] < wgan["rmse"]
    assert abs(wgan["gradient_ratio"] - 1) < 0.5 * abs(unet["gradient_ratio"] - 1)


@pytest.mark.parametrize("name", ["unet", "wgan"])
def test_shipped_weights_have_the_published_size(name):
    card = nn.read_model_card(reference.SHELF.path(name))
    assert card["parameters"] == 3_525_650
    assert card["plan"]["size"] == "full"
    assert card["times"] == 1_464
    assert reference.SHELF.path(name).stat().st_size < 8e6


def test_the_shipped_unet_was_trained_as_its_command_says():
    card = nn.read_model_card(reference.SHELF.path("unet"))
    made, _ = t.parse(["--shipped", "--size", "full", "--data-seed", "0"])
    assert steps.Plan(**card["plan"]) == made
