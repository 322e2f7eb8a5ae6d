"""Two real worker processes train as one process does."""

from __future__ import annotations

import numpy as np
import pytest

from maelstrom_bootcamp.cluster.job import TOLERANCE, Job, Trained, drift, shares
from maelstrom_bootcamp.cluster.measure import measure_distributed
from maelstrom_bootcamp.cluster.ring import ring_bytes
from maelstrom_bootcamp.cluster.train import Trainer, train_alone, train_together
from maelstrom_bootcamp.errors import BootcampError

TINY = {"n_inputs": 3, "features": 4, "levels": 3}
JOB = {"network": "", "builder": "maelstrom_bootcamp.nn:unet", "arguments": TINY, "trim": 2, "batch": 4}


def fields(samples=12, side=16):
    rng = np.random.default_rng(0)
    return rng.normal(size=(samples, side, side, 3)), np.abs(rng.normal(size=(samples, side, side, 2)))


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_two_workers_train_as_one_process_does(optimizer):
    job = Job(**JOB, steps=6, optimizer=optimizer, precision="fp64", learning_rate=1e-2, clipnorm=0.1)
    one, (first, second) = train_alone(job, *fields()), train_together(job, *fields())
    assert drift(one, first) < TOLERANCE["fp64"]
    assert all(np.array_equal(a, b) for a, b in zip(first.weights, second.weights, strict=True))
    assert first.losses == pytest.approx(one.losses, rel=1e-9)
    assert first.losses == second.losses
    assert one.losses[3:] != one.losses[:3], "nothing was learnt"


@pytest.mark.slow
def test_first_step_in_single_precision_and_what_is_measured():
    found = measure_distributed(
        2, job=Job(**JOB, steps=1), x=fields()[0], y=fields()[1], rounds=3, sizes=[4, 400]
    )
    assert found["drift"] < found["tolerance"] == TOLERANCE["fp32"]
    assert found["between"] == 0
    model = Trainer(Job(**JOB)).model
    assert found["gradient_bytes"] == 4 * model.count_params() == found["ring_bytes"]
    assert (found["batch"], found["share"], len(found["allreduce"])) == (4, 2, 2)
    for key in ("step", "alone", "share_alone", "compute", "reduce"):
        assert len(found[key]["seconds"]) == 3, key
        assert 0 < found[key]["low"] <= found[key]["median"], key
    assert found["speedup"] == pytest.approx(found["alone"]["median"] / found["step"]["median"])
    sent = found["loopback"]["bytes_per_step"]
    assert (sent is None) == bool(found["loopback"]["why"])
    assert sent is None or sent > 2 * ring_bytes(found["gradient_bytes"], 2)  # whatever else may have talked


def test_precision_is_that_of_the_job_whatever_was_built_before():
    assert all(w.dtype == np.float32 for w in Trainer(Job(**JOB)).weights)
    assert all(w.dtype == np.float64 for w in Trainer(Job(**JOB, precision="fp64")).weights)
    assert all(w.dtype == np.float32 for w in Trainer(Job(**JOB)).weights)


def gradients_of(trainer, x, y):
    return [np.asarray(g) for g in trainer.gradients(x, y)[1]]


def test_the_mean_of_the_shares_gradients_is_that_of_the_batch():
    trainer = Trainer(Job(**JOB, precision="fp64"))
    x, y = fields(4)
    parts = [gradients_of(trainer, x[rows], y[rows]) for rows in shares(4, 2)]
    for whole, *own in zip(gradients_of(trainer, x, y), *parts, strict=True):
        assert np.allclose(whole, sum(own) / 2, rtol=1e-10, atol=1e-14)


def test_clipping_each_worker_s_gradients_would_be_another_training():
    job = Job(**JOB, precision="fp64", clipnorm=0.01)
    trainer = Trainer(job)
    x, y = fields(4)

    def clip(g):
        return g * min(1, job.clipnorm / np.linalg.norm(g))

    a, b = (gradients_of(trainer, x[rows], y[rows]) for rows in shares(4, 2))
    before = [(clip(p) + clip(q)) / 2 for p, q in zip(a, b, strict=True)]
    after = [clip((p + q) / 2) for p, q in zip(a, b, strict=True)]
    assert not all(np.allclose(p, q, rtol=1e-3) for p, q in zip(before, after, strict=True))


def test_reduce_sees_the_gradients_before_they_are_clipped():
    job, seen = Job(**JOB, clipnorm=1e-6, optimizer="sgd", learning_rate=1.0), []
    trainer = Trainer(job)
    x, y = (a.astype(np.float32) for a in fields(4))

    def reduce(tensors):
        seen.extend(t.shape for t in tensors)
        return [1000 * t for t in tensors]

    before = trainer.weights
    trainer.step(reduce)(x, y)
    assert len(seen) == 1 + len(trainer.weights)
    moved = [np.linalg.norm(a - b) for a, b in zip(before, trainer.weights, strict=True)]
    assert max(moved) < 2e-6, "clipped before it was multiplied"


def test_batches_go_round():
    trainer, (x, y) = Trainer(Job(**JOB)), fields(10)
    data = {"x": x, "y": y}
    assert np.array_equal(trainer.batch(1, data)[0], x[4:8].astype(np.float32))
    assert np.array_equal(trainer.batch(2, data)[1], y[:4].astype(np.float32)), "10 samples: two batches"


def test_shares_are_the_batch():
    rows = shares(12, 3)
    assert [list(range(12))[r] for r in rows] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]


@pytest.mark.parametrize(
    ("batch", "workers", "text"),
    [
        (2, 3, "3 workers for a batch of 2"),
        (5, 2, "cannot be shared evenly"),
        (0, 1, "batch=0"),
        (4, 0, "workers=0"),
    ],
)
def test_batches_that_cannot_be_shared(batch, workers, text):
    with pytest.raises(BootcampError, match=text):
        shares(batch, workers)
    with pytest.raises(BootcampError, match=text):
        train_together(Job(batch=batch), workers=workers)
    with pytest.raises(BootcampError, match=text):
        measure_distributed(workers, job=Job(batch=batch))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"network": "a9"}, "no network 'a9'"),
        ({"optimizer": "lion"}, "'lion'"),
        ({"precision": "fp16"}, "fp16"),
        ({"steps": -1}, "steps"),
    ],
)
def test_jobs_that_do_not_exist(change, text):
    with pytest.raises(BootcampError, match=text):
        train_alone(Job(**change))


def test_data_that_do_not_fit():
    x, y = fields(3)
    for arrays, text in (((x, y), "batches of 4"), ((x, None), "Only one"), ((None, None), "without data")):
        with pytest.raises(BootcampError, match=text):
            train_alone(Job(**JOB), *arrays)


def test_measuring_nothing_is_refused():
    with pytest.raises(BootcampError, match="rounds=0"):
        measure_distributed(job=Job(), rounds=0)


def test_drift_is_relative_to_the_way():
    zero, one = [np.zeros(2)], [np.array([3.0, 4.0])]
    assert drift(Trained(zero, one, []), Trained(zero, [np.array([3.0, 4.5])], [])) == pytest.approx(0.1)
    assert np.isnan(drift(Trained(zero, zero, []), Trained(zero, one, [])))
