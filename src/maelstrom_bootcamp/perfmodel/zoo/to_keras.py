"""A blueprint as a Keras model: channels last, with the layers that one would write by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import layers, ops

from maelstrom_bootcamp.perfmodel.graph import Shape
from maelstrom_bootcamp.perfmodel.zoo.blueprint import Blueprint, Layer

KerasTensors = Sequence[Any]
Writer = Callable[[Layer, KerasTensors, str], Any]

#: Added to variances before their root: ONNX's default, a hundredth of Keras's.
EPSILON = 1e-5
_LOWEST = -3e38  # of single precision, nearly


@keras.saving.register_keras_serializable("maelstrom_bootcamp.perfmodel")
class Learned(layers.Layer):
    """A trained array that is added to its input, or multiplied with it.

    Parameters
    ----------
    shape : tuple of int
        Broadcast to the last axes of the input.
    multiply : bool
        Otherwise it is added.
    """

    def __init__(self, shape: Shape, multiply: bool, **options: Any) -> None:
        super().__init__(**options)
        self.shape, self.multiply = tuple(shape), multiply

    def build(self, input_shape: Shape) -> None:
        """Make the array: ones for products, zeros for sums."""
        fill = "ones" if self.multiply else "zeros"
        self.array = self.add_weight(shape=self.shape, initializer=fill, name="array")

    def call(self, x: Any) -> Any:
        """Apply it."""
        return x * self.array if self.multiply else x + self.array

    def get_config(self) -> dict[str, Any]:
        """What is needed to build the layer again."""
        return super().get_config() | {"shape": self.shape, "multiply": self.multiply}


def to_keras(blueprint: Blueprint) -> keras.Model:
    """Turn a blueprint into a functional Keras model.

    Parameters
    ----------
    blueprint : Blueprint

    Returns
    -------
    keras.Model
        Input (batch, height, width, channels), output as the blueprint's; random weights, any batch. Layers
        have the name of the blueprint's, and their number in it: "conv_1".
    """
    channels, height, width = blueprint.input_shape
    image = keras.Input((height, width, channels))
    made: list[list[Any]] = [[image]]
    for number, layer in enumerate(blueprint.layers[1:], start=1):
        inputs = [made[tensor.layer][tensor.port] for tensor in layer.inputs]
        outputs = _WRITERS[layer.op](layer, inputs, f"{layer.op}_{number}")
        made.append(list(outputs) if layer.outputs > 1 else [outputs])
    return keras.Model(image, made[-1][0], name=blueprint.name.replace(" ", "_") or None)


def _conv(layer: Layer, x: KerasTensors, name: str) -> Any:
    of = layer.attributes
    image, padding = _padded(layer, x[0])
    options = {"strides": of["stride"], "padding": padding, "use_bias": of["bias"], "name": name}
    if of["groups"] > 1 and of["groups"] == layer.inputs[0].shape[0] == layer.shape[0]:
        return layers.DepthwiseConv2D(of["kernel"], **options)(image)
    return layers.Conv2D(layer.shape[0], of["kernel"], groups=of["groups"], **options)(image)


def _pool(layer: Layer, x: KerasTensors, name: str) -> Any:
    image, padding = _padded(layer, x[0])
    pool = layers.MaxPooling2D if layer.op == "max_pool" else layers.AveragePooling2D
    return pool(layer.attributes["kernel"], layer.attributes["stride"], padding=padding, name=name)(image)


def _padded(layer: Layer, image: Any) -> tuple[Any, str]:
    """TensorFlow's "same" pads a step of 2 on one side only: then the border has to be put around by hand."""
    of = layer.attributes
    if not of["pad"]:
        return image, "valid"
    if of["stride"] == 1 and of["kernel"] == 2 * of["pad"] + 1:
        return image, "same"
    if layer.op == "max_pool":  # nothing may be smaller than what is put around
        border = [[0, 0], [of["pad"]] * 2, [of["pad"]] * 2, [0, 0]]
        return ops.pad(image, border, constant_values=_LOWEST), "valid"
    return layers.ZeroPadding2D(of["pad"])(image), "valid"


def _permute(layer: Layer, x: KerasTensors, name: str) -> Any:
    return layers.Permute([axis + 1 for axis in layer.attributes["order"]], name=name)(x[0])


def _split(layer: Layer, x: KerasTensors, name: str) -> Any:
    parts = ops.split(x[0], layer.outputs, axis=1)
    return [layers.Reshape(layer.shape, name=f"{name}_{port}")(part) for port, part in enumerate(parts)]


def _roll(layer: Layer, x: KerasTensors, name: str) -> Any:
    return ops.roll(x[0], (layer.attributes["shift"],) * 2, axis=(1, 2))


def _layer_scale(layer: Layer, x: KerasTensors, name: str) -> Any:
    channels = layer.shape[0] if layer.layout == "map" else layer.shape[-1]
    return Learned((channels,), multiply=True, name=name)(x[0])


def _to_map(layer: Layer, x: KerasTensors, name: str) -> Any:
    channels, height, width = layer.shape
    return layers.Reshape((height, width, channels), name=name)(x[0])


def _of_one(make: Callable[[Layer, str], layers.Layer]) -> Writer:
    """A layer of one tensor."""
    return lambda layer, x, name: make(layer, name)(x[0])


def _activation(function: str) -> Writer:
    return _of_one(lambda _, name: layers.Activation(function, name=name))


_reshape = _of_one(lambda layer, name: layers.Reshape(layer.shape, name=name))

#: How each layer is written. Maps have their channels last here, so turning them into tokens costs nothing.
_WRITERS: dict[str, Writer] = {
    "conv": _conv,
    "max_pool": _pool,
    "average_pool": _pool,
    "transpose": _permute,
    "split": _split,
    "roll": _roll,
    "layer_scale": _layer_scale,
    "to_map": _to_map,
    "to_tokens": _reshape,
    "reshape": _reshape,
    "flatten": _of_one(lambda _, name: layers.Flatten(name=name)),
    "batch_norm": _of_one(lambda _, name: layers.BatchNormalization(epsilon=EPSILON, name=name)),
    "group_norm": _of_one(lambda _, name: layers.GroupNormalization(1, epsilon=EPSILON, name=name)),
    "layer_norm": _of_one(lambda _, name: layers.LayerNormalization(epsilon=EPSILON, name=name)),
    "global_pool": _of_one(lambda _, name: layers.GlobalAveragePooling2D(keepdims=True, name=name)),
    "token_mean": _of_one(lambda _, name: layers.GlobalAveragePooling1D(name=name)),
    "concat": lambda _, x, name: layers.Concatenate(-1, name=name)(x),
    "dense": _of_one(
        lambda layer, name: layers.Dense(layer.shape[-1], use_bias=layer.attributes["bias"], name=name)
    ),
    "matmul": lambda _, x, name: ops.matmul(x[0], x[1]),
    "softmax": _of_one(lambda _, name: layers.Softmax(name=name)),
    "add": lambda _, x, name: layers.Add(name=name)(x),
    "multiply": lambda _, x, name: layers.Multiply(name=name)(x),
    "scale": _of_one(lambda layer, name: layers.Rescaling(layer.attributes["factor"], name=name)),
    "offset": _of_one(lambda layer, name: Learned(layer.attributes["offset"], multiply=False, name=name)),
    "gelu": lambda _, x, name: ops.gelu(x[0], approximate=False),
} | {name: _activation(name) for name in ("relu", "relu6", "sigmoid", "hard_sigmoid", "silu", "hard_swish")}
