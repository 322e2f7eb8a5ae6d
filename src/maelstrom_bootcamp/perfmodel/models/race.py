"""All predictors on the same splits: one function each, from a rate to graph networks.

`RULES` predict times. For memory (`MEMORY_RULES`) the rate and the roofline make no sense, and what this
course does is `liveness` instead of a network.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

import numpy as np
import pandas as pd
from scipy.optimize import nnls

from maelstrom_bootcamp.perfmodel.memory.liveness import liveness
from maelstrom_bootcamp.perfmodel.memory.predictor import MB
from maelstrom_bootcamp.perfmodel.models import additive, predictor, rivals, trees
from maelstrom_bootcamp.perfmodel.models.additive import Additive
from maelstrom_bootcamp.perfmodel.samples import Samples
from maelstrom_bootcamp.perfmodel.scores import score
from maelstrom_bootcamp.perfmodel.splits import Split

#: Takes what was measured, what is asked, and the data sheet; answers with predictions for what is asked.
Rule = Callable[[Samples, Samples, Additive], np.ndarray]


def rate(train: Samples, test: Samples, start: Additive) -> np.ndarray:
    """One number: seconds per multiply-accumulate, the median of the training.

    Parameters
    ----------
    train, test : Samples
    start : Additive
        Not used.

    Returns
    -------
    numpy.ndarray
        Shape (len(test),).
    """
    macs = [np.maximum(trees.six(s.networks)[:, 3], 1) for s in (train, test)]
    return np.median(train.values / macs[0]) * macs[1]


def roofline(train: Samples, test: Samples, start: Additive) -> np.ndarray:
    """Three numbers, the same for all kinds: seconds per MAC, per value moved and per operator.

    Parameters
    ----------
    train, test : Samples
    start : Additive
        Not used.

    Returns
    -------
    numpy.ndarray
        Shape (len(test),).
    """
    asked = [np.stack([n.count @ n.work[:, :3] for n in s.networks]) for s in (train, test)]
    scale = asked[0].mean(0)
    found, _ = nnls(asked[0] / scale / train.values[:, None], np.ones(len(train)))
    return asked[1] / scale @ found


def additive_model(train: Samples, test: Samples, start: Additive) -> np.ndarray:
    """Three numbers for each kind of operator: `additive.fit`.

    Parameters
    ----------
    train, test : Samples
    start : Additive

    Returns
    -------
    numpy.ndarray
        Shape (len(test),).
    """
    return additive.fit(train.networks, train.values, start, 0.03).predict(test.networks)


def boosting(train: Samples, test: Samples, start: Additive) -> np.ndarray:
    """Gradient boosting on six numbers, as TraPPM's baseline: `trees.boosting`.

    Parameters
    ----------
    train, test : Samples
    start : Additive
        Not used.

    Returns
    -------
    numpy.ndarray
        Shape (len(test),).
    """
    unit = np.median(train.values)
    return unit * trees.boosting(train.networks, train.values / unit).predict(trees.six(test.networks))


def perceptron(train: Samples, test: Samples, start: Additive) -> np.ndarray:
    """Dense layers on six numbers, as TraPPM's baseline: `trees.perceptron`.

    Parameters
    ----------
    train, test : Samples
    start : Additive
        Not used.

    Returns
    -------
    numpy.ndarray
        Shape (len(test),).
    """
    unit = np.median(train.values)
    return unit * trees.perceptron(train.networks, train.values / unit).predict(trees.six(test.networks))


def forest(train: Samples, test: Samples, start: Additive) -> np.ndarray:
    """The additive model and trees on what it leaves over: `trees.Trees`.

    Parameters
    ----------
    train, test : Samples
    start : Additive

    Returns
    -------
    numpy.ndarray
        Shape (len(test),).
    """
    prior = additive.fit(train.networks, train.values, start, 0.03)
    return trees.Trees(prior).fit(train.networks, train.values).predict(test.networks)


def additive_network(train: Samples, test: Samples, start: Additive) -> np.ndarray:
    """The additive graph networks of this course, as they are shipped: `predictor.fit`.

    Parameters
    ----------
    train, test : Samples
    start : Additive

    Returns
    -------
    numpy.ndarray
        Shape (len(test),).
    """
    return predictor.fit(train, start, predictor.Settings()).predict(test.networks)


def dippm(train: Samples, test: Samples, start: Additive) -> np.ndarray:
    """DIPPM in small: `rivals.dippm`.

    Parameters
    ----------
    train, test : Samples
    start : Additive
        Not used.

    Returns
    -------
    numpy.ndarray
        Shape (len(test),).
    """
    return rivals.dippm(train, test)


def trappm(train: Samples, test: Samples, start: Additive) -> np.ndarray:
    """TraPPM in small, with its auto-encoder: `rivals.trappm`.

    Parameters
    ----------
    train, test : Samples
    start : Additive
        Not used.

    Returns
    -------
    numpy.ndarray
        Shape (len(test),).
    """
    return rivals.trappm(train, test)


def trappm_without(train: Samples, test: Samples, start: Additive) -> np.ndarray:
    """TraPPM in small, without its auto-encoder: `rivals.trappm`.

    Parameters
    ----------
    train, test : Samples
    start : Additive
        Not used.

    Returns
    -------
    numpy.ndarray
        Shape (len(test),).
    """
    return rivals.trappm(train, test, pretrained=False)


def counted(train: Samples, test: Samples, start: Additive) -> np.ndarray:
    """Peak memory as `liveness` counts it, times the one factor that the training shows.

    Parameters
    ----------
    train, test : Samples
    start : Additive
        Not used.

    Returns
    -------
    numpy.ndarray
        Shape (len(test),), MB.
    """
    peaks = [np.array([liveness(g).peak / MB for g in s.measured_graphs()]) for s in (train, test)]
    return np.exp(np.median(np.log(train.values / peaks[0]))) * peaks[1]


OURS = "additive networks"
RULES: Mapping[str, Rule] = {
    "rate": rate,
    "roofline": roofline,
    "boosting": boosting,
    "perceptron": perceptron,
    "DIPPM": dippm,
    "TraPPM": trappm,
    "TraPPM without auto-encoder": trappm_without,
    "additive": additive_model,
    "additive + trees": forest,
    OURS: additive_network,
}
MEMORY_RULES: Mapping[str, Rule] = {
    name: rule for name, rule in RULES.items() if name not in ("rate", "roofline", OURS)
} | {"liveness": counted}


def race(
    samples: Samples, start: Additive, splits: Iterable[Split], rules: Mapping[str, Rule] = RULES
) -> pd.DataFrame:
    """Train every predictor on every split and score it.

    Parameters
    ----------
    samples : Samples
    start : Additive
        What the data sheet says.
    splits : iterable of Split
    rules : mapping of str to callable
        Name -> predictor.

    Returns
    -------
    pandas.DataFrame
        One row per predictor and split: ``predictor``, ``protocol``, ``part``, ``seconds`` of training and
        prediction (wall clock), the scores of `maelstrom_bootcamp.perfmodel.scores.score`, and ``predicted``,
        an array.
    """
    rows = []
    for split in splits:
        train, test = samples.take(split.train), samples.take(split.test)
        for name, rule in rules.items():
            began = time.perf_counter()
            predicted = rule(train, test, start)
            seconds = time.perf_counter() - began
            row = {"predictor": name, "protocol": split.protocol, "part": split.part, "seconds": seconds}
            rows.append({**row, **score(predicted, test.values, test.families), "predicted": predicted})
    return pd.DataFrame(rows)
