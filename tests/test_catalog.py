"""The catalogue says what the installed plugins say."""

from __future__ import annotations

import dataclasses
import importlib.metadata

import entrypoints
import pytest

from maelstrom_bootcamp import catalog
from maelstrom_bootcamp.bucket import guards, recipes
from maelstrom_bootcamp.catalog import CATALOG, dataset, owner
from maelstrom_bootcamp.errors import BootcampError

WITH_PLUGIN = [row for row in CATALOG.values() if row.plugin]


def names(rows):
    return [row.name for row in rows]


def registered():
    return {e.name.replace("_", "-"): e for e in entrypoints.get_group_all("climetlab.datasets")}


def plugin_class(name):
    guards.install()
    return registered()[name].load()


def test_all_registered_datasets_are_in_the_catalogue():
    assert sorted(n for n in registered() if n.startswith("maelstrom")) == sorted(names(WITH_PLUGIN))
    assert len(WITH_PLUGIN) == 12


def test_every_application_has_a_row():
    assert sorted({row.application for row in CATALOG.values()}) == [f"A{i}" for i in range(1, 7)]


def test_a2_says_that_it_has_no_plugin():
    row = dataset("maelstrom-a2")
    assert row.plugin is None
    assert "no CliMetLab plugin" in row.sample


@pytest.mark.parametrize("row", WITH_PLUGIN, ids=names(WITH_PLUGIN))
def test_version_is_the_installed_one(row):
    assert importlib.metadata.version(row.plugin) == row.version


def test_version_is_the_pinned_one():
    needed = importlib.metadata.requires("maelstrom-bootcamp")
    for row in WITH_PLUGIN:
        assert f"{row.plugin}=={row.version}" in needed


@pytest.mark.parametrize(
    "row",
    [pytest.param(r, marks=pytest.mark.slow if r.name.endswith("-tf") else ()) for r in WITH_PLUGIN],
    ids=names(WITH_PLUGIN),
)
def test_terms_licence_and_citation_are_those_of_the_plugin(row):
    made_by = plugin_class(row.name)
    assert row.licence_url.rstrip(". ") in made_by.terms_of_use
    if made_by.licence != "-":
        short = {"Apache-2.0": "Apache Licence Version 2.0"}.get(row.licence, row.licence)
        assert short in made_by.licence
    if made_by.citation != "-":
        assert row.citation == made_by.citation


@pytest.mark.parametrize("row", WITH_PLUGIN, ids=names(WITH_PLUGIN))
def test_sample_objects_belong_to_their_dataset(row):
    from maelstrom_bootcamp.bucket.worker import load

    jobs = load(recipes.reference(row.name)).plan("ci", 0)
    objects = [o for job in jobs for o in job.objects if o.startswith("url/")]
    assert objects
    for path in objects:
        assert owner(path.removeprefix("url/https/")).name == row.name


def test_published_call_is_valid_python():
    for row in WITH_PLUGIN:
        compile(row.call, row.name, "eval")
    assert (
        dataset("maelstrom-ens10").call
        == "climetlab.load_dataset(\"maelstrom-ens10\", date='0101', dtype='sfc')"
    )


def test_foreign_object_has_no_owner():
    assert owner("example.org/maelstrom-ap1/air_temperature/5GB/20200301T03Z.nc") is None


def test_unknown_name_far_from_all_lists_them():
    with pytest.raises(BootcampError) as caught:
        dataset("weather")
    assert all(row.name in caught.value.cure for row in WITH_PLUGIN)


def test_rows_cannot_be_changed():
    row = dataset("maelstrom-yr")
    with pytest.raises(dataclasses.FrozenInstanceError):
        row.licence = "mine"
    with pytest.raises(TypeError):
        row.splits["test"] = "everything"
    with pytest.raises(TypeError):
        CATALOG["new"] = row


def test_yr_example_stands_in_the_sample_of_every_size():
    from maelstrom_bootcamp.bucket.yr.periods import PERIODS

    for size, periods in PERIODS.items():
        assert recipes.example("maelstrom-yr", size)["dates"] == periods["train"][:2]
    assert recipes.example("maelstrom-ens10", "ci") == catalog.dataset("maelstrom-ens10").request
