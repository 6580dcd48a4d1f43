"""The summary of studies: one row a choice, the columns that every reference table has."""

from __future__ import annotations

import pandas as pd
import pytest

from experiments.run import run
from experiments.summarize import main
from plastic.analysis import compare, load_results, summarize
from plastic.analysis.summaries import COLUMNS


@pytest.fixture(scope="module")
def selections(config_of, tmp_path_factory):
    folder = tmp_path_factory.mktemp("selections")
    for selection in ("full", "resampling", "resampling_mean"):
        for seed in (0, 1):
            overrides = [
                "dataset=wine", "wiring=dense", "wiring.hidden=[16]", "density=1", "steps=20",
                "policy=static", f"selection={selection}", f"seed={seed}", "study=small",
            ]  # fmt: skip
            run(config_of(*overrides, f"results_dir={folder}"))
    return folder / "small"


def test_policies_are_summarized(demo):
    frame = summarize(load_results(demo / "results" / "demo"))
    assert list(frame) == list(COLUMNS)
    named = frame.set_index("policy")
    assert named["sampling"].to_dict() == {"static": "", "thompson": "thompson"}
    assert (frame["n_seeds"] == 2).all()
    compared = compare(load_results(demo / "results" / "demo")).set_index("policy")
    for column in ("mean", "low", "high", "train_flops"):
        pd.testing.assert_series_equal(named[column], compared[column])


def test_selections_are_summarized_with_what_is_computed(selections):
    frame = summarize(load_results(selections), by="selection").set_index("policy")
    assert frame["sampling"].to_dict() == {
        "full": "", "resampling": "thompson", "resampling_mean": "mean"
    }  # fmt: skip
    assert (frame["n_neurons"] == 13 + 16 + 3).all()
    assert frame["n_active"].to_dict() == {
        "full": 32, "resampling": 17, "resampling_mean": 17
    }  # fmt: skip


def test_selections_are_compared_with_one_of_them(selections, command):
    ended = command(
        "compare", str(selections), "--by", "selection", "--baseline", "full", cwd="."
    )
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert any(
        line.split() == ["minus", "full", "final", "p", "(Holm)", "pairs"] for line in lines
    )
    assert "Differences are to full." in lines


def test_the_program_writes_one_table_of_several_studies(selections, tmp_path, capsys):
    arguments = [str(selections), str(selections), "--by", "selection"]
    assert main([*arguments, "--csv", str(tmp_path / "summary.csv")]) == 0
    assert len(pd.read_csv(tmp_path / "summary.csv")) == 6
    assert main(arguments[1:]) == 0
    assert "resampling_mean" in capsys.readouterr().out
    assert main([str(tmp_path / "nothing")]) == 2
    assert main([str(selections), "--by", "colour"]) == 2
    assert "by must be one of" in capsys.readouterr().err
