"""Data-parallel training: each worker computes on its part of the batch, and all average their gradients.

After each step all workers hold the same weights: those that one process would have got from the whole batch,
but for the order in which floating-point numbers are added. Two things make that true. The parts are equally
large, so that the mean of their means is the mean. And everything that is not linear in the gradients, such
as clipping and Adam, comes after the average. (Keras' own optimizers clip before: see `Trainer`.)

Statistics of batch normalisation stay what each worker sees; the U-Net of A1 has none by default.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from maelstrom_bootcamp.cluster.colleagues import Colleagues
from maelstrom_bootcamp.cluster.job import Job, Trained, shares
from maelstrom_bootcamp.cluster.workers import run_workers
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.hardware.networks import load, networks

Reduce = Callable[[list[Any]], list[Any]]


class Trainer:
    """A model, its optimizer, and a training step in which the gradients can be averaged with others'.

    The variables are plain ones, of this process alone; only the gradients travel, in `reduce`. The optimizer
    is applied outside ``strategy.run``, to the averaged gradients. Inside, Keras would first clip each
    worker's gradients and only then add them up, which is another training.

    Parameters
    ----------
    job : Job
    """

    def __init__(self, job: Job) -> None:
        from maelstrom_bootcamp import nn

        import keras  # isort: skip

        nn.set_seed(job.seed, deterministic=False)
        before = keras.config.floatx(), keras.config.dtype_policy()  # losses obey one, layers the other
        if job.precision == "fp64":
            keras.config.set_floatx("float64")
            keras.config.set_dtype_policy("float64")
        try:
            self.network = networks()[job.network] if not job.builder else None
            self.model = self._build(job)
            self.model.compile(loss=self._loss(job))
        finally:
            keras.config.set_floatx(before[0])
            keras.config.set_dtype_policy(before[1])
        kind = {"adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD}[job.optimizer]
        self.optimizer = kind(job.learning_rate, clipnorm=job.clipnorm)
        self.optimizer.build(self.model.trainable_variables)
        self.job = job

    def _build(self, job: Job) -> Any:
        return self.network.build(job.precision) if self.network else load(job.builder)(**job.arguments)

    def _loss(self, job: Job) -> Any:
        from maelstrom_bootcamp import nn

        if self.network:
            return self.network.losses(self.model)
        return "mean_squared_error" if job.trim is None else nn.QuantileLoss(trim=job.trim)

    @property
    def weights(self) -> list[np.ndarray]:
        """The trainable variables as arrays."""
        return [np.asarray(v) for v in self.model.trainable_variables]

    @property
    def gradient_bytes(self) -> int:
        """Bytes of all gradients: what has to be averaged in a step."""
        return sum(w.nbytes for w in self.weights)

    def gradients(self, x: Any, y: Any) -> tuple[Any, list[Any]]:
        """Mean loss of a part of the batch, and its gradients."""
        import tensorflow as tf

        with tf.GradientTape() as tape:
            loss = self.model.compute_loss(x=x, y=y, y_pred=self.model(x, training=True), training=True)
        variables = [v.value for v in self.model.trainable_variables]
        found = tape.gradient(loss, variables, unconnected_gradients="zero")
        return loss, [tf.convert_to_tensor(g) for g in found]  # embeddings give sparse ones

    def step(self, reduce: Reduce | None = None) -> Callable[[Any, Any], Any]:
        """Make a compiled training step.

        Parameters
        ----------
        reduce : callable, optional
            Maps a list of tensors to their means over all workers; by default there is nobody else.

        Returns
        -------
        callable
            Takes a part of the batch (x, y), updates the weights, returns the mean loss.
        """
        import tensorflow as tf

        @tf.function(reduce_retracing=True)
        def run(x: Any, y: Any) -> Any:
            loss, gradients = self.gradients(x, y)
            if reduce is not None:
                loss, *gradients = reduce([tf.cast(loss, gradients[0].dtype), *gradients])
            self.optimizer.apply(gradients, self.model.trainable_variables)
            return loss

        return run

    def batch(self, step: int, data: Mapping[str, Any] | None) -> tuple[Any, Any]:
        """The batch of a step: rows of the data in order, again and again, or random fields.

        Parameters
        ----------
        step : int
        data : mapping or None
            Arrays "x" and "y" with at least a batch of samples.

        Returns
        -------
        tuple
            (x, y), a whole batch.
        """
        size = self.job.batch
        if data is None:
            network, seed = networks()[self.job.network], self.job.seed + 2 * step
            return network.inputs(self.model, size, seed), network.targets(self.model, size, seed + 1)
        first = step % (len(data["x"]) // size) * size
        rows = slice(first, first + size)
        dtype = "float64" if self.job.precision == "fp64" else "float32"
        return np.asarray(data["x"][rows], dtype), np.asarray(data["y"][rows], dtype)


def rows_of(structure: Any, rows: slice) -> Any:
    """Some rows of each array of a structure."""
    import keras

    return keras.tree.map_structure(lambda a: a[rows], structure)


def train_alone(job: Job, x: Any = None, y: Any = None) -> Trained:
    """Train in this process: the whole batch in each step.

    Parameters
    ----------
    job : Job
    x, y : numpy.ndarray, optional
        Samples, first axis; by default random fields of the network.

    Returns
    -------
    Trained
    """
    job.check(1)
    data = checked(job, x, y)
    trainer = Trainer(job)
    first, step = trainer.weights, trainer.step()
    losses = [float(step(*trainer.batch(i, data))) for i in range(job.steps)]
    return Trained(first, trainer.weights, losses)


def train_together(
    job: Job, x: Any = None, y: Any = None, *, workers: int = 2, timeout: float = 180.0, **options: Any
) -> list[Trained]:
    """Train in N worker processes on this machine: each has its part of every batch.

    Parameters
    ----------
    job : Job
    x, y : numpy.ndarray, optional
        As for `train_alone`. Each worker reads its own rows only.
    workers : int
    timeout : float
        Seconds.
    **options
        For `run_workers`.

    Returns
    -------
    list of Trained
        What each worker has; they should be equal.

    Raises
    ------
    BootcampError
        If the batch cannot be shared evenly, or a worker dies.
    """
    job.check(workers)
    data = checked(job, x, y)
    with tempfile.TemporaryDirectory(prefix="bootcamp-workers-") as name:
        folder = Path(name)
        task = {"job": {**asdict(job), "arguments": dict(job.arguments)}, **write_data(folder, data)}
        function = f"{__name__}:work"
        found = run_workers(function, task, workers, timeout=timeout, folder=folder, **options)
        return [
            Trained(
                read_weights(folder, f"first-{i}"), read_weights(folder, f"weights-{i}"), result["losses"]
            )
            for i, result in enumerate(found)
        ]


def checked(job: Job, x: Any, y: Any) -> dict[str, Any] | None:
    """The samples as a dict, or None for random fields; a `BootcampError` if they do not fit the job."""
    if (x is None) != (y is None):
        raise BootcampError("Only one of x and y is given.", "Give both, or none for random fields.")
    if x is not None and (len(x) != len(y) or len(x) < job.batch):
        raise BootcampError(
            f"{len(x)} samples and {len(y)} targets for batches of {job.batch}.",
            "Give as many of both, and at least one batch.",
        )
    if x is None and job.builder:
        raise BootcampError("A builder of your own without data.", "Give the arrays x and y.")
    return None if x is None else {"x": x, "y": y}


def write_data(folder: Path, data: Mapping[str, Any] | None) -> dict[str, Any]:
    """Leave the samples where all workers can read them; returns what the workers have to know."""
    if data is None:
        return {"data": False}
    for name, array in data.items():
        np.save(folder / f"{name}.npy", array)
    return {"data": True}


def read_weights(folder: Path, name: str) -> list[np.ndarray]:
    """Arrays of a file that a worker has left."""
    with np.load(folder / f"{name}.npz") as stored:
        return [stored[f"arr_{i}"] for i in range(len(stored.files))]


def start(task: Mapping[str, Any], rank: int, folder: Path) -> tuple[Colleagues, Trainer, Any, slice]:
    """What each worker does first: meet the others, build the model, agree on its weights, find the data.

    Parameters
    ----------
    task : mapping
        "job", "data" and "threads".
    rank : int
    folder : pathlib.Path

    Returns
    -------
    tuple
        (colleagues, trainer, data or None, own rows of each batch)
    """
    colleagues = Colleagues(task["threads"])
    job = Job(**task["job"])
    trainer = Trainer(job)
    colleagues.agree([v.value for v in trainer.model.variables], rank)
    names = ("x", "y") if task["data"] else ()
    data = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in names} or None
    return colleagues, trainer, data, shares(job.batch, colleagues.count)[rank]


def work(task: Mapping[str, Any], rank: int, folder: Path) -> dict[str, Any]:
    """What a worker of `train_together` does.

    Parameters
    ----------
    task, rank, folder
        As for `start`.

    Returns
    -------
    dict
        "losses" of all steps; the weights are left in files.
    """
    colleagues, trainer, data, rows = start(task, rank, folder)
    np.savez(folder / f"first-{rank}.npz", *trainer.weights)
    step = trainer.step(colleagues.mean)
    losses = []
    for i in range(trainer.job.steps):
        x, y = trainer.batch(i, data)
        losses.append(float(step(rows_of(x, rows), rows_of(y, rows))))
    np.savez(folder / f"weights-{rank}.npz", *trainer.weights)
    colleagues.wait()
    return {"losses": losses}
