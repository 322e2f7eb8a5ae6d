"""The sample objects of one dataset on the disk: what is missing, making it, checking it, removing it.

The layout of a bucket (one folder for each size and seed)::

    url/https/<host>/<bucket>/<object>   what CliMetLab's mirror serves
    truth/<dataset>/...                  what only the generator knows
    manifest/<dataset>.jsonl             digest of every object; .lock and .log beside it
"""

from __future__ import annotations

import errno
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout

from maelstrom_bootcamp.bucket import recipes
from maelstrom_bootcamp.bucket.manifest import Entry, Manifest, digest, temporary_name
from maelstrom_bootcamp.bucket.pool import run_jobs
from maelstrom_bootcamp.bucket.progress import Progress
from maelstrom_bootcamp.bucket.worker import Header, load
from maelstrom_bootcamp.bucket.writing import REFUSED, DiskFullError, Job, Recipe, Writer
from maelstrom_bootcamp.errors import BootcampError

__all__ = ["Job", "Problem", "Recipe", "Store", "Writer"]

#: Free space wanted on top of a recipe's estimate, so that the machine stays usable.
MARGIN = 50 * 2**20

_Held = AbstractContextManager[object]


@dataclass(frozen=True)
class Problem:
    """An object that cannot be served as it is.

    Attributes
    ----------
    object : str
        Path relative to the bucket.
    reason : {"missing", "unrecorded", "older recipe", "wrong length", "altered"}
    """

    object: str
    reason: str


