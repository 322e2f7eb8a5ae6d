from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_bootcamp.apps.yr import features as f
from maelstrom_bootcamp.errors import BootcampError


def test_table_is_the_plugins():
    from climetlab_maelstrom_yr.yr import Yr

    published = {name: tuple(pair) for name, pair in Yr.get_normalization().items()}
    assert published == dict(f.PUBLISHED_TABLE)
    assert set(f.PUBLISHED_TABLE) == set(f.DYNAMIC + f.STATIC)


@pytest.mark.filterwarnings("ignore:No index created")  # the published call, as it is
def test_features_agree_with_the_plugins_own_normalisation(runs, folder):
    import climetlab

    dates = [str(t)[:10] for t in runs["time"].values]
    request = {"size": "5GB", "dates": dates, "location": f"{folder}/"}
    ds = climetlab.load_dataset(
        "maelstrom-yr", normalize=True, predict_diff=True, probabilistic_target=True, **request
    ).to_xarray()
    features, target = f.to_features(runs)
    assert features.dtype == target.dtype == np.float32
    assert features.shape == (40, 64, 64, 17)
    expected = ds["predictors"].values.reshape(40, 64, 64, 14)
    np.testing.assert_allclose(features[..., :14], expected, atol=2e-5)
    np.testing.assert_allclose(target, ds["targets"].values.reshape(40, 64, 64, 2), atol=1e-5)


def test_generated_predictors(runs):
    features, _ = f.to_features(runs)
    lead, x, y = np.moveaxis(features.reshape(4, 10, 64, 64, 17)[..., 14:], -1, 0)
    np.testing.assert_allclose(lead[2, :, 5, 7], (6.0 * np.arange(10) - 30) / 10, atol=1e-6)
    assert (np.diff(x, axis=-1) > 0).all()
    assert (np.diff(x, axis=-2) == 0).all()
    assert (np.diff(y, axis=-2) > 0).all()
    assert x[0, 0].mean() == pytest.approx(0, abs=1e-6)
    assert x[0, 0].std() == pytest.approx(1, abs=1e-5)


def test_published_position_is_nearly_constant_on_a_small_domain():
    scaled = f.position(128, "published")
    assert scaled[0] == pytest.approx(-10)
    assert scaled.max() < -8.7
    assert f.position(2321, "published")[-1] == pytest.approx(13.2)


@given(st.integers(2, 3000))
def test_centred_position_has_mean_0_and_deviation_1(n):
    scaled = f.position(n).astype(float)
    assert abs(scaled.mean()) < 1e-5
    assert scaled.std() == pytest.approx(1, abs=1e-4)


def test_unknown_scheme():
    with pytest.raises(BootcampError, match="centred"):
        f.position(10, "middle")


def test_position_of_one_point():
    assert f.position(1) == 0


def test_part_of_a_domain_keeps_its_place(runs):
    whole, _ = f.to_features(runs)
    part, _ = f.to_features(runs.isel(y=slice(32, 48), x=slice(None, None, 4)))
    np.testing.assert_array_equal(part, whole[:, 32:48, ::4])


def test_without_row_and_column_the_dataset_is_the_domain(runs):
    part = runs.isel(x=slice(0, 16)).drop_vars(["row", "column"])
    features, _ = f.to_features(part)
    assert features[0, 0, :, 15].mean() == pytest.approx(0, abs=1e-6)


def test_residual_is_taken_before_normalisation(runs):
    target = f.residual_target(runs).reshape(4, 10, 64, 64, 2)
    wanted = (f.analysis(runs) - f.control(runs)).values
    np.testing.assert_allclose(target[..., 0], wanted, atol=1e-6)
    np.testing.assert_array_equal(target[..., 1], f.analysis(runs, "std").values)


def test_to_features_leaves_the_dataset_alone(runs):
    before = runs.copy(deep=True)
    f.to_features(runs)
    xr.testing.assert_identical(before, runs)


def test_perfect_residuals_give_the_analysis_back(runs):
    residual = f.residual_target(runs)[..., :1]
    forecast = f.residuals_to_forecast(np.repeat(residual, 3, axis=-1), runs)
    assert forecast.dims == ("time", "leadtime", "quantile", "y", "x")
    assert forecast.dtype == np.float32
    assert forecast.attrs["standard_name"] == "air_temperature"
    assert forecast.attrs["units"] == "degree_Celsius"
    assert list(forecast["quantile"].values) == [0.1, 0.5, 0.9]
    for q in forecast["quantile"]:
        np.testing.assert_allclose(
            forecast.sel(quantile=q).values, f.analysis(runs).values, atol=1e-5, err_msg=f"{float(q)}"
        )


def test_residuals_of_another_dataset_are_refused(runs):
    with pytest.raises(BootcampError, match="do not belong"):
        f.residuals_to_forecast(np.zeros((3, 64, 64, 3)), runs)


def test_order_of_predictors_does_not_matter(runs):
    backwards = runs.isel(predictor=slice(None, None, -1))
    np.testing.assert_array_equal(f.to_features(backwards)[0], f.to_features(runs)[0])


def test_missing_predictor_is_named(runs):
    part = runs.sel(predictor=[p for p in runs["predictor"].values if p != "bias_recent"])
    with pytest.raises(BootcampError, match="bias_recent"):
        f.to_features(part)
    with pytest.raises(BootcampError, match="bias_recent"):
        f.predictor(part, "bias_recent")


def test_missing_uncertainty_is_named(runs):
    with pytest.raises(BootcampError, match="probabilistic_target"):
        f.residual_target(runs.isel(target=[0]))


def test_own_normalisation(runs):
    own = f.fit_normalisation(runs)
    features, _ = f.to_features(runs, own)
    read = features[..., :14].reshape(-1, 14).astype(float)
    np.testing.assert_allclose(read.mean(0), 0, atol=1e-3)
    np.testing.assert_allclose(read.std(0), 1, atol=1e-3)
    constant = runs.copy(deep=True)
    constant["predictors"][..., 4] = 0.5
    assert f.fit_normalisation(constant).table["cloud_area_fraction"] == (pytest.approx(0.5), 1.0)


def test_leadtime_in_hours(runs):
    np.testing.assert_allclose(f.leadtime_hours(runs), 6 * np.arange(10))
    np.testing.assert_allclose(f.leadtime_hours(xr.Dataset(coords={"leadtime": [0.0, 21600.0]})), [0, 6])
