"""Dominance, fronts, how sure they are, and the trainings behind them."""

import json
import math

import numpy as np
import pytest

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.hardware import pareto

DATES = [f"2021-07-{d:02d}" for d in range(10, 20)] + [f"2022-01-{d:02d}" for d in range(5, 15)]


def test_dominance_needs_one_strict_improvement():
    assert pareto.dominates((1, 2), (1, 3))
    assert not pareto.dominates((1, 2), (1, 2))
    assert not pareto.dominates((1, 4), (2, 3))


def test_front_equals_the_definition():
    points = np.random.default_rng(0).integers(0, 6, (40, 2))  # with ties and twins
    wanted = [not any(pareto.dominates(a, b) for a in points) for b in points]
    assert pareto.front(points).tolist() == wanted
    assert 0 < sum(wanted) < 40


def test_front_of_three_objectives_keeps_what_is_best_in_one():
    assert pareto.front([[1, 9, 9], [9, 1, 9], [9, 9, 1], [9, 9, 9]]).tolist() == [True, True, True, False]


@pytest.mark.parametrize("points", [[], [1, 2], [[1, np.nan]]])
def test_front_refuses_what_is_no_table(points):
    with pytest.raises(BootcampError, match="no table of finite numbers"):
        pareto.front(points)


def test_hypervolume_by_hand():
    assert pareto.hypervolume([[1, 2], [2, 1]], (3, 3)) == 3  # 2 x 1 and 1 x 1
    assert pareto.hypervolume([[1, 2], [2, 1], [2, 2], [1, 5], [4, 0]], (3, 3)) == 3
    with pytest.raises(BootcampError, match="3 objectives"):
        pareto.hypervolume([[1, 2, 3]], (3, 3))


def test_hypervolume_grows_with_a_new_front_member():
    rng = np.random.default_rng(1)
    points = rng.random((20, 2))
    better = [*points, (points[:, 0].min() / 2, points[:, 1].min() / 2)]
    assert pareto.hypervolume(better, (1, 1)) > pareto.hypervolume(points, (1, 1))


def test_cheapest_within_a_tolerance():
    cost, error = [1, 2, 3, 4], [2.0, 1.02, 1.009, 1.0]
    assert pareto.cheapest_within(cost, error) == 2
    assert pareto.cheapest_within(cost, error, 0.02) == 1
    assert pareto.cheapest_within(cost, error, 0) == 3


def test_knee_is_where_the_front_bends():
    cost, error = [1, 10, 100, 1000, 50], [1.0, 0.2, 0.1, 0.0, 0.9]
    assert pareto.knee(cost, error) == 1
    assert pareto.knee([1, 10], [2, 1]) == 1


@pytest.mark.parametrize(
    ("first", "second", "wanted"),
    [
        ((10, 2), (30, 1), 20),
        ((10, 1), (5, 1), 0),
        ((10, 1), (30, 1), math.inf),
        ((10, 1), (30, 2), math.inf),
    ],
)
def test_break_even(first, second, wanted):
    assert pareto.break_even(first, second) == wanted


def test_total_costs_are_equal_at_the_break_even():
    first, second = (3.0, 0.7), (50.0, 0.2)
    n = pareto.break_even(first, second)
    assert first[0] + n * first[1] == pytest.approx(second[0] + n * second[1])


def test_resamples_keep_runs_of_dates_apart():
    shares = pareto.resampled_days(DATES, block=5, n=300)
    assert shares.shape == (300, 20)
    assert np.allclose(shares.sum(1), 1)
    assert np.allclose(shares[:, :10].sum(1), 0.5), "each season keeps its share"
    assert np.allclose(shares.mean(0), 1 / 20, atol=0.01), "circular: all dates alike"
    assert len(np.unique(shares, axis=0)) > 50


def test_blocks_longer_than_a_run_keep_all_of_it():
    assert np.allclose(pareto.resampled_days(DATES, block=30, n=5), 1 / 20)


def test_resampling_refuses_nothing():
    with pytest.raises(BootcampError, match="0 dates"):
        pareto.resampled_days([])


def test_candidates_share_the_weather_but_not_the_seeds():
    rng = np.random.default_rng(2)
    weather, luck = rng.normal(size=(1, 20)), np.array([[-1.0], [1.0]])
    same = pareto.resampled_scores({"a": weather, "b": weather + 3}, DATES, n=200)
    assert np.allclose(same[:, 1] - same[:, 0], 3)
    other = pareto.resampled_scores({"a": luck + 0 * weather, "b": luck + 0 * weather}, DATES, n=2000)
    assert set(np.unique(other.round(9))) == {-1.0, 0.0, 1.0}
    assert abs(np.corrcoef(other.T)[0, 1]) < 0.1


def test_front_probability():
    scores = np.array([[1.0, 2.0, 0.5], [2.0, 1.0, 0.5], [1.0, 2.0, 3.0], [1.0, 0.9, 0.8]])
    assert pareto.front_probability([1, 2, 3], scores).tolist() == [1.0, 0.5, 0.75]


@pytest.mark.parametrize("content", ["", "[]", '{"plan": 1}'])
def test_load_refuses_other_files(tmp_path, content):
    path = tmp_path / "x.json"
    with pytest.raises(BootcampError, match=r"x\.json"):
        pareto.load(path)
    path.write_text(content)
    with pytest.raises(BootcampError, match=r"x\.json"):
        pareto.load(path)


def test_make_reports_errors_in_one_line(tmp_path, capsys, monkeypatch):
    def fail(given):
        raise BootcampError("A cause.", "A cure.")

    monkeypatch.setattr(pareto, "make", fail)
    monkeypatch.setenv("MAELSTROM_SIZE", "default")
    monkeypatch.setenv("MAELSTROM_SEED", "0")
    assert pareto.main(["make", "--scratch", str(tmp_path)]) == 1
    assert "A cause." in capsys.readouterr().err


