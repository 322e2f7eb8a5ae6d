"""What radiation costs: columns for solver and networks alike, 8-bit networks, and what speed is worth.

The arithmetic (draws, break-even, whole forecast) is that of notebook ``03-radiation/5_cost``. Processes of
their own for solver and networks: see `maelstrom_bootcamp.apps.radiation.crew`.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from maelstrom_bootcamp.errors import BootcampError

if TYPE_CHECKING:
    import onnx
    import xarray as xr

INPUTS = ("sca_inputs", "col_inputs", "hl_inputs", "inter_inputs", "pressure_hl")
COS_ZENITH = 1  # column of sca_inputs


# ---- the same columns for all ----------------------------------------------------------------------


def timing_columns(
    n: int, raw: xr.Dataset, arrays: Mapping[str, np.ndarray], *, sunlit: bool = True
) -> tuple[xr.Dataset, dict[str, np.ndarray]]:
    """Pick columns to be timed: the same ones as the solver takes them and as the networks do.

    Parameters
    ----------
    n : int
        Number of columns; if there are fewer, they are taken again and again.
    raw : xarray.Dataset
        From `maelstrom_bootcamp.apps.radiation.columns.open_columns`.
    arrays : mapping of str to numpy.ndarray
        Of the same split, from `maelstrom_bootcamp.apps.radiation.columns.load_split`.
    sunlit : bool
        Only columns by day: at night nobody has to compute sunlight.

    Returns
    -------
    xarray.Dataset, dict of str to numpy.ndarray
        In memory, evenly spread over the split. The arrays are the inputs only.

    Raises
    ------
    BootcampError
        If n is below 1, there is no such column, or the two do not hold the same columns.
    """
    if n < 1:
        raise BootcampError(f"{n} columns cannot be timed.", "Give n >= 1.")
    sun = arrays["sca_inputs"][:, COS_ZENITH]
    if not np.array_equal(sun, raw["cos_solar_zenith_angle"].values.astype(sun.dtype)):
        raise BootcampError("These are not the same columns.", "Open and load the same split and size.")
    usable = np.flatnonzero(sun > 0) if sunlit else np.arange(len(sun))
    if not usable.size:
        raise BootcampError("No column lies by day.", "Take sunlit=False, or a larger sample.")
    spread = usable[np.linspace(0, usable.size - 1, min(n, usable.size)).round().astype(int)]
    which = np.resize(spread, n)
    return raw.isel(column=which).load(), {name: arrays[name][which] for name in INPUTS}


# ---- onnxruntime -----------------------------------------------------------------------------------


def open_session(model: onnx.ModelProto | bytes, threads: int = 1) -> Any:
    """Open an ONNX model in onnxruntime.

    Parameters
    ----------
    model : onnx.ModelProto or bytes
    threads : int

    Returns
    -------
    onnxruntime.InferenceSession
        ``session.run(None, inputs)`` computes all outputs from a dict of float32 arrays.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    content = model if isinstance(model, bytes) else model.SerializeToString()
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def quantised(model: onnx.ModelProto) -> onnx.ModelProto:
    """Weights as whole numbers of 8 bits; what flows between them is rounded while it flows ("dynamic").

    The scale of that rounding is found anew for each batch, from its smallest and largest value. So what one
    column gets depends, a little, on its neighbours in the batch.

    Parameters
    ----------
    model : onnx.ModelProto
        From `maelstrom_bootcamp.apps.radiation.to_onnx.to_onnx`.

    Returns
    -------
    onnx.ModelProto
        Convolutions, products and recurrent layers in 8 bits; the laws of physics stay in float32.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.ERROR)  # it recommends a preparation that changes nothing in these graphs
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "quantised.onnx"
            quantize_dynamic(model, path, weight_type=QuantType.QInt8)
            return onnx.load(path)
    finally:
        root.setLevel(before)


# ---- what follows ----------------------------------------------------------------------------------


def draws_worth(sd: float, error: float) -> float:
    """How many draws of the solver must be averaged until their noise is as small as an error.

    Parameters
    ----------
    sd : float
        Standard deviation of one draw.
    error : float
        Error of the emulator against the mean over all draws, in the same unit.

    Returns
    -------
    float
        (sd / error)²; below 1 if a single draw is already better.

    Raises
    ------
    BootcampError
        If a number is not above 0.
    """
    _check_positive(sd=sd, error=error)
    return (sd / error) ** 2


def break_even(seconds: float, solver: float, emulator: float) -> float:
    """After how many columns an emulator has earned what it cost.

    Parameters
    ----------
    seconds : float
        Of making the training data and of training.
    solver, emulator : float
        Columns per second.

    Returns
    -------
    float
        Columns; infinite if the emulator is not faster.

    Raises
    ------
    BootcampError
        If a number is not above 0.
    """
    _check_positive(seconds=seconds, solver=solver, emulator=emulator)
    saved = 1 / solver - 1 / emulator
    return seconds / saved if saved > 0 else float("inf")


def whole_forecast(share: float, speed_up: float) -> float:
    """Speed-up of a forecast of which only a part becomes faster.

    Amdahl (1967), doi:10.1145/1465482.1465560.

    Parameters
    ----------
    share : float
        Of the forecast's time that the part takes, 0 to 1.
    speed_up : float
        Of the part.

    Returns
    -------
    float
        1 / (1 - share + share / speed_up)

    Raises
    ------
    BootcampError
        If the share is not between 0 and 1, or the speed-up not above 0.
    """
    _check_positive(speed_up=speed_up)
    if not 0 <= share <= 1:
        raise BootcampError(f"{share} is no share of the time.", "Give a number from 0 to 1.")
    return 1 / (1 - share + share / speed_up)


def _check_positive(**numbers: float) -> None:
    for name, value in numbers.items():
        if not value > 0:
            raise BootcampError(f"{name}={value} is not above 0.", f"Give {name} a positive number.")
