"""Train the predictors that are shipped, race them against all others, and write their model cards.

A maintainer's command. ``python -m maelstrom_bootcamp.perfmodel.models.make --out weights`` makes those of
the processor, from the labels that come with the package. With ``--folder FOLDER`` it also makes those of
graphics processors: the folder holds timm's benchmark tables and the traced graphs of its models
(`maelstrom_bootcamp.perfmodel.labels.public`). For each table it races all predictors on the splits of each
protocol, trains the predictor that is shipped on everything, takes its intervals from the errors for unseen
architectures, and writes ``NAME.npz`` and ``NAME.json``. What is there already is not made again.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.perfmodel import splits
from maelstrom_bootcamp.perfmodel.labels import public
from maelstrom_bootcamp.perfmodel.labels.file import machine
from maelstrom_bootcamp.perfmodel.memory.liveness import liveness
from maelstrom_bootcamp.perfmodel.memory.predictor import memory_predictor
from maelstrom_bootcamp.perfmodel.models import predictor
from maelstrom_bootcamp.perfmodel.models.race import MEMORY_RULES, OURS, RULES, Rule, race
from maelstrom_bootcamp.perfmodel.models.scaling import scale, sheet_ratios
from maelstrom_bootcamp.perfmodel.models.tables import STARTS, data, source
from maelstrom_bootcamp.perfmodel.samples import Samples
from maelstrom_bootcamp.perfmodel.scores import by_family, score
from maelstrom_bootcamp.perfmodel.splits import Split

#: From which device to which `scaling` is tested.
FROM, TO = "rtx3090-infer", "rtx4090-infer"
UNSEEN = "unseen architectures"
_SCORES = ("mape", "macro", "median", "within10")


def protocols(measured: Samples, families: Sequence[str], repeats: int = 5) -> list[Split]:
    """Splits on which the predictors of a table are raced.

    Parameters
    ----------
    measured : Samples
    families : sequence of str
        What is held out as a whole.
    repeats : int
        Of each protocol.

    Returns
    -------
    list of Split
        Random within families, unseen architectures, unseen families.
    """
    return [
        *splits.random(measured.families, repeats=repeats),
        *splits.unseen_architectures(measured.families, measured.architectures, repeats=repeats),
        *splits.unseen_families(families, repeats),
    ]


def summary(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Mean and spread of the scores over the splits of each protocol.

    Parameters
    ----------
    table : pandas.DataFrame
        From `race.race`.

    Returns
    -------
    list of dict
        One per protocol and predictor, rounded to two decimals; ``spread`` is the standard deviation over
        the splits.
    """
    rows = []
    for (protocol, name), group in table.groupby(["protocol", "predictor"], sort=False):
        row: dict[str, Any] = {"protocol": protocol, "predictor": name, "splits": len(group)}
        for column in _SCORES:
            row[column] = round(float(group[column].mean()), 2)
        for column in ("mape", "macro"):
            row[f"{column}_spread"] = round(float(group[column].std()), 2)
        row["seconds"] = round(float(group.seconds.mean()), 1)
        rows.append(row)
    return rows


def contest(
    name: str,
    measured: Samples,
    repeats: int = 5,
    rules: Mapping[str, Rule] | None = None,
    once: Sequence[str] = (),
) -> tuple[dict[str, Any], dict[float, float]]:
    """Race all predictors of a table.

    Parameters
    ----------
    name : str
        One of `STARTS`.
    measured : Samples
    repeats : int
        Splits of each protocol.
    rules : mapping of str to callable, optional
        By default those for times, or for memory.
    once : sequence of str
        Names of slow rules, which are raced on unseen architectures only.

    Returns
    -------
    dict
        For the card: ``networks``, ``architectures``, ``scores``, ``families`` (errors of ours for unseen
        architectures, by family).
    dict
        Half widths of the intervals of ours, from unseen architectures.
    """
    memory = name == "cpu-memory"
    ours = "liveness" if memory else OURS
    families = [public.stem_of(n) for n in measured.names]
    parts = protocols(measured, measured.families if name.startswith("cpu") else families, repeats)
    rules = rules or (MEMORY_RULES if memory else RULES)
    quick = {rule: rules[rule] for rule in rules if rule not in once}
    table = pd.concat(
        [
            race(measured, STARTS[name], [p for p in parts if p.protocol == protocol], some)
            for protocol, some in (("random", quick), (UNSEEN, rules), ("unseen families", quick))
        ]
    )
    chosen = table[(table.predictor == ours) & (table.protocol == UNSEEN)]
    test = np.concatenate([p.test for p in parts if p.protocol == UNSEEN])
    found = np.concatenate(list(chosen.predicted))
    per = by_family(found, measured.values[test], measured.families[test])
    card = {
        "networks": len(measured),
        "architectures": len(set(measured.architectures)),
        "unit": "MB" if memory else "seconds",
        "scores": summary(table),
        "families": {k: round(v, 2) for k, v in per.mape.items() if k},
    }
    return card, predictor.half_widths(found, measured.values[test])


