"""Train the same network with numbers of other widths, and say what that does to the forecast.

``python -m maelstrom_bootcamp.hardware.precision FILE`` repeats the trainings behind ``precision.json``, the
table that notebook ``07-hardware/4_precision`` shows beside its own, shorter trainings.
"""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from maelstrom_bootcamp import nn
from maelstrom_bootcamp.apps.yr.split import Split, split
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.hardware.precision_tasks import TASKS, Task, today
from maelstrom_bootcamp.settings import settings

import keras
import tensorflow as tf

#: Names of Keras' dtype policies. "mixed": weights in float32, all else in 16 bits.
PRECISIONS = ("float64", "float32", "mixed_bfloat16", "mixed_float16", "bfloat16", "float16")
#: Variants of a training. "butterfly": a relative noise of 1e-6, a few roundings of float32, on the first
#: weights. "beta_2=0.99": Adam forgets faster; the usual 0.999 is 1 in bfloat16, and then it never moves.
VARIANTS = ("", "butterfly", "beta_2=0.99")
BUTTERFLY = 1e-6
CPUINFO = Path("/proc/cpuinfo")
SCHEMA = 1
UPDATES, SEEDS = 200, 3  # of the trainings behind precision.json
SLOW = {"float64": 2, "mixed_float16": 1}  # fewer seeds where a CPU takes several times as long


def make_optimizer(precision: str, learning_rate: Any, beta_2: float = 0.999) -> keras.optimizers.Optimizer:
    """Adam with clipped gradients; with float16 it scales the loss.

    Parameters
    ----------
    precision : str
        One of `PRECISIONS`.
    learning_rate : float or schedule
    beta_2 : float
        Of Adam: what is kept of the mean square of the gradients in each update.

    Returns
    -------
    keras.optimizers.Optimizer
    """
    adam = keras.optimizers.Adam(learning_rate, beta_2=beta_2, clipnorm=1.0)
    return keras.optimizers.LossScaleOptimizer(adam) if precision == "mixed_float16" else adam


