"""What the networks see: statistics of the members, normalised, and places."""

import numpy as np
import pytest

from maelstrom_bootcamp.apps.ens10 import predictors as p
from maelstrom_bootcamp.errors import BootcampError


def test_mean_and_spread_are_those_of_xarray(made_pairs):
    members, _ = made_pairs["t2m"]["fit"]
    mean, spread = p.mean_and_spread(members)
    own = list(members).index("t2m")
    np.testing.assert_allclose(mean[..., own], members["t2m"].mean("member"), rtol=1e-6)
    np.testing.assert_allclose(spread[..., own], members["t2m"].std("member", ddof=1), rtol=1e-4)


def test_the_training_data_are_normalised_and_others_by_the_same_constants(made_pairs):
    members, _ = made_pairs["z500"]["fit"]
    scaling = p.find_scaling(members)
    fields = p.network_inputs(members, scaling, "fields")["predictors"]
    assert fields.shape == (24, 12, 16, 14)
    np.testing.assert_allclose(fields.mean((0, 1, 2)), 0, atol=1e-3)
    np.testing.assert_allclose(fields.std((0, 1, 2)), 1, atol=1e-3)
    warmer = p.network_inputs(members + 1, scaling, "fields")["predictors"] - fields
    np.testing.assert_allclose(warmer[..., ::2].mean((0, 1, 2)), 1 / np.array(scaling.mean_scale), rtol=2e-2)
    np.testing.assert_allclose(warmer[..., 1::2], 0, atol=2e-3)


def test_missing_values_are_zero_and_leave_the_rest_alone(made_pairs):
    members, _ = made_pairs["t2m"]["fit"]
    scaling = p.find_scaling(members)
    assert np.isfinite([scaling.mean, scaling.spread]).all()
    found = p.network_inputs(members, scaling, "fields")["predictors"]
    sst = 2 * list(members).index("sst")
    assert (found[:, :, :8, sst : sst + 2] == 0).all()
    assert (found[:, :, 8:, sst] != 0).all()


def test_raw_is_the_targets_own_forecast_in_its_unit(made_pairs):
    members, truth = made_pairs["t2m"]["test"]
    raw = p.network_inputs(members, p.find_scaling(members), "points")["raw"]
    np.testing.assert_allclose(raw[..., 0], members["t2m"].mean("member"), rtol=1e-6)
    assert abs(raw[:, 6:, :, 0] - truth.values[:, 6:]).mean() < 1.2  # no bias there, an error of 1 K


def test_points_know_their_place(made_pairs):
    members, _ = made_pairs["t2m"]["test"]
    found = p.network_inputs(members, p.find_scaling(members), "points")["predictors"]
    np.testing.assert_allclose((found[..., -3:] ** 2).sum(-1), 1, rtol=1e-5)
    across = p.place(np.array([0.0]), np.array([359.0, 0.0, 1.0]))[0]
    assert np.linalg.norm(across[0] - across[1]) == pytest.approx(np.linalg.norm(across[1] - across[2]))


def test_members_keep_their_differences(made_pairs):
    members, _ = made_pairs["z500"]["test"]
    scaling = p.find_scaling(members)
    found = p.network_inputs(members, scaling, "members")["predictors"]
    assert found.shape == (8, 4, 12, 16, 7)
    own = found[..., 0] * scaling.mean_scale[0] + scaling.mean[0]
    np.testing.assert_allclose(own, members["z"], rtol=1e-5)


def test_scaling_survives_a_card(made_pairs):
    scaling = p.find_scaling(made_pairs["z500"]["fit"][0])
    assert p.Scaling.from_dict(scaling.as_dict()) == scaling


def test_bad_input_is_refused(made_pairs):
    members, _ = made_pairs["t2m"]["test"]
    with pytest.raises(BootcampError, match="no spread"):
        p.mean_and_spread(members.isel(member=[0]))
    with pytest.raises(BootcampError, match="dimensions"):
        p.mean_and_spread(members.isel(member=0))
    with pytest.raises(BootcampError, match="variables"):
        p.network_inputs(members, p.find_scaling(made_pairs["z500"]["fit"][0]), "fields")
