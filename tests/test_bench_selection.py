"""The program that measures what selecting saves."""

from __future__ import annotations

from experiments.bench.selection import main, times

SMALL = ["dataset=wine", "wiring.hidden=[16]", "steps=30"]


def test_every_selection_takes_its_turn():
    seconds = times("selection", ["full", "resampling"], 2, SMALL)
    assert list(seconds) == ["full", "resampling"]
    assert all(len(taken) == 2 and min(taken) > 0 for taken in seconds.values())


def test_the_program_compares_with_computing_all(capsys):
    arguments = ["--only", "successive_elimination", "--rounds", "2", "--set", *SMALL]
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["full", "successive_elimination"]
    assert lines[2].split()[2] == "1.00"
    assert main(["--only", "ucb", "--rounds", "1", "--set", *SMALL, "batch_size=0"]) == 2
    assert "batch_size must be" in capsys.readouterr().err
