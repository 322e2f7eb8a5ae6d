"""Where the course's notebooks are."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path

from maelstrom_bootcamp.errors import BootcampError

NOTEBOOKS = "notebooks"


def project_root(start: Path | None = None) -> Path:
    """Find the project folder: the nearest one upwards with `notebooks/` and `pyproject.toml`.

    Parameters
    ----------
    start : pathlib.Path, optional
        Where to begin; the current folder by default.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    BootcampError
        If there is none.
    """
    here = (start or Path.cwd()).absolute()
    for folder in (here, *here.parents):
        if (folder / NOTEBOOKS).is_dir() and (folder / "pyproject.toml").is_file():
            return folder
    raise BootcampError(
        f"No folder with {NOTEBOOKS}/ and pyproject.toml at {here.name!r} or above it.",
        "Call this in the folder of the course (the clone of its repository).",
    )


def find_notebooks(root: Path, pattern: str = "") -> list[Path]:
    """List the notebooks whose path contains or matches a pattern.

    Parameters
    ----------
    root : pathlib.Path
        Project folder.
    pattern : str
        Part of the path below ``notebooks/``, or a pattern with ``*``; everything if empty.

    Returns
    -------
    list of pathlib.Path
        Sorted; checkpoints left out.
    """
    top = root / NOTEBOOKS
    found = (p for p in sorted(top.rglob("*.ipynb")) if ".ipynb_checkpoints" not in p.parts)
    return [p for p in found if _matches(p.relative_to(top).as_posix(), pattern)]


def _matches(name: str, pattern: str) -> bool:
    return pattern in name or fnmatch(name, pattern) or fnmatch(name, f"*{pattern}*")
