"""One worker: ``python -m maelstrom_bootcamp.cluster.child FOLDER RANK WORKERS`` (see `run_workers`)."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from maelstrom_bootcamp.cluster.workers import cores_for
from maelstrom_bootcamp.errors import BootcampError


def _end_with(parent: int) -> None:
    """End when the parent is gone: nobody would read the result, and nobody would stop us."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def _write(path: Path, value: Any) -> None:
    """Write whole files only: the parent takes a file that exists for a finished one."""
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(value))
    draft.replace(path)


def main(folder: Path, rank: int, workers: int) -> None:
    """Read the job, do it, leave the result.

    Parameters
    ----------
    folder : pathlib.Path
    rank, workers : int
    """
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    task = json.loads((folder / "job.json").read_text())
    if cores := cores_for(rank, workers, task["threads"]):
        os.sched_setaffinity(0, cores)
    module, _, name = task["function"].partition(":")
    try:
        result = getattr(import_module(module), name)(
            {**task["job"], "threads": task["threads"]}, rank, folder
        )
    except BootcampError as error:
        _write(folder / f"refused-{rank}.json", [error.cause, error.cure])
        raise
    _write(folder / f"result-{rank}.json", result)
    end = time.monotonic() + 10
    while len(list(folder.glob("result-*.json"))) < workers and time.monotonic() < end:
        time.sleep(0.01)  # somebody may still wait for our part of the last message
    sys.stderr.flush()
    # Whoever leaves while a colleague still reads the last sum from it takes that colleague down. If one of
    # them dies, the parent sees it, and ends us.
    while not all((folder / f"result-{other}.json").exists() for other in range(workers)):
        time.sleep(0.01)
    os._exit(0)  # TensorFlow's threads may wait for a colleague who has left already


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
