"""Public measurements on GPUs: the benchmark tables of timm, joined to traced graphs of its models.

The tables stand in github.com/huggingface/pytorch-image-models under ``results/`` (Apache-2.0); they are
not part of this course. Graphs are made from the models by
`maelstrom_bootcamp.perfmodel.read.traced.trace`, which needs torch and timm. Both are read from a folder:
``benchmark-*.csv`` and ``graphs.jsonl.gz``.
"""

from __future__ import annotations

import gzip
import json
import re
from functools import cache
from pathlib import Path

import pandas as pd

from maelstrom_bootcamp.perfmodel.graph import ModelInputError, OpGraph
from maelstrom_bootcamp.perfmodel.read.traced import read_traced
from maelstrom_bootcamp.perfmodel.samples import Samples, samples

#: What can be predicted -> (the table, the prefix of its columns).
TABLES: dict[str, tuple[str, str]] = {
    "rtx3090-train": ("benchmark-train-amp-nchw-pt112-cu113-rtx3090.csv", "train"),
    "rtx3090-train-nhwc": ("benchmark-train-amp-nhwc-pt112-cu113-rtx3090.csv", "train"),
    "rtx3090-infer": ("benchmark-infer-amp-nchw-pt240-cu124-rtx3090.csv", "infer"),
    "rtx4090-infer": ("benchmark-infer-amp-nchw-pt240-cu124-rtx4090.csv", "infer"),
}
_FAMILIES = (
    "visformer",
    "densenet",
    "efficientnet",
    "vgg",
    "swin",
    "resnet",
    "poolformer",
    "mobilenet",
    "mnasnet",
    "convnext",
)
_VIT = re.compile(r"(^|_)(vit|deit3?)_")


def family_of(name: str) -> str:
    """Which of TraPPM's eleven families a model of timm belongs to.

    By its name, as TraPPM does it; hybrids with another architecture's name in theirs go with that one.

    Parameters
    ----------
    name : str
        E.g. "seresnet50" (resnet), "vit_base_patch16_224" (vit).

    Returns
    -------
    str
        Empty if it belongs to none.
    """
    found = next((family for family in _FAMILIES if family in name), "")
    return found or ("vit" if _VIT.search(name) else "")


def stem_of(name: str) -> str:
    """The family of any model of timm: what its name begins with, without prefixes, sizes and versions.

    Parameters
    ----------
    name : str
        E.g. "tf_efficientnet_b0", "hrnet_w18".

    Returns
    -------
    str
        E.g. "efficientnet", "hrnet".
    """
    plain = re.sub(r"^((tf|tv|gluon|legacy|test)_)+", "", name)
    return family_of(name) or re.match(r"[a-z]*", plain)[0] or plain


def load(folder: Path, what: str) -> Samples:
    """Measurements of one table, joined to their graphs.

    Parameters
    ----------
    folder : Path
        Holds the table and ``graphs.jsonl.gz``.
    what : str
        One of `TABLES`.

    Returns
    -------
    Samples
        Seconds of a step, at the batch of the table; without models that have no graph, and without twins
        of the same batch and sizes.

    Raises
    ------
    ModelInputError
        If the name, the folder or a file is not what it should be.
    """
    if what not in TABLES:
        raise ModelInputError(f"There is no table {what!r}.", f"Take one of: {', '.join(TABLES)}.")
    file, prefix = TABLES[what]
    columns = [f"{prefix}_{c}" for c in ("img_size", "batch_size", "step_time")]
    try:
        table = pd.read_csv(Path(folder) / file, usecols=["model", *columns])
    except (OSError, ValueError) as error:
        raise ModelInputError(
            f"The public table {file} cannot be read: {error}",
            "Give the folder that holds it; its source stands in the description of this module.",
        ) from error
    known = _graphs(Path(folder))
    rows = [
        (known[name.split(".")[0], size], ms / 1e3, name, batch)
        for name, size, batch, ms in table[["model", *columns]].itertuples(index=False)
        if (name.split(".")[0], size) in known
    ]
    if not rows:
        raise ModelInputError(f"No model of {file} has a graph.", "Trace the models of the table first.")
    graphs, seconds, names, batches = zip(*rows, strict=True)
    return samples(graphs, seconds, [family_of(n) for n in names], names, batches)


@cache
def _graphs(folder: Path) -> dict[tuple[str, int], OpGraph]:
    path = folder / "graphs.jsonl.gz"
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            records = [json.loads(line) for line in lines]
    except (OSError, ValueError, EOFError) as error:
        raise ModelInputError(
            f"The graphs {path.name} cannot be read: {error}", "Give the folder that holds them, whole."
        ) from error
    return {(r["name"].split(".")[0], r["size"]): read_traced(r) for r in records}
