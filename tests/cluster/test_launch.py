"""A SLURM job without SLURM: two tasks on this machine, told who they are by srun's variables."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from maelstrom_bootcamp.cluster.job import Job, Trained, drift
from maelstrom_bootcamp.cluster.launch import main
from maelstrom_bootcamp.cluster.train import train_alone
from maelstrom_bootcamp.cluster.workers import free_ports
from support import ROOT

SLURM = {"SLURM_STEP_NODELIST": "localhost", "SLURM_STEP_TASKS_PER_NODE": "2", "SLURM_CPUS_PER_TASK": "1"}


def free_pair():
    """A port whose successor is free as well."""
    return next(p for p in free_ports(50) if p + 1 not in (0, 65536))


@pytest.mark.slow
def test_two_tasks_train_together(tmp_path):
    command = [sys.executable, "-m", "maelstrom_bootcamp.cluster.launch", str(tmp_path), "--port"]
    command += [str(free_pair()), "--network", "a1-pointwise", "--batch", "4", "--steps", "1"]
    tasks = []
    try:
        for rank in "01":
            env = {**os.environ, **SLURM, "SLURM_PROCID": rank, "SLURM_LOCALID": rank}
            tasks.append(subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True))
        out = [task.communicate(timeout=100)[0] for task in tasks]
    finally:
        for task in tasks:
            task.kill()
            task.wait()
    told = json.loads(out[0].splitlines()[-1])
    assert (told["tasks"], told["batch"], len(told["losses"])) == (2, 4, 1)
    one = train_alone(Job(network="a1-pointwise", batch=4, steps=1))
    with np.load(tmp_path / "weights-1.npz") as stored:
        other = Trained([], [stored[f"arr_{i}"] for i in range(len(stored.files))], [])
    assert drift(one, other) < 1e-4


def test_outside_slurm_there_is_one_clear_error(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("SLURM_STEP_NODELIST", raising=False)
    assert main([str(tmp_path / "new")]) == 2
    assert "SLURM_STEP_NODELIST is not set" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_job_is_valid_shell():
    job = ROOT / "jobs" / "train_multi.sbatch"
    assert subprocess.run(["bash", "-n", str(job)], check=False).returncode == 0
    assert "maelstrom_bootcamp.cluster.launch" in job.read_text()
