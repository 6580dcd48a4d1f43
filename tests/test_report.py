"""The page of a sweep: whole, quiet and harmless in a real browser, sensible at the edges."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from recordings import write_run
from runs import OFTEN, SMALL

from experiments.compare import main as compare
from experiments.run import run
from plastic import load_results
from plastic.analysis.film import film_of, run_of
from plastic.analysis.report import report, write_report
from plastic.analysis.report.charts import chart
from plastic.analysis.report.movies import pack, packed
from plastic.errors import MissingExtra, ResultsError
from plastic.records import Recorder

pytest.importorskip("matplotlib", reason="needs Matplotlib: pip install 'plastic[report]'")

NASTY = "<script>window.harmed = 1</script>\"'><img src=x onerror=window.harmed=1> $x_$"
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run",
)  # fmt: skip
ARTEFACTS = Path(__file__).parent.parent / "build" / "report-screenshots"


@pytest.fixture(scope="module")
def sweep(tmp_path_factory, config_of):
    folder = tmp_path_factory.mktemp("sweep")
    for policy in ("set", "thompson"):
        for seed in (0, 1):
            choice = [f"policy={policy}", f"seed={seed}", f"results_dir={folder}"]
            run(config_of(*SMALL, *OFTEN, *choice))
    write_report(load_results(folder))
    return folder


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api", reason="needs Playwright: make extras")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield started
        started.close()


def opened(browser, path, width=1280, scheme="light"):
    """The page, and the list of all that it complained of or asked for."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    heard = []
    page.on("console", lambda message: heard.append(message.text))
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("request", lambda request: heard.append(request.url))
    page.goto(path.as_uri())
    assert heard.pop(0) == path.as_uri()
    return page, heard


def data(page, number=0):
    return page.locator("canvas").nth(number).evaluate("canvas => ({...canvas.dataset})")


def test_the_page_is_whole_and_asks_for_nothing(browser, sweep):
    page, heard = opened(browser, sweep / "report.html")
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


def test_the_player_plays_to_its_end_and_can_be_moved_about(browser, sweep):
    page, heard = opened(browser, sweep / "report.html")
    slider, play = page.locator("[data-part=slider]"), page.locator("[data-part=play]")
    assert page.locator("canvas:visible").count() == 2  # two runs side by side
    page.locator(".stage select").nth(1).select_option("2")
    first, second = data(page), data(page, 1)
    assert first["frame"] == second["frame"] == "0"
    slider.fill("1000")
    assert int(data(page)["frame"]) == int(data(page)["frames"]) - 1
    slider.fill("0")
    page.locator("[data-part=speed]").select_option("16")
    play.click()
    page.wait_for_selector("#player[data-state=ended]")
    for number in (0, 1):
        assert int(data(page, number)["frame"]) == int(data(page, number)["frames"]) - 1
    assert play.inner_text() == "Play"
    film = film_of(run_of(load_results(sweep)).edits)
    assert int(data(page)["drawn"]) == film.alive(len(film.steps) - 1).sum()
    box = page.locator("canvas").first.bounding_box()
    page.locator("canvas").first.hover(position={"x": 16, "y": 16 + (box["height"] - 32) / 26})
    assert re.search(
        r"neuron 0, input: degree \d+ \(0 in", page.locator(".tip").first.inner_text()
    )
    page.locator("[data-zoom='1.25']").first.click()
    assert float(data(page)["zoom"]) > 1
    assert heard == []
    page.close()


def test_the_player_obeys_the_keyboard(browser, sweep):
    page, heard = opened(browser, sweep / "report.html")
    page.locator("[data-part=slider]").focus()
    page.keyboard.press("End")
    assert int(data(page)["frame"]) == int(data(page)["frames"]) - 1
    page.locator("canvas").first.focus()
    page.keyboard.press("+")
    assert float(data(page)["zoom"]) > 1
    page.keyboard.press("0")
    assert data(page)["zoom"] == "1.00"
    page.keyboard.press("n")
    assert "degree" in page.locator(".tip").first.inner_text()
    page.keyboard.press(" ")
    assert page.locator("#player").get_attribute("data-state") in ("playing", "ended")
    page.locator("[data-part=both]").press(" ")
    assert page.locator("canvas:visible").count() == 1
    assert heard == []
    page.close()


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_in_light_and_dark(browser, sweep, width, scheme):
    page, heard = opened(browser, sweep / "report.html", width, scheme)
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


