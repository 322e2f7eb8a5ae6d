"""What each kind of operator keeps in memory until its gradient is done, and what it needs meanwhile.

The rules were read from TensorFlow 2.21 under Keras 3.15 on a processor: the profiler of TensorFlow lists
every tensor that its allocator hands out, with the operator that asked for it and the moment at which it is
given back. Channels stand last there, and the compiler of graphs is switched off, as in `labels.train`.

The derivative of an operator says what it has to keep: a product keeps its factors, a function whose
derivative follows from its value (ReLU, sigmoid, softmax) keeps the value, a sum keeps nothing. What an
operator keeps beyond that is owed to the way in which it is written.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from maelstrom_bootcamp.perfmodel.graph import Op
from maelstrom_bootcamp.perfmodel.memory.pool import GRAIN

#: Bytes of a number in single precision.
WIDTH = 4


@dataclass(frozen=True, slots=True)
class Rule:
    """How one operator treats its tensors in a training step.

    Attributes
    ----------
    keeps_input, keeps_output : bool
        Whether the gradient reads what the operator read or wrote.
    in_place : bool
        The result may take the place of the input, if nobody else needs the input any more.
    back_in_place : bool
        The same for the gradients.
    extra : float
        Further tensors as large as the output that the forward pass makes and the gradient reads.
    work : float
        Tensors as large as the output that live during the forward pass of the operator only.
    back_work : float
        Tensors as large as the input that live during the gradient of the operator only.
    passes : bool
        The gradient of every input is that of the output, not a copy of it.
    copies : bool
        Input and weights are copied first, and the copies are kept.
    late_sum : bool
        The gradient of an offset is summed up after all other gradients: that of the output waits for it.
    late_weights : bool
        So are the gradients of all weights: the input waits, too.
    """

    keeps_input: bool = False
    keeps_output: bool = False
    in_place: bool = False
    back_in_place: bool = False
    extra: float = 0.0
    work: float = 0.0
    back_work: float = 0.0
    passes: bool = False
    copies: bool = False
    late_sum: bool = False
    late_weights: bool = False


_COPY = Rule()
_PRODUCT = Rule(keeps_input=True)
#: Functions of one number whose derivative follows from their value.
_OF_VALUE = Rule(keeps_output=True, in_place=True, back_in_place=True)

#: Rules of the kinds; `rule_of` refines them.
RULES: dict[str, Rule] = {
    # The gradient of the weights reads the input, that of the input reads the weights.
    "conv": _PRODUCT,
    # TensorFlow has no kernel for groups on a processor; Keras has XLA compile one, which keeps copies.
    "grouped_conv": Rule(keeps_input=True, copies=True, back_work=2.0),
    "depthwise_conv": _PRODUCT,
    "transposed_conv": _PRODUCT,
    "dense": _PRODUCT,
    "matmul": _PRODUCT,
    # (x - mean) / deviation is computed again from x and the statistics, which are small.
    "batch_norm": _PRODUCT,
    "group_norm": _PRODUCT,
    # Keras multiplies x with scale / deviation, which it writes out for every value.
    "layer_norm": replace(_PRODUCT, extra=1.0, work=1.0, back_work=1.0, late_sum=True),
    "relu": _OF_VALUE,
    "sigmoid": _OF_VALUE,
    "tanh": _OF_VALUE,
    "softmax": replace(_OF_VALUE, back_work=1.0),
    # x * sigmoid(b x): x and b x are kept.
    "silu": Rule(keeps_input=True, extra=1.0, back_in_place=True, back_work=1.0),
    # (x / 2) erfc(-x / sqrt(2)): x / 2 takes the place of x; the two other factors are new.
    "gelu": Rule(keeps_input=True, extra=2.0, back_in_place=True),
    # x * (relu6(x + 3) / 6): x and both factors are kept.
    "hard": Rule(keeps_input=True, extra=2.0, back_in_place=True),
    "add": Rule(in_place=True, passes=True),
    "mul": _PRODUCT,
    "elementwise": _PRODUCT,
    "concat": _COPY,
    "slice": _COPY,
    "copy": _COPY,
    "pad": _COPY,
    "pool": _COPY,
    "reduce": _COPY,
    "resize": _COPY,
    # Every step of a recurrent layer keeps its state and its gates.
    "recurrent": Rule(keeps_input=True, keeps_output=True, extra=5.0),
    "other": Rule(keeps_input=True, keeps_output=True),
}


def rule_of(op: Op) -> Rule:
    """The rule of one operator.

    Parameters
    ----------
    op : Op

    Returns
    -------
    Rule
    """
    rule = RULES[op.kind]
    if is_turn(op):
        return Rule(in_place=True, passes=True)
    if op.kind in ("conv", "grouped_conv", "transposed_conv") and has_bias(op):
        # One operator makes the gradients of kernel and bias, and it comes last.
        return replace(rule, late_weights=True)
    if op.kind == "dense" and has_bias(op):
        return replace(rule, late_sum=True)
    if op.kind == "add" and op.params:
        return replace(rule, late_sum=True)
    if op.kind == "mul" and not op.params and operands(op) == 1:
        return Rule(in_place=True, back_in_place=True)  # with a constant
    if op.kind == "hard" and "sigmoid" in op.name.lower():
        return replace(rule, extra=0.0)  # relu6(x + 3) takes the place of x
    if op.kind == "pool" and "max" in op.name.lower():
        return replace(rule, keeps_input=True, keeps_output=True)
    return rule


def arrays_of(op: Op) -> tuple[list[int], list[int]]:
    """The arrays in which an operator has its parameters.

    Parameters
    ----------
    op : Op

    Returns
    -------
    tuple of (list of int, list of int)
        Lengths of the trained ones and of the others (running statistics).
    """
    if op.kind == "batch_norm":
        return [op.params // 4] * 2, [op.params // 4] * 2
    if op.kind in ("layer_norm", "group_norm"):
        return [op.params // 2] * 2, []
    if has_bias(op):
        return [op.params - op.channels_out, op.channels_out], []
    return [op.params] if op.params else [], []


def small_values(op: Op) -> int:
    """Numbers for each channel that batch normalisation keeps: mean, variance, its root, scale and offset."""
    return op.params // 4 * 5 if op.kind == "batch_norm" else 0


def has_bias(op: Op) -> bool:
    """Whether a convolution or a product with a matrix has an offset for each channel."""
    if not (op.macs and op.channels_out and op.out_values):
        return False
    # Every weight is used once for each position: macs = weights * positions.
    return op.params > op.macs * op.channels_out // op.out_values


def operands(op: Op) -> int:
    """How many activations an operator reads, as far as its traffic tells: 1, or 2 for more than one."""
    return 2 if op.values - op.out_values - op.params > math.prod(op.in_shape) else 1


def padded_values(op: Op) -> int:
    """Values of the input with a border around it, if TensorFlow needs a copy with one; otherwise 0.

    A step of 1 is padded by the convolution itself. A longer one is padded on one side only, so that Keras
    models that were made for both sides put the border around by hand.
    """
    if len(op.in_shape) != 4 or len(op.out_shape) != 4 or op.stride == 1 or op.kernel <= op.stride:
        return 0
    # Channels are what a pool does not change; a convolution says how many it reads.
    channels = op.channels_in or (op.in_shape[1] if op.in_shape[1] == op.out_shape[1] else op.in_shape[-1])
    axes = (1, 2) if channels == op.in_shape[-1] else (2, 3)
    border = 2 * (op.kernel // 2)
    spare = min(op.in_shape[axis] - (op.out_shape[axis] - 1) * op.stride - op.kernel for axis in axes)
    if spare >= 0:
        return 0
    values = math.prod(op.in_shape)
    for axis in axes:
        values = values // op.in_shape[axis] * (op.in_shape[axis] + border)
    return values


def is_turn(op: Op) -> bool:
    """Whether a transposition only brings the channels to the other end: they are there already."""
    return (
        op.name == "Transpose"
        and len(op.in_shape) == len(op.out_shape) == 3
        and op.out_shape == (op.in_shape[0], op.in_shape[2], op.in_shape[1])
    )


def size(values: float) -> int:
    """Bytes that the allocator hands out for so many numbers; none for none."""
    return -(-int(values) * WIDTH // GRAIN) * GRAIN
