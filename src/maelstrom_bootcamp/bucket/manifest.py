"""The manifest of a dataset's sample objects: what was made, when, by which recipe, with which bytes."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True)
class Entry:
    """One object of the bucket as it was when it was written.

    Attributes
    ----------
    object : str
        Path relative to the bucket.
    sha256 : str
        Hexadecimal digest of the content.
    bytes : int
        Length of the content.
    mtime_ns : int
        Time of last change when the digest was last confirmed, in ns since 1970.
    recipe : str
        Version of the recipe that made it.
    made : str
        When it was made, ISO 8601, UTC.
    """

    object: str
    sha256: str
    bytes: int
    mtime_ns: int
    recipe: str
    made: str


def temporary_name(dataset: str, process: int | str, target: str) -> str:
    """Name of the file that a process writes before it is renamed to its target, in the same folder.

    It keeps the ending, which some libraries look at, and says whose it is: datasets share folders.
    """
    return f".tmp+{dataset}+{process}+{target}"


def digest(path: Path) -> str:
    """SHA-256 of a file, read in pieces (constant memory)."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def describe(path: Path, object_path: str, recipe: str) -> Entry:
    """Make the entry of a file that was just written.

    Parameters
    ----------
    path : pathlib.Path
        The complete file.
    object_path : str
        Its (future) place, relative to the bucket.
    recipe : str
        Version of the recipe.

    Returns
    -------
    Entry
    """
    status = path.stat()
    made = datetime.now(UTC).isoformat(timespec="seconds")
    return Entry(object_path, digest(path), status.st_size, status.st_mtime_ns, recipe, made)


class Manifest:
    """JSON lines, one per object; a later line replaces an earlier one of the same object.

    Appending is how a long job records what is done. A line that a killed process left incomplete is
    ignored when reading: its object then counts as unknown and is made again.

    Parameters
    ----------
    folder : pathlib.Path
        Where the manifests of the bucket stand; need not exist.
    name : str
        Registered name of the dataset.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.path = folder / f"{name}.jsonl"

    def read(self) -> dict[str, Entry]:
        """Entries by object path; empty if there is no manifest yet."""
        try:
            lines = self.path.read_bytes().split(b"\n")
        except (FileNotFoundError, NotADirectoryError):
            return {}
        entries = {}
        for line in lines:
            try:
                entry = Entry(**json.loads(line))
            except (ValueError, TypeError):
                continue  # incomplete line of a killed process, or the empty one at the end
            entries[entry.object] = entry
        return entries

    def append(self, entries: Iterable[Entry]) -> None:
        """Add entries and flush them to the disk."""
        text = "".join(json.dumps(asdict(entry)) + "\n" for entry in entries)
        if not text:
            return
        with self.path.open("ab") as file:
            # A leading newline closes a line that a killed process may have left open.
            file.write(("\n" + text).encode())
            file.flush()
            os.fsync(file.fileno())

    def rewrite(self, entries: Iterable[Entry]) -> None:
        """Replace the manifest in one step by these entries, sorted."""
        text = "".join(json.dumps(asdict(e)) + "\n" for e in sorted(entries, key=lambda e: e.object))
        temporary = self.path.with_name(temporary_name(self.name, os.getpid(), self.path.name))
        try:
            with temporary.open("wb") as file:
                file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self.path)
        finally:
            temporary.unlink(missing_ok=True)
