"""With how few labels can a predictor be trained, and does an encoder help that has seen graphs without any.

A maintainer's command. ``python -m maelstrom_bootcamp.perfmodel.models.few_labels --out FILE`` trains several
predictors on 20, 50, ... labels of the processor's training steps, with and without the embedding of TraPPM's
auto-encoder, and writes their errors for architectures that none of them has seen: a quarter of an hour of
one core.

Within a seed everything is paired: all predictors get the same labels (those of a smaller count are among
those of a larger one) and the same test set. Another seed is another split, another draw of labels, and other
first weights.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from importlib.resources import files
from io import StringIO
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from sklearn.ensemble import ExtraTreesRegressor, GradientBoostingRegressor

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.perfmodel import splits
from maelstrom_bootcamp.perfmodel.labels.file import machine
from maelstrom_bootcamp.perfmodel.memory.liveness import liveness
from maelstrom_bootcamp.perfmodel.memory.predictor import MB
from maelstrom_bootcamp.perfmodel.models import additive, make, pooled, predictor, rivals, training, trees
from maelstrom_bootcamp.perfmodel.models.additive import Additive
from maelstrom_bootcamp.perfmodel.samples import Samples
from maelstrom_bootcamp.perfmodel.scores import score

COUNTS = (20, 50, 100, 200, 300)
#: Twenty labels are two batches an epoch; the graph networks take at least so many steps all the same.
UPDATES = 400
PULL = predictor.Settings.pull
_COLUMNS = ("predictor", "labels", "seed", "macro", "mape", "median")


@dataclass(frozen=True)
class Material:
    """What all predictors may read of n measured networks.

    Attributes
    ----------
    samples : Samples
    start : Additive
        What the data sheet says.
    networks : tuple of Network
        TraPPM's features and graph, like operators merged.
    embeddings : Mapping of str to numpy.ndarray
        Name of an encoder -> shape (n, width).
    """

    samples: Samples
    start: Additive
    networks: tuple[pooled.Network, ...]
    embeddings: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Task:
    """Learn from some of them, predict others.

    Attributes
    ----------
    material : Material
    train, test : numpy.ndarray
        Indices.
    seed : int
    updates : int
        Steps that a graph network takes at least.
    """

    material: Material
    train: np.ndarray
    test: np.ndarray
    seed: int = 0
    updates: int = UPDATES


Rule = Callable[[Task], np.ndarray]


def epochs_for(labels: int, updates: int = UPDATES, batch: int = 16) -> int:
    """Passes through so many labels that make at least so many steps.

    Parameters
    ----------
    labels, updates, batch : int

    Returns
    -------
    int
        Not less than `rivals.EPOCHS`.
    """
    return max(rivals.EPOCHS, math.ceil(updates / math.ceil(labels / batch)))


def prepare(samples: Samples, start: Additive, encoders: Mapping[str, pooled.AutoEncoder]) -> Material:
    """Read the graphs once, for all predictors.

    Parameters
    ----------
    samples : Samples
    start : Additive
    encoders : mapping of str to AutoEncoder

    Returns
    -------
    Material
    """
    plain = [rivals.trappm_network(g) for g in samples.measured_graphs()]
    embeddings = {name: embed(plain, encoder) for name, encoder in encoders.items()}
    return Material(samples, start, tuple(n.merged(hops=2) for n in plain), embeddings)


def embed(networks: Sequence[pooled.Network], encoder: pooled.AutoEncoder) -> np.ndarray:
    """Logarithms of the sums of an encoder's states.

    Parameters
    ----------
    networks : sequence of Network
        From `rivals.trappm_network`.
    encoder : AutoEncoder

    Returns
    -------
    numpy.ndarray
        Shape (len(networks), width).
    """
    ready = [n.merged(hops=len(encoder.hops)) for n in rivals.scaled(networks)]
    parts = [pooled.pack(ready[i : i + 64]) for i in range(0, len(ready), 64)]
    sums = [encoder.embed({k: tf.constant(v) for k, v in part.items()}) for part in parts]
    found = np.concatenate([np.asarray(s) for s in sums])
    return np.sign(found) * np.log1p(np.abs(found))


def untrained(seed: int = 0) -> pooled.AutoEncoder:
    """An encoder like `rivals.encoder` with its first weights, to see what the training adds.

    Parameters
    ----------
    seed : int

    Returns
    -------
    AutoEncoder
    """
    keras.utils.set_random_seed(seed)
    return pooled.AutoEncoder((2 * rivals.WIDTH, rivals.WIDTH, rivals.WIDTH, rivals.WIDTH))


def boosting(task: Task, embedding: str | None = None, log: bool = False) -> np.ndarray:
    """TraPPM's baseline on six raw numbers; with an embedding beside them, or on logarithms of labels."""
    held = task.material
    read = trees.six(held.samples.networks)
    if embedding:
        read = np.column_stack([read, held.embeddings[embedding]])
    values = held.samples.values[task.train]
    unit = float(np.median(values))
    forest = GradientBoostingRegressor(random_state=task.seed)
    forest.fit(read[task.train], np.log(values / unit) if log else values / unit)
    found = forest.predict(read[task.test])
    return unit * (np.exp(found) if log else found)


