"""Several processes: at once, killed, dying, started from a careless script, in a notebook."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from bucket import fakes
from bucket.conftest import TESTS
from maelstrom_bootcamp import bucket
from maelstrom_bootcamp.errors import BootcampError

pytestmark = pytest.mark.usefixtures("watchdog")
MAKE = "from maelstrom_bootcamp import bucket\nbucket.samples('maelstrom-yr').make()\n"


def made(root):
    lines = (root / "ci" / "made.log").read_text().split()
    return {line: lines.count(line) for line in lines}


def leftovers(root):
    return list(root.rglob(".tmp*"))


def wait_for(condition, what):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, f"waited too long for {what}"
        time.sleep(0.02)


def alive(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().split(") ")[1][0] != "Z"
    except OSError:
        return False


def test_worker_processes_make_the_sample(fake, root):
    fake("TINY")
    store = bucket.samples("maelstrom-yr")
    assert store.make(progress=False) == 4
    assert not store.verify(deep=True)
    assert "a library prints something" in (store.folder / "maelstrom-yr.log").read_text()


@pytest.mark.slow
def test_four_processes_at_once_make_each_object_once(start, root):
    code = (
        "from maelstrom_bootcamp import bucket\n"
        "path = bucket.serve('maelstrom-yr', progress=False)\n"
        "assert not bucket.samples('maelstrom-yr').verify(deep=True)\n"
    )
    processes = [start("TINY", code) for _ in range(4)]
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    assert made(root) == {name: 1 for job in fakes.TINY.plan("ci", 0) for name in job.objects}
    assert not leftovers(root)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc (Linux)")
def test_killed_while_writing_then_resumed(start, root, fake):
    process = start("TINY", MAKE, FAKE_STOP="job2")
    stopped = root / "ci" / "stopped"
    wait_for(lambda: stopped.exists() and stopped.read_text(), "the worker that writes half an object")
    manifest = root / "ci" / "manifest" / "maelstrom-yr.jsonl"
    wait_for(lambda: manifest.exists() and manifest.read_text().count("sha256") == 6, "the other three jobs")
    worker = int(stopped.read_text())
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_for(lambda: not alive(worker), "the end of the orphaned worker")
    assert len(leftovers(root)) == 1

    fake("TINY")
    store = bucket.samples("maelstrom-yr")
    assert store.make(progress=False) == 1  # only the job that was cut off
    assert not store.verify(deep=True)
    assert not leftovers(root)
    again = {name for name, times in made(root).items() if times > 1}
    assert again == {store.jobs[2].objects[0]}


def test_killed_worker_is_an_error_that_keeps_the_rest(fake, root, monkeypatch):
    fake("TINY")
    monkeypatch.setenv("FAKE_KILL", "job3")
    store = bucket.samples("maelstrom-yr")
    with pytest.raises(BootcampError, match=r"ended unexpectedly \(exit code -9"):
        store.make(progress=False)
    monkeypatch.delenv("FAKE_KILL")
    assert 1 <= store.make(progress=False) <= 2  # the other worker may have been cut off as well
    assert not store.verify(deep=True)
    assert not leftovers(root)


def test_failure_in_a_worker_carries_its_traceback(fake, root, monkeypatch):
    fake("TINY")
    monkeypatch.setenv("FAKE_FAIL", "job0")
    with pytest.raises(BootcampError, match="a fault on purpose") as caught:
        bucket.samples("maelstrom-yr").make(progress=False)
    assert "fakes.py" in caught.value.__notes__[0]


def test_script_without_main_guard(tmp_path, root):
    script = tmp_path / "careless.py"
    script.write_text(
        "from maelstrom_bootcamp.bucket import recipes\n"
        "recipes.RECIPES['maelstrom-yr'] = 'bucket.fakes:TINY'\n"
        f"{MAKE}print('once')\n"
    )
    environment = dict(os.environ, PYTHONPATH=str(TESTS))
    done = subprocess.run(
        [sys.executable, script], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "once\n"
    assert done.stderr == "making maelstrom-yr (ci): 4 jobs\n"


def test_the_one_who_waits_says_so(fake, root, start):
    first = start("TINY", MAKE, FAKE_STOP="job2")
    wait_for((root / "ci" / "stopped").exists, "the first process")
    second = start("TINY", MAKE)
    assert "waiting for another process" in second.stderr.readline()
    first.kill()
    _, errors = second.communicate(timeout=60)
    assert second.returncode == 0, errors


def run_notebook(source, folder):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    place = {"metadata": {"path": folder}}
    NotebookClient(notebook, timeout=60, kernel_name="python3", resources=place).execute()
    return notebook.cells[0].outputs


@pytest.mark.slow
def test_making_leaves_no_output_in_a_notebook(root, tmp_path, kernel_environment):
    kernel_environment.setenv("PYTHONPATH", str(TESTS))
    source = (
        "from maelstrom_bootcamp.bucket import recipes\n"
        "recipes.RECIPES['maelstrom-yr'] = 'bucket.fakes:TINY_YR'\n"
        "from maelstrom_bootcamp import bucket\n"
        "bucket.serve('maelstrom-yr')\n"
        "import climetlab\n"
        "dates = ['2020-03-01', '2020-03-02']\n"
        "opened = climetlab.load_dataset('maelstrom-yr', size='5GB', dates=dates)\n"
        "assert opened.to_xarray().sizes['time'] == 2\n"
    )
    assert run_notebook(source, str(tmp_path)) == []
