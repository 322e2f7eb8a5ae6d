"""A second chance for what compares times: once, told, and for failed assertions only."""

from __future__ import annotations

import nbformat
import pytest
from papermill.exceptions import PapermillExecutionError

import support
from support import TEMPLATE, DisturbedWarning, compares_times, execute, read, second_chance


def failing(times, error):
    """A task that raises an error so many times, and the list of its calls."""
    calls = []

    def task():
        calls.append(len(calls))
        if len(calls) <= times:
            raise error

    return task, calls


def cell_failed(name, text):
    return PapermillExecutionError(3, 3, "assert fast < slow", name, text, [])


SLOW = [AssertionError("fast < slow\nassert 3 < 2"), cell_failed("AssertionError", "fast < slow")]


@pytest.mark.parametrize("error", SLOW, ids=["a test", "a notebook"])
def test_one_failed_assertion_is_told_and_forgiven(error):
    task, calls = failing(1, error)
    with pytest.warns(DisturbedWarning, match=r"^07-hardware/x failed .*: fast < slow$"):
        second_chance(task, "07-hardware/x")
    assert len(calls) == 2


@pytest.mark.parametrize("error", SLOW, ids=["a test", "a notebook"])
def test_what_fails_twice_has_failed(error):
    task, calls = failing(9, error)
    with pytest.warns(DisturbedWarning), pytest.raises(type(error)):
        second_chance(task, "x")
    assert len(calls) == 2


@pytest.mark.parametrize("error", [ValueError("fast"), cell_failed("NameError", "fast"), SystemExit(1)])
def test_other_errors_come_through_at_once(error, recwarn):
    task, calls = failing(1, error)
    with pytest.raises(type(error)):
        second_chance(task, "x")
    assert len(calls) == 1
    assert not recwarn.list


def test_what_passes_runs_once(recwarn):
    task, calls = failing(0, None)
    second_chance(task, "x")
    assert len(calls) == 1
    assert not recwarn.list


def test_a_unit_test_that_compares_times_is_marked_and_keeps_its_arguments():
    seen = []

    @compares_times
    def test_of_speed(size, unit="s"):
        seen.append((size, unit))
        assert len(seen) > 1, "too slow"

    with pytest.warns(DisturbedWarning, match="test_of_speed .* too slow"):
        test_of_speed(3, unit="ms")
    assert seen == [(3, "ms")] * 2
    assert [mark.name for mark in test_of_speed.pytestmark] == ["alone"]


@pytest.fixture
def runs(monkeypatch):
    """Stand-in of papermill: every run is counted, and fails by an assertion."""
    found = []

    def run(*args, **kwargs):
        found.append((args, kwargs))
        raise cell_failed("AssertionError", "fast < slow")

    monkeypatch.setattr(support.papermill, "execute_notebook", run)
    return found


@pytest.mark.parametrize(("metadata", "n"), [({}, 1), ({"alone": "races two loaders"}, 2)])
def test_only_notebooks_that_compare_times_run_again(metadata, n, runs, tmp_path, monkeypatch, recwarn):
    nb = read(TEMPLATE)
    nb.metadata.bootcamp.update(metadata)
    path = tmp_path / "notebooks" / "race.ipynb"
    path.parent.mkdir()
    nbformat.write(nb, path)
    monkeypatch.setattr(support, "ROOT", tmp_path)
    with pytest.raises(PapermillExecutionError):
        execute(path, tmp_path / "out.ipynb", tmp_path / "draft.ipynb")
    assert len(runs) == n
    assert [str(w.message).partition(" ")[0] for w in recwarn.list] == ["race"] * (n - 1)
    (source, _, parameters), _ = runs[-1]
    assert source == str(tmp_path / "draft.ipynb")
    assert parameters == nb.metadata.bootcamp.ci
