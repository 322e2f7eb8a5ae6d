"""Drop the ``### BEGIN SOLUTION`` and ``### END SOLUTION`` comments from rendered notebooks.

The notebooks are the reference solutions; the markers tell the generator of the student edition what
to take out. Readers of the book need not see them.
"""

from __future__ import annotations

import json
import re
from typing import Any

from sphinx.application import Sphinx

MARKER = re.compile(r"^[ \t]*### (BEGIN|END) SOLUTION[ \t]*\n?", re.MULTILINE)


def without_markers(text: str) -> str:
    """Remove the marker lines from the code cells of a notebook.

    Parameters
    ----------
    text : str
        A notebook as JSON.

    Returns
    -------
    str
        The same notebook; its code cells have no marker lines.
    """
    notebook = json.loads(text)
    for cell in notebook.get("cells", []):
        if cell.get("cell_type") == "code":
            source = cell["source"]
            joined = source if isinstance(source, str) else "".join(source)
            cell["source"] = MARKER.sub("", joined).rstrip("\n")
    return json.dumps(notebook)


def on_source_read(app: Sphinx, docname: str, source: list[str]) -> None:
    """Rewrite the source of notebooks as Sphinx reads them.

    Parameters
    ----------
    app : sphinx.application.Sphinx
    docname : str
        Name of the page, without its ending.
    source : list of str
        One text, changed in place.
    """
    if str(app.env.doc2path(docname)).endswith(".ipynb"):
        source[0] = without_markers(source[0])


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("source-read", on_source_read)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
