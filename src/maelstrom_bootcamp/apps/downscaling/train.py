"""Train A5's reference networks: ``python -m maelstrom_bootcamp.apps.downscaling.train --help``.

``--model unet`` trains the U-Net, ``--model wgan`` makes it the generator of a WGAN; ``--shipped`` takes the
settings of the weights that the course ships. Of a U-Net the epoch with the best score on the validation
months is kept, of a WGAN the last one; it is scored on the test months and written with its model card. A
training may be stopped after any epoch (see `maelstrom_bootcamp.nn.resumable`): the same command goes on.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from maelstrom_bootcamp import nn
from maelstrom_bootcamp.apps.downscaling.adversarial import AdversarialTrainer
from maelstrom_bootcamp.apps.downscaling.dataset import LAPSE_RATE, SPLITS, heights, read_tier1
from maelstrom_bootcamp.apps.downscaling.networks import sha_unet
from maelstrom_bootcamp.apps.downscaling.predictors import (
    Scaling,
    find_scaling,
    network_inputs,
    network_targets,
    temperature,
)
from maelstrom_bootcamp.apps.downscaling.trainer import (
    AT_ONCE,
    LOSSES,
    PRECISIONS,
    RATES,
    SHIPPED,
    SHIPPED_WGAN,
    Plan,
    Trainer,
)
from maelstrom_bootcamp.errors import BootcampError, exit_code
from maelstrom_bootcamp.nn import resumable
from maelstrom_bootcamp.nn.blocks import check_choice
from maelstrom_bootcamp.settings import SIZES, settings
from maelstrom_bootcamp.verify.spatial import gradient_ratio

if TYPE_CHECKING:
    import keras

MODELS = ("unet", "wgan")
PLANE = ("lat", "lon")


def build(plan: Plan, precision: str = "float32") -> keras.Model:
    """The network of a plan, not compiled; seeds are set first.

    Parameters
    ----------
    plan : Plan
    precision : {"float32", "mixed_bfloat16"}
        Of its arithmetic; the weights have float32 in any case.

    Returns
    -------
    keras.Model
        Input (batch, lat, lon, 3); outputs "t2m" and, unless its weight is 0, "z".

    Raises
    ------
    BootcampError
        If there is no such model or precision, or the network cannot be built.
    """
    import keras

    check_choice("model", plan.model, MODELS)
    check_choice("precision", precision, PRECISIONS)
    nn.set_seed(plan.seed)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        return sha_unet(surface_height=plan.height_weight > 0, **plan.options)
    except TypeError as error:
        raise BootcampError(
            f"The U-Net cannot be built ({error}).", "Look up its arguments in apps/downscaling/networks.py."
        ) from error
    finally:
        keras.config.set_dtype_policy(before)


def predict(model: keras.Model, scaling: Scaling, ds: xr.Dataset) -> xr.DataArray:
    """Downscale.

    Parameters
    ----------
    model : keras.Model
        A `sha_unet`.
    scaling : Scaling
        Of its training data.
    ds : xarray.Dataset
        ``t2m_in``, ``z_in`` and ``z_tar``, as from `read_tier1`.

    Returns
    -------
    xarray.DataArray
        ``t2m`` (time, lat, lon), K.
    """
    x = network_inputs(ds, scaling)
    parts = [np.asarray(model(x[i : i + AT_ONCE], training=False)["t2m"]) for i in range(0, len(x), AT_ONCE)]
    return temperature(np.concatenate(parts), scaling, ds)


def score(forecast: xr.DataArray, ds: xr.Dataset) -> dict[str, float]:
    """Scores over all times and points, beside those of two baselines that need no training.

    Parameters
    ----------
    forecast : xarray.DataArray
        ``t2m``, K.
    ds : xarray.Dataset
        With the target.

    Returns
    -------
    dict
        ``rmse``, ``rmse_bilinear`` (the input as it is), ``rmse_lapse`` (height difference times 6.5 K/km),
        ``bias`` (K), ``gradient_ratio`` (per grid point: rows and columns count as equally far apart, unlike
        in `maelstrom_bootcamp.apps.downscaling.evaluate`).
    """
    target = ds["t2m_tar"]
    coarse, fine = heights(ds)
    lapse = ds["t2m_in"] - LAPSE_RATE / 1000 * (fine - coarse)

    def rmse(field: xr.DataArray) -> float:
        return float(np.sqrt(np.square(field - target).mean(dtype=np.float64)))

    return {
        "rmse": rmse(forecast),
        "rmse_bilinear": rmse(ds["t2m_in"]),
        "rmse_lapse": rmse(lapse),
        "bias": float((forecast - target).mean(dtype=np.float64)),
        "gradient_ratio": float(gradient_ratio(forecast, target, plane=PLANE)),
    }


def arrays_of(ds: xr.Dataset, scaling: Scaling) -> dict[str, np.ndarray]:
    """What a trainer wants of a split: ``x``, ``t2m``, ``z``."""
    return {"x": network_inputs(ds, scaling), **network_targets(ds, scaling)}


def train(
    plan: Plan,
    out: str | os.PathLike[str],
    *,
    data: Mapping[str, xr.Dataset] | None = None,
    verbose: bool = True,
) -> dict:
    """Train, score on the test months, and write weights with their model card.

    Parameters
    ----------
    plan : Plan
    out : path
        Where the weights go, ending in ".npz".
    data : mapping of str to xarray.Dataset, optional
        Of "training", "validation" and "testing", instead of those of the sample.
    verbose : bool
        Print one line per epoch.

    Returns
    -------
    dict
        The model card. Its "scores" are those of `score` on the test months.

    Raises
    ------
    BootcampError
        If a half-finished training of another plan is in the way, or the loss is never finite.
    """
    if data is None:
        data = {split: read_tier1(split, size=plan.size) for split in SPLITS}
    scaling = find_scaling(data["training"])
    arrays = {split: arrays_of(data[split], scaling) for split in ("training", "validation")}
    model = build(plan, plan.precision)
    parts = arrays["training"], arrays["validation"]
    wgan = plan.model == "wgan"
    trainer = AdversarialTrainer(model, plan, *parts, scaling) if wgan else Trainer(model, plan, *parts)
    state = resumable.State(Path(f"{os.fspath(out)}.state.npz"), plan, trainer.also)
    state.restore(model)
    start = time.process_time()
    # The error of a WGAN says nothing about what the critic has reached: its last epoch counts.
    how = {"kept": trainer.kept, "keep_last": wgan, "verbose": verbose}
    state.run(model, trainer.one_epoch, plan.epochs, **how)
    seconds = time.process_time() - start
    shipped = build(plan)  # in single precision, as whoever loads it
    shipped.set_weights(model.get_weights())
    resumable.round_as_stored(shipped)  # before scoring: the card tells of the weights that are shipped
    scores = score(predict(shipped, scaling, data["testing"]), data["testing"])
    card = nn.save_weights_npz(
        shipped,
        out,
        command=plan.command(),
        seed=plan.seed,
        data_hash=resumable.array_hash(arrays["training"]),
        scores={name: round(value, 5) for name, value in scores.items()},
        extra=scaling.as_arrays(),
        plan=asdict(plan),
        times=len(arrays["training"]["x"]),
        cpu_seconds=round(seconds),
        history=state.history,
        best_epoch=len(state.history) if wgan else resumable.best_epoch(state.history) + 1,
    )
    state.remove()
    return card


def parse(arguments: Sequence[str] | None = None) -> tuple[Plan, str]:
    """Read the command line.

    Parameters
    ----------
    arguments : sequence of str, optional

    Returns
    -------
    plan : Plan
    out : str
        Where the weights go.
    """
    default = Plan()
    parser = argparse.ArgumentParser(
        prog="python -m maelstrom_bootcamp.apps.downscaling.train", description=__doc__
    )
    parser.add_argument("--model", choices=MODELS, default=default.model)
    parser.add_argument("--size", choices=SIZES, default=settings().size)
    parser.add_argument("--data-seed", type=int, default=settings().seed)
    for name in ("seed", "epochs", "batch_size", "head_start", "critic_steps"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=getattr(default, name))
    parser.add_argument("--rate", choices=RATES, default=default.rate)
    parser.add_argument("--loss", choices=LOSSES, default=default.loss)
    parser.add_argument("--precision", choices=PRECISIONS, default=default.precision)
    rates = ("learning_rate", "critic_rate", "reconstruction")
    for name in (*rates, "height_weight", "ema", "weight_decay", "clip"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=getattr(default, name))
    resumable.add_option(parser)
    parser.add_argument("--start", default=default.start, help="weights from which a WGAN starts")
    parser.add_argument("--shipped", action="store_true", help="settings of the weights that are shipped")
    parser.add_argument("--out", help="file of the weights (default: weights/MODEL.npz)")
    first = parser.parse_args(arguments)
    shipped = dict(SHIPPED_WGAN if first.model == "wgan" else SHIPPED) if first.shipped else {}
    more = shipped.pop("options", {})
    parser.set_defaults(**shipped)  # what is typed still counts
    given = parser.parse_args(arguments)
    chosen = {k: v for k, v in vars(given).items() if k not in ("option", "out", "shipped")}
    plan = Plan(**chosen, options=more | resumable.options(given.option, parser))
    return plan, given.out or f"weights/{plan.model}.npz"


def main(arguments: Sequence[str] | None = None) -> int:
    """Train as the command line says.

    Parameters
    ----------
    arguments : sequence of str, optional

    Returns
    -------
    int
        0, or 1 after an error whose cause and cure were printed.
    """
    plan, out = parse(arguments)
    # The bucket follows the environment, as in a notebook.
    os.environ.update(MAELSTROM_SIZE=plan.size, MAELSTROM_SEED=str(plan.data_seed))

    def work() -> None:
        card = train(plan, out)
        scores = card["scores"]
        print(
            f"{out}: {card['parameters']:,} parameters, best epoch {card['best_epoch']}, RMSE "
            f"{scores['rmse']:.3f} K (bilinear {scores['rmse_bilinear']:.3f}, 6.5 K/km "
            f"{scores['rmse_lapse']:.3f}), gradient ratio {scores['gradient_ratio']:.3f}"
        )

    return exit_code(work)


if __name__ == "__main__":
    sys.exit(main())
