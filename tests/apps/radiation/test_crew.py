"""Processes that compute the same columns when told to."""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
from maelstrom_bootcamp.apps.radiation import cost, networks
from maelstrom_bootcamp.apps.radiation.columns import load_split, open_columns
from maelstrom_bootcamp.apps.radiation.crew import Crew, _TASKS, _write
from maelstrom_bootcamp.bucket.radiation.solver import solve
from maelstrom_bootcamp.errors import BootcampError

import numpy as np
import pytest

MODEL = {"filters": 4, "dilation_rates": (1,), "convs": 1}


@pytest.fixture(scope="module")
def few():
    return cost.timing_columns(4, open_columns("test"), load_split("test"))


@pytest.mark.parametrize("engine", ["onnx", "keras"])
def test_networks_compute_what_they_computed_before(engine, few, tmp_path):
    model = networks.cnn(**MODEL)
    _write(tmp_path, engine, few, model)
    task, n = _TASKS[engine](tmp_path, "sw")
    assert n == 4
    expected = model(few[1])
    for found, name in zip(task(), expected, strict=True):
        wanted = np.asarray(expected[name])
        assert np.allclose(found, wanted, rtol=1e-3, atol=1e-4 * np.abs(wanted).max())


@pytest.mark.parametrize("band", ["sw", "lw"])
def test_the_solver_solves_the_columns_of_the_file(band, few, tmp_path):
    _write(tmp_path, "solver", few, None)
    task, n = _TASKS["solver"](tmp_path, band)
    assert n == 4
    found = task()
    assert set(found) == {f"flux_{way}_{band}{part}" for way in ("dn", "up") for part in ("", "_clear")}
    assert found.identical(solve(few[0], bands=(band,)))


def test_a_crew_starts_works_and_works_again(few):
    with Crew("onnx", few, networks.cnn(**MODEL), workers=2) as crew:
        assert len(crew.starts) == 2
        assert all(0.05 < start.seconds < 120 and start.memory > 2e7 for start in crew.starts)
        for _ in range(2):
            rates = crew.run(0.05)
            assert len(rates) == 2
            assert min(rates) > 0
        assert len(crew.run(0.05, workers=1)) == 1
        children = list(crew._children)
    assert all(child.returncode is not None for child in children)


def test_a_process_that_dies_says_why(few):
    with pytest.raises(BootcampError, match=r"died: .*lack finite values of q\."):
        Crew("solver", (few[0].drop_vars("q"), few[1]))


def test_nonsense_is_refused(few):
    with pytest.raises(BootcampError, match="no engine 'abacus'"):
        Crew("abacus", few)
    with pytest.raises(BootcampError, match="nothing to compute"):
        Crew("onnx", few)
    with pytest.raises(BootcampError, match="0 processes"):
        Crew("solver", few, workers=0)