def make(
    name: str,
    measured: Samples,
    settings: predictor.Settings,
    repeats: int = 5,
    rules: Mapping[str, Rule] | None = None,
    once: Sequence[str] = (),
) -> predictor.Predictor:
    """Race, train on everything, calibrate.

    Parameters
    ----------
    name : str
        One of `STARTS`, but not "cpu-memory", which needs no training.
    measured : Samples
    settings : predictor.Settings
    repeats : int
        Splits of each protocol.
    rules : mapping of str to callable, optional
        What is raced; by default everything.
    once : sequence of str
        As `contest` takes it.

    Returns
    -------
    predictor.Predictor
        With intervals, and a card that holds the table of the race.
    """
    began = time.perf_counter()
    card, widths = contest(name, measured, repeats, rules, once)
    raced = time.perf_counter() - began
    made = predictor.fit(measured, STARTS[name], settings)
    trained = time.perf_counter() - began - raced
    card |= {"settings": asdict(settings), "seconds": {"race": round(raced), "training": round(trained)}}
    return replace(made, half_width=widths, card=card | _made_with())


def memory_card(
    measured: Samples,
    repeats: int = 5,
    rules: Mapping[str, Rule] | None = None,
    once: Sequence[str] = (),
) -> dict[str, Any]:
    """The card of the memory predictor, which is all there is of it: a factor and the intervals.

    Parameters
    ----------
    measured : Samples
    repeats : int
    rules : mapping of str to callable, optional
        What is raced; by default everything.
    once : sequence of str
        As `contest` takes it.

    Returns
    -------
    dict
    """
    card, _ = contest("cpu-memory", measured, repeats, rules, once)
    unseen = splits.unseen_architectures(measured.families, measured.architectures, repeats=repeats)
    made = memory_predictor([liveness(g) for g in measured.measured_graphs()], measured.values, unseen)
    return card | {"factor": made.factor, "half_width": _by_name(made.half_width)} | _made_with()


def scaling(there: Samples, here: Samples, base: predictor.Predictor, device: str) -> dict[str, Any]:
    """How far off a predictor of one device is when data sheets scale it to another.

    Parameters
    ----------
    there, here : Samples
        Measured on the other device, and on the one of the predictor.
    base : predictor.Predictor
    device : str
        The other device's name in `maelstrom_bootcamp.hardware.systems`.

    Returns
    -------
    dict
        ``networks`` that were measured on both, ``scores`` of the scaled predictor and of two rules of thumb
        (what was measured here, times the ratio of the peaks or of the bandwidths), ``half_width``.
    """
    place = {name: i for i, name in enumerate(here.names)}
    pairs = [(i, place[name]) for i, name in enumerate(there.names) if name in place]
    other, own = there.take([i for i, _ in pairs]), here.take([j for _, j in pairs])
    per_batch = np.array([a.batch / b.batch for a, b in zip(other.networks, own.networks, strict=True)])
    priors = scale(base.prior, device)
    guesses = {"scaled operators": replace(base, prior=priors).predict(other.networks)}
    for thumb, ratio in sheet_ratios(device).items():
        guesses[thumb] = own.values * per_batch * ratio
    rows = []
    for name, guess in guesses.items():
        found = score(guess, other.values, other.families)
        rows.append({"predictor": name} | {k: round(found[k], 2) for k in (*_SCORES, "bias")})
    widths = predictor.half_widths(guesses["scaled operators"], other.values)
    return {"networks": len(other), "scores": rows, "half_width": _by_name(widths)} | _made_with()


