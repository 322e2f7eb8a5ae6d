"""Peak memory of a training step: what `liveness` counts, compared with what was measured.

The count follows from the network alone. What was measured adds one factor, which is 1 within a percent where
the rules were read, and would show that another version of TensorFlow does something else; and the interval.
Factors for each kind of bytes, or trees on what the count leaves over, were tried and made nothing better.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from maelstrom_bootcamp.perfmodel.graph import ModelInputError, OpGraph
from maelstrom_bootcamp.perfmodel.memory.liveness import Memory, liveness
from maelstrom_bootcamp.perfmodel.models.predictor import half_widths
from maelstrom_bootcamp.perfmodel.splits import Split

#: Bytes in a MB, as the labels count.
MB = 1e6


@dataclass(frozen=True)
class MemoryEstimate:
    """A prediction with its interval.

    Attributes
    ----------
    value, low, high : float
        MB of 10^6 bytes.
    counted : Memory
        What it was made from.
    """

    value: float
    low: float
    high: float
    counted: Memory


@dataclass(frozen=True)
class MemoryPredictor:
    """The count times a factor, and how far off that was.

    Attributes
    ----------
    factor : float
        Measured over counted: the median.
    half_width : mapping of float to float
        Confidence -> half the width of the interval of the logarithm; of networks that were not fitted.
    """

    factor: float
    half_width: Mapping[float, float]

    def predict(self, graph: OpGraph, confidence: float = 0.9) -> MemoryEstimate:
        """Peak memory of a training step with Adam.

        Parameters
        ----------
        graph : OpGraph
            At the batch at which it will run.
        confidence : float
            One of `half_width`.

        Returns
        -------
        MemoryEstimate

        Raises
        ------
        ModelInputError
            If the interval of this confidence was not tested, or `liveness` refuses the graph.
        """
        if confidence not in self.half_width:
            known = ", ".join(f"{c:g}" for c in sorted(self.half_width)) or "none"
            raise ModelInputError(
                f"An interval of confidence {confidence:g} was not tested.", f"Take one of these: {known}."
            )
        counted = liveness(graph)
        value = self.factor * counted.peak / MB
        wider = float(np.exp(self.half_width[confidence]))
        return MemoryEstimate(value, value / wider, value * wider, counted)


def memory_predictor(
    counted: Sequence[Memory], measured: Sequence[float], splits: Iterable[Split]
) -> MemoryPredictor:
    """Fit the factor, and test the interval on networks that were held out.

    Parameters
    ----------
    counted : sequence of Memory
        Of `liveness`, for each network that was measured.
    measured : sequence of float
        Peaks of their training steps in MB.
    splits : iterable of Split
        From `splits.unseen_architectures` or `splits.unseen_families`: what the interval is to hold for.

    Returns
    -------
    MemoryPredictor
        Fitted to all networks.

    Raises
    ------
    ModelInputError
        If there is nothing to fit to, no split, or a measurement is not positive.
    """
    truth = np.asarray(measured, np.float64)
    if len(counted) != len(truth) or not len(truth) or not (np.isfinite(truth) & (truth > 0)).all():
        raise ModelInputError(
            f"{len(counted)} networks and {len(truth)} measurements cannot be fitted.",
            "Give one positive number of MB for each network.",
        )
    peaks = np.array([m.peak for m in counted]) / MB
    held = [(peaks[s.test] * _factor(peaks[s.train], truth[s.train]), truth[s.test]) for s in splits]
    if not held:
        raise ModelInputError("There is no split to test the interval on.", "Give at least one.")
    found, expected = (np.concatenate(part) for part in zip(*held, strict=True))
    return MemoryPredictor(_factor(peaks, truth), half_widths(found, expected))


def _factor(peaks: np.ndarray, truth: np.ndarray) -> float:
    return float(np.exp(np.median(np.log(truth) - np.log(peaks))))
