"""The U-Net of application 1 as a native PyTorch module: a rival that owes nothing to Keras.

PyTorch is an optional extra. Importing this module needs it; nothing else of the package does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from maelstrom_bootcamp.errors import BootcampError

try:
    import torch
    from torch.nn import functional
except ImportError:
    raise BootcampError(
        "PyTorch is not installed: it is an extra.",
        "In the course's folder: pip install -e '.[backends]'",
    ) from None

QUANTILES = (0.1, 0.5, 0.9)


class UNet(torch.nn.Module):
    """The default network of `maelstrom_bootcamp.nn.unet`; fields are (batch, channels, y, x) here.

    Parameters
    ----------
    n_inputs, n_outputs, features, levels : int
        As for `nn.unet`.
    slope : float
        Of Leaky ReLU below zero.
    """

    def __init__(
        self,
        n_inputs: int = 17,
        n_outputs: int = 3,
        *,
        features: int = 16,
        levels: int = 6,
        slope: float = 0.3,
    ) -> None:
        super().__init__()
        self.levels, self.slope = levels, slope
        self.convs = torch.nn.ModuleDict()
        width = [features * 2**i for i in range(levels)]
        for i in range(levels):
            name = f"enc{i + 1}" if i < levels - 1 else "bottleneck"
            self._pair(name, width[i - 1] if i else n_inputs, width[i])
        for i in range(1, levels):
            self.convs[f"up{i}_squeeze"] = torch.nn.Conv2d(width[i], width[i - 1], 1)
            self.convs[f"up{i}_smooth"] = torch.nn.Conv2d(width[i - 1], width[i - 1], 2)
            self._pair(f"dec{i}", 2 * width[i - 1], width[i - 1])
        self.convs["head"] = torch.nn.Conv2d(features, n_outputs, 1)

    def _pair(self, name: str, a: int, b: int) -> None:
        self.convs[f"{name}_conv1"] = torch.nn.Conv2d(a, b, 1)
        self.convs[f"{name}_conv2"] = torch.nn.Conv2d(b, b, 1)

    def _layer(self, name: str, x: torch.Tensor) -> torch.Tensor:
        return functional.leaky_relu(self.convs[name](x), self.slope)

    def _block(self, name: str, x: torch.Tensor) -> torch.Tensor:
        return self._layer(f"{name}_conv2", self._layer(f"{name}_conv1", x))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Predictors (batch, n_inputs, y, x) to quantiles (batch, n_outputs, y, x)."""
        skips = []
        for i in range(1, self.levels):
            skips.append(self._block(f"enc{i}", x))
            x = functional.avg_pool2d(skips[-1], 2)
        x = self._block("bottleneck", x)
        for i in range(self.levels - 1, 0, -1):
            x = functional.interpolate(self._layer(f"up{i}_squeeze", x), scale_factor=2.0, mode="nearest")
            x = functional.pad(x, (0, 1, 0, 1))  # Keras pads even kernels right and below
            x = self._layer(f"up{i}_smooth", x)
            x = self._block(f"dec{i}", torch.cat([skips[i - 1], x], 1))
        return self.convs["head"](x)


def from_keras(model: Any) -> UNet:
    """Build the module with the weights of a Keras model.

    Parameters
    ----------
    model : keras.Model
        Of `nn.unet`, with its default kernel size, pooling, activation and upsampling.

    Returns
    -------
    UNet

    Raises
    ------
    BootcampError
        If the model has other layers or shapes.
    """
    weighted = {layer.name: layer for layer in model.layers if layer.weights}
    n_outputs = int(model.outputs[0].shape[-1])
    levels = 1 + sum(name.endswith("_smooth") for name in weighted)
    if "enc1_conv1" not in weighted or levels < 2:
        raise BootcampError(f"{model.name} is no U-Net of this course.", "Give nn.unet().")
    features = int(weighted["enc1_conv1"].bias.shape[0])
    module = UNet(int(model.inputs[0].shape[-1]), n_outputs, features=features, levels=levels)
    if set(weighted) != set(module.convs):
        raise BootcampError(f"{model.name} is not the default U-Net.", "Give nn.unet() without options.")
    for name, layer in weighted.items():
        kernel, bias = (np.array(w) for w in layer.get_weights())
        if kernel.ndim == 2:  # a dense layer at each pixel
            kernel = kernel[None, None]
        kernel = torch.from_numpy(np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)))
        if kernel.shape != module.convs[name].weight.shape:
            raise BootcampError(
                f"{name} has a kernel of another shape: {tuple(kernel.shape)}.", "Give nn.unet()."
            )
        with torch.no_grad():
            module.convs[name].weight.copy_(kernel)
            module.convs[name].bias.copy_(torch.from_numpy(bias))
    return module


