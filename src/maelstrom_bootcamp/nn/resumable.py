"""Trainings that may be stopped at any time: state in a file, command line from a plan and back.

After every epoch all that a training needs to go on (weights, state of the optimiser, best weights so far,
history) is written to one file, under its name only once it is complete; the same command starts again from
there. What decides the outcome of a training stands in a *plan*, a frozen dataclass of the application.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.nn.weights import as_stored

if TYPE_CHECKING:
    import keras

#: One epoch of a training: its index -> what goes into the history, "val_loss" among it.
Epoch = Callable[[int], dict[str, float]]


class State:
    """What an interrupted training needs to go on, in one file.

    Parameters
    ----------
    path : pathlib.Path
    plan : dataclass
        The file is refused if it belongs to another one (only ``epochs`` may differ).
    also : sequence of keras.Variable
        What a training changes besides the model and its optimiser: those of an adversary.
    """

    def __init__(self, path: Path, plan: Any, also: Sequence[keras.Variable] = ()) -> None:
        self.path = path
        self.also = list(also)
        self.plan = {k: v for k, v in asdict(plan).items() if k != "epochs"}
        self.history: list[dict[str, float]] = []
        self.best: list[np.ndarray] = []

    def stored_epochs(self) -> int:
        """Epochs that the file holds; 0 without a file."""
        return len(self._read()[0]) if self.path.exists() else 0

    def restore(self, model: keras.Model) -> None:
        """Set weights and optimiser to where the training stopped; nothing happens without a file."""
        model.optimizer.build(model.trainable_variables)
        if not self.path.exists():
            return
        self.history, arrays = self._read()
        own = {f"weight{i}": v for i, v in enumerate(model.weights)}
        own |= {f"optimizer{i}": v for i, v in enumerate(model.optimizer.variables)}
        own |= {f"also{i}": v for i, v in enumerate(self.also)}
        if {k: tuple(v.shape) for k, v in own.items()} != {
            k: v.shape for k, v in arrays.items() if not k.startswith("best")
        }:
            raise BootcampError(
                f"{self.path} belongs to another network than {model.name!r} is now.",
                "Remove it to begin anew, or build the network as it was.",
            )
        for name, variable in own.items():
            variable.assign(arrays[name])
        self.best = [arrays[f"best{i}"] for i in range(len(model.weights))]

    def run(
        self,
        model: keras.Model,
        one_epoch: Epoch,
        epochs: int,
        *,
        over: Callable[[list[dict[str, float]]], bool] | None = None,
        kept: Callable[[], list[np.ndarray]] | None = None,
        keep_last: bool = False,
        verbose: bool = True,
    ) -> None:
        """Train the epochs that are due; in the end the model holds the weights of its best (or last) epoch.

        Parameters
        ----------
        model : keras.Model
            Compiled, and `restore`\\ d.
        one_epoch : callable
        epochs : int
            In total, with those that are done.
        over : callable, optional
            Looks at the history before each epoch, and may end the training early.
        kept : callable, optional
            Gives the weights to keep if the epoch was the best, where they are not those that training goes
            on with (a moving average).
        keep_last : bool
            Keep the weights of the last epoch, not of the best: where the validation loss is no judge.
        verbose : bool
            Print one line per epoch.
        """
        while len(self.history) < epochs and not (over and over(self.history)):
            row = one_epoch(len(self.history))
            self.advance(model, row, kept, keep_last)
            if verbose:
                scores = "   ".join(f"{name} {value:.4g}" for name, value in row.items())
                print(f"epoch {len(self.history):3d}   {scores}", flush=True)
        self.put_best(model)

    def advance(
        self,
        model: keras.Model,
        row: dict[str, float],
        kept: Callable[[], list[np.ndarray]] | None = None,
        keep_last: bool = False,
    ) -> None:
        """Note that an epoch is over, and write all down."""
        self.history.append(row)
        weights = model.get_weights()
        if (
            keep_last
            or not self.best
            or (np.isfinite(row["val_loss"]) and best_epoch(self.history) == len(self.history) - 1)
        ):
            self.best = kept() if kept else weights
        optimizer, also = ([np.asarray(v) for v in some] for some in (model.optimizer.variables, self.also))
        kinds = {"weight": weights, "optimizer": optimizer, "also": also, "best": self.best}
        arrays = {}
        for kind, values in kinds.items():
            arrays |= {f"{kind}{i}": value for i, value in enumerate(values)}
        text = json.dumps({"plan": self.plan, "history": self.history})
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self.path.parent, prefix=".state", delete=False) as part:
            try:
                np.savez(part, text=np.array(text), **arrays)
                part.flush()
                os.fsync(part.fileno())
                os.replace(part.name, self.path)
            except BaseException:
                os.unlink(part.name)
                raise

    def put_best(self, model: keras.Model) -> None:
        """Give the model the weights that were kept."""
        best_epoch(self.history)
        model.set_weights(self.best)

    def remove(self) -> None:
        """The training is over."""
        self.path.unlink(missing_ok=True)

    def _read(self) -> tuple[list[dict[str, float]], dict[str, np.ndarray]]:
        with np.load(self.path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        text = json.loads(str(arrays.pop("text")))
        if text["plan"] != json.loads(json.dumps(self.plan)):
            raise BootcampError(
                f"{self.path} belongs to a training with other settings.",
                "Remove it, or write the weights of this training under another name.",
            )
        return text["history"], arrays


def best_epoch(history: Sequence[Mapping[str, float]]) -> int:
    """Index of the epoch with the lowest validation loss.

    Parameters
    ----------
    history : sequence of mapping
        One per epoch, with "val_loss".

    Returns
    -------
    int

    Raises
    ------
    BootcampError
        If it was never a finite number.
    """
    losses = np.array([row["val_loss"] for row in history])
    if not np.isfinite(losses).any():
        raise BootcampError(
            "The validation loss was not a number in any epoch.", "Lower the learning rate; check the data."
        )
    return int(np.nanargmin(np.where(np.isfinite(losses), losses, np.nan)))


def round_as_stored(model: keras.Model) -> None:
    """Round the weights to what a file of weights holds: what is scored then is what is shipped.

    Parameters
    ----------
    model : keras.Model
    """
    for variable in model.weights:
        variable.assign(as_stored(variable).astype(np.float32))


def data_hash(paths: Sequence[Path]) -> str:
    """SHA-256 over the names and contents of the training files.

    Parameters
    ----------
    paths : sequence of path

    Returns
    -------
    str
        Hexadecimal.
    """
    total = hashlib.sha256()
    for path in sorted(paths):
        with path.open("rb") as file:
            total.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()


def array_hash(arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 over the names and contents of training data in memory.

    Parameters
    ----------
    arrays : mapping of str to array

    Returns
    -------
    str
        Hexadecimal.
    """
    total = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        total.update(f"{name} {array.dtype} {array.shape}".encode())
        total.update(array)
    return total.hexdigest()


