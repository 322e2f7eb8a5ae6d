"""Trees on whole networks: what a network asks for in numbers, without its graph.

The published gradient boosting sees six numbers and has to find the physics itself. `Trees` learns only what
the additive model leaves over, from the shares that each kind of operator has in its time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from sklearn.ensemble import ExtraTreesRegressor, GradientBoostingRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from maelstrom_bootcamp.perfmodel.arrays import Arrays
from maelstrom_bootcamp.perfmodel.models.additive import Additive, totals


def six(networks: Sequence[Arrays]) -> np.ndarray:
    """Six numbers of each network: batch, operators, edges, MACs, values moved, parameters.

    Parameters
    ----------
    networks : sequence of Arrays

    Returns
    -------
    numpy.ndarray
        Shape (len(networks), 6), float64, raw.
    """
    rows = []
    for n in networks:
        macs, values, operators, params = (n.count @ n.work).tolist()
        edges = n.count[n.read[:, 1]].sum()
        rows.append((n.batch, operators, edges, macs, values, params))
    return np.array(rows, np.float64)


def boosting(networks: Sequence[Arrays], measured: np.ndarray, seed: int = 0) -> GradientBoostingRegressor:
    """Gradient boosting on six raw numbers with a squared error in the unit of the labels: TraPPM's baseline.

    Parameters
    ----------
    networks : sequence of Arrays
    measured : numpy.ndarray
        Shape (len(networks),).
    seed : int

    Returns
    -------
    GradientBoostingRegressor
        Predicts from `six`.
    """
    return GradientBoostingRegressor(random_state=seed).fit(six(networks), measured)


def perceptron(networks: Sequence[Arrays], measured: np.ndarray, seed: int = 0) -> Pipeline:
    """Two dense layers of 512 on six scaled numbers, squared error: TraPPM's other baseline.

    Parameters
    ----------
    networks : sequence of Arrays
    measured : numpy.ndarray
        Shape (len(networks),).
    seed : int

    Returns
    -------
    Pipeline
        Predicts from `six`.
    """
    # A tenth is held back to stop in time; of few measurements nothing can be spared.
    stop = len(networks) >= 50
    layers = MLPRegressor(hidden_layer_sizes=(512, 512), random_state=seed, max_iter=500, early_stopping=stop)
    return make_pipeline(StandardScaler(), layers).fit(six(networks), measured)


@dataclass
class Trees:
    """The additive model, times what extremely randomised trees make of its error.

    Attributes
    ----------
    prior : Additive
        Fitted to the same measurements.
    seed : int
    trees : int
    """

    prior: Additive
    seed: int = 0
    trees: int = 300
    forest: ExtraTreesRegressor = field(init=False, repr=False)

    def fit(self, networks: Sequence[Arrays], measured: np.ndarray) -> Trees:
        """Learn the logarithm of measured over additive time.

        Parameters
        ----------
        networks : sequence of Arrays
        measured : numpy.ndarray
            Shape (len(networks),), positive.

        Returns
        -------
        Trees
            Itself.
        """
        error = np.log(measured) - np.log(self.prior.predict(networks))
        self.forest = ExtraTreesRegressor(self.trees, max_features=0.5, random_state=self.seed)
        self.forest.fit(describe(networks, self.prior), error)
        return self

    def predict(self, networks: Sequence[Arrays]) -> np.ndarray:
        """What the networks will take, in the unit of the labels.

        Parameters
        ----------
        networks : sequence of Arrays

        Returns
        -------
        numpy.ndarray
            Shape (len(networks),).
        """
        return self.prior.predict(networks) * np.exp(self.forest.predict(describe(networks, self.prior)))


def describe(networks: Sequence[Arrays], prior: Additive) -> np.ndarray:
    """What the trees read: logarithms of totals by kind, and each kind's share of the additive time.

    Parameters
    ----------
    networks : sequence of Arrays
    prior : Additive

    Returns
    -------
    numpy.ndarray
        Shape (len(networks), f), float64.
    """
    weights = np.append(prior.seconds.ravel(), prior.per_parameter)
    rows = []
    for network in networks:
        total = totals(network)
        parts = total * weights
        rows.append(np.concatenate([np.log1p(total), parts / parts.sum(), [np.log(parts.sum())]]))
    numbers = np.log1p(six(networks))
    return np.column_stack([np.array(rows), numbers[:, :1], numbers[:, 3:]])
