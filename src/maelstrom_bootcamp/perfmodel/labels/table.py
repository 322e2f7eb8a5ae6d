"""Measured labels as a table: what `bootcamp measure` has found, packed, read, and joined to its graphs."""

from __future__ import annotations

import json
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import pandas as pd

from maelstrom_bootcamp.perfmodel.graph import ModelInputError, OpGraph
from maelstrom_bootcamp.perfmodel.labels.cases import WHATS, Case, What
from maelstrom_bootcamp.perfmodel.labels.file import read
from maelstrom_bootcamp.perfmodel.zoo.to_graph import to_graph

#: Of a table, in this order. ``ms_a`` and ``ms_b`` are the minima over every other round.
COLUMNS = (
    "what",
    "family",
    "seed",
    "batch",
    "resolution",
    "digest",
    "ms",
    "ms_a",
    "ms_b",
    "memory_mb",
)


def pack(records: Path, table: Path) -> pd.DataFrame:
    """Turn the lines of a measurement into a table, with a note of machine and versions beside it.

    Parameters
    ----------
    records : Path
        What ``bootcamp measure`` has written.
    table : Path
        The table to write, ``*.csv``; the note gets the same name with ``.json``.

    Returns
    -------
    pandas.DataFrame
        As `load` reads it.

    Raises
    ------
    ModelInputError
        If the records cannot be read or hold no label.
    """
    records, table = Path(records), Path(table)
    if table.suffix != ".csv":
        raise ModelInputError(f"{table} is no name of a table.", "Give a name that ends with .csv.")
    lines = list(read(records))
    run = next((line for line in lines if line["record"] == "run"), None)
    labels = [line for line in lines if line["record"] == "label"]
    if run is None or not labels:
        raise ModelInputError(f"{records} holds no label.", "Measure some networks first.")
    rows = [
        {
            "what": run["what"],
            **{key: label[key] for key in ("family", "seed", "batch", "resolution", "digest")},
            "ms": min(label["ms"]),
            "ms_a": min(label["ms"][::2]),
            "ms_b": min(label["ms"][1::2]),
            "memory_mb": label.get("memory_mb", np.nan),
        }
        for label in labels
    ]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    note = {key: run[key] for key in ("what", "rounds", "machine", "versions")} | {
        "networks": len(frame),
        "noise_percent": round(noise(frame), 2),
        "failed": [
            {key: line[key] for key in ("family", "seed", "batch", "reason")}
            for line in lines
            if line["record"] == "failure"
        ],
    }
    frame.to_csv(table, index=False, float_format="%.6g", lineterminator="\n")
    table.with_suffix(".json").write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8")
    return load(run["what"], table)


def load(what: What, path: Path | None = None) -> pd.DataFrame:
    """Labels of one kind.

    Parameters
    ----------
    what : {"infer", "train"}
    path : Path, optional
        A table of `pack`; by default the one that comes with the package.

    Returns
    -------
    pandas.DataFrame
        One row a network with the columns `COLUMNS`: time in ms (smallest over all rounds, and over each half
        of them), peak memory in MB (10^6 bytes; NaN where it was not measured).

    Raises
    ------
    ModelInputError
        If there is no such table, or it is not one of `pack`.
    """
    if what not in WHATS:
        raise ModelInputError(f"There are no labels of the name {what!r}.", "Take infer or train.")
    if path is None:
        with as_file(files("maelstrom_bootcamp.perfmodel") / "labels" / f"{what}-cpu.csv") as shipped:
            return load(what, shipped)
    try:
        frame = pd.read_csv(path, dtype={"digest": str})
    except (OSError, ValueError) as error:
        raise ModelInputError(
            f"The table of labels {Path(path).name} cannot be read.",
            f"Measure your own ('bootcamp measure --what {what}') and pack them with labels.pack.",
        ) from error
    _check(frame, what, Path(path).name)
    return frame


def noise(table: pd.DataFrame) -> float:
    """How well two measurements of the same network agree: the floor under every predictor's error.

    Each label is the smallest time of several rounds; the halves of the rounds give two labels a and b. If
    both scatter by a share s around the truth, ``log(a / b)`` scatters by ``sqrt(2) s``.

    Parameters
    ----------
    table : pandas.DataFrame
        With the columns ``ms_a`` and ``ms_b``.

    Returns
    -------
    float
        The share s in percent; of labels from all rounds it is rather smaller.
    """
    difference = np.log(table["ms_a"].to_numpy() / table["ms_b"].to_numpy())
    return float(100 * np.sqrt(np.mean(difference**2) / 2))


def graphs(table: pd.DataFrame) -> list[OpGraph]:
    """The networks of a table, drawn again from their seeds; some milliseconds each.

    Parameters
    ----------
    table : pandas.DataFrame
        Of `load`.

    Returns
    -------
    list of OpGraph
        In the order of the rows, at the batch at which each was measured.

    Raises
    ------
    ModelInputError
        If a network is not the one that was measured: the generators have changed since.
    """
    made = []
    for row in table.itertuples():
        plan = Case(row.what, row.family, int(row.seed), int(row.batch)).blueprint()
        if plan.digest() != row.digest:
            raise ModelInputError(
                f"{row.family} with seed {row.seed} is not the network that was measured.",
                "Measure again with this version of the package, or take the version of the labels.",
            )
        made.append(to_graph(plan, int(row.batch)))
    return made


def _check(frame: pd.DataFrame, what: What, name: str) -> None:
    missing = [column for column in COLUMNS if column not in frame]
    if missing:
        raise ModelInputError(
            f"The table {name} has no column {', '.join(missing)}.",
            "Give a table that labels.pack has written.",
        )
    if len(frame) == 0 or set(frame["what"]) != {what}:
        raise ModelInputError(
            f"The table {name} holds {', '.join(map(str, set(frame['what']))) or 'nothing'}, not {what}.",
            f"Give a table of 'bootcamp measure --what {what}'.",
        )
    times = frame[["ms", "ms_a", "ms_b"]].apply(pd.to_numeric, errors="coerce")
    if not (np.isfinite(times) & (times > 0)).all(axis=None):
        raise ModelInputError(f"The table {name} holds times that are none.", "Measure these networks again.")
    if frame.duplicated(["family", "seed"]).any():
        raise ModelInputError(f"The table {name} holds a network twice.", "Remove one of the two rows.")
