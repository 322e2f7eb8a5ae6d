"""Two tasks of the course, ready to be learnt in any precision: A1's post-processing and A5's downscaling.

A5's own sample data do not exist yet, so its fields are made of A1's analyses: a field of 128 x 128 km is
averaged over squares of 8 x 8 km, interpolated back, and the network has to restore what was lost.
"""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from maelstrom_bootcamp import nn
from maelstrom_bootcamp.apps.downscaling.networks import sha_unet
from maelstrom_bootcamp.apps.yr.dataset import open_runs, run_paths
from maelstrom_bootcamp.apps.yr.features import STATIC, control
from maelstrom_bootcamp.apps.yr.loader import BatchBuilder, find_runs, make_dataset
from maelstrom_bootcamp.apps.yr.reader import read_run
from maelstrom_bootcamp.errors import BootcampError

import keras
import tensorflow as tf

EVERY = 3  # lead times from one tested to the next: 18 h, so that all hours of the day occur
COARSE = 8  # grid points of the fine grid along each side of a square of the coarse one
TRIM = 32  # border that is not scored, grid points


@dataclass(frozen=True)
class Task:
    """A forecast problem, ready to be learnt.

    Attributes
    ----------
    name : str
    build : callable
        Returns a new network.
    batches : callable
        ``batches(seed, n)`` yields n batches (predictors, target), in an order that depends on the seed only.
    loss : callable
        ``loss(y, y_hat)``: mean over all pixels.
    predictors, target : numpy.ndarray
        Of the test dates: (dates * fields, y, x, channels).
    n_dates : int
    score : callable
        ``score(y, y_hat)`` of some fields, without their border, in K.
    baselines : dict
        Name -> score of each test date, in K.
    learning_rate : float
    """

    name: str
    build: Callable[[], keras.Model]
    batches: Callable[[int, int], Iterable]
    loss: Callable[[Any, Any], Any]
    predictors: np.ndarray
    target: np.ndarray
    n_dates: int
    score: Callable[[np.ndarray, np.ndarray], float]
    baselines: dict[str, np.ndarray]
    learning_rate: float

    def by_date(self, forecast: np.ndarray) -> np.ndarray:
        """Score of each test date, in K."""
        parts = (np.split(a.astype(np.float64), self.n_dates) for a in (self.target, forecast))
        return np.array([self.score(y, y_hat) for y, y_hat in zip(*parts, strict=True)])


def inner(field: Any) -> Any:
    """A field (..., y, x, channel) without the border of `TRIM` grid points."""
    return field[..., TRIM:-TRIM, TRIM:-TRIM, :]


def _quantile_score(y: np.ndarray, y_hat: np.ndarray) -> float:
    e = inner(y)[..., :1] - inner(y_hat)
    q = np.array([0.1, 0.5, 0.9])
    return float(np.maximum(q * e, (q - 1) * e).mean())


def _rmse(y: np.ndarray, y_hat: np.ndarray) -> float:
    return float(np.sqrt(np.mean((inner(y) - inner(y_hat)) ** 2)))


def post_processing(
    train: Sequence[str], test: Sequence[str], *, batch_size: int = 4, every: int = EVERY
) -> Task:
    """A1: quantiles of the analysis minus the raw forecast, by the U-Net of 1,314,019 parameters.

    Parameters
    ----------
    train, test : sequence of str
        Dates ("YYYY-MM-DD").
    batch_size : int
        Fields in one update.
    every : int
        Test on every so-maniest lead time.

    Returns
    -------
    Task
        Its score is the quantile score (10, 50, 90 %) on the inner 64 x 64 km; the baseline "raw" is the raw
        ensemble: its 10 % quantile, control and 90 % quantile.
    """
    runs, tested = find_runs(train), find_runs(test)
    lead = np.arange(0, len(tested[0].hours), every)
    index = [(file, step, 0, 0) for file in range(len(tested)) for step in lead]
    x, y = BatchBuilder(tested, tested[0].domain[0])(np.array(index))
    raw = []
    for run in tested:  # predictors: 10 % quantile, 90 % quantile, control
        ensemble = read_run(run).predictors[lead][..., [0, 2, 1]]
        raw.append(ensemble - ensemble[..., 1:2])

    def batches(seed: int, n: int) -> tf.data.Dataset:
        return make_dataset(runs, batch_size=batch_size, seed=seed, repeat=True).take(n)

    loss = nn.QuantileLoss(trim=0, dtype="float64")  # the dtype of its arguments decides, see `make_step`
    task = Task("a1", nn.unet, batches, loss.call, x, y, len(test), _quantile_score, {}, 3e-3)
    task.baselines["raw"] = task.by_date(np.concatenate(raw))
    return task


