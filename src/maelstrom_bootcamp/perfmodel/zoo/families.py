"""Networks by lot from the eleven families on which TraPPM was trained, small enough for a processor.

The families have the structure of the originals (blocks, normalisation, activations, order of layers); their
widths, depths, kernels and resolutions are drawn. Differences that are meant: no class tokens (ViT averages
its tokens), no masks in Swin's shifted windows (additions of constants), and no dropout.

Sources: the papers of DenseNet (arXiv:1608.06993), EfficientNet (1905.11946), VGG (1409.1556), Swin
(2103.14030), Visformer (2104.12533), ResNet (1512.03385) and ResNeXt (1611.05431), PoolFormer (2111.11418),
MobileNet 1 to 3 (1704.04861, 1801.04381, 1905.02244), MnasNet (1807.11626), ConvNeXt (2201.03545) and
ViT (2010.11929).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence

from maelstrom_bootcamp.perfmodel.graph import ModelInputError
from maelstrom_bootcamp.perfmodel.zoo.blocks import (
    Draw,
    attention,
    classify,
    conv_mlp,
    conv_norm,
    inverted_bottleneck,
    mlp,
    norm_conv,
    rounded,
    squeeze_excite,
)
from maelstrom_bootcamp.perfmodel.zoo.blueprint import Blueprint, Tensor
from maelstrom_bootcamp.perfmodel.zoo.builder import Builder

#: Heights and widths of the input in pixels.
RESOLUTIONS: tuple[int, ...] = (32, 48, 64, 80, 96, 112, 128, 160)
#: Multiply-accumulates of one sample, at most: a hundredth of a second and more on one core.
MAX_MACS = 600_000_000
#: The last seed of a labelled network; the unlabelled ones of `corpus` start behind it.
LABELLED_SEEDS = 100_000

_ATTEMPTS = 500
_CLASSES = (10, 100, 200, 1000)
_Stage = tuple[int, int, int, int]


def _densenet(draw: Draw, net: Builder) -> Tensor:
    growth = 4 * draw.between(2, 10)
    factor = draw.pick(2, 4, 4)
    depths = [draw.between(2, 10) for _ in range(draw.between(3, 4))]
    x = conv_norm(net, net.input, 2 * growth, draw.pick(3, 7), _early_stride(net))
    for stage, depth in enumerate(depths):
        if stage and x.shape[1] >= 4:
            x = net.average_pool(norm_conv(net, x, x.shape[0] // 2, 1), 2, 2)
        for _ in range(depth):
            x = net.concat([x, norm_conv(net, norm_conv(net, x, factor * growth, 1), growth, 3)])
    x = net.activation(net.batch_norm(x), "relu")
    return classify(net, x, draw.pick(*_CLASSES))


def _vgg(draw: Draw, net: Builder) -> Tensor:
    width = 8 * draw.between(2, 9)
    norm = draw.chance(0.5)
    x = net.input
    for stage in range(draw.between(3, 5)):
        for _ in range(draw.between(1, 4)):
            x = net.conv(x, width * min(2**stage, 8), 3, bias=not norm)
            x = net.activation(net.batch_norm(x) if norm else x, "relu")
        x = net.max_pool(x, 2, 2) if x.shape[1] >= 2 else x
    x = net.flatten(x)
    hidden = 64 * draw.between(1, 12)
    for _ in range(draw.between(1, 2)):
        x = net.activation(net.dense(x, hidden), "relu")
    return net.dense(x, draw.pick(*_CLASSES))


def _resnet(draw: Draw, net: Builder) -> Tensor:
    bottleneck = draw.chance(0.5)
    width = 8 * draw.between(2, 9)
    groups = draw.pick(1, 1, 1, 4, 8) if bottleneck else 1
    widening = draw.pick(2, 4) if bottleneck else 1
    squeeze = draw.chance(0.15)
    x = conv_norm(net, net.input, width, draw.pick(3, 7), _early_stride(net))
    if x.shape[1] >= 48:
        x = net.max_pool(x, 3, 2, 1)
    for stage in range(draw.between(3, 4)):
        channels = width * 2**stage
        for block in range(draw.between(1, 5)):
            stride = 2 if stage and not block and x.shape[1] >= 2 else 1
            if bottleneck:
                y = conv_norm(net, x, channels, 1)
                y = conv_norm(net, y, channels, 3, stride, groups=groups)
                y = conv_norm(net, y, channels * widening, 1, activation=None)
            else:
                y = conv_norm(net, conv_norm(net, x, channels, 3, stride), channels, activation=None)
            if squeeze:
                y = squeeze_excite(net, y, max(4, y.shape[0] // 16))
            if x.shape != y.shape:
                x = conv_norm(net, x, y.shape[0], 1, stride, activation=None)
            x = net.activation(net.add(y, x), "relu")
    return classify(net, x, draw.pick(*_CLASSES))


def _mobilenet(draw: Draw, net: Builder) -> Tensor:
    version = draw.between(1, 3)
    scale = draw.between(8, 30) / 20
    function = {1: "relu", 2: "relu6", 3: "hard_swish"}[version]
    x = conv_norm(
        net, net.input, rounded((16 if version == 3 else 32) * scale), stride=2, activation=function
    )
    for stage, width in enumerate((16, 24, 40, 80, 112, 160)[: draw.between(3, 6)]):
        channels = rounded(width * scale * (2 if version == 1 else 1))
        for block in range(draw.between(1, 4)):
            stride = 2 if not block and stage in (1, 2, 3, 5) and x.shape[1] > 2 else 1
            if version == 1:
                x = conv_norm(net, x, x.shape[0], 3, stride, groups=x.shape[0], activation=function)
                x = conv_norm(net, x, channels, 1, activation=function)
                continue
            x = inverted_bottleneck(
                net,
                x,
                channels,
                kernel=draw.pick(3, 5) if version == 3 else 3,
                stride=stride,
                expansion=draw.pick(3, 4, 6) if stage else 1,
                activation=function,
                squeeze=1.0 if version == 3 and stage in (2, 4, 5) else 0.0,
                gate="hard_sigmoid",
            )
    if version > 1:
        x = conv_norm(net, x, rounded(x.shape[0] * draw.pick(3, 4, 6)), 1, activation=function)
    return classify(net, x, draw.pick(*_CLASSES))


def _mnasnet(draw: Draw, net: Builder) -> Tensor:
    scale = draw.between(7, 30) / 20
    x = conv_norm(net, net.input, rounded(32 * scale), stride=2)
    x = inverted_bottleneck(net, x, rounded(16 * scale), expansion=1)
    stages = ((24, 3, 3, 2), (40, 5, 3, 2), (80, 5, 6, 2), (96, 3, 6, 1), (192, 5, 6, 2), (320, 3, 6, 1))
    x = _mobile_stages(draw, net, x, stages[: draw.between(3, 6)], scale, "relu", squeeze_chance=0.25)
    x = conv_norm(net, x, rounded(x.shape[0] * 4), 1)
    return classify(net, x, draw.pick(*_CLASSES))


def _efficientnet(draw: Draw, net: Builder) -> Tensor:
    scale = draw.between(8, 30) / 20
    x = conv_norm(net, net.input, rounded(32 * scale), stride=2, activation="silu")
    stages = ((16, 3, 1, 1), (24, 3, 6, 2), (40, 5, 6, 2), (80, 3, 6, 2), (112, 5, 6, 1), (192, 5, 6, 2))
    x = _mobile_stages(draw, net, x, stages[: draw.between(3, 6)], scale, "silu", squeeze_chance=1.0)
    x = conv_norm(net, x, rounded(x.shape[0] * 4), 1, activation="silu")
    return classify(net, x, draw.pick(*_CLASSES))


def _mobile_stages(
    draw: Draw,
    net: Builder,
    x: Tensor,
    stages: Sequence[_Stage],
    scale: float,
    function: str,
    squeeze_chance: float,
) -> Tensor:
    """Stages (channels, kernel, expansion, stride) of inverted bottlenecks, of a drawn depth each."""
    for channels, kernel, expansion, stride in stages:
        squeeze = 0.25 if draw.chance(squeeze_chance) else 0.0
        for block in range(draw.between(1, 4)):
            x = inverted_bottleneck(
                net,
                x,
                rounded(channels * scale),
                kernel=kernel,
                stride=stride if not block and x.shape[1] > 2 else 1,
                expansion=expansion,
                activation=function,
                squeeze=squeeze,
            )
    return x


def _poolformer(draw: Draw, net: Builder) -> Tensor:
    ratio = draw.pick(2, 3, 4)

    def block(x: Tensor) -> Tensor:
        x = net.add(x, net.layer_scale(net.average_pool(net.group_norm(x), 3, 1, 1)))
        return net.add(x, net.layer_scale(conv_mlp(net, net.group_norm(x), ratio)))

    x = _pyramid(draw, net, block, lambda x, channels: net.conv(x, channels, 3, 2, bias=True))
    return classify(net, x, draw.pick(*_CLASSES))


def _convnext(draw: Draw, net: Builder) -> Tensor:
    kernel, ratio = draw.pick(5, 7, 7, 9), draw.pick(2, 3, 4)

    def block(x: Tensor) -> Tensor:
        channels, height, width = x.shape
        y = net.layer_norm(net.to_tokens(net.conv(x, channels, kernel, groups=channels, bias=True)))
        return net.add(x, net.to_map(net.layer_scale(mlp(net, y, ratio)), height, width))

    def shrink(x: Tensor, channels: int) -> Tensor:
        y = net.to_map(net.layer_norm(net.to_tokens(x)), *x.shape[1:])
        return net.conv(y, channels, 2, 2, bias=True, pad=0)

    x = _pyramid(draw, net, block, shrink)
    x = net.layer_norm(net.flatten(net.global_pool(x)))
    return net.dense(x, draw.pick(*_CLASSES))


def _pyramid(
    draw: Draw,
    net: Builder,
    block: Callable[[Tensor], Tensor],
    shrink: Callable[[Tensor, int], Tensor],
) -> Tensor:
    """Two to four stages of a block, each with half the pixels and twice the channels of the one before."""
    width = 8 * draw.between(2, 10)
    kernel, stride = draw.pick((7, 4), (4, 4), (2, 2)) if net.input.shape[1] >= 64 else (2, 2)
    x = net.conv(net.input, width, kernel, stride, bias=True, pad=None if kernel > stride else 0)
    for stage in range(draw.between(2, 4)):
        if stage and x.shape[1] >= 2:
            x = shrink(x, width * 2**stage)
        for _ in range(draw.between(1, 5)):
            x = block(x)
    return x


def _visformer(draw: Draw, net: Builder) -> Tensor:
    width = 32 * draw.between(1, 4)
    head, ratio, groups = draw.pick(16, 32), draw.pick(2, 3, 4), draw.pick(4, 8)
    x = conv_norm(net, net.input, max(16, width // draw.pick(1, 2, 4)), draw.pick(3, 7), 2)
    patch = 4 if net.input.shape[1] >= 96 else 2
    x = net.batch_norm(net.conv(x, width, patch, patch, bias=True, pad=0))
    for stage in range(3):
        if stage and x.shape[1] >= 2:
            x = net.batch_norm(net.conv(x, width * 2**stage, 2, 2, bias=True, pad=0))
        for _ in range(draw.between(1, 4)):
            channels, height, breadth = x.shape
            if stage == 0:
                y = net.activation(net.conv(net.batch_norm(x), 2 * channels, 1), "gelu")
                y = net.activation(net.conv(y, 2 * channels, 3, groups=groups), "gelu")
                x = net.add(x, net.conv(y, channels, 1))
                continue
            y = attention(net, net.to_tokens(net.batch_norm(x)), channels // head, bias=False)
            x = net.add(x, net.to_map(y, height, breadth))
            x = net.add(x, conv_mlp(net, net.batch_norm(x), ratio, bias=False))
    return classify(net, net.batch_norm(x), draw.pick(*_CLASSES))


def _vit(draw: Draw, net: Builder) -> Tensor:
    patch = draw.pick(4, 8) if net.input.shape[1] <= 64 else draw.pick(8, 16)
    heads, head, ratio = draw.between(2, 8), draw.pick(16, 32, 48, 64), draw.pick(2, 3, 4)
    x = net.to_tokens(net.conv(net.input, heads * head, patch, patch, bias=True, pad=0))
    x = net.offset(x)
    for _ in range(draw.between(2, 12)):
        x = net.add(x, attention(net, net.layer_norm(x), heads))
        x = net.add(x, mlp(net, net.layer_norm(x), ratio))
    return net.dense(net.layer_norm(net.token_mean(x)), draw.pick(*_CLASSES))


def _swin(draw: Draw, net: Builder) -> Tensor:
    head, ratio, wanted = draw.pick(16, 32), draw.pick(2, 3, 4), draw.pick(4, 5, 7, 8)
    patch = draw.pick(2, 4) if net.input.shape[1] <= 64 else 4
    x = net.conv(net.input, head * draw.between(1, 4), patch, patch, bias=True, pad=0)
    side = x.shape[1]
    x = net.layer_norm(net.to_tokens(x))
    for stage in range(draw.between(2, 4)):
        if stage:
            if side < 4 or side % 2:
                break
            x, side = _merge_patches(net, x, side), side // 2
        window = max(w for w in range(1, min(wanted, side) + 1) if side % w == 0)
        for block in range(2 * draw.between(1, 2)):
            shift = window // 2 if block % 2 and window < side else 0
            y = _window_attention(net, net.layer_norm(x), side, window, shift, head)
            x = net.add(x, y)
            x = net.add(x, mlp(net, net.layer_norm(x), ratio))
    return net.dense(net.token_mean(net.layer_norm(x)), draw.pick(*_CLASSES))


def _window_attention(net: Builder, x: Tensor, side: int, window: int, shift: int, head: int) -> Tensor:
    """Attention within square windows of a map of ``side`` x ``side`` tokens; shifted ones reach across."""
    tokens, channels = x.shape
    n = side // window
    x = net.reshape(x, (side, side, channels))
    x = net.roll(x, -shift) if shift else x
    x = net.transpose(net.reshape(x, (n, window, n, window, channels)), (0, 2, 1, 3, 4))
    x = net.reshape(x, (n * n, window * window, channels))
    x = attention(net, x, channels // head, relative=True)
    x = net.transpose(net.reshape(x, (n, n, window, window, channels)), (0, 2, 1, 3, 4))
    x = net.reshape(x, (side, side, channels))
    x = net.roll(x, shift) if shift else x
    return net.reshape(x, (tokens, channels))


def _merge_patches(net: Builder, x: Tensor, side: int) -> Tensor:
    """Four neighbours become one token of twice the channels."""
    tokens, channels = x.shape
    x = net.transpose(net.reshape(x, (side // 2, 2, side // 2, 2, channels)), (0, 2, 1, 3, 4))
    x = net.layer_norm(net.reshape(x, (tokens // 4, 4 * channels)))
    return net.dense(x, 2 * channels, bias=False)


def _early_stride(net: Builder) -> int:
    """Small images keep their resolution in the first layer, as networks for CIFAR do."""
    return 2 if net.input.shape[1] >= 64 else 1


_GENERATORS: dict[str, Callable[[Draw, Builder], Tensor]] = {
    "densenet": _densenet,
    "efficientnet": _efficientnet,
    "vgg": _vgg,
    "swin": _swin,
    "visformer": _visformer,
    "resnet": _resnet,
    "poolformer": _poolformer,
    "mobilenet": _mobilenet,
    "mnasnet": _mnasnet,
    "convnext": _convnext,
    "vit": _vit,
}
#: TraPPM's eleven.
FAMILIES: tuple[str, ...] = tuple(_GENERATORS)


def make(
    family: str,
    seed: int,
    *,
    resolutions: Sequence[int] = RESOLUTIONS,
    max_macs: int = MAX_MACS,
) -> Blueprint:
    """Draw a network; the same arguments give the same network on every machine.

    Parameters
    ----------
    family : str
        One of `FAMILIES`.
    seed : int
        Not negative.
    resolutions : sequence of int
        Heights (and widths) of the input in pixels, from which one is drawn; at least 16 each.
    max_macs : int
        Networks with more multiply-accumulates for one sample are drawn again.

    Returns
    -------
    Blueprint

    Raises
    ------
    ModelInputError
        If there is no such family, a resolution is too small, or no network is small enough.
    """
    if family not in _GENERATORS:
        raise ModelInputError(f"There is no family {family!r}.", f"Take one of {', '.join(FAMILIES)}.")
    if seed < 0:
        raise ModelInputError(f"A seed of {seed} is negative.", "Give 0 or more.")
    if not resolutions or min(resolutions) < 16:
        raise ModelInputError(
            f"Resolutions {tuple(resolutions)} are too small.", "Give at least one, of at least 16 pixels."
        )
    draw = Draw((zlib.crc32(family.encode()), seed))
    for _ in range(_ATTEMPTS):
        side = draw.pick(*resolutions)
        net = Builder((3, side, side))
        output = _GENERATORS[family](draw, net)
        plan = net.finish(output, name=f"{family}-{seed}", family=family, seed=seed)
        if plan.macs <= max_macs:
            return plan
    raise ModelInputError(
        f"No {family} with at most {max_macs:,} multiply-accumulates was found in {_ATTEMPTS} draws.",
        "Allow more, or smaller resolutions.",
    )


def corpus(n: int, seed: int = 0) -> Iterator[Blueprint]:
    """Networks without labels, the families in turn; none of them is among the labelled ones by its seed.

    Parameters
    ----------
    n : int
    seed : int
        Another seed gives other networks.

    Yields
    ------
    Blueprint

    Raises
    ------
    ModelInputError
        If n or the seed is negative.
    """
    if n < 0 or seed < 0:
        raise ModelInputError(f"n = {n} with seed {seed} is no corpus.", "Give numbers of at least 0.")
    first = LABELLED_SEEDS * (seed + 1)
    for i in range(n):
        yield make(FAMILIES[i % len(FAMILIES)], first + i // len(FAMILIES))
