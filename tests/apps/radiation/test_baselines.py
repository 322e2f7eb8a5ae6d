"""The baselines: exact where labels follow their own law, closed budgets, dark nights, an honest order."""

from __future__ import annotations

import numpy as np
import pytest

from maelstrom_bootcamp.apps.radiation.baselines import (
    BANDS,
    ClearSkyRegression,
    MeanByAngle,
    PCALinear,
    clear_terms,
    cloud_terms,
    scale,
    stacked_scalars,
    take,
)
from maelstrom_bootcamp.apps.radiation.columns import load_split
from maelstrom_bootcamp.apps.radiation.evaluate import energy_residual, errors
from maelstrom_bootcamp.apps.radiation.predictors import COS_ZENITH, SKIN
from maelstrom_bootcamp.apps.radiation.tables import table
from maelstrom_bootcamp.errors import BootcampError

ALL = (MeanByAngle, ClearSkyRegression, PCALinear)


@pytest.fixture(scope="module")
def train():
    return load_split("train")


@pytest.fixture(scope="module")
def test():
    return load_split("test")


def lawful(columns, law):
    """The same columns with labels that follow a law: shares (N, 138, 2) of a band."""
    labels = {band: law(band) * scale(columns, band)[:, None, None] for band in BANDS}
    for band, flux in labels.items():
        flux[:, 0, 0] = scale(columns, band) * (band == "sw")
    return columns | labels


def largest_error(model, columns):
    found = model.predict(columns)
    return max(np.abs(found[band] - columns[band]).max() for band in BANDS)


def random_profile(terms, seed=0):
    return np.random.default_rng(seed).normal(size=(terms.shape[-1], 138, 2)) / terms.std(axis=(0, 1)).max()


@pytest.mark.parametrize("baseline", ALL)
def test_energy_nights_and_the_top(baseline, train, test):
    found = baseline().fit(train).predict(test)
    night = test["sca_inputs"][:, COS_ZENITH] <= 0
    assert night.any()
    assert not night.all()
    assert not found["sw"][night].any()
    assert not found["hr_sw"][night].any()
    assert np.allclose(found["sw"][:, 0, 0], test["sw"][:, 0, 0], rtol=1e-5)
    assert not found["lw"][:, 0, 0].any()
    assert {n: v.shape[1:] for n, v in found.items()} == {
        "sw": (138, 2),
        "hr_sw": (137, 1),
        "lw": (138, 2),
        "hr_lw": (137, 1),
    }
    for band in BANDS:
        assert np.abs(energy_residual(found, test, band)).max() < 2e-3


def test_mean_of_one_class_is_the_mean_weighted_by_sunlight(train):
    found = MeanByAngle(classes=1).fit(train).predict(train)
    for band in BANDS:
        assert np.allclose(found[band].mean(axis=0), train[band].mean(axis=0), rtol=1e-3, atol=1e-3)


def test_mean_by_angle_knows_the_angle(train):
    key = {"sw": COS_ZENITH, "lw": SKIN}

    def law(band):  # a share that rises with the sun, or with the warmth of the surface
        x = train["sca_inputs"][:, key[band]].astype(float)
        return np.broadcast_to((x / x.max())[:, None, None], (len(x), 138, 2)).copy()

    columns = lawful(train, law)
    coarse, fine = (largest_error(MeanByAngle(n).fit(columns), columns) for n in (2, 60))
    assert fine < 0.2 * coarse


def test_clear_sky_regression_finds_its_own_law(train):
    def law(band):
        clear, cloud = clear_terms(band, train), cloud_terms(band, train)
        clear = (clear - clear.mean(0)) / clear.std(0).clip(1e-9)
        factors = np.random.default_rng(1).normal(size=(clear.shape[1], 138, 2)) / 30
        clouds = np.einsum(
            "nlt,tw->nlw", cloud, np.random.default_rng(2).normal(size=(cloud.shape[2], 2)) / 10
        )
        return 0.5 + np.einsum("nt,tlw->nlw", clear, factors) + clouds

    columns = lawful(train, law)
    size = max(np.abs(columns[band]).max() for band in BANDS)
    assert largest_error(ClearSkyRegression(ridge=1e-9).fit(columns), columns) < 0.01 * size


def test_clear_columns_do_not_see_the_clouds_of_others(train):
    terms = {band: cloud_terms(band, train) for band in BANDS}
    clear = train["col_inputs"][..., 10].max(axis=1) == 0
    assert clear.any()
    for band in BANDS:
        assert not terms[band][clear].any()
        assert terms[band][~clear].any()


def test_pca_finds_a_linear_law_of_low_rank(train):
    def law(band):
        terms = stacked_scalars(train)[:, [1, 2, 16]]
        terms = (terms - terms.mean(0)) / terms.std(0)
        return 0.5 + np.einsum("nt,tlw->nlw", terms, np.random.default_rng(3).normal(size=(3, 138, 2)) / 30)

    columns = lawful(train, law)
    few = PCALinear(inputs=8, outputs=2, ridge=1e-9).fit(columns)
    enough = PCALinear(inputs=8, outputs=6, ridge=1e-9).fit(columns)
    assert largest_error(enough, columns) < 1
    assert largest_error(few, columns) > 10


def test_more_components_than_columns_are_no_fault(train):
    few = take(train, np.arange(0, 256, 8))
    found = PCALinear().fit(few).predict(few)
    assert all(np.isfinite(v).all() for v in found.values())


def test_physics_beats_the_mean(train, test):
    """On 256 training and 64 test columns: margins are wide."""
    methods = {b.__name__: b().fit(train) for b in ALL}
    rmse = table(errors(methods, test))["rmse"]
    for band in BANDS:
        clear, mean = (rmse[band, "surface_down", b.__name__] for b in (ClearSkyRegression, MeanByAngle))
        assert clear < 0.7 * mean, (band, clear, mean)


def test_misuse(train):
    for baseline in ALL:
        with pytest.raises(BootcampError, match="not been fitted"):
            baseline().predict(train)
    night = take(train, train["sca_inputs"][:, COS_ZENITH] <= 0)
    with pytest.raises(BootcampError, match="by day"):
        MeanByAngle().fit(night)
    overcast = take(train, train["col_inputs"][..., 10].max(axis=1) > 0.5)
    with pytest.raises(BootcampError, match="no clear columns"):
        ClearSkyRegression().fit(overcast)
    found = MeanByAngle().fit(train).predict(night)
    assert not found["sw"].any(), "a test of the night only"
