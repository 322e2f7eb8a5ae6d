"""Tells how far the making of a dataset is: a bar, one line in a log, nothing in stored outputs."""

from __future__ import annotations

import sys
from types import TracebackType

from tqdm.std import tqdm


class Progress:
    """Progress of one dataset, on standard error.

    On a terminal it is a bar. In a log it is one line at the start. In a notebook that a person runs it is a
    line that disappears; when a machine runs the notebook (papermill, nbval) it is nothing, so that no
    stored output depends on whether the data had been made before.

    Parameters
    ----------
    label : str
        What is made, e.g. "maelstrom-yr (default)".
    total : int
        Number of jobs.
    shown : bool
        False for no output at all.
    """

    def __init__(self, label: str, total: int, shown: bool = True) -> None:
        self.label = label
        self.total = total
        self.count = 0
        self.bar: tqdm | None = None
        self.kind = _kind() if shown else "silent"

    def __enter__(self) -> Progress:
        if self.kind == "terminal":
            self.bar = tqdm(
                total=self.total, desc=f"making {self.label}", unit="job", leave=False, disable=False
            )
        elif self.kind == "log":
            print(f"making {self.label}: {self.total} jobs", file=sys.stderr, flush=True)
        self._refresh()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.bar is not None:
            self.bar.close()
        if self.kind == "notebook":
            _clear_output()

    def step(self) -> None:
        """One more job is finished."""
        self.count += 1
        if self.bar is not None:
            self.bar.update()
        self._refresh()

    def note(self, text: str) -> None:
        """Say that something else keeps us waiting."""
        if self.kind == "notebook":
            _clear_output()
            print(text)
        elif self.kind != "silent":
            print(text, file=sys.stderr, flush=True)

    def _refresh(self) -> None:
        if self.kind == "notebook":
            _clear_output()
            print(f"making {self.label}: {self.count} of {self.total} jobs (once; kept for the next time)")


def _kind() -> str:
    kernel = _kernel()
    if kernel is None:
        return "terminal" if sys.stderr.isatty() else "log"
    # A front end with a person before it accepts input; nbclient, papermill and nbval say that they do not.
    return "notebook" if getattr(kernel, "_allow_stdin", False) else "silent"


def _kernel() -> object | None:
    if "IPython" not in sys.modules:
        return None
    shell = sys.modules["IPython"].get_ipython()
    return getattr(shell, "kernel", None)


def _clear_output() -> None:
    from IPython.display import clear_output

    clear_output(wait=False)
