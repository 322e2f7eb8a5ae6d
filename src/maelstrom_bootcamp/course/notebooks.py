"""Re-execute notebooks and store their outputs: ``python -m maelstrom_bootcamp.course.notebooks``.

Sub-commands: ``run`` (what ``make notebooks`` calls), ``check`` (the rules), ``to-py`` and ``update``
(edit a notebook as a Python script in percent format).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import jupytext
import nbformat
from jupytext.combine import combine_inputs_with_outputs
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from maelstrom_bootcamp.course.project import NOTEBOOKS, find_notebooks, project_root
from maelstrom_bootcamp.course.rules import RAN, check_file, check_outputs, fingerprint
from maelstrom_bootcamp.errors import BootcampError

SCRIPTS = Path(".make") / "py"  # scripts of to-py, beside the notebooks' own folders, not committed
TIMEOUT = 1800  # s, for one cell
PERCENT = {"extension": ".py", "format_name": "percent", "notebook_metadata_filter": "bootcamp,kernelspec"}


def kernel_environment() -> dict[str, str]:
    """Environment variables that make stored outputs the same on every machine.

    Returns
    -------
    dict
        A changed copy of ``os.environ``.
    """
    env = {k: v for k, v in os.environ.items() if k not in ("MPLBACKEND", "PYTHONPATH")}
    env |= {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONHASHSEED": "0", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    return env


def run(path: Path) -> float:
    """Execute a notebook in place, from top to bottom, with its default parameters.

    Parameters
    ----------
    path : pathlib.Path
        Its outputs are replaced if all went well; else the file is left as it was.

    Returns
    -------
    float
        Seconds it took.

    Raises
    ------
    BootcampError
        If a cell fails, or an output must not be stored.
    """
    nb = nbformat.read(path, as_version=4)
    clean(nb)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as ipython:
        client = NotebookClient(
            nb,
            timeout=TIMEOUT,
            kernel_name="python3",
            record_timing=False,
            store_widget_state=False,
            coalesce_streams=True,
            extra_arguments=["--log-level=ERROR"],  # the kernel's own chatter, not the notebook's
            resources={"metadata": {"path": str(path.parent)}},
        )
        try:
            client.execute(env=kernel_environment() | {"IPYTHONDIR": ipython})
        except CellExecutionError as error:
            raise BootcampError(
                f"{path.name} failed:\n{error}", "Mend the cell; nothing was stored."
            ) from None
    seconds = time.perf_counter() - began
    clean(nb, outputs=False)
    if problems := check_outputs(nb):
        raise BootcampError(
            f"{path.name} has outputs that must not be stored:\n" + "\n".join(map(str, problems)),
            "Change the cells named above; nothing was stored.",
        )
    nb.metadata[RAN] = fingerprint(nb)
    write(nb, path)
    return seconds


def clean(nb: nbformat.NotebookNode, *, outputs: bool = True) -> None:
    """Drop what changes from run to run or tells about a machine; in place.

    Parameters
    ----------
    nb : nbformat.NotebookNode
    outputs : bool
        Drop outputs, execution counts and the fingerprint of the code that was run as well.
    """
    if outputs:
        nb.metadata.pop(RAN, None)
    for key in ("papermill", "widgets", "signature", "toc"):
        nb.metadata.pop(key, None)
    nb.metadata.kernelspec = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    nb.metadata.language_info = {"name": "python", "file_extension": ".py", "pygments_lexer": "ipython3"}
    for cell in nb.cells:
        for key in (
            "papermill",
            "execution",
            "collapsed",
            "scrolled",
            "trusted",
            "ExecuteTime",
            "lines_to_next_cell",
        ):
            cell.metadata.pop(key, None)
        if outputs and cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None


def write(nb: nbformat.NotebookNode, path: Path) -> None:
    """Write a notebook so that a reader never sees half of it.

    Parameters
    ----------
    nb : nbformat.NotebookNode
    path : pathlib.Path
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        nbformat.write(nb, temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def script_path(root: Path, notebook: Path) -> Path:
    """Where ``to-py`` writes the script of a notebook.

    Parameters
    ----------
    root, notebook : pathlib.Path

    Returns
    -------
    pathlib.Path
    """
    return root / SCRIPTS / notebook.relative_to(root / NOTEBOOKS).with_suffix(".py")


def notebook_path(root: Path, script: Path) -> Path:
    """Where ``update`` writes the notebook of a script.

    Parameters
    ----------
    root, script : pathlib.Path

    Returns
    -------
    pathlib.Path
    """
    return root / NOTEBOOKS / script.relative_to(root / SCRIPTS).with_suffix(".ipynb")


def to_script(root: Path, notebook: Path) -> Path:
    """Write a notebook's cells as a Python script in percent format.

    Parameters
    ----------
    root, notebook : pathlib.Path

    Returns
    -------
    pathlib.Path
        The script.
    """
    script = script_path(root, notebook)
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(jupytext.writes(nbformat.read(notebook, as_version=4), fmt=PERCENT), encoding="utf-8")
    return script


def update_from_script(root: Path, script: Path) -> Path:
    """Bring the cells of a script into its notebook (a new one if there is none) and format its code.

    Parameters
    ----------
    root, script : pathlib.Path

    Returns
    -------
    pathlib.Path
        The notebook; outputs of cells that did not change are kept.
    """
    notebook = notebook_path(root, script)
    nb = jupytext.reads(script.read_text(encoding="utf-8"), fmt=PERCENT)
    if notebook.exists():
        nb = combine_inputs_with_outputs(nb, nbformat.read(notebook, as_version=4), fmt=PERCENT)
    nb.metadata.pop("jupytext", None)
    clean(nb, outputs=False)
    nb.nbformat, nb.nbformat_minor = 4, 5
    for index, cell in enumerate(nb.cells):
        cell["id"] = f"cell-{index:03d}"  # the same for everybody, so that two authors' versions compare
    notebook.parent.mkdir(parents=True, exist_ok=True)
    write(nb, notebook)
    subprocess.run([sys.executable, "-m", "ruff", "format", "--quiet", str(notebook)], check=True)
    return notebook


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; those of the process by default.

    Returns
    -------
    int
        Exit code.
    """
    parser = argparse.ArgumentParser(
        prog="python -m maelstrom_bootcamp.course.notebooks", description=__doc__
    )
    parser.add_argument("command", choices=["run", "check", "to-py", "update"])
    parser.add_argument("pattern", nargs="?", default="", help="part of the notebooks' path; all if left out")
    args = parser.parse_args(argv)
    try:
        return _COMMANDS[args.command](project_root(), args.pattern)
    except BootcampError as error:
        print(error, file=sys.stderr)
        return 1


def _selected(root: Path, pattern: str) -> list[Path]:
    paths = find_notebooks(root, pattern)
    if not paths:
        raise BootcampError(f"No notebook matches {pattern!r}.", "Give a part of its path below notebooks/.")
    return paths


def _run(root: Path, pattern: str) -> int:
    for path in _selected(root, pattern):
        print(f"{path.relative_to(root)} ...", end="", flush=True)
        print(f" {run(path):.1f} s", flush=True)
    return 0


def _check(root: Path, pattern: str) -> int:
    found = [(path.relative_to(root), p) for path in _selected(root, pattern) for p in check_file(path)]
    for path, problem in found:
        print(f"{path} {problem}")
    return 1 if found else 0


def _to_py(root: Path, pattern: str) -> int:
    for path in _selected(root, pattern):
        print(to_script(root, path).relative_to(root))
    return 0


def _update(root: Path, pattern: str) -> int:
    scripts = [s for s in sorted((root / SCRIPTS).rglob("*.py")) if pattern in s.as_posix()]
    if not scripts:
        raise BootcampError(
            f"No script in {SCRIPTS} matches {pattern!r}.", "Make one with the command to-py."
        )
    for script in scripts:
        notebook = notebook_path(root, script)
        if notebook.exists() and notebook.stat().st_mtime >= script.stat().st_mtime:
            print(f"{notebook.relative_to(root)} is newer than its script: left alone")
        else:
            print(update_from_script(root, script).relative_to(root))
    return 0


_COMMANDS = {"run": _run, "check": _check, "to-py": _to_py, "update": _update}

if __name__ == "__main__":
    raise SystemExit(main())
