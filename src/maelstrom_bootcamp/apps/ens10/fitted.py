"""The strongest baseline of A4, fitted at full size, as the course ships it.

The reference networks have learned from the sample of size full. A baseline that is fitted to a reader's
smaller sample is no fair rival. `LocalEmos` with an annual wave has six constants at each grid point; fitted
to the same years they stand in the folder ``constants`` beside this file, written by ``python -m
maelstrom_bootcamp.apps.ens10.fitted``.

>>> from maelstrom_bootcamp.apps.ens10 import fitted
>>> fitted.load_fitted("t2m", 10).predict(members)                      # doctest: +SKIP
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np

from maelstrom_bootcamp.apps.ens10.baselines import LocalEmos
from maelstrom_bootcamp.apps.ens10.dataset import TASKS, area_mean, read_members, read_truth, task
from maelstrom_bootcamp.errors import BootcampError, exit_code
from maelstrom_bootcamp.verify.ensemble import crps

FOLDER = Path(__file__).parent / "constants"
ENSEMBLES = (5, 10)


def path_of(target: str, members: int, folder: Path = FOLDER) -> Path:
    """File of the constants for a target and a size of the ensemble."""
    return folder / f"local_emos-{target}-{members}.npz"


def fit(target: str, members: int, size: str = "full") -> LocalEmos:
    """Fit `LocalEmos` with an annual wave to all training years; minutes of one core at size full.

    Parameters
    ----------
    target : {"z500", "t850", "t2m"}
    members : int
        The first so many of the ten.
    size : {"ci", "default", "full"}

    Returns
    -------
    LocalEmos
    """
    ensemble = read_members(target, "train", members=members, size=size)[task(target).own]
    return LocalEmos(season=True).fit(ensemble, read_truth(target, "train", size=size))


def save(baseline: LocalEmos, path: Path) -> None:
    """Write the constants of a fitted baseline; the file appears under its name when it is complete.

    Parameters
    ----------
    baseline : LocalEmos
    path : pathlib.Path
    """
    arrays = {}
    for name, value in vars(baseline).items():
        if isinstance(value, dict):
            value = json.dumps(value)
        array = np.asarray(value)
        arrays[name] = array.astype("f4") if array.ndim else array
    written = io.BytesIO()
    np.savez_compressed(written, **arrays)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}")
    part.write_bytes(written.getvalue())
    part.replace(path)


def load_fitted(target: str, members: int, *, folder: Path = FOLDER) -> LocalEmos:
    """Constants of every grid point, fitted at full size.

    Parameters
    ----------
    target : {"z500", "t850", "t2m"}
    members : {5, 10}
        Of the ensemble that it will correct.
    folder : pathlib.Path
        Where the constants are.

    Returns
    -------
    LocalEmos
        Ready to `predict`.

    Raises
    ------
    BootcampError
        If there are no constants for this target and ensemble.
    """
    path = path_of(target, members, folder)
    if not path.is_file():
        raise BootcampError(
            f"There are no constants of local EMOS for {target} and {members} members.",
            f"Choose a target of {', '.join(TASKS)} and 5 or 10 members, or fit: "
            "python -m maelstrom_bootcamp.apps.ens10.fitted",
        )
    made = LocalEmos(season=True)
    with np.load(path) as stored:
        for name in stored.files:
            value = stored[name]
            value = value.astype(float) if value.ndim else value.item()
            setattr(made, name, json.loads(value) if isinstance(value, str) else value)
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit and write all constants.

    Parameters
    ----------
    arguments : sequence of str, optional

    Returns
    -------
    int
        0, or 1 after an error whose cause and cure were printed.
    """
    parser = argparse.ArgumentParser(
        prog="python -m maelstrom_bootcamp.apps.ens10.fitted",
        description="Fit local EMOS with an annual wave to the sample of size full.",
    )
    parser.add_argument("--size", default="full", choices=("ci", "default", "full"))
    parser.add_argument("--out", default=str(FOLDER), help="folder of the constants")
    given = parser.parse_args(arguments)
    # The course's own weather, whatever the environment says.
    os.environ.update(MAELSTROM_SIZE=given.size, MAELSTROM_SEED="0")

    def work() -> None:
        for target, members in product(TASKS, ENSEMBLES):
            path = path_of(target, members, Path(given.out))
            save(fit(target, members, given.size), path)
            raw = read_members(target, "test", members=members, size=given.size)[task(target).own]
            truth = read_truth(target, "test", size=given.size)
            ours = load_fitted(target, members, folder=Path(given.out)).predict(raw)
            scores = [float(area_mean(crps(each, truth, "time"))) for each in (ours, raw)]
            print(f"{path.name}: CRPS {scores[0]:.4g}, raw {scores[1]:.4g} {task(target).units}", flush=True)

    return exit_code(work)


if __name__ == "__main__":
    sys.exit(main())
