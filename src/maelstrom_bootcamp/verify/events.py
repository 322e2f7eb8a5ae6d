"""What users notice: the day's lowest and highest temperature, and sharp changes."""

# ruff: noqa: PD004  (xarray has notnull, not notna)

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from scores.categorical import BinaryContingencyManager

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.verify.scores import bias, mae, matched


def valid_time(field: xr.DataArray) -> xr.DataArray:
    """Times for which the values of a forecast hold: start of the run plus lead time.

    Parameters
    ----------
    field : xarray.DataArray
        With the coordinates ``time`` (datetimes) and ``leadtime`` (timedeltas, or numbers with an attribute
        ``units`` of "hours" or "seconds").

    Returns
    -------
    xarray.DataArray
        Datetimes; dimensions (time, leadtime), less those that are scalar.
    """
    for name in ("time", "leadtime"):
        if name not in field.coords:
            raise BootcampError(
                f"The forecast has no coordinate {name!r}.", "Assign it (see apps.yr.dataset)."
            )
    lead = field["leadtime"]
    if not np.issubdtype(lead.dtype, np.timedelta64):
        units = {"h": "h", "hour": "h", "hours": "h", "s": "s", "seconds": "s"}.get(
            lead.attrs.get("units", "")
        )
        if units is None:
            raise BootcampError(
                "The lead times are numbers without a known unit.",
                "Set forecast.leadtime.attrs['units'] to 'hours' or 'seconds', or use timedeltas.",
            )
        lead = lead.copy(data=pd.to_timedelta(np.asarray(lead.values, float), unit=units))
    return (field["time"] + lead).rename("valid_time")


def daily_extremes(field: xr.DataArray) -> xr.Dataset:
    """Lowest and highest value of each complete day (00 to 24 UTC) of each run.

    A day is complete if it has the most valid times that any day of any run has: 4 for forecasts every 6
    hours. With the runs of maelstrom-yr (03, 09, 15, 21 UTC) these are 03, 09, 15 and 21 UTC, so that the
    true extremes of the day are missed in forecast and target alike.

    Parameters
    ----------
    field : xarray.DataArray
        With the dimensions ``time`` and ``leadtime``, see `valid_time`. Take the median of a quantile
        forecast: the lowest 10 % quantile of a day is not the 10 % quantile of the day's lowest temperature.

    Returns
    -------
    xarray.Dataset
        ``minimum`` and ``maximum``, with a dimension ``day`` instead of ``leadtime``: 0 for the day on which
        the run starts. Missing where the day is not complete or one of its values is missing; days that
        no run completes are left out.
    """
    for name in ("time", "leadtime"):
        if name not in field.dims:
            raise BootcampError(f"The forecast has no dimension {name!r}.", "Keep runs and lead times apart.")
    days = valid_time(field).transpose("time", "leadtime").values.astype("datetime64[D]")
    number = (days - field["time"].values.astype("datetime64[D]")[:, None]).astype(int)
    day = xr.DataArray(number, dims=("time", "leadtime"))
    belongs = day == xr.DataArray(every := np.arange(number.max() + 1), {"day": every}, "day")
    count = belongs.sum("leadtime")
    belongs = belongs.isel(day=(count == count.max()).any("time").values)
    # One day after the other: all at once would need as many copies of the field as there are days.
    extremes = {"minimum": [], "maximum": []}
    for i in range(belongs.sizes["day"]):
        values = field.where(belongs.isel(day=i, drop=True))
        complete = values.count("leadtime") == count.max()
        extremes["minimum"].append(values.min("leadtime").where(complete))
        extremes["maximum"].append(values.max("leadtime").where(complete))
    day_index = pd.Index(belongs["day"].values, name="day")
    return xr.Dataset({name: xr.concat(parts, day_index) for name, parts in extremes.items()})


def daily_extreme_errors(forecast: xr.DataArray, target: xr.DataArray) -> pd.DataFrame:
    """Mean absolute error and bias of the day's lowest and highest value.

    Parameters
    ----------
    forecast, target : xarray.DataArray
        With the dimensions ``time`` and ``leadtime``, without ``quantile``; see `daily_extremes`.

    Returns
    -------
    pandas.DataFrame
        Rows (extreme, day), days without a complete run left out; columns ``mae``, ``bias`` (in the
        forecast's unit) and ``runs`` (number of runs behind them).
    """
    forecast, target = matched(forecast, target)
    of_forecast, of_target = daily_extremes(forecast), daily_extremes(target)
    rows = {}
    for name in ("minimum", "maximum"):
        for day in of_forecast["day"].values:
            f, o = of_forecast[name].sel(day=day), of_target[name].sel(day=day)
            known = f.notnull() & o.notnull()
            runs = int(known.any([d for d in known.dims if d != "time"]).sum())
            if runs:
                rows[name, int(day)] = {"mae": float(mae(f, o)), "bias": float(bias(f, o)), "runs": runs}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["extreme", "day"])


def sharp_changes(
    forecast: xr.DataArray, target: xr.DataArray, threshold: float = 5.0, direction: str = "fall"
) -> pd.Series:
    """Hits, misses and false alarms of changes larger than a threshold between consecutive valid times.

    Parameters
    ----------
    forecast, target : xarray.DataArray
        With the dimension ``leadtime``, without ``quantile``, in K or degree Celsius.
    threshold : float
        Smallest change in K that counts.
    direction : {"fall", "rise"}
        Cold outbreaks or warm fronts (and mornings).

    Returns
    -------
    pandas.Series
        ``hits``, ``misses``, ``false_alarms`` (counts), ``hit_rate`` = hits / (hits + misses),
        ``false_alarm_ratio`` = false alarms / (hits + false alarms), ``threat_score`` = hits / (hits + misses
        + false alarms); a ratio of nothing is missing.

    References
    ----------
    Wilks, D. (2019): Statistical Methods in the Atmospheric Sciences, 4th ed., section 9.2.
    """
    if direction not in ("fall", "rise"):
        raise BootcampError(f"direction={direction!r} does not exist.", "Choose 'fall' or 'rise'.")
    if threshold <= 0 or "leadtime" not in forecast.dims:
        raise BootcampError(
            f"No changes larger than {threshold} K along {forecast.dims}.",
            "Give a threshold above 0 and a forecast with the dimension 'leadtime'.",
        )
    forecast, target = matched(forecast, target)
    sign = 1 if direction == "rise" else -1
    changes = [sign * field.diff("leadtime") for field in (forecast, target)]
    events = [(change > threshold).astype(float).where(change.notnull()) for change in changes]
    table = BinaryContingencyManager(*events)
    counts = table.get_counts()
    return pd.Series(
        {
            "hits": int(counts["tp_count"]),
            "misses": int(counts["fn_count"]),
            "false_alarms": int(counts["fp_count"]),
            "hit_rate": float(table.probability_of_detection()),
            "false_alarm_ratio": float(table.false_alarm_ratio()),
            "threat_score": float(table.threat_score()),
        },
        dtype=object,
    )
