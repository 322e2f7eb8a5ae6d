"""Work in a process of its own, step by step: what crashes there, or leaks, harms nobody else."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Generator
from importlib import import_module
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any


class WorkerError(RuntimeError):
    """The process ended, failed or did not answer; the text says which."""


class Worker:
    """A generator function that runs in another process and is asked for its next value.

    Where the system can, the processes are forked from a server that has imported the function's module once:
    each begins with nothing but this, in some milliseconds, whatever the caller has loaded.

    Parameters
    ----------
    function : str
        "package.module:name" of a generator function of one argument. Named, not given, so that the caller
        does not have to import what the function needs.
    argument : object
        Has to be pickled.

    Examples
    --------
    >>> with Worker("maelstrom_bootcamp.perfmodel.labels.apart:_count", 2) as worker:  # doctest: +SKIP
    ...     worker.next(), worker.next(), worker.next()
    (0, 1, None)
    """

    def __init__(self, function: str, argument: Any) -> None:
        fork = "forkserver" in multiprocessing.get_all_start_methods()
        context = multiprocessing.get_context("forkserver" if fork else "spawn")
        if fork:
            context.set_forkserver_preload([function.partition(":")[0]])
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, function, argument), daemon=True)
        self._process.start()
        theirs.close()

    def next(self, timeout: float = 600.0) -> Any:
        """The generator's next value.

        Parameters
        ----------
        timeout : float
            Seconds of wall-clock time.

        Returns
        -------
        object
            None if the generator has ended.

        Raises
        ------
        WorkerError
            If the function raised an error, the process ended, or no answer came in time.
        """
        try:
            self._connection.send("next")
            if not self._connection.poll(timeout):
                raise WorkerError(f"no answer in {timeout:.0f} s")
            outcome, value = self._connection.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            self._process.join(10)
            raise WorkerError(_ending(self._process.exitcode)) from None
        if outcome == "error":
            raise WorkerError(value)
        return value

    def close(self) -> None:
        """End the process, if it still runs."""
        self._connection.close()
        self._process.join(0.2)
        if self._process.is_alive():
            self._process.kill()
        self._process.join(10)

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _ending(code: int | None) -> str:
    if code is None or code >= 0:
        return f"the process ended with code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"the process was ended by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")


def _serve(connection: Connection, function: str, argument: Any) -> None:
    """In the other process: answer each request with the next value."""
    # Ctrl-C reaches all processes of a terminal; this one is ended by its parent.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    module, _, name = function.partition(":")
    values: Generator[Any, None, None] | None = None
    try:
        while True:
            connection.recv()
            if values is None:
                values = getattr(import_module(module), name)(argument)
            connection.send(("value", next(values, None)))
    except EOFError:
        return
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        connection.send(("error", f"{type(error).__name__}: {lines[0][:300]}"))


def _count(n: int) -> Generator[int, None, None]:
    yield from range(n)
