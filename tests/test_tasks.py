"""What is told of streams of tasks is what their mini-batches were answered with."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from recordings import EVALUATION

from experiments.summarize import main
from plastic import analysis
from plastic.analysis import accuracy_by_task, change_over_tasks, load_results, mean_interval
from plastic.errors import InvalidParameter
from plastic.records import Recorder

ENDS = [3, 10, 15, 20]
"""Steps of evaluations: two in each task of ten."""


def online(seed, policy):
    """Online accuracy of each stretch, one row an evaluation."""
    return np.random.default_rng([seed, len(policy)]).uniform(0.2, 0.9, len(ENDS))


def write(folder, policy, seed, drifts=True, **row):
    run = {"study": "s", "dataset": "permuted_labels", "policy": policy, "seed": seed} | row
    with Recorder(folder / f"{policy}-{seed}-{drifts}", run, config="") as recorder:
        for step, score in zip([0, *ENDS], [np.nan, *online(seed, policy)], strict=True):
            told = {"running_score": [score, np.nan, np.nan], "running_loss": 1 - score}
            task = max(step - 1, 0) // 10 if drifts else -1
            recorder.add("convergence", EVALUATION | told | {"step": step, "task": task})
        recorder.finish(metric="accuracy", online_score=0.5, final_test_score=0.7)


@pytest.fixture
def results(tmp_path):
    for policy in ("set", "static"):
        for seed in range(3):
            write(tmp_path, policy, seed)
    return load_results(tmp_path)


def by_hand(policy, seed):
    a, b, c, d = online(seed, policy)
    return [(3 * a + 7 * b) / 10, (c + d) / 2]


def test_a_task_is_the_mean_over_its_steps(results):
    table = accuracy_by_task(results)
    told = ["dataset", "density", "policy", "task", "mean", "low", "high", "n_runs"]
    assert list(table.columns) == told
    assert table[["policy", "task"]].to_numpy().tolist() == [
        ["set", 0], ["set", 1], ["static", 0], ["static", 1],
    ]  # fmt: skip
    for row in table.itertuples():
        expected = mean_interval([by_hand(row.policy, seed)[row.task] for seed in range(3)])
        np.testing.assert_allclose(
            [row.mean, row.low, row.high, row.n_runs],
            [expected.mean, expected.low, expected.high, 3],
        )
    losses = accuracy_by_task(results, value="running_loss")
    np.testing.assert_allclose(losses["mean"], 1 - table["mean"])


def test_the_change_is_paired_by_run(results):
    table = change_over_tasks(results, 1)
    for row in table.itertuples():
        first, last = np.array([by_hand(row.policy, seed) for seed in range(3)]).T
        expected = mean_interval(last - first)
        assert (row.first, row.last) == pytest.approx((first.mean(), last.mean()))
        assert (row.change, row.n_runs) == (pytest.approx(expected.mean), 3)
        assert (row.change_low, row.change_high) == pytest.approx((expected.low, expected.high))


def test_runs_without_tasks_are_left_out(tmp_path):
    write(tmp_path, "set", 0)
    write(tmp_path, "set", 1, drifts=False)
    results = load_results(tmp_path)
    assert accuracy_by_task(results)["n_runs"].tolist() == [1, 1]
    assert np.isnan(accuracy_by_task(results)["low"]).all()
    write(tmp_path / "plain", "set", 1, drifts=False)
    assert accuracy_by_task(load_results(tmp_path / "plain")).empty
    assert change_over_tasks(load_results(tmp_path / "plain")).empty


def test_values_are_checked(results):
    with pytest.raises(InvalidParameter, match="value must be one of 'running_score', 'runn"):
        accuracy_by_task(results, value="score")
    with pytest.raises(InvalidParameter, match="n_tasks must be at most half of the 2 tasks"):
        change_over_tasks(results, 2)
    with pytest.raises(InvalidParameter, match="n_tasks must be a whole number of at least 1"):
        change_over_tasks(results, 0)


def test_the_picture_shows_the_table(results):
    pytest.importorskip("matplotlib", reason="needs Matplotlib: pip install 'plastic[report]'")
    ax = analysis.plot_tasks(results)
    table = accuracy_by_task(results)
    for line, (name, own) in zip(ax.lines, table.groupby("policy"), strict=True):
        assert line.get_label() == name
        np.testing.assert_allclose(line.get_ydata(), own["mean"])
        np.testing.assert_allclose(line.get_xdata(), own["task"])
    assert ax.get_ylabel() == "online accuracy"
    assert analysis.plot_tasks(results, value="running_loss", ax=ax) is ax


def test_a_picture_of_no_tasks_says_so(tmp_path):
    pytest.importorskip("matplotlib", reason="needs Matplotlib: pip install 'plastic[report]'")
    write(tmp_path, "set", 0, drifts=False)
    ax = analysis.plot_tasks(load_results(tmp_path))
    assert "no complete run was on a dataset that drifts" in ax.texts[0].get_text()


def test_a_study_of_streams_keeps_their_tasks(results, tmp_path, capsys):
    target = tmp_path / "reference"
    words = [str(tmp_path), "--metric", "online_score", "--to", str(target)]
    assert main(words) == 0
    assert "0.5" in capsys.readouterr().out
    kept = pd.read_csv(target / "tasks.csv")
    np.testing.assert_allclose(kept["mean"], accuracy_by_task(results)["mean"], atol=1e-4)
    assert pd.read_csv(target / "summary.csv")["mean"].tolist() == [0.5, 0.5]
    assert "online_score" in pd.read_csv(target / "runs.csv")
    assert main([*words[:1], "--metric", "luck"]) == 2
