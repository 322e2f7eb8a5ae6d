"""A network of the course's own for sunlight: it shares out the incoming light, and reads clouds as optics.

The published families learn fluxes and differentiate them, or learn heating rates and add them up. Here each
unit of incoming light is given to exactly one of 139 receivers by a softmax: 137 layers, the surface, space.
So shares are never negative and always add up, whatever the weights. A layer's logit starts at the logarithm
of its mass: equal logits are equal heating rates, and thin layers are as easy to learn as thick ones.
(Differentiated fluxes are not: a thousandth of the flux is some 500 K/day in the thinnest layers.)

The inputs are turned into optical depths and cover first, by formulas that are older than networks.
"""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from maelstrom_bootcamp.apps.radiation.layers import (
    COS_ZENITH,
    G,
    LEVELS,
    Maxima,
    PER_DAY,
    column_inputs,
    joined,
    parted,
    register,
)
from maelstrom_bootcamp.apps.radiation.predictors import DENSITY_ICE, DENSITY_WATER
from maelstrom_bootcamp.bucket.radiation.air import EXTINCTION, half_levels
from maelstrom_bootcamp.nn.blocks import check_choice, check_counts

import keras
from keras import layers, ops

#: What is read in each layer -> mean and spread over the training columns, rounded: so numbers are near 1.
LAYER_TERMS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "cover_above": (0.2, 0.3),
        "cover_below": (0.5, 0.4),
        "depth_above": (0.4, 0.9),
        "cover": (0.03, 0.13),
        "water": (0.06, 0.3),
        "ice": (0.01, 0.07),
        "cloud": (0.1, 0.43),
        "vapour": (0.35, 0.35),
        "vapour_above": (-0.4, 0.5),
        "ozone": (0.5, 0.45),
        "ozone_above": (-0.65, 0.27),
        "aerosol": (0.07, 0.08),
        "soot": (0.01, 0.014),
        "pressure": (0.74, 0.22),
        "warmth": (0.1, 0.7),
    }
)
#: Cosine of the zenith angle, its root and its logarithm; four albedos; surface pressure.
SCALAR_TERMS = ((0.5, 0.29), (0.67, 0.24), (-0.9, 0.85), *[(0.14, 0.17)] * 4, (0.99, 0.055))
ALBEDO_TERMS = (2, 7, 8, 13)  # columns of sca_inputs: diffuse and direct, below and above 0.69 µm
CLOUD, AEROSOLS, LIQUID, ICE, R_LIQUID, R_ICE = 10, slice(11, 23), 23, 24, 25, 26  # of col_inputs
SOOT = slice(8, 10)  # of the aerosols
LEAST = 1e-6
#: Where training starts: heating rates by pressure (Pa), in the ratios of the mean training column (K/day).
USUAL = ((1, 6.6), (29, 9.5), (175, 15), (600, 7), (1500, 4.2), (3000, 2.3), (5300, 1.0), (8400, 0.4))
USUAL = (*USUAL, (12_700, 0.35), (27_000, 0.9), (52_000, 1.5), (91_000, 1.7), (101_000, 1.2))
AIR_SHARE = 0.2  # of the sunlight that stays in the air


