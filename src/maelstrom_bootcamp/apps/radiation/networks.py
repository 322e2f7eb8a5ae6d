"""Four networks that emulate ECMWF's radiation scheme for sunlight, with the physics built in.

One sample is one column of the atmosphere: 137 layers ("full levels") between 138 interfaces ("half levels"),
counted from the top. The inputs are those of the data set ``maelstrom-radiation-tf``, not normalised:

=============== ============ ===========================================================================
"sca_inputs"    (17,)        skin temperature (K), cosine of the solar zenith angle, 12 albedos, 2 longwave
                             emissivities, solar irradiance (W/m²)
"col_inputs"    (137, 27)    humidity, 9 gases, cloud fraction, 12 aerosols, cloud water and ice (kg/kg or
                             mol/mol), effective radii of drops and ice crystals (m)
"hl_inputs"     (138, 2)     temperature (K), pressure (Pa)
"inter_inputs"  (136, 1)     overlap of the clouds of neighbouring layers
"pressure_hl"   (138, 1)     pressure (Pa)
=============== ============ ===========================================================================

All networks return "sw", fluxes in W/m², and "hr_sw" ``(batch, 137, 1)``, heating rates in K/day.

Own code after ``climetlab_maelstrom_radiation.benchmarks``, version 0.7.5 (``models.py``, ``layers.py``;
ECMWF, Apache License 2.0). On the recurrent network: Ukkonen (2022), doi:10.1029/2021MS002875.
"""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.nn.blocks import check_choice, check_counts

import keras
from keras import layers, ops

LEVELS = 137
SCALARS, GASES = 17, 27
COS_ZENITH, ALBEDOS, IRRADIANCE = slice(1, 2), slice(2, 14), slice(16, 17)  # columns of sca_inputs
CONSTANT_GASES = (5, 8, 9)  # columns of col_inputs: oxygen, HCFC-22 and CCl4, the same in all columns
G, CP = 9.80665, 1004.0  # m/s², J/(kg K)
PER_DAY = G / CP * 86_400  # K/day of a layer 1 Pa thick that keeps 1 W/m²
RNN_SCALES = (0.086698161, 0.0031765, 0.0004561)  # of log(pressure), temperature and thickness in the RNN

Maxima = Mapping[str, Sequence[float]]


@keras.saving.register_keras_serializable("maelstrom_bootcamp")
class HeatingRate(layers.Layer):
    """Heating rate of each layer from the fluxes at its interfaces: what goes in and not out heats.

    Called with fluxes ``(batch, levels + 1, 2)``, down and up, in W/m², and pressures ``(batch, levels + 1,
    1)`` in Pa; returns ``(batch, levels, 1)`` in K/day: -(g / cp) d(down - up) / dp.
    """

    def call(self, fluxes: Any, pressure: Any) -> Any:
        """Divide the divergence of the net flux by the mass of the layer."""
        net = fluxes[..., :1] - fluxes[..., 1:]
        return -PER_DAY * (net[:, 1:] - net[:, :-1]) / (pressure[:, 1:] - pressure[:, :-1])


@keras.saving.register_keras_serializable("maelstrom_bootcamp")
class TopFlux(layers.Layer):
    """Net flux at the top that closes the energy budget: what the surface keeps plus what heats the air.

    Called with fluxes at the surface ``(batch, 2)``, down and up, heating rates ``(batch, levels, 1)`` and
    pressures ``(batch, levels + 1, 1)``; returns ``(batch, 3)``: net at the top, down and up at the surface.
    """

    def call(self, surface: Any, heating: Any, pressure: Any) -> Any:
        """Integrate the heating rates over the mass of the column."""
        heats = ops.sum(heating * (pressure[:, 1:] - pressure[:, :-1]), axis=1) / PER_DAY
        return ops.concatenate([surface[:, :1] - surface[:, 1:] + heats, surface], axis=-1)


