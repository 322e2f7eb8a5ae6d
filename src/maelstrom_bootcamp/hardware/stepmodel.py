"""How long a step of a network takes: a bound by the roofline, and a forecast calibrated on single operators.

The calibration never sees a network. It times operators on generic shapes (`probes`), and fits for each kind

    seconds = overhead + compute * (FLOP / peak) / fill + traffic * (bytes / bandwidth of the cache level)

where ``1 / compute`` and ``1 / traffic`` are the attained fractions of both ceilings, and ``fill`` is the
share of a vector register that the innermost length fills. A micro-benchmark finds its fields in the cache
that holds them. In a training step, what the forward pass left behind for the backward pass is far away:
these bytes move at the bandwidth of the level that holds all of them together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import nnls

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.hardware.ceilings import Ceilings, check_threads, run_apart
from maelstrom_bootcamp.hardware.probes import Probe, probes
from maelstrom_bootcamp.hardware.roofline import count, roofline

_OPERATORS = "maelstrom_bootcamp.hardware.micro:operators"
_STEPS = "maelstrom_bootcamp.hardware.micro:steps"
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


_NOTHING = Law(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Calibration:
    """The laws of a machine.

    Attributes
    ----------
    ceilings : Ceilings
    laws : mapping of str to Law
        "conv.forward", "conv.input", "conv.weights", "relu.forward", "relu.backward", ...
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


@dataclass(frozen=True)
class Prediction:
    """Time of a step.

    Attributes
    ----------
    seconds : float
        The forecast, if there is a calibration; else the bound.
    bound : float
        Sum of all operators at the roof.
    table : pandas.DataFrame
        The rows of `roofline.count` with "bound_seconds" and "seconds".
    assumptions : tuple of str
        What was taken for granted.
    """

    seconds: float
    bound: float
    table: pd.DataFrame
    assumptions: tuple[str, ...]


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
    scale = seconds if scale is None else scale
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
        "training" probes give the law "backward": what training takes beyond the forward pass.

    Raises
    ------
    BootcampError
        If a kind has fewer than three probes.
    """
    call = min((s for p, s in measured if p.kind == "call"), default=0.0)
    measured = [(p, s) for p, s in measured if p.kind != "call"]
    forward = {(p.kind, p.shape): s for p, s in measured if p.direction == "forward"}
    laws = {}
    for kind, direction in dict.fromkeys((p.kind, p.direction) for p, _ in measured):
        some = [(p, s) for p, s in measured if (p.kind, p.direction) == (kind, direction)]
        if len(some) < 3:
            raise BootcampError(
                f"{len(some)} probes of {kind}.{direction} fix no law.", "Time at least three of a kind."
            )
        seconds = np.array([s for _, s in some])
        columns = features(*np.array([(p.flop, p.bytes, p.channels) for p, _ in some]).T, ceilings)
        if direction == "training":
            beyond = np.maximum(seconds - [forward[kind, p.shape] for p, _ in some], 0)
            laws[f"{kind}.backward"] = fit(columns, beyond, seconds)
        else:
            laws[f"{kind}.{direction}"] = fit(columns, seconds)
    return Calibration(ceilings, MappingProxyType(laws), call, tuple(measured))


def calibrate(ceilings: Ceilings, *, visits: int = 2, seconds: float = 0.01, every: int = 1) -> Calibration:
    """Time the probes on this machine and fit the laws; about half a minute.

    Parameters
    ----------
    ceilings : Ceilings
        Measured here (`measure_ceilings`); its number of threads is used.
    visits : int
        How often all probes are timed in turn.
    seconds : float
        For each probe and visit.
    every : int
        Only every so many-th convolution and product, for a quick look.

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
    chosen = _thinned(tuple(probes()), every)
    found = run_apart(_OPERATORS, (ceilings.threads, chosen, seconds, visits))
    return fit_laws(ceilings, list(zip(chosen, found, strict=True)))


def _thinned(chosen: tuple[Probe, ...], every: int) -> tuple[Probe, ...]:
    shapes = list(dict.fromkeys(p.shape for p in chosen if p.kind in ("conv", "dense")))
    kept = set(shapes[::every])
    return tuple(p for p in chosen if p.kind not in ("conv", "dense") or p.shape in kept)


