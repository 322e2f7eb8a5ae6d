"""Train A3's reference networks: ``python -m maelstrom_bootcamp.apps.radiation.train --help``.

The reference trains with Adam, a learning rate that grows with the batch and is cut to a quarter when the
validation loss has not fallen for four epochs, and ends after six (``--schedule plateau``). That takes some
ten thousand updates. The sample's trainings have a few thousand, and a rate that falls like a cosine makes
the most of them. A training may be stopped after any epoch (see `maelstrom_bootcamp.nn.resumable`): the same
command goes on. In the end the best weights are scored on the test columns and written with their model card.

Networks of sunlight are trained on sunlit columns only. At night all fluxes are 0, and so is what the
networks give, whatever their weights (but for the heating rates of min_cnn and its flux at the top: a weather
model does not ask for sunlight at night). Half of the columns would cost time and teach little.
"""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType

from maelstrom_bootcamp import nn
from maelstrom_bootcamp.apps.radiation import networks
from maelstrom_bootcamp.apps.radiation.budget import budget
from maelstrom_bootcamp.apps.radiation.columns import label_noise, load_split
from maelstrom_bootcamp.apps.radiation.evaluate import Network, errors, noise_of
from maelstrom_bootcamp.apps.radiation.layers import BANDS
from maelstrom_bootcamp.apps.radiation.tables import table
from maelstrom_bootcamp.apps.radiation.trainer import (
    SCALINGS,
    SCHEDULES,
    Columns,
    Plan,
    Trainer,
    is_over,
    learns,
    scales,
    teaching,
)
from maelstrom_bootcamp.errors import BootcampError, exit_code
from maelstrom_bootcamp.nn import resumable
from maelstrom_bootcamp.nn.blocks import check_choice
from maelstrom_bootcamp.settings import SIZES, settings

import keras

_FAMILIES = (networks.min_cnn, networks.cnn, networks.attention, networks.rnn, networks.dense, budget)
MODELS: Mapping[str, Callable[..., keras.Model]] = MappingProxyType({f.__name__: f for f in _FAMILIES})


def build(plan: Plan, maxima: networks.Maxima | None = None) -> keras.Model:
    """The network of a plan, not compiled; seeds are set first.

    Parameters
    ----------
    plan : Plan
    maxima : mapping, optional
        By what the inputs are divided, as the card of a training has it; default: the published maxima.

    Returns
    -------
    keras.Model

    Raises
    ------
    BootcampError
        If there is no such model, or it cannot be built.
    """
    check_choice("model", plan.model, tuple(MODELS))
    nn.set_seed(plan.seed)
    try:
        return MODELS[plan.model](band=plan.band, maxima=maxima, **plan.options)
    except TypeError as error:
        raise BootcampError(
            f"{plan.model} cannot be built ({error}).", "Look up its arguments in apps/radiation/networks.py."
        ) from error


def train(
    plan: Plan,
    out: str | os.PathLike[str],
    *,
    data: Mapping[str, Columns] | None = None,
    noise: Columns | None = None,
    verbose: bool = True,
) -> dict:
    """Train, score on the test columns, and write weights with their model card.

    Parameters
    ----------
    plan : Plan
    out : path
        Where the weights go, ending in ".npz".
    data : mapping of str to mapping, optional
        "train", "validation" and "test" columns, instead of those of the (served) sample.
    noise : mapping, optional
        Of the test columns, see `maelstrom_bootcamp.apps.radiation.columns.label_noise`; with `data`.
    verbose : bool
        Print one line per epoch.

    Returns
    -------
    dict
        The model card. Its "scores" are bias, MAE and RMSE in W/m² or K/day on the test columns (of sunlight:
        the sunlit ones), and the RMS of the noise of their labels.

    Raises
    ------
    BootcampError
        If a half-finished training of another plan is in the way, or the loss is never finite.
    """
    if data is None:
        data = {split: load_split(split, plan.size) for split in ("train", "validation", "test")}
        noise = label_noise("test", plan.size)
    taught = {part: teaching(data[part], plan.band) for part in ("train", "validation")}
    maxima = scales(taught["train"], plan.scaling)
    model = build(plan, maxima)
    state = resumable.State(Path(f"{os.fspath(out)}.state.npz"), plan)
    trainer = Trainer(model, plan, taught["train"], taught["validation"])
    state.restore(model)
    state.run(
        model,
        lambda epoch: trainer.one_epoch(epoch, state.history),
        plan.epochs,
        over=is_over if plan.schedule == "plateau" else None,
        kept=trainer.kept,
        verbose=verbose,
    )
    resumable.round_as_stored(model)  # before scoring: the card tells of the weights that are shipped
    card = nn.save_weights_npz(
        model,
        out,
        command=plan.command(),
        seed=plan.seed,
        data_hash=resumable.array_hash(data["train"]),
        scores=score(model, plan.band, data["test"], noise),
        plan=asdict(plan),
        maxima=maxima,
        history=state.history,
        best_epoch=resumable.best_epoch(state.history) + 1,
    )
    state.remove()
    return card


