"""CliMetLab's directory mirror, made strict: what the sample bucket lacks is an error, not a download.

Import only after `maelstrom_bootcamp.bucket.guards.install`, which imports CliMetLab without side effects.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from climetlab import mirrors
from climetlab.mirrors.directory_mirror import DirectoryMirror, DirectoryMirrorConnectionForUrl
from climetlab.sources.url import Url

from maelstrom_bootcamp.bucket.manifest import Entry, Manifest
from maelstrom_bootcamp.catalog import CATALOG, Dataset, owner
from maelstrom_bootcamp.errors import BootcampError

_HOSTS = frozenset().union(*(row.hosts for row in CATALOG.values()))


class SampleMirror(DirectoryMirror):
    """Serves the objects of one bucket.

    Parameters
    ----------
    root : pathlib.Path
        The bucket.
    size : {"ci", "default", "full"}
        Its size, for messages.
    """

    def __init__(self, root: Path, size: str) -> None:
        super().__init__(str(root))
        self.root = root
        self.size = size
        self._manifests: dict[str, tuple[int, dict[str, Entry]]] = {}

    def connection_for_url(self, source: Url, url: str, parts: Any) -> DirectoryMirrorConnectionForUrl | None:
        """Answer for every object of MAELSTROM's hosts; leave the rest of the world alone."""
        if urlsplit(url).netloc not in _HOSTS:
            return None
        return _Connection(self, source)

    def entries(self, name: str) -> dict[str, Entry]:
        """The manifest of a dataset, read again only when it has changed."""
        manifest = Manifest(self.root / "manifest", name)
        try:
            changed = manifest.path.stat().st_mtime_ns
        except OSError:
            return {}
        if self._manifests.get(name, (None,))[0] != changed:
            self._manifests[name] = (changed, manifest.read())
        return self._manifests[name][1]


class _Connection(DirectoryMirrorConnectionForUrl):
    mirror: SampleMirror

    def get_file(self, create: Callable[..., Any], args: Any) -> str:
        url = urlsplit(self.source.url)
        address = f"{url.netloc}{url.path}"
        name = f"url/{url.scheme}/{address}"
        row = owner(address)
        _refuse_absent(name, row)
        entries = self.mirror.entries(row.name) if row else {}
        path = self.mirror.root / name
        if not path.is_file():
            raise _missing(name, row, bool(entries), self.mirror)
        if name in entries and path.stat().st_size != entries[name].bytes:
            raise BootcampError(
                f"The sample object {name} is damaged: its length is not that in the manifest.",
                f"Run `bootcamp data verify {row.name}` (it makes damaged objects again).",
            )
        return str(path)


def _refuse_absent(name: str, row: Dataset | None) -> None:
    for part, reason in row.absent.items() if row else ():
        if part in name.rpartition("/")[2]:
            raise BootcampError(
                f"No sample of {row.name} holds {name}: {reason}.",
                "Set MAELSTROM_DATA=remote to ask MAELSTROM's own archive.",
            )


def _missing(name: str, row: Dataset | None, made: bool, mirror: SampleMirror) -> BootcampError:
    cause = f"The sample bucket of size {mirror.size!r} in {mirror.root} has no object {name}."
    if row is None:
        return BootcampError(cause, "No dataset of the catalogue has it. See `bootcamp data list`.")
    make = f"bootcamp data make {row.name}"
    if not made:
        return BootcampError(cause, f"Run `{make}` (or `bucket.serve({row.name!r})`) once before opening it.")
    return BootcampError(
        cause,
        "Ask for something that the sample holds (`bootcamp data open` shows a request that works), make a "
        f"larger sample (`{make} --size full`, then MAELSTROM_SIZE=full), or set MAELSTROM_DATA=remote.",
    )


def activate(root: Path, size: str) -> None:
    """Let CliMetLab read from a bucket; works before and after CliMetLab's first use.

    Parameters
    ----------
    root : pathlib.Path
    size : {"ci", "default", "full"}
    """
    mirrors._reset_mirrors(use_env_var=False)
    SampleMirror(root, size).activate()
    # For programs that this process starts. Mirrors are read once, at CliMetLab's import.
    os.environ["CLIMETLAB_MIRROR"] = str(root)


def deactivate(root: Path) -> None:
    """Let CliMetLab read from MAELSTROM's object store (or from the reader's own ``CLIMETLAB_MIRROR``).

    Parameters
    ----------
    root : pathlib.Path
        Folder of the sample buckets: every mirror inside is switched off, also one that this process has
        inherited from the environment of its parent.
    """
    for mirror in list(mirrors.get_active_mirrors()):
        if isinstance(mirror, DirectoryMirror) and Path(mirror.path).is_relative_to(root):
            mirror.deactivate()
    if Path(os.environ.get("CLIMETLAB_MIRROR", "/")).is_relative_to(root):
        del os.environ["CLIMETLAB_MIRROR"]
