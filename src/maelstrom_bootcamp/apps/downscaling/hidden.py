"""What the simulation knows and no method is shown: the large-scale wind and the cloudiness of a time."""

from __future__ import annotations

import numpy as np
import xarray as xr

from maelstrom_bootcamp.bucket.downscaling.periods import tier1
from maelstrom_bootcamp.bucket.downscaling.weather import Weather
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.settings import settings


def hidden_weather(time: xr.DataArray, size: str | None = None) -> xr.Dataset:
    """Wind and cloudiness behind times of tier 1: drawn again from the sample's seed.

    To sort errors by, not to forecast with: tier 1 has no such field.

    Parameters
    ----------
    time : xarray.DataArray
        datetime64, times of the sample.
    size : {"ci", "default", "full"}, optional
        Of the sample; by default that of the settings.

    Returns
    -------
    xarray.Dataset
        (time): ``wind``, m/s, at 850 hPa; ``cloudiness``, in standard deviations of the field of clouds: high
        where it is overcast.

    Raises
    ------
    BootcampError
        If the data are not the sample, or a time is not in it.
    """
    now = settings()
    if now.data != "sample":
        raise BootcampError("Only the sample's weather can be drawn again.", "Unset MAELSTROM_DATA.")
    stretches = {stretch.month: stretch for stretch in tier1(size or now.size)}
    found = {}
    for month in np.unique(time.values.astype("datetime64[M]")):
        stretch = stretches.get(str(month))
        if stretch is None:
            raise BootcampError(f"The sample has no month {month}.", "Give times of read_tier1.")
        series = Weather(now.seed, stretch.key, stretch.start, stretch.keep[-1]).series
        for stamp, hour in zip(stretch.times, stretch.keep, strict=True):
            found[stamp] = (float(np.hypot(series.u[hour], series.v[hour])), float(series.cloudiness[hour]))
    stamps = time.values.astype("datetime64[ns]")
    unknown = [stamp for stamp in stamps if stamp not in found]
    if unknown:
        raise BootcampError(f"The sample does not hold {unknown[0]}.", "Give times of read_tier1.")
    wind, cloudiness = np.array([found[stamp] for stamp in stamps]).T
    return xr.Dataset(
        {
            "wind": ("time", wind, {"units": "m s-1", "long_name": "wind at 850 hPa"}),
            "cloudiness": ("time", cloudiness, {"units": "1"}),
        },
        {"time": time.values},
    )
