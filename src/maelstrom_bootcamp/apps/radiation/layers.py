"""What the radiation networks share: their inputs, and layers that know physics.

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

Own code after ``climetlab_maelstrom_radiation.benchmarks``, version 0.7.5 (``models.py``, ``layers.py``;
ECMWF, Apache License 2.0).
"""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.nn.blocks import check_choice

import keras
from keras import layers, ops

LEVELS = 137
SCALARS, GASES = 17, 27
#: Columns of sca_inputs.
SKIN, COS_ZENITH, ALBEDOS, EMISSIVITIES, IRRADIANCE = (
    slice(0, 1),
    slice(1, 2),
    slice(2, 14),
    slice(14, 16),
    slice(16, 17),
)
CONSTANT_GASES = (5, 8, 9)  # columns of col_inputs: oxygen, HCFC-22 and CCl4, the same in all columns
G, CP = 9.80665, 1004.0  # m/s², J/(kg K)
PER_DAY = G / CP * 86_400  # K/day of a layer 1 Pa thick that keeps 1 W/m²
STEFAN_BOLTZMANN = 5.670374419e-8  # W/(m² K⁴), CODATA 2018
RNN_SCALES = (0.086698161, 0.0031765, 0.0004561)  # of log(pressure), temperature and thickness in the RNN
BANDS = ("sw", "lw")

Maxima = Mapping[str, Sequence[float]]
register = keras.saving.register_keras_serializable("maelstrom_bootcamp")


@register
class HeatingRate(layers.Layer):
    """Heating rate of each layer from the fluxes at its interfaces: what goes in and not out heats.

    Called with fluxes ``(batch, levels + 1, 2)``, down and up, in W/m², and pressures ``(batch, levels + 1,
    1)`` in Pa; returns ``(batch, levels, 1)`` in K/day: -(g / cp) d(down - up) / dp.
    """

    def call(self, fluxes: Any, pressure: Any) -> Any:
        """Divide the divergence of the net flux by the mass of the layer."""
        net = fluxes[..., :1] - fluxes[..., 1:]
        return -PER_DAY * (net[:, 1:] - net[:, :-1]) / (pressure[:, 1:] - pressure[:, :-1])


@register
class TopFlux(layers.Layer):
    """Net flux at the top that closes the energy budget: what the surface keeps plus what heats the air.

    Called with fluxes at the surface ``(batch, 2)``, down and up, heating rates ``(batch, levels, 1)`` and
    pressures ``(batch, levels + 1, 1)``; returns ``(batch, 3)``: net at the top, down and up at the surface.
    """

    def call(self, surface: Any, heating: Any, pressure: Any) -> Any:
        """Integrate the heating rates over the mass of the column."""
        heats = ops.sum(heating * (pressure[:, 1:] - pressure[:, :-1]), axis=1) / PER_DAY
        return ops.concatenate([surface[:, :1] - surface[:, 1:] + heats, surface], axis=-1)


@register
class Incoming(layers.Layer):
    """Sunlight on a level plane at the top of the atmosphere: no shortwave flux in a column exceeds it.

    Called with "sca_inputs" ``(batch, 17)``; returns ``(batch, 1)`` in W/m², 0 at night.
    """

    def call(self, scalars: Any) -> Any:
        """Irradiance times the cosine of the zenith angle."""
        return scalars[:, COS_ZENITH] * scalars[:, IRRADIANCE]


@register
class BlackBody(layers.Layer):
    """What a black body as warm as the warmest part of the column emits: no longwave flux exceeds it.

    Each layer and the surface send out at most what a black body of their own temperature does, and take away
    the same share of what comes in; so the largest flux belongs to the largest temperature.

    Called with "sca_inputs" ``(batch, 17)`` and "hl_inputs" ``(batch, levels + 1, 2)``; returns
    ``(batch, 1)`` in W/m²: Stefan's and Boltzmann's sigma T⁴.
    """

    def call(self, scalars: Any, half_levels: Any) -> Any:
        """Find the highest temperature, of the surface or of the air."""
        warmest = ops.maximum(scalars[:, SKIN], ops.max(half_levels[..., :1], axis=1))
        # T/100, so that half precision can hold the fourth power.
        return 1e8 * STEFAN_BOLTZMANN * ops.square(ops.square(0.01 * warmest))


@register
class LayerFeatures(layers.Layer):
    """What the recurrent network reads in each layer: gases, the sun, pressure, temperature, thickness.

    Called with scaled gases ``(batch, levels, 27)``, temperatures and pressures ``(batch, levels + 1, 1)``,
    and the cosine of the zenith angle ``(batch, 1)``; returns ``(batch, levels, 28)``. Without a cosine
    (longwave) the sun is left out: 27.
    """

    def call(self, gases: Any, temperature: Any, pressure: Any, cos_zenith: Any = None) -> Any:
        """Leave out the constant gases; mean of both interfaces for what is given there."""
        vary = [i for i in range(GASES) if i not in CONSTANT_GASES]
        log_p, kelvin, pascal = RNN_SCALES
        level = ops.log(0.5 * (pressure[:, 1:] + pressure[:, :-1])) * log_p
        warmth = 0.5 * (temperature[:, 1:] + temperature[:, :-1]) * kelvin
        thickness = (pressure[:, 1:] - pressure[:, :-1]) * pascal
        sun = [] if cos_zenith is None else [ops.repeat(cos_zenith[:, None], gases.shape[1], axis=1)]
        parts = [ops.take(gases, vary, axis=-1), *sun, level, warmth, thickness]
        return ops.concatenate(parts, axis=-1)


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