def graph_network(task: Task, embedding: str | None = None) -> np.ndarray:
    """TraPPM's regressor as `rivals.trappm` has it, with more epochs if the labels are few."""
    held = task.material
    items = list(held.networks)
    if embedding:
        statics = [np.append(n.static, e) for n, e in zip(items, held.embeddings[embedding], strict=True)]
        items = [
            pooled.Network(n.features, n.edges, s.astype(np.float32), n.count)
            for n, s in zip(items, statics, strict=True)
        ]
    train, test = ([items[i] for i in part] for part in (task.train, task.test))
    features, statics = np.concatenate([n.features for n in train]), np.stack([n.static for n in train])
    mean, std = features.mean(0), features.std(0) + 1e-3
    middle, spread = statics.mean(0), statics.std(0) + 1e-3

    def pack(networks: Sequence[pooled.Network]) -> dict[str, np.ndarray]:
        batch = pooled.pack(networks)
        batch["features"] = (batch["features"] - mean) / std
        batch["static"] = (batch["static"] - middle) / spread
        return batch

    values = held.samples.values[task.train]
    unit = float(np.median(values))
    keras.utils.set_random_seed(task.seed)
    network = pooled.PooledNetwork(rivals.WIDTH, hops=2, dense=2)
    how = {"epochs": epochs_for(len(task.train), task.updates), "batch": 16, "rate": 1e-3, "seed": task.seed}
    training.train(network, pack, train, values / unit, training.square, **how)
    return unit * np.maximum(training.predict(network, pack, test), 1e-3)


def additive_model(task: Task) -> np.ndarray:
    """Three numbers for each kind of operator, drawn towards the data sheet."""
    return _prior(task).predict(task.material.samples.take(task.test).networks)


def _prior(task: Task) -> Additive:
    train = task.material.samples.take(task.train)
    return additive.fit(train.networks, train.values, task.material.start, PULL)


def additive_trees(task: Task, embedding: str | None = None) -> np.ndarray:
    """The additive model and trees on what it leaves over, as `trees.Trees`."""
    held, prior = task.material, _prior(task)
    read = trees.describe(held.samples.networks, prior)
    if embedding:
        read = np.column_stack([read, held.embeddings[embedding]])
    guess = prior.predict(held.samples.networks)
    error = np.log(held.samples.values[task.train] / guess[task.train])
    forest = ExtraTreesRegressor(trees.Trees.trees, max_features=0.5, random_state=task.seed)
    forest.fit(read[task.train], error)
    return guess[task.test] * np.exp(forest.predict(read[task.test]))


def additive_network(task: Task) -> np.ndarray:
    """One additive graph network; the shipped predictor averages three."""
    held = task.material
    settings = predictor.Settings(epochs=epochs_for(len(task.train), task.updates), seeds=(task.seed,))
    fitted = predictor.fit(held.samples.take(task.train), held.start, settings)
    return fitted.predict(held.samples.take(task.test).networks)


def counted(task: Task) -> np.ndarray:
    """Peak memory as `liveness` counts it, times one factor."""
    samples = task.material.samples
    graphs = samples.measured_graphs()
    own, asked = (np.array([liveness(graphs[i]).peak / MB for i in part]) for part in (task.train, task.test))
    return np.exp(np.median(np.log(samples.values[task.train] / own))) * asked


#: Predictors of time. "pretrained" and "untrained" name the encoders that `prepare` must be given.
RULES: Mapping[str, Rule] = {
    "boosting": boosting,
    "boosting + embedding": partial(boosting, embedding="pretrained"),
    "log boosting": partial(boosting, log=True),
    "log boosting + embedding": partial(boosting, embedding="pretrained", log=True),
    "log boosting + untrained": partial(boosting, embedding="untrained", log=True),
    "GNN": graph_network,
    "GNN + embedding": partial(graph_network, embedding="pretrained"),
    "GNN + untrained": partial(graph_network, embedding="untrained"),
    "additive": additive_model,
    "additive + trees": additive_trees,
    "additive + trees + embedding": partial(additive_trees, embedding="pretrained"),
    "additive network": additive_network,
}
#: These take minutes, all others seconds: they get fewer repetitions.
SLOW = ("GNN", "GNN + embedding", "GNN + untrained", "additive network")
#: Predictors of memory.
MEMORY_RULES: Mapping[str, Rule] = {n: rule for n, rule in RULES.items() if n not in SLOW} | {
    "liveness": counted
}


