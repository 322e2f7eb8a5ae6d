"""Score downscaled temperatures: many methods, one table, intervals from blocks of days.

A method is its forecast, a DataArray (time, lat, lon) in K on the target's grid. `by_time` looks at every
field once; all tables and intervals are made from what it keeps. Methods are always compared on the same
times, so that easy and hard weather is in both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr
from scipy.ndimage import distance_transform_edt, gaussian_filter

from maelstrom_bootcamp.apps.downscaling.dataset import heights, time_blocks
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.verify import scores, spatial, tables
from maelstrom_bootcamp.verify.bootstrap import Interval, paired_group_bootstrap

PLANE = ("lat", "lon")
SCORES = ("rmse", "bias", "gradient", "octave")
BLOCK_DAYS = 5
RESAMPLES = 1000
#: Grid points around which the height of a point is compared: Gaussian weights, 4 points are 26 to 44 km.
AROUND = 4.0
#: m above or below the mean height around, that make a ridge or a valley.
STANDS_OUT = 100.0
#: Land nearer to the sea than so many grid points is coast.
NEAR = 3.0


def by_time(forecasts: Mapping[str, xr.DataArray], ds: xr.Dataset, days: int = BLOCK_DAYS) -> xr.Dataset:
    """What all scores are made of, for each method and time.

    Parameters
    ----------
    forecasts : mapping
        Forecasts (time, lat, lon), K, by name of the method.
    ds : xarray.Dataset
        From `read_tier1`: its target, its grid.
    days : int
        Length of the blocks of the bootstrap; none reaches across two months.

    Returns
    -------
    xarray.Dataset
        Dimensions (model, time): ``square`` (K2) and ``error`` (K), means over the grid; ``gradient``, mean
        amplitude of the gradient (K/km), and ``octave``, variance in the finest octave (K2), of the forecast;
        (time): ``gradient_of_target`` and ``octave_of_target``; coordinate ``block`` (time).

    Raises
    ------
    BootcampError
        If there is no method, or one lies on other points than the target.
    """
    if not forecasts:
        raise BootcampError("There are no forecasts to score.", "Give at least one, by name.")
    target = ds["t2m_tar"].transpose("time", *PLANE)
    spacing = spatial.spacing_of_degrees(target)
    rows = []
    for forecast in forecasts.values():
        forecast, _ = scores.matched(forecast.transpose(*target.dims), target)
        error = forecast.astype(float) - target
        rows.append(
            xr.Dataset({"square": (error**2).mean(PLANE), "error": error.mean(PLANE)}).merge(
                _texture(forecast, spacing)
            )
        )
    found = xr.concat(rows, pd.Index(list(forecasts), name="model")).transpose("model", "time")
    of_target = _texture(target, spacing)
    found = found.assign({f"{name}_of_target": of_target[name] for name in of_target})
    return found.assign_coords(block=("time", time_blocks(ds["time"], days))).drop_attrs()


def _texture(field: xr.DataArray, spacing: spatial.Spacing) -> xr.Dataset:
    gradient = spatial.gradient_amplitude(field, spacing, PLANE).mean(PLANE)
    octave = spatial.scale_variance(field, *spatial.finest_octave(spacing), spacing, PLANE)
    return xr.Dataset({"gradient": gradient, "octave": octave})


def estimate(found: xr.Dataset, method: str, score: str, *, n: int = RESAMPLES, seed: int = 0) -> Interval:
    """One score of one method, with its 95 % interval.

    Parameters
    ----------
    found : xarray.Dataset
        From `by_time`.
    method : str
    score : {"rmse", "bias", "gradient", "octave"}
        ``gradient``: ratio of the mean amplitudes of the gradients, 1 is perfect. ``octave``: spectral error
        at the finest octave, variance of the forecast over that of the target minus 1, 0 is perfect; negative
        is too smooth.
    n, seed : int
        Resamples, and their seed.

    Returns
    -------
    Interval
        K for "rmse" and "bias", else without unit.

    Raises
    ------
    BootcampError
        If there is no such method or score, or there are fewer than two blocks.

    Notes
    -----
    Whole blocks of days are drawn. The intervals are about other weather in months like these; whether other
    months or another training would give another result they do not know.
    """
    known = _row(found, method)
    blocks = found["block"].values
    options = {"n": n, "seed": seed}
    if score in ("gradient", "octave"):
        target = found[f"{score}_of_target"].values
        excess = paired_group_bootstrap(known[score].values, target, blocks, relative=True, **options)
        return Interval(*(1 + part for part in excess)) if score == "gradient" else excess
    if score not in SCORES:
        raise BootcampError(f"There is no score {score!r}.", f"There is {', '.join(SCORES)}.")
    values = known["square" if score == "rmse" else "error"].values
    return paired_group_bootstrap(values, 0 * values, blocks, root=score == "rmse", **options)


def skill(found: xr.Dataset, method: str, reference: str, *, n: int = RESAMPLES, seed: int = 0) -> Interval:
    """How much lower the RMSE of a method is than that of another one, 1 - RMSE / RMSE_ref.

    Parameters
    ----------
    found : xarray.Dataset
        From `by_time`.
    method, reference : str
    n, seed : int
        Resamples, and their seed; both methods meet the same blocks.

    Returns
    -------
    Interval
        Without unit: 0.4 is 40 % lower.

    Raises
    ------
    BootcampError
        If there is no such method, or there are fewer than two blocks.
    """
    squares = [_row(found, name)["square"].values for name in (method, reference)]
    blocks = found["block"].values
    worse = paired_group_bootstrap(*squares, blocks, n=n, seed=seed, root=True, relative=True)
    return Interval(0.0 - worse.estimate, 0.0 - worse.high, 0.0 - worse.low)


def table(
    forecasts: Mapping[str, xr.DataArray] | xr.Dataset,
    ds: xr.Dataset | None = None,
    references: Sequence[str] = ("bilinear", "fitted rate"),
    *,
    days: int = BLOCK_DAYS,
    n: int = RESAMPLES,
    seed: int = 0,
) -> pd.DataFrame:
    """The table of the chapter in one call.

    Parameters
    ----------
    forecasts : mapping or xarray.Dataset
        Forecasts by name of the method; or what `by_time` returned.
    ds : xarray.Dataset, optional
        From `read_tier1`; not needed after `by_time`.
    references : sequence of str
        Methods among the forecasts, whose RMSE is 100 %.
    days, n, seed : int
        Length of the blocks, resamples, and their seed.

    Returns
    -------
    pandas.DataFrame
        One row for each method. Columns (score, part) with the parts "value", "low", "high": ``rmse`` and
        ``bias`` (K), ``gradient`` ratio, spectral error at the finest ``octave``, and for each reference
        ``below NAME``, by how many per cent the RMSE is lower.

    Raises
    ------
    BootcampError
        If a reference is not among the methods, or see `by_time`.
    """
    if not isinstance(forecasts, xr.Dataset):
        if ds is None:
            raise BootcampError("There is no target to score against.", "Give the dataset as well.")
        forecasts = by_time(forecasts, ds, days)
    rows = {}
    for method in forecasts["model"].values:
        parts = {name: estimate(forecasts, method, name, n=n, seed=seed) for name in SCORES}
        for reference in references:
            gain = skill(forecasts, method, reference, n=n, seed=seed)
            parts[f"below {reference}"] = Interval(*(100 * part for part in gain))
        rows[method] = {
            (name, part): value
            for name, interval in parts.items()
            for part, value in zip(("value", "low", "high"), interval, strict=True)
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("method")


def told(scored: pd.DataFrame, digits: Mapping[str, int] | None = None) -> pd.DataFrame:
    """A table to read: one column for each score, "value (low to high)".

    Parameters
    ----------
    scored : pandas.DataFrame
        From `table`.
    digits : mapping, optional
        Digits after the point by score; by default 3 for K and ratios, 1 for per cent.

    Returns
    -------
    pandas.DataFrame
        Of strings.
    """
    columns = {}
    for name in dict.fromkeys(scored.columns.get_level_values(0)):
        d = (digits or {}).get(name, 1 if name.startswith("below") else 3)
        columns[name] = [
            f"{value:.{d}f} ({low:.{d}f} to {high:.{d}f})" if low < high else f"{value:.{d}f}"
            for value, low, high in scored[name][["value", "low", "high"]].itertuples(index=False)
        ]
    return pd.DataFrame(columns, index=scored.index)


def kinds_of_ground(ds: xr.Dataset) -> dict[str, xr.DataArray]:
    """Parts of the region where methods may fail, as masks.

    Parameters
    ----------
    ds : xarray.Dataset
        From `read_tier1`.

    Returns
    -------
    dict of str to xarray.DataArray
        Booleans (lat, lon), none of them overlap: "sea" (height 0); "coast" (land within 3 points of it);
        "valley" and "ridge" (other land more than 100 m below or above the mean around); "other land". Parts
        without a point are left out.
    """
    _, fine = heights(ds)
    fine = fine.transpose(*PLANE)
    stands_out = fine.values - gaussian_filter(fine.values.astype(float), AROUND)
    sea = fine.values <= 0
    away = distance_transform_edt(~sea) if sea.any() else np.full(sea.shape, np.inf)
    coast = ~sea & (away <= NEAR)
    inland = ~sea & ~coast
    masks = {
        "sea": sea,
        "coast": coast,
        "valley": inland & (stands_out < -STANDS_OUT),
        "ridge": inland & (stands_out > STANDS_OUT),
        "other land": inland & (np.abs(stands_out) <= STANDS_OUT),
    }
    return {name: fine.copy(data=mask).drop_attrs() for name, mask in masks.items() if mask.any()}


def rmse_by(
    forecasts: Mapping[str, xr.DataArray], ds: xr.Dataset, masks: Mapping[str, xr.DataArray]
) -> pd.DataFrame:
    """RMSE of each method in parts of space or time.

    Parameters
    ----------
    forecasts : mapping
        Forecasts by name of the method.
    ds : xarray.Dataset
        From `read_tier1`.
    masks : mapping
        Booleans by name, with some of the dimensions (time, lat, lon), from `kinds_of_ground` or
        `robustness.moments`.

    Returns
    -------
    pandas.DataFrame
        One row for each part, K; a column for each method, and ``n``, the number of values.

    Raises
    ------
    BootcampError
        If a part is empty.
    """
    for name, mask in masks.items():
        if not bool(mask.any()):
            raise BootcampError(f"The part {name!r} is empty.", "Leave it out.")
    found = tables.score_table(forecasts, ds["t2m_tar"], {"rmse": scores.rmse}, masks)
    columns = {name: found["rmse"].xs(name, level="method") for name in forecasts}
    columns["n"] = found["n"].groupby("mask").first()
    return pd.DataFrame(columns).loc[list(masks)].rename_axis("part")


def _row(found: xr.Dataset, method: str) -> xr.Dataset:
    if method not in found["model"]:
        raise BootcampError(
            f"There is no method {method!r}.", f"There is {', '.join(map(str, found['model'].values))}."
        )
    return found.sel(model=method)
