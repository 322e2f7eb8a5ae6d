from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from maelstrom_bootcamp.perfmodel.graph import ModelInputError
from maelstrom_bootcamp.perfmodel.labels import public
from maelstrom_bootcamp.perfmodel.samples import samples
from maelstrom_bootcamp.perfmodel.zoo.builder import Builder
from maelstrom_bootcamp.perfmodel.zoo.families import make
from maelstrom_bootcamp.perfmodel.zoo.to_graph import to_graph

DATA = Path(__file__).parent / "data"
RECORDS = [json.loads((DATA / f"{name}.json").read_text()) for name in ("small_cnn", "small_vit")]


def plain(size: int):
    """A network whose layers do not depend on the size of its image."""
    net = Builder((3, size, size))
    x = net.activation(net.batch_norm(net.conv(net.input, 16, stride=2)), "relu")
    return to_graph(net.finish(net.dense(net.flatten(net.global_pool(x)), 10), name="plain"))


def test_twins_are_kept_once_and_architectures_know_no_size():
    small, large = plain(64), plain(96)
    found = samples([small, small, small.at_batch(4), large], [1.0, 2.0, 3.0, 4.0], ["plain"] * 4)
    assert found.values.tolist() == [1.0, 3.0, 4.0], "the same graph at the same batch is one sample"
    assert len(set(found.architectures)) == 1
    assert found.networks[1].batch == 4
    part = found.take([2, 0])
    assert part.values.tolist() == [4.0, 1.0]
    assert part.networks[1] is found.networks[0]
    other = samples([to_graph(make("vgg", 3))], [1.0], ["vgg"])
    assert other.architectures[0] not in found.architectures


def test_batches_may_be_given_apart_from_the_graphs():
    graph = to_graph(make("vit", 1))
    given = samples([graph, graph], [1.0, 2.0], ["vit"] * 2, batches=[1, 8])
    scaled = samples([graph, graph.at_batch(8)], [1.0, 2.0], ["vit"] * 2)
    for a, b in zip(given.networks, scaled.networks, strict=True):
        np.testing.assert_allclose(a.work, b.work, rtol=1e-12)
        assert a.batch == b.batch


@pytest.mark.parametrize(("values", "families"), [([1.0], ["a", "b"]), ([0.0], ["a"]), ([np.nan], ["a"])])
def test_what_does_not_fit_together_is_refused(values, families):
    with pytest.raises(ModelInputError, match="What to do"):
        samples([to_graph(make("vgg", 1))], values, families)


@pytest.fixture
def folder(tmp_path):
    """A public table of two models, one of them without a graph under its name."""
    with gzip.open(tmp_path / "graphs.jsonl.gz", "wt", encoding="utf-8") as out:
        for record, name in zip(RECORDS, ("resnet_small", "vit_small_x"), strict=True):
            out.write(json.dumps({**record, "name": name, "size": 64}) + "\n")
    file, prefix = public.TABLES["rtx4090-infer"]
    rows = [("resnet_small.a1", 64, 32, 12.5), ("vit_small_x", 64, 16, 20.0), ("unknown", 64, 16, 20.0)]
    lines = [f"model,{prefix}_img_size,{prefix}_batch_size,{prefix}_step_time"]
    (tmp_path / file).write_text("\n".join([*lines, *(",".join(map(str, r)) for r in rows)]) + "\n")
    return tmp_path


def test_public_tables_are_joined_to_their_graphs(folder):
    found = public.load(folder, "rtx4090-infer")
    assert found.names.tolist() == ["resnet_small.a1", "vit_small_x"]
    assert found.values.tolist() == [0.0125, 0.02]
    assert found.families.tolist() == ["resnet", "vit"]
    assert [n.batch for n in found.networks] == [32, 16]


def test_public_tables_that_cannot_be_read_are_refused(folder):
    with pytest.raises(ModelInputError, match="no table"):
        public.load(folder, "v100")
    with pytest.raises(ModelInputError, match="benchmark-train"):
        public.load(folder, "rtx3090-train")
    whole = (folder / "graphs.jsonl.gz").read_bytes()
    other = folder / "truncated"
    other.mkdir()
    (other / "graphs.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    (other / public.TABLES["rtx4090-infer"][0]).write_bytes(
        (folder / public.TABLES["rtx4090-infer"][0]).read_bytes()
    )
    with pytest.raises(ModelInputError, match=r"graphs\.jsonl\.gz"):
        public.load(other, "rtx4090-infer")


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("seresnext50_32x4d", ""),
        ("wide_resnet50_2", "resnet"),
        ("tf_efficientnet_b0", "efficientnet"),
        ("vit_base_patch16_224", "vit"),
        ("deit3_small_patch16_224", "vit"),
        ("crossvit_9_240", ""),
        ("swinv2_tiny_window8_256", "swin"),
        ("visformer_small", "visformer"),
    ],
)
def test_families_by_name(name, family):
    assert public.family_of(name) == family


def test_every_model_has_a_stem():
    assert [public.stem_of(n) for n in ("tf_efficientnet_b0", "hrnet_w18", "legacy_senet154")] == [
        "efficientnet",
        "hrnet",
        "senet",
    ]
    assert public.stem_of("regnety_032") == public.stem_of("regnety_064.tv2_in1k") == "regnety"
