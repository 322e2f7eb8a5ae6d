"""Tasks are what they say, every precision trains, and a table of results is read or refused."""

from __future__ import annotations

import json

import ml_dtypes
import numpy as np
import pytest

from maelstrom_bootcamp import nn
from maelstrom_bootcamp.apps.yr.split import split
from maelstrom_bootcamp.bucket import serve
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.hardware import precision, precision_tasks
from maelstrom_bootcamp.hardware.precision_tasks import Task, coarsened

import keras  # isort: skip  (after nn, which starts TensorFlow quietly)
import tensorflow as tf  # isort: skip


def tiny_task() -> Task:
    """y = 2 x + 1 at each pixel."""
    x = np.random.default_rng(0).normal(size=(4, 72, 72, 1)).astype("f4")
    y = 2 * x + 1

    def batches(seed, n):
        order = np.random.default_rng(seed).integers(0, len(x), (n, 2))
        return ((tf.constant(x[i]), tf.constant(y[i])) for i in order)

    def build():
        inputs = keras.Input((None, None, 1))
        return keras.Model(inputs, keras.layers.Conv2D(1, 1)(inputs))

    def loss(a, b):
        return tf.square(a - b)

    return Task("tiny", build, batches, loss, x, y, 2, precision_tasks._rmse, {}, 0.1)


@pytest.fixture(scope="module")
def dates():
    serve("maelstrom-yr")
    return split("ci")


def test_coarsening_conserves_a_plane_and_loses_detail():
    y, x = np.mgrid[:32, :32].astype("f4")
    plane = 2 * x - y
    inside = np.s_[8:-8, 8:-8]
    assert np.allclose(coarsened(plane)[inside], plane[inside], atol=1e-4)
    spike = np.zeros((32, 32), "f4")
    spike[12, 12] = 64
    assert coarsened(spike).max() <= 1.0, "64 on one of 64 grid points has the mean 1"
    assert coarsened(np.stack([plane, spike])).shape == (2, 32, 32)
    with pytest.raises(BootcampError, match="30 x 32"):
        coarsened(np.zeros((30, 32)))


def test_post_processing_is_the_task_of_chapter_01(dates):
    from maelstrom_bootcamp.apps.yr.baselines import Raw
    from maelstrom_bootcamp.apps.yr.dataset import open_runs
    from maelstrom_bootcamp.apps.yr.evaluate import score_runs

    task = precision.TASKS["a1"](dates.train, dates.test, every=1)
    scores = score_runs({"raw": Raw()}, open_runs(dates.test)).quantile_score.sel(surface="all", model="raw")
    assert np.allclose(task.baselines["raw"], scores.mean("leadtime").values, rtol=1e-4)
    x, y = next(iter(task.batches(0, 1)))
    assert x.shape == (4, 128, 128, 17)
    loss = float(tf.reduce_mean(task.loss(y, y[..., :1] * tf.zeros((1, 1, 1, 3)))))
    assert np.isclose(loss, float(nn.QuantileLoss(trim=0)(y, tf.zeros((4, 128, 128, 3)))), rtol=1e-5)


def test_downscaling_has_a_target_that_altitude_explains_in_part(dates):
    task = precision.TASKS["a5"](dates.train, dates.test)
    assert task.predictors.shape[1:] == (128, 128, 3)
    assert task.target.shape[1:] == (128, 128, 1)
    assert abs(task.target.mean()) < 0.1, "averaging conserves the mean"
    assert task.baselines["lapse rate"].mean() < task.baselines["bilinear"].mean()
    assert len(task.baselines["bilinear"]) == len(dates.test)


def test_batches_depend_on_the_seed_only(dates):
    task = precision.TASKS["a5"](dates.train, dates.test)
    one, again, other = (next(iter(task.batches(seed, 1)))[1].numpy() for seed in (0, 0, 1))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("name", precision.PRECISIONS)
def test_every_precision_computes_in_its_own_dtype(name):
    trainer = precision.Trainer(tiny_task(), name, 40)
    short = name.removeprefix("mixed_")
    assert trainer.model.compute_dtype == short
    assert {v.dtype for v in trainer.model.variables} == {"float32" if "mixed" in name else short}
    assert isinstance(trainer.optimizer, keras.optimizers.LossScaleOptimizer) == (name == "mixed_float16")
    assert keras.config.dtype_policy().name == "float32", "the policy of others is left alone"


