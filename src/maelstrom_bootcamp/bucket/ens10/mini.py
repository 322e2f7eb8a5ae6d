"""The recipe of the ``maelstrom-ens5mini`` sample: the same forecasts over Europe, 11 levels, 0.5 degrees.

Nothing is simulated again: the states of ``maelstrom-ens10`` are read back, and their spherical harmonics
are summed on the finer grid. It shows more points, not more detail.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from pathlib import Path

import numpy as np
import xarray as xr

from maelstrom_bootcamp.bucket.ens10.flow import Flow, omega
from maelstrom_bootcamp.bucket.ens10.forecast import DIAGNOSED, MODEL, upper_fields
from maelstrom_bootcamp.bucket.ens10.ground import TRUNCATION
from maelstrom_bootcamp.bucket.ens10.periods import (
    MINI_MEMBERS,
    MINI_STEPS,
    VERSION,
    day_of_year,
    mini_starts,
    start_of,
)
from maelstrom_bootcamp.bucket.ens10.sphere import Sphere
from maelstrom_bootcamp.bucket.ens10.truth import atmosphere
from maelstrom_bootcamp.bucket.writing import Job, Writer

NAME, SOURCE = "maelstrom-ens5mini", "maelstrom-ens10"
HOST = "url/https/storage.ecmwf.europeanweather.cloud/MAELSTROM_AP4/toy"
LEVELS = (1000, 925, 850, 700, 500, 400, 300, 200, 100, 50, 10)
LATITUDE, LONGITUDE = 60 - 0.5 * np.arange(40), 0.5 * np.arange(80)
DIMS = ("number", "time", "step", "isobaricInhPa", "latitude", "longitude")
TITLE = "Sample of maelstrom-ens5mini made by the MAELSTROM bootcamp: simulated, not ECMWF's forecasts"
#: Name -> units, standard name, significant digits kept.
VARIABLES = {
    "z": ("m**2 s**-2", "geopotential", 5),
    "t": ("K", "air_temperature", 4),
    "q": ("kg kg**-1", "specific_humidity", 3),
    "w": ("Pa s**-1", "lagrangian_tendency_of_air_pressure", 3),
    "d": ("s**-1", "divergence_of_wind", 3),
    "u": ("m s**-1", "eastward_wind", 3),
    "v": ("m s**-1", "northward_wind", 3),
}
_START_BYTES = 3_000_000


def states_path(window: int) -> str:
    """Path of the states of a window, in the truth of ``maelstrom-ens10``."""
    return f"truth/{SOURCE}/states_{window}.nc"


def object_path(month: str) -> str:
    """Path of a month's object in the bucket."""
    return f"{HOST}/ens5mini.{month}.nc"


def pack(states: Mapping[tuple[str, int], np.ndarray]) -> xr.Dataset:
    """Model states as a dataset, without the empty half of the coefficients.

    Parameters
    ----------
    states : mapping of (str, int) to numpy.ndarray
        Streamfunction (member, step, level, m, n) by start (date "mmdd", year).

    Returns
    -------
    xarray.Dataset
        ``psi`` (start, member, step, level, coefficient, part), m2 s-1, and ``start`` as yyyymmdd.
    """
    m, n = _triangle()
    shape = (0, MINI_MEMBERS, len(MINI_STEPS), 3, TRUNCATION + 1, TRUNCATION + 1)
    stacked = np.stack(list(states.values())) if states else np.zeros(shape, "complex64")
    psi = np.ascontiguousarray(stacked[..., m, n])
    dims = ("start", "member", "step", "level", "coefficient", "part")
    start = np.array([int(f"{year}{date}") for date, year in states], "i4")
    attributes = {"units": "m2 s-1", "long_name": "streamfunction, real and imaginary part of (m, n)"}
    return xr.Dataset(
        {"psi": (dims, psi.view("f4").reshape(*psi.shape, 2), attributes)}, {"start": ("start", start)}
    )


def unpack(dataset: xr.Dataset, date: str, year: int) -> np.ndarray:
    """One start's states from `pack`, (m, n, level, member and step), complex64."""
    at = int(np.flatnonzero(dataset.start.values == int(f"{year}{date}"))[0])
    flat = np.ascontiguousarray(dataset.psi.values[at], "f4").view("complex64")[..., 0]
    m, n = _triangle()
    psi = np.zeros((TRUNCATION + 1, TRUNCATION + 1, 3, MINI_MEMBERS * len(MINI_STEPS)), "complex64")
    psi[m, n] = np.moveaxis(flat, (2, 3), (1, 0)).reshape(m.size, 3, -1)
    return psi


