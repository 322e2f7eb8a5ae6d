"""Results of benchmarks: JSON lines, one benchmark each, that can be compared years later.

A file is rewritten as a whole and renamed into place, so that a run that is killed leaves the old file.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from maelstrom_bootcamp.errors import BootcampError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCHEMA = "maelstrom-bench/1"
LEVELS = ("operator", "network", "training", "distributed")
#: What identifies a benchmark: two records that agree in these can be compared.
KEY = ("network", "level", "operator", "backend", "precision", "jit", "batch", "workers")
_FIELDS: dict[str, type | tuple[type, ...]] = {
    "schema": str,
    "time": str,
    "level": str,
    "network": str,
    "operator": str,
    "backend": str,
    "precision": str,
    "jit": str,
    "batch": int,
    "workers": int,
    "seed": int,
    "repeats": int,
    "first_s": (int, float),
    "step_s": dict,
    "samples_per_s": (int, float),
    "flop": (int, float),
    "flop_per_s": (int, float),
    "bytes": (int, float),
    "input": dict,
    "memory": dict,
    "energy": list,
    "accelerators": list,
    "machine": dict,
    "versions": dict,
    "revision": str,
}
Record = dict[str, Any]


def check(record: object, where: str = "the record") -> Record:
    """Whether this is a record of this schema.

    Parameters
    ----------
    record : object
    where : str
        For the message.

    Returns
    -------
    dict

    Raises
    ------
    BootcampError
        If it is not; the message names the first field that is wrong.
    """
    cure = f"Only files that `bootcamp bench --json` wrote (schema {SCHEMA}) can be read."
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        found = record.get("schema", "none") if isinstance(record, dict) else type(record).__name__
        raise BootcampError(f"{where} is of another schema ({found}).", cure)
    for name, kind in _FIELDS.items():
        value = record.get(name)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise BootcampError(f"{where}: {name!r} is {value!r}.", cure)
    step = record["step_s"]
    if not all(isinstance(step.get(q), int | float) and step[q] > 0 for q in ("median", "low", "high")):
        raise BootcampError(f"{where}: step_s lacks a positive median, low or high.", cure)
    if record["level"] not in LEVELS:
        raise BootcampError(f"{where}: there is no level {record['level']!r}.", cure)
    return record


def read(path: str | os.PathLike[str]) -> list[Record]:
    """Read a file of results.

    Parameters
    ----------
    path : path

    Returns
    -------
    list of dict

    Raises
    ------
    BootcampError
        If the file is missing, empty, cut off, or of another schema; the message names the line.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BootcampError(
            f"{path.name} cannot be read ({error}).", "Check the path; write one with bootcamp bench --json."
        ) from None
    records = []
    for i, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise BootcampError(
                f"{path.name}, line {i} is no JSON ({error}).",
                "Remove that line, or run the benchmark again.",
            ) from None
        records.append(check(record, f"{path.name}, line {i}"))
    if not records:
        raise BootcampError(f"{path.name} holds no result.", "Write one with bootcamp bench --json.")
    return records


def append(path: str | os.PathLike[str], records: Sequence[Mapping[str, Any]]) -> None:
    """Add results to a file; it is made if need be.

    Parameters
    ----------
    path : path
    records : sequence of mapping

    Raises
    ------
    BootcampError
        If what is there already is no file of results, or cannot be written; the file is then as before.
    """
    path = Path(path)
    lines = [json.dumps(check(dict(record)), allow_nan=False) for record in records]
    if path.exists():
        lines = [json.dumps(old) for old in read(path)] + lines
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise _unwritten(path, error) from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write("".join(line + "\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)  # a temporary file is private, results are not
        os.replace(name, path)
    except BaseException as error:
        os.unlink(name)
        if isinstance(error, OSError):
            raise _unwritten(path, error) from None
        raise


def _unwritten(path: Path, error: OSError) -> BootcampError:
    return BootcampError(
        f"The results could not be written to {path.name} ({error.strerror or error}).",
        "Free some space or choose another folder, and run the benchmark again.",
    )


def compare(a: Sequence[Record], b: Sequence[Record]) -> pd.DataFrame:
    """Put the benchmarks that both have side by side.

    Parameters
    ----------
    a, b : sequence of dict
        Of several records with the same key, the last counts.

    Returns
    -------
    pandas.DataFrame
        One row a benchmark, in the order of `a` (index: what tells them apart): ``a`` and ``b`` (median
        seconds of a step), ``ratio`` (b / a: above 1, b is slower) with ``low`` and ``high`` (from the
        quartiles of both).

    Raises
    ------
    BootcampError
        If they have nothing in common.
    """
    left, right = ({tuple(r[k] for k in KEY): r["step_s"] for r in records} for records in (a, b))
    common = [key for key in left if key in right]
    if not common:
        raise BootcampError(
            "The two files have no benchmark in common: each differs in " + ", ".join(KEY) + ".",
            "Run the same `bootcamp bench` command on both machines.",
        )
    rows = [
        {
            "a": left[k]["median"],
            "b": right[k]["median"],
            "ratio": right[k]["median"] / left[k]["median"],
            "low": right[k]["low"] / left[k]["high"],
            "high": right[k]["high"] / left[k]["low"],
        }
        for k in common
    ]
    return pd.DataFrame(rows, index=[_label(key, common) for key in common])


def _label(key: tuple[Any, ...], keys: Sequence[tuple[Any, ...]]) -> str:
    """The network, and whatever else differs among the keys."""
    differs = [i == 0 or len({k[i] for k in keys}) > 1 for i in range(len(KEY))]
    words = [
        f"batch {v}" if KEY[i] == "batch" else str(v) for i, v in enumerate(key) if differs[i] and v != ""
    ]
    return " ".join(words)


def bars(table: pd.DataFrame, width: int = 40) -> str:
    """Draw a comparison with letters, for a terminal.

    Parameters
    ----------
    table : pandas.DataFrame
        Of `compare`.
    width : int
        Letters of the longest bar.

    Returns
    -------
    str
        One line a benchmark: the ratio, and a bar as long as it.
    """
    longest, name = table["ratio"].max(), max(map(len, table.index))
    return "\n".join(
        f"{label:{name}}  {ratio:6.2f}  {'#' * max(1, round(width * ratio / longest))}"
        for label, ratio in table["ratio"].items()
    )


def draw(table: pd.DataFrame, names: tuple[str, str] = ("a", "b")) -> Figure:
    """Draw a comparison.

    Parameters
    ----------
    table : pandas.DataFrame
        Of `compare`.
    names : (str, str)
        Of the two machines.

    Returns
    -------
    matplotlib.figure.Figure
        Dots with bars from the quartiles, on a logarithmic axis; a line at 1.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 1.2 + 0.3 * len(table)), layout="constrained")
    axes = figure.subplots()
    error = [table["ratio"] - table["low"], table["high"] - table["ratio"]]
    rows = range(len(table))
    axes.errorbar(table["ratio"], rows, xerr=error, fmt="o", color="#0072b2", capsize=3)
    axes.axvline(1, color="0.5", lw=1)
    axes.set_xscale("log")
    axes.set_yticks(rows, table.index)
    axes.invert_yaxis()
    axes.set_xlabel(f"seconds a step, {names[1]} / {names[0]} (above 1: {names[1]} is slower)")
    return figure
