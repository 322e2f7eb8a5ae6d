"""Inputs exchanged, out of range, and columns of a warmer climate, solved on the spot."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from maelstrom_bootcamp import bucket
from maelstrom_bootcamp.apps.radiation.columns import FIELDS, load_split, origin
from maelstrom_bootcamp.apps.radiation.evaluate import errors
from maelstrom_bootcamp.apps.radiation.robustness import (
    GROUPS,
    NAMES,
    Solved,
    importance,
    outside,
    permuted,
    ranges,
    solve_live,
)
from maelstrom_bootcamp.bucket.radiation.periods import PATCHES, snapshots
from maelstrom_bootcamp.errors import BootcampError

TIME = ("20200331", 750)


@pytest.fixture(scope="module")
def live() -> Solved:
    return solve_live([TIME], [3, 7, 12], 8, draws_sw=4, draws_lw=3)


@pytest.fixture(scope="module")
def warm() -> Solved:
    return solve_live([TIME], [3, 7, 12], 8, warming=4.0, draws_sw=4, draws_lw=3)


class Listener:
    """Heats as much as the skin is warm, and says nothing of sunlight: it hears of one input only."""

    def predict(self, columns):
        n, half = columns["pressure_hl"].shape[:2]
        skin = np.broadcast_to(columns["sca_inputs"][:, 0, None, None], (n, half, 2))
        return {"lw": skin * [1.0, 0.0], "hr_lw": np.zeros((n, half - 1, 1))}


def test_live_columns_have_the_layout_of_the_sample(live):
    sample = load_split("test", size="ci")
    assert set(live.columns) == set(FIELDS)
    for name in FIELDS:
        assert live.columns[name].shape[1:] == sample[name].shape[1:], name
        assert live.columns[name].dtype == np.float32, name
    assert set(live.noise) == {"sw", "lw", "hr_sw", "hr_lw"}
    assert all(live.noise[name].shape == live.columns[name].shape for name in live.noise)
    assert set(live.where.coords) == {"date", "timestep", "patch", "lat", "lon", "surface"}
    assert list(np.unique(live.where["patch"])) == [3, 7, 12]


def test_live_columns_are_those_of_the_file():
    """With the sample's seed and one draw, the inputs and the fluxes of clear columns must come again."""
    bucket.serve("maelstrom-radiation", size="ci")
    first = snapshots("ci")["test"][0]
    again = solve_live([(first.date, first.timestep)], PATCHES, first.columns, seed=0, draws_sw=1, draws_lw=1)
    where = origin("test", size="ci")
    here = np.flatnonzero((where["date"] == int(first.date)) & (where["timestep"] == first.timestep))
    here = here[np.lexsort((where["number"][here], where["patch"][here]))]  # the plugin sorts names as text
    known = {name: values[here] for name, values in load_split("test", size="ci").items()}
    for name in NAMES:
        assert np.array_equal(again.columns[name], known[name]), name
    clear = known["col_inputs"][..., 10].max(axis=1) == 0
    assert clear.any()
    for name in ("sw", "lw"):
        assert np.allclose(again.columns[name][clear], known[name][clear], atol=0.01), name
    # The plugin scales heating rates of K/s in single precision.
    assert np.allclose(again.columns["hr_lw"][clear], known["hr_lw"][clear], rtol=1e-3, atol=0.01)


def test_heating_rates_are_those_of_the_fluxes(live):
    c = {name: values.astype(float) for name, values in live.columns.items()}
    net = c["lw"][..., 0] - c["lw"][..., 1]
    expected = -9.80665 / 1004 * 86_400 * np.diff(net) / np.diff(c["pressure_hl"][..., 0])
    thick = np.diff(c["pressure_hl"][..., 0]) > 100  # single precision of the fluxes matters above
    assert np.allclose(c["hr_lw"][..., 0][thick], expected[thick], atol=0.02)


def test_a_warmer_climate_is_warmer_wetter_and_sends_out_more(live, warm):
    assert np.allclose(warm.columns["hl_inputs"][:, -1, 0] - live.columns["hl_inputs"][:, -1, 0], 4, atol=0.1)
    wet = NAMES["col_inputs"].index("q")
    lowest = warm.columns["col_inputs"][:, -1, wet] / live.columns["col_inputs"][:, -1, wet]
    assert 1.15 < np.median(lowest) < 1.6, "about 7 % more for each kelvin"
    more = (warm.columns["lw"][:, 0, 1] - live.columns["lw"][:, 0, 1]).mean() / 4
    assert 0.5 < more < 4, "W/m² and kelvin: between no and twice what Planck alone would give"


