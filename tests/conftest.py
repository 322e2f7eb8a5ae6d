"""Every test runs in a clean house: its own HOME, small sample data, no settings of the user's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import hypothesis
import pytest

MAKE = Path(__file__).resolve().parents[1] / ".make"  # kept from run to run, not committed
KEPT = {"MAELSTROM_BUCKET": MAKE / "bucket", "MPLCONFIGDIR": MAKE / "matplotlib"}
FIXED = {
    "MAELSTROM_SIZE": "ci",
    "MPLBACKEND": "Agg",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    "PYTHONHASHSEED": "0",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
DROPPED = ("CLIMETLAB_", "IPYTHON", "JUPYTER_", "MAELSTROM_DATA", "MAELSTROM_SEED", "MAELSTROM_SIZE", "XDG_")
LAST = ("notebook", "student", "book", "hub")  # what is slow comes after the unit tests

hypothesis.settings.register_profile("course", deadline=None, derandomize=True, max_examples=50)
hypothesis.settings.load_profile("course")

_home: str | None = None


def pytest_configure(config: pytest.Config) -> None:
    """Set the environment before any test module is imported; workers of xdist inherit it."""
    global _home
    if "PYTEST_XDIST_WORKER" in os.environ:
        return
    for name in [n for n in os.environ if n.startswith(DROPPED)]:
        del os.environ[name]
    for name, folder in KEPT.items():
        folder.mkdir(parents=True, exist_ok=True)
        os.environ.setdefault(name, str(folder))
    os.environ.update(FIXED)
    if workers := config.getoption("numprocesses", None):  # they share the cores, kernels of notebooks too
        share = max(1, len(os.sched_getaffinity(0)) // workers)
        os.environ.update({name: str(share) for name in THREADS})
    _home = os.environ["HOME"] = tempfile.mkdtemp(prefix="bootcamp-home-")


def pytest_unconfigure() -> None:
    """Remove the HOME of the tests."""
    if _home:
        shutil.rmtree(_home, ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the unit tests first: their failures are cheap to see."""
    items.sort(
        key=lambda item: max((i + 1 for i, m in enumerate(LAST) if item.get_closest_marker(m)), default=0)
    )


@pytest.fixture(scope="session")
def fonts() -> None:
    """Let matplotlib list the fonts once: it tells on stderr when that takes long."""
    subprocess.run([sys.executable, "-c", "import matplotlib.font_manager"], check=True, capture_output=True)


@pytest.fixture
def kernel_environment(fonts: None, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Environment in which kernels start as they do for a learner: figures inline, nothing of pytest's."""
    monkeypatch.delenv("MPLBACKEND")
    return monkeypatch
