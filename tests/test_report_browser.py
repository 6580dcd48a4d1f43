"""The page of a sweep in a real browser: whole, quiet, harmless, and for everyone to read."""

from __future__ import annotations

import pytest
from pages import ARTEFACTS, opened
from recordings import write_run

from plastic import load_results
from plastic.analysis.report import write_report

pytest.importorskip("matplotlib", reason="needs Matplotlib: pip install 'plastic[report]'")

NASTY = "<script>window.harmed = 1</script>\"'><img src=x onerror=window.harmed=1> $x_$"


def test_the_page_is_whole_and_asks_for_nothing(browser, reported):
    page, heard = opened(browser, reported / "report.html")
    drawn = page.evaluate(
        "[...document.querySelectorAll('figure svg')].map(svg => ["
        "svg.getBoundingClientRect().width, svg.querySelectorAll('path,use').length,"
        "svg.getAttribute('aria-label').length])"
    )
    assert len(drawn) >= 14
    assert all(width > 200 and paths > 5 and alt > 20 for width, paths, alt in drawn)
    heads = page.locator("h2").all_text_contents()
    assert heads[:2] == ["Verdict", "Scores and costs"]
    assert "thompson" in page.locator(".lead").first.inner_text()
    assert heard == []
    page.close()


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_in_light_and_dark(browser, reported, width, scheme):
    page, heard = opened(browser, reported / "report.html", width, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator("[data-part=slider]").fill("500")
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=ARTEFACTS / f"{width}-{scheme}.png", full_page=True)
    assert heard == []
    page.close()


def test_no_name_is_ever_executed(browser, tmp_path):
    for seed in (0, 1):
        for policy in (NASTY, "set"):
            row = {
                "policy": policy,
                "seed": seed,
                "study": NASTY,
                "dataset": NASTY,
                "density": 0.1,
            }
            run_id = f"{seed}{policy}"
            write_run(tmp_path / f"{seed}{len(policy)}", row | {"run_id": run_id})
    path = write_report(load_results(tmp_path))
    page, heard = opened(browser, path)
    assert page.evaluate("window.harmed") is None
    assert page.locator("img").count() == 0
    assert page.locator("h1").inner_text() == f"Study {NASTY}"
    assert heard == []
    page.close()
