"""The page of a sweep without a browser: sensible at the edges, and small."""

from __future__ import annotations

import re

import numpy as np
import pytest
from recordings import write_run

from experiments.compare import main as compare
from plastic import load_results
from plastic.analysis.film import film_of, run_of
from plastic.analysis.report import report, write_report
from plastic.analysis.report.charts import chart
from plastic.analysis.report.movies import pack, packed
from plastic.errors import MissingExtra, ResultsError
from plastic.records import Recorder

pytest.importorskip("matplotlib", reason="needs Matplotlib: pip install 'plastic[report]'")


def test_films_are_small_and_thinned_where_they_would_not_be(reported):
    film = film_of(run_of(load_results(reported)).edits)
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
