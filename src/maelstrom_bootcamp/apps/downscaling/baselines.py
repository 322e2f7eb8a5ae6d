"""What plain statistics make of the coarse temperature: the numbers that a network has to beat.

Every baseline is used in the same way::

    model = LapseRate().fit(read_tier1("training"))
    forecast = model.predict(read_tier1("testing"))  # (time, lat, lon), K, on the target's grid

They get what the network gets: coarse temperature, both heights of the ground, and (unlike it) date and hour.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from maelstrom_bootcamp.apps.downscaling.coarse import MISFIT, coarse_values, fine_values, local_lapse_rate
from maelstrom_bootcamp.apps.downscaling.dataset import LAPSE_RATE, heights
from maelstrom_bootcamp.apps.downscaling.flow import FLOW, MOMENT, flow_features
from maelstrom_bootcamp.apps.downscaling.method import Baseline, by_hour
from maelstrom_bootcamp.apps.downscaling.trees import BoostedTrees, RandomForest
from maelstrom_bootcamp.errors import BootcampError


class Bilinear(Baseline):
    """The input as it is."""

    def _learn(self, ds: xr.Dataset) -> int:
        return 0

    def _apply(self, ds: xr.Dataset) -> np.ndarray:
        return ds.t2m_in.values


class Bicubic(Baseline):
    """The values of the coarse cells, found again and interpolated by cubic splines."""

    def _learn(self, ds: xr.Dataset) -> int:
        return 0

    def _apply(self, ds: xr.Dataset) -> np.ndarray:
        return bicubic(ds.t2m_in.values)


def bicubic(field: np.ndarray) -> np.ndarray:
    """Cubic instead of bilinear interpolation of a field that was interpolated bilinearly.

    Parameters
    ----------
    field : numpy.ndarray
        Shape (..., lat, lon).

    Returns
    -------
    numpy.ndarray
        Same shape, float64.

    Raises
    ------
    BootcampError
        If the field is not an interpolation from coarse cells.
    """
    coarse = coarse_values(field.astype(float))
    misfit = np.abs(fine_values(coarse) - field).max()
    if misfit > MISFIT * max(1.0, field.std() / 10):
        raise BootcampError(
            f"The field was not interpolated bilinearly from 8 x 8 cells: off by up to {misfit:.2g}.",
            "Give the input of tier 1, whole and unchanged.",
        )
    return fine_values(coarse, order=3)


class LapseRate(Baseline):
    """Correction for the difference of fine and coarse height: T = T_in + rate (z - z_in).

    Fitted, rate = sum dz dT / sum dz^2, over all points and times: least squares without an offset.

    Parameters
    ----------
    rate : float, optional
        K/km, negative where it gets colder upwards, e.g. -6.5. None: fitted.
    by_hour : bool
        A rate for each hour of the day.
    cubic : bool
        Interpolate temperature and coarse height by cubic splines first.
    """

    def __init__(self, rate: float | None = None, *, by_hour: bool = False, cubic: bool = False) -> None:
        if rate is not None and by_hour:
            raise BootcampError("A given rate cannot be fitted by hour.", "Leave out one of them.")
        self.rate, self.by_hour, self.cubic = rate, by_hour, cubic

    def _learn(self, ds: xr.Dataset) -> int:
        hours = np.unique(ds.time.dt.hour)
        if self.rate is not None:
            self.rates = xr.DataArray(np.full(len(hours), self.rate), {"hour": hours}, ("hour",))
            return 0
        first, dz = self._first(ds)
        slopes = ((ds.t2m_tar.values - first) * dz).mean((1, 2)) / (dz**2).mean()
        slopes = ds.time.dt.hour.copy(data=slopes).astype(float)
        means = slopes.groupby(slopes.time.dt.hour).mean("time")
        self.rates = means if self.by_hour else means * 0 + float(slopes.mean())
        return len(hours) if self.by_hour else 1

    def _first(self, ds: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
        """Interpolated temperature, K, and the height that it lacks, km."""
        coarse, fine = (h.values.astype(float) / 1000 for h in heights(ds))
        if not self.cubic:
            return ds.t2m_in.values, fine - coarse
        return bicubic(ds.t2m_in.values), fine - bicubic(coarse)

    def _apply(self, ds: xr.Dataset) -> np.ndarray:
        first, dz = self._first(ds)
        # A given rate knows no hours: it serves hours that the training lacks, too.
        rates = np.array(self.rate) if self.rate is not None else by_hour(self.rates, ds)[:, None, None]
        return first + rates * dz


class LocalLapseRate(Baseline):
    """Correction with a rate that the input itself shows: T = T_in + (a + b rate(x, y, t)) (z - z_in).

    The rate is the slope of the coarse cells' temperatures over their heights, around the point at this time
    (`local_lapse_rate`). a and b are fitted: how far the slope is to be trusted.

    Parameters
    ----------
    reach : float
        Coarse cells that are "around": standard deviation of the weights.
    """

    def __init__(self, reach: float = 0.5) -> None:
        self.reach = reach

    def _terms(self, ds: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
        coarse, fine = (h.values.astype(float) for h in heights(ds))
        cells = (coarse_values(a.astype(float)) for a in (ds.t2m_in.values, coarse))
        rate = fine_values(local_lapse_rate(*cells, self.reach))
        return np.broadcast_to((fine - coarse) / 1000, rate.shape), rate * (fine - coarse) / 1000

    def _learn(self, ds: xr.Dataset) -> int:
        terms, y = self._terms(ds), (ds.t2m_tar - ds.t2m_in).values
        normal = [[(u * v).mean() for v in terms] for u in terms]
        self.constants = np.linalg.solve(normal, [(u * y).mean() for u in terms])
        return 2

    def _apply(self, ds: xr.Dataset) -> np.ndarray:
        always, shown = self._terms(ds)
        return ds.t2m_in.values + self.constants[0] * always + self.constants[1] * shown


class PointCorrection(Baseline):
    """The mean of fine minus coarse temperature of each point and hour of the day."""

    def _learn(self, ds: xr.Dataset) -> int:
        difference = ds.t2m_tar - ds.t2m_in
        self.correction = difference.groupby(ds.time.dt.hour).mean("time")
        return self.correction.size

    def _apply(self, ds: xr.Dataset) -> np.ndarray:
        return ds.t2m_in.values + by_hour(self.correction, ds)


class PointRegression(Baseline):
    """A linear regression of each point and hour of the day, T - T_in = a + sum_k b_k x_k.

    With standardised predictors X (times in rows) and centred differences y, the least sum of
    (y - X b)^2 + pull b^2 is at b = (X'X + pull)^-1 X'y.

    Parameters
    ----------
    flow : bool
        False: x is the point's coarse temperature. True: x is that, and what the input tells of the flow
        around (`flow.FLOW`).
    pull : float
        How strongly factors are pulled to zero, as so many times would.
    """

    def __init__(self, *, flow: bool = False, pull: float = 0.0) -> None:
        self.flow, self.pull = flow, pull
        self.names = (MOMENT[0], *FLOW) if flow else (MOMENT[0],)

    def _predictors(self, ds: xr.Dataset) -> np.ndarray:
        """Predictors (points, time, predictors)."""
        fields = [np.asarray(v) for name, v in flow_features(ds) if name in self.names]
        return np.stack([f.reshape(len(f), -1).T for f in fields], axis=-1)

    def _learn(self, ds: xr.Dataset) -> int:
        x, hours = self._predictors(ds), ds.time.dt.hour.values
        y = (ds.t2m_tar - ds.t2m_in).values.reshape(len(hours), -1).T
        self.fits = {int(hour): self._fit(x[:, hours == hour], y[:, hours == hour]) for hour in set(hours)}
        return sum(b.size + a.size for *_, a, b in self.fits.values())

    def _fit(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, ...]:
        """Mean and deviation of the predictors, offset and factors, each (points, 1 or predictors)."""
        n = x.shape[1]
        if n <= x.shape[2] + 1:
            raise BootcampError(f"{n} times an hour for {x.shape[2] + 1} constants a point.", "Give more.")
        centre, size = x.mean(1, keepdims=True), x.std(1, keepdims=True) + 1e-6
        x, a = ((x - centre) / size).astype(float), y.mean(1, keepdims=True)
        normal = x.mT @ x + self.pull * np.eye(x.shape[2])
        return centre, size, a, np.linalg.solve(normal, x.mT @ (y - a)[..., None])

    def _apply(self, ds: xr.Dataset) -> np.ndarray:
        x, hours = self._predictors(ds), ds.time.dt.hour.values
        found = np.empty(x.shape[:2])
        for hour in set(hours.tolist()):
            if hour not in self.fits:
                raise BootcampError(f"The training has no times at {hour} UTC.", "Leave them out.")
            centre, size, a, b = self.fits[hour]
            found[:, hours == hour] = a + (((x[:, hours == hour] - centre) / size) @ b)[..., 0]
        return ds.t2m_in.values + found.T.reshape(ds.t2m_in.shape)


def all_baselines(n_samples: int = 120_000, seed: int = 0) -> dict[str, Baseline]:
    """All baselines, not fitted, by name, in the order of the table.

    Parameters
    ----------
    n_samples : int
        That the trees are grown on.
    seed : int
        Of the trees.

    Returns
    -------
    dict
        What was to be chosen (reach, pull, sizes of trees) was chosen on the validation split.
    """
    return {
        "bilinear": Bilinear(),
        "bicubic": Bicubic(),
        "6.5 K/km": LapseRate(-LAPSE_RATE),
        "fitted rate": LapseRate(),
        "fitted rate, by hour": LapseRate(by_hour=True),
        "fitted rate, bicubic": LapseRate(cubic=True),
        "rate of the input": LocalLapseRate(),
        "mean correction, point": PointCorrection(),
        "regression, point": PointRegression(),
        "regression, point, flow": PointRegression(flow=True, pull=30.0),
        "random forest": RandomForest(n_samples, seed),
        "boosted trees": BoostedTrees(n_samples, seed),
    }
