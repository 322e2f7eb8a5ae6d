"""The rules that every notebook of the course keeps; ``notebooks/template.ipynb`` explains them."""

from __future__ import annotations

import ast
import base64
import hashlib
import json
import re
import tokenize
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import nbformat

from maelstrom_bootcamp.course.exercises import BEGIN, END, exercise_problems, exercises, tags

MAX_LINES = 20
MAX_IMAGE = 300_000  # bytes
MAX_FILE = 2_000_000  # bytes
KINDS = ("deterministic", "trained")
RAN = "bootcamp_ran"  # key in the metadata: fingerprint of the code that made the stored outputs
HEAD = (r"^## Objectives$", r"^## Prerequisites$", r"\*\*Time:\*\* \d+ minutes", r"\*\*Hardware:\*\* \S")
CLOSING = ["What you have seen", "What is next", "References"]

_ABSOLUTE = re.compile(
    r"(?<![\w./:<-])/(?:home|root|tmp|work|Users|var|opt|usr|mnt|private)/[\w.]|\b[A-Z]:\\\w|file:///"
)
_WIDGET = "application/vnd.jupyter.widget"
_MERGE = re.compile(r"^(?:<{7} |={7}$|>{7} )", re.MULTILINE)
_TABLE_ROW = re.compile(r"^\|.*\|$", re.MULTILINE)


class Problem(NamedTuple):
    """One broken rule: the rule's name, the cell's index (None: the whole file) and what is wrong."""

    rule: str
    cell: int | None
    message: str

    def __str__(self) -> str:
        where = "file" if self.cell is None else f"cell {self.cell}"
        return f"{where}: {self.message} [{self.rule}]"


Found = Iterator[tuple[int | None, str]]
Notebook = nbformat.NotebookNode


def check_file(path: Path) -> list[Problem]:
    """Check one notebook against every rule.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    list of Problem
        Empty if the notebook keeps all rules.
    """
    raw = path.read_text(encoding="utf-8")
    if _MERGE.search(raw):
        return [Problem("merge", None, "merge-conflict markers")]
    try:
        nb = nbformat.reads(raw, as_version=nbformat.NO_CONVERT)
        nbformat.validate(nb)
    except (json.JSONDecodeError, nbformat.reader.NotJSONError, nbformat.ValidationError) as error:
        return [Problem("valid", None, f"not a valid notebook: {str(error).splitlines()[0]}")]
    problems = check(nb)
    if len(raw.encode()) > MAX_FILE:
        problems.append(Problem("size", None, f"the file has more than {MAX_FILE / 1e6:.0f} MB"))
    return problems


def check(nb: Notebook) -> list[Problem]:
    """Check an open notebook against every rule but those about the file.

    Parameters
    ----------
    nb : nbformat.NotebookNode

    Returns
    -------
    list of Problem
    """
    return [Problem(name, cell, text) for name, rule in RULES.items() for cell, text in rule(nb)]


def check_outputs(nb: Notebook) -> list[Problem]:
    """Check only what must never be stored: errors, stderr, widgets, paths of this machine.

    Parameters
    ----------
    nb : nbformat.NotebookNode

    Returns
    -------
    list of Problem
    """
    return [Problem(name, cell, text) for name in OUTPUT_RULES for cell, text in RULES[name](nb)]


def duplicate_labels(paths: list[Path]) -> dict[str, list[str]]:
    """Find exercise labels that are used more than once.

    Parameters
    ----------
    paths : list of pathlib.Path
        Notebooks.

    Returns
    -------
    dict
        Label -> names of the notebooks; empty if all labels are unique.
    """
    where: dict[str, list[str]] = {}
    for path in paths:
        for exercise in exercises(nbformat.read(path, as_version=4)):
            where.setdefault(exercise.label, []).append(path.name)
    return {label: names for label, names in where.items() if len(names) > 1}


def parameters(nb: Notebook) -> dict[str, str]:
    """Return the parameters of a notebook and their types as written.

    Parameters
    ----------
    nb : nbformat.NotebookNode

    Returns
    -------
    dict
        Name -> annotation; empty without a ``parameters`` cell.
    """
    names: dict[str, str] = {}
    for cell in nb.cells:
        if "parameters" in tags(cell):
            for node in _statements(cell.source):
                if isinstance(node, ast.AnnAssign):
                    names[ast.unparse(node.target)] = ast.unparse(node.annotation)
    return names


