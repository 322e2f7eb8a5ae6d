"""The one error that learners see: what went wrong, and what to do about it."""

from __future__ import annotations

import sys
from collections.abc import Callable


class BootcampError(RuntimeError):
    """A failure that names its cause and its cure.

    Parameters
    ----------
    cause : str
        What happened, in one sentence, with the name of the thing that failed.
    cure : str
        What the reader can do now.
    """

    def __init__(self, cause: str, cure: str) -> None:
        super().__init__(f"{cause}\n  What to do: {cure}")
        self.cause = cause
        self.cure = cure


def exit_code(action: Callable[[], object]) -> int:
    """Do something for a command line.

    Parameters
    ----------
    action : callable

    Returns
    -------
    int
        0, or 1 after a BootcampError whose cause and cure were printed on stderr.
    """
    try:
        action()
    except BootcampError as error:
        print(error, file=sys.stderr)
        return 1
    return 0
