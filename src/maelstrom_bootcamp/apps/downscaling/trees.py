"""Trees on single points: a random forest and boosted trees that know the ground, the flow and the place."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor

from maelstrom_bootcamp.apps.downscaling.flow import flow_features, ground_features
from maelstrom_bootcamp.apps.downscaling.method import Baseline, by_hour
from maelstrom_bootcamp.nn.blocks import check_counts

CHUNK = 24  # times whose features are held in memory at once


class Trees(Baseline):
    """Trees that know the ground, the flow around and (as the network does) the place.

    The target is fine minus coarse temperature. The place enters by its mean correction and by how unusual
    the coarse temperature is there: what the normalisation of each point tells the network.

    Parameters
    ----------
    n_samples : int
        Training samples: random points of random times.
    seed : int
        Of the samples and the trees.
    """

    def __init__(self, n_samples: int = 120_000, seed: int = 0) -> None:
        check_counts(n_samples=n_samples)
        self.n_samples, self.seed = n_samples, seed

    @abstractmethod
    def _model(self) -> Any:
        """An estimator of scikit-learn."""

    def features(self, ds: xr.Dataset) -> Mapping[str, np.ndarray]:
        """All features, by name: each (time, lat, lon)."""
        shape = ds.t2m_in.shape
        fields = {name: np.broadcast_to(v, shape) for name, v in ground_features(ds).items()}
        fields |= dict(flow_features(ds))
        fields["mean correction"] = by_hour(self._correction, ds)
        fields["warmer than usual"] = ds.t2m_in.values - by_hour(self._usual, ds)
        return fields

    def table(self, ds: xr.Dataset, pick: np.ndarray) -> np.ndarray:
        """Features of some points.

        Parameters
        ----------
        ds : xarray.Dataset
        pick : numpy.ndarray
            Indices of the flattened (time, lat, lon).

        Returns
        -------
        numpy.ndarray
            Shape (points, features), float32.
        """
        at = np.unravel_index(pick, ds.t2m_in.shape)
        return np.stack([v[at].astype("f4") for v in self.features(ds).values()], axis=-1)

    def draw(self, ds: xr.Dataset, n: int) -> np.ndarray:
        """Indices of n random points of the flattened (time, lat, lon), rising."""
        size = ds.t2m_in.size
        return np.sort(np.random.default_rng(self.seed).choice(size, min(n, size), replace=False))

    def _learn(self, ds: xr.Dataset) -> int:
        hour, difference = ds.time.dt.hour, ds.t2m_tar - ds.t2m_in
        self._correction = difference.groupby(hour).mean("time")
        self._usual = ds.t2m_in.groupby(hour).mean("time")
        pick = self.draw(ds, self.n_samples)
        self.model = self._model().fit(self.table(ds, pick), difference.values.ravel()[pick])
        return self._size()

    @abstractmethod
    def _size(self) -> int:
        """Leaves of all trees."""

    def _apply(self, ds: xr.Dataset) -> np.ndarray:
        found = []
        for start in range(0, ds.sizes["time"], CHUNK):
            part = ds.isel(time=slice(start, start + CHUNK))
            found.append(self.model.predict(self.table(part, np.arange(part.t2m_in.size))))
        return ds.t2m_in.values + np.concatenate(found).reshape(ds.t2m_in.shape)


class RandomForest(Trees):
    """A random forest: the mean of deep trees, each grown on another sample of the samples."""

    def _model(self) -> RandomForestRegressor:
        options = {"min_samples_leaf": 5, "max_features": 0.3, "random_state": self.seed}
        return RandomForestRegressor(20, n_jobs=-1, **options)

    def _size(self) -> int:
        return sum(tree.get_n_leaves() for tree in self.model.estimators_)


class BoostedTrees(Trees):
    """Boosted trees: each small tree learns what the ones before it left over."""

    def _model(self) -> HistGradientBoostingRegressor:
        options = {"max_leaf_nodes": 31, "min_samples_leaf": 40, "random_state": self.seed}
        return HistGradientBoostingRegressor(
            max_iter=100, learning_rate=0.12, early_stopping=False, **options
        )

    def _size(self) -> int:
        return sum(p.get_n_leaf_nodes() for (p,) in self.model._predictors)
