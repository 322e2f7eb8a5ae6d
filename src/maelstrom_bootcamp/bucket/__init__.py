"""The sample bucket: MAELSTROM's datasets without the internet, through the published calls.

>>> from maelstrom_bootcamp import bucket
>>> bucket.serve("maelstrom-yr")                          # doctest: +SKIP
>>> import climetlab                                      # doctest: +SKIP
>>> climetlab.load_dataset("maelstrom-yr", size="5GB", dates=["2020-03-10", "2020-03-11"])  # doctest: +SKIP
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maelstrom_bootcamp.bucket import recipes
from maelstrom_bootcamp.bucket.store import Job, Problem, Recipe, Store, Writer
from maelstrom_bootcamp.catalog import dataset
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.settings import SIZES, Settings, settings

if TYPE_CHECKING:
    import climetlab

__all__ = [
    "Job",
    "PlaceholderWarning",
    "Problem",
    "Recipe",
    "Store",
    "Writer",
    "open_dataset",
    "samples",
    "serve",
    "truth",
]


class PlaceholderWarning(UserWarning):
    """The sample of this dataset shows the layout only: its values are ramps."""


def samples(name: str, *, size: str | None = None) -> Store:
    """The sample objects of a dataset, without making anything.

    Parameters
    ----------
    name : str
        Registered name of the dataset.
    size : {"ci", "default", "full"}, optional
        Size of the sample; by default that of the settings.

    Returns
    -------
    Store

    Raises
    ------
    BootcampError
        If there is no such dataset, no recipe for it, or no such size.
    """
    chosen = _settings(size)
    return Store(name, chosen.bucket, chosen.size, chosen.seed)


def serve(name: str, *, size: str | None = None, progress: bool = True) -> Path:
    """Make a dataset ready for the published call ``climetlab.load_dataset(name, ...)``.

    Makes the sample objects that are missing, damaged or of an older recipe, installs the guards and sets
    CliMetLab's mirror. With ``MAELSTROM_DATA=remote`` it only installs the guards.

    Parameters
    ----------
    name : str
        Registered name of the dataset.
    size : {"ci", "default", "full"}, optional
        Size of the sample; by default that of the settings.
    progress : bool
        Show how far the making is.

    Returns
    -------
    pathlib.Path
        The bucket (in remote mode unused).

    Raises
    ------
    BootcampError
        If the name is unknown or the objects cannot be made.
    """
    from maelstrom_bootcamp.bucket import guards

    chosen = _settings(size)
    row = dataset(name)
    recipes.reference(name)
    guards.install()
    from maelstrom_bootcamp.bucket import mirror

    if chosen.data == "remote":
        mirror.deactivate(chosen.root)
        return chosen.bucket
    Store(name, chosen.bucket, chosen.size, chosen.seed).make(progress=progress)
    mirror.activate(chosen.bucket, chosen.size)
    if row.placeholder:
        text = f"{name}: the sample shows the layout only (names, dimensions, units); values are plain ramps."
        warnings.warn(text, PlaceholderWarning, stacklevel=2)
    return chosen.bucket


def open_dataset(name: str, *, sample_size: str | None = None, **request: Any) -> climetlab.Dataset:
    """Serve a dataset and open it by the published call.

    A request of a single object gives the same layout as one of several: CliMetLab would skip the plugin's
    merger for it and return the object as it is stored.

    Parameters
    ----------
    name : str
        Registered name of the dataset.
    sample_size : {"ci", "default", "full"}, optional
        As `size` of `serve` (some datasets have an argument "size" of their own).
    **request
        Arguments of ``climetlab.load_dataset``.

    Returns
    -------
    climetlab.Dataset
        With ``to_xarray()`` or ``to_tfdataset()``.

    Raises
    ------
    BootcampError
        If the name is unknown, the request does not fit, or an object is missing.
    """
    serve(name, size=sample_size)
    import climetlab

    try:
        opened = climetlab.load_dataset(name, **request)
    except BootcampError:
        raise
    except Exception as error:
        working = replace(dataset(name), request=recipes.example(name, _settings(sample_size).size)).call
        arguments = ", ".join(f"{key}={value!r}" for key, value in request.items())
        raise BootcampError(
            f"{name} does not take the request ({arguments}): {type(error).__name__}: {error}",
            f"A call that works: {working}",
        ) from error
    return _with_merger(opened)


def truth(name: str, *, size: str | None = None) -> Path:
    """Folder of what only the generator of a sample knows (the nature run, the stations' faults).

    Parameters
    ----------
    name : str
        Registered name of the dataset.
    size : {"ci", "default", "full"}, optional
        Size of the sample; by default that of the settings.

    Returns
    -------
    pathlib.Path
        ``<bucket>/truth/<name>``.

    Raises
    ------
    BootcampError
        In remote mode, or if the sample of this dataset has no truth.
    """
    if settings().data == "remote":
        raise BootcampError(
            f"Nobody knows the truth behind the real {name}.", "Set MAELSTROM_DATA=sample and restart."
        )
    folder = serve(name, size=size) / "truth" / name
    if not folder.is_dir():
        raise BootcampError(f"The sample of {name} keeps no truth.", "Only simulated samples have one.")
    return folder


def _settings(size: str | None) -> Settings:
    if size is None:
        return settings()
    if size not in SIZES:
        raise BootcampError(f"There is no sample of size {size!r}.", f"Take one of {', '.join(SIZES)}.")
    return replace(settings(), size=size)


def _with_merger(opened: climetlab.Dataset) -> climetlab.Dataset:
    """Give a source of one file its merger back (radiation has two sources)."""
    from climetlab.sources.file import FileSource
    from climetlab.sources.multi import MultiSource

    for attribute in ("_source", "source_inputs", "source_outputs"):
        source = getattr(opened, attribute, None)
        if isinstance(source, FileSource) and source.merger is not None:
            merged = MultiSource([source], merger=source.merger)
            setattr(opened, "source" if attribute == "_source" else attribute, merged)
    return opened
