"""Measuring a network of one's own: in another process, and with errors that say what to do."""

from __future__ import annotations

import pytest

from maelstrom_bootcamp.perfmodel.graph import ModelInputError
from maelstrom_bootcamp.perfmodel.labels.own import Measured, measure_step
from support import compares_times

NET = "maelstrom_bootcamp.nn:linear_net"


@pytest.mark.slow
def test_a_network_with_open_lengths():
    found = measure_step(NET, {"n_inputs": 5}, batch=2, image_size=(16, 32), visits=3, seconds=0.01)
    assert found.parameters == 5 * 3 + 3
    assert len(found.visits) == 3
    assert found.ms == min(found.visits)
    assert 0 < found.ms < 10_000
    assert 0 <= found.spread < 1000
    # The input of 2 x 16 x 32 x 5 numbers is there, and less than a few copies of everything.
    assert 4 * 2 * 16 * 32 * 5 < found.memory_mb * 1e6 < 1e6


@pytest.mark.slow
@compares_times
def test_a_larger_batch_needs_more():
    size = {"image_size": 32, "visits": 2, "seconds": 0.05}
    build = "maelstrom_bootcamp.nn:pointwise_net"
    small, large = (measure_step(build, batch=batch, **size) for batch in (1, 16))
    assert large.ms > 2 * small.ms
    assert large.memory_mb > 4 * small.memory_mb
    assert large.parameters == small.parameters == 12_243


@pytest.mark.slow
def test_several_inputs_and_outputs_and_a_function_itself():
    from maelstrom_bootcamp.apps.radiation.networks import min_cnn

    found = measure_step(min_cnn, {"levels": 9, "filters": 4}, batch=2, visits=1, seconds=0.01)
    assert found.parameters == sum(v.numpy().size for v in min_cnn(levels=9, filters=4).trainable_variables)


@pytest.mark.slow
def test_what_fails_there_is_told_here():
    with pytest.raises(ModelInputError, match="could not be measured: BootcampError"):
        measure_step(NET, {"n_inputs": 0}, batch=1, image_size=8)
    with pytest.raises(ModelInputError, match="could not be measured"):
        measure_step("maelstrom_bootcamp.nn:no_such_net", batch=1)


def test_what_cannot_be_measured_is_refused_at_once():
    def local() -> None:
        """Cannot be imported."""

    with pytest.raises(ModelInputError, match="cannot be imported by another process"):
        measure_step(local, batch=1)
    with pytest.raises(ModelInputError, match="cannot be imported"):
        measure_step("__main__:net", batch=1)
    with pytest.raises(ModelInputError, match="batch"):
        measure_step(NET, batch=0)
    with pytest.raises(ModelInputError, match="are no measurement"):
        measure_step(NET, batch=1, visits=0)
    with pytest.raises(ModelInputError, match="are no measurement"):
        measure_step(NET, batch=1, seconds=0.0)


def test_the_spread_of_visits():
    assert Measured(2.0, (3.0, 2.0), 1.0, 1).spread == 0.5
