"""Published cells: each has a source, and none stands twice."""

import pytest

from maelstrom_bootcamp.apps.ens10.dataset import TASKS
from maelstrom_bootcamp.apps.ens10.published import published


def test_cells_are_single_and_have_a_source():
    found = published()
    assert found.index.is_unique
    assert set(found.index.unique("target")) <= set(TASKS)
    assert found["url"].str.startswith("https://").all()
    assert (found["value"] > 0).all()
    assert (found["sd"].dropna() < 0.02 * found["value"][found["sd"].notna()]).all()


def test_known_cells_and_an_absent_one():
    found = published()
    assert found.loc[("crps", "raw", 10, "t2m"), "value"] == pytest.approx(0.733)
    assert found.loc[("crps", "transformer", 10, "t2m"), "sd"] == pytest.approx(0.004)
    assert ("crps", "unet", 5, "t2m") not in found.index
