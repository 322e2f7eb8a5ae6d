"""What simple physics and plain statistics compute: the numbers that an emulator has to beat.

Every baseline is used in the same way::

    model = ClearSkyRegression().fit(train)   # arrays from load_split
    found = model.predict(test)               # {"sw": (N, 138, 2), "hr_sw": (N, 137, 1), "lw": ..., ...}

All of them learn *shares*: sunlight as a share of the sunlight that comes in at the top, longwave as a share
of what a black body as warm as the surface emits. By night there is nothing to share, and all sunlight is
exactly 0. Heating rates are computed from the fluxes, so that the energy budget is closed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from maelstrom_bootcamp.apps.radiation.predictors import (
    ALBEDOS,
    COS_ZENITH,
    EMISSIVITIES,
    SKIN,
    Columns,
    cloud_depth,
    clouds,
    column_paths,
    emission,
    incoming,
    profile,
    total_cloud_cover,
)
from maelstrom_bootcamp.bucket.radiation.solver import heating_rate
from maelstrom_bootcamp.errors import BootcampError

BANDS = ("sw", "lw")
#: Total cloud cover up to which a column counts as clear.
CLEAR = 0.01


def scale(columns: Columns, band: str) -> np.ndarray:
    """Flux of which all others are a share, (N,), in W/m²: incoming sunlight, or the surface's black body."""
    return incoming(columns) if band == "sw" else emission(columns["sca_inputs"][:, SKIN])


def take(columns: Columns, which: np.ndarray) -> dict[str, np.ndarray]:
    """Some of the columns, by number or mask."""
    return {name: values[which] for name, values in columns.items()}


class Baseline(ABC):
    """A method that learns from training columns, and computes fluxes and heating rates."""

    _fitted = False

    def fit(self, columns: Columns) -> Self:
        """Learn from columns and their labels; returns itself."""
        for band in BANDS:
            unit = scale(columns, band)
            lit = np.flatnonzero(unit > 0)
            if not lit.size:
                raise BootcampError("No training column lies by day.", "Give some with cos_zenith > 0.")
            share = columns[band][lit] / unit[lit, None, None]
            # Errors count in W/m², not as shares: the low sun must not weigh as much as the high one.
            self._learn(band, take(columns, lit), share, unit[lit])
        self._fitted = True
        return self

    def predict(self, columns: Columns) -> dict[str, np.ndarray]:
        """Compute fluxes (N, 138, 2) in W/m² and heating rates (N, 137, 1) in K/day of both bands."""
        if not self._fitted:
            raise BootcampError(f"{type(self).__name__} has not been fitted.", "Call fit(train) first.")
        found = {}
        for band in BANDS:
            unit = scale(columns, band)
            lit = np.flatnonzero(unit > 0)
            flux = np.zeros((len(unit), columns["pressure_hl"].shape[1], 2))
            if lit.size:
                flux[lit] = self._shares(band, take(columns, lit)) * unit[lit, None, None]
            flux[:, 0, 0] = unit if band == "sw" else 0  # what comes in at the top is known
            heating = heating_rate(flux[..., 0], flux[..., 1], columns["pressure_hl"][..., 0].astype(float))
            found |= {band: flux, f"hr_{band}": heating[..., None]}
        return {name: values.astype(np.float32) for name, values in found.items()}

    @abstractmethod
    def _learn(self, band: str, columns: Columns, share: np.ndarray, weight: np.ndarray) -> None:
        """Learn the shares (N, 138, 2) of columns by day (shortwave) or of all (longwave)."""

    @abstractmethod
    def _shares(self, band: str, columns: Columns) -> np.ndarray:
        """Shares (N, 138, 2)."""


@dataclass
class MeanByAngle(Baseline):
    """The mean of all training columns with as high a sun; in the longwave, with as warm a surface.

    Attributes
    ----------
    classes : int
        Classes of the cosine of the zenith angle and of the skin temperature, each with as many columns.
    """

    classes: int = 20
    _edges: dict[str, np.ndarray] = field(default_factory=dict, init=False, repr=False)
    _means: dict[str, np.ndarray] = field(default_factory=dict, init=False, repr=False)

    def _learn(self, band: str, columns: Columns, share: np.ndarray, weight: np.ndarray) -> None:
        known = self._key(band, columns)
        n = min(self.classes, len(known))
        self._edges[band] = np.quantile(known, np.linspace(0, 1, n + 1)[1:-1])
        member = self._class(band, columns)
        sums = np.zeros((n, *share.shape[1:]))
        np.add.at(sums, member, share * weight[:, None, None])
        self._means[band] = sums / np.bincount(member, weight, n)[:, None, None].clip(1e-9)

    def _shares(self, band: str, columns: Columns) -> np.ndarray:
        return self._means[band][self._class(band, columns)]

    def _class(self, band: str, columns: Columns) -> np.ndarray:
        return np.searchsorted(self._edges[band], self._key(band, columns), side="right")

    @staticmethod
    def _key(band: str, columns: Columns) -> np.ndarray:
        return columns["sca_inputs"][:, COS_ZENITH if band == "sw" else SKIN].astype(float)


