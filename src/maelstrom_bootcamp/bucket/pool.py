"""Runs a recipe's jobs in worker processes, and turns what goes wrong in one into an exception here."""

from __future__ import annotations

import json
import os
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from maelstrom_bootcamp.bucket.manifest import Entry
from maelstrom_bootcamp.bucket.worker import Header, load
from maelstrom_bootcamp.bucket.writing import DiskFullError, Job, Writer, run_job
from maelstrom_bootcamp.errors import BootcampError

#: More would not help: two generators already fill the memory bandwidth of a laptop.
MOST_WORKERS = 2


def cores() -> int:
    """Number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_jobs(jobs: Sequence[Job], header: Header, log: Path) -> Iterator[tuple[Job, list[Entry]]]:
    """Do jobs and yield each with its entries as it is finished, in any order.

    Parameters
    ----------
    jobs : sequence of Job
    header : Header
        What the workers have to know.
    log : pathlib.Path
        File that receives what the workers print.

    Yields
    ------
    tuple of (Job, list of Entry)

    Raises
    ------
    BootcampError, DiskFullError, OSError
        What the first failing job raised; the others are stopped.
    """
    recipe = load(header.reference)
    if getattr(recipe, "in_process", False):
        writer = Writer(header.root, recipe, header.size, header.seed)
        for job in jobs:
            yield job, run_job(recipe, job, writer)
        return
    yield from _run_in_workers(jobs, header, log, min(MOST_WORKERS, cores(), len(jobs)))


def _run_in_workers(
    jobs: Sequence[Job], header: Header, log: Path, n: int
) -> Iterator[tuple[Job, list[Entry]]]:
    todo: queue.SimpleQueue[Job] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[Job, list[Entry] | BaseException]] = queue.SimpleQueue()
    for job in jobs:
        todo.put(job)
    with log.open("ab") as sink:
        workers = [_Worker(header, sink.fileno(), n) for _ in range(n)]
        threads = [threading.Thread(target=w.run, args=(todo, done), daemon=True) for w in workers]
        for thread in threads:
            thread.start()
        try:
            for _ in jobs:
                job, outcome = done.get()
                if isinstance(outcome, BaseException):
                    raise outcome
                yield job, outcome
        finally:  # also when the caller stops listening (Ctrl-C)
            for worker in workers:
                worker.process.kill()
            for thread in threads:
                thread.join()
            for worker in workers:
                worker.close()


class _Worker:
    """One worker process and the thread that talks with it."""

    def __init__(self, header: Header, log: int, n: int) -> None:
        # Each worker gets its share of the cores: two times all of them would only get into each other's way.
        share = str(max(1, cores() // n))
        environment = {"OMP_NUM_THREADS": share, "TF_CPP_MIN_LOG_LEVEL": "3"} | dict(os.environ)
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", "from maelstrom_bootcamp.bucket.worker import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment,
            start_new_session=True,  # Ctrl-C reaches the parent only, which then stops the workers
        )
        self.header = header

    def run(self, todo: queue.SimpleQueue, done: queue.SimpleQueue) -> None:
        """Give jobs to the process until none is left or one fails."""
        message: object = self.header
        job = None
        try:
            self._send(message)
            while True:
                job = todo.get_nowait()
                done.put((job, self._do(job)))
        except queue.Empty:
            pass
        except BaseException as error:  # carried over to the thread that waits
            done.put((job, error))

    def close(self) -> None:
        """Wait for the process that was told to end, and close the pipes."""
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(BrokenPipeError):
                pipe.close()

    def _send(self, message: object) -> None:
        try:
            pickle.dump(message, self.process.stdin)
            self.process.stdin.flush()
        except (BrokenPipeError, ValueError) as error:
            raise self._died() from error

    def _do(self, job: Job) -> list[Entry]:
        self._send(job)
        line = self.process.stdout.readline()
        if not line.endswith(b"\n"):
            raise self._died()
        reply = json.loads(line)
        if "entries" in reply:
            return [Entry(**entry) for entry in reply["entries"]]
        if "disk_full" in reply:
            raise DiskFullError(reply["disk_full"])
        if "refused" in reply:
            raise OSError(*reply["refused"])
        failure = BootcampError(reply["cause"], reply["cure"])
        for note in reply["notes"]:
            failure.add_note(note)
        raise failure

    def _died(self) -> BootcampError:
        code = self.process.wait()
        return BootcampError(
            f"A process that was making sample data of this dataset ended unexpectedly (exit code {code}).",
            "If the machine ran out of memory, close other programs. Run the same again: "
            "what was finished is kept. The log stands beside the manifest in the bucket.",
        )
