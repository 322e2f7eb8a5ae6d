"""The network that shares the sunlight out: what holds whatever the weights; its terms are optics."""

from __future__ import annotations

import numpy as np
import pytest

from maelstrom_bootcamp.apps.radiation import budget as module
from maelstrom_bootcamp.apps.radiation.budget import (
    LAYER_TERMS,
    EnergyBudget,
    OpticalTerms,
    budget,
    clear_share,
)
from maelstrom_bootcamp.apps.radiation.columns import load_split
from maelstrom_bootcamp.apps.radiation.layers import PER_DAY
from maelstrom_bootcamp.apps.radiation.predictors import cloud_depth, cover_from_top, incoming, profile
from maelstrom_bootcamp.apps.radiation.to_onnx import session
from maelstrom_bootcamp.errors import BootcampError

INPUTS = ("sca_inputs", "col_inputs", "hl_inputs", "inter_inputs", "pressure_hl")


@pytest.fixture(scope="module")
def columns() -> dict[str, np.ndarray]:
    return load_split("test", "ci")


@pytest.fixture(scope="module")
def network():
    import keras

    keras.utils.set_random_seed(3)
    return budget()


@pytest.fixture(scope="module")
def found(network, columns):
    return {k: np.asarray(v, float) for k, v in network({n: columns[n] for n in INPUTS}).items()}


def test_parameters(network):
    assert network.count_params() == 80_424
    assert budget(pool=6, filters=40, width=64).count_params() < 70_000


def test_energy_is_shared_out_completely_and_nothing_is_negative(found, columns):
    heats = (found["hr_sw"][..., 0] * np.diff(columns["pressure_hl"][..., 0])).sum(1) / PER_DAY
    top, down, up = found["sw"].T
    assert np.abs(top - (down - up) - heats).max() < 1e-3  # W/m², of up to 1,400
    assert min(v.min() for v in found.values()) >= 0
    assert (up <= down).all()
    assert (top <= incoming(columns) * (1 + 1e-6)).all()
    night = incoming(columns) == 0
    assert night.any()
    assert not found["sw"][night].any()
    assert not found["hr_sw"][night].any()


def test_albedo_of_the_surface_lies_between_its_bands(found, columns):
    lit = incoming(columns) > 1
    albedos = columns["sca_inputs"][lit, 2:14]
    albedo = found["sw"][lit, 2] / found["sw"][lit, 1]
    assert (albedo >= albedos.min(1) - 1e-5).all()
    assert (albedo <= albedos.max(1) + 1e-5).all()


def test_logits_multiply_the_usual_heating_rates(columns):
    few = {n: v[:4] for n, v in columns.items()}
    few["sca_inputs"] = np.where(np.arange(17) == 1, 0.5, few["sca_inputs"]).astype("f4")
    layer, ends = EnergyBudget(), np.zeros((4, 3), "f4")

    def heating(logits):
        rates, _ = layer(logits, ends, few["sca_inputs"], few["pressure_hl"])
        return np.asarray(rates)[..., 0]

    usual = heating(np.zeros((4, 137), "f4"))
    assert np.allclose(usual / usual[:, 60:61], usual[0] / usual[0, 60], rtol=1e-3)
    peak = few["pressure_hl"][0, usual[0].argmax(), 0]
    assert 50 < peak < 500, "ozone heats most near the stratopause"
    logits = np.zeros((4, 137), "f4")
    logits[:, 5] = np.log(2)
    twice = heating(logits)
    assert np.allclose(twice[:, 5] / twice[:, 60], 2 * usual[:, 5] / usual[:, 60], rtol=1e-3)


def test_cover_is_that_of_maximum_random_overlap(columns):
    cover = profile(columns, "cloud_fraction")
    expected = cover_from_top(cover, np.ones((len(cover), cover.shape[1] - 1)))[:, 1:]
    assert np.allclose(1 - np.asarray(clear_share(cover.astype("f4"))), expected, atol=2e-3)
    assert expected.max() > 0.5


def test_terms_are_optics_and_near_one(columns):
    terms = np.asarray(OpticalTerms()(columns["col_inputs"], columns["hl_inputs"], columns["pressure_hl"]))
    assert np.isfinite(terms).all()
    raw = {n: terms[..., i] * s + m for i, (n, (m, s)) in enumerate(LAYER_TERMS.items())}
    assert np.allclose(raw["depth_above"], np.log1p(cloud_depth(columns).cumsum(1)), atol=1e-3)
    assert np.allclose(raw["cover"], profile(columns, "cloud_fraction"), atol=1e-5)
    assert np.allclose(raw["cover_below"][:, 0], raw["cover_above"][:, -1], atol=3e-3)
    assert 0.4 < terms.std() < 1.6


@pytest.mark.parametrize("options", [{}, {"pool": 6, "filters": 40, "width": 64}], ids=["full", "fast"])
def test_onnx_gives_the_same_numbers(columns, options):
    model = budget(**options)
    inputs = {n: columns[n] for n in INPUTS}
    run = session(model)
    wanted = {i.name for i in run.get_inputs()}
    flux, heating = run.run(["sw", "hr_sw"], {n: v for n, v in inputs.items() if n in wanted})
    expected = model(inputs)
    assert np.abs(flux - np.asarray(expected["sw"])).max() < 0.01
    assert np.abs(heating - np.asarray(expected["hr_sw"])).max() < 0.01


def test_longwave_and_nonsense_are_refused():
    with pytest.raises(BootcampError, match="band"):
        budget(band="lw")
    with pytest.raises(BootcampError, match="pool"):
        budget(pool=0)


def test_extinction_is_that_of_the_twelve_aerosols():
    assert module.EXTINCTION.size == module.AEROSOLS.stop - module.AEROSOLS.start
