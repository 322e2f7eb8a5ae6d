"""The ensemble against its truth: errors grow, spread is too small, and where the ladder's rungs stand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from maelstrom_bootcamp.bucket.ens10 import forecast
from maelstrom_bootcamp.bucket.ens10.forecast import Forecasts
from maelstrom_bootcamp.bucket.ens10.ground import LATITUDE, grid_ground
from maelstrom_bootcamp.bucket.ens10.truth import Truth

TASKS = ("t2m", "t850", "z500")
AREA = np.cos(np.radians(LATITUDE))[:, None] * np.ones(72)


def members(made: Forecasts, task: str) -> np.ndarray:
    """(start, member, step, latitude, longitude)."""
    if task == "t2m":
        return made.surface["t2m"]
    return made.upper[task[0]][:, :, :, forecast.LEVELS.index(int(task[1:]))]


def verified(nature: Truth, made: Forecasts, task: str) -> np.ndarray:
    """The truth, (start, step, latitude, longitude)."""
    return np.stack([forecast.targets(nature, *start)[task] for start in made.starts])


def area_mean(field: np.ndarray) -> float:
    return float(np.average(field.mean(0), weights=AREA))


def crps_members(x: np.ndarray, y: np.ndarray) -> float:
    """CRPS of an ensemble (start, member, ...), by the members' ranks."""
    n = x.shape[1]
    ranks = (2 * np.arange(1, n + 1) - n - 1).reshape(1, n, 1, 1)
    spread = (ranks * np.sort(x, axis=1)).sum(1) / n**2
    return area_mean(np.abs(x - y[:, None]).mean(1) - spread)


def crps_normal(mean: np.ndarray, std: np.ndarray, y: np.ndarray) -> float:
    """CRPS of a normal distribution (Gneiting et al., 2005)."""
    z = (y - mean) / std
    score = std * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi))
    return area_mean(score)


@pytest.mark.parametrize("task", TASKS)
def test_errors_grow_and_the_ensemble_is_under_dispersive(
    nature: Truth, ensemble: Forecasts, task: str
) -> None:
    x, y = members(ensemble, task), verified(nature, ensemble, task)
    error = [np.sqrt(area_mean((x[:, :, i].mean(1) - y[:, i]) ** 2)) for i in range(3)]
    spread = [np.sqrt(area_mean(x[:, :, i].var(1, ddof=1)) * 1.1) for i in range(3)]
    assert error[0] < error[1] < error[2]
    assert spread[2] > spread[0]
    assert 0.5 < spread[2] / error[2] < 0.85
    assert spread[0] / error[0] > spread[2] / error[2]


def test_ensemble_starts_around_the_truth_in_pairs(nature: Truth, ensemble: Forecasts) -> None:
    start = forecast.analysis(nature, 0, *nature.window.starts[0])
    centre = (start.psi[..., 0] + start.psi[..., 1]) / 2
    for i in range(2, 10, 2):
        pair = (start.psi[..., i] + start.psi[..., i + 1]) / 2
        assert np.abs(pair - centre).max() < 1e-5 * np.abs(centre).max()
    time, run = nature.at(*nature.window.starts[0])
    truth = nature.psi[time, ..., run]
    error = np.abs(centre - truth).max()
    assert 0 < error < 0.2 * np.abs(truth[1:]).max()


def test_forecasts_are_those_of_the_seed_and_the_start_alone(nature: Truth, ensemble: Forecasts) -> None:
    """Alone or in a batch: the same start, up to rounding; another seed: other members."""
    alone = forecast.run(nature, 0, [nature.window.starts[1]])
    for name in ("t2m", "msl"):
        batch = ensemble.surface[name][1]
        assert np.abs(alone.surface[name][0] - batch).max() < 2e-3 * np.nanstd(batch)
    other = forecast.analysis(nature, 1, *nature.window.starts[1])
    same = forecast.analysis(nature, 0, *nature.window.starts[1])
    assert np.abs(other.psi - same.psi).max() > 0
    assert np.array_equal(forecast.analysis(nature, 0, *nature.window.starts[1]).psi, same.psi)


