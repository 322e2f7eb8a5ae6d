"""``bootcamp doctor``: whether this machine is ready; a line for each thing, a cure for each fault."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from maelstrom_bootcamp import bucket
from maelstrom_bootcamp.catalog import CATALOG
from maelstrom_bootcamp.course.project import project_root
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.settings import settings

GIGABYTE = 1e9
DISK_NEEDED, MEMORY_NEEDED = 2.0, 6.0  # GB: the default bucket and what its notebooks take
#: A line of the lock: name, version, and the marker of the systems that it is for.
_LOCK_LINE = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)(?:\s*;\s*([^\\]+))?")


@dataclass(frozen=True)
class Finding:
    """Outcome of one check.

    Attributes
    ----------
    ok : bool
    text : str
        What was found.
    cure : str
        What to do, if it is not ok; a hint may stand beside an ok, too.
    """

    ok: bool
    text: str
    cure: str = ""

    def __str__(self) -> str:
        sign = "[OK]" if self.ok else "[!!]"
        return f"{sign} {self.text}" + (f"\n     {self.cure}" if self.cure else "")


def check_python(version: tuple[int, ...] = sys.version_info[:3]) -> Finding:
    """Python 3.11 or 3.12."""
    text = f"Python {'.'.join(map(str, version))}"
    ok = (3, 11) <= version[:2] <= (3, 12)
    return Finding(
        ok, text, "" if ok else "Install Python 3.11 or 3.12 and call 'make clean ALL=1 && make lab'."
    )


def locked_versions(lock: str) -> dict[str, str]:
    """Package versions that the lock wants on this machine.

    Parameters
    ----------
    lock : str
        Text of requirements.lock.

    Returns
    -------
    dict of str to str
    """
    from packaging.markers import Marker

    found = (m.groups() for m in map(_LOCK_LINE.match, lock.splitlines()) if m)
    return {
        name: version for name, version, marker in found if not marker or Marker(marker.strip()).evaluate()
    }


def check_packages(lock: Path | None) -> Finding:
    """Installed packages against the lock."""
    if lock is None or not lock.is_file():
        return Finding(
            True, "Packages: no requirements.lock here, not compared (call this in the course's folder)"
        )
    wanted = locked_versions(lock.read_text(encoding="utf-8"))
    wrong = []
    for name, version in wanted.items():
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            installed = "missing"
        if installed != version:
            wrong.append(f"{name} {installed} (lock: {version})")
    if not wrong:
        return Finding(True, f"Packages: all {len(wanted)} as in the lock")
    shown = ", ".join(wrong[:4]) + (f" and {len(wrong) - 4} more" if len(wrong) > 4 else "")
    return Finding(
        False, f"Packages: {shown}", "Call 'make lab' (or any other target): it installs what differs."
    )


def check_disk(folder: Path) -> Finding:
    """Room for the sample bucket."""
    existing = next(p for p in (folder, *folder.parents) if p.exists())
    free = shutil.disk_usage(existing).free / GIGABYTE
    ok = free >= DISK_NEEDED
    cure = "" if ok else "Free some space, or set MAELSTROM_BUCKET to a folder on a larger disk."
    return Finding(ok, f"Disk: {free:.1f} GB free for the sample bucket ({DISK_NEEDED:.0f} GB wanted)", cure)


def check_memory() -> Finding:
    """Main memory that can be had now."""
    free = psutil.virtual_memory().available / GIGABYTE
    ok = free >= MEMORY_NEEDED
    cure = (
        ""
        if ok
        else "Close other kernels (JupyterLab: Kernel > Shut Down All Kernels), or set MAELSTROM_SIZE=ci."
    )
    return Finding(ok, f"Memory: {free:.1f} GB available ({MEMORY_NEEDED:.0f} GB wanted)", cure)


def check_cores() -> Finding:
    """Processor cores that this process may use."""
    n = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Finding(
        n >= 2, f"Cores: {n}", "" if n >= 2 else "It works, but trainings take twice as long as stated."
    )


def check_gpu() -> Finding:
    """A GPU is welcome, not needed. Asked in a process of its own: TensorFlow holds a GPU until it ends."""
    listing = "[d.name for d in tf.config.list_physical_devices('GPU')]"
    code = f"import json, tensorflow as tf; print(json.dumps({listing}))"
    quiet = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=quiet, check=False
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["it ended without a message"])[-1]
        return Finding(
            False, f"TensorFlow does not start: {reason}", "Call 'make clean ALL=1', then 'make lab'."
        )
    names = json.loads(done.stdout.strip().splitlines()[-1])
    if names:
        return Finding(True, f"GPU: {', '.join(names)}")
    return Finding(
        True,
        "GPU: none; the course runs on the processor",
        "With one: pip install 'maelstrom-bootcamp[gpu]'.",
    )


def check_kernel() -> Finding:
    """The kernel that the notebooks name is this Python's."""
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    try:
        spec = KernelSpecManager().get_kernel_spec("python3")
    except NoSuchKernel:
        return Finding(
            False, "Kernel: there is no kernel 'python3'", "python -m ipykernel install --sys-prefix"
        )
    program = shutil.which(spec.argv[0]) or spec.argv[0]
    # "python" without a path is what ipykernel's own spec says: it means the Python that runs Jupyter.
    ok = spec.argv[0] in ("python", "python3") or Path(program).parent == Path(sys.executable).parent
    text = (
        "Kernel: python3 runs this environment" if ok else f"Kernel: python3 runs another Python ({program})"
    )
    return Finding(
        ok, text, "" if ok else "python -m ipykernel install --sys-prefix, or choose another kernel in Lab."
    )


