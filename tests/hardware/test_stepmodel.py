from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from maelstrom_bootcamp import nn  # noqa: F401  (starts TensorFlow quietly)
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.hardware.calibration import (
    _thinned,
    calibrate,
    features,
    fit,
    fit_laws,
    needed,
)
from maelstrom_bootcamp.hardware.ceilings import Ceilings, from_device, measure_ceilings
from maelstrom_bootcamp.hardware.networks import networks
from maelstrom_bootcamp.hardware.probes import Probe, probes
from maelstrom_bootcamp.hardware.roofline import count
from maelstrom_bootcamp.hardware.stepmodel import measure_steps, predict_step
from maelstrom_bootcamp.hardware.systems import device, devices
from maelstrom_bootcamp.machine import cores
from support import compares_times

TOY = Ceilings("toy", {"fp32": 1e11}, 1e10, ((1e4, 8e10), (1e8, 1e10)), threads=1)


def made_up(probe):
    """A machine that obeys its laws: everything takes twice as long as at the roof, and 5 us more."""
    flop, moved, channels = (np.array([each]) for each in (probe.flop, probe.bytes, probe.channels))
    if probe.kind == "call":
        return 1e-4
    if probe.direction == "biased":  # a hundred times slower than arithmetic could be
        return made_up(replace(probe, direction="weights")) + 100 * probe.flop / TOY.peak("fp32")
    seconds = float(features(flop, moved, channels, TOY)[0] @ [5e-6, 2.0, 2.0])
    return 3 * seconds if probe.direction == "training" else seconds


@pytest.fixture(scope="module")
def calibration():
    return fit_laws(TOY, [(probe, made_up(probe)) for probe in probes()])


@pytest.fixture(scope="module")
def model():
    return networks()["a1"].build()


def test_a_law_is_found_again():
    rng = np.random.default_rng(0)
    columns = np.stack([np.ones(40), 10 ** rng.uniform(-6, -3, 40), 10 ** rng.uniform(-6, -3, 40)], 1)
    law = fit(columns, columns @ [1e-5, 1.5, 3.0])
    assert np.allclose((law.overhead, law.compute, law.traffic), (1e-5, 1.5, 3.0))
    assert law.error < 1e-6


def test_laws_of_a_machine_that_obeys_them(calibration):
    law = calibration.law("conv.forward")
    assert np.allclose((law.overhead, law.compute, law.traffic), (5e-6, 2, 2), rtol=1e-3)
    assert calibration.call == 1e-4
    offsets = calibration.law("conv.offsets")
    assert np.isclose(offsets.compute, 100, rtol=0.01), "what biased takes beyond weights"
    there, back = (calibration.law(f"silu.{way}") for way in ("forward", "backward"))
    assert np.isclose(back.traffic, 2 * there.traffic, rtol=1e-2), "training less forward"
    assert calibration.law("hard.forward") == there, "what was not timed has a stand-in"
    assert calibration.law("unheard.forward") == calibration.law("elementwise.forward")


def test_probe_counts_by_hand():
    conv = Probe("conv", "input", (2, 8, 8, 3, 5, 3, 3))
    assert conv.flop == 2 * 128 * 9 * 15
    assert conv.bytes == 4 * (128 * 8 + 135)
    assert conv.channels == 3
    assert Probe("add", "forward", (1, 2, 2, 4)).bytes == 4 * 48
    assert Probe("dense", "forward", (2, 3, 5)).bytes == 4 * (6 + 10 + 15)
    assert Probe("scores", "forward", (2, 10, 4, 8)).flop == 2 * 2 * 4 * 100 * 8


def test_a_quick_look_keeps_every_kind_and_three_of_each():
    chosen = _thinned(tuple(probes()), 8, {"conv", "relu"})
    assert {p.kind for p in chosen} == {"conv", "relu", "call", "elementwise"}
    assert 3 <= len({p.shape for p in chosen if p.kind == "conv"}) < 8
    assert len([p for p in chosen if p.kind == "relu"]) == 2 * 3
    assert _thinned(tuple(probes()), 1, None) == tuple(probes())
    assert needed(count(networks()["a4-mlp"].build(), batch=4, training=True)) >= {"dense", "relu", "adam"}


