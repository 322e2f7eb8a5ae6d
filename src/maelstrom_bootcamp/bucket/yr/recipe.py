"""The recipe of the ``maelstrom-yr`` sample: objects in the layout of the 5GB tier, uncompressed as there."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

import gridpp
import netCDF4
import numpy as np
import xarray as xr

from maelstrom_bootcamp.bucket.writing import Job, Writer
from maelstrom_bootcamp.bucket.yr import weather
from maelstrom_bootcamp.bucket.yr.block import Block, simulate_block
from maelstrom_bootcamp.bucket.yr.periods import LEAD_TIMES, blocks, run_start
from maelstrom_bootcamp.bucket.yr.stations import FAULTS, network
from maelstrom_bootcamp.bucket.yr.terrain import POINTS, PROJ4, ground

NAME = "maelstrom-yr"
HOST = "url/https/object-store.os-api.cci1.ecmwf.int/maelstrom-ap1/air_temperature/5GB"
TRUTH = f"truth/{NAME}"
DYNAMIC = (
    ("air_temperature_0.1_2m", "celsius"),
    ("air_temperature_0.9_2m", "celsius"),
    ("air_temperature_2m", "celsius"),
    ("bias_yesterday", "celsius"),
    ("cloud_area_fraction", "1"),
    ("precipitation_amount", "kg/m^2"),
    ("x_wind_10m", "m/s"),
    ("y_wind_10m", "m/s"),
)
STATIC = (
    ("altitude", "m"),
    ("analysis_std", "celsius"),
    ("bias_recent", "celsius"),
    ("land_area_fraction", "1"),
    ("model_altitude", "m"),
    ("model_laf", "1"),
)
TITLE = (
    "Sample of maelstrom-yr made by the MAELSTROM bootcamp: simulated weather over real ground, "
    "not observations"
)


def object_path(day: str) -> str:
    """Path of a run's object in the bucket."""
    return f"{HOST}/{run_start(day):%Y%m%dT%H}Z.nc"


def truth_path(day: str) -> str:
    """Path of the truth kept beside a block, named after the block's first run."""
    return f"{TRUTH}/{day.replace('-', '')}.nc"


def _write_run(path: Path, day: str, block: Block) -> None:
    start = weather.hour_of(run_start(day))
    dynamic, static = block.predictors(start)
    mean, std = block.targets(start)
    fine = ground()
    with netCDF4.Dataset(path, "w", format="NETCDF4") as f:
        sizes = {"leadtime": len(LEAD_TIMES), "y": POINTS, "x": POINTS}
        sizes |= {"predictor": len(DYNAMIC), "static_predictor": len(STATIC)}
        for name, n in sizes.items():
            f.createDimension(name, n)

        def put(name: str, kind: str | type, dims: tuple[str, ...], data: object, **attributes: str) -> None:
            variable = f.createVariable(name, kind, dims, contiguous=kind is not str)
            variable[...] = data
            variable.setncatts(attributes)

        put("x", "f4", ("x",), fine.x, units="m", standard_name="projection_x_coordinate")
        put("y", "f4", ("y",), fine.y, units="m", standard_name="projection_y_coordinate")
        put("latitude", "f4", ("y", "x"), fine.latitude, units="degree_north", standard_name="latitude")
        put("longitude", "f4", ("y", "x"), fine.longitude, units="degree_east", standard_name="longitude")
        lead = np.array(LEAD_TIMES, "f8") * 3600
        put("leadtime", "f8", ("leadtime",), lead, units="seconds", standard_name="leadtime")
        seconds = run_start(day).replace(tzinfo=UTC).timestamp()
        put("time", "f8", (), seconds, units="seconds since 1970-01-01 00:00:00 +00:00", standard_name="time")
        for dim, table in (("predictor", DYNAMIC), ("static_predictor", STATIC)):
            put(dim, str, (dim,), np.array([n for n, _ in table], object))
            put(f"{dim}_units", str, (dim,), np.array([u for _, u in table], object))
        put("altitude", "f4", ("y", "x"), fine.altitude, units="m", standard_name="surface_altitude")
        put("land_area_fraction", "f4", ("y", "x"), fine.land_area_fraction, units="1")
        put("static_predictors", "f4", ("y", "x", "static_predictor"), static)
        put("predictors", "f4", ("leadtime", "y", "x", "predictor"), dynamic)
        put("target_mean", "f4", ("leadtime", "y", "x"), mean, standard_name="target_mean", units="celsius")
        put("target_std", "f4", ("leadtime", "y", "x"), std, standard_name="target_std", units="celsius")
        put("projection_lcc", "i4", (), 0, grid_mapping_name="lambert_conformal_conic", proj4=PROJ4)
        f.setncatts({"title": TITLE, "Conventions": "CF-1.8", "seed": block.seed})


