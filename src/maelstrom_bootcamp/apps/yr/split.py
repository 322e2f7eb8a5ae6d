"""Training, validation and test periods of A1, and a check against leakage between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import combinations

from maelstrom_bootcamp.bucket.yr.periods import MISSING, PERIODS
from maelstrom_bootcamp.errors import BootcampError


@dataclass(frozen=True)
class Split:
    """Dates of the runs ("YYYY-MM-DD") that train, select and judge a model.

    Attributes
    ----------
    train, validation, test : tuple of str
    """

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]

    def parts(self) -> dict[str, tuple[str, ...]]:
        """The three periods by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


def split(size: str) -> Split:
    """The split of the sample data: three periods that follow each other, with gaps.

    Parameters
    ----------
    size : {"ci", "default", "full"}

    Returns
    -------
    Split

    Raises
    ------
    BootcampError
        If there is no such size.
    """
    if size not in PERIODS:
        raise BootcampError(f"There is no sample of size {size!r}.", f"Choose one of {', '.join(PERIODS)}.")
    return Split(**{name: tuple(dates) for name, dates in PERIODS[size].items()})


def check_split(candidate: Split, memory_days: float = 36) -> None:
    """Make sure that no test day can be guessed from a training day.

    Weather remembers: yesterday's snow, a wet soil, the bias of last week. A test day that lies next to a
    training day is therefore partly known, and scores on it are too good. The gap between any two periods
    must be longer than this memory. A run reaches 2.25 days beyond its date, hence some margin is wise.

    Parameters
    ----------
    candidate : Split
    memory_days : float
        The longest memory that you expect, in days.

    Raises
    ------
    BootcampError
        If a period is empty, two periods share a day, or two lie too close.
    """
    parts = candidate.parts()
    for name, days in parts.items():
        if not days:
            raise BootcampError(f"The {name} period is empty.", "Give it at least one date.")
    for (first, a), (second, b) in combinations(parts.items(), 2):
        shared = sorted(set(a) & set(b))
        if shared:
            raise BootcampError(
                f"{len(shared)} days are in the {first} and the {second} period (the first: {shared[0]}).",
                f"Remove them from the {first} or the {second} period.",
            )
        gap = closest(a, b)
        if gap <= memory_days:
            raise BootcampError(
                f"The {first} and {second} periods come within {gap} days of each other,"
                f" but the weather remembers up to {memory_days:g} days.",
                f"Leave out days between them, until the gap is longer than {memory_days:g} days.",
            )


def closest(a: Sequence[str], b: Sequence[str]) -> int:
    """Shortest distance between two sets of dates.

    Parameters
    ----------
    a, b : sequence of str
        "YYYY-MM-DD", not empty.

    Returns
    -------
    int
        Days.
    """
    days = [[date.fromisoformat(d).toordinal() for d in dates] for dates in (a, b)]
    return min(abs(i - j) for i in days[0] for j in days[1])


def published_split() -> Split:
    """MET Norway's split of the real archive, to learn from rather than to copy.

    The first year trains, the second year tests. The 24 validation dates, the 1st and 15th or 2nd and 16th
    of each month (so that all four start hours occur), lie *inside the test year*. Whoever keeps the best
    checkpoint by its validation score has looked at test days, and at the neighbours of all others:
    `check_split` refuses it. One of the 24, 2022-01-15, is missing from the archive.

    Source: metno/maelstrom-train, ``etc/d1-7/loader.yml``.

    Returns
    -------
    Split
    """
    months = [(2021, m) for m in range(3, 13)] + [(2022, 1), (2022, 2)]
    # Odd months: the 1st and 15th; even months: the 2nd and 16th.
    validation = [date(y, m, d + (m % 2 == 0)).isoformat() for y, m in months for d in (1, 15)]
    return Split(
        train=_days("2020-03-01", "2021-02-28"),
        validation=tuple(d for d in validation if d not in MISSING),
        test=_days("2021-03-01", "2022-02-28"),
    )


def _days(first: str, last: str) -> tuple[str, ...]:
    start = date.fromisoformat(first)
    n = (date.fromisoformat(last) - start).days + 1
    days = ((start + timedelta(days=i)).isoformat() for i in range(n))
    return tuple(d for d in days if d not in MISSING)
