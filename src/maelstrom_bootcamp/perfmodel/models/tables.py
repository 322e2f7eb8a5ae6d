"""What is predicted: tables of measurements, where they come from, and what data sheets say beforehand."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from maelstrom_bootcamp.perfmodel.graph import OpGraph
from maelstrom_bootcamp.perfmodel.labels import public
from maelstrom_bootcamp.perfmodel.labels import table as labels
from maelstrom_bootcamp.perfmodel.models.additive import Additive, Device, roofline
from maelstrom_bootcamp.perfmodel.operators import KINDS
from maelstrom_bootcamp.perfmodel.samples import Samples, samples

#: Data sheets: dense tensor-core peak with FP16 inputs and FP32 sums, and memory bandwidth, from NVIDIA's
#: white papers "Ampere GA102 GPU Architecture" and "Ada GPU Architecture". The time to start an operator is a
#: guess that the measurements correct.
RTX3090 = Device("RTX 3090", flops=71e12, bandwidth=936e9, launch=8e-6, bytes_per_value=2)
RTX4090 = Device("RTX 4090", flops=165.2e12, bandwidth=1008e9, launch=5e-6, bytes_per_value=2)
#: One core of a processor of 2024 with vectors of 512 bits; all three numbers are guesses to be corrected.
CORE = Device("one core", flops=100e9, bandwidth=20e9, launch=2e-6)
#: MB instead of seconds: nothing for arithmetic, four bytes for a number that is kept, and weights, gradients
#: and two moments. Half of the numbers moved are written.
BYTES = Additive(np.tile([0.0, 2e-6, 1e-4], (len(KINDS), 1)), 16e-6)

STARTS: dict[str, Additive] = {
    "cpu-infer": roofline(CORE),
    "cpu-train": roofline(CORE, passes=3),
    "cpu-memory": BYTES,
    "rtx3090-train": roofline(RTX3090, passes=3),
    "rtx3090-train-nhwc": roofline(RTX3090, passes=3),
    "rtx3090-infer": roofline(RTX3090),
    "rtx4090-infer": roofline(RTX4090),
}


def data(name: str, folder: Path | None = None) -> Samples:
    """The measurements of one predictor.

    Parameters
    ----------
    name : str
        One of `STARTS`.
    folder : Path, optional
        Public tables and graphs; not needed for the processor.

    Returns
    -------
    Samples
        Seconds, or MB.

    Raises
    ------
    ModelInputError
        If they cannot be read.
    """
    if not name.startswith("cpu"):
        return public.load(folder or Path(), name)
    table = labels.load("infer" if name == "cpu-infer" else "train")
    values = table.memory_mb if name == "cpu-memory" else table.ms / 1e3
    return samples(_graphs(str(table.what[0])), values, table.family)


@cache
def _graphs(what: str) -> list[OpGraph]:
    return labels.graphs(labels.load(what))


def source(name: str, folder: Path | None = None) -> dict[str, Any]:
    """Where the measurements come from, and which files they were.

    Parameters
    ----------
    name : str
        One of `STARTS`.
    folder : Path, optional
        Public tables and graphs.

    Returns
    -------
    dict
    """
    if name.startswith("cpu"):
        what = "infer" if name == "cpu-infer" else "train"
        path = Path(labels.__file__).with_name(f"{what}-cpu.csv")
        note = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        return {
            "source": f"labels/{path.name}, measured by 'bootcamp measure'",
            "sha256": {path.name: hashlib.sha256(path.read_bytes()).hexdigest()},
            "noise_percent": note["noise_percent"],
            "measured_on": {key: note[key] for key in ("machine", "versions", "rounds")},
        }
    files = (public.TABLES[name][0], "graphs.jsonl.gz")
    return {
        "source": "github.com/huggingface/pytorch-image-models: results/ (Apache-2.0), its models traced",
        "sha256": {f: hashlib.sha256((Path(folder) / f).read_bytes()).hexdigest() for f in files},
    }