@dataclass
class ClearSkyRegression(Baseline):
    """First the clear sky from its gases, then what clouds above and below each level change.

    The first regression is fitted to clear columns only, the second to what it leaves over in all columns;
    its terms vanish without clouds. Both are linear, and separate for each half level and direction.

    Attributes
    ----------
    ridge : float
        Penalty on the squares of the factors of standardised terms, per training column.
    """

    ridge: float = 1e-3
    _clear: dict[str, Pipeline] = field(default_factory=dict, init=False, repr=False)
    _cloud: dict[str, np.ndarray] = field(default_factory=dict, init=False, repr=False)

    def _learn(self, band: str, columns: Columns, share: np.ndarray, weight: np.ndarray) -> None:
        clear = np.flatnonzero(total_cloud_cover(columns) < CLEAR)
        if clear.size < 2:
            raise BootcampError(
                "There are no clear columns to learn the clear sky from.", "Give more training columns."
            )
        terms = clear_terms(band, columns)
        wanted = share[clear].reshape(clear.size, -1)
        self._clear[band] = regression(terms[clear], wanted, weight[clear], self.ridge)
        left = share - self.clear_sky(band, columns)
        self._cloud[band] = regression_by_level(cloud_terms(band, columns), left, weight, self.ridge)

    def _shares(self, band: str, columns: Columns) -> np.ndarray:
        terms = cloud_terms(band, columns)
        return self.clear_sky(band, columns) + np.einsum("nlt,ltw->nlw", terms, self._cloud[band])

    def clear_sky(self, band: str, columns: Columns) -> np.ndarray:
        """Shares (N, 138, 2) that the same air would have without its clouds."""
        return (
            self._clear[band].predict(clear_terms(band, columns)).reshape(len(columns["sca_inputs"]), -1, 2)
        )


@dataclass
class PCALinear(Baseline):
    """Principal components of the inputs, a linear regression, principal components of the fluxes.

    Attributes
    ----------
    inputs, outputs : int
        Components kept.
    ridge : float
        As of `ClearSkyRegression`.
    """

    inputs: int = 96
    outputs: int = 32
    ridge: float = 1e-3
    _models: dict[str, tuple[Pipeline, Pipeline, PCA]] = field(default_factory=dict, init=False, repr=False)

    def _learn(self, band: str, columns: Columns, share: np.ndarray, weight: np.ndarray) -> None:
        flat, known = share.reshape(len(share), -1), stacked_profiles(columns)
        compress = make_pipeline(StandardScaler(), _pca(self.inputs, known)).fit(known)
        expand = _pca(self.outputs, flat).fit(flat)
        terms = np.hstack([compress.transform(known), stacked_scalars(columns)])
        linear = regression(terms, expand.transform(flat), weight, self.ridge)
        self._models[band] = (compress, linear, expand)

    def _shares(self, band: str, columns: Columns) -> np.ndarray:
        compress, linear, expand = self._models[band]
        terms = np.hstack([compress.transform(stacked_profiles(columns)), stacked_scalars(columns)])
        return expand.inverse_transform(linear.predict(terms)).reshape(len(terms), -1, 2)


# ---- terms -----------------------------------------------------------------------------------------


