"""DIPPM's and TraPPM's networks: a state for the whole graph, and one number read from it.

Both add up the states of all operators and let dense layers make a time or a memory of the sum. Where the
additive network of this course (`gnn`) corrects physics, these have to learn all of it, scale and all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import keras
import numpy as np
import tensorflow as tf

from maelstrom_bootcamp.perfmodel.arrays import merge


@dataclass(frozen=True)
class Network:
    """What a pooled network reads of one graph.

    Attributes
    ----------
    features : numpy.ndarray
        Shape (n, f), float32.
    edges : numpy.ndarray
        Shape (e, 2), int32: (from, to); they are heard in both directions. Once operators are merged they
        are (neighbour, operator), heard in this direction only.
    static : numpy.ndarray
        Shape (s,), float32: beside the pooled state.
    count : numpy.ndarray, optional
        Shape (n,): how many operators each one stands for, if they are merged.
    """

    features: np.ndarray
    edges: np.ndarray
    static: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    count: np.ndarray | None = None

    def merged(self, hops: int) -> Network:
        """One operator for all that look alike from so many hops: a sum over states stays what it is.

        Parameters
        ----------
        hops : int
            Graph layers of the network that will read it.

        Returns
        -------
        Network
        """
        kept, count, class_of = merge(self.features, self.edges, hops)
        place = np.full(len(self.features), -1)
        place[kept] = np.arange(len(kept))
        there, back = np.asarray(self.edges, np.int64).reshape(-1, 2).T
        neighbour, operator = np.append(class_of[there], class_of[back]), np.append(place[back], place[there])
        heard = np.stack([neighbour, operator], 1)[operator >= 0].astype(np.int32)
        return Network(self.features[kept], heard, self.static, count.astype(np.float32))


class Sage(keras.layers.Layer):
    """GraphSAGE: an operator's state from its own and the mean of those before and behind it.

    Parameters
    ----------
    width : int
        Length of the state.
    normalise : bool
        Bring every state to length 1, as both published regressors do.
    """

    def __init__(self, width: int, normalise: bool = False) -> None:
        super().__init__()
        self.own = keras.layers.Dense(width)
        self.others = keras.layers.Dense(width, use_bias=False)
        self.normalise = normalise

    def call(self, state: tf.Tensor, messages: tf.Tensor) -> tf.Tensor:
        """States (n, width) from states (n, f) and messages (m, 2): (neighbour, operator)."""
        heard = tf.gather(state, messages[:, 0])
        mean = tf.math.unsorted_segment_mean(heard, messages[:, 1], tf.shape(state)[0])
        state = self.own(state) + self.others(mean)
        return tf.math.l2_normalize(state, axis=-1) if self.normalise else state


class PooledNetwork(keras.Model):
    """Graph in, one positive number out: GraphSAGE layers, the sum of all states, dense layers, softplus.

    Parameters
    ----------
    width : int
        Of the graph layers and of the dense layers; both papers take 512.
    hops : int
        Graph layers: TraPPM 2, DIPPM 6.
    dense : int
        Dense layers behind the sum: TraPPM 2, DIPPM 3.
    """

    def __init__(self, width: int = 512, hops: int = 2, dense: int = 2) -> None:
        super().__init__()
        self.hops = [Sage(width, normalise=True) for _ in range(hops)]
        self.drop = keras.layers.Dropout(0.05)
        self.dense = [keras.layers.Dense(width, activation="relu") for _ in range(dense)]
        self.last = keras.layers.Dense(1)

    def call(self, batch: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Shape (networks,), the unit of the labels, of what `pack` has put together."""
        state = batch["features"]
        for hop in self.hops:
            state = self.drop(tf.nn.relu(hop(state, batch["messages"])), training=training)
        state *= batch["count"][:, None]
        pooled = tf.math.unsorted_segment_sum(state, batch["network"], batch["networks"])
        state = tf.concat([pooled, batch["static"]], -1)
        for layer in self.dense:
            state = layer(state)
        return tf.nn.softplus(self.last(state)[:, 0])


class AutoEncoder(keras.Model):
    """TraPPM's graph auto-encoder: states from which the edges can be read off again; it needs no labels.

    Two operators are joined, says the decoder, with the probability sigmoid(state_a . state_b).

    Parameters
    ----------
    widths : sequence of int
        Of the graph layers; published: 1024, 512, 512, 512.
    """

    def __init__(self, widths: Sequence[int] = (1024, 512, 512, 512)) -> None:
        super().__init__()
        self.hops = [Sage(width) for width in widths]
        self.norms = [keras.layers.BatchNormalization() for _ in widths]
        self.drop = keras.layers.Dropout(0.5)

    def call(self, batch: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """States, shape (n, last width), of what `pack` has put together."""
        state = batch["features"]
        for i, (hop, norm) in enumerate(zip(self.hops, self.norms, strict=True)):
            state = tf.nn.relu(norm(hop(state, batch["messages"]), training=training))
            if i < len(self.hops) - 1:
                state = self.drop(state, training=training)
        return state

    def embed(self, batch: dict[str, tf.Tensor]) -> tf.Tensor:
        """The sum of a network's states, shape (networks, last width)."""
        state = self(batch) * batch["count"][:, None]
        return tf.math.unsorted_segment_sum(state, batch["network"], batch["networks"])


def edge_loss(state: tf.Tensor, edges: tf.Tensor, strangers: tf.Tensor) -> tf.Tensor:
    """Cross-entropy of "are these two joined?": pairs that are, and as many that are drawn at random.

    Parameters
    ----------
    state : tf.Tensor
        Shape (n, width).
    edges, strangers : tf.Tensor
        Shape (e, 2), int32.

    Returns
    -------
    tf.Tensor
        Scalar.
    """

    def logits(pairs: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(tf.gather(state, pairs[:, 0]) * tf.gather(state, pairs[:, 1]), -1)

    joined = tf.nn.softplus(-logits(edges))
    apart = tf.nn.softplus(logits(strangers))
    return tf.reduce_mean(joined) + tf.reduce_mean(apart)


def pack(networks: Sequence[Network]) -> dict[str, np.ndarray]:
    """Several networks as one graph without edges between them.

    Parameters
    ----------
    networks : sequence of Network

    Returns
    -------
    dict
        ``features`` (n, f), ``edges`` (e, 2), ``messages`` (m, 2), ``count`` (n,), ``static`` (networks, s),
        ``network`` (n,), ``networks``.
    """
    lengths = [len(n.features) for n in networks]
    first = np.cumsum([0, *lengths[:-1]])
    edges = [np.asarray(n.edges).reshape(-1, 2) + f for n, f in zip(networks, first, strict=True)]
    pairs = zip(networks, edges, strict=True)
    messages = [e if n.count is not None else np.concatenate([e, e[:, ::-1]]) for n, e in pairs]
    count = [np.ones(len(n.features)) if n.count is None else n.count for n in networks]
    return {
        "features": np.concatenate([n.features for n in networks]).astype(np.float32),
        "edges": np.concatenate(edges).astype(np.int32),
        "messages": np.concatenate(messages).astype(np.int32),
        "count": np.concatenate(count).astype(np.float32),
        "static": np.stack([n.static for n in networks]).astype(np.float32),
        "network": np.repeat(np.arange(len(networks)), lengths).astype(np.int32),
        "networks": np.int32(len(networks)),
    }
