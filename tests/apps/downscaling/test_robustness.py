"""Altered datasets: what changes, what must not, and that the originals stay as they were."""

import numpy as np
import pytest
import xarray as xr

from maelstrom_bootcamp.apps.downscaling import robustness
from maelstrom_bootcamp.errors import BootcampError


@pytest.fixture
def ds(made_splits):
    return made_splits["testing"].copy(deep=True)


@pytest.mark.parametrize(
    ("alter", "changed"),
    [
        (robustness.warmer, {"t2m_in", "t2m_tar"}),
        (robustness.noisy, {"t2m_in"}),
        (robustness.flat, {"z_tar"}),
        (robustness.shuffled, {"z_tar"}),
        (robustness.shifted, {"z_tar"}),
        (robustness.mirrored, {"t2m_in", "t2m_tar", "z_in", "z_tar"}),
    ],
)
def test_nothing_else_changes(ds, alter, changed):
    before = ds.copy(deep=True)
    after = alter(ds)
    xr.testing.assert_identical(ds, before)
    assert {name for name in ds if not after[name].equals(ds[name])} == changed
    for name in ds:
        assert after[name].dims == ds[name].dims
        assert after[name].dtype == ds[name].dtype
    assert after["t2m_in"].indexes["time"].equals(ds["t2m_in"].indexes["time"])


def test_warmer_and_noisy(ds):
    np.testing.assert_allclose(robustness.warmer(ds, 3.0)["t2m_tar"] - ds["t2m_tar"], 3, atol=1e-4)
    noise = robustness.noisy(ds, 0.5)["t2m_in"] - ds["t2m_in"]
    assert float(noise.std()) == pytest.approx(0.5, rel=0.05)
    assert abs(float(noise.mean())) < 0.05


def test_ground(ds):
    assert robustness.flat(ds)["z_tar"].equals(ds["z_in"])
    moved = robustness.shifted(ds, 2)["z_tar"]
    np.testing.assert_array_equal(moved[:, 2:], ds["z_tar"][:, :-2])
    np.testing.assert_array_equal(moved[:, :2], np.repeat(ds["z_tar"].values[:, :1], 2, 1))
    assert robustness.shifted(ds, 0)["z_tar"].equals(ds["z_tar"])
    before, after = ((x["z_tar"] - x["z_in"]).values for x in (ds, robustness.shuffled(ds)))
    np.testing.assert_allclose(np.sort(after.ravel()), np.sort(before.ravel()), atol=0.01)
    block = after[:8, :8]
    assert any(
        np.allclose(block, before[i : i + 8, j : j + 8], atol=0.01) for i in (0, 8) for j in (0, 8, 16)
    )


def test_mirrored_twice_is_the_original(ds):
    mirror = robustness.mirrored(ds)
    np.testing.assert_array_equal(mirror["t2m_tar"][..., 0], ds["t2m_tar"][..., -1])
    np.testing.assert_array_equal(mirror["z_tar"][:, 0], ds["z_tar"][:, -1])
    assert mirror["lon"].equals(ds["lon"])
    xr.testing.assert_equal(robustness.mirrored(mirror), ds)


def test_slopes_and_kinds_of_times(ds):
    np.testing.assert_allclose(robustness.slopes(ds), -6.5, atol=0.6)
    ds["t2m_tar"][4] = ds["t2m_in"][4] + (ds["z_tar"] - ds["z_in"]) / 9.80665 * 2e-3  # an inversion, 00 UTC
    masks = robustness.moments(ds, share=1 / 6)
    assert np.flatnonzero(masks["inversion nights"]).tolist() == [4]
    np.testing.assert_array_equal(masks["00 UTC"], ~masks["12 UTC"])
    np.testing.assert_array_equal(masks["00 UTC"], masks["inversion nights"] | masks["other nights"])


def test_extremes_are_those_of_the_input(ds, made_splits):
    training = made_splits["training"]
    ds["t2m_in"][0, 3, 3], ds["t2m_in"][1, 5, 5] = 200, 400
    ds["t2m_tar"][2] = 150  # must not count
    masks = robustness.extremes(ds, training, 0.02)
    assert masks["coldest"].values[0, 3, 3]
    assert masks["warmest"].values[1, 5, 5]
    np.testing.assert_array_equal(sum(mask.astype(int) for mask in masks.values()), 1)
    normal = robustness.extremes(training, training, 0.1)
    assert float(normal["coldest"].mean()) == pytest.approx(0.1, abs=0.05)
    assert masks["usual"].values[2].mean() > 0.5


def test_rmse_under_each_situation(ds):
    methods = {"input": lambda ds: ds["t2m_in"], "3 K too warm": lambda ds: ds["t2m_tar"] + 3}
    table = robustness.under(methods, {"as it is": ds, "noisy": robustness.noisy(ds, 5.0)})
    assert table.columns.tolist() == list(methods)
    assert table.loc["as it is", "3 K too warm"] == pytest.approx(3)
    assert table.loc["noisy", "input"] > table.loc["as it is", "input"] + 1


def test_other_weather():
    made = robustness.other_weather(5, ["2020-06"], days=1)
    assert made.sizes == {"time": 2, "lat": 96, "lon": 128}
    assert made["z_tar"].dims == ("lat", "lon")
    assert made["t2m_in"].dtype == np.float32
    assert 270 < float(made["t2m_tar"].mean()) < 310
    assert 0.5 < float(np.sqrt(((made["t2m_in"] - made["t2m_tar"]) ** 2).mean())) < 3


def test_other_weather_is_that_of_its_seed_and_days(monkeypatch):
    asked = []

    def made(seed, stretch):
        asked.append((seed, stretch.month, str(stretch.times[0])[:13], len(stretch.keep)))
        fields = dict.fromkeys(("t2m_in", "t2m_tar", "z_in", "z_tar"), ("time", np.zeros(len(stretch.keep))))
        return xr.Dataset(fields, {"time": stretch.times})

    monkeypatch.setattr(robustness, "tier1_dataset", made)
    assert robustness.other_weather(7, ["2020-04", "2020-06"], days=2).sizes == {"time": 8}
    assert asked == [(7, "2020-04", "2020-04-10T00", 4), (7, "2020-06", "2020-06-10T00", 4)]


def test_mistakes_name_their_cure(ds):
    for call in (
        lambda: robustness.shuffled(ds.isel(lat=slice(7))),
        lambda: robustness.shifted(ds, -1),
        lambda: robustness.other_weather(1, days=0),
        lambda: robustness.extremes(ds, ds, 0.7),
        lambda: robustness.extremes(ds, ds.isel(time=slice(0, None, 2))),
    ):
        with pytest.raises(BootcampError) as caught:
            call()
        assert caught.value.cure


def test_real_weather_is_not_drawn_anew(monkeypatch):
    monkeypatch.setenv("MAELSTROM_DATA", "remote")
    with pytest.raises(BootcampError, match="no other seed"):
        robustness.other_weather(days=1)
