"""``bootcamp measure``: times and memory of networks on this machine's processor, as labels to learn from."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from maelstrom_bootcamp.perfmodel.graph import ModelInputError
from maelstrom_bootcamp.perfmodel.labels.apart import Worker, WorkerError
from maelstrom_bootcamp.perfmodel.labels.cases import WHATS, Case, What, cases
from maelstrom_bootcamp.perfmodel.labels.file import LabelFile, Record

#: Visits to each model, in turns with the others; their halves tell the noise.
ROUNDS = 8
#: CPU seconds of a visit.
VISIT: dict[What, float] = {"infer": 0.08, "train": 0.1}
#: Seconds for a label on an idle core, for the estimate.
SECONDS: dict[What, float] = {"infer": 0.8, "train": 5.0}
#: Models that are open together: bounds the memory of inference to about 2 GB.
CHUNK = 44
#: Below this many bytes of free memory no further training is opened.
_MEMORY_NEEDED = 2e9
_NEEDS: dict[What, str] = {"infer": "onnxruntime", "train": "tensorflow"}
_INFER = "maelstrom_bootcamp.perfmodel.labels.infer:infer"
_TRAIN = "maelstrom_bootcamp.perfmodel.labels.train:train"

Say = Callable[[str], None]


def measure(
    what: What,
    count: int,
    out: Path,
    *,
    budget: float | None = None,
    rounds: int = ROUNDS,
    visit: float | None = None,
    say: Say = print,
) -> dict[str, int]:
    """Measure the first networks of `cases`, but for those that stand in the file already.

    Parameters
    ----------
    what : {"infer", "train"}
        The time of an inference by onnxruntime, or the time and the memory of a training step by Keras.
    count : int
        How many networks the file shall have, the failed ones included.
    out : Path
        Lines of JSON; a file that exists is continued.
    budget : float, optional
        Seconds after which nothing new is begun.
    rounds : int
        Visits to each network, at least 2.
    visit : float, optional
        CPU seconds of a visit; by default `VISIT`.
    say : callable
        Takes each line of the progress report.

    Returns
    -------
    dict
        How many "measured", "failed" and "left" (for lack of time).

    Raises
    ------
    ModelInputError
        If an argument makes no sense, a package is missing, or the file cannot be used.
    """
    _check(what, count, budget, rounds)
    file = LabelFile(Path(out), what, rounds)
    todo = [case for case in islice(cases(what), count) if not file.has(case)]
    have = count - len(todo)
    say(
        f"{what}: {len(todo)} networks to measure ({have} of {count} are there already), "
        f"about {max(1, round(len(todo) * SECONDS[what] / 60))} min on an idle core"
    )
    run = _Run(file, len(todo), None if budget is None else time.monotonic() + budget, say)
    seconds = VISIT[what] if visit is None else visit
    (_infer if what == "infer" else _train)(run, todo, rounds, seconds)
    result = {"measured": run.counts["label"], "failed": run.counts["failure"]}
    return result | {"left": len(todo) - run.counts.total()}


def _check(what: str, count: int, budget: float | None, rounds: int) -> None:
    if what not in WHATS:
        raise ModelInputError(f"There is nothing to measure by the name {what!r}.", "Take infer or train.")
    if count < 1:
        raise ModelInputError(f"{count} networks cannot be measured.", "Give a count of at least 1.")
    if budget is not None and not budget > 0:
        raise ModelInputError(f"A budget of {budget:g} s allows nothing.", "Give seconds, more than 0.")
    if rounds < 2:
        raise ModelInputError(
            f"With {rounds} rounds there are no halves to compare.", "Give at least 2 rounds."
        )
    if find_spec(_NEEDS[what]) is None:
        raise ModelInputError(
            f"{_NEEDS[what]} is not installed; it is what 'measure --what {what}' measures.",
            "Install the course's packages: 'make lab' in its folder.",
        )


@dataclass
class _Run:
    """Where a measurement stands."""

    file: LabelFile
    total: int
    end: float | None
    say: Say
    counts: Counter[str] = field(default_factory=Counter)
    start: float = field(default_factory=time.monotonic)

    def out_of_time(self) -> bool:
        return self.end is not None and time.monotonic() >= self.end

    def keep(self, case: Case, label: Record) -> None:
        """Write a label down, or why there is none."""
        kind = "failure" if "reason" in label else "label"
        record: Record = {"record": kind, "family": case.family, "seed": case.seed, "batch": case.batch}
        if kind == "label":
            plan = case.blueprint()
            record |= {"resolution": plan.resolution, "digest": plan.digest()}
        self.file.append(record | label)
        self.counts[kind] += 1
        if kind == "failure":
            self.say(f"{case.family} {case.seed}, batch {case.batch}: not measured, {label['reason']}")

    def report(self) -> None:
        done = self.counts.total()
        if done:
            spent = time.monotonic() - self.start
            left = (self.total - done) * spent / done
            self.say(
                f"{done}/{self.total} networks, {self.counts['failure']} failed, "
                f"{spent:.0f} s; {left:.0f} s to go"
            )


# ------------------------------------------------------------------ inference


def _infer(run: _Run, todo: Sequence[Case], rounds: int, visit: float) -> None:
    for first in range(0, len(todo), CHUNK):
        if run.out_of_time():
            return
        chunk = todo[first : first + CHUNK]
        for case, label in zip(chunk, _infer_chunk(chunk, rounds, visit), strict=True):
            run.keep(case, label)
        run.report()


def _infer_chunk(chunk: Sequence[Case], rounds: int, visit: float) -> list[Record]:
    """Labels of models that are open together; if they crash, each for itself, to find the culprit."""
    try:
        with Worker(_INFER, (tuple(chunk), rounds, visit)) as worker:
            while "labels" not in (answer := worker.next()):
                pass
        return answer["labels"]
    except WorkerError as error:
        if len(chunk) == 1:
            return [{"reason": str(error)}]
    return [label for case in chunk for label in _infer_chunk([case], rounds, visit)]


# ------------------------------------------------------------------- training


@dataclass
class _Training:
    """A model that is open in a process of its own."""

    case: Case
    worker: Worker
    ready: float
    visits: list[dict[str, float]] = field(default_factory=list)

    def label(self) -> dict[str, Any]:
        return {
            "ms": [visit["ms"] for visit in self.visits],
            "memory_mb": median(visit["memory_mb"] for visit in self.visits),
            "ready_s": self.ready,
        }


def _train(run: _Run, todo: Sequence[Case], rounds: int, visit: float) -> None:
    """Keep as many models open as there are rounds; open one, visit all, close the oldest, and again.

    Opening takes seconds, a visit a tenth: so each model is opened once only, and its visits are spread over
    the time that it takes to open ``rounds`` others. What slows the machine for some seconds spoils one.
    """
    waiting = iter(todo)
    live: deque[_Training] = deque()
    try:
        while True:
            if not live or (len(live) < rounds and psutil.virtual_memory().available > _MEMORY_NEEDED):
                live.extend(_open_next(run, waiting, visit))
            if not live:
                return
            for training in list(live):
                try:
                    training.visits.append(training.worker.next())
                    finished = len(training.visits) == rounds
                    label: Record = training.label() if finished else {}
                except WorkerError as error:
                    finished, label = True, {"reason": str(error)}
                if finished:
                    training.worker.close()
                    live.remove(training)
                    run.keep(training.case, label)
                    if run.counts.total() % 10 == 0 or run.counts.total() == run.total:
                        run.report()
    finally:
        for training in live:
            training.worker.close()


def _open_next(run: _Run, waiting: Iterator[Case], visit: float) -> Iterator[_Training]:
    """The next model that can be opened, if there is one and time for it."""
    while not run.out_of_time():
        case = next(waiting, None)
        if case is None:
            return
        worker = Worker(_TRAIN, (case, visit))
        try:
            ready = worker.next()["ready"]
        except BaseException as error:
            worker.close()
            if not isinstance(error, WorkerError):
                raise
            run.keep(case, {"reason": str(error)})
            continue
        yield _Training(case, worker, ready)
        return


# --------------------------------------------------------------- command line


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add ``bootcamp measure`` to the command line.

    Parameters
    ----------
    subparsers : argparse subparsers
        Of the ``bootcamp`` command.
    """
    parser = subparsers.add_parser("measure", help="measure networks on this processor, for a cost model")
    parser.add_argument("--what", choices=WHATS, required=True, help="an inference, or a training step")
    parser.add_argument("--count", type=int, required=True, help="how many networks the file shall have")
    parser.add_argument(
        "--out", type=Path, required=True, help="lines of JSON; a file that exists is continued"
    )
    parser.add_argument("--budget", type=float, help="seconds after which nothing new is begun")
    parser.set_defaults(run=main)


def main(arguments: argparse.Namespace) -> int:
    """Run ``bootcamp measure``.

    Returns
    -------
    int
        0; 1 if networks are left to measure, or none could be; the same call goes on with them.
    """

    def say(line: str) -> None:
        print(line, flush=True)

    try:
        done = measure(arguments.what, arguments.count, arguments.out, budget=arguments.budget, say=say)
    except KeyboardInterrupt:
        print(f"Stopped. The same call goes on with {arguments.out}.", file=sys.stderr)
        return 130
    say(f"{done['measured']} measured, {done['failed']} failed, {done['left']} left: {arguments.out}")
    return 1 if done["left"] or (done["failed"] and not done["measured"]) else 0