def fingerprint(nb: Notebook) -> str:
    """Return a short hash of all code of a notebook; ``make notebooks`` stores it with the outputs.

    Parameters
    ----------
    nb : nbformat.NotebookNode

    Returns
    -------
    str
        16 hexadecimal digits; the same whatever the outputs, the text and the space around cells.
    """
    sources = [cell.source.strip() for _, cell in _code(nb)]
    return hashlib.sha256(json.dumps(sources).encode()).hexdigest()[:16]


def _statements(source: str) -> list[ast.stmt]:
    try:
        return ast.parse(source).body
    except SyntaxError:
        return []


# ---- one function per rule -------------------------------------------------------------------------


def _code(nb: Notebook) -> Iterator[tuple[int, Notebook]]:
    return ((i, c) for i, c in enumerate(nb.cells) if c.cell_type == "code")


def _outputs(nb: Notebook) -> Iterator[tuple[int, Notebook]]:
    return ((i, output) for i, cell in _code(nb) for output in cell.outputs)


def _metadata(nb: Notebook) -> Found:
    if nb.nbformat != 4 or nb.nbformat_minor < 5:
        yield None, "nbformat is older than 4.5 (cells need ids)"
    if nb.metadata.get("kernelspec", {}).get("name") != "python3":
        yield None, "the kernel is not python3"
    own = nb.metadata.get("bootcamp", {})
    if own.get("kind") not in KINDS:
        yield None, f"metadata.bootcamp.kind is not one of {KINDS}"
    if not re.fullmatch(r"\d\d", str(own.get("chapter", ""))):
        yield None, "metadata.bootcamp.chapter is not of two digits"
    unknown = set(own.get("ci", {})) - set(parameters(nb))
    if "ci" not in own or unknown:
        yield None, f"metadata.bootcamp.ci is missing or names unknown parameters {sorted(unknown)}"
    if "alone" in own and not (isinstance(own["alone"], str) and own["alone"].strip()):
        yield None, "metadata.bootcamp.alone does not say why no other test may run beside this notebook"
    if own.get("kind") == "trained" and not any("check" in tags(c) for _, c in _code(nb)):
        yield None, "a trained notebook needs at least one check cell"


def _head(nb: Notebook) -> Found:
    first = nb.cells[0] if nb.cells else None
    paragraphs = first.source.split("\n\n") if first is not None and first.cell_type == "markdown" else [""]
    if not re.match(r"# \S", paragraphs[0]):
        yield 0, "the first cell does not begin with the title (# ...)"
    if len(paragraphs) < 2 or not paragraphs[1].strip().endswith("."):
        yield 0, "no goal sentence below the title"
    code = next((i for i, _ in _code(nb)), len(nb.cells))
    text = "\n\n".join(c.source for c in nb.cells[:code])
    for wanted in HEAD:
        if not re.search(wanted, text, re.MULTILINE):
            yield 0, f"nothing before the first code matches {wanted!r}"
    table = _TABLE_ROW.findall(text.partition("## Prerequisites")[2])
    if len(table) < 3 or not any("](" in row for row in table[2:]):
        yield 0, "the prerequisites are not a table with at least one link"


def _parameters(nb: Notebook) -> Found:
    cells = [(i, c) for i, c in _code(nb) if "parameters" in tags(c)]
    if len(cells) != 1:
        yield None, f"{len(cells)} cells are tagged 'parameters', not one"
        return
    index, cell = cells[0]
    statements = _statements(cell.source)
    if not statements:
        yield index, "the parameters cell is empty or not plain Python"
        return
    tokens = tokenize.generate_tokens(StringIO(cell.source).readline)
    comments = {t.start[0] for t in tokens if t.type == tokenize.COMMENT}
    for node in statements:
        if not isinstance(node, ast.AnnAssign) or node.value is None:
            yield index, f"not of the form 'name: type = value': {ast.unparse(node)}"
        elif node.end_lineno not in comments:
            yield index, f"parameter without a comment: {ast.unparse(node)}"


def _closing(nb: Notebook) -> Found:
    titles: list[tuple[int, str]] = []
    for i, cell in enumerate(nb.cells):
        if cell.cell_type == "markdown":
            titles += [(i, t.strip()) for t in re.findall(r"^## (.+)$", cell.source, re.MULTILINE)]
    if [t for _, t in titles[-3:]] != CLOSING:
        yield len(nb.cells) - 1, f"the last sections are not {', '.join(CLOSING)}"
    elif any(i > titles[-3][0] for i, _ in _code(nb)):
        yield titles[-3][0], "code stands below the closing sections"


