"""The page of a sweep without a browser: sensible at the edges, and small."""

from __future__ import annotations

import re

import numpy as np
import pytest
from networks import random_network
from recordings import ARM, EDIT, EVALUATION, write_run

from experiments.compare import main as compare
from plastic import load_results
from plastic.analysis.film import film_of, learned, run_of
from plastic.analysis.report import report, write_report
from plastic.analysis.report.charts import chart
from plastic.analysis.report.movies import pack, packed
from plastic.analysis.scores import standing
from plastic.errors import InvalidParameter, MissingExtra, ResultsError
from plastic.interop import save_network
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


def test_pictures_of_one_run_name_its_setting_where_there_are_several(tmp_path):
    for dataset in ("digits", "wine"):
        row = {"dataset": dataset, "seed": 0, "density": 0.1, "run_id": dataset}
        write_run(tmp_path / dataset, row, {"n_edits": 2})
    text = report(load_results(tmp_path))
    titles = re.findall(r"<h3>(Edits: .*?|Arms, pulls: .*?)</h3>", text)
    names = [f"set, seed 0: {dataset}, density 0.1" for dataset in ("digits", "wine")]
    assert titles == [f"{what}: {name}" for what in ("Edits", "Arms, pulls") for name in names]
    assert "<p class='faint'>2 runs: " in text
    text = report(load_results(tmp_path / "wine"))
    assert "<h3>Edits: set, seed 0</h3>" in text
    assert "<p class='faint'>1 run: " in text


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


def write_terms(folder):
    """Two policies of two seeds: `a` ends better, `b` has a lower loss and costs half."""
    for policy, scores, losses, price in (
        ("a", (0.5, 0.9), (0.8, 0.75), 200),
        ("b", (0.6, 0.7), (0.4, 0.35), 100),
    ):
        for seed in (0, 1):
            row = {"policy": policy, "seed": seed, "density": 0.1, "dataset": "digits"}
            row |= {"study": "terms", "run_id": f"{policy}{seed}"}
            with Recorder(folder / f"{policy}{seed}", row, config="") as recorder:
                for n in (0, 1):
                    at = {"step": 10 * n, "train_flops": price * (n + 1)}
                    found = {"score": scores[n] + seed / 100, "loss": losses[n] + seed / 100}
                    recorder.add("convergence", EVALUATION | at | found)
                recorder.finish(
                    metric="accuracy",
                    final_test_score=scores[1] + seed / 100,
                    final_test_loss=losses[1] + seed / 100,
                    train_flops=2 * price,
                )


def lead(text):
    return re.search(r'<p class="lead">(.*?)</p>', text)[1]


def test_what_is_compared_reaches_every_part_and_is_told(tmp_path):
    write_terms(tmp_path)
    results = load_results(tmp_path)
    text = report(results)
    assert "Compared by final_test_score, at the end of each run." in text
    assert lead(text).startswith("a is better than b by 20.0 points")
    assert ">90.5 \u00b1" in text
    text = report(results, equal="flops")
    assert "Compared by final_test_score, at equal training operations" in text
    assert lead(text).startswith("b is better than a by 20.0 points")
    assert ">50.5 \u00b1" in text
    text = report(results, metric="final_test_loss", baseline="a")
    assert "Compared by final_test_loss, at the end of each run, against a." in text
    assert lead(text).startswith("b is better than a by 0.400")
    for title in ("Test loss over steps", "Final test loss against FLOPs"):
        assert f"<h3>{title}" in text
    assert "<h3>Test score over steps" not in text


def test_equal_costs_leave_the_results_as_they_were(tmp_path):
    write_terms(tmp_path)
    results = load_results(tmp_path)
    before = results.runs.copy()
    stood = standing(results, "flops")
    assert results.runs.equals(before)
    assert stood.runs.set_index("run_id")["train_flops"].eq(200).all()
    assert standing(results) is results


