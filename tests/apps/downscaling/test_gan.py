"""The Wasserstein GAN: a penalty that is right, steps that change what they should, trainings that go on."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
import pytest
import tensorflow as tf

from maelstrom_bootcamp import nn
from maelstrom_bootcamp.apps.downscaling import gan
from maelstrom_bootcamp.apps.downscaling.networks import critic, sha_unet
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.nn import resumable

ROWS, COLUMNS = 8, 16
PIXELS = ROWS * COLUMNS


@pytest.fixture
def eager():
    """Without compiling: the networks are tiny, and a graph takes seconds to make."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def networks(norm="none", policy="float32", critic_policy="float32"):
    """A tiny generator and a tiny critic, always the same."""
    nn.set_seed(0, deterministic=False)
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy(critic_policy)
        judge = critic(rows=ROWS, columns=COLUMNS, features=4, convs=2, norm=norm)
        keras.config.set_dtype_policy(policy)
        return sha_unet(rows=ROWS, columns=COLUMNS, features=4), judge
    finally:
        keras.config.set_dtype_policy(before)


def made(n=4, seed=0):
    """Inputs, true temperature, surface height."""
    rng = np.random.default_rng(seed)
    x, real, z = (
        rng.standard_normal((k, ROWS, COLUMNS, c)).astype("f4") for k, c in ((n, 3), (n, 1), (1, 1))
    )
    return x, real, z


def linear(weights):
    """A critic whose gradient is `weights` everywhere."""
    return lambda fields, training: tf.reduce_sum(fields * weights, axis=[1, 2, 3])[:, None]


@pytest.mark.parametrize("length", [0.5, 1.0, 3.0])
def test_the_norm_is_the_euclidean_one(length):
    weights = np.full((ROWS, COLUMNS, 1), length / PIXELS**0.5, "f4")
    _, real, _ = made()
    np.testing.assert_allclose(gan.gradient_norms(linear(weights), real), length, rtol=1e-5)
    found = gan.gradient_penalty(linear(weights), real, 0 * real, np.full((4, 1, 1, 1), 0.5, "f4"))
    assert float(found) == pytest.approx((length - 1) ** 2, abs=1e-5)


def test_the_norm_is_that_of_each_field_on_its_own():
    """Score a x^2 / 2 has the gradient a x: another one for each field of the batch."""
    _, real, _ = made()

    def square(fields, training):
        return tf.reduce_sum(fields**2, axis=[1, 2, 3])[:, None] / 2

    expected = np.sqrt((real.astype(float) ** 2).sum(axis=(1, 2, 3)))
    np.testing.assert_allclose(gan.gradient_norms(square, real), expected, rtol=1e-5)
    mix = np.array([0, 1, 0.25, 0.5], "f4").reshape(4, 1, 1, 1)
    found = gan.gradient_penalty(square, real, 3 * real, mix)
    assert float(found) == pytest.approx(np.mean((expected * (1 + 2 * mix.ravel()) - 1) ** 2), rel=1e-5)


def test_a_flat_critic_has_a_penalty_with_a_derivative():
    weight = tf.Variable(0.0)
    _, real, _ = made()
    with tf.GradientTape() as tape:
        penalty = gan.gradient_penalty(
            lambda f, training: weight * tf.reduce_sum(f, [1, 2, 3])[:, None], real, real, 0 * real[:, :1, :1]
        )
    assert float(penalty) == pytest.approx(1, abs=1e-4)
    assert np.isfinite(tape.gradient(penalty, weight))


def test_mixtures_lie_between():
    _, real, _ = made(2)
    mix = np.array([0.0, 1.0], "f4").reshape(2, 1, 1, 1)
    np.testing.assert_array_equal(gan.mixtures(real, 5 + 0 * real, mix), np.stack([real[0], 5 + 0 * real[0]]))


def test_losses_have_the_signs_of_their_owners():
    good, bad = np.full((3, 1), 2.0, "f4"), np.full((3, 1), -1.0, "f4")
    assert float(gan.critic_loss(good, bad)) == -3, "the critic is content if true fields score higher"
    assert float(gan.generator_loss(good)) == -2, "the generator is content if its fields score high"


def test_the_mended_weight_of_the_reconstruction():
    assert gan.mended_reconstruction(96, 128) == pytest.approx(1000 / (96 * 128) ** 0.5)
    assert gan.mended_reconstruction(10, 10, published=50) == pytest.approx(5)


