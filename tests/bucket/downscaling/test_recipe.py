"""Both samples through the plugin's published calls: names, units, splits, values."""

from __future__ import annotations

import re
from pathlib import Path

import climetlab
import numpy as np
import pytest
import xarray as xr
from climetlab_maelstrom_downscaling.downscaling_tier1 import Downscaling as Tier1
from climetlab_maelstrom_downscaling.downscaling_tier2 import Downscaling as Tier2

from maelstrom_bootcamp import bucket
from maelstrom_bootcamp.bucket import recipes
from maelstrom_bootcamp.bucket.downscaling import periods, recipe, terrain
from maelstrom_bootcamp.bucket.downscaling.coarsen import GRAVITY
from maelstrom_bootcamp.bucket.downscaling.predictors import UNITS
from maelstrom_bootcamp.catalog import CATALOG
from maelstrom_bootcamp.errors import BootcampError

NAMES = ("maelstrom-downscaling-tier1", "maelstrom-downscaling-tier2")


@pytest.fixture(scope="module")
def ci_bucket() -> Path:
    """The smallest samples of both tiers, in the bucket that the tests share."""
    bucket.serve(NAMES[0], size="ci")
    return bucket.serve(NAMES[1], size="ci")


@pytest.fixture(scope="module")
def tier1(ci_bucket: Path) -> xr.Dataset:
    return climetlab.load_dataset(NAMES[0], dataset="testing").to_xarray().load()


@pytest.fixture(scope="module")
def tier2(ci_bucket: Path) -> xr.Dataset:
    return climetlab.load_dataset(NAMES[1], dataset="testing").to_xarray().load()


@pytest.mark.parametrize(("tier", "plugin"), [(periods.TIER1_SPLITS, Tier1), (periods.TIER2_SPLITS, Tier2)])
def test_splits_are_the_plugin_s(tier: dict, plugin: type) -> None:
    for split, months in tier.items():
        assert [f"{d:%Y-%m}" for d in plugin.dataset_types[split]] == months


@pytest.mark.parametrize("size", periods.SIZES)
def test_plans_name_every_object_once_and_times_lie_in_their_month(size: str) -> None:
    for tier, made, stretches in ((1, recipe.TIER1, periods.tier1), (2, recipe.TIER2, periods.tier2)):
        jobs = made.plan(size, 0)
        objects = [o for job in jobs for o in job.objects]
        assert len(objects) == len(set(objects)) == {1: 30, 2: 36 if size == "ci" else 288}[tier]
        for s in stretches(size):
            assert recipe.object_path(tier, s.month) in objects
            assert set(s.times.astype("datetime64[M]").astype(str)) == {s.month}
            assert s.keep[0] >= periods.SPIN_UP[size]
            assert len(set(s.keep)) == len(s.keep)


def test_full_and_default_hold_the_published_test_times_of_tier_1() -> None:
    counts = {
        size: {
            split: sum(len(s.keep) for s in periods.tier1(size) if s.split == split)
            for split in periods.TIER1_SPLITS
        }
        for size in ("default", "full")
    }
    assert counts["full"]["training"] == 1464  # the number that MAELSTROM gives
    assert counts["default"]["testing"] == counts["full"]["testing"] == 180
    hours = {t.astype("datetime64[h]").astype(int) % 24 for s in periods.tier1("full") for t in s.times}
    assert hours == {0, 12}


def test_data_card_tells_how_many_times_there_are() -> None:
    card = (Path(__file__).parents[3] / "book" / "data-card-downscaling.md").read_text(encoding="utf-8")
    for tier, stretches in ((1, periods.tier1), (2, periods.tier2)):
        for split in periods.TIER1_SPLITS:
            counts = [sum(len(s.keep) for s in stretches(z) if s.split == split) for z in periods.SIZES]
            row = re.search(rf"^\| tier {tier}, {split} \|.*$", card, re.M)
            assert row, f"the card has no row for {split} of tier {tier}"
            assert row[0].endswith(" | ".join(f"{n:,}" for n in counts) + " |"), row[0]


def test_times_of_tier_2_cover_the_day() -> None:
    train = [s for s in periods.tier2("default") if s.split == "training"]
    hours = np.concatenate([s.times.astype("datetime64[h]").astype(int) % 24 for s in train])
    assert (np.bincount(hours, minlength=24) > 0).all()


