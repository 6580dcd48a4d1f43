"""What the tests of the page share: Chromium, and ways to ask the page what it shows."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run",
)  # fmt: skip
ARTEFACTS = Path(__file__).parent.parent / "build" / "report-screenshots"


def chromium():
    """Playwright's Chromium, started, for as long as the fixture lives; a skip without."""
    api = pytest.importorskip("playwright.sync_api", reason="needs Playwright: make extras")
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        yield started
        started.close()


def opened(browser, path, width=1280, scheme="light", **options):
    """The page, and the list of all that it complained of or asked for."""
    page = browser.new_page(
        viewport={"width": width, "height": 900}, color_scheme=scheme, **options
    )
    heard = []
    page.on("console", lambda message: heard.append(message.text))
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("request", lambda request: heard.append(request.url))
    page.goto(path.as_uri())
    assert heard.pop(0) == path.as_uri()
    return page, heard


def data(page, number=0):
    """What a picture says of itself."""
    return page.locator("canvas").nth(number).evaluate("canvas => ({...canvas.dataset})")


def tip(page, number=0):
    """What is told of the neuron or connection chosen."""
    return page.locator(".tip").nth(number).inner_text()


def clock(page):
    """The step that is shown."""
    text = page.locator("[data-part=clock]").inner_text()
    return int(re.fullmatch(r"step (\d+) of \d+", text)[1])


def run_on(page):
    """The run that the first picture shows."""
    chosen = page.locator(".stage select").first.evaluate("e => e.selectedOptions[0].text")
    return re.search(r"\((.*?)\)", chosen)[1]
