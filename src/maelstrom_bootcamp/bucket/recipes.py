"""Which recipe makes which dataset. Recipes are imported only when they are asked for."""

from __future__ import annotations

from typing import Any

from maelstrom_bootcamp.catalog import dataset
from maelstrom_bootcamp.errors import BootcampError

_PLACEHOLDERS = "maelstrom_bootcamp.bucket.placeholders"

#: Registered name of a dataset -> "module:attribute" of its recipe.
RECIPES: dict[str, str] = {
    "maelstrom-yr": "maelstrom_bootcamp.bucket.yr.recipe:RECIPE",
    "maelstrom-radiation": "maelstrom_bootcamp.bucket.radiation.recipe:RECIPE",
    "maelstrom-radiation-tf": "maelstrom_bootcamp.bucket.radiation.records:RECIPE",
    "maelstrom-ens10": "maelstrom_bootcamp.bucket.ens10.recipe:RECIPE",
    "maelstrom-ens5mini": "maelstrom_bootcamp.bucket.ens10.mini:RECIPE",
    "maelstrom-downscaling-tier1": "maelstrom_bootcamp.bucket.downscaling.recipe:TIER1",
    "maelstrom-downscaling-tier2": "maelstrom_bootcamp.bucket.downscaling.recipe:TIER2",
    "maelstrom-constants-a-b": f"{_PLACEHOLDERS}.a6:CONSTANTS",
    "maelstrom-power-production": f"{_PLACEHOLDERS}.a6:PRODUCTION",
    "maelstrom-weather-model-level": f"{_PLACEHOLDERS}.a6:MODEL_LEVEL",
    "maelstrom-weather-pressure-level": f"{_PLACEHOLDERS}.a6:PRESSURE_LEVEL",
    "maelstrom-weather-surface-level": f"{_PLACEHOLDERS}.a6:SURFACE_LEVEL",
}


def reference(name: str) -> str:
    """The recipe of a dataset as "module:attribute".

    Parameters
    ----------
    name : str
        Registered name of the dataset.

    Returns
    -------
    str

    Raises
    ------
    BootcampError
        If there is no such dataset, or none of its data can be made.
    """
    try:
        return RECIPES[name]
    except KeyError:
        row = dataset(name)
        raise BootcampError(
            f"{row.name} has no sample objects: {row.sample}",
            "See `bootcamp data list` for the datasets that can be opened.",
        ) from None


def example(name: str, size: str) -> dict[str, Any]:
    """A request that the sample of this size can answer.

    Parameters
    ----------
    name : str
        Registered name of the dataset.
    size : {"ci", "default", "full"}

    Returns
    -------
    dict
        Keyword arguments of ``climetlab.load_dataset``.
    """
    request = dataset(name).request
    if name == "maelstrom-yr":
        from maelstrom_bootcamp.bucket.yr.periods import PERIODS

        request = {**request, "dates": PERIODS[size]["train"][:2]}
    return request
