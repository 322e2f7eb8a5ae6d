from __future__ import annotations

import json

import numpy as np
import pytest

from maelstrom_bootcamp import bucket
from maelstrom_bootcamp.apps.yr import reference
from maelstrom_bootcamp.apps.yr import train as t
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.nn.shelf import RECORDS
from maelstrom_bootcamp.settings import settings

#: Another processor rounds in another way, and so may the sample that is made on it.
MARGIN = 0.01
SMALL = {"size": "ci", "patch": 64, "batch_size": 8, "trim": 8, "cycle": 1, "epochs": 1}


@pytest.fixture(scope="module")
def trained(tmp_path_factory, year):
    """A folder of two tiny networks, one of them without two predictors, recorded."""
    folder = tmp_path_factory.mktemp("weights")
    tiny = {"options": {"width": 4, "depth": 1}, "model": "pointwise", **SMALL}
    t.train(t.Plan(**tiny), folder / "pointwise-d0-s0.npz", folder=str(year), verbose=False)
    plan = t.Plan(
        **SMALL, options={"features": 2, "levels": 3}, predictors=t.PREDICTORS[:-2], uncertainty="exact"
    )
    t.train(plan, folder / "unet-d0-s0.npz", folder=str(year), verbose=False)
    reference.record(folder=folder, location=year)
    return folder


def test_names(trained, tmp_path):
    assert reference.names(folder=trained) == ["pointwise-d0-s0", "unet-d0-s0"]
    assert reference.names("unet", folder=trained) == ["unet-d0-s0"]
    assert reference.names(folder=tmp_path) == []
    assert reference.overview(folder=tmp_path).empty


def test_overview_tells_what_the_cards_tell(trained):
    table = reference.overview(folder=trained)
    assert list(table["network"]) == ["pointwise", "unet"]
    assert list(table["uncertainty in loss"]) == ["none", "exact"]
    _, card = reference.load_reference("unet-d0-s0", folder=trained)
    assert table.loc["unet-d0-s0", "quantile score"] == card["scores"]["all"]["quantile_score"]
    assert table.loc["unet-d0-s0", "parameters"] == card["parameters"]


def test_loaded_weights_are_those_that_were_trained(trained, year):
    """The card was scored with the stored weights on the same test days: both scores are the same."""
    for name in reference.names(folder=trained):
        model, card = reference.load_reference(name, folder=trained)
        assert model.count_params() == card["parameters"]
        again = reference.sample_scores(name, folder=trained, location=year)
        for surface, row in card["scores"].items():
            assert again[surface] == pytest.approx(row, abs=2e-4)


def test_missing_weights_are_named(trained, tmp_path):
    with pytest.raises(BootcampError, match="shipped: pointwise-d0-s0, unet-d0-s0"):
        reference.load_reference("unet", folder=trained)
    with pytest.raises(BootcampError, match="shipped: none"):
        reference.load_reference("unet-d0-s0", folder=tmp_path)


def test_altered_weights_are_refused(trained, tmp_path):
    name = "pointwise-d0-s0"
    with np.load(trained / f"{name}.npz") as stored:
        arrays = {key: stored[key] for key in stored.files}
    weight = next(key for key in arrays if key.endswith("head/bias"))
    arrays[weight] = arrays[weight] + np.float16(0.5)
    np.savez_compressed(tmp_path / f"{name}.npz", **arrays)
    (tmp_path / RECORDS).write_text((trained / RECORDS).read_text())
    with pytest.raises(BootcampError, match="altered"):
        reference.load_reference(name, folder=tmp_path)


def test_damaged_weights_are_refused(trained, tmp_path):
    whole = (trained / "unet-d0-s0.npz").read_bytes()
    (tmp_path / "unet-d0-s0.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BootcampError, match="cannot be read"):
        reference.load_reference("unet-d0-s0", folder=tmp_path)


def test_new_weights_under_an_old_name_can_be_recorded(trained, tmp_path, year):
    (tmp_path / "unet-d0-s0.npz").write_bytes((trained / "unet-d0-s0.npz").read_bytes())
    stale = {"unet-d0-s0": {"sha256": "0" * 64, "sample": {}}, "gone": {"sha256": "0" * 64, "sample": {}}}
    (tmp_path / RECORDS).write_text(json.dumps(stale))
    written = reference.record(folder=tmp_path, location=year)
    assert written == reference.records(folder=tmp_path)
    assert list(written) == ["unet-d0-s0"]
    reference.load_reference("unet-d0-s0", folder=tmp_path)


# ---- what is shipped ---------------------------------------------------------------------------------


def test_all_that_is_shipped_is_recorded_and_nothing_else():
    listed = sorted(reference.records())
    cure = "run python -m maelstrom_bootcamp.apps.yr.reference"
    assert listed == reference.names(), f"records and weights differ: {cure}"


def test_shipped_weights_are_small():
    assert sum(path.stat().st_size for path in reference.FOLDER.glob("*.npz")) < 8e6


@pytest.mark.slow
@pytest.mark.parametrize("name", reference.names())
def test_shipped_weights_score_what_is_recorded(name):
    assert settings().size == reference.SIZE
    bucket.serve("maelstrom-yr")
    known, again = reference.records()[name]["sample"], reference.sample_scores(name)
    for surface, row in known.items():
        for score in ("quantile_score", "mae", "width"):
            assert again[surface][score] == pytest.approx(row[score], rel=MARGIN), (surface, score)


@pytest.mark.parametrize("name", reference.names())
def test_a_shipped_card_is_complete(name):
    _, card = reference.load_reference(name)
    assert card["plan"]["size"] == "full"
    assert {"command", "seed", "data_hash", "machine", "versions", "history"} <= set(card)
    scores = card["scores"]["all"]
    assert 0 < scores["quantile_score"] < scores["mae"]