def to_numpy(module: UNet) -> dict[str, np.ndarray]:
    """Weights in the shapes of Keras.

    Parameters
    ----------
    module : UNet

    Returns
    -------
    dict of str to numpy.ndarray
        ``"enc1_conv1/kernel"`` (y, x, in, out), ``"enc1_conv1/bias"`` ...; the head: (in, out).
    """
    weights = {}
    for name, conv in module.convs.items():
        kernel = conv.weight.detach().numpy().transpose(2, 3, 1, 0)
        weights[f"{name}/kernel"] = kernel[0, 0] if name == "head" else kernel
        weights[f"{name}/bias"] = conv.bias.detach().numpy()
    return weights


def quantile_loss(y: torch.Tensor, forecast: torch.Tensor, trim: int = 32) -> torch.Tensor:
    """The loss of `nn.QuantileLoss` without uncertainty.

    Parameters
    ----------
    y : torch.Tensor
        (batch, channels, y, x): the first channel is the target in K.
    forecast : torch.Tensor
        (batch, 3, y, x): quantiles 0.1, 0.5, 0.9 in K.
    trim : int
        Pixels left out along each border.

    Returns
    -------
    torch.Tensor
        A number in K.
    """
    keep = slice(trim, -trim or None)
    error = y[:, :1, keep, keep] - forecast[:, :, keep, keep]
    q = torch.tensor(QUANTILES, dtype=error.dtype, device=error.device)[:, None, None]
    return torch.maximum(q * error, (q - 1) * error).mean()


def training_step(
    module: torch.nn.Module, optimizer: torch.optim.Optimizer, trim: int = 32, compiled: bool = False
) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """One update: forward, loss, gradients, optimiser.

    Parameters
    ----------
    module : torch.nn.Module
    optimizer : torch.optim.Optimizer
        Keras' Adam is ``torch.optim.Adam(..., eps=1e-7)`` up to where epsilon is added.
    trim : int
        Of `quantile_loss`.
    compiled : bool
        Compile forward pass and loss with ``torch.compile`` (needs a C++ compiler).

    Returns
    -------
    callable
        ``step(x, y)`` changes the weights and returns the loss before the update.
    """

    def value(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return quantile_loss(y, module(x), trim)

    compute = torch.compile(value) if compiled else value

    def step(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        optimizer.zero_grad(set_to_none=True)
        loss = compute(x, y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def as_tasks(model: Any, x: np.ndarray, y: np.ndarray) -> dict[str, Callable[[], Any]]:
    """Forward pass and training step of a Keras model's twin in PyTorch, on one batch, for a race.

    Parameters
    ----------
    model : keras.Model
        As for `from_keras`.
    x, y : numpy.ndarray
        Batch as Keras gets it: (batch, y, x, channels).

    Returns
    -------
    dict
        "forward" returns a numpy array (batch, y, x, n_outputs); "train" does an update and returns the loss.
        Memory layout: channels last. Both wait for their result.
    """
    layout = torch.channels_last
    module = from_keras(model).to(memory_format=layout)
    fields, target = (
        torch.from_numpy(a).permute(0, 3, 1, 2).contiguous(memory_format=layout) for a in (x, y)
    )
    step = training_step(module, torch.optim.Adam(module.parameters(), 1e-3, eps=1e-7))

    def forward() -> np.ndarray:
        with torch.inference_mode():
            return np.ascontiguousarray(module(fields).permute(0, 2, 3, 1).numpy())

    return {"forward": forward, "train": lambda: step(fields, target).item()}