def test_noise_falls_with_draws_and_is_zero_for_one():
    one = solve_live([TIME], [7], 8, draws_sw=1, draws_lw=1)
    assert all(not values.any() for values in one.noise.values())
    few, many = (solve_live([TIME], [6, 9], 24, draws_sw=n, draws_lw=1).noise["sw"] for n in (4, 16))
    assert 0.3 < np.sqrt((many**2).mean() / (few**2).mean()) < 0.8, "a quarter of the variance"


def test_nothing_to_draw_is_an_error():
    with pytest.raises(BootcampError, match="no snapshot or no patch"):
        solve_live([], [3], 8)


@pytest.mark.parametrize("group", GROUPS)
def test_permuted_moves_whole_profiles_of_one_group_only(live, group):
    before = {name: values.copy() for name, values in live.columns.items()}
    mixed = permuted(live.columns, group, 5)
    for field, names in NAMES.items():
        assert np.array_equal(live.columns[field], before[field]), "the columns themselves must not change"
        for i, name in enumerate(names):
            old, new = before[field][..., i], mixed[field][..., i]
            if name not in GROUPS[group]:
                assert np.array_equal(old, new), name
                continue
            rows = {row.tobytes() for row in old}
            assert {row.tobytes() for row in new} == rows, "each profile must come back whole"
    assert all(mixed[name] is live.columns[name] for name in ("sw", "lw", "hr_sw", "hr_lw"))


def test_variables_of_a_group_stay_together(live):
    mixed = permuted(live.columns, "clouds", 5)["col_inputs"]
    cover, ice = (NAMES["col_inputs"].index(name) for name in ("cloud_fraction", "q_ice"))
    pairs = [
        {(r[:, cover].tobytes(), r[:, ice].tobytes()) for r in x} for x in (mixed, live.columns["col_inputs"])
    ]
    assert pairs[0] == pairs[1]


def test_an_unknown_group_is_an_error(live):
    with pytest.raises(BootcampError, match="no group of inputs 'weather'"):
        permuted(live.columns, "weather", 0)


def test_every_input_but_pressure_is_in_one_group():
    grouped = [name for names in GROUPS.values() for name in names]
    every = [name for names in NAMES.values() for name in names]
    assert sorted(grouped) == sorted(set(every) - {"pressure_hl"})


def test_importance_finds_the_only_input_that_a_method_hears(live):
    found = importance({"listener": Listener()}, live.columns, repeats=2)["increase"]
    assert list(found.index.unique("band")) == ["lw"], "nothing is told of sunlight"
    # Errors of hundreds of W/m²: mixing the skin changes them a little, all else not at all.
    assert found["lw", "listener", "skin temperature"] != 0
    assert (found["lw", "listener"].drop("skin temperature") == 0).all()


def test_importance_is_the_growth_of_the_rmse(live):
    found = importance({"listener": Listener()}, live.columns, repeats=1, seed=3)
    mixed = permuted(live.columns, "skin temperature", 3)
    rmse = [
        float(np.sqrt((errors({"l": Listener()}, c)["net"].sel(band="lw") ** 2).mean()))
        for c in (live.columns, mixed)
    ]
    row = found.loc["lw", "listener", "skin temperature"]
    assert row["rmse"] == pytest.approx(rmse[0])
    assert row["increase"] == pytest.approx(rmse[1] - rmse[0])
    assert row["spread"] == 0


def test_outside_counts_levels_beyond_the_range(live, warm):
    known = ranges(live.columns)
    assert not outside(live.columns, known).any(), "no column is outside of its own range"
    broken = {name: values.copy() for name, values in live.columns.items()}
    broken["hl_inputs"][2, :69, 0] = 999  # half of the 138 levels
    broken["sca_inputs"][4, 1] = -1
    found = outside(broken, known)
    assert found.dims == ("column", "variable")
    assert float(found.sel(variable="temperature_hl")[2]) == 0.5
    assert float(found.sel(variable="cos_solar_zenith_angle")[4]) == 1
    assert float(found.sum()) == 1.5
    hot = outside(warm.columns, known).sel(variable="temperature_hl")
    assert (hot > 0).any()
    assert isinstance(found, xr.DataArray)
