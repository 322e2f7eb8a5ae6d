"""Daily extremes and sharp changes, on cases that can be counted by hand."""

# ruff: noqa: PD004  (xarray has notnull, not notna)

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.verify import events

#: The four starts of maelstrom-yr, on four days.
STARTS = np.array(["2021-07-01T03", "2021-07-02T09", "2021-07-03T15", "2021-07-04T21"], "datetime64[ns]")
HOURS = np.arange(0, 55, 6)


def forecast(values=None, leadtime=None):
    shape = (4, 10, 2)
    if values is None:
        values = np.random.default_rng(0).standard_normal(shape) * 5
    if leadtime is None:
        leadtime = HOURS.astype("timedelta64[h]").astype("timedelta64[ns]")
    coords = {"time": STARTS, "leadtime": leadtime}
    return xr.DataArray(np.broadcast_to(values, shape).copy(), coords, ("time", "leadtime", "x"))


def test_valid_times_are_start_plus_lead_time():
    found = events.valid_time(forecast())
    assert found.dims == ("time", "leadtime")
    assert found.values[1, 2] == np.datetime64("2021-07-02T21")
    for factor, units in ((1, "hours"), (3600, "seconds")):
        field = forecast(leadtime=("leadtime", HOURS * float(factor), {"units": units}))
        np.testing.assert_array_equal(events.valid_time(field), found)


def test_valid_time_needs_units_and_coordinates():
    with pytest.raises(BootcampError, match="unit"):
        events.valid_time(forecast(leadtime=HOURS))
    with pytest.raises(BootcampError, match="'leadtime'"):
        events.valid_time(forecast().drop_vars("leadtime"))


def test_extremes_of_complete_days_only():
    field = forecast()
    found = events.daily_extremes(field)
    assert found["minimum"].dims == ("day", "time", "x")
    # Day 0 is complete for the run of 03 UTC alone, day 1 for all, day 2 for those of 15 and 21 UTC.
    complete = found["maximum"].notnull().all("x").values
    np.testing.assert_array_equal(complete, [[1, 0, 0, 0], [1, 1, 1, 1], [0, 0, 1, 1]])
    np.testing.assert_array_equal(found["minimum"][0, 0], field[0, :4].min("leadtime"))
    np.testing.assert_array_equal(found["maximum"][1, 3], field[3, 1:5].max("leadtime"))
    np.testing.assert_array_equal(found["maximum"][2, 2], field[2, 6:10].max("leadtime"))


def test_a_missing_value_leaves_the_extreme_unknown():
    field = forecast()
    field[0, 2, 0] = np.nan
    found = events.daily_extremes(field)["minimum"]
    assert np.isnan(found[0, 0, 0])
    assert found[0, 0, 1] == field[0, :4, 1].min()


def test_errors_of_the_extremes():
    target = forecast()
    table = events.daily_extreme_errors(target + 0.5, target)
    assert list(table.index) == [(e, d) for e in ("minimum", "maximum") for d in (0, 1, 2)]
    np.testing.assert_allclose(table[["mae", "bias"]], 0.5)
    assert table["runs"].tolist() == [1, 4, 2] * 2
    perfect = events.daily_extreme_errors(target, target)
    assert (perfect[["mae", "bias"]] == 0).all(axis=None)


def test_extremes_need_runs_and_lead_times():
    with pytest.raises(BootcampError, match="'time'"):
        events.daily_extremes(forecast().isel(time=0))


def test_sharp_changes_are_counted():
    observed = np.zeros((1, 10, 1))
    predicted = np.zeros((1, 10, 1))
    observed[:, 3:], predicted[:, 3:] = -8, -7  # a fall that both have
    observed[:, 6:] = -16  # a fall that is missed
    predicted[:, 8:] = -14  # a fall that comes too late: a false alarm
    o = forecast(observed).isel(time=[0], x=[0])
    f = forecast(predicted).isel(time=[0], x=[0])
    table = events.sharp_changes(f, o)
    assert table[["hits", "misses", "false_alarms"]].tolist() == [1, 1, 1]
    assert table["hit_rate"] == table["false_alarm_ratio"] == 0.5
    assert table["threat_score"] == pytest.approx(1 / 3)
    rise = events.sharp_changes(f, o, direction="rise")
    assert rise["hits"] == rise["misses"] == rise["false_alarms"] == 0
    assert np.isnan(rise["hit_rate"])
    mirrored = events.sharp_changes(-f, -o, direction="rise")
    pd.testing.assert_series_equal(mirrored, table)
    assert events.sharp_changes(f, o, threshold=7.5)["hits"] == 0


def test_a_perfect_forecast_hits_every_change():
    o = forecast()
    table = events.sharp_changes(o, o, threshold=2.0)
    assert table["hits"] > 0
    assert (table["hit_rate"], table["false_alarm_ratio"], table["threat_score"]) == (1, 0, 1)


def test_missing_values_are_no_change():
    o = forecast()
    holes = o.copy()
    holes[:, 4] = np.nan
    whole, cut = (events.sharp_changes(x, x, 2.0)["hits"] for x in (o, holes))
    expected = (-np.diff(np.delete(o.values, 4, 1)[:, [0, 1, 2, 3]], axis=1) > 2).sum()
    expected += (-np.diff(o.values[:, 5:], axis=1) > 2).sum()
    assert cut == expected < whole


def test_mistakes_name_their_cure():
    o = forecast()
    for options in ({"direction": "up"}, {"threshold": 0}):
        with pytest.raises(BootcampError):
            events.sharp_changes(o, o, **options)
    with pytest.raises(BootcampError):
        events.sharp_changes(o.isel(leadtime=0), o.isel(leadtime=0))
