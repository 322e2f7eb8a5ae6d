from __future__ import annotations

from dataclasses import replace
from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf

from maelstrom_bootcamp.perfmodel.arrays import COLUMNS, arrays
from maelstrom_bootcamp.perfmodel.graph import OpGraph
from maelstrom_bootcamp.perfmodel.models import additive, gnn, pooled, published, rivals, training, trees
from maelstrom_bootcamp.perfmodel.operators import KINDS
from maelstrom_bootcamp.perfmodel.read.onnx import read_onnx
from maelstrom_bootcamp.perfmodel.samples import samples
from maelstrom_bootcamp.perfmodel.scores import score
from maelstrom_bootcamp.perfmodel.zoo.families import FAMILIES, make
from maelstrom_bootcamp.perfmodel.zoo.to_graph import to_graph
from maelstrom_bootcamp.perfmodel.zoo.to_onnx import to_onnx

CORE = additive.Device("a core", flops=100e9, bandwidth=20e9, launch=2e-6)


@pytest.fixture(scope="module")
def networks():
    return [arrays(to_graph(make(f, seed), batch=2)) for seed in range(6) for f in sorted(FAMILIES)]


@pytest.fixture(scope="module")
def seconds(networks):
    """Times of a machine on which few channels are slow: nothing that is linear in the work."""
    fair = additive.roofline(CORE)
    times = []
    for n in networks:
        one = fair.by_operator(n)
        channels = np.expm1(5 * n.features[:, len(KINDS) + COLUMNS.index("channels in")])
        times.append(float(n.count @ (one * (1 + 4 / (1 + channels / 32)))))
    return np.array(times)


def test_the_network_begins_as_the_additive_model_and_learns_what_it_cannot(networks, seconds):
    train, test = slice(0, 44), slice(44, 66)
    prior = additive.fit(networks[train], seconds[train], additive.roofline(CORE))
    features = np.concatenate([n.features for n in networks[train]])
    pack = partial(gnn.pack, prior=prior, mean=features.mean(0), std=features.std(0) + 1e-3)
    keras.utils.set_random_seed(0)
    network = gnn.AdditiveNetwork(width=32)
    before = np.exp(training.predict(network, pack, networks[test]))
    np.testing.assert_allclose(before, prior.predict(networks[test]), rtol=0.2)
    losses = training.train(
        network, pack, networks[train], seconds[train], training.log_huber, epochs=25, batch=11
    )
    assert losses[-1] < 0.5 * losses[0]
    after = np.exp(training.predict(network, pack, networks[test]))
    linear = score(prior.predict(networks[test]), seconds[test])["mape"]
    assert score(after, seconds[test])["mape"] < 0.8 * linear


def test_merged_operators_get_the_same_answer(networks):
    keras.utils.set_random_seed(1)
    network = gnn.AdditiveNetwork(width=16, hops=2)
    prior = additive.roofline(CORE)
    for family, seed in (("resnet", 1), ("vit", 2)):
        graph = to_graph(make(family, seed))
        merged, full = (gnn.pack([arrays(graph, hops=h)], prior) for h in (2, -1))
        assert len(merged["features"]) < len(full["features"])
        np.testing.assert_allclose(network(merged), network(full), rtol=1e-4)


def test_a_batch_of_networks_is_the_networks_one_by_one(networks):
    keras.utils.set_random_seed(2)
    network = gnn.AdditiveNetwork(width=16)
    pack = partial(gnn.pack, prior=additive.roofline(CORE))
    together = training.predict(network, pack, networks[:5])
    apart = [training.predict(network, pack, [n])[0] for n in networks[:5]]
    np.testing.assert_allclose(together, apart, rtol=1e-5)


def test_trees_mend_the_additive_model(networks, seconds):
    train, test = slice(0, 44), slice(44, 66)
    prior = additive.fit(networks[train], seconds[train], additive.roofline(CORE), pull=10.0)
    found = trees.Trees(prior, trees=50).fit(networks[train], seconds[train]).predict(networks[test])
    assert score(found, seconds[test])["mape"] < score(prior.predict(networks[test]), seconds[test])["mape"]


def test_published_baselines_fit_what_they_see(networks, seconds):
    raw = trees.six(networks)
    assert raw.shape == (66, 6)
    assert raw[0, 0] == 2
    for make_one in (trees.boosting, trees.perceptron):
        found = make_one(networks, 1e3 * seconds).predict(raw)
        mean = np.full(66, 1e3 * seconds.mean())
        assert np.square(found - 1e3 * seconds).mean() < np.square(mean - 1e3 * seconds).mean()


@pytest.fixture(scope="module")
def graphs():
    plans = [make(f, s) for f in ("resnet", "vit", "mobilenet", "vgg") for s in range(3)]
    return [read_onnx(to_onnx(p, batch=1, weights=True), fused=False) for p in plans]


def test_published_features(graphs):
    for graph in graphs:
        x = published.trappm_features(graph)
        assert x.shape == (len(graph), 113)
        assert (x[:, :98].sum(1) == 1).all(), "each operator is one of 98"
        assert x[:, 110].sum() == pytest.approx(graph.macs, rel=1e-5)
        static = published.trappm_static(graph)
        assert abs(static.mean()) < 1e-5, "normalised over itself: the scale is gone"
        d = published.dippm_features(graph)
        assert d.shape == (sum(op.params > 0 for op in graph.ops), 32)
        assert published.chain(len(d)).tolist() == [[i, i + 1] for i in range(len(d) - 1)]
        assert published.dippm_static(graph)[0] == graph.batch


