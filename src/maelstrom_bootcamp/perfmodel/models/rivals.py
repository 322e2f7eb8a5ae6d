"""DIPPM and TraPPM, built again from their papers and code, to be raced against (`race`).

Kept are their features (`published`), their graphs (DIPPM's is a chain), their networks and their losses.
Changed is what would not train here: features go through a logarithm and are scaled, labels are divided by
their median, networks are a quarter as wide (128 instead of 512) and see each label 60 times, in batches
of 16. The auto-encoder sees 1,100 networks six times, where the published one saw 25,053 of them 400 times,
and its strangers come from all networks of a batch: it is hardly trained. Half a day on a graphics processor
would do better than a minute on a core, so the scores are those of these small versions, and not
the published ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import keras
import numpy as np
import tensorflow as tf

from maelstrom_bootcamp.perfmodel.graph import OpGraph
from maelstrom_bootcamp.perfmodel.models import pooled, published, training
from maelstrom_bootcamp.perfmodel.models.pooled import Network
from maelstrom_bootcamp.perfmodel.samples import Samples
from maelstrom_bootcamp.perfmodel.zoo.families import corpus
from maelstrom_bootcamp.perfmodel.zoo.to_graph import to_graph

WIDTH = 128
EPOCHS = 60
#: Unlabelled networks, and epochs, of TraPPM's auto-encoder.
UNLABELLED, ENCODER_EPOCHS = 1100, 6


def dippm_network(graph: OpGraph) -> Network:
    """What DIPPM reads of a network: operators with weights, as a chain, and five numbers.

    Parameters
    ----------
    graph : OpGraph

    Returns
    -------
    Network
        Features through ``log1p``.
    """
    features = np.log1p(published.dippm_features(graph))
    return Network(features, published.chain(len(features)), np.log1p(published.dippm_static(graph)))


def trappm_network(graph: OpGraph) -> Network:
    """What TraPPM reads of a network: all operators with 113 features, their graph, and six numbers.

    Parameters
    ----------
    graph : OpGraph

    Returns
    -------
    Network
        Features through ``log1p``.
    """
    features = np.log1p(published.trappm_features(graph))
    return Network(features, graph.edges, np.log1p(published.static(graph)).astype(np.float32))


def dippm(train: Samples, test: Samples, seed: int = 0) -> np.ndarray:
    """DIPPM: GraphSAGE layers, the sum of all states, dense layers, Huber's loss.

    Parameters
    ----------
    train, test : Samples
    seed : int

    Returns
    -------
    numpy.ndarray
        Shape (len(test),), in the unit of the labels.
    """
    items = [[dippm_network(g) for g in s.measured_graphs()] for s in (train, test)]
    # Published are six hops in three blocks; behind the sum three dense layers.
    items = [[n.merged(hops=6) for n in part] for part in items]
    network = _seeded(seed, lambda: pooled.PooledNetwork(WIDTH, hops=6, dense=3))
    return _fitted(network, training.huber, train.values, *items, seed=seed)


def trappm(train: Samples, test: Samples, seed: int = 0, pretrained: bool = True) -> np.ndarray:
    """TraPPM: GraphSAGE layers; beside the sum of the states the embedding of a network that saw no labels.

    Parameters
    ----------
    train, test : Samples
    seed : int
    pretrained : bool
        With the auto-encoder's embedding, or without.

    Returns
    -------
    numpy.ndarray
        Shape (len(test),), in the unit of the labels.
    """
    items = [[trappm_network(g) for g in s.measured_graphs()] for s in (train, test)]
    if pretrained:
        items = [_with_embedding(part, encoder()) for part in items]
    items = [[n.merged(hops=2) for n in part] for part in items]
    network = _seeded(seed, lambda: pooled.PooledNetwork(WIDTH, hops=2, dense=2))
    return _fitted(network, training.square, train.values, *items, seed=seed)


@cache
def encoder(unlabelled: int = UNLABELLED, epochs: int = ENCODER_EPOCHS, seed: int = 0) -> pooled.AutoEncoder:
    """TraPPM's auto-encoder, trained on networks without labels; once per process.

    Parameters
    ----------
    unlabelled : int
        How many networks of the generators; none of them is among those that are measured.
    epochs : int
    seed : int

    Returns
    -------
    AutoEncoder
        Reads what `scaled` makes of `trappm_network`.
    """
    items = scaled([trappm_network(to_graph(plan)) for plan in corpus(unlabelled, seed)])
    network = _seeded(seed, lambda: pooled.AutoEncoder((2 * WIDTH, WIDTH, WIDTH, WIDTH)))
    pretrain(network, items, epochs=epochs, seed=seed)
    return network


def pretrain(
    network: pooled.AutoEncoder, items: Sequence[Network], *, epochs: int, batch: int = 16, seed: int = 0
) -> list[float]:
    """Train an auto-encoder in place, on the question who is joined to whom.

    Parameters
    ----------
    network : AutoEncoder
    items : sequence of Network
    epochs, batch, seed : int

    Returns
    -------
    list of float
        Mean loss of each epoch.
    """
    rng = np.random.default_rng(seed)
    optimizer = keras.optimizers.Adam(1e-3)
    first = pooled.pack(items[:1])
    network({k: tf.constant(v) for k, v in first.items()})
    optimizer.build(network.trainable_variables)
    spec = {k: tf.TensorSpec([None, *v.shape[1:]] if v.ndim else [], v.dtype) for k, v in first.items()}

    @tf.function(input_signature=[spec])
    def step(graphs: dict[str, tf.Tensor]) -> tf.Tensor:
        operators = tf.shape(graphs["features"])[0]
        strangers = tf.random.uniform(tf.shape(graphs["edges"]), 0, operators, tf.int32)
        with tf.GradientTape() as tape:
            value = pooled.edge_loss(network(graphs, training=True), graphs["edges"], strangers)
        gradients = tape.gradient(value, network.trainable_variables)
        optimizer.apply(gradients, network.trainable_variables)
        return value

    losses = []
    for _ in range(epochs):
        order = rng.permutation(len(items))
        parts = [[items[i] for i in order[j : j + batch]] for j in range(0, len(order), batch)]
        values = [float(step({k: tf.constant(v) for k, v in pooled.pack(p).items()})) for p in parts]
        losses.append(float(np.mean(values)))
    return losses


def scaled(items: Sequence[Network]) -> list[Network]:
    """Logarithms brought to the order of one, without looking at any other network.

    Parameters
    ----------
    items : sequence of Network

    Returns
    -------
    list of Network
    """
    # One-hot columns are 0 and log 2; logarithms of shapes and counts reach 20.
    return [Network(item.features / 5, item.edges, item.static / 10) for item in items]


def _with_embedding(items: Sequence[Network], network: pooled.AutoEncoder) -> list[Network]:
    def embed(item: Network) -> np.ndarray:
        (ready,) = scaled([item])
        ready = ready.merged(hops=len(network.hops))
        batch = {k: tf.constant(v) for k, v in pooled.pack([ready]).items()}
        # The sum grows with the network; its logarithm is of the order of the other numbers.
        return np.log1p(np.asarray(network.embed(batch))[0])

    return [Network(i.features, i.edges, np.concatenate([i.static, embed(i)])) for i in items]


def _seeded(seed: int, make: Callable[[], keras.Model]) -> keras.Model:
    keras.utils.set_random_seed(seed)
    return make()


def _fitted(
    network: pooled.PooledNetwork,
    loss: training.Loss,
    values: np.ndarray,
    train: Sequence[Network],
    test: Sequence[Network],
    *,
    seed: int,
) -> np.ndarray:
    unit = float(np.median(values))
    features = np.concatenate([n.features for n in train])
    statics = np.stack([n.static for n in train])
    mean, std = features.mean(0), features.std(0) + 1e-3
    middle, spread = statics.mean(0), statics.std(0) + 1e-3

    def pack(items: Sequence[Network]) -> dict[str, np.ndarray]:
        batch = pooled.pack(items)
        batch["features"] = (batch["features"] - mean) / std
        batch["static"] = (batch["static"] - middle) / spread
        return batch

    training.train(network, pack, train, values / unit, loss, epochs=EPOCHS, batch=16, rate=1e-3, seed=seed)
    return unit * np.maximum(training.predict(network, pack, test), 1e-3)
