"""The site of the documents: every page is in it, and it builds without a warning."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from copy import deepcopy
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from os import environ
from pathlib import Path
from shutil import which
from threading import Thread
from types import SimpleNamespace
from urllib.parse import unquote, urlsplit

import pytest
import yaml

ROOT = Path(__file__).parent.parent
CONFIG = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))


def pages_in(nav):
    """Files of a navigation, whatever it is nested in."""
    if isinstance(nav, str):
        yield nav
    for part in nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else ():
        yield from pages_in(part)


def test_what_the_navigation_names_is_there():
    listed = list(pages_in(CONFIG["nav"]))
    assert len(listed) == len(set(listed))
    texts = {"README.md", "CONTRIBUTING.md", "CHANGELOG.md"}
    there = {page.relative_to(ROOT / "docs").as_posix() for page in ROOT.glob("docs/**/*.md")}
    assert texts <= set(listed) <= there | texts


def test_every_page_is_in_the_navigation():
    pytest.importorskip("mkdocs", reason="MkDocs is not installed: make extras")
    spec = spec_from_file_location("hooks", ROOT / "docs" / "hooks.py")
    hooks = module_from_spec(spec)
    spec.loader.exec_module(hooks)
    config = hooks.on_config(SimpleNamespace(nav=deepcopy(CONFIG["nav"])))
    listed = list(pages_in(config.nav))
    assert len(listed) == len(set(listed))
    there = {page.relative_to(ROOT / "docs").as_posix() for page in ROOT.glob("docs/**/*.md")}
    assert set(listed) == there | set(hooks.made_pages())


def test_the_page_of_data_lists_every_dataset():
    page = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", page, re.MULTILINE)
    listed = [name for row in rows for name in re.findall(r"\w+", row)]
    assert sorted(listed) == sorted(path.stem for path in ROOT.glob("conf/dataset/*.yaml"))


def test_the_site_asks_for_nothing_elsewhere():
    assert CONFIG["theme"]["font"] is False
    assert CONFIG["strict"] is True


def test_the_version_is_told_alike_wherever_it_is_told():
    import plastic

    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert str(cited["version"]) == plastic.__version__
    page = (ROOT / "docs" / "citing.md").read_text(encoding="utf-8")
    assert f"version = {{{plastic.__version__}}}" in page
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## (\S+)", changes, re.MULTILINE)[1] == plastic.__version__


def test_the_citation_has_what_the_format_asks_for():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(cited)
    assert cited["license"] == "MIT"
    assert all(
        set(author) <= {"name", "family-names", "given-names"} for author in cited["authors"]
    )


class Site(HTMLParser):
    """What a page links to, and the places in it that may be linked to."""

    def __init__(self, page):
        super().__init__()
        self.links, self.loaded, self.places = [], [], set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        held = dict(attrs)
        self.places |= {held[name] for name in ("id", "name") if held.get(name)}
        if tag == "a" and "href" in held:
            self.links.append(held["href"])
        elif tag in ("script", "img", "iframe"):
            self.loaded.append(held.get("src") or "")
        elif tag == "link" and held.get("rel") != "canonical":
            self.loaded.append(held.get("href") or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    if find_spec("mkdocstrings") is None:
        pytest.skip("MkDocs is not installed: make extras")
    folder = tmp_path_factory.mktemp("site")
    ended = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env=environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "WARNING" not in ended.stderr
    return folder


def test_every_link_inside_resolves(site):
    parsed = {page: Site(page) for page in site.rglob("*.html")}
    assert len(parsed) > 150
    for page, held in parsed.items():
        if page.name == "404.html":  # served from anywhere, so its links begin at the root
            continue
        for link in held.links:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            led = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            led = led / "index.html" if led.is_dir() else led
            assert led.exists(), f"{page.relative_to(site)}: {link}"
            if parts.fragment and led in parsed:
                assert unquote(parts.fragment) in parsed[led].places, f"{page.name}: {link}"


def test_nothing_is_loaded_from_elsewhere(site):
    for page in site.rglob("*.html"):
        for address in Site(page).loaded:
            assert not urlsplit(address).netloc, f"{page.relative_to(site)}: {address}"
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?https?:", sheet.read_text(encoding="utf-8"))


def test_what_is_public_is_found_by_the_search(site):
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    found = " ".join(entry["title"] for entry in index["docs"])
    for name in ("from_torch", "Topology", "sparse_evolution", "load_results", "Glossary"):
        assert name in found


@pytest.fixture(params=["served", "folder"])
def address(request, site):
    """Where a server of this machine gives the site, or where it lies."""
    if request.param == "folder":
        yield site.as_uri()
        return
    quiet = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(quiet, directory=str(site)))
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_browser_finds_a_page_and_asks_nobody_else(address):
    pytest.importorskip("playwright", reason="playwright is not installed: make extras")
    from playwright.sync_api import sync_playwright

    chromium = which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    asked = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{address}/index.html")
        # by keys, which the page listens to: filled in at once, a query may be missed
        page.locator("input[name=query]").press_sequentially("from_torch")
        page.wait_for_selector(".md-search-result__link[href*='interop.torch']", timeout=60_000)
        browser.close()
    assert asked
    assert {url for url in asked if not url.startswith((address, "data:", "blob:"))} == set()


def test_every_module_has_a_page(site):
    for file in sorted((ROOT / "plastic").rglob("*.py")):
        if ast.parse(file.read_text(encoding="utf-8")).body and file.name != "__main__.py":
            name = ".".join(file.relative_to(ROOT).with_suffix("").parts)
            assert (site / "reference" / f"{name.removesuffix('.__init__')}.html").is_file()
