"""A bucket of its own for every test, fake recipes, and a watchdog against hangs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from maelstrom_bootcamp.bucket import recipes

TESTS = Path(__file__).resolve().parents[1]


@pytest.fixture
def root(tmp_path, monkeypatch):
    """An empty folder for buckets, set in the environment."""
    folder = tmp_path / "buckets"
    monkeypatch.setenv("MAELSTROM_BUCKET", str(folder))
    monkeypatch.setenv("MAELSTROM_SIZE", "ci")
    monkeypatch.delenv("CLIMETLAB_MIRROR", raising=False)
    return folder


@pytest.fixture
def fake(monkeypatch, root):
    """Put a fake recipe in the place of maelstrom-yr's: ``fake("TINY")``."""

    def choose(attribute, name="maelstrom-yr"):
        monkeypatch.setitem(recipes.RECIPES, name, f"bucket.fakes:{attribute}")

    return choose


@pytest.fixture
def watchdog():
    """Raise after 60 s whatever the test is waiting for."""

    def bark(*_):
        raise TimeoutError("the test hangs")

    previous = signal.signal(signal.SIGALRM, bark)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, previous)


@pytest.fixture
def start(root):
    """Start a Python process with a fake recipe: ``start("TINY", code, FAKE_STOP="job1")``."""
    processes = []

    def run(attribute, code, **environment):
        prologue = (
            "from maelstrom_bootcamp.bucket import recipes\n"
            f"recipes.RECIPES['maelstrom-yr'] = 'bucket.fakes:{attribute}'\n"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", prologue + code],
            env=dict(os.environ, PYTHONPATH=str(TESTS), **environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield run
    for process in processes:
        process.kill()
        process.communicate()
