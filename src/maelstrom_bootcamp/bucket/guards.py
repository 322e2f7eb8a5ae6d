"""Guards that turn CliMetLab's hangs into errors and keep it from writing where it should not.

CliMetLab 0.24 retries a failing request 500 times at intervals of 120 s, asks a server on the internet about
a misspelt name, writes its settings into the home directory when it is imported, and lists all modules of
Python for every date. All guards live in memory; no plugin is changed.
"""

from __future__ import annotations

import atexit
import functools
import logging
import os
import shutil
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from maelstrom_bootcamp.catalog import CATALOG, suggestion
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.settings import settings

#: A host that did not answer is not asked again for this long: CliMetLab's threads would wait one by one.
_FORGET_AFTER = 5.0
_TIMEOUT = "15s"
#: A server may refuse HEAD and still answer GET.
_HEAD_REFUSED = (403, 405, 501)
#: Messages of the plugins and of xarray about the plugins' code, which the reader cannot change.
_KNOWN_WARNINGS = (
    "Deprecated decorator @normalize_arg",
    "No index created for dimension",
    "In a future version of xarray the default value for",
    "pkg_resources is deprecated",
    "datetime.datetime.utcnow",
)

_lock = threading.Lock()
_silent_hosts: dict[str, tuple[float, str, str]] = {}
_failed_heads: dict[str, tuple[str, str]] = {}


def install() -> None:
    """Import CliMetLab safely and install every guard; a second call changes nothing.

    Raises
    ------
    BootcampError
        If the settings in the environment are wrong.
    """
    scratch = settings().cache
    with _lock:
        _import_climetlab()
        import multiurl.http

        if multiurl.http.robust is one_attempt:
            return
        _install_settings(scratch)
        _install_network_guards()
        _install_silence()
        _install_quick_look()
        _install_dask()


# -------------------------------------------------------------------- CliMetLab's import and settings


def _import_climetlab() -> None:
    # climetlab.core.settings makes ~/.climetlab/settings.yaml when it is imported, and has no option for it.
    if "climetlab.core.settings" in sys.modules:
        return
    with tempfile.TemporaryDirectory(prefix="maelstrom-home-") as folder, _home(folder):
        import climetlab.core.settings  # noqa: F401


@contextmanager
def _home(folder: str) -> Iterator[None]:
    saved = {name: os.environ.get(name) for name in ("HOME", "USERPROFILE")}
    os.environ.update(dict.fromkeys(saved, folder))
    try:
        yield
    finally:
        for name, value in saved.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _install_settings(scratch: Path) -> None:
    from climetlab.core.settings import SETTINGS

    SETTINGS._settings_yaml = None  # SETTINGS.set would write the file otherwise
    SETTINGS.set("cache-directory", str(_writable(scratch)))
    SETTINGS.set("datasets-catalogs-urls", [])
    SETTINGS.set("check-out-of-date-urls", False)
    SETTINGS.set("url-download-timeout", _TIMEOUT)
    # Keras writes keras.json into its own folder at import (the plugin of radiation-tf imports it).
    os.environ.setdefault("KERAS_HOME", str(_writable(scratch) / "keras"))


