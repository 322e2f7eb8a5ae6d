"""The generator's own exam: the ladder of methods on the smallest sample (eight training days)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from maelstrom_bootcamp import bucket
from maelstrom_bootcamp.apps.yr import ladder
from maelstrom_bootcamp.bucket.yr.periods import PERIODS


@pytest.fixture(scope="module")
def rungs() -> pd.DataFrame:
    bucket.serve("maelstrom-yr", size="ci")
    truth = ladder.open_truth("ci")
    train, test = (ladder.collect(PERIODS["ci"][s], truth, pixels=200) for s in ("train", "test"))
    assert len(test.target) == 4 * 10 * 200
    assert set(train.pointwise) < set(train.context) < set(train.oracle)
    table = ladder.ladder(train, test)
    print(table.round(3))
    return table


def test_order_that_holds_even_with_eight_days(rungs: pd.DataFrame) -> None:
    """Climatology, raw, elevation, Today and the oracle; what eight days cannot teach is not asked."""
    mae = rungs["mae"]
    assert mae["climatology"] > 3 * mae["raw"]
    assert mae["raw"] > 1.03 * mae["elevation"] > mae["today"]
    assert mae["oracle"] < 0.8 * mae["today"]
    assert (rungs["rmse"] >= mae).all()


def test_raw_error_is_of_the_published_order(rungs: pd.DataFrame) -> None:
    """The demo of the 5GB tier has a mean absolute error of 1.13 K."""
    assert 0.5 < rungs.loc["raw", "mae"] < 2.0


def test_truth_is_nature_in_degree_celsius() -> None:
    truth = ladder.open_truth("ci")
    assert (np.diff(truth.time) > np.timedelta64(0)).all()
    assert -40 < float(truth.min()) < float(truth.max()) < 45
