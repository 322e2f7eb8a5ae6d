"""ENS-10 read at once: the numbers of the published call, a cache that follows the bucket, splits apart."""

from __future__ import annotations

import shutil
import stat

import numpy as np
import pytest
import xarray as xr

from maelstrom_bootcamp import bucket
from maelstrom_bootcamp.apps.ens10 import dataset
from maelstrom_bootcamp.apps.ens10.dataset import (
    TASKS,
    UNITS,
    area_mean,
    read_ground,
    read_members,
    read_truth,
    task,
    years_of,
)
from maelstrom_bootcamp.bucket.ens10 import grib
from maelstrom_bootcamp.bucket.ens10.periods import windows
from maelstrom_bootcamp.bucket.ens10.recipe import NAME
from maelstrom_bootcamp.errors import BootcampError

LEADS = {"sfc": 24, "pl": 48}  # one reading of each kind is enough


def published(kind: str) -> xr.Dataset:
    bucket.serve(NAME)
    import climetlab

    return climetlab.load_dataset(NAME, date="0101", dtype=kind).to_xarray()


@pytest.fixture(scope="module")
def opened() -> dict[str, xr.Dataset]:
    return {kind: published(kind) for kind in LEADS}


@pytest.mark.parametrize("target", TASKS)
def test_numbers_are_those_of_the_published_call(opened, target):
    wanted = task(target)
    hours = LEADS[wanted.kind]
    theirs = opened[wanted.kind].sel(step=np.timedelta64(hours, "h"))
    level = {"surface": 0} if wanted.level is None else {"isobaricInhPa": wanted.level}
    compared = 0
    for split in ("train", "test"):
        ours = read_members(target, split, lead_time=hours)
        assert tuple(ours.data_vars) == wanted.variables
        for time in np.intersect1d(ours.time, theirs.time):
            for name in wanted.variables:
                one = ours[name].sel(time=time)
                other = theirs[name].sel(time=time, **level).transpose("number", "latitude", "longitude")
                assert one.dims == ("member", "latitude", "longitude")
                assert one.dtype == np.float32
                assert np.array_equal(one, other, equal_nan=True), name
                assert one.attrs["units"] == other.attrs["units"].replace("**", "").replace("(0 - 1)", "1")
                compared += 1
            for axis in ("latitude", "longitude"):
                assert np.array_equal(ours[axis], theirs[axis])
    assert compared == 2 * len(wanted.variables)


def test_the_own_forecast_is_the_one_of_the_target(opened):
    assert {name: (t.own, t.level) for name, t in TASKS.items()} == {
        "z500": ("z", 500),
        "t850": ("t", 850),
        "t2m": ("t2m", None),
    }
    for target, wanted in TASKS.items():
        forecast = read_members(target, "test", lead_time=LEADS[wanted.kind])
        truth = read_truth(target, "test", lead_time=LEADS[wanted.kind])
        error = forecast[wanted.own].mean("member") - truth
        assert float(error.std()) < 0.2 * float(truth.std())
        assert truth.attrs["units"] == wanted.units == UNITS[wanted.own]


def test_members_and_truth_lie_on_the_same_points():
    forecast, truth = read_members("t850", "train"), read_truth("t850", "train")
    assert truth.dims == ("time", "latitude", "longitude")
    assert truth.dtype == np.float32
    for name in truth.dims:
        assert np.array_equal(forecast[name], truth[name])
    assert (np.diff(forecast.time) > np.timedelta64(0)).all()
    assert read_ground().land_area_fraction.shape == truth.shape[1:]


def test_the_truth_of_another_lead_time_is_another_one():
    at = {hours: read_truth("z500", "test", lead_time=hours) for hours in (0, 24, 48)}
    assert np.array_equal(at[0].time, at[48].time)
    assert 0 < float(abs(at[24] - at[0]).mean()) < float(abs(at[48] - at[0]).mean())


def test_few_members_are_the_first_ones():
    ten, five = (read_members("z500", "test", members=m) for m in (10, np.int64(5)))
    assert five.member.values.tolist() == [1, 2, 3, 4, 5]
    assert np.array_equal(five.z, ten.z.isel(member=slice(5)))


def test_sea_surface_temperature_is_missing_over_land_only():
    sst = read_members("t2m", "test", lead_time=24).sst.isel(time=0, member=0)
    land = read_ground().land_area_fraction
    assert bool(sst.isnull().any())
    assert float(land.where(sst.isnull()).mean()) > 0.9 > 0.1 > float(land.where(sst.notnull()).mean())


