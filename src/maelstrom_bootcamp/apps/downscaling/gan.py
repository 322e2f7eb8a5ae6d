"""Wasserstein GAN with gradient penalty: a critic learns to tell true fields, and the generator listens.

The training follows ``wgan_model.py`` of github.com/mlangguth89/downscaling_benchmark (MIT licence), in own
words; its losses, and what was mended in them, stand in `maelstrom_bootcamp.apps.downscaling.wasserstein`.
"""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from maelstrom_bootcamp import nn  # noqa: F401  (starts TensorFlow quietly)
from maelstrom_bootcamp.apps.downscaling.trainer import shuffled
from maelstrom_bootcamp.apps.downscaling.wasserstein import (
    PENALTY,
    PUBLISHED_RECONSTRUCTION,
    Fields,
    critic_loss,
    generator_loss,
    gradient_norms,
    gradient_penalty,
    lengths,
    mended_reconstruction,
    mixtures,
    penalty_of,
)
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.nn.blocks import check_counts

import keras
import tensorflow as tf

GENERATOR_RATE = 5e-5  # as published
CRITIC_RATE = 3e-4  # own: with the published 1e-6 a critic needs more updates than a course has time for
CRITIC_STEPS = 5  # as published
BETAS = {"beta_1": 0.0, "beta_2": 0.9}  # of Adam, as published and in Gulrajani et al. (2017)
AT_ONCE = 16  # fields in a step of the validation

__all__ = [
    "BETAS",
    "CRITIC_RATE",
    "CRITIC_STEPS",
    "GENERATOR_RATE",
    "PENALTY",
    "PUBLISHED_RECONSTRUCTION",
    "GanTrainer",
    "critic_loss",
    "generator_loss",
    "gradient_norms",
    "gradient_penalty",
    "mended_reconstruction",
    "mixtures",
]


