"""Is it the method or the luck? Everything again, with other weather and other first weights.

Run ``python -m maelstrom_bootcamp.apps.yr.replicate --size full`` (a day on two cores): for each data seed it
makes the sample, fits the baselines, trains both networks with each training seed, and scores all on the test
period. It may be stopped at any time and goes on where it was: scores are kept in files as soon as they are
there. The table in the end compares methods over all data seeds at once; a network's score is the mean over
its training seeds, so that no lucky training speaks for it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import xarray as xr

from maelstrom_bootcamp import bucket
from maelstrom_bootcamp.apps.yr import reference
from maelstrom_bootcamp.apps.yr.ablate import BASE
from maelstrom_bootcamp.apps.yr.baselines import ElevationCorrection, Raw, Regression, Today
from maelstrom_bootcamp.apps.yr.dataset import open_runs
from maelstrom_bootcamp.apps.yr.evaluate import Method, compare, evaluate, table
from maelstrom_bootcamp.apps.yr.split import split
from maelstrom_bootcamp.apps.yr.train import MODELS, Plan, train
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.settings import SIZES, settings

THIN = 4  # baselines are fitted on every 4th row and column


def baselines(size: str, folder: str | None = None) -> dict[str, Method]:
    """The baselines of the chapter, fitted on the training period; dressed for land and sea apart.

    ``today_lead`` is Today with one range for land and sea together: what the sea's calm is worth to a range.

    Parameters
    ----------
    size : {"ci", "default", "full"}
    folder : str, optional
        Folder that holds ``air_temperature/5GB/*.nc``, instead of the bucket.

    Returns
    -------
    dict
        raw, elevation, today, regression, today_lead.
    """
    runs = open_runs(split(size).train, thin=THIN, location=folder)
    dressed = {"elevation": ElevationCorrection, "today": Today, "regression": Regression}
    fitted = {name: make(by_surface=True).fit(runs) for name, make in dressed.items()}
    return {"raw": Raw(), **fitted, "today_lead": Today().fit(runs)}


def score(
    base: Plan, seeds: Sequence[int], scratch: Path, *, folder: str | None = None, verbose: bool = True
) -> xr.Dataset:
    """Scores of all methods for the weather of one data seed.

    Parameters
    ----------
    base : Plan
        Of the networks; its data seed, size and options count.
    seeds : sequence of int
        Training seeds.
    scratch : pathlib.Path
        Folder for weights and scores. What is there already is not made again.
    folder : str, optional
        Folder that holds ``air_temperature/5GB/*.nc``, instead of the bucket.
    verbose : bool

    Returns
    -------
    xarray.Dataset
        As from `maelstrom_bootcamp.apps.yr.evaluate.evaluate`; networks are called MODEL-dD-sS.
    """
    test, parts = split(base.size).test, []

    def once(label: str, make: dict[str, Method] | None) -> xr.Dataset:
        path = scratch / f"scores-{label}.nc"
        if not path.is_file():
            methods = make or _network(base, label, scratch, folder, verbose)
            found = evaluate(methods, test, trim=base.trim, location=folder)
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(f".{os.getpid()}")
            found.to_netcdf(part)
            part.replace(path)
        with xr.open_dataset(path) as kept:
            return kept.load()

    label = f"baselines-d{base.data_seed}"
    known = (scratch / f"scores-{label}.nc").is_file()
    parts.append(once(label, {} if known else baselines(base.size, folder)))
    names = [f"{model}-d{base.data_seed}-s{seed}" for seed in seeds for model in MODELS]
    parts += [once(name, None) for name in names]
    return xr.concat([p.drop_vars("pixels") for p in parts], "model").assign(pixels=parts[0]["pixels"])


def _network(base: Plan, name: str, scratch: Path, folder: str | None, verbose: bool) -> dict[str, Method]:
    path = scratch / f"{name}.npz"
    if not path.is_file():
        model, _, seed = name.split("-")
        plan = replace(base, model=model, seed=int(seed.removeprefix("s")))
        if verbose:
            print(plan.command(), flush=True)
        train(plan, path, folder=folder, verbose=verbose)
    return {name: reference.load_method(name, folder=scratch)}


def pooled(scores: Sequence[xr.Dataset]) -> xr.Dataset:
    """One set of scores of several data seeds: days in a row, networks averaged over their training seeds.

    Parameters
    ----------
    scores : sequence of xarray.Dataset
        From `score`, one for each data seed.

    Returns
    -------
    xarray.Dataset
        The same dimensions; the days of the second seed follow those of the first.
    """
    days = []
    for one in scores:
        kinds = [str(name).split("-")[0] for name in one["model"].values]
        mean = one.drop_vars("pixels").assign_coords(model=kinds).groupby("model").mean()
        days.append(mean.sel(model=list(dict.fromkeys(kinds))))
    together = xr.concat([d.drop_vars("time") for d in days], "time")
    return together.assign(pixels=scores[0]["pixels"])


def report(scores: Sequence[xr.Dataset], block: int = 5) -> str:
    """Mean scores, differences with 95 % intervals, and the spread over seeds, as text.

    Parameters
    ----------
    scores : sequence of xarray.Dataset
        From `score`, one for each data seed.
    block : int
        Length of the bootstrap's blocks, days.

    Returns
    -------
    str
    """
    whole = pooled(scores)
    lines = [table(whole).drop(columns="pixels").round(4).to_string()]
    for other in ("today", "today_lead", "pointwise"):
        found = compare(whole, other, block=block)
        lines += [f"\nagainst {other}, percent, 95 % interval", found.round(1).to_string()]
    rows = {}
    for one in scores:
        kept = table(one).loc["all", ["quantile_score", "mae", "coverage", "width"]]
        rows |= {name: row for name, row in kept.iterrows() if "-" in name}
    lines += ["\neach training, all pixels", pd.DataFrame(rows).T.round(4).to_string()]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train what is missing, score, and print the tables.

    Parameters
    ----------
    arguments : sequence of str, optional

    Returns
    -------
    int
        0, or 1 after an error whose cause and cure were printed.
    """
    parser = argparse.ArgumentParser(
        prog="python -m maelstrom_bootcamp.apps.yr.replicate", description=__doc__
    )
    parser.add_argument("--size", choices=SIZES, default=settings().size)
    parser.add_argument("--data-seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="of the trainings")
    parser.add_argument("--epochs", type=int, default=BASE.epochs)
    parser.add_argument("--block", type=int, default=5, help="days in a block of the bootstrap")
    parser.add_argument(
        "--scratch", type=Path, help="folder of weights and scores (default: in the bucket's)"
    )
    given = parser.parse_args(arguments)
    scratch = given.scratch or settings().root / "replicate" / given.size
    scores = []
    try:
        for data_seed in given.data_seeds:
            os.environ.update(MAELSTROM_SIZE=given.size, MAELSTROM_SEED=str(data_seed))
            bucket.serve("maelstrom-yr")
            plan = replace(
                BASE, size=given.size, data_seed=data_seed, epochs=given.epochs, cycle=given.epochs
            )
            scores.append(score(plan, given.seeds, scratch))
    except BootcampError as error:
        print(error, file=sys.stderr)
        return 1
    print(report(scores, given.block))
    return 0


if __name__ == "__main__":
    sys.exit(main())