@pytest.mark.parametrize("name", ["float64", "float32", "mixed_bfloat16", "mixed_float16"])
def test_training_learns_and_repeats(name):
    trainer = precision.Trainer(tiny_task(), name, 60)
    trainer.reset(0)
    before = trainer.scores()
    trainer.train(0)
    first = trainer.scores()
    trainer.train(0)
    assert first.shape == (2,)
    assert (first < 0.2 * before).all()
    assert np.allclose(first, trainer.scores(), rtol=1e-3), "nothing of the first training is left over"


def test_all_precisions_begin_with_the_same_weights_and_a_butterfly_with_nearly_the_same():
    task = tiny_task()
    plain, mixed = precision.Trainer(task, "float32", 5), precision.Trainer(task, "mixed_bfloat16", 5)
    shaken = precision.Trainer(task, "float32", 5, "butterfly")
    for trainer in (plain, mixed, shaken):
        trainer.reset(3)
    a, b, c = (t.model.get_weights()[0] for t in (plain, mixed, shaken))
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)
    assert np.allclose(a, c, rtol=1e-4)


def test_adam_in_bfloat16_never_moves_unless_it_forgets_faster():
    assert float(ml_dtypes.bfloat16(0.999)) == 1
    moved = {}
    for variant in ("", "beta_2=0.99"):
        trainer = precision.Trainer(tiny_task(), "bfloat16", 20, variant)
        trainer.reset(0)
        before = trainer.model.get_weights()[0].astype("f4")
        trainer.train(0)
        moved[variant] = float(np.abs(trainer.model.get_weights()[0].astype("f4") - before).max())
    assert moved[""] == 0
    assert moved["beta_2=0.99"] > 0.01


def test_unknown_precisions_are_refused():
    with pytest.raises(BootcampError, match="float8"):
        precision.Trainer(tiny_task(), "float8", 1)


def test_the_table_of_the_package_is_complete():
    found = precision.load()
    assert set(found["tasks"]) == set(precision.TASKS)
    for name, task in found["tasks"].items():
        runs = [(r["precision"], r["variant"], r["seed"]) for r in task["runs"]]
        assert sorted(runs) == sorted(precision.plan(name))
        n = len(task["dates"])
        assert all(len(r["scores"]) == n for r in task["runs"])
        assert all(len(scores) == n for scores in task["baselines"].values())


@pytest.mark.parametrize("text", ["", "[]", '{"schema": 99, "tasks": {}}', '{"schema": 1}'])
def test_other_files_are_refused(text, tmp_path):
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(BootcampError, match="no table of schema 1"):
        precision.load(path)


def test_study_resumes_and_marks_what_broke(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(precision, "TASKS", {"a5": lambda *_: tiny_task()})
    plan = [("float32", "", 0), ("float32", "", 1)]
    monkeypatch.setattr(precision, "plan", lambda name: plan)
    path = tmp_path / "out.json"
    assert precision.main([str(path), "--seconds", "0", "--updates", "3"]) == 3
    assert not path.exists(), "no time, no file"
    assert precision.study(path, updates=3, names=("a5",))
    first = path.read_text()
    assert precision.study(path, updates=3, names=("a5",))
    assert path.read_text() == first, "nothing is trained twice"
    raw = json.loads(first)
    raw["tasks"]["a5"]["runs"][0]["scores"][0] = None
    path.write_text(json.dumps(raw))
    assert np.isnan(precision.load(path)["tasks"]["a5"]["runs"][0]["scores"][0])
    assert "seed 1" in capsys.readouterr().out


def test_bad_files_end_in_one_message(tmp_path, capsys):
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(SystemExit) as stop:
        precision.main([str(tmp_path / "bad.json")])
    assert stop.value.code == 2
    assert "no table of schema 1" in capsys.readouterr().err


def test_native_bfloat16_is_told_by_the_processor(monkeypatch, tmp_path):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    info = tmp_path / "cpuinfo"
    info.write_text("model name: x\nflags\t\t: fpu avx512_bf16 avx2\n")
    monkeypatch.setattr(precision, "CPUINFO", info)
    assert precision.native_bfloat16() == "avx512_bf16"
    info.write_text("flags\t\t: fpu avx2\n")
    assert precision.native_bfloat16() == ""
    monkeypatch.setattr(precision, "CPUINFO", tmp_path / "none")
    assert precision.native_bfloat16() == ""
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["one"])
    assert precision.native_bfloat16() == "GPU"
