"""Skill against cost: dominance, the Pareto front, how sure it is, and the command that makes its data.

``python -m maelstrom_bootcamp.hardware.pareto make`` trains the networks of `architectures` on both budgets,
times them and writes ``architectures.json`` next to this file (about 20 minutes of processor time). Each
training is kept as soon as it is there: the command may be stopped at any time and goes on where it was, and
``--stop-after SECONDS`` lets it stop by itself. What is shipped comes from the sample of size "default".
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from maelstrom_bootcamp.errors import BootcampError

RESULTS = Path(__file__).with_name("architectures.json")
COMMAND = "python -m maelstrom_bootcamp.hardware.pareto make"


# ---- one front -------------------------------------------------------------------------------------


def _points(points: Any) -> np.ndarray:
    array = np.asarray(points, float)
    if array.ndim != 2 or not array.size or not np.isfinite(array).all():
        raise BootcampError(
            f"Points of shape {array.shape} are no table of finite numbers.",
            "Give one row for each candidate and one column for each thing that should be low.",
        )
    return array


def dominates(a: Sequence[float], b: Sequence[float]) -> bool:
    """Whether a is nowhere worse than b, and better somewhere; low is good, as in (cost, error)."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    return bool((a <= b).all() and (a < b).any())


def front(points: Any) -> np.ndarray:
    """Which candidates are not dominated by any other.

    Parameters
    ----------
    points : array_like
        Shape (candidates, objectives), all of them better if lower.

    Returns
    -------
    numpy.ndarray
        Booleans, shape (candidates,). Of two equal candidates neither dominates the other.

    Raises
    ------
    BootcampError
        If it is no table of finite numbers.
    """
    array = _points(points)
    nowhere_worse = (array[:, None] <= array[None]).all(-1)  # [i, j]: i is nowhere worse than j
    better = (array[:, None] < array[None]).any(-1)
    return ~(nowhere_worse & better).any(0)


def hypervolume(points: Any, reference: Sequence[float]) -> float:
    """Area that two-dimensional candidates dominate, up to a reference point.

    Parameters
    ----------
    points : array_like
        Shape (candidates, 2), better if lower.
    reference : sequence of float
        Worst cost and worst error that still count.

    Returns
    -------
    float
        In the product of the units; larger is better. Candidates beyond the reference add nothing.

    Raises
    ------
    BootcampError
        If the points do not have two columns.
    """
    array, (worst_cost, worst_error) = _points(points), reference
    if array.shape[1] != 2:
        raise BootcampError(
            f"A hypervolume of {array.shape[1]} objectives is not computed here.", "Give two columns."
        )
    area, ceiling = 0.0, worst_error
    for cost, error in array[np.lexsort(array.T[::-1])]:  # from the cheapest on
        if cost < worst_cost and error < ceiling:
            area += (worst_cost - cost) * (ceiling - error)
            ceiling = error
    return area


def cheapest_within(cost: Any, error: Any, tolerance: float = 0.01) -> int:
    """Index of the cheapest candidate whose error is at most ``tolerance`` (a fraction) above the lowest."""
    cost, error = np.asarray(cost, float), np.asarray(error, float)
    good = np.flatnonzero(error <= (1 + tolerance) * error.min())
    return int(good[np.argmin(cost[good])])


def knee(cost: Any, error: Any) -> int:
    """Index of the candidate where the front bends most.

    It is the one farthest below the straight line from the cheapest to the best candidate of the front, with
    the logarithm of the cost and the error both scaled to the range of the front. Another scaling may give
    another knee: it is a reading aid, no optimum.

    Parameters
    ----------
    cost : array_like
        Above zero.
    error : array_like

    Returns
    -------
    int
    """
    cost, error = np.log(np.asarray(cost, float)), np.asarray(error, float)
    on = np.flatnonzero(front(np.column_stack([cost, error])))
    on = on[np.argsort(cost[on])]
    if len(on) < 3:
        return int(on[-1])
    x = (cost[on] - cost[on[0]]) / (cost[on[-1]] - cost[on[0]])
    y = (error[on] - error[on[-1]]) / (error[on[0]] - error[on[-1]])
    return int(on[np.argmax(1 - x - y)])


def break_even(first: tuple[float, float], second: tuple[float, float]) -> float:
    """After how many forecasts the second network has cost no more than the first.

    Parameters
    ----------
    first, second : (float, float)
        Cost of the training, and of one forecast, in one unit.

    Returns
    -------
    float
        0: from the start. Infinity: never.
    """
    more_training, saved = second[0] - first[0], first[1] - second[1]
    if more_training <= 0:
        return 0.0
    return more_training / saved if saved > 0 else math.inf