def check_bucket() -> Finding:
    """Sample objects of the data sets that are real by now."""
    now = settings()
    if now.data == "remote":
        return Finding(True, "Sample bucket: not used (MAELSTROM_DATA=remote)")
    real = [row.name for row in CATALOG.values() if row.plugin and not row.placeholder]
    missing = {name: n for name in real if (n := len(bucket.samples(name).verify()))}
    if not missing:
        return Finding(True, f"Sample bucket ({now.size}): complete for {', '.join(real)}")
    text = ", ".join(f"{name} lacks {n} objects" for name, n in missing.items())
    # Not a fault: objects are made on first use.
    return Finding(
        True, f"Sample bucket ({now.size}): {text}; made on first use", "Make them now: bootcamp data make"
    )


def check_network(address: tuple[str, int] = ("object-store.os-api.cci1.ecmwf.int", 443)) -> Finding:
    """MAELSTROM's object store; needed with MAELSTROM_DATA=remote only."""
    try:
        with socket.create_connection(address, timeout=3):
            reached = True
    except OSError:
        reached = False
    if reached:
        return Finding(True, f"Network: {address[0]} answers; MAELSTROM_DATA=remote can work")
    needed = settings().data == "remote"
    cure = "Unset MAELSTROM_DATA: the sample bucket needs no network." if needed else ""
    return Finding(not needed, f"Network: {address[0]} cannot be reached (fine with sample data)", cure)


def lock_file() -> Path | None:
    """requirements.lock of the course's folder, if this is called in it."""
    try:
        return project_root() / "requirements.lock"
    except BootcampError:
        return None


def checks() -> Iterable[Callable[[], Finding]]:
    """All checks, in the order in which they are printed."""
    return (
        check_python,
        lambda: check_packages(lock_file()),
        lambda: check_disk(settings().root),
        check_memory,
        check_cores,
        check_gpu,
        check_kernel,
        check_bucket,
        check_network,
    )


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add ``bootcamp doctor`` to the command line.

    Parameters
    ----------
    subparsers : argparse subparsers
        Of the ``bootcamp`` command.
    """
    parser = subparsers.add_parser("doctor", help="look at this machine: is it ready for the course?")
    parser.set_defaults(run=main)


def main(_: argparse.Namespace) -> int:
    """Run ``bootcamp doctor``.

    Returns
    -------
    int
        0 if all is well, 1 if a check failed.
    """
    failed = 0
    for check in checks():
        found = check()
        failed += not found.ok
        print(found, flush=True)
    return 1 if failed else 0