def truth_dataset(block: Block) -> xr.Dataset:
    """What a real archive never has: nature, and what each step of the analysis made of it.

    Parameters
    ----------
    block : Block

    Returns
    -------
    xarray.Dataset
        truth, background, analysis, analysis_std (time, y, x) in degree Celsius or K; observation and flag
        (time, station); the stations' coordinates, kinds and faults.
    """
    hours = sorted(block.analyses)
    made, s, fine = [block.analyses[h] for h in hours], network(block.seed), ground()
    fields = {
        "truth": (np.stack([block.truth[h] for h in hours]) - 273.15, "degC", "2 m temperature of nature"),
        "background": (np.stack([a.background for a in made]) - 273.15, "degC", "first guess at 1 km"),
        "analysis": (np.stack([a.mean for a in made]) - 273.15, "degC", "optimal interpolation"),
        "analysis_std": (np.stack([a.std for a in made]), "K", "standard deviation of the analysis"),
    }
    data = {
        name: (("time", "y", "x"), values.astype("f4"), {"units": units, "long_name": text})
        for name, (values, units, text) in fields.items()
    }
    observed = np.stack([block.observations[h] for h in hours]) - 273.15
    data["observation"] = (("time", "station"), observed.astype("f4"), {"units": "degC"})
    flags = np.stack([a.flags for a in made]).astype("i1")
    data["flag"] = (("time", "station"), flags, {"flag_meanings": "good range_check buddy_check sct"})
    per_station = {
        "station_latitude": s.latitude,
        "station_longitude": s.longitude,
        "station_altitude": s.altitude,
        "station_row": s.row,
        "station_column": s.column,
        "official": s.official.astype("i1"),
        "fault": s.fault.astype("i1"),
    }
    coordinates = {
        "time": [np.datetime64(weather.time_of(h), "ns") for h in hours],
        "y": fine.y.astype("f4"),
        "x": fine.x.astype("f4"),
    }
    dataset = xr.Dataset(data | {k: ("station", v) for k, v in per_station.items()}, coordinates)
    dataset["fault"].attrs["flag_meanings"] = " ".join(FAULTS)
    dataset.attrs = {"title": f"Truth beside the {TITLE[0].lower()}{TITLE[1:]}", "seed": block.seed}
    return dataset


def _write_truth(path: Path, block: Block) -> None:
    packed = {"dtype": "i2", "scale_factor": 0.005, "_FillValue": -32768, "zlib": True, "complevel": 1}
    encoding = dict.fromkeys(("truth", "background", "analysis", "analysis_std", "observation"), packed)
    truth_dataset(block).to_netcdf(path, encoding=encoding)


class YrRecipe:
    """Makes the sample of ``maelstrom-yr``, one block of consecutive days a job."""

    name = NAME
    version = "2"

    def plan(self, size: str, seed: int) -> list[Job]:
        """One job for each block: the runs' objects and the truth beside them."""
        run_bytes, truth_bytes = 7_250_000, 600_000
        return [
            Job(
                key=days[0],
                objects=(*(object_path(d) for d in days), truth_path(days[0])),
                bytes=len(days) * (run_bytes + truth_bytes),
            )
            for days in blocks(size)
        ]

    def make(self, job: Job, out: Writer) -> None:
        """Simulate a block and write its objects."""
        gridpp.set_omp_threads(1)  # the bucket runs one process for each core
        days = next(b for b in blocks(out.size) if b[0] == job.key)
        block = simulate_block(out.seed, days)
        for day in days:
            out.write(object_path(day), lambda path, day=day: _write_run(path, day, block))
        out.write(truth_path(days[0]), lambda path: _write_truth(path, block))


RECIPE = YrRecipe()
