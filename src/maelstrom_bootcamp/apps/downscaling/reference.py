"""The reference networks of A5 that the course ships: trained at full size, ready to downscale.

>>> from maelstrom_bootcamp.apps.downscaling import reference
>>> reference.downscale("unet", read_tier1("testing"))                  # doctest: +SKIP

The weights stand in the folder ``weights`` beside this file, one ``NAME.npz`` for each training by
``python -m maelstrom_bootcamp.apps.downscaling.train``, with the model card and the constants of the
normalisation inside: "unet", and "wgan", the same network as the generator of a WGAN. ``reference.json``
beside them holds the SHA-256 of each file and its scores on the test months of the sample of size ci. It is
written by ``python -m maelstrom_bootcamp.apps.downscaling.reference``, after weights were added; a test
scores them again.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import xarray as xr

from maelstrom_bootcamp.apps.downscaling.dataset import read_tier1
from maelstrom_bootcamp.nn.shelf import Shelf, record_command

if TYPE_CHECKING:
    import keras

    from maelstrom_bootcamp.apps.downscaling.predictors import Scaling

MODULE = "maelstrom_bootcamp.apps.downscaling"
SHELF = Shelf(Path(__file__).parent / "weights", MODULE)
#: Size of the sample on whose test months the shipped weights are scored again and again.
SIZE = "ci"


def names() -> list[str]:
    """Names of the reference weights, sorted."""
    return SHELF.names()


def load_reference(name: str, shelf: Shelf = SHELF) -> tuple[keras.Model, Scaling, dict[str, Any]]:
    """Build a reference network and give it its weights.

    Parameters
    ----------
    name : str
        One of `names`.
    shelf : Shelf
        Where the weights are.

    Returns
    -------
    model : keras.Model
        A `sha_unet`, in single precision.
    scaling : Scaling
        The normalisation that it was trained with.
    card : dict
        The model card: command, plan, seed, hash of the training data, machine, versions, scores.

    Raises
    ------
    BootcampError
        If there are no such weights, or the file is not the one that was recorded.
    """
    from maelstrom_bootcamp import nn
    from maelstrom_bootcamp.apps.downscaling.predictors import Scaling
    from maelstrom_bootcamp.apps.downscaling.train import build
    from maelstrom_bootcamp.apps.downscaling.trainer import Plan

    model, card = shelf.load(name, lambda plan: build(Plan(**plan)))
    return model, Scaling.from_arrays(nn.read_extra(shelf.path(name))), card


def downscale(name: str, ds: xr.Dataset, shelf: Shelf = SHELF) -> xr.DataArray:
    """Downscale with reference weights.

    Parameters
    ----------
    name : str
        One of `names`.
    ds : xarray.Dataset
        As from `read_tier1`; the target is not looked at.
    shelf : Shelf
        Where the weights are.

    Returns
    -------
    xarray.DataArray
        ``t2m`` (time, lat, lon), K.

    Raises
    ------
    BootcampError
        If there are no such weights, or the grid is another one.
    """
    from maelstrom_bootcamp.apps.downscaling.train import predict

    model, scaling, _ = load_reference(name, shelf)
    return predict(model, scaling, ds)


def overview(shelf: Shelf = SHELF) -> pd.DataFrame:
    """What is shipped, one row for each file of weights.

    Parameters
    ----------
    shelf : Shelf
        Where the weights are.

    Returns
    -------
    pandas.DataFrame
        Index: name. Parameters, times of the training, epochs, best epoch, processor seconds of the training,
        size of the file (MB) and, from the card, the scores on the test months of the training's size.
    """
    rows = {}
    for name in shelf.names():
        card = shelf.card(name)
        scores = card["scores"]
        rows[name] = {
            "parameters": card["parameters"],
            "times": card["times"],
            "epochs": card["plan"]["epochs"],
            "best epoch": card["best_epoch"],
            "CPU (s)": card["cpu_seconds"],
            "file (MB)": round(shelf.path(name).stat().st_size / 1e6, 2),
            "RMSE (K)": scores["rmse"],
            "RMSE, bilinear (K)": scores["rmse_bilinear"],
            "gradient ratio": scores["gradient_ratio"],
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("name")


def sample_scores(name: str, shelf: Shelf = SHELF) -> dict[str, float]:
    """Score weights on the test months of the sample of size ci: seconds, everywhere the same times.

    Parameters
    ----------
    name : str
        One of `names`.
    shelf : Shelf
        Where the weights are.

    Returns
    -------
    dict
        As from `maelstrom_bootcamp.apps.downscaling.train.score`.
    """
    from maelstrom_bootcamp.apps.downscaling.train import score

    ds = read_tier1("testing", size=SIZE)
    return {key: round(value, 5) for key, value in score(downscale(name, ds, shelf), ds).items()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Record all weights, see `maelstrom_bootcamp.nn.shelf.record_command`."""

    def tell(scores: dict[str, float]) -> str:
        return f"RMSE {scores['rmse']:.3f} K, bilinear {scores['rmse_bilinear']:.3f} K"

    def record(again: bool) -> dict[str, dict[str, Any]]:
        return SHELF.record(sample_scores, again=again)

    return record_command(MODULE, SIZE, record, tell, arguments)


if __name__ == "__main__":
    sys.exit(main())
