"""What plain statistics make of an ensemble: the numbers that a network has to beat.

Every baseline is used in the same way::

    model = Emos().fit(members, truth)    # of the training years
    forecast = model.predict(members)     # mu and sigma of a normal distribution at each grid point

`members` is (time, member, latitude, longitude), or the Dataset of `read_members`, of which the target's own
forecast is taken. All are fitted by the least CRPS, to a minimum, and without chance.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Self

import numpy as np
import xarray as xr
from scipy.optimize import minimize
from scipy.special import ndtr

from maelstrom_bootcamp.apps.ens10.dataset import task
from maelstrom_bootcamp.errors import BootcampError

DIMS = ("time", "member", "latitude", "longitude")
GRID = ("latitude", "longitude")
#: Range of a target's members by which spcl/ens10 normalises them (``baselines/loader.py``).
RANGES = {"z500": (48200.0, 58000.0), "t850": (240.0, 299.0), "t2m": (218.0, 304.0)}
#: Least spread and standard deviation, as a share of the mean spread: a logarithm and a quotient stay finite.
SMALLEST = 1e-3
Loss = Callable[[np.ndarray], tuple[float, np.ndarray]]


def crps_and_slopes(
    mu: np.ndarray, sigma: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """CRPS of normal distributions, and how it changes with mu and with sigma.

    With z = (y - mu) / sigma::

        CRPS = sigma (z (2 Phi(z) - 1) + 2 phi(z) - 1 / sqrt(pi))
        dCRPS / dmu = 1 - 2 Phi(z),    dCRPS / dsigma = 2 phi(z) - 1 / sqrt(pi)

    Parameters
    ----------
    mu, sigma, y : numpy.ndarray
        Mean, standard deviation (> 0) and what came true, in the same unit.

    Returns
    -------
    crps, by_mu, by_sigma : numpy.ndarray
        The first in the unit of y, the slopes without unit.

    References
    ----------
    Gneiting, T., Raftery, A., Westveld, A. and Goldman, T. (2005): Calibrated probabilistic forecasting using
    ensemble model output statistics and minimum CRPS estimation. Mon. Wea. Rev. 133, 1098-1118, equation 5.
    """
    z = (y - mu) / sigma
    by_mu = 1 - 2 * ndtr(z)
    by_sigma = np.sqrt(2 / np.pi) * np.exp(-0.5 * z * z) - 1 / np.sqrt(np.pi)
    return sigma * (by_sigma - z * by_mu), by_mu, by_sigma


class Baseline(ABC):
    """A method that learns from training years, and turns members into a normal distribution."""

    parameters: int | None = None

    def fit(self, members: xr.DataArray | xr.Dataset, truth: xr.DataArray) -> Self:
        """Learn from forecasts and what came true; returns itself.

        Parameters
        ----------
        members : xarray.DataArray or xarray.Dataset
            (time, member, latitude, longitude), in the unit of the truth.
        truth : xarray.DataArray
            (time, latitude, longitude), on the same points.

        Raises
        ------
        BootcampError
            If they do not lie on the same points, or a value is missing.
        """
        own = own_members(members)
        if set(truth.dims) != set(DIMS) - {"member"}:
            raise BootcampError(f"The truth has the dimensions {truth.dims}.", "Give time and the grid.")
        try:
            own, truth = xr.align(own, truth, join="exact")
        except ValueError as error:
            raise BootcampError(
                f"Members and truth do not lie on the same points: {error}", "Read the same split of both."
            ) from error
        y = truth.transpose("time", *GRID).values.astype(float)
        if not np.isfinite(y).all():
            raise BootcampError("Some of the truth is missing.", "Leave these dates out of both.")
        self._sizes = {dim: own.sizes[dim] for dim in DIMS[1:]}
        self._learn(own, y)
        return self

    def predict(self, members: xr.DataArray | xr.Dataset) -> xr.Dataset:
        """Forecast.

        Parameters
        ----------
        members : xarray.DataArray or xarray.Dataset
            As many and on the same grid as those of `fit`.

        Returns
        -------
        xarray.Dataset
            ``mu`` and ``sigma`` (time, latitude, longitude), in the unit of the members.
        """
        if self.parameters is None:
            raise BootcampError(f"{type(self).__name__} has not been fitted.", "Call fit(members, truth).")
        own = own_members(members)
        sizes = {dim: own.sizes[dim] for dim in DIMS[1:]}
        if sizes != self._sizes:
            raise BootcampError(
                f"Fitted to {self._sizes}, and these are {sizes}.", "Fit another one to forecasts like these."
            )
        mu, sigma = self._normal(own)
        where = own.isel(member=0, drop=True)
        units = {"units": own.attrs.get("units", "1")}
        names = {"mu": mu, "sigma": np.maximum(sigma, np.finfo("f4").tiny)}
        return xr.Dataset({n: where.copy(data=v.astype("f4")).assign_attrs(units) for n, v in names.items()})

    @abstractmethod
    def _learn(self, members: xr.DataArray, y: np.ndarray) -> None:
        """Learn from members (time, member, latitude, longitude) and truth (time, latitude, longitude)."""

    @abstractmethod
    def _normal(self, members: xr.DataArray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation, each (time, latitude, longitude), float64."""


