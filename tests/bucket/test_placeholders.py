"""The datasets whose recipe is still to come: they open by the published call, and no notebook uses one."""

from __future__ import annotations

import re

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from maelstrom_bootcamp import bucket
from maelstrom_bootcamp.bucket import recipes
from maelstrom_bootcamp.bucket.placeholders.layout import TITLE, Placeholder
from maelstrom_bootcamp.bucket.worker import load
from maelstrom_bootcamp.catalog import CATALOG
from support import NOTEBOOKS, notebook_id, read

#: Each later chapter replaces those of its application by recipes and lowers this number.
LEFT = 5
PLACEHOLDERS = [name for name, row in CATALOG.items() if row.placeholder]


def test_number_of_placeholders_left():
    assert len(PLACEHOLDERS) == LEFT


def test_catalogue_and_recipes_agree_on_what_is_a_placeholder():
    found = [name for name in recipes.RECIPES if isinstance(load(recipes.reference(name)), Placeholder)]
    assert sorted(found) == sorted(PLACEHOLDERS)


def placeholders_opened(notebook: nbformat.NotebookNode) -> set[str]:
    """Names of placeholders in the code of a notebook."""
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    return {name for name in PLACEHOLDERS if re.search(rf"{re.escape(name)}(?![\w-])", code)}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=notebook_id)
def test_no_notebook_opens_a_placeholder(path):
    assert not placeholders_opened(read(path))


def test_a_notebook_that_opens_a_placeholder_is_found():
    cells = [
        new_markdown_cell("maelstrom-constants-a-b"),
        new_code_cell("bucket.open_dataset('maelstrom-weather-model-level')"),
    ]
    assert placeholders_opened(new_notebook(cells=cells)) == {"maelstrom-weather-model-level"}


# ---------------------------------------------------------------- each opens by the published call

#: Published call, sizes and units that the result must have.
CALLS = {
    "maelstrom-constants-a-b": ({}, {"dim0": 138, "dim0_0": 137}, {"hyai": "Pa", "hybm": "1"}),
    "maelstrom-power-production": (
        {"wind_turbine_id": 4},
        {"time": 144, "level": 1},
        {"production": "kW", "wind_speed": "m s**-1"},
    ),
    "maelstrom-weather-model-level": (
        {"date": "2019-01-01"},
        {"time": 24, "level": 10},
        {"t": "K", "u": "m s**-1"},
    ),
    "maelstrom-weather-pressure-level": (
        {"date": ["2019-01-01", "2019-01-02"]},
        {"time": 48, "level": 2},
        {"z": "m**2 s**-2", "r": "%"},
    ),
    "maelstrom-weather-surface-level": ({"date": "2019-01-02"}, {"time": 24, "latitude": 16}, {"sp": "Pa"}),
}


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """One bucket for all of them: they are small and nothing damages them here."""
    return tmp_path_factory.mktemp("buckets")


@pytest.fixture
def placed(kept, monkeypatch, watchdog):
    monkeypatch.setenv("MAELSTROM_BUCKET", str(kept))


def opened(name, **request):
    with pytest.warns(bucket.PlaceholderWarning, match=f"{name}: the sample shows the layout only"):
        return bucket.open_dataset(name, **request)


@pytest.mark.parametrize("name", CALLS)
def test_published_call_gives_the_true_layout(placed, name):
    request, sizes, units = CALLS[name]
    data = opened(name, **request).to_xarray()
    assert {dim: data.sizes.get(dim) for dim in sizes} == sizes
    assert {variable: data[variable].attrs.get("units") for variable in units} == units


@pytest.mark.parametrize("name", ["maelstrom-weather-surface-level", "maelstrom-constants-a-b"])
def test_title_says_what_it_is(placed, name):
    assert opened(name, **CALLS[name][0]).to_xarray().attrs["title"] == TITLE == "PLACEHOLDER: layout only"


def test_values_are_ramps(placed):
    values = opened("maelstrom-constants-a-b").to_xarray().hyai.values
    steps = np.diff(values)
    assert np.allclose(steps, steps[0], rtol=1e-4)
    assert steps[0] > 0


@pytest.mark.parametrize("name", PLACEHOLDERS)
def test_request_in_the_catalogue_is_in_the_sample(placed, name):
    opened(name, **CATALOG[name].request)
