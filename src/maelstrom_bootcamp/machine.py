"""What a figure was measured on: processor, memory, accelerators, versions, revision of the course."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

#: Packages that a benchmark's speed depends on.
PACKAGES = ("tensorflow", "keras", "jax", "torch", "onnxruntime", "numpy")
#: Instructions that decide which precision a processor computes in by itself.
INSTRUCTIONS = ("avx2", "avx512f", "avx512_bf16", "avx512_fp16", "amx_bf16", "asimd", "bf16", "sve")


def cpu_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Model name of the processor.

    Parameters
    ----------
    cpuinfo : pathlib.Path
        Where Linux tells it.

    Returns
    -------
    str
    """
    if cpuinfo.is_file():  # platform.processor() is empty on Linux
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def instructions(cpuinfo: Path = Path("/proc/cpuinfo")) -> tuple[str, ...]:
    """Those of `INSTRUCTIONS` that the processor has; empty where the system does not tell.

    Parameters
    ----------
    cpuinfo : pathlib.Path

    Returns
    -------
    tuple of str
    """
    if not cpuinfo.is_file():
        return ()
    for line in cpuinfo.read_text().splitlines():
        if line.startswith(("flags", "Features")):
            has = set(line.partition(":")[2].split())
            return tuple(name for name in INSTRUCTIONS if name in has)
    return ()


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine() -> dict[str, Any]:
    """What this machine is, without its name or any path: system, processor, usable cores, memory in bytes.

    Returns
    -------
    dict
        Fit for JSON. Accelerators are added by whoever has a framework loaded.
    """
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "cpu": cpu_name(),
        "instructions": list(instructions()),
        "cores": cores(),
        "memory": psutil.virtual_memory().total,
    }


def versions() -> dict[str, str]:
    """Python, this course and those of `PACKAGES` that are installed.

    Returns
    -------
    dict of str to str
    """
    found = {"python": platform.python_version()}
    for name in ("maelstrom-bootcamp", *PACKAGES):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def revision(folder: Path | None = None) -> str:
    """Git revision of the course's code, with "+" if files have been changed since.

    Parameters
    ----------
    folder : pathlib.Path, optional
        Inside of the repository; by default where this package lies.

    Returns
    -------
    str
        Twelve hexadecimal digits, or "unknown" where there is no git or no repository.
    """
    where = folder or Path(__file__).parent

    def git(*words: str) -> str:
        run = subprocess.run(["git", "-C", where, *words], capture_output=True, text=True, timeout=20)
        if run.returncode:
            raise OSError(run.stderr)
        return run.stdout.strip()

    try:
        commit = git("rev-parse", "--short=12", "HEAD")
        return commit + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown"