class GanTrainer:
    """Steps of the training of generator and critic, compiled.

    Parameters
    ----------
    generator : keras.Model
        `sha_unet`, fresh or (as the course does) trained before with point-wise losses. May compute in
        bfloat16 inside; its outputs have to be float32. Will be compiled: its optimiser is Adam without
        momentum.
    critic : keras.Model
        `critic`, in float32: build it before a policy of mixed precision is set. Will be compiled, too.
    reconstruction : float
        Weight of the mean absolute errors of temperature and of surface height beside the critic's score.
        With this penalty the two gradients at a generated field are equally long if it is sqrt(pixels).
    height_weight : float
        Of the surface height within the reconstruction; published is 1.
    penalty : float
        Weight of the gradient penalty.
    generator_rate, critic_rate : float
        Learning rates.
    ema : float, optional
        Momentum of a moving average of the generator's weights, see `maelstrom_bootcamp.nn.training`.
    relative : bool
        Whether the critic sees what the generator adds to the coarse temperature (the first input), and not
        the temperature itself, as published. The distance between true and generated fields is the same, but
        the weather that both share no longer hides it.
    batch_statistics : bool
        Whether the generator's batch normalisation takes mean and variance of the batch in training, as
        published; or those that it has learnt before, so that the critic sees the fields that a forecast
        will have.
    seed : int
        Of the mixing weights. These depend on it and on the number of the critic's updates alone, so that a
        training which is stopped and goes on (`variables`) draws what it would have drawn.

    Raises
    ------
    BootcampError
        If one of the networks computes in the wrong precision, or a weight is negative.
    """

    def __init__(
        self,
        generator: keras.Model,
        critic: keras.Model,
        *,
        reconstruction: float,
        height_weight: float = 1.0,
        penalty: float = PENALTY,
        generator_rate: float = GENERATOR_RATE,
        critic_rate: float = CRITIC_RATE,
        ema: float | None = None,
        relative: bool = False,
        batch_statistics: bool = True,
        seed: int = 0,
    ) -> None:
        _check(generator, critic, reconstruction, penalty, height_weight)
        average = {} if ema is None else {"use_ema": True, "ema_momentum": ema}
        generator.compile(keras.optimizers.Adam(generator_rate, **BETAS, **average))
        critic.compile(keras.optimizers.Adam(critic_rate, **BETAS))
        for model in (generator, critic):
            model.optimizer.build(model.trainable_variables)
        self.generator, self.critic, self.seed = generator, critic, seed
        self.relative, self.batch_statistics = relative, batch_statistics
        self.shares = {"t2m": 1.0, "z": height_weight}
        # Variables, not numbers: a graph that was compiled would keep a number for ever.
        self.reconstruction = tf.Variable(reconstruction, trainable=False, dtype=tf.float32)
        self.penalty = tf.Variable(penalty, trainable=False, dtype=tf.float32)
        self._critic_step = tf.function(self._critic_on_inputs)
        self._critic_alone = tf.function(self._update_critic)
        self._generator_step = tf.function(self._generator_on_inputs)
        self._joint_step = tf.function(self._joint)
        self.forecast = tf.function(lambda x: generator(x, training=False)["t2m"])

    @property
    def variables(self) -> list[keras.Variable]:
        """What a state has to hold besides the generator and its optimiser: critic, and its optimiser."""
        return [*self.critic.variables, *self.critic.optimizer.variables]

    def critic_step(self, x: Fields, real: Fields, fake: Fields | None = None) -> dict[str, tf.Tensor]:
        """Update the critic once.

        Parameters
        ----------
        x : tensor
            (batch, rows, columns, inputs), what the generator sees.
        real : tensor
            (batch, rows, columns, 1), normalised temperature.
        fake : tensor, optional
            Fields that the generator has made before, which saves the most of the time.

        Returns
        -------
        dict of str to tf.Tensor
            Before the update: ``wasserstein`` (score of true minus score of generated fields), ``penalty``,
            ``gradient_norm`` (mean at the mixtures).
        """
        x, real, mix = tf.constant(x), tf.constant(real), self._mix(len(x), 1)[0]
        if fake is None:
            return self._critic_step(x, real, mix)
        return self._critic_alone(x, real, tf.constant(fake), mix)

    def generator_step(self, x: Fields, real: Fields, z: Fields) -> dict[str, tf.Tensor]:
        """Update the generator once.

        Parameters
        ----------
        x, real : tensor
            As for `critic_step`.
        z : tensor
            (batch or 1, rows, columns, 1), normalised surface height.

        Returns
        -------
        dict of str to tf.Tensor
            Before the update: ``adversarial`` (minus the score), ``reconstruction`` (mean absolute error of
            temperature plus that of height with its weight), and what both would have the generated
            temperature do: ``pull_critic``, ``pull_reconstruction`` (mean norms of the gradients at a
            field, with the weight).
        """
        return self._generator_step(tf.constant(x), tf.constant(real), tf.constant(z))

    def step(self, x: Fields, real: Fields, z: Fields, critic_steps: int = CRITIC_STEPS) -> dict:
        """Update the critic several times and the generator once, on the same fields.

        The generator is most of the cost. Here it runs once, where the published training gives each update
        of the critic fields of its own.

        Parameters
        ----------
        x, real, z : tensor
            As for `generator_step`.
        critic_steps : int

        Returns
        -------
        dict of str to tf.Tensor
            As `critic_step` (of its last update) and `generator_step` together.
        """
        check_counts(critic_steps=critic_steps)
        return self._joint_step(
            tf.constant(x), tf.constant(real), tf.constant(z), self._mix(len(x), critic_steps)
        )

    def one_epoch(
        self,
        x: np.ndarray,
        targets: Mapping[str, np.ndarray],
        epoch: int,
        *,
        batch_size: int,
        critic_steps: int = CRITIC_STEPS,
        each: Callable[[float, dict[str, float]], None] | None = None,
    ) -> dict[str, float]:
        """Train on all fields once, in an order that the epoch and the seed decide.

        Parameters
        ----------
        x : numpy.ndarray
            (time, rows, columns, inputs), from `network_inputs`.
        targets : mapping of str to numpy.ndarray
            From `network_targets`.
        epoch : int
            From 0.
        batch_size, critic_steps : int
        each : callable, optional
            Called after each step with how many epochs are over (a broken number) and the step's scores; may
            set learning rates, or keep the history.

        Returns
        -------
        dict of str to float
            Means over the steps.

        Raises
        ------
        BootcampError
            If there are too few fields for a batch.
        """
        if len(x) < batch_size:
            raise BootcampError(
                f"{len(x)} fields do not make a batch of {batch_size}.", "Take a smaller batch."
            )
        batches = shuffled(len(x), batch_size, [self.seed, epoch])
        rows = []
        for i, batch in enumerate(batches, start=1):
            found = self.step(x[batch], targets["t2m"][batch], targets["z"], critic_steps)
            rows.append({name: float(value) for name, value in found.items()})
            if each is not None:
                each(epoch + i / len(batches), rows[-1])
        return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Fields of the generator, (time, rows, columns, 1), normalised."""
        parts = [self.forecast(tf.constant(x[i : i + AT_ONCE])) for i in range(0, len(x), AT_ONCE)]
        return np.concatenate([np.asarray(part) for part in parts])

    def set_rates(self, generator: float, critic: float) -> None:
        """Set both learning rates."""
        self.generator.optimizer.learning_rate.assign(generator)
        self.critic.optimizer.learning_rate.assign(critic)

    def _mix(self, batch: int, steps: int) -> tf.Tensor:
        done = int(self.critic.optimizer.iterations)
        rng = np.random.default_rng([self.seed, done])
        return tf.constant(rng.uniform(size=(steps, batch, 1, 1, 1)).astype(np.float32))

    def _make(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return self.generator(x, training=self.batch_statistics)

    def _seen(self, x: tf.Tensor, fields: tf.Tensor) -> tf.Tensor:
        return fields - x[..., :1] if self.relative else fields

    def _critic_on_inputs(self, x: tf.Tensor, real: tf.Tensor, mix: tf.Tensor) -> dict[str, tf.Tensor]:
        return self._update_critic(x, real, self._make(x)["t2m"], mix)

    def _generator_on_inputs(self, x: tf.Tensor, real: tf.Tensor, z: tf.Tensor) -> dict[str, tf.Tensor]:
        with tf.GradientTape() as tape:
            made = self._make(x)
        return self._update_generator(tape, made, x, {"t2m": real, "z": z})

    def _joint(self, x: tf.Tensor, real: tf.Tensor, z: tf.Tensor, mix: tf.Tensor) -> dict[str, tf.Tensor]:
        with tf.GradientTape() as tape:
            made = self._make(x)
        found = {}
        for i in range(mix.shape[0]):  # unrolled: a new number of steps is compiled anew
            found = self._update_critic(x, real, made["t2m"], mix[i])
        return found | self._update_generator(tape, made, x, {"t2m": real, "z": z})

    def _update_critic(
        self, x: tf.Tensor, real: tf.Tensor, fake: tf.Tensor, mix: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        real, fake = self._seen(x, real), self._seen(x, fake)
        with tf.GradientTape() as tape:
            loss = critic_loss(self.critic(real, training=True), self.critic(fake, training=True))
            norms = gradient_norms(self.critic, mixtures(real, fake, mix))
            penalty = penalty_of(norms)
            total = loss + self.penalty * penalty
        variables = self.critic.trainable_variables
        self.critic.optimizer.apply(tape.gradient(total, variables), variables)
        return {"wasserstein": -loss, "penalty": penalty, "gradient_norm": tf.reduce_mean(norms)}

    def _update_generator(
        self,
        tape: tf.GradientTape,
        made: Mapping[str, tf.Tensor],
        x: tf.Tensor,
        targets: Mapping[str, tf.Tensor],
    ) -> dict[str, tf.Tensor]:
        """The chain rule in two parts, so that both pulls at the generated fields are seen on the way."""
        fields = dict(made)
        with tf.GradientTape(persistent=True) as inner:
            inner.watch(fields)
            adversarial = generator_loss(self.critic(self._seen(x, fields["t2m"]), training=True))
            errors = {name: tf.reduce_mean(tf.abs(field - targets[name])) for name, field in fields.items()}
            reconstruction = tf.add_n([self.shares[name] * error for name, error in errors.items()])
        of_critic = inner.gradient(adversarial, fields["t2m"])
        pulls = {k: self.reconstruction * v for k, v in inner.gradient(reconstruction, fields).items()}
        batch = tf.cast(tf.shape(x)[0], tf.float32)  # both losses are means over it
        found = {
            "adversarial": adversarial,
            "reconstruction": reconstruction,
            "pull_critic": batch * tf.reduce_mean(lengths(of_critic)),
            "pull_reconstruction": batch * tf.reduce_mean(lengths(pulls["t2m"])),
        }
        pulls["t2m"] += of_critic
        variables = self.generator.trainable_variables
        names = list(fields)
        gradients = tape.gradient(
            [made[k] for k in names], variables, output_gradients=[pulls[k] for k in names]
        )
        self.generator.optimizer.apply(gradients, variables)
        return found


def _check(generator: keras.Model, critic: keras.Model, *weights: float) -> None:
    outputs = {name: keras.backend.standardize_dtype(out.dtype) for name, out in generator.output.items()}
    if set(outputs.values()) != {"float32"}:
        raise BootcampError(
            f"The generator's outputs are {', '.join(sorted(set(outputs.values())))}, the losses float32.",
            'Give its last convolutions dtype="float32".',
        )
    inside = {layer.compute_dtype for layer in critic.layers}
    if inside != {"float32"}:
        raise BootcampError(
            f"The critic computes in {', '.join(sorted(inside))}.",
            "Build it before a policy of mixed precision is set: its penalty is a small difference.",
        )
    for name, value in zip(("reconstruction", "penalty", "height_weight"), weights, strict=True):
        if not value >= 0:
            raise BootcampError(f"{name}={value} would reward errors.", "Give a weight of 0 or more.")
