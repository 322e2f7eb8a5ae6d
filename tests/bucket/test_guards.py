"""No hang anywhere: every failure of the network is one attempt, no sleep, one clear message."""

from __future__ import annotations

import http.server
import os
import socket
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest

from bucket import fakes
from bucket.conftest import TESTS
from maelstrom_bootcamp import bucket
from maelstrom_bootcamp.bucket import guards
from maelstrom_bootcamp.errors import BootcampError

DATES = list(fakes.DATES)


@pytest.fixture(autouse=True)
def nobody_sleeps(watchdog, monkeypatch):
    """Patched clock: whoever sleeps, in whatever thread, is reported."""
    monkeypatch.setattr(guards, "_silent_hosts", {})
    monkeypatch.setattr(guards, "_failed_heads", {})
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)
    yield
    assert not slept


@pytest.fixture
def sample(fake):
    """The tiny sample of maelstrom-yr, not yet made."""
    fake("TINY_YR")


@pytest.fixture
def remote(root, monkeypatch):
    monkeypatch.setenv("MAELSTROM_DATA", "remote")


@pytest.fixture
def server(tmp_path):
    """Start a server on loopback: ``server(status)`` or ``server(folder)``; gives its address and its log."""
    servers = []

    def start(what):
        asked = []

        class Handler(http.server.SimpleHTTPRequestHandler):
            def do_HEAD(self):
                asked.append(("HEAD", self.path))
                self.send_error(what) if isinstance(what, int) else super().do_HEAD()

            def do_GET(self):
                asked.append(("GET", self.path))
                self.send_error(what) if isinstance(what, int) else super().do_GET()

            def log_message(self, *_):
                pass

        def handler(*args):
            return Handler(*args, directory=str(what))

        made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=made.serve_forever, daemon=True).start()
        servers.append(made)
        return f"http://127.0.0.1:{made.server_port}/maelstrom-ap1/", asked

    yield start
    for made in servers:
        made.shutdown()
        made.server_close()


def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# ---------------------------------------------------------------- sample mode


def test_published_call_finds_the_sample(sample):
    path = bucket.serve("maelstrom-yr")
    import climetlab

    data = climetlab.load_dataset("maelstrom-yr", size="5GB", dates=DATES).to_xarray()
    assert data.predictors.isel(leadtime=0, y=0, x=0, predictor=2).values.tolist() == [0, 1, 2]
    assert os.environ["CLIMETLAB_MIRROR"] == str(path)


def test_mirror_follows_the_last_serve(sample, root):
    bucket.serve("maelstrom-yr", size="full")
    bucket.serve("maelstrom-yr")
    from climetlab.mirrors import get_active_mirrors

    assert [mirror.path for mirror in get_active_mirrors()] == [str(root / "ci")]


def test_object_outside_the_sample(sample):
    day = "2020-04-04"
    with pytest.raises(BootcampError, match=r"size 'ci' .*20200404T21Z\.nc") as caught:
        bucket.open_dataset("maelstrom-yr", size="5GB", dates=[DATES[0], day])
    assert "bootcamp data make maelstrom-yr --size full" in caught.value.cure


def test_object_of_a_dataset_that_was_not_made(sample):
    bucket.serve("maelstrom-yr")
    import climetlab

    with pytest.raises(BootcampError, match=r"no object .*wind_turbine_1\.nc") as caught:
        climetlab.load_dataset("maelstrom-power-production", wind_turbine_id=1)
    assert "bootcamp data make maelstrom-power-production" in caught.value.cure


def test_unknown_object_of_a_known_host(sample):
    bucket.serve("maelstrom-yr")
    import climetlab

    with pytest.raises(BootcampError, match="has no object") as caught:
        climetlab.load_source("url", "https://object-store.os-api.cci1.ecmwf.int/other/file.nc")
    assert "No dataset of the catalogue" in caught.value.cure


def test_object_damaged_after_serving(sample):
    path = bucket.serve("maelstrom-yr") / fakes.TINY_YR.path(DATES[1])
    os.truncate(path, 100)
    import climetlab

    with pytest.raises(BootcampError, match="is damaged") as caught:
        climetlab.load_dataset("maelstrom-yr", size="5GB", dates=DATES)
    assert "bootcamp data verify maelstrom-yr" in caught.value.cure
    assert bucket.open_dataset("maelstrom-yr", size="5GB", dates=DATES).to_xarray().sizes["time"] == 3


