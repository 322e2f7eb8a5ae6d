"""What may be wrong with a rendered page: opened in a browser, or read as a file. Used by test_book.py."""

from __future__ import annotations

import functools
import http.server
import subprocess
import sys
import threading
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from playwright.sync_api import Page, Request

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}
#: Attributes by which a page loads something without being asked, by tag.
LOADS = {"script": "src", "img": "src", "iframe": "src", "link": "href", "source": "src", "video": "src"}

#: Images without alt text. Sphinx fills in the file's name where none is given: that tells a reader nothing.
UNTOLD = r"""Array.from(document.images)
    .filter(i => !i.alt.trim() || /\.(svg|png|jpe?g|gif|webp)$/i.test(i.alt)).map(i => i.src)"""


def build(source: Path, out: Path) -> subprocess.CompletedProcess[str]:
    """Build a book as ``make book`` does: warnings are errors, unknown references are warnings."""
    program = Path(sys.executable).parent / "jupyter-book"
    command = [program, "build", source, "--all", "-W", "-n", "--keep-going", "-q", "--path-output", out]
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


def serve(folder: Path) -> tuple[http.server.ThreadingHTTPServer, str]:
    handler = functools.partial(_Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_port}"


# ---- what may be wrong with a page ------------------------------------------------------------------
def audit(page: Page, url: str) -> list[str]:
    """Open a page and list everything that a reader should not meet."""
    faults: list[str] = []
    base = urlsplit(url)

    def on_request(request: Request) -> None:
        target = urlsplit(request.url)
        if target.scheme not in ("data", "blob") and (target.scheme, target.netloc) != (
            base.scheme,
            base.netloc,
        ):
            faults.append(f"external request: {request.url}")

    page.on("request", on_request)
    page.on("requestfailed", lambda r: faults.append(f"failed request: {r.url}"))
    page.on("response", lambda r: faults.append(f"HTTP {r.status}: {r.url}") if r.status >= 400 else None)
    page.on(
        "console", lambda m: faults.append(f"console: {m.text}") if m.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda e: faults.append(f"script error: {e}"))
    page.set_viewport_size(DESKTOP)
    page.goto(url, wait_until="load")
    page.evaluate("async () => { if (window.MathJax && MathJax.startup) await MathJax.startup.promise; }")
    if (n := page.locator("article h1").count()) != 1:
        faults.append(f"{n} h1 headings instead of one")
    for source in page.evaluate(UNTOLD):
        faults.append(f"image without alt text: {source}")
    for source in page.evaluate("Array.from(document.images).filter(i => !i.naturalWidth).map(i => i.src)"):
        faults.append(f"image that does not show: {source}")
    if page.locator("mjx-merror, [data-mjx-error]").count():
        faults.append("formula that MathJax cannot read")
    faults.extend(_too_wide(page))
    page.set_viewport_size(PHONE)
    faults.extend(_too_wide(page))
    return faults


def _too_wide(page: Page) -> list[str]:
    width, available = page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    if width <= available:
        return []
    widest = page.evaluate(
        "w => Array.from(document.querySelectorAll('main *'))"
        ".filter(e => e.getBoundingClientRect().right > w + 1)"
        ".slice(0, 3).map(e => e.outerHTML.slice(0, 80))",
        available,
    )
    return [f"horizontal overflow: {width} px on a screen of {available} px, by {widest}"]


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids.update(v for k in ("id", "name") if (v := given.get(k)))
        if tag == "a" and given.get("href"):
            self.links.append(str(given["href"]))
        if given.get(LOADS.get(tag, "")) and given.get("rel") not in (
            "canonical",
            "next",
            "prev",
            "index",
            "search",
        ):
            self.loads.append(str(given[LOADS[tag]]))


def parse(file: Path) -> Links:
    parser = Links()
    parser.feed(file.read_text(encoding="utf-8"))
    return parser


def link_faults(folder: Path) -> list[str]:
    """List the links and loaded files of rendered pages that lead nowhere, or that load from elsewhere."""
    parsed = {file.resolve(): parse(file) for file in folder.rglob("*.html") if "_static" not in file.parts}
    faults = []
    for file, found in parsed.items():
        where = file.relative_to(folder.resolve())
        for link in [*found.links, *found.loads]:
            target = urlsplit(link)
            if target.scheme or target.netloc:
                if link in found.loads and target.scheme != "data":
                    faults.append(f"{where} loads {link}")
                continue
            aim = (file.parent / unquote(target.path)).resolve() if target.path else file
            if not aim.exists():
                faults.append(f"{where}: no file for {link}")
            elif aim in parsed and target.fragment and unquote(target.fragment) not in parsed[aim].ids:
                faults.append(f"{where}: no place for {link}")
    return faults
