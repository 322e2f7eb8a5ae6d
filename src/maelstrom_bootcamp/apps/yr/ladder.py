"""The ladder of methods: whether the sample's weather rewards what real weather rewards.

From climatology to an oracle that knows what the generator hides, every rung is scored against the
analysis on the test period. A generator whose oracle is no better than the raw forecast, or whose
neighbours say nothing, teaches nothing: this table is looked at before any network is trained. No setting
of the generator is tuned until a wanted ordering appears; whatever comes out is reported.

Run ``python -m maelstrom_bootcamp.apps.yr.ladder`` to print it for the bucket of the current settings.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from scipy.ndimage import gaussian_filter
from sklearn.ensemble import HistGradientBoostingRegressor

from maelstrom_bootcamp import bucket
from maelstrom_bootcamp.apps.yr.dataset import open_runs
from maelstrom_bootcamp.apps.yr.evaluate import TRIM
from maelstrom_bootcamp.bucket.yr import weather
from maelstrom_bootcamp.bucket.yr.periods import PERIODS
from maelstrom_bootcamp.bucket.yr.terrain import ground
from maelstrom_bootcamp.settings import settings

LAPSE_RATE = 0.0065  # K m-1
RUNGS = ("climatology", "raw", "elevation", "today", "pointwise", "context", "oracle")
_STATIC = ("altitude", "analysis_std", "bias_recent", "land_area_fraction", "model_altitude", "model_laf")
_TODAY = ("elevation_difference", "bias_recent", "bias_yesterday")


@dataclass(frozen=True)
class Table:
    """Samples of one split: rows are land pixels at one lead time of one run.

    Attributes
    ----------
    pointwise, context, oracle : pandas.DataFrame
        Predictors of each rung: what the pixel knows, what its neighbours add, what nobody can know.
    raw, elevation, target : numpy.ndarray
        (rows,), degree Celsius.
    lead : numpy.ndarray
        Lead time, h, (rows,).
    """

    pointwise: pd.DataFrame
    context: pd.DataFrame
    oracle: pd.DataFrame
    raw: np.ndarray
    elevation: np.ndarray
    target: np.ndarray
    lead: np.ndarray


def _smooth(field: np.ndarray, km: float) -> np.ndarray:
    return gaussian_filter(field, [0.0] * (field.ndim - 2) + [km, km])


def _neighbours(p: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What the neighbours say: position in the terrain, smoothed biases, clouds and temperature."""
    h = p["altitude"]
    out = {f"altitude above {km} km mean": h - _smooth(h, km) for km in (3, 8, 20)}
    out["relief"] = np.sqrt(np.maximum(_smooth(h * h, 5) - _smooth(h, 5) ** 2, 0))
    scales = {"land_area_fraction": 5, "bias_recent": 8, "bias_yesterday": 8, "cloud_area_fraction": 15}
    for name, km in (scales | {"precipitation_amount": 15}).items():
        out[f"{name} over {km} km"] = _smooth(p[name], km)
    out["temperature gradient"] = _smooth(p["elevation"], 20) - p["elevation"]
    return out


