"""The networks of `perfmodel.networks` once more, as Keras models."""

from __future__ import annotations

import keras
from keras import layers


def small_cnn() -> keras.Model:
    x = given = keras.Input((32, 32, 3))
    for channels, groups, stride, act in ((16, 1, 2, "relu"), (0, 0, 1, "silu"), (32, 4, 1, "relu")):
        if channels:
            x = layers.Conv2D(channels, 3, stride, "same", groups=groups, use_bias=False)(x)
        else:
            x = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
        x = layers.Activation(act)(layers.BatchNormalization()(x))
    x = layers.GlobalAveragePooling2D()(layers.MaxPooling2D()(x))
    return keras.Model(given, layers.Dense(10)(x))


class Place(layers.Layer):
    """A trained offset for every token."""

    def build(self, shape):
        self.offset = self.add_weight(shape=(1, *shape[1:]), name="offset")

    def call(self, x):
        return x + self.offset


def small_vit() -> keras.Model:
    given = keras.Input((32, 32, 3))
    t = layers.Reshape((16, 32))(layers.Conv2D(32, 8, 8)(given))
    t = Place()(t)
    n = layers.LayerNormalization()(t)
    t = layers.Add()([t, layers.MultiHeadAttention(2, 16)(n, n)])
    n = layers.LayerNormalization()(t)
    t = layers.Add()([t, layers.Dense(32)(layers.Dense(128, "gelu")(n))])
    return keras.Model(given, layers.Dense(10)(layers.GlobalAveragePooling1D()(t)))
