"""SQL over the tables: the same as pandas says, nothing else can be reached."""

import re
import shlex
from pathlib import Path

import pandas as pd
import pytest
from recordings import write_run

from experiments import query
from plastic.analysis import load_results

pytest.importorskip("duckdb", reason="make extras brings DuckDB")
PAGE = (Path(__file__).parent.parent / "docs" / "query.md").read_text(encoding="utf-8")
QUERIES = re.findall(r'experiments\.query ("[^"]+")', PAGE)


@pytest.fixture
def folder(tmp_path):
    for name, policy in (("a", "static"), ("b", "set")):
        run = {"policy": policy, "policy.fraction": 0.3}
        write_run(tmp_path / "it's [1]*" / name, run, evaluations=3)
    return tmp_path / "it's [1]*"


@pytest.mark.parametrize("text", QUERIES)
def test_every_query_of_the_page_is_answered(text, demo, capsys):
    assert query.main([shlex.split(text)[0], str(demo / "results" / "demo")]) == 0
    assert re.search(r"\d+ rows?$", capsys.readouterr().out)


def test_answers_are_those_of_pandas(folder, tmp_path, capsys):
    sql = 'select policy, avg(score) as s from convergence join runs using (run_id) where \
"policy.fraction" = 0.3 group by 1 order by 1'
    assert query.main([sql, str(folder), "--csv", str(tmp_path / "a.csv")]) == 0
    assert query.main([sql, str(folder), "--parquet", str(tmp_path / "a.parquet")]) == 0
    assert "2 rows: " in capsys.readouterr().out
    expected = load_results(folder).join("convergence", "policy").groupby("policy").score.mean()
    for found in (pd.read_csv(tmp_path / "a.csv"), pd.read_parquet(tmp_path / "a.parquet")):
        assert found["policy"].tolist() == ["set", "static"]
        assert found["s"].to_numpy() == pytest.approx(expected.to_numpy())


def test_damaged_files_are_left_out_and_named(folder, capsys):
    (folder / "a" / "convergence.parquet").write_bytes(b"nothing")
    assert query.main(["select count(*) as n from convergence", str(folder)]) == 0
    said = capsys.readouterr()
    assert said.out.split() == ["n", "9", "1", "row"]
    assert "cannot be read" in said.err


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("select * from run", r'"runs"'),
        ("select polcy from runs", r'"policy"'),
        ("select", "SELECT clause without"),
        ("create table x (a int)", "a query is one select"),
        ("select 1; select 2", "a query is one select"),
        ("copy (select 1) to 'stolen.csv'", "a query is one select"),
        ("select * from read_text('/etc/hostname')", "disabled by configuration"),
        ("select * from '/etc/hostname.csv'", "disabled by configuration|does not exist"),
    ],
)
def test_what_cannot_be_asked(folder, sql, said, capsys):
    assert query.main([sql, str(folder)]) == 2
    assert re.search(said, capsys.readouterr().err)


def test_no_duckdb_is_one_line(folder, capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "duckdb", None)
    assert query.main(["select 1", str(folder)]) == 2
    assert 'pip install "plastic[query]"' in capsys.readouterr().err


def test_a_table_fits_the_terminal_and_obeys_nothing_in_a_name(monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    frame = pd.DataFrame(
        {"name": ["\x1b[31mred", "x" * 50], "n": [1, 22], "far": ["y" * 20] * 2}
    )
    text = query.as_text(frame.iloc[:1])
    assert "\x1b" not in text
    assert max(map(len, text.splitlines()[:2])) <= 30
    assert "1 columns more: far" in text
    assert "1 rows more" in query.as_text(frame, 1)
    assert "..." in query.as_text(frame)