def curves(
    material: Material,
    counts: Sequence[int] = COUNTS,
    seeds: Iterable[int] = range(5),
    rules: Mapping[str, Rule] = RULES,
    *,
    updates: int = UPDATES,
    everything: bool = True,
    say: Callable[[str], None] = lambda _: None,
) -> pd.DataFrame:
    """Errors for unseen architectures after training on few labels.

    Parameters
    ----------
    material : Material
    counts : sequence of int
        Of labels.
    seeds : iterable of int
        Each one is another split (70 % of each family's architectures for training, as TraPPM's share),
        another order of the labels and other first weights.
    rules : mapping of str to callable
    updates : int
        Steps that a graph network takes at least.
    everything : bool
        Also with all labels of the training part.
    say : callable
        Told what has been done.

    Returns
    -------
    pandas.DataFrame
        One row per predictor, number of labels and seed, with ``macro`` (mean of the families' MAPE),
        ``mape`` and ``median`` in percent.

    Raises
    ------
    BootcampError
        If a count is not positive or larger than the training part.
    """
    held, rows = material.samples, []
    for seed in seeds:
        first = splits.FIRST_SEED + seed
        (split,) = splits.unseen_architectures(held.families, held.architectures, repeats=1, first_seed=first)
        order = np.random.default_rng(seed).permutation(split.train)
        if not all(0 < count <= len(order) for count in counts):
            raise BootcampError(f"There are {len(order)} labels, not {counts}.", "Ask for some of them.")
        for count in [*counts, *([len(order)] if everything else [])]:
            task = Task(material, order[:count], split.test, seed, updates)
            for name, rule in rules.items():
                found = score(rule(task), held.values[split.test], held.families[split.test])
                rows.append((name, count, seed, *(found[k] for k in ("macro", "mape", "median"))))
            say(f"seed {seed}, {count} labels")
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def load(target: str = "time") -> pd.DataFrame:
    """The curves that come with the package.

    Parameters
    ----------
    target : {"time", "memory"}

    Returns
    -------
    pandas.DataFrame
        As from `curves`.

    Raises
    ------
    BootcampError
        If the file is missing, damaged, or has no such target.
    """
    place = files("maelstrom_bootcamp.perfmodel") / "weights" / "few-labels.json"
    try:
        lines = json.loads(place.read_text(encoding="utf-8"))["targets"][target]
        return pd.read_csv(StringIO("\n".join(lines)))
    except (OSError, ValueError, KeyError) as error:
        raise BootcampError(
            f"There are no curves of {target!r} in few-labels.json: {type(error).__name__}.",
            "Take time or memory, or restore the file.",
        ) from error


def _card(targets: Mapping[str, pd.DataFrame], given: argparse.Namespace, minutes: float) -> dict[str, Any]:
    return {
        "protocol": "unseen architectures",
        "source": "labels/train-cpu.csv",
        "unlabelled": given.unlabelled,
        "encoder_epochs": rivals.ENCODER_EPOCHS,
        "least_updates": given.updates,
        "cpu_minutes": round(minutes, 1),
        "machine": machine(),
        "versions": {name: version(name) for name in ("tensorflow", "keras", "scikit-learn", "numpy")},
        "targets": {k: t.to_csv(index=False, float_format="%.2f").splitlines() for k, t in targets.items()},
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the curves.

    Parameters
    ----------
    arguments : sequence of str, optional

    Returns
    -------
    int
        0, or 1 after an error whose cause and cure were printed.
    """
    parser = argparse.ArgumentParser(
        prog="python -m maelstrom_bootcamp.perfmodel.models.few_labels", description=__doc__
    )
    parser.add_argument("--out", type=Path, required=True, help="file to write, *.json")
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS, help="numbers of labels")
    parser.add_argument("--seeds", type=int, default=10, help="repetitions")
    parser.add_argument("--slow-seeds", type=int, default=3, help="repetitions of graph networks")
    parser.add_argument("--updates", type=int, default=UPDATES, help="least steps of a graph network")
    parser.add_argument("--unlabelled", type=int, default=rivals.UNLABELLED, help="graphs for the encoder")
    given = parser.parse_args(arguments)
    say = partial(print, flush=True)
    began, targets = time.process_time(), {}
    try:
        encoders = {"pretrained": rivals.encoder(given.unlabelled), "untrained": untrained()}
        for target, what, rules in (("time", "cpu-train", RULES), ("memory", "cpu-memory", MEMORY_RULES)):
            material = prepare(make.data(what), make.STARTS[what], encoders)
            parts = []
            for seed in range(given.seeds):  # whoever stops it keeps the seeds that are done
                asked = {n: rule for n, rule in rules.items() if n not in SLOW or seed < given.slow_seeds}
                how = {"updates": given.updates, "say": say}
                parts.append(curves(material, given.counts, [seed], asked, **how))
                targets[target] = pd.concat(parts)
                found = _card(targets, given, (time.process_time() - began) / 60)
                make.write_card(found, given.out.parent, given.out.stem)
            table = targets[target].pivot_table(index="predictor", columns="labels", values="macro")
            say(table.round(1).to_string())
    except BootcampError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
