"""Worker processes: they return, or they die with one clear error, and nobody is left behind."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time

import psutil
import pytest

from maelstrom_bootcamp.cluster.workers import check_ports, cores_for, free_ports, run_workers, tf_config
from maelstrom_bootcamp.errors import BootcampError

HANDS = """
import os, socket, sys, time
from maelstrom_bootcamp.errors import BootcampError

def tell(job, rank, folder):
    return {"rank": rank, "word": job["word"], "config": os.environ["TF_CONFIG"],
            "cuda": os.environ["CUDA_VISIBLE_DEVICES"], "threads": job["threads"], "pid": os.getpid()}

def die(job, rank, folder):
    if rank == job["who"]:
        print("a word before I go", file=sys.stderr, flush=True)
        if job["signal"]:
            os.kill(os.getpid(), job["signal"])
        raise RuntimeError("no more coal")
    (folder / "pid").write_text(str(os.getpid()))
    time.sleep(600)

def refuse(job, rank, folder):
    raise BootcampError("I will not.", "Ask somebody else.")

def sleep(job, rank, folder):
    (folder / f"pid-{rank}").write_text(str(os.getpid()))
    time.sleep(600)

def taken(job, rank, folder):
    import json
    n = folder / "attempts"
    n.write_text(n.read_text() + "x" if n.exists() else "x")
    if len(n.read_text()) < 3:
        raise RuntimeError("Could not start gRPC server")
    return {"attempts": len(n.read_text())}
"""


@pytest.fixture
def run(tmp_path):
    (tmp_path / "bootcamp_test_hands.py").write_text(HANDS)
    folder = tmp_path / "work"
    folder.mkdir()

    def call(name, workers=2, job=None, **options):
        options = {"folder": folder, "timeout": 60, **options}
        environment = {"PYTHONPATH": str(tmp_path)}
        return run_workers(
            f"bootcamp_test_hands:{name}", job or {}, workers, environment=environment, **options
        )

    return call


def nobody_left():
    return [p for p in psutil.Process().children(recursive=True) if "cluster.child" in " ".join(p.cmdline())]


def test_workers_return_by_rank_and_know_each_other(run):
    found = run("tell", 3, {"word": "hello"}, gpus=1)
    assert [f["rank"] for f in found] == [0, 1, 2]
    assert {f["word"] for f in found} == {"hello"}
    configs = [json.loads(f["config"]) for f in found]
    assert [c["task"]["index"] for c in configs] == [0, 1, 2]
    assert len({tuple(c["cluster"]["worker"]) for c in configs}) == 1
    assert len(set(configs[0]["cluster"]["worker"])) == 3
    assert [f["cuda"] for f in found] == ["0", "-1", "-1"]
    assert not nobody_left()


@pytest.mark.parametrize(("signal", "how"), [(0, "ended with code 1"), (9, "killed by signal SIGKILL")])
@pytest.mark.parametrize("who", [0, 1])
def test_one_dies_and_the_other_is_stopped(run, tmp_path, signal, how, who):
    start = time.monotonic()
    with pytest.raises(BootcampError, match=how) as caught:
        run("die", 2, {"who": who, "signal": signal})
    assert time.monotonic() - start < 50, "waited for the sleeping one"
    text = str(caught.value)
    assert f"Worker {who} of 2" in text
    assert "a word before I go" in text
    assert ("no more coal" in text) == (signal == 0)
    pid = tmp_path / "work" / "pid"
    assert not pid.exists() or not psutil.pid_exists(int(pid.read_text())), "the other one lives"
    assert not nobody_left()


def test_time_is_over(run, tmp_path):
    with pytest.raises(BootcampError, match="After 2 s"):
        run("sleep", 2, timeout=2)
    assert not any(psutil.pid_exists(int(p.read_text())) for p in (tmp_path / "work").glob("pid-*"))
    assert not nobody_left()


def test_workers_end_when_their_parent_is_killed(tmp_path):
    (tmp_path / "bootcamp_test_hands.py").write_text(HANDS)
    code = (
        "import sys; from pathlib import Path; from maelstrom_bootcamp.cluster.workers import run_workers;"
        "run_workers('bootcamp_test_hands:sleep', {}, 2, folder=Path(sys.argv[1]))"
    )
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], env=env)
    try:
        pids = [tmp_path / f"pid-{rank}" for rank in (0, 1)]
        assert wait_for(lambda: all(p.exists() and p.read_text() for p in pids), 60), "they never began"
    finally:
        parent.kill()
        parent.wait()
    assert wait_for(lambda: not any(alive(int(p.read_text())) for p in pids), 30), "orphans"


def wait_for(condition, seconds):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE  # whoever adopts it may be slow to reap
    except psutil.NoSuchProcess:
        return False


def test_a_worker_s_own_clear_error_is_passed_on(run):
    with pytest.raises(BootcampError) as caught:
        run("refuse")
    assert (caught.value.cause, caught.value.cure) == ("I will not.", "Ask somebody else.")


def test_a_port_lost_to_somebody_else_is_another_try(run):
    assert run("taken", 1)[0]["attempts"] == 3


def test_ports_that_are_taken_are_refused():
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        with pytest.raises(BootcampError, match=f"Port {port}"):
            check_ports([port])
        with pytest.raises(BootcampError, match=f"Port {port}"):
            run_workers("os:getcwd", {}, 1, ports=[port])


def test_ports_must_be_enough_and_different():
    port = free_ports(1)[0]
    with pytest.raises(BootcampError, match="all different"):
        check_ports([port, port])
    with pytest.raises(BootcampError, match="1 ports for 2 workers"):
        run_workers("os:getcwd", {}, 2, ports=[port])
    with pytest.raises(BootcampError, match="Port 70000"):
        check_ports([70000])
    assert len(set(free_ports(20))) == 20


@pytest.mark.parametrize("workers", [0, -1, 1.5, True])
def test_numbers_of_workers_that_make_no_sense(workers):
    with pytest.raises(BootcampError, match="workers="):
        run_workers("os:getcwd", {}, workers)


def test_tf_config():
    assert json.loads(tf_config(["a:1", "b:2"], 1)) == {
        "cluster": {"worker": ["a:1", "b:2"]},
        "task": {"type": "worker", "index": 1},
    }
    with pytest.raises(BootcampError, match="no worker 2"):
        tf_config(["a:1", "b:2"], 2)


def test_cores_are_not_shared_if_there_are_enough(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1, 2, 3}, raising=False)
    assert [cores_for(r, 2, 2) for r in (0, 1)] == [[0, 1], [2, 3]]
    assert cores_for(4, 5, 1) == [0, 1, 2, 3]