def _triangle() -> tuple[np.ndarray, np.ndarray]:
    return np.triu_indices(TRUNCATION + 1)


@lru_cache(maxsize=1)
def _sphere() -> Sphere:
    return Sphere(TRUNCATION, LATITUDE, 720, keep=LONGITUDE.size)


def fields(psi: np.ndarray, date: str, year: int) -> dict[str, np.ndarray]:
    """The seven variables of one start.

    Parameters
    ----------
    psi : numpy.ndarray
        As from `unpack`.
    date, year
        The start.

    Returns
    -------
    dict of str to numpy.ndarray
        (number, step, level, latitude, longitude), float32.
    """
    model = atmosphere(MODEL.physics)
    hours = np.tile(MINI_STEPS, MINI_MEMBERS)
    motion = omega(model, psi, day_of_year(start_of(date, year)) + hours / 24)
    flow = Flow(_sphere(), psi, motion)
    out = {}
    for name, values in upper_fields(flow, LEVELS).items():
        moved = np.stack(values).transpose(3, 0, 2, 1)  # from (level, longitude, latitude, batch)
        out[name] = moved.reshape(MINI_MEMBERS, len(MINI_STEPS), *moved.shape[1:]).astype("float32")
    return out


def dataset(parts: Mapping[tuple[str, int], Mapping[str, np.ndarray]]) -> xr.Dataset:
    """A month's file.

    Parameters
    ----------
    parts : mapping of (str, int) to mapping
        What `fields` returned, by start.

    Returns
    -------
    xarray.Dataset
    """
    order = sorted(parts, key=lambda s: start_of(*s))
    time = np.array([start_of(*s) for s in order], "datetime64[ns]")
    step = np.array([timedelta(hours=h) for h in MINI_STEPS], "timedelta64[ns]")
    data = {}
    for name, (units, standard, _) in VARIABLES.items():
        origin = "diagnosed by a formula: the core is dry" if name in DIAGNOSED else "from the dynamical core"
        attributes = {"units": units, "standard_name": standard, "comment": origin}
        data[name] = (DIMS, np.stack([parts[s][name] for s in order], axis=1), attributes)
    coords = {
        "number": np.arange(1, MINI_MEMBERS + 1),
        "time": time,
        "step": step,
        "isobaricInhPa": ("isobaricInhPa", np.array(LEVELS, "f8"), {"units": "hPa"}),
        "latitude": ("latitude", LATITUDE, {"units": "degrees_north", "standard_name": "latitude"}),
        "longitude": ("longitude", LONGITUDE, {"units": "degrees_east", "standard_name": "longitude"}),
        "valid_time": (("time", "step"), time[:, None] + step[None]),
    }
    return xr.Dataset(data, coords, {"title": TITLE, "Conventions": "CF-1.8"})


def _write(path: Path, month: xr.Dataset) -> None:
    encoding = {
        name: {
            "zlib": True,
            "complevel": 1,
            "shuffle": True,
            "quantize_mode": "BitGroom",
            "significant_digits": digits,
        }
        for name, (_, _, digits) in VARIABLES.items()
    }
    month.to_netcdf(path, encoding=encoding)


class MiniRecipe:
    """Makes the sample of ``maelstrom-ens5mini``, one month a job, from the states of ``maelstrom-ens10``."""

    name = NAME
    version = f"{VERSION}.1"
    needs = (SOURCE,)

    def plan(self, size: str, seed: int) -> list[Job]:
        """One job for each month that has forecasts."""
        return [
            Job(month, (object_path(month),), len(starts) * _START_BYTES)
            for month, starts in sorted(mini_starts(size).items())
        ]

    def make(self, job: Job, out: Writer) -> None:
        """Sum the harmonics of a month's states on the fine grid."""
        parts = {}
        for date, year, window in mini_starts(out.size)[job.key]:
            with xr.open_dataset(out.path(states_path(window))) as states:
                parts[date, year] = fields(unpack(states, date, year), date, year)
        out.write(job.objects[0], lambda path: _write(path, dataset(parts)))


RECIPE = MiniRecipe()
