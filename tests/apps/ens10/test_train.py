"""Trainings of A4: they learn, they go on where they stopped, and what they write can be used."""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
from maelstrom_bootcamp import nn
from maelstrom_bootcamp.apps.ens10 import correctors, predictors, reference
from maelstrom_bootcamp.apps.ens10 import train as t
from maelstrom_bootcamp.apps.ens10.baselines import LocalEmos
from maelstrom_bootcamp.apps.ens10.trainer import Plan
from maelstrom_bootcamp.errors import BootcampError

import numpy as np
import pytest
import xarray as xr
from support import interrupt_once

#: Another processor rounds in another way, and so may the sample that is made on it.
MARGIN = 0.03
QUICK = {
    "mlp": {"hidden": 16},
    "lenet": {"features": [8, 4, 4]},
    "unet": {"features": 4},
    "transformer": {"features": 4, "heads": 4, "kernel_size": 3},
}


def plan(model, target="t2m", **more):
    rate = {"unet": 5e-3, "lenet": 5e-3, "mlp": 1e-2, "transformer": 1e-2}[model]
    given = {"epochs": 6, "batch_size": 4, "learning_rate": rate} | more
    return Plan(model=model, target=target, members=4, size="ci", options=QUICK[model], **given)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, made_pairs):
    """A folder of four quick trainings."""
    folder = tmp_path_factory.mktemp("weights")
    for model in QUICK:
        t.train(plan(model), folder / f"{model}-t2m-4.npz", data=made_pairs["t2m"], verbose=False)
    return folder


@pytest.mark.parametrize("model", QUICK)
def test_training_beats_the_raw_ensemble(trained, model):
    """It is 1.5 K too warm on one half of the globe, and too sure of itself."""
    assert reference.overview(folder=trained).loc[f"{model}-t2m-4", "CRPSS"] > 0.1


@pytest.mark.parametrize("model", QUICK)
def test_weights_give_the_scores_of_their_card(trained, made_pairs, model):
    members, truth = made_pairs["t2m"]["test"]
    name = f"{model}-t2m-4"
    forecast = reference.correct(name, members, folder=trained)
    assert forecast["mu"].dims == ("time", "latitude", "longitude")
    assert float(forecast["sigma"].min()) > 0
    _, card = reference.load_reference(name, folder=trained)
    assert t.score(forecast, members, truth) == pytest.approx(card["scores"], abs=2e-4)


def test_of_more_members_than_a_network_was_trained_for_the_first_are_taken(trained, made_pairs):
    members, _ = made_pairs["t2m"]["test"]
    late = (members.isel(member=[0]) + 9).assign_coords(member=[5])
    more = xr.concat([members, late], "member").assign_attrs(members.attrs)
    for name in ("mlp-t2m-4", "transformer-t2m-4"):
        first, second = (reference.correct(name, each, folder=trained) for each in (members, more))
        xr.testing.assert_equal(first, second)


def test_a_corrector_that_gives_zeros_leaves_the_forecast_as_it_is(made_pairs):
    members, _ = made_pairs["z500"]["test"]
    scaling = predictors.find_scaling(members)
    for model in ("mlp", "transformer"):
        made = correctors.corrector(model, "z500", scaling, members=4, rows=12, columns=16)
        for variable in made.trainable_variables:
            if variable.path.startswith("head"):
                variable.assign(np.zeros(variable.shape))
        forecast = t.predict(made, scaling, predictors.SEES[model], members)
        np.testing.assert_allclose(forecast["mu"], members["z"].mean("member"), rtol=1e-4)
        np.testing.assert_allclose(forecast["sigma"], members["z"].std("member", ddof=1), rtol=2e-2)


def test_an_interrupted_training_ends_like_one_in_one_go(tmp_path, made_pairs, monkeypatch):
    whole, parts = tmp_path / "whole.npz", tmp_path / "parts.npz"
    one = plan("mlp", epochs=3, ema=0.9, clip=1.0, weight_decay=0.01)
    first = t.train(one, whole, data=made_pairs["t2m"], verbose=False)
    calls = interrupt_once(monkeypatch, t.Trainer)
    with pytest.raises(KeyboardInterrupt):
        t.train(one, parts, data=made_pairs["t2m"], verbose=False)
    assert not parts.exists()
    second = t.train(one, parts, data=made_pairs["t2m"], verbose=False)
    assert calls == [0, 1, 1, 2]
    for row, again in zip(first["history"], second["history"], strict=True):
        assert again == pytest.approx(row, rel=1e-5)
    assert second["scores"] == pytest.approx(first["scores"], rel=1e-4)


