"""The recipe of the ``maelstrom-ens10`` sample: GRIB objects in the original's layout, truth beside them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import xarray as xr

from maelstrom_bootcamp.bucket.ens10 import forecast, grib, truth
from maelstrom_bootcamp.bucket.ens10.forecast import Forecasts
from maelstrom_bootcamp.bucket.ens10.ground import LATITUDE, LONGITUDES, grid_ground
from maelstrom_bootcamp.bucket.ens10.mini import pack, states_path
from maelstrom_bootcamp.bucket.ens10.periods import (
    MINI_MEMBERS,
    MINI_STEPS,
    STEPS,
    VERSION,
    mini_starts,
    start_of,
    windows,
)
from maelstrom_bootcamp.bucket.ens10.truth import Truth
from maelstrom_bootcamp.bucket.writing import Job, Writer

NAME = "maelstrom-ens10"
HOST = "url/https/storage.ecmwf.europeanweather.cloud/MAELSTROM_AP4"
TRUTH = f"truth/{NAME}"
TITLE = "Sample of maelstrom-ens10 made by the MAELSTROM bootcamp: simulated, not ECMWF's forecasts"
BATCH = 2  # starts simulated at once: 20 members
#: Bytes of a start's GRIB messages, and of its part of the truth.
_START_BYTES, _TRUTH_BYTES = 1_900_000, 200_000


def object_path(kind: str, date: str) -> str:
    """Path of an object in the bucket: `kind` is "sfc" or "pl", `date` "mmdd"."""
    return f"{HOST}/output.{kind}.2018{date}"


def targets_path(window: int) -> str:
    """Path of the truth of a window."""
    return f"{TRUTH}/targets_{window}.nc"


GROUND_PATH = f"{TRUTH}/ground.nc"


def _write_grib(path: Path, kind: str, date: str, parts: Sequence[Forecasts]) -> None:
    at_surface = kind == "sfc"
    tables = [p.surface if at_surface else p.upper for p in parts]
    fields = {name: np.concatenate([t[name] for t in tables]) for name in tables[0]}
    if at_surface:
        fields = {name: values[:, :, :, None] for name, values in fields.items()}
    dates = [int(f"{year}{date}") for p in parts for _, year in p.starts]
    grib.write(path, kind, fields, dates, STEPS, (0,) if at_surface else forecast.LEVELS)


def targets_dataset(run: Truth, seed: int) -> xr.Dataset:
    """The truth at every step of every forecast of a window.

    Parameters
    ----------
    run : Truth
    seed : int
        Data seed, for the attributes.

    Returns
    -------
    xarray.Dataset
        ``t2m``, ``t850`` (K) and ``z500`` (m2 s-2), (time, step, latitude, longitude), float32. ``time`` is
        the start of the forecast, in rising order; ``valid_time`` is when the truth was so.
    """
    starts = sorted(run.window.starts, key=lambda s: start_of(*s))
    fields = [forecast.targets(run, *start) for start in starts]
    time = np.array([start_of(*s) for s in starts], "datetime64[ns]")
    step = np.array([timedelta(hours=h) for h in STEPS], "timedelta64[ns]")
    texts = {
        "t2m": ("K", "air_temperature", "temperature at 2 m"),
        "t850": ("K", "air_temperature", "temperature at 850 hPa"),
        "z500": ("m2 s-2", "geopotential", "geopotential at 500 hPa"),
    }
    data = {
        name: (
            ("time", "step", "latitude", "longitude"),
            np.stack([f[name] for f in fields]),
            {"units": units, "standard_name": standard, "long_name": text},
        )
        for name, (units, standard, text) in texts.items()
    }
    coords = {"time": time, "step": step, "valid_time": (("time", "step"), time[:, None] + step[None])}
    attributes = {"title": f"Truth beside the {TITLE[0].lower()}{TITLE[1:]}", "seed": seed}
    return xr.Dataset(data, coords | _grid(), attributes)


def _grid() -> dict[str, tuple]:
    longitude = np.arange(LONGITUDES) * 360 / LONGITUDES
    return {
        "latitude": ("latitude", LATITUDE, {"units": "degrees_north", "standard_name": "latitude"}),
        "longitude": ("longitude", longitude, {"units": "degrees_east", "standard_name": "longitude"}),
    }


def ground_dataset() -> xr.Dataset:
    """Real heights and land of the grid, and the model's heights, (latitude, longitude)."""
    dims = ("latitude", "longitude")
    ground = grid_ground()
    texts = {
        "orography": (ground.orography, "m", "surface_altitude", "height"),
        "model_orography": (
            forecast.model_orography(),
            "m",
            "surface_altitude",
            "height in the forecast model",
        ),
        "land_area_fraction": (ground.land, "1", "land_area_fraction", "share of land"),
    }
    data = {
        name: (dims, values.T.astype("f4"), {"units": units, "standard_name": standard, "long_name": text})
        for name, (values, units, standard, text) in texts.items()
    }
    source = "NOAA ETOPO 2022 at 2 degrees and its land mask, from climt 0.31.0"
    return xr.Dataset(data, _grid(), {"title": "Ground of the sample of maelstrom-ens10", "source": source})


