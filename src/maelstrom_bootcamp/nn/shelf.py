"""A folder of reference weights that the course ships: by name, with model cards, checked before use.

Each file ``NAME.npz`` holds the weights and the model card of one training. ``reference.json`` beside them
holds the SHA-256 of each file and its scores on the sample of size ci, so that a test can score them again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maelstrom_bootcamp.errors import BootcampError, exit_code

if TYPE_CHECKING:
    import keras

RECORDS = "reference.json"


@dataclass(frozen=True)
class Shelf:
    """Where the reference weights of an application are.

    Attributes
    ----------
    folder : pathlib.Path
    module : str
        Of the application, e.g. "maelstrom_bootcamp.apps.yr", with modules ``reference`` and ``train``.
    """

    folder: Path
    module: str

    def names(self, **plan: Any) -> list[str]:
        """Names of the weights, sorted.

        Parameters
        ----------
        **plan
            Only those in whose plan stands this, e.g. ``model="unet"``. None counts as anything.

        Returns
        -------
        list of str
        """
        wanted = {key: value for key, value in plan.items() if value is not None}
        # A training that was stopped leaves NAME.npz.state.npz: that is no model.
        found = sorted(path.stem for path in self.folder.glob("*.npz") if not path.stem.endswith(".state"))
        return [n for n in found if not wanted or wanted.items() <= _hashable(self.card(n)["plan"]).items()]

    def path(self, name: str) -> Path:
        """File of some weights.

        Raises
        ------
        BootcampError
            If there are none of this name.
        """
        path = self.folder / f"{name}.npz"
        if not path.is_file():
            shipped = ", ".join(self.names()) or "none"
            raise BootcampError(
                f"There are no reference weights {name!r} (shipped: {shipped}).",
                f"Choose a name that is shipped, or train: python -m {self.module}.train --help",
            )
        return path

    def card(self, name: str) -> dict[str, Any]:
        """Model card of some weights: plan, command, seed, data hash, machine, versions, scores."""
        from maelstrom_bootcamp import nn

        return nn.read_model_card(self.path(name))

    def load(
        self, name: str, build: Callable[[dict[str, Any]], keras.Model]
    ) -> tuple[keras.Model, dict[str, Any]]:
        """Build a network and give it its weights.

        Parameters
        ----------
        name : str
            One of `names`.
        build : callable
            Builds the network of a plan, as the card has it.

        Returns
        -------
        keras.Model, dict
            The second is the model card.

        Raises
        ------
        BootcampError
            If there are no such weights, or the file is not the one that was recorded.
        """
        from maelstrom_bootcamp import nn

        path = self.path(name)
        known = self.records().get(name, {}).get("sha256")
        if known is not None and known != digest(path):
            raise BootcampError(
                f"{path.name} has been altered: its SHA-256 is not the recorded one.",
                "Get the file again (git checkout), or record new weights: "
                f"python -m {self.module}.reference",
            )
        model = build(self.card(name)["plan"])
        return model, nn.load_weights_npz(model, path)

    def records(self) -> dict[str, dict[str, Any]]:
        """What is recorded of each file.

        Returns
        -------
        dict
            Name -> {"sha256": str, "sample": scores}; empty if nothing was recorded.
        """
        path = self.folder / RECORDS
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    def record(self, score: Callable[[str], Any], *, again: bool = False) -> dict[str, dict[str, Any]]:
        """Write SHA-256 and scores of all weights in the folder.

        Parameters
        ----------
        score : callable
            Scores the weights of a name on the sample of size ci; of what JSON can hold.
        again : bool
            Also score those whose file is as it was recorded: after the networks or the sample have changed.

        Returns
        -------
        dict
            What was written, see `records`.
        """
        old = self.records()
        new = {name: {"sha256": digest(self.path(name)), "sample": None} for name in self.names()}
        kept = [name for name in new if not again and old.get(name, {}).get("sha256") == new[name]["sha256"]]
        new |= {name: old[name] for name in kept}
        self._write(new)  # first of all, or new weights under an old name would be refused
        for name in new:
            if name not in kept:
                new[name]["sample"] = score(name)
        self._write(new)
        return new

    def _write(self, records: dict[str, Any]) -> None:
        path = self.folder / RECORDS
        part = path.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
        part.replace(path)


def record_command(
    module: str,
    size: str,
    record: Callable[[bool], Mapping[str, Mapping[str, Any]]],
    tell: Callable[[Any], str],
    arguments: Sequence[str] | None = None,
) -> int:
    """The command line ``python -m MODULE.reference``: record all weights of a folder.

    Parameters
    ----------
    module : str
        Of the application.
    size : {"ci", "default", "full"}
        Size of the sample on which the weights are scored; seed 0, whatever the environment says.
    record : callable
        Records, see `Shelf.record`; its argument says whether files that did not change are scored, too.
    tell : callable
        What to print of the scores of one file.
    arguments : sequence of str, optional

    Returns
    -------
    int
        0, or 1 after an error whose cause and cure were printed.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m {module}.reference",
        description="Record SHA-256 and sample scores of the reference weights, after some were added.",
    )
    parser.add_argument("--again", action="store_true", help="also of files that did not change")
    given = parser.parse_args(arguments)
    os.environ.update(MAELSTROM_SIZE=size, MAELSTROM_SEED="0")

    def work() -> None:
        for name, row in record(given.again).items():
            print(f"{name}: {tell(row['sample'])} (size {size})")

    return exit_code(work)


def digest(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hashable(plan: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in plan.items() if isinstance(value, str | int | float)}
