"""The student edition: notebooks without solutions and outputs, generated from the reference solutions."""

from __future__ import annotations

import argparse
import copy
import os
import re
import shutil
from pathlib import Path

import nbformat

from maelstrom_bootcamp.course.directives import to_plain
from maelstrom_bootcamp.course.exercises import BEGIN, exercises
from maelstrom_bootcamp.course.project import NOTEBOOKS, find_notebooks, project_root
from maelstrom_bootcamp.errors import BootcampError

STUB = 'raise NotImplementedError("replace this line by your solution")'
DEFAULT_OUTPUT = Path("dist") / "student"
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")


def student_edition(nb: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Make the learners' notebook from the reference solution.

    Cells tagged ``solution`` go, solution regions become a stub that stops with ``NotImplementedError``,
    outputs go, and MyST directives become plain Markdown.

    Parameters
    ----------
    nb : nbformat.NotebookNode
        Left as it is.

    Returns
    -------
    nbformat.NotebookNode
    """
    # Imported here: nbgrader and jupytext take a second, and the bootcamp command imports this module.
    from nbconvert.preprocessors import ClearOutputPreprocessor, TagRemovePreprocessor
    from nbgrader.preprocessors import ClearSolutions

    from maelstrom_bootcamp.course.notebooks import clean

    student, _ = TagRemovePreprocessor(remove_cell_tags={"solution"}, enabled=True).preprocess(
        copy.deepcopy(nb), {}
    )
    clear = ClearSolutions(enforce_metadata=False, code_stub={"python": STUB})
    for index, cell in enumerate(student.cells):
        if cell.cell_type == "code" and BEGIN in cell.source:
            clear.preprocess_cell(cell, {"language": "python"}, index)
    student, _ = ClearOutputPreprocessor(enabled=True).preprocess(student, {})
    clean(student)
    for cell in student.cells:
        if cell.cell_type == "markdown":
            cell.source = to_plain(cell.source)
    student.cells = [c for c in student.cells if c.source.strip()]
    return student


def restore_solutions(student: nbformat.NotebookNode, nb: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Put the reference solutions back into a student notebook, as a perfect student would.

    Parameters
    ----------
    student, nb : nbformat.NotebookNode
        The student edition and the notebook that it was made from; both left as they are.

    Returns
    -------
    nbformat.NotebookNode
    """
    solved = copy.deepcopy(student)
    present = {cell.id: cell for cell in solved.cells}
    cells = []
    for cell in nb.cells:
        if cell.id in present:
            cells.append(present[cell.id])
            if BEGIN in cell.source:
                cells[-1].source = cell.source
        elif cell.cell_type == "code":
            cells.append(copy.deepcopy(cell))
    solved.cells = cells
    return solved


def student_notebooks(root: Path) -> list[Path]:
    """List the notebooks that students get: all but the authors' template.

    Parameters
    ----------
    root : pathlib.Path
        Project folder.

    Returns
    -------
    list of pathlib.Path
    """
    return [p for p in find_notebooks(root) if p.name != "template.ipynb"]


def make_student_edition(root: Path, output: Path) -> list[Path]:
    """Write the student edition of all notebooks, and of the files beside them.

    Parameters
    ----------
    root : pathlib.Path
        Project folder.
    output : pathlib.Path
        Folder that is replaced.

    Returns
    -------
    list of pathlib.Path
        The student notebooks.

    Raises
    ------
    BootcampError
        If ``output`` holds something that is no student edition.
    """
    top = root / NOTEBOOKS
    if output.resolve() in (top.resolve(), *top.resolve().parents):
        raise BootcampError(f"{output.name!r} holds the course's own notebooks.", "Choose another folder.")
    if output.exists() and any(output.iterdir()) and not (output / ".student-edition").exists():
        raise BootcampError(
            f"The folder {output.name!r} holds files that are no student edition.",
            "Choose an empty folder, or empty this one yourself.",
        )
    draft = output.with_name(f".{output.name}.{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    shutil.copytree(top, draft, ignore=shutil.ignore_patterns("*.ipynb", ".*"))
    (draft / ".student-edition").write_text("made by: bootcamp student\n", encoding="utf-8")
    names = []
    for path in student_notebooks(root):
        name = path.relative_to(top)
        student = student_edition(nbformat.read(path, as_version=4))
        _unlink(student, path.parent, top)
        (draft / name).parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(student, draft / name)
        names.append(name)
    shutil.rmtree(output, ignore_errors=True)
    draft.rename(output)
    return [output / name for name in names]


def _unlink(nb: nbformat.NotebookNode, folder: Path, top: Path) -> None:
    """Turn links to files that students do not have (the book's pages) into text; in place."""

    def link(match: re.Match[str]) -> str:
        image, text, target = match.groups()
        if re.match(r"[a-z]+:|#", target):
            return match[0]
        file = (folder / target.partition("#")[0]).resolve()
        return (
            match[0]
            if file.exists() and file.is_relative_to(top.resolve())
            else (image and "Figure: ") + text
        )

    for cell in nb.cells:
        if cell.cell_type == "markdown":
            cell.source = _LINK.sub(link, cell.source)


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add ``bootcamp student`` to the command line.

    Parameters
    ----------
    subparsers : argparse subparsers
        Of the ``bootcamp`` command.
    """
    parser = subparsers.add_parser("student", help="make the student edition: no solutions, no outputs")
    parser.add_argument(
        "--output", type=Path, default=None, help=f"folder to write (default: {DEFAULT_OUTPUT})"
    )
    parser.set_defaults(run=main)


def main(args: argparse.Namespace) -> int:
    """Run ``bootcamp student``.

    Parameters
    ----------
    args : argparse.Namespace
        With ``output``: a path, or None for ``dist/student`` in the project.

    Returns
    -------
    int
        Exit code.
    """
    root = project_root()
    output = args.output or root / DEFAULT_OUTPUT
    output.parent.mkdir(parents=True, exist_ok=True)
    made = make_student_edition(root, output)
    count = sum(len(exercises(nbformat.read(p, as_version=4))) for p in student_notebooks(root))
    print(f"{len(made)} notebooks with {count} exercises are in {output}")
    return 0
