"""The reference networks of A4 that the course ships: trained at full size, ready to correct an ensemble.

>>> from maelstrom_bootcamp.apps.ens10 import reference
>>> reference.correct("unet-t2m-5", members)                            # doctest: +SKIP

The weights stand in the folder ``weights`` beside this file, one ``NAME.npz`` for each training by
``python -m maelstrom_bootcamp.apps.ens10.train``, with the model card inside: four networks, three targets,
five and ten members. ``reference.json`` beside them holds the SHA-256 of each file and its scores on the test
forecasts of the sample of size ci. It is written by ``python -m maelstrom_bootcamp.apps.ens10.reference``,
after weights were added; a test scores them again.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import xarray as xr

from maelstrom_bootcamp.apps.ens10.dataset import read_members, read_truth
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.nn.shelf import Shelf, record_command

if TYPE_CHECKING:
    import keras

FOLDER = Path(__file__).parent / "weights"
#: Size of the sample on whose test forecasts the shipped weights are scored again and again.
SIZE = "ci"


def names(
    model: str | None = None,
    target: str | None = None,
    members: int | None = None,
    *,
    folder: Path = FOLDER,
) -> list[str]:
    """Names of the reference weights, sorted.

    Parameters
    ----------
    model : {"mlp", "lenet", "unet", "transformer", "unet_on_emos"}, optional
        Only those of this network; the last is a U-Net that corrects local EMOS instead of the raw ensemble.
    target : {"z500", "t850", "t2m"}, optional
        Only those of this target.
    members : {5, 10}, optional
        Only those for an ensemble of this size.
    folder : pathlib.Path
        Where the weights are.

    Returns
    -------
    list of str
    """
    found = _shelf(folder).names(target=target, members=members)
    return [name for name in found if model in (None, name.partition("-")[0])]


def load_reference(name: str, *, folder: Path = FOLDER) -> tuple[keras.Model, dict[str, Any]]:
    """Build a reference network and give it its weights.

    Parameters
    ----------
    name : str
        One of `names`.
    folder : pathlib.Path
        Where the weights are.

    Returns
    -------
    model : keras.Model
        See `maelstrom_bootcamp.apps.ens10.correctors.corrector`.
    card : dict
        The model card: command, plan, seed, hash of the training data, scaling, machine, versions, scores.

    Raises
    ------
    BootcampError
        If there are no such weights, or the file is not the one that was recorded.
    """
    shelf = _shelf(folder)
    return shelf.load(name, lambda plan: _build(plan, shelf.card(name)))


def correct(name: str, members: xr.Dataset, *, folder: Path = FOLDER) -> xr.Dataset:
    """Correct forecasts by reference weights.

    Parameters
    ----------
    name : str
        One of `names`.
    members : xarray.Dataset
        As from `read_members`, for the target of the weights; with more members than the network was trained
        for, the first ones are taken.
    folder : pathlib.Path
        Where the weights are.

    Returns
    -------
    xarray.Dataset
        Normal distributions: ``mu`` and ``sigma``, (time, latitude, longitude), in the unit of the target.

    Raises
    ------
    BootcampError
        If there are no such weights, or the forecasts are of another target or too few members.
    """
    from maelstrom_bootcamp.apps.ens10.predictors import SEES, Scaling
    from maelstrom_bootcamp.apps.ens10.train import base_of, predict
    from maelstrom_bootcamp.apps.ens10.trainer import Plan

    model, card = load_reference(name, folder=folder)
    plan = card["plan"]
    if members.attrs.get("target") != plan["target"] or members.sizes.get("member", 0) < plan["members"]:
        raise BootcampError(
            f"{name} needs {plan['members']} members for {plan['target']}; these are "
            f"{members.sizes.get('member', 0)} for {members.attrs.get('target')}.",
            f"Read them: read_members({plan['target']!r}, split, members={plan['members']}).",
        )
    some = members.isel(member=slice(plan["members"]))
    base = base_of(Plan(**plan), some)
    return predict(model, Scaling.from_dict(card["scaling"]), SEES[plan["model"]], some, base)


def overview(*, folder: Path = FOLDER) -> pd.DataFrame:
    """What is shipped, one row for each file of weights.

    Parameters
    ----------
    folder : pathlib.Path
        Where the weights are.

    Returns
    -------
    pandas.DataFrame
        Index: name. Network, target, members, parameters, forecasts of the training, epochs, best epoch,
        processor seconds of the training, size of the file (MB) and, from the card, the CRPS on the test
        forecasts of the training's size, that of the raw ensemble and the skill (1 - their ratio).
    """
    rows, shelf = {}, _shelf(folder)
    for name in shelf.names():
        card = shelf.card(name)
        plan, scores = card["plan"], card["scores"]
        rows[name] = {
            "network": name.partition("-")[0],
            "target": plan["target"],
            "members": plan["members"],
            "parameters": card["parameters"],
            "forecasts": card["forecasts"],
            "epochs": plan["epochs"],
            "best epoch": card["best_epoch"],
            "CPU (s)": card["cpu_seconds"],
            "file (MB)": round(shelf.path(name).stat().st_size / 1e6, 2),
            "CRPS": scores["crps"],
            "CRPS, raw": scores["crps_raw"],
            "CRPSS": scores["crpss"],
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("name")


def records(*, folder: Path = FOLDER) -> dict[str, dict[str, Any]]:
    """What is recorded of each file: its SHA-256 and its scores on the test forecasts of size ci.

    Parameters
    ----------
    folder : pathlib.Path
        Where the weights are.

    Returns
    -------
    dict
        Name -> {"sha256": str, "sample": {score: value}}; empty if nothing was recorded.
    """
    return _shelf(folder).records()


def sample_scores(name: str, *, folder: Path = FOLDER) -> dict[str, float]:
    """Score weights on the test forecasts of the sample of size ci: seconds, everywhere the same forecasts.

    Parameters
    ----------
    name : str
        One of `names`.
    folder : pathlib.Path
        Where the weights are.

    Returns
    -------
    dict
        As from `maelstrom_bootcamp.apps.ens10.train.score`.
    """
    from maelstrom_bootcamp.apps.ens10.train import score

    plan = _shelf(folder).card(name)["plan"]
    members = read_members(plan["target"], "test", members=plan["members"], size=SIZE)
    truth = read_truth(plan["target"], "test", size=SIZE)
    found = score(correct(name, members, folder=folder), members, truth)
    return {key: round(value, 5) for key, value in found.items()}


def record(*, folder: Path = FOLDER, again: bool = False) -> dict[str, dict[str, Any]]:
    """Write SHA-256 and sample scores of all weights in the folder.

    Parameters
    ----------
    folder : pathlib.Path
        Where the weights are.
    again : bool
        Also score those whose file is as it was recorded.

    Returns
    -------
    dict
        What was written, see `records`.
    """
    return _shelf(folder).record(lambda name: sample_scores(name, folder=folder), again=again)


def _shelf(folder: Path) -> Shelf:
    return Shelf(folder, "maelstrom_bootcamp.apps.ens10")


def _build(plan: dict[str, Any], card: dict[str, Any]) -> keras.Model:
    from maelstrom_bootcamp.apps.ens10.predictors import Scaling
    from maelstrom_bootcamp.apps.ens10.train import build
    from maelstrom_bootcamp.apps.ens10.trainer import Plan

    return build(Plan(**plan), Scaling.from_dict(card["scaling"]), *card["grid"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Record all weights of the folder, see `maelstrom_bootcamp.nn.shelf.record_command`."""

    def tell(scores: dict[str, float]) -> str:
        return f"CRPS {scores['crpss']:.1%} below that of the raw ensemble"

    return record_command(
        "maelstrom_bootcamp.apps.ens10", SIZE, lambda again: record(again=again), tell, arguments
    )


if __name__ == "__main__":
    sys.exit(main())
