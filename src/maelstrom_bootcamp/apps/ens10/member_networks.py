"""Correct an ensemble member by member: each on its own, or in sight of the others.

What comes out has members again, not the mean and spread of a normal distribution. `LinearMembers` has three
numbers to choose, `MemberNetwork` a small network; both begin with the same straight line at each grid point,
and both come in two kinds: ``together=False``, where what becomes of a member depends on this member alone,
and ``together=True``, where members know each other. Both are trained by `fair.ensemble_crps`.

>>> method = MemberNetwork(alpha=1.0, together=False).fit(members, truth)          # doctest: +SKIP
>>> method.predict(other_members)       # (time, member, latitude, longitude)       # doctest: +SKIP
"""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np
import xarray as xr
from scipy.optimize import minimize_scalar

from maelstrom_bootcamp.apps.ens10.baselines import DIMS, own_members
from maelstrom_bootcamp.apps.ens10.fair import EnsembleCRPS, ensemble_crps
from maelstrom_bootcamp.apps.ens10.predictors import place
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.nn.blocks import check_counts
from maelstrom_bootcamp.nn.training import set_seed

import keras
from keras import layers, ops

POINT = ("time", "latitude", "longitude")
_CASES = 32_768  # grid points that a network corrects at once: no more memory than needed
WIDEST = 10.0  # largest factor (or noise, in standard deviations of the error) that a linear fit may choose


class Lines(NamedTuple):
    """A straight line at each grid point, and what it leaves (all latitude, longitude; units of the target).

    Attributes
    ----------
    offset, slope : numpy.ndarray
        Corrected member = offset + slope * member; regression of the truth on the ensemble mean.
    error : numpy.ndarray
        Standard deviation of what is left.
    """

    offset: np.ndarray
    slope: np.ndarray
    error: np.ndarray

    @staticmethod
    def of(members: xr.DataArray, truth: xr.DataArray) -> Lines:
        """Fit them to forecasts (time, member, latitude, longitude) and what came true."""
        x = members.mean("member").transpose(*POINT).values.astype(float)
        y = truth.transpose(*POINT).values.astype(float)
        if x.shape != y.shape:
            raise BootcampError(f"Forecasts are {x.shape}, the truth is {y.shape}.", "Read the same split.")
        if len(x) < 3:
            raise BootcampError(f"{len(x)} dates do not fix a straight line.", "Give three dates at least.")
        dx, dy = x - x.mean(0), y - y.mean(0)
        slope = (dx * dy).mean(0) / np.maximum((dx**2).mean(0), np.finfo("f4").tiny)
        error = np.sqrt(((dy - slope * dx) ** 2).mean(0))
        offset = y.mean(0) - slope * x.mean(0)
        return Lines(*(a.astype("f4") for a in (offset, slope, np.maximum(error, 1e-6 * error.mean()))))


