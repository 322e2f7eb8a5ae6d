"""What will a network cost? `predict` reads it, and answers for a device with intervals and with doubts.

Three kinds of answers, told apart by `Quantity.basis`:

- "measured": learned from measurements on this very device; the interval is that of architectures that the
  predictor had not seen.
- "scaled": learned on an RTX 3090, its operators' times scaled with the data sheets of the two devices.
- "counted": followed from the network alone (memory), and compared with measurements on a processor.
- "assumed": from a data sheet and a guess (energy). No public labels exist to test it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib.resources import as_file, files

from maelstrom_bootcamp import nn  # noqa: F401  (first of all: keeps TensorFlow's start-up lines to itself)
from maelstrom_bootcamp.hardware import systems
from maelstrom_bootcamp.perfmodel import mig
from maelstrom_bootcamp.perfmodel.arrays import Arrays, arrays
from maelstrom_bootcamp.perfmodel.graph import ModelInputError, OpGraph
from maelstrom_bootcamp.perfmodel.memory.liveness import liveness
from maelstrom_bootcamp.perfmodel.memory.predictor import MB, MemoryPredictor
from maelstrom_bootcamp.perfmodel.models import predictor
from maelstrom_bootcamp.perfmodel.models.predictor import Estimate, Predictor
from maelstrom_bootcamp.perfmodel.models.scaling import SOURCE, scale
from maelstrom_bootcamp.perfmodel.read import read
from maelstrom_bootcamp.perfmodel.read.lengths import ImageSize

#: Devices on which networks were measured -> what was measured there.
MEASURED: dict[str, tuple[str, ...]] = {
    "cpu": ("infer", "train"),
    "rtx3090": ("infer", "train"),
    "rtx4090": ("infer",),
}
#: Share of the board's power that a busy device draws: assumed, nothing public could be found to test it.
LEAST_POWER = 0.3
_CONFIDENCE = 0.9
_TIMES = {"infer": "latency", "train": "training step"}


@dataclass(frozen=True)
class Quantity:
    """One answer.

    Attributes
    ----------
    value, low, high : float
        The interval holds the truth for nine networks in ten that are like the training's; where the basis
        is "assumed" it is what the assumptions allow.
    unit : {"s", "MB", "J"}
        MB of 10^6 bytes.
    basis : {"measured", "scaled", "counted", "assumed"}
    """

    value: float
    low: float
    high: float
    unit: str
    basis: str

    def __str__(self) -> str:
        scale, unit = (1e3, "ms") if self.unit == "s" else (1.0, self.unit)
        value, low, high = (scale * x for x in (self.value, self.low, self.high))
        return f"{value:,.4g} {unit} ({low:,.3g} to {high:,.3g}; {self.basis})"


@dataclass(frozen=True)
class Prediction:
    """What a network will cost on a device.

    Attributes
    ----------
    network, device : str
    batch, operators, parameters, macs : int
        ``macs`` of one forward pass of the batch.
    quantities : Mapping of str to Quantity
        "latency", "training step" (Adam included), "memory of inference", "memory of training", "energy of
        inference", "energy of a training step"; what cannot be answered is missing.
    mig : Mapping of str to str
        Card -> its smallest slice in which the training fits, or why there is none. Extrapolated: the memory
        was compared with measurements on a processor only.
    family : str
        Of the measured network that is most alike; its name, if it belongs to none of the eleven families.
    warnings : tuple of str
    """

    network: str
    device: str
    batch: int
    operators: int
    parameters: int
    macs: int
    quantities: Mapping[str, Quantity]
    mig: Mapping[str, str]
    family: str
    warnings: tuple[str, ...]

    def to_dict(self) -> dict:
        """For JSON."""
        return asdict(self)

    def __str__(self) -> str:
        lines = [
            f"{self.network or 'network'} on {self.device}, batch {self.batch}: "
            f"{self.operators:,} operators, {self.parameters:,} parameters, {self.macs / 1e9:.3g} GMAC; "
            f"most like: {self.family}"
        ]
        lines += [f"  {name:26} {quantity}" for name, quantity in self.quantities.items()]
        lines += [f"  MIG slice of {card:12} {slice_} (extrapolated)" for card, slice_ in self.mig.items()]
        return "\n".join(lines + [f"  warning: {text}" for text in self.warnings])


def devices() -> tuple[str, ...]:
    """All devices for which `predict` has an answer: those that were measured, then those that are scaled.

    Returns
    -------
    tuple of str
    """
    scaled = (key for key, device in systems.devices().items() if _can_scale(device))
    return (*MEASURED, *(key for key in scaled if key not in MEASURED))


def predict(
    model: object,
    *,
    device: str = "cpu",
    batch: int | None = None,
    bind: Mapping[str, int] | None = None,
    image_size: ImageSize = None,
) -> Prediction:
    """Predict time, memory and energy of a network.

    Parameters
    ----------
    model : path, bytes, onnx.ModelProto, keras.Model, mapping or OpGraph
        As `maelstrom_bootcamp.perfmodel.read.read` takes it.
    device : str
        One of `devices`. "cpu" is one core of the processor on which the labels were measured, in single
        precision; graphics processors run with automatic mixed precision, channels first.
    batch, bind, image_size
        As `maelstrom_bootcamp.perfmodel.read.read` takes them.

    Returns
    -------
    Prediction

    Raises
    ------
    ModelInputError
        If the network cannot be read, or there is no such device.
    """
    if device not in devices():
        raise ModelInputError(f"There is no device {device!r}.", f"Take one of: {', '.join(devices())}.")
    graph = read(model, batch=batch, bind=bind, image_size=image_size)
    network = arrays(graph)
    found = {what: estimate(network, device, what) for what in _TIMES if _answers(device, what)}
    times = {_TIMES[what]: _time(one, device, what) for what, one in found.items()}
    memory = {
        "memory of inference": _memory(graph, "infer"),
        "memory of training": _memory(graph, "train"),
    }
    doubts = (f"{_TIMES[what]}: {text}" for what, one in found.items() for text in one.verdict.warnings)
    warnings = [*graph.notes, *_unknown(graph), *doubts]
    if device != "cpu":
        warnings += _too_large(device, memory["memory of training"])
    slices = {card: _slice(memory["memory of training"], card) for card in mig.CARDS}
    return Prediction(
        network=graph.name,
        device=device,
        batch=graph.batch,
        operators=len(graph),
        parameters=graph.params,
        macs=graph.macs,
        quantities={**times, **memory, **_energies(times, device)},
        mig=slices,
        family=next(iter(found.values())).verdict.family,
        warnings=tuple(warnings),
    )


def estimate(network: Arrays, device: str, what: str) -> Estimate:
    """Time of a network on a device, for those who have its arrays.

    Parameters
    ----------
    network : Arrays
    device : str
        One of `devices`.
    what : {"infer", "train"}

    Returns
    -------
    Estimate
        In seconds.

    Raises
    ------
    ModelInputError
        If this was not measured on the device, and cannot be scaled to it.
    """
    if not _answers(device, what):
        raise ModelInputError(
            f"No {_TIMES.get(what, what)} was measured on {device!r}.",
            f"Take one of: {', '.join(devices())}.",
        )
    if what in MEASURED.get(device, ()):
        return shipped(device, what).estimate(network, _CONFIDENCE)
    base = shipped(SOURCE, what)
    # Half widths add up as if the two errors were independent: of unseen networks, and of the scaling.
    own, more = base.half_width[_CONFIDENCE], scaling_half_width()
    wider = {_CONFIDENCE: float((own**2 + more**2) ** 0.5)}
    return replace(base, prior=scale(base.prior, device), half_width=wider).estimate(network, _CONFIDENCE)


@cache
def shipped(device: str, what: str) -> Predictor:
    """A predictor that comes with the package.

    Parameters
    ----------
    device : {"cpu", "rtx3090", "rtx4090"}
    what : {"infer", "train"}

    Returns
    -------
    Predictor
    """
    with as_file(files("maelstrom_bootcamp.perfmodel") / "weights" / f"{device}-{what}.npz") as path:
        return predictor.load(path)


def card(name: str) -> dict:
    """A model card that comes with the package: data, splits, errors of all that was raced, machine.

    Parameters
    ----------
    name : str
        E.g. "cpu-infer", "cpu-memory", "rtx3090-train", "scaling".

    Returns
    -------
    dict

    Raises
    ------
    ModelInputError
        If there is no such card.
    """
    folder = files("maelstrom_bootcamp.perfmodel") / "weights"
    known = sorted(p.name[:-5] for p in folder.iterdir() if p.name.endswith(".json"))
    if name not in known:
        raise ModelInputError(f"There is no model card {name!r}.", f"Take one of: {', '.join(known)}.")
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


@cache
def memory_shipped() -> MemoryPredictor:
    """The memory predictor that comes with the package.

    Returns
    -------
    MemoryPredictor
    """
    found = card("cpu-memory")
    return MemoryPredictor(found["factor"], {float(c): w for c, w in found["half_width"].items()})


@cache
def scaling_half_width() -> float:
    """Half the width, in the logarithm, of what scaling from one graphics processor to another was off by.

    Returns
    -------
    float
        Measured from an RTX 3090 to an RTX 4090, inference, nine networks in ten.
    """
    return float(card("scaling")["half_width"][str(_CONFIDENCE)])


def _can_scale(device: systems.Device) -> bool:
    have = {"matrix.fp16", "bandwidth", "memory", "tdp"}
    return device.kind == "gpu" and have <= device.figures.keys()


def _answers(device: str, what: str) -> bool:
    if what not in _TIMES:
        return False
    return what in MEASURED.get(device, ()) or (device != "cpu" and _can_scale(systems.device(device)))


def _time(found: Estimate, device: str, what: str) -> Quantity:
    basis = "measured" if what in MEASURED.get(device, ()) else "scaled"
    return Quantity(found.value, found.low, found.high, "s", basis)


def _memory(graph: OpGraph, mode: str) -> Quantity:
    if mode == "train":
        found = memory_shipped().predict(graph, _CONFIDENCE)
        return Quantity(found.value, found.low, found.high, "MB", "counted")
    peak = liveness(graph, "infer").peak / MB  # never compared: up to half of it as much again
    return Quantity(peak, peak / 1.5, peak * 1.5, "MB", "counted")


def _energies(times: Mapping[str, Quantity], device: str) -> dict[str, Quantity]:
    """Energy of the board between idle and full power; for a processor the sheet says nothing of a core."""
    if device == "cpu":
        return {}
    power = systems.device(device).tdp
    names = {"latency": "energy of inference", "training step": "energy of a training step"}
    middle = (1 + LEAST_POWER) / 2 * power
    return {
        names[name]: Quantity(t.value * middle, t.low * LEAST_POWER * power, t.high * power, "J", "assumed")
        for name, t in times.items()
    }


def _slice(memory: Quantity, card_name: str) -> str:
    profile, why = mig.choose(memory.high, card_name)
    return profile.name if profile else f"none: {why}"


def _unknown(graph: OpGraph) -> list[str]:
    if not graph.unknown:
        return []
    moved = sum(op.values for op in graph.ops if op.kind == "other")
    names = ", ".join(sorted(set(graph.unknown))[:5])
    return [f"Not known: {names}; {moved / max(graph.values, 1):.0%} of the traffic, priced by its bytes."]


def _too_large(device: str, memory: Quantity) -> list[str]:
    room = systems.device(device).memory / MB - mig.CONTEXT_MB
    if memory.low <= room:
        return []
    return [f"Training needs {memory.value:,.0f} MB, and {device} has {room:,.0f} MB: it will not fit."]
