"""How a recipe writes: jobs, the writer that makes each object all or nothing, and its failures."""

from __future__ import annotations

import errno
import os
import shutil
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from maelstrom_bootcamp.bucket.manifest import Entry, describe, temporary_name
from maelstrom_bootcamp.errors import BootcampError

#: A failure with less than this left on the disk is called "disk full" whatever the library said
#: (netCDF4 reports "HDF error" without an error number).
NEARLY_NOTHING = 2**20
#: Error numbers that say "you may not write here".
REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)


@dataclass(frozen=True)
class Job:
    """A piece of a recipe's work: made as a whole, by one process, and remade as a whole.

    Attributes
    ----------
    key : str
        Name of the job, unique within the recipe.
    objects : tuple of str
        Paths relative to the bucket of every object that the job writes.
    bytes : int
        Estimate of what it writes, for the check of free space; 0 if unknown.
    """

    key: str
    objects: tuple[str, ...]
    bytes: int = 0


class Recipe(Protocol):
    """Makes the sample objects of one dataset.

    ``version`` stands in the manifest: objects of another version are made again. An optional attribute
    ``in_process = True`` says that the jobs are too small to be worth starting worker processes; another,
    ``needs = ("name", ...)``, names datasets whose objects have to be made before, to be read by
    `Writer.path`. What is made from them belongs into ``version``, too.
    """

    name: str
    version: str

    def plan(self, size: str, seed: int) -> list[Job]:
        """Every job of the sample of this size and seed, in a fixed order."""
        ...

    def make(self, job: Job, out: Writer) -> None:
        """Write each of ``job.objects`` with ``out.write``."""
        ...


class DiskFullError(Exception):
    """The file system has no room for an object. The bucket turns it into a `BootcampError`."""


class Writer:
    """Writes objects of one recipe into a bucket: complete and recorded, or not at all.

    Parameters
    ----------
    root : pathlib.Path
        The bucket.
    recipe : Recipe
        Whose name and version go into the manifest.
    size : {"ci", "default", "full"}
        Size of the sample; recipes may read it.
    seed : int
        Seed of the sample; recipes may read it.
    """

    def __init__(self, root: Path, recipe: Recipe, size: str, seed: int) -> None:
        self.root = root
        self.recipe = recipe
        self.size = size
        self.seed = seed
        self.entries: list[Entry] = []

    def path(self, object_path: str) -> Path:
        """Where an object stands on the disk (also for reading one that another step has written)."""
        parts = PurePosixPath(object_path).parts
        if not parts or ".." in parts or object_path.startswith("/"):
            raise ValueError(f"not a path inside the bucket: {object_path!r}")
        return self.root.joinpath(*parts)

    def write(self, object_path: str, fn: Callable[[Path], object]) -> None:
        """Write one object.

        Parameters
        ----------
        object_path : str
            Path relative to the bucket.
        fn : callable
            Called with the path of a temporary file in the same folder (same ending as the object);
            has to create it and close it. It is then flushed to the disk and renamed in one step.

        Raises
        ------
        DiskFullError
            If there was no room. Nothing half-written is left behind.
        """
        target = self.path(object_path)
        temporary = target.with_name(temporary_name(self.recipe.name, os.getpid(), target.name))
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            fn(temporary)
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            entry = describe(temporary, object_path, self.recipe.version)
            os.replace(temporary, target)
            _sync_folder(target.parent)
        except Exception as error:
            if _is_disk_full(error, self.root):
                raise DiskFullError(object_path) from error
            raise
        finally:
            with suppress(OSError):  # gone by renaming, or never there
                temporary.unlink()
        self.entries.append(entry)


def run_job(recipe: Recipe, job: Job, writer: Writer) -> list[Entry]:
    """Make one job and return the entries of its objects.

    Parameters
    ----------
    recipe : Recipe
    job : Job
    writer : Writer

    Returns
    -------
    list of Entry

    Raises
    ------
    BootcampError
        If the recipe fails, with the traceback as a note.
    DiskFullError, OSError
        If the disk refuses; the bucket knows the sizes and says the rest.
    """
    writer.entries = []
    try:
        recipe.make(job, writer)
    except (BootcampError, DiskFullError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in REFUSED:
            raise
        failure = BootcampError(
            f"The recipe of {recipe.name} failed at {job.key}: {type(error).__name__}: {error}",
            "This is a fault of the course. Please report it with the traceback in the log of the bucket.",
        )
        failure.add_note(traceback.format_exc())
        raise failure from error
    written = {entry.object for entry in writer.entries}
    if written != set(job.objects):
        odd = sorted(written.symmetric_difference(job.objects))
        raise BootcampError(
            f"The recipe of {recipe.name} wrote other objects than planned at {job.key}: {odd[0]}.",
            "This is a fault of the course. Please report it.",
        )
    return writer.entries


def _sync_folder(folder: Path) -> None:
    # The rename itself has to reach the disk; Windows cannot open folders and does not need it.
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _is_disk_full(error: Exception, folder: Path) -> bool:
    if isinstance(error, DiskFullError):
        return False
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return shutil.disk_usage(folder).free < NEARLY_NOTHING
