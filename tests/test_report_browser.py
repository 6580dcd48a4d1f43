"""The page of a sweep in a real browser: whole, quiet, harmless, and for everyone to read."""

from __future__ import annotations

import numpy as np
import pytest
from pages import ARTEFACTS, opened
from recordings import ARM, EDIT, write_run

from plastic import load_results
from plastic.analysis.report import write_report
from plastic.records import Recorder

pytest.importorskip("matplotlib", reason="needs Matplotlib: pip install 'plastic[report]'")

NASTY = "<script>window.harmed = 1</script>\"'><img src=x onerror=window.harmed=1> $x_$"


def test_the_page_is_whole_and_asks_for_nothing(browser, reported):
    page, heard = opened(browser, reported / "report.html")
    drawn = page.evaluate(
        "[...document.querySelectorAll('figure svg')].map(svg => ["
        "svg.getBoundingClientRect().width, svg.querySelectorAll('path,use').length,"
        "svg.getAttribute('aria-label').length])"
    )
    assert len(drawn) >= 12
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


def test_nothing_that_a_run_tells_is_executed(browser, tmp_path):
    row = {"policy": NASTY, "seed": 0, "study": NASTY, "dataset": NASTY, "density": 0.1}

    def fail():
        with Recorder(tmp_path / "a", row | {"run_id": NASTY}, config="") as recorder:
            recorder.add("edits", EDIT | {"accepted": True, "reason": NASTY})
            recorder.add("arms", ARM | {"arm": [NASTY, "b"], "reward": 0.1})
            raise ValueError(NASTY)

    with pytest.raises(ValueError, match="script"):
        fail()
    with Recorder(tmp_path / "b", row | {"seed": 1, "run_id": "b"}, config="") as recorder:
        recorder.add("edits", EDIT | {"accepted": True})
        recorder.add("arms", ARM | {"arm": [NASTY, "b"], "reward": 0.1})
        recorder.finish(metric=NASTY, final_test_score=0.5)
    page, heard = opened(browser, write_report(load_results(tmp_path)))
    page.locator("canvas").first.focus()
    page.keyboard.press("n")
    assert page.evaluate("window.harmed") is None
    assert page.locator("img").count() == 0
    assert NASTY in page.locator("body").inner_text()
    assert NASTY in page.locator(".stage select").first.inner_text()
    assert heard == []
    page.close()


def test_the_tab_key_reaches_all_there_is_to_use_in_its_order(browser, reported):
    page, _ = opened(browser, reported / "report.html")
    reached = []
    for _ in range(80):
        page.keyboard.press("Tab")
        one = page.evaluate("""() => {
          const e = document.activeElement, style = getComputedStyle(e);
          const name = e.dataset.part || (e.type === "button" && e.dataset.zoom) || e.tagName;
          return [name, style.outlineStyle];
        }""")
        if one[0] == "BODY":
            break
        assert one[1] != "none", f"nobody sees that {one[0]} has the focus"
        reached.append(one[0])
    stage = ["SELECT", "1.25", "0.8", "0", "CANVAS"]
    controls = ["play", "back", "on", "slider", "speed", "both"]
    start = reached.index("play")
    assert reached[start : start + 16] == [*controls, *stage, *stage]
    assert reached.count("SUMMARY") >= 2
    page.close()


def test_all_that_is_seen_or_used_has_a_name(browser, reported):
    page, _ = opened(browser, reported / "report.html")
    nameless = page.evaluate("""() => [...document.querySelectorAll(
        "svg, canvas, button, input, select, section, nav, .scroll")].filter((e) => {
      const by = e.getAttribute("aria-labelledby");
      const name = e.getAttribute("aria-label")
        || (by && document.getElementById(by).textContent)
        || (e.tagName === "BUTTON" && e.textContent) || e.closest("label")?.textContent;
      return !name || name.trim().length < 3;
    }).map((e) => e.outerHTML.slice(0, 80))""")
    assert nameless == []
    names = page.locator("figure svg").evaluate_all("all => all.map(e => e.ariaLabel)")
    assert len(set(names)) == len(names)
    assert page.locator("canvas").first.get_attribute("aria-label").startswith("Network of ")
    page.close()


CONTRASTS = """() => {
  const light = (color) => {
    const [r, g, b] = color.match(/[\\d.]+/g).slice(0, 3).map((v) => {
      const x = v / 255;
      return x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const color = getComputedStyle(e).backgroundColor;
      if (!/, 0\\)$|transparent/.test(color)) return color;
    }
    return "rgb(255, 255, 255)";
  };
  const poor = [];
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || /^(script|option|style)$/i.test(e.tagName)) continue;
    const style = getComputedStyle(e), color = e.closest("svg") ? style.fill : style.color;
    const [a, b] = [light(color), light(behind(e))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) poor.push([e.tagName, e.textContent.slice(0, 30), color, ratio]);
  }
  return poor;
}"""
"""Every text whose contrast to what is behind it is below 4.5, as WCAG 2.2 has it for AA."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_what_is_behind_it(browser, reported, scheme):
    page, _ = opened(browser, reported / "report.html", scheme=scheme)
    page.locator("details").evaluate_all("all => all.forEach(e => { e.open = true; })")
    assert page.evaluate(CONTRASTS) == []
    page.close()


BLINDNESS = {  # of linear RGB: Machado et al. (2009), doi:10.1109/TVCG.2009.113
    "none": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def lab(value, blindness):
    """A colour, sRGB in [0, 1], as someone sees it, in CIE L*a*b*."""
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(BLINDNESS[blindness]) @ linear, 0, 1)
    xyz = [
        [0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]
    ] @ seen / [0.9505, 1, 1.089]  # fmt: skip
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


VALUE = "name => getComputedStyle(document.documentElement).getPropertyValue(name).trim()"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("blindness", BLINDNESS)
def test_born_going_and_plain_lines_differ_for_everyone(browser, reported, scheme, blindness):
    page, _ = opened(browser, reported / "report.html", scheme=scheme)
    colors = {}
    for name in ("--card", "--c2", "--c1", "--faint"):
        text = page.evaluate(VALUE, name)
        colors[name] = np.array([int(text[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    card = colors["--card"]
    # as a line is drawn: see stage.js
    born, going, plain = (
        lab(opacity * colors[name] + (1 - opacity) * card, blindness)
        for name, opacity in (("--c2", 0.85), ("--c1", 0.85), ("--faint", 0.5))
    )
    for a, b in ((born, going), (born, plain), (going, plain)):
        assert np.linalg.norm(a - b) > 15  # 2.3 is just noticeable; going ones are dashed, too
    for line in (born, going, plain):
        assert abs(line[0] - lab(card, blindness)[0]) > 20
    page.close()
