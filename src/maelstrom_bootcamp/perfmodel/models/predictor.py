"""The predictor of this course: additive networks, an interval that was tested, a sense of its limits."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from maelstrom_bootcamp.perfmodel.arrays import Arrays
from maelstrom_bootcamp.perfmodel.graph import ModelInputError
from maelstrom_bootcamp.perfmodel.models import additive, gnn, training
from maelstrom_bootcamp.perfmodel.models.additive import Additive
from maelstrom_bootcamp.perfmodel.models.domain import Domain, Verdict, domain
from maelstrom_bootcamp.perfmodel.operators import KINDS
from maelstrom_bootcamp.perfmodel.samples import Samples
from maelstrom_bootcamp.perfmodel.splits import Split

#: What the shapes and the order of features mean; a file of another form is refused.
FORM = 1


@dataclass(frozen=True)
class Estimate:
    """A prediction with its interval.

    Attributes
    ----------
    value, low, high : float
        In the unit of the labels (seconds, or MB).
    verdict : Verdict
        Whether the network is like those of the training; if not, the interval is twice as wide.
    """

    value: float
    low: float
    high: float
    verdict: Verdict


@dataclass(frozen=True)
class Settings:
    """How a predictor is trained.

    Attributes
    ----------
    width, hops : int
        Of the networks.
    epochs, batch : int
    rate : float
    seeds : tuple of int
        One network each; their mean is the prediction.
    pull : float
        How much the data sheet counts in the additive model.
    """

    width: int = 64
    hops: int = 2
    epochs: int = 60
    batch: int = 16
    rate: float = 3e-3
    seeds: tuple[int, ...] = (0, 1, 2)
    pull: float = 0.03


@dataclass(frozen=True)
class Predictor:
    """Time or memory of networks on one device.

    Attributes
    ----------
    prior : Additive
    networks : tuple of AdditiveNetwork
    mean, std : numpy.ndarray
        Of the features in the training.
    domain : Domain
    half_width : Mapping of float to float
        Confidence -> half of the interval's width in the logarithm, from networks outside of the training.
    card : Mapping
        What the model card holds: data, split, errors, machine.
    """

    prior: Additive
    networks: tuple[gnn.AdditiveNetwork, ...]
    mean: np.ndarray
    std: np.ndarray
    domain: Domain
    half_width: Mapping[float, float] = field(default_factory=dict)
    card: Mapping[str, Any] = field(default_factory=dict)

    def predict(self, networks: Sequence[Arrays]) -> np.ndarray:
        """What networks will take.

        Parameters
        ----------
        networks : sequence of Arrays

        Returns
        -------
        numpy.ndarray
            Shape (len(networks),), in the unit of the labels.
        """
        pack = partial(gnn.pack, prior=self.prior, mean=self.mean, std=self.std)
        return np.exp(np.mean([training.predict(n, pack, networks) for n in self.networks], axis=0))

    def estimate(self, network: Arrays, confidence: float = 0.9) -> Estimate:
        """What one network will take, how sure that is, and what is new about it.

        Parameters
        ----------
        network : Arrays
        confidence : float
            One for which the predictor knows the width.

        Returns
        -------
        Estimate

        Raises
        ------
        ModelInputError
            If the confidence is none of those.
        """
        if confidence not in self.half_width:
            known = ", ".join(f"{c:g}" for c in self.half_width) or "none: it was not calibrated"
            raise ModelInputError(f"No interval of {confidence:g} is known.", f"Take one of {known}.")
        value = float(self.predict([network])[0])
        verdict = self.domain.judge(network, self.prior)
        factor = np.exp(self.half_width[confidence] * (1 if verdict.inside else 2))
        return Estimate(value, value / factor, value * factor, verdict)


def fit(samples: Samples, start: Additive, settings: Settings = Settings()) -> Predictor:
    """Train a predictor on everything it is given.

    Parameters
    ----------
    samples : Samples
    start : Additive
        What the data sheet says: from `additive.roofline`.
    settings : Settings

    Returns
    -------
    Predictor
        Without intervals: `half_widths` of predictions `out_of_sample` gives them.
    """
    prior = additive.fit(samples.networks, samples.values, start, settings.pull)
    features = np.concatenate([n.features for n in samples.networks])
    mean, std = features.mean(0), features.std(0) + 1e-3
    pack = partial(gnn.pack, prior=prior, mean=mean, std=std)
    networks = []
    for seed in settings.seeds:
        keras.utils.set_random_seed(seed)
        network = gnn.AdditiveNetwork(settings.width, settings.hops)
        training.train(
            network,
            pack,
            samples.networks,
            samples.values,
            training.log_huber,
            epochs=settings.epochs,
            batch=settings.batch,
            rate=settings.rate,
            seed=seed,
        )
        networks.append(network)
    names = [family or name for family, name in zip(samples.families, samples.names, strict=True)]
    known = domain(samples.networks, names, prior)
    return Predictor(prior, tuple(networks), mean, std, known)


def out_of_sample(
    samples: Samples,
    start: Additive,
    splits: Sequence[Split],
    settings: Settings = Settings(),
) -> list[np.ndarray]:
    """Predictions for the test part of each split, by a predictor that was trained on the other part.

    Parameters
    ----------
    samples : Samples
    start : Additive
    splits : sequence of Split
    settings : Settings

    Returns
    -------
    list of numpy.ndarray
        One array per split, as long as its test part.
    """
    found = []
    for split in splits:
        predictor = fit(samples.take(split.train), start, settings)
        found.append(predictor.predict(samples.take(split.test).networks))
    return found


def half_widths(
    predicted: np.ndarray, measured: np.ndarray, confidences: Sequence[float] = (0.8, 0.9)
) -> dict[float, float]:
    """Conformal intervals: how far off the predictor was for networks it had not seen.

    Parameters
    ----------
    predicted, measured : numpy.ndarray
        Shape (n,), out of sample.
    confidences : sequence of float

    Returns
    -------
    dict
        Confidence -> quantile of \\|log(predicted / measured)\\|, of the order ``(n + 1) confidence``.
    """
    off = np.sort(np.abs(np.log(predicted) - np.log(measured)))
    places = {c: min(len(off), int(np.ceil((len(off) + 1) * c))) for c in confidences}
    return {c: float(off[place - 1]) for c, place in places.items()}


def save(predictor: Predictor, path: Path) -> None:
    """Write a predictor into one file, whole or not at all.

    Parameters
    ----------
    predictor : Predictor
    path : Path
        Ends with .npz.
    """
    meta = {
        "form": FORM,
        "kinds": list(KINDS),
        "width": predictor.networks[0].enter.units,
        "hops": len(predictor.networks[0].hops),
        "half_width": {str(c): w for c, w in predictor.half_width.items()},
        "card": dict(predictor.card),
    }
    arrays = {
        "seconds": predictor.prior.seconds,
        "per_parameter": np.float64(predictor.prior.per_parameter),
        "mean": predictor.mean,
        "std": predictor.std,
        "shares": predictor.domain.shares.astype(np.float32),
        "families": predictor.domain.families,
        "low": predictor.domain.low,
        "high": predictor.domain.high,
        "reach": np.float64(predictor.domain.reach),
    }
    for i, network in enumerate(predictor.networks):
        for j, weights in enumerate(network.get_weights()):
            arrays[f"network{i}_{j:02d}"] = weights.astype(np.float32)
    part = path.with_name(f".{path.name}.{os.getpid()}.npz")
    try:
        np.savez_compressed(part, meta=np.array(json.dumps(meta)), **arrays)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def load(path: Path) -> Predictor:
    """Read a predictor.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Predictor

    Raises
    ------
    ModelInputError
        If the file is missing, damaged, or of another version of this package.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            held = {name: file[name] for name in file.files}
        meta = json.loads(str(held["meta"]))
        wrong = meta["form"] != FORM or tuple(meta["kinds"]) != KINDS
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise ModelInputError(
            f"{Path(path).name} is no predictor: {type(error).__name__}.",
            "Train one with python -m maelstrom_bootcamp.perfmodel.models.make, or restore the file.",
        ) from error
    except Exception as error:  # zipfile has errors of its own
        raise ModelInputError(f"{Path(path).name} is damaged: {error}", "Restore the file.") from error
    if wrong:
        raise ModelInputError(
            f"{Path(path).name} was made by another version of this package.", "Train the predictor again."
        )
    prior = Additive(held["seconds"], float(held["per_parameter"]))
    names = ("shares", "families", "low", "high")
    known = Domain(*(held[n] for n in names), float(held["reach"]))
    networks = _rebuild(held, meta, prior)
    width = {float(c): w for c, w in meta["half_width"].items()}
    return Predictor(prior, networks, held["mean"], held["std"], known, width, meta["card"])


def _rebuild(held: dict[str, np.ndarray], meta: dict, prior: Additive) -> tuple[gnn.AdditiveNetwork, ...]:
    one = Arrays(
        features=np.zeros((1, len(held["mean"])), np.float32),
        kind=np.zeros(1, np.int64),
        work=np.ones((1, 4)),
        count=np.ones(1, np.float32),
        read=np.zeros((0, 2), np.int32),
        written=np.zeros((0, 2), np.int32),
        batch=1,
    )
    networks = []
    while any(name.startswith(f"network{len(networks)}_") for name in held):
        network = gnn.AdditiveNetwork(meta["width"], meta["hops"])
        training.predict(network, partial(gnn.pack, prior=prior), [one])  # makes the variables
        names = sorted(name for name in held if name.startswith(f"network{len(networks)}_"))
        network.set_weights([held[name] for name in names])
        networks.append(network)
    return tuple(networks)