def _hidden(hours: np.ndarray, error: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """What nobody can know: hidden ground, shelter, and the forecast's true mean error over 12 km."""
    state = np.stack([weather.ground_state(seed, int(h)) for h in hours])
    return {"hidden ground": state, "shelter": ground().shelter, "true error over 12 km": _smooth(error, 12)}


def _fields(run: xr.Dataset) -> dict[str, np.ndarray]:
    values = run.predictors.values
    p = {str(name): values[..., k] for k, name in enumerate(run.predictor.values)}
    p |= {name: p[name][0] for name in _STATIC}
    p["elevation_difference"] = p["altitude"] - p["model_altitude"]
    p["elevation"] = p["air_temperature_2m"] - LAPSE_RATE * p["elevation_difference"]
    return p


def collect(days: Sequence[str], truth: xr.DataArray, *, pixels: int = 300, seed: int = 0) -> Table:
    """Samples for the ladder.

    Parameters
    ----------
    days : sequence of str
        Dates of the runs.
    truth : xarray.DataArray
        Nature (time, y, x), degree Celsius, from `open_truth`.
    pixels : int
        Land pixels drawn at each lead time of each run, inside the border of 32.
    seed : int
        Data seed of the bucket.

    Returns
    -------
    Table
    """
    g = np.random.default_rng(0)
    inner = np.zeros_like(ground().land)
    inner[TRIM:-TRIM, TRIM:-TRIM] = True
    land = np.flatnonzero(inner & ground().land)
    parts: list[tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]] = []
    for day in days:
        run = open_runs([day]).isel(time=0)
        p, valid = _fields(run), (run.time + run.leadtime).values
        hours = np.array([weather.hour_of(t.astype("datetime64[s]").item()) for t in valid])
        near, hidden = _neighbours(p), _hidden(hours, truth.sel(time=valid).values - p["elevation"], seed)
        leads = run.leadtime.values.astype("timedelta64[h]").astype(int)
        answer = {"target": run.targets.values[..., 0], "raw": p["air_temperature_2m"]}
        answer["elevation"] = p["elevation"]
        for k, lead in enumerate(leads):
            pick = g.choice(land, pixels, replace=False)
            tables = [
                pd.DataFrame({n: (f if f.ndim == 2 else f[k]).ravel()[pick] for n, f in group.items()})
                for group in (p, near, hidden, answer)
            ]
            tables[0]["lead"] = lead
            parts.append(tuple(tables))
    point, near_, hidden_, answers = (pd.concat(t, ignore_index=True) for t in zip(*parts, strict=True))
    context = pd.concat([point, near_], axis=1)
    columns = [answers[c].to_numpy() for c in ("raw", "elevation", "target")]
    return Table(point, context, pd.concat([context, hidden_], axis=1), *columns, point["lead"].to_numpy())


def _today(train: Table, test: Table) -> np.ndarray:
    """MET's operational rung: per lead time, a regression on elevation difference and the two biases."""
    out = test.raw.copy()
    for lead in np.unique(train.lead):
        a, b = train.lead == lead, test.lead == lead
        x = train.pointwise.loc[a, list(_TODAY)].to_numpy()
        w, *_ = np.linalg.lstsq(x, (train.target - train.raw)[a], rcond=None)
        out[b] += test.pointwise.loc[b, list(_TODAY)].to_numpy() @ w
    return out


def ladder(train: Table, test: Table) -> pd.DataFrame:
    """Scores of every rung on the test samples.

    Parameters
    ----------
    train, test : Table

    Returns
    -------
    pandas.DataFrame
        Rows `RUNGS`; columns mae and rmse, K.
    """
    forecasts = {"raw": test.raw, "elevation": test.elevation, "today": _today(train, test)}
    forecasts["climatology"] = np.full_like(test.target, train.target.mean())
    today = _today(train, train)
    for name in ("pointwise", "context", "oracle"):
        # Each learns what `today` leaves over. Leaves are large: pixels of one field share their error.
        model = HistGradientBoostingRegressor(
            loss="absolute_error", max_iter=150, learning_rate=0.05, min_samples_leaf=2000, random_state=0
        )
        model.fit(getattr(train, name), train.target - today)
        forecasts[name] = forecasts["today"] + model.predict(getattr(test, name))
    errors = {rung: forecasts[rung] - test.target for rung in RUNGS}
    rows = {rung: (np.abs(e).mean(), np.sqrt((e**2).mean())) for rung, e in errors.items()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=["mae", "rmse"])


def open_truth(size: str | None = None) -> xr.DataArray:
    """Nature at every analysis time of the bucket.

    Parameters
    ----------
    size : {"ci", "default", "full"}, optional
        Size of the bucket; by default that of the settings.

    Returns
    -------
    xarray.DataArray
        (time, y, x), degree Celsius.
    """
    bucket.serve("maelstrom-yr", size=size)
    blocks = []
    for path in sorted(bucket.truth("maelstrom-yr").glob("*.nc")):
        with xr.open_dataset(path) as f:
            blocks.append(f["truth"].load())
    # Blocks overlap by the lead-in; nature is the same there but for its spin-up: keep the later one.
    return xr.concat(blocks, "time").drop_duplicates("time", keep="last").sortby("time")


def main() -> None:
    """Print the ladder of the current bucket."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pixels", type=int, default=300, help="land pixels drawn from each field")
    pixels, now = parser.parse_args().pixels, settings()
    truth = open_truth()
    train, test = (
        collect(PERIODS[now.size][s], truth, pixels=pixels, seed=now.seed) for s in ("train", "test")
    )
    print(f"maelstrom-yr, size {now.size}, data seed {now.seed}: {len(test.target)} test samples over land")
    print(ladder(train, test).round(3).to_string())


if __name__ == "__main__":
    main()
