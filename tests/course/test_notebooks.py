"""The tool behind make notebooks: what it stores, and what it refuses to store."""

from __future__ import annotations

import json
import os

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from maelstrom_bootcamp.course import notebooks as tool
from maelstrom_bootcamp.course.project import find_notebooks, project_root
from maelstrom_bootcamp.course.rules import RAN, check, check_file, fingerprint
from maelstrom_bootcamp.errors import BootcampError
from support import TEMPLATE, read


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with one small notebook."""
    (tmp_path / "pyproject.toml").write_text("[tool.ruff]\nline-length = 110\n")
    (tmp_path / "notebooks" / "01-a").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def store(project, *sources, name="01-a/01_x.ipynb"):
    path = project / "notebooks" / name
    cells = [new_code_cell(s) for s in sources]
    nbformat.write(new_notebook(cells=cells, metadata={"widgets": {}, "papermill": {}}), path)
    return path


def test_project_root_is_found_from_below_and_missed_with_a_cure(project, tmp_path_factory):
    assert project_root(project / "notebooks" / "01-a") == project
    with pytest.raises(BootcampError, match="folder of the course"):
        project_root(tmp_path_factory.mktemp("elsewhere"))


def test_pattern_selects_notebooks(project):
    names = ["01-a/01_x.ipynb", "01-a/02_y.ipynb"]
    paths = [store(project, "1", name=name) for name in names]
    (project / "notebooks" / ".ipynb_checkpoints").mkdir()
    store(project, "1", name=".ipynb_checkpoints/01_x.ipynb")
    assert find_notebooks(project) == paths
    assert find_notebooks(project, "02") == find_notebooks(project, "*_y*") == paths[1:]
    assert find_notebooks(project, "nope") == []


def test_environment_of_kernels_is_fixed(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.setenv("HELLO", "1")
    env = tool.kernel_environment()
    assert "MPLBACKEND" not in env
    assert env["TF_CPP_MIN_LOG_LEVEL"] == "3"
    assert env["HELLO"] == "1"
    assert os.environ["MPLBACKEND"] == "Agg"


def test_clean_drops_what_changes_from_run_to_run():
    nb = read(TEMPLATE)
    nb.metadata.update(papermill={"duration": 1}, widgets={})
    nb.metadata.language_info = {"name": "python", "version": "3.11.7"}
    nb.cells[4].metadata.update(execution={"iopub.execute_input": "2026"}, papermill={"duration": 1})
    tool.clean(nb, outputs=False)
    assert nb == read(TEMPLATE)
    tool.clean(nb)
    assert RAN not in nb.metadata
    assert all(not c.outputs and c.execution_count is None for c in nb.cells if c.cell_type == "code")


@pytest.mark.slow
def test_run_stores_outputs_in_order_and_runs_in_the_notebooks_folder(project, capsys):
    path = store(project, "print('a'); print('b')", "import pathlib; pathlib.Path.cwd().name")
    assert tool.main(["run", "01_x"]) == 0
    nb = read(path)
    assert [c.execution_count for c in nb.cells] == [1, 2]
    assert nb.cells[0].outputs == [{"output_type": "stream", "name": "stdout", "text": "a\nb\n"}]
    assert nb.cells[1].outputs[0].data["text/plain"] == "'01-a'"
    assert not {"widgets", "papermill"} & set(nb.metadata)
    assert "version" not in nb.metadata.language_info
    assert nb.metadata[RAN] == fingerprint(nb)
    assert all(not c.metadata for c in nb.cells)
    text = path.read_text()
    tool.run(path)
    assert path.read_text() == text, "a second run changes nothing"
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("import sys; print('x', file=sys.stderr)", "stderr"),
        ("import os; print(os.path.expanduser('/home/me/x'))", "absolute path"),
        ("import ipywidgets; ipywidgets.IntSlider()", "widget"),
    ],
)
def test_run_refuses_what_must_not_be_stored(project, capsys, source, message):
    path = store(project, source)
    before = path.read_bytes()
    assert tool.main(["run"]) == 1
    told = capsys.readouterr().err
    assert message in told
    assert "nothing was stored" in told
    assert path.read_bytes() == before


def test_script_and_back_is_the_same_notebook(project, capsys):
    path = project / "notebooks" / "template.ipynb"
    path.write_bytes(TEMPLATE.read_bytes())
    assert tool.main(["to-py", "template"]) == 0
    script = project / ".make" / "py" / "template.py"
    assert tool.main(["update", "template"]) == 0
    os.utime(path, (1, 1))
    assert tool.main(["update", "template"]) == 0
    assert json.loads(path.read_text()) == json.loads(TEMPLATE.read_text())
    script.write_text(script.read_text().replace("Boxes have", "All boxes have"))
    os.utime(path, (1, 1))
    tool.main(["update", "template"])
    nb = read(path)
    assert any(c.source.startswith("All boxes have") for c in nb.cells)
    assert not check_file(path), "outputs, counts and metadata of the other cells are kept"
    script.write_text(script.read_text().replace("hours: int = 24", "hours: int = 25"))
    os.utime(path, (1, 1))
    tool.main(["update", "template"])
    assert "stale" in {p.rule for p in check(read(path))}, "code that was not run is told"


def test_update_leaves_a_newer_notebook_alone_and_makes_new_ones(project, capsys):
    script = project / ".make" / "py" / "01-a" / "09_new.py"
    script.parent.mkdir(parents=True)
    script.write_text("# %% [markdown]\n# # New\n\n# %%\nx=1\n")
    assert tool.main(["update", "09"]) == 0
    path = project / "notebooks" / "01-a" / "09_new.ipynb"
    nb = read(path)
    assert [c.source for c in nb.cells] == ["# New", "x = 1"]
    nb.cells.append(new_markdown_cell("by hand"))
    nbformat.write(nb, path)
    os.utime(path, (script.stat().st_mtime + 10,) * 2)
    capsys.readouterr()
    tool.main(["update", "09"])
    assert "left alone" in capsys.readouterr().out
    assert read(path).cells[-1].source == "by hand"


@pytest.mark.parametrize(
    ("command", "message"), [("run", "No notebook"), ("update", "No script"), ("to-py", "No no")]
)
def test_pattern_without_match_is_an_error(project, capsys, command, message):
    assert tool.main([command, "nope"]) == 1
    assert message in capsys.readouterr().err


def test_check_prints_the_broken_rules(project, capsys):
    path = store(project, "1")
    assert tool.main(["check"]) == 1
    assert "[head]" in capsys.readouterr().out
    path.write_bytes(TEMPLATE.read_bytes())
    assert tool.main(["check"]) == 0


def test_write_leaves_nothing_behind_when_it_fails(project, monkeypatch):
    path = store(project, "1")
    before = path.read_bytes()
    nb = read(path)
    nb.cells[0].outputs = [new_output("stream", text="x")]
    monkeypatch.setattr(nbformat, "write", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        tool.write(nb, path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]
