"""The reference networks of the applications, as things to be benchmarked: how to build, feed and train them.

In Deep500's words, they are the level "network" and the level "training". Speed does not depend on the values
that flow through, so the fields are random; what reading real ones costs is measured apart (`pipeline`).

Importing this module imports no framework: a process first chooses its backend.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from maelstrom_bootcamp.errors import BootcampError

if TYPE_CHECKING:
    from maelstrom_bootcamp.perfmodel.graph import OpGraph

#: Names of the table of devices -> what Keras calls the policy. TF32 is float32 to Keras: the GPU rounds.
POLICIES = MappingProxyType(
    {
        "fp64": "float64",
        "fp32": "float32",
        "tf32": "float32",
        "bf16": "mixed_bfloat16",
        "fp16": "mixed_float16",
    }
)


@dataclass(frozen=True)
class Network:
    """A reference network at a size that two cores can bear.

    Attributes
    ----------
    key, app, name : str
    builder : str
        "package.module:function" that builds the Keras model.
    arguments : mapping
        Of the builder.
    batch : int
        Samples of a step by default.
    image_size : (int, int) or None
        Rows and columns of a sample, where the model leaves them open.
    sample : str
        What one sample is.
    loss : str
        "quantile", or "mse": the mean square of all outputs, in place of a loss of the application's own.
    pipeline : str
        "package.module:function" of a batch that returns batches of real fields; empty without sample data.
    counted_with : mapping
        More arguments of the builder, for counting operations only: loops have to be written out.
    """

    key: str
    app: str
    name: str
    builder: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    batch: int = 8
    image_size: tuple[int, int] | None = None
    sample: str = "field"
    loss: str = "mse"
    pipeline: str = ""
    counted_with: Mapping[str, Any] = field(default_factory=dict)

    def build(self, precision: str = "fp32", **more: Any) -> Any:
        """Build the model.

        Parameters
        ----------
        precision : {"fp64", "fp32", "tf32", "bf16", "fp16"}
            bf16 and fp16 are mixed: the weights stay in single precision.
        **more
            Further arguments of the builder.

        Returns
        -------
        keras.Model
            With the first weights that the current seed gives.

        Raises
        ------
        BootcampError
            If there is no such precision.
        """
        from maelstrom_bootcamp import nn  # noqa: F401  (starts TensorFlow quietly)

        import keras  # isort: skip

        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(policy(precision))
        try:
            return load(self.builder)(**self.arguments, **more)
        finally:
            keras.config.set_dtype_policy(before)

    def inputs(self, model: Any, batch: int | None = None, seed: int = 0) -> Any:
        """Random fields in the structure of the model's inputs.

        Parameters
        ----------
        model : keras.Model
        batch : int, optional
        seed : int

        Returns
        -------
        numpy.ndarray or dict or list of numpy.ndarray
            Float32, from 0.5 to 1.5.
        """
        return self._random(model.input, batch or self.batch, np.random.default_rng(seed))

    def targets(self, model: Any, batch: int | None = None, seed: int = 1) -> Any:
        """Random targets; for "quantile", temperature and its standard deviation.

        Parameters
        ----------
        model : keras.Model
        batch : int, optional
        seed : int

        Returns
        -------
        numpy.ndarray or dict or list of numpy.ndarray
            Float32.
        """
        rng = np.random.default_rng(seed)
        if self.loss == "quantile":
            shape = (batch or self.batch, *(self.image_size or ()), 2)
            return rng.uniform(0.5, 1.5, shape).astype(np.float32)
        return self._random(model.output, batch or self.batch, rng)

    def losses(self, model: Any) -> Any:
        """What ``model.compile`` gets as its loss.

        Parameters
        ----------
        model : keras.Model

        Returns
        -------
        keras.losses.Loss or structure of str
        """
        if self.loss == "quantile":
            from maelstrom_bootcamp import nn

            smallest = min(self.image_size or (128,))
            return nn.QuantileLoss(trim=32 if smallest > 64 else 0)
        import keras

        return keras.tree.map_structure(lambda _: "mean_squared_error", model.output)

    def graph(self, batch: int | None = None) -> OpGraph:
        """The operators of the network, counted (needs the TensorFlow backend).

        Parameters
        ----------
        batch : int, optional

        Returns
        -------
        OpGraph
        """
        from maelstrom_bootcamp.perfmodel.read import read

        model = self.build(**self.counted_with)
        return read(model, batch=batch or self.batch, image_size=self.image_size)

    def _random(self, structure: Any, batch: int, rng: np.random.Generator) -> Any:
        import keras

        def one(tensor: Any) -> np.ndarray:
            left = iter(self.image_size or ())
            shape = (batch, *(next(left) if n is None else n for n in tensor.shape[1:]))
            return rng.uniform(0.5, 1.5, shape).astype(np.float32)

        return keras.tree.map_structure(one, structure)


def policy(precision: str) -> str:
    """Keras' name for a precision.

    Parameters
    ----------
    precision : {"fp64", "fp32", "tf32", "bf16", "fp16"}

    Returns
    -------
    str

    Raises
    ------
    BootcampError
        If there is no such precision.
    """
    if precision not in POLICIES:
        raise BootcampError(f"There is no precision {precision!r}.", f"Take one of: {', '.join(POLICIES)}.")
    return POLICIES[precision]


def load(name: str) -> Callable[..., Any]:
    """The function behind "package.module:function"."""
    module, _, function = name.partition(":")
    return getattr(import_module(module), function)


_APPS = "maelstrom_bootcamp.apps"
_A3 = {
    "app": "a3",
    "batch": 256,
    "sample": "column of 137 levels",
    "pipeline": "maelstrom_bootcamp.hardware.pipelines:radiation",
}
_NETWORKS = (
    Network(
        "a1",
        "a1",
        "A1 U-Net (2 m temperature)",
        "maelstrom_bootcamp.nn.unet:unet",
        batch=4,
        image_size=(128, 128),
        sample="patch of 128 x 128",
        loss="quantile",
        pipeline="maelstrom_bootcamp.hardware.pipelines:yr",
    ),
    Network(
        "a1-pointwise",
        "a1",
        "A1 pointwise network (2 m temperature)",
        "maelstrom_bootcamp.nn.unet:pointwise_net",
        batch=4,
        image_size=(128, 128),
        sample="patch of 128 x 128",
        loss="quantile",
        pipeline="maelstrom_bootcamp.hardware.pipelines:yr",
    ),
    Network(
        "a3-min-cnn", name="A3 min_cnn (radiation)", builder=f"{_APPS}.radiation.networks:min_cnn", **_A3
    ),
    Network("a3-cnn", name="A3 CNN (radiation)", builder=f"{_APPS}.radiation.networks:cnn", **_A3),
    Network(
        "a3-attention",
        name="A3 attention (radiation)",
        builder=f"{_APPS}.radiation.networks:attention",
        **{**_A3, "batch": 64},
    ),
    Network(
        "a3-rnn",
        name="A3 RNN (radiation)",
        builder=f"{_APPS}.radiation.networks:rnn",
        counted_with={"unroll": True},
        **{**_A3, "batch": 64},
    ),
    Network(
        "a4-mlp",
        "a4",
        "A4 MLP (ensemble)",
        f"{_APPS}.ens10.networks:mlp",
        batch=16384,
        sample="grid point",
    ),
    Network(
        "a4-unet",
        "a4",
        "A4 U-Net (ensemble)",
        f"{_APPS}.ens10.networks:unet",
        {"rows": 91, "columns": 180},
        batch=1,
        sample="field of 91 x 180",
    ),
    Network(
        "a4-transformer",
        "a4",
        "A4 transformer (ensemble)",
        f"{_APPS}.ens10.networks:transformer",
        {"rows": 91, "columns": 180},
        batch=1,
        sample="10 members of 91 x 180",
    ),
    Network(
        "a5",
        "a5",
        "A5 Sha U-Net (downscaling)",
        f"{_APPS}.downscaling.networks:sha_unet",
        batch=2,
        sample="field of 96 x 128",
    ),
    Network(
        "a6",
        "a6",
        "A6 DeepCluster-v2 (weather regimes)",
        f"{_APPS}.power.networks:deepcluster",
        batch=4,
        sample="day of 25 fields of 112 x 112",
    ),
)


def networks() -> Mapping[str, Network]:
    """All reference networks by key.

    Returns
    -------
    mapping of str to Network
    """
    return MappingProxyType({network.key: network for network in _NETWORKS})


def find(name: str) -> list[Network]:
    """The network of a key, all of an application, or "all".

    Parameters
    ----------
    name : str
        E.g. "a1", "a3", "a4-mlp"; in capitals or not.

    Returns
    -------
    list of Network

    Raises
    ------
    BootcampError
        If there is none.
    """
    table, name = networks(), name.lower()
    if name == "all":
        return list(table.values())
    if name == "a2":
        raise BootcampError(
            "A2 has no reference network in this course yet: its DeBERTa comes with chapter 02.",
            f"Take one of: {', '.join(table)}.",
        )
    chosen = [n for n in table.values() if name in (n.app, n.key)]
    if not chosen:
        raise BootcampError(
            f"There is no application or network {name!r}.",
            f"Take all, an application (a1, a3, a4, a5, a6) or one of: {', '.join(table)}.",
        )
    return chosen
