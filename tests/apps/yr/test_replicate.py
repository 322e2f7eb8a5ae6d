from __future__ import annotations

import numpy as np
import pytest

from maelstrom_bootcamp.apps.yr import replicate
from maelstrom_bootcamp.apps.yr.train import Plan

TINY = Plan(size="ci", patch=64, batch_size=8, trim=8, cycle=1, epochs=1)


@pytest.fixture
def scores(tmp_path, year, monkeypatch):
    """Two data seeds (of the same tiny files), two trainings each, of a network that is soon trained."""
    monkeypatch.setattr(replicate, "MODELS", ("pointwise",))
    plans = [Plan(**{**vars(TINY), "data_seed": d, "options": {"width": 4, "depth": 1}}) for d in (0, 1)]
    return [replicate.score(p, [0, 1], tmp_path, folder=str(year), verbose=False) for p in plans]


def test_scores_are_kept_pooled_and_reported(scores, tmp_path, year, monkeypatch):
    names = ["raw", "elevation", "today", "regression", "today_lead", "pointwise-d0-s0", "pointwise-d0-s1"]
    assert scores[0]["model"].values.tolist() == names
    assert scores[0].quantile_score.sel(surface="all").notnull().all()

    whole = replicate.pooled(scores)
    assert whole["model"].values.tolist() == [*names[:5], "pointwise"]
    assert whole.sizes["time"] == 2 * scores[0].sizes["time"]
    by_hand = scores[1].mae.sel(model=["pointwise-d1-s0", "pointwise-d1-s1"]).mean("model")
    of_second = whole.mae.sel(model="pointwise").isel(time=slice(scores[0].sizes["time"], None))
    np.testing.assert_allclose(of_second, by_hand, rtol=1e-6)

    text = replicate.report(scores, block=2)
    assert "against today," in text
    assert "against today_lead," in text
    assert "pointwise-d1-s1" in text

    monkeypatch.setattr(replicate, "train", lambda *a, **k: pytest.fail("was trained again"))
    monkeypatch.setattr(replicate, "evaluate", lambda *a, **k: pytest.fail("was scored again"))
    plan = Plan(**{**vars(TINY), "options": {"width": 4, "depth": 1}})
    again = replicate.score(plan, [0, 1], tmp_path, folder=str(year), verbose=False)
    assert again.equals(scores[0])
