"""Comparisons where little or nothing is left to compare, and names that mean mischief."""

from __future__ import annotations

import pandas as pd
import pytest
from test_compare import THREE, write_run, write_sweep

from experiments.compare import main
from plastic.analysis import compare, load_results
from plastic.analysis.rendering import WIDTH
from plastic.records import Recorder

NASTY = "<script>alert('1')</script>\" a|b \\ $x$ &_%{}~^#\n=1+1 \x1b[31m `*x*` [y](z)"
PLAIN = NASTY.replace("\n", " ").replace("\x1b", "?")


@pytest.fixture
def told(tmp_path, capsys):
    """What the program prints of the runs of its folder; the three files it leaves behind."""

    def told(*arguments):
        assert main([str(tmp_path), "--no-report", *arguments]) == 0
        text = capsys.readouterr().out
        assert "nan" not in text.lower()
        files = [tmp_path / f"comparison.{ending}" for ending in ("csv", "md", "tex")]
        return text, *(path.read_text(encoding="utf-8") for path in files)

    return told


def notes_of(text):
    return " ".join(text.split())


def test_one_policy_is_compared_with_nothing(tmp_path, told):
    write_sweep(tmp_path, {"set": THREE["set"]})
    text, table, markdown, latex = told()
    assert "minus" not in text
    assert "Differences are to" not in text
    assert "paired" not in text
    assert len(table.splitlines()) == 2
    assert "| digits | 0.05 | set | 3 | 92.0 +-4.3 |" in markdown
    assert r"set & 3 & 92.0 $\pm$4.3" in latex


def test_one_seed_has_no_interval_in_any_file(tmp_path, told):
    write_sweep(tmp_path, {name: {0: values[0]} for name, values in THREE.items()})
    text, table, markdown, latex = told()
    assert "Only one seed" in text
    for file in (text, markdown, latex):
        assert "+-" not in file
        assert r"\pm" not in file
    assert pd.read_csv(tmp_path / "comparison.csv")["p_value"].isna().all()
    assert table.startswith("dataset,density,policy,")


def test_where_all_failed_the_table_is_empty_and_the_runs_are_named(tmp_path, told):
    for policy in ("set", "static"):
        for seed in (0, 1):
            write_run(tmp_path, policy=policy, seed=seed, status="failed")
    text, _, markdown, latex = told()
    assert "4 runs (4 failed)" in text
    assert f"experiments.status {tmp_path}" in text
    assert "4 runs failed and left out: demo-digits-0.05-0-set," in text
    assert "| set | 0 | - | - |" in markdown
    assert "% 4 runs failed and left out" in latex


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_scores_that_are_no_numbers_are_left_out_and_named(tmp_path, told, score):
    write_sweep(tmp_path, THREE)
    odd = write_run(tmp_path, policy="set", seed=3, score=score)
    write_run(tmp_path, policy="static", seed=3, score=0.8)
    row = compare(load_results(tmp_path)).set_index("policy").loc["set"]
    assert (row["n_seeds"], row["n_pairs"], row["n_without_score"]) == (3, 3, 1)
    assert row["mean"] == pytest.approx(0.92)
    text, _, markdown, _ = told()
    expected = f"1 run complete without a finite final_test_score and left out: {odd}."
    assert expected in notes_of(text)
    assert "inf " not in markdown


def test_columns_without_a_number_are_dashes(tmp_path, told):
    for policy in ("set", "static"):
        for seed in (0, 1):
            write_run(tmp_path, policy=policy, seed=seed, score=float("nan"))
    text, _, markdown, _ = told()
    assert "4 runs complete without a finite" in text
    assert "| set | 0 | - | - | 330 |" in markdown


def test_seeds_without_a_partner_are_told_of(tmp_path, told):
    write_sweep(tmp_path, THREE | {"static": {0: 0.8, 7: 0.7}, "rigl": {5: 0.9, 6: 0.8}})
    text = notes_of(told()[0])
    assert "A seed that only one of two has is left out of their difference" in text
    assert "Without a seed in common with static: rigl." in text
    write_sweep(tmp_path, {f"p{i}": {9: 0.5} for i in range(8)})
    text = notes_of(told()[0])
    assert "in common with static: rigl, p0, p1, p2, p3 and 4 more." in text


def test_seeds_that_all_share_need_no_word(tmp_path, told):
    write_sweep(tmp_path, THREE)
    text = told()[0]
    assert "only one of two" not in text
    assert "in common" not in text


def test_fifty_policies_fit(tmp_path, told):
    for i in range(50):
        write_run(tmp_path, policy=f"policy_{i:02}", seed=0, score=0.5 + i / 100)
    text, table, markdown, latex = told()
    rows = text[text.index("policy  ") : text.index("final: mean")]
    assert max(map(len, rows.splitlines())) <= WIDTH
    assert len(table.splitlines()) == 51
    assert markdown.count("\n| digits |") == 50
    assert latex.count("\\\\\n") == 51
    assert "Differences are to policy_00 (choose another with --baseline)." in text


def write_nasty(folder):
    rows = [(policy, seed) for policy in (NASTY, "set") for seed in (0, 1)]
    shared = {"study": NASTY, "dataset": NASTY, "density": 0.1}
    for number, (policy, seed) in enumerate(rows):
        run = shared | {"policy": policy, "seed": seed}
        with Recorder(folder / str(number), run) as recorder:
            recorder.finish(final_test_score=0.5 + number / 100, n_neurons=3, n_connections=4)
    failed = shared | {"policy": "set", "seed": 2, "run_id": f"{NASTY}, {NASTY}"}
    with pytest.raises(ValueError, match="no"), Recorder(folder / "failed", failed):
        raise ValueError("no")


def test_no_name_breaks_a_line_a_cell_or_the_terminal(tmp_path, told):
    write_nasty(tmp_path)
    text, table, markdown, latex = told("--baseline", NASTY)
    assert text.startswith(f"Study {PLAIN}: 5 runs (4 complete, 1 failed)\n")
    assert f"Differences are to {PLAIN}." in text
    assert "1 run failed and left out" in text
    for file in (text, markdown, latex):
        assert all(letter.isprintable() or letter == "\n" for letter in file)
    rows = [line for line in markdown.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in rows} == {rows[0].count("|")}
    assert len(rows) == 2 + 2
    assert len(table.splitlines()) > 3  # a line break within quotes
    assert pd.read_csv(tmp_path / "comparison.csv")["policy"].tolist() == ["set", NASTY]


def test_no_name_is_html_where_markdown_is_shown(tmp_path, told):
    library = pytest.importorskip("markdown", reason="Python-Markdown comes by make extras")
    write_nasty(tmp_path)
    page = library.markdown(told()[2], extensions=["tables"])
    assert "<script" not in page
    for tag in ("<a ", "<em>", "<code>", "<strong>"):
        assert tag not in page
    assert page.count("<tr>") == 1 + 2
