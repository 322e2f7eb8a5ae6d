"""Train A4's reference networks: ``python -m maelstrom_bootcamp.apps.ens10.train --help``.

One call makes one training; the table of chapter 04 has 24 of them: four networks, three targets, five and
ten members. ``--all`` makes those that are missing, and six more behind local EMOS, one after the other and
as they are shipped (see `shipped_plans`): an hour of one core at size full. A training may be stopped after
any epoch (see `maelstrom_bootcamp.nn.resumable`): the same command goes on. The epoch with the best score on
the validation years is kept, scored on the test years and written with its model card.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from maelstrom_bootcamp import nn
from maelstrom_bootcamp.apps.ens10.correctors import MODELS, corrector
from maelstrom_bootcamp.apps.ens10.dataset import TASKS, area_mean, read_members, read_truth, task
from maelstrom_bootcamp.apps.ens10.fitted import load_fitted
from maelstrom_bootcamp.apps.ens10.predictors import SEES, Scaling, find_scaling, network_inputs
from maelstrom_bootcamp.apps.ens10.trainer import AT_ONCE, RECIPES, SHIPPED, Plan, Trainer
from maelstrom_bootcamp.errors import BootcampError, exit_code
from maelstrom_bootcamp.nn import resumable
from maelstrom_bootcamp.nn.blocks import check_choice
from maelstrom_bootcamp.settings import SIZES, settings
from maelstrom_bootcamp.verify.ensemble import crps_normal
from maelstrom_bootcamp.verify.scores import crps_ensemble

if TYPE_CHECKING:
    import keras

BASES = ("raw", "emos")
#: Members and truth of a split.
Pair = tuple[xr.Dataset, xr.DataArray]


def build(plan: Plan, scaling: Scaling, rows: int, columns: int) -> keras.Model:
    """The corrector of a plan, not compiled; seeds are set first.

    Raises
    ------
    BootcampError
        If there is no such model, or it cannot be built.
    """
    check_choice("model", plan.model, tuple(MODELS))
    nn.set_seed(plan.seed)
    size = {"members": plan.members, "rows": rows, "columns": columns}
    try:
        return corrector(plan.model, plan.target, scaling, **size, **plan.options)
    except TypeError as error:
        raise BootcampError(
            f"{plan.model} cannot be built ({error}).", "Look up its arguments in apps/ens10/networks.py."
        ) from error


def base_of(plan: Plan, members: xr.Dataset) -> xr.Dataset | None:
    """The normal forecast that a plan's network corrects; None is the raw ensemble.

    Raises
    ------
    BootcampError
        If there is no such base, or the network corrects members.
    """
    check_choice("base", plan.base, BASES)
    if plan.base == "raw":
        return None
    if SEES[plan.model] == "members":
        raise BootcampError(f"{plan.model} corrects members, not a distribution.", "Choose --base raw.")
    return load_fitted(plan.target, plan.members).predict(members)


def predict(
    model: keras.Model, scaling: Scaling, sees: str, members: xr.Dataset, base: xr.Dataset | None = None
) -> xr.Dataset:
    """Correct forecasts.

    Parameters
    ----------
    model : keras.Model
        A corrector.
    scaling : Scaling
        Of its training data.
    sees : {"points", "fields", "members"}
        What its network sees.
    members : xarray.Dataset
        (time, member, latitude, longitude), as from `read_members`.
    base : xarray.Dataset, optional
        Normal forecast to be corrected instead of the raw ensemble, see `base_of`.

    Returns
    -------
    xarray.Dataset
        Normal distributions: ``mu`` and ``sigma``, (time, latitude, longitude), in the unit of the target.
    """
    parts = []
    for start in range(0, members.sizes["time"], AT_ONCE):
        some = {"time": slice(start, start + AT_ONCE)}
        part = None if base is None else base.isel(some)
        inputs = network_inputs(members.isel(some), scaling, sees, part)
        parts.append(np.asarray(model(inputs, training=False)))
    values = np.concatenate(parts)
    dims = ("time", "latitude", "longitude")
    units = {"units": task(members.attrs["target"]).units}
    data = {name: (dims, values[..., i], units) for i, name in enumerate(("mu", "sigma"))}
    return xr.Dataset(data, {dim: members[dim] for dim in dims})


def score(forecast: xr.Dataset, members: xr.Dataset, truth: xr.DataArray) -> dict[str, float]:
    """CRPS of a corrected forecast and of the raw ensemble, means over dates and the globe by area.

    Parameters
    ----------
    forecast : xarray.Dataset
        ``mu`` and ``sigma``.
    members : xarray.Dataset
        The raw ensemble.
    truth : xarray.DataArray

    Returns
    -------
    dict
        ``crps`` and ``crps_raw`` in the unit of the target, ``crpss`` = 1 - crps / crps_raw.
    """
    own = task(members.attrs["target"]).own
    ours = float(area_mean(crps_normal(forecast["mu"], forecast["sigma"], truth, dims="time")))
    raw = float(area_mean(crps_ensemble(members[own], truth, dims="time")))
    return {"crps": ours, "crps_raw": raw, "crpss": 1 - ours / raw}


def read(plan: Plan, splits: Sequence[str] = ("fit", "validation", "test")) -> dict[str, Pair]:
    """Members and truth of the plan's target, by split."""
    return {
        split: (
            read_members(plan.target, split, members=plan.members, size=plan.size),
            read_truth(plan.target, split, size=plan.size),
        )
        for split in splits
    }


