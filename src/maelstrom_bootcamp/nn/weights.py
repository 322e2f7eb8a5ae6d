"""Trained weights in one small file, together with the card that says where they come from."""

from __future__ import annotations

import json
import os
import platform
import tempfile
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.machine import cpu_name
from maelstrom_bootcamp.nn.unet import trainable_parameters

CARD = "model_card"
EXTRA = "extra:"  # begin of the names of arrays that are no weights


def as_stored(variable: keras.Variable) -> np.ndarray:
    """The values of one variable as they are stored.

    Parameters
    ----------
    variable : keras.Variable

    Returns
    -------
    numpy.ndarray
        float16 if it is trained. The running variances of batch normalisation may be larger than float16 can
        hold (65,504), and they are few: they stay float32.
    """
    value = keras.ops.convert_to_numpy(variable)
    with np.errstate(over="ignore"):  # whoever stores it looks for infinities
        return value.astype(np.float16 if variable.trainable else np.float32)


def save_weights_npz(
    model: keras.Model,
    path: str | Path,
    *,
    command: str,
    seed: int,
    data_hash: str,
    scores: dict[str, Any],
    extra: Mapping[str, np.ndarray] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Write the weights as float16 (see `as_stored`), with a model card inside the same file.

    Half precision halves the file and changes a weight by at most one part in 2048 (or 3e-8, whichever is
    more). The file appears under its name only when it is complete.

    Parameters
    ----------
    model : keras.Model
    path : path
        Ends in ".npz".
    command : str
        What to type to train this model again.
    seed : int
        Seed of the training.
    data_hash : str
        SHA-256 of the data (the bucket's manifest).
    scores : dict
        What the model scores, by name.
    extra : mapping of str to array, optional
        What belongs to the weights and is too large for the card (constants of a normalisation by grid
        point), see `read_extra`.
    **more
        Anything else for the card that JSON can hold.

    Returns
    -------
    dict
        The model card: the above, model, parameters, machine, versions, time of writing.

    Raises
    ------
    BootcampError
        If a weight is not finite or too large for float16.
    """
    path = Path(path)
    arrays = {}
    for variable in model.weights:
        arrays[variable.path] = as_stored(variable)
        if not np.isfinite(arrays[variable.path]).all():
            largest = np.abs(keras.ops.convert_to_numpy(variable)).max()
            raise BootcampError(
                f"{variable.path} of {model.name} does not fit into float16 ({largest}).",
                "The training has diverged: lower the learning rate or clip the gradient.",
            )
    card = {
        "model": model.name,
        "parameters": trainable_parameters(model),
        "command": command,
        "seed": seed,
        "data_hash": data_hash,
        "scores": scores,
        **more,
        "machine": _machine(),
        "versions": _versions(),
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as part:
        try:
            named = {f"{EXTRA}{name}": value for name, value in (extra or {}).items()}
            np.savez_compressed(part, **{CARD: np.array(json.dumps(card))}, **arrays, **named)
            part.flush()
            os.fsync(part.fileno())
            os.chmod(part.name, 0o644)  # a temporary file is private, weights are not
            os.replace(part.name, path)
        except BaseException:
            os.unlink(part.name)
            raise
    return card


def load_weights_npz(model: keras.Model, path: str | Path) -> dict[str, Any]:
    """Put stored weights into a model of the same architecture.

    Parameters
    ----------
    model : keras.Model
    path : path
        Written by `save_weights_npz`.

    Returns
    -------
    dict
        The model card.

    Raises
    ------
    BootcampError
        If the file is missing, damaged, or belongs to another architecture. The model is then unchanged.
    """
    arrays = {name: value for name, value in _read(path).items() if not name.startswith(EXTRA)}
    card = json.loads(str(arrays.pop(CARD)))
    expected = {variable.path: tuple(variable.shape) for variable in model.weights}
    found = {name: value.shape for name, value in arrays.items()}
    if expected != found:
        raise BootcampError(
            f"{Path(path).name} does not fit the model {model.name!r}: {_difference(expected, found)}.",
            f"Build {card['model']} as its card says: {card['parameters']} parameters ({card['command']}).",
        )
    for variable in model.weights:
        variable.assign(arrays[variable.path].astype(np.float32))
    return card


def read_model_card(path: str | Path) -> dict[str, Any]:
    """Read the card of stored weights: command, seed, data hash, scores, machine, versions.

    Raises
    ------
    BootcampError
        If the file is missing or damaged.
    """
    return json.loads(str(_read(path)[CARD]))


def read_extra(path: str | Path) -> dict[str, np.ndarray]:
    """Read the arrays that were stored beside the weights (see `save_weights_npz`), by name.

    Raises
    ------
    BootcampError
        If the file is missing or damaged.
    """
    return {k.removeprefix(EXTRA): v for k, v in _read(path).items() if k.startswith(EXTRA)}


def _read(path: str | Path) -> dict[str, np.ndarray]:
    path = Path(path)
    cure = "Get the file again (git checkout), or train the model anew."
    if not path.is_file():
        raise BootcampError(f"There are no weights at {path}.", cure)
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise BootcampError(f"{path.name} cannot be read as weights ({error}).", cure) from error
    if CARD not in arrays:
        raise BootcampError(f"{path.name} has no model card.", "Write it with nn.save_weights_npz.")
    return arrays


def _difference(expected: dict[str, tuple], found: dict[str, tuple]) -> str:
    for name, shape in expected.items():
        if name not in found:
            return f"{name} is missing in the file"
        if found[name] != shape:
            return f"{name} is {found[name]} in the file and {shape} in the model"
    return f"{next(name for name in found if name not in expected)} is not in the model"


def _machine() -> dict[str, Any]:
    gpus = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices("GPU")]
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "gpus": [gpu.get("device_name", "unknown") for gpu in gpus],
    }


def _versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
    }
