import json
import subprocess

from maelstrom_bootcamp import machine


def test_the_cpu_has_a_name_without_proc(tmp_path):
    assert machine.cpu_name(tmp_path / "absent")
    (tmp_path / "cpuinfo").write_text("model name\t: Some CPU\n")
    assert machine.cpu_name(tmp_path / "cpuinfo") == "Some CPU"
    (tmp_path / "cpuinfo").write_text(json.dumps({}))
    assert machine.cpu_name(tmp_path / "cpuinfo")


def test_only_instructions_that_matter_are_told(tmp_path):
    (tmp_path / "cpuinfo").write_text("processor : 0\nflags\t\t: fpu avx2 avx512_bf16 sse\n")
    assert machine.instructions(tmp_path / "cpuinfo") == ("avx2", "avx512_bf16")
    (tmp_path / "arm").write_text("Features\t: fp asimd bf16\n")
    assert machine.instructions(tmp_path / "arm") == ("asimd", "bf16")
    assert machine.instructions(tmp_path / "absent") == ()


def test_the_machine_is_fit_for_json_and_bears_no_name():
    import platform

    text = json.dumps(machine.machine())
    assert machine.machine()["cores"] >= 1
    assert len(platform.node()) < 5 or platform.node() not in text


def test_versions_name_what_is_installed():
    found = machine.versions()
    assert {"python", "keras", "numpy", "maelstrom-bootcamp"} <= set(found)


def test_revision_tells_changed_files(tmp_path):
    assert machine.revision(tmp_path) == "unknown"

    def git(*words):
        subprocess.run(["git", "-C", tmp_path, *words], check=True, capture_output=True)

    git("init")
    git("config", "user.email", "a@b.c")
    git("config", "user.name", "a")
    (tmp_path / "file").write_text("1")
    git("add", "file")
    git("commit", "-m", "one")
    clean = machine.revision(tmp_path)
    assert len(clean) == 12
    (tmp_path / "file").write_text("2")
    assert machine.revision(tmp_path) == clean + "+"


def test_revision_without_git(monkeypatch, tmp_path):
    def absent(*args, **options):
        raise FileNotFoundError("git")

    monkeypatch.setattr(machine.subprocess, "run", absent)
    assert machine.revision(tmp_path) == "unknown"