@pytest.mark.parametrize(
    ("said", "choices"),
    [
        ("metric must be one of", {"metric": "final_tset_score"}),
        ("equal must be one of", {"equal": "time"}),
        ("by must be one of", {"by": "polcy"}),
        ("baseline must be one of", {"baseline": "sett"}),
    ],
)
def test_wrong_choices_are_refused_and_write_nothing(tmp_path, said, choices):
    write_terms(tmp_path)
    with pytest.raises(InvalidParameter, match=said):
        write_report(load_results(tmp_path), **choices)
    assert not (tmp_path / "report.html").exists()


def test_compare_passes_on_what_it_was_asked(tmp_path, capsys):
    write_terms(tmp_path)
    asked = ["--equal", "flops", "--metric", "final_test_loss", "--baseline", "b"]
    assert compare([str(tmp_path), *asked]) == 0
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Compared by final_test_loss, at equal training operations" in text
    assert "against b." in text


def test_an_empty_folder_gets_no_page_but_an_error(tmp_path, capsys):
    assert compare([str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_one_seed_is_told_to_decide_nothing(tmp_path):
    for policy in ("set", "rigl"):
        row = {"policy": policy, "seed": 0, "density": 0.1, "run_id": policy}
        write_run(tmp_path / policy, row)
    text = report(load_results(tmp_path))
    assert "cannot be compared: too few pairs of seeds (1 pair)." in text
    assert "no difference can be told from chance" in text


def test_columns_of_nothing_but_nan_leave_a_page(tmp_path):
    for policy in ("set", "rigl"):
        for seed in (0, 1):
            row = {"policy": policy, "seed": seed, "density": 0.1, "run_id": f"{policy}{seed}"}
            with Recorder(tmp_path / f"{policy}{seed}", row, config="") as recorder:
                nothing = {"loss": float("nan"), "score": float("nan")}
                recorder.add("convergence", EVALUATION | nothing)
                recorder.add("edits", EDIT | {"accepted": True})
                recorder.add("arms", ARM | {"posterior_mean": float("nan")})
                recorder.finish(metric="accuracy", final_test_score=float("nan"))
    text = report(load_results(tmp_path))
    assert "no complete run was evaluated" in text
    assert "NaN" not in re.search(r'id="films">(.*?)</script>', text)[1]


def test_several_settings_are_judged_together_first(tmp_path):
    for dataset in ("digits", "wine"):
        for policy in ("set", "static"):
            for seed in (0, 1, 2):
                score = 0.8 + 0.1 * (policy == "set") + seed / 100
                row = {"policy": policy, "seed": seed, "density": 0.1, "dataset": dataset}
                name = f"{dataset}{policy}{seed}"
                write_run(tmp_path / name, row | {"run_id": name}, {"final_test_score": score})
    text = report(load_results(tmp_path))
    assert text.index("<h3>All settings together</h3>") < text.index("<h3>digits, density 0.1")
    assert lead(text).startswith("set is better than static by 10.0 points")


def test_the_page_tells_what_differs_and_what_is_shared(tmp_path):
    for seed in (0, 1, 2, 5):
        for fraction in (0.1, 0.3):
            name = f"{seed}{fraction}"
            row = {"policy": "set", "seed": seed, "density": 0.1, "run_id": name, "steps": 40}
            write_run(tmp_path / name, row | {"policy.fraction": fraction})
    text = report(load_results(tmp_path))
    assert "<td>set fraction=0.3</td>" in text
    assert "<td>0 to 2, 5</td>" in text
    assert "<td>fraction: 0.3</td>" in text
    assert "<td>steps</td><td>40</td>" in text


def test_a_network_of_another_run_gives_no_weights(tmp_path):
    write_run(tmp_path / "a", {"density": 0.1})
    film = film_of(load_results(tmp_path).edits)
    assert learned(film, tmp_path / "a").weight is None
    (tmp_path / "a" / "network.safetensors").write_bytes(b"no tensors")
    assert learned(film, tmp_path / "a").weight is None
    save_network(random_network(0), tmp_path / "a" / "network.safetensors")
    held = learned(film, tmp_path / "a")
    stay = np.isin(film.connection, random_network(0).topology.structure.connection_ids)
    assert np.array_equal(np.isnan(held.weight), ~stay)
