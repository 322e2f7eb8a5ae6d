"""The U-Net as the generator of a WGAN, trained by a plan: where it starts, what is kept, how it goes on."""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
from __future__ import annotations

from maelstrom_bootcamp import nn
from maelstrom_bootcamp.apps.downscaling import adversarial, predictors, reference
from maelstrom_bootcamp.apps.downscaling import train as t
from maelstrom_bootcamp.apps.downscaling.trainer import SHIPPED_WGAN, Plan
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.nn.shelf import Shelf

import numpy as np
import pytest
from support import interrupt_once

NET = {"rows": 16, "columns": 24, "features": 4, "residual": True}


def plan(start="", **more):
    given = {"epochs": 2, "batch_size": 8, "learning_rate": 1e-3, "critic_steps": 1, "head_start": 2}
    return Plan(model="wgan", size="ci", start=str(start), reconstruction=20.0, options=NET, **(given | more))


@pytest.fixture(scope="module")
def first(tmp_path_factory, made_splits):
    """A U-Net of one epoch, from which a WGAN may start."""
    path = tmp_path_factory.mktemp("first") / "unet.npz"
    t.train(Plan(size="ci", epochs=1, batch_size=8, options=NET), path, data=made_splits, verbose=False)
    return path


def test_it_starts_from_other_weights_and_ends_with_its_last_epoch(first, made_splits, tmp_path, monkeypatch):
    out = tmp_path / "wgan.npz"
    losses, kept, real = iter([1.0, 2.0, 3.0]), [], adversarial.AdversarialTrainer.kept
    worse = {"validate": lambda self: {"val_loss": next(losses), "val_gradient_ratio": 1.0}}
    worse["kept"] = lambda self: kept.append(real(self)) or kept[-1]
    for name, method in worse.items():
        monkeypatch.setattr(adversarial.AdversarialTrainer, name, method)
    card = t.train(plan(first, epochs=3), out, data=made_splits, verbose=False)
    assert card["best_epoch"] == 3
    assert {"wasserstein", "gradient_norm", "val_gradient_ratio"} <= set(card["history"][0])
    forecast = reference.downscale("wgan", made_splits["testing"], Shelf(tmp_path, reference.MODULE))
    assert t.score(forecast, made_splits["testing"]) == pytest.approx(card["scores"], abs=2e-4)
    model, *_ = reference.load_reference("wgan", Shelf(tmp_path, reference.MODULE))
    for stored, last in zip(model.get_weights(), kept[-1], strict=True):
        np.testing.assert_allclose(stored, last, rtol=1e-3, atol=1e-6)


def test_the_critic_has_a_head_start_once(first, made_splits, monkeypatch):
    scaling = predictors.find_scaling(made_splits["training"])
    arrays = t.arrays_of(made_splits["training"], scaling)
    trainer = adversarial.AdversarialTrainer(t.build(plan(first)), plan(first), arrays, arrays, scaling)
    alone = []
    monkeypatch.setattr(trainer.gan, "critic_step", lambda x, real, fake: alone.append(len(x)))
    monkeypatch.setattr(trainer.gan, "one_epoch", lambda *args, **options: {})
    for epoch in (0, 1):
        trainer.one_epoch(epoch)
    assert alone == [8, 8]
    assert trainer.gan.relative
    assert not trainer.gan.batch_statistics, "it started from a trained generator"
    assert not any("norm" in layer.name for layer in trainer.gan.critic.layers)


