"""What test modules share: the project's folder, its notebooks, interruptions, a second chance for times."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from pathlib import Path

import nbformat
import papermill
import pytest
from papermill.exceptions import PapermillExecutionError

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
    return [pytest.param(p, id=notebook_id(p), marks=marks[is_alone(p)]) for p in paths]


def is_alone(path: Path) -> bool:
    """Whether a notebook compares times, so that nothing may run beside it."""
    return "alone" in read(path).metadata.bootcamp


def read(path: Path) -> nbformat.NotebookNode:
    """Read a notebook."""
    return nbformat.read(path, as_version=4)


class DisturbedWarning(UserWarning):
    """What compares times has failed once, perhaps because somebody else used the machine."""


def second_chance(run: Callable[[], None], name: str) -> None:
    """Run what compares times; after a failed assertion, tell of it and run once more.

    A neighbour on the machine comes and goes: a fault fails twice. Errors of any other kind are no
    matter of time and come through at once.
    """
    try:
        return run()
    except AssertionError as error:
        said = str(error)
    except PapermillExecutionError as error:
        if error.ename != "AssertionError":
            raise
        said = str(error.evalue)
    first_line = said.strip().partition("\n")[0][:300]
    warnings.warn(
        f"{name} failed an assertion and is run once more: {first_line}", DisturbedWarning, stacklevel=2
    )
    return run()


def compares_times(test: Callable[..., None]) -> Callable[..., None]:
    """Mark a unit test whose assertions compare times: it runs alone, and has a second chance."""

    @functools.wraps(test)
    def tried(*args, **kwargs):
        second_chance(lambda: test(*args, **kwargs), test.__name__)

    return pytest.mark.alone(tried)


def execute(path: Path, output: Path, draft: Path | None = None) -> None:
    """Run a notebook, or a draft made of it, with its parameters of ci; a second time if times may differ.

    Raises
    ------
    PapermillExecutionError
        If a cell fails.
    """

    def once():
        papermill.execute_notebook(
            str(draft or path),
            str(output),
            dict(read(path).metadata.bootcamp.ci),
            kernel_name="python3",
            cwd=path.parent,
            progress_bar=False,
        )

    return second_chance(once, notebook_id(path)) if is_alone(path) else once()


def interrupt_once(monkeypatch: pytest.MonkeyPatch, trainer: type, epoch: int = 1) -> list[int]:
    """Have a training interrupted, as by Ctrl-C, when it begins an epoch for the first time.

    Parameters
    ----------
    monkeypatch : pytest.MonkeyPatch
    trainer : type
        With the method ``one_epoch(epoch)``.
    epoch : int

    Returns
    -------
    list of int
        Will hold the epochs that were begun, in order.
    """
    real, begun = trainer.one_epoch, []

    def interrupted(self: object, number: int) -> object:
        begun.append(number)
        if begun.count(epoch) == 1 and number == epoch:
            raise KeyboardInterrupt
        return real(self, number)

    monkeypatch.setattr(trainer, "one_epoch", interrupted)
    return begun