def coarsened(field: np.ndarray) -> np.ndarray:
    """Average squares of `COARSE` x `COARSE` grid points and interpolate bilinearly back to the fine grid.

    Parameters
    ----------
    field : numpy.ndarray
        (..., y, x)

    Returns
    -------
    numpy.ndarray
        Float32, same shape. The averages are conserved by the first step; the second blurs.
    """
    *rest, ny, nx = field.shape
    if ny % COARSE or nx % COARSE:
        raise BootcampError(
            f"A grid of {ny} x {nx} cannot be cut into squares of {COARSE} x {COARSE}.", "Crop the field."
        )
    squares = field.reshape(-1, ny // COARSE, COARSE, nx // COARSE, COARSE).mean((2, 4), dtype=np.float64)
    back = tf.image.resize(squares[..., None], (ny, nx), "bilinear")
    return back.numpy().reshape(*rest, ny, nx).astype(np.float32)


def _analyses(dates: Sequence[str], every: int) -> tuple[np.ndarray, np.ndarray]:
    """Analyses of 2 m temperature (fields, y, x) in degree Celsius, and the altitude (y, x) in m."""
    fields = []
    for path in run_paths(dates):
        run = read_run(path)
        fields.append(run.target_mean[::every])
    return np.concatenate(fields), run.static_predictors[..., STATIC.index("altitude")]


def downscaling(
    train: Sequence[str],
    test: Sequence[str],
    *,
    batch_size: int = 4,
    every: int = EVERY,
    features: int = 12,
) -> Task:
    """A5's task on A1's analyses: what is lost between 8 km and 1 km, by the U-Net of Sha et al.

    Parameters
    ----------
    train, test : sequence of str
        Dates ("YYYY-MM-DD").
    batch_size : int
        Fields in one update.
    every : int
        Test on every so-maniest lead time.
    features : int
        Channels of the finest level (JSC: 56).

    Returns
    -------
    Task
        Predictors: blurred temperature, blurred altitude, altitude, all normalised. Target: temperature minus
        blurred temperature, in K. Score: RMSE on the inner 64 x 64 km. Baselines: "bilinear", and "lapse
        rate", the regression of the target on altitude minus blurred altitude in the training dates.

    Notes
    -----
    The network is that of JSC but for its width, one output instead of two, and running means of batch
    normalisation that follow faster (0.9 instead of 0.99), because trainings here are short.
    """
    (fine, z), (known, _) = _analyses(train, 1), _analyses(test, every)
    blurred, z_blurred = coarsened(fine), coarsened(z)
    mean, std = float(blurred.mean()), float(blurred.std())
    relief = z - z_blurred
    slope = float(
        np.vdot(fine - blurred, np.broadcast_to(relief, fine.shape)) / (len(fine) * np.vdot(relief, relief))
    )

    def arrays(field: np.ndarray, smooth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        static = np.stack([z_blurred, z], -1)
        static = (static - z.mean()) / z.std()
        x = np.concatenate(
            [((smooth - mean) / std)[..., None], np.broadcast_to(static, (*field.shape, 2))], -1
        )
        return x.astype(np.float32), (field - smooth)[..., None].astype(np.float32)

    x_train, y_train = arrays(fine, blurred)
    x, y = arrays(known, coarsened(known))

    def batches(seed: int, n: int) -> Iterable:
        rng = np.random.default_rng(seed)
        order = np.concatenate(
            [rng.permutation(len(x_train)) for _ in range(-(-n * batch_size // len(x_train)))]
        )
        for i in range(n):
            chosen = order[i * batch_size : (i + 1) * batch_size]
            yield tf.constant(x_train[chosen]), tf.constant(y_train[chosen])

    def build() -> keras.Model:
        rows, columns = z.shape
        net = sha_unet(3, rows=rows, columns=columns, features=features, surface_height=False)
        for layer in net.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = 0.9  # Keras' 0.99 remembers the first weights longer than we train
        return keras.Model(net.input, net.output["t2m"], name="sha_unet")

    def loss(y: Any, y_hat: Any) -> Any:
        return tf.square(y - y_hat)

    task = Task("a5", build, batches, loss, x, y, len(test), _rmse, {}, 3e-3)
    task.baselines["bilinear"] = task.by_date(np.zeros_like(y))
    task.baselines["lapse rate"] = task.by_date(np.broadcast_to(slope * relief[..., None], y.shape))
    return task


def today(train: Sequence[str], test: Sequence[str], *, every: int = EVERY) -> np.ndarray:
    """Forecast of A1's strongest simple method, as residuals (dates * fields, y, x, 3) in K.

    It takes a while, so that `post_processing` does not do it by itself.

    Parameters
    ----------
    train, test : sequence of str
        Dates ("YYYY-MM-DD").
    every : int
        As for `post_processing`.
    """
    from maelstrom_bootcamp.apps.yr.baselines import Today

    method = Today(by_surface=True).fit(open_runs(train[::3], thin=2))
    known = open_runs(test)
    residual = method.predict(known) - control(known)
    residual = residual.isel(leadtime=slice(None, None, every))
    values = residual.transpose("time", "leadtime", "y", "x", "quantile").values
    return values.reshape(-1, *values.shape[2:])


TASKS = {"a1": post_processing, "a5": downscaling}
