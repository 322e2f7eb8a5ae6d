"""From one device to another: what a data sheet says of both, operator by operator."""

from __future__ import annotations

from maelstrom_bootcamp.hardware import systems
from maelstrom_bootcamp.perfmodel.models.additive import Additive

#: The device whose measurements are scaled.
SOURCE = "rtx3090"


def sheet_ratios(device: str, source: str = SOURCE) -> dict[str, float]:
    """How much longer arithmetic and traffic take on another device, by the data sheets.

    Parameters
    ----------
    device, source : str
        Names of `maelstrom_bootcamp.hardware.systems`.

    Returns
    -------
    dict
        "ratio of peaks" (half precision, matrix units) and "ratio of bandwidths"; below 1 where the other
        device is faster.
    """
    there, here = systems.device(device), systems.device(source)
    return {
        "ratio of peaks": here.peak("fp16", matrix=True) / there.peak("fp16", matrix=True),
        "ratio of bandwidths": here.bandwidth / there.bandwidth,
    }


def scale(prior: Additive, device: str, source: str = SOURCE) -> Additive:
    """The additive model of one device as that of another.

    Arithmetic is scaled by the ratio of the peaks, traffic by that of the bandwidths; to start an operator
    takes as long, which is the host's work. What the network has learned of each operator's surroundings
    is kept.

    Parameters
    ----------
    prior : Additive
        Of the source.
    device, source : str
        Names of `maelstrom_bootcamp.hardware.systems`.

    Returns
    -------
    Additive
    """
    peaks, bandwidths = sheet_ratios(device, source).values()
    return Additive(prior.seconds * [peaks, bandwidths, 1.0], prior.per_parameter * bandwidths)