def test_films_are_small_and_thinned_where_they_would_not_be(sweep):
    film = film_of(run_of(load_results(sweep)).edits)
    arrays, lives = packed(film, most=10)
    assert lives == 10
    assert len(arrays["born"]["data"]) == 28  # 20 bytes in base64
    assert pack(np.array([-1]))["kind"] == "i4"
    assert pack(np.array([70_000]))["kind"] == "u4"


@pytest.mark.parametrize("policies", [1, 50])
def test_one_policy_and_fifty_and_missing_seeds_make_a_page(tmp_path, policies):
    for i in range(policies):
        for seed in range(1 if policies == 1 else 1 + (i % 10 == 0)):
            row = {"policy": f"p{i}", "seed": seed, "density": 0.1, "run_id": f"{i}-{seed}"}
            write_run(tmp_path / f"{i}-{seed}", row, {"final_test_score": i / 100})
    text = report(load_results(tmp_path))
    assert f"p{policies - 1}" in text
    assert ("no two policies" in text) == (policies == 1)


def test_where_all_failed_the_page_says_why(tmp_path):
    row = {"policy": "set", "seed": 0, "density": 0.1, "run_id": "a", "dataset": "digits"}
    with pytest.raises(ValueError, match="reason"), Recorder(tmp_path / "a", row, config=""):
        raise ValueError("a <b> reason")
    text = report(load_results(tmp_path))
    assert "a &lt;b&gt; reason" in text
    assert "No run left a table of edits" in text


def test_scores_that_are_missing_leave_a_page(tmp_path):
    for policy in ("set", "rigl"):
        row = {"policy": policy, "seed": 0, "density": 0.1, "run_id": policy}
        write_run(tmp_path / policy, row, {"final_test_score": float("nan")})
    assert "no complete run has a score" in report(load_results(tmp_path))


def test_what_cannot_be_read_or_written_is_an_error(tmp_path):
    write_run(tmp_path / "a")
    (tmp_path / "a" / "run.parquet").write_bytes(b"no parquet")
    with pytest.raises(ResultsError, match="none of the runs"):
        report(load_results(tmp_path))
    write_run(tmp_path / "b")
    with pytest.raises(ResultsError, match="cannot write"):
        write_report(load_results(tmp_path), tmp_path / "nowhere" / "report.html")


def test_compare_names_the_page_or_says_how_to_get_it(tmp_path, capsys, monkeypatch):
    write_run(tmp_path / "a", {"density": 0.1})
    assert compare([str(tmp_path)]) == 0
    assert f"{tmp_path / 'report.html'}" in capsys.readouterr().out
    (tmp_path / "report.html").unlink()

    def missing(library, extra):
        raise MissingExtra(f'this needs {library}: pip install "plastic[{extra}]"')

    monkeypatch.setattr("plastic.analysis.report.page.require_extra", missing)
    assert compare([str(tmp_path)]) == 0
    assert 'No report.html: this needs matplotlib: pip install "plastic[report]"' in (
        capsys.readouterr().out
    )
    assert not (tmp_path / "report.html").exists()


def test_numbers_and_names_in_pictures_are_left_as_they_are():
    def draw(ax):
        ax.plot([0, 1], [0.0, 0.00625], color="#0072b2", label="seed 0.12345 in #0072b2")
        ax.set_yticks([0.00125, 0.00625])
        ax.legend()

    svg = chart(draw, "Rewards", "Small ones.")
    texts = re.findall(r"<text[^>]*>([^<]*)", svg)
    assert {"0.00125", "0.00625", "seed 0.12345 in #0072b2"} <= set(texts)
    assert "var(--c0)" in svg
    assert not re.search(r' d="[^"]*\d\.\d{3}', svg)
