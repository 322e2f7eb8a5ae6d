"""From the plugin's Dataset to the arrays that a network eats, and back to a forecast.

The U-Net sees 17 predictors: 8 that change with lead time, 6 that belong to the run or the terrain, and 3
that are generated (lead time and the position in the domain). It predicts the *residual*, analysis minus
raw control forecast, so that an untrained network already forecasts as well as the raw control.

Names, coefficients and the residual follow metno/maelstrom-train (`maelstrom/loader.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr

from maelstrom_bootcamp.errors import BootcampError

CONTROL = "air_temperature_2m"
LOW, HIGH = "air_temperature_0.1_2m", "air_temperature_0.9_2m"
DYNAMIC = (
    LOW,
    HIGH,
    CONTROL,
    "bias_yesterday",
    "cloud_area_fraction",
    "precipitation_amount",
    "x_wind_10m",
    "y_wind_10m",
)
STATIC = ("altitude", "analysis_std", "bias_recent", "land_area_fraction", "model_altitude", "model_laf")
GENERATED = ("leadtime", "x", "y")
PREDICTORS = DYNAMIC + STATIC + GENERATED
QUANTILES = (0.1, 0.5, 0.9)

Scheme = Literal["centred", "published"]

#: Mean and standard deviation over MET Norway's Nordic archive, as published in the plugin
#: (climetlab-maelstrom-yr 0.6.3, ``Yr.get_normalization``). Temperatures in degree Celsius.
PUBLISHED_TABLE: Mapping[str, tuple[float, float]] = {
    "air_temperature_0.1_2m": (4.725014929970105, 7.566987847083937),
    "air_temperature_0.9_2m": (6.112570554018021, 7.521962731122694),
    "air_temperature_2m": (5.388952960570653, 7.4335476655246735),
    "bias_yesterday": (-0.07066702128698428, 0.7485341580688785),
    "cloud_area_fraction": (0.6884219621618589, 0.40055377741854187),
    "precipitation_amount": (0.07837766820254426, 0.36662233737977684),
    "x_wind_10m": (0.4250524006783962, 4.6850994324021595),
    "y_wind_10m": (-0.7272756993770599, 5.11310843905376),
    "altitude": (110.0174789428711, 218.2789258799505),
    "analysis_std": (0.5121386324365934, 0.40215385148028904),
    "bias_recent": (-0.007340590585954487, 0.5344001060184195),
    "land_area_fraction": (0.45299264788627625, 0.49328521353773686),
    "model_altitude": (109.62958717346191, 213.4803743151553),
    "model_laf": (0.43093839287757874, 0.48621477236654775),
}


@dataclass(frozen=True)
class Normalisation:
    """What is subtracted from each predictor, and by what it is divided.

    Attributes
    ----------
    table : Mapping
        (mean, standard deviation) of the 14 predictors that are read from files.
    scheme : {"centred", "published"}
        How the position (column ``x``, row ``y``) is scaled, see `position`.
    """

    table: Mapping[str, tuple[float, float]]
    scheme: Scheme = "centred"

    def coefficients(self, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Factors ``a`` and ``b`` such that ``a * value + b`` is the normalised predictor.

        Parameters
        ----------
        names : sequence of str

        Returns
        -------
        a, b : numpy.ndarray
            Float32, shape (len(names),).
        """
        mean, std = np.array([self.table[name] for name in names], np.float64).reshape(-1, 2).T
        return (1 / std).astype(np.float32), (-mean / std).astype(np.float32)


PUBLISHED = Normalisation(PUBLISHED_TABLE)


def fit_normalisation(train: xr.Dataset, scheme: Scheme = "centred") -> Normalisation:
    """Means and standard deviations of your own training period, instead of the published ones.

    Parameters
    ----------
    train : xarray.Dataset
        From `maelstrom_bootcamp.apps.yr.dataset.open_runs`.
    scheme : {"centred", "published"}

    Returns
    -------
    Normalisation
        A predictor that never changes gets a standard deviation of 1.
    """
    values = _predictors(train)
    axes = (0, 1, 2, 3)
    mean, std = values.mean(axes, dtype=np.float64), values.std(axes, dtype=np.float64)
    std = np.where(std > 1e-6, std, 1.0)
    table = {n: (float(m), float(s)) for n, m, s in zip(DYNAMIC + STATIC, mean, std, strict=True)}
    return Normalisation(table, scheme)