def command(module: str, values: Mapping[str, Any]) -> str:
    """The command line of a training, from the fields of its plan.

    Parameters
    ----------
    module : str
        Whose ``main`` it calls.
    values : mapping
        By name of the argument. None, False and what is empty is left out, True is a flag, lists are words in
        a row, and "options" becomes ``--option NAME=VALUE ...``.

    Returns
    -------
    str
    """
    words = [f"python -m {module}"]
    for name, value in values.items():
        if value is None or value is False or value in ({}, (), [], ""):
            continue
        if value is True:
            words.append(f"--{name.replace('_', '-')}")
        elif name == "options":
            texts = (f"{k}={json.dumps(v, separators=(',', ':'))}" for k, v in value.items())
            words.append(f"--option {' '.join(text.replace(chr(34), '') for text in texts)}")
        else:
            value = " ".join(map(str, value)) if isinstance(value, tuple | list) else value
            words.append(f"--{name.replace('_', '-')} {value}")
    return " ".join(words)


def add_option(parser: argparse.ArgumentParser) -> None:
    """Let a command line take more arguments of the network: ``--option NAME=VALUE ...``.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        What it reads, `options` turns into a dict.
    """
    parser.add_argument("--option", nargs="+", default=[], metavar="NAME=VALUE", help="of the network")


def options(texts: Sequence[str], parser: argparse.ArgumentParser) -> dict[str, Any]:
    """Read ``NAME=VALUE`` words: numbers, true, false, lists as ``[1,2]``, else text.

    Parameters
    ----------
    texts : sequence of str
    parser : argparse.ArgumentParser
        Tells of mistakes, and ends the program.

    Returns
    -------
    dict of str to Any
    """
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            parser.error(f"--option {text}: write NAME=VALUE")
        try:
            found[name] = json.loads(value)
        except json.JSONDecodeError:
            found[name] = {"True": True, "False": False}.get(value, value)
    return found
