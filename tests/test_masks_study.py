"""The program that compares rules for masks: tables, messages, refusals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hydra import compose, initialize_config_dir

from experiments.config import config_folder
from plastic.analysis.masks import COLUMNS, format_masks, summarize_masks
from plastic.bandits.masks import RULES
from plastic.policies.mask_pruning import SCORES

SMALL = ["dataset=wine", "hidden=[8,6]", "steps=60", "pulls=40", "pull_size=16", "seed=0,1"]


@pytest.fixture
def do(command, tmp_path):
    """Run the program with small settings; how it ended."""
    return lambda *overrides: command("masks", *SMALL, *overrides, cwd=tmp_path)


@pytest.mark.parametrize("units", ["relu", "threshold"])
def test_every_rule_prunes_as_many_of_every_network(do, tmp_path, units):
    ended = do(f"units={units}")
    assert ended.code == 0, ended.err
    table = pd.read_csv(tmp_path / "results" / "masks" / "masks.csv")
    assert list(table) == list(COLUMNS)
    assert set(table["rule"]) == {*RULES, *SCORES}
    assert (table["n_pruned"] >= 10).all()  # three quarters, and whoever that leaves stranded
    assert (table["units"] == units).all()
    assert table.groupby("seed")["dense_accuracy"].nunique().max() == 1
    assert "thompson leads by" in ended.out
    assert "Tables: " in ended.out


def test_all_rules_are_asked_for_unless_some_are_named():
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        assert compose("masks").rules == [*RULES, *SCORES]


def test_a_sweep_done_again_gives_the_same_table(do, tmp_path):
    tables = []
    for study in ("one", "other"):
        assert do(f"study={study}", "rules=[thompson,fisher]").code == 0
        table = pd.read_csv(tmp_path / "results" / study / "masks.csv")
        tables.append(table.drop(columns="seconds"))
    pd.testing.assert_frame_equal(*tables)


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ("units=spike", "units must be one of 'relu', 'threshold', got 'spike'"),
        ("cost=time", "cost must be one of 'loss', 'error'"),
        ("rules=[best]", "rules must be one of"),
        ("rules=[]", "rules must name at least one, got []"),
        ("hidden=[]", "hidden must name at least one, got []"),
        ("fraction=1", "fraction must lie in [0, 1)"),
        ("pulls=0", "pulls must be a whole number of at least 1"),
        ("hidden=[0]", "hidden must be a whole number of at least 1"),
        ("study=' '", "study must not be empty"),
        ("pull=3", "there is no key 'pull' (did you mean 'pulls'?)"),
    ],
)
def test_what_no_study_could_use_is_refused(do, tmp_path, wrong, rule):
    ended = do(wrong)
    assert ended.code == 1
    assert ended.err.count(rule) == 1, "once, though two cells are of no use"
    assert "Traceback" not in ended.err
    assert not list((tmp_path / "results").rglob("*.csv"))


def table_of(**accuracies):
    rows = [
        {"dataset": "digits", "units": "relu", "cost": "loss", "rule": rule, "seed": seed,
         "accuracy": accuracy, "dense_accuracy": 0.97, "n_hidden": 8, "n_pruned": 6}
        for rule, values in accuracies.items()
        for seed, accuracy in enumerate(values)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_leads_are_paired_by_seed():
    table = table_of(thompson=[0.9, 0.8, 0.7], mean=[0.85, 0.75, 0.65], cem=[0.1, 0.9, 0.5])
    summary = summarize_masks(table).set_index("rule")
    assert summary.loc["mean", "lead"] == pytest.approx(0.05)
    assert summary.loc["mean", "lead_high"] - summary.loc["mean", "lead_low"] < 1e-12
    assert np.isnan(summary.loc["thompson", "lead"])
    assert summary.loc["cem", "p_value"] >= summary.loc["mean", "p_value"]
    text = format_masks(table)
    assert "digits, relu units, 75% pruned by loss (before: 97.0%)" in text
    assert "+5.0 +-0.0" in text