def _by_name(widths: Mapping[float, float]) -> dict[str, float]:
    return {str(confidence): width for confidence, width in widths.items()}


def _made_with() -> dict[str, Any]:
    packages = ("tensorflow", "keras", "scikit-learn", "numpy")
    return {"machine": machine(), "versions": {name: version(name) for name in packages}}


def write_card(card: Mapping[str, Any], out: Path, name: str) -> None:
    """Write a model card, whole or not at all.

    Parameters
    ----------
    card : mapping
    out : Path
        Folder; made if it is missing.
    name : str
    """
    out.mkdir(parents=True, exist_ok=True)
    part = out / f".{name}.json.{os.getpid()}"
    try:
        part.write_text(json.dumps({"name": name, **card}, indent=1) + "\n", encoding="utf-8")
        part.replace(out / f"{name}.json")
    finally:
        part.unlink(missing_ok=True)


def write(made: predictor.Predictor, origin: Mapping[str, Any], out: Path, name: str) -> None:
    """Write a predictor and its model card; the card first, so that no predictor stands without one.

    Parameters
    ----------
    made : predictor.Predictor
    origin : mapping
        Of `source`.
    out : Path
        Folder; made if it is missing.
    name : str
    """
    card = {**origin, **made.card, "half_width": _by_name(made.half_width)}
    write_card(card, out, name)
    predictor.save(replace(made, card={"name": name, **origin}), out / f"{name}.npz")


def main(arguments: Sequence[str] | None = None) -> int:
    """Make what is missing.

    Parameters
    ----------
    arguments : sequence of str, optional

    Returns
    -------
    int
        0, or 1 after an error whose cause and cure were printed.
    """
    parser = argparse.ArgumentParser(
        prog="python -m maelstrom_bootcamp.perfmodel.models.make", description=__doc__
    )
    parser.add_argument("--folder", type=Path, help="public tables and graphs, for graphics processors")
    parser.add_argument("--out", type=Path, required=True, help="folder of weights and model cards")
    parser.add_argument("--what", nargs="+", choices=STARTS, help="default: all that the data allow")
    parser.add_argument("--epochs", type=int, default=predictor.Settings.epochs)
    parser.add_argument("--repeats", type=int, default=5, help="splits of each protocol")
    parser.add_argument("--without", nargs="+", choices=set(RULES) - {OURS}, default=[], help="not raced")
    parser.add_argument(
        "--once", nargs="+", choices=set(RULES) - {OURS}, default=[], help=f"on {UNSEEN} only"
    )
    given = parser.parse_args(arguments)
    names = given.what or [n for n in STARTS if given.folder or n.startswith("cpu")]
    try:
        for name in names:
            if not (given.out / f"{name}.json").is_file():
                _make_one(name, given)
        if {FROM, TO} <= set(names) and not (given.out / "scaling.json").is_file():
            base = predictor.load(given.out / f"{FROM}.npz")
            card = scaling(data(TO, given.folder), data(FROM, given.folder), base, TO.partition("-")[0])
            write_card({"from": FROM, "to": TO} | card, given.out, "scaling")
    except BootcampError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _make_one(name: str, given: argparse.Namespace) -> None:
    measured = data(name, given.folder)
    print(f"{name}: {len(measured)} networks", flush=True)
    origin = source(name, given.folder)
    if name == "cpu-memory":
        rules = {name: rule for name, rule in MEMORY_RULES.items() if name not in given.without}
        card = memory_card(measured, given.repeats, rules, given.once)
        write_card(origin | card, given.out, name)
    else:
        rules = {name: rule for name, rule in RULES.items() if name not in given.without}
        made = make(name, measured, predictor.Settings(epochs=given.epochs), given.repeats, rules, given.once)
        write(made, origin, given.out, name)
        card = made.card
    print(pd.DataFrame(card["scores"]).to_string(index=False), flush=True)


if __name__ == "__main__":
    sys.exit(main())
