"""Input pipelines of the applications that have sample data: what reading a batch costs."""

from __future__ import annotations

from typing import Any


def yr(batch: int) -> Any:
    """A1's loader: random patches of 128 x 128 of the training runs, without end.

    Parameters
    ----------
    batch : int

    Returns
    -------
    tf.data.Dataset
        Of (predictors, target), float32.
    """
    from maelstrom_bootcamp import bucket
    from maelstrom_bootcamp.apps.yr.dataset import run_paths
    from maelstrom_bootcamp.apps.yr.loader import make_dataset
    from maelstrom_bootcamp.apps.yr.split import split
    from maelstrom_bootcamp.settings import settings

    bucket.serve("maelstrom-yr")
    return make_dataset(run_paths(split(settings().size).train), batch_size=batch, patch=128, repeat=True)


def radiation(batch: int) -> Any:
    """A3's loader: shuffled columns of the training files (TFRecord), without end.

    Parameters
    ----------
    batch : int

    Returns
    -------
    tf.data.Dataset
        Of (inputs, outputs), dictionaries of float32: both bands, fluxes and heating rates.
    """
    from maelstrom_bootcamp import bucket
    from maelstrom_bootcamp.apps.radiation.records import make_dataset, record_paths

    bucket.serve("maelstrom-radiation-tf")
    return make_dataset(record_paths("train"), batch_size=batch, repeat=True)
