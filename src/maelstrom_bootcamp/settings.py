"""The settings object: read from the environment, the only global state of the course."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from maelstrom_bootcamp.errors import BootcampError

SIZES = ("ci", "default", "full")
DATA_MODES = ("sample", "remote")


@dataclass(frozen=True)
class Settings:
    """Where data come from, and how much of them.

    Attributes
    ----------
    data : {"sample", "remote"}
        ``MAELSTROM_DATA``: sample objects made on this machine, or MAELSTROM's object store.
    size : {"ci", "default", "full"}
        ``MAELSTROM_SIZE``: how large the sample bucket is.
    root : pathlib.Path
        ``MAELSTROM_BUCKET``: folder that holds the sample buckets of all sizes.
    seed : int
        ``MAELSTROM_SEED``: seed of the generators; 0 is the course's own weather.
    """

    data: str
    size: str
    root: Path
    seed: int

    @property
    def bucket(self) -> Path:
        """Folder of the bucket of this size and seed (CliMetLab's mirror)."""
        return self.root / (self.size if self.seed == 0 else f"{self.size}-seed{self.seed}")

    @property
    def cache(self) -> Path:
        """Scratch folder for CliMetLab's own cache."""
        return self.root / "climetlab-cache"


def settings() -> Settings:
    """Read the settings from the environment.

    Returns
    -------
    Settings

    Raises
    ------
    BootcampError
        If a variable holds a value that does not exist.
    """
    data = _choice("MAELSTROM_DATA", "sample", DATA_MODES)
    size = _choice("MAELSTROM_SIZE", "default", SIZES)
    text = os.environ.get("MAELSTROM_SEED", "0")
    if not text.isdecimal():
        raise BootcampError(
            f"MAELSTROM_SEED={text!r} is not a whole number >= 0.", "Unset it or give a number."
        )
    root = os.environ.get("MAELSTROM_BUCKET")
    path = Path(root).expanduser().absolute() if root else user_cache_path("maelstrom-bootcamp") / "bucket"
    return Settings(data=data, size=size, root=path, seed=int(text))


def _choice(variable: str, default: str, allowed: tuple[str, ...]) -> str:
    value = os.environ.get(variable, default)
    if value not in allowed:
        raise BootcampError(
            f"{variable}={value!r} is not one of {', '.join(allowed)}.",
            f"Unset {variable} (default {default!r}) or give one of these.",
        )
    return value