class Store:
    """The sample objects of one dataset.

    Parameters
    ----------
    name : str
        Registered name of the dataset.
    root : pathlib.Path
        The bucket.
    size : {"ci", "default", "full"}
    seed : int
    """

    def __init__(self, name: str, root: Path, size: str, seed: int) -> None:
        self.name = name
        self.root = root
        self.size = size
        self.seed = seed
        self.reference = recipes.reference(name)
        self.recipe: Recipe = load(self.reference)
        self.jobs = self.recipe.plan(size, seed)
        self.folder = root / "manifest"
        self.manifest = Manifest(self.folder, name)

    def verify(self, deep: bool = False) -> list[Problem]:
        """Compare every planned object with the manifest.

        Parameters
        ----------
        deep : bool
            Read every object again. Otherwise only those whose time of change differs from the recorded
            one are read, and of the others the length is compared.

        Returns
        -------
        list of Problem
        """
        return self._compare(deep)[0]

    def make(self, *, progress: bool = True) -> int:
        """Make what is missing, truncated, altered or of an older recipe.

        Parameters
        ----------
        progress : bool
            Show how far it is.

        Returns
        -------
        int
            Number of jobs done.

        Raises
        ------
        BootcampError
            If the folder is not writable, the disk is full, or the recipe fails. What was finished is kept.
        """
        return self._guarded(lambda: self._make(progress))

    def damage(self, problems: Iterable[Problem]) -> None:
        """Forget objects, so that the next `make` writes them again."""
        bad = {problem.object for problem in problems}

        def forget() -> None:
            with self._lock():
                self.manifest.rewrite(e for e in self.manifest.read().values() if e.object not in bad)

        self._guarded(forget)

    def clean(self) -> int:
        """Remove every object of the dataset that the manifest names, and the manifest.

        Returns
        -------
        int
            Bytes set free.
        """
        if not self.folder.is_dir():
            return 0
        return self._guarded(self._clean_locked)

    # ---------------------------------------------------------------- comparing

    def _compare(self, deep: bool = False) -> tuple[list[Problem], list[Entry]]:
        entries = self.manifest.read()
        problems, confirmed = [], []
        for job in self.jobs:
            for name in job.objects:
                outcome = self._check(name, entries.get(name), deep)
                if isinstance(outcome, Problem):
                    problems.append(outcome)
                elif outcome is not None:
                    confirmed.append(outcome)
        return problems, confirmed

    def _check(self, name: str, entry: Entry | None, deep: bool) -> Problem | Entry | None:
        """A problem, an entry with a new time of change (content confirmed), or None: as recorded."""
        path = self.root / name
        try:
            status = path.stat()
        except OSError:
            return Problem(name, "missing")
        if entry is None:
            return Problem(name, "unrecorded")
        if entry.recipe != self.recipe.version:
            return Problem(name, "older recipe")
        if status.st_size != entry.bytes:
            return Problem(name, "wrong length")
        touched = status.st_mtime_ns != entry.mtime_ns
        if (deep or touched) and digest(path) != entry.sha256:
            return Problem(name, "altered")
        return replace(entry, mtime_ns=status.st_mtime_ns) if touched else None

    def _record(self, confirmed: Sequence[Entry]) -> None:
        # A copied bucket has new times of change; remember that the content was found right. In a shared
        # bucket that is read-only, or while somebody else writes, this is simply done again next time.
        if confirmed:
            with suppress(OSError, Timeout, NotImplementedError), self._lock(timeout=0):
                self.manifest.append(confirmed)

    # ---------------------------------------------------------------- making

    def _make(self, progress: bool) -> int:
        for name in getattr(self.recipe, "needs", ()):
            Store(name, self.root, self.size, self.seed).make(progress=progress)
        problems, confirmed = self._compare()
        if problems:
            return self._make_locked(progress)
        self._record(confirmed)
        return 0

    def _make_locked(self, progress: bool) -> int:
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._lock(on_wait=lambda: self._say_waiting(progress)):
            bad = {problem.object for problem in self._compare()[0]}
            todo = [job for job in self.jobs if bad.intersection(job.objects)]
            if not todo:
                return 0  # another process made it while we waited
            self._remove_leftovers()
            self._check_space(todo)
            self._run(todo, progress)
            self._remove_unplanned()
            return len(todo)

    def _run(self, todo: Sequence[Job], progress: bool) -> None:
        header = Header(self.reference, self.root, self.size, self.seed, tuple(sys.path))
        waiting = {job.key: job for job in todo}
        with Progress(f"{self.name} ({self.size})", len(todo), progress) as shown:
            results = run_jobs(todo, header, self.folder / f"{self.name}.log")
            try:
                for job, entries in results:
                    self.manifest.append(entries)
                    del waiting[job.key]
                    shown.step()
            except DiskFullError as error:
                self._remove_leftovers()
                raise self._disk_full(waiting.values(), str(error)) from error
            finally:
                results.close()

    def _remove_leftovers(self) -> None:
        """Remove what killed processes left behind; we hold the lock, so nobody else is writing."""
        folders = {(self.root / name).parent for job in self.jobs for name in job.objects} | {self.folder}
        for folder in folders:
            for path in folder.glob(temporary_name(self.name, "*", "*")):
                path.unlink(missing_ok=True)

    def _remove_unplanned(self) -> None:
        """Remove objects of an older recipe that this one no longer makes: the mirror would serve them."""
        planned = {name for job in self.jobs for name in job.objects}
        entries = self.manifest.read()
        for name in entries.keys() - planned:
            (self.root / name).unlink(missing_ok=True)
        self.manifest.rewrite(entry for name, entry in entries.items() if name in planned)

    def _check_space(self, todo: Iterable[Job]) -> None:
        needed = sum(job.bytes for job in todo)
        if needed and self._free() < needed + MARGIN:
            raise self._disk_full(todo, None)

    def _free(self) -> int:
        """Free bytes where the bucket is or will be."""
        folder = next(path for path in (self.root, *self.root.parents) if path.exists())
        return shutil.disk_usage(folder).free

    def _disk_full(self, todo: Iterable[Job], at: str | None) -> BootcampError:
        needed = sum(job.bytes for job in todo)
        free = self._free()
        wanted = f"about {needed / 1e6:.0f} MB ({needed} bytes)" if needed else "more space"
        where = f" while writing {at}" if at else ""
        return BootcampError(
            f"The disk is full{where}: {self.name} ({self.size}) needs {wanted}, "
            f"{free / 1e6:.0f} MB ({free} bytes) are free in {self.root}.",
            "Free some space, or set MAELSTROM_BUCKET to a folder on a larger disk, or take a smaller "
            "sample (MAELSTROM_SIZE=ci). What was finished is kept.",
        )

    # ---------------------------------------------------------------- removing, locking

    def _clean_locked(self) -> int:
        freed = 0
        with self._lock():
            self._remove_leftovers()
            for name in self.manifest.read():
                path = self.root / name
                if path.is_file():
                    freed += path.stat().st_size
                    path.unlink()
                for folder in path.parents:
                    if folder == self.root or not _remove_if_empty(folder):
                        break
            for path in (self.manifest.path, self.folder / f"{self.name}.log"):
                path.unlink(missing_ok=True)
        return freed

    def _lock(self, timeout: float = -1, on_wait: Callable[[], None] | None = None) -> _Held:
        lock = FileLock(self.folder / f"{self.name}.lock")
        if timeout >= 0 or on_wait is None:
            return _acquired(lock, timeout)
        try:
            return _acquired(lock, 0)
        except Timeout:
            on_wait()
            return _acquired(lock, -1)

    def _say_waiting(self, progress: bool) -> None:
        text = f"waiting for another process that is making {self.name} ({self.size})"
        Progress(self.name, 0, progress).note(text)

    def _guarded(self, action: Callable[[], int | None]) -> int:
        try:
            return action() or 0
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise self._disk_full(self.jobs, None) from error
            if error.errno not in REFUSED:
                raise
            raise BootcampError(
                f"The bucket cannot be read or written: {error.strerror}: {error.filename or self.root}.",
                "Set MAELSTROM_BUCKET to a folder where you may write, or ask for a bucket that "
                f"already holds {self.name} ({self.size}).",
            ) from error
        except NotImplementedError as error:  # filelock: no locks on this file system
            raise BootcampError(
                f"The file system of {self.root} has no file locks: {error}.",
                "Set MAELSTROM_BUCKET to a folder on another file system.",
            ) from error


def _acquired(lock: FileLock, timeout: float) -> _Held:
    """Acquire a lock; leaving the ``with`` block of what is returned releases it."""
    return lock.acquire(timeout=timeout, poll_interval=0.1)


def _remove_if_empty(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:
        return False
    return True
