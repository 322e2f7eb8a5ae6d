"""Tables of labels."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from maelstrom_bootcamp.perfmodel.graph import ModelInputError
from maelstrom_bootcamp.perfmodel.labels import table as labels
from maelstrom_bootcamp.perfmodel.labels.cases import case_of
from maelstrom_bootcamp.perfmodel.labels.file import LabelFile
from maelstrom_bootcamp.perfmodel.zoo.families import make


@pytest.fixture
def records(tmp_path):
    """Lines as a measurement writes them: two labels and a failure."""
    path = tmp_path / "infer.jsonl"
    file = LabelFile(path, "infer", 4)
    for family, ms in (("vit", [4.0, 3.0, 2.0, 5.0]), ("resnet", [8.0, 7.0, 9.0, 8.0])):
        case = case_of("infer", family, 1)
        name = {"family": family, "seed": 1, "batch": case.batch}
        plan = case.blueprint()
        rest = {"resolution": plan.resolution, "digest": case.blueprint().digest(), "ms": ms}
        file.append({"record": "label"} | name | rest)
    file.append({"record": "failure", "family": "vgg", "seed": 1, "batch": 1, "reason": "out of memory"})
    return path


@pytest.fixture
def table(records, tmp_path):
    labels.pack(records, tmp_path / "infer-cpu.csv")
    return tmp_path / "infer-cpu.csv"


def test_pack_takes_the_smallest_time_of_all_rounds_and_of_each_half(records, tmp_path):
    frame = labels.pack(records, tmp_path / "infer-cpu.csv")
    assert tuple(frame.columns) == labels.COLUMNS
    vit, resnet = frame.itertuples()
    assert (vit.family, vit.ms, vit.ms_a, vit.ms_b) == ("vit", 2.0, 2.0, 3.0)
    assert (resnet.family, resnet.ms, resnet.ms_a, resnet.ms_b) == ("resnet", 7.0, 8.0, 7.0)
    assert frame["memory_mb"].isna().all()
    pd.testing.assert_frame_equal(labels.load("infer", tmp_path / "infer-cpu.csv"), frame)


def test_note_beside_the_table(table):
    note = json.loads(table.with_suffix(".json").read_text())
    assert (note["what"], note["rounds"], note["networks"]) == ("infer", 4, 2)
    assert note["failed"] == [{"family": "vgg", "seed": 1, "batch": 1, "reason": "out of memory"}]
    assert note["machine"]["cpu"]
    assert note["versions"]["onnxruntime"]


def test_memory_is_kept(tmp_path):
    path = tmp_path / "train.jsonl"
    case = case_of("train", "vit", 0)
    record = {"record": "label", "family": "vit", "seed": 0, "batch": case.batch, "resolution": 32}
    LabelFile(path, "train", 2).append(
        record | {"digest": case.blueprint().digest(), "ms": [3.0, 4.0], "memory_mb": 12.25}
    )
    frame = labels.pack(path, tmp_path / "train-cpu.csv")
    assert frame["memory_mb"].tolist() == [12.25]


def test_graphs_are_those_that_were_measured(table):
    frame = labels.load("infer", table)
    for graph, row in zip(labels.graphs(frame), frame.itertuples(), strict=True):
        assert graph.batch == row.batch
        assert make(row.family, row.seed).macs * row.batch == graph.macs
        assert graph.name == f"{row.family}-1"


def test_other_generators_are_noticed(table):
    frame = labels.load("infer", table)
    frame.loc[1, "digest"] = "0" * 16
    with pytest.raises(ModelInputError, match="resnet with seed 1 is not the network that was measured"):
        labels.graphs(frame)


def test_noise_is_the_scatter_of_a_half():
    rng = np.random.default_rng(0)
    truth = rng.uniform(1, 100, 20_000)
    halves = {name: truth * np.exp(0.03 * rng.standard_normal(len(truth))) for name in ("ms_a", "ms_b")}
    assert labels.noise(pd.DataFrame(halves)) == pytest.approx(3.0, rel=0.03)
    assert labels.noise(pd.DataFrame({"ms_a": truth, "ms_b": truth})) == 0.0


def test_a_digest_of_digits_stays_text(table):
    lines = table.read_text().splitlines()
    cells = lines[1].split(",")
    cells[labels.COLUMNS.index("digest")] = "0012345678901234"
    table.write_text("\n".join([lines[0], ",".join(cells)]) + "\n")
    assert labels.load("infer", table)["digest"].tolist() == ["0012345678901234"]


def change(table, **columns):
    pd.read_csv(table, dtype={"digest": str}).assign(**columns).to_csv(table, index=False)


def test_damaged_tables_are_refused(table):
    whole = table.read_text()
    for columns, cause in (
        ({"ms": [1.0, -1.0]}, "times that are none"),
        ({"ms_b": ["fast", 1.0]}, "times that are none"),
        ({"what": "train"}, "holds train, not infer"),
        ({"family": "vit"}, "a network twice"),
    ):
        table.write_text(whole)
        change(table, **columns)
        with pytest.raises(ModelInputError, match=cause):
            labels.load("infer", table)
    table.write_text(whole.replace("ms_a", "ms_x"))
    with pytest.raises(ModelInputError, match="no column ms_a"):
        labels.load("infer", table)
    table.write_text(whole.splitlines()[0] + "\n")
    with pytest.raises(ModelInputError, match="holds nothing"):
        labels.load("infer", table)


def test_what_is_not_there(tmp_path, records):
    with pytest.raises(ModelInputError, match=r"labels none.csv cannot be read"):
        labels.load("infer", tmp_path / "none.csv")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(ModelInputError, match="cannot be read"):
        labels.load("infer", tmp_path / "empty.csv")
    with pytest.raises(ModelInputError, match="no labels of the name 'guess'"):
        labels.load("guess")
    with pytest.raises(ModelInputError, match="ends with .csv"):
        labels.pack(records, tmp_path / "table.txt")
    with pytest.raises(ModelInputError, match="cannot be read"):
        labels.pack(tmp_path / "none.jsonl", tmp_path / "table.csv")
    LabelFile(tmp_path / "begun.jsonl", "infer", 4)
    with pytest.raises(ModelInputError, match="holds no label"):
        labels.pack(tmp_path / "begun.jsonl", tmp_path / "table.csv")
