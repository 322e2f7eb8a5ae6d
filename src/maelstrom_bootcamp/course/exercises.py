"""Read exercises out of a notebook, and tell where one is incomplete.

An exercise is written once, as its reference solution (see ``notebooks/template.ipynb``)::

    exercise-start (title, label) ... hint in a dropdown ... exercise-end     Markdown cells
    solution-start                                       tagged ``solution``, Markdown cell
        code with ### BEGIN SOLUTION / ### END SOLUTION, or a whole cell tagged ``solution``
    solution-end                                         tagged ``solution``, Markdown cell
    check: plain asserts                                 tagged ``check``, code cell
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import nbformat

BEGIN = "### BEGIN SOLUTION"
END = "### END SOLUTION"
LABEL = re.compile(r"ex-[a-z0-9]+(-[a-z0-9]+)+")
GATE = re.compile(r"^(?:`{3,}|:{3,})\{((?:exercise|solution)(?:-start|-end)?)\}[ \t]*(\S*)", re.MULTILINE)
HINT = re.compile(r"^(?:`{3,}|:{3,})\{dropdown\}[ \t]*Hint", re.MULTILINE)


@dataclass
class Exercise:
    """One exercise and the indices of its cells.

    Attributes
    ----------
    label : str
        Lasting label, such as ``ex-a1-quantile-loss``.
    start : int
        Index of the cell with ``exercise-start``.
    end, check : int or None
        Indices of ``exercise-end`` and of the check cell; None if missing.
    hint : bool
        Whether a hint stands in a dropdown.
    gates : list of str
        Labels named by ``solution-start`` directives.
    solutions : list of int
        Indices of the code cells that hold the solution.
    """

    label: str
    start: int
    end: int | None = None
    check: int | None = None
    hint: bool = False
    gates: list[str] = field(default_factory=list)
    solutions: list[int] = field(default_factory=list)


def tags(cell: nbformat.NotebookNode) -> list[str]:
    """Return the tags of a cell."""
    return list(cell.metadata.get("tags", []))


def exercises(nb: nbformat.NotebookNode) -> list[Exercise]:
    """List the exercises of a notebook in their order.

    Parameters
    ----------
    nb : nbformat.NotebookNode

    Returns
    -------
    list of Exercise
    """
    found: list[Exercise] = []
    for index, cell in enumerate(nb.cells):
        if cell.cell_type == "markdown":
            _read_markdown(index, cell.source, found)
        elif found and cell.cell_type == "code":
            if "check" in tags(cell):
                if found[-1].check is None:
                    found[-1].check = index
            elif BEGIN in cell.source or "solution" in tags(cell):
                found[-1].solutions.append(index)
    return found


def _read_markdown(index: int, source: str, found: list[Exercise]) -> None:
    for gate, argument in GATE.findall(source):
        if gate == "exercise-start":
            label = re.search(r"^:label:[ \t]*(\S+)", source, re.MULTILINE)
            found.append(Exercise(label.group(1) if label else "", index))
        elif not found:
            continue
        elif gate == "exercise-end":
            found[-1].end = index
        elif gate == "solution-start":
            found[-1].gates.append(argument)
    if found and found[-1].end in (None, index) and HINT.search(source):
        found[-1].hint = True


def exercise_problems(nb: nbformat.NotebookNode) -> Iterator[tuple[int, str]]:
    """Tell what is missing or wrong in the exercises of a notebook.

    Parameters
    ----------
    nb : nbformat.NotebookNode

    Yields
    ------
    (int, str)
        Index of the cell and what is wrong with it.
    """
    for exercise in exercises(nb):
        yield from ((exercise.start, f"exercise {exercise.label!r}: {m}") for m in _missing(exercise, nb))
    yield from _gate_problems(nb)


def _missing(exercise: Exercise, nb: nbformat.NotebookNode) -> Iterator[str]:
    if not LABEL.fullmatch(exercise.label):
        yield "the label is not of the form ex-a1-some-name"
    if exercise.end is None:
        yield "exercise-end is missing"
    if not exercise.hint:
        yield "no hint (a {dropdown} titled Hint before exercise-end)"
    if exercise.gates != [exercise.label]:
        yield f"needs one solution-start with its own label, has {exercise.gates}"
    if not exercise.solutions:
        yield "no solution (a BEGIN SOLUTION region, or a code cell tagged 'solution')"
    if exercise.check is None:
        yield "no code cell tagged 'check' after it"
    elif "assert " not in nb.cells[exercise.check].source:
        yield "its check cell asserts nothing"
    elif exercise.solutions and exercise.check < exercise.solutions[-1]:
        yield "its check cell stands before its solution"


def _gate_problems(nb: nbformat.NotebookNode) -> Iterator[tuple[int, str]]:
    inside = False
    for index, cell in enumerate(nb.cells):
        if cell.cell_type == "markdown":
            for gate, _ in GATE.findall(cell.source):
                if gate in ("exercise", "solution"):
                    yield index, f"use the gated form {gate}-start / {gate}-end"
                if gate.startswith("solution") and "solution" not in tags(cell):
                    yield index, f"the cell with {gate} is not tagged 'solution'"
                if gate == "solution-start":
                    inside = True
                if gate == "solution-end":
                    inside = False
            continue
        if cell.source.count(BEGIN) != cell.source.count(END):
            yield index, f"{BEGIN!r} and {END!r} do not pair"
        if BEGIN in cell.source and "solution" in tags(cell):
            yield index, "has a solution region and the tag 'solution': one of the two"
        solution = BEGIN in cell.source or "solution" in tags(cell)
        if solution and not inside:
            yield index, "a solution outside of solution-start / solution-end"
        if inside and not solution:
            yield index, "a code cell between the solution's gates is neither tagged nor has a region"
    if inside:
        yield len(nb.cells) - 1, "solution-end is missing"