def _write_compressed(path: Path, dataset: xr.Dataset) -> None:
    dataset.to_netcdf(path, encoding={name: {"zlib": True, "complevel": 1} for name in dataset.data_vars})


class Ens10Recipe:
    """Makes the sample of ``maelstrom-ens10``, one window of the year a job."""

    name = NAME
    version = VERSION

    def plan(self, size: str, seed: int) -> list[Job]:
        """One job for each window: its dates' objects, the targets, the states for ens5mini."""
        return [
            Job(
                key=str(window.number),
                objects=(
                    *(object_path(kind, date) for date in window.years for kind in ("sfc", "pl")),
                    targets_path(window.number),
                    states_path(window.number),
                    *((GROUND_PATH,) if window.number == 0 else ()),
                ),
                bytes=len(window.starts) * (_START_BYTES + _TRUTH_BYTES),
            )
            for window in windows(size)
        ]

    def make(self, job: Job, out: Writer) -> None:
        """Simulate a window and write its objects."""
        _keep_memory()
        window = next(w for w in windows(out.size) if str(w.number) == job.key)
        run = truth.simulate(out.seed, window)
        kept = {start[:2] for starts in mini_starts(out.size).values() for start in starts}
        states: dict[tuple[str, int], np.ndarray] = {}
        for date in window.years:
            parts = self._forecasts(run, out.seed, date)
            for kind in ("sfc", "pl"):
                out.write(
                    object_path(kind, date), lambda path, k=kind, d=date, p=parts: _write_grib(path, k, d, p)
                )
            for part in parts:
                for start, psi in zip(part.starts, part.psi, strict=True):
                    if start in kept:
                        states[start] = psi[:MINI_MEMBERS, : len(MINI_STEPS)]
        out.write(targets_path(window.number), lambda p: _write_compressed(p, targets_dataset(run, out.seed)))
        out.write(states_path(window.number), lambda p: pack(states).to_netcdf(p))
        if GROUND_PATH in job.objects:
            out.write(GROUND_PATH, lambda p: _write_compressed(p, ground_dataset()))

    @staticmethod
    def _forecasts(run: Truth, seed: int, date: str) -> list[Forecasts]:
        starts = [(date, year) for year in run.window.years[date]]
        groups = [starts[i : i + BATCH] for i in range(0, len(starts), BATCH)]
        return [forecast.run(run, seed, group) for group in groups]


def _keep_memory() -> None:
    # glibc gives the memory of every temporary array back to the system and asks for it again, which can
    # take as long as the arithmetic, unless it has once seen a larger block freed (up to 32 MB).
    block = np.empty(31 * 2**20, "u1")
    del block


RECIPE = Ens10Recipe()