def test_half_a_register_takes_twice_as_long():
    full, half = (features([1e9], [1.0], [c], TOY)[0, 1] for c in (16, 8))
    assert half == 2 * full
    near, far = (features([1.0], [1e4], [0], TOY, far=f, footprint=1e9)[0, 2] for f in (0.0, 1e4))
    assert np.isclose(far, 8 * near), "far bytes come from main memory"


def test_bound_and_forecast(calibration, model):
    known = {"batch": 2, "image_size": 64}
    bound, forecast = (predict_step(model, c, **known) for c in (TOY, calibration))
    assert bound.seconds == bound.bound == forecast.bound
    assert forecast.seconds > 2 * bound.bound
    assert any("bound" in words for words in bound.assumptions)
    assert any("forecast" in words and "no forecast" not in words for words in forecast.assumptions)
    assert np.isclose(forecast.table.seconds.sum() + calibration.call, forecast.seconds)
    half = predict_step(model, TOY, efficiency=0.5, **known)
    assert np.isclose(half.seconds, 2 * bound.seconds)
    assert any("guess" in w for w in half.assumptions)


@pytest.mark.parametrize("training", [False, True])
def test_more_samples_take_longer_each_fewer_seconds(calibration, model, training):
    times = [
        predict_step(model, calibration, batch=b, image_size=64, training=training).seconds
        for b in (1, 2, 4, 8)
    ]
    assert (np.diff(times) > 0).all()
    assert times[1] < 2 * times[0]
    forward = predict_step(model, calibration, batch=8, image_size=64, training=False).seconds
    assert not training or times[-1] > 2 * forward


def test_every_device_with_a_sheet(model):
    graph = networks()["a1"].graph(8)
    found = {}
    for key, each in devices().items():
        if "bandwidth" in each.figures and "vector.fp32" in each.figures:
            found[key] = predict_step(graph, from_device(each, False)).seconds
    assert len(found) > 10
    assert found["h100-sxm"] < found["a100-40gb"] < found["v100-sxm2"]


def test_matrix_units_cannot_shorten_what_memory_bounds(model):
    sheet = device("a100-40gb")
    known = {"batch": 8, "image_size": 128, "training": False}
    vector = predict_step(model, from_device(sheet, False), "fp32", **known).table
    matrix = predict_step(model, from_device(sheet, True), "tf32", **known).table
    top = vector.bound == "memory"
    assert top.any()
    assert (~top).any()
    assert np.allclose(matrix.seconds[top], vector.seconds[top])
    assert (matrix.seconds[~top] < vector.seconds[~top]).all()


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda c, m: predict_step(m, c, "bf16", batch=1, image_size=64), "fp32, not in bf16"),
        (lambda c, m: predict_step(m, TOY, "fp16", batch=1, image_size=64), "fp16"),
        (lambda c, m: predict_step(m, TOY, batch=1, image_size=64, efficiency=0), "efficiency"),
        (lambda c, m: calibrate(from_device(device("v100-sxm2"))), "data sheet"),
        (lambda c, m: fit_laws(TOY, c.seconds[:2]), "fix no law"),
        (lambda c, m: measure_steps("a:b", batch=1, threads=cores() + 1), "threads"),
        (lambda c, m: measure_steps("nowhere:nothing", batch=1), "nowhere"),
    ],
)
def test_bad_input_is_one_clear_error(calibration, model, ask, words):
    with pytest.raises(BootcampError, match=words):
        ask(calibration, model)


@compares_times
def test_measured_lies_above_the_bound():
    """Wide margins: the ceiling is measured for a moment only, on a machine that may be busy."""
    network = networks()["a1"]
    roof = measure_ceilings(1, precisions=("fp32",), seconds=0.05)
    known = {"batch": 2, "image_size": (64, 64), "training": True}
    seconds = measure_steps(network.builder, network.arguments, seconds=0.2, **known)
    bound = predict_step(network.build(), roof, **known).seconds
    assert 0.7 * bound < seconds < 100 * bound