def test_mixing_weights_lie_between_0_and_1_and_follow_the_updates(eager):
    trainer = gan.GanTrainer(*networks(), reconstruction=1.0)
    first = np.asarray(trainer._mix(1000, 2))
    assert first.shape == (2, 1000, 1, 1, 1)
    assert 0 <= first.min() < 0.01
    assert 0.99 < first.max() <= 1
    assert len(np.unique(first)) > 1900
    np.testing.assert_array_equal(first, trainer._mix(1000, 2))
    x, real, _ = made()
    trainer.critic_step(x, real)
    assert not np.array_equal(first, trainer._mix(1000, 2))


def test_each_step_changes_its_own_network(eager):
    trainer = gan.GanTrainer(*networks("batch"), reconstruction=1.0)
    x, real, z = made()

    def trained():
        return [[np.array(v) for v in m.trainable_variables] for m in (trainer.generator, trainer.critic)]

    def same(a, b):
        return all(np.array_equal(v, w) for v, w in zip(a, b, strict=True))

    start = trained()
    found = trainer.critic_step(x, real)
    middle = trained()
    assert same(start[0], middle[0])
    assert not same(start[1], middle[1])
    assert set(found) == {"wasserstein", "penalty", "gradient_norm"}
    found = trainer.generator_step(x, real, z)
    end = trained()
    assert not same(middle[0], end[0])
    assert same(middle[1], end[1])
    assert set(found) == {"adversarial", "reconstruction", "pull_critic", "pull_reconstruction"}


def test_the_critic_finds_the_distance_and_a_slope_near_one():
    """The best slope s makes distance * s - 10 (s - 1)^2 largest: 1 + distance / 20, here 1.28."""
    trainer = gan.GanTrainer(*networks(), reconstruction=1.0)
    x, _, _ = made(8)
    fake = trainer.predict(x)
    for i in range(200):
        trainer.set_rates(0.0, 3e-3 * (1 - i / 200))
        found = trainer.critic_step(x, fake + 0.5, fake)
    assert 4 < float(found["wasserstein"]) < 8  # 0.5 * sqrt(128) is 5.7, and the slope is above 1
    assert 1.1 < float(found["gradient_norm"]) < 1.5


@pytest.mark.parametrize("relative", [True, False])
def test_what_the_critic_sees(relative, eager):
    generator, judge = networks()
    trainer = gan.GanTrainer(generator, judge, reconstruction=0.0, relative=relative)
    x, real, _ = made()
    fake = trainer.predict(x)
    seen = (real - x[..., :1], fake - x[..., :1]) if relative else (real, fake)
    expected = float(tf.reduce_mean(judge(seen[0])) - tf.reduce_mean(judge(seen[1])))
    found = trainer.critic_step(x, real, fake)
    assert float(found["wasserstein"]) == pytest.approx(expected, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("own", [True, False])
def test_statistics_of_the_batch_or_those_learnt_before(own, eager):
    generator, judge = networks()
    trainer = gan.GanTrainer(generator, judge, reconstruction=1.0, batch_statistics=own)
    x, real, z = made()
    before = [np.array(v) for v in generator.non_trainable_variables]
    expected = np.abs(np.asarray(generator(x, training=own)["t2m"]) - real).mean()
    if own:
        generator.set_weights(networks()[0].get_weights())
    found = trainer.generator_step(x, real, 0 * z + generator(x, training=own)["z"])
    assert float(found["reconstruction"]) == pytest.approx(expected, rel=1e-3)
    after = [np.array(v) for v in generator.non_trainable_variables]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True)) is not own


