from __future__ import annotations

import json

import numpy as np
import pytest

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.nn import pointwise_net, save_weights_npz
from maelstrom_bootcamp.nn.shelf import RECORDS, Shelf, digest


def build(plan):
    return pointwise_net(3, width=plan["width"], depth=1)


@pytest.fixture
def shelf(tmp_path):
    """Two networks of different width, recorded."""
    for name, width in (("wide", 4), ("narrow", 2)):
        plan = {"model": "pointwise", "width": width, "options": {"a": [1]}}
        save_weights_npz(
            build(plan), tmp_path / f"{name}.npz", command="-", seed=0, data_hash="-", scores={}, plan=plan
        )
    made = Shelf(tmp_path, "some.app")
    made.record(lambda name: {"length": len(name)})
    return made


def test_names_by_what_stands_in_the_plan(shelf):
    assert shelf.names() == ["narrow", "wide"]
    assert shelf.names(model="pointwise", width=None) == ["narrow", "wide"]
    assert shelf.names(width=4) == ["wide"]
    assert shelf.names(model="unet") == []


def test_the_state_of_a_training_is_no_model(shelf, tmp_path):
    (tmp_path / "new.npz.state.npz").touch()
    assert shelf.names() == ["narrow", "wide"]
    assert shelf.names(width=4) == ["wide"]


def test_weights_come_back_with_their_card(shelf):
    model, card = shelf.load("wide", build)
    assert model.count_params() == card["parameters"] == (3 + 1) * 4 + (4 + 1) * 3
    assert card == shelf.card("wide")


def test_records(shelf, tmp_path):
    assert shelf.records() == json.loads((tmp_path / RECORDS).read_text())
    expected = {"sha256": digest(tmp_path / "wide.npz"), "sample": {"length": 4}}
    assert shelf.records()["wide"] == expected
    assert Shelf(tmp_path / "none", "some.app").records() == {}


def test_altered_weights_are_refused_until_they_are_recorded(shelf, tmp_path):
    (tmp_path / "wide.npz").write_bytes((tmp_path / "narrow.npz").read_bytes())
    with pytest.raises(BootcampError, match="altered") as caught:
        shelf.load("wide", build)
    assert "python -m some.app.reference" in caught.value.cure
    shelf.record(lambda name: 0)
    model, _ = shelf.load("wide", build)
    assert model.count_params() == (3 + 1) * 2 + (2 + 1) * 3


def test_only_what_is_new_is_scored(shelf, tmp_path):
    scored = []
    shelf.record(scored.append)
    assert scored == []
    assert shelf.records()["wide"]["sample"] == {"length": 4}
    (tmp_path / "other.npz").write_bytes((tmp_path / "narrow.npz").read_bytes())
    shelf.record(scored.append)
    assert scored == ["other"]
    shelf.record(scored.append, again=True)
    assert scored == ["other", "narrow", "other", "wide"]


def test_records_are_there_while_scores_are_made(shelf, tmp_path):
    (tmp_path / "wide.npz").write_bytes((tmp_path / "narrow.npz").read_bytes())

    def interrupted(name):
        shelf.load(name, build)  # is not refused
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        shelf.record(interrupted)
    assert shelf.records()["narrow"]["sample"] == {"length": 6}


def test_missing_weights_are_named(shelf, tmp_path):
    with pytest.raises(BootcampError, match="shipped: narrow, wide") as caught:
        shelf.path("tall")
    assert "python -m some.app.train" in caught.value.cure
    with pytest.raises(BootcampError, match="shipped: none"):
        Shelf(tmp_path / "none", "some.app").card("wide")


def test_weights_are_those_that_were_stored(shelf):
    stored = build({"width": 4})
    model, _ = shelf.load("wide", build)
    assert [w.shape for w in model.get_weights()] == [w.shape for w in stored.get_weights()]
    with np.load(shelf.path("wide")) as file:
        for variable in model.weights:
            np.testing.assert_array_equal(np.asarray(variable), file[variable.path].astype("f4"))
