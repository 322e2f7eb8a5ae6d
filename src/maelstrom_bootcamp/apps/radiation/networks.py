"""Networks that emulate ECMWF's radiation scheme, with the physics built in; inputs: see `layers`.

Four families as published, and a plain dense network to compare with. Each serves sunlight (``band="sw"``) or
heat (``band="lw"``). All return `band`, fluxes in W/m², and "hr_" + `band`, heating rates ``(batch, 137, 1)``
in K/day.

Fluxes are a share, between 0 and 1, of what no flux can exceed: the incoming sunlight, or what a black body
of the warmest temperature in the column emits. (The reference learns the scale of its longwave network.)

Own code after ``climetlab_maelstrom_radiation.benchmarks``, version 0.7.5 (``models.py``, ``layers.py``;
ECMWF, Apache License 2.0). On the recurrent network: Ukkonen (2022), doi:10.1029/2021MS002875.
"""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from maelstrom_bootcamp.apps.radiation.layers import (
    ALBEDOS,
    COS_ZENITH,
    EMISSIVITIES,
    LEVELS,
    LayerFeatures,
    Maxima,
    SKIN,
    TopFlux,
    bound,
    column_inputs,
    flux_model,
    parted,
    scaled,
    whole_column,
)
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.nn.blocks import check_choice, check_counts

import keras
from keras import layers


def min_cnn(
    *,
    levels: int = LEVELS,
    filters: int = 64,
    kernel_size: int = 5,
    dilation_rates: Sequence[int] = (1, 2, 4, 8, 16),
    convs: int = 6,
    flux_filters: int = 8,
    flux_layers: int = 3,
    flux_width: int = 32,
    pool: int = 1,
    band: str = "sw",
    maxima: Maxima | None = None,
) -> keras.Model:
    """Build "min_cnn": heating rates first, fluxes at the ends only; 261,515 parameters with the defaults.

    Convolutions along the column, at first with growing gaps so that the top soon hears of the ground, then
    two heads: one gives the heating rates, the other the fluxes at the surface. The net flux at the top is
    not learnt: `TopFlux` computes it from both.

    Parameters
    ----------
    levels : int
        Layers of the atmosphere.
    filters, kernel_size : int
        Channels of the convolutions, and their width in levels.
    dilation_rates : sequence of int
        Gaps of the first convolutions.
    convs : int
        Convolutions without gaps after them.
    flux_filters, flux_layers, flux_width : int
        Head of the fluxes: channels that are kept of each level, dense layers, and their width.
    pool : int
        Join so many neighbouring levels before the first convolution, and part them in the end: less work.
        Not in the reference.
    band : {"sw", "lw"}
        Sunlight or heat. The number of parameters is the same.
    maxima : mapping of str to sequence of float, optional
        By what each input is divided; default: the maxima that ECMWF publishes with the data.

    Returns
    -------
    keras.Model
        `band` is ``(batch, 3)``: net flux at the top, down and up at the surface, in W/m².

    Raises
    ------
    BootcampError
        If a number is not a whole number >= 1, or the maxima do not fit.
    """
    check_counts(levels=levels, filters=filters, kernel_size=kernel_size, convs=convs, pool=pool)
    check_counts(flux_filters=flux_filters, flux_layers=flux_layers, flux_width=flux_width)
    inputs = column_inputs(levels)
    limit, x = bound(inputs, band), scaled(inputs, maxima)
    scalars, rates = x["sca_inputs"], [*dilation_rates, *[1] * convs]
    x = _convs(whole_column(x, levels, pool), filters, kernel_size, rates, "swish", "conv")
    heating = layers.Conv1D(pool, kernel_size, padding="same", name="heating")(x)
    heating = layers.Cropping1D((0, 1), name=f"hr_{band}")(parted(heating, levels + 1, pool))  # 137 layers

    x = layers.Conv1D(flux_filters, kernel_size, padding="same", activation="swish", name="flux_conv")(x)
    x = layers.Concatenate(name="flux_inputs")([layers.Flatten(name="flux_flat")(x), scalars])
    for i in range(1, flux_layers + 1):
        x = layers.Dense(flux_width, activation="swish", name=f"flux_dense{i}")(x)
    share = layers.Dense(2, activation="sigmoid", name="surface_share")(x)
    surface = layers.Multiply(name="surface")([share, limit])
    flux = TopFlux(name=band)(surface, heating, inputs["pressure_hl"])
    return keras.Model(inputs, {f"hr_{band}": heating, band: flux}, name="min_cnn")


