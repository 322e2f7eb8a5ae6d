"""Every notebook, solutions included, runs with small parameters; stored outputs are what a new run gives.

The new run of trained notebooks, at full length, is marked ``whole`` and left to ``make test-whole``: it
takes half an hour and compares no output, only what their check cells assert.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import papermill
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from maelstrom_bootcamp.course.rules import KINDS
from support import (
    NOTEBOOKS,
    ROOT,
    execute,
    is_alone,
    notebook_id,
    notebook_parameters,
    read,
    second_chance,
)

pytestmark = [pytest.mark.slow, pytest.mark.notebook]
SANITIZE = ROOT / "tests" / "nbval_sanitize.cfg"
BY_KIND = {k: [p for p in NOTEBOOKS if read(p).metadata.bootcamp.kind == k] for k in KINDS}


def nbval(path: Path, kind: str) -> subprocess.CompletedProcess[str]:
    """Re-run a notebook and compare: everything if deterministic, what is marked and asserted if trained."""
    how = "--nbval" if kind == "deterministic" else "--nbval-lax"
    command = [
        sys.executable,
        "-m",
        "pytest",
        how,
        "--nbval-current-env",
        f"--nbval-sanitize-with={SANITIZE}",
    ]
    command += [
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:cov",
        "-c",
        str(SANITIZE.with_name("nbval.ini")),
        str(path),
    ]
    return subprocess.run(command, cwd=path.parent, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("path", notebook_parameters(NOTEBOOKS))
def test_runs_with_the_parameters_of_ci(path, tmp_path, kernel_environment):
    parameters = read(path).metadata.bootcamp.ci
    known = papermill.inspect_notebook(str(path))
    assert set(parameters) <= set(known), "papermill only warns about parameters that do not exist"
    execute(path, tmp_path / path.name)


def run_again(path: Path, kind: str, environment: pytest.MonkeyPatch) -> None:
    """Assert that a run with the parameters of the stored outputs agrees with them."""
    environment.setenv("MAELSTROM_SIZE", "default")  # stored outputs come from the default size

    def once():
        result = nbval(path, kind)
        if first_error(result.stdout).startswith("AssertionError"):
            raise AssertionError(f"{first_error(result.stdout)}\n{result.stdout[-8000:]}")
        if result.returncode:
            pytest.fail(result.stdout[-8000:])  # no AssertionError: another run would not mend it

    second_chance(once, notebook_id(path)) if is_alone(path) else once()


def first_error(report: str) -> str:
    """Name and text of the error of the first cell that raised one, by nbval's report; else nothing."""
    plain = re.sub(r"\x1b\[[\d;]*m", "", report)
    found = re.search(
        r"^(\w+) +Traceback \(most recent call last\)$.*?^(\1(?::[^\n]*)?)$", plain, re.M | re.S
    )
    return found[2] if found else ""


@pytest.mark.parametrize("path", notebook_parameters(BY_KIND["deterministic"]))
def test_stored_outputs_are_those_of_a_new_run(path, kernel_environment):
    run_again(path, "deterministic", kernel_environment)


@pytest.mark.whole
@pytest.mark.parametrize("path", notebook_parameters(BY_KIND["trained"]))
def test_claims_hold_in_a_new_run(path, kernel_environment):
    run_again(path, "trained", kernel_environment)


def test_every_notebook_is_of_one_kind():
    assert sorted(p for paths in BY_KIND.values() for p in paths) == sorted(NOTEBOOKS)


@pytest.mark.parametrize("kind", ["deterministic", "trained"])
def test_nbval_sees_an_altered_output_only_if_strict(kind, tmp_path, kernel_environment):
    path = tmp_path / "altered.ipynb"
    text = (ROOT / "notebooks" / "template.ipynb").read_text(encoding="utf-8")
    assert "24 hours, 279.1 to 287.1 K" in text
    path.write_text(
        text.replace("24 hours, 279.1 to 287.1 K", "24 hours, 280.1 to 287.1 K"), encoding="utf-8"
    )
    assert nbval(path, kind).returncode == (1 if kind == "deterministic" else 0)


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (["assert 2 < 1, 'too slow'", "unknown"], "AssertionError: too slow"),
        (["unknown", "assert 2 < 1, 'too slow'"], "NameError: name 'unknown' is not defined"),
        (["1 + 1"], ""),
    ],
)
def test_the_first_error_of_a_report_of_nbval(cells, told, tmp_path, kernel_environment):
    nb = new_notebook(cells=[new_code_cell(cell, execution_count=1) for cell in cells])
    nb.metadata.kernelspec = read(ROOT / "notebooks" / "template.ipynb").metadata.kernelspec
    nbformat.write(nb, tmp_path / "race.ipynb")
    assert first_error(nbval(tmp_path / "race.ipynb", "trained").stdout) == told
