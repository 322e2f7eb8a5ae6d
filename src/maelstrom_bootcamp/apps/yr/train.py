"""Train A1's reference models at full size: ``python -m maelstrom_bootcamp.apps.yr.train --help``.

A training may take hours, and may be stopped after any epoch (see `maelstrom_bootcamp.nn.resumable`): the
same command goes on, with the shuffling order of the epoch that is due. In the end the best weights are
scored on the test period and written with their model card; then the file of the state is removed.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maelstrom_bootcamp.apps.yr.dataset import run_paths
from maelstrom_bootcamp.apps.yr.evaluate import Network, evaluate, table
from maelstrom_bootcamp.apps.yr.features import PREDICTORS
from maelstrom_bootcamp.apps.yr.loader import make_dataset
from maelstrom_bootcamp.apps.yr.split import Split, check_split, split
from maelstrom_bootcamp.errors import BootcampError, exit_code
from maelstrom_bootcamp.nn import resumable
from maelstrom_bootcamp.nn.resumable import State, best_epoch, data_hash, round_as_stored
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
        values = asdict(self)
        kept = values.pop("predictors")
        values["drop"] = [p for p in PREDICTORS if p not in kept]
        return resumable.command("maelstrom_bootcamp.apps.yr.train", values)


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

    def one_epoch(epoch: int) -> dict[str, float]:
        span = {"initial_epoch": epoch, "epochs": epoch + 1}
        logs = model.fit(data, validation_data=validation, shuffle=False, verbose=0, **span)
        return {name: float(values[0]) for name, values in logs.history.items()}

    state.run(model, one_epoch, plan.epochs, verbose=verbose)
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

    round_as_stored(model)  # before scoring: the card tells of the weights that are shipped
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
    resumable.add_option(parser)
    parser.add_argument("--drop", nargs="+", default=[], choices=PREDICTORS, metavar="PREDICTOR")
    parser.add_argument("--out", help="file of the weights (default: weights/MODEL-dD-sS.npz)")
    parser.add_argument("--folder", help="folder of air_temperature/5GB/*.nc, instead of the bucket")
    given = parser.parse_args(arguments)
    chosen = {k: v for k, v in vars(given).items() if k not in ("option", "drop", "out", "folder")}
    options = resumable.options(given.option, parser)
    kept = tuple(p for p in PREDICTORS if p not in given.drop)
    return Plan(**chosen, options=options, predictors=kept), given


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

    def work() -> None:
        card = train(plan, out, folder=given.folder)
        print(f"{out}: {card['parameters']:,} parameters, best epoch {card['best_epoch']}, {card['scores']}")

    return exit_code(work)


if __name__ == "__main__":
    sys.exit(main())