def cnn(
    *,
    levels: int = LEVELS,
    filters: int = 64,
    kernel_size: int = 5,
    dilation_rates: Sequence[int] = (1, 2, 4, 8, 16),
    convs: int = 5,
    activation: str = "swish",
    pool: int = 1,
    band: str = "sw",
    maxima: Maxima | None = None,
) -> keras.Model:
    """Build "cnn": fluxes first, heating rates by the laws of physics; 200,642 parameters with the defaults.

    Parameters
    ----------
    levels, filters, kernel_size, dilation_rates, convs, pool, band, maxima
        As in `min_cnn`.
    activation : {"swish", "tanh"}
        Of all convolutions but the last.

    Returns
    -------
    keras.Model
        `band` is ``(batch, levels + 1, 2)``: flux down and up at each interface. The heating rates follow
        from it, see `maelstrom_bootcamp.apps.radiation.layers.HeatingRate`.

    Raises
    ------
    BootcampError
        If an argument cannot be built, or the maxima do not fit.
    """
    check_counts(levels=levels, filters=filters, kernel_size=kernel_size, convs=convs, pool=pool)
    check_choice("activation", activation, ("swish", "tanh"))
    inputs = column_inputs(levels)
    x = whole_column(scaled(inputs, maxima), levels, pool)
    x = _convs(x, filters, kernel_size, [*dilation_rates, *[1] * convs], activation, "conv")
    return flux_model(inputs, _share(x, kernel_size, pool, levels), band, "cnn")


