"""How long a step of a network takes: a bound by the roofline, or a forecast by calibrated operators.

In a training step, what the forward pass left behind for the backward pass is far away: these bytes move at
the bandwidth of the level that holds all of them together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.hardware.calibration import NOTHING, Calibration, features
from maelstrom_bootcamp.hardware.ceilings import Ceilings, check_threads, run_apart
from maelstrom_bootcamp.hardware.roofline import count, roofline

_STEPS = "maelstrom_bootcamp.hardware.micro:steps"


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
    laws = [NOTHING if name == "none" else calibration.law(name) for name in table.law]
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
