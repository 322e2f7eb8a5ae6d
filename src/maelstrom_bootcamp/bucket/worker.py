"""A worker process of the bucket, started by `maelstrom_bootcamp.bucket.pool`.

It reads a header and then jobs (pickled) from standard input and answers each with one line of JSON.
It is started like this, not by `multiprocessing`, for two reasons: a learner's script without
``if __name__ == "__main__"`` would be run again by every spawned worker, and a worker whose parent was
killed has to end at once (its standard input then closes).
"""

from __future__ import annotations

import json
import os
import pickle
import queue
import sys
import threading
import traceback
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from maelstrom_bootcamp.bucket.writing import DiskFullError, Job, Recipe, Writer, run_job
from maelstrom_bootcamp.errors import BootcampError


@dataclass(frozen=True)
class Header:
    """What a worker has to know once.

    Attributes
    ----------
    reference : str
        The recipe, as "module:attribute".
    root, size, seed
        The bucket's folder and settings.
    search_path : tuple of str
        ``sys.path`` of the parent.
    """

    reference: str
    root: Path
    size: str
    seed: int
    search_path: tuple[str, ...]


def load(reference: str) -> Recipe:
    """Import a recipe by its reference "module:attribute"."""
    module, attribute = reference.split(":")
    return getattr(import_module(module), attribute)


def answer(recipe: Recipe, job: Job, writer: Writer) -> dict[str, Any]:
    """Do a job and put its outcome into plain values."""
    try:
        return {"entries": [asdict(entry) for entry in run_job(recipe, job, writer)]}
    except DiskFullError as error:
        return {"disk_full": str(error)}
    except OSError as error:
        return {"refused": [error.errno, error.strerror, str(error.filename)]}
    except BootcampError as error:
        traceback.print_exc()  # goes to the log
        return {"cause": error.cause, "cure": error.cure, "notes": getattr(error, "__notes__", [])}


def _listen(source: BinaryIO, jobs: queue.Queue[Job]) -> None:
    while True:
        try:
            jobs.put(pickle.load(source))
        except (EOFError, pickle.UnpicklingError):
            os._exit(0)  # the parent has finished, or is gone: stop in the middle of anything


def _serve(source: BinaryIO, replies: TextIO) -> None:
    header: Header = pickle.load(source)
    sys.path[:] = header.search_path
    os.environ.update(MAELSTROM_SIZE=header.size, MAELSTROM_SEED=str(header.seed), MAELSTROM_DATA="sample")
    jobs: queue.Queue[Job] = queue.Queue()
    # The listener starts after the imports of the recipe: importing in two threads at once is slow.
    recipe = load(header.reference)
    threading.Thread(target=_listen, args=(source, jobs), daemon=True).start()
    writer = Writer(header.root, recipe, header.size, header.seed)
    while True:
        reply = answer(recipe, jobs.get(), writer)
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


def main() -> None:
    """Run until standard input closes."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print must not mix with the replies
    try:
        _serve(sys.stdin.buffer, replies)
    except EOFError:
        pass
