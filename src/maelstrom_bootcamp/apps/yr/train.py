"""Train A1's reference models at full size: ``python -m maelstrom_bootcamp.apps.yr.train --help``.

A training may take hours. After every epoch all that it needs to go on (weights, state of the optimiser, best
weights so far, history) is written to one file, under its name only once it is complete; the same command
starts again from there, with the shuffling order of the epoch that is due. In the end the best weights are
scored on the test period and written with their model card; then the file of the state is removed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from maelstrom_bootcamp.apps.yr.dataset import run_paths
from maelstrom_bootcamp.apps.yr.evaluate import Network, evaluate, table
from maelstrom_bootcamp.apps.yr.features import PREDICTORS
from maelstrom_bootcamp.apps.yr.loader import make_dataset
from maelstrom_bootcamp.apps.yr.split import Split, check_split, split
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.settings import SIZES, settings

if TYPE_CHECKING:
    import keras

MODELS = ("unet", "pointwise")


@dataclass(frozen=True)
class Plan:
    """Everything that decides the outcome of a training.

    Attributes
    ----------
    model : {"unet", "pointwise"}
    size : {"ci", "default", "full"}
        Size of the sample.
    data_seed, seed : int
        Seed of the sample's generator (0: the course's own weather), and of weights and shuffling.
    epochs, batch_size, patch : int
    learning_rate : float
        Start of each cosine; a cycle lasts ``cycle`` epochs.
    cycle : int
    uncertainty : {"exact", "approximate", "weights"} or None
        How the loss uses the target's uncertainty.
    trim : int
        Pixels left out of the scores along each border.
    loss_trim : int
        Pixels left out of the loss. MET Norway leaves out 32, a few per cent of a domain of 2321 x 1796; of
        the sample's 128 x 128 that would be three quarters of all there is to learn from.
    options : dict
        More arguments of the network, e.g. ``{"pooling": "max"}``.
    predictors : tuple of str
        Those that the network sees.
    """

    model: str = "unet"
    size: str = "default"
    data_seed: int = 0
    seed: int = 0
    epochs: int = 6
    batch_size: int = 4
    patch: int = 128
    learning_rate: float = 3e-3
    cycle: int = 6
    uncertainty: str | None = None
    trim: int = 32
    loss_trim: int = 0
    options: dict[str, Any] = field(default_factory=dict)
    predictors: tuple[str, ...] = PREDICTORS

    def command(self) -> str:
        """The command line of this training."""
        words = ["python -m maelstrom_bootcamp.apps.yr.train"]
        for name, value in asdict(self).items():
            if name == "predictors":
                dropped = [p for p in PREDICTORS if p not in value]
                words += [f"--drop {' '.join(dropped)}"] if dropped else []
            elif name == "options":
                words += [f"--option {' '.join(f'{k}={v}' for k, v in value.items())}"] if value else []
            elif value is not None:
                words.append(f"--{name.replace('_', '-')} {value}")
        return " ".join(words)


def build(plan: Plan) -> keras.Model:
    """The network of a plan, not compiled; seeds are set first.

    Parameters
    ----------
    plan : Plan

    Returns
    -------
    keras.Model

    Raises
    ------
    BootcampError
        If there is no such model.
    """
    from maelstrom_bootcamp import nn

    if plan.model not in MODELS:
        raise BootcampError(f"There is no model {plan.model!r}.", f"Choose one of {', '.join(MODELS)}.")
    nn.set_seed(plan.seed)
    make = nn.unet if plan.model == "unet" else nn.pointwise_net
    return make(len(plan.predictors), **plan.options)


def train(
    plan: Plan, out: str | os.PathLike[str], *, folder: str | None = None, verbose: bool = True
) -> dict:
    """Train, score on the test period, and write weights with their model card.

    Parameters
    ----------
    plan : Plan
    out : path
        Where the weights go, ending in ".npz".
    folder : str, optional
        Folder that holds ``air_temperature/5GB/*.nc``, instead of the bucket.
    verbose : bool
        Print one line per epoch.

    Returns
    -------
    dict
        The model card.

    Raises
    ------
    BootcampError
        If a half-finished training of another plan is in the way, or the loss is not finite.
    """
    from maelstrom_bootcamp import nn
    from maelstrom_bootcamp.nn.training import cosine_restarts

    periods = split(plan.size)
    check_split(periods)
    paths = {name: run_paths(dates, location=folder) for name, dates in periods.parts().items()}
    model = build(plan)
    common = {"batch_size": plan.batch_size, "patch": plan.patch, "predictors": plan.predictors}
    validation = make_dataset(paths["validation"], shuffle=False, **common)
    state = State(Path(f"{os.fspath(out)}.state.npz"), plan)
    data = make_dataset(paths["train"], seed=plan.seed, first_epoch=state.stored_epochs(), **common)
    rate = cosine_restarts(plan.cycle * int(data.cardinality()), plan.learning_rate)
    nn.compile_model(model, nn.QuantileLoss(uncertainty=plan.uncertainty, trim=plan.loss_trim), rate)
    state.restore(model)
    while len(state.history) < plan.epochs:
        epoch = len(state.history)
        span = {"initial_epoch": epoch, "epochs": epoch + 1}
        logs = model.fit(data, validation_data=validation, shuffle=False, verbose=0, **span)
        row = {name: float(values[0]) for name, values in logs.history.items()}
        state.advance(model, row)
        if verbose:
            print(f"epoch {epoch + 1:3d}   " + "   ".join(f"{k} {v:.4f}" for k, v in row.items()), flush=True)
    state.put_best(model)
    card = _write(model, plan, out, paths["train"], periods, state.history, folder)
    state.remove()
    return card


def _write(
    model: keras.Model,
    plan: Plan,
    out: str | os.PathLike[str],
    paths: Sequence[Path],
    periods: Split,
    history: list[dict[str, float]],
    folder: str | None,
) -> dict:
    from maelstrom_bootcamp import nn
    from maelstrom_bootcamp.nn.weights import as_stored

    # Round to what is stored before scoring: the card tells of the weights that are shipped.
    for variable in model.weights:
        variable.assign(as_stored(variable).astype(np.float32))
    method = Network(model, predictors=plan.predictors)
    scores = table(evaluate({plan.model: method}, periods.test, trim=plan.trim, location=folder))
    rounded = scores.droplevel("model").astype(float).round(4).dropna().to_dict("index")
    return nn.save_weights_npz(
        model,
        out,
        command=plan.command(),
        seed=plan.seed,
        data_hash=data_hash(paths),
        scores=rounded,
        plan=asdict(plan),
        history=history,
        best_epoch=best_epoch(history) + 1,
    )


def best_epoch(history: list[dict[str, float]]) -> int:
    """Index of the epoch with the lowest validation loss.

    Parameters
    ----------
    history : list of dict
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


class State:
    """What an interrupted training needs to go on, in one file.

    Parameters
    ----------
    path : pathlib.Path
    plan : Plan
        The file is refused if it belongs to another one (only ``epochs`` may differ).
    """

    def __init__(self, path: Path, plan: Plan) -> None:
        self.path = path
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
        for kind, variables in (("weight", model.weights), ("optimizer", model.optimizer.variables)):
            for i, variable in enumerate(variables):
                variable.assign(arrays[f"{kind}{i}"])
        self.best = [arrays[f"best{i}"] for i in range(len(model.weights))]

    def advance(self, model: keras.Model, row: dict[str, float]) -> None:
        """Note that an epoch is over, and write all down."""
        self.history.append(row)
        weights = model.get_weights()
        if not self.best or (
            np.isfinite(row["val_loss"]) and best_epoch(self.history) == len(self.history) - 1
        ):
            self.best = weights
        optimizer = [np.asarray(v) for v in model.optimizer.variables]
        arrays = {}
        for kind, values in (("weight", weights), ("optimizer", optimizer), ("best", self.best)):
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
        """Give the model the weights of its best epoch."""
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


def parse(arguments: Sequence[str] | None = None) -> tuple[Plan, argparse.Namespace]:
    """Read the command line.

    Parameters
    ----------
    arguments : sequence of str, optional

    Returns
    -------
    Plan, argparse.Namespace
    """
    default = Plan()
    parser = argparse.ArgumentParser(prog="python -m maelstrom_bootcamp.apps.yr.train", description=__doc__)
    parser.add_argument("--model", choices=MODELS, default=default.model)
    parser.add_argument("--size", choices=SIZES, default=settings().size)
    parser.add_argument("--data-seed", type=int, default=settings().seed)
    for name in ("seed", "epochs", "batch_size", "patch", "cycle", "trim", "loss_trim"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=getattr(default, name))
    parser.add_argument("--learning-rate", type=float, default=default.learning_rate)
    parser.add_argument("--uncertainty", choices=("exact", "approximate", "weights"))
    parser.add_argument("--option", nargs="+", default=[], metavar="NAME=VALUE", help="of the network")
    parser.add_argument("--drop", nargs="+", default=[], choices=PREDICTORS, metavar="PREDICTOR")
    parser.add_argument("--out", help="file of the weights (default: weights/MODEL-dD-sS.npz)")
    parser.add_argument("--folder", help="folder of air_temperature/5GB/*.nc, instead of the bucket")
    given = parser.parse_args(arguments)
    chosen = {k: v for k, v in vars(given).items() if k not in ("option", "drop", "out", "folder")}
    options = dict(_option(text, parser) for text in given.option)
    kept = tuple(p for p in PREDICTORS if p not in given.drop)
    return Plan(**chosen, options=options, predictors=kept), given


def _option(text: str, parser: argparse.ArgumentParser) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        parser.error(f"--option {text}: write NAME=VALUE")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, {"True": True, "False": False}.get(value, value)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train as the command line says.

    Parameters
    ----------
    arguments : sequence of str, optional

    Returns
    -------
    int
        0, or 1 after an error whose cause and cure were printed.
    """
    plan, given = parse(arguments)
    # The bucket follows the environment, as in a notebook.
    os.environ.update(MAELSTROM_SIZE=plan.size, MAELSTROM_SEED=str(plan.data_seed))
    out = given.out or f"weights/{plan.model}-d{plan.data_seed}-s{plan.seed}.npz"
    try:
        card = train(plan, out, folder=given.folder)
    except BootcampError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{out}: {card['parameters']:,} parameters, best epoch {card['best_epoch']}, {card['scores']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
