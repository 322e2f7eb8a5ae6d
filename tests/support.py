"""What several test modules share: the project's folder and its notebooks."""

from __future__ import annotations

from pathlib import Path

import nbformat

from maelstrom_bootcamp.course.project import find_notebooks

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = find_notebooks(ROOT)
TEMPLATE = ROOT / "notebooks" / "template.ipynb"


def notebook_id(path: Path) -> str:
    """Short name of a notebook in pytest's reports."""
    return path.relative_to(ROOT / "notebooks").with_suffix("").as_posix()


def read(path: Path) -> nbformat.NotebookNode:
    """Read a notebook."""
    return nbformat.read(path, as_version=4)
