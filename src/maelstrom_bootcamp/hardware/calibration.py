"""Laws of single operators: what each kind costs beside what the roof allows, fitted to micro-benchmarks.

The calibration never sees a network. It times operators on generic shapes (`probes`), and fits for each kind

    seconds = overhead + compute * (FLOP / peak) / fill + traffic * (bytes / bandwidth of the cache level)

where ``1 / compute`` and ``1 / traffic`` are the attained fractions of both ceilings, and ``fill`` is the
share of a vector register that the innermost length fills. A micro-benchmark finds its fields in the cache
that holds them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd
from scipy.optimize import nnls

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.hardware.ceilings import Ceilings, check_threads, run_apart
from maelstrom_bootcamp.hardware.probes import Probe, probes

#: What is measured together with something else: without it, and the law of the difference.
_BEYOND = {"training": ("forward", "backward"), "biased": ("weights", "offsets")}
_OPERATORS = "maelstrom_bootcamp.hardware.micro:operators"
LANES = 16  # numbers of single precision in a vector of 64 bytes (AVX-512)
#: Who stands in for a kind that has no micro-benchmark of its own.
_STAND_IN = {"hard": "silu", "recurrent": "dense", "other": "elementwise"}


@dataclass(frozen=True)
class Law:
    """What an operator of a kind costs beside what the roof allows.

    Attributes
    ----------
    overhead : float
        Seconds for each call.
    compute, traffic : float
        How many times longer than at the ceiling computing and moving take; 0 where the other explains all.
    error : float
        Median relative error on the micro-benchmarks to which it was fitted.
    """

    overhead: float
    compute: float
    traffic: float
    error: float = 0.0


NOTHING = Law(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Calibration:
    """The laws of a machine.

    Attributes
    ----------
    ceilings : Ceilings
    laws : mapping of str to Law
        "conv.forward", "conv.input", "conv.weights", "conv.offsets", "relu.forward", "relu.backward", ...
    call : float
        Seconds that it takes to call a graph that does nothing.
    seconds : tuple of (Probe, float)
        The measurements.
    """

    ceilings: Ceilings
    laws: Mapping[str, Law]
    call: float = 0.0
    seconds: tuple[tuple[Probe, float], ...] = ()

    def law(self, name: str) -> Law:
        """The law of a kind, or of the kind that stands in for it."""
        if name in self.laws:
            return self.laws[name]
        kind, _, direction = name.partition(".")
        name = f"{_STAND_IN.get(kind, 'elementwise')}.{direction}"
        if name not in self.laws:
            raise BootcampError(
                f"The calibration has no law for {name}.", "Calibrate again with the probes of all kinds."
            )
        return self.laws[name]


def features(
    flop: np.ndarray,
    moved: np.ndarray,
    channels: np.ndarray,
    ceilings: Ceilings,
    far: np.ndarray | float = 0.0,
    footprint: float = 0.0,
) -> np.ndarray:
    """What the law multiplies with its three numbers, in single precision.

    Parameters
    ----------
    flop, moved, channels : numpy.ndarray
        Shape (n,): FLOP, bytes, and innermost length (0: it does not matter).
    far : numpy.ndarray or float
        Those of the bytes that were last touched long ago, or never.
    footprint : float
        Bytes that were touched meanwhile: the level in which the far ones are found.

    Returns
    -------
    numpy.ndarray
        Shape (n, 3): 1, seconds of computing and seconds of moving at the ceilings.
    """
    flop, moved, channels = (np.asarray(each, float) for each in (flop, moved, channels))
    fill = np.where(channels > 0, channels / (LANES * np.ceil(np.maximum(channels, 1) / LANES)), 1.0)
    computing = flop / ceilings.peak("fp32") / fill
    near = ceilings.bandwidth_at(moved)
    distant = np.minimum(near, ceilings.bandwidth_at(max(footprint, 1.0)))
    far = np.minimum(far, moved)
    return np.stack([np.ones_like(flop), computing, (moved - far) / near + far / distant], axis=1)


def fit(columns: np.ndarray, seconds: np.ndarray, scale: np.ndarray | None = None) -> Law:
    """Fit a law to measured operators: no number is negative, and relative errors count.

    Parameters
    ----------
    columns : numpy.ndarray
        Shape (n, 3), of `features`.
    seconds : numpy.ndarray
        Shape (n,).
    scale : numpy.ndarray, optional
        What errors are relative to; by default the seconds.

    Returns
    -------
    Law
    """
    # Below a microsecond the clock and the subtracted call say more than the operator.
    scale = np.maximum(seconds if scale is None else scale, 1e-6)
    weight = 1 / scale
    for _ in range(20):  # errors relative to measured and fitted time alike: neither side is favoured
        found, _ = nnls(columns * weight[:, None], seconds * weight)
        weight = 1 / np.sqrt(scale * np.maximum(columns @ found, 0.1 * scale))
    error = np.median(np.abs(columns @ found - seconds) / scale)
    return Law(*(float(each) for each in found), float(error))


def fit_laws(ceilings: Ceilings, measured: Sequence[tuple[Probe, float]]) -> Calibration:
    """Fit the law of each kind and direction.

    Parameters
    ----------
    ceilings : Ceilings
    measured : sequence of (Probe, float)
        With seconds; of each kind at least three.

    Returns
    -------
    Calibration
        "training" probes give the law "backward": what training takes beyond the forward pass; "biased" ones
        the law "offsets": what the gradient of the offsets takes beyond that of the weights.

    Raises
    ------
    BootcampError
        If a kind has fewer than three probes.
    """
    call = min((s for p, s in measured if p.kind == "call"), default=0.0)
    measured = [(p, s) for p, s in measured if p.kind != "call"]
    alone = {(p.kind, p.direction, p.shape): s for p, s in measured}
    laws = {}
    for kind, direction in dict.fromkeys((p.kind, p.direction) for p, _ in measured):
        some = [(p, s) for p, s in measured if (p.kind, p.direction) == (kind, direction)]
        if len(some) < 3:
            raise BootcampError(
                f"{len(some)} probes of {kind}.{direction} fix no law.", "Time at least three of a kind."
            )
        seconds = np.array([s for _, s in some])
        columns = features(*np.array([(p.flop, p.bytes, p.channels) for p, _ in some]).T, ceilings)
        if direction not in _BEYOND:
            laws[f"{kind}.{direction}"] = fit(columns, seconds)
            continue
        without, name = _BEYOND[direction]
        beyond = np.maximum(seconds - [alone[kind, without, p.shape] for p, _ in some], 0)
        laws[f"{kind}.{name}"] = fit(columns, beyond, seconds)
    return Calibration(ceilings, MappingProxyType(laws), call, tuple(measured))


def calibrate(
    ceilings: Ceilings,
    *,
    visits: int = 2,
    seconds: float = 0.01,
    every: int = 1,
    kinds: Collection[str] | None = None,
) -> Calibration:
    """Time the probes on this machine and fit the laws; about three quarters of a minute for all.

    Parameters
    ----------
    ceilings : Ceilings
        Measured here (`measure_ceilings`); its number of threads is used.
    visits : int
        How often all probes are timed in turn.
    seconds : float
        For each probe and visit.
    every : int
        Only every so many-th shape of a kind (at least three), for a quick look.
    kinds : collection of str, optional
        Only these, see `needed`; by default all.

    Returns
    -------
    Calibration

    Raises
    ------
    BootcampError
        If the ceilings come from a data sheet, or the measurement fails.
    """
    if ceilings.threads is None:
        raise BootcampError(
            f"The ceilings of {ceilings.machine} come from a data sheet: there is nothing to time here.",
            "Use measure_ceilings() on the machine itself; for another device take the bound.",
        )
    check_threads(ceilings.threads)
    chosen = _thinned(tuple(probes()), every, kinds)
    return fit_laws(
        ceilings, list(zip(chosen, time_probes(chosen, ceilings.threads, seconds, visits), strict=True))
    )


def time_probes(
    chosen: Sequence[Probe], threads: int = 1, seconds: float = 0.01, visits: int = 2
) -> list[float]:
    """Seconds of each probe, timed in a process of its own; the best of all visits."""
    return run_apart(_OPERATORS, (threads, tuple(chosen), seconds, visits))


def needed(table: pd.DataFrame) -> set[str]:
    """Kinds of micro-benchmarks that the rows of `roofline.count` are judged by."""
    return {law.partition(".")[0] for law in table.law} - {"none"}


def _thinned(chosen: tuple[Probe, ...], every: int, kinds: Collection[str] | None) -> tuple[Probe, ...]:
    always = {"call", "elementwise"}
    kept = set()
    for kind in dict.fromkeys(p.kind for p in chosen):
        if kinds is None or kind in kinds or kind in always:
            shapes = list(dict.fromkeys(p.shape for p in chosen if p.kind == kind))
            step = max(1, min(every, (len(shapes) - 1) // 2))
            kept |= {(kind, shape) for shape in shapes[::step]}
    return tuple(p for p in chosen if (p.kind, p.shape) in kept)
