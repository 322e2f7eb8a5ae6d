"""The training loop of all graph networks: graphs joined to batches, Adam, a rate that falls to zero."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

Pack = Callable[[Sequence[Any]], dict[str, np.ndarray]]
Loss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def log_huber(target: tf.Tensor, predicted_log: tf.Tensor) -> tf.Tensor:
    """Relative error for networks that predict a logarithm; what is far off pulls no harder than ten percent.

    Parameters
    ----------
    target : tf.Tensor
        Shape (n,), what was measured.
    predicted_log : tf.Tensor
        Shape (n,).

    Returns
    -------
    tf.Tensor
        Scalar.
    """
    error = tf.abs(predicted_log - tf.math.log(target))
    return tf.reduce_mean(tf.where(error < 0.1, 5.0 * error**2, error - 0.05))


def square(target: tf.Tensor, predicted: tf.Tensor) -> tf.Tensor:
    """Mean squared error in the unit of the labels, as TraPPM: the largest networks decide.

    Parameters
    ----------
    target, predicted : tf.Tensor
        Shape (n,).

    Returns
    -------
    tf.Tensor
        Scalar.
    """
    return tf.reduce_mean((predicted - target) ** 2)


def huber(target: tf.Tensor, predicted: tf.Tensor) -> tf.Tensor:
    """Huber's loss with a corner at 1 in the unit of the labels, as DIPPM.

    Parameters
    ----------
    target, predicted : tf.Tensor
        Shape (n,).

    Returns
    -------
    tf.Tensor
        Scalar.
    """
    error = tf.abs(predicted - target)
    return tf.reduce_mean(tf.where(error < 1, 0.5 * error**2, error - 0.5))


def train(
    network: keras.Model,
    pack: Pack,
    items: Sequence[Any],
    targets: np.ndarray,
    loss: Loss,
    *,
    epochs: int = 60,
    batch: int = 16,
    rate: float = 3e-3,
    seed: int = 0,
) -> list[float]:
    """Train a network in place.

    Parameters
    ----------
    network : keras.Model
        Takes what ``pack`` makes and answers with shape (networks,).
    pack : callable
        Joins items to one batch.
    items : sequence
        One for each measured network.
    targets : numpy.ndarray
        Shape (len(items),), what was measured.
    loss : callable
        Of targets and predictions.
    epochs, batch : int
    rate : float
        Of Adam at the start; falls to zero along a cosine.
    seed : int
        Of the order of the items. First weights are drawn when the network is built: set Keras' seed before.

    Returns
    -------
    list of float
        Mean loss of each epoch.
    """
    rng = np.random.default_rng(seed)
    steps = epochs * -(-len(items) // batch)
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, steps))
    first = pack(items[:1])
    network(_tensors(first))
    optimizer.build(network.trainable_variables)
    open_ended = {k: tf.TensorSpec([None, *v.shape[1:]] if v.ndim else [], v.dtype) for k, v in first.items()}

    @tf.function(input_signature=[open_ended, tf.TensorSpec([None], tf.float32)])
    def step(graphs: dict[str, tf.Tensor], measured: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            value = loss(measured, network(graphs, training=True))
        gradients, _ = tf.clip_by_global_norm(tape.gradient(value, network.trainable_variables), 1.0)
        optimizer.apply(gradients, network.trainable_variables)
        return value

    targets = np.asarray(targets, np.float32)
    losses = []
    for _ in range(epochs):
        order = rng.permutation(len(items))
        parts = [order[i : i + batch] for i in range(0, len(order), batch)]
        values = [float(step(_tensors(pack([items[i] for i in p])), tf.constant(targets[p]))) for p in parts]
        losses.append(float(np.mean(values)))
    return losses


def predict(network: keras.Model, pack: Pack, items: Sequence[Any], batch: int = 64) -> np.ndarray:
    """What a trained network answers.

    Parameters
    ----------
    network : keras.Model
    pack : callable
        As in the training.
    items : sequence
    batch : int

    Returns
    -------
    numpy.ndarray
        Shape (len(items),).
    """
    parts = [items[i : i + batch] for i in range(0, len(items), batch)]
    return np.concatenate([np.asarray(network(_tensors(pack(part)))) for part in parts])


def _tensors(batch: dict[str, np.ndarray]) -> dict[str, tf.Tensor]:
    return {name: tf.constant(value) for name, value in batch.items()}
