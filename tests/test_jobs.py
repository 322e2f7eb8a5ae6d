"""The batch jobs: what can be known of them without a batch system."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from maelstrom_bootcamp import cli
from maelstrom_bootcamp.hardware.networks import networks
from support import ROOT

JOBS = ROOT / "jobs"
CONFIG = yaml.safe_load((JOBS / "bench.yaml").read_text())


def values(name):
    found = [p for s in CONFIG["parameterset"] for p in s["parameter"] if p["name"] == name]
    return [value for p in found for value in str(p["_"]).split(",")]


def test_every_network_is_benchmarked():
    assert set(values("app")) == set(networks())


def test_the_command_is_one_that_exists():
    (command,) = [s["dest"] for s in CONFIG["substituteset"][0]["sub"] if s["source"] == "#BENCH#"]
    for precision in set(values("precision")):
        for level in values("level"):
            words = {"$app": "a1", "$level": level, "$precision": precision, "$repeats": "3"}
            filled = " ".join(words.get(word, word) for word in command.split())
            parsed = cli.parser().parse_args(filled.split())
            assert (parsed.level, parsed.precision) == (level, precision)


def test_every_mark_of_the_script_is_filled():
    script = (JOBS / "bench.sbatch.in").read_text()
    marks = set(re.findall(r"#[A-Z]+#", script))
    assert marks == {s["source"] for s in CONFIG["substituteset"][0]["sub"]}
    subprocess.run(["bash", "-n", JOBS / "bench.sbatch.in"], check=True)


@pytest.mark.slow
def test_jube_runs_the_benchmark_and_reads_its_result(tmp_path):
    """The smallest network, by JUBE itself, with no batch system."""
    jube = shutil.which("jube")
    if not jube:
        pytest.skip("JUBE is missing: apt-get install jube")
    shutil.copytree(JOBS, tmp_path / "jobs", ignore=shutil.ignore_patterns("bench_run"))
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "bootcamp").symlink_to(Path(sys.executable).with_name("bootcamp"))

    def call(*words):
        return subprocess.run([jube, *words], cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    out = call("run", "jobs/bench.yaml", "--tag", "smoke")
    assert re.search(r"bench\s*\|\s*1\s*\|\s*0\s*\|\s*0\s*\|\s*0\s*\|\s*1", out), out
    table = call("result", "--analyse", "jobs/bench_run")
    head, row = (line.split(",") for line in table.strip().splitlines()[-2:])
    told = dict(zip([re.sub(r"\[.*", "", h) for h in head], row, strict=True))
    (result,) = (tmp_path / "jobs").glob("bench_run/*/*_bench/work/result.jsonl")
    record = json.loads(result.read_text())
    assert float(told["step_s"]) == pytest.approx(record["step_s"]["median"], rel=1e-3)
    assert float(told["samples_per_s"]) == pytest.approx(record["samples_per_s"], rel=1e-3)
    assert told["app"] == "a4-mlp"
