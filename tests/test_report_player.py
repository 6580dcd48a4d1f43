"""The player of networks in a real browser: it plays, stops, zooms, and tells what it shows."""

from __future__ import annotations

import re

import pytest
from pages import clock, data, opened, run_on, tip
from runs import OFTEN, SMALL

from plastic import load_results
from plastic.analysis.film import film_of, run_of
from plastic.analysis.report import write_report
from plastic.interop import load_parameters

pytest.importorskip("matplotlib", reason="needs Matplotlib: pip install 'plastic[report]'")


def test_the_player_plays_to_its_end_and_can_be_moved_about(browser, reported):
    page, heard = opened(browser, reported / "report.html")
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
    film = film_of(run_of(load_results(reported), run_on(page)).edits)
    assert int(data(page)["drawn"]) == film.alive(len(film.steps) - 1).sum()
    box = page.locator("canvas").first.bounding_box()
    page.locator("canvas").first.hover(position={"x": 16, "y": 16 + (box["height"] - 32) / 26})
    degree = int((film.source[film.alive(len(film.steps) - 1)] == 0).sum())
    told = f"neuron 0, input: degree {degree} (0 in, {degree} out); there from the start"
    assert tip(page) == f"{told}, age 40 steps"
    page.locator("[data-zoom='1.25']").first.click()
    assert float(data(page)["zoom"]) > 1
    assert heard == []
    page.close()


def test_weights_at_the_end_are_told_where_they_were_kept(browser, reported):
    page, _ = opened(browser, reported / "report.html")
    folder = load_results(reported).folders[run_on(page)]
    page.locator("[data-part=slider]").fill("1000")
    page.locator("canvas").first.focus()
    held = load_parameters(folder / "network.safetensors")
    weights = dict(zip(held.connection.tolist(), held.weight.tolist(), strict=True))
    biases = dict(zip(held.neuron.tolist(), held.bias.tolist(), strict=True))
    for _ in range(15):
        page.keyboard.press("n")
    found = re.match(r"neuron (\d+), output: .*; bias at the end (.*)", tip(page))
    assert float(found[2]) == pytest.approx(biases[int(found[1])], rel=0.01)
    for _ in range(3):
        page.keyboard.press("c")
        told = re.match(
            r"connection (\d+), neuron .* stays to the end; weight at the end (.*)", tip(page)
        )
        assert float(told[2]) == pytest.approx(weights[int(told[1])], rel=0.01)
    page.close()


def test_weights_that_were_not_kept_are_told_of(browser, do, tmp_path):
    do(*SMALL, *OFTEN, "policy=set", "keep_network=0")
    page, heard = opened(browser, write_report(load_results(tmp_path)))
    page.locator("canvas").first.focus()
    page.keyboard.press("c")
    assert tip(page).endswith("; weight not kept")
    assert heard == []
    page.close()


def test_one_goes_from_change_to_change(browser, reported):
    page, _ = opened(browser, reported / "report.html")
    film = film_of(run_of(load_results(reported), run_on(page)).edits)
    steps = []
    for _ in film.steps[1:]:
        page.locator("[data-part=on]").click()
        steps.append(
            int(re.search(r"step (\d+)", page.locator("[data-part=clock]").inner_text())[1])
        )
    assert steps[: len(film.steps) - 1] == film.steps[1:].tolist()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    assert clock(page) == steps[-2]
    page.close()


def test_the_player_obeys_the_keyboard(browser, reported):
    page, heard = opened(browser, reported / "report.html")
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
