"""The network that sorts days into weather regimes: a ResNet-50 with the heads of DeepCluster-v2.

Own code after ``src/a6/models/resnet.py`` and ``src/a6/models/resnet_dcv2.py`` of
github.com/4castRenewables/maelstrom-a6, which adapt github.com/facebookresearch/swav. Residual networks:
He et al. (2016), arXiv:1512.03385; DeepCluster-v2: Caron et al. (2020), arXiv:2006.09882.
"""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from maelstrom_bootcamp.nn.blocks import check_counts, conv_norm

import keras
from keras import layers

EXPANSION = 4  # a bottleneck block has four times as many channels outside as inside
FAN_OUT = {"scale": 2.0, "mode": "fan_out", "distribution": "untruncated_normal"}
START = {"class_name": "VarianceScaling", "config": FAN_OUT}


def deepcluster(
    n_channels: int = 25,
    *,
    rows: int = 112,
    columns: int = 112,
    features: int = 64,
    blocks: Sequence[int] = (3, 4, 6, 3),
    hidden: int = 2048,
    embedding: int = 128,
    prototypes: Sequence[int] = (40, 40, 40),
) -> keras.Model:
    """Build DeepCluster-v2; with the defaults it has 28,055,104 trainable parameters.

    23,577,024 of them are the ResNet-50. It turns the fields of a day into 2,048 numbers, and a small dense
    network turns these into a point on the unit sphere in 128 dimensions. Each head compares the point with
    its prototypes, one for each weather regime. Several heads cluster the same days several times over.

    Parameters
    ----------
    n_channels : int
        Fields, normalised. 25 are geopotential, temperature, humidity and both winds on five pressure levels.
    rows, columns : int
        Grid points. The published benchmark trains on crops of 112 x 112 (0.8 of the shorter side of the
        domain of 141 x 221 points, 0.25 degrees apart).
    features : int
        Channels of the first convolution.
    blocks : sequence of int
        Blocks of each of the stages; from the second on, a stage halves the grid and doubles the channels.
    hidden : int
        Width of the hidden layer between the ResNet and the embedding.
    embedding : int
        Dimensions of the embedding.
    prototypes : sequence of int
        Clusters of each head. (The script of the JUBE benchmark has four heads of 40 instead of three.)

    Returns
    -------
    keras.Model
        Input ``(batch, rows, columns, n_channels)``. Outputs "embedding" ``(batch, embedding)`` of length 1,
        and "scores1", "scores2", ... ``(batch, prototypes[i])``: products of embedding and prototypes. A
        softmax of scores / 0.1 gives the probabilities of the clusters.

    Raises
    ------
    BootcampError
        If a number is not a whole number >= 1.
    """
    check_counts(n_channels=n_channels, rows=rows, columns=columns, features=features, hidden=hidden)
    check_counts(embedding=embedding)
    check_counts(**{f"blocks[{i}]": n for i, n in enumerate(blocks)})
    check_counts(**{f"prototypes[{i}]": n for i, n in enumerate(prototypes)})
    inputs = keras.Input((rows, columns, n_channels), name="fields")
    x = _resnet(inputs, features, blocks)

    x = layers.Dense(hidden, name="head_hidden")(x)
    x = layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name="head_norm")(x)
    x = layers.ReLU(name="head_relu")(x)
    x = layers.Dense(embedding, name="head_out")(x)
    x = layers.UnitNormalization(name="embedding")(x)
    outputs = {"embedding": x}
    for i, clusters in enumerate(prototypes, start=1):
        outputs[f"scores{i}"] = layers.Dense(clusters, use_bias=False, name=f"scores{i}")(x)
    return keras.Model(inputs, outputs, name="deepcluster")


def _resnet(x: Any, features: int, blocks: Sequence[int]) -> Any:
    """From fields ``(batch, y, x, channels)`` to ``(batch, 4 * features * 2 ** (len(blocks) - 1))``."""
    x = _conv(x, features, 7, stride=2, name="stem")
    x = layers.ZeroPadding2D(1, name="stem_pool_pad")(x)  # zeros do not count: all values are >= 0
    x = layers.MaxPooling2D(3, 2, name="stem_pool")(x)
    for stage, count in enumerate(blocks):
        for block in range(count):
            stride = 2 if stage > 0 and block == 0 else 1
            x = _bottleneck(x, features * 2**stage, stride, block == 0, f"stage{stage + 1}_block{block + 1}")
    return layers.GlobalAveragePooling2D(name="mean")(x)


def _bottleneck(x: Any, channels: int, stride: int, changes: bool, name: str) -> Any:
    """1 x 1 convolution to few channels, 3 x 3, and back, added to what came in.

    The stride sits in the 3 x 3 convolution, as in PyTorch; in `keras.applications` it sits in the first.
    """
    shortcut = x
    if changes:
        shortcut = _conv(x, channels * EXPANSION, 1, stride=stride, relu=False, name=f"{name}_shortcut")
    x = _conv(x, channels, 1, name=f"{name}_reduce")
    x = _conv(x, channels, 3, stride=stride, name=f"{name}_spatial")
    x = _conv(x, channels * EXPANSION, 1, relu=False, name=f"{name}_expand")
    return layers.ReLU(name=f"{name}_out")(layers.Add(name=f"{name}_add")([x, shortcut]))


def _conv(x: Any, channels: int, kernel_size: int, *, name: str, stride: int = 1, relu: bool = True) -> Any:
    return conv_norm(
        x,
        channels,
        kernel_size,
        stride=stride,
        bias=False,
        relu=relu,
        like="pytorch",
        initializer=START,
        name=name,
    )
