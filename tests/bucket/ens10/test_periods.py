from __future__ import annotations

from collections import Counter
from datetime import datetime

import pytest

from maelstrom_bootcamp.bucket.ens10 import periods as p


def test_dates_are_those_of_the_plugin() -> None:
    from climetlab_maelstrom_ens10.ens10 import Ens10

    assert list(p.DATES) == Ens10.all_datelist
    assert len(p.DATES) == 105


@pytest.mark.parametrize(
    ("size", "dates", "forecasts", "test"),
    [("ci", 8, 16, 8), ("default", 105, 210, 70), ("full", 105, 1050, 210)],
)
def test_how_many_forecasts(size: str, dates: int, forecasts: int, test: int) -> None:
    windows = p.windows(size)
    starts = [start for window in windows for start in window.starts]
    assert len({date for date, _ in starts}) == dates
    assert len(starts) == len(set(starts)) == forecasts
    assert sum(year in p.TEST_YEARS for _, year in starts) == test
    assert {year for _, year in starts} <= {*p.TRAIN_YEARS, *p.TEST_YEARS}


@pytest.mark.parametrize("size", ["default", "full"])
def test_every_year_and_every_season_has_its_share(size: str) -> None:
    starts = [start for window in p.windows(size) for start in window.starts]
    years = Counter(year for _, year in starts)
    assert set(years) == {*p.TRAIN_YEARS, *p.TEST_YEARS}
    train = [years[y] for y in p.TRAIN_YEARS]
    assert max(train) <= 1.25 * min(train)
    months = Counter(date[:2] for date, year in starts if year in p.TEST_YEARS)
    assert len(months) == 12
    assert max(months.values()) <= 2 * min(months.values())


def test_default_request_stays_below_a_thousand_messages() -> None:
    for window in p.windows("default"):
        for years in window.years.values():
            assert len(years) * p.MEMBERS * len(p.STEPS) * 7 * 2 <= 1000
            assert len(years) * p.MEMBERS * len(p.STEPS) * 11 <= 1000


def test_offset_counts_leap_days() -> None:
    window = p.Window(0, {"0226": (2000, 2001), "0301": (2000, 2001)})
    assert window.offset("0301", 2000) - window.offset("0226", 2000) == 4
    assert window.offset("0301", 2001) - window.offset("0226", 2001) == 3
    assert (p.start_of(next(iter(window.years)), 2001) - p.first_day(window, 2001)).days == p.SPIN_UP


def test_day_of_year() -> None:
    assert p.day_of_year(datetime(2001, 1, 1)) == 1
    assert p.day_of_year(datetime(2001, 3, 1, 12)) == 60.5


@pytest.mark.parametrize("size", ["ci", "default", "full"])
def test_mini_takes_its_forecasts_from_the_large_sample(size: str) -> None:
    starts = {(date, year, w.number) for w in p.windows(size) for date, year in w.starts}
    mini = p.mini_starts(size)
    assert set(mini) == ({"01", "07"} if size == "ci" else {f"{m:02d}" for m in range(1, 13)})
    for month, chosen in mini.items():
        assert 1 <= len(chosen) <= p.MINI_LONGEST
        assert set(chosen) <= starts
        assert all(date[:2] == month and year in p.MINI_YEARS for date, year, _ in chosen)