class LinearMembers:
    """Correct members by a straight line, and set their spread by one number for the whole globe.

    After the line, members are either drawn apart (``together``): mean + c (member - mean); or each is given
    noise of its own, c times the standard deviation of the error at that point. Of c the value is taken that
    has the least score in the training data.

    Parameters
    ----------
    alpha : float
        Of the score: 0 unfair, 1 fair.
    together : bool
        Whether members know the ensemble mean.
    seed : int
        Of the noise.

    References
    ----------
    Van Schaeybroeck, B. and Vannitsem, S. (2015): Ensemble post-processing using member-by-member approaches:
    theoretical aspects. QJRMS 141, 807-818.
    """

    def __init__(self, alpha: float, *, together: bool, seed: int = 0) -> None:
        self.alpha, self.together, self.seed = alpha, together, seed
        self.lines: Lines | None = None
        self.factor = float("nan")

    def fit(self, members: xr.DataArray | xr.Dataset, truth: xr.DataArray) -> Self:
        """Learn from forecasts and what came true; returns itself.

        Parameters
        ----------
        members : xarray.DataArray or xarray.Dataset
            (time, member, latitude, longitude), or as from `read_members`.
        truth : xarray.DataArray
            (time, latitude, longitude), on the same points, in the same unit.

        Raises
        ------
        BootcampError
            If they do not fit together.
        """
        own = own_members(members)
        self.lines = Lines.of(own, truth)
        straight, other = self._parts(own, self.seed)
        y = truth.transpose(*POINT).values
        weight = np.cos(np.deg2rad(own["latitude"].values))[:, None]

        def score(factor: float) -> float:
            crps = np.asarray(ensemble_crps(straight + np.float32(factor) * other, y, self.alpha))
            return float((crps * weight).mean())

        found = minimize_scalar(score, bounds=(0, WIDEST), method="bounded", options={"xatol": 2e-3})
        self.factor = float(found.x)
        return self

    def predict(self, members: xr.DataArray | xr.Dataset, seed: int = 1) -> xr.DataArray:
        """Correct members.

        Parameters
        ----------
        members : xarray.DataArray or xarray.Dataset
            On the grid of `fit`; any number of them.
        seed : int
            Of the noise.

        Returns
        -------
        xarray.DataArray
            (time, member, latitude, longitude), float32.
        """
        _check_fitted(self)
        own = own_members(members)
        straight, other = self._parts(own, seed)
        return own.copy(data=straight + np.float32(self.factor) * other)

    def _parts(self, own: xr.DataArray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """What stays, and what is multiplied by the factor."""
        x = self.lines.offset + self.lines.slope * own.values
        if self.together:
            mean = x.mean(axis=1, keepdims=True)
            return np.broadcast_to(mean, x.shape), x - mean
        return x, _noise(x.shape, seed) * self.lines.error


@keras.saving.register_keras_serializable(package="maelstrom_bootcamp")
class MemberAttention(layers.Layer):
    """Attention over the members at one grid point, as `networks.transformer` has it for whole fields.

    Member i becomes its own departure from the mean and a weighted sum of all departures; the weights say how
    alike i and j look. No order among the members, any number of them.

    Parameters
    ----------
    units : int
        Length of queries and keys.
    """

    def __init__(self, units: int, **options: Any) -> None:
        super().__init__(**options)
        self.units = units
        self.query = layers.Dense(units, use_bias=False, name="query")
        self.key = layers.Dense(units, use_bias=False, name="key")

    def build(self, shapes: Any) -> None:
        """Make the weights of queries and keys."""
        for dense in (self.query, self.key):
            dense.build(shapes[0])

    def call(self, inputs: Any) -> Any:
        """From what members look like and their values, both (batch, members, n), to new values."""
        looks, values = inputs
        alike = ops.einsum("bih,bjh->bij", self.query(looks), self.key(looks)) / self.units**0.5
        departure = values - ops.mean(values, axis=1, keepdims=True)
        return departure + ops.einsum("bij,bjh->bih", ops.softmax(alike, axis=-1), departure)

    def compute_output_shape(self, shapes: Any) -> Any:
        """That of the values."""
        return shapes[1]

    def get_config(self) -> dict:
        """What a saved model needs to make this layer again."""
        return {**super().get_config(), "units": self.units}


def member_network(n_variables: int, *, together: bool, hidden: int = 24) -> keras.Model:
    """Build the network that corrects members at one grid point.

    Both kinds have the same two layers of `hidden` neurons that read a member; with ``together=True`` the
    attention adds its values, queries, keys and outputs. A new network changes nothing: its last weights
    are 0.

    Parameters
    ----------
    n_variables : int
        Variables of a member.
    together : bool
        Whether members see each other.
    hidden : int
        Neurons of a layer.

    Returns
    -------
    keras.Model
        Inputs "members" ``(batch, members, n_variables + 4)``: variables, three numbers of the place and one
        random number; "fine" ``(batch, members, n_variables)``: the variables in units of a typical spread;
        "line" ``(batch, members)``: the forecast that is to be corrected. Output ``(batch, members)``, like
        "line". Any number of members.

    Raises
    ------
    BootcampError
        If a number is not a whole number >= 1.
    """
    check_counts(n_variables=n_variables, hidden=hidden)
    seen = keras.Input((None, n_variables + 4), name="members")
    fine = keras.Input((None, n_variables), name="fine")
    line = keras.Input((None,), name="line")
    x = layers.Dense(hidden, activation="relu", name="first")(seen)
    deep = layers.Dense(hidden, name="second")(x)
    if together:
        values = layers.Dense(hidden, use_bias=False, name="values")(fine)
        moved = MemberAttention(hidden, name="attention")([x, values])
        deep = layers.Add(name="join")([deep, layers.Dense(hidden, use_bias=False, name="moved")(moved)])
    deep = layers.ReLU(name="relu")(deep)
    change = layers.Dense(1, kernel_initializer="zeros", name="head")(deep)
    inputs = {"members": seen, "fine": fine, "line": line}
    return keras.Model(inputs, line + change[..., 0], name="together" if together else "alone")


class MemberNetwork:
    """Correct members by `member_network`, after the straight line of each grid point.

    Parameters
    ----------
    alpha : float
        Of the score that it is trained by: 0 unfair, 1 fair.
    together : bool
        Whether members see each other.
    hidden : int
        Neurons of a layer.
    steps, batch_size : int
        Steps of Adam, and grid points in each; drawn so that equal areas come equally often.
    learning_rate : float
        At the start; it falls to 0 along a cosine.
    seed : int
        Of first weights, batches and noise.
    """

    def __init__(
        self,
        alpha: float,
        *,
        together: bool,
        hidden: int = 24,
        steps: int = 400,
        batch_size: int = 4096,
        learning_rate: float = 5e-3,
        seed: int = 0,
    ) -> None:
        check_counts(hidden=hidden, steps=steps, batch_size=batch_size)
        self.loss = EnsembleCRPS(alpha)
        self.together, self.hidden, self.seed = together, hidden, seed
        self.steps, self.batch_size, self.learning_rate = steps, batch_size, learning_rate
        self.lines: Lines | None = None
        self.model: keras.Model | None = None

    def fit(self, members: xr.Dataset, truth: xr.DataArray) -> Self:
        """Train; parameters and errors as for `LinearMembers.fit`, but with all variables of the task."""
        own = own_members(members)
        self.lines = Lines.of(own, truth)
        self._measure(members)
        set_seed(self.seed)
        self.model = member_network(len(members), together=self.together, hidden=self.hidden)
        rate = keras.optimizers.schedules.CosineDecay(self.learning_rate, self.steps)
        self.model.compile(optimizer=keras.optimizers.Adam(rate), loss=self.loss)
        x, centre = self._inputs(members, self.seed)
        y = (truth.transpose(*POINT).values - centre) / self.lines.error
        y = y.reshape(-1, 1).astype("f4")
        rows, columns = self.lines.error.shape
        area = np.cos(np.deg2rad(own["latitude"].values)).repeat(columns)
        # A score in units of the error at a point would count calm points as much as stormy ones.
        weight = (self.lines.error / self.lines.error.mean()).ravel()
        rng = np.random.default_rng(self.seed)
        for _ in range(self.steps):
            point = rng.choice(rows * columns, self.batch_size, p=area / area.sum())
            i = rng.integers(0, own.sizes["time"], self.batch_size) * rows * columns + point
            self.model.train_on_batch({n: a[i] for n, a in x.items()}, y[i], sample_weight=weight[point])
        return self

    def predict(self, members: xr.Dataset, seed: int = 1) -> xr.DataArray:
        """Correct members; parameters and result as for `LinearMembers.predict`."""
        _check_fitted(self)
        own = own_members(members)
        x, centre = self._inputs(members, seed)
        parts = range(0, len(x["line"]), _CASES)
        found = [self.model({n: a[i : i + _CASES] for n, a in x.items()}) for i in parts]
        found = np.concatenate([np.asarray(part) for part in found])
        time, member, rows, columns = own.shape
        found = np.moveaxis(found.reshape(time, rows, columns, member), -1, 1)
        return own.copy(data=centre[:, None] + found * self.lines.error)

    def _measure(self, members: xr.Dataset) -> None:
        """Mean and scatter of each variable at each point, and its typical spread in units of the scatter."""
        self._mean, self._scale, self._fine = {}, {}, {}
        for name in members:
            values = members[name].transpose(*DIMS).values
            self._mean[name] = values.mean((0, 1))
            self._scale[name] = np.maximum(values.std((0, 1)), np.finfo("f4").tiny)
            spread = np.sqrt(np.nanmean((values.std(axis=1) / self._scale[name]) ** 2))
            self._fine[name] = 1 / max(float(spread), 1e-6)

    def _inputs(self, members: xr.Dataset, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Inputs of the network, (cases, members, ...), and the centre to which "line" is relative.

        The centre is the ensemble mean. No network sees it: it is taken off so that float32 keeps its digits,
        and added again.
        """
        own = own_members(members)
        if list(members) != list(self._mean):
            raise BootcampError(
                f"Trained with {list(self._mean)}, and these are {list(members)}.", "Read those."
            )
        time, member, rows, columns = own.shape
        scaled = [
            np.nan_to_num((members[n].transpose(*DIMS).values - self._mean[n]) / self._scale[n])
            for n in members
        ]
        variables = np.stack([np.moveaxis(a, 1, -1).reshape(-1, member) for a in scaled], axis=-1)
        where = place(own["latitude"].values, own["longitude"].values)
        where = np.broadcast_to(where[None, :, :, None], (time, rows, columns, member, 3))
        noise = np.moveaxis(_noise(own.shape, seed), 1, -1).reshape(-1, member, 1)
        line = self.lines.offset + self.lines.slope * own.values
        centre = line.mean(axis=1)
        line = np.moveaxis((line - centre[:, None]) / self.lines.error, 1, -1).reshape(-1, member)
        seen = np.concatenate([variables, where.reshape(-1, member, 3), noise], axis=-1)
        fine = variables * np.float32(list(self._fine.values()))
        return {"members": seen, "fine": fine, "line": line}, centre


def _check_fitted(method: LinearMembers | MemberNetwork) -> None:
    if method.lines is None:
        raise BootcampError(f"{type(method).__name__} has not been fitted.", "Call fit(members, truth).")


def _noise(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, dtype="f4")
