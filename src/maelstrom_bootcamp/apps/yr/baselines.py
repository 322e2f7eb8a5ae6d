"""What a forecaster would do without deep learning: the numbers to beat.

Every baseline is used in the same way::

    model = Today().fit(train)          # a Dataset from open_runs
    forecast = model.predict(test)      # quantiles 0.1, 0.5, 0.9, in degree Celsius

All are probabilistic, so that they can be compared with a network that predicts quantiles. A linear
regression gives one number; it is *dressed*: the quantiles of its errors in the training period, at the same
lead time, are added to it.

Sign convention: a bias is forecast minus analysis. A corrected forecast therefore subtracts it, and the
regressions below, which predict analysis minus forecast, find factors near -1 for a bias that persists.

The list follows MET Norway's (metno/maelstrom-train, ``etc/d1-4``): raw, ElevCorr, Today, Regression.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import xarray as xr
from sklearn.linear_model import LinearRegression

from maelstrom_bootcamp.apps.yr.features import (
    CONTROL,
    HIGH,
    LOW,
    PREDICTORS,
    QUANTILES,
    analysis,
    control,
    leadtime_hours,
    predictor,
    quantile_forecast,
    to_features,
)
from maelstrom_bootcamp.errors import BootcampError

#: A pixel is land if more than half of it is.
LAND = 0.5


class Baseline(ABC):
    """A method that learns from a training period and forecasts quantiles."""

    name: str

    @abstractmethod
    def fit(self, train: xr.Dataset) -> Self:
        """Learn from the training period; returns itself."""

    @abstractmethod
    def predict(self, ds: xr.Dataset) -> xr.DataArray:
        """Forecast (time, leadtime, quantile, y, x), in degree Celsius."""


@dataclass
class Raw(Baseline):
    """The raw ensemble: the members' 10 % quantile, the control forecast, the members' 90 % quantile."""

    name = "raw"

    def fit(self, train: xr.Dataset) -> Self:
        """Nothing to learn."""
        return self

    def predict(self, ds: xr.Dataset) -> xr.DataArray:
        """See `Baseline.predict`."""
        fields = [predictor(ds, n).values for n in (LOW, CONTROL, HIGH)]
        return quantile_forecast(np.stack(fields, axis=2), ds)


@dataclass
class Dressed(Baseline):
    """A linear regression for each lead time, dressed with quantiles of its training errors.

    Parameters
    ----------
    by_surface : bool
        Take the quantiles over land and over sea apart.
    thin : int
        Fit on every thin-th row and column only.

    Attributes
    ----------
    coefficients : xarray.DataArray
        After `fit`: factor of each term, dimensions (leadtime, term).
    dressing : xarray.DataArray
        After `fit`: what is added for each quantile, in K, dimensions (leadtime, surface, quantile).
    """

    by_surface: bool = False
    thin: int = 1
    coefficients: xr.DataArray | None = field(default=None, init=False, repr=False)
    dressing: xr.DataArray | None = field(default=None, init=False, repr=False)

    #: Whether the regression may add a constant for each lead time.
    intercept = False
    #: Whether all lead times share one regression.
    pooled = False

    @abstractmethod
    def terms(self, ds: xr.Dataset) -> dict[str, np.ndarray]:
        """What the regression is a weighted sum of: name -> array (time, leadtime, y, x)."""

    def start(self, ds: xr.Dataset) -> np.ndarray:
        """What the regression corrects, (time, leadtime, y, x): the raw control forecast."""
        return control(ds).values

    def fit(self, train: xr.Dataset) -> Self:
        """Least squares, then the quantiles of what is left."""
        train = train.isel(y=slice(None, None, self.thin), x=slice(None, None, self.thin))
        terms, names = self._stacked(train)
        wanted = analysis(train).values - self.start(train)
        groups = [slice(None)] if self.pooled else [slice(i, i + 1) for i in range(wanted.shape[1])]
        factors = np.empty((wanted.shape[1], len(names) + 1))
        for lead in groups:
            regression = LinearRegression(fit_intercept=self.intercept)
            regression.fit(terms[:, lead].reshape(-1, len(names)), wanted[:, lead].reshape(-1))
            factors[lead] = [*regression.coef_, regression.intercept_]
        coords = {"leadtime": train["leadtime"].values, "term": [*names, "constant"]}
        self.coefficients = xr.DataArray(factors, coords, ("leadtime", "term"))
        self.dressing = self._quantiles(wanted - self._regression(terms), train)
        return self

    def predict(self, ds: xr.Dataset) -> xr.DataArray:
        """See `Baseline.predict`."""
        if self.coefficients is None or self.dressing is None:
            raise BootcampError(f"{type(self).__name__} has not been fitted.", "Call fit(train) first.")
        if not np.array_equal(ds["leadtime"].values, self.coefficients["leadtime"].values):
            raise BootcampError(
                f"{type(self).__name__} was fitted for other lead times than this Dataset has.",
                "Fit and predict with the same lead times.",
            )
        terms, _ = self._stacked(ds)
        point = self.start(ds) + self._regression(terms)
        width = self.dressing.values.astype(np.float32)  # (leadtime, surface, quantile)
        land = self._surface(ds)[:, None]
        added = np.where(land[..., None], width[:, 1, None, None], width[:, 0, None, None])  # (t, l, y, x, q)
        return quantile_forecast(np.moveaxis(point[..., None] + added, -1, 2), ds)

    def _stacked(self, ds: xr.Dataset) -> tuple[np.ndarray, list[str]]:
        terms = self.terms(ds)
        return np.stack([np.asarray(t, np.float32) for t in terms.values()], axis=-1), list(terms)

    def _regression(self, terms: np.ndarray) -> np.ndarray:
        """The weighted sum of the terms, (time, leadtime, y, x)."""
        factors = self.coefficients.values.astype(np.float32)
        out = np.empty(terms.shape[:-1], np.float32)
        for lead in range(terms.shape[1]):
            out[:, lead] = terms[:, lead] @ factors[lead, :-1] + factors[lead, -1]
        return out

    def _surface(self, ds: xr.Dataset) -> np.ndarray:
        """True over land, (time, y, x); the surface does not change with lead time."""
        return predictor(ds, "land_area_fraction").isel(leadtime=0).values > LAND

    def _quantiles(self, errors: np.ndarray, train: xr.Dataset) -> xr.DataArray:
        land = self._surface(train)
        out = np.empty((errors.shape[1], 2, len(QUANTILES)))
        for lead in range(errors.shape[1]):
            for surface in (0, 1):
                some = errors[:, lead][land == bool(surface)] if self.by_surface else errors[:, lead]
                # A training period without sea (or land) borrows the quantiles of all pixels.
                out[lead, surface] = np.quantile(some if some.size else errors[:, lead], QUANTILES)
        coords = {
            "leadtime": train["leadtime"].values,
            "surface": ["sea", "land"],
            "quantile": list(QUANTILES),
        }
        return xr.DataArray(out, coords, ("leadtime", "surface", "quantile"), attrs={"units": "K"})


def height_difference(ds: xr.Dataset) -> np.ndarray:
    """True altitude minus the weather model's, in m, (time, leadtime, y, x)."""
    return predictor(ds, "altitude").values - predictor(ds, "model_altitude").values


