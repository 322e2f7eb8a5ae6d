"""One door for all models: `read` finds out what it was given."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx

from maelstrom_bootcamp.perfmodel.graph import ModelInputError, OpGraph
from maelstrom_bootcamp.perfmodel.read.lengths import MAX_BYTES, ImageSize, check_lengths
from maelstrom_bootcamp.perfmodel.read.onnx import read_onnx
from maelstrom_bootcamp.perfmodel.read.traced import read_traced

_KINDS = "an .onnx file, the folder of a SavedModel, a .keras file, a keras.Model or a traced record"


def read(
    model: object,
    *,
    batch: int | None = None,
    bind: Mapping[str, int] | None = None,
    image_size: ImageSize = None,
) -> OpGraph:
    """Read a network as an operator graph, whatever it is.

    Parameters
    ----------
    model : path, bytes, onnx.ModelProto, keras.Model, mapping or OpGraph
        An .onnx file or its content, the folder of a SavedModel, a .keras file (without Lambda layers: their
        code is not run), a Keras model, a record of `traced.trace`, or a graph.
    batch, bind, image_size
        As the reader of its kind takes them. Graphs and records have no open lengths: only the batch counts.

    Returns
    -------
    OpGraph

    Raises
    ------
    ModelInputError
        If it is none of these, or its reader refuses it.
    """
    check_lengths(batch, bind, image_size)
    given: dict[str, Any] = {"batch": batch, "bind": bind, "image_size": image_size}
    if isinstance(model, OpGraph):
        return model if batch is None else model.at_batch(batch)
    if isinstance(model, Mapping):
        graph = read_traced(model)
        return graph if batch is None else graph.at_batch(batch)
    if isinstance(model, bytes | onnx.ModelProto):
        return read_onnx(model, **given)
    if isinstance(model, str | Path):
        return _read_path(Path(model), given)
    if type(model).__module__.partition(".")[0] == "torch" or hasattr(model, "named_parameters"):
        raise ModelInputError(
            "A PyTorch module does not know the shape of its inputs.",
            "Give perfmodel.read.traced.trace(module, inputs), or export it with torch.onnx.export.",
        )
    import keras  # TensorFlow takes seconds to import: only for those who need it

    if isinstance(model, keras.Model):
        from maelstrom_bootcamp.perfmodel.read.tf import read_keras

        return read_keras(model, **given)
    raise ModelInputError(f"A {type(model).__name__} is not a network.", f"Give {_KINDS}.")


def _read_path(path: Path, given: dict[str, Any]) -> OpGraph:
    if not path.exists():
        raise ModelInputError(f"There is no file {path}.", "Check the path.")
    if path.is_dir():
        if not (path / "saved_model.pb").is_file():
            raise ModelInputError(f"The folder {path} holds no saved_model.pb.", f"Give {_KINDS}.")
        from maelstrom_bootcamp.perfmodel.read.tf import read_savedmodel

        return read_savedmodel(path, **given)
    if path.suffix == ".keras":
        return _read_keras_file(path, given)
    if path.suffix == ".onnx":
        return read_onnx(path, **given)
    if path.name == "saved_model.pb":
        return _read_path(path.parent, given)
    raise ModelInputError(f"{path.name} is none of the files that are read.", f"Give {_KINDS}.")


def _read_keras_file(path: Path, given: dict[str, Any]) -> OpGraph:
    import keras

    from maelstrom_bootcamp.perfmodel.read.tf import read_keras

    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(each.file_size for each in archive.infolist())
    except (zipfile.BadZipFile, OSError) as error:
        raise ModelInputError(
            f"{path.name} is not a Keras file, or it is cut off.", "Save the model again: model.save(file)."
        ) from error
    if size > MAX_BYTES:
        raise ModelInputError(
            f"{path.name} unpacks to {size / 2**20:,.0f} MB, more than the {MAX_BYTES / 2**20:,.0f} MB"
            " that are read.",
            "Load it yourself, and give the model.",
        )
    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # whatever a layer's configuration raises
        raise ModelInputError(
            f"{path.name} cannot be loaded: {' '.join(str(error).split())[:300]}",
            "Load it with keras.models.load_model and its own layers, if you trust it, and give the model.",
        ) from error
    return read_keras(model, **given)
