from test_compare import THREE, write_sweep

import plastic.analysis.writing as writing
from experiments.compare import main
from plastic.analysis import compare, load_results


def test_comparisons_are_written_beside_the_sweep(tmp_path, capsys, monkeypatch):
    write_sweep(tmp_path, THREE, policy__note="a_b & 5%")
    assert main([str(tmp_path)]) == 0
    assert "comparison.csv, .md and .tex in" in capsys.readouterr().out
    frame = compare(load_results(tmp_path))
    assert (tmp_path / "comparison.csv").read_text() == frame.to_csv(index=False)
    latex = (tmp_path / "comparison.tex").read_text()
    rows = [line for line in latex.splitlines() if line.endswith(r"\\")]
    assert len(rows) == 1 + len(frame)
    assert {line.count(" & ") for line in rows} == {rows[0].count(" & ")}

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(writing, "replace_file", refuse)
    assert main([str(tmp_path)]) == 0
    assert "comparison.csv cannot be written to" in capsys.readouterr().out