def test_the_generator_gets_the_gradient_of_its_whole_loss():
    """Both pulls and the chain rule in two parts, against one tape around everything."""
    generator, judge = networks()
    trainer = gan.GanTrainer(generator, judge, reconstruction=7.0, height_weight=0.25)
    x, real, z = made()
    with tf.GradientTape() as tape:
        out = generator(x, training=True)
        errors = [s * tf.reduce_mean(tf.abs(out[k] - y)) for k, y, s in (("t2m", real, 1), ("z", z, 0.25))]
        loss = gan.generator_loss(judge(out["t2m"])) + 7.0 * sum(errors)
    expected = tape.gradient(loss, generator.trainable_variables)
    taken = []
    trainer.generator.optimizer.apply = lambda gradients, variables: taken.extend(gradients)
    found = trainer._generator_on_inputs(*map(tf.constant, (x, real, z)))
    for a, b in zip(taken, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
    assert float(found["reconstruction"]) == pytest.approx(float(sum(errors)), rel=1e-5)
    assert float(found["pull_reconstruction"]) == pytest.approx(7 / PIXELS**0.5, rel=1e-4)
    norms = gan.gradient_norms(judge, out["t2m"])
    assert float(found["pull_critic"]) == pytest.approx(float(tf.reduce_mean(norms)), rel=1e-4)


def test_an_epoch_sees_all_whole_batches_and_tells_each_step(eager):
    trainer = gan.GanTrainer(*networks(), reconstruction=1.0)
    x, real, z = made(7)
    seen = []
    row = trainer.one_epoch(
        x, {"t2m": real, "z": z}, 2, batch_size=2, critic_steps=3, each=lambda at, found: seen.append(at)
    )
    assert seen == pytest.approx([2 + 1 / 3, 2 + 2 / 3, 3])
    assert int(trainer.critic.optimizer.iterations) == 9
    assert int(trainer.generator.optimizer.iterations) == 3
    assert {"wasserstein", "gradient_norm", "reconstruction", "pull_critic"} <= set(row)
    trainer.set_rates(0.5, 0.25)
    assert float(trainer.generator.optimizer.learning_rate) == 0.5
    assert float(trainer.critic.optimizer.learning_rate) == 0.25


@dataclass(frozen=True)
class Plan:
    epochs: int = 2


def test_a_training_that_is_stopped_goes_on_as_if_it_had_not_been(tmp_path, eager):
    x, real, z = made(4)

    def start(seed_of_weights=0):
        trainer = gan.GanTrainer(*networks("batch"), reconstruction=1.0, ema=0.9)
        for model in (trainer.generator, trainer.critic):
            model.set_weights([w + 0.1 * seed_of_weights for w in model.get_weights()])
        return trainer, resumable.State(tmp_path / "s.npz", Plan(), also=trainer.variables)

    def epoch(trainer, n):
        return trainer.one_epoch(x, {"t2m": real, "z": z}, n, batch_size=2, critic_steps=2)

    trainer, state = start()
    state.restore(trainer.generator)
    state.advance(trainer.generator, epoch(trainer, 0) | {"val_loss": 1.0})
    expected = epoch(trainer, 1)
    again, state = start(seed_of_weights=1)
    state.restore(again.generator)
    assert len(state.history) == 1
    found = epoch(again, 1)
    assert found == pytest.approx(expected, rel=1e-4)
    np.testing.assert_allclose(again.predict(x), trainer.predict(x), rtol=1e-3, atol=1e-4)


def test_half_precision_inside_the_generator_alone():
    generator, judge = networks(policy="mixed_bfloat16")
    trainer = gan.GanTrainer(generator, judge, reconstruction=1.0)
    x, real, z = made()
    found = trainer.step(x, real, z, critic_steps=1)
    assert all(np.isfinite(float(v)) and v.dtype == tf.float32 for v in found.values())
    assert generator.get_layer("enc1_1_conv").compute_dtype == "bfloat16"


def test_bad_input_names_cause_and_cure():
    with pytest.raises(BootcampError, match="critic computes in .*bfloat16"):
        gan.GanTrainer(*networks(critic_policy="mixed_bfloat16"), reconstruction=1.0)
    half, judge = networks(policy="bfloat16")
    half = keras.Model(half.input, {k: keras.ops.cast(v, "bfloat16") for k, v in half.output.items()})
    with pytest.raises(BootcampError, match="outputs are bfloat16"):
        gan.GanTrainer(half, judge, reconstruction=1.0)
    generator, judge = networks()
    for weights in ({"reconstruction": -1.0}, {"reconstruction": 1.0, "penalty": float("nan")}):
        with pytest.raises(BootcampError, match="reward errors"):
            gan.GanTrainer(generator, judge, **weights)
    trainer = gan.GanTrainer(generator, judge, reconstruction=1.0)
    x, real, z = made()
    with pytest.raises(BootcampError, match="batch of 5"):
        trainer.one_epoch(x, {"t2m": real, "z": z}, 0, batch_size=5)
    with pytest.raises(BootcampError, match="critic_steps=0"):
        trainer.step(x, real, z, critic_steps=0)


@pytest.mark.parametrize(
    ("norm", "parameters"), [("batch", 1_584_641), ("group", 1_584_641), ("none", 1_582_721)]
)
def test_critics_by_normalisation(norm, parameters):
    judge = critic(norm=norm)
    assert nn.trainable_parameters(judge) == parameters
    small = critic(rows=ROWS, columns=COLUMNS, features=4, convs=2, norm=norm)
    _, real, _ = made()
    together = np.asarray(small(real, training=True))
    alone = np.concatenate([np.asarray(small(real[i : i + 1], training=True)) for i in range(4)])
    if norm == "batch":
        assert np.abs(together - alone).max() > 1e-3, "a field's score depends on its neighbours in the batch"
    else:
        np.testing.assert_allclose(together, alone, atol=1e-5)
    with pytest.raises(BootcampError, match="norm='layer'"):
        critic(norm="layer")