def clear_terms(band: str, columns: Columns) -> np.ndarray:
    """What the fluxes of a clear sky depend on, (N, terms).

    Sunlight: height of the sun, paths of what absorbs along the slant, surface pressure (scattering by air),
    albedo. Longwave: what the air emits at some heights as a share of what the surface emits, water along the
    column, emissivity of the surface.
    """
    scalars, paths = columns["sca_inputs"].astype(float), column_paths(columns)
    pressure = columns["pressure_hl"][:, -1:, 0].astype(float) / 1e5
    water, ozone = paths["water"][:, None], paths["ozone"][:, None]
    if band == "lw":
        emits = emission(columns["hl_inputs"][:, ::12, 0]) / emission(scalars[:, SKIN, None])
        wet = np.log(water + 0.1)
        # Water and warmth act together: the terms where they meet are those of the lower half of the air.
        parts = [emits, wet, wet**2, np.sqrt(water), wet * emits[:, 4:], np.sqrt(water) * emits[:, -1:]]
        return np.hstack([*parts, ozone, pressure, scalars[:, EMISSIVITIES]])
    sun = scalars[:, COS_ZENITH, None]
    slant = 1 / (sun + 0.05)
    wet, dry = (water * slant) ** 0.3, np.sqrt(ozone * slant)
    dust = sum(paths[f"aerosol_{i}"] for i in range(1, 13))[:, None]
    diffuse, direct = (scalars[:, which].mean(axis=1, keepdims=True) for which in ALBEDOS)
    parts = [sun, sun**2, np.sqrt(sun), wet, wet**2, dry, dust, dust * slant, pressure, pressure * slant]
    return np.hstack([*parts, diffuse, direct, diffuse * sun, diffuse * wet, diffuse * slant])


def cloud_terms(band: str, columns: Columns) -> np.ndarray:
    """What clouds change, at each half level, (N, 138, terms); all 0 in a clear column."""
    above, below = clouds(columns)
    scalars = columns["sca_inputs"].astype(float)
    if band == "lw":
        unit = emission(scalars[:, SKIN, None])
        wet = np.log(column_paths(columns)["water"] + 0.1)[:, None]
        terms = [above.absorbs * below.absorbs]
        for cloud in (above, below):
            a = cloud.absorbs
            terms += [a, a**2, a * cloud.emits / unit, a * wet]
        return np.stack(terms, axis=-1)
    sun = scalars[:, COS_ZENITH, None]
    albedo = scalars[:, ALBEDOS[0]].mean(axis=1, keepdims=True)
    terms = [above.reflects * below.reflects]
    for cloud in (above, below):
        r = cloud.reflects
        terms += [r, r**2, r * sun, r * albedo, cloud.cover, cloud.cover * sun]
    return np.stack(terms, axis=-1)


def stacked_profiles(columns: Columns) -> np.ndarray:
    """Profiles side by side, (N, 686): temperature, logarithms of what spans decades, cloud cover."""
    parts = (
        columns["hl_inputs"][..., 0],
        np.log(profile(columns, "q") + 1e-7),
        np.log(profile(columns, "o3_mmr") + 1e-9),
        profile(columns, "cloud_fraction"),
        np.log1p(cloud_depth(columns)),
    )
    return np.hstack(parts)


def stacked_scalars(columns: Columns) -> np.ndarray:
    """Scalars of a column, surface pressure, and paths, (N, 33)."""
    scalars = columns["sca_inputs"].astype(float)
    paths = np.stack(list(column_paths(columns).values()), axis=1)
    return np.hstack([scalars, scalars[:, COS_ZENITH, None] ** 2, columns["pressure_hl"][:, -1], paths])


# ---- regressions -----------------------------------------------------------------------------------


def regression(terms: np.ndarray, wanted: np.ndarray, weight: np.ndarray, ridge: float) -> Pipeline:
    """Ridge regression on standardised terms; an error counts in proportion to the weight of its column."""
    model = make_pipeline(StandardScaler(), Ridge(ridge * len(terms)))
    return model.fit(terms, wanted, ridge__sample_weight=(weight / weight.mean()) ** 2)


def regression_by_level(
    terms: np.ndarray, wanted: np.ndarray, weight: np.ndarray, ridge: float
) -> np.ndarray:
    """One ridge regression without a constant for each half level: factors (138, terms, 2).

    Terms are scaled alike at all levels. So the penalty decides where clouds are rare, and factors change
    little from level to level: a jump between two levels would be a spike of the heating rate.
    """
    size = np.sqrt((terms**2).mean(axis=(0, 1))).clip(1e-9)
    share = (weight / weight.mean()) ** 2
    model = Ridge(ridge * len(terms), fit_intercept=False)
    factors = [
        model.fit(terms[:, level] / size, wanted[:, level], share).coef_.T for level in range(terms.shape[1])
    ]
    return np.array(factors) / size[:, None]


def _pca(components: int, values: np.ndarray) -> PCA:
    return PCA(min(components, *values.shape), svd_solver="covariance_eigh")
