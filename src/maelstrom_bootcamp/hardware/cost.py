"""Energy and cost to solution: from the time of a step to kWh, EUR and CO2, with intervals.

    energy = steps x step time x power of the node's part x PUE

Every factor is an `Interval`. Products of intervals multiply their ends: the result holds the truth if every
factor does, and is wider than it had to be if their errors are independent. Middle values multiply, too.

The factors are in ``prices.toml`` next to this file, each with its sources; what is assumed says so.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.hardware import systems
from maelstrom_bootcamp.hardware.entries import Checks
from maelstrom_bootcamp.hardware.systems import Source

_WHERE = "prices.toml"
JOULES_PER_KWH = 3.6e6


@dataclass(frozen=True)
class Interval:
    """A number that is not known exactly.

    Attributes
    ----------
    low, value, high : float
        Not negative, in this order.
    why : str
        Where it comes from.
    sources : tuple of Source
    """

    low: float
    value: float
    high: float
    why: str = ""
    sources: tuple[Source, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what is no interval."""
        if not (0 <= self.low <= self.value <= self.high < math.inf):
            raise BootcampError(
                f"{self.low}, {self.value}, {self.high} is no interval.",
                "Give low <= value <= high, none of them negative or infinite.",
            )

    def __mul__(self, other: Interval | float) -> Interval:
        """Product, end by end. What was said of both gets lost."""
        other = other if isinstance(other, Interval) else exactly(other)
        return Interval(self.low * other.low, self.value * other.value, self.high * other.high)

    __rmul__ = __mul__

    def __add__(self, other: Interval) -> Interval:
        """Sum, end by end."""
        return Interval(self.low + other.low, self.value + other.value, self.high + other.high)

    def __str__(self) -> str:
        return f"{_short(self.value)} ({_short(self.low)} to {_short(self.high)})"


def _short(x: float) -> str:
    return f"{x:,.0f}" if x >= 100 else f"{x:.2g}"


def exactly(value: float, why: str = "") -> Interval:
    """A number without doubt, as an interval."""
    return Interval(value, value, value, why)


@dataclass(frozen=True)
class Factors:
    """What turns seconds into energy and money.

    Attributes
    ----------
    share : Interval
        Of its TDP that a busy accelerator draws.
    idle : Interval
        Of its TDP that an idle one draws.
    overhead : Interval
        Watts of a node for each watt of its accelerators (or, of a node without, of its processors).
    pue : Interval
        Watts of the building for each watt of computers (power usage effectiveness).
    price : Interval
        EUR/kWh.
    co2 : Interval
        kg/kWh.
    """

    share: Interval
    idle: Interval
    overhead: Interval
    pue: Interval
    price: Interval
    co2: Interval


@dataclass(frozen=True)
class Offer:
    """A price for which accelerators could be rented.

    Attributes
    ----------
    name : str
    device : systems.Device
    usd_per_hour : float
        Of one accelerator; USD.
    source : Source
    """

    name: str
    device: systems.Device
    usd_per_hour: float
    source: Source


@dataclass(frozen=True)
class Node:
    """The part of a node that draws the power.

    Attributes
    ----------
    name : str
    device : systems.Device
        Accelerator, or processor of a node without.
    count : int
        Of them in the node.
    note : str
        What the table does not say.
    """

    name: str
    device: systems.Device
    count: int
    note: str = ""


@dataclass(frozen=True)
class Bill:
    """What a training costs.

    Attributes
    ----------
    node : Node
    seconds : Interval
    watts : Interval
        At the plug of the node: the part that the training has to answer for.
    kwh : Interval
        PUE included.
    eur : Interval
        Electricity only: no hardware, no building, no people.
    kg_co2 : Interval
        Of the electricity.
    assumed : tuple of str
        Everything that went in.
    """

    node: Node
    seconds: Interval
    watts: Interval
    kwh: Interval
    eur: Interval
    kg_co2: Interval
    assumed: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        return (
            f"{self.node.name}: {self.seconds * (1 / 3600)} h, {self.watts} W, "
            f"{self.kwh} kWh, {self.eur} EUR, {self.kg_co2} kg CO2"
        )


def factors(**changes: Interval | float) -> Factors:
    """The factors of ``prices.toml``, some of them replaced by your own.

    Parameters
    ----------
    **changes : Interval or float
        By the names of `Factors`, e.g. ``price=0.31``.

    Returns
    -------
    Factors

    Raises
    ------
    BootcampError
        If there is no such factor, or it is out of its range (a PUE below 1, an overhead below 1, ...).
    """
    known = _table()[0]
    for name, value in changes.items():
        if not hasattr(known, name):
            raise BootcampError(f"There is no factor {name!r}.", f"Take one of: {', '.join(vars(known))}.")
        interval = value if isinstance(value, Interval) else exactly(value, "given by you")
        known = replace(known, **{name: interval})
    for name in ("pue", "overhead"):
        if getattr(known, name).low < 1:
            raise BootcampError(f"A {name} below 1 would create energy.", "Give 1 or more.")
    for name in ("share", "idle"):
        if getattr(known, name).high > 1:
            raise BootcampError(f"A {name} above 1 is more than the TDP.", "Give a share from 0 to 1.")
    return known


def offers() -> tuple[Offer, ...]:
    """Prices of rented accelerators that were read in a source."""
    return _table()[1]


