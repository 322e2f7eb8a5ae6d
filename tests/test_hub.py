"""A learner's first minutes on a JupyterHub, as at a supercomputing centre, on this machine's loopback.

Link of the launch button, login, git-pull of the course, notebook open in JupyterLab, Run All, outputs read.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import TimeoutError as BrowserTimeout
from playwright.sync_api import expect, sync_playwright

from maelstrom_bootcamp.course.notebooks import kernel_environment as environment
from support import ROOT, TEMPLATE

pytestmark = [pytest.mark.slow, pytest.mark.hub]

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
LOCAL_PROXY = ROOT / ".make" / "npm" / "node_modules" / ".bin" / "configurable-http-proxy"
PROXY = str(LOCAL_PROXY) if LOCAL_PROXY.exists() else shutil.which("configurable-http-proxy")
WAIT = 180_000  # ms, for one step in the browser: machines of continuous integration are slow

QUIET = "jupyterlab.handlers.announcements.NeverCheckForUpdate"

CONFIG = """\
c.JupyterHub.bind_url = "http://127.0.0.1:{public}"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{hub}"
c.JupyterHub.db_url = "sqlite://"
c.JupyterHub.cookie_secret_file = "{folder}/cookie_secret"
c.JupyterHub.authenticator_class = "dummy"
c.JupyterHub.spawner_class = "simple"
c.JupyterHub.log_level = "WARN"
c.Authenticator.allow_all = True
c.ConfigurableHTTPProxy.command = ["{proxy}"]
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api}"
c.ConfigurableHTTPProxy.pid_file = "{folder}/proxy.pid"
c.ConfigurableHTTPProxy.auth_token = "loopback"
c.SimpleLocalProcessSpawner.home_dir_template = "{folder}/home/{{username}}"
c.Spawner.args = ["--allow-root", "--LabApp.news_url=None", "--LabApp.check_for_updates_class={quiet}"]
c.Spawner.start_timeout = 180
c.Spawner.http_timeout = 180
"""


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """Address of a running hub."""
    if CHROMIUM is None:
        pytest.skip("the system package 'chromium' is missing")
    if PROXY is None:
        pytest.skip("the npm package 'configurable-http-proxy' is missing (.ci/run installs it)")
    folder = tmp_path_factory.mktemp("hub")
    public, hub_port, api = free_ports(3)
    config = folder / "jupyterhub_config.py"
    config.write_text(
        CONFIG.format(public=public, hub=hub_port, api=api, folder=folder, proxy=PROXY, quiet=QUIET)
    )
    env = environment() | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = [sys.executable, "-m", "jupyterhub", "-f", str(config)]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_for(f"http://127.0.0.1:{public}/hub/login", process, folder / "log")
            yield f"http://127.0.0.1:{public}"
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_for(url, process, log):
    for _ in range(240):
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    pytest.fail(f"the hub did not start:\n{log.read_text()}")


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A git repository with one notebook of the course, its outputs removed."""
    folder = tmp_path_factory.mktemp("repository") / "course"
    (folder / "notebooks").mkdir(parents=True)
    nb = json.loads(TEMPLATE.read_text(encoding="utf-8"))
    for cell in nb["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    (folder / "notebooks" / "template.ipynb").write_text(json.dumps(nb), encoding="utf-8")
    identity = ["-c", "user.name=course", "-c", "user.email=course@example.org"]
    for arguments in (
        ["init", "-q", "-b", "main"],
        ["add", "."],
        [*identity, "commit", "-q", "-m", "course"],
    ):
        subprocess.run(["git", *arguments], cwd=folder, check=True)
    return folder


def run_all(page):
    """Choose Run > Run All Cells; JupyterLab swallows a click while it still starts up, so try again."""
    item = page.locator(".lm-Menu-itemLabel", has_text="Run All Cells").first
    for _ in range(20):
        page.locator(".lm-MenuBar-itemLabel", has_text="Run").first.click()
        try:
            item.click(timeout=3000)
            return
        except BrowserTimeout:
            page.keyboard.press("Escape")
            page.wait_for_timeout(1000)
    pytest.fail("JupyterLab's menu Run did not open: " + page.locator("body").inner_text()[:1000])


def test_learner_runs_a_notebook_on_the_hub(hub, course):
    link = (
        f"{hub}/hub/user-redirect/git-pull?repo={quote('file://' + str(course), safe='')}"
        "&urlpath=lab/tree/course/notebooks/template.ipynb&branch=main"
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        # A window high enough for the whole notebook: JupyterLab takes cells out of sight off the page.
        page = browser.new_page(viewport={"width": 1400, "height": 8000})
        page.set_default_timeout(WAIT)
        page.goto(link)
        page.fill("input[name=username]", "learner")
        page.fill("input[name=password]", "any")
        page.click("#login_submit")
        page.wait_for_selector(".jp-Notebook .jp-Cell")
        page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]", state="attached")
        # The template's outputs were cleared and its check cell needs the cells above it: this is a real run.
        # A click that comes before the kernel is connected runs nothing, so ask again.
        passed = page.get_by_text("ex-template-mae: all checks passed", exact=True)
        for _ in range(4):
            run_all(page)
            try:
                passed.wait_for(timeout=60_000)
                break
            except BrowserTimeout:
                continue
        expect(passed).to_be_visible(timeout=1000)
        browser.close()