def test_weights_of_another_normalisation_are_refused(first, made_splits):
    scaling = predictors.find_scaling(made_splits["training"])
    model = t.build(plan(first))
    adversarial.start_from(model, str(first), scaling)
    stored, _, _ = reference.load_reference("unet", Shelf(first.parent, reference.MODULE))
    for ours, theirs in zip(model.get_weights(), stored.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    warmer = predictors.find_scaling(
        made_splits["training"] + {"t2m_tar": 5.0, "t2m_in": 0, "z_in": 0, "z_tar": 0}
    )
    with pytest.raises(BootcampError, match="another normalisation"):
        adversarial.start_from(model, str(first), warmer)
    bare = first.with_name("bare.npz")
    nn.save_weights_npz(model, bare, command="", seed=0, data_hash="", scores={})
    with pytest.raises(BootcampError, match="another normalisation"):
        adversarial.start_from(model, str(bare), scaling)
    with pytest.raises(BootcampError, match="no reference weights 'resnet'"):
        adversarial.start_from(model, "resnet", scaling)


def test_an_interrupted_training_goes_on_with_the_critic_that_it_had(
    first, made_splits, tmp_path, monkeypatch
):
    whole, parts = tmp_path / "whole.npz", tmp_path / "parts.npz"
    one = plan(first, ema=0.9)
    before = t.train(one, whole, data=made_splits, verbose=False)
    calls = interrupt_once(monkeypatch, t.AdversarialTrainer)
    with pytest.raises(KeyboardInterrupt):
        t.train(one, parts, data=made_splits, verbose=False)
    after = t.train(one, parts, data=made_splits, verbose=False)
    assert calls == [0, 1, 1]
    for row, again in zip(before["history"], after["history"], strict=True):
        assert again == pytest.approx(row, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize(
    ("more", "words"),
    [({"loss": "mse", "clip": 1.0}, "does not use loss, clip"), ({"batch_size": 64}, "batch of 64")],
)
def test_a_plan_that_cannot_be_followed_is_refused(more, words, made_splits, tmp_path):
    with pytest.raises(BootcampError, match=words):
        t.train(plan(**more), tmp_path / "x.npz", data=made_splits)


def test_rates_are_constant_and_then_fall_to_zero(first, made_splits):
    scaling = predictors.find_scaling(made_splits["training"])
    arrays = t.arrays_of(made_splits["training"], scaling)
    made = plan(first, epochs=4)
    trainer = adversarial.AdversarialTrainer(t.build(made), made, arrays, arrays, scaling)
    found, of_critic = {}, {}
    for done in (0.5, 2.0, 3.0, 4.0):
        trainer._set_rates(done, {})
        found[done] = float(trainer.gan.generator.optimizer.learning_rate)
        of_critic[done] = float(trainer.gan.critic.optimizer.learning_rate)
    assert of_critic == pytest.approx({0.5: 3e-4, 2.0: 3e-4, 3.0: 1.5e-4, 4.0: 0.0}, abs=1e-9)
    assert found == pytest.approx({0.5: 1e-3, 2.0: 1e-3, 3.0: 5e-4, 4.0: 0.0}, abs=1e-9)


def test_a_perfect_forecast_has_a_gradient_ratio_of_one(first, made_splits):
    scaling = predictors.find_scaling(made_splits["training"])
    arrays = t.arrays_of(made_splits["validation"], scaling)
    made = plan(first)
    trainer = adversarial.AdversarialTrainer(t.build(made), made, arrays, arrays, scaling)
    trainer.gan.predict = lambda x: arrays["t2m"]
    perfect = trainer.validate()
    assert perfect["val_gradient_ratio"] == pytest.approx(1)
    assert perfect["val_loss"] == 0
    # Departures of twice the size: the ratio of the fields in kelvins, by other means than the trainer's.
    trainer.gan.predict = lambda x: 2 * arrays["t2m"]
    true = made_splits["validation"]["t2m_tar"].values.astype(float)
    usual = made_splits["training"]["t2m_tar"].values.astype(float).mean(0)
    steep = [np.hypot(*np.gradient(f, axis=(1, 2))).mean() for f in (usual + 2 * (true - usual), true)]
    assert abs(steep[0] / steep[1] - 1) > 0.01, "the example tells something"
    assert trainer.validate()["val_gradient_ratio"] == pytest.approx(steep[0] / steep[1], rel=1e-4)


def test_the_shipped_wgan_was_trained_as_its_command_says():
    card = nn.read_model_card(reference.SHELF.path("wgan"))
    words = ["--model", "wgan", "--shipped", "--size", "full", "--data-seed", "0"]
    made, out = t.parse(words)
    assert Plan(**card["plan"]) == made
    assert out == "weights/wgan.npz"
    assert made.start == SHIPPED_WGAN["start"] == "unet"
    changed, _ = t.parse([*words, "--critic-steps", "7"])
    assert changed.critic_steps == 7
