"""Layers that keep the mean of each coarse cell, whatever the network before them says.

A fine field whose cells have other means than `maelstrom_bootcamp.apps.downscaling.cells.known_means`
contradicts its own input. The layers mend that; `SoftPenalty` only asks for it.

They are own code after P. Harder, A. Hernandez-Garcia, V. Ramesh and others (2023): Hard-constrained deep
learning for climate downscaling. J. Mach. Learn. Res. 24, arXiv:2208.05424, whose code is
github.com/RolnickLab/constrained-downscaling; `SmoothAdditive` is ours. Below, w are weights that add up to 1
in each cell, x the mean that a cell has to have, m = sum(w f) the mean of what comes in, f.
"""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

from maelstrom_bootcamp.nn.blocks import check_choice, check_multiple
from maelstrom_bootcamp.apps.downscaling.cells import check_times, row_weights
from maelstrom_bootcamp.apps.downscaling.coarse import FACTOR, weights
from maelstrom_bootcamp.apps.downscaling.predictors import DIMS
from maelstrom_bootcamp.errors import BootcampError

import keras
import numpy as np
import xarray as xr
from keras import layers, ops

AT_ONCE = 64  # fields in a step of `conserve`
register = keras.saving.register_keras_serializable("maelstrom_bootcamp")


