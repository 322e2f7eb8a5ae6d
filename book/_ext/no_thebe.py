"""Keep sphinx-thebe silent.

Jupyter Book 1.x always loads sphinx-thebe. It writes its inline script twice, so that every page
reports ``Identifier 'THEBE_JS_URL' has already been declared``, and it names a CDN. This course does
not use it: its two listeners are dropped.
"""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

EVENTS = ("env-before-read-docs", "doctree-resolved")


def drop_thebe(app: Sphinx) -> None:
    """Remove the listeners of sphinx-thebe from this application.

    Parameters
    ----------
    app : sphinx.application.Sphinx
        The application, with all its extensions loaded.
    """
    for event in EVENTS:
        kept = [
            li for li in app.events.listeners[event] if not li.handler.__module__.startswith("sphinx_thebe")
        ]
        app.events.listeners[event] = kept


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("builder-inited", drop_thebe)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
