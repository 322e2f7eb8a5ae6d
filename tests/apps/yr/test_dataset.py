from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from maelstrom_bootcamp.apps.yr import dataset
from maelstrom_bootcamp.apps.yr.dataset import open_runs, run_paths
from maelstrom_bootcamp.errors import BootcampError

DATES = ("2020-07-06", "2020-07-07", "2020-07-08", "2020-12-07")


def test_coordinates_say_what_they_are(runs):
    assert dict(runs.sizes) == {"time": 4, "leadtime": 10, "y": 64, "x": 64, "predictor": 14, "target": 2}
    assert [str(t) for t in runs["time"].values.astype("datetime64[h]")] == [
        "2020-07-06T09",
        "2020-07-07T15",
        "2020-07-08T21",
        "2020-12-07T15",
    ]
    assert (runs["leadtime"].values / np.timedelta64(1, "h")).tolist() == list(range(0, 60, 6))
    assert runs["leadtime"].attrs["standard_name"] == "forecast_period"
    assert runs["target"].values.tolist() == ["mean", "std"]
    assert runs["row"].attrs["size"] == 64
    assert isinstance(runs["latitude"].data, np.ndarray)


@pytest.mark.filterwarnings("ignore:No index created")  # the published call, as it is
def test_values_are_those_of_the_published_call(runs, folder):
    import climetlab

    request = {"size": "5GB", "dates": list(DATES), "probabilistic_target": True}
    ds = climetlab.load_dataset("maelstrom-yr", location=f"{folder}/", **request).to_xarray()
    np.testing.assert_array_equal(runs["predictors"].values, ds["predictors"].values)
    np.testing.assert_array_equal(runs["targets"].values, ds["targets"].values)
    assert runs["predictor"].values.tolist() == ds["predictor"].values.tolist()


@pytest.mark.parametrize("dates", ["2020-07-07", ["2020-07-07"]])
def test_one_date_has_the_same_layout(runs, folder, dates):
    xr.testing.assert_identical(open_runs(dates, location=folder), runs.isel(time=[1]))


def test_order_and_chunks_do_not_matter(runs, folder):
    again = open_runs([DATES[3], DATES[0], DATES[2], DATES[1], DATES[0]], location=folder, chunk=3)
    xr.testing.assert_identical(again, runs)


def test_thinned(runs, folder):
    xr.testing.assert_identical(
        open_runs(DATES, location=folder, thin=4, chunk=1), runs.isel(y=slice(0, 64, 4), x=slice(0, 64, 4))
    )


def test_paths_are_those_of_the_plugin(folder, paths):
    assert run_paths(DATES, location=folder) == paths
    assert run_paths(DATES[2], location=str(folder)) == [paths[2]]
    assert dataset._resolved(list(DATES), folder) == paths
    assert dataset._resolved([DATES[2]], folder) == [paths[2]]


def test_names_and_dates_are_the_plugins():
    from climetlab_maelstrom_yr.yr import Yr

    days = [f"{d[:4]}-{d[4:6]}-{d[6:]}" for d in Yr.get_all_dates()]
    assert len(dataset._checked(days)) == 724
    assert (min(days), max(days)) == (dataset.FIRST, dataset.LAST)
    hours = [Yr.get_hour_from_date(None, d.replace("-", "")) for d in days[:8]]
    assert [dataset.object_name(d)[-7:-4] for d in days[:8]] == [f"T{h:02d}" for h in hours]


def test_in_sample_mode_the_files_are_those_of_the_bucket(monkeypatch, tmp_path, folder, paths):
    mirror = tmp_path / dataset.MIRROR
    mirror.parent.mkdir(parents=True)
    mirror.symlink_to(folder)
    monkeypatch.setattr(dataset, "serve", lambda name: tmp_path)
    assert [p.resolve() for p in run_paths(DATES)] == paths
    with pytest.raises(BootcampError, match="1 are missing"):
        run_paths(["2020-07-06", "2021-01-01"])


def test_in_remote_mode_the_plugin_downloads(monkeypatch, folder, paths):
    monkeypatch.setenv("MAELSTROM_DATA", "remote")
    opened = dataset._load(list(DATES), folder)
    monkeypatch.setattr(dataset, "open_dataset", lambda name, **request: opened)
    assert run_paths(DATES) == paths


@pytest.mark.parametrize(
    ("dates", "message"),
    [
        ([], "No dates"),
        (["2020-07-99"], "cannot be read"),
        (["2020-05-22", "2020-05-23"], "no run of 2020-05-22"),
        (["2019-01-01"], "no run of 2019-01-01"),
        (["2021-01-01"], "none of the runs|1 are missing"),
        (["2020-07-06", "2021-01-01"], "2 runs were asked for, 1 (were found|are missing)"),
    ],
)
def test_dates_that_cannot_be_opened(folder, dates, message):
    for call in (open_runs, run_paths):
        with pytest.raises(BootcampError, match=message):
            call(dates, location=folder)


def test_bad_numbers(folder):
    with pytest.raises(BootcampError, match="thin=0"):
        open_runs(DATES, location=folder, thin=0)


def test_damaged_file_is_reported(tmp_path, write):
    path = write(tmp_path, "2020-07-06", n=16)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(BootcampError, match="cannot be read"):
        open_runs(["2020-07-06"], location=tmp_path)


def test_nothing_is_printed(folder, capfd):
    open_runs(DATES[:2], location=folder)
    assert capfd.readouterr().out == ""
