"""The MAELSTROM datasets as one table.

Names, versions, arguments and object names were read in the installed plugins; sizes and splits come from the
plugins or from what their authors published. Where a size follows from arithmetic only, the text says so;
where nothing is known, it says that.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from maelstrom_bootcamp.errors import BootcampError

_STORE = "object-store.os-api.cci1.ecmwf.int"
_OLD_STORE = "storage.ecmwf.europeanweather.cloud"
_NOT_STATED = "not stated by the plugin"
_LAYOUT_ONLY = "PLACEHOLDER: layout only. True names, dimensions and units, values are plain ramps"
_ECMWF_TERMS = "https://apps.ecmwf.int/datasets/licences/general/"
_ENS10_TERMS = "https://github.com/spcl/climetlab-maelstrom-ens10/blob/main/ENS10_LICENCE.txt"
_AP5_TERMS = (
    "https://git.ecmwf.int/projects/MLFET/repos/maelstrom-downscaling-ap5/"
    "browse/climetlab-maelstrom-downscaling-ap5/LICENSE"
)
_AP6_TERMS = "https://github.com/4castRenewables/climetlab-plugin-a6/LICENSE"


@dataclass(frozen=True)
class Dataset:
    """One dataset of MAELSTROM.

    Attributes
    ----------
    name : str
        Name for ``climetlab.load_dataset``.
    application : str
        "A1" to "A6".
    title : str
    plugin, version : str or None
        Distribution on PyPI and the version that the course uses; None if there is no plugin.
    licence, licence_url : str
        Terms of the data, as far as the plugin or its authors state them.
    citation : str
        How to cite the data; empty if the plugin gives none.
    home_page : str
    true_size : str
        Size of MAELSTROM's own data.
    splits : mapping of str to str
        Published training, validation and test parts; empty if none are defined.
    request : mapping of str to object
        Keyword arguments of a published call that works.
    objects : tuple of str
        Patterns of the objects, "host/bucket/object".
    sample : str
        What the sample bucket holds instead.
    absent : mapping of str to str
        Part of an object's name -> why no sample can hold such objects.
    placeholder : bool
        True while the sample shows the layout only.
    """

    name: str
    application: str
    title: str
    plugin: str | None
    version: str | None
    licence: str
    licence_url: str
    citation: str
    home_page: str
    true_size: str
    splits: Mapping[str, str]
    request: Mapping[str, Any] = field(default_factory=dict)
    objects: tuple[str, ...] = ()
    sample: str = _LAYOUT_ONLY
    absent: Mapping[str, str] = field(default_factory=dict)
    placeholder: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "splits", MappingProxyType(dict(self.splits)))
        object.__setattr__(self, "request", MappingProxyType(dict(self.request)))
        object.__setattr__(self, "absent", MappingProxyType(dict(self.absent)))

    @property
    def call(self) -> str:
        """The published call, as a line of Python."""
        arguments = "".join(f", {key}={value!r}" for key, value in self.request.items())
        return f'climetlab.load_dataset("{self.name}"{arguments})'

    @property
    def hosts(self) -> frozenset[str]:
        """Hosts of the objects."""
        return frozenset(pattern.split("/")[0] for pattern in self.objects)

    def owns(self, address: str) -> bool:
        """Whether an object "host/bucket/object" belongs to this dataset."""
        return any(re.fullmatch(_regex(pattern), address) for pattern in self.objects)


def _regex(pattern: str) -> str:
    # "{...}" stands for any text without a slash.
    return "[^/]*".join(re.escape(part) for part in re.split(r"\{[^}]*\}", pattern))


_NO_3D = (
    "the 3-D effects of clouds need SPARTACUS, ECMWF's own solver, which cannot be shipped with the course, "
    "and a made-up correction would be a pretence"
)
_RADIATION = {
    "application": "A3",
    "sample": "simulated columns over real ground, fluxes by the radiation scheme RRTMG (no 3-D solver)",
    "absent": {"3dcorrection": _NO_3D, "spartacus": _NO_3D},
    "placeholder": False,
    "plugin": "climetlab-maelstrom-radiation",
    "version": "0.7.5",
    "licence": "CC BY 4.0",
    "licence_url": _ECMWF_TERMS,
    "citation": "",
    "home_page": "https://git.ecmwf.int/projects/MLFET/repos/maelstrom-radiation",
}
_ENS10 = {
    "application": "A4",
    "plugin": "climetlab-maelstrom-ens10",
    "version": "0.1.1",
    "licence": "CC BY 4.0 (the wording of the notice is prescribed by ENS10_LICENCE.txt)",
    "licence_url": _ENS10_TERMS,
    "citation": "Ashkboos, S., et al. (2022): ENS-10: A Dataset For Post-Processing Ensemble Weather "
    "Forecasts. arXiv:2206.14786.",
    "home_page": "https://github.com/spcl/climetlab-maelstrom-ens10",
}
_DOWNSCALING = {
    "application": "A5",
    "placeholder": False,
    "plugin": "climetlab-maelstrom-downscaling",
    "version": "0.4.0",
    "licence": "Apache-2.0",
    "licence_url": _AP5_TERMS,
    "citation": "",
    "home_page": "https://git.ecmwf.int/projects/MLFET/repos/maelstrom-downscaling-ap5",
}
_POWER = {
    "application": "A6",
    "plugin": "climetlab-maelstrom-power-production",
    "version": "0.2.2",
    "licence": _NOT_STATED,
    "licence_url": _AP6_TERMS,
    "citation": "",
    "home_page": "https://github.com/4castRenewables/climetlab-plugin-a6",
    "splits": {},
}


def _weather(kind: str, short: str, content: str) -> Dataset:
    return Dataset(
        name=f"maelstrom-weather-{kind}-level",
        title=f"Weather of the wind turbines: {content}",
        true_size="2 objects a day (00 and 12 UTC, 49 hourly steps), 2017-2020; bytes not documented",
        request={"date": ["2019-01-01", "2019-01-02"]},
        objects=(f"{_STORE}/maelstrom-ap6/{short}_{{date}}_{{run}}.nc",),
        **_POWER,
    )


_ROWS = (
    Dataset(
        name="maelstrom-yr",
        application="A1",
        title="Post-processing of 2 m temperature for yr.no",
        plugin="climetlab-maelstrom-yr",
        version="0.6.3",
        licence=f"{_NOT_STATED}; its terms of use point to the repository's LICENSE (Apache-2.0)",
        licence_url="https://github.com/metno/maelstrom_yr/LICENSE",
        citation="Nipen, T. N., Seierstad, I. A., Lussana, C., Kristiansen, J., & Hov, Ø. (2020). Adopting "
        "Citizen Observations in Operational Weather Prediction, Bulletin of the American Meteorological "
        "Society, 101(1), E43-E57.",
        home_page="https://github.com/metno/maelstrom-yr",
        true_size="5GB tier: 724 objects of 7.2 MB; 5TB tier: about 60 hourly lead times",
        splits={
            "training": "2020 and 2021-01/02",
            "validation": "24 fixed dates inside the test year (the course does not copy that)",
            "test": "2021-03 to 2022-02",
        },
        request={"size": "5GB", "dates": ["2020-03-01", "2020-03-02"]},
        objects=(f"{_STORE}/maelstrom-ap1/{{parameter}}/{{size}}/{{date}}.nc",),
        sample="an observing-system simulation over the eastern Alps and the northern Adriatic",
        placeholder=False,
    ),
    Dataset(
        name="maelstrom-a2",
        application="A2",
        title="Weather and tweets",
        plugin=None,
        version=None,
        licence="tweets may not be redistributed",
        licence_url="",
        citation="",
        home_page="https://github.com/4castRenewables/maelstrom-a2",
        true_size="25 000 tweets (2017-01), 250 000 (2017), about 1 million (2017-2020)",
        splits={},
        sample="there is no CliMetLab plugin for A2",
        placeholder=False,
    ),
    Dataset(
        name="maelstrom-radiation",
        title="Emulation of the ecRad radiation scheme (netCDF)",
        true_size="tier-1: 135 680 columns (by arithmetic), 271 360 columns a snapshot; bytes not documented",
        splits={"tier-1": "2020-01-01 step 0, 8 of 16 patches", "2020": "13 dates, 29 steps, 16 patches"},
        request={"dataset": "tripleclouds", "subset": "tier-1"},
        objects=(f"{_STORE}/maelstrom-ap3/{{kind}}_{{date}}00_{{step}}c{{patch}}.nc",),
        **_RADIATION,
    ),
    Dataset(
        name="maelstrom-radiation-tf",
        title="Emulation of the ecRad radiation scheme (TFRecord)",
        true_size="tier-1: 67 840 columns, about 1.38 GB; 2020: about 2.1 TB (both by arithmetic)",
        splits={
            "training": "tier-1, tier-2 or tier-3 (2020)",
            "validation": "-val: 2019-01-31, tiers 2 and 3 also 2019-08-29",
            "test": "-test: 2019-05-31, tiers 2 and 3 also 2019-10-28",
        },
        request={"subset": "tier-1"},
        objects=(
            f"{_STORE}/maelstrom-ap3/records/{{file}}.tfrecord",
            f"{_STORE}/maelstrom-ap3/TFR/{{file}}.tfrecord",
            *(
                f"{_STORE}/maelstrom-ap3/{name}.nc"
                for name in ("sca_inputs", "col_inputs", "hl_inputs", "inter_inputs", "pressure_hl")
            ),
        ),
        **_RADIATION,
    ),
    Dataset(
        name="maelstrom-ens10",
        title="ENS-10: twenty years of ensemble reforecasts (GRIB)",
        true_size="about 3 TB: 105 dates, 3.4 GB (surface) and 24 GB (pressure levels) each",
        splits={"training": "1998-2015", "test": "2016-2017"},
        request={"date": "0101", "dtype": "sfc"},
        objects=(f"{_OLD_STORE}/MAELSTROM_AP4/output.{{dtype}}.2018{{mmdd}}",),
        sample="a quasi-geostrophic atmosphere, its imperfect ensemble and its truth; every tenth point; "
        "humidity, cloud and rain are diagnosed by formulas",
        placeholder=False,
        **_ENS10,
    ),
    Dataset(
        name="maelstrom-ens5mini",
        title="ENS5-mini: ENS-10 cropped to Europe, ten years, five members (netCDF)",
        true_size="10 GB: 12 objects of 846 MB",
        splits={},
        request={"date": "01"},
        objects=(f"{_OLD_STORE}/MAELSTROM_AP4/toy/ens5mini.{{month}}.nc",),
        sample="forecasts of the sample of maelstrom-ens10, over Europe; humidity is diagnosed by a formula",
        placeholder=False,
        **_ENS10,
    ),
    Dataset(
        name="maelstrom-downscaling-tier1",
        title="Downscaling of 2 m temperature: coarsened IFS analyses to 0.1 degrees",
        true_size="30 monthly objects, 1 464 training samples; bytes not documented",
        splits={"training": "2016-2019", "validation": "2020-05, -07, -08", "test": "2020-04, -06, -09"},
        request={"dataset": "validation"},
        objects=(f"{_STORE}/maelstrom-ap5/tier-1/downscaling_tier1_{{month}}.nc",),
        sample="2 m temperature simulated over real heights, coarsened as upstream does it",
        absent={"_aug": "how the augmented sets were made is documented nowhere that the course could read"},
        **_DOWNSCALING,
    ),
    Dataset(
        name="maelstrom-downscaling-tier2",
        title="Downscaling of 2 m temperature: ERA5 to COSMO-REA6",
        true_size="288 monthly objects, about 250 GB for training",
        splits={"training": "1995-2016", "validation": "2017", "test": "2018"},
        request={"dataset": "testing"},
        objects=(f"{_STORE}/maelstrom-ap5/tier-2/downscaling_tier2_{{month}}.nc",),
        sample="2 m temperature simulated over real heights, predictors of a coarse, imperfect model",
        **_DOWNSCALING,
    ),
    Dataset(
        name="maelstrom-constants-a-b",
        title="Constants A and B of the model levels of the IFS",
        true_size="1 object",
        objects=(f"{_STORE}/maelstrom-ap6/ECMWF_AB137.nc",),
        **_POWER
        | {
            "citation": "IFS Documentation – Cy47r1, Operational implementation 30 June 2020, "
            "Part III: Dynamics and Numerical Procedures, ECMWF, 2020, p. 6, Eq. 2.11"
        },
    ),
    Dataset(
        name="maelstrom-power-production",
        title="Power production of four wind turbines",
        true_size="4 objects, values every 10 minutes; bytes not documented",
        request={"wind_turbine_id": 1},
        objects=(f"{_STORE}/maelstrom-ap6/production_data/wind_turbine_{{id}}.nc",),
        **_POWER,
    ),
    _weather("model", "ml", "levels 128 to 137 of the model"),
    _weather("pressure", "pl", "pressure levels"),
    _weather("surface", "sfc", "surface"),
)

#: The table: rows by name, in the order of the applications.
CATALOG: Mapping[str, Dataset] = MappingProxyType({row.name: row for row in _ROWS})


def suggestion(name: str) -> str:
    """What to do about an unknown name: the nearest known ones, or all of them."""
    names = [row.name for row in _ROWS if row.plugin]
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    if near:
        return f"Did you mean {' or '.join(near)}? `bootcamp data list` shows all."
    return f"Known names: {', '.join(names)}."


def dataset(name: str) -> Dataset:
    """Look up a row of the table.

    Parameters
    ----------
    name : str
        Registered name, e.g. "maelstrom-yr".

    Returns
    -------
    Dataset

    Raises
    ------
    BootcampError
        If there is none of this name, with suggestions.
    """
    try:
        return CATALOG[name]
    except KeyError:
        raise BootcampError(f"There is no dataset {name!r}.", suggestion(name)) from None


def owner(address: str) -> Dataset | None:
    """The dataset that an object "host/bucket/object" belongs to, or None."""
    return next((row for row in _ROWS if row.owns(address)), None)