def position(n: int, scheme: Scheme = "centred") -> np.ndarray:
    """The generated predictors ``x`` and ``y``: where a column or row lies in the domain.

    "published" is the fixed (index - 1000) / 100 of MET Norway's loader, made for a grid of 1796 x 2321
    points. On a domain of 128 x 128 it gives values from -10.0 to -8.7 everywhere: larger than all other
    predictors and nearly constant, so the first layer starts with an offset that it has to unlearn.
    "centred", our default, has mean 0 and standard deviation 1 on every domain.

    Parameters
    ----------
    n : int
        Number of columns or rows of the whole domain (not of a patch).
    scheme : {"centred", "published"}

    Returns
    -------
    numpy.ndarray
        Float32, shape (n,).
    """
    index = np.arange(n, dtype=np.float64)
    if scheme == "published":
        return ((index - 1000) / 100).astype(np.float32)
    if scheme != "centred":
        raise BootcampError(f"There is no scheme {scheme!r} for x and y.", "Use 'centred' or 'published'.")
    # n equally spaced points have the variance (n^2 - 1) / 12.
    return ((index - (n - 1) / 2) / np.sqrt(max(n * n - 1, 1) / 12)).astype(np.float32)


def scale_leadtime(hours: np.ndarray | float) -> np.ndarray:
    """The generated predictor ``leadtime``: (hours - 30) / 10, the published coefficients.

    Parameters
    ----------
    hours : array_like
        Lead time in hours.

    Returns
    -------
    numpy.ndarray
        Float32, same shape.
    """
    return ((np.asarray(hours, np.float64) - 30) / 10).astype(np.float32)


def to_features(ds: xr.Dataset, normalisation: Normalisation = PUBLISHED) -> tuple[np.ndarray, np.ndarray]:
    """All predictors and the residual target of a Dataset, one sample per run and lead time.

    Parameters
    ----------
    ds : xarray.Dataset
        From `maelstrom_bootcamp.apps.yr.dataset.open_runs`.
    normalisation : Normalisation

    Returns
    -------
    features : numpy.ndarray
        Float32, shape (time * leadtime, y, x, 17), in the order of `PREDICTORS`, normalised.
    target : numpy.ndarray
        Float32, shape (time * leadtime, y, x, 2), see `residual_target`.

    Raises
    ------
    BootcampError
        If a predictor or the target's uncertainty is missing.
    """
    raw = _predictors(ds)
    n_time, n_lead, ny, nx, n_read = raw.shape
    features = np.empty((n_time, n_lead, ny, nx, len(PREDICTORS)), np.float32)
    a, b = normalisation.coefficients(DYNAMIC + STATIC)
    np.multiply(raw, a, out=features[..., :n_read])
    features[..., :n_read] += b
    features[..., n_read] = scale_leadtime(leadtime_hours(ds))[:, None, None]
    features[..., n_read + 1] = _position_of(ds, "column", "x", normalisation.scheme)
    features[..., n_read + 2] = _position_of(ds, "row", "y", normalisation.scheme)[:, None]
    return features.reshape(-1, ny, nx, len(PREDICTORS)), residual_target(ds)


def residual_target(ds: xr.Dataset) -> np.ndarray:
    """What the network is asked for: analysis minus raw control forecast, and the analysis' uncertainty.

    The difference is taken before any normalisation, in degree Celsius (so its unit is K). The second
    channel, the standard deviation of the analysis, is passed on untouched: the loss needs it.

    Parameters
    ----------
    ds : xarray.Dataset

    Returns
    -------
    numpy.ndarray
        Float32, shape (time * leadtime, y, x, 2), in K.
    """
    names = [str(t) for t in ds["target"].values]
    if names != ["mean", "std"]:
        raise BootcampError(
            f"The Dataset's targets are {names}, not mean and std.",
            "Open it with open_runs, or ask the plugin for probabilistic_target=True.",
        )
    target = ds["targets"].transpose("time", "leadtime", "y", "x", "target").values.astype(np.float32)
    target[..., 0] -= control(ds).values
    return target.reshape(-1, *target.shape[2:])


