"""What a run may know: nothing valid after its start but the forecast itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from maelstrom_bootcamp.bucket.yr import simulate, weather
from maelstrom_bootcamp.bucket.yr.analysis import analyse, to_fine
from maelstrom_bootcamp.bucket.yr.block import Block, same_time_yesterday
from maelstrom_bootcamp.bucket.yr.column import LAPSE_RATE, State
from maelstrom_bootcamp.bucket.yr.periods import LEAD_TIMES, run_start
from maelstrom_bootcamp.bucket.yr.stations import FAULTS, network, observe
from maelstrom_bootcamp.bucket.yr.terrain import ground

DAYS = ["2020-12-08", "2020-12-09"]


def _start(day: str) -> int:
    return weather.hour_of(run_start(day))


@pytest.mark.parametrize("lead", LEAD_TIMES)
def test_yesterday_is_before_the_start_and_at_the_same_time_of_the_day(lead: int) -> None:
    start = 1000
    then = same_time_yesterday(start, lead)
    assert start - 24 <= then < start
    assert (start + lead - then) % 24 == 0


@pytest.mark.parametrize("day", DAYS)
def test_no_predictor_uses_anything_valid_after_the_start(block: Block, day: str) -> None:
    start = _start(day)
    dynamic, static = block.predictors(start)
    blind = replace(
        block,
        analyses={h: a for h, a in block.analyses.items() if h < start},
        truth={},
        observations={},
        runs={start: block.runs[start]},
        controls={s: c for s, c in block.controls.items() if s < start},
    )
    again = blind.predictors(start)  # raises KeyError if anything later were looked up
    assert np.array_equal(dynamic, again[0])
    assert np.array_equal(static, again[1])
    assert np.isfinite(dynamic).all()
    assert np.isfinite(static).all()


def test_a_change_of_the_past_does_change_the_predictors(block: Block) -> None:
    """The test above could not fail if the biases ignored the analyses."""
    start = _start(DAYS[1])
    hour = same_time_yesterday(start, 6)
    warmer = replace(block.analyses[hour], mean=block.analyses[hour].mean + 1)
    changed = replace(block, analyses=block.analyses | {hour: warmer}).predictors(start)
    before = block.predictors(start)
    assert np.allclose(before[0][1, ..., 3] - changed[0][1, ..., 3], 1, atol=1e-4)  # bias_yesterday at 6 h
    assert np.allclose(before[1][..., 2] - changed[1][..., 2], 1 / 8, atol=1e-4)  # bias_recent: one of eight


def test_a_run_depends_on_its_start_only(block: Block) -> None:
    """Nature after the start does not enter a run: the same state gives the same run."""
    start = _start(DAYS[0])
    control = block.controls[start]
    assert np.isfinite(control).all()
    g = ground(model=True)
    state = State(*(np.full((1, g.x.size, g.x.size), t, "float32") for t in (280.0, 281.0, 282.0)))
    a, b = (simulate.run(0, start, state, (0, 6), members=2) for _ in range(2))
    assert np.array_equal(a.t2m, b.t2m)
    other = simulate.run(1, start, state, (0, 6), members=2)
    assert not np.array_equal(a.t2m[1], other.t2m[1])


def test_control_does_not_depend_on_the_number_of_members(block: Block) -> None:
    start = _start(DAYS[0])
    coarse = block.runs[start].t2m[:, 0]
    rise = LAPSE_RATE * (ground().altitude - to_fine(ground(model=True).altitude))
    assert np.allclose(block.controls[start], to_fine(coarse) - rise, atol=1e-3)


def test_errors_grow_and_the_ensemble_spreads(block: Block) -> None:
    run = block.runs[_start(DAYS[0])]
    spread = run.t2m.std(axis=1).mean(axis=(1, 2))
    assert 0.1 < spread[0] < 0.6
    assert spread[8] > 1.2 * spread[0]  # 48 h later, at the same time of the day
    assert run.cloud.min() >= 0
    assert run.cloud.max() <= 1
    assert run.precipitation.min() >= 0


def test_cold_air_lies_in_the_lowlands_and_the_model_s_is_too_thin() -> None:
    terrain, hour = ground(), int(np.argmax(weather.drivers(0).inversion))
    cold = simulate.cold_air(weather.drivers(0), hour, terrain)
    assert cold.min() == 0
    assert cold[terrain.altitude > 1500].max() == 0
    lowland = terrain.land & (terrain.altitude < 150)
    assert cold[lowland & (terrain.maritime < 0.1)].mean() > 4
    assert cold[~terrain.land].mean() < 0.5 * cold[lowland].mean()
    assert simulate._cycle_error(0, hour).inversion[0] < 1


def test_members_are_perturbed_about_the_control(block: Block) -> None:
    errors = simulate._draw_errors(0, _start(DAYS[0]), 5)
    first = simulate._perturbation(0, _start(DAYS[0]), ground(model=True), errors)
    assert not first[0].any()
    assert all(0.1 < np.abs(member).mean() < 2 for member in first[1:])
    apart = np.corrcoef(first[1:].reshape(4, -1))
    assert np.abs(apart[~np.eye(4, dtype=bool)]).max() < 0.9


def test_quality_control_finds_the_planted_faults(block: Block) -> None:
    stations = network(0)
    broken = np.isin(stations.fault, [FAULTS.index(f) for f in ("indoor", "misplaced", "stuck")])
    flags = np.stack([a.flags for a in block.analyses.values()]) > 0
    assert flags[:, broken].mean() > 0.5
    assert flags[:, ~broken].mean() < 0.06


def test_analysis_is_closer_to_nature_than_its_background(block: Block) -> None:
    land = ground().land
    hours = sorted(block.analyses)
    error = lambda name: np.mean(  # noqa: E731
        [np.abs(getattr(block.analyses[h], name) - block.truth[h])[land].mean() for h in hours]
    )
    assert error("mean") < 0.8 * error("background")
    std = block.analyses[hours[0]].std
    near = np.zeros_like(land)
    near[network(0).row.round().astype(int), network(0).column.round().astype(int)] = True
    assert std[near].mean() < std[~near & land].mean() < 1.0001


def test_analysis_without_observations_is_the_background(block: Block) -> None:
    hour = max(block.analyses)
    stations, guess = network(0), np.full((55, 55), 280.0, "float32")
    # Every observation fails the range check: 90 degrees Celsius.
    nothing = analyse(stations, np.full(stations.row.size, 363.15), guess)
    assert (nothing.flags == 1).all()
    assert np.allclose(nothing.mean, nothing.background)
    assert hour in block.observations


def test_observations_follow_nature_where_stations_are_good(block: Block) -> None:
    hour = max(block.truth)
    stations = network(0)
    value = observe(0, hour, block.truth[hour], np.ones((128, 128)))
    at = (stations.row.round().astype(int), stations.column.round().astype(int))
    departure = value - block.truth[hour][at]
    good = (stations.fault == 0) & ~stations.official
    assert 0.3 < departure[good].std() < 1.5
    assert np.ptp(value[stations.fault == FAULTS.index("stuck")]) == 0


def test_free_air_errors_are_of_operational_size() -> None:
    """Temperature at 850 hPa: some tenths of a kelvin at the start, below 1.3 K after two days.

    The generator must not be so wrong in the large scale that nothing else can be seen.
    """
    terrain, error = ground(model=True), {0: [], 24: [], 48: []}
    for start in range(1000, 17000, 800):
        errors = simulate._draw_errors(0, start, 1)
        for lead, squares in error.items():
            hour = start + lead
            made = simulate.flow(0, hour, terrain, simulate._error_at(0, hour, lead, errors)).free_air
            true = simulate.flow(0, hour, terrain, simulate.no_error()).free_air
            squares.append(float(((made - true) ** 2).mean()))
    rms = {lead: np.sqrt(np.mean(squares)) for lead, squares in error.items()}
    assert rms[0] < rms[24] < rms[48]
    assert 0.2 < rms[0] < 0.6
    assert 0.5 < rms[24] < 1.0
    assert rms[48] < 1.3