def train(
    plan: Plan,
    out: str | os.PathLike[str],
    *,
    data: Mapping[str, Pair] | None = None,
    verbose: bool = True,
) -> dict:
    """Train, score on the test years, and write weights with their model card.

    Parameters
    ----------
    plan : Plan
    out : path
        Where the weights go, ending in ".npz".
    data : mapping of str to (members, truth), optional
        Of "fit", "validation" and "test", instead of those of the sample.
    verbose : bool
        Print one line per epoch.

    Returns
    -------
    dict
        The model card. Its "scores" are those of `score` on the test years.

    Raises
    ------
    BootcampError
        If a half-finished training of another plan is in the way, or the loss is never finite.
    """
    data = read(plan) if data is None else data
    scaling, sees = find_scaling(data["fit"][0]), SEES[plan.model]
    arrays = {
        split: network_inputs(data[split][0], scaling, sees, base_of(plan, data[split][0]))
        | {"truth": data[split][1].values}
        for split in ("fit", "validation")
    }
    rows, columns = arrays["fit"]["truth"].shape[1:]
    model = build(plan, scaling, rows, columns)
    trainer = Trainer(model, plan, arrays["fit"], arrays["validation"], data["fit"][1]["latitude"].values)
    state = resumable.State(Path(f"{os.fspath(out)}.state.npz"), plan)
    state.restore(model)
    start = time.process_time()
    state.run(model, trainer.one_epoch, plan.epochs, kept=trainer.kept, verbose=verbose)
    seconds = time.process_time() - start
    resumable.round_as_stored(model)  # before scoring: the card tells of the weights that are shipped
    members, truth = data["test"]
    scores = score(predict(model, scaling, sees, members, base_of(plan, members)), members, truth)
    card = nn.save_weights_npz(
        model,
        out,
        command=plan.command(),
        seed=plan.seed,
        data_hash=resumable.array_hash(arrays["fit"]),
        scores={name: round(value, 5) for name, value in scores.items()},
        plan=asdict(plan),
        scaling=scaling.as_dict(),
        grid=[rows, columns],
        forecasts=len(arrays["fit"]["truth"]),
        cpu_seconds=round(seconds),
        history=state.history,
        best_epoch=resumable.best_epoch(state.history) + 1,
    )
    state.remove()
    return card


def name_of(plan: Plan) -> str:
    """Name of the weights: model, target and members, e.g. ``unet-t2m-5`` or ``unet_on_emos-t2m-5``."""
    model = plan.model if plan.base == "raw" else f"{plan.model}_on_{plan.base}"
    return f"{model}-{plan.target}-{plan.members}"


def shipped_plans(size: str = "full", data_seed: int = 0, seed: int = 0) -> list[Plan]:
    """The trainings that the course ships: the table of chapter 04, and the U-Nets behind local EMOS.

    Parameters
    ----------
    size : {"ci", "default", "full"}
    data_seed, seed : int
        See `Plan`.

    Returns
    -------
    list of Plan
    """
    common = {"size": size, "data_seed": data_seed, "seed": seed, **SHIPPED}
    made = [
        Plan(model=model, target=target, members=members, **common, **RECIPES[model])
        for model, target, members in product(MODELS, TASKS, (5, 10))
    ]
    behind = [replace(p, base="emos", epochs=6) for p in made if p.model == "unet"]
    return made + behind


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
        prog="python -m maelstrom_bootcamp.apps.ens10.train", description=__doc__
    )
    parser.add_argument("--model", choices=tuple(MODELS), default=default.model)
    parser.add_argument("--target", choices=tuple(TASKS), default=default.target)
    parser.add_argument("--base", choices=BASES, default=default.base, help="what is corrected")
    parser.add_argument("--size", choices=SIZES, default=settings().size)
    parser.add_argument("--data-seed", type=int, default=settings().seed)
    for name in ("members", "seed", "epochs", "batch_size"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=getattr(default, name))
    parser.add_argument("--learning-rate", type=float, help="the highest (default: of the model)")
    parser.add_argument("--ema", type=float, help="see Plan")
    for name in ("weight_decay", "clip"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=getattr(default, name))
    parser.add_argument("--flat", action="store_true", help="all grid points count alike")
    resumable.add_option(parser)
    parser.add_argument("--all", action="store_true", help="what the course ships and is not there yet")
    parser.add_argument("--out", default="weights", help="folder of the weights (default: weights)")
    given = parser.parse_args(arguments)
    chosen = {k: v for k, v in vars(given).items() if k not in ("option", "out", "all")}
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
    first, given = parse(arguments)
    # The bucket follows the environment, as in a notebook.
    os.environ.update(MAELSTROM_SIZE=first.size, MAELSTROM_SEED=str(first.data_seed))
    plans = shipped_plans(first.size, first.data_seed, first.seed) if given.all else [first]

    def work() -> None:
        for plan in plans:
            out = Path(given.out) / f"{name_of(plan)}.npz"
            if given.all and out.is_file():
                continue
            card = train(plan, out)
            scores = card["scores"]
            print(
                f"{out}: {card['parameters']:,} parameters, best epoch {card['best_epoch']}, CRPS "
                f"{scores['crps']:.4g} {task(plan.target).units} (raw ensemble {scores['crps_raw']:.4g})"
            )

    return exit_code(work)


if __name__ == "__main__":
    sys.exit(main())