@register
class OpticalTerms(layers.Layer):
    """What optics says of each layer: `LAYER_TERMS`.

    Cover above and below is that of clouds with maximum-random overlap (Geleyn and Hollingsworth 1979):
    layers that touch hide each other as far as they can. Optical depths of clouds: 3 W / (2 rho r_e), see
    `maelstrom_bootcamp.apps.radiation.predictors.cloud_depth`.

    Called with "col_inputs" ``(batch, levels, 27)``, "hl_inputs" ``(batch, levels + 1, 2)`` and "pressure_hl"
    ``(batch, levels + 1, 1)``; returns ``(batch, levels, 15)``, without unit, near 1.
    """

    def call(self, profiles: Any, half_levels: Any, pressure: Any) -> Any:
        """Compute and scale all terms."""
        p = pressure[..., 0]
        mass = (p[:, 1:] - p[:, :-1]) / G
        cover = profiles[..., CLOUD]
        inside = ops.maximum(cover, 1e-3)
        drops, crystals = (ops.maximum(profiles[..., i], 2e-6) for i in (R_LIQUID, R_ICE))
        water = 1.5 / DENSITY_WATER * profiles[..., LIQUID] * mass / drops
        ice = 1.5 / DENSITY_ICE * profiles[..., ICE] * mass / crystals
        vapour, ozone = profiles[..., 0] * mass, profiles[..., 1] * mass
        extinction = EXTINCTION.astype("float32")
        dust = profiles[..., AEROSOLS] * extinction
        terms = (
            1 - clear_share(cover),
            ops.flip(1 - clear_share(ops.flip(cover, 1)), 1),
            ops.log1p(ops.cumsum(water + ice, 1)),
            cover,
            ops.log1p(water / inside),
            ops.log1p(ice / inside),
            ops.log1p(5 * (water + ice)),
            ops.sqrt(ops.sqrt(vapour)),
            0.1 * ops.log(1e-7 + ops.cumsum(vapour, 1)),
            100 * ops.sqrt(ozone),
            0.1 * ops.log(1e-8 + ops.cumsum(ozone, 1)),
            3 * ops.sqrt(ops.sum(dust, -1) * mass),
            3 * ops.sqrt(ops.sum(dust[..., SOOT], -1) * mass),
            ops.log(0.5 * (p[:, 1:] + p[:, :-1]) + 1) / 12,
            (0.5 * (half_levels[:, 1:, 0] + half_levels[:, :-1, 0]) - 240) / 40,
        )
        mean, spread = zip(*LAYER_TERMS.values(), strict=True)
        return (ops.stack(terms, -1) - ops.array(mean, terms[0].dtype)) / ops.array(spread, terms[0].dtype)


def clear_share(cover: Any) -> Any:
    """Share of the sky without cloud from the top down to each layer, maximum-random overlap.

    Parameters
    ----------
    cover : tensor
        Cloud fraction of the layers from the top, ``(batch, levels)``.

    Returns
    -------
    tensor
        ``(batch, levels)``, each layer's own clouds included.
    """
    above, here = cover[:, :-1], cover[:, 1:]
    still = (1 - ops.maximum(above, here)) / ops.maximum(1 - above, LEAST)
    factors = ops.concatenate([1 - cover[:, :1], ops.minimum(still, 1.0)], axis=1)
    return ops.exp(ops.cumsum(ops.log(ops.maximum(factors, LEAST)), 1))


@register
class ScalarTerms(layers.Layer):
    """The sun, the ground's albedos and the surface pressure, scaled: ``(batch, 8)``.

    Called with "sca_inputs" ``(batch, 17)`` and "pressure_hl" ``(batch, levels + 1, 1)``.
    """

    def call(self, scalars: Any, pressure: Any) -> Any:
        """Root and logarithm of the sun's height spread the low sun out, where the path is long."""
        sun = scalars[:, COS_ZENITH]
        albedos = [scalars[:, i : i + 1] for i in ALBEDO_TERMS]
        terms = [sun, ops.sqrt(sun), ops.log(sun + 0.02), *albedos, pressure[:, -1] / 1e5]
        mean, spread = zip(*SCALAR_TERMS, strict=True)
        return (ops.concatenate(terms, 1) - ops.array(mean, sun.dtype)) / ops.array(spread, sun.dtype)


@register
class EnergyBudget(layers.Layer):
    """Share the incoming sunlight out: to the layers, the surface and space.

    Called with logits of the layers ``(batch, levels)``, of surface, space and albedo ``(batch, 3)``, with
    "sca_inputs" and "pressure_hl"; returns heating rates ``(batch, levels, 1)`` in K/day, and fluxes
    ``(batch, 3)`` in W/m²: net at the top, down and up at the surface. The third logit says where the albedo
    of the surface lies between the smallest and the largest of its twelve.
    """

    def build(self, of_layers: tuple, *others: tuple) -> None:
        """Each layer's own logit, whatever the column: ozone heats the stratosphere everywhere."""
        a, b = half_levels()
        half = np.interp(np.linspace(0, 1, of_layers[1] + 1), np.linspace(0, 1, a.size), a + b * 101_325)
        pressure, rate = np.array(USUAL).T
        rates = np.exp(np.interp(np.log((half[1:] + half[:-1]) / 2), np.log(pressure), np.log(rate)))
        # Softmax gives exp(0) = 1 to the surface and to space.
        rates *= 2 * AIR_SHARE / (1 - AIR_SHARE) / (rates * np.diff(half) / half[-1]).sum()
        start = keras.initializers.Constant(np.log(rates))
        self.usual = self.add_weight(shape=(of_layers[1],), initializer=start, name="usual")
        super().build(of_layers)

    def call(self, of_layers: Any, of_ends: Any, scalars: Any, pressure: Any) -> Any:
        """Softmax; then energy to temperature, and net flux to down and up."""
        thickness = pressure[:, 1:, 0] - pressure[:, :-1, 0]
        of_layers = of_layers + self.usual + ops.log(thickness / pressure[:, -1])
        logits = ops.concatenate([of_layers, of_ends[:, :2]], axis=1)
        shares = ops.softmax(logits, axis=1)
        sun = scalars[:, COS_ZENITH] * scalars[:, -1:]
        heating = PER_DAY * sun * shares[:, :-2] / thickness
        albedos = ops.clip(scalars[:, 2:14], 0.0, 0.99)
        low, high = ops.min(albedos, 1, keepdims=True), ops.max(albedos, 1, keepdims=True)
        albedo = low + (high - low) * ops.sigmoid(of_ends[:, 2:])
        kept = sun * shares[:, -2:-1]
        down = kept / (1 - albedo)
        flux = ops.concatenate([sun * (1 - shares[:, -1:]), down, down * albedo], axis=1)
        return heating[..., None], flux