def _counts(nb: Notebook) -> Found:
    for expected, (index, cell) in enumerate(_code(nb), start=1):
        if not cell.source.strip():
            yield index, "an empty code cell"
        if cell.execution_count != expected:
            yield index, f"execution count {cell.execution_count}, not {expected}: run it from top to bottom"
            return  # all later ones are wrong as well


def _stale(nb: Notebook) -> Found:
    if nb.metadata.get(RAN) != fingerprint(nb):
        yield None, "code was changed after the outputs were stored: run make notebooks with its name"


def _length(nb: Notebook) -> Found:
    for index, cell in _code(nb):
        lines = [s for s in cell.source.strip().splitlines() if s.strip() not in (BEGIN, END)]
        if len(lines) > MAX_LINES:
            yield index, f"{len(lines)} lines of code, at most {MAX_LINES}"


def _stderr(nb: Notebook) -> Found:
    for index, output in _outputs(nb):
        if output.output_type == "stream" and output.name == "stderr":
            yield index, f"stderr is stored: {output.text.strip()[:200]!r}"


def _errors(nb: Notebook) -> Found:
    for index, output in _outputs(nb):
        if output.output_type == "error":
            yield index, f"an error is stored: {output.ename}"


def _widgets(nb: Notebook) -> Found:
    if "widgets" in nb.metadata:
        yield None, "metadata.widgets: pages would load scripts from other hosts"
    for index, output in _outputs(nb):
        if any(mime.startswith(_WIDGET) for mime in output.get("data", {})):
            yield index, "a widget output"


def _paths(nb: Notebook) -> Found:
    for index, cell in enumerate(nb.cells):
        texts = [cell.source, *(t for output in cell.get("outputs", []) for t in _texts(output))]
        for text in texts:
            if match := _ABSOLUTE.search(text):
                yield index, f"an absolute path: {text[match.start() : match.start() + 60]!r}"


def _texts(output: Notebook) -> Iterator[str]:
    if output.output_type == "stream":
        yield output.text
    for mime, data in output.get("data", {}).items():
        if isinstance(data, str) and not mime.startswith("image/"):
            yield data


def _noise(nb: Notebook) -> Found:
    for index, output in _outputs(nb):
        for text in _texts(output):
            if re.search(r"\bat 0x[0-9a-f]{6,}", text):
                yield index, "a memory address in the output (end the cell with a semicolon or print)"
            if "\r" in text or "\b" in text:
                yield index, "a progress bar in the output (verbose=0 or 2)"


def _figures(nb: Notebook) -> Found:
    for index, cell in _code(nb):
        images = [
            (m, d) for o in cell.outputs for m, d in o.get("data", {}).items() if m.startswith("image/")
        ]
        if not images:
            continue
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        if len(alt.strip()) < 20:
            yield index, "a figure without alt text in metadata.mystnb.image.alt (20 characters or more)"
        if len(images) > 1:
            yield index, "more than one figure: one alt text cannot describe both"
        for mime, data in images:
            size = len(data.encode()) if mime == "image/svg+xml" else len(base64.b64decode(data))
            if size > MAX_IMAGE:
                yield index, f"a figure of {size / 1000:.0f} kB, at most {MAX_IMAGE / 1000:.0f}"
    for index, cell in enumerate(nb.cells):
        if cell.cell_type == "markdown" and re.search(r"!\[\s*\]\(", cell.source):
            yield index, "an image without alt text"


def _merge(nb: Notebook) -> Found:
    for index, cell in enumerate(nb.cells):
        if _MERGE.search(cell.source):
            yield index, "merge-conflict markers"


RULES: dict[str, Callable[[Notebook], Found]] = {
    "metadata": _metadata,
    "head": _head,
    "parameters": _parameters,
    "closing": _closing,
    "counts": _counts,
    "stale": _stale,
    "length": _length,
    "stderr": _stderr,
    "errors": _errors,
    "widgets": _widgets,
    "paths": _paths,
    "noise": _noise,
    "figures": _figures,
    "merge": _merge,
    "exercises": exercise_problems,
}
OUTPUT_RULES = ("stderr", "errors", "widgets", "paths", "noise")
