from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.perfmodel import scores

TIMES = st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=30)


@given(TIMES)
def test_perfect_predictions_have_no_error(times):
    found = scores.score(times, times)
    assert (found["mape"], found["median"], found["within10"], found["bias"]) == (0, 0, 100, 0)


@given(TIMES, st.floats(1e-3, 1e3))
def test_units_do_not_matter(times, unit):
    twice = [2 * t for t in times]
    a, b = scores.score(twice, times), scores.score([unit * t for t in twice], [unit * t for t in times])
    assert a["mape"] == pytest.approx(100)
    assert b["mape"] == pytest.approx(a["mape"])


def test_scores_by_hand():
    found = scores.score([1.1, 0.8, 3.0, 1.0], [1.0, 1.0, 1.0, 1.0], ["a", "a", "b", ""])
    assert found["mape"] == pytest.approx((10 + 20 + 200 + 0) / 4)
    assert found["median"] == pytest.approx(15)
    assert found["within10"] == pytest.approx(50)
    assert found["bias"] == pytest.approx(5)
    assert found["macro"] == pytest.approx((15 + 200) / 2), "each family counts once, '' not at all"
    by = scores.by_family([1.1, 0.8, 3.0, 1.0], np.ones(4), ["a", "a", "b", ""])
    assert by.loc["a", "n"] == 2
    assert by.loc["b", "mape"] == pytest.approx(200)


@pytest.mark.parametrize(
    ("predicted", "measured", "families"),
    [([1.0], [1.0, 2.0], None), ([1.0], [0.0], None), ([1.0], [np.nan], None), ([], [], None)],
)
def test_what_cannot_be_scored_is_refused(predicted, measured, families):
    with pytest.raises(BootcampError, match="What to do"):
        scores.score(predicted, measured, families)


def test_families_have_to_match():
    with pytest.raises(BootcampError, match="2 families for 1 models"):
        scores.by_family([1.0], [1.0], ["a", "b"])