def test_make_stops_when_its_time_is_over(tmp_path, monkeypatch):
    monkeypatch.setenv("MAELSTROM_SIZE", "default")
    monkeypatch.setenv("MAELSTROM_SEED", "0")
    out = tmp_path / "out.json"
    words = ["make", "--stop-after", "-1", "--scratch", str(tmp_path), "--out", str(out)]
    assert pareto.main(words) == 3
    assert not out.exists()


@pytest.fixture(scope="module")
def shipped():
    return pareto.load()


def test_shipped_results_are_complete(shipped):
    from maelstrom_bootcamp.hardware.architectures import ARCHITECTURES

    assert list(shipped["costs"]) == list(ARCHITECTURES)
    assert {"machine", "versions", "command", "revision", "dates"} <= shipped.keys()
    n = len(shipped["dates"])
    by_epochs, by_time = (pareto.daily(shipped, b, "sea", "mae") for b in ("epochs", "cpu_seconds"))
    for values in (by_epochs, by_time):
        assert list(values) == list(ARCHITECTURES)
        assert all(len(seeds) >= 2 for seeds in values.values()), "two training seeds at least"
    for values in [*by_epochs.values(), *by_time.values()]:
        assert values.shape[1] == n
        assert np.isfinite(values).all()
        assert (values > 0).all()
    assert set(shipped["baselines"]) == {"climatology", "raw", "today", "regression"}


def test_shipped_trainings_kept_their_budgets(shipped):
    plan = shipped["plan"]
    updates = {t["updates"] for t in shipped["trainings"] if t["budget"] == "epochs"}
    assert len(updates) == 1, "the same number of updates for all"
    for t in shipped["trainings"]:
        if t["budget"] == "cpu_seconds":
            assert plan["cpu_seconds"] <= t["cpu_seconds"] < plan["cpu_seconds"] + 2


def test_shipped_file_is_small(shipped):
    assert pareto.RESULTS.stat().st_size < 200_000
    assert not any(
        isinstance(v, str) and "/" in v for v in json.loads(json.dumps(shipped["machine"])).values()
    )


@pytest.mark.slow
class TestArchitectures:
    @pytest.fixture(scope="class")
    def small(self):
        from maelstrom_bootcamp.hardware import architectures as a

        rng = np.random.default_rng(0)
        x = rng.normal(size=(20, 16, 16, 17)).astype(np.float32)
        y = np.stack([x[..., 0] + 0.1 * rng.normal(size=x.shape[:3]), np.ones(x.shape[:3])], -1)
        land = np.arange(8) < 4
        masks = {"all": np.ones((8, 8), bool), "land": np.tile(land, (8, 1)), "sea": np.tile(~land, (8, 1))}
        test = y[..., 0].reshape(2, 10, 16, 16)[..., 4:-4, 4:-4].astype(np.float32)
        return a, a.Data(x, y.astype(np.float32), x, test, masks, DATES[:2], {})

    def test_counts_agree_with_the_layers_and_the_formulas(self, small):
        from maelstrom_bootcamp import nn

        a, _ = small
        for name in ("linear", "pixel 16", "CNN 3x3", "U-Net 8/3 3x3"):
            model = a.ARCHITECTURES[name].build()
            found = a.counted(model)
            assert found["macs"] == pytest.approx(nn.macs_per_pixel(model))
            assert found["parameters"] == model.count_params()
        one = a.counted(a.separable_cnn(width=32, depth=1))
        assert one["macs"] == 17 * 32 + 9 * 32 + 32 * 32 + 32 * 3
        assert a.counted(a.separable_cnn(32, 2))["macs"] - one["macs"] == 9 * 32 + 32 * 32

    def test_epochs_are_counted_in_updates(self, small):
        a, data = small
        a.nn.set_seed(0, deterministic=False)
        model = a.ARCHITECTURES["pixel 16"].build()
        before = np.mean(a.score(model, data)["all"]["mae"])
        updates, seconds = a.train(model, data, a.Budget(epochs=30))
        assert updates == 30 * 5
        assert seconds > 0
        assert np.mean(a.score(model, data)["all"]["mae"]) < 0.8 * before

    def test_seconds_are_kept(self, small):
        a, data = small
        _, seconds = a.train(a.ARCHITECTURES["linear"].build(), data, a.Budget(cpu_seconds=0.2))
        assert 0.2 <= seconds < 2

    def test_scores_by_hand(self, small):
        a, data = small
        residuals = np.repeat(data.y_test[..., None], 3, -1) + np.float32(1)  # 1 K too high everywhere
        found = a.daily_scores(residuals, data)
        assert found["land"]["mae"] == pytest.approx([1, 1], abs=1e-4)
        assert found["sea"]["quantile_score"] == pytest.approx([0.5, 0.5], abs=1e-4)  # mean of 0.9, 0.5, 0.1

    @pytest.mark.parametrize("words", [{}, {"epochs": 1, "cpu_seconds": 1.0}, {"epochs": 0}])
    def test_budget_is_one_of_two(self, small, words):
        with pytest.raises(BootcampError, match="no budget"):
            small[0].Budget(**words)

    def test_unknown_architecture(self, small):
        with pytest.raises(BootcampError, match=r"linear, pixel 8"):
            small[0].find(["transformer"])

    def test_times_belong_to_their_networks(self, small):
        a, _ = small
        times = a.timed({n: a.ARCHITECTURES[n].build() for n in ("linear", "pixel 60")}, rounds=3)
        assert times["pixel 60"]["forecast"].median > 2 * times["linear"]["forecast"].median
        assert times["pixel 60"]["update"].median > times["pixel 60"]["forecast"].median / 5
