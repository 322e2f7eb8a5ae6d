"""Read a run of maelstrom-yr as fast as memory allows: straight from the file's bytes.

MET Norway stores its fields uncompressed and in one piece ("contiguous"). Such a variable is nothing but an
array at some offset of the file. Once the offset is known (h5py tells it), rows of one lead time are one
contiguous range of bytes, and a plain ``pread`` into a buffer that is used again and again is all it takes:
no library call, no copy, no page of memory that the system must clear first. Files that are chunked or
compressed are read through h5py: slower, same values.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from math import prod
from pathlib import Path

import h5py
import numpy as np

from maelstrom_bootcamp.apps.yr.features import DYNAMIC, STATIC
from maelstrom_bootcamp.errors import BootcampError

PREDICTORS, STATICS, MEAN, STD = "predictors", "static_predictors", "target_mean", "target_std"
VARIABLES = (PREDICTORS, STATICS, MEAN, STD)
FLOAT = np.dtype("<f4")
REMAKE = (
    "'bootcamp data verify maelstrom-yr' finds what is damaged, 'bootcamp data make maelstrom-yr' remakes it."
)


@dataclass(frozen=True)
class RunFile:
    """Where everything lies in one file: read once, then no header is parsed again.

    Attributes
    ----------
    path : pathlib.Path
    bytes, modified : int
        Size and time of modification (ns) when the file was indexed.
    offsets : dict
        First byte of each variable, or None where it is chunked, compressed or not float32.
    shapes : dict
        Shape of each variable.
    hours : tuple of float
        Lead times.
    start : float
        Start of the run, seconds since 1970-01-01 00 UTC.
    """

    path: Path
    bytes: int
    modified: int
    offsets: dict[str, int | None]
    shapes: dict[str, tuple[int, ...]]
    hours: tuple[float, ...]
    start: float

    @property
    def domain(self) -> tuple[int, int]:
        """Points along y and x."""
        return self.shapes[STATICS][0], self.shapes[STATICS][1]

    @property
    def contiguous(self) -> bool:
        """Whether all variables can be read straight from the file's bytes."""
        return None not in self.offsets.values()

    @property
    def field_bytes(self) -> int:
        """Bytes of the four variables."""
        return sum(4 * prod(shape) for shape in self.shapes.values())


@dataclass(frozen=True)
class RunArrays:
    """One whole run in memory, in the units of the file.

    Attributes
    ----------
    predictors : numpy.ndarray
        (leadtime, y, x, 8), in the order of `maelstrom_bootcamp.apps.yr.features.DYNAMIC`.
    static_predictors : numpy.ndarray
        (y, x, 6), in the order of `maelstrom_bootcamp.apps.yr.features.STATIC`.
    target_mean, target_std : numpy.ndarray
        (leadtime, y, x), in degree Celsius and K.
    hours : numpy.ndarray
        Lead times.
    """

    predictors: np.ndarray
    static_predictors: np.ndarray
    target_mean: np.ndarray
    target_std: np.ndarray
    hours: np.ndarray


def index_run(path: str | os.PathLike[str]) -> RunFile:
    """Find the variables of a file, and make sure that it is what we think it is.

    Parameters
    ----------
    path : path

    Returns
    -------
    RunFile

    Raises
    ------
    BootcampError
        If the file is missing, truncated, or not of the layout of maelstrom-yr.
    """
    path = Path(path)
    if not path.is_file():
        raise BootcampError(f"There is no file {path}.", "Make it: 'bootcamp data make maelstrom-yr'.")
    status = path.stat()
    try:
        with h5py.File(path, "r") as file:
            found = _index(file, path)
    except OSError as error:
        raise BootcampError(f"{path} is truncated or not a netCDF-4 file ({error}).", REMAKE) from error
    run = RunFile(path, status.st_size, status.st_mtime_ns, **found)
    for name, offset in run.offsets.items():
        if offset is not None and offset + 4 * prod(run.shapes[name]) > run.bytes:
            raise BootcampError(f"{path} is truncated: {name} reaches beyond its end.", REMAKE)
    return run


def _index(file: h5py.File, path: Path) -> dict:
    missing = [n for n in (*VARIABLES, "predictor", "static_predictor", "leadtime", "time") if n not in file]
    if missing:
        raise BootcampError(f"{path} lacks the variables {', '.join(missing)}.", REMAKE)
    for axis, expected in (("predictor", DYNAMIC), ("static_predictor", STATIC)):
        names = tuple(file[axis].asstr()[:])
        if names != expected:
            raise BootcampError(
                f"{path}: the names along {axis} are {', '.join(names)}.",
                f"The loader knows the 5GB and 5TB tiers: {', '.join(expected)}.",
            )
    shapes = {name: tuple(file[name].shape) for name in VARIABLES}
    n_lead, (ny, nx) = file["leadtime"].shape[0], shapes[STATICS][:2]
    right = {
        PREDICTORS: (n_lead, ny, nx, len(DYNAMIC)),
        STATICS: (ny, nx, len(STATIC)),
        MEAN: (n_lead, ny, nx),
        STD: (n_lead, ny, nx),
    }
    for name in VARIABLES:
        if shapes[name] != right[name]:
            raise BootcampError(f"{path}: {name} has the shape {shapes[name]}, not {right[name]}.", REMAKE)
    # get_offset is None for chunked and compressed data; other types than float32 need a conversion.
    offsets = {n: file[n].id.get_offset() if file[n].dtype == FLOAT else None for n in VARIABLES}
    hours = tuple(float(seconds) / 3600 for seconds in file["leadtime"][:])
    return {"offsets": offsets, "shapes": shapes, "hours": hours, "start": float(file["time"][()])}


