"""How good is a prediction of time or memory? Relative errors, per family, and what a mean of them hides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from maelstrom_bootcamp.errors import BootcampError


def relative_error(predicted: Sequence[float], measured: Sequence[float]) -> np.ndarray:
    """Error of each prediction as a fraction of what was measured: +0.1 is ten percent too much.

    Parameters
    ----------
    predicted, measured : sequence of float
        Shape (n,), same units; measured > 0.

    Returns
    -------
    numpy.ndarray
        Shape (n,).

    Raises
    ------
    BootcampError
        If the lengths differ, nothing was measured, or a measurement is not positive.
    """
    p, m = np.asarray(predicted, np.float64), np.asarray(measured, np.float64)
    if p.shape != m.shape or p.ndim != 1 or not p.size:
        raise BootcampError(
            f"There are {p.shape} predictions for {m.shape} measurements.", "Give one for each, in a row."
        )
    if not (np.isfinite(m).all() and (m > 0).all()):
        raise BootcampError("A measurement is zero, negative or missing.", "Leave it out of both.")
    return p / m - 1


def score(
    predicted: Sequence[float], measured: Sequence[float], families: Sequence[str] | None = None
) -> dict[str, float]:
    """Scores of one predictor on one test set, in percent.

    Parameters
    ----------
    predicted, measured : sequence of float
        Shape (n,), same units; measured > 0.
    families : sequence of str, optional
        Family of each model; empty names are left out of the macro mean.

    Returns
    -------
    dict
        ``mape`` (mean absolute percentage error), ``median`` (of the absolute percentage errors),
        ``within10`` (share of the models whose error is at most ten percent), ``bias`` (median of the
        signed errors) and ``n``; with families ``macro``, the mean of the families' MAPE: what TraPPM
        publishes.

    Notes
    -----
    The MAPE of a prediction of zero is 100 %, of one ten times too large 900 %: it forgives prediction of
    too little and its mean may belong to one outlier. Read it beside the median.
    """
    error = relative_error(predicted, measured)
    size = 100 * np.abs(error)
    found = {
        "mape": float(size.mean()),
        "median": float(np.median(size)),
        "within10": float(100 * (size <= 10 + 1e-9).mean()),
        "bias": float(100 * np.median(error)),
        "n": len(size),
    }
    if families is not None:
        by = by_family(predicted, measured, families)["mape"]
        found["macro"] = float(by[by.index != ""].mean())
    return found


def by_family(predicted: Sequence[float], measured: Sequence[float], families: Sequence[str]) -> pd.DataFrame:
    """Scores of each family.

    Parameters
    ----------
    predicted, measured : sequence of float
        Shape (n,), same units; measured > 0.
    families : sequence of str
        Family of each model.

    Returns
    -------
    pandas.DataFrame
        Index: family; columns as from `score`, without ``macro``.
    """
    predicted, measured, families = map(np.asarray, (predicted, measured, families))
    if len(families) != len(measured):
        raise BootcampError(
            f"There are {len(families)} families for {len(measured)} models.", "Give one for each."
        )
    rows = {
        name: score(predicted[families == name], measured[families == name]) for name in np.unique(families)
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("family")
