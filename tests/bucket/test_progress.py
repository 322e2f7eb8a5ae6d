"""Progress: a bar on a terminal, a line in a log, a passing line for a person at a notebook, else nothing."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace

import pytest

from maelstrom_bootcamp.bucket import progress
from maelstrom_bootcamp.bucket.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def run(shown=True):
    with Progress("maelstrom-yr (ci)", 2, shown) as bar:
        bar.step()
        bar.note("waiting")
        bar.step()


def test_log_gets_one_line_for_each_event(capsys):
    run()
    assert capsys.readouterr() == ("", "making maelstrom-yr (ci): 2 jobs\nwaiting\n")


def test_terminal_gets_a_bar_that_disappears(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    run()
    text = terminal.getvalue()
    assert "making maelstrom-yr (ci)" in text
    assert "/2 [" in text  # how often it is drawn depends on the time
    assert text.split("\r")[-1].strip() == ""


def test_silence_on_request(capsys):
    run(shown=False)
    assert capsys.readouterr() == ("", "")


@pytest.fixture
def kernel(monkeypatch):
    """Pretend to run in a kernel; records how often the output is cleared."""
    pytest.importorskip("IPython")
    cleared = []

    def be(**attributes):
        monkeypatch.setattr(progress, "_kernel", lambda: SimpleNamespace(**attributes))
        monkeypatch.setattr("IPython.display.clear_output", lambda wait: cleared.append(wait))
        return cleared

    return be


def test_person_at_a_notebook_sees_a_line_that_is_cleared(kernel, capsys):
    cleared = kernel(_allow_stdin=True)
    run()
    out = capsys.readouterr().out.splitlines()
    assert "0 of 2 jobs" in out[0]
    assert "2 of 2 jobs" in out[-1]
    assert len(cleared) == len(out) + 1  # before each line, and once at the end


@pytest.mark.parametrize("attributes", [{"_allow_stdin": False}, {}])
def test_machine_that_runs_a_notebook_sees_nothing(kernel, capsys, attributes):
    cleared = kernel(**attributes)
    run()
    assert capsys.readouterr() == ("", "")
    assert cleared == []


def test_plain_python_has_no_kernel():
    assert progress._kernel() is None
