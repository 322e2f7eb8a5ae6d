"""Solver and emulators in processes of their own, on one core or on all, in turn.

A `Crew` is one process or several, each on a core of its own, that compute the same columns again and again
when told to: so two engines can be raced in turn, on one core or on all. A process starts like any other
program, so it also tells how long its first answer takes, and how much memory it needs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from maelstrom_bootcamp.errors import BootcampError

if TYPE_CHECKING:
    import keras
    import xarray as xr

#: What computes: RRTMG as compiled into climt, onnxruntime, or Keras on TensorFlow (compiled by XLA).
ENGINES = ("solver", "onnx", "keras")
COLUMNS, ARRAYS, ONNX, KERAS = "columns.nc", "columns.npz", "model.onnx", "model.keras"
_HERE = "maelstrom_bootcamp.apps.radiation.crew"
#: Set before the libraries start: each process computes with one thread.
_ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


@dataclass(frozen=True)
class Start:
    """How a process of a crew started.

    Attributes
    ----------
    seconds : float
        From its launch to its first answer: interpreter, libraries, network or tables, first computation.
    memory : int
        Bytes, the most it held until then.
    """

    seconds: float
    memory: int


class Crew:
    """Processes that compute the same columns, each on one core with one thread, when told to.

    Parameters
    ----------
    engine : {"solver", "onnx", "keras"}
    columns : (xarray.Dataset, mapping of str to numpy.ndarray)
        From `timing_columns`; computed in one batch.
    model : keras.Model, optional
        The network, for "onnx" and "keras".
    band : {"sw", "lw"}
        What the solver computes.
    workers : int
        Number of processes.

    Attributes
    ----------
    starts : tuple of Start
        One for each process, as soon as the crew is there. They start one after the other.

    Raises
    ------
    BootcampError
        If there is no such engine, it has no network, or a process fails.

    Examples
    --------
    >>> with Crew("solver", columns, workers=2) as crew:      # doctest: +SKIP
    ...     sum(crew.run(1.0))                                # columns per second of both
    """

    def __init__(
        self,
        engine: str,
        columns: tuple[xr.Dataset, Mapping[str, np.ndarray]],
        model: keras.Model | None = None,
        *,
        band: str = "sw",
        workers: int = 1,
    ) -> None:
        if engine not in ENGINES:
            raise BootcampError(f"There is no engine {engine!r}.", f"Take one of: {', '.join(ENGINES)}.")
        if engine != "solver" and model is None:
            raise BootcampError(f"{engine!r} has nothing to compute.", "Give it a network: model=...")
        if workers < 1:
            raise BootcampError(f"{workers} processes compute nothing.", "Give workers=1.")
        self._folder = tempfile.TemporaryDirectory(prefix="bootcamp-crew-")
        self._children: list[subprocess.Popen[str]] = []
        try:
            _write(Path(self._folder.name), engine, columns, model)
            job = {"engine": engine, "folder": self._folder.name, "band": band}
            self.starts = tuple(self._start(job, i) for i in range(workers))
        except BaseException:
            self.close()
            raise

    def run(self, seconds: float, workers: int | None = None) -> list[float]:
        """Let all compute at the same time, or only some.

        Parameters
        ----------
        seconds : float
            Each goes on until so much time has passed, but computes its columns at least once.
        workers : int, optional
            Only so many of them; the others wait.

        Returns
        -------
        list of float
            Columns per second of each process.
        """
        busy = self._children[:workers]
        for child in busy:
            assert child.stdin is not None
            child.stdin.write(f"{seconds}\n")
            child.stdin.flush()
        return [self._answer(child) for child in busy]

    def close(self) -> None:
        """End the processes."""
        for child in self._children:
            child.kill()
            child.communicate()
        self._children = []
        self._folder.cleanup()

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _start(self, job: dict[str, Any], number: int) -> Start:
        folder = Path(self._folder.name)
        with (folder / f"{number}.log").open("w") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", _HERE],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=os.environ | _ONE_THREAD,
            )
        self._children.append(child)
        assert child.stdin is not None
        child.stdin.write(json.dumps({**job, "number": number, "launched": time.time()}) + "\n")
        child.stdin.flush()
        return Start(**self._answer(child))

    def _answer(self, child: subprocess.Popen[str]) -> Any:
        assert child.stdout is not None
        line = child.stdout.readline()
        if line:
            return json.loads(line)
        logs = "".join(path.read_text() for path in sorted(Path(self._folder.name).glob("*.log")))
        last = " ".join(logs.split()[-60:]) or "no message"
        raise BootcampError(
            f"A process of the crew has died: ... {last}", "Try fewer columns or fewer workers."
        )


def _write(
    folder: Path,
    engine: str,
    columns: tuple[xr.Dataset, Mapping[str, np.ndarray]],
    model: keras.Model | None,
) -> None:
    """What the processes of an engine need to read."""
    if engine == "solver":
        # Its variables only, without coordinates: nothing else has to be read.
        columns[0].reset_coords(drop=True).to_netcdf(folder / COLUMNS)
        return
    np.savez(folder / ARRAYS, **columns[1])
    assert model is not None
    if engine == "onnx":
        from maelstrom_bootcamp.apps.radiation.to_onnx import to_onnx

        (folder / ONNX).write_bytes(to_onnx(model).SerializeToString())
    else:
        model.save(folder / KERAS)


# ---- in a process of a crew ------------------------------------------------------------------------


def _solver(folder: Path, band: str) -> tuple[Callable[[], Any], int]:
    import xarray as xr

    from maelstrom_bootcamp.bucket.radiation.solver import solve

    with xr.open_dataset(folder / COLUMNS) as file:
        columns = file.load()
    return lambda: solve(columns, bands=(band,)), columns.sizes["column"]


def _onnx(folder: Path, band: str) -> tuple[Callable[[], Any], int]:
    arrays = _arrays(folder)
    from maelstrom_bootcamp.apps.radiation.cost import open_session

    session = open_session((folder / ONNX).read_bytes())
    feed = {tensor.name: arrays[tensor.name] for tensor in session.get_inputs()}
    return lambda: session.run(None, feed), len(arrays["sca_inputs"])


def _keras(folder: Path, band: str) -> tuple[Callable[[], Any], int]:
    from maelstrom_bootcamp.apps.radiation import budget, networks  # noqa: F401  (register their layers)

    import keras  # isort: skip
    import tensorflow as tf

    model = keras.saving.load_model(folder / KERAS, compile=False)
    x = {name: tf.constant(values) for name, values in _arrays(folder).items()}
    forward = tf.function(lambda x: model(x, training=False), jit_compile=True)
    return lambda: [out.numpy() for out in forward(x).values()], len(x["sca_inputs"])


_TASKS = {"solver": _solver, "onnx": _onnx, "keras": _keras}


def _arrays(folder: Path) -> dict[str, np.ndarray]:
    with np.load(folder / ARRAYS) as file:
        return dict(file)


def _rate(task: Callable[[], Any], n: int, seconds: float) -> float:
    begin, done = time.perf_counter(), 0
    while done == 0 or time.perf_counter() - begin < seconds:
        task()
        done += n
    return done / (time.perf_counter() - begin)


def _peak_memory() -> int:
    status = Path("/proc/self/status")
    if status.is_file():  # Linux: getrusage would count the memory of the parent process at its fork
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _stay_on_core(number: int) -> None:
    if hasattr(os, "sched_setaffinity"):
        mine = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {mine[number % len(mine)]})


def main() -> int:
    """Read a job, compute once, then for as many seconds as each line of the standard input says."""
    job = json.loads(sys.stdin.readline())
    _stay_on_core(job["number"])
    task, n = _TASKS[job["engine"]](Path(job["folder"]), job["band"])
    task()
    print(json.dumps({"seconds": time.time() - job["launched"], "memory": _peak_memory()}), flush=True)
    for line in sys.stdin:
        print(json.dumps(_rate(task, n, float(line))), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
