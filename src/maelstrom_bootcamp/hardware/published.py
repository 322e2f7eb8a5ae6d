"""What others measured on the devices of `systems`: speed, throughput and efficiency, each with its source.

The table is ``published.toml`` next to this file. A figure that nobody of us has read in a source is not in
it; asking for it is an error. SI units.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.hardware import systems
from maelstrom_bootcamp.hardware.entries import Checks
from maelstrom_bootcamp.hardware.systems import PRECISIONS, Device, Source

TASKS = ("training", "inference", "kernel", "simulation")
QUANTITIES = ("speed", "throughput", "efficiency", "bandwidth")
_WHERE = "published.toml"
_CHECKS = Checks(_WHERE)
_SOURCE = {"title", "publisher", "url", "year", "seen"}
_WORKLOAD = {"name", "task", "quantity", "unit", "software", "source", "measured", "total", "note"}
_MEASURED = {"device", "value", "precision", "count", "batch", "source", "note"}


@dataclass(frozen=True)
class Measurement:
    """One published figure.

    Attributes
    ----------
    workload : str
        Key of what was run.
    device : systems.Device
    value : float
        In the unit of the workload; see `each`.
    source : systems.Source
    precision : str
        One of `systems.PRECISIONS`; empty if the source does not say.
    count : int
        Devices that ran together.
    batch : int or None
        Samples of a step, of all devices together; None if the source does not say.
    total : bool
        Whether the value is that of all devices together.
    note : str
    """

    workload: str
    device: Device
    value: float
    source: Source
    precision: str = ""
    count: int = 1
    batch: int | None = None
    total: bool = False
    note: str = ""

    @property
    def each(self) -> float:
        """The value of one device."""
        return self.value / self.count if self.total else self.value


@dataclass(frozen=True, eq=False)
class Workload:
    """Something that was run in the same way on several devices.

    Attributes
    ----------
    key, name : str
    task : {"training", "inference", "kernel", "simulation"}
    quantity : {"speed", "throughput", "efficiency", "bandwidth"}
        More is better in all of them.
    unit : str
    software : str
    measured : tuple of Measurement
    note : str
        What has to be known to read the figures; may be empty.
    """

    key: str
    name: str
    task: str
    quantity: str
    unit: str
    software: str
    measured: tuple[Measurement, ...]
    note: str = ""

    def find(self, device: str, precision: str | None = None, count: int | None = None) -> Measurement:
        """The figure of a device.

        Parameters
        ----------
        device : str
            A key of `systems.devices`.
        precision : str, optional
        count : int, optional
            Both only if there are several figures of this device.

        Returns
        -------
        Measurement

        Raises
        ------
        BootcampError
            If there is no such device or no such figure, or if several fit.
        """
        systems.device(device)
        fit = [
            m
            for m in self.measured
            if m.device.key == device and precision in (None, m.precision) and count in (None, m.count)
        ]
        if len(fit) == 1:
            return fit[0]
        found = ", ".join(f"{m.device.key} ({m.precision or '?'}, {m.count} of them)" for m in self.measured)
        if not fit:
            raise BootcampError(
                f"No figure of {device} for {self.key} was read in a source.", f"There are: {found}."
            )
        raise BootcampError(
            f"{len(fit)} figures of {device} for {self.key} fit.", f"Give precision or count. {found}."
        )

    def speedup(
        self, device: str, over: str, precision: str | None = None, count: int | None = None
    ) -> float:
        """How many times more one device did than one of another, arguments and errors as for `find`.

        Parameters
        ----------
        device, over : str
            Keys of devices.
        precision, count
            Of both.

        Returns
        -------
        float
        """
        return self.find(device, precision, count).each / self.find(over, precision, count).each


@dataclass(frozen=True)
class Table:
    """Everything that the file says, by key and in the order of the file."""

    sources: Mapping[str, Source]
    workloads: Mapping[str, Workload]


def _texts(entry: Mapping[str, Any], where: str, *names: str) -> dict[str, str]:
    for name in names:
        if name in entry and not (isinstance(entry[name], str) and entry[name].strip()):
            raise _CHECKS.bad(f"{where}, {name} is no text")
    return {name: entry[name] for name in names if name in entry}


def _one_of(value: Any, where: str, allowed: Any) -> Any:
    if not isinstance(value, str) or value not in allowed:
        raise _CHECKS.bad(f"{where} is {value!r}, not one of {', '.join(allowed)}")
    return value


def _source(key: str, entry: Any) -> Source:
    where = f"source {key}"
    entry = _CHECKS.fields(entry, where, _SOURCE, {"title", "publisher", "url"})
    year = _CHECKS.positive(entry["year"], f"{where}, year", int) if "year" in entry else None
    return Source(key, year=year, **_texts(entry, where, "title", "publisher", "url", "seen"))


def _measurement(key: str, entry: Any, where: str, of: Mapping[str, Any], table: Any) -> Measurement:
    entry = _CHECKS.fields(entry, where, _MEASURED, {"device", "value"})
    source = _one_of(entry.get("source", of["source"]), f"{where}, source", table)
    known = systems.devices()
    if not isinstance(entry["device"], str) or entry["device"] not in known:
        raise _CHECKS.bad(f"{where} names the device {entry['device']!r}, which is not in systems.toml")
    precision = _one_of(entry["precision"], f"{where}, precision", PRECISIONS) if "precision" in entry else ""
    return Measurement(
        workload=key,
        device=known[entry["device"]],
        value=_CHECKS.positive(entry["value"], f"{where}, value"),
        source=table[source],
        precision=precision,
        count=_CHECKS.positive(entry.get("count", 1), f"{where}, count", int),
        batch=_CHECKS.positive(entry["batch"], f"{where}, batch", int) if "batch" in entry else None,
        total=of.get("total", False),
        **_texts(entry, where, "note"),
    )


def _workload(key: str, entry: Any, table: Mapping[str, Source]) -> Workload:
    where = f"workload {key}"
    entry = _CHECKS.fields(entry, where, _WORKLOAD, _WORKLOAD - {"total", "note"})
    for name, allowed in (("task", TASKS), ("quantity", QUANTITIES)):
        _one_of(entry[name], f"{where}, {name}", allowed)
    if not isinstance(entry.get("total", False), bool):
        raise _CHECKS.bad(f"{where}, total is neither true nor false")
    if not isinstance(entry["measured"], list) or not entry["measured"]:
        raise _CHECKS.bad(f"{where} has no list of figures")
    found = [
        _measurement(key, m, f"{where}, figure {i}", entry, table)
        for i, m in enumerate(entry["measured"], start=1)
    ]
    names = [(m.device.key, m.precision, m.count) for m in found]
    if twice := [name for name in names if names.count(name) > 1]:
        raise _CHECKS.bad(f"{where} has two figures of {twice[0][0]} that cannot be told apart")
    texts = _texts(entry, where, "name", "task", "quantity", "unit", "software", "note")
    return Workload(key, measured=tuple(found), **texts)


def parse(text: str) -> Table:
    """Read and check a table.

    Parameters
    ----------
    text : str
        Contents of a file like ``published.toml``.

    Returns
    -------
    Table

    Raises
    ------
    BootcampError
        If it is no TOML, a key is missing or unknown, a figure is not a positive number or not told apart
        from another, or names a source, a device or a precision that does not exist.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _CHECKS.bad(f"it is no TOML ({error})") from None
    raw = _CHECKS.fields(raw, "the file", {"sources", "workloads"}, {"sources", "workloads"})
    for name, entries in raw.items():
        if not isinstance(entries, dict):
            raise _CHECKS.bad(f"{name} is no table")
    found = {k: _source(k, e) for k, e in raw["sources"].items()}
    done = {k: _workload(k, e, found) for k, e in raw["workloads"].items()}
    return Table(MappingProxyType(found), MappingProxyType(done))


@cache
def table() -> Table:
    """The table that comes with the package."""
    return parse(resources.files(__package__).joinpath(_WHERE).read_text(encoding="utf-8"))


def sources() -> Mapping[str, Source]:
    """All sources by key."""
    return table().sources


def workloads() -> Mapping[str, Workload]:
    """All workloads by key."""
    return table().workloads


def workload(name: str) -> Workload:
    """A workload by its key, e.g. "gpt-800m"; a `BootcampError` that lists all keys if there is none."""
    if name not in workloads():
        raise BootcampError(f"There is no workload {name!r}.", f"Take one of: {', '.join(workloads())}.")
    return workloads()[name]


def measurements(device: str | None = None) -> tuple[Measurement, ...]:
    """All figures, or those of a device.

    Parameters
    ----------
    device : str, optional
        A key of `systems.devices`.

    Returns
    -------
    tuple of Measurement

    Raises
    ------
    BootcampError
        If there is no such device. None of its figures: an empty tuple.
    """
    if device is not None:
        systems.device(device)
    figures = (m for w in workloads().values() for m in w.measured)
    return tuple(m for m in figures if device in (None, m.device.key))
