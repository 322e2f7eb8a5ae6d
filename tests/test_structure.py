"""Every notebook keeps the rules of the course, and every rule is able to fail."""

from __future__ import annotations

import base64
import copy
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_output

from maelstrom_bootcamp.course.rules import RULES, check, check_file, duplicate_labels
from support import NOTEBOOKS, ROOT, TEMPLATE, notebook_id, read


@pytest.mark.parametrize("path", NOTEBOOKS, ids=notebook_id)
def test_notebook_keeps_the_rules(path):
    assert not check_file(path), "\n".join(map(str, check_file(path)))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=notebook_id)
def test_notebook_stands_in_the_folder_of_its_chapter(path):
    folder, chapter = path.relative_to(ROOT / "notebooks").parts[0], read(path).metadata.bootcamp.chapter
    assert folder.startswith(chapter) or path == TEMPLATE


def test_exercise_labels_are_unique():
    assert not duplicate_labels(NOTEBOOKS)


def test_duplicate_labels_are_found():
    assert duplicate_labels([TEMPLATE, TEMPLATE]) == {"ex-template-mae": ["template.ipynb"] * 2}


def ruff(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "ruff", *arguments], cwd=ROOT, capture_output=True, text=True
    )


def test_notebooks_are_lint_clean_and_formatted():
    assert (result := ruff("check", "notebooks")).returncode == 0, result.stdout
    assert (result := ruff("format", "--check", "notebooks")).returncode == 0, result.stdout


def test_ruff_sees_into_notebooks(tmp_path):
    nb = read(TEMPLATE)
    nb.cells[6].source = "import os\nx=1"
    nbformat.write(nb, tmp_path / "bad.ipynb")
    assert "F401" in ruff("check", "--config=pyproject.toml", str(tmp_path)).stdout
    assert ruff("format", "--check", str(tmp_path)).returncode == 1


# ---- each rule broken on purpose: (rule, function that spoils the template) -------------------------


def cell(nb, text):
    return next(c for c in nb.cells if text in c.source)


def replace(old, new):
    def spoil(nb):
        found = cell(nb, old)
        found.source = found.source.replace(old, new)

    return spoil


def remove(text):
    return lambda nb: nb.cells.remove(cell(nb, text))


def output(**fields):
    return lambda nb: cell(nb, "import numpy").outputs.append(new_output(**fields))


def untag(text):
    return lambda nb: cell(nb, text).metadata.pop("tags")


def image(size):
    data = {"image/png": base64.b64encode(b"x" * size).decode()}
    return lambda nb: cell(nb, "fig, ax").outputs.__setitem__(0, new_output("display_data", data))


def twice(text):
    def spoil(nb):
        found = cell(nb, text)
        found.outputs = found.outputs * 2

    return spoil


def metadata(**changes):
    return lambda nb: nb.metadata.bootcamp.update(changes)


def code_at_end(nb):
    nb.cells.append(new_code_cell("1", execution_count=99))