def measure_steps(
    builder: str,
    arguments: Mapping[str, Any] | None = None,
    *,
    batch: int,
    image_size: tuple[int, int] | None = None,
    training: bool = True,
    threads: int = 1,
    seconds: float = 2.0,
) -> float:
    """Time a step of a network in a process of its own; the shortest counts, as for the calibration.

    Parameters
    ----------
    builder : str
        "package.module:function" of what builds the Keras model.
    arguments : mapping, optional
    batch : int
    image_size : (int, int), optional
        Lengths that the inputs leave open.
    training : bool
        Forward, gradients and Adam with the mean square as loss; else the forward pass alone.
    threads : int
    seconds : float
        Three steps at least are timed.

    Returns
    -------
    float
        Seconds: CPU time with one thread, wall-clock time with more.
    """
    check_threads(threads)
    job = (builder, dict(arguments or {}), batch, image_size, training, threads, seconds)
    return min(run_apart(_STEPS, job))


def predict_step(
    model: Any,
    ceilings: Ceilings | Calibration,
    precision: str = "fp32",
    *,
    training: bool = True,
    batch: int | None = None,
    image_size: Any = None,
    caches: bool = True,
    efficiency: float = 1.0,
    parameters: int | None = None,
    variables: int | None = None,
) -> Prediction:
    """Predict the time of one step.

    Parameters
    ----------
    model : keras.Model, OpGraph, ...
        As `roofline.count` takes it; also `batch`, `image_size`, `parameters` and `variables`.
    ceilings : Ceilings or Calibration
        Ceilings alone give a bound: what the machine would need if it reached them all the time. A
        calibration gives a forecast.
    precision : str
        A calibration is for "fp32" only.
    training : bool
    caches : bool
        Whether an operator that fits into a cache runs at its bandwidth, if the ceilings know caches.
    efficiency : float
        Attained fraction of both ceilings that you assume; above 0, at most 1. Of a data sheet alone it is
        not known, and with 1 the result is a bound.

    Returns
    -------
    Prediction

    Raises
    ------
    BootcampError
        If a ceiling for the precision is not known, or the efficiency makes no sense.
    """
    if not 0 < efficiency <= 1:
        raise BootcampError(f"An efficiency of {efficiency} is none.", "Give a fraction above 0, at most 1.")
    calibration = ceilings if isinstance(ceilings, Calibration) else None
    roof = calibration.ceilings if calibration else ceilings
    if calibration and precision != "fp32":
        raise BootcampError(
            f"The micro-benchmarks were timed in fp32, not in {precision}.",
            "Give the ceilings instead of the calibration, and take the result as a bound.",
        )
    known = {"batch": batch, "image_size": image_size, "precision": precision, "training": training}
    table = count(model, **known, fused=not training, parameters=parameters, variables=variables)
    table = roofline(table, roof, precision, caches=caches).rename(columns={"seconds": "bound_seconds"})
    bound = float(table.bound_seconds.sum())
    table["seconds"] = _forecast(table, calibration) if calibration else table.bound_seconds / efficiency
    words = _assumptions(roof, calibration, precision, training, caches, efficiency)
    call = calibration.call if calibration else 0.0
    return Prediction(float(table.seconds.sum()) + call, bound, table, words)


def _forecast(table: pd.DataFrame, calibration: Calibration) -> np.ndarray:
    far, roof = table.far_bytes.to_numpy(float), calibration.ceilings
    columns = features(table.law_flop, table.law_bytes, table.channels, roof, far, float(far.sum()))
    laws = [_NOTHING if name == "none" else calibration.law(name) for name in table.law]
    columns[:, 0] *= table.calls
    return (columns * [(law.overhead, law.compute, law.traffic) for law in laws]).sum(axis=1)


def _assumptions(
    roof: Ceilings,
    calibration: Calibration | None,
    precision: str,
    training: bool,
    caches: bool,
    efficiency: float,
) -> tuple[str, ...]:
    words = [
        f"ceilings of {roof.machine}: {roof.note or 'as given'}",
        f"all fields and weights are moved in {precision}, and each operator reads and writes them once",
        "operators run one after the other",
    ]
    if roof.caches and caches:
        words.append("an operator whose fields fit into a cache finds them there")
    else:
        words.append("nothing stays in a cache between operators")
    if training:
        words.append("Adam; no gradient with respect to the inputs; the loss itself is not counted")
    else:
        words.append("rectifiers are fused with the convolution or product before them")
    if calibration and training:
        words.append(
            "what the forward pass keeps for the backward pass comes from the level that holds it all"
        )
    if calibration:
        words.append("each kind of operator attains what its micro-benchmarks attained: a forecast")
    elif efficiency == 1:
        words.append("both ceilings are attained all the time, and calls cost nothing: a bound, no forecast")
    else:
        words.append(f"{efficiency:.0%} of both ceilings are attained, a guess: no forecast")
    return tuple(words)
