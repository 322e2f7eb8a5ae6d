"""Fourteen networks for A1, from a straight line to millions of weights, trained on equal budgets.

Two budgets, because they crown different networks: the same number of passes over the training period, or the
same processor time. The learning rate follows a cosine in the share of the budget that is spent, whichever it
is. `pareto` has what is done with the results, and the command that makes those that are shipped.
"""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
import xarray as xr

from maelstrom_bootcamp import nn
from maelstrom_bootcamp.apps.yr.baselines import Climatology, Raw, Regression, Today
from maelstrom_bootcamp.apps.yr.dataset import open_runs
from maelstrom_bootcamp.apps.yr.evaluate import SURFACES, TRIM, surfaces, trimmed
from maelstrom_bootcamp.apps.yr.features import QUANTILES, control, residual_target, to_features
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.hardware.measure import Timing, race

import keras
import tensorflow as tf
from keras import layers

FIELD = 128  # grid points along each side of a field of the sample
BATCH = 4  # fields in an update
LEARNING_RATE = 3e-3  # at the start of the cosine, as for the reference weights of A1
THIN = 4  # baselines are fitted on every so-manieth row and column
#: The scores that are kept, both in K and better if lower.
SCORES = ("quantile_score", "mae")
#: Surface -> score -> one value for each test date.
Daily = dict[str, dict[str, list[float]]]


@dataclass(frozen=True)
class Architecture:
    """One candidate.

    Attributes
    ----------
    name, family : str
    build : callable
        Returns a new network for the 17 predictors and 3 quantiles of A1.
    """

    name: str
    family: str
    build: Callable[[], keras.Model]


def separable_cnn(width: int = 32, depth: int = 2) -> keras.Model:
    """Neighbours on the cheap: a 3 x 3 filter for each channel apart, then 1 x 1 across the channels.

    Parameters
    ----------
    width : int
        Channels of the hidden layers.
    depth : int
        Pairs of convolutions; each sees one pixel further.

    Returns
    -------
    keras.Model
        Input (batch, y, x, 17), output (batch, y, x, 3).
    """
    x = inputs = keras.Input((None, None, 17), name="predictors")
    x = layers.Conv2D(width, 1, name="mix0", kernel_initializer="he_normal")(x)
    x = layers.LeakyReLU(negative_slope=0.3, name="act0")(x)
    for i in range(1, depth + 1):
        x = layers.DepthwiseConv2D(3, padding="same", name=f"depthwise{i}")(x)
        x = layers.Conv2D(width, 1, name=f"mix{i}", kernel_initializer="he_normal")(x)
        x = layers.LeakyReLU(negative_slope=0.3, name=f"act{i}")(x)
    return keras.Model(inputs, layers.Dense(3, name="head")(x), name="separable")


def _table() -> dict[str, Architecture]:
    pixel, u = nn.pointwise_net, nn.unet
    rows = [
        ("linear", "linear", nn.linear_net),
        ("pixel 8", "pixel", partial(pixel, width=8, depth=2)),
        ("pixel 16", "pixel", partial(pixel, width=16, depth=2)),
        ("pixel 32", "pixel", partial(pixel, width=32, depth=3)),
        ("pixel 60", "pixel", pixel),
        ("CNN 3x3", "CNN", nn.basic_cnn),
        ("separable", "CNN", separable_cnn),
        ("U-Net 4/3", "U-Net", partial(u, features=4, levels=3)),
        ("U-Net 8/3", "U-Net", partial(u, features=8, levels=3)),
        ("U-Net 8/6", "U-Net", partial(u, features=8)),
        ("U-Net 16/6", "U-Net", u),
        ("U-Net 8/3 3x3", "U-Net 3x3", partial(u, features=8, levels=3, kernel_size=3)),
        ("U-Net 8/6 3x3", "U-Net 3x3", partial(u, features=8, kernel_size=3)),
        ("U-Net 16/6 3x3", "U-Net 3x3", partial(u, kernel_size=3)),
    ]
    return {name: Architecture(name, family, build) for name, family, build in rows}


#: By name. "pixel W": W channels, no neighbours; "U-Net F/L": F channels on the first of L levels.
ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(_table())


def find(names: Sequence[str] | None = None) -> list[Architecture]:
    """Some architectures, all by default; a `BootcampError` that lists them if a name is unknown."""
    unknown = [n for n in names or () if n not in ARCHITECTURES]
    if unknown:
        raise BootcampError(
            f"There is no architecture {unknown[0]!r}.", f"Choose from: {', '.join(ARCHITECTURES)}."
        )
    return [ARCHITECTURES[n] for n in names or ARCHITECTURES]