def test_all_variables_have_values_where_they_should(ensemble: Forecasts) -> None:
    for name, field in (ensemble.surface | ensemble.upper).items():
        missing = np.isnan(field)
        if name == "sst":
            land = grid_ground().land.T > 0.5
            assert np.array_equal(missing, np.broadcast_to(land, field.shape))
        else:
            assert not missing.any(), name
        assert np.nanstd(field[:, 0]) > 0
    assert (ensemble.surface["tp"][:, :, 0] == 0).all()
    assert (np.diff(ensemble.surface["tp"], axis=2) >= 0).all()
    assert (ensemble.surface["cp"] <= ensemble.surface["tp"]).all()
    assert 97000 < ensemble.surface["msl"].mean() < 103000


def simple_learner(
    made: Forecasts, y: np.ndarray, task: str, train: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Ridge regression of the error of the mean, the same everywhere, and a factor on the spread."""
    x = members(made, task)[:, :, 2]
    mean, std = x.mean(1), x.std(1, ddof=1)
    t2m, skt = (made.surface[n][:, :, 2].mean(1) for n in ("t2m", "skt"))
    divergence = made.upper["d"][:, :, 2, 0].mean(1)
    land = np.broadcast_to(grid_ground().land.T, mean.shape)
    columns = [
        np.ones_like(mean),
        land,
        land * (skt - t2m),
        (1 - land) * (skt - t2m),
        mean - mean[train].mean(0),
        divergence,
        std,
    ]
    scaled = np.stack([c / (c.std() or 1) for c in columns], axis=-1)
    a, b = scaled[train].reshape(-1, len(columns)), (y - mean)[train].ravel()
    weight = np.tile(AREA.ravel(), train.sum())
    coefficients = np.linalg.solve((a.T * weight) @ a + 10 * np.eye(len(columns)), (a.T * weight) @ b)
    better = mean + scaled @ coefficients
    factor = np.sqrt(area_mean((y - better)[train] ** 2) / area_mean(std[train] ** 2))
    return better, factor * std


@pytest.fixture(scope="module")
def ladder(nature: Truth, ensemble: Forecasts) -> dict[str, dict[str, float]]:
    """CRPS at 48 h on the test year's forecasts; a simple learner is trained on the other year's."""
    year = np.array([y for _, y in ensemble.starts])
    train, test = year < 2016, year >= 2016
    perfect = forecast.run(nature, 0, [s for s in ensemble.starts if s[1] >= 2016], forecast.PERFECT)
    out = {}
    for task in TASKS:
        x, y = members(ensemble, task)[:, :, 2], verified(nature, ensemble, task)[:, 2]
        past = y[train]
        by_latitude = np.sqrt(past.var(0, ddof=1).mean(-1, keepdims=True)) + 0 * past[0]
        mean, std = simple_learner(ensemble, y, task, train)
        out[task] = {
            "climatology": crps_normal(past.mean(0), by_latitude, y[test]),
            "raw": crps_members(x[test], y[test]),
            "simple": crps_normal(mean[test], std[test], y[test]),
            "oracle": crps_members(members(perfect, task)[:, :, 2], y[test]),
        }
    return out


@pytest.mark.parametrize("task", TASKS)
def test_ladder(ladder: dict[str, dict[str, float]], task: str) -> None:
    """Climatology is the worst, a model without error the best; what a regression gains is between them."""
    rungs = ladder[task]
    print(task, {name: round(score, 4) for name, score in rungs.items()})
    assert rungs["climatology"] > 2 * rungs["raw"]
    assert rungs["raw"] > 1.05 * rungs["oracle"]
    assert rungs["raw"] > rungs["simple"] > rungs["oracle"]