class RunReader(AbstractContextManager):
    """An open run, from which bands of rows are read into buffers.

    Parameters
    ----------
    run : RunFile or path

    Raises
    ------
    BootcampError
        If the file has changed since it was indexed, or `index_run` refuses it.
    """

    def __init__(self, run: RunFile | str | os.PathLike[str]) -> None:
        self.run = run if isinstance(run, RunFile) else index_run(run)
        self._file: h5py.File | None = None
        try:
            self._handle = os.open(self.run.path, os.O_RDONLY)
        except OSError as error:
            raise BootcampError(f"{self.run.path} cannot be opened ({error}).", REMAKE) from error
        now = os.fstat(self._handle)
        if (now.st_size, now.st_mtime_ns) != (self.run.bytes, self.run.modified):
            self.close()
            raise BootcampError(
                f"{self.run.path} has changed since the loader was made.",
                "Make the loader again, after the data.",
            )

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
        if self._file is not None:
            self._file.close()
            self._file = None

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(
        self, name: str, lead: int | None, first: int, rows: int, out: np.ndarray | None = None
    ) -> np.ndarray:
        """Read rows of a variable, at one lead time if it has any.

        Parameters
        ----------
        name : str
            One of `VARIABLES`.
        lead : int or None
            Index of the lead time; None for static predictors.
        first, rows : int
            First row and number of rows.
        out : numpy.ndarray, optional
            Contiguous float32 array of the result's shape, to be filled.

        Returns
        -------
        numpy.ndarray
            Shape (rows, x[, channel]).
        """
        shape = self.run.shapes[name]
        inner = shape if lead is None else shape[1:]
        out = np.empty((rows, *inner[1:]), np.float32) if out is None else out
        offset = self.run.offsets[name]
        if offset is None:
            where = np.s_[first : first + rows] if lead is None else np.s_[lead, first : first + rows]
            self._through_h5py(name).read_direct(out, where)
            return out
        row = 4 * prod(inner[1:])
        self._fill(out, offset + ((0 if lead is None else lead * inner[0]) + first) * row)
        return out

    def _fill(self, out: np.ndarray, start: int) -> None:
        done = os.preadv(self._handle, [out], start)
        while done < out.nbytes:  # rare: the system reads at most 2 GiB at a time
            n = os.preadv(self._handle, [memoryview(out).cast("B")[done:]], start + done)
            if n == 0:
                raise BootcampError(f"{self.run.path} ended before all its fields were read.", REMAKE)
            done += n

    def _through_h5py(self, name: str) -> h5py.Dataset:
        if self._file is None:
            self._file = h5py.File(self.run.path, "r")
        return self._file[name]


def read_run(run: RunFile | str | os.PathLike[str]) -> RunArrays:
    """Read a whole run into memory.

    Parameters
    ----------
    run : RunFile or path

    Returns
    -------
    RunArrays
    """
    with RunReader(run) as reader:
        shapes = reader.run.shapes
        arrays = {}
        for name in VARIABLES:
            out = arrays[name] = np.empty(shapes[name], np.float32)
            if name == STATICS:
                reader.read(name, None, 0, len(out), out)
            else:
                for lead in range(len(out)):
                    reader.read(name, lead, 0, out.shape[1], out[lead])
        return RunArrays(**arrays, hours=np.array(reader.run.hours))


def index_runs(paths: Iterable[str | os.PathLike[str]]) -> list[RunFile]:
    """Index many files, and make sure that they belong together.

    Parameters
    ----------
    paths : iterable of path

    Returns
    -------
    list of RunFile

    Raises
    ------
    BootcampError
        If there is no file, or two differ in their domain or lead times.
    """
    runs = [index_run(path) for path in paths]
    if not runs:
        raise BootcampError("The loader was given no files.", "Give at least one path or date.")
    for run in runs:
        if (run.shapes, run.hours) != (runs[0].shapes, runs[0].hours):
            raise BootcampError(
                f"{run.path} has {len(run.hours)} lead times of {run.domain} points,"
                f" {runs[0].path} has {len(runs[0].hours)} of {runs[0].domain}.",
                "Load runs of one tier at a time.",
            )
    return runs
