"""Reference networks of A3: the shelf works, and what is shipped scores what is recorded."""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
from maelstrom_bootcamp.apps.radiation import reference
from maelstrom_bootcamp.apps.radiation import train as t
from maelstrom_bootcamp.errors import BootcampError

import numpy as np
import pytest

#: Another processor rounds in another way, and so may the sample that is made on it.
MARGIN = 0.02
SMALL = {"size": "ci", "epochs": 1, "batch_size": 8, "options": {"levels": 12, "filters": 4, "convs": 1}}


@pytest.fixture(scope="module")
def trained(tmp_path_factory, labelled, noise):
    """A folder of two tiny networks, one for each band, one with scales of its own; recorded."""
    folder = tmp_path_factory.mktemp("weights")
    common = {"data": labelled, "noise": noise, "verbose": False}
    t.train(t.Plan(**SMALL, scaling="rms"), folder / "cnn-sw.npz", **common)
    t.train(t.Plan(**SMALL, model="min_cnn", band="lw"), folder / "min_cnn-lw.npz", **common)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reference, "load_split", lambda split, size: labelled[split])
        patch.setattr(reference, "label_noise", lambda split, size: noise)
        reference.record(folder=folder)
    return folder


def test_names(trained, tmp_path):
    assert reference.names(folder=trained) == ["cnn-sw", "min_cnn-lw"]
    assert reference.names("cnn", folder=trained) == ["cnn-sw"]
    assert reference.names(band="lw", folder=trained) == ["min_cnn-lw"]
    assert reference.names("cnn", "lw", folder=trained) == []
    assert reference.overview(folder=tmp_path).empty


def test_overview_tells_what_the_cards_tell(trained):
    found = reference.overview(folder=trained)
    _, card = reference.load_reference("cnn-sw", folder=trained)
    assert list(found["band"]) == ["sw", "lw"]
    assert found.loc["cnn-sw", "surface down, RMSE"] == card["scores"]["surface_down"]["rmse"]
    assert found.loc["cnn-sw", "parameters"] == card["parameters"]


def test_loaded_weights_are_those_that_were_trained(trained):
    """The card was scored with the stored weights on the same columns: both scores are the same."""
    for name in reference.names(folder=trained):
        _, card = reference.load_reference(name, folder=trained)
        again = reference.records(folder=trained)[name]["sample"]
        assert again.keys() == card["scores"].keys()
        for quantity, row in card["scores"].items():
            assert again[quantity] == pytest.approx(row, rel=1e-4, abs=2e-4)


def test_both_bands_make_one_method(trained, labelled):
    found = reference.load_method("cnn-sw", "min_cnn-lw", folder=trained).predict(labelled["test"])
    assert found.keys() == {"sw", "hr_sw", "lw", "hr_lw"}
    assert all(np.isfinite(values).all() for values in found.values())


def test_missing_and_altered_weights_are_refused(trained, tmp_path):
    with pytest.raises(BootcampError, match="shipped: cnn-sw, min_cnn-lw"):
        reference.load_reference("cnn", folder=trained)
    for name in ("cnn-sw.npz", "reference.json"):
        (tmp_path / name).write_bytes((trained / name).read_bytes())
    reference.load_reference("cnn-sw", folder=tmp_path)
    with np.load(tmp_path / "cnn-sw.npz") as stored:
        arrays = {key: stored[key] for key in stored.files}
    arrays["share/bias"] = arrays["share/bias"] + np.float16(0.5)
    np.savez_compressed(tmp_path / "cnn-sw.npz", **arrays)
    with pytest.raises(BootcampError, match="altered"):
        reference.load_reference("cnn-sw", folder=tmp_path)


# ---- what is shipped ---------------------------------------------------------------------------------


def test_all_that_is_shipped_is_recorded_and_nothing_else():
    cure = "run python -m maelstrom_bootcamp.apps.radiation.reference"
    assert sorted(reference.records()) == reference.names(), f"records and weights differ: {cure}"


def test_shipped_weights_are_small():
    assert sum(path.stat().st_size for path in reference.FOLDER.glob("*.npz")) < 8e6


@pytest.mark.slow
@pytest.mark.parametrize("name", reference.names())
def test_shipped_weights_score_what_is_recorded(name):
    known, again = reference.records()[name]["sample"], reference.sample_scores(name)
    assert known.keys() == again.keys()
    for quantity, row in known.items():
        for score in ("mae", "rmse", "noise"):
            if score in row:
                assert again[quantity][score] == pytest.approx(row[score], rel=MARGIN), (quantity, score)


@pytest.mark.parametrize("name", reference.names())
def test_a_shipped_card_is_complete(name):
    _, card = reference.load_reference(name)
    assert card["plan"]["size"] == "full"
    assert {"command", "seed", "data_hash", "machine", "versions", "history"} <= set(card)
    down = card["scores"]["surface_down"]
    assert 0 < down["noise"] < down["rmse"]
