"""The recipe of the ``maelstrom-radiation-tf`` sample: the columns of ``maelstrom-radiation`` as TFRecord."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import xarray as xr

from maelstrom_bootcamp.bucket.radiation import recipe
from maelstrom_bootcamp.bucket.radiation.periods import PATCHES, Snapshot, record_files, snapshots
from maelstrom_bootcamp.bucket.radiation.solver import heating_rate
from maelstrom_bootcamp.bucket.writing import Job, Writer

NAME = "maelstrom-radiation-tf"
#: What is stacked into "col_inputs", in this order; the 12 aerosols stand after the cloud cover.
GASES = ("q", "o3_mmr", "co2_vmr", "n2o_vmr", "ch4_vmr", "o2_vmr", "cfc11_vmr", "cfc12_vmr", "hcfc22_vmr")
GASES = (*GASES, "ccl4_vmr", "cloud_fraction")
CONDENSATE = ("q_liquid", "q_ice", "re_liquid", "re_ice")
#: Inputs that are normalised, each by a file of its own.
INPUTS = ("sca_inputs", "col_inputs", "hl_inputs", "inter_inputs", "pressure_hl")
PER_SECOND = 1 / 86_400
_BYTES = 20_500  # a column


def record_path(timestep: int) -> str:
    """Path in the bucket of the records of a time step (or, for 2019, of a date)."""
    return f"{recipe.FOLDER}/records/triplecloud{timestep}.0.tfrecord"


def norm_path(field: str) -> str:
    """Path in the bucket of mean and standard deviation of an input."""
    return f"{recipe.FOLDER}/{field}.nc"


def members(size: str, timestep: int) -> list[Snapshot]:
    """The snapshots whose columns are in the records of a time step.

    Parameters
    ----------
    size : {"ci", "default", "full"}
    timestep : int
        As in `record_files`.

    Returns
    -------
    list of Snapshot
    """
    every = [s for part in snapshots(size).values() for s in part]
    if timestep > 10_000:  # "YYYYMMDD00"
        return [s for s in every if s.date == str(timestep)[:8]]
    return [s for s in every if s.timestep == timestep and s.split == "train"]


def features(root: Path, size: str, timestep: int) -> dict[str, np.ndarray]:
    """The columns of a file in the shapes of the records, mixed.

    Parameters
    ----------
    root : pathlib.Path
        A bucket that holds the sample of ``maelstrom-radiation``.
    size : {"ci", "default", "full"}
    timestep : int

    Returns
    -------
    dict of str to numpy.ndarray
        float32, (column, ...); heating rates in K/s.
    """
    parts = []
    for snapshot in members(size, timestep):
        for patch in PATCHES:
            with (
                xr.open_dataset(root / recipe.object_path(recipe.INPUT, snapshot, patch)) as inputs,
                xr.open_dataset(root / recipe.object_path(recipe.MEAN, snapshot, patch)) as outputs,
            ):
                parts.append(stack(inputs, outputs))
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    # As in the archive, neighbouring records are not neighbours on the globe.
    order = np.random.default_rng(timestep).permutation(len(joined["sca_inputs"]))
    return {name: np.ascontiguousarray(values[order], "f4") for name, values in joined.items()}


def stack(inputs: xr.Dataset, outputs: xr.Dataset) -> dict[str, np.ndarray]:
    """Gather columns and their fluxes as the records hold them.

    Parameters
    ----------
    inputs, outputs : xarray.Dataset
        In the names, units and order of ``maelstrom-radiation``.

    Returns
    -------
    dict of str to numpy.ndarray
        Inputs, fluxes "sw" and "lw" in W/m², heating rates "hr_sw" and "hr_lw" in K/s.
    """
    n = inputs.sizes["column"]
    sun = np.full(n, inputs["solar_irradiance"].values)
    scalars = [inputs["skin_temperature"], inputs["cos_solar_zenith_angle"], inputs["sw_albedo"]]
    scalars += [inputs["sw_albedo_direct"], inputs["lw_emissivity"], sun]
    aerosols = inputs["aerosol_mmr"].transpose("column", "level", "aerosol_type").values
    profiles = [*(inputs[g].values[..., None] for g in GASES), aerosols]
    profiles += [inputs[c].values[..., None] for c in CONDENSATE]
    pressure = inputs["pressure_hl"].values
    made = {
        "sca_inputs": np.concatenate([np.asarray(s).reshape(n, -1) for s in scalars], axis=1),
        "col_inputs": np.concatenate(profiles, axis=2),
        "hl_inputs": np.stack([inputs["temperature_hl"].values, pressure], axis=2),
        "pressure_hl": pressure[..., None],
        "inter_inputs": inputs["overlap_param"].values[..., None],
    }
    for band in ("sw", "lw"):
        down, up = (outputs[f"flux_{way}_{band}"].values for way in ("dn", "up"))
        made[band] = np.stack([down, up], axis=2)
        made[f"hr_{band}"] = (heating_rate(down, up, pressure) * PER_SECOND)[..., None]
    return made


class RecordsRecipe:
    """Makes the sample of ``maelstrom-radiation-tf`` from that of ``maelstrom-radiation``."""

    name = NAME
    version = f"1+{recipe.RECIPE.version}"
    needs = (recipe.NAME,)

    def plan(self, size: str, seed: int) -> list[Job]:
        """One job for each file of records, and one for the normalisation."""
        jobs = []
        for files in record_files(size).values():
            for step in files["timestep"]:
                columns = sum(s.columns * len(PATCHES) for s in members(size, step))
                jobs.append(Job(key=str(step), objects=(record_path(step),), bytes=columns * _BYTES))
        norms = Job(key="norms", objects=tuple(norm_path(field) for field in INPUTS), bytes=1_000_000)
        return [*jobs, norms]

    def make(self, job: Job, out: Writer) -> None:
        """Write one file of records, or the normalisation."""
        if job.key == "norms":
            steps = record_files(out.size)["train"]["timestep"]
            parts = [features(out.root, out.size, step) for step in steps]
            for field in INPUTS:
                values = np.concatenate([part[field] for part in parts])
                out.write(norm_path(field), lambda path, v=values, f=field: _write_norm(path, f, v))
            return
        made = features(out.root, out.size, int(job.key))
        out.write(record_path(int(job.key)), lambda path: _write_records(path, made))


def _write_records(path: Path, made: dict[str, np.ndarray]) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(path)) as out:
        for i in range(len(made["sca_inputs"])):
            feature = {
                name: tf.train.Feature(float_list=tf.train.FloatList(value=values[i].ravel()))
                for name, values in made.items()
            }
            out.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())


def _write_norm(path: Path, field: str, values: np.ndarray) -> None:
    """Mean and standard deviation over the columns; 1 where an input never varies."""
    mean, spread = values.mean(0, dtype="f8"), values.std(0, dtype="f8")
    spread = np.where(spread > 1e-6 * np.abs(mean), spread, 1.0)
    dims = ("variable",) if mean.ndim == 1 else (f"lev_{field}", "variable")
    data = {f"{field}_mean": (dims, mean.astype("f4")), f"{field}_std": (dims, spread.astype("f4"))}
    xr.Dataset(data, attrs={"title": recipe.TITLE}).to_netcdf(path, engine="netcdf4")


RECIPE = RecordsRecipe()