def score(
    model: keras.Model, band: str, columns: Columns, noise: Columns | None = None
) -> dict[str, dict[str, float]]:
    """Scores of a network on columns: of sunlight the sunlit ones, of heat all.

    Parameters
    ----------
    model : keras.Model
    band : {"sw", "lw"}
    columns : mapping of str to array
        Inputs and labels.
    noise : mapping of str to array, optional
        Standard errors of the labels.

    Returns
    -------
    dict
        Quantity -> {bias, mae, rmse, n columns, and with noise: noise, rmse_above_noise}, see
        `maelstrom_bootcamp.apps.radiation.tables.table`.
    """
    taught = learns(columns, band)
    found = errors({model.name: Network((model,))}, columns)
    known = None if noise is None else noise_of(noise)
    rows = table(found, known, {"taught": taught}).loc["taught", band].droplevel("model")
    return {
        quantity: {name: round(float(value), 4) for name, value in row.dropna().items()}
        for quantity, row in rows.iterrows()
    }


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
    parser = argparse.ArgumentParser(
        prog="python -m maelstrom_bootcamp.apps.radiation.train", description=__doc__
    )
    parser.add_argument("--model", choices=tuple(MODELS), default=default.model)
    parser.add_argument("--band", choices=BANDS, default=default.band)
    parser.add_argument("--size", choices=SIZES, default=settings().size)
    parser.add_argument("--data-seed", type=int, default=settings().seed)
    for name in ("seed", "epochs", "batch_size"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=getattr(default, name))
    parser.add_argument("--learning-rate", type=float, help="of a batch of 256 (default: as published)")
    parser.add_argument("--schedule", choices=SCHEDULES, default=default.schedule)
    parser.add_argument("--scaling", choices=SCALINGS, default=default.scaling)
    parser.add_argument("--heating-weight", type=float, help="in the loss (default: as published)")
    parser.add_argument("--ema", type=float, help="see Plan")
    parser.add_argument("--huber", action="store_true", help="see Plan")
    for name in ("thick", "weight_decay", "clip"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=getattr(default, name))
    parser.add_argument("--ease", type=float, default=default.ease, help="see Plan")
    resumable.add_option(parser)
    parser.add_argument("--out", help="file of the weights (default: weights/MODEL-BAND-dD-sS.npz)")
    given = parser.parse_args(arguments)
    chosen = {k: v for k, v in vars(given).items() if k not in ("option", "out")}
    return Plan(**chosen, options=resumable.options(given.option, parser)), given


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
    out = given.out or f"weights/{plan.model}-{plan.band}-d{plan.data_seed}-s{plan.seed}.npz"

    def work() -> None:
        card = train(plan, out)
        print(f"{out}: {card['parameters']:,} parameters, best epoch {card['best_epoch']}")
        for quantity, row in card["scores"].items():
            print(f"{quantity:13s} " + "   ".join(f"{name} {value:.3f}" for name, value in row.items()))

    return exit_code(work)


if __name__ == "__main__":
    sys.exit(main())