# ---- splits ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", ["ci", "default", "full"])
def test_splits_share_no_year_and_leave_none_out(size):
    fit, validation, test = (set(years_of(s, size)) for s in ("fit", "validation", "test"))
    assert test == {2016, 2017}
    assert fit | validation == set(years_of("train", size)) == set(range(1998, 2016))
    assert not fit & validation
    assert max(fit) < min(validation)


@pytest.mark.parametrize("size", ["default", "full"])
def test_every_season_has_validation_forecasts(size):
    validation, fit = years_of("validation", size), years_of("fit", size)
    for window in windows(size):
        years = [year for _, year in window.starts]
        held = sum(year in validation for year in years)
        assert 0 < held < sum(year in fit for year in years), f"window {window.number}"


def test_forecasts_of_the_splits_do_not_overlap():
    times = {s: read_truth("t2m", s).time.values for s in dataset.SPLITS}
    assert np.array_equal(np.sort(np.concatenate([times["fit"], times["validation"]])), times["train"])
    assert min(times["fit"].size, times["validation"].size) > 0
    assert not set(times["train"]) & set(times["test"])
    planned = sum(len(w.starts) for w in windows("ci"))
    assert len(set(times["train"]) | set(times["test"])) == planned == 16


# ---- bad input -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "cause", "cure"),
    [
        ({"target": "t500"}, "target='t500'", "z500, t850, t2m"),
        ({"split": "val"}, "split='val'", "validation"),
        ({"lead_time": 12}, "lead_time=12", "0, 24, 48"),
        ({"members": 0}, "members=0", "1 to 10"),
        ({"members": 11}, "members=11", "1 to 10"),
        ({"members": 5.0}, "members=5.0", "1 to 10"),
        ({"members": True}, "members=True", "1 to 10"),
        ({"size": "big"}, "'big'", "default"),
    ],
)
def test_bad_input_is_one_clear_error(arguments, cause, cure):
    request = {"target": "t2m", "split": "test"} | arguments
    with pytest.raises(BootcampError) as found:
        read_members(**request)
    assert cause in str(found.value)
    assert cure in str(found.value)
    request.pop("members", None)
    if "members" not in arguments:
        with pytest.raises(BootcampError, match=cause):
            read_truth(**request)


def test_years_of_an_unknown_size():
    with pytest.raises(BootcampError, match="size='big'"):
        years_of("test", "big")


@pytest.mark.parametrize("read", [read_members, read_truth])
def test_the_original_cannot_be_read_at_once(read, monkeypatch):
    monkeypatch.setenv("MAELSTROM_DATA", "remote")
    with pytest.raises(BootcampError, match="MAELSTROM_DATA=sample"):
        read("t2m", "test")


# ---- the cache -------------------------------------------------------------------------------------


@pytest.fixture
def lone(tmp_path, monkeypatch):
    """A bucket of links to the sample of the tests, whose cache nobody else reads."""
    root = bucket.serve(NAME)
    monkeypatch.setenv("MAELSTROM_BUCKET", str(tmp_path))
    lone = tmp_path / root.name
    for part in ("manifest", "truth", "url"):
        for path in (root / part).rglob("*"):
            if path.is_file() and (part != "manifest" or path.name.startswith(NAME)):
                target = lone / path.relative_to(root)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, target) if part == "manifest" else target.symlink_to(path)
    yield lone
    monkeypatch.undo()
    bucket.serve(NAME)  # CliMetLab's mirror is back at the tests' own


@pytest.fixture
def readings(lone, monkeypatch):
    """Names of the objects that were read; each is decoded once for all tests, which is what takes time."""
    seen = []

    def remembered(path, names, step):
        seen.append(path.name)
        if (path.name, step) not in DECODED:
            DECODED[path.name, step] = READ(path, names, step)
        return DECODED[path.name, step]

    monkeypatch.setattr(grib, "read", remembered)
    return seen


READ, DECODED = grib.read, {}


def folders(root) -> list[str]:
    return sorted(p.name for p in (root / "read").iterdir())


