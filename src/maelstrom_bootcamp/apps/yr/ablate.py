"""What does each choice buy? The U-Net trained again and again, with one thing changed at a time.

Run ``python -m maelstrom_bootcamp.apps.yr.ablate --size default`` to train all variants with all seeds
(hours), score them on the test period and print the table. Each result is added to a small file as soon as it
is there, so that the command can be stopped at any time and goes on where it was: a half-finished training
from its last epoch, finished ones are not repeated. Notebook 8 of the chapter reads the file that is shipped.

A difference counts only if it is larger than what another seed does to the same network: `table` gives the
spread of the seeds beside each mean.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from maelstrom_bootcamp.apps.yr import reference
from maelstrom_bootcamp.apps.yr.dataset import run_paths
from maelstrom_bootcamp.apps.yr.evaluate import evaluate
from maelstrom_bootcamp.apps.yr.features import CONTROL, HIGH, LOW, PREDICTORS
from maelstrom_bootcamp.apps.yr.split import split
from maelstrom_bootcamp.apps.yr.train import Plan, train
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.nn.resumable import data_hash
from maelstrom_bootcamp.settings import SIZES, settings
from maelstrom_bootcamp.verify.bootstrap import paired_block_bootstrap

RESULTS = reference.FOLDER / "ablations.json"
REFERENCE = "reference"


#: The plan of the reference, the same as that of the shipped weights but for the size of the sample.
BASE = Plan(options={"batch_norm": True})


def _without(*names: str) -> tuple[str, ...]:
    return tuple(p for p in PREDICTORS if p not in names)


#: What is changed in the plan of the training. Names and choices follow MET Norway's configurations
#: (metno/maelstrom-train, ``etc/d1-3`` to ``etc/d1-7``).
VARIANTS: MappingProxyType[str, dict[str, Any]] = MappingProxyType(
    {
        REFERENCE: {},
        "no biases": {"predictors": _without("bias_yesterday", "bias_recent")},
        "temperature only": {"predictors": (CONTROL,)},
        "no ensemble": {"predictors": _without(LOW, HIGH)},
        "no x, y": {"predictors": _without("x", "y")},
        "ReLU": {"options": {"activation": "relu"}},
        "max pooling": {"options": {"pooling": "max"}},
        "3 x 3 kernels": {"options": {"kernel_size": 3}},
        "uncertainty in the loss": {"uncertainty": "exact"},
        "one level, no neighbours": {"options": {"levels": 1}},
        "three levels": {"options": {"levels": 3}},
        "no batch normalisation": {"options": {"batch_norm": False}},
        "no batch normalisation, Glorot's first weights": {
            "options": {"batch_norm": False, "initializer": "glorot"}
        },
        "border not in the loss": {"loss_trim": 32},
    }
)


def plans(
    base: Plan, seeds: Sequence[int], names: Sequence[str] | None = None
) -> dict[tuple[str, int], Plan]:
    """All trainings that are due, first all variants with the first seed.

    Parameters
    ----------
    base : Plan
        Of the reference.
    seeds : sequence of int
    names : sequence of str, optional
        Only these of `VARIANTS`.

    Returns
    -------
    dict
        (variant, seed) -> Plan.

    Raises
    ------
    BootcampError
        If a name is unknown.
    """
    names = list(VARIANTS) if names is None else list(names)
    unknown = [n for n in names if n not in VARIANTS]
    if unknown:
        raise BootcampError(f"There is no variant {unknown[0]!r}.", f"Choose from: {', '.join(VARIANTS)}.")
    return {(n, seed): _changed(base, seed, **VARIANTS[n]) for seed in seeds for n in names}


def _changed(base: Plan, seed: int, *, options: dict[str, Any] | None = None, **change: Any) -> Plan:
    """The base's plan with another seed and one thing changed; options are added to the base's."""
    return replace(base, seed=seed, options={**base.options, **(options or {})}, **change)


def run(
    due: dict[tuple[str, int], Plan],
    *,
    results: Path = RESULTS,
    scratch: Path,
    folder: str | None = None,
    verbose: bool = True,
) -> list[dict[str, Any]]:
    """Train and score what has no result yet.

    Parameters
    ----------
    due : dict
        From `plans`, all of one size of the sample.
    results : pathlib.Path
        File of the results; each is added as soon as it is there.
    scratch : pathlib.Path
        Folder for the weights; removing it costs only time.
    folder : str, optional
        Folder that holds ``air_temperature/5GB/*.nc``, instead of the bucket.
    verbose : bool
        Print what is being done.

    Returns
    -------
    list of dict
        All results of the file.
    """
    size = next(iter(due.values())).size
    data = data_hash(run_paths(split(size).train, location=folder))
    for (name, seed), plan in due.items():
        known = load(results)
        if any(r["command"] == plan.command() and r["data_hash"] == data for r in known):
            continue
        if verbose:
            print(f"{name}, seed {seed}: {plan.command()}", flush=True)
        record = _one(name, plan, data, scratch, folder, verbose)
        # Results of the same variant and seed, from other settings or other data, are out of date.
        others = [r for r in load(results) if (r["variant"], r["seed"]) != (name, seed)]
        _save([*others, record], results)
    return load(results)


def _one(
    name: str, plan: Plan, data: str, scratch: Path, folder: str | None, verbose: bool
) -> dict[str, Any]:
    stem = f"{''.join(c if c.isalnum() else '-' for c in name)}-s{plan.seed}"
    path = scratch / f"{stem}.npz"
    began = time.perf_counter()
    card = _finished(path, plan, data) or train(plan, path, folder=folder, verbose=verbose)
    seconds = time.perf_counter() - began
    method = reference.load_method(stem, folder=scratch)
    scores = evaluate({name: method}, split(plan.size).test, trim=plan.trim, location=folder)
    daily = scores.isel(model=0).sel(surface="all")[["quantile_score", "mae"]].mean("leadtime")
    return {
        "variant": name,
        "seed": plan.seed,
        "size": plan.size,
        "epochs": plan.epochs,
        "parameters": card["parameters"],
        "best_epoch": card["best_epoch"],
        "scores": card["scores"],
        "daily": {k: [round(float(x), 4) for x in v.values] for k, v in daily.data_vars.items()},
        "seconds": round(seconds),
        "command": plan.command(),
        "data_hash": data,
        "machine": card["machine"],
        "versions": card["versions"],
    }


def _finished(path: Path, plan: Plan, data: str) -> dict[str, Any] | None:
    """The card of weights that this very plan has left, if it was stopped between training and scoring."""
    if not path.is_file():
        return None
    from maelstrom_bootcamp import nn

    card = nn.read_model_card(path)
    return card if (card["command"], card["data_hash"]) == (plan.command(), data) else None


def load(results: Path = RESULTS) -> list[dict[str, Any]]:
    """Read the results; an empty list if there are none.

    Parameters
    ----------
    results : pathlib.Path

    Returns
    -------
    list of dict
        One per training: variant, seed, size, epochs, parameters, best_epoch, scores (of each surface), daily
        scores, seconds (of the last call, if it was stopped; null if it was paused), command, data_hash,
        machine and versions.
    """
    return json.loads(results.read_text(encoding="utf-8")) if results.is_file() else []


def _save(records: list[dict[str, Any]], results: Path) -> None:
    order = list(VARIANTS)
    records = sorted(records, key=lambda r: (order.index(r["variant"]), r["seed"]))
    lines = ",\n".join(json.dumps(r) for r in records)
    results.parent.mkdir(parents=True, exist_ok=True)
    part = results.with_name(f".{results.name}.{os.getpid()}")
    part.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    part.replace(results)


def table(records: Sequence[dict[str, Any]], score: str = "quantile_score") -> pd.DataFrame:
    """One row for each variant: mean over the seeds, their spread, and what may be said about the difference.

    Parameters
    ----------
    records : sequence of dict
        From `load` or `run`.
    score : str
        "quantile_score", "mae" or another score of the cards where lower is better.

    Returns
    -------
    pandas.DataFrame
        Index: variant. ``seeds`` (how many), ``parameters``, ``mean``, ``lowest`` and ``highest`` of the
        seeds in K, ``percent`` (difference of the means to the reference) and ``verdict`` (see `verdict`).
    """
    values: dict[str, list[float]] = {}
    parameters = {}
    for r in records:
        values.setdefault(r["variant"], []).append(r["scores"]["all"][score])
        parameters[r["variant"]] = r["parameters"]
    base = values.get(REFERENCE, [])
    rows = {}
    for name in [n for n in VARIANTS if n in values]:
        mine = values[name]
        rows[name] = {
            "seeds": len(mine),
            "parameters": parameters[name],
            "mean": float(np.mean(mine)),
            "lowest": min(mine),
            "highest": max(mine),
            "percent": 100 * (float(np.mean(mine)) / float(np.mean(base)) - 1) if base else float("nan"),
            "verdict": "" if name == REFERENCE else verdict(mine, base),
        }
    columns = ["seeds", "parameters", "mean", "lowest", "highest", "percent", "verdict"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("variant")


def verdict(mine: Sequence[float], base: Sequence[float]) -> str:
    """Whether two sets of scores (lower is better), one per seed, differ by more than the seeds do.

    They do if the two ranges do not overlap. With one seed there is no range.

    Parameters
    ----------
    mine, base : sequence of float
        Scores of a variant and of the reference.

    Returns
    -------
    str
        "better", "worse", "cannot tell", or "one seed" if one of them has fewer than two.
    """
    if min(len(mine), len(base)) < 2:
        return "one seed"
    if max(mine) < min(base):
        return "better"
    return "worse" if min(mine) > max(base) else "cannot tell"


def weather(
    records: Sequence[dict[str, Any]], score: str = "quantile_score", *, block: int = 5, n: int = 2000
) -> pd.DataFrame:
    """Would the difference survive other weather? Paired block bootstrap over the test days.

    Each variant and the reference are averaged over the seeds that both have, so that what is left to luck is
    the weather.

    Parameters
    ----------
    records : sequence of dict
        From `load` or `run`, all of one size of the sample.
    score : {"quantile_score", "mae"}
    block : int
        Length of a block, days.
    n : int
        Number of resamples.

    Returns
    -------
    pandas.DataFrame
        Index: variant. ``percent`` (difference to the reference) and ``low`` and ``high``, the ends of its
        95 % interval. Variants without a seed in common with the reference are left out.
    """
    daily: dict[str, dict[int, list[float]]] = {}
    for r in records:
        daily.setdefault(r["variant"], {})[r["seed"]] = r["daily"][score]
    base, rows = daily.get(REFERENCE, {}), {}
    for name in [v for v in VARIANTS if v in daily and v != REFERENCE]:
        common = sorted(daily[name].keys() & base.keys())
        if common:
            days = {"time": pd.DatetimeIndex(split(records[0]["size"]).test)}
            mine, theirs = (
                xr.DataArray(np.mean([d[s] for s in common], 0), days, ["time"]) for d in (daily[name], base)
            )
            found = paired_block_bootstrap(mine, theirs, block, n, relative=True)
            rows[name] = [100 * float(v) for v in found]
    return pd.DataFrame.from_dict(rows, orient="index", columns=["percent", "low", "high"])


def missing(records: Sequence[dict[str, Any]], seeds: Sequence[int] = (0, 1, 2)) -> list[tuple[str, int]]:
    """Variants and seeds that have no result yet.

    Parameters
    ----------
    records : sequence of dict
    seeds : sequence of int
        Those that are wanted.

    Returns
    -------
    list of (str, int)
    """
    there = {(r["variant"], r["seed"]) for r in records}
    return [(name, seed) for seed in seeds for name in VARIANTS if (name, seed) not in there]


def main(arguments: Sequence[str] | None = None) -> int:
    """Train what is missing and print the table.

    Parameters
    ----------
    arguments : sequence of str, optional

    Returns
    -------
    int
        0, or 1 after an error whose cause and cure were printed.
    """
    default = BASE
    parser = argparse.ArgumentParser(prog="python -m maelstrom_bootcamp.apps.yr.ablate", description=__doc__)
    parser.add_argument("--size", choices=SIZES, default=settings().size)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument(
        "--only", nargs="+", choices=list(VARIANTS), metavar="VARIANT", help=", ".join(VARIANTS)
    )
    parser.add_argument("--epochs", type=int, default=default.epochs)
    parser.add_argument("--batch-size", type=int, default=default.batch_size)
    parser.add_argument("--patch", type=int, default=default.patch)
    parser.add_argument("--trim", type=int, default=default.trim)
    parser.add_argument("--loss-trim", type=int, default=default.loss_trim)
    parser.add_argument("--out", type=Path, default=RESULTS, help="file of the results")
    parser.add_argument(
        "--scratch", type=Path, help="folder of the weights (default: in the bucket's folder)"
    )
    parser.add_argument("--folder", help="folder of air_temperature/5GB/*.nc, instead of the bucket")
    given = parser.parse_args(arguments)
    # The course's own weather, whatever the environment says.
    os.environ.update(MAELSTROM_SIZE=given.size, MAELSTROM_SEED="0")
    base = replace(
        BASE,
        size=given.size,
        epochs=given.epochs,
        cycle=given.epochs,
        batch_size=given.batch_size,
        patch=given.patch,
        trim=given.trim,
        loss_trim=given.loss_trim,
    )
    scratch = given.scratch or settings().root / "ablations" / given.size
    try:
        due = plans(base, given.seeds, given.only)
        records = run(due, results=given.out, scratch=scratch, folder=given.folder)
    except BootcampError as error:
        print(error, file=sys.stderr)
        return 1
    print(table(records).round(4).to_string())
    return 0


if __name__ == "__main__":
    sys.exit(main())
