"""Check the entries of the TOML tables of this package: a fault is one error that names file and place."""

from __future__ import annotations

from typing import Any

from maelstrom_bootcamp.errors import BootcampError


class Checks:
    """Checks that know which file they are about.

    Parameters
    ----------
    file : str
        Name of the file, for the messages.
    """

    def __init__(self, file: str) -> None:
        self.file = file

    def bad(self, what: str) -> BootcampError:
        """The error that tells what is wrong."""
        return BootcampError(
            f"{self.file}: {what}.",
            "Restore the file from the repository, or correct that entry and give its source.",
        )

    def fields(self, entry: Any, where: str, known: set[str], needed: set[str]) -> dict[str, Any]:
        """The entry, if it is a table that has all it needs and nothing unknown."""
        if not isinstance(entry, dict):
            raise self.bad(f"{where} is no table")
        if unknown := sorted(set(entry) - known):
            raise self.bad(f"{where} has the unknown key {unknown[0]!r}")
        if missing := sorted(needed - set(entry)):
            raise self.bad(f"{where} lacks {missing[0]!r}")
        return entry

    def positive(self, value: Any, where: str, numbers: Any = int | float) -> Any:
        """The value, if it is a finite number above 0 (``numbers=int``: a whole one)."""
        if isinstance(value, bool) or not isinstance(value, numbers) or not 0 < value < float("inf"):
            kind = "whole number" if numbers is int else "number"
            raise self.bad(f"{where} is {value!r}, not a positive {kind}")
        return value