# ---- data and scores -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Data:
    """What all candidates learn from, and what they are tested on.

    Attributes
    ----------
    x, y : numpy.ndarray
        Training: predictors (n, y, x, 17) and residuals with their uncertainty (n, y, x, 2; K).
    x_test : numpy.ndarray
        Test: (dates * lead times, y, x, 17).
    y_test : numpy.ndarray
        Residuals without the border, (dates, lead times, y, x), K.
    masks : dict of str to numpy.ndarray
        Surface -> pixels (y, x) without the border.
    dates : list of str
        Of the test.
    baselines : dict of str to Daily
    """

    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    masks: dict[str, np.ndarray]
    dates: list[str]
    baselines: dict[str, Daily]


def load_data(train: Sequence[str], test: Sequence[str], *, trim: int = TRIM, leads: int = 1) -> Data:
    """Open two periods and score the baselines on the second.

    Parameters
    ----------
    train, test : sequence of str
        Dates, "YYYY-MM-DD".
    trim : int
        Pixels left out of the scores along each border.
    leads : int
        Train on every so-manieth lead time.

    Returns
    -------
    Data
        Baselines "climatology", "raw", "today" and "regression", dressed for land and sea apart.
    """
    runs, ds = open_runs(train), open_runs(test)
    thin = runs.isel(y=slice(None, None, THIN), x=slice(None, None, THIN))
    some = runs.isel(leadtime=slice(None, None, leads))
    x, y = to_features(some)
    shape = (ds.sizes["time"], ds.sizes["leadtime"])
    inner = trimmed(ds, trim)
    target = residual_target(inner)[..., 0].reshape(*shape, inner.sizes["y"], inner.sizes["x"])
    masks = {name: mask.values for name, mask in surfaces(inner).items()}
    dates = [str(t)[:10] for t in ds["time"].values]
    data = Data(x, y, to_features(ds)[0], target, masks, dates, {})
    for name, method in (
        ("climatology", Climatology(by_surface=True)),
        ("raw", Raw()),
        ("today", Today(by_surface=True)),
        ("regression", Regression(by_surface=True)),
    ):
        forecast = method.fit(thin).predict(ds) - control(ds)
        data.baselines[name] = daily_scores(_inner(forecast, trim), data)
    return data


def _inner(forecast: xr.DataArray, trim: int) -> np.ndarray:
    """Quantiles last, without the border: (dates, lead times, y, x, 3)."""
    return trimmed(forecast, trim).transpose("time", "leadtime", "y", "x", "quantile").values


def daily_scores(residuals: np.ndarray, data: Data) -> Daily:
    """Quantile score, and absolute error of the median, of each test date.

    Parameters
    ----------
    residuals : numpy.ndarray
        Predicted quantiles of the residual, without the border, (dates, lead times, y, x, 3), K.
    data : Data

    Returns
    -------
    Daily
        In K, means over lead times and the pixels of a surface; those without pixels are left out.
    """
    error = data.y_test[..., None] - residuals
    levels = np.array(QUANTILES, np.float32)
    pinball = np.maximum(levels * error, (levels - 1) * error).mean(-1)
    fields = {"quantile_score": pinball, "mae": np.abs(error[..., 1])}
    out: Daily = {}
    for surface in SURFACES:
        mask = data.masks[surface]
        if mask.any():
            means = {name: field[..., mask].mean((1, 2), dtype=np.float64) for name, field in fields.items()}
            out[surface] = {name: [round(float(v), 5) for v in values] for name, values in means.items()}
    return out


def score(model: keras.Model, data: Data) -> Daily:
    """Daily scores of a network on the test dates, as `daily_scores`."""
    trim = (data.x_test.shape[1] - data.y_test.shape[2]) // 2
    kept = slice(trim, -trim or None)
    run = forecaster(model)
    parts = [run(data.x_test[i : i + 10]).numpy()[:, kept, kept] for i in range(0, len(data.x_test), 10)]
    return daily_scores(np.concatenate(parts).reshape(*data.y_test.shape, len(QUANTILES)), data)


# ---- training on a budget --------------------------------------------------------------------------


@dataclass(frozen=True)
class Budget:
    """What a training may spend: passes over the data, or processor time. Give one of them.

    Attributes
    ----------
    epochs : int or None
    cpu_seconds : float or None
        Of the updates alone; building and tracing the network is not counted.
    """

    epochs: int | None = None
    cpu_seconds: float | None = None

    def __post_init__(self) -> None:
        given = [v for v in (self.epochs, self.cpu_seconds) if v is not None]
        if len(given) != 1 or not given[0] > 0:
            raise BootcampError(
                f"{self} is no budget.", "Give either epochs or cpu_seconds, greater than zero."
            )

    @property
    def kind(self) -> str:
        """Which of the two it is: "epochs" or "cpu_seconds"."""
        return "epochs" if self.epochs is not None else "cpu_seconds"

    def spent(self, updates: int, seconds: float, per_epoch: int) -> float:
        """Share of the budget that is spent; 1 or more: it is used up."""
        if self.epochs is not None:
            return updates / (self.epochs * per_epoch)
        return seconds / self.cpu_seconds