@pytest.mark.parametrize("call", [bucket.serve, bucket.open_dataset, bucket.truth, bucket.samples])
def test_unknown_name_in_our_calls(root, call):
    with pytest.raises(BootcampError, match="no dataset 'maelstrom-yrr'") as caught:
        call("maelstrom-yrr")
    assert "Did you mean maelstrom-yr" in caught.value.cure


@pytest.mark.parametrize("mode", ["sample", "remote"])
def test_unknown_name_in_the_published_call(sample, monkeypatch, mode):
    monkeypatch.setenv("MAELSTROM_DATA", mode)
    bucket.serve("maelstrom-yr")
    import climetlab

    with pytest.raises(BootcampError, match="no dataset 'maelstrom-raditaion'") as caught:
        climetlab.load_dataset("maelstrom-raditaion")
    assert "Did you mean maelstrom-radiation" in caught.value.cure


def test_application_without_a_plugin(root):
    with pytest.raises(BootcampError, match="no CliMetLab plugin for A2"):
        bucket.serve("maelstrom-a2")


def test_one_date_gives_the_same_layout_as_two(sample):
    one = bucket.open_dataset("maelstrom-yr", size="5GB", dates=[DATES[1]]).to_xarray()
    two = bucket.open_dataset("maelstrom-yr", size="5GB", dates=DATES[1:]).to_xarray()
    assert one.sizes["time"] == 1
    assert one.identical(two.isel(time=[0]))


def test_request_that_the_plugin_refuses(sample):
    with pytest.raises(
        BootcampError, match=r"does not take the request \(size='6GB'\): ValueError"
    ) as caught:
        bucket.open_dataset("maelstrom-yr", size="6GB")
    assert 'climetlab.load_dataset("maelstrom-yr", size=' in caught.value.cure


def test_truth_stands_beside_the_mirror(sample, root, monkeypatch):
    assert bucket.truth("maelstrom-yr") == root / "ci" / "truth" / "maelstrom-yr"
    with pytest.warns(bucket.PlaceholderWarning), pytest.raises(BootcampError, match="keeps no truth"):
        bucket.truth("maelstrom-power-production")
    monkeypatch.setenv("MAELSTROM_DATA", "remote")
    with pytest.raises(BootcampError, match="Nobody knows the truth"):
        bucket.truth("maelstrom-yr")


# ---------------------------------------------------------------- remote mode


def test_remote_mode_makes_nothing_and_drops_the_mirror(sample, root, monkeypatch):
    bucket.serve("maelstrom-yr")
    monkeypatch.setenv("MAELSTROM_DATA", "remote")
    monkeypatch.setenv("MAELSTROM_SIZE", "full")
    bucket.serve("maelstrom-yr")
    from climetlab.mirrors import get_active_mirrors

    assert get_active_mirrors() == []
    assert "CLIMETLAB_MIRROR" not in os.environ
    assert not (root / "full").exists()


def test_remote_objects_are_downloaded(remote, server, tmp_path):
    for number, day in enumerate(DATES):
        path = tmp_path / "maelstrom-ap1/air_temperature/5GB" / Path(fakes.TINY_YR.path(day)).name
        path.parent.mkdir(parents=True, exist_ok=True)
        fakes.write_yr(path, number)
    location, asked = server(tmp_path)
    opened = bucket.open_dataset("maelstrom-yr", size="5GB", dates=DATES, location=location)
    assert opened.to_xarray().sizes["time"] == 3
    assert sum(verb == "GET" for verb, _ in asked) == 3


@pytest.mark.parametrize("status", [404, 500, 503, 429])
def test_server_that_answers_with_an_error_is_asked_once(remote, server, status):
    location, asked = server(status)
    with pytest.raises(BootcampError, match=rf"answered HTTP {status} for the object .*T0[39]Z\.nc"):
        bucket.open_dataset("maelstrom-yr", size="5GB", dates=DATES[:2], location=location)
    assert len({path for _, path in asked}) == len(asked)


def test_server_that_refuses_head_may_still_serve():
    response = SimpleNamespace(status_code=405)

    def head(url):
        return response

    def get(url):
        return response

    assert guards.one_attempt(head)("http://127.0.0.1/x") is response
    with pytest.raises(BootcampError, match="HTTP 405"):
        guards.one_attempt(get)("http://127.0.0.1/x")


@pytest.mark.parametrize("dates", [DATES[:1], DATES])
def test_no_network(remote, dates):
    location = f"http://127.0.0.1:{closed_port()}/maelstrom-ap1/"
    with pytest.raises(BootcampError, match=r"No answer from 127\.0\.0\.1:\d+ for the object") as caught:
        bucket.open_dataset("maelstrom-yr", size="5GB", dates=dates, location=location)
    assert "MAELSTROM_DATA=sample" in caught.value.cure


