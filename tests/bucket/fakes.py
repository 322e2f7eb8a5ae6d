"""Recipes for the tests of the bucket: tiny objects, and every way to fail on demand.

They are told what to do by environment variables, because they run in worker processes:
FAKE_VERSION, FAKE_STOP (job that hangs half-way), FAKE_KILL (job whose process kills itself), FAKE_FAIL (job
that raises), FAKE_FULL (job that writes to a full device), FAKE_DENY (job that may not write).
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np

from maelstrom_bootcamp.bucket.writing import Job

HOST = "url/https/object-store.os-api.cci1.ecmwf.int"
DATES = ("2020-03-01", "2020-03-02", "2020-03-03")
HOURS = {1: 3, 2: 9, 3: 15, 0: 21}
CONTENT = b"0123456789" * 100


class Tiny:
    """Four jobs of two objects of 1000 bytes."""

    name = "maelstrom-yr"

    @property
    def version(self):
        return os.environ.get("FAKE_VERSION", "1")

    def plan(self, size, seed):
        estimate = int(os.environ.get("FAKE_ESTIMATE", "2000"))
        return [
            Job(f"job{i}", tuple(f"{HOST}/maelstrom-ap1/tiny/{size}/{i}{half}.nc" for half in "ab"), estimate)
            for i in range(4)
        ]

    def make(self, job, out):
        print("a library prints something")  # must not get into the worker's replies
        if os.environ.get("FAKE_FAIL") == job.key:
            raise ValueError("a fault on purpose")
        if os.environ.get("FAKE_DENY") == job.key:
            raise PermissionError(13, "Permission denied", "somewhere")
        for path in job.objects:
            out.write(path, lambda tmp, path=path: self._write(tmp, job, path, out.root))

    def _write(self, tmp, job, path, root):
        with (root / "made.log").open("a") as log:
            log.write(f"{path}\n")
        if os.environ.get("FAKE_FULL") == job.key:
            tmp.symlink_to("/dev/full")
        with tmp.open("wb") as file:
            file.write(CONTENT[:500])
            file.flush()
            if os.environ.get("FAKE_STOP") == job.key:
                (root / "stopped").write_text(str(os.getpid()))
                time.sleep(120)
            if os.environ.get("FAKE_KILL") == job.key:
                os.kill(os.getpid(), signal.SIGKILL)
            file.write(CONTENT[500:])


class TinyInProcess(Tiny):
    """The same without worker processes."""

    in_process = True


class Unfaithful(TinyInProcess):
    """Writes something else than planned."""

    def make(self, job, out):
        out.write("elsewhere.nc", lambda tmp: tmp.write_bytes(b"x"))


class Large(TinyInProcess):
    """netCDF objects of 4 MB: the library reports a full disk in its own words."""

    def _write(self, tmp, job, path, root):
        import xarray as xr

        xr.Dataset({"v": ("x", np.arange(500_000, dtype="f8"))}).to_netcdf(tmp, engine="netcdf4")


class Derived:
    """One object, made from one of `Tiny`'s."""

    name = "maelstrom-radiation"
    version = "1+1"
    in_process = True
    needs = ("maelstrom-yr",)

    def plan(self, size, seed):
        return [Job("derived", (f"{HOST}/maelstrom-ap3/derived/{size}.nc",))]

    def make(self, job, out):
        source = out.path(f"{HOST}/maelstrom-ap1/tiny/{out.size}/0a.nc")
        out.write(job.objects[0], lambda tmp: tmp.write_bytes(source.read_bytes()[::-1]))


class TinyYr:
    """Three runs in the layout of maelstrom-yr on 4 x 6 points."""

    name = "maelstrom-yr"
    version = "1"
    in_process = True

    def plan(self, size, seed):
        return [Job(day, (self.path(day),)) for day in DATES]

    @staticmethod
    def path(day):
        stamp = f"{day.replace('-', '')}T{HOURS[int(day[-2:]) % 4]:02d}Z"
        return f"{HOST}/maelstrom-ap1/air_temperature/5GB/{stamp}.nc"

    def make(self, job, out):
        for path in job.objects:
            out.write(path, lambda tmp: write_yr(tmp, DATES.index(job.key)))
        if job.key == DATES[0]:
            (out.root / "truth" / self.name).mkdir(parents=True, exist_ok=True)


def write_yr(path: Path, number: int) -> None:
    """Write a run; predictor 2 and the target are the run's number, so that the order can be checked."""
    import xarray as xr

    ny, nx, nt = 4, 6, 10
    predictors = [f"p{i}" for i in range(8)]
    predictors[2] = "air_temperature_2m"
    grid = np.zeros((ny, nx), "f4")
    xr.Dataset(
        {
            "predictor": ("predictor", np.array(predictors, object)),
            "static_predictor": ("static_predictor", np.array([f"s{i}" for i in range(6)], object)),
            "x": ("x", np.arange(nx, dtype="f4")),
            "y": ("y", np.arange(ny, dtype="f4")),
            "latitude": (("y", "x"), grid),
            "longitude": (("y", "x"), grid),
            "leadtime": ("leadtime", np.arange(nt) * 21600.0),
            "time": ((), float(number), {"units": "seconds since 1970-01-01 00:00:00 +00:00"}),
            "static_predictors": (("y", "x", "static_predictor"), np.zeros((ny, nx, 6), "f4")),
            "predictors": (("leadtime", "y", "x", "predictor"), np.full((nt, ny, nx, 8), number, "f4")),
            "target_mean": (("leadtime", "y", "x"), np.full((nt, ny, nx), number, "f4")),
            "target_std": (("leadtime", "y", "x"), np.ones((nt, ny, nx), "f4")),
        }
    ).to_netcdf(path, engine="netcdf4")


TINY = Tiny()
TINY_IN_PROCESS = TinyInProcess()
UNFAITHFUL = Unfaithful()
LARGE = Large()
TINY_YR = TinyYr()
DERIVED = Derived()
