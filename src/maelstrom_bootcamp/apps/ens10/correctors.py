"""Correctors: a network of `networks`, and what turns its numbers into a normal distribution.

The networks give two numbers for each grid point, without units. `corrector` puts a layer behind them, so
that what comes out is the forecast itself: its mean and its standard deviation, in the unit of the target.
"""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from maelstrom_bootcamp.apps.ens10 import networks
from maelstrom_bootcamp.apps.ens10.dataset import TASKS, task
from maelstrom_bootcamp.apps.ens10.predictors import SEES, Scaling
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.nn.blocks import check_choice

import keras
from keras import layers, ops

MODELS: Mapping[str, Callable[..., keras.Model]] = MappingProxyType(
    {f.__name__: f for f in (networks.mlp, networks.lenet, networks.unet, networks.transformer)}
)
#: Bounds of the logarithm of the factor by which a network widens the raw spread: a first guess gone wrong
#: must not overflow.
NARROW, WIDE = -5.0, 5.0


@keras.saving.register_keras_serializable(package="maelstrom_bootcamp")
class Relative(layers.Layer):
    """Read a network's numbers relative to the raw ensemble.

    .. math:: \\mu = o_0\\, s + m, \\qquad \\sigma = e^{o_1} s

    with mean m and spread s of the raw ensemble. A network that gives zeros leaves the forecast as it is.
    """

    def call(self, inputs: Any) -> Any:
        """From numbers and raw ensemble, both (batch, rows, columns, 2), to mean and standard deviation."""
        numbers, raw = inputs
        spread = raw[..., 1]
        mean = numbers[..., 0] * spread + raw[..., 0]
        return ops.stack([mean, ops.exp(ops.clip(numbers[..., 1], NARROW, WIDE)) * spread], axis=-1)


@keras.saving.register_keras_serializable(package="maelstrom_bootcamp")
class InUnits(layers.Layer):
    """Take a normalised mean and spread back to the unit of the target.

    Parameters
    ----------
    offset, scale : float
        Of the target, as the predictors were normalised.
    """

    def __init__(self, offset: float, scale: float, **options: Any) -> None:
        super().__init__(**options)
        self.offset, self.scale = float(offset), float(scale)

    def call(self, numbers: Any) -> Any:
        """From (batch, rows, columns, 2) to mean and standard deviation."""
        mean = numbers[..., 0] * self.scale + self.offset
        return ops.stack([mean, numbers[..., 1] * self.scale], axis=-1)

    def get_config(self) -> dict:
        """What a saved model needs to make this layer again."""
        return {**super().get_config(), "offset": self.offset, "scale": self.scale}


def corrector(
    model: str,
    target: str,
    scaling: Scaling,
    *,
    members: int,
    rows: int,
    columns: int,
    **options: Any,
) -> keras.Model:
    """Build a network that corrects the ensemble forecast of a target.

    Parameters
    ----------
    model : {"mlp", "lenet", "unet", "transformer"}
    target : {"z500", "t850", "t2m"}
    scaling : Scaling
        Of the training data.
    members : int
        Of the ensemble.
    rows, columns : int
        Of the grid.
    **options
        More arguments of the network.

    Returns
    -------
    keras.Model
        From a dict as `network_inputs` gives it to ``(batch, rows, columns, 2)``: mean and standard deviation
        in the unit of the target. It has the parameters of the network and no more.

    Raises
    ------
    BootcampError
        If there is no such model or target, or it cannot be built.
    """
    check_choice("model", model, tuple(MODELS))
    check_choice("target", target, tuple(TASKS))
    if scaling.variables != task(target).variables:
        raise BootcampError("The scaling is that of another task.", "Find it anew: find_scaling.")
    n, own = len(scaling.variables), scaling.variables.index(task(target).own)
    raw = keras.Input((rows, columns, 2), name="raw")
    grid = {} if model == "mlp" else {"rows": rows, "columns": columns}
    grid |= {"members": members, "own": own} if SEES[model] == "members" else {}
    network = MODELS[model](n, **(grid | options))
    channels = network.input_shape[-1]
    if model == "mlp":  # a sample is a grid point
        predictors = keras.Input((rows, columns, channels), name="predictors")
        numbers = network(ops.reshape(predictors, (-1, channels)))
        numbers = ops.reshape(numbers, (-1, rows, columns, 2))
    else:
        predictors = keras.Input(network.input_shape[1:], name="predictors")
        numbers = network(predictors)
    if SEES[model] == "members":
        forecast = InUnits(scaling.mean[own], scaling.mean_scale[own], name="in_units")(numbers)
    else:
        forecast = Relative(name="relative")([numbers, raw])
    inputs = {"predictors": predictors, "raw": raw}
    return keras.Model(inputs, forecast, name=f"{network.name}_{target}")
