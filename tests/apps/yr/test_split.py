from __future__ import annotations

import pytest

from maelstrom_bootcamp.apps.yr.split import Split, check_split, closest, published_split, split
from maelstrom_bootcamp.errors import BootcampError


@pytest.mark.parametrize("size", ["ci", "default", "full"])
def test_our_splits_do_not_leak(size):
    ours = split(size)
    check_split(ours)
    assert max(ours.train) < min(ours.validation)
    assert max(ours.validation) < min(ours.test)


def test_unknown_size():
    with pytest.raises(BootcampError, match="huge"):
        split("huge")


def test_published_split_is_the_published_one():
    theirs = published_split()
    assert (len(theirs.train), len(theirs.validation), len(theirs.test)) == (361, 23, 363)
    assert set(theirs.validation) < set(theirs.test)
    assert {"2021-03-01", "2021-03-15", "2021-04-02", "2022-02-16"} < set(theirs.validation)
    assert "2022-01-15" not in theirs.validation  # listed by MET Norway, missing from the archive


def test_published_split_leaks():
    with pytest.raises(BootcampError, match="train and test periods come within 1 days"):
        check_split(Split(published_split().train, ("2023-06-01",), published_split().test))
    with pytest.raises(BootcampError, match="23 days are in the validation and the test period"):
        check_split(Split(("2019-01-01",), published_split().validation, published_split().test))


def test_gap_must_be_longer_than_the_memory():
    near = Split(("2020-01-01",), ("2020-03-01",), ("2020-06-01",))
    check_split(near, memory_days=59)
    with pytest.raises(BootcampError, match="60 days"):
        check_split(near, memory_days=60)


def test_empty_period():
    with pytest.raises(BootcampError, match="validation period is empty"):
        check_split(Split(("2020-01-01",), (), ("2020-06-01",)))


def test_closest():
    assert closest(["2020-01-01", "2020-02-01"], ["2020-02-28", "2021-01-01"]) == 27