@register
class CellMean(layers.Layer):
    """Mean of each coarse cell, weighted by area.

    Parameters
    ----------
    latitude : sequence of float
        Of the rows, degrees north.
    **kwargs
        Of any layer.

    Notes
    -----
    Called with fields ``(batch, rows, columns, 1)``; returns ``(batch, rows / 8, columns / 8, 1)``. Raises
    `BootcampError` if the points do not make whole cells.
    """

    def __init__(self, latitude: Sequence[float], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.latitude = [float(degrees) for degrees in latitude]
        self.share = row_weights(self.latitude).astype(np.float32).reshape(1, -1, FACTOR, 1, 1)

    def __call__(self, fine: Any, *more: Any, **kwargs: Any) -> Any:
        """Check the shapes first: what `call` raises, Keras wraps into an error of its own."""
        self.cut(fine.shape)
        return super().__call__(fine, *more, **kwargs)

    def call(self, fine: Any) -> Any:
        """Weigh, and add up."""
        return self.mean(fine)

    def mean(self, fine: Any) -> Any:
        """Mean of each cell."""
        rows, columns = self.cut(fine.shape)
        parts = ops.reshape(fine, (-1, rows, FACTOR, columns, FACTOR))
        return ops.sum(parts * self.share, axis=(2, 4))[..., None]

    def cut(self, shape: tuple[int | None, ...]) -> tuple[int, int]:
        """Rows and columns of cells in a field of that shape; refuses what does not fit."""
        if len(shape) != 4 or shape[-1] != 1 or shape[1] != len(self.latitude):
            raise BootcampError(
                f"A field of the shape {tuple(shape)} came to a layer for {len(self.latitude)} latitudes.",
                "Give (batch, rows, columns, 1), one row for each latitude.",
            )
        check_multiple(FACTOR, f"A coarse cell has {FACTOR} columns", columns=shape[2])
        return shape[1] // FACTOR, shape[2] // FACTOR

    def get_config(self) -> dict[str, Any]:
        """What a saved model needs to build the layer again."""
        return super().get_config() | {"latitude": self.latitude}


class Constraint(CellMean):
    """What the four layers share. Called with the fine field and the means that its cells have to have.

    Notes
    -----
    Called with ``(fine, known)``, ``(batch, rows, columns, 1)`` and ``(batch, rows / 8, columns / 8, 1)``, in
    the *same physical unit*, the same for all points: a field normalised by constants of each point has other
    means. Returns the fine field with these means. Raises `BootcampError` if the shapes do not fit.
    """

    def __call__(self, fine: Any, known: Any, **kwargs: Any) -> Any:
        """Check the shapes of both, too."""
        cells = (*self.cut(fine.shape), 1)
        if tuple(known.shape[1:]) != cells:
            raise BootcampError(
                f"Known means of the shape {tuple(known.shape)} do not fit {cells[0]} x {cells[1]} cells.",
                "Give (batch, rows / 8, columns / 8, 1).",
            )
        return super().__call__(fine, known, **kwargs)

    def call(self, fine: Any, known: Any) -> Any:
        """Constrain."""
        return self.constrain(fine, known)

    def constrain(self, fine: Any, known: Any) -> Any:
        """Give the field the known means."""
        raise NotImplementedError

    @staticmethod
    def spread(cells: Any) -> Any:
        """Give each point the value of its cell."""
        return ops.repeat(ops.repeat(cells, FACTOR, axis=1), FACTOR, axis=2)


@register
class Additive(Constraint):
    """Add the same to all points of a cell: y = f + x - m.

    Of all fields with the known means it is the nearest one (least squares, weighted by area). It needs no
    sign or range, so it suits temperature; what must not be negative, it may make negative.
    """

    def constrain(self, fine: Any, known: Any) -> Any:
        """Average departures, not temperatures: single precision keeps more digits of small numbers."""
        at_points = self.spread(known)
        departure = fine - at_points
        return at_points + (departure - self.spread(self.mean(departure)))


@register
class SmoothAdditive(Constraint):
    """Add a smooth field: y = f + P (x - m) with P so that means are kept, and no step between two cells.

    `Additive` adds a constant to each cell, and cuts the field along the cells' borders. Here the correction
    is interpolated bilinearly between the cells' centres (constant beyond the last ones), from values that
    are chosen so that the *means* of the correction are x - m: with W the interpolation and A the averaging,
    P = W (A W)^-1, for rows and columns apart.
    """

    def constrain(self, fine: Any, known: Any) -> Any:
        """Two matrix products, one for the rows and one for the columns."""
        columns = fine.shape[2]
        along_y = _keeping(weights(len(self.latitude)), row_weights(self.latitude) * FACTOR)
        along_x = _keeping(weights(columns), np.full(columns, 1 / FACTOR))
        at_points = self.spread(known)
        departure = fine - at_points
        missing = -self.mean(departure)[..., 0]
        correction = ops.matmul(ops.matmul(along_y, missing), along_x.T)[..., None]
        return at_points + (departure + correction)


@register
class Multiplicative(Constraint):
    """Multiply all points of a cell by the same: y = f x / m.

    For what is positive and has a true zero, as humidity or rain: zeros stay zeros, signs stay. Near m = 0 it
    explodes, so it must not see degrees Celsius or normalised values.
    """

    def constrain(self, fine: Any, known: Any) -> Any:
        """The same as f x / m, but the small difference is what gets rounded."""
        departure = self.mean(fine - self.spread(known))
        return fine - fine * self.spread(departure / (known + departure))


@register
class Softmax(Constraint):
    """Share the total of a cell out by a softmax: y = x exp(f / s) / sum(w exp(f / s)).

    Positive whatever comes in, if x is. What comes in is no field any more but its logarithm, times s.

    Parameters
    ----------
    latitude : sequence of float
        Of the rows, degrees north.
    scale : float
        s: the difference of f that makes a factor of e. The paper has 1, for normalised fields; for a
        temperature f in K, s near 280 K makes y differ from point to point about as f does.
    **kwargs
        Of any layer.

    Raises
    ------
    BootcampError
        If the scale is not positive.
    """

    def __init__(self, latitude: Sequence[float], scale: float = 1.0, **kwargs: Any) -> None:
        super().__init__(latitude, **kwargs)
        if not 0 < scale < np.inf:
            raise BootcampError(f"scale={scale!r} is not a positive number.", "Give for example 1.0.")
        self.scale = float(scale)

    def constrain(self, fine: Any, known: Any) -> Any:
        """Subtract the largest value of the cell first: no exponential can overflow."""
        rows, columns = self.cut(fine.shape)
        parts = ops.reshape(fine, (-1, rows, FACTOR, columns, FACTOR))
        highest = ops.max(parts, axis=(2, 4))[..., None]
        portion = ops.exp((fine - self.spread(highest)) / self.scale)
        return portion * self.spread(known / self.mean(portion))

    def get_config(self) -> dict[str, Any]:
        """What a saved model needs to build the layer again."""
        return super().get_config() | {"scale": self.scale}


@register
class ScaledAdditive(Constraint):
    """Move all points towards one end of a range: what lies inside it stays inside.

    With everything scaled to -1 ... 1, y = f + (x - m) (s + f) / (s + m) with s = 1 if m >= x, -1 otherwise:
    who is far from the end moves far. (In the published code s is the sign of m - x: at x = m = 0 it divides
    zero by zero.)

    Parameters
    ----------
    latitude : sequence of float
        Of the rows, degrees north.
    low, high : float
        Ends of the range, in the unit of the field.
    **kwargs
        Of any layer.

    Raises
    ------
    BootcampError
        If the range is empty.
    """

    def __init__(
        self, latitude: Sequence[float], low: float = -1.0, high: float = 1.0, **kwargs: Any
    ) -> None:
        super().__init__(latitude, **kwargs)
        if not -np.inf < low < high < np.inf:
            raise BootcampError(f"{low} to {high} is no range.", "Give low < high.")
        self.low, self.high = float(low), float(high)

    def constrain(self, fine: Any, known: Any) -> Any:
        """As the formula, with the distances from the end instead of the scaled numbers."""
        departure = self.mean(fine - self.spread(known))
        end = ops.where(departure >= 0, self.low, self.high)
        distance = known + departure - end
        # All points at the end, and rightly so (a dry cell, a clear sky): nothing moves, and no 0 / 0.
        idle = ops.logical_and(ops.equal(distance, 0), ops.equal(departure, 0))
        move = departure / ops.where(idle, 1.0, distance)
        return fine - self.spread(move) * (fine - self.spread(end))

    def get_config(self) -> dict[str, Any]:
        """What a saved model needs to build the layer again."""
        return super().get_config() | {"low": self.low, "high": self.high}


#: The layers by name, as `conserve` takes them.
LAYERS = MappingProxyType(
    {
        "additive": Additive,
        "smooth": SmoothAdditive,
        "multiplicative": Multiplicative,
        "softmax": Softmax,
        "scaled": ScaledAdditive,
    }
)


@register
class Kelvins(layers.Layer):
    """From what is normalised by constants of each point back to kelvins, where means are means.

    Parameters
    ----------
    mean, std : array
        (rows, columns), K, as `Scaling.t2m_tar_mean` and `Scaling.t2m_tar_std`.
    **kwargs
        Of any layer.

    Notes
    -----
    Called with ``(batch, rows, columns, 1)``; returns the same shape.
    """

    def __init__(self, mean: Any, std: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mean, self.std = (np.asarray(a, np.float32)[None, ..., None] for a in (mean, std))

    def call(self, normalised: Any) -> Any:
        """Multiply, and add."""
        return normalised * self.std + self.mean

    def get_config(self) -> dict[str, Any]:
        """What a saved model needs to build the layer again."""
        constants = {"mean": self.mean[0, ..., 0].tolist(), "std": self.std[0, ..., 0].tolist()}
        return super().get_config() | constants


class SoftPenalty:
    """Loss that asks for the means: (1 - a) mean (y - t)^2 + a mean (m - x)^2, in the unit squared.

    Parameters
    ----------
    latitude : sequence of float
        Of the rows, degrees north.
    alpha : float
        a, from 0, which is the mean square error, to less than 1, where nobody would ask for the target.

    Raises
    ------
    BootcampError
        If alpha is out of range.
    """

    def __init__(self, latitude: Sequence[float], alpha: float = 0.0) -> None:
        if not 0 <= alpha < 1:
            raise BootcampError(f"alpha={alpha!r} is not in [0, 1).", "Give for example 0.9.")
        self.alpha, self.means = alpha, CellMean(latitude)

    def __call__(self, target: Any, fine: Any, known: Any) -> Any:
        """The loss of a batch: a number."""
        error = ops.mean(ops.square(fine - target))
        if not self.alpha:
            return error
        departure = self.means(fine - Constraint.spread(known))
        return (1 - self.alpha) * error + self.alpha * ops.mean(ops.square(departure))


def conserve(
    field: xr.DataArray, known: xr.DataArray, layer: str = "additive", **options: Any
) -> xr.DataArray:
    """Give any finished forecast the known means: a layer as the last step of a method without layers.

    Parameters
    ----------
    field : xarray.DataArray
        (time, lat, lon), in the unit of `known`.
    known : xarray.DataArray
        (time, cell_lat, cell_lon), of `known_means`.
    layer : {"additive", "smooth", "multiplicative", "softmax", "scaled"}
    **options
        Of the layer.

    Returns
    -------
    xarray.DataArray
        (time, lat, lon), float32.

    Raises
    ------
    BootcampError
        If there is no such layer, or field and cells do not fit.
    """
    check_choice("layer", layer, tuple(LAYERS))
    field = field.transpose(*DIMS)
    check_times(field, known)
    constraint = LAYERS[layer](field["lat"].values, **options)
    fine, cells = (np.asarray(a.values, np.float32)[..., None] for a in (field, known))
    parts = [slice(i, i + AT_ONCE) for i in range(0, len(fine), AT_ONCE)]
    return field.copy(data=np.concatenate([np.asarray(constraint(fine[i], cells[i])) for i in parts])[..., 0])


def _keeping(interpolation: np.ndarray, share: np.ndarray) -> np.ndarray:
    """W (A W)^-1: the interpolation of one axis, from means instead of from values at the centres."""
    inner = interpolation[:, 1:-1].copy()
    inner[:, [0, -1]] += interpolation[
        :, [0, -1]
    ]  # constant beyond the centres of the first and the last cell
    n_cells = inner.shape[1]
    means = (inner * share[:, None]).reshape(n_cells, FACTOR, n_cells).sum(axis=1)
    return (inner @ np.linalg.inv(means)).astype(np.float32)
