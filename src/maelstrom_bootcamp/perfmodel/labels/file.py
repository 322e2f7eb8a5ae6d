"""Measured labels as lines of JSON: each is on the disk before the next is measured."""

from __future__ import annotations

import contextlib
import json
import os
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

from maelstrom_bootcamp.machine import cores, cpu_name
from maelstrom_bootcamp.perfmodel.graph import ModelInputError
from maelstrom_bootcamp.perfmodel.labels.cases import WHATS, Case, What

_PACKAGES = {"infer": ("onnxruntime", "onnx", "numpy"), "train": ("tensorflow", "keras", "numpy")}
Record = dict[str, Any]


def machine() -> Record:
    """What these labels are true for; nothing that tells whose machine it is.

    Returns
    -------
    dict
        ``cpu`` (name), ``cores`` (that this process may use), ``memory_gb``, ``system``, ``python``.
    """
    return {
        "cpu": cpu_name(),
        "cores": cores(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def versions(what: What) -> dict[str, str]:
    """Versions of the packages that decide about the labels; what is missing is left out."""
    found = {}
    for name in _PACKAGES[what]:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


class LabelFile:
    """The file of one measurement, to which a later run adds what is missing.

    Its lines are of three kinds, told apart by "record": a "run" with machine and versions at the start of
    each run, a "label" for each network, and a "failure" for each that could not be measured.

    Parameters
    ----------
    path : Path
    what : {"infer", "train"}
    rounds : int

    Raises
    ------
    ModelInputError
        If the file cannot be written, is something else, or was begun elsewhere.
    """

    def __init__(self, path: Path, what: What, rounds: int) -> None:
        self.path = path
        try:
            with path.open("ab"):
                pass
            _repair(path)
        except OSError as error:
            raise ModelInputError(
                f"{path} cannot be written: {error.strerror}.",
                "Give the name of a file in a folder of yours.",
            ) from error
        old = list(read(path))
        here: Record = {
            "record": "run",
            "what": what,
            "rounds": rounds,
            "machine": machine(),
            "versions": versions(what),
        }
        for run in (record for record in old if record["record"] == "run"):
            _demand_same(path, run, here)
        self._done = {(record["family"], record["seed"]) for record in old if record["record"] != "run"}
        self.append(here)

    def has(self, case: Case) -> bool:
        """Whether the network was measured already, or has failed."""
        return (case.family, case.seed) in self._done

    def append(self, record: Record) -> None:
        """Write one line in one go, to the disk: a run that is killed loses only what it is at."""
        line = (json.dumps(record) + "\n").encode()
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(descriptor, line)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if record["record"] != "run":
            self._done.add((record["family"], record["seed"]))


def read(path: Path) -> Iterator[Record]:
    """All records of a file.

    Parameters
    ----------
    path : Path

    Yields
    ------
    dict

    Raises
    ------
    ModelInputError
        If the file is missing, or not one that `LabelFile` has written.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelInputError(
            f"{path} cannot be read.", "Give a file that 'bootcamp measure' has written."
        ) from error
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
            known = record["record"] in ("run", "label", "failure") and (
                record["record"] != "run" or record["what"] in WHATS
            )
        except (ValueError, TypeError, KeyError):
            known = False
        if not known or (number == 1 and record["record"] != "run"):
            raise ModelInputError(
                f"Line {number} of {path} is not a record of a measurement.",
                "Give a file that 'bootcamp measure' has written, or the name of a new one.",
            )
        yield record


def _repair(path: Path) -> None:
    """Cut off a last line that was not written to its end."""
    data = path.read_bytes()
    if data and not data.endswith(b"\n"):
        whole = data.rfind(b"\n") + 1
        # Without a single whole line it is not ours, and `read` will say so.
        if whole:
            with path.open("r+b") as file:
                file.truncate(whole)


def _demand_same(path: Path, then: Record, now: Record) -> None:
    for key, was, is_ in (
        ("subject", then["what"], now["what"]),
        ("rounds", then["rounds"], now["rounds"]),
        ("processor", then["machine"]["cpu"], now["machine"]["cpu"]),
        ("versions", then["versions"], now["versions"]),
    ):
        if was != is_:
            raise ModelInputError(
                f"{path} was begun with other {key}: {was}, now {is_}.",
                "Give the name of a new file: labels of two measurements cannot be compared.",
            )
