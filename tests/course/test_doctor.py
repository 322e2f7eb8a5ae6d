from __future__ import annotations

import socket
from collections import namedtuple
from pathlib import Path

import pytest

from maelstrom_bootcamp.cli import main
from maelstrom_bootcamp.course import doctor


def test_python_versions() -> None:
    assert doctor.check_python((3, 11, 7)).ok
    old = doctor.check_python((3, 10, 1))
    assert not old.ok
    assert "3.12" in old.cure


def test_lock_is_read_with_its_markers() -> None:
    lines = ["a-b==1.2 \\", "    --hash=x", "win==3 ; sys_platform == 'win32' \\"]
    lock = "\n".join([*lines, "lin==4 ; sys_platform != 'win32' \\"])
    assert doctor.locked_versions(lock) == {"a-b": "1.2", "lin": "4"}


def test_packages_of_this_machine_agree_with_the_lock() -> None:
    lock = doctor.lock_file()
    found = doctor.check_packages(lock)
    assert found.ok, found
    assert "as in the lock" in found.text


def test_wrong_and_missing_packages_are_named(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("numpy==0.0.1 \\\nno-such-package==1 \\\n")
    found = doctor.check_packages(lock)
    assert not found.ok
    assert "numpy" in found.text
    assert "no-such-package missing" in found.text
    assert found.cure


def test_without_a_lock_nothing_is_claimed() -> None:
    assert "not compared" in doctor.check_packages(None).text


def test_full_disk_and_little_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: usage(1, 1, 10**8))
    found = doctor.check_disk(tmp_path / "not" / "yet")
    assert not found.ok
    assert "MAELSTROM_BUCKET" in found.cure
    memory = namedtuple("memory", "available")
    monkeypatch.setattr(doctor.psutil, "virtual_memory", lambda: memory(10**9))
    assert not doctor.check_memory().ok


def test_network_is_needed_in_remote_mode_only(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as probe:  # a port on which nobody listens
        probe.bind(("127.0.0.1", 0))
        closed = probe.getsockname()
    assert doctor.check_network(closed).ok
    monkeypatch.setenv("MAELSTROM_DATA", "remote")
    assert not doctor.check_network(closed).ok
    assert "not used" in doctor.check_bucket().text
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert doctor.check_network(server.getsockname()).ok


def test_tensorflow_that_does_not_start_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.sys, "executable", "/bin/false")
    found = doctor.check_gpu()
    assert not found.ok
    assert "TensorFlow" in found.text


def test_command_prints_a_line_for_each_check(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MAELSTROM_BUCKET", str(tmp_path))
    monkeypatch.setattr(doctor, "check_network", lambda: doctor.Finding(True, "Network: not asked"))
    monkeypatch.setattr(doctor, "check_memory", lambda: doctor.Finding(False, "Memory: little", "Buy some."))
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert out.count("[OK]") == 8
    assert "[!!] Memory: little\n     Buy some." in out
    assert "made on first use" in out