def test_silent_host_is_not_asked_again_at_once(remote, monkeypatch):
    import requests

    calls = []

    def get(url, **_):
        calls.append(url)
        raise requests.ConnectTimeout

    for name in ("a", "b"):
        with pytest.raises(BootcampError, match="No answer from 127"):
            guards.one_attempt(get)(f"http://127.0.0.1/{name}")
    assert len(calls) == 1
    later = time.monotonic() + guards._FORGET_AFTER
    monkeypatch.setattr(guards.time, "monotonic", lambda: later)
    with pytest.raises(BootcampError):
        guards.one_attempt(get)("http://127.0.0.1/c")
    assert len(calls) == 2


# ---------------------------------------------------------------- what the guards set


def test_install_is_idempotent(root):
    guards.install()
    import multiurl.http
    from climetlab.core.settings import SETTINGS
    from climetlab.datasets import DatasetLoader

    before = (multiurl.http.robust, DatasetLoader.load_remote, len(warnings.filters))
    guards.install()
    assert (multiurl.http.robust, DatasetLoader.load_remote, len(warnings.filters)) == before
    assert multiurl.http.robust is guards.one_attempt
    assert SETTINGS.get("datasets-catalogs-urls") == []
    assert SETTINGS.get("check-out-of-date-urls") is False


def test_dask_reads_in_one_thread(root):
    import dask

    guards.install()
    assert dask.config.get("scheduler") == "synchronous"


def test_no_list_of_all_modules_for_each_date(root, monkeypatch):
    guards.install()
    import climetlab.aaa
    import climetlab.utils
    from climetlab.wrappers import get_wrapper

    monkeypatch.setattr(climetlab.aaa, "loaded_modules", lambda: pytest.fail("all modules were listed"))
    assert get_wrapper("2020-07-06").to_datetime_list()[0].year == 2020
    assert climetlab.utils.module_loaded("sys")
    assert not climetlab.utils.module_loaded("no_such_module")


def child(code, home, **environment):
    """Run a fresh interpreter with an empty HOME."""
    prologue = (
        "from maelstrom_bootcamp.bucket import recipes\n"
        "recipes.RECIPES['maelstrom-yr'] = 'bucket.fakes:TINY_YR'\n"
    )
    home.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", prologue + code],
        env=dict(os.environ, PYTHONPATH=str(TESTS), HOME=str(home)) | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        return process.communicate()  # no timeout of its own: subprocess would sleep; the watchdog is there
    finally:
        process.kill()


SERVE_AND_LOAD = """
from maelstrom_bootcamp import bucket
bucket.serve("maelstrom-yr", progress=False)
import climetlab
data = climetlab.load_dataset("maelstrom-yr", size="5GB", dates=["2020-03-01", "2020-03-02"]).to_xarray()
climetlab.settings.set("number-of-download-threads", 3)
import os
print(data.sizes["time"], os.environ["HOME"])
"""


def test_nothing_in_home_and_nothing_but_the_result_is_printed(root, tmp_path):
    home = tmp_path / "home"
    assert child(SERVE_AND_LOAD, home) == (f"2 {home}\n", "")
    assert list(home.iterdir()) == []


def test_climetlab_imported_first_with_the_readers_own_mirror(root, tmp_path):
    home = tmp_path / "home"
    mirror = str(tmp_path / "other")
    assert child("import climetlab\n" + SERVE_AND_LOAD, home, CLIMETLAB_MIRROR=mirror) == (f"2 {home}\n", "")
    # CliMetLab itself wrote its defaults at that import; what was set afterwards stays in memory.
    assert "number-of-download-threads: 3" not in (home / ".climetlab" / "settings.yaml").read_text()


def test_child_in_remote_mode_does_not_inherit_the_sample(sample, root, tmp_path):
    bucket.serve("maelstrom-yr")
    code = "from maelstrom_bootcamp import bucket\nbucket.serve('maelstrom-yr')\n"
    code += "import climetlab.mirrors as m\nprint(m.get_active_mirrors())\n"
    assert child(code, tmp_path / "home", MAELSTROM_DATA="remote") == ("[]\n", "")


def test_read_only_bucket_uses_another_cache(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    guards._writable.cache_clear()
    folder = guards._writable(blocked / "climetlab-cache")
    assert folder.is_dir()
    assert not folder.is_relative_to(tmp_path)
    assert guards._writable(blocked / "climetlab-cache") == folder