def test_published_call_of_tier_1(tier1: xr.Dataset) -> None:
    assert dict(tier1.sizes) == {"time": 6, "lat": 96, "lon": 128}
    assert set(tier1.data_vars) == {"t2m_in", "z_in", "t2m_tar", "z_tar"}
    for name, values in tier1.data_vars.items():
        assert values.dtype == "f8", name
        assert np.isfinite(values).all(), name
        assert values.units == ("K" if name.startswith("t2m") else "m**2 s**-2")
    assert float(tier1.lat[0]) == 54.5
    assert float(tier1.lat[-1]) == pytest.approx(45.0)
    assert float(tier1.lon[-1]) == pytest.approx(16.7)
    assert sorted({str(m) for m in tier1.time.values.astype("datetime64[M]")}) == [
        "2020-04",
        "2020-06",
        "2020-09",
    ]
    assert "simulated" in tier1.title


def test_input_is_the_target_without_its_detail(tier1: xr.Dataset) -> None:
    error = tier1.t2m_in - tier1.t2m_tar
    assert abs(float(error.mean())) < 0.6
    assert 0.5 < float((error**2).mean()) < 6
    dz = (tier1.z_tar - tier1.z_in) / GRAVITY
    assert np.corrcoef(error.values.ravel(), dz.values.ravel())[0, 1] > 0.4  # where it is higher it is colder
    detail = [np.abs(tier1[n].diff("lon")).mean() for n in ("t2m_in", "t2m_tar")]
    assert float(detail[0]) < 0.7 * float(detail[1])
    assert (tier1.z_tar == tier1.z_tar[0]).all()


def test_a_constant_lapse_rate_is_not_enough(tier1: xr.Dataset) -> None:
    """The best slope of the error on the height difference changes from time to time."""
    error = (tier1.t2m_tar - tier1.t2m_in).values
    dz = ((tier1.z_tar - tier1.z_in) / GRAVITY).values[0].ravel()
    slopes = [np.polyfit(dz, e.ravel(), 1)[0] * 1000 for e in error]
    assert np.ptp(slopes) > 0.8  # K per km
    assert -11 < np.mean(slopes) < -2


def test_published_call_of_tier_2(tier2: xr.Dataset) -> None:
    assert dict(tier2.sizes) == {"time": 12, "rlat": 96, "rlon": 120}
    assert set(tier2.data_vars) == {*UNITS, "t_2m_tar", "hsurf_tar", "fr_land_tar", "rotated_pole"}
    for name, (units, _) in UNITS.items():
        assert tier2[name].dtype == "f4"
        assert tier2[name].units == units
        assert np.isfinite(tier2[name]).all(), name
    assert tier2.rotated_pole.grid_north_pole_latitude == 39.25
    assert np.allclose(tier2.hsurf_tar[0], terrain.tier2().altitude, atol=0.2)
    assert np.corrcoef(tier2.t2m_in.values.ravel(), tier2.t_2m_tar.values.ravel())[0, 1] > 0.9


def test_months_have_the_seasons_and_weather_of_their_own(tier2: xr.Dataset) -> None:
    mean = tier2.t_2m_tar.mean(("rlat", "rlon")).values
    assert mean[5:8].mean() - mean[[0, 1, 11]].mean() > 10
    assert not np.allclose(
        mean,
        climetlab.load_dataset(NAMES[1], dataset="validation").to_xarray().t_2m_tar.mean(("rlat", "rlon")),
    )


def test_another_seed_is_another_world() -> None:
    stretch = periods.tier1("ci")[0]
    a, b = (recipe.tier1_dataset(seed, stretch) for seed in (0, 1))
    assert float(np.abs(a.t2m_tar - b.t2m_tar).mean()) > 0.3
    assert (a.z_tar == b.z_tar).all()


def test_made_again_is_the_same(tier1: xr.Dataset) -> None:
    stretch = next(s for s in periods.tier1("ci") if s.month == "2020-04")
    assert np.array_equal(recipe.tier1_dataset(0, stretch).t2m_tar, tier1.t2m_tar[:2])


def test_augmented_sets_are_refused_with_the_reason(ci_bucket: Path) -> None:
    with pytest.raises(BootcampError, match="augmented"):
        bucket.open_dataset(NAMES[0], sample_size="ci", dataset="training_aug")


def test_rows_are_recipes_not_placeholders() -> None:
    assert recipes.RECIPES[NAMES[0]] == "maelstrom_bootcamp.bucket.downscaling.recipe:TIER1"
    assert not any(CATALOG[name].placeholder for name in NAMES)