@functools.cache
def _writable(folder: Path) -> Path:
    """The folder, or a temporary one if the bucket is shared and read-only."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    temporary = Path(tempfile.mkdtemp(prefix="maelstrom-cache-"))
    atexit.register(shutil.rmtree, temporary, ignore_errors=True)
    return temporary


# -------------------------------------------------------------------- network


def _install_network_guards() -> None:
    import multiurl.http
    import multiurl.multipart
    from climetlab.datasets import DatasetLoader

    multiurl.http.robust = one_attempt
    multiurl.multipart.robust = one_attempt
    DatasetLoader.load_remote = _unknown_name


def _unknown_name(_loader: object, name: str) -> NoReturn:
    raise BootcampError(f"There is no dataset {name!r}.", suggestion(name))


def one_attempt(call: Callable[..., Any], *_: object, **__: object) -> Callable[..., Any]:
    """Stand-in for ``multiurl.http.robust``: one request, no waiting, one clear message.

    Parameters
    ----------
    call : callable
        ``requests.get`` or ``requests.head``. What else ``robust`` takes (retries, intervals) is ignored.

    Returns
    -------
    callable
        Takes a URL and the arguments of `call`; raises `BootcampError` where the server fails.
    """

    @functools.wraps(call)
    def attempt(url: str, *args: Any, **kwargs: Any) -> Any:
        import requests

        head = getattr(call, "__name__", "") == "head"
        _raise_remembered(url, head)
        try:
            response = call(url, *args, **kwargs)
        except requests.RequestException as error:
            cause = f"No answer from {urlsplit(url).netloc} for the object {url} ({type(error).__name__})."
            cure = (
                "Check the connection (on a compute node there is often none), or set MAELSTROM_DATA=sample "
                "and restart to work with the sample bucket."
            )
            _silent_hosts[urlsplit(url).netloc] = (time.monotonic(), cause, cure)
            raise BootcampError(cause, cure) from error
        status = response.status_code
        if status < 400 or (head and status in _HEAD_REFUSED):
            return response
        cause, cure = _bad_status(url, status)
        if head:
            _failed_heads[url] = (cause, cure)
        raise BootcampError(cause, cure)

    return attempt


def _raise_remembered(url: str, head: bool) -> None:
    when, cause, cure = _silent_hosts.get(urlsplit(url).netloc, (-_FORGET_AFTER, "", ""))
    if cause and time.monotonic() - when < _FORGET_AFTER:
        raise BootcampError(cause, cure)
    # multiurl ignores a failing HEAD, asks HEAD again and then GET; all get the answer to the first.
    failed = _failed_heads.get(url) if head else _failed_heads.pop(url, None)
    if failed:
        raise BootcampError(*failed)


def _bad_status(url: str, status: int) -> tuple[str, str]:
    host = urlsplit(url).netloc
    if status in (404, 410):
        cure = "Check the request (dates, names): the server says that there is no such object."
    elif status in (401, 403):
        cure = "Access is refused. Set MAELSTROM_DATA=sample and restart to work with the sample bucket."
    else:
        cure = "Try again later, or set MAELSTROM_DATA=sample and restart to work with the sample bucket."
    return f"{host} answered HTTP {status} for the object {url}.", cure


# -------------------------------------------------------------------- silence, dask


def _install_silence() -> None:
    import climetlab.utils
    from climetlab.datasets import TERMS_OF_USE_SHOWN

    # The terms stand in the catalogue and `bootcamp data open` prints them; notebooks' outputs stay clean.
    TERMS_OF_USE_SHOWN.update(CATALOG)
    for message in _KNOWN_WARNINGS:
        warnings.filterwarnings("ignore", message=message)
    # These log what is raised as an exception anyway.
    for name in ("climetlab.core.thread", "climetlab.core.plugins", "multiurl"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    # TQDM_DISABLE would come too late if tqdm is imported, and would switch off the reader's own bars.
    _replace_everywhere("tqdm", climetlab.utils.tqdm, functools.partial(climetlab.utils.tqdm, disable=True))
    _replace_everywhere("progress_bar", climetlab.utils.progress_bar, _terminal_bar)


def _terminal_bar(**arguments: Any) -> Any:
    from tqdm.std import tqdm

    style = {"unit": "B", "unit_scale": True, "unit_divisor": 1024, "leave": False}
    return tqdm(**style, **arguments, disable=None)


def _replace_everywhere(attribute: str, old: object, new: object) -> None:
    # CliMetLab's modules have copied the name ("from climetlab.utils import tqdm"), or will.
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "climetlab" and vars(module).get(attribute) is old:
            setattr(module, attribute, new)


def _install_quick_look() -> None:
    # CliMetLab asks whether torch is loaded for every date that it compares, and lists all modules each time:
    # once TensorFlow is there, with its thousands, that took most of the time to open runs of maelstrom-yr.
    import climetlab.utils

    _replace_everywhere("module_loaded", climetlab.utils.module_loaded, _is_loaded)


def _is_loaded(name: str) -> bool:
    return name in sys.modules


def _install_dask() -> None:
    # open_mfdataset(parallel=True) of A5's and A6's plugins crashes at random in HDF5 with dask's threads.
    import dask

    dask.config.set(scheduler="synchronous")
    os.environ.setdefault("DASK_SCHEDULER", "synchronous")
