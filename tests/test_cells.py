"""Tables put together from cells: whole files only, whatever the order and whoever looks."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plastic.analysis.cells import gather_cells, replace_file, write_cell
from plastic.errors import ResultsError

ROWS = st.lists(st.tuples(st.integers(0, 3), st.floats(-1, 1, width=32)), min_size=1)


@settings(max_examples=25)
@given(st.lists(ROWS, min_size=1, max_size=4))
def test_the_table_has_every_row_of_every_cell_in_order(tmp_path_factory, cells):
    folder = tmp_path_factory.mktemp("study")
    for number, rows in enumerate(cells):
        write_cell(folder, f"cell-{number}", [{"key": a, "x": b} for a, b in rows], "seed: 0\n")
    table = gather_cells(folder, "table", ["key"])
    expected = sorted(a for rows in cells for a, _ in rows)
    assert table["key"].tolist() == expected
    assert sorted(table["x"]) == sorted(b for rows in cells for _, b in rows)
    pd.testing.assert_frame_equal(pd.read_parquet(folder / "table.parquet"), table)
    pd.testing.assert_frame_equal(pd.read_csv(folder / "table.csv"), table)
    names = {path.name for path in folder.iterdir()}
    assert names == {"cells", "table.csv", "table.parquet"}


def test_a_cell_written_again_takes_the_place_of_the_first(tmp_path):
    for x in (1, 2):
        write_cell(tmp_path, "a", pd.DataFrame({"x": [x]}), f"x: {x}\n")
    assert gather_cells(tmp_path, "table", ["x"])["x"].tolist() == [2]
    assert (tmp_path / "cells" / "a.yaml").read_text() == "x: 2\n"


def test_a_write_that_fails_leaves_the_old_file_whole(tmp_path):
    path = tmp_path / "kept"
    path.write_text("old")

    def half(aside):
        aside.write_text("ne")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        replace_file(path, half)
    assert path.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["kept"]


def test_what_cannot_be_done_is_said(tmp_path):
    with pytest.raises(ResultsError, match="holds no cells"):
        gather_cells(tmp_path, "table", ["x"])
    write_cell(tmp_path, "a", [{"x": 1}], "")
    with pytest.raises(ResultsError, match=r"cannot put .*cells together: 'y'"):
        gather_cells(tmp_path, "table", ["y"])
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultsError, match=r"cannot write .*cells"):
        write_cell(tmp_path / "file", "a", [{"x": 1}], "")