def column_inputs(levels: int) -> dict[str, Any]:
    """The five inputs of a network, see the table above.

    Parameters
    ----------
    levels : int
        Layers of the atmosphere.

    Returns
    -------
    dict of str to keras.KerasTensor
    """
    shapes = {
        "sca_inputs": (SCALARS,),
        "col_inputs": (levels, GASES),
        "hl_inputs": (levels + 1, 2),
        "inter_inputs": (levels - 1, 1),
        "pressure_hl": (levels + 1, 1),
    }
    return {name: keras.Input(shape, name=name) for name, shape in shapes.items()}


def scaled(inputs: Mapping[str, Any], maxima: Maxima | None) -> dict[str, Any]:
    """Divide each input but "pressure_hl" by its maxima.

    Parameters
    ----------
    inputs : mapping of str to tensor
    maxima : mapping of str to sequence of float, optional
        Default: `published_maxima`.

    Returns
    -------
    dict of str to tensor

    Raises
    ------
    BootcampError
        If the maxima do not fit the inputs.
    """
    maxima = published_maxima() if maxima is None else maxima
    found = {}
    for name, x in inputs.items():
        if name == "pressure_hl":
            continue
        if len(maxima.get(name, ())) != x.shape[-1] or not np.all(np.asarray(maxima[name]) > 0):
            raise BootcampError(
                f"The maxima of {name} are not {x.shape[-1]} numbers above 0.",
                f"Give maxima[{name!r}] one positive number per variable.",
            )
        scale = (1 / np.asarray(maxima[name], float)).tolist()
        found[name] = layers.Rescaling(scale, name=f"{name}_scaled")(x)
    return found


def whole_column(inputs: Mapping[str, Any], levels: int, pool: int = 1) -> Any:
    """All inputs at all half levels, zeros where one has fewer levels: ``(batch, levels + 1, 47)``.

    Parameters
    ----------
    inputs : mapping of str to tensor
        From `scaled`.
    levels : int
        Layers of the atmosphere.
    pool : int
        Join so many neighbouring half levels: nothing is lost, ``(batch, ceil((levels + 1) / pool), 30 pool +
        17)``. Zeros fill up below the ground.

    Returns
    -------
    tensor
    """
    parts = [
        layers.ZeroPadding1D((1, 0), name="col_padded")(inputs["col_inputs"]),
        inputs["hl_inputs"],
        layers.ZeroPadding1D((1, 1), name="inter_padded")(inputs["inter_inputs"]),
    ]
    steps = levels + 1
    if pool > 1:
        profiles, steps = joined(layers.Concatenate(name="profiles")(parts), pool)
        parts = [profiles]
    everywhere = layers.RepeatVector(steps, name="sca_everywhere")(inputs["sca_inputs"])
    return layers.Concatenate(name="column")([everywhere, *parts])


def joined(x: Any, pool: int) -> tuple[Any, int]:
    """Join `pool` neighbouring levels of ``(batch, levels, n)`` to one of ``pool * n`` numbers.

    Parameters
    ----------
    x : tensor
    pool : int

    Returns
    -------
    tensor, int
        ``(batch, steps, pool * n)``, filled up with zeros at the end, and the number of steps.
    """
    levels, channels = x.shape[1:]
    steps = -(-levels // pool)
    x = layers.ZeroPadding1D((0, steps * pool - levels), name="filled")(x)
    return layers.Reshape((steps, pool * channels), name="joined")(x), steps


def parted(x: Any, levels: int, pool: int) -> Any:
    """Undo `joined`: ``(batch, steps, pool * n)`` to ``(batch, levels, n)``.

    Parameters
    ----------
    x : tensor
    levels, pool : int

    Returns
    -------
    tensor
    """
    steps = x.shape[1]
    if pool > 1:
        x = layers.Reshape((steps * pool, x.shape[2] // pool), name="parted")(x)
    if steps * pool > levels:
        x = layers.Cropping1D((0, steps * pool - levels), name="cut")(x)
    return x


def bound(inputs: Mapping[str, Any], band: str) -> Any:
    """What no flux of the column exceeds: `Incoming` sunlight or the `BlackBody` of its warmest part.

    Parameters
    ----------
    inputs : mapping of str to tensor
        From `column_inputs`, not scaled.
    band : {"sw", "lw"}

    Returns
    -------
    tensor
        ``(batch, 1)`` in W/m².

    Raises
    ------
    BootcampError
        If there is no such band.
    """
    check_choice("band", band, BANDS)
    if band == "sw":
        return Incoming(name="incoming")(inputs["sca_inputs"])
    return BlackBody(name="black_body")(inputs["sca_inputs"], inputs["hl_inputs"])


def flux_model(inputs: Mapping[str, Any], share: Any, band: str, name: str) -> keras.Model:
    """The end of a network: shares become fluxes, and heating rates follow from them.

    Parameters
    ----------
    inputs : mapping of str to tensor
    share : tensor
        ``(batch, levels + 1, 2)``, down and up, from 0 to 1.
    band : {"sw", "lw"}
    name : str
        Of the model.

    Returns
    -------
    keras.Model
        Outputs `band` and "hr_" + `band`.
    """
    most = layers.Reshape((1, 1), name="most")(bound(inputs, band))
    flux = layers.Multiply(name=band)([share, most])
    heating = HeatingRate(name=f"hr_{band}")(flux, inputs["pressure_hl"])
    return keras.Model(dict(inputs), {f"hr_{band}": heating, band: flux}, name=name)
