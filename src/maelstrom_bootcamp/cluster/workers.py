"""Start N worker processes on this machine, let them find each other, collect what they return.

The workers are what a cluster would run on N nodes: each is a Python process with its own TensorFlow, told
by the environment variable ``TF_CONFIG`` who the others are. Here all of them live on 127.0.0.1.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from maelstrom_bootcamp.errors import BootcampError

HOST = "127.0.0.1"
_CHILD = "maelstrom_bootcamp.cluster.child"
_TAKEN = ("Address already in use", "Could not start gRPC server", "Failed to bind")
_TAIL = 12  # lines of stderr in an error


def free_ports(n: int) -> list[int]:
    """TCP ports of this machine that nobody uses now.

    Parameters
    ----------
    n : int

    Returns
    -------
    list of int
        All different. Somebody else may take one before you do: `run_workers` then tries again.
    """
    sockets = [socket.socket() for _ in range(n)]
    try:
        for each in sockets:
            each.bind((HOST, 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def check_ports(ports: Sequence[int]) -> None:
    """Raise a `BootcampError` if a port is taken or named twice.

    Parameters
    ----------
    ports : sequence of int
    """
    for port in ports:
        with socket.socket() as probe:
            # what has just been closed may linger for a minute; that is no reason to refuse
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except (OSError, OverflowError) as error:
                raise BootcampError(
                    f"Port {port} of this machine cannot be used: {error}.",
                    "Leave ports out, and free ones are found.",
                ) from None
    if len(set(ports)) < len(ports):
        raise BootcampError(f"The ports {list(ports)} are not all different.", "Give each worker its own.")


def tf_config(addresses: Sequence[str], rank: int) -> str:
    """What TensorFlow wants to read in ``TF_CONFIG``.

    Parameters
    ----------
    addresses : sequence of str
        "host:port" of all workers, in the same order for everybody.
    rank : int
        Which of them is this one.

    Returns
    -------
    str
        JSON.
    """
    if not 0 <= rank < len(addresses):
        raise BootcampError(
            f"There is no worker {rank} among {len(addresses)}.", f"Ranks run from 0 to {len(addresses) - 1}."
        )
    return json.dumps({"cluster": {"worker": list(addresses)}, "task": {"type": "worker", "index": rank}})


def run_workers(
    function: str,
    job: Mapping[str, Any],
    workers: int,
    *,
    timeout: float = 120.0,
    ports: Sequence[int] | None = None,
    threads: int = 1,
    gpus: int = 0,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """Run a function in N processes at once.

    If one worker fails, the others are stopped: they would wait for it for ever. No process outlives this
    call, whatever happens.

    Parameters
    ----------
    function : str
        "package.module:function". Called as ``function(job, rank, folder)`` in each worker.
    job : mapping
        The same for all; anything that JSON can hold.
    workers : int
    timeout : float
        Seconds until all are stopped.
    ports : sequence of int, optional
        One for each worker; by default free ones are found.
    threads : int
        Threads of TensorFlow in each worker. If there are cores enough, worker i gets cores of its own.
    gpus : int
        Worker i < `gpus` sees GPU i only; all others see none.
    folder : pathlib.Path, optional
        Where the workers find and leave files; by default a temporary one.
    environment : mapping, optional
        More variables for all workers.

    Returns
    -------
    list of dict
        What the workers returned, by rank.

    Raises
    ------
    BootcampError
        If a number makes no sense, a port is taken, a worker dies (with the end of its standard error), or
        the time is over.
    """
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise BootcampError(f"workers={workers!r} is no whole number >= 1.", "Give workers=2.")
    if ports is not None:
        if len(ports) != workers:
            raise BootcampError(f"{len(ports)} ports for {workers} workers.", "Give one for each, or none.")
        check_ports(ports)
    own = folder or Path(tempfile.mkdtemp(prefix="bootcamp-workers-"))
    try:
        (own / "job.json").write_text(json.dumps({"function": function, "threads": threads, "job": job}))
        for attempt in range(3):
            chosen = list(ports or free_ports(workers))
            try:
                return _run(own, chosen, timeout, gpus, environment or {})
            except BootcampError as error:
                # between finding a port and using it somebody else may have been faster
                if ports is not None or attempt == 2 or not any(t in str(error) for t in _TAKEN):
                    raise
        raise AssertionError("not reached")
    finally:
        if folder is None:
            shutil.rmtree(own, ignore_errors=True)


def cores_for(rank: int, workers: int, threads: int) -> list[int]:
    """Cores on which a worker should stay, so that no two share one.

    Parameters
    ----------
    rank, workers, threads : int

    Returns
    -------
    list of int
        All that this process may use if there are not enough for everybody; empty where nobody can tell.
    """
    if not hasattr(os, "sched_getaffinity"):  # macOS, Windows
        return []
    cores = sorted(os.sched_getaffinity(0))
    if workers * threads > len(cores):
        return cores
    return cores[rank * threads : (rank + 1) * threads]


def _run(
    folder: Path, ports: list[int], timeout: float, gpus: int, environment: Mapping[str, str]
) -> list[dict[str, Any]]:
    addresses = [f"{HOST}:{port}" for port in ports]
    for old in folder.glob("result-*.json"):
        old.unlink()
    children: list[subprocess.Popen] = []
    try:
        for rank in range(len(ports)):
            with (folder / f"stderr-{rank}.txt").open("wb") as errors:
                variables = {
                    **os.environ,
                    "TF_CPP_MIN_LOG_LEVEL": "2",
                    **environment,
                    "TF_CONFIG": tf_config(addresses, rank),
                    "CUDA_VISIBLE_DEVICES": str(rank) if rank < gpus else "-1",
                }
                children.append(
                    subprocess.Popen(
                        [sys.executable, "-m", _CHILD, str(folder), str(rank), str(len(ports))],
                        stdin=subprocess.DEVNULL,
                        stdout=errors,
                        stderr=errors,
                        env=variables,
                    )
                )
        _wait(children, folder, timeout)
        return [json.loads(_result(folder, rank).read_text()) for rank in range(len(ports))]
    finally:
        _stop(children)


def _result(folder: Path, rank: int) -> Path:
    return folder / f"result-{rank}.json"


def _wait(children: list[subprocess.Popen], folder: Path, timeout: float) -> None:
    """Return when all are done; raise as soon as one has died without a result."""
    end = time.monotonic() + timeout
    while True:
        codes = [child.poll() for child in children]
        dead = [i for i, c in enumerate(codes) if c is not None and not _result(folder, i).exists()]
        if dead:
            raise _death(dead[0], codes[dead[0]], len(children), folder)
        if all(code is not None for code in codes):
            return
        if time.monotonic() > end:
            busy = ", ".join(str(i) for i, code in enumerate(codes) if code is None)
            raise BootcampError(
                f"After {timeout:g} s, worker {busy} of {len(children)} was not done.{_tail(folder, 0)}",
                "Give a longer timeout or less work; on a busy machine starting alone can take long.",
            )
        time.sleep(0.02)


def _death(rank: int, code: int, workers: int, folder: Path) -> BootcampError:
    refused = folder / f"refused-{rank}.json"
    if refused.exists():  # the worker itself had something to say
        return BootcampError(*json.loads(refused.read_text()))
    how = f"was killed by signal {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    cure = "Read the lines above." if code > 0 else "Was there memory enough? Try fewer workers."
    return BootcampError(f"Worker {rank} of {workers} {how}.{_tail(folder, rank)}", cure)


def _tail(folder: Path, rank: int) -> str:
    lines = (folder / f"stderr-{rank}.txt").read_text(errors="replace").strip().splitlines()
    return "".join(f"\n    {line[:300]}" for line in ["Its last words:", *lines[-_TAIL:]]) if lines else ""


def _stop(children: list[subprocess.Popen]) -> None:
    """Stop whoever still runs, and wait for all: no zombies."""
    for child in children:
        if child.poll() is None:
            child.kill()  # a worker that waits for a collective operation does not hear SIGTERM
    for child in children:
        child.wait()
