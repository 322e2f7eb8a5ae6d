"""Every notebook, solutions included, runs with small parameters; stored outputs are what a new run gives."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import papermill
import pytest

from support import NOTEBOOKS, ROOT, notebook_id, read

pytestmark = [pytest.mark.slow, pytest.mark.notebook]
SANITIZE = ROOT / "tests" / "nbval_sanitize.cfg"


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


@pytest.mark.parametrize("path", NOTEBOOKS, ids=notebook_id)
def test_runs_with_the_parameters_of_ci(path, tmp_path, kernel_environment):
    parameters = read(path).metadata.bootcamp.ci
    known = papermill.inspect_notebook(str(path))
    assert set(parameters) <= set(known), "papermill only warns about parameters that do not exist"
    papermill.execute_notebook(
        str(path),
        str(tmp_path / path.name),
        parameters,
        kernel_name="python3",
        cwd=path.parent,
        progress_bar=False,
    )


@pytest.mark.parametrize("path", NOTEBOOKS, ids=notebook_id)
def test_stored_outputs_are_those_of_a_new_run(path, kernel_environment):
    kernel_environment.setenv("MAELSTROM_SIZE", "default")  # stored outputs come from the default size
    result = nbval(path, read(path).metadata.bootcamp.kind)
    assert result.returncode == 0, result.stdout[-8000:]


@pytest.mark.parametrize("kind", ["deterministic", "trained"])
def test_nbval_sees_an_altered_output_only_if_strict(kind, tmp_path, kernel_environment):
    path = tmp_path / "altered.ipynb"
    text = (ROOT / "notebooks" / "template.ipynb").read_text(encoding="utf-8")
    assert "24 hours, 279.1 to 287.1 K" in text
    path.write_text(
        text.replace("24 hours, 279.1 to 287.1 K", "24 hours, 280.1 to 287.1 K"), encoding="utf-8"
    )
    assert nbval(path, kind).returncode == (1 if kind == "deterministic" else 0)
