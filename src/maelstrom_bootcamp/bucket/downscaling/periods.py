"""Which months and times the samples hold: the published months and splits, with the days thinned.

Tier 1 has 00 and 12 UTC, as published; `full` has every day of its 30 months. Tier 2 is hourly in the
original; the sample has a few hours of each month, which fall on all times of the day.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

SIZES = ("ci", "default", "full")
#: Months by split, as in climetlab-maelstrom-downscaling 0.4.0.
TIER1_SPLITS = {
    "training": [f"{y}-{m:02d}" for y in range(2016, 2020) for m in range(4, 10)],
    "validation": ["2020-05", "2020-07", "2020-08"],
    "testing": ["2020-04", "2020-06", "2020-09"],
}
TIER2_SPLITS = {
    "training": [f"{y}-{m:02d}" for y in range(1995, 2017) for m in range(1, 13)],
    "validation": [f"2017-{m:02d}" for m in range(1, 13)],
    "testing": [f"2018-{m:02d}" for m in range(1, 13)],
}
#: Tier 1: consecutive days of a month from its 10th; None for the whole month.
_DAYS = {
    "ci": {"training": 1, "validation": 1, "testing": 1},
    "default": {"training": 10, "validation": 10, "testing": None},
    "full": {"training": None, "validation": None, "testing": None},
}
#: Tier 2: times of a month, 12 hours apart in training (two of a run), 7 hours apart else.
_TIMES = {
    "ci": {"training": 1, "validation": 1, "testing": 1},
    "default": {"training": 2, "validation": 6, "testing": 6},
    "full": {"training": 4, "validation": 24, "testing": 24},
}
_APART = {"training": 12, "validation": 7, "testing": 7}
#: Hours of spin-up. The air follows its forcing within hours (times of exchange: up to 8 h); the deep soil
#: starts near its balance and has a time of 8 days.
SPIN_UP = {"ci": 12, "default": 24, "full": 48}


@dataclass(frozen=True)
class Stretch:
    """A run of the model: starts at a time, keeps some of its hours.

    Attributes
    ----------
    month : str
        "YYYY-MM".
    split : str
    start : datetime.datetime
        Hour 0 of the run, UTC.
    keep : tuple of int
        Hours since then that go into the object.
    """

    month: str
    split: str
    start: datetime
    keep: tuple[int, ...]

    @property
    def times(self) -> np.ndarray:
        """The kept times, datetime64[ns]."""
        return np.array([self.start + timedelta(hours=h) for h in self.keep], "datetime64[ns]")

    @property
    def key(self) -> int:
        """Number of the month, for its weather."""
        return int(self.month.replace("-", ""))


def tier1(size: str) -> list[Stretch]:
    """Runs of tier 1, a month each.

    Parameters
    ----------
    size : {"ci", "default", "full"}

    Returns
    -------
    list of Stretch
    """
    out = []
    for split, months in TIER1_SPLITS.items():
        for month in months:
            days = _DAYS[size][split]
            first = datetime.fromisoformat(f"{month}-01" if days is None else f"{month}-10")
            days = days or _length(month)
            spin = SPIN_UP[size]
            keep = tuple(range(spin, spin + 24 * days, 12))
            out.append(Stretch(month, split, first - timedelta(hours=spin), keep))
    return out


def _length(month: str) -> int:
    first = np.datetime64(month)
    return int(((first + 1).astype("datetime64[D]") - first.astype("datetime64[D]")).astype(int))


def tier2(size: str) -> list[Stretch]:
    """Runs of tier 2, a month each; `ci` leaves out the training months before 2016.

    Parameters
    ----------
    size : {"ci", "default", "full"}

    Returns
    -------
    list of Stretch
    """
    out = []
    for split, months in TIER2_SPLITS.items():
        for month in months[-12:] if size == "ci" else months:
            # Neighbouring months and years begin at other times of the day.
            year, number = (int(part) for part in month.split("-"))
            first = datetime(year, number, 10, (5 * year + 7 * number) % 24)
            spin = SPIN_UP[size]
            keep = tuple(spin + _APART[split] * i for i in range(_TIMES[size][split]))
            out.append(Stretch(month, split, first - timedelta(hours=spin), keep))
    return out
