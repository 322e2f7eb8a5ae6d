"""Which runs the sample of ``maelstrom-yr`` holds, and how they are split.

The published split puts 24 validation days inside the test year. Here the training, validation and
test periods follow each other, and the gaps between them are longer than the memory of anything
hidden in the generator (12 days, see `maelstrom_bootcamp.bucket.yr.weather`), so that a model cannot
score by remembering the state of the ground.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

#: Runs that MAELSTROM's own archive lacks (read in climetlab-maelstrom-yr 0.6.3).
MISSING = ("2020-05-22", "2020-05-26", "2020-05-30", "2020-08-05", "2021-08-05", "2022-01-15")
#: Start of the run by day of the month modulo 4 (same source), in hours UTC.
CYCLE_HOURS = {1: 3, 2: 9, 3: 15, 0: 21}
#: Lead times of the 5GB tier, in hours.
LEAD_TIMES = tuple(range(0, 55, 6))
SPLITS = ("train", "validation", "test")


def _days(start: str, n: int) -> list[str]:
    first = date.fromisoformat(start)
    days = ((first + timedelta(days=i)).isoformat() for i in range(n))
    return [d for d in days if d not in MISSING]


def _join(*blocks: tuple[str, int]) -> list[str]:
    return [d for start, n in blocks for d in _days(start, n)]


#: Run dates ("YYYY-MM-DD") by size of the bucket and split.
PERIODS: dict[str, dict[str, list[str]]] = {
    "ci": {
        "train": _join(("2020-07-06", 4), ("2020-12-07", 4)),
        "validation": _join(("2021-03-06", 3)),
        "test": _join(("2021-07-06", 4)),
    },
    "default": {
        "train": _join(
            *((f"{ym}-10", 10) for ym in ("2020-03", "2020-05", "2020-07", "2020-09", "2020-11", "2021-01"))
        ),
        "validation": _join(("2021-04-10", 10)),
        "test": _join(("2021-07-10", 10), ("2022-01-05", 10)),
    },
    "full": {
        "train": _days("2020-03-01", 365),
        "validation": _days("2021-04-10", 30),
        "test": _join(("2021-06-20", 30), ("2021-12-16", 30)),
    },
}


def run_start(day: str) -> datetime:
    """Start of the run of a date.

    Parameters
    ----------
    day : str
        "YYYY-MM-DD".

    Returns
    -------
    datetime.datetime
        Naive, UTC.
    """
    d = date.fromisoformat(day)
    return datetime(d.year, d.month, d.day, CYCLE_HOURS[d.day % 4])


def blocks(size: str, longest: int = 31) -> list[list[str]]:
    """Cut the run dates of a size into blocks of consecutive days, each simulated in one go.

    Parameters
    ----------
    size : {"ci", "default", "full"}
    longest : int
        Longest block, in runs.

    Returns
    -------
    list of list of str
    """
    out: list[list[str]] = []
    for split in SPLITS:
        for day in PERIODS[size][split]:
            follows = out and (date.fromisoformat(day) - date.fromisoformat(out[-1][-1])).days <= 2
            if follows and len(out[-1]) < longest:
                out[-1].append(day)
            else:
                out.append([day])
    return out
