"""Train the predictors of GPUs from public measurements, and write their model cards. A maintainer's command.

Run ``python -m maelstrom_bootcamp.perfmodel.models.make FOLDER --out weights`` with a folder that holds
timm's benchmark tables and the traced graphs of its models (`maelstrom_bootcamp.perfmodel.labels.public`).
For each table it races all predictors on five splits of each protocol, trains the predictor that is shipped
on everything, takes its intervals from the errors for unseen architectures, and writes ``NAME.npz`` and
``NAME.json``. What is there already is not made again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Sequence
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
from maelstrom_bootcamp.perfmodel.models import predictor
from maelstrom_bootcamp.perfmodel.models.additive import Additive, Device, roofline
from maelstrom_bootcamp.perfmodel.models.race import RULES, race
from maelstrom_bootcamp.perfmodel.samples import Samples
from maelstrom_bootcamp.perfmodel.splits import Split

#: Data sheets: dense tensor-core peak with FP16 inputs and FP32 sums, and memory bandwidth, from NVIDIA's
#: white papers "Ampere GA102 GPU Architecture" and "Ada GPU Architecture". The time to start an operator is a
#: guess that the measurements correct.
RTX3090 = Device("RTX 3090", flops=71e12, bandwidth=936e9, launch=8e-6, bytes_per_value=2)
RTX4090 = Device("RTX 4090", flops=165.2e12, bandwidth=1008e9, launch=5e-6, bytes_per_value=2)

STARTS: dict[str, Additive] = {
    "rtx3090-train": roofline(RTX3090, passes=3),
    "rtx3090-train-nhwc": roofline(RTX3090, passes=3),
    "rtx3090-infer": roofline(RTX3090),
    "rtx4090-infer": roofline(RTX4090),
}


def protocols(samples: Samples, repeats: int = 5) -> list[Split]:
    """Splits on which the predictors of a table are raced.

    Parameters
    ----------
    samples : Samples
    repeats : int
        Of each protocol.

    Returns
    -------
    list of Split
        Random within families, unseen architectures, unseen families.
    """
    stems = [public.stem_of(name) for name in samples.names]
    return [
        *splits.random(samples.families, repeats=repeats),
        *splits.unseen_architectures(samples.families, samples.architectures, repeats=repeats),
        *splits.unseen_families(stems, repeats),
    ]


def summary(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Mean and range of the scores over the splits of each protocol.

    Parameters
    ----------
    table : pandas.DataFrame
        From `race.race`.

    Returns
    -------
    list of dict
        One per protocol and predictor, rounded to two decimals.
    """
    rows = []
    for (protocol, name), group in table.groupby(["protocol", "predictor"], sort=False):
        row: dict[str, Any] = {"protocol": protocol, "predictor": name, "splits": len(group)}
        for column in ("mape", "macro", "median", "within10"):
            row[column] = round(float(group[column].mean()), 2)
        row["mape_range"] = [round(float(group.mape.min()), 2), round(float(group.mape.max()), 2)]
        rows.append(row)
    return rows


def make(
    samples: Samples, start: Additive, settings: predictor.Settings, repeats: int = 5
) -> predictor.Predictor:
    """Race, train on everything, calibrate.

    Parameters
    ----------
    samples : Samples
    start : Additive
    settings : predictor.Settings
    repeats : int
        Splits of each protocol.

    Returns
    -------
    predictor.Predictor
        With intervals, and a card that holds the table of the race.
    """
    began = time.perf_counter()
    parts = protocols(samples, repeats)
    table = race(samples, start, parts, RULES)
    ours = table[(table.predictor == "additive network") & (table.protocol == "unseen architectures")]
    measured = [samples.values[p.test] for p in parts if p.protocol == "unseen architectures"]
    widths = predictor.half_widths(np.concatenate(list(ours.predicted)), np.concatenate(measured))
    raced = time.perf_counter() - began
    made = predictor.fit(samples, start, settings)
    card = {
        "networks": len(samples),
        "architectures": len(set(samples.architectures)),
        "unit": "seconds",
        "settings": asdict(settings),
        "scores": summary(table),
        "seconds": {"race": round(raced), "training": round(time.perf_counter() - began - raced)},
        "machine": machine(),
        "versions": {name: version(name) for name in ("tensorflow", "keras", "scikit-learn", "numpy")},
    }
    return replace(made, half_width=widths, card=card)


def write(made: predictor.Predictor, card: dict[str, Any], out: Path, name: str) -> None:
    """Write a predictor and its model card; the card first, so that no predictor stands without one.

    Parameters
    ----------
    made : predictor.Predictor
    card : dict
        What is added to the predictor's own card.
    out : Path
        Folder; made if it is missing.
    name : str
    """
    out.mkdir(parents=True, exist_ok=True)
    whole = {"name": name, **card, **made.card, "half_width": {str(c): w for c, w in made.half_width.items()}}
    part = out / f".{name}.json.{os.getpid()}"
    part.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    part.replace(out / f"{name}.json")
    predictor.save(replace(made, card={"name": name, **card, **made.card}), out / f"{name}.npz")


def source(folder: Path, what: str) -> dict[str, Any]:
    """Where the measurements come from, and which files they were.

    Parameters
    ----------
    folder : Path
    what : str
        One of `public.TABLES`.

    Returns
    -------
    dict
    """
    files = (public.TABLES[what][0], "graphs.jsonl.gz")
    return {
        "source": "github.com/huggingface/pytorch-image-models: results/ (Apache-2.0), its models traced",
        "sha256": {f: hashlib.sha256((folder / f).read_bytes()).hexdigest() for f in files},
    }


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
    parser.add_argument("folder", type=Path, help="public tables and graphs")
    parser.add_argument("--out", type=Path, required=True, help="folder of weights and model cards")
    parser.add_argument("--what", nargs="+", choices=public.TABLES, default=list(public.TABLES))
    parser.add_argument("--epochs", type=int, default=predictor.Settings.epochs)
    parser.add_argument("--repeats", type=int, default=5, help="splits of each protocol")
    given = parser.parse_args(arguments)
    settings = predictor.Settings(epochs=given.epochs)
    try:
        for what in given.what:
            if (given.out / f"{what}.npz").is_file():
                continue
            samples = public.load(given.folder, what)
            print(f"{what}: {len(samples)} networks", flush=True)
            made = make(samples, STARTS[what], settings, given.repeats)
            write(made, source(given.folder, what), given.out, what)
            print(pd.DataFrame(made.card["scores"]).to_string(index=False), flush=True)
    except BootcampError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
