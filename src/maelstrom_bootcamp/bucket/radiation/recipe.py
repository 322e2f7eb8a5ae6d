"""The recipe of the ``maelstrom-radiation`` sample: inputs and fluxes, a file for each patch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from maelstrom_bootcamp.bucket.radiation.columns import INPUTS, TRUTH, columns
from maelstrom_bootcamp.bucket.radiation.periods import DRAWS, PATCHES, SPLITS, Snapshot, snapshots
from maelstrom_bootcamp.bucket.radiation.solver import FLUXES, solve
from maelstrom_bootcamp.bucket.writing import Job, Writer

NAME = "maelstrom-radiation"
FOLDER = "url/https/object-store.os-api.cci1.ecmwf.int/maelstrom-ap3"
TITLE = "Sample of maelstrom-radiation made by the MAELSTROM bootcamp: simulated columns, fluxes by RRTMG"
#: First part of the names of the objects.
INPUT, MEAN, ONE_DRAW = "rad4NN_inputs", "triplecloud_outputs", "rad4NN_outputs"
_CONCAT = {"data_vars": "minimal", "coords": "minimal", "compat": "equals", "join": "exact"}
_PACKING = {"dtype": "f4", "zlib": True, "complevel": 1, "shuffle": True}


def object_path(kind: str, snapshot: Snapshot, patch: int) -> str:
    """Path in the bucket of the inputs or outputs of a patch."""
    return f"{FOLDER}/{kind}_{snapshot.date}00_{snapshot.timestep}c{patch}.nc"


def truth_path(snapshot: Snapshot) -> str:
    """Path in the bucket of what only the generator knows about a snapshot."""
    return f"truth/{NAME}/{snapshot.key}.nc"


def make_snapshot(snapshot: Snapshot, seed: int) -> list[tuple[xr.Dataset, xr.Dataset]]:
    """Draw and solve the columns of a snapshot.

    Parameters
    ----------
    snapshot : Snapshot
    seed : int

    Returns
    -------
    list of (xarray.Dataset, xarray.Dataset)
        Columns and fluxes of each patch.
    """
    sw, lw = DRAWS[snapshot.split]
    parts = [
        columns(snapshot.date, snapshot.timestep, patch, snapshot.columns, seed=seed) for patch in PATCHES
    ]
    # What the files hold is what is solved: they are in single precision.
    air = xr.concat(parts, "column", **_CONCAT).astype("f4").astype("f8")
    number = int(f"{snapshot.date}{snapshot.timestep:04d}")
    fluxes = solve(air, draws_sw=sw, draws_lw=lw, seed=seed + 1_000 * number, first=True)
    cut = [slice(i, i + snapshot.columns) for i in range(0, air.sizes["column"], snapshot.columns)]
    return [(air.isel(column=one), fluxes.isel(column=one)) for one in cut]


class RadiationRecipe:
    """Makes the sample of ``maelstrom-radiation``, one snapshot a job."""

    name = NAME
    version = "2"

    def plan(self, size: str, seed: int) -> list[Job]:
        """One job for each snapshot, the long ones (the test's many draws) first."""
        return [
            Job(
                key=s.key,
                objects=(
                    *(object_path(kind, s, p) for p in PATCHES for kind in (INPUT, MEAN, ONE_DRAW)),
                    truth_path(s),
                ),
                bytes=s.columns * len(PATCHES) * 22_000,
            )
            for split in reversed(SPLITS)
            for s in snapshots(size)[split]
        ]

    def make(self, job: Job, out: Writer) -> None:
        """Draw, solve and write a snapshot."""
        snapshot = next(s for part in snapshots(out.size).values() for s in part if s.key == job.key)
        made = make_snapshot(snapshot, out.seed)
        for patch, (air, fluxes) in zip(PATCHES, made, strict=True):
            common = {"title": TITLE, "Conventions": "CF-1.8", "time": air.attrs["time"], "seed": out.seed}
            inputs = air[[*INPUTS, "solar_irradiance"]].assign_attrs(common)
            out.write(object_path(INPUT, snapshot, patch), lambda path, ds=inputs: _write(path, ds))
            for kind, ds in ((MEAN, _mean(air, fluxes)), (ONE_DRAW, _one_draw(air, fluxes))):
                ds = ds.assign_attrs(common)
                out.write(object_path(kind, snapshot, patch), lambda path, ds=ds: _write(path, ds))
        out.write(truth_path(snapshot), lambda path: _write(path, _truth(made, snapshot)))


def _mean(air: xr.Dataset, fluxes: xr.Dataset) -> xr.Dataset:
    """Outputs of "tripleclouds": the mean over the draws, with pressure, as the plugin wants it."""
    names = [*FLUXES, *(f"{name}_clear" for name in FLUXES)]
    return fluxes[names].assign(pressure_hl=air["pressure_hl"])


def _one_draw(air: xr.Dataset, fluxes: xr.Dataset) -> xr.Dataset:
    """Outputs of "mcica": one draw."""
    ds = fluxes[[f"{name}_first" for name in FLUXES]].rename({f"{name}_first": name for name in FLUXES})
    ds = ds.assign({f"{name}_clear": fluxes[f"{name}_clear"] for name in FLUXES})
    return ds.assign(pressure_hl=air["pressure_hl"]).assign_attrs(draws_sw=1, draws_lw=1)


def _truth(made: list[tuple[xr.Dataset, xr.Dataset]], snapshot: Snapshot) -> xr.Dataset:
    """Noise of one draw, the ground and the kinds of clouds of all patches (column in their order)."""
    parts = []
    for patch, (air, fluxes) in zip(PATCHES, made, strict=True):
        known = air[list(TRUTH)].assign({n: air[n].astype("i1") for n in ("surface", "cloud_type")})
        part = xr.merge(
            [known, fluxes[[name for name in fluxes if str(name).endswith("_sd")]]],
            combine_attrs="drop_conflicts",
            join="exact",
            compat="equals",
        )
        parts.append(part.assign(patch=("column", np.full(air.sizes["column"], patch))))
    ds = xr.concat(parts, "column", **_CONCAT)
    sw, lw = DRAWS[snapshot.split]
    ds.attrs = {"title": f"Beside the {TITLE[0].lower()}{TITLE[1:]}", "draws_sw": sw, "draws_lw": lw}
    return ds


def _write(path: Path, ds: xr.Dataset) -> None:
    encoding = {n: _PACKING for n, v in ds.data_vars.items() if v.dtype.kind == "f" and v.dims}
    encoding |= {n: {"dtype": "i1"} for n, v in ds.data_vars.items() if v.dtype.kind in "iub"}
    if "solar_irradiance" in ds:
        encoding["solar_irradiance"] = {"dtype": "f4"}
    ds.to_netcdf(path, engine="netcdf4", encoding=encoding)


RECIPE = RadiationRecipe()