def test_the_pooled_network_of_the_papers_learns_its_training_set(graphs):
    items = [
        pooled.Network(
            np.log1p(published.trappm_features(g)), g.edges, np.log1p(published.static(g)).astype("f4")
        )
        for g in graphs
    ]
    targets = np.array([g.macs / 1e8 for g in graphs])
    keras.utils.set_random_seed(0)
    network = pooled.PooledNetwork(width=32)
    losses = training.train(network, pooled.pack, items, targets, training.square, epochs=30, batch=4)
    assert losses[-1] < 0.5 * losses[0]
    assert (training.predict(network, pooled.pack, items) >= 0).all()


def test_published_sizes_of_the_networks(graphs):
    graph = graphs[0]
    item = pooled.Network(
        published.trappm_features(graph),
        graph.edges,
        np.concatenate([np.zeros(512), published.trappm_static(graph)]).astype("f4"),
    )
    regressor, encoder = pooled.PooledNetwork(), pooled.AutoEncoder()
    batch = {k: tf.constant(v) for k, v in pooled.pack([item]).items()}
    regressor(batch)
    encoder(batch)
    # TraPPM: 1.43 million and 2.34 million, counted in its code.
    assert regressor.count_params() == pytest.approx(1.43e6, rel=0.01)
    assert encoder.count_params() == pytest.approx(2.34e6, rel=0.01)


def test_the_auto_encoder_learns_who_is_joined(graphs):
    item = pooled.Network(np.log1p(published.trappm_features(graphs[0])) / 10, graphs[0].edges)
    batch = {k: tf.constant(v) for k, v in pooled.pack([item]).items()}
    keras.utils.set_random_seed(0)
    encoder = pooled.AutoEncoder((32, 16))
    rng = np.random.default_rng(0)
    optimizer = keras.optimizers.Adam(5e-3)
    losses = []
    for _ in range(40):
        strangers = tf.constant(rng.integers(0, len(item.features), item.edges.shape), tf.int32)
        with tf.GradientTape() as tape:
            loss = pooled.edge_loss(encoder(batch, training=True), batch["edges"], strangers)
        optimizer.apply(tape.gradient(loss, encoder.trainable_variables), encoder.trainable_variables)
        losses.append(float(loss))
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
    assert encoder.embed(batch).shape == (1, 16)


def test_losses_by_hand():
    target, predicted = tf.constant([1.0, 2.0]), tf.constant([1.0, 4.0])
    assert float(training.square(target, predicted)) == 2
    assert float(training.huber(target, predicted)) == pytest.approx(0.75)
    log = tf.math.log(tf.constant([1.05, 4.0]))
    by_hand = (5 * np.log(1.05) ** 2 + np.log(2) - 0.05) / 2
    assert float(training.log_huber(target, log)) == pytest.approx(by_hand, rel=1e-5)


def test_what_no_training_had_does_not_run_away(networks, seconds):
    """A kind with a deviation of nearly zero: one operator of it must not be a thousand deviations away."""
    prior = additive.roofline(CORE)
    mean, std = np.zeros(len(networks[0].features.T)), np.full(len(networks[0].features.T), 1e-3)
    packed = gnn.pack(networks[:1], prior, mean, std)
    assert np.abs(packed["features"]).max() == gnn.FARTHEST


def test_merged_networks_are_the_same_to_the_rivals(graphs):
    keras.utils.set_random_seed(0)
    for make_item, hops in ((rivals.trappm_network, 2), (rivals.dippm_network, 6)):
        network = pooled.PooledNetwork(16, hops=hops)
        for graph in graphs[:4]:
            item = make_item(graph)
            whole, merged = (pooled.pack([i]) for i in (item, item.merged(hops)))
            assert len(merged["features"]) <= len(whole["features"])
            assert merged["count"].sum() == len(whole["features"])
            np.testing.assert_allclose(network(merged), network(whole), rtol=1e-4)


def test_rivals_learn_something(networks, monkeypatch):
    monkeypatch.setattr(rivals, "EPOCHS", 20)
    monkeypatch.setattr(rivals, "WIDTH", 16)
    plans = [make(f, s) for s in range(8) for f in ("resnet", "vit", "vgg")]
    found = samples(
        [to_graph(p) for p in plans], [1e-3 + p.macs / 1e11 for p in plans], [p.family for p in plans]
    )
    train, test = found.take(range(18)), found.take(range(18, 24))
    constant = np.abs(np.median(train.values) / test.values - 1).mean()
    small = rivals.encoder(unlabelled=22, epochs=1)
    monkeypatch.setattr(rivals, "encoder", lambda: small)
    for answers in (
        rivals.dippm(train, test),
        rivals.trappm(train, test),
        rivals.trappm(train, test, pretrained=False),
    ):
        assert np.abs(answers / test.values - 1).mean() < constant


def test_names_of_other_dialects_find_their_place():
    names = published.TRAPPM_OPERATORS
    graph = to_graph(make("resnet", 0))
    renamed = OpGraph(
        tuple(replace(op, name=f"aten_{op.kind}") for op in graph.ops), graph.edges, graph.batch
    )
    rows = published.trappm_features(renamed)[:, : len(names)]
    for op, row in zip(graph.ops, rows, strict=True):
        if op.kind == "conv":
            assert row[names.index("Conv")] == 1
        if op.kind == "relu":
            assert row[names.index("Relu")] == 1
