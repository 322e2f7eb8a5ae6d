"""The rendered book as a reader's browser sees it: built with warnings as errors, opened in Chromium."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote

import nbformat
import pytest
import yaml
from playwright.sync_api import Browser, Page, sync_playwright

from book_audit import DESKTOP, audit, build, link_faults, parse, serve
from maelstrom_bootcamp.bucket.radiation import periods
from maelstrom_bootcamp.bucket.yr.periods import PERIODS, SPLITS
from maelstrom_bootcamp.bucket.yr.stations import CITIZENS, FAULT_SHARES, FAULTS, OFFICIAL

ROOT = Path(__file__).parents[1]
CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --no-proxy-server"
)
pytestmark = [pytest.mark.book, pytest.mark.xdist_group("book")]


def _toc_files(entry: dict) -> Iterator[str]:
    for key in ("root", "file"):
        if key in entry:
            yield entry[key]
    for key in ("parts", "chapters", "sections"):
        for child in entry.get(key, []):
            yield from _toc_files(child)


PAGES = list(_toc_files(yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))))


# ---- the book, built once and served on loopback ----
@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("book")
    done = build(ROOT, out)
    assert done.returncode == 0, f"the book does not build without warnings:\n{done.stdout}\n{done.stderr}"
    return out / "_build" / "html"


@pytest.fixture(scope="module")
def site(html: Path) -> Iterator[str]:
    server, url = serve(html)
    yield url
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip("no browser: install the package chromium (apt-get install chromium)")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=str(CHROMIUM), headless=True, args=FLAGS.split()
        )
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport=DESKTOP)
    context.set_default_timeout(10_000)
    yield context.new_page()
    context.close()


# ---- the book ---------------------------------------------------------------------------------------
def test_every_page_of_the_contents_is_rendered(html: Path) -> None:
    assert len(PAGES) == len(set(PAGES)) >= 10
    assert [p for p in PAGES if not (html / f"{p}.html").exists()] == []
    assert (html / "index.html").exists()


def test_links_lead_somewhere(html: Path) -> None:
    assert link_faults(html) == []


def test_no_path_of_this_machine_and_no_marker_in_the_pages(html: Path) -> None:
    for file in html.rglob("*.html"):
        text = file.read_text(encoding="utf-8")
        assert str(ROOT) not in text, f"{file.name} shows a path of this machine"
        if file.stem != "how-to-contribute":
            assert not re.search(r"### (BEGIN|END) SOLUTION", text), f"{file.name} shows a solution marker"
        assert "THEBE_JS_URL" not in text, f"{file.name} still carries thebe"


@pytest.mark.parametrize("name", PAGES)
def test_page_is_sound(page: Page, site: str, name: str) -> None:
    assert audit(page, f"{site}/{name}.html") == []


def test_first_page_opens_from_the_folder_itself(page: Page, html: Path) -> None:
    assert audit(page, (html / "book" / "how-to-use.html").as_uri()) == []
    assert page.locator("mjx-container").count() > 3, "formulas are not set when there is no server"


def test_dark_mode_toggles(page: Page, site: str) -> None:
    page.goto(f"{site}/{PAGES[0]}.html")
    seen = {}
    for _ in range(3):
        page.locator(
            "header .theme-switch-button:visible, .bd-header-article .theme-switch-button:visible"
        ).first.click()
        theme = page.evaluate("document.documentElement.dataset.theme")
        seen[theme] = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert set(seen) == {"light", "dark"}
    light, dark = (sum(int(v) for v in re.findall(r"\d+", seen[t])[:3]) for t in ("light", "dark"))
    assert light > 600 > 200 > dark, seen


@pytest.mark.parametrize("scheme", ["http", "file"])
def test_search_finds_a_word(page: Page, html: Path, site: str, scheme: str) -> None:
    root = site if scheme == "http" else html.as_uri()
    page.goto(f"{root}/{PAGES[0]}.html")
    page.locator(".search-button:visible, .search-button-field:visible").first.click()
    field = page.locator("input[type=search]:visible").first
    field.fill("titanlib")
    field.press("Enter")
    page.wait_for_url("**/search.html?q=titanlib*")
    page.wait_for_selector("#search-results li a")
    found = [page.locator("#search-results li a").nth(i).get_attribute("href") or "" for i in range(3)]
    assert any("data-card-yr" in link for link in found), found
    page.goto(f"{root}/search.html?q=zzyzxq")
    page.wait_for_selector("#search-results p")
    assert page.locator("#search-results li a").count() == 0


def test_a_solution_opens_on_a_click(page: Page, site: str, html: Path) -> None:
    with_solutions = [
        p for p in PAGES if 'class="solution' in (html / f"{p}.html").read_text(encoding="utf-8")
    ]
    assert "book/how-to-use" in with_solutions
    for name in with_solutions:
        page.goto(f"{site}/{name}.html")
        boxes = page.locator("div.solution")
        for i in range(boxes.count()):
            box, body = (
                boxes.nth(i),
                boxes.nth(i).locator(":scope > *:not(.admonition-title):not(button)").first,
            )
            assert "toggle-hidden" in (box.get_attribute("class") or ""), f"{name}: a solution is open"
            assert not body.is_visible()
            box.locator(".toggle-button").first.click()
            assert body.is_visible(), f"{name}: solution {i} stays shut"


def test_notebook_pages_have_launch_buttons(html: Path) -> None:
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    notebooks = [p for p in PAGES if (ROOT / f"{p}.ipynb").exists()]
    for name in notebooks:
        links = parse(html / f"{name}.html").links
        for hub in ("binderhub_url", "jupyterhub_url"):
            start = config["launch_buttons"][hub]
            mine = [li for li in links if li.startswith(start) and f"{name}.ipynb" in unquote(li)]
            assert mine, f"{name}: no button for {start}"
    for name in set(PAGES) - set(notebooks):
        assert not [li for li in parse(html / f"{name}.html").links if "git-pull" in li]


# ---- what the pages say -----------------------------------------------------------------------------
def test_data_card_tells_the_numbers_of_the_generator() -> None:
    card = (ROOT / "book" / "data-card-yr.md").read_text(encoding="utf-8")
    for split in SPLITS:
        row = (
            f"| {split} | "
            + " | ".join(str(len(PERIODS[size][split])) for size in ("ci", "default", "full"))
            + " |"
        )
        assert row in card, f"the data card has no row {row!r}"
    shares = dict(zip(FAULTS, FAULT_SHARES, strict=True))
    assert f"{CITIZENS} citizen and {OFFICIAL} official stations" in card
    assert f"{shares['good']:.0%}".replace("%", " %") + " are otherwise good" in card
    for fault, words in {
        "sun": "stand in the sun",
        "indoor": "indoors",
        "misplaced": "somewhere",
        "stuck": "are",
    }.items():
        assert f"{shares[fault]:.0%}".replace("%", " %") + f" {words}" in card


def test_radiation_card_tells_the_numbers_of_the_generator_and_of_the_notebook() -> None:
    card = (ROOT / "book" / "data-card-radiation.md").read_text(encoding="utf-8")
    columns = {
        size: {split: sum(s.columns * len(periods.PATCHES) for s in found) for split, found in parts.items()}
        for size in ("ci", "default", "full")
        for parts in [periods.snapshots(size)]
    }
    for split, (sunlight, longwave) in periods.DRAWS.items():
        numbers = " | ".join(f"{columns[size][split]:,}" for size in columns)
        assert f" | {numbers} | {sunlight}, {longwave} |" in card, f"{split}: {numbers}"
    stored = nbformat.read(ROOT / "notebooks" / "03-radiation" / "1_data.ipynb", as_version=4)
    text = "\n".join(o.text for c in stored.cells for o in c.get("outputs", []) if o.output_type == "stream")
    budget = re.findall(r"^\S.*? +(\d+\.\d) +(\d+\.\d ± \d\.\d)", text, re.M)
    assert len(budget) == 7
    for ours, observed in budget:
        assert f"| {ours} | {observed} |" in card, f"the budget has changed: {ours}, {observed}"
    noise = re.findall(r"\d, +\d+ +(\S+) +(\S+) +(\S+)  (W/m²|K/day)$", text, re.M)
    assert len(noise) == 6
    for *values, unit in noise:
        last = Decimal("0.01" if unit == "K/day" else "0.1")
        row = " | ".join(f"{Decimal(v).quantize(last, ROUND_HALF_UP)} {unit}" for v in values)
        assert f"| {row} |" in card, f"the label noise has changed: {row}"


def test_shell_examples_are_sound() -> None:
    examples = []
    for file in sorted((ROOT / "book").glob("*.md")):
        for block in re.findall(r"^( *)```bash\n(.*?)^\1```", file.read_text(encoding="utf-8"), re.M | re.S):
            examples.append((file.name, block[1]))
    assert len(examples) > 8
    for name, text in examples:
        done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{name}: {done.stderr}\n{text}"


def test_every_reference_has_a_year_and_a_place_to_look() -> None:
    text = (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
    entries = re.findall(r"^@\w+\{(\w+),(.*?)^\}", text, re.M | re.S)
    assert len(entries) >= 20
    for key, body in entries:
        assert re.search(r"^\s*(doi|eprint)\s*=|\\url\{", body, re.M), (
            f"{key} has neither DOI, arXiv number nor address"
        )
        for doi in re.findall(r"doi\s*=\s*\{(.*?)\}\s*$", body, re.M):
            assert re.fullmatch(r"10\.\d{4,5}/\S+", doi), f"{key}: {doi!r} is no DOI"


def test_notices_name_every_dataset() -> None:
    notices = (ROOT / "THIRD_PARTY_NOTICES.md").read_text(encoding="utf-8")
    names = [e.name for e in entry_points(group="climetlab.datasets") if e.name.startswith("maelstrom-")]
    assert len(names) == 12
    assert [n for n in names if f"`{n}`" not in notices] == []


# ---- the two Sphinx extensions ----------------------------------------------------------------------
def _extension(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "book" / "_ext" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_solution_markers_are_dropped_from_code_only() -> None:
    code = "def f():\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION\n"
    prose = "Write `### BEGIN SOLUTION` above it.\n### BEGIN SOLUTION\n"
    book = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(code), nbformat.v4.new_markdown_cell(prose)]
    )
    shown = nbformat.reads(
        _extension("hide_solution_markers").without_markers(nbformat.writes(book)), as_version=4
    )
    assert shown.cells[0].source == "def f():\n    return 1"
    assert shown.cells[1].source == prose


# ---- the checks themselves: each of them has to be able to fail -------------------------------------
BAD = """<!doctype html><html><head><title>bad</title></head><body><main><article>
<h1>One</h1><h1>Two</h1><img src="dot.svg"><img src="gone.png" alt="_images/gone.png">
<a href="nowhere.html">x</a><a href="#void">y</a>
<div style="width:2000px">wide</div><script src="http://127.0.0.1:9/elsewhere.js"></script>
<script>console.error("a message"); undefined_function();</script></article></main></body></html>"""


def test_the_audit_sees_every_kind_of_fault(page: Page, tmp_path: Path) -> None:
    (tmp_path / "bad.html").write_text(BAD, encoding="utf-8")
    (tmp_path / "dot.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', encoding="utf-8"
    )
    server, url = serve(tmp_path)
    faults = "\n".join(audit(page, f"{url}/bad.html"))
    server.shutdown()
    server.server_close()
    for kind in (
        "external request",
        "failed request",
        "HTTP 404",
        "console: a message",
        "script error",
        "2 h1",
    ):
        assert kind in faults
    for kind in ("does not show", "on a screen of 390 px", "on a screen of 1280 px"):
        assert kind in faults
    for image in ("dot.svg", "gone.png"):
        assert f"image without alt text: {url}/{image}" in faults


def test_the_link_check_sees_every_kind_of_fault(tmp_path: Path) -> None:
    (tmp_path / "bad.html").write_text(BAD, encoding="utf-8")
    faults = "\n".join(link_faults(tmp_path))
    for kind in (
        "no file for nowhere.html",
        "no place for #void",
        "loads http://127.0.0.1:9",
        "no file for gone.png",
    ):
        assert kind in faults


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("# A\n\n[gone](gone.md)\n", "gone"),
        ("# A\n\n{ref}`no-such-label`\n", "no-such-label"),
        ("# A\n\n{cite:p}`nobody1900`\n", "nobody1900"),
        ("# A\n\n{term}`no such term`\n", "no such term"),
    ],
)
def test_a_page_with_a_fault_fails_the_build(tmp_path: Path, text: str, complaint: str) -> None:
    book = tmp_path / "book"
    book.mkdir()
    (book / "a.md").write_text(text, encoding="utf-8")
    (book / "references.bib").write_text("@misc{somebody, title={T}, year={2000}}\n", encoding="utf-8")
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: book/a\n", encoding="utf-8")
    config = "title: T\nbibtex_bibfiles: [book/references.bib]\nonly_build_toc_files: true\n"
    (tmp_path / "_config.yml").write_text(config + 'execute: {execute_notebooks: "off"}\n', encoding="utf-8")
    done = build(tmp_path, tmp_path / "out")
    assert done.returncode != 0
    assert complaint in done.stdout + done.stderr
