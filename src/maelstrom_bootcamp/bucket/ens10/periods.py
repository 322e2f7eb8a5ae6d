"""Which forecasts the sample of ``maelstrom-ens10`` holds, and how they share a simulation.

The original has a file for each of 105 dates of the year, two a week, and in each the forecasts of 20 years.
The sample keeps the dates and thins the years. A *window* is a sixth of the year: one truth run of a year
starts from noise 45 days before it, so that no memory leads from one year, or window, to another.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


def _dates() -> tuple[str, ...]:
    days = (datetime(2018, 1, 1) + timedelta(days=i) for i in range(365))
    return tuple(f"{day:%m%d}" for day in days if day.weekday() in (0, 3))


#: The dates "mmdd" of ENS-10: Mondays and Thursdays of 2018.
DATES = _dates()
TRAIN_YEARS = tuple(range(1998, 2016))
TEST_YEARS = (2016, 2017)
#: ens5mini: years, lead times (h), members, and most forecasts in a monthly file of the sample.
MINI_YEARS, MINI_STEPS, MINI_MEMBERS, MINI_LONGEST = tuple(range(1998, 2008)), (0, 24), 5, 4
STEPS = (0, 24, 48)  # h
MEMBERS = 10
VERSION = "1"  # of the simulation: raise it when its values change
WINDOWS = 6
SPIN_UP = 45  # days
CI_WINDOWS, CI_DATES = (0, 3), 4


@dataclass(frozen=True)
class Window:
    """Forecasts whose truth is simulated together.

    Attributes
    ----------
    number : int
        0 to 5.
    years : dict of str to tuple of int
        Years of each date "mmdd".
    """

    number: int
    years: dict[str, tuple[int, ...]]

    @property
    def runs(self) -> tuple[int, ...]:
        """Years of the truth runs."""
        return tuple(sorted({year for years in self.years.values() for year in years}))

    @property
    def starts(self) -> tuple[tuple[str, int], ...]:
        """Every forecast as (date "mmdd", year)."""
        return tuple((date, year) for date, years in self.years.items() for year in years)

    def offset(self, date: str, year: int) -> int:
        """Days from the first date of the window to another one, in a year."""
        return (start_of(date, year) - start_of(next(iter(self.years)), year)).days


def start_of(date: str, year: int) -> datetime:
    """Start of a forecast, 00 UTC."""
    return datetime(year, int(date[:2]), int(date[2:]))


def first_day(window: Window, year: int) -> datetime:
    """Start of a truth run."""
    return start_of(next(iter(window.years)), year) - timedelta(days=SPIN_UP)


def day_of_year(time: datetime) -> float:
    """Day of the year with fraction, 1.0 at the start of 1 January."""
    return time.timetuple().tm_yday + time.hour / 24


def windows(size: str) -> list[Window]:
    """The windows of a size.

    Parameters
    ----------
    size : {"ci", "default", "full"}

    Returns
    -------
    list of Window
    """
    bounds = [i * len(DATES) // WINDOWS for i in range(WINDOWS + 1)]
    out = []
    for number in CI_WINDOWS if size == "ci" else range(WINDOWS):
        first, last = bounds[number], bounds[number + 1]
        if size == "ci":
            last = first + CI_DATES
        out.append(Window(number, {DATES[k]: _years(size, number, k) for k in range(first, last)}))
    return out


def _years(size: str, window: int, k: int) -> tuple[int, ...]:
    """Years of the k-th date of the year.

    Three training years share a window, so that a truth run is worth its spin-up. Two dates in three have
    one test year; together the test forecasts are ten days apart and cover all seasons.
    """
    if size == "full":
        some = {TRAIN_YEARS[(8 * k + i) % len(TRAIN_YEARS)] for i in range(8)}
        return (*sorted(some), *TEST_YEARS)
    train = TRAIN_YEARS[window::WINDOWS]
    turn = k // 3
    if size == "ci":
        return train[0], TEST_YEARS[0]
    if k % 3 < 2:
        return train[(turn + k) % 3], TEST_YEARS[k % 3]
    return tuple(sorted((train[turn % 3], train[(turn + 1) % 3])))


def mini_starts(size: str) -> dict[str, list[tuple[str, int, int]]]:
    """Forecasts of ``maelstrom-ens5mini``: by month "mm", as (date, year, window)."""
    out: dict[str, list[tuple[str, int, int]]] = {}
    for window in windows(size):
        for date, year in window.starts:
            if year in MINI_YEARS:
                out.setdefault(date[:2], []).append((date, year, window.number))
    return {month: sorted(starts, key=lambda s: (s[1], s[0]))[:MINI_LONGEST] for month, starts in out.items()}
