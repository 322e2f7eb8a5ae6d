from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from maelstrom_bootcamp.perfmodel import splits
from maelstrom_bootcamp.perfmodel.arrays import arrays
from maelstrom_bootcamp.perfmodel.graph import ModelInputError
from maelstrom_bootcamp.perfmodel.models import additive, predictor, race
from maelstrom_bootcamp.perfmodel.samples import samples
from maelstrom_bootcamp.perfmodel.zoo.builder import Builder
from maelstrom_bootcamp.perfmodel.zoo.families import make
from maelstrom_bootcamp.perfmodel.zoo.to_graph import to_graph

CORE = additive.roofline(additive.Device("a core", flops=100e9, bandwidth=20e9, launch=2e-6))
QUICK = predictor.Settings(width=16, epochs=6, batch=8, seeds=(0, 1))


@pytest.fixture(scope="module")
def measured():
    """Networks of five families on an imagined machine whose convolutions are slower than promised."""
    plans = [make(f, seed) for seed in range(8) for f in ("resnet", "vit", "vgg", "mobilenet", "convnext")]
    graphs = [to_graph(p, batch=2) for p in plans]
    slow = additive.Additive(CORE.seconds * np.linspace(1, 3, len(CORE.seconds))[:, None])
    seconds = slow.predict([arrays(g) for g in graphs])
    return samples(graphs, seconds, [p.family for p in plans])


@pytest.fixture(scope="module")
def fitted(measured):
    split = next(splits.unseen_architectures(measured.families, measured.architectures))
    (found,) = predictor.out_of_sample(measured, CORE, [split], QUICK)
    width = predictor.half_widths(found, measured.values[split.test])
    one = predictor.fit(measured.take(split.train), CORE, QUICK)
    return replace(one, half_width=width, card={"data": "imagined"}), split


def test_predictions_of_unseen_networks_are_near(fitted, measured):
    one, split = fitted
    test = measured.take(split.test)
    off = np.abs(one.predict(test.networks) / test.values - 1)
    plain = np.abs(CORE.predict(test.networks) / test.values - 1)
    assert off.mean() < 0.5 * plain.mean()


def test_estimates_carry_an_interval_and_the_family(fitted, measured):
    one, split = fitted
    inside = 0
    for i in split.test:
        found = one.estimate(measured.networks[i])
        assert found.low < found.value < found.high
        inside += found.low <= measured.values[i] <= found.high
    assert inside >= 0.8 * len(split.test)
    with pytest.raises(ModelInputError, match="0.5"):
        one.estimate(measured.networks[0], confidence=0.5)


def test_what_is_new_is_said_and_widens_the_interval(fitted, measured):
    one, _ = fitted
    assert one.domain.judge(measured.networks[0], one.prior).inside
    net = Builder((3, 32, 32))
    x = net.activation(net.conv(net.input, 8), "sigmoid")
    for _ in range(30):
        x = net.activation(x, "sigmoid")
    odd = arrays(to_graph(net.finish(net.dense(net.flatten(x), 10), name="odd")))
    found = one.estimate(odd)
    assert not found.verdict.inside
    assert any("sigmoid" in w for w in found.verdict.warnings)
    assert found.high / found.value == pytest.approx(np.exp(2 * one.half_width[0.9]))
    many = one.domain.judge(measured.networks[0].at_batch(4096), one.prior)
    assert any("batch" in w for w in many.warnings)


def test_a_saved_predictor_predicts_the_same(fitted, measured, tmp_path):
    one, _ = fitted
    path = tmp_path / "core.npz"
    predictor.save(one, path)
    assert [p.name for p in tmp_path.iterdir()] == ["core.npz"], "nothing else is left behind"
    again = predictor.load(path)
    np.testing.assert_allclose(
        again.predict(measured.networks[:5]), one.predict(measured.networks[:5]), rtol=1e-5
    )
    assert again.half_width == one.half_width
    assert again.card == one.card
    assert again.estimate(measured.networks[3]).verdict == one.estimate(measured.networks[3]).verdict


def test_files_that_are_no_predictors_are_refused(fitted, tmp_path, monkeypatch):
    one, _ = fitted
    path = tmp_path / "core.npz"
    predictor.save(one, path)
    whole = path.read_bytes()
    for content in (b"", b"not a zip", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(ModelInputError, match=r"core\.npz"):
            predictor.load(path)
    with pytest.raises(ModelInputError, match=r"none\.npz"):
        predictor.load(tmp_path / "none.npz")
    path.write_bytes(whole)
    monkeypatch.setattr(predictor, "FORM", 2)
    with pytest.raises(ModelInputError, match="another version"):
        predictor.load(path)


def test_half_widths_hold_what_they_promise():
    rng = np.random.default_rng(0)
    measured = np.exp(rng.normal(size=2000))
    predicted = measured * np.exp(rng.normal(scale=0.1, size=2000))
    width = predictor.half_widths(predicted[:1000], measured[:1000], (0.5, 0.9))
    off = np.abs(np.log(predicted[1000:] / measured[1000:]))
    assert np.mean(off <= width[0.9]) == pytest.approx(0.9, abs=0.03)
    assert np.mean(off <= width[0.5]) == pytest.approx(0.5, abs=0.05)
    assert predictor.half_widths(np.ones(2), np.array([1.0, 2.0]))[0.9] == pytest.approx(np.log(2))


def test_the_race_scores_every_rule_on_every_split(measured):
    rules = {n: r for n, r in race.RULES.items() if "network" not in n and "PPM" not in n}
    parts = list(splits.random(measured.families, repeats=2))
    found = race.race(measured, CORE, parts, rules)
    assert found[["predictor", "part"]].drop_duplicates().shape == (2 * len(rules), 2)
    mape = found.groupby("predictor").mape.mean()
    assert mape["additive"] < mape["roofline"] < mape["perceptron"]
    assert mape["additive"] < mape["rate"]
    assert (found.n == len(parts[0].test)).all()