def attention(
    *,
    levels: int = LEVELS,
    filters: int = 64,
    kernel_size: int = 5,
    convs: tuple[int, int] = (5, 5),
    heads: int = 8,
    activation: str = "swish",
    pool: int = 1,
    band: str = "sw",
    maxima: Maxima | None = None,
) -> keras.Model:
    """Build "cnn" with attention instead of gaps; 233,922 parameters with the defaults.

    Twice, each level may look at all others. The reference trains it without TensorFloat-32.

    Parameters
    ----------
    levels, filters, kernel_size, activation, pool, band, maxima
        As in `cnn`.
    convs : (int, int)
        Convolutions before the first and before the second layer of attention.
    heads : int
        Heads of the attention; each works with ``filters // heads`` numbers per level.

    Returns
    -------
    keras.Model
        As of `cnn`.

    Raises
    ------
    BootcampError
        If an argument cannot be built, or the maxima do not fit.
    """
    check_counts(levels=levels, filters=filters, kernel_size=kernel_size, heads=heads, pool=pool)
    check_counts(**{f"convs[{i}]": n for i, n in enumerate(convs)})
    check_choice("activation", activation, ("swish", "tanh"))
    if heads > filters:
        raise BootcampError(
            f"heads={heads} share {filters} filters: less than one each.",
            f"Give at most {filters} heads.",
        )
    inputs = column_inputs(levels)
    x = whole_column(scaled(inputs, maxima), levels, pool)
    for i, count in enumerate(convs, start=1):
        x = _convs(x, filters, kernel_size, [1] * count, activation, f"conv{i}_")
        x = layers.MultiHeadAttention(heads, filters // heads, name=f"attention{i}")(x, x)
    return flux_model(inputs, _share(x, kernel_size, pool, levels), band, "attention")


def rnn(
    *,
    levels: int = LEVELS,
    units: int = 64,
    cell: str = "lstm",
    unroll: bool = False,
    band: str = "sw",
    maxima: Maxima | None = None,
) -> keras.Model:
    """Build "rnn": down through the air, up, and down again; 124,930 parameters with the defaults.

    Sunlight is scattered down and up, and so goes the memory of the network. At the ground it is mixed with
    the albedos, which start the way up. With GRU cells it has 85,698 parameters.

    For heat, skin temperature and emissivities take the place of the albedos, and the sun is left out:
    123,522 parameters. (The reference's longwave network goes up first, then down, and not a third time.)

    Parameters
    ----------
    levels, maxima
        As in `min_cnn`. (The reference scales the gases for this network by a table of its own.)
    units : int
        Numbers that a cell remembers.
    cell : {"lstm", "gru"}
    unroll : bool
        Write the loops over the levels out. The numbers are the same; building takes longer, but then a
        reader of the network's graph, such as `maelstrom_bootcamp.perfmodel.read`, sees each step.
    band : {"sw", "lw"}

    Returns
    -------
    keras.Model
        As of `cnn`.

    Raises
    ------
    BootcampError
        If an argument cannot be built, or the maxima do not fit.

    Notes
    -----
    The reference takes the columns of "hl_inputs" for pressure and temperature, but in the data temperature
    comes first. Here the pressure is that of "pressure_hl".
    """
    check_counts(levels=levels, units=units)
    check_choice("cell", cell, ("lstm", "gru"))
    recurrent = {"lstm": layers.LSTM, "gru": layers.GRU}[cell]
    sweep = partial(recurrent, units, return_sequences=True, unroll=unroll)
    inputs = column_inputs(levels)
    x = scaled(inputs, maxima)
    profiles = [x["col_inputs"], inputs["hl_inputs"][..., :1], inputs["pressure_hl"]]
    if band == "sw":
        profiles.append(inputs["sca_inputs"][:, COS_ZENITH])
        surface = [inputs["sca_inputs"][:, ALBEDOS]]
    else:
        surface = [x["sca_inputs"][:, columns] for columns in (SKIN, EMISSIVITIES)]
    x = LayerFeatures(name="features")(*profiles)
    down, *state = sweep(return_state=True, name="down")(x)
    ground = layers.Concatenate(name="ground")([*state, *surface])
    start = [layers.Dense(units, name=f"ground_dense{i + 1}")(ground) for i in range(len(state))]

    lowest = layers.Reshape((1, units), name="lowest")(start[0])
    overlap = layers.ZeroPadding1D(1, name="overlap")(inputs["inter_inputs"])
    down = layers.Concatenate(axis=1, name="down_levels")([down, lowest])
    down = layers.Concatenate(name="down_overlap")([down, overlap])
    up = sweep(go_backwards=True, name="up")(down, initial_state=start)
    both = layers.Concatenate(name="both")([down, up[:, ::-1]])
    x = sweep(name="down_again")(both)
    return flux_model(inputs, _share(x, 1, 1, levels), band, "rnn")


def dense(
    *,
    levels: int = LEVELS,
    widths: Sequence[int] = (128, 128, 128),
    activation: str = "swish",
    pool: int = 1,
    band: str = "sw",
    maxima: Maxima | None = None,
) -> keras.Model:
    """Build "dense": all inputs in a row, no notion of up and down; 597,140 parameters with the defaults.

    The network one would try first, not of the reference. What the families do better, they owe to knowing
    which level lies above which.

    Parameters
    ----------
    levels, activation, band, maxima
        As in `cnn`.
    widths : sequence of int
        Of the hidden layers.
    pool : int
        Read the mean of so many neighbouring levels instead of each; the fluxes still are at all interfaces.

    Returns
    -------
    keras.Model
        As of `cnn`.

    Raises
    ------
    BootcampError
        If an argument cannot be built, or the maxima do not fit.
    """
    check_counts(levels=levels, pool=pool, **{f"widths[{i}]": width for i, width in enumerate(widths)})
    check_choice("activation", activation, ("swish", "tanh"))
    inputs = column_inputs(levels)
    x = scaled(inputs, maxima)
    profiles = [x[name] for name in ("col_inputs", "hl_inputs", "inter_inputs")]
    if pool > 1:
        profiles = [layers.AveragePooling1D(pool, padding="same")(profile) for profile in profiles]
    flat = [layers.Flatten()(profile) for profile in profiles]
    y = layers.Concatenate(name="flat")([x["sca_inputs"], *flat])
    for i, width in enumerate(widths, start=1):
        y = layers.Dense(width, activation=activation, name=f"dense{i}")(y)
    y = layers.Dense(2 * (levels + 1), activation="sigmoid", kernel_initializer="zeros", name="share")(y)
    share = layers.Reshape((levels + 1, 2), name="shares")(y)
    return flux_model(inputs, share, band, "dense")


def _share(x: Any, kernel_size: int, pool: int, levels: int) -> Any:
    """What share of the largest possible flux goes down and up at each interface.

    It starts with zeros: half of the largest flux everywhere, no divergence, no heating. From random weights,
    which are what the reference starts from, a training first has to find out what "smooth" means.
    """
    end = {"padding": "same", "activation": "sigmoid", "kernel_initializer": "zeros"}
    x = layers.Conv1D(2 * pool, kernel_size, name="share", **end)(x)
    return parted(x, levels + 1, pool)


def _convs(x: Any, filters: int, width: int, rates: Sequence[int], activation: str, name: str) -> Any:
    check_counts(**{f"dilation_rates[{i}]": rate for i, rate in enumerate(rates)})
    for i, rate in enumerate(rates, start=1):
        x = layers.Conv1D(
            filters, width, dilation_rate=rate, padding="same", activation=activation, name=f"{name}{i}"
        )(x)
    return x