def residuals_to_forecast(residuals: np.ndarray, ds: xr.Dataset) -> xr.DataArray:
    """Add the raw control forecast back to predicted residuals.

    Parameters
    ----------
    residuals : numpy.ndarray
        Quantiles 0.1, 0.5, 0.9 of analysis minus raw control, shape (time * leadtime, y, x, 3), in K.
    ds : xarray.Dataset
        The Dataset that the predictors came from.

    Returns
    -------
    xarray.DataArray
        See `quantile_forecast`.
    """
    raw = control(ds)
    shape = (*raw.shape, len(QUANTILES))
    if residuals.size != np.prod(shape):
        raise BootcampError(
            f"Residuals of shape {residuals.shape} do not belong to a Dataset of shape {raw.shape}.",
            "Predict all runs and lead times of the Dataset, in the order of to_features.",
        )
    values = residuals.reshape(shape) + raw.values[..., None]
    return quantile_forecast(np.moveaxis(values, -1, 2), ds)


def quantile_forecast(values: np.ndarray, ds: xr.Dataset) -> xr.DataArray:
    """Dress an array with the coordinates of a Dataset.

    Parameters
    ----------
    values : numpy.ndarray
        Shape (time, leadtime, quantile, y, x), in degree Celsius.
    ds : xarray.Dataset

    Returns
    -------
    xarray.DataArray
        Dimensions (time, leadtime, quantile, y, x), CF names.
    """
    dims = ("time", "leadtime", "quantile", "y", "x")
    coords = {n: c for n, c in ds.coords.items() if set(c.dims) <= set(dims)}
    attrs = {
        "standard_name": "air_temperature",
        "units": "degree_Celsius",
        "long_name": "quantiles of 2 m temperature",
    }
    coords["quantile"] = (
        "quantile",
        list(QUANTILES),
        {"long_name": "probability level of the quantile", "units": "1"},
    )
    return xr.DataArray(values.astype(np.float32, copy=False), coords, dims, "air_temperature_2m", attrs)


def predictor(ds: xr.Dataset, name: str) -> xr.DataArray:
    """One predictor, in its own unit.

    Parameters
    ----------
    ds : xarray.Dataset
    name : str
        One of `DYNAMIC` or `STATIC`.

    Returns
    -------
    xarray.DataArray
        Dimensions (time, leadtime, y, x).
    """
    names = [str(p) for p in ds["predictor"].values]
    if name not in names:
        raise BootcampError(f"The Dataset has no predictor {name!r}.", f"It has: {', '.join(names)}.")
    field = ds["predictors"].isel(predictor=names.index(name), drop=True)
    return field.transpose("time", "leadtime", "y", "x").rename(name)


def control(ds: xr.Dataset) -> xr.DataArray:
    """The raw control forecast of 2 m temperature, in degree Celsius, (time, leadtime, y, x)."""
    return predictor(ds, CONTROL)


def analysis(ds: xr.Dataset, what: Literal["mean", "std"] = "mean") -> xr.DataArray:
    """The target analysis (degree Celsius) or its standard deviation (K), (time, leadtime, y, x)."""
    field = ds["targets"].sel(target=what, drop=True).transpose("time", "leadtime", "y", "x")
    name = "air_temperature standard_error" if what == "std" else "air_temperature"
    units = "K" if what == "std" else "degree_Celsius"
    return field.rename(f"target_{what}").assign_attrs(standard_name=name, units=units)


def leadtime_hours(ds: xr.Dataset | xr.DataArray) -> np.ndarray:
    """Lead times in hours, float64, shape (leadtime,)."""
    values = ds["leadtime"].values
    if np.issubdtype(values.dtype, np.timedelta64):
        return values / np.timedelta64(1, "h")
    return values.astype(np.float64) / 3600  # as the plugin gives them: seconds


def _predictors(ds: xr.Dataset) -> np.ndarray:
    """The 14 predictors read from files in our order, (time, leadtime, y, x, 14), not copied if possible."""
    names = [str(p) for p in ds["predictor"].values]
    missing = [n for n in DYNAMIC + STATIC if n not in names]
    if missing:
        raise BootcampError(
            f"The Dataset lacks the predictors {', '.join(missing)}.", "Open it with open_runs, unfiltered."
        )
    values = ds["predictors"].transpose("time", "leadtime", "y", "x", "predictor").values
    order = [names.index(n) for n in DYNAMIC + STATIC]
    return values if order == list(range(len(names))) else values[..., order]


def _position_of(ds: xr.Dataset, coordinate: str, dim: str, scheme: Scheme) -> np.ndarray:
    """Scaled position in the domain that the files hold, also for a Dataset that was cut or thinned."""
    if coordinate not in ds.coords:
        return position(ds.sizes[dim], scheme)
    return position(int(ds[coordinate].attrs["size"]), scheme)[ds[coordinate].values]
