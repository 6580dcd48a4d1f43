"""The table of a study: fixed columns, one row a policy, whatever was swept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from recordings import write_run

from experiments.summarize import main
from plastic.analysis import STUDY_COLUMNS, load_results, mean_interval, summarize, summary


def write(root, policy, scores, **row):
    settings = {"dataset": "digits", "density": 1.0, "policy": policy} | {
        name.replace("__", "."): value for name, value in row.items()
    }
    for seed, score in enumerate(scores):
        name = "-".join(str(value) for value in (*settings.values(), seed))
        findings = {"final_test_score": score, "n_neurons": 30, "n_connections": 100 + seed}
        write_run(root / name, settings | {"seed": seed}, findings)


@pytest.fixture
def study(tmp_path):
    write(tmp_path, "static", [0.5, 0.6], wiring__hidden="[8]")
    write(tmp_path, "static", [0.6, 0.7], wiring__hidden="[16]")
    write(tmp_path, "trials", [0.9, 0.8], wiring__hidden="[16]", policy__sampling="thompson")
    write(tmp_path, "trials_mean", [0.8, 0.7], wiring__hidden="[16]", policy__sampling="mean")
    write(tmp_path, "growth", [0.3, 0.4], wiring__hidden="[2]", dataset="wine")
    return tmp_path


def test_a_study_has_the_same_columns_whatever_was_swept(study):
    table = summarize(load_results(study))
    assert tuple(table.columns) == STUDY_COLUMNS
    rows = {(r.dataset, r.policy): r for r in table.itertuples()}
    assert set(rows) == {
        ("digits", "static hidden=[8]"),
        ("digits", "static hidden=[16]"),
        ("digits", "trials"),
        ("digits", "trials_mean"),
        ("wine", "growth"),
    }
    row, interval = rows["digits", "trials"], mean_interval([0.9, 0.8])
    assert (row.mean, row.low, row.high, row.n_seeds) == (
        interval.mean, interval.low, interval.high, 2,
    )  # fmt: skip
    assert (row.n_neurons, row.n_connections) == (30, 100.5)
    samplings = {policy: r.sampling for (_, policy), r in rows.items()}
    assert samplings["trials"] == "thompson"
    assert samplings["trials_mean"] == "mean"
    assert samplings["static hidden=[8]"] == samplings["growth"] == ""


def test_sampling_that_was_swept_over_is_that_of_the_row(tmp_path):
    for sampling in ("thompson", "mean"):
        write(tmp_path, "trials", [0.9, 0.8], policy__sampling=sampling)
    table = summarize(load_results(tmp_path)).set_index("policy")
    assert table["sampling"].to_dict() == {
        "trials sampling=thompson": "thompson",
        "trials sampling=mean": "mean",
    }


def test_a_study_without_sampling(tmp_path):
    write(tmp_path, "static", [0.5])
    results = load_results(tmp_path)
    table = summarize(results)
    assert table["sampling"].tolist() == [""]
    shared = [name for name in STUDY_COLUMNS if name != "sampling"]
    expected = summary(results)[shared]
    pd.testing.assert_frame_equal(table[shared], expected, check_dtype=False)


def test_the_command_writes_both_tables(study, tmp_path, capsys):
    target = tmp_path / "reference" / "study"
    assert main([str(study), "--to", str(target)]) == 0
    table = pd.read_csv(target / "summary.csv")
    assert tuple(table.columns) == STUDY_COLUMNS
    runs = pd.read_csv(target / "runs.csv")
    assert len(runs) == 10
    means = runs.groupby(["dataset", "policy"])["final_test_score"].mean()
    assert means["digits", "trials"] == pytest.approx(0.85)
    assert np.isclose(table.set_index("policy").loc["trials", "mean"], 0.85)
    assert "static hidden=[16]" in capsys.readouterr().out


def test_what_a_policy_was_swept_over_is_kept_of_each_run(study, capsys):
    for price in (0.2, 0.5):
        write(study, "priced", [0.5], policy__price=price, policy__every=40)
    assert main([str(study)]) == 0
    runs = pd.read_csv(study / "runs.csv")
    assert sorted(runs["policy.price"].dropna()) == [0.2, 0.5]
    assert "policy.every" not in runs


def test_the_command_says_that_there_is_nothing(tmp_path, capsys):
    assert main([str(tmp_path)]) == 2
    assert "holds no runs" in capsys.readouterr().err


def test_studies_that_are_no_runs_are_told_in_the_same_columns(tmp_path, reference):
    masks = reference / "masks"
    assert main([str(masks), "--to", str(tmp_path)]) == 0
    key = ["dataset", "policy", "sampling"]
    made, kept = (
        pd.read_csv(folder / "summary.csv").fillna({"sampling": ""}).sort_values(key)
        for folder in (tmp_path, masks)
    )
    assert tuple(made.columns) == STUDY_COLUMNS
    pd.testing.assert_frame_equal(
        made.reset_index(drop=True), kept.reset_index(drop=True), check_dtype=False
    )
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / "masks.csv"), pd.read_csv(masks / "masks.csv")
    )


def test_regret_is_told_in_the_same_columns(tmp_path):
    row = {"instance": "two_arms", "bandit": "beta", "sampling": "thompson", "n_runs": 9}
    rows = pd.DataFrame([row | {"horizon": h, "mean": h / 10} for h in (10, 100)])
    rows.to_csv(tmp_path / "regret.csv", index=False)
    assert main([str(tmp_path), "--to", str(tmp_path / "told")]) == 0
    table = pd.read_csv(tmp_path / "told" / "summary.csv")
    assert tuple(table.columns) == STUDY_COLUMNS
    assert table["dataset"].tolist() == ["two_arms"] * 2
    assert table["metric"].tolist() == ["regret after 10 rounds", "regret after 100 rounds"]
    assert (table["n_seeds"] == 9).all()
    assert table["n_neurons"].isna().all()


REFERENCE = Path(__file__).parent.parent / "results" / "reference"


@pytest.mark.parametrize(
    "path", sorted(REFERENCE.glob("*/summary.csv")), ids=lambda path: path.parent.name
)
def test_every_reference_table_has_the_columns_of_all(path):
    table = pd.read_csv(path)
    assert tuple(table.columns[: len(STUDY_COLUMNS)]) == STUDY_COLUMNS
    assert (table["low"] <= table["high"]).all() or table["n_seeds"].min() < 2
    assert (path.parent / "README.md").is_file()
