"""Columns by the published call: the right numbers in the right place, and splits that share no weather."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import datetime, timedelta

import climetlab
import numpy as np
import pytest

from maelstrom_bootcamp import bucket
from maelstrom_bootcamp.apps.radiation import columns
from maelstrom_bootcamp.apps.radiation.columns import (
    FIELDS,
    NAME,
    check_split,
    label_noise,
    load_split,
    open_columns,
    open_truth,
    origin,
    split_times,
)
from maelstrom_bootcamp.apps.radiation.variables import PROFILES, SCALARS
from maelstrom_bootcamp.bucket.radiation.periods import SPLITS, snapshots
from maelstrom_bootcamp.bucket.radiation.recipe import INPUT, object_path
from maelstrom_bootcamp.errors import BootcampError

N = {name: sum(8 * s.columns for s in found) for name, found in snapshots("ci").items()}


@pytest.fixture(scope="module")
def raw():
    return open_columns("train").load()


@pytest.fixture(scope="module")
def arrays():
    return load_split("train")


def test_shapes_types_and_numbers_of_columns(arrays):
    shapes = {
        "sca_inputs": (17,),
        "col_inputs": (137, 27),
        "hl_inputs": (138, 2),
        "inter_inputs": (136, 1),
        "pressure_hl": (138, 1),
        "sw": (138, 2),
        "lw": (138, 2),
        "hr_sw": (137, 1),
        "hr_lw": (137, 1),
    }
    assert tuple(arrays) == FIELDS
    assert {n: v.shape for n, v in arrays.items()} == {n: (N["train"], *s) for n, s in shapes.items()}
    assert {v.dtype for v in arrays.values()} == {np.dtype("f4")}
    assert all(np.isfinite(v).all() for v in arrays.values())


def test_arrays_hold_the_variables_of_the_file(raw, arrays):
    for name in ("skin_temperature", "cos_solar_zenith_angle", "solar_irradiance"):
        assert np.array_equal(arrays["sca_inputs"][:, SCALARS.index(name)], raw[name])
    for name in ("q", "cloud_fraction", "re_ice"):
        assert np.array_equal(arrays["col_inputs"][..., PROFILES.index(name)], raw[name])
    third = arrays["col_inputs"][..., PROFILES.index("aerosol_mmr_3")]
    assert np.array_equal(third, raw.aerosol_mmr.isel(aerosol_type=2))
    for i, name in enumerate(("temperature_hl", "pressure_hl")):
        assert np.array_equal(arrays["hl_inputs"][..., i], raw[name])
    assert np.array_equal(arrays["inter_inputs"][..., 0], raw.overlap_param)
    for band in ("sw", "lw"):
        for i, way in enumerate(("dn", "up")):
            assert np.array_equal(arrays[band][..., i], raw[f"flux_{way}_{band}"])
        assert np.array_equal(arrays[f"hr_{band}"][..., 0], raw[f"hr_{band}"])


def test_heating_rate_is_the_divergence_of_the_net_flux(arrays):
    thickness = np.diff(arrays["pressure_hl"][..., 0].astype(float))
    for band in ("sw", "lw"):
        kept = -np.diff(arrays[band][..., 0].astype(float) - arrays[band][..., 1], axis=1)  # W/m²
        heats = arrays[f"hr_{band}"][..., 0] * thickness / (9.80665 / 1004 * 86_400)
        assert np.allclose(heats, kept, atol=1e-3), "but for round-off of the fluxes"
        assert np.abs(kept).max() > 10


def test_the_published_call_gives_the_same(raw):
    bucket.serve(NAME)
    snapshot = snapshots("ci")["train"][1]
    published = climetlab.load_dataset(NAME, date=snapshot.date, timestep=snapshot.timestep).to_xarray()
    ours = raw.isel(column=np.flatnonzero(raw.date == int(snapshot.date)))
    for name in ("flux_dn_sw", "hr_lw", "lat", "q"):
        assert np.array_equal(ours[name], published[name]), name


def test_each_column_knows_where_and_when_it_is(raw):
    time = [
        np.datetime64(datetime.strptime(str(d), "%Y%m%d") + timedelta(minutes=12 * int(t)), "ns")
        for d, t in zip(raw.date.values, raw.timestep.values, strict=True)
    ]
    assert np.array_equal(raw.time, np.array(time))
    assert [str(p) for p in dict.fromkeys(raw.patch.values)] == ["0", "10", "12", "14", "2", "4", "6", "8"]
    assert raw.lat.values[raw.patch == 0].min() > raw.lat.values[raw.patch == 14].max()
    keys = list(zip(*(raw[n].values for n in columns.ORIGIN), strict=True))
    assert len(set(keys)) == N["train"]
    where = origin("train")
    assert not where.data_vars
    assert np.array_equal(where.number, raw.number)


def test_names_and_units(raw):
    assert all("long_name" in raw[name].attrs for name in raw.variables)
    assert raw.flux_dn_sw.attrs["standard_name"] == "downwelling_shortwave_flux_in_air"
    assert raw.hr_lw.attrs["units"] == "K d-1"
    assert raw.pressure_hl.attrs["units"] == "Pa"
    assert "patch" not in raw.attrs
    gathered = open_columns("test", raw_inputs=False)
    assert "units" not in gathered.sca_inputs.attrs
    assert gathered.col_inputs.sel(col_variable="q_ice").dims == ("column", "level")


def test_fluxes_of_the_clear_sky():
    ds = open_columns("test", all_outputs=True)
    clear = (ds.cloud_fraction.max("level") == 0).compute()
    assert 0 < int(clear.sum()) < ds.sizes["column"]
    assert np.allclose(ds.flux_dn_lw_clear[clear], ds.flux_dn_lw[clear], atol=1e-3)
    with pytest.raises(BootcampError, match="do not go together"):
        open_columns("test", raw_inputs=False, all_outputs=True)


def test_one_draw_is_noisier_than_the_mean():
    mean, one = (
        load_split("test", dataset=name, fields=["sw", "sca_inputs"]) for name in ("tripleclouds", "mcica")
    )
    assert np.array_equal(mean["sca_inputs"], one["sca_inputs"])
    noise = label_noise("test")["sw"][:, -1, 0]
    rms = np.sqrt(((mean["sw"] - one["sw"])[:, -1, 0] ** 2).mean())
    assert rms > 3 * np.sqrt((noise**2).mean()), "64 draws against 1: about 8 times"


# ---------------------------------------------------------------- splits


@pytest.mark.parametrize("size", ["ci", "default", "full"])
def test_no_weather_is_in_two_splits(size):
    check_split(split_times(size))


def test_no_date_is_in_two_splits_as_opened():
    days = {split: set(origin(split).time.values.astype("datetime64[D]")) for split in SPLITS}
    assert all(days.values())
    assert not days["train"] & days["validation"]
    assert not days["train"] & days["test"]
    assert not days["validation"] & days["test"]


def test_leaks_are_found():
    day = datetime(2020, 1, 1)
    with pytest.raises(BootcampError, match=r"share 1 dates \(the first: 2020-01-01\)"):
        check_split({"train": [day], "test": [day + timedelta(hours=6), day + timedelta(days=90)]})
    with pytest.raises(BootcampError, match=r"within 4\.0 days"):
        check_split({"train": [day], "test": [day + timedelta(days=4)]})
    check_split({"train": [day], "test": [day + timedelta(days=4)]}, gap_days=3)
    with pytest.raises(BootcampError, match="'test' has no snapshot"):
        check_split({"train": [day], "test": []})


# ---------------------------------------------------------------- truth


def test_truth_belongs_to_the_columns():
    known, ds = open_truth("test"), open_columns("test").load()
    for name in columns.ORIGIN:
        assert np.array_equal(known[name], ds[name])
    covered = ds.cloud_fraction.values.max(axis=1) > 0
    lit = ds.cos_solar_zenith_angle.values > 0
    spread = known.flux_dn_sw_sd.values.max(axis=1)
    assert (spread[~covered | ~lit] == 0).all(), "no clouds or no sun, no noise"
    assert (spread[covered & lit] > 0).mean() > 0.9


def test_noise_of_a_mean_falls_with_the_root_of_the_draws():
    known, noise = open_truth("test"), label_noise("test")
    assert noise["sw"].shape == (N["test"], 138, 2)
    assert noise["hr_lw"].shape == (N["test"], 137, 1)
    assert np.allclose(noise["sw"][..., 0] * 8, known.flux_dn_sw_sd, rtol=1e-5)
    assert np.allclose(noise["lw"][..., 1] * 4, known.flux_up_lw_sd, rtol=1e-5)


# ---------------------------------------------------------------- bad input

BAD = [
    ({"split": "holdout"}, "no split 'holdout'"),
    ({"split": "test", "size": "huge"}, "no sample of size 'huge'"),
    ({"split": "test", "dataset": "spartacus"}, "three dimensions"),
    ({"split": "test", "dataset": "ecrad"}, "'ecrad'"),
]


@pytest.mark.parametrize(("arguments", "text"), BAD)
def test_bad_arguments(arguments, text):
    with pytest.raises(BootcampError, match=text):
        open_columns(**arguments)


def test_bad_fields():
    with pytest.raises(BootcampError, match=r"no fields \['nothing'\]"):
        load_split("test", fields=["sw", "nothing"])
    with pytest.raises(BootcampError, match="No field"):
        load_split("test", fields=[])


def test_missing_object(monkeypatch):
    absent = replace(snapshots("ci")["test"][0], timestep=125)
    monkeypatch.setattr(columns, "snapshots", lambda size: {"test": (absent,)})
    with pytest.raises(BootcampError, match="has no object .*_125c0.nc"):
        load_split("test")


@pytest.mark.parametrize("damage", ["replaced", "truncated"])
def test_damaged_object(tmp_path, monkeypatch, damage):
    shutil.copytree(bucket.serve(NAME), tmp_path / "ci")
    monkeypatch.setenv("MAELSTROM_BUCKET", str(tmp_path))
    monkeypatch.setattr(bucket.Store, "make", lambda self, progress=True: None)  # it would mend the file
    path = tmp_path / "ci" / object_path(INPUT, snapshots("ci")["test"][0], 4)
    content = path.read_bytes()
    replaced = b"not a netCDF file".ljust(len(content))
    path.write_bytes(replaced if damage == "replaced" else content[:-1])
    with pytest.raises(BootcampError, match=r"(cannot be read|is damaged)(.|\n)*bootcamp data verify"):
        load_split("test")
    monkeypatch.undo()
    bucket.serve(NAME)  # or the next test would read from here