def test_a_network_may_correct_local_emos(tmp_path, made_pairs, monkeypatch):
    """It starts from what EMOS of each point has mended, and what it writes is corrected in the same way."""
    emos = LocalEmos().fit(*made_pairs["t2m"]["fit"])
    monkeypatch.setattr(t, "load_fitted", lambda target, members: emos)
    made = plan("mlp", epochs=2, base="emos")
    members, truth = made_pairs["t2m"]["test"]
    scaling = predictors.find_scaling(members)
    start = t.build(made, scaling, 12, 16)
    for variable in start.trainable_variables:
        variable.assign(np.zeros(variable.shape))
    first = t.predict(start, scaling, "points", members, t.base_of(made, members))
    for name, values in emos.predict(members).items():
        np.testing.assert_allclose(first[name], values, rtol=1e-5)
    card = t.train(made, tmp_path / "mlp_on_emos-t2m-4.npz", data=made_pairs["t2m"], verbose=False)
    assert reference.names("mlp", folder=tmp_path) == []
    assert reference.names("mlp_on_emos", folder=tmp_path) == [t.name_of(made)]
    forecast = reference.correct("mlp_on_emos-t2m-4", members, folder=tmp_path)
    assert t.score(forecast, members, truth) == pytest.approx(card["scores"], abs=2e-4)
    with pytest.raises(BootcampError, match="corrects members"):
        t.base_of(plan("transformer", base="emos"), members)


@pytest.mark.parametrize("flat", [True, False])
def test_rows_count_as_their_area_unless_all_points_count_alike(made_pairs, flat):
    members, truth = made_pairs["t2m"]["fit"]
    scaling = predictors.find_scaling(members)
    arrays = predictors.network_inputs(members, scaling, "points") | {"truth": truth.values}
    made = plan("mlp", flat=flat)
    trainer = t.Trainer(t.build(made, scaling, 12, 16), made, arrays, arrays, truth["latitude"].values)
    expected = None if flat else pytest.approx(np.cos(np.deg2rad(truth["latitude"].values)))
    assert trainer.loss.row_weights == expected


def test_command_line_and_back(tmp_path):
    made = plan("unet", ema=0.99, flat=True, clip=0.5, base="emos")
    words = made.command().split()
    assert words[:3] == ["python", "-m", "maelstrom_bootcamp.apps.ens10.train"]
    again, given = t.parse(words[3:])
    assert again == made
    assert t.name_of(plan("unet")) == "unet-t2m-4"
    assert given.out == "weights"


def test_bad_input_is_refused(made_pairs, tmp_path, trained):
    with pytest.raises(BootcampError, match="do not make a batch"):
        t.train(plan("mlp", batch_size=64), tmp_path / "x.npz", data=made_pairs["t2m"])
    scaling = predictors.find_scaling(made_pairs["t2m"]["fit"][0])
    with pytest.raises(BootcampError, match="cannot be built"):
        t.build(Plan(model="mlp", options={"depth": 3}), scaling, 12, 16)
    with pytest.raises(BootcampError, match="another task"):
        correctors.corrector("mlp", "z500", scaling, members=4, rows=12, columns=16)
    with pytest.raises(BootcampError, match="needs 4 members for t2m"):
        reference.correct("mlp-t2m-4", made_pairs["z500"]["test"][0], folder=trained)
    with pytest.raises(BootcampError, match="needs 4 members"):
        reference.correct("mlp-t2m-4", made_pairs["t2m"]["test"][0].isel(member=slice(3)), folder=trained)


# ---- what is shipped ---------------------------------------------------------------------------------


def test_all_that_is_shipped_is_recorded_and_nothing_else():
    cure = "run python -m maelstrom_bootcamp.apps.ens10.reference"
    assert reference.names() == sorted(reference.records()), cure
    expected = [
        f"{m}-{x}-{n}" for m in (*QUICK, "unet_on_emos") for x in ("t2m", "t850", "z500") for n in (5, 10)
    ]
    assert reference.names() == sorted(expected)


@pytest.mark.parametrize("name", ["unet-t2m-5", "transformer-t850-10", "lenet-z500-10", "mlp-z500-5"])
def test_shipped_weights_score_what_is_recorded(name):
    known = reference.records()[name]["sample"]
    found = reference.sample_scores(name)
    assert found["crps"] == pytest.approx(known["crps"], rel=MARGIN)
    assert found["crps"] < found["crps_raw"]


def test_all_that_is_shipped_was_trained_as_the_command_says():
    for made in t.shipped_plans():
        card = nn.read_model_card(reference.FOLDER / f"{t.name_of(made)}.npz")
        assert Plan(**card["plan"]) == made, t.name_of(made)
    assert len(t.shipped_plans()) == len(reference.names()) == 30


def test_shipped_weights_have_the_published_sizes():
    counts = {"mlp": (2_562, 3_586), "lenet": (31_574, 36_182), "unet": (633_698, 636_002)}
    table = reference.overview()
    for model, (upper, surface) in counts.items():
        rows = table[table["network"] == model].set_index("target")["parameters"]
        assert set(rows.drop("t2m")) == {upper}
        assert set(rows.loc[["t2m"]]) == {surface}
    assert nn.read_model_card(reference.FOLDER / "unet-t2m-5.npz")["plan"]["size"] == "full"
