from __future__ import annotations

import json

import numpy as np
import pytest

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.perfmodel import splits
from maelstrom_bootcamp.perfmodel.models import few_labels, make, race, rivals
from maelstrom_bootcamp.perfmodel.samples import samples
from maelstrom_bootcamp.perfmodel.zoo.families import make as network
from maelstrom_bootcamp.perfmodel.zoo.to_graph import to_graph

START = make.STARTS["cpu-train"]
CHEAP = ("boosting", "log boosting + untrained", "additive", "additive + trees")


@pytest.fixture(scope="module")
def measured():
    plans = [network(f, seed) for seed in range(10) for f in ("vgg", "vit")]
    graphs = [to_graph(p, batch=4) for p in plans]
    seconds = [1e-3 + g.macs / 5e10 + g.values / 1e9 for g in graphs]
    return samples(graphs, seconds, [p.family for p in plans])


@pytest.fixture(scope="module")
def material(measured):
    return few_labels.prepare(measured, START, {"untrained": few_labels.untrained()})


def test_few_labels_get_more_epochs_but_never_fewer_than_the_rivals():
    assert few_labels.epochs_for(20, updates=400) == 200  # two batches an epoch
    assert few_labels.epochs_for(16, updates=400) == 400
    assert few_labels.epochs_for(2000, updates=400) == rivals.EPOCHS


def test_an_embedding_is_that_of_the_rivals(measured, material):
    plain = [rivals.trappm_network(g) for g in measured.measured_graphs()]
    theirs = rivals._with_embedding(plain, few_labels.untrained())
    here = np.stack([n.static[6:] for n in theirs])
    assert material.embeddings["untrained"].shape == (20, rivals.WIDTH)
    np.testing.assert_allclose(material.embeddings["untrained"], here, rtol=1e-4, atol=1e-4)


def test_sums_of_signed_states_keep_their_sign(measured):
    class Signed:
        hops = (None,)

        def embed(self, batch):
            return np.array([[-1.0, 0.0, 3.0]] * int(batch["networks"]))

    plain = [rivals.trappm_network(g) for g in measured.measured_graphs()[:3]]
    np.testing.assert_allclose(few_labels.embed(plain, Signed())[2], [-np.log(2), 0, np.log(4)])


@pytest.mark.parametrize("name", ["boosting", "additive", "additive + trees"])
def test_rules_are_those_of_the_race(measured, material, name):
    (split,) = splits.unseen_architectures(measured.families, measured.architectures, repeats=1)
    theirs = race.RULES[name](measured.take(split.train), measured.take(split.test), START)
    here = few_labels.RULES[name](few_labels.Task(material, split.train, split.test))
    # A rounding error in a label may turn a split of a tree the other way.
    np.testing.assert_allclose(here, theirs, rtol=0.02 if "trees" in name else 1e-9)


def test_the_graph_network_is_that_of_the_rivals(measured, material, monkeypatch):
    monkeypatch.setattr(rivals, "EPOCHS", 3)
    train, test = np.arange(14), np.arange(14, 20)
    theirs = rivals.trappm(measured.take(train), measured.take(test), pretrained=False)
    here = few_labels.graph_network(few_labels.Task(material, train, test, updates=1))
    np.testing.assert_allclose(here, theirs, rtol=1e-3)
    beside = few_labels.graph_network(few_labels.Task(material, train, test, updates=1), "untrained")
    assert beside.shape == here.shape
    assert not np.allclose(beside, here, rtol=1e-3), "the embedding is read"


def test_counts_are_nested_and_tests_are_shared(material):
    asked = []

    def spy(task):
        asked.append(task)
        return task.material.samples.values[task.test]

    table = few_labels.curves(material, [4, 8], [0, 1], {"a": spy, "b": spy})
    assert table[["macro", "mape", "median"]].to_numpy().max() == 0
    assert sorted(set(table.labels)) == [4, 8, 14]
    assert len(table) == len(asked) == 2 * 3 * 2
    for few, more in ((asked[0], asked[2]), (asked[2], asked[4])):
        assert set(few.train) < set(more.train)
    assert all(not set(t.train) & set(t.test) for t in asked)
    assert len({tuple(t.test) for t in asked if t.seed == 0}) == 1
    assert tuple(asked[0].test) != tuple(asked[-1].test), "another seed is another split"
    for count in (0, 15):
        with pytest.raises(BootcampError):
            few_labels.curves(material, [count], [0], {"a": spy})


def test_memory_is_counted(measured, material):
    task = few_labels.Task(material, np.arange(14), np.arange(14, 20))
    found = few_labels.counted(task)
    theirs = race.counted(measured.take(task.train), measured.take(task.test), START)
    np.testing.assert_allclose(found, theirs)
    assert "liveness" in few_labels.MEMORY_RULES


def test_the_command_writes_curves_that_can_be_read_again(measured, tmp_path, monkeypatch, capsys):
    cheap = {name: few_labels.RULES[name] for name in CHEAP}
    monkeypatch.setattr(few_labels, "RULES", cheap)
    monkeypatch.setattr(few_labels, "SLOW", ("additive",))
    monkeypatch.setattr(few_labels, "MEMORY_RULES", {"liveness": few_labels.counted})
    monkeypatch.setattr(make, "data", lambda what: measured)
    monkeypatch.setattr(rivals, "encoder", lambda n: few_labels.untrained(1))
    out = tmp_path / "new" / "curves.json"
    words = ["--out", str(out), "--counts", "6", "--seeds", "2", "--slow-seeds", "1"]
    assert few_labels.main(words) == 0
    assert [p.name for p in out.parent.iterdir()] == ["curves.json"], "nothing half written is left"
    told = json.loads(out.read_text())
    assert told["protocol"] == "unseen architectures"
    assert told["unlabelled"] == rivals.UNLABELLED
    assert {"machine", "versions", "cpu_minutes"} <= set(told)
    assert len(told["targets"]["time"]) == 1 + 2 * (2 * 3 + 1), "two counts; the slow one has one seed"
    assert len(told["targets"]["memory"]) == 1 + 2 * 2
    assert few_labels.main([*words[:2], "--counts", "99"]) == 1
    assert "labels" in capsys.readouterr().err


def test_the_shipped_curves():
    for target, rules in (("time", few_labels.RULES), ("memory", few_labels.MEMORY_RULES)):
        table = few_labels.load(target)
        assert set(table.predictor) == set(rules)
        assert set(few_labels.COUNTS) < set(table.labels)
        assert not table.duplicated(["predictor", "labels", "seed"]).any()
        for name, part in table.groupby("predictor"):
            assert part.seed.nunique() >= (3 if name in few_labels.SLOW else 5), name
            assert len(part) == part.seed.nunique() * table.labels.nunique(), "every seed is complete"
        assert (table["macro"] > 0).all()
    with pytest.raises(BootcampError):
        few_labels.load("energy")
