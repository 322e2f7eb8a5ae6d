"""What simple physics knows of a column: paths of gases, optical depths, clouds above and below each level.

All functions take the inputs of `maelstrom_bootcamp.apps.radiation.columns.load_split` and return float64.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from maelstrom_bootcamp.apps.radiation.variables import PROFILES
from maelstrom_bootcamp.bucket.radiation.solver import G

Columns = Mapping[str, np.ndarray]
STEFAN_BOLTZMANN = 5.670374419e-8  # W/(m² K⁴), CODATA 2018
DENSITY_WATER, DENSITY_ICE = 1000.0, 917.0  # kg/m³
#: A cloud of optical depth tau scatters the share x / (1 + x) of the light back, with x = BACKWARD tau. Two
#: streams without absorption: x = (1 - g) tau sqrt(3) / 2, with the asymmetry g = 0.85 of drops (Lacis and
#: Hansen 1974, doi:10.1175/1520-0469(1974)031<0118:APFTAO>2.0.CO;2).
BACKWARD = 0.13
#: Columns of sca_inputs; the albedos for diffuse and for direct light.
SKIN, COS_ZENITH, EMISSIVITIES, IRRADIANCE = 0, 1, slice(14, 16), 16
ALBEDOS = (slice(2, 8), slice(8, 14))
_OVERCAST = 1 - 1e-6


def profile(columns: Columns, name: str) -> np.ndarray:
    """One of the profiles of "col_inputs" by its name, (N, 137)."""
    return columns["col_inputs"][..., PROFILES.index(name)].astype(float)


def layer_mass(columns: Columns) -> np.ndarray:
    """Mass of air of each layer in kg/m², (N, 137)."""
    return np.diff(columns["pressure_hl"][..., 0].astype(float)) / G


def incoming(columns: Columns) -> np.ndarray:
    """Sunlight on a level plane at the top of the atmosphere, (N,), in W/m²; 0 at night."""
    scalars = columns["sca_inputs"].astype(float)
    return np.maximum(scalars[:, COS_ZENITH], 0) * scalars[:, IRRADIANCE]


def emission(temperature: np.ndarray) -> np.ndarray:
    """What a black body emits, in W/m²: sigma T⁴."""
    return STEFAN_BOLTZMANN * temperature.astype(float) ** 4


def column_paths(columns: Columns) -> dict[str, np.ndarray]:
    """Mass of what absorbs in the whole column, (N,) each, in kg/m².

    Parameters
    ----------
    columns : mapping

    Returns
    -------
    dict of str to numpy.ndarray
        "water" vapour, "ozone", and the twelve "aerosol_1" ... "aerosol_12".
    """
    names = {"water": "q", "ozone": "o3_mmr"} | {f"aerosol_{i}": f"aerosol_mmr_{i}" for i in range(1, 13)}
    mass = layer_mass(columns)
    return {path: (profile(columns, name) * mass).sum(axis=1) for path, name in names.items()}


def cloud_depth(columns: Columns) -> np.ndarray:
    """Optical depth of the cloud water of each layer, for visible light, averaged over the layer, (N, 137).

    tau = 3 W / (2 rho r_e), W being the water or ice in kg/m² and r_e the effective radius: particles far
    larger than the wavelength take away twice the light that hits them (Stephens 1978,
    doi:10.1175/1520-0469(1978)035<2123:RPIEWC>2.0.CO;2).
    """
    mass, depth = layer_mass(columns), 0.0
    for kind, density in (("liquid", DENSITY_WATER), ("ice", DENSITY_ICE)):
        radius = np.maximum(profile(columns, f"re_{kind}"), 2e-6)
        depth = depth + 1.5 * profile(columns, f"q_{kind}") * mass / (density * radius)
    return depth


@dataclass(frozen=True)
class Cloud:
    """The clouds between each half level and one end of the column.

    Attributes
    ----------
    cover : numpy.ndarray
        Share of the sky that they hide, (N, 138).
    depth : numpy.ndarray
        Their optical depth for visible light where they are, (N, 138).
    emits : numpy.ndarray
        What a black body of their temperature emits, in W/m², (N, 138); 0 where there is no cloud.
    """

    cover: np.ndarray
    depth: np.ndarray
    emits: np.ndarray

    @property
    def reflects(self) -> np.ndarray:
        """Share of the sunlight scattered back, (N, 138)."""
        x = BACKWARD * self.depth
        return self.cover * x / (1 + x)

    @property
    def absorbs(self) -> np.ndarray:
        """Share of the longwave taken away, (N, 138): absorption, half of what drops take from light."""
        return self.cover * (1 - np.exp(-0.5 * self.depth))


def clouds(columns: Columns) -> tuple[Cloud, Cloud]:
    """Clouds above and clouds below each half level.

    Parameters
    ----------
    columns : mapping

    Returns
    -------
    above, below : Cloud
    """
    cover, alpha = profile(columns, "cloud_fraction"), columns["inter_inputs"][..., 0].astype(float)
    depth, warmth = cloud_depth(columns), columns["hl_inputs"][..., 0]
    emits = cover * emission(0.5 * (warmth[:, 1:] + warmth[:, :-1]))
    layers = (cover, depth, emits)
    return _from_top(*layers, alpha), _flipped(_from_top(*(x[:, ::-1] for x in layers), alpha[:, ::-1]))


def total_cloud_cover(columns: Columns) -> np.ndarray:
    """Share of the sky that clouds hide, (N,), with exponential-random overlap; see `clouds`."""
    cover, alpha = profile(columns, "cloud_fraction"), columns["inter_inputs"][..., 0].astype(float)
    return cover_from_top(cover, alpha)[:, -1]


def cover_from_top(cover: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Share of the sky that the clouds above each half level hide.

    Parameters
    ----------
    cover : numpy.ndarray
        Cloud fraction of each layer, (N, L).
    alpha : numpy.ndarray
        Overlap of neighbouring layers, (N, L - 1): 1 maximum, 0 random.

    Returns
    -------
    numpy.ndarray
        (N, L + 1), from 0 at the top.

    References
    ----------
    Hogan, R. and Illingworth, A. (2000): Deriving cloud overlap statistics from radar. QJRMS 126, 2903-2909.
    The recursion over pairs of layers is that of ecRad (``radiation_cloud_cover.F90``).
    """
    above, below = cover[:, :-1], cover[:, 1:]
    pair = alpha * np.maximum(above, below) + (1 - alpha) * (above + below - above * below)
    # Under an overcast layer nothing is clear: the ratio would be 0/0.
    ratio = np.where(above < _OVERCAST, (1 - pair) / np.maximum(1 - above, 1 - _OVERCAST), 0.0)
    clear = np.cumprod(np.hstack([1 - cover[:, :1], np.clip(ratio, 0, 1)]), axis=1)
    return np.hstack([np.zeros((len(cover), 1)), 1 - clear])


def _from_top(cover: np.ndarray, depth: np.ndarray, emits: np.ndarray, alpha: np.ndarray) -> Cloud:
    start = np.zeros((len(cover), 1))
    hidden = cover_from_top(cover, alpha)
    depth, emits, weight = (np.hstack([start, np.cumsum(x, axis=1)]) for x in (depth, emits, cover))
    return Cloud(hidden, depth / np.maximum(hidden, 1e-3), emits / np.maximum(weight, 1e-6))


def _flipped(cloud: Cloud) -> Cloud:
    return Cloud(*(x[:, ::-1] for x in (cloud.cover, cloud.depth, cloud.emits)))