# ---- how sure is it? -------------------------------------------------------------------------------


def resampled_days(dates: Sequence[str], block: int = 5, n: int = 2000, seed: int = 0) -> np.ndarray:
    """How often each resample of a circular block bootstrap holds each date.

    Parameters
    ----------
    dates : sequence of str
        "YYYY-MM-DD", sorted. Blocks do not reach across gaps longer than three days.
    block : int
        Length of a block in dates.
    n : int
        Number of resamples.
    seed : int

    Returns
    -------
    numpy.ndarray
        Shares, shape (n, dates), each row adding up to one: a resampled mean is a matrix product.

    Raises
    ------
    BootcampError
        If there is no date, or a number is below one.
    """
    days = np.array(dates, "datetime64[D]")
    if min(block, n, len(days)) < 1:
        raise BootcampError(
            f"{len(days)} dates, blocks of {block} and {n} resamples do not do.", "Give at least one of each."
        )
    rng, counts = np.random.default_rng(seed), np.zeros((n, len(days)))
    gaps = np.flatnonzero(np.diff(days) > np.timedelta64(3, "D")) + 1
    for run in np.split(np.arange(len(days)), gaps):
        starts = rng.integers(0, len(run), (n, -(-len(run) // block)))
        chosen = (starts[..., None] + np.arange(block)) % len(run)
        chosen = run[chosen.reshape(n, -1)[:, : len(run)]]
        np.add.at(counts, (np.arange(n)[:, None], chosen), 1)
    return counts / len(days)


def resampled_scores(
    daily: Mapping[str, Any], dates: Sequence[str], block: int = 5, n: int = 2000, seed: int = 0
) -> np.ndarray:
    """What the scores could have been: other weather for all candidates alike, other seeds for each.

    Parameters
    ----------
    daily : mapping of str to array_like
        Name -> scores, shape (training seeds, dates). A candidate with one seed is resampled over dates only:
        what luck did to it cannot be known.
    dates : sequence of str
    block, n, seed : int
        As for `resampled_days`.

    Returns
    -------
    numpy.ndarray
        Shape (n, candidates), in the order of the mapping.
    """
    shares, rng = resampled_days(dates, block, n, seed), np.random.default_rng(seed + 1)
    columns = []
    for values in daily.values():
        by_seed = shares @ np.atleast_2d(np.asarray(values, float)).T  # (n, seeds)
        drawn = rng.integers(0, by_seed.shape[1], by_seed.shape)
        columns.append(np.take_along_axis(by_seed, drawn, 1).mean(1))
    return np.column_stack(columns)


def front_probability(cost: Sequence[float], scores: np.ndarray) -> np.ndarray:
    """How often each candidate is on the front.

    Parameters
    ----------
    cost : sequence of float
        Of each candidate.
    scores : numpy.ndarray
        From `resampled_scores`, (n, candidates).

    Returns
    -------
    numpy.ndarray
        Shares from 0 to 1, shape (candidates,).
    """
    cost = np.asarray(cost, float)
    return np.mean([front(np.column_stack([cost, row])) for row in scores], axis=0)


# ---- the results that are shipped ------------------------------------------------------------------


def load(path: Path = RESULTS) -> dict[str, Any]:
    """Read results: machine, versions, command, plan, dates, costs, baselines and trainings.

    Raises
    ------
    BootcampError
        If there is no such file, or it holds something else.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BootcampError(f"{path.name} cannot be read: {error}", f"Make it: {COMMAND}") from error
    if not isinstance(found, dict) or not {"plan", "costs", "baselines", "trainings"} <= found.keys():
        raise BootcampError(f"{path.name} does not hold trainings of architectures.", f"Make it: {COMMAND}")
    return found


def daily(
    results: Mapping[str, Any], budget: str, surface: str = "all", score: str = "quantile_score"
) -> dict:
    """Daily scores of each network on a budget.

    Parameters
    ----------
    results : mapping
        From `load`.
    budget : {"epochs", "cpu_seconds"}
    surface : {"all", "land", "sea"}
    score : {"quantile_score", "mae"}

    Returns
    -------
    dict of str to numpy.ndarray
        Name -> (seeds, dates), in the order of the costs.
    """
    found: dict[str, list] = {}
    for t in results["trainings"]:
        if t["budget"] == budget:
            found.setdefault(t["name"], []).append(t["daily"][surface][score])
    return {name: np.array(found[name]) for name in results["costs"] if name in found}


def _save(content: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(json.dumps(content), encoding="utf-8")
    part.replace(path)


def _jobs(given: argparse.Namespace, names: Sequence[str]) -> dict[Path, tuple[str, str, int]]:
    """File -> (network, budget, seed) of all trainings."""
    jobs = {}
    for seed in given.seeds:
        for budget in ("epochs", "cpu_seconds"):
            for name in names:
                much = f"{budget}{getattr(given, budget):g}"
                path = f"{given.size}-{much}-{name.replace('/', '-').replace(' ', '_')}-s{seed}.json"
                jobs[Path(given.scratch) / path] = (name, budget, seed)
    return jobs


def make(given: argparse.Namespace) -> bool:
    """Do what is missing.

    Parameters
    ----------
    given : argparse.Namespace
        Of `main`.

    Returns
    -------
    bool
        Whether all is done and written; False if there was no time left.
    """
    from maelstrom_bootcamp.apps.yr.split import split
    from maelstrom_bootcamp.hardware import architectures as a
    from maelstrom_bootcamp.machine import machine, revision, versions

    began, data, periods = time.monotonic(), None, split(given.size)
    baselines = Path(given.scratch) / f"{given.size}-baselines.json"
    jobs = _jobs(given, list(a.ARCHITECTURES))
    for path, (name, budget, seed) in jobs.items():
        if path.exists():
            continue
        if time.monotonic() - began > given.stop_after:
            if given.partial:
                break
            return False
        if data is None:
            data = a.load_data(periods.train, periods.test)
            _save(data.baselines, baselines)
        a.nn.set_seed(seed, deterministic=False)
        model = a.ARCHITECTURES[name].build()
        updates, seconds = a.train(model, data, a.Budget(**{budget: getattr(given, budget)}), seed)
        row = {"name": name, "budget": budget, "seed": seed, "updates": updates}
        row |= {"cpu_seconds": round(seconds, 2), "daily": a.score(model, data)}
        _save(row, path)
        print(f"{budget:11} {name:15} seed {seed}: {updates} updates, {seconds:.1f} s", flush=True)
    models = {name: candidate.build() for name, candidate in a.ARCHITECTURES.items()}
    # Today is a weighted sum of three predictors: as much arithmetic as a linear network of three inputs.
    times = a.timed(models | {"today": a.nn.linear_net(3)}, given.rounds)
    today = times["today"]["forecast"].median
    costs = {n: a.counted(m) | {what: t.median for what, t in times[n].items()} for n, m in models.items()}
    plan = {k: getattr(given, k) for k in ("size", "epochs", "cpu_seconds", "seeds", "rounds")}
    result = {"command": COMMAND, "revision": revision(), "machine": machine(), "versions": versions()}
    result |= {"plan": plan, "dates": list(periods.test), "costs": costs, "today": {"forecast": today}}
    result |= {"baselines": json.loads(baselines.read_text(encoding="utf-8"))}
    there = [p for p in jobs if p.exists()]
    _save(result | {"trainings": [json.loads(p.read_text(encoding="utf-8")) for p in there]}, given.out)
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the results, as the command line says.

    Parameters
    ----------
    arguments : sequence of str, optional

    Returns
    -------
    int
        0; 1 after an error whose cause and cure were printed; 3 if it was stopped by ``--stop-after``.
    """
    from maelstrom_bootcamp.settings import SIZES, settings

    parser = argparse.ArgumentParser(prog="python -m maelstrom_bootcamp.hardware.pareto", description=__doc__)
    parser.add_argument("what", choices=("make",))
    parser.add_argument("--size", choices=SIZES, default="default", help="of the sample")
    parser.add_argument("--epochs", type=int, default=3, help="the first budget")
    parser.add_argument("--cpu-seconds", type=float, default=15.0, help="the second budget")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--rounds", type=int, default=9, help="how often each network is timed")
    parser.add_argument("--stop-after", type=float, default=math.inf, help="start nothing after so many s")
    parser.add_argument("--partial", action="store_true", help="then write what is there")
    parser.add_argument("--scratch", type=Path, default=settings().root / "architectures")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args(arguments)
    os.environ.update(MAELSTROM_SIZE=given.size, MAELSTROM_SEED="0")  # the course's own weather
    try:
        done = make(given)
    except BootcampError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{given.out.name} is written." if done else "Stopped; the same command goes on from here.")
    return 0 if done else 3


if __name__ == "__main__":
    sys.exit(main())