def own_members(members: xr.DataArray | xr.Dataset) -> xr.DataArray:
    """The members of the target itself, dimensions in order.

    Raises
    ------
    BootcampError
        If a dimension or a value is missing, or there is one member only.
    """
    if isinstance(members, xr.Dataset):
        if members.attrs.get("own") not in members:
            raise BootcampError("The dataset does not say which variable is the target's own.", "Pick it.")
        members = members[members.attrs["own"]]
    if set(members.dims) != set(DIMS):
        raise BootcampError(f"The members have the dimensions {members.dims}.", f"They need {DIMS}.")
    if members.sizes["member"] < 2:
        raise BootcampError("One member has no spread.", "Give at least 2 members.")
    members = members.transpose(*DIMS)
    if not np.isfinite(members).all():
        raise BootcampError("Some members are missing.", "Leave these dates out.")
    return members


class Climatology(Baseline):
    """What is usual at a grid point on this day: mean, annual wave, and how far single years are off.

    Four constants a grid point. The members are not used, their dates are.
    """

    def _learn(self, members: xr.DataArray, y: np.ndarray) -> None:
        wave = annual_wave(members)
        if len(y) <= wave.shape[1]:
            raise BootcampError(f"{len(y)} dates do not tell an annual wave.", "Give 4 dates at least.")
        flat = y.reshape(len(y), -1)
        self._factors, *_ = np.linalg.lstsq(wave, flat, rcond=None)
        left = flat - wave @ self._factors
        self._sigma = np.sqrt((left**2).sum(axis=0) / (len(y) - wave.shape[1])).reshape(y.shape[1:])
        self.parameters = self._factors.size + self._sigma.size

    def _normal(self, members: xr.DataArray) -> tuple[np.ndarray, np.ndarray]:
        mu = (annual_wave(members) @ self._factors).reshape(-1, *self._sigma.shape)
        return mu, np.broadcast_to(self._sigma, mu.shape)


def annual_wave(field: xr.DataArray) -> np.ndarray:
    """One, cosine and sine of the day of the year, (time, 3)."""
    phase = 2 * np.pi * (field["time"].dt.dayofyear.values - 1) / 365.25
    return np.stack([np.ones_like(phase), np.cos(phase), np.sin(phase)], axis=-1)