def node(system: str, device: str | None = None, *, host: bool = False) -> Node:
    """A node of the table of systems.

    Parameters
    ----------
    system : str
        A key of `systems.systems`.
    device : str, optional
        Which accelerator, where the table is not sure.
    host : bool
        Only the processors, as if the node had no accelerators.

    Returns
    -------
    Node

    Raises
    ------
    BootcampError
        If there is no such system or device in it, or the table does not know its power.
    """
    found = systems.system(system)
    if host or not found.devices:
        if found.host is None or found.sockets is None:
            raise BootcampError(f"The table does not know the processors of {system}.", "Take another node.")
        chosen, count, note = found.host, found.sockets, "processors only"
    else:
        keys = [d.key for d in found.devices]
        if device is not None and device not in keys:
            raise BootcampError(f"{system} has no {device}.", f"Take one of: {', '.join(keys)}.")
        chosen = found.devices[keys.index(device) if device else 0]
        count, note = found.count or 1, "" if found.count else "how many in a node is not known: one"
    chosen.figure("tdp")
    return Node(f"{found.name}{' (host)' if host else ''}", chosen, count, note)


def bill(
    where: Node,
    step: Interval,
    steps: float,
    *,
    used: int = 1,
    alone: bool = False,
    by: Factors | None = None,
) -> Bill:
    """What a training costs on a node.

    Parameters
    ----------
    where : Node
    step : Interval
        Seconds of a step, measured or predicted.
    steps : float
        Of the whole training.
    used : int
        Accelerators that work on it.
    alone : bool
        Whether the others idle meanwhile, at the expense of this training. Else somebody else uses them, and
        pays their part of the node.
    by : Factors, optional

    Returns
    -------
    Bill

    Raises
    ------
    BootcampError
        If the node has not so many, or the number of steps is negative.
    """
    by = by or factors()
    if isinstance(used, bool) or not isinstance(used, int) or not 1 <= used <= where.count:
        raise BootcampError(
            f"{where.name} has {where.count} x {where.device.name}, not {used}.",
            "Give `used` from 1 to that.",
        )
    if not 0 <= steps < math.inf:
        raise BootcampError(f"{steps} is no number of steps.", "Give 0 or more.")
    tdp = where.device.tdp
    drawn = by.share * (used * tdp)
    if alone:
        drawn = drawn + by.idle * ((where.count - used) * tdp)
    seconds, watts = step * steps, drawn * by.overhead
    kwh = watts * seconds * by.pue * (1 / JOULES_PER_KWH)
    used_factors = {k: v for k, v in vars(by).items() if alone or k != "idle"}
    said = [f"step: {step} s, {step.why or 'given by you'}", f"TDP of {where.device.name}: {tdp:g} W"]
    said += [f"{name}: {interval}, {interval.why}" for name, interval in used_factors.items()]
    return Bill(
        where, seconds, watts, kwh, kwh * by.price, kwh * by.co2, (*said, *filter(None, [where.note]))
    )


def settle(joules: Interval | float, by: Factors | None = None, *, counted: str = "node") -> Bill:
    """What measured joules cost.

    Parameters
    ----------
    joules : Interval or float
        Of a meter.
    by : Factors, optional
    counted : {"device", "node", "building"}
        What the meter has counted: it decides whether overhead and PUE come on top.

    Returns
    -------
    Bill
        Without times: its seconds and watts are 0.

    Raises
    ------
    BootcampError
        If `counted` is none of the three.
    """
    by = by or factors()
    if counted not in ("device", "node", "building"):
        raise BootcampError(f"A meter does not count {counted!r}.", "Take one of: device, node, building.")
    kwh = (joules if isinstance(joules, Interval) else exactly(joules)) * (1 / JOULES_PER_KWH)
    kwh = kwh * by.overhead if counted == "device" else kwh
    kwh = kwh if counted == "building" else kwh * by.pue
    where = Node(f"measured at the {counted}", systems.Device("meter", "meter", "", "gpu", {}), 1)
    return Bill(where, exactly(0), exactly(0), kwh, kwh * by.price, kwh * by.co2)


def parse(text: str) -> tuple[Factors, tuple[Offer, ...], Mapping[str, Source]]:
    """Read and check a file like ``prices.toml``; a `BootcampError` if something is wrong with it."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Checks(_WHERE).bad(f"it is no TOML ({error})") from None
    try:
        known = {key: Source(key=key, **entry) for key, entry in raw["sources"].items()}
        found = {name: _interval(entry, known) for name, entry in raw["factors"].items()}
        rents = tuple(_offer(entry, known) for entry in raw["offers"])
        return Factors(**found), rents, MappingProxyType(known)
    except KeyError as error:
        raise Checks(_WHERE).bad(f"{error} is missing, or is no source of the file") from None
    except TypeError as error:
        raise Checks(_WHERE).bad(str(error)) from None


def _interval(entry: Mapping[str, Any], known: Mapping[str, Source]) -> Interval:
    sources = tuple(known[key] for key in entry["sources"])
    if not sources and "assumed" not in entry["why"]:
        raise Checks(_WHERE).bad(f"{entry['why']!r} has no source, and does not say that it is assumed")
    return Interval(entry["low"], entry["value"], entry["high"], entry["why"], sources)


def _offer(entry: Mapping[str, Any], known: Mapping[str, Source]) -> Offer:
    each = entry["usd_per_hour"] / entry["count"]
    return Offer(entry["name"], systems.device(entry["device"]), each, known[entry["source"]])


@cache
def _table() -> tuple[Factors, tuple[Offer, ...], Mapping[str, Source]]:
    return parse(resources.files(__package__).joinpath(_WHERE).read_text(encoding="utf-8"))
