"""What a critic and a generator make small: Wasserstein distance, gradient penalty, and the scale of both.

After ``wgan_model.py`` of github.com/mlangguth89/downscaling_benchmark (MIT licence), in own words and with
its gradient penalty mended. There, the weight of the mixture of a true and a generated field is drawn from
N(0, 1), so that two thirds of the mixtures do not lie between the two, and the norm of the gradient is a root
*mean* square over pixels. The critic's gradient is then driven towards the square root of the number of
pixels, 111 in tier 1, instead of to 1, and with so little force that it may go far beyond. A critic that
finds two distributions W apart is content with a slope of

    1 + W / (2 * PENALTY)                      with the norm of Gulrajani et al. (2017),
    sqrt(N) (1 + sqrt(N) W / (2 * PENALTY))    with the root mean square over N pixels.

The published weight of the reconstruction, 1000, belongs to that scale, so it seems.
"""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from maelstrom_bootcamp import nn  # noqa: F401  (starts TensorFlow quietly)

import tensorflow as tf

#: Published weight of the reconstruction, beside a critic whose gradient is driven to sqrt(pixels) or more.
PUBLISHED_RECONSTRUCTION = 1000.0
PENALTY = 10.0  # as published, and in Gulrajani et al. (2017)
TINY = 1e-12  # keeps the derivative of the root finite where the critic is flat

Fields = Any  # tf.Tensor or numpy.ndarray, (batch, rows, columns, 1), normalised temperature


def mended_reconstruction(rows: int, columns: int, published: float = PUBLISHED_RECONSTRUCTION) -> float:
    """The weight that keeps the balance of a published one once the gradient penalty is mended.

    Parameters
    ----------
    rows, columns : int
        Grid points.
    published : float
        Weight that was chosen beside a critic whose gradient is driven to sqrt(rows * columns).

    Returns
    -------
    float
        ``published / sqrt(rows * columns)``, about 9 in tier 1.
    """
    return published / (rows * columns) ** 0.5


def gradient_norms(critic: Callable[..., Any], fields: Fields) -> tf.Tensor:
    """Length of the critic's gradient at each field.

    Parameters
    ----------
    critic : callable
        Fields -> scores (batch, 1); called with ``training=True``.
    fields : tensor
        (batch, rows, columns, 1).

    Returns
    -------
    tf.Tensor
        (batch,): root of the *sum* of squares over the pixels, in units of the score per unit of the field.
    """
    fields = tf.convert_to_tensor(fields)
    with tf.GradientTape() as tape:
        tape.watch(fields)
        # The sum: each score depends on its own field alone, as long as there is no batch normalisation.
        total = tf.reduce_sum(critic(fields, training=True))
    return lengths(tape.gradient(total, fields))


def lengths(gradient: tf.Tensor) -> tf.Tensor:
    """Euclidean norm over all axes but the first.

    Parameters
    ----------
    gradient : tf.Tensor
        (batch, rows, columns, 1).

    Returns
    -------
    tf.Tensor
        (batch,)
    """
    return tf.sqrt(tf.reduce_sum(tf.square(gradient), axis=[1, 2, 3]) + TINY)


def mixtures(real: Fields, fake: Fields, mix: Fields) -> tf.Tensor:
    """Fields on the straight line from a true to a generated one.

    Parameters
    ----------
    real, fake : tensor
        (batch, rows, columns, 1).
    mix : tensor
        (batch, 1, 1, 1), from 0 (true) to 1 (generated).

    Returns
    -------
    tf.Tensor
        (batch, rows, columns, 1).
    """
    return real + mix * (fake - real)


def gradient_penalty(critic: Callable[..., Any], real: Fields, fake: Fields, mix: Fields) -> tf.Tensor:
    """How far the critic is from a slope of 1 between true and generated fields.

    Parameters
    ----------
    critic : callable
        Fields -> scores (batch, 1).
    real, fake : tensor
        (batch, rows, columns, 1).
    mix : tensor
        (batch, 1, 1, 1), drawn from the uniform distribution between 0 and 1, one for each sample.

    Returns
    -------
    tf.Tensor
        Mean over the batch of (norm of the gradient - 1) squared.

    References
    ----------
    Gulrajani et al. (2017), Improved training of Wasserstein GANs, arXiv:1704.00028, equation 3.
    """
    return penalty_of(gradient_norms(critic, mixtures(real, fake, mix)))


def penalty_of(norms: tf.Tensor) -> tf.Tensor:
    """Mean square distance of gradient norms from 1.

    Parameters
    ----------
    norms : tf.Tensor
        (batch,)

    Returns
    -------
    tf.Tensor
    """
    return tf.reduce_mean(tf.square(norms - 1.0))


def critic_loss(real_scores: Fields, fake_scores: Fields) -> tf.Tensor:
    """What the critic makes small: the score of generated fields minus that of true ones.

    Parameters
    ----------
    real_scores, fake_scores : tensor
        (batch, 1).

    Returns
    -------
    tf.Tensor
        Minus the estimate of the Wasserstein distance.
    """
    return tf.reduce_mean(fake_scores) - tf.reduce_mean(real_scores)


def generator_loss(fake_scores: Fields) -> tf.Tensor:
    """What the generator makes small besides the reconstruction: minus the score of its fields.

    Parameters
    ----------
    fake_scores : tensor
        (batch, 1).

    Returns
    -------
    tf.Tensor
    """
    return -tf.reduce_mean(fake_scores)