class Emos(Baseline):
    """The EMOS of ENS-10: one set of constants for the whole globe, 13 of them for ten members.

    With m and s, mean and (population) spread of the members at a point, and members x' normalised to their
    usual range::

        mu = m + s (b + sum_i w_i x'_i),    sigma = s exp(c + d s')

    M weights and b, c, d: M + 3 parameters.

    Parameters
    ----------
    target : {"z500", "t850", "t2m"}
        Says the range.
    tied : bool
        All members get the same weight: 4 parameters, whatever M.
    by_area : bool
        Minimise the mean over the globe. False as in the public code: over the points of the grid, so that
        the poles count too much.

    References
    ----------
    ``baselines/models/EMOS.py``, ``Train.py`` and ``loader.py`` of spcl/ens10, own code after them; Ashkboos
    et al. (2022), arXiv:2206.14786.
    """

    def __init__(self, target: str, *, tied: bool = False, by_area: bool = True) -> None:
        task(target)
        self.target, self.tied, self.by_area = target, tied, by_area

    def _learn(self, members: xr.DataArray, y: np.ndarray) -> None:
        terms, weight = self.terms(members), _weights(members, self.by_area)
        x, _, s = terms
        one, n_mu = np.ones((*s.shape, 1)), x.shape[-1] + 1
        better = np.zeros((n_mu + 2, n_mu + 2))
        of_mu = np.concatenate([x, one], axis=-1) * s[..., None] / s.mean()
        better[:n_mu, :n_mu] = _whitener(of_mu, weight)
        of_sigma = np.concatenate([one, self._small(s)[..., None]], axis=-1)
        better[n_mu:, n_mu:] = _whitener(of_sigma, weight)

        def loss(q: np.ndarray) -> tuple[float, np.ndarray]:
            crps, slopes = self.loss(better @ q, terms, y, weight)
            return crps / s.mean(), slopes @ better / s.mean()

        self.constants = better @ _least(loss, np.zeros(n_mu + 2))
        self.parameters = self.constants.size

    def _normal(self, members: xr.DataArray) -> tuple[np.ndarray, np.ndarray]:
        x, m, s = self.terms(members)
        return self._apply(self.constants, x, m, s)

    def terms(self, members: xr.DataArray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Normalised members (time, latitude, longitude, M, or 1 if tied), their mean and spread in units."""
        raw = members.transpose("time", *GRID, "member").values.astype(float)
        low, high = RANGES[self.target]
        m, s = raw.mean(axis=-1), raw.std(axis=-1)
        x = ((m[..., None] if self.tied else raw) - low) / (high - low)
        return x, m, np.maximum(s, SMALLEST * s.mean())

    def loss(
        self, p: np.ndarray, terms: tuple[np.ndarray, ...], y: np.ndarray, weight: np.ndarray
    ) -> tuple[float, np.ndarray]:
        """CRPS, averaged with weights whose sum is 1, and its gradient by the constants.

        Parameters
        ----------
        p : numpy.ndarray
            Weights w of the members, then b, c, d.
        terms : tuple
            Of `terms`.
        y : numpy.ndarray
            (time, latitude, longitude)
        weight : numpy.ndarray
            Of the same shape, or one that fits.

        Returns
        -------
        crps : float
        gradient : numpy.ndarray
        """
        x, _, s = terms
        mu, sigma = self._apply(p, *terms)
        crps, by_mu, by_sigma = crps_and_slopes(mu, sigma, y)
        by_out0, by_out1 = weight * by_mu * s, weight * by_sigma * sigma
        by_w = np.tensordot(by_out0, x, by_out0.ndim)
        by_d = (by_out1 * self._small(s)).sum()
        return float((weight * crps).sum()), np.array([*by_w, by_out0.sum(), by_out1.sum(), by_d])

    def _apply(
        self, p: np.ndarray, x: np.ndarray, m: np.ndarray, s: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        b, c, d = p[-3:]
        return m + s * (b + x @ p[:-3]), s * np.exp(np.clip(c + d * self._small(s), -20, 20))

    def _small(self, s: np.ndarray) -> np.ndarray:
        low, high = RANGES[self.target]
        return s / (high - low)


class ClassicEmos(Baseline):
    """EMOS as it was proposed: a regression on the members, and a variance that grows with theirs.

    ::

        mu = a + sum_i b_i x_i,    sigma^2 = c + d s^2,    c, d >= 0

    One set of constants for the globe: M + 3 parameters.

    Parameters
    ----------
    tied : bool
        mu = a + b m: 4 parameters. Right where members are exchangeable: then no weight can be better founded
        than another.

    References
    ----------
    Gneiting, T., Raftery, A., Westveld, A. and Goldman, T. (2005): Mon. Wea. Rev. 133, 1098-1118.
    """

    def __init__(self, *, tied: bool = False) -> None:
        self.tied = tied

    def _learn(self, members: xr.DataArray, y: np.ndarray) -> None:
        x, s = self._terms(members)
        unit, weight, width = s.mean(), _weights(members, by_area=True), x.shape[-1]
        better = _whitener(x, weight) * unit
        start = np.array([0.0, *np.full(width - 1, 1 / (width - 1))])

        def loss(q: np.ndarray) -> tuple[float, np.ndarray]:
            sigma = np.sqrt(unit**2 * q[-2] + q[-1] * s**2)
            crps, by_mu, by_sigma = crps_and_slopes(x @ (start + better @ q[:-2]), sigma, y)
            by_mu, by_variance = weight * by_mu, weight * by_sigma / (2 * sigma)
            tail = [(by_variance * unit**2).sum(), (by_variance * s**2).sum()]
            slopes = np.array([*(np.tensordot(by_mu, x, by_mu.ndim) @ better), *tail])
            return float((weight * crps).sum()) / unit, slopes / unit

        bounds = [(None, None)] * width + [(SMALLEST**2, None), (0, None)]
        q = _least(loss, np.array([*np.zeros(width), 0.1, 1.0]), bounds)
        self.intercept, *weights = start + better @ q[:-2]
        self.weights, self.variance = np.array(weights), (unit**2 * q[-2], q[-1])
        self.parameters = width + 2

    def _normal(self, members: xr.DataArray) -> tuple[np.ndarray, np.ndarray]:
        x, s = self._terms(members)
        c, d = self.variance
        return x @ [self.intercept, *self.weights], np.sqrt(c + d * s**2)

    def _terms(self, members: xr.DataArray) -> tuple[np.ndarray, np.ndarray]:
        """One and the members (or, tied, their mean), (time, latitude, longitude, terms), and the spread."""
        raw = members.transpose("time", *GRID, "member").values.astype(float)
        x = raw.mean(axis=-1, keepdims=True) if self.tied else raw
        return np.concatenate([np.ones((*x.shape[:-1], 1)), x], axis=-1), raw.std(axis=-1, ddof=1)


class LocalEmos(Baseline):
    """EMOS with constants of each grid point.

    ::

        mu = a + b m,    sigma = c + d s,    c, d >= 0

    With `season`, a gets an annual wave. mu and sigma are linear in the constants and the CRPS is convex in
    mu and sigma: every point has one minimum.

    Members are exchangeable, so they enter by their mean and spread only.

    Parameters
    ----------
    season : bool
        mu = a + a1 cos(t) + a2 sin(t) + b m, with t the day of the year as an angle.
    """

    def __init__(self, *, season: bool = False) -> None:
        self.season = season

    def _learn(self, members: xr.DataArray, y: np.ndarray) -> None:
        if len(y) <= 4 + 2 * self.season:
            raise BootcampError(f"{len(y)} dates for {4 + 2 * self.season} constants a point.", "Give more.")
        terms, m, s = self._terms(members)
        grid = m.shape[1:]
        self._centre, unit = m.mean(axis=0), np.maximum(s.mean(axis=0), SMALLEST * s.mean())
        self._size, self._unit = np.maximum(m.std(axis=0), unit), unit
        terms = [*terms, (m - self._centre) / self._size]
        n_mu, height = len(terms), s / unit

        def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
            p = flat.reshape(-1, *grid)
            change = sum(factor * term for factor, term in zip(p[:n_mu], terms, strict=True))
            crps, by_mu, by_sigma = crps_and_slopes(m + unit * change, unit * (p[-2] + p[-1] * height), y)
            slopes = [(by_mu * term).sum(axis=0) for term in terms]
            slopes += [by_sigma.sum(axis=0), (by_sigma * height).sum(axis=0)]
            return float((crps / unit).sum()) / len(y), np.stack(slopes).ravel() / len(y)

        start = np.stack([np.zeros(grid)] * n_mu + [np.full(grid, 0.5), np.ones(grid)])
        bounds = np.array([[-np.inf, np.inf]] * n_mu + [[10 * SMALLEST, np.inf], [0, np.inf]])
        bounds = np.repeat(bounds, np.prod(grid), axis=0)
        self._factors = _least(loss, start.ravel(), bounds, most=300).reshape(-1, *grid)
        self.parameters = self._factors.size

    def _normal(self, members: xr.DataArray) -> tuple[np.ndarray, np.ndarray]:
        terms, m, s = self._terms(members)
        terms = [*terms, (m - self._centre) / self._size]
        change = sum(factor * term for factor, term in zip(self._factors, terms, strict=False))
        return m + self._unit * change, self._unit * (self._factors[-2] + self._factors[-1] * s / self._unit)

    def _terms(self, members: xr.DataArray) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
        raw = members.values.astype(float)
        wave = annual_wave(members)[:, : 3 if self.season else 1]
        return [w[:, None, None] for w in wave.T], raw.mean(axis=1), raw.std(axis=1, ddof=1)


def _weights(members: xr.DataArray, by_area: bool) -> np.ndarray:
    """Weights of (time, latitude, longitude), of sum 1, each row as its area or all points alike."""
    latitude = members["latitude"].values.astype(float)
    rows = np.cos(np.deg2rad(latitude)) if by_area else np.ones_like(latitude)
    shape = tuple(members.sizes[dim] for dim in ("time", *GRID))
    return np.broadcast_to(rows[:, None] / (rows.sum() * shape[0] * shape[2]), shape)


def _whitener(terms: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Combinations of terms (..., n) that are uncorrelated and of size 1, as columns of (n, n).

    Members are nearly the same number: along such terms the way to the minimum would be long.
    """
    flat = terms.reshape(-1, terms.shape[-1])
    sizes, axes = np.linalg.eigh(flat.T @ (flat * weight.reshape(-1, 1)))
    return axes / np.sqrt(np.maximum(sizes, 1e-12 * sizes[-1]))


def _least(
    loss: Loss, start: np.ndarray, bounds: Sequence[tuple] | np.ndarray | None = None, most: int = 2000
) -> np.ndarray:
    """Constants of the least loss, by L-BFGS; with too few data it ends after so many steps."""
    options = {"maxiter": most, "maxfun": 2 * most, "ftol": 1e-11, "gtol": 1e-8}
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    if not np.isfinite(found.fun):
        raise BootcampError("The CRPS has no minimum on these data.", "Look for absurd values.")
    return found.x