def make_step(
    model: keras.Model, optimizer: keras.optimizers.Optimizer, loss: Callable, precision: str
) -> Callable:
    """One update as a compiled function of (predictors, target) that returns the loss.

    Whatever the network computes in, the loss is averaged in float32 (or float64): a mean over many pixels is
    the first thing that 16 bits get wrong.
    """
    wide = "float64" if precision == "float64" else "float32"

    @tf.function
    def step(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            y_hat = tf.cast(model(x, training=True), wide)
            value = tf.reduce_mean(loss(tf.cast(y, wide), y_hat))
            scaled = optimizer.scale_loss(value)  # times 1, except for a LossScaleOptimizer
        gradients = tape.gradient(scaled, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)  # which divides by the scale
        return value

    return step


class Trainer:
    """A network in one precision, which can be trained again and again with other seeds.

    Compiling takes longer than a hundred updates, so that it is done once.

    Parameters
    ----------
    task : Task
    precision : str
        One of `PRECISIONS`.
    updates : int
        Length of a training: the cosine of the learning rate ends there.
    variant : str
        One of `VARIANTS`.

    Attributes
    ----------
    model, optimizer, step
        As a training left them.
    """

    def __init__(self, task: Task, precision: str, updates: int, variant: str = "") -> None:
        self.task, self.precision, self.updates = task, check_precision(precision), updates
        self.variant = variant
        before, beta_2 = keras.config.dtype_policy(), 0.99 if variant == "beta_2=0.99" else 0.999
        keras.config.set_dtype_policy(precision)
        try:
            self.model = task.build()
            schedule = nn.cosine_restarts(updates, task.learning_rate)
            self.optimizer = make_optimizer(precision, schedule, beta_2)
            self.optimizer.build(self.model.trainable_variables)
        finally:
            keras.config.set_dtype_policy(before)
        self.step = make_step(self.model, self.optimizer, task.loss, precision)
        self.forward = tf.function(lambda x: self.model(x, training=False), reduce_retracing=True)
        self._fresh = [v.numpy() for v in self.optimizer.variables]

    def reset(self, seed: int) -> None:
        """First weights of this seed, the same in all precisions but for their rounding."""
        nn.set_seed(seed, deterministic=False)
        weights, rng = self.task.build().get_weights(), np.random.default_rng(seed)
        if self.variant == "butterfly":
            weights = [w * (1 + BUTTERFLY * rng.standard_normal(w.shape)) for w in weights]
        self.model.set_weights(weights)
        for variable, value in zip(self.optimizer.variables, self._fresh, strict=True):
            variable.assign(value)

    def train(self, seed: int) -> float:
        """Train from the first weights of a seed, until done or broken; returns the seconds of an update."""
        self.reset(seed)
        seconds = []
        for x, y in self.task.batches(seed, self.updates):
            start = time.perf_counter()
            value = float(self.step(x, y).numpy())
            seconds.append(time.perf_counter() - start)
            if np.isnan(value):
                break  # no update will ever mend that
        return float(np.median(seconds))

    def predict(self, batch_size: int = 10) -> np.ndarray:
        """Forecast of the task's test fields, float32."""
        x = self.task.predictors
        parts = (self.forward(tf.constant(x[i : i + batch_size])) for i in range(0, len(x), batch_size))
        return np.concatenate([tf.cast(part, "float32").numpy() for part in parts])

    def scores(self) -> np.ndarray:
        """Score of each test date, in K; NaN if the network is broken."""
        return self.task.by_date(self.predict())


def check_precision(precision: str) -> str:
    """Return the name of a precision, or refuse it.

    Raises
    ------
    BootcampError
    """
    if precision not in PRECISIONS:
        raise BootcampError(
            f"{precision!r} is no precision of this study.", f"Take one of: {', '.join(PRECISIONS)}."
        )
    return precision


def native_bfloat16() -> str:
    """What computes bfloat16 here: a GPU, instructions of the processor, or nothing ("")."""
    if tf.config.list_physical_devices("GPU"):
        return "GPU"
    try:
        lines = CPUINFO.read_text().splitlines()
    except OSError:
        return ""
    flags = next((line.split(":")[1].split() for line in lines if line.startswith(("flags", "Features"))), [])
    return ", ".join(flag for flag in flags if flag in ("avx512_bf16", "amx_bf16", "bf16"))


_CHILD = """
import sys
from maelstrom_bootcamp import nn
import keras, tensorflow as tf
from maelstrom_bootcamp.hardware.measure import measured
keras.config.set_dtype_policy(sys.argv[1])
model, loss = nn.unet(), nn.QuantileLoss()
def gradient(batch):
    with tf.GradientTape() as tape:
        y_hat = tf.cast(model(tf.ones((batch, 128, 128, 17)), training=True), "float32")
        value = loss(tf.ones((batch, 128, 128, 2)), y_hat)
    tape.gradient(value, model.trainable_variables)
gradient(1)
with measured() as cost:
    gradient(int(sys.argv[2]))
print(cost.peak_memory - cost.memory_before)
"""


def memory_rise(precision: str, batch: int = 16) -> int:
    """By how much the memory of a fresh process rises when it computes a gradient of A1's U-Net.

    Parameters
    ----------
    precision : str
        One of `PRECISIONS`.
    batch : int
        Fields of 128 x 128.

    Returns
    -------
    int
        Bytes of host memory: from before the gradient to the highest point while it is computed.

    Raises
    ------
    BootcampError
        If there is no such precision, or the process fails, for instance for lack of memory.
    """
    command = [sys.executable, "-c", _CHILD, check_precision(precision), str(batch)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BootcampError(
            f"The gradient of {batch} fields in {precision} could not be computed.", "Take a smaller batch."
        )
    return int(done.stdout.split()[-1])


# ---- the study -------------------------------------------------------------------------------------


def plan(name: str) -> list[tuple[str, str, int]]:
    """Trainings of a task, the cheap ones first: (precision, variant, seed)."""
    order = ("float32", "mixed_bfloat16", "bfloat16", "float16", "float64", "mixed_float16")
    kinds = [(precision, "") for precision in order]
    kinds.insert(2, ("float32", "butterfly"))
    if name == "a1":
        kinds[4:4] = [("float32", "beta_2=0.99"), ("bfloat16", "beta_2=0.99")]
    return [(*kind, seed) for kind in kinds for seed in range(SLOW.get(kind[0], SEEDS))]


def study(
    path: Path, seconds: float = np.inf, updates: int = UPDATES, names: Sequence[str] = tuple(TASKS)
) -> bool:
    """Train whatever of the plan is not in a file yet, and write the file after each training.

    Parameters
    ----------
    path : pathlib.Path
        JSON, made if it does not exist.
    seconds : float
        Begin no training after so long.
    updates : int
    names : sequence of str
        Of `TASKS`.

    Returns
    -------
    bool
        Whether all is done.
    """
    began, days = time.perf_counter(), split(settings().size)
    found = load(path) if path.exists() else _empty(updates)
    if found["updates"] != updates:
        raise BootcampError(
            f"{path} holds trainings of {found['updates']} updates, not of {updates}.", "Give another file."
        )
    for name in names:
        runs = found["tasks"].setdefault(name, {"runs": []})["runs"]
        done = {(run["precision"], run["variant"], run["seed"]) for run in runs}
        missing = [one for one in plan(name) if one not in done]
        task = TASKS[name](days.train, days.test) if missing else None
        trainer = None
        for precision, variant, seed in missing:
            if time.perf_counter() - began > seconds:
                return False
            if "baselines" not in found["tasks"][name]:
                found["tasks"][name] |= _baselines(task, days)
            if trainer is None or (trainer.precision, trainer.variant) != (precision, variant):
                trainer = Trainer(task, precision, updates, variant)
            trainer.train(seed)
            scores = trainer.scores()
            runs.append({"precision": precision, "variant": variant, "seed": seed, "scores": scores})
            _write(found, path)
            print(f"{name} {precision} {variant} seed {seed}: {np.mean(scores):.4f} K", flush=True)
    return True


def load(path: Path | None = None) -> dict[str, Any]:
    """Read a table of the study.

    Parameters
    ----------
    path : pathlib.Path, optional
        Default: the table that comes with the package.

    Returns
    -------
    dict
        ``updates`` of each training and ``tasks``: name -> ``dates``, ``baselines`` (name -> score of each
        date in K) and ``runs``, each with ``precision``, ``variant``, ``seed`` and ``scores`` (K;
        NaN where the training broke down).

    Raises
    ------
    BootcampError
        If the file is no such table.
    """
    source = path or resources.files(__package__).joinpath("precision.json")
    try:
        found = json.loads(source.read_text(encoding="utf-8"))
        if found["schema"] != SCHEMA:
            raise ValueError(f"schema {found['schema']}")
        for task in found["tasks"].values():
            for run in task["runs"]:
                run["scores"] = [np.nan if s is None else float(s) for s in run["scores"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BootcampError(
            f"{source} is no table of schema {SCHEMA} ({error}).",
            "Make it anew: python -m maelstrom_bootcamp.hardware.precision FILE",
        ) from error
    return found


def table(found: dict[str, Any]) -> pd.DataFrame:
    """The runs of a table as rows.

    Parameters
    ----------
    found : dict
        From `load`.

    Returns
    -------
    pandas.DataFrame
        Columns: app, precision (with its variant), seed, scores (by date, K) and mean (K).
    """
    rows = [
        {"app": app, "precision": f"{run['precision']} {run['variant']}".strip(), "seed": run["seed"]}
        | {"scores": np.array(run["scores"]), "mean": float(np.mean(run["scores"]))}
        for app, task in found["tasks"].items()
        for run in task["runs"]
    ]
    return pd.DataFrame(rows)


def _empty(updates: int) -> dict[str, Any]:
    made = "python -m maelstrom_bootcamp.hardware.precision FILE"
    return {"schema": SCHEMA, "made_by": made, "sample": settings().size, "updates": updates, "tasks": {}}


def _baselines(task: Task, days: Split) -> dict[str, Any]:
    scores = dict(task.baselines)
    if task.name == "a1":
        scores["today"] = task.by_date(today(days.train, days.test))
    return {"dates": list(days.test), "baselines": {k: _rounded(v) for k, v in scores.items()}}


def _rounded(scores: Sequence[float]) -> list[float | None]:
    return [round(float(s), 5) if np.isfinite(s) else None for s in scores]


def _write(found: dict[str, Any], path: Path) -> None:
    tasks = {}
    for name, task in found["tasks"].items():
        runs = [run | {"scores": _rounded(run["scores"])} for run in task["runs"]]
        tasks[name] = task | {"runs": runs}
    text = json.dumps(found | {"tasks": tasks}, allow_nan=False)
    text = text.replace('{"precision"', '\n{"precision"').replace('"dates"', '\n"dates"')
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(text + "\n", encoding="utf-8")
    temporary.replace(path)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study from the command line; 0 if all is done, 3 if the time was too short."""
    parser = argparse.ArgumentParser(prog="python -m maelstrom_bootcamp.hardware.precision")
    parser.add_argument("file", type=Path, help="JSON file; what is in it already is not trained again")
    parser.add_argument("--seconds", type=float, default=np.inf, help="begin no training after so long")
    parser.add_argument("--updates", type=int, default=UPDATES, help="updates of each training")
    parser.add_argument("--task", choices=list(TASKS), action="append", help="default: all")
    options = parser.parse_args(arguments)
    try:
        return 0 if study(options.file, options.seconds, options.updates, options.task or tuple(TASKS)) else 3
    except BootcampError as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    raise SystemExit(main())