def test_objects_are_read_once_and_again_when_the_bucket_changes(lone, readings):
    before = read_members("t2m", "test", lead_time=0).t2m.load()
    n = len(readings)
    assert n == len(set(readings)) == sum(len(w.years) for w in windows("ci"))
    read_members("t2m", "train", lead_time=0)
    read_members("t2m", "test", lead_time=0, members=5)
    assert len(readings) == n, "what is in the cache should not be read again"

    manifest = lone / "manifest" / f"{NAME}.jsonl"
    manifest.write_text("".join(reversed(manifest.read_text().splitlines(keepends=True))))
    after = read_members("t2m", "test", lead_time=0).t2m
    assert len(readings) == 2 * n, "another manifest: what was read before may be out of date"
    assert np.array_equal(before, after)
    assert len(folders(lone)) == 2


def test_lead_times_and_kinds_do_not_share_a_cache(lone, readings):
    a = read_members("t2m", "test", lead_time=0).t2m
    b = read_members("t2m", "test", lead_time=24).t2m
    assert not np.array_equal(a, b)
    assert len(folders(lone)) == 2


@pytest.mark.parametrize("fault", [OSError("disk full"), KeyboardInterrupt()])
def test_an_interrupted_reading_leaves_nothing(lone, readings, monkeypatch, fault):
    save, saved = np.save, []

    def failing(path, values):
        saved.append(path)
        if len(saved) == 3:
            raise fault
        save(path, values)

    monkeypatch.setattr(np, "save", failing)
    with pytest.raises(type(fault)):
        read_members("t2m", "test", lead_time=0)
    assert folders(lone) == []
    monkeypatch.setattr(np, "save", save)
    assert read_members("t2m", "test", lead_time=0).t2m.notnull().all()


def test_somebody_else_was_quicker(lone, readings, monkeypatch):
    save, other = np.save, []

    def slow(path, values):
        """Before the last array another process puts the whole folder there."""
        save(path, values)
        if path.name == "skt.npy" and not other:
            other.append(path)
            final = dataset._cached(lone, "sfc", 0)
            shutil.copytree(path.parent, final)

    monkeypatch.setattr(np, "save", slow)
    found = read_members("t2m", "test", lead_time=0)
    assert other
    assert bool(found.t2m.notnull().all())
    assert folders(lone) == [dataset._cached(lone, "sfc", 0).name], "no draft should be left"


def test_a_shared_bucket_stays_shared(lone, readings):
    lone.chmod(0o755)
    read_members("t2m", "test", lead_time=0)
    (folder,) = (lone / "read").iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755


# ---- means over the globe --------------------------------------------------------------------------


def test_area_mean_weighs_rows_by_their_area():
    latitude, longitude = np.arange(87.5, -90, -5.0), np.arange(0, 360, 5.0)
    coords = {"latitude": latitude, "longitude": longitude}
    field = xr.DataArray(np.ones((36, 72)), coords, ("latitude", "longitude"))
    assert float(area_mean(field)) == pytest.approx(1)
    # The mean of sin^2(latitude) over a sphere is 1/3; over the rows it would be about 1/2.
    assert float(area_mean(field * np.sin(np.deg2rad(field.latitude)) ** 2)) == pytest.approx(1 / 3, abs=2e-3)
    half = field.where(field.longitude < 180)
    assert float(area_mean(half)) == pytest.approx(1), "missing values are left out"
    assert area_mean(field.expand_dims(time=3)).dims == ("time",)


def test_forecasts_of_many_dates_and_years_are_sorted_by_time_with_their_values(tmp_path, monkeypatch):
    """Files hold all years of a date; what is read rises in time. Each file's values name their start."""
    years = {date: sorted(y) for window in windows("default") for date, y in window.years.items()}

    def read(path, names, step):
        date = path.name[-4:]
        marks = np.array([int(f"{year}{date}") for year in years[date]], float)
        return {
            name: np.broadcast_to(marks[:, None, None, None, None], (len(marks), 1, 1, 1, 1))
            for name in names
        }

    monkeypatch.setattr(dataset.grib, "read", read)
    root = tmp_path / "default"
    root.mkdir()
    dataset._read_all(root, "sfc", 48, ["t2m"], root / "read" / "x")
    times, values = (np.load(root / "read" / "x" / f"{name}.npy") for name in ("time", "t2m"))
    assert (np.diff(times) > np.timedelta64(0)).all()
    assert len(times) == 210
    told = [int(str(time)[:10].replace("-", "")) for time in times]
    np.testing.assert_array_equal(values.ravel(), told)
