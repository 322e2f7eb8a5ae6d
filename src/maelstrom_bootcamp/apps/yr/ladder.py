"""The ladder of methods: whether the sample's weather rewards what real weather rewards.

From climatology to an oracle that knows what the generator hides, every rung is scored against the
analysis on the test period. A generator whose oracle is no better than the raw forecast, or whose
neighbours say nothing, teaches nothing: this table is looked at before any network is trained. No setting
of the generator is tuned until a wanted ordering appears; whatever comes out is reported.

Run ``python -m maelstrom_bootcamp.apps.yr.ladder`` to print it for the bucket of the current size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy.ndimage import gaussian_filter
from sklearn.ensemble import HistGradientBoostingRegressor

from maelstrom_bootcamp.bucket.yr import weather
from maelstrom_bootcamp.bucket.yr.terrain import ground

TRIM = 32
LAPSE_RATE = 0.0065
RUNGS = ("climatology", "raw", "elevation", "today", "pointwise", "context", "oracle")


@dataclass(frozen=True)
class Table:
    """Samples of one split: rows are pixels at one lead time of one run.

    Attributes
    ----------
    pointwise, context, oracle : numpy.ndarray
        Predictors of each rung, (rows, n); each contains the one before.
    raw, elevation, target : numpy.ndarray
        (rows,), degree Celsius.
    lead : numpy.ndarray
        Index of the lead time, (rows,).
    """

    pointwise: np.ndarray
    context: np.ndarray
    oracle: np.ndarray
    raw: np.ndarray
    elevation: np.ndarray
    target: np.ndarray
    lead: np.ndarray


def _smooth(field: np.ndarray, km: float) -> np.ndarray:
    return gaussian_filter(field, [0.0] * (field.ndim - 2) + [km, km])


def _context(p: dict[str, np.ndarray], elevation: np.ndarray) -> list[np.ndarray]:
    """What the neighbours say: terrain position, and smoothed biases, clouds and gradients."""
    h = p["altitude"]
    terrain = [h - _smooth(h, km) for km in (3, 8, 20)]
    terrain.append(np.sqrt(np.maximum(_smooth(h * h, 5) - _smooth(h, 5) ** 2, 0)))
    terrain.append(_smooth(p["land_area_fraction"], 5))
    moving = [_smooth(p["bias_recent"], 8)]
    for name, km in (("bias_yesterday", 8), ("cloud_area_fraction", 15), ("precipitation_amount", 15)):
        moving.append(_smooth(p[name], km))
    moving.append(_smooth(elevation, 20) - elevation)
    return terrain + moving


def _oracle(time: np.datetime64, leads: np.ndarray, error: np.ndarray, seed: int) -> list[np.ndarray]:
    """What nobody can know: hidden ground, shelter, and the forecast's mean error over 12 km."""
    start = weather.hour_of(time.astype("datetime64[s]").item())
    hidden = np.stack([weather.ground_state(seed, start + int(lead)) for lead in leads])
    return [hidden, ground().shelter, _smooth(error, 12)]


def collect(ds: xr.Dataset, truth: xr.Dataset, pixels: int, seed: int) -> Table:
    """Samples for the ladder.

    Parameters
    ----------
    ds : xarray.Dataset
        The plugin's dataset (time, leadtime, y, x).
    truth : xarray.Dataset
        The truth beside the bucket, with `truth` (time, y, x).
    pixels : int
        Land pixels drawn for each field, inside the border of 32.
    seed : int
        Data seed of the bucket.

    Returns
    -------
    Table
    """
    g = np.random.default_rng(0)
    inner = (
        np.zeros(ds.altitude.shape, bool)
        if "altitude" in ds
        else np.zeros((ds.sizes["y"], ds.sizes["x"]), bool)
    )
    inner[TRIM:-TRIM, TRIM:-TRIM] = True
    land = np.flatnonzero(inner & ground().land)
    leads = (
        ds.leadtime.values.astype("timedelta64[h]").astype(int)
        if ds.leadtime.dtype.kind == "m"
        else (ds.leadtime.values / 3600).astype(int)
    )
    rows: list[list[np.ndarray]] = [[] for _ in range(7)]
    for i, time in enumerate(ds.time.values):
        array = ds.predictors.values[i]
        p = {name: array[..., k] for k, name in enumerate(ds.predictor.values)}
        p |= {name: p[name][0] for name in ("altitude", "analysis_std", "bias_recent", "land_area_fraction")}
        p |= {name: p[name][0] for name in ("model_altitude", "model_laf")}
        target = ds.targets.values[i][..., 0]
        raw = p["air_temperature_2m"]
        elevation = raw - LAPSE_RATE * (p["altitude"] - p["model_altitude"])
        valid = truth.truth.sel(time=time + leads.astype("timedelta64[h]")).values
        everything = [*p.values(), p["altitude"] - p["model_altitude"]]
        context = _context(p, elevation)
        oracle = _oracle(time, leads, valid - elevation, seed)
        for k in range(leads.size):
            pick = g.choice(land, pixels, replace=False)
            at = lambda f, k=k, pick=pick: (f if f.ndim == 2 else f[k]).ravel()[pick]  # noqa: E731
            point = np.stack([*(at(f) for f in everything), np.full(pixels, leads[k])], -1)
            near = np.concatenate([point, np.stack([at(f) for f in context], -1)], -1)
            known = np.concatenate([near, np.stack([at(f) for f in oracle], -1)], -1)
            for column, values in zip(
                rows,
                (point, near, known, at(raw), at(elevation), at(target), np.full(pixels, k)),
                strict=True,
            ):
                column.append(values)
    return Table(*(np.concatenate(c) for c in rows))


def _today(train: Table, test: Table, names: list[int]) -> np.ndarray:
    """Per-lead-time regression of the residual on elevation difference and the two biases."""
    out = np.empty_like(test.target)
    for k in np.unique(train.lead):
        a, b = train.lead == k, test.lead == k
        x = np.column_stack([train.pointwise[a][:, names]])
        w, *_ = np.linalg.lstsq(x, (train.target - train.raw)[a], rcond=None)
        out[b] = test.raw[b] + test.pointwise[b][:, names] @ w
    return out


def ladder(train: Table, test: Table, predictor_names: list[str]) -> dict[str, np.ndarray]:
    """Absolute errors of every rung on the test samples.

    Parameters
    ----------
    train, test : Table
    predictor_names : list of str
        The plugin's names, in its order.

    Returns
    -------
    dict of str to numpy.ndarray
        By rung, (rows,), K.
    """
    forecasts = {"raw": test.raw, "elevation": test.elevation}
    forecasts["climatology"] = np.full_like(test.target, train.target.mean())
    column = [predictor_names.index(n) for n in ("bias_recent", "bias_yesterday")]
    forecasts["today"] = _today(train, test, [len(predictor_names), *column])
    for name in ("pointwise", "context", "oracle"):
        model = HistGradientBoostingRegressor(
            loss="absolute_error", max_iter=200, learning_rate=0.08, min_samples_leaf=200, random_state=0
        )
        model.fit(getattr(train, name), train.target - train.elevation)
        forecasts[name] = test.elevation + model.predict(getattr(test, name))
    return {rung: np.abs(forecasts[rung] - test.target) for rung in RUNGS}
