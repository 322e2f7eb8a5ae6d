"""The set-up holds together: pyproject, lock and environment.yml agree; make and .ci/run name what fails."""

from __future__ import annotations

import importlib.metadata
import itertools
import os
import re
import shutil
import subprocess
import sys
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from support import ROOT

STALE = "climetlab-maelstrom-power-production"  # asks for versions of 2023; overruled in [tool.uv]
PYTHONS = ["3.11.2", "3.11.14", "3.12.3", "3.12.12"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK_TEXT = (ROOT / "requirements.lock").read_text()
LOCK = [Requirement(line) for line in re.findall(r"^([\w.-]+==[^\\\n]+)", LOCK_TEXT, re.MULTILINE)]


def environment(python):
    return {
        "python_version": ".".join(python.split(".")[:2]),
        "python_full_version": python,
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "implementation_name": "cpython",
    }


def versions(requirements, python):
    """Versions by name for one Python on Linux; fails if a name comes twice."""
    found = {}
    for r in requirements:
        if r.marker is None or r.marker.evaluate(environment(python)):
            name = canonicalize_name(r.name)
            assert name not in found, f"{name} twice for Python {python}"
            found[name] = str(r.specifier).removeprefix("==")
    return found


def conda():
    dependencies = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    return dependencies, [Requirement(line) for line in dependencies[-1]["pip"]]


@pytest.mark.parametrize("python", PYTHONS)
def test_lock_holds_every_dependency_at_the_version_asked_for(python):
    lock = versions(LOCK, python)
    for dependency in map(Requirement, PROJECT["project"]["dependencies"]):
        name = canonicalize_name(dependency.name)
        assert name in lock
        assert dependency.specifier.contains(lock[name]), f"{dependency} but {lock[name]} is locked"


def test_every_line_of_the_lock_is_pinned_and_hashed():
    blocks = re.split(r"\n(?=\S)", LOCK_TEXT.strip())
    assert len(blocks) == len(LOCK)
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", block) for block in blocks)


def test_installed_packages_are_those_of_the_lock():
    here = ".".join(map(str, sys.version_info[:3]))
    for name, version in versions(LOCK, here).items():
        assert importlib.metadata.version(name) == version, f"{name}: run make again"


@pytest.mark.slow
def test_pip_check_complains_only_about_the_stale_package():
    result = subprocess.run(
        [sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False
    )
    complaints = [
        line for line in result.stdout.splitlines() if "has requirement" in line or "requires" in line
    ]
    assert complaints, "if nothing is stale any more, remove [tool.uv] and this test"
    assert all(line.startswith(STALE) for line in complaints), result.stdout


@pytest.mark.parametrize("python", PYTHONS)
def test_environment_yml_agrees_with_lock_and_pyproject(python):
    lock, named = versions(LOCK, python), versions(conda()[1], python)
    assert named == {name: lock[name] for name in named}
    project = {canonicalize_name(Requirement(d).name) for d in PROJECT["project"]["dependencies"]}
    assert set(named) == project - {STALE}


def test_pythons_agree():
    assert "python" + PROJECT["project"]["requires-python"] in conda()[0]
    assert "pip" in conda()[0]


def test_make_lock_would_write_the_same_environment_yml(tmp_path):
    for name in ("pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path)
    subprocess.run([sys.executable, str(ROOT / ".ci" / "environment.py")], cwd=tmp_path, check=True)
    assert (tmp_path / "environment.yml").read_text() == (ROOT / "environment.yml").read_text()


@pytest.mark.parametrize("script", [".ci/run", "postBuild"])
def test_shell_scripts_are_sound_and_executable(script):
    subprocess.run(["bash", "-n", str(ROOT / script)], check=True)
    assert os.access(ROOT / script, os.X_OK)
    assert "set -euo pipefail" in (ROOT / script).read_text()


def make(*arguments, folder=ROOT):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        ["make", *arguments], cwd=folder, capture_output=True, text=True, env=env, check=False
    )


def test_make_help_lists_every_target():
    targets = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split()
    told = make("help").stdout
    assert {t for t in targets if re.search(rf"^  {t} ", told, re.MULTILINE)} == set(targets) - {"check"}
    assert make().stdout == told


def test_each_test_runs_in_one_phase_of_make_test():
    """Whatever marks a test has: once, or in make test-whole instead."""
    makefile = (ROOT / "Makefile").read_text()
    phases = re.findall(r'^phase .*-m "\$\((\w+)\)"', makefile, re.MULTILINE)
    assert len(phases) == 3
    chosen = [re.search(rf"^{name} +:= (.+)$", makefile, re.MULTILINE)[1] for name in phases]
    marks = [m.partition(":")[0] for m in PROJECT["tool"]["pytest"]["ini_options"]["markers"]]
    for has in itertools.product([True, False], repeat=len(marks)):
        test = dict(zip(marks, has, strict=True))
        assert sum(eval(phase, {}, test) for phase in chosen) == (not test["whole"]), test


def test_make_test_runs_all_phases_whatever_fails(tmp_path):
    """A pytest of straw: the second phase fails, the third still runs, and make says which one failed."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    straw = tmp_path / "python"
    straw.write_text('#!/bin/sh\necho "$@" >>said\ncase "$*" in *"worksteal"*) exit 1;; esac\n')
    straw.chmod(0o755)
    quick = ["-o", "check", f"PY={straw}", "READY=", "test"]
    result = make(*quick, folder=tmp_path)
    said = (tmp_path / "said").read_text().splitlines()
    assert [line.split()[1] for line in said] == ["coverage", "pytest", "pytest", "pytest", "coverage"]
    assert result.returncode != 0
    assert "Failed: 2 of 3: notebooks and student edition\n" in result.stderr
    straw.write_text('#!/bin/sh\necho "$@" >said\n')
    assert make(*quick, folder=tmp_path).returncode == 0
    assert make(*quick, 'ARGS=-k "this or that"', folder=tmp_path).returncode == 0
    assert (tmp_path / "said").read_text().endswith("-k this or that\n")


def test_make_names_the_cure_when_there_is_no_python(tmp_path):
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    result = make("book", "PYTHON=no-such-python", folder=tmp_path)
    assert result.returncode != 0
    assert "No usable Python: no-such-python is not" in result.stderr
    assert "apt-get install" in result.stderr
    assert not (tmp_path / ".venv").exists()


def test_second_call_of_make_has_nothing_to_install():
    if not (ROOT / ".venv" / ".locked").exists():
        pytest.skip("this environment was not made by make")
    assert make(".venv/.installed").returncode == 0
    assert make("-q", ".venv/.installed").returncode == 0


def test_an_interrupted_installation_begins_anew(tmp_path):
    """A killed pip leaves half a package and the mark; make must not build on it."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "requirements.lock").write_text("")  # nothing to install: this is quick
    half = tmp_path / ".venv" / "lib" / "half-a-package"
    half.mkdir(parents=True)
    mark = tmp_path / ".venv" / ".partial"
    mark.touch()
    result = make(f"PYTHON={sys.executable}", ".venv/.locked", folder=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "interrupted" in result.stdout
    assert not half.exists()
    assert not mark.exists(), "the mark is removed when all is installed"
    (tmp_path / "requirements.lock").write_text(
        "no-such-package-of-this-course==1.0 --hash=sha256:" + "0" * 64
    )
    assert make(f"PYTHON={sys.executable}", ".venv/.locked", "PIP=false", folder=tmp_path).returncode
    assert mark.exists(), "an installation that failed leaves the mark"


def committed():
    """Text of every file that is, or will be, committed."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git clone")
    for name in listed.stdout.split("\0"):
        path = ROOT / name
        if name and path.is_file() and path.suffix not in (".npz", ".png", ".jpg", ".nc", ".gz"):
            yield name, path.read_text(encoding="utf-8", errors="replace")


def test_no_machine_and_no_registry_in_committed_files():
    here = re.escape(str(ROOT))
    forbidden = re.compile(
        rf"{here}\b|/work/(?:main|shared)|https?://[^\s\"']*(?:/simple/|/api/pypi)|--(?:extra-)?index-url"
    )
    allowed = {"tests/test_setup.py"}
    found = {
        name: m[0] for name, text in committed() if name not in allowed and (m := forbidden.search(text))
    }
    assert not found


def test_no_merge_markers_in_committed_files():
    marker = re.compile(r"^(?:<{7} |>{7} )", re.MULTILINE)
    assert not [name for name, text in committed() if marker.search(text)]


def test_licences_are_complete():
    assert "END OF TERMS AND CONDITIONS" in (ROOT / "LICENSE").read_text()
    assert "Section 8 -- Interpretation." in (ROOT / "LICENSE-CC-BY-4.0").read_text()
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PROJECT["project"]["version"]
    assert f"## {citation['version']} " in (ROOT / "CHANGELOG.md").read_text()


def test_readme_tells_of_every_target():
    readme = (ROOT / "README.md").read_text()
    for target in (
        "book",
        "test",
        "test-fast",
        "test-whole",
        "notebooks",
        "lab",
        "student",
        "data",
        "train",
        "bench",
        "lock",
        "clean",
    ):
        assert f"`make {target}" in readme, target