@keras.saving.register_keras_serializable("maelstrom_bootcamp")
class LayerFeatures(layers.Layer):
    """What the recurrent network reads in each layer: gases, the sun, pressure, temperature, thickness.

    Called with scaled gases ``(batch, levels, 27)``, temperatures and pressures ``(batch, levels + 1, 1)``,
    and the cosine of the zenith angle ``(batch, 1)``; returns ``(batch, levels, 28)``.
    """

    def call(self, gases: Any, temperature: Any, pressure: Any, cos_zenith: Any) -> Any:
        """Leave out the constant gases; mean of both interfaces for what is given there."""
        vary = [i for i in range(GASES) if i not in CONSTANT_GASES]
        sun = ops.repeat(cos_zenith[:, None], gases.shape[1], axis=1)
        log_p, kelvin, pascal = RNN_SCALES
        level = ops.log(0.5 * (pressure[:, 1:] + pressure[:, :-1])) * log_p
        warmth = 0.5 * (temperature[:, 1:] + temperature[:, :-1]) * kelvin
        thickness = (pressure[:, 1:] - pressure[:, :-1]) * pascal
        return ops.concatenate([ops.take(gases, vary, axis=-1), sun, level, warmth, thickness], axis=-1)


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
    maxima : mapping of str to sequence of float, optional
        By what each input is divided; default: the maxima that ECMWF publishes with the data.

    Returns
    -------
    keras.Model
        "sw" is ``(batch, 3)``: net flux at the top, down and up at the surface, in W/m².

    Raises
    ------
    BootcampError
        If a number is not a whole number >= 1, or the maxima do not fit.
    """
    check_counts(levels=levels, filters=filters, kernel_size=kernel_size, convs=convs)
    check_counts(flux_filters=flux_filters, flux_layers=flux_layers, flux_width=flux_width)
    inputs = _inputs(levels)
    scaled = _scaled(inputs, maxima)
    x = _convs(
        _column(scaled, levels), filters, kernel_size, [*dilation_rates, *[1] * convs], "swish", "conv"
    )
    heating = layers.Conv1D(1, kernel_size, padding="same", name="heating")(x)
    heating = layers.Cropping1D((0, 1), name="hr_sw")(heating)  # 138 values, and 137 layers

    x = layers.Conv1D(flux_filters, kernel_size, padding="same", activation="swish", name="flux_conv")(x)
    x = layers.Concatenate(name="flux_inputs")([layers.Flatten(name="flux_flat")(x), scaled["sca_inputs"]])
    for i in range(1, flux_layers + 1):
        x = layers.Dense(flux_width, activation="swish", name=f"flux_dense{i}")(x)
    share = layers.Dense(2, activation="sigmoid", name="surface_share")(x)
    surface = layers.Multiply(name="surface")([share, _incoming(inputs)])
    flux = TopFlux(name="sw")(surface, heating, inputs["pressure_hl"])
    return keras.Model(inputs, {"hr_sw": heating, "sw": flux}, name="min_cnn")


def cnn(
    *,
    levels: int = LEVELS,
    filters: int = 64,
    kernel_size: int = 5,
    dilation_rates: Sequence[int] = (1, 2, 4, 8, 16),
    convs: int = 5,
    activation: str = "swish",
    maxima: Maxima | None = None,
) -> keras.Model:
    """Build "cnn": fluxes first, heating rates by the laws of physics; 200,642 parameters with the defaults.

    Parameters
    ----------
    levels, filters, kernel_size, dilation_rates, convs, maxima
        As in `min_cnn`.
    activation : {"swish", "tanh"}
        Of all convolutions but the last.

    Returns
    -------
    keras.Model
        "sw" is ``(batch, levels + 1, 2)``: flux down and up at each interface, a share of the incoming
        sunlight between 0 and 1. "hr_sw" follows from it, see `HeatingRate`.

    Raises
    ------
    BootcampError
        If an argument cannot be built, or the maxima do not fit.
    """
    check_counts(levels=levels, filters=filters, kernel_size=kernel_size, convs=convs)
    check_choice("activation", activation, ("swish", "tanh"))
    inputs = _inputs(levels)
    x = _column(_scaled(inputs, maxima), levels)
    x = _convs(x, filters, kernel_size, [*dilation_rates, *[1] * convs], activation, "conv")
    return _fluxes(inputs, x, kernel_size, "cnn")


def attention(
    *,
    levels: int = LEVELS,
    filters: int = 64,
    kernel_size: int = 5,
    convs: tuple[int, int] = (5, 5),
    heads: int = 8,
    activation: str = "swish",
    maxima: Maxima | None = None,
) -> keras.Model:
    """Build "cnn" with attention instead of gaps; 233,922 parameters with the defaults.

    Twice, each level may look at all others. The reference trains it without TensorFloat-32.

    Parameters
    ----------
    levels, filters, kernel_size, activation, maxima
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
    check_counts(levels=levels, filters=filters, kernel_size=kernel_size, heads=heads)
    check_counts(**{f"convs[{i}]": n for i, n in enumerate(convs)})
    check_choice("activation", activation, ("swish", "tanh"))
    if heads > filters:
        raise BootcampError(
            f"heads={heads} share {filters} filters: less than one each.",
            f"Give at most {filters} heads.",
        )
    inputs = _inputs(levels)
    x = _column(_scaled(inputs, maxima), levels)
    for i, count in enumerate(convs, start=1):
        x = _convs(x, filters, kernel_size, [1] * count, activation, f"conv{i}_")
        x = layers.MultiHeadAttention(heads, filters // heads, name=f"attention{i}")(x, x)
    return _fluxes(inputs, x, kernel_size, "attention")


def rnn(
    *,
    levels: int = LEVELS,
    units: int = 64,
    cell: str = "lstm",
    unroll: bool = False,
    maxima: Maxima | None = None,
) -> keras.Model:
    """Build "rnn": down through the air, up, and down again; 124,930 parameters with the defaults.

    Sunlight is scattered down and up, and so goes the memory of the network. At the ground it is mixed with
    the albedos, which start the way up. With GRU cells it has 85,698 parameters.

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
    inputs = _inputs(levels)
    scalars = inputs["sca_inputs"]
    gases = _scaled(inputs, maxima)["col_inputs"]
    x = LayerFeatures(name="features")(
        gases, inputs["hl_inputs"][..., :1], inputs["pressure_hl"], scalars[:, COS_ZENITH]
    )
    down, *state = sweep(return_state=True, name="down")(x)
    ground = layers.Concatenate(name="ground")([*state, scalars[:, ALBEDOS]])
    start = [layers.Dense(units, name=f"ground_dense{i + 1}")(ground) for i in range(len(state))]

    lowest = layers.Reshape((1, units), name="lowest")(start[0])
    overlap = layers.ZeroPadding1D(1, name="overlap")(inputs["inter_inputs"])
    down = layers.Concatenate(axis=1, name="down_levels")([down, lowest])
    down = layers.Concatenate(name="down_overlap")([down, overlap])
    up = sweep(go_backwards=True, name="up")(down, initial_state=start)
    both = layers.Concatenate(name="both")([down, up[:, ::-1]])
    x = sweep(name="down_again")(both)
    return _fluxes(inputs, x, 1, "rnn")


def published_maxima() -> dict[str, list[float]]:
    """Read the maxima of the inputs that ECMWF publishes with the data; 1 where an input is always 0.

    Returns
    -------
    dict of str to list of float
        One number per variable of each input, in its unit.

    Raises
    ------
    BootcampError
        If the package climetlab-maelstrom-radiation is not installed.
    """
    spec = find_spec("climetlab_maelstrom_radiation")
    if spec is None or not spec.submodule_search_locations:
        raise BootcampError(
            "The maxima are part of climetlab-maelstrom-radiation, which is not installed.",
            "Install it, or give the network maxima of your own.",
        )
    path = Path(spec.submodule_search_locations[0]) / "benchmarks" / "inp_max_norm.npy"
    table = np.load(path, allow_pickle=True)[()]
    return {name: np.where(values == 0, 1, values).astype(float).tolist() for name, values in table.items()}


def _inputs(levels: int) -> dict[str, Any]:
    shapes = {
        "sca_inputs": (SCALARS,),
        "col_inputs": (levels, GASES),
        "hl_inputs": (levels + 1, 2),
        "inter_inputs": (levels - 1, 1),
        "pressure_hl": (levels + 1, 1),
    }
    return {name: keras.Input(shape, name=name) for name, shape in shapes.items()}


def _scaled(inputs: dict[str, Any], maxima: Maxima | None) -> dict[str, Any]:
    """Divide each input but the pressure by its maxima."""
    maxima = published_maxima() if maxima is None else maxima
    scaled = {}
    for name, x in inputs.items():
        if name == "pressure_hl":
            continue
        if len(maxima.get(name, ())) != x.shape[-1] or not np.all(np.asarray(maxima[name]) > 0):
            raise BootcampError(
                f"The maxima of {name} are not {x.shape[-1]} numbers above 0.",
                f"Give maxima[{name!r}] one positive number per variable.",
            )
        scale = (1 / np.asarray(maxima[name], float)).tolist()
        scaled[name] = layers.Rescaling(scale, name=f"{name}_scaled")(x)
    return scaled


def _column(scaled: dict[str, Any], levels: int) -> Any:
    """All inputs at all half levels ``(batch, levels + 1, 47)``, zeros where one has fewer levels."""
    parts = [
        layers.RepeatVector(levels + 1, name="sca_everywhere")(scaled["sca_inputs"]),
        layers.ZeroPadding1D((1, 0), name="col_padded")(scaled["col_inputs"]),
        scaled["hl_inputs"],
        layers.ZeroPadding1D((1, 1), name="inter_padded")(scaled["inter_inputs"]),
    ]
    return layers.Concatenate(name="column")(parts)


def _convs(x: Any, filters: int, width: int, rates: Sequence[int], activation: str, name: str) -> Any:
    check_counts(**{f"dilation_rates[{i}]": rate for i, rate in enumerate(rates)})
    for i, rate in enumerate(rates, start=1):
        x = layers.Conv1D(
            filters, width, dilation_rate=rate, padding="same", activation=activation, name=f"{name}{i}"
        )(x)
    return x


def _incoming(inputs: dict[str, Any]) -> Any:
    """Sunlight on a level plane at the top of the atmosphere, ``(batch, 1)`` in W/m²."""
    scalars = inputs["sca_inputs"]
    return scalars[:, COS_ZENITH] * scalars[:, IRRADIANCE]


def _fluxes(inputs: dict[str, Any], x: Any, kernel_size: int, name: str) -> keras.Model:
    """Model that ends in shares of the incoming sunlight, and the heating rates that follow from them."""
    share = layers.Conv1D(2, kernel_size, padding="same", activation="sigmoid", name="share")(x)
    sun = layers.Reshape((1, 1), name="sun")(_incoming(inputs))
    flux = layers.Multiply(name="sw")([share, sun])
    heating = HeatingRate(name="hr_sw")(flux, inputs["pressure_hl"])
    return keras.Model(inputs, {"hr_sw": heating, "sw": flux}, name=name)
