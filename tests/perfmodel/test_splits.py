from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.perfmodel import splits

MODELS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 12)), min_size=4, max_size=60)


@given(MODELS)
def test_no_twin_is_on_both_sides_and_nobody_is_lost(models):
    families = [f for f, _ in models]
    architectures = [f"{f}{a}" for f, a in models]
    for split in splits.unseen_architectures(families, architectures, repeats=2):
        assert sorted([*split.train, *split.test]) == list(range(len(models)))
        assert not {architectures[i] for i in split.train} & {architectures[i] for i in split.test}
        assert {families[i] for i in split.train} == set(families), "each family is in the training"


def test_random_splits_each_family_and_separates_twins():
    families = ["a"] * 10 + ["b"] * 20
    found = list(splits.random(families))
    assert [s.part for s in found] == [f"seed {1337 + i}" for i in range(5)]
    for split in found:
        assert [int((split.test < 10).sum()), int((split.test >= 10).sum())] == [3, 6]
    assert not np.array_equal(found[0].test, found[1].test)
    assert np.array_equal(found[0].test, next(splits.random(families)).test), "the same every time"


def test_each_family_is_held_out_once():
    families = [*"aabbbcdd"]
    single = list(splits.unseen_families(families))
    assert sorted(s.part for s in single) == ["a", "b", "c", "d"]
    for split in single:
        assert {families[i] for i in split.test} == {split.part}
        assert split.part not in {families[i] for i in split.train}
    grouped = list(splits.unseen_families(families, 2))
    assert len(grouped) == 2
    assert sorted(np.concatenate([s.test for s in grouped])) == list(range(8))


@pytest.mark.parametrize(
    "call",
    [
        lambda: next(splits.unseen_architectures(["a"], ["x", "y"])),
        lambda: next(splits.unseen_architectures([], [])),
        lambda: next(splits.unseen_architectures(["a"], ["x"], share=1.0)),
        lambda: next(splits.unseen_families(["a", "a"])),
        lambda: next(splits.unseen_families(["a", "b"], 3)),
    ],
)
def test_splits_that_make_no_sense_are_refused(call):
    with pytest.raises(BootcampError, match="What to do"):
        call()
