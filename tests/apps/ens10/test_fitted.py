"""Constants of local EMOS that the course ships: they survive a file, and beat the raw ensemble."""

import numpy as np
import pytest

from maelstrom_bootcamp.apps.ens10 import fitted
from maelstrom_bootcamp.apps.ens10.baselines import LocalEmos
from maelstrom_bootcamp.apps.ens10.dataset import TASKS, area_mean, read_members, read_truth
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.verify.ensemble import crps


def test_constants_survive_a_file(made_pairs, tmp_path):
    members, truth = made_pairs["t2m"]["fit"]
    made = LocalEmos(season=True).fit(members, truth)
    fitted.save(made, fitted.path_of("t2m", 4, tmp_path))
    again = fitted.load_fitted("t2m", 4, folder=tmp_path)
    test, _ = made_pairs["t2m"]["test"]
    for name, values in made.predict(test).items():
        np.testing.assert_allclose(again.predict(test)[name], values, rtol=1e-4)
    assert again.parameters == made.parameters == 6 * 12 * 16
    assert [p.name for p in tmp_path.iterdir()] == ["local_emos-t2m-4.npz"]


@pytest.mark.parametrize("target", TASKS)
def test_what_is_shipped_beats_the_raw_ensemble_by_far(target):
    members, truth = read_members(target, "test", size="ci"), read_truth(target, "test", size="ci")
    raw = members[TASKS[target].own]
    ours = area_mean(crps(fitted.load_fitted(target, 10).predict(raw), truth, "time"))
    assert float(ours) < 0.97 * float(area_mean(crps(raw, truth, "time")))


def test_missing_constants_are_refused(tmp_path):
    with pytest.raises(BootcampError, match="t2m and 7 members"):
        fitted.load_fitted("t2m", 7, folder=tmp_path)


def test_other_ensembles_are_refused():
    members = read_members("t2m", "test", size="ci", members=5)
    with pytest.raises(BootcampError, match="Fitted to"):
        fitted.load_fitted("t2m", 10).predict(members)
