"""The graph network of this course: a sum over operators, each corrected by what stands around it.

The additive model gives every operator a time. It errs where the same operator is fast in one network and
slow in another: a convolution with three channels, an addition that is fused with the activation behind it.
So a graph network looks at each operator and two hops around it, and answers with one number, the logarithm
of a correction::

    time of the network = sum over operators of (additive time) * exp(correction)

The sum is physics and extrapolates; what is learned is a factor near one. Messages between operators are
sums over segments, plain TensorFlow, no graph library.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from maelstrom_bootcamp.perfmodel.arrays import Arrays
from maelstrom_bootcamp.perfmodel.models.additive import Additive

#: Standard deviations beyond which a feature is not believed.
FARTHEST = 4.0


class Messages(keras.layers.Layer):
    """One hop (GraphSAGE with means): each operator hears from those it reads and from those that read it.

    Parameters
    ----------
    width : int
        Length of an operator's state.

    References
    ----------
    Hamilton, W., Ying, R. and Leskovec, J. (2017): Inductive representation learning on large graphs.
    NeurIPS.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.own = keras.layers.Dense(width)
        self.read = keras.layers.Dense(width, use_bias=False)
        self.written = keras.layers.Dense(width, use_bias=False)
        self.normalise = keras.layers.LayerNormalization()

    def call(self, state: tf.Tensor, read: tf.Tensor, written: tf.Tensor) -> tf.Tensor:
        """New states, shape (n, width), from states (n, width) and edges (e, 2): (neighbour, operator)."""
        heard = self.own(state)
        heard += self.read(_mean_over(read, state))
        heard += self.written(_mean_over(written, state))
        return state + tf.nn.relu(self.normalise(heard))


def _mean_over(edges: tf.Tensor, state: tf.Tensor) -> tf.Tensor:
    neighbours = tf.gather(state, edges[:, 0])
    return tf.math.unsorted_segment_mean(neighbours, edges[:, 1], tf.shape(state)[0])


class AdditiveNetwork(keras.Model):
    """Log time of networks: additive times of their operators, each times a learned correction.

    Parameters
    ----------
    width : int
        Length of an operator's state.
    hops : int
        How far an operator sees.
    limit : float
        The correction stays between exp(-limit) and exp(limit).
    """

    def __init__(self, width: int = 64, hops: int = 2, limit: float = 4.0) -> None:
        super().__init__()
        self.limit = limit
        self.enter = keras.layers.Dense(width, activation="relu")
        self.hops = [Messages(width) for _ in range(hops)]
        self.middle = keras.layers.Dense(width, activation="relu")
        self.drop = keras.layers.Dropout(0.05)
        # It begins with corrections near zero: the additive model itself.
        self.leave = keras.layers.Dense(1, kernel_initializer=keras.initializers.RandomNormal(stddev=0.01))

    def call(self, batch: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Log seconds, shape (networks,), of what `pack` has put together."""
        state = self.enter(batch["features"])
        for hop in self.hops:
            state = hop(state, batch["read"], batch["written"])
        correction = self.leave(self.middle(self.drop(state, training=training)))[:, 0]
        correction = self.limit * tf.tanh(correction / self.limit)
        time = batch["seconds"] * tf.exp(correction)
        return tf.math.log(tf.math.unsorted_segment_sum(time, batch["network"], batch["networks"]))


def pack(
    networks: Sequence[Arrays], prior: Additive, mean: np.ndarray | float = 0.0, std: np.ndarray | float = 1.0
) -> dict[str, np.ndarray]:
    """Several networks as one graph without edges between them.

    Parameters
    ----------
    networks : sequence of Arrays
    prior : Additive
        Gives every operator its additive time.
    mean, std : float or numpy.ndarray
        Of the features in the training.

    Returns
    -------
    dict
        ``features`` (n, f), ``seconds`` (n,) of each operator times its count, ``read`` and ``written`` (e,
        2), ``network`` (n,): the network an operator belongs to; ``networks``: how many there are.
    """
    lengths = [len(n.kind) for n in networks]
    first = np.cumsum([0, *lengths[:-1]])
    features = (np.concatenate([n.features for n in networks]) - mean) / std
    # A kind that the training never had would be a thousand deviations away, and its correction anything.
    features = features.clip(-FARTHEST, FARTHEST)
    seconds = [n.count * prior.by_operator(n) for n in networks]
    return {
        "features": features.astype(np.float32),
        "seconds": np.concatenate(seconds).astype(np.float32) + 1e-12,
        "read": np.concatenate([n.read + f for n, f in zip(networks, first, strict=True)]).astype(np.int32),
        "written": np.concatenate([n.written + f for n, f in zip(networks, first, strict=True)]).astype(
            np.int32
        ),
        "network": np.repeat(np.arange(len(networks)), lengths).astype(np.int32),
        "networks": np.int32(len(networks)),
    }
