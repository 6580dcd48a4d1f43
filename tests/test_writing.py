"""Comparisons as files: what stands in a table is shown as it is, and nothing of it obeyed."""

from __future__ import annotations

import html
import re

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from test_compare import THREE, write_sweep

import plastic.analysis.writing as writing
from experiments.compare import main
from plastic.analysis import compare, load_results
from plastic.analysis.rendering import escape_markdown, one_table, printable
from plastic.analysis.writing import escape_latex, to_csv, to_latex
from plastic.errors import ResultsError

COMMANDS = {
    "textbackslash{}": "\\", "textasciitilde{}": "~", "textasciicircum{}": "^",
    "textless{}": "<", "textgreater{}": ">", "textbar{}": "|", "textasciigrave{}": "`",
}  # fmt: skip


def shown_by_latex(source):
    """What LaTeX sets for source that `escape_latex` made; anything else raises."""
    shown, at = "", 0
    while at < len(source):
        if formula := re.compile(r"\$(\\pm|-)\$").match(source, at):
            shown += {"\\pm": "+-", "-": "-"}[formula[1]]
            at = formula.end()
        elif source[at] == "\\" and source[at + 1] in "&%$#_{}":
            shown += source[at + 1]
            at += 2
        elif source[at] == "\\":
            name = next(name for name in COMMANDS if source.startswith(name, at + 1))
            shown += COMMANDS[name]
            at += 1 + len(name)
        elif source.startswith("{}", at):  # keeps ligatures apart
            at += 2
        else:
            assert source[at] not in "&%$#_{}~^<>|`", source
            shown += source[at]
            at += 1
    return shown


@given(st.text(st.characters(codec="utf-8")) | st.text("\\&%$#_{}~^<>|`+-=9a "))
@example("---")
@example("+----1")
def test_latex_shows_any_text_as_it_is(text):
    source = escape_latex(text)
    assert shown_by_latex(source) == text
    assert "--" not in source


@given(st.text(st.characters(codec="utf-8")) | st.text("\\&<>|`*_~$[]()!#a "))
def test_markdown_shows_any_text_as_it_is(text):
    source = escape_markdown(text)
    assert html.unescape(source) == text
    assert not set("<>\\|`*~$") & set(source)
    assert "](" not in source
    assert not re.search(r"(^|\W)_|_(\W|$)", source)


@given(st.text())
def test_printable_is_one_line_of_as_many_letters(text):
    line = printable(text)
    assert len(line) == len(text)
    assert line.isprintable()
    assert printable(line) == line


@given(
    names=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\0")), min_size=1)
)
@example(names=["00", "1e5", "=1"])
def test_csv_begins_no_cell_as_a_formula(tmp_path_factory, names):
    path = tmp_path_factory.getbasetemp() / "guarded.csv"
    path.write_text(to_csv(pd.DataFrame({"policy": names, "x": -1.5})), encoding="utf-8")
    read = pd.read_csv(path, keep_default_na=False, dtype={"policy": "str"})
    for name, kept in zip(names, read["policy"], strict=True):
        assert kept == (f"'{name}" if name[:1] in tuple("=+-@\t") else name)
    assert (read["x"] == -1.5).all()


def test_comparisons_are_written_beside_the_sweep(tmp_path, capsys, monkeypatch):
    write_sweep(tmp_path, THREE, policy__note="a_b & 5%")
    assert main([str(tmp_path), "--no-report"]) == 0
    assert "comparison.csv, .md and .tex in" in capsys.readouterr().out
    frame = compare(load_results(tmp_path))
    assert (tmp_path / "comparison.csv").read_text() == to_csv(frame)
    read = pd.read_csv(tmp_path / "comparison.csv")
    pd.testing.assert_series_equal(read["mean"], frame["mean"])

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(writing, "replace_file", refuse)
    assert main([str(tmp_path), "--no-report"]) == 0
    assert "comparison.csv cannot be written to" in capsys.readouterr().out
    with pytest.raises(ResultsError, match=r"cannot be written to .* \(Permission denied\)"):
        writing.write_comparison(frame, tmp_path)


def test_latex_holds_the_cells_of_the_one_table(tmp_path):
    write_sweep(tmp_path, THREE)
    write_sweep(tmp_path, THREE, dataset="deep_teacher")
    frame = compare(load_results(tmp_path))
    latex, table = to_latex(frame).splitlines(), one_table(frame)
    assert latex[0] == rf"\begin{{tabular}}{{{'l' * 3}{'r' * (len(table.head) - 3)}}}"
    rows = [line.removesuffix(r" \\").split(" & ") for line in latex if line.endswith(r"\\")]
    shown = [[shown_by_latex(cell) for cell in row] for row in rows]
    assert shown == [table.head, *table.body]
    assert r"deep\_teacher" in latex[4]
    assert r"$-$" not in latex[4]
    assert any(line.startswith("% ") for line in latex)
