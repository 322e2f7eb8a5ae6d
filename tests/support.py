"""What several test modules share: the project's folder and its notebooks."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from maelstrom_bootcamp.course.project import find_notebooks

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = find_notebooks(ROOT)
TEMPLATE = ROOT / "notebooks" / "template.ipynb"


def notebook_id(path: Path) -> str:
    """Short name of a notebook in pytest's reports."""
    return path.relative_to(ROOT / "notebooks").with_suffix("").as_posix()


def notebook_parameters(paths: list[Path]) -> list[pytest.param]:
    """Notebooks as parameters of a test that runs them: marked ``alone`` if their metadata say so."""
    marks = {True: [pytest.mark.alone], False: []}
    return [
        pytest.param(p, id=notebook_id(p), marks=marks["alone" in read(p).metadata.bootcamp]) for p in paths
    ]


def read(path: Path) -> nbformat.NotebookNode:
    """Read a notebook."""
    return nbformat.read(path, as_version=4)