def budget(
    *,
    levels: int = LEVELS,
    filters: int = 48,
    kernel_size: int = 3,
    dilation_rates: Sequence[int] = (1, 2, 4, 8),
    pool: int = 4,
    width: int = 96,
    band: str = "sw",
    maxima: Maxima | None = None,
) -> keras.Model:
    """Build "budget": optical terms, convolutions over joined layers, a softmax that closes the budget.

    Parameters
    ----------
    levels : int
        Layers of the atmosphere.
    filters, kernel_size : int
        Channels of the convolutions, and their width in groups of layers.
    dilation_rates : sequence of int
        Gaps of the convolutions after the first; each adds to what it reads.
    pool : int
        Layers in a group.
    width : int
        Of the dense layers that see the whole column.
    band : {"sw"}
        Longwave heating has both signs: nothing to share out.
    maxima : mapping, optional
        Not used: the terms have scales of their own. All families are built with the same arguments.

    Returns
    -------
    keras.Model
        "sw" is ``(batch, 3)`` as of `maelstrom_bootcamp.apps.radiation.networks.min_cnn`.

    Raises
    ------
    BootcampError
        If an argument cannot be built.
    """
    check_choice("band", band, ("sw",))
    check_counts(levels=levels, filters=filters, kernel_size=kernel_size, pool=pool, width=width)
    check_counts(**{f"dilation_rates[{i}]": rate for i, rate in enumerate(dilation_rates)})
    inputs = column_inputs(levels)
    scalars, pressure = inputs["sca_inputs"], inputs["pressure_hl"]
    terms = OpticalTerms(name="optics")(inputs["col_inputs"], inputs["hl_inputs"], pressure)
    single = ScalarTerms(name="scalars")(scalars, pressure)
    x, steps = joined(terms, pool)
    x = layers.Concatenate(name="column")([x, layers.RepeatVector(steps, name="everywhere")(single)])
    conv = {"filters": filters, "padding": "same", "activation": "swish"}
    x = layers.Conv1D(kernel_size=kernel_size, name="conv0", **conv)(x)
    for i, rate in enumerate(dilation_rates, start=1):
        more = layers.Conv1D(kernel_size=kernel_size, dilation_rate=rate, name=f"conv{i}", **conv)(x)
        x = layers.Add(name=f"sum{i}")([x, more])
    few = layers.Conv1D(8, 1, activation="swish", name="few")(x)
    whole = layers.Concatenate(name="whole")([layers.Flatten(name="flat")(few), single])
    for i in (1, 2):
        whole = layers.Dense(width, activation="swish", name=f"whole{i}")(whole)
    told = layers.RepeatVector(steps, name="told")(layers.Dense(16, activation="swish", name="tell")(whole))
    x = layers.Conv1D(filters, 1, activation="swish", name="mix")(layers.Concatenate(name="both")([x, told]))
    x = parted(layers.Conv1D(pool, 1, name="logits")(x), levels, pool)
    of_layers = layers.Reshape((levels,), name="of_layers")(x)
    of_ends = layers.Dense(3, name="of_ends")(whole)
    heating, flux = EnergyBudget(name="share_out")(of_layers, of_ends, scalars, pressure)
    return keras.Model(inputs, {"hr_sw": heating, "sw": flux}, name="budget")
