"""The table of devices and nodes: peaks, memory, bandwidth, links and power, each figure with its source.

The table is ``systems.toml`` next to this file. What a source does not say is not in it; asking for that is
an error, not a zero. SI units throughout: FLOP/s, bytes/s, bytes, W, Hz.
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
from maelstrom_bootcamp.hardware.entries import Checks

#: From the widest to the narrowest. TF32 takes FP32 numbers and multiplies ten bits of their mantissa.
PRECISIONS = ("fp64", "fp32", "tf32", "bf16", "fp16")
KINDS = ("gpu", "cpu", "ipu")
_FIGURES = ("year", "memory", "bandwidth", "tdp", "cores", "clock")
_DEVICE = {"name", "vendor", "kind", "link", "parts", "vector", "matrix", *_FIGURES}
_SYSTEM = {"name", "site", "devices", "count", "host", "sockets", "memory", "sources", "note"}
_WHERE = "systems.toml"
_CHECKS = Checks(_WHERE)


@dataclass(frozen=True)
class Source:
    """Where a figure was read.

    Attributes
    ----------
    key, title, publisher, url : str
    year : int or None
        If the document bears one.
    seen : str
        What was read, if that was not the document itself; else empty.
    """

    key: str
    title: str
    publisher: str
    url: str
    year: int | None = None
    seen: str = ""

    @property
    def citation(self) -> str:
        """One line for a list of references."""
        year = f" ({self.year})" if self.year else ""
        seen = f" Seen: {self.seen}." if self.seen else ""
        return f"{self.publisher}{year}: {self.title}. {self.url}.{seen}"


@dataclass(frozen=True)
class Figure:
    """One number of a data sheet.

    Attributes
    ----------
    value : float
        In SI units.
    source : Source
    note : str
        What has to be known to read it; may be empty.
    """

    value: float
    source: Source
    note: str = ""


@dataclass(frozen=True, eq=False)
class Device:
    """A GPU, IPU or CPU (one socket).

    Attributes
    ----------
    key, name, vendor : str
    kind : {"gpu", "cpu", "ipu"}
    figures : mapping of str to Figure
        "memory", "bandwidth", "tdp", "link", "year", "cores", "clock", and peaks such as "vector.fp32" and
        "matrix.fp16". Only what a source says.
    link_name : str
        What the link is called; empty if there is no figure for one.
    part : str
        Key of the device that a card consists of; empty if it is one piece.
    parts : int
        How many of them.
    """

    key: str
    name: str
    vendor: str
    kind: str
    figures: Mapping[str, Figure]
    link_name: str = ""
    part: str = ""
    parts: int = 1

    def figure(self, what: str) -> Figure:
        """A figure with its source, by its key in `figures`; a `BootcampError` if no source says it."""
        if what not in self.figures:
            raise BootcampError(
                f"The table has no {what} of {self.key}: no source that was found says it.",
                f"Take what it has: {', '.join(self.figures)}.",
            )
        return self.figures[what]

    def peak(self, precision: str, matrix: bool | None = None) -> float:
        """Highest rate that the sheet promises, dense.

        Parameters
        ----------
        precision : {"fp64", "fp32", "tf32", "bf16", "fp16"}
        matrix : bool, optional
            True for the matrix units (tensor cores), False for the vector units; by default the faster of
            those that the sheet tells.

        Returns
        -------
        float
            FLOP/s.

        Raises
        ------
        BootcampError
            If there is no such precision, or the sheet does not say.
        """
        if precision not in PRECISIONS:
            raise BootcampError(
                f"{precision!r} is no precision of the table.", f"Take one of: {', '.join(PRECISIONS)}."
            )
        units = ("vector", "matrix") if matrix is None else ("matrix",) if matrix else ("vector",)
        found = [self.figures[f"{u}.{precision}"].value for u in units if f"{u}.{precision}" in self.figures]
        if not found:
            has = [name for name in self.figures if "." in name]
            raise BootcampError(
                f"The sheet of {self.key} does not say a {' or '.join(units)} peak for {precision}.",
                f"Take a peak that it says: {', '.join(has)}." if has else "No peak of this device is known.",
            )
        return max(found)

    @property
    def memory(self) -> float:
        """Bytes."""
        return self.figure("memory").value

    @property
    def bandwidth(self) -> float:
        """Of the memory, bytes/s."""
        return self.figure("bandwidth").value

    @property
    def tdp(self) -> float:
        """W."""
        return self.figure("tdp").value

    @property
    def link(self) -> float:
        """To its neighbours or its host (see `link_name`), both directions together, bytes/s."""
        return self.figure("link").value

    @property
    def ridge(self) -> float:
        """FLOP/byte above which FP32 is bound by arithmetic, on the vector units if the sheet tells them."""
        return self.ridge_point("fp32", False if "vector.fp32" in self.figures else None)

    def ridge_point(self, precision: str, matrix: bool | None = None) -> float:
        """FLOP/byte at which arithmetic and memory take the same time; arguments and errors as for `peak`."""
        return self.peak(precision, matrix) / self.bandwidth


@dataclass(frozen=True, eq=False)
class System:
    """One node.

    Attributes
    ----------
    key, name, site : str
    devices : tuple of Device
        Its accelerator. None: it has none. More than one: the sources do not say which of them it is.
    count : int or None
        Accelerators in a node; None if there are none or the sources do not say.
    host : Device or None
    sockets : int or None
        Host processors in a node.
    memory : float or None
        Of the host, bytes.
    sources : tuple of Source
    note : str
    """

    key: str
    name: str
    site: str
    devices: tuple[Device, ...]
    count: int | None
    host: Device | None
    sockets: int | None
    memory: float | None
    sources: tuple[Source, ...]
    note: str = ""


@dataclass(frozen=True)
class Table:
    """Everything that the file says, by key and in the order of the file."""

    sources: Mapping[str, Source]
    devices: Mapping[str, Device]
    systems: Mapping[str, System]


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _CHECKS.bad(f"{where} is no text")
    return value


def _known(key: Any, where: str, table: Mapping[str, Any], what: str) -> Any:
    if not isinstance(key, str) or key not in table:
        raise _CHECKS.bad(f"{where} names the {what} {key!r}, which is not in the file")
    return table[key]


def _source(key: str, entry: Any) -> Source:
    texts = {"title", "publisher", "url"}
    entry = _CHECKS.fields(entry, f"source {key}", texts | {"year", "seen"}, texts)
    year = _CHECKS.positive(entry["year"], f"source {key}, year", int) if "year" in entry else None
    found = {name: _text(entry[name], f"source {key}, {name}") for name in entry if name != "year"}
    return Source(key, year=year, **found)


def _figure(entry: Any, where: str, sources: Mapping[str, Source], more: tuple[str, ...] = ()) -> Figure:
    needed = {"value", "source", *more}
    entry = _CHECKS.fields(entry, where, needed | {"note"}, needed)
    note = _text(entry["note"], f"{where}, note") if "note" in entry else ""
    source = _known(entry["source"], where, sources, "source")
    return Figure(_CHECKS.positive(entry["value"], where), source, note)


def _device(key: str, entry: Any, sources: Mapping[str, Source], names: Mapping[str, Any]) -> Device:
    where = f"device {key}"
    entry = _CHECKS.fields(entry, where, _DEVICE, {"name", "vendor", "kind"})
    if entry["kind"] not in KINDS:
        raise _CHECKS.bad(f"{where} is of the kind {entry['kind']!r}, not one of {', '.join(KINDS)}")
    figures = {f: _figure(entry[f], f"{where}, {f}", sources) for f in _FIGURES if f in entry}
    link_name = ""
    if "link" in entry:
        figures["link"] = _figure(entry["link"], f"{where}, link", sources, ("name",))
        link_name = _text(entry["link"]["name"], f"{where}, link")
    for units in ("vector", "matrix"):
        peaks = _CHECKS.fields(entry.get(units, {}), f"{where}, {units}", set(PRECISIONS), set())
        figures |= {f"{units}.{p}": _figure(f, f"{where}, {units}.{p}", sources) for p, f in peaks.items()}
    part, parts = "", 1
    if "parts" in entry:
        keys = {"device", "count"}
        consists = _CHECKS.fields(entry["parts"], f"{where}, parts", keys, keys)
        _known(consists["device"], f"{where}, parts", names, "device")
        part, parts = consists["device"], _CHECKS.positive(consists["count"], f"{where}, parts", int)
    name, vendor = (_text(entry[f], f"{where}, {f}") for f in ("name", "vendor"))
    return Device(key, name, vendor, entry["kind"], MappingProxyType(figures), link_name, part, parts)


def _system(key: str, entry: Any, sources: Mapping[str, Source], devices: Mapping[str, Device]) -> System:
    where = f"system {key}"
    entry = _CHECKS.fields(entry, where, _SYSTEM, {"name", "site", "devices", "sources"})
    for field in ("devices", "sources"):
        if not isinstance(entry[field], list):
            raise _CHECKS.bad(f"{where}, {field} is no list")
    if not entry["sources"]:
        raise _CHECKS.bad(f"{where} has no source")
    return System(
        key=key,
        name=_text(entry["name"], f"{where}, name"),
        site=_text(entry["site"], f"{where}, site"),
        devices=tuple(_known(d, where, devices, "device") for d in entry["devices"]),
        count=_CHECKS.positive(entry["count"], f"{where}, count", int) if "count" in entry else None,
        host=_known(entry["host"], where, devices, "device") if "host" in entry else None,
        sockets=_CHECKS.positive(entry["sockets"], f"{where}, sockets", int) if "sockets" in entry else None,
        memory=_CHECKS.positive(entry["memory"], f"{where}, memory") if "memory" in entry else None,
        sources=tuple(_known(s, where, sources, "source") for s in entry["sources"]),
        note=_text(entry["note"], f"{where}, note") if "note" in entry else "",
    )


def parse(text: str) -> Table:
    """Read and check a table.

    Parameters
    ----------
    text : str
        Contents of a file like ``systems.toml``.

    Returns
    -------
    Table

    Raises
    ------
    BootcampError
        If it is no TOML, a key is missing or unknown, a figure is not a positive number, or a figure or a
        system names a source or a device that the file does not have.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _CHECKS.bad(f"it is no TOML ({error})") from None
    raw = _CHECKS.fields(
        raw, "the file", {"sources", "devices", "systems"}, {"sources", "devices", "systems"}
    )
    for name, entries in raw.items():
        if not isinstance(entries, dict):
            raise _CHECKS.bad(f"{name} is no table")
    sources = {k: _source(k, e) for k, e in raw["sources"].items()}
    devices = {k: _device(k, e, sources, raw["devices"]) for k, e in raw["devices"].items()}
    systems = {k: _system(k, e, sources, devices) for k, e in raw["systems"].items()}
    return Table(*(MappingProxyType(part) for part in (sources, devices, systems)))


@cache
def table() -> Table:
    """The table that comes with the package."""
    return parse(resources.files(__package__).joinpath(_WHERE).read_text(encoding="utf-8"))


def sources() -> Mapping[str, Source]:
    """All sources by key."""
    return table().sources


def devices() -> Mapping[str, Device]:
    """All devices by key."""
    return table().devices


def systems() -> Mapping[str, System]:
    """All nodes by key."""
    return table().systems


def _look_up(name: str, entries: Mapping[str, Any], what: str) -> Any:
    if name not in entries:
        raise BootcampError(
            f"There is no {what} {name!r} in the table.", f"Take one of: {', '.join(entries)}."
        )
    return entries[name]


def device(name: str) -> Device:
    """A device by its key, e.g. "a100-40gb"; a `BootcampError` that lists all keys if there is none."""
    return _look_up(name, devices(), "device")


def system(name: str) -> System:
    """A node by its key, e.g. "juwels-booster"; a `BootcampError` that lists all keys if there is none."""
    return _look_up(name, systems(), "system")