BROKEN = {
    "old format": ("metadata", lambda nb: nb.update(nbformat_minor=4)),
    "other kernel": ("metadata", lambda nb: nb.metadata.kernelspec.update(name="julia")),
    "unknown kind": ("metadata", metadata(kind="fast")),
    "no chapter": ("metadata", metadata(chapter="")),
    "unknown parameter": ("metadata", metadata(ci={"nope": 1})),
    "no ci": ("metadata", lambda nb: nb.metadata.bootcamp.pop("ci")),
    "alone, no reason": ("metadata", metadata(alone=True)),
    "trained, unchecked": (
        "metadata",
        lambda nb: (metadata(kind="trained")(nb), untag("assert np.isclose")(nb)),
    ),
    "no title": ("head", replace("# How", "How")),
    "no goal": ("head", replace("shows.\n", "shows\n")),
    "no objectives": ("head", replace("## Objectives", "## Aims")),
    "no minutes": ("head", replace("15 minutes", "a while")),
    "no hardware": ("head", replace("**Hardware:**", "")),
    "no prerequisites": ("head", remove("## Prerequisites")),
    "unlinked": ("head", replace("](https", "] (https")),
    "no parameters": ("parameters", untag("hours: int")),
    "untyped": ("parameters", replace("hours: int", "hours")),
    "uncommented": ("parameters", replace("  # length of the temperature curve in h", "")),
    "magic": ("parameters", replace("hours: int", "%time hours: int")),
    "no summary": ("closing", replace("## What you have seen", "## End")),
    "code at the end": ("closing", code_at_end),
    "count": ("counts", lambda nb: cell(nb, "import numpy").update(execution_count=7)),
    "not run": ("counts", lambda nb: cell(nb, "import numpy").update(execution_count=None)),
    "empty cell": ("counts", lambda nb: cell(nb, "import numpy").update(source=" ")),
    "changed after the run": ("stale", replace("hours: int = 24", "hours: int = 25")),
    "run elsewhere": ("stale", lambda nb: nb.metadata.pop("bootcamp_ran")),
    "long cell": ("length", lambda nb: cell(nb, "import numpy").update(source="x = 1\n" * 21)),
    "long check": ("length", lambda nb: cell(nb, "assert np").update(source="assert True\n" * 21)),
    "stderr": ("stderr", output(output_type="stream", name="stderr", text="UserWarning")),
    "error": ("errors", output(output_type="error", ename="ValueError", evalue="", traceback=[])),
    "widget": (
        "widgets",
        output(
            output_type="display_data", data={"application/vnd.jupyter.widget-view+json": {"model_id": "1"}}
        ),
    ),
    "widget state": ("widgets", lambda nb: nb.metadata.update(widgets={})),
    "path in source": ("paths", replace("import numpy", "open('/home/me/x')\nimport numpy")),
    "path in output": ("paths", output(output_type="stream", name="stdout", text="saved in /tmp/xyz")),
    "path in html": ("paths", output(output_type="display_data", data={"text/html": "<b>/root/x</b>"})),
    "address": ("noise", output(output_type="stream", name="stdout", text="<object at 0x7f00aabbccdd>")),
    "bar": ("noise", output(output_type="stream", name="stdout", text="10 %\r20 %")),
    "no alt text": ("figures", lambda nb: cell(nb, "fig, ax").metadata.pop("mystnb")),
    "two figures": ("figures", twice("fig, ax")),
    "large figure": ("figures", image(300_001)),
    "image without alt": ("figures", replace("Boxes have", "![](x.png) Boxes have")),
    "merge": ("merge", replace("Boxes have", "<" * 7 + " HEAD\nBoxes have")),
    "bad label": ("exercises", replace("ex-template-mae\n```\nWrite", "template\n```\nWrite")),
    "no hint": ("exercises", remove("{dropdown} Hint")),
    "no end": ("exercises", remove("{exercise-end}")),
    "no solution": ("exercises", remove("### BEGIN SOLUTION\n")),
    "no solution-end": ("exercises", remove("{solution-end}")),
    "other's solution": (
        "exercises",
        replace("{solution-start} ex-template-mae", "{solution-start} ex-other-one"),
    ),
    "gate not tagged": ("exercises", untag("{solution-start} ex-template-mae")),
    "no check": ("exercises", untag("assert np.isclose")),
    "hollow check": (
        "exercises",
        lambda nb: cell(nb, "assert np.isclose").update(source="print('well done')"),
    ),
    "unpaired": ("exercises", replace("\n    ### END SOLUTION", "")),
    "ungated": ("exercises", replace("```{exercise-start}", "```{exercise}")),
    "tagged and marked": (
        "exercises",
        lambda nb: cell(nb, "### BEGIN SOLUTION\n").metadata.update(tags=["solution"]),
    ),
    "check first": (
        "exercises",
        lambda nb: nb.cells.insert(14, nb.cells.pop(nb.cells.index(cell(nb, "assert np.isclose")))),
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_rule_can_fail(name):
    rule, spoil = BROKEN[name]
    nb = copy.deepcopy(read(TEMPLATE))
    assert not check(nb)
    spoil(nb)
    assert rule in {p.rule for p in check(nb)}


def test_every_rule_is_proved():
    assert {rule for rule, _ in BROKEN.values()} == set(RULES)


@pytest.mark.parametrize(
    ("spoil", "rule"),
    [
        (lambda text: text[: len(text) // 2], "valid"),
        (lambda text: text.replace('"cell_type": "code"', '"cell_type": "cod"', 1), "valid"),
        (lambda text: "<" * 7 + " HEAD\n" + text, "merge"),
        (lambda text: text.replace("Boxes have", "Boxes have" + "x" * 2_000_000), "size"),
    ],
    ids=["half a file", "unknown cell type", "merge markers", "too large"],
)
def test_rule_of_the_file_can_fail(spoil, rule, tmp_path):
    path = tmp_path / "bad.ipynb"
    path.write_text(spoil(TEMPLATE.read_text(encoding="utf-8")), encoding="utf-8")
    assert rule in {p.rule for p in check_file(path)}