@dataclass
class ElevationCorrection(Dressed):
    """A lapse rate, found by regression on the difference between true and model altitude (K/m)."""

    name = "elevation"

    def terms(self, ds: xr.Dataset) -> dict[str, np.ndarray]:
        """The difference in altitude, in m."""
        return {"height_difference": height_difference(ds)}


@dataclass
class Today(Dressed):
    """What yr.no ran: altitude, the bias of the last weeks and yesterday's bias; no constant."""

    name = "today"

    def terms(self, ds: xr.Dataset) -> dict[str, np.ndarray]:
        """The difference in altitude (m) and two biases (K)."""
        biases = {name: predictor(ds, name).values for name in ("bias_recent", "bias_yesterday")}
        return {"height_difference": height_difference(ds), **biases}


@dataclass
class Regression(Dressed):
    """A weighted sum of all predictors and a constant, for each lead time."""

    name = "regression"
    intercept = True

    def terms(self, ds: xr.Dataset) -> dict[str, np.ndarray]:
        """All 17 predictors, normalised (lead time is constant within each regression: no effect)."""
        features, _ = to_features(ds)
        shape = (ds.sizes["time"], ds.sizes["leadtime"], ds.sizes["y"], ds.sizes["x"])
        return {name: features[..., i].reshape(shape) for i, name in enumerate(PREDICTORS)}


@dataclass
class Climatology(Dressed):
    """No forecast at all: temperature from season, hour of the day, altitude and land, by regression."""

    name = "climatology"
    intercept = True
    pooled = True

    def start(self, ds: xr.Dataset) -> np.ndarray:
        """Nothing is corrected: the regression gives the temperature itself."""
        return np.zeros_like(control(ds).values)

    def terms(self, ds: xr.Dataset) -> dict[str, np.ndarray]:
        """First harmonics of the year and the day (UTC), altitude in km, land fraction."""
        valid = ds["time"].values[:, None] + (leadtime_hours(ds) * 3600).astype("timedelta64[s]")
        days = (valid - valid.astype("datetime64[Y]")) / np.timedelta64(1, "D")
        year, day = 2 * np.pi * days / 365.25, 2 * np.pi * (days % 1)
        waves = {
            "cos_year": np.cos(year),
            "sin_year": np.sin(year),
            "cos_day": np.cos(day),
            "sin_day": np.sin(day),
        }
        shape = control(ds).shape
        terms = {name: np.broadcast_to(wave[..., None, None], shape) for name, wave in waves.items()}
        terms["altitude_km"] = predictor(ds, "altitude").values / 1000
        terms["land"] = predictor(ds, "land_area_fraction").values
        return terms


def all_baselines(**options) -> list[Baseline]:
    """One of each, in the order of the ladder; ``options`` go to those that are dressed."""
    kinds = (Climatology, ElevationCorrection, Today, Regression)
    first, *others = (kind(**options) for kind in kinds)
    return [first, Raw(), *others]
