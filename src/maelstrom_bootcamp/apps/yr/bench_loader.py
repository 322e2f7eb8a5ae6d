"""Is the loader fast enough? This command measures it.

``python -m maelstrom_bootcamp.apps.yr.bench_loader`` asks three questions. Each is answered by a
ratio of two things measured side by side in one run, so that it means something on a busy machine as well:

* Reading alone, as a fraction of ``np.fromfile`` on the same files, bytes per second (both from the page
  cache). 100 % would be the speed of copying memory.
* Batches that the loader delivers, against those that one training step of the U-Net consumes.
* The largest memory of a process that loads N, 2 N and 4 N files.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from maelstrom_bootcamp.apps.yr.loader import find_runs, make_dataset
from maelstrom_bootcamp.apps.yr.reader import STATICS, VARIABLES, RunFile, RunReader
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.settings import settings


def read_all(runs: Sequence[RunFile]) -> int:
    """Read every field of every file into buffers that are used again; returns the number of bytes.

    Parameters
    ----------
    runs : sequence of RunFile

    Returns
    -------
    int
    """
    buffers = {n: np.empty(s if n == STATICS else s[1:], np.float32) for n, s in runs[0].shapes.items()}
    total = 0
    for run in runs:
        with RunReader(run) as reader:
            for name in VARIABLES:
                out = buffers[name]
                rows = out.shape[0]
                leads = [None] if name == STATICS else range(run.shapes[name][0])
                for lead in leads:
                    reader.read(name, lead, 0, rows, out)
                    total += out.nbytes
    return total


def fromfile_all(runs: Sequence[RunFile]) -> int:
    """Read every file as a whole with ``np.fromfile``; returns the number of bytes.

    Parameters
    ----------
    runs : sequence of RunFile

    Returns
    -------
    int
    """
    return sum(np.fromfile(run.path, np.uint8).nbytes for run in runs)


def side_by_side(
    a: Callable[[], float], b: Callable[[], float], repeats: int = 7
) -> tuple[float, float, float]:
    """Rates of two tasks, measured in turn, and the median of their ratios.

    Parameters
    ----------
    a, b : function
        Do the task once and return its amount of work (bytes, batches).
    repeats : int

    Returns
    -------
    rate_a, rate_b, ratio : float
        Medians of work per second, and of rate a / rate b.
    """
    a(), b()  # warm up
    pairs = []
    for _ in range(repeats):
        rates = []
        for task in (a, b):
            start = time.perf_counter()
            work = task()
            rates.append(work / (time.perf_counter() - start))
        pairs.append(rates)
    ratios = [x / y for x, y in pairs]
    return *(statistics.median(column) for column in zip(*pairs, strict=True)), statistics.median(ratios)


def reading(runs: Sequence[RunFile], repeats: int = 7) -> dict[str, float]:
    """Reading alone against ``np.fromfile``.

    Parameters
    ----------
    runs : sequence of RunFile
    repeats : int

    Returns
    -------
    dict
        ``reader`` and ``fromfile`` in byte/s, ``ratio``.
    """
    reader, fromfile, ratio = side_by_side(lambda: read_all(runs), lambda: fromfile_all(runs), repeats)
    return {"reader": reader, "fromfile": fromfile, "ratio": ratio}


def delivery(
    runs: Sequence[RunFile], *, batch_size: int = 8, patch: int = 128, steps: int = 3, repeats: int = 5
) -> dict[str, float]:
    """Batches delivered by the loader against batches consumed by the training of the U-Net.

    Parameters
    ----------
    runs : sequence of RunFile
    batch_size, patch : int
    steps : int
        Training steps per measurement.
    repeats : int

    Returns
    -------
    dict
        ``loader`` and ``training`` in batches/s, ``ratio``.
    """
    from maelstrom_bootcamp import nn

    endless = iter(make_dataset(runs, batch_size=batch_size, patch=patch, repeat=True))
    features, target = next(endless)
    loss = nn.QuantileLoss(trim=32 if patch > 64 else 0)
    model = nn.compile_model(nn.unet(), loss)

    def load() -> int:
        # More than the prefetched batches, or the wait for the reader would not show.
        return sum(1 for _ in islice(endless, 16))

    def learn() -> int:
        for _ in range(steps):
            model.train_on_batch(features, target)
        return steps

    loader, training, ratio = side_by_side(load, learn, repeats)
    return {"loader": loader, "training": training, "ratio": ratio}


def peak_memory(paths: Sequence[Path], *, batch_size: int = 8, patch: int = 128) -> int:
    """Largest resident memory of a fresh process that loads all these files once.

    Parameters
    ----------
    paths : sequence of path
    batch_size, patch : int

    Returns
    -------
    int
        Bytes.

    Raises
    ------
    BootcampError
        If the process fails.
    """
    options = ["--child", "--batch-size", str(batch_size), "--patch", str(patch)]
    command = [sys.executable, "-m", __spec__.name if __spec__ else __name__, *options]
    names = "\n".join(str(p) for p in paths)
    done = subprocess.run(command, input=names, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BootcampError(f"The measuring process failed: {done.stderr[-2000:]}", "Try with fewer files.")
    return int(done.stdout.split()[-1])


def _child(batch_size: int, patch: int) -> None:
    import maelstrom_bootcamp.nn  # noqa: F401  (starts TensorFlow quietly)

    runs = find_runs([Path(line) for line in sys.stdin.read().splitlines()])
    for _ in make_dataset(runs, batch_size=batch_size, patch=patch):
        pass
    print(_largest_memory())


def _largest_memory() -> int:
    status = Path("/proc/self/status")
    if status.is_file():  # Linux: getrusage would count the memory of the parent process at its fork
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def report(paths: Sequence[Path], *, batch_size: int, patch: int, repeats: int) -> dict[str, dict]:
    """Measure and print everything.

    Parameters
    ----------
    paths : sequence of path
        At least four files.
    batch_size, patch, repeats : int

    Returns
    -------
    dict
        Results of `reading`, `delivery`, and memory in bytes by number of files.
    """
    if len(paths) < 4:
        raise BootcampError(
            f"{len(paths)} files are too few to measure memory with N, 2 N and 4 N of them.",
            "Give at least four.",
        )
    runs = find_runs(paths)
    kind = "contiguous" if runs[0].contiguous else "read through h5py"
    print(f"{len(runs)} files of {runs[0].bytes / 1e6:.1f} MB, {kind}")
    read = reading(runs, repeats)
    print(f"reading alone      {read['reader'] / 1e9:8.2f} GB/s")
    print(f"np.fromfile        {read['fromfile'] / 1e9:8.2f} GB/s")
    print(f"                   ratio {read['ratio']:.0%} (goal: at least 60 %)")
    shape = {"batch_size": batch_size, "patch": patch}
    fed = delivery(runs, **shape, repeats=repeats)
    print(f"loader             {fed['loader']:8.1f} batches/s")
    print(f"training           {fed['training']:8.1f} batches/s")
    print(f"                   ratio {fed['ratio']:.1f} (goal: at least 3)")
    few = len(paths) // 4
    memory = {n: peak_memory(paths[:n], **shape) for n in (few, 2 * few, 4 * few)}
    print("peak memory        " + "   ".join(f"{n} files {m / 1e6:.0f} MB" for n, m in memory.items()))
    return {"reading": read, "delivery": fed, "memory": memory}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark as the command line says.

    Parameters
    ----------
    arguments : sequence of str, optional

    Returns
    -------
    int
        0, or 1 after an error whose cause and cure were printed.
    """
    parser = argparse.ArgumentParser(
        prog="python -m maelstrom_bootcamp.apps.yr.bench_loader", description=__doc__
    )
    parser.add_argument("--folder", type=Path, help="use all *.nc below it (default: training period)")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--patch", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    try:
        if given.child:
            _child(given.batch_size, given.patch)
            return 0
        paths = sorted(given.folder.rglob("*.nc")) if given.folder else _training_paths()
        report(paths, batch_size=given.batch_size, patch=given.patch, repeats=given.repeats)
    except BootcampError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _training_paths() -> list[Path]:
    from maelstrom_bootcamp.apps.yr.dataset import run_paths
    from maelstrom_bootcamp.apps.yr.split import split

    return run_paths(split(settings().size).train)


if __name__ == "__main__":
    sys.exit(main())