def forecaster(model: keras.Model) -> Callable[[Any], tf.Tensor]:
    """The network as one compiled function of fields (n, y, x, 17)."""
    shape = tf.TensorSpec((None, None, None, model.input.shape[-1]))
    return tf.function(lambda x: model(x, training=False), input_signature=[shape])


def train_step(model: keras.Model, learning_rate: float = LEARNING_RATE) -> tuple[Callable, Any]:
    """One update as a compiled function of predictors and target, and the learning rate as a variable.

    Parameters
    ----------
    model : keras.Model
    learning_rate : float

    Returns
    -------
    step : callable
        ``step(x, y)`` updates the model and returns the loss.
    rate : keras.Variable
    """
    optimizer, loss = keras.optimizers.Adam(learning_rate, clipnorm=1.0), nn.QuantileLoss(trim=0)
    optimizer.build(model.trainable_variables)
    channels = model.input.shape[-1]
    shapes = [tf.TensorSpec((None, None, None, c)) for c in (channels, 2)]

    @tf.function(input_signature=shapes)
    def step(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            value = loss(y, model(x, training=True))
        gradients = tape.gradient(value, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        return value

    step.get_concrete_function()  # trace now, so that no budget pays for it
    return step, optimizer.learning_rate


def train(model: keras.Model, data: Data, budget: Budget, seed: int = 0) -> tuple[int, float]:
    """Train a network until its budget is used up.

    Parameters
    ----------
    model : keras.Model
        Fresh; `nn.set_seed` was called before it was built.
    data : Data
    budget : Budget
    seed : int
        Of the order of the fields.

    Returns
    -------
    updates : int
    cpu_seconds : float
        Processor time of the updates.
    """
    step, rate = train_step(model)
    rng, per_epoch = np.random.default_rng(seed), len(data.x) // BATCH
    updates, seconds, order = 0, 0.0, np.empty(0, int)
    while (share := budget.spent(updates, seconds, per_epoch)) < 1:
        if len(order) < BATCH:
            order = rng.permutation(len(data.x))
        some, order = order[:BATCH], order[BATCH:]
        x, y = tf.constant(data.x[some]), tf.constant(data.y[some])
        start = time.process_time()
        rate.assign(LEARNING_RATE * (1 + math.cos(math.pi * share)) / 2)
        step(x, y)
        seconds += time.process_time() - start
        updates += 1
    return updates, seconds


# ---- costs -----------------------------------------------------------------------------------------


def counted(model: keras.Model) -> dict[str, float]:
    """What can be counted without running anything.

    Parameters
    ----------
    model : keras.Model

    Returns
    -------
    dict
        ``parameters``; ``macs`` of a forward pass, per pixel; ``bytes`` moved by it per pixel, if every
        operator reads its inputs and writes its output once; ``memory`` of a training step with `BATCH`
        fields, bytes, followed from tensor to tensor.
    """
    # Here and not above: perfmodel reads the hardware table when it is imported.
    from maelstrom_bootcamp.hardware.roofline import count
    from maelstrom_bootcamp.perfmodel.memory.liveness import liveness
    from maelstrom_bootcamp.perfmodel.read import read

    graph = read(model, batch=BATCH, image_size=FIELD)
    pixels = BATCH * FIELD**2
    return {
        "parameters": nn.trainable_parameters(model),
        "macs": graph.macs / pixels,
        "bytes": float(count(graph).bytes.sum()) / pixels,
        "memory": liveness(graph, "train").peak,
    }


def timed(
    models: Mapping[str, keras.Model], rounds: int = 5, *, updates: bool = True
) -> dict[str, dict[str, Timing]]:
    """Seconds of a forecast and of an update, the networks taking turns.

    Parameters
    ----------
    models : mapping of str to keras.Model
        For any number of predictors.
    rounds : int
    updates : bool
        Time the updates as well; preparing them takes seconds for each network.

    Returns
    -------
    dict
        Name -> "forecast" (10 fields at once: all lead times of a run) and "update" (`BATCH` fields).
    """
    rng = np.random.default_rng(0)
    fields = rng.normal(size=(10, FIELD, FIELD, 17)).astype(np.float32)
    target = tf.constant(np.abs(rng.normal(size=(BATCH, FIELD, FIELD, 2))).astype(np.float32))
    tasks: dict[tuple[str, str], Callable[[], Any]] = {}
    for name, model in models.items():
        x = tf.constant(fields[..., : model.input.shape[-1]])
        tasks[name, "forecast"] = partial(forecaster(model), x)
        if updates:
            tasks[name, "update"] = partial(train_step(model)[0], x[:BATCH], target)
    found = race(tasks, rounds, synchronise=lambda tensor: tensor.numpy())
    return {n: {what: found[key, what] for key, what in found if key == n} for n in models}
