"""The student edition tells no solutions, stops at the first exercise, passes with the solutions put back."""

from __future__ import annotations

import argparse
import re

import nbformat
import pytest
from papermill.exceptions import PapermillExecutionError

from maelstrom_bootcamp.course import student as edition
from maelstrom_bootcamp.course.exercises import BEGIN, END, exercises
from maelstrom_bootcamp.course.rules import check
from maelstrom_bootcamp.course.student import (
    STUB,
    make_student_edition,
    restore_solutions,
    student_edition,
    student_notebooks,
)
from maelstrom_bootcamp.errors import BootcampError
from support import NOTEBOOKS, ROOT, TEMPLATE, execute, notebook_id, notebook_parameters, read

WITH_EXERCISES = [p for p in NOTEBOOKS if exercises(read(p))]


def solution_lines(nb):
    """Lines that only the solutions have."""
    inside, lines = False, []
    for cell in nb.cells:
        if cell.cell_type != "code":
            continue
        if "solution" in cell.metadata.get("tags", []):
            lines += cell.source.splitlines()
        for line in cell.source.splitlines():
            inside = (inside or BEGIN in line) and END not in line
            if inside and BEGIN not in line:
                lines.append(line)
    return {line.strip() for line in lines if len(line.strip()) > 12}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=notebook_id)
def test_no_solutions_and_no_outputs(path):
    nb = read(path)
    student = student_edition(nb)
    nbformat.validate(student)
    code = [c for c in student.cells if c.cell_type == "code"]
    assert all(not c.outputs and c.execution_count is None for c in code)
    assert not any(BEGIN in c.source or "solution" in c.metadata.get("tags", []) for c in code)
    told = {line.strip() for c in code for line in c.source.splitlines()}
    elsewhere = {
        line.strip()
        for c in nb.cells
        if c.cell_type == "code" and BEGIN not in c.source and "solution" not in c.metadata.get("tags", [])
        for line in c.source.splitlines()
    }
    assert not (solution_lines(nb) - elsewhere) & told
    regions = sum(BEGIN in c.source for c in nb.cells if c.cell_type == "code")
    assert sum(STUB in c.source for c in code) == regions


@pytest.mark.parametrize("path", NOTEBOOKS, ids=notebook_id)
def test_markdown_is_plain(path):
    for cell in student_edition(read(path)).cells:
        if cell.cell_type == "markdown":
            text = re.sub(r"(?ms)^```\w.*?^```|``.+?``(?!`)", "", cell.source)
            assert not re.search(r"^(`{3,}|:{3,})\{|(?<!`)\{[\w:]+\}`[^`]", text, re.MULTILINE), cell.source


@pytest.mark.parametrize("path", NOTEBOOKS, ids=notebook_id)
def test_solutions_put_back_are_the_reference(path):
    nb = read(path)
    solved = restore_solutions(student_edition(nb), nb)
    assert [c.source for c in solved.cells if c.cell_type == "code"] == [
        c.source for c in nb.cells if c.cell_type == "code"
    ]


def run(nb, path, tmp_path):
    draft = tmp_path / path.name
    nbformat.write(nb, draft)
    execute(path, tmp_path / "out.ipynb", draft)


@pytest.mark.slow
@pytest.mark.student
@pytest.mark.parametrize("path", notebook_parameters(WITH_EXERCISES))
def test_stops_at_the_first_exercise(path, tmp_path, kernel_environment):
    student = student_edition(read(path))
    if not any(STUB in c.source for c in student.cells):
        pytest.skip("all of its solutions are whole cells")
    with pytest.raises(PapermillExecutionError) as error:
        run(student, path, tmp_path)
    assert error.value.ename == "NotImplementedError"
    assert "replace this line by your solution" in error.value.evalue


@pytest.mark.slow
@pytest.mark.student
def test_passes_with_the_solution_put_back(tmp_path, kernel_environment):
    nb = read(TEMPLATE)
    run(restore_solutions(student_edition(nb), nb), TEMPLATE, tmp_path)


@pytest.fixture
def project(tmp_path):
    """A small project: the template twice (one is a lesson), a figure, a link into the book."""
    chapter = tmp_path / "notebooks" / "00-start"
    chapter.mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "notebooks" / "template.ipynb").write_bytes(TEMPLATE.read_bytes())
    (chapter / "figure.png").write_bytes(b"png")
    nb = read(TEMPLATE)
    nb.cells[
        0
    ].source += "\n\n[welcome](../../book/welcome.md) [next](01_lesson.ipynb#end) ![map](figure.png)"
    nb.cells[0].source += " [web](https://example.org) ![lost](../../book/lost.png)"
    nbformat.write(nb, chapter / "01_lesson.ipynb")
    return tmp_path


def test_edition_of_a_project(project, monkeypatch, capsys):
    monkeypatch.chdir(project / "notebooks")
    parser = argparse.ArgumentParser()
    edition.add_parser(parser.add_subparsers())
    args = parser.parse_args(["student"])
    assert args.run(args) == 0
    assert "1 notebooks with 1 exercises" in capsys.readouterr().out
    made = project / "dist" / "student"
    assert sorted(p.relative_to(made).as_posix() for p in made.rglob("*") if p.is_file()) == [
        ".student-edition",
        "00-start/01_lesson.ipynb",
        "00-start/figure.png",
    ]
    first = read(made / "00-start" / "01_lesson.ipynb").cells[0].source
    assert (
        "welcome [next](01_lesson.ipynb#end) ![map](figure.png) [web](https://example.org) Figure: lost"
        in first
    )


def test_edition_is_replaced_but_nothing_else(project):
    output = project / "out"
    first = make_student_edition(project, output)
    text = first[0].read_text()
    (output / "left-over.txt").write_text("x")
    assert make_student_edition(project, output)[0].read_text() == text, "the edition is reproducible"
    assert not (output / "left-over.txt").exists()
    (output / ".student-edition").unlink()
    with pytest.raises(BootcampError, match="no student edition"):
        make_student_edition(project, output)
    with pytest.raises(BootcampError, match="own notebooks"):
        make_student_edition(project, project / "notebooks")


def test_template_stays_with_the_authors():
    assert TEMPLATE not in student_notebooks(ROOT)
    assert not check(read(TEMPLATE)), "student_edition must leave its argument alone"
