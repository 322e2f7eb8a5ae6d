"""The reference networks that the course ships: trained at full size, ready to forecast.

>>> from maelstrom_bootcamp.apps.yr import reference
>>> model, card = reference.load_reference("unet-d0-s0")                      # doctest: +SKIP
>>> reference.Network(model, predictors=card["plan"]["predictors"])           # doctest: +SKIP

The weights stand in the folder ``weights`` beside this file, one ``NAME.npz`` for each training by
``python -m maelstrom_bootcamp.apps.yr.train``, with the model card inside. ``reference.json`` beside them
holds the SHA-256 of each file and its scores on the test days of the sample of size ci. It is written by
``python -m maelstrom_bootcamp.apps.yr.reference``, after weights were added; a test scores them again.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from maelstrom_bootcamp.apps.yr.evaluate import Network, evaluate, table
from maelstrom_bootcamp.apps.yr.split import split
from maelstrom_bootcamp.nn.shelf import Shelf, record_command

if TYPE_CHECKING:
    import keras

FOLDER = Path(__file__).parent / "weights"
#: Size of the sample on whose test days the shipped weights are scored again and again.
SIZE = "ci"


def names(model: str | None = None, *, folder: Path = FOLDER) -> list[str]:
    """Names of the reference weights, sorted.

    Parameters
    ----------
    model : {"unet", "pointwise"}, optional
        Only those of this network.
    folder : pathlib.Path
        Where the weights are.

    Returns
    -------
    list of str
    """
    return _shelf(folder).names(model=model)


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
        Predicts residual quantiles 0.1, 0.5, 0.9 (B, y, x, 3) in K from features (B, y, x, C), where C is
        the number of predictors in ``card["plan"]["predictors"]``.
    card : dict
        The model card: command, seed, hash of the training data, machine, versions, scores at full size.

    Raises
    ------
    BootcampError
        If there are no such weights, or the file is not the one that was recorded.
    """
    return _shelf(folder).load(name, _build)


def load_method(name: str, *, folder: Path = FOLDER) -> Network:
    """A reference network as a method that `maelstrom_bootcamp.apps.yr.evaluate.evaluate` can score.

    Parameters
    ----------
    name : str
        One of `names`.
    folder : pathlib.Path
        Where the weights are.

    Returns
    -------
    Network
    """
    model, card = load_reference(name, folder=folder)
    return Network(model, predictors=tuple(card["plan"]["predictors"]))


def overview(*, folder: Path = FOLDER) -> pd.DataFrame:
    """What is shipped, one row for each file of weights.

    Parameters
    ----------
    folder : pathlib.Path
        Where the weights are.

    Returns
    -------
    pandas.DataFrame
        Index: name. Network, parameters, size of the training sample, seeds, loss, best epoch, size of the
        file (MB) and, from the card, quantile score and median MAE (K) on the test days of that size.
    """
    rows, shelf = {}, _shelf(folder)
    for name in shelf.names():
        card = shelf.card(name)
        plan, scores = card["plan"], card["scores"]["all"]
        rows[name] = {
            "network": plan["model"],
            "parameters": card["parameters"],
            "trained on": plan["size"],
            "data seed": plan["data_seed"],
            "seed": plan["seed"],
            "uncertainty in loss": plan["uncertainty"] or "none",
            "best epoch": card["best_epoch"],
            "file (MB)": round(shelf.path(name).stat().st_size / 1e6, 1),
            "quantile score": scores["quantile_score"],
            "MAE": scores["mae"],
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("name")


def records(*, folder: Path = FOLDER) -> dict[str, dict[str, Any]]:
    """What is recorded of each file: its SHA-256 and its scores on the test days of size ci.

    Parameters
    ----------
    folder : pathlib.Path
        Where the weights are.

    Returns
    -------
    dict
        Name -> {"sha256": str, "sample": {surface: {score: value}}}; empty if nothing was recorded.
    """
    return _shelf(folder).records()


def sample_scores(
    name: str, *, folder: Path = FOLDER, location: str | os.PathLike[str] | None = None
) -> dict[str, dict[str, float]]:
    """Score weights on the test days of the sample of size ci: seconds, on every machine the same days.

    Parameters
    ----------
    name : str
        One of `names`.
    folder : pathlib.Path
        Where the weights are.
    location : path, optional
        Folder that holds ``air_temperature/5GB/*.nc``; default: the (served) bucket of size ci.

    Returns
    -------
    dict
        Surface -> {quantile_score, mae, bias, width in K, coverage from 0 to 1, pixels}.
    """
    trim = _shelf(folder).card(name)["plan"]["trim"]
    found = evaluate({name: load_method(name, folder=folder)}, split(SIZE).test, trim=trim, location=location)
    return table(found).droplevel(1).round(4).dropna().to_dict("index")


def record(
    *, folder: Path = FOLDER, location: str | os.PathLike[str] | None = None, again: bool = False
) -> dict[str, dict]:
    """Write SHA-256 and sample scores of all weights in the folder.

    Parameters
    ----------
    folder, location
        As for `sample_scores`.
    again : bool
        Also score those whose file is as it was recorded.

    Returns
    -------
    dict
        What was written, see `records`.
    """
    return _shelf(folder).record(
        lambda name: sample_scores(name, folder=folder, location=location), again=again
    )


def _shelf(folder: Path) -> Shelf:
    return Shelf(folder, "maelstrom_bootcamp.apps.yr")


def _build(plan: dict[str, Any]) -> keras.Model:
    from maelstrom_bootcamp import nn

    make = {"unet": nn.unet, "pointwise": nn.pointwise_net}[plan["model"]]
    return make(len(plan["predictors"]), **plan["options"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Record all weights of the folder, see `maelstrom_bootcamp.nn.shelf.record_command`."""
    from maelstrom_bootcamp import bucket

    def served(again: bool) -> dict[str, dict[str, Any]]:
        bucket.serve("maelstrom-yr")
        return record(again=again)

    def tell(scores: dict[str, dict[str, float]]) -> str:
        return f"quantile score {scores['all']['quantile_score']:.4f} K"

    return record_command("maelstrom_bootcamp.apps.yr", SIZE, served, tell, arguments)


if __name__ == "__main__":
    sys.exit(main())
