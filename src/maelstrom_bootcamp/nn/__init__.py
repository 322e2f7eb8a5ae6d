"""Neural networks: the U-Net, losses for uncertain targets, reproducible training.

Importing this package imports TensorFlow, and does so without its start-up messages (see `quiet`).
"""

# ruff: noqa: E402  (TensorFlow has to be started quietly before Keras is imported)
from maelstrom_bootcamp.nn._quiet import quiet, start_quietly

start_quietly()

from maelstrom_bootcamp.nn.flops import cost_by_layer, cost_by_level, macs_per_pixel
from maelstrom_bootcamp.nn.losses import QuantileLoss, quantile_score
from maelstrom_bootcamp.nn.training import compile_model, cosine_restarts, fit, set_seed
from maelstrom_bootcamp.nn.unet import (
    activations,
    basic_cnn,
    linear_net,
    pointwise_net,
    trainable_parameters,
    unet,
)
from maelstrom_bootcamp.nn.weights import load_weights_npz, read_extra, read_model_card, save_weights_npz

__all__ = [
    "QuantileLoss",
    "activations",
    "basic_cnn",
    "compile_model",
    "cosine_restarts",
    "cost_by_layer",
    "cost_by_level",
    "fit",
    "linear_net",
    "load_weights_npz",
    "macs_per_pixel",
    "pointwise_net",
    "quantile_score",
    "quiet",
    "read_extra",
    "read_model_card",
    "save_weights_npz",
    "set_seed",
    "start_quietly",
    "trainable_parameters",
    "unet",
]
