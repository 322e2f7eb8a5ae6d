"""The reference networks of A3 that the course ships: trained at full size, ready to emulate.

>>> from maelstrom_bootcamp.apps.radiation import reference
>>> model, card = reference.load_reference("cnn-sw")                    # doctest: +SKIP
>>> reference.load_method("cnn-sw")    # for evaluate.errors            # doctest: +SKIP

The weights stand in the folder ``weights`` beside this file, one ``NAME.npz`` for each training by
``python -m maelstrom_bootcamp.apps.radiation.train``, with the model card inside. ``reference.json`` beside
them holds the SHA-256 of each file and its scores on the test columns of the sample of size ci. It is written
by ``python -m maelstrom_bootcamp.apps.radiation.reference``, after weights were added; a test scores them
again.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from maelstrom_bootcamp.apps.radiation.columns import label_noise, load_split
from maelstrom_bootcamp.apps.radiation.evaluate import Network
from maelstrom_bootcamp.nn.shelf import Shelf, record_command

if TYPE_CHECKING:
    import keras

FOLDER = Path(__file__).parent / "weights"
#: Size of the sample on whose test columns the shipped weights are scored again and again.
SIZE = "ci"


def names(model: str | None = None, band: str | None = None, *, folder: Path = FOLDER) -> list[str]:
    """Names of the reference weights, sorted.

    Parameters
    ----------
    model : {"min_cnn", "cnn", "attention", "rnn", "dense"}, optional
        Only those of this network.
    band : {"sw", "lw"}, optional
        Only those of this band.
    folder : pathlib.Path
        Where the weights are.

    Returns
    -------
    list of str
    """
    return _shelf(folder).names(model=model, band=band)


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
        From the five inputs of `maelstrom_bootcamp.apps.radiation.layers` to fluxes and heating rates.
    card : dict
        The model card: command, plan, seed, hash of the training data, machine, versions, scores.

    Raises
    ------
    BootcampError
        If there are no such weights, or the file is not the one that was recorded.
    """
    shelf = _shelf(folder)
    return shelf.load(name, lambda plan: _build(plan, shelf.card(name)["maxima"]))


def load_method(*chosen: str, folder: Path = FOLDER) -> Network:
    """Reference networks as a method that `maelstrom_bootcamp.apps.radiation.evaluate.errors` can score.

    Parameters
    ----------
    *chosen : str
        One name, or one for each band.
    folder : pathlib.Path
        Where the weights are.

    Returns
    -------
    Network
    """
    return Network(tuple(load_reference(name, folder=folder)[0] for name in chosen))


def overview(*, folder: Path = FOLDER) -> pd.DataFrame:
    """What is shipped, one row for each file of weights.

    Parameters
    ----------
    folder : pathlib.Path
        Where the weights are.

    Returns
    -------
    pandas.DataFrame
        Index: name. Network, band, parameters, size of the training sample, epochs, best epoch, size of the
        file (MB) and, from the card, RMSE of the flux down at the surface (W/m²) with and without the noise
        of the labels, and of the heating rates (K/day), on the test columns of that size.
    """
    rows, shelf = {}, _shelf(folder)
    for name in shelf.names():
        card = shelf.card(name)
        plan, scores = card["plan"], card["scores"]
        rows[name] = {
            "network": plan["model"],
            "band": plan["band"],
            "parameters": card["parameters"],
            "trained on": plan["size"],
            "epochs": plan["epochs"],
            "best epoch": card["best_epoch"],
            "file (MB)": round(shelf.path(name).stat().st_size / 1e6, 2),
            "surface down, RMSE": scores["surface_down"]["rmse"],
            "above noise": scores["surface_down"]["rmse_above_noise"],
            "heating, RMSE": scores["heating"]["rmse"],
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("name")


def records(*, folder: Path = FOLDER) -> dict[str, dict[str, Any]]:
    """What is recorded of each file: its SHA-256 and its scores on the test columns of size ci.

    Parameters
    ----------
    folder : pathlib.Path
        Where the weights are.

    Returns
    -------
    dict
        Name -> {"sha256": str, "sample": {quantity: {score: value}}}; empty if nothing was recorded.
    """
    return _shelf(folder).records()


def sample_scores(name: str, *, folder: Path = FOLDER) -> dict[str, dict[str, float]]:
    """Score weights on the test columns of the sample of size ci: seconds, everywhere the same columns.

    Parameters
    ----------
    name : str
        One of `names`.
    folder : pathlib.Path
        Where the weights are.

    Returns
    -------
    dict
        As from `maelstrom_bootcamp.apps.radiation.train.score`.
    """
    from maelstrom_bootcamp.apps.radiation.train import score

    model, card = load_reference(name, folder=folder)
    return score(model, card["plan"]["band"], load_split("test", SIZE), label_noise("test", SIZE))


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
    return Shelf(folder, "maelstrom_bootcamp.apps.radiation")


def _build(plan: dict[str, Any], maxima: dict[str, list[float]] | None) -> keras.Model:
    from maelstrom_bootcamp.apps.radiation.train import Plan, build

    return build(Plan(**plan), maxima)


def main(arguments: Sequence[str] | None = None) -> int:
    """Record all weights of the folder, see `maelstrom_bootcamp.nn.shelf.record_command`."""

    def tell(scores: dict[str, dict[str, float]]) -> str:
        return f"RMSE of the flux down at the surface {scores['surface_down']['rmse']:.1f} W/m²"

    return record_command(
        "maelstrom_bootcamp.apps.radiation", SIZE, lambda again: record(again=again), tell, arguments
    )


if __name__ == "__main__":
    sys.exit(main())
