"""Judgements of a sweep: pairs, curves and fronts, with runs missing or failed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from test_compare import THREE, write_run, write_sweep

from plastic.analysis import (
    area_under_curve,
    compare,
    curves,
    first_reached,
    judge,
    load_results,
    milestones,
    pareto,
    pareto_front,
    score_table,
)
from plastic.errors import InvalidParameter
from plastic.records import Recorder


@pytest.fixture
def sweep(tmp_path):
    write_sweep(tmp_path, THREE)
    write_run(tmp_path, policy="set", seed=3, status="failed")
    write_run(tmp_path, policy="static", seed=3, score=0.81)
    return load_results(tmp_path)


def test_pairs_agree_with_the_comparison(sweep):
    judged = judge(sweep, all_pairs=False).set_index("a")
    table = compare(sweep).set_index("policy")
    for policy in ("set", "thompson"):
        for ours, theirs in (
            ("difference", "difference"), ("low", "difference_low"), ("p_value", "p_value"),
        ):  # fmt: skip
            assert judged.loc[policy, ours] == pytest.approx(table.loc[policy, theirs])
    assert judged["n_pairs"].tolist() == [3, 3]
    assert judged["n_missing"].tolist() == [1, 1]


def test_all_pairs_are_judged_and_holm_counts_them(sweep):
    judged = judge(sweep)
    assert list(zip(judged.a, judged.b, strict=True)) == [
        ("thompson", "set"), ("thompson", "static"), ("set", "static"),
    ]  # fmt: skip
    raw = stats.ttest_rel(*(list(THREE[name].values()) for name in ("thompson", "set"))).pvalue
    assert judged["p_value"][0] == pytest.approx(raw)  # the largest of three counts once
    sums = judged[["p_better", "p_equivalent", "p_worse"]].sum(axis=1)
    np.testing.assert_allclose(sums, 1)
    assert judged["verdict"][0].startswith("thompson is better than set by 4.3 points")


def test_losses_are_better_when_low(sweep):
    judged = judge(sweep, metric="final_test_loss")
    assert (judged["a"][0], judged["b"][0]) == ("thompson", "set")
    assert judged["difference"][0] < 0
    assert judged["p_better"][0] > 0.9
    assert judged["probability_of_improvement"][0] == 1


def test_settings_together_are_surer(sweep, tmp_path):
    write_sweep(tmp_path, THREE, dataset="wine")
    results = load_results(tmp_path)
    apart, together = judge(results), judge(results, across=True)
    assert len(apart) == 6
    assert len(together) == 3
    assert together["p_value"].max() < apart["p_value"].min()


def test_equivalence_and_ignorance_are_told_apart(tmp_path):
    scores = {"a": {0: 0.9, 1: 0.8, 2: 0.85}, "b": {0: 0.901, 1: 0.799, 2: 0.85}}
    write_sweep(tmp_path, scores | {"c": {0: 0.7, 1: 0.9, 2: 0.85}, "d": {0: 0.8}})
    judged = judge(load_results(tmp_path)).set_index(["a", "b"])["verdict"]
    verdicts = {frozenset(pair): text for pair, text in judged.items()}
    assert "practically equivalent" in verdicts[frozenset("ab")]
    assert "cannot be told apart" in verdicts[frozenset("ac")]
    assert "too few pairs of seeds (1 pair, 2 missing)" in verdicts[frozenset("ad")]


def test_a_sure_difference_of_no_importance_is_told_as_such(tmp_path):
    write_sweep(
        tmp_path, {"a": {0: 0.804, 1: 0.805, 2: 0.804}, "b": dict.fromkeys(range(3), 0.8)}
    )
    row = judge(load_results(tmp_path)).iloc[0]
    assert row["p_value"] < 0.05
    assert row["p_equivalent"] > 0.95
    assert row["verdict"].startswith("a is better than b by 0.4 points")
    assert row["verdict"].endswith("though hardly: the difference is within 1 point.")
    wide = judge(load_results(tmp_path), rope=0.02)["verdict"][0]
    assert wide.endswith("within 2 points.")


def test_what_failed_is_counted(sweep):
    scores = score_table(sweep)
    assert scores.n_failed[scores.policies.index("set")].tolist() == [1]
    assert np.isnan(scores.of("set")[3, 0])
    assert scores.blocks().shape == (4, 3)
    assert scores.labels == ["digits, density 0.05"]


def test_no_evaluations_are_no_curves(sweep):
    assert curves(sweep).empty
    assert milestones(sweep, 0.9).empty


def test_curves_of_points():
    assert np.isnan(area_under_curve([0], [np.nan]))
    assert area_under_curve([3], [0.5]) == 0.5
    assert np.isnan(first_reached([0, 1], [0.1, 0.2], 0.5))
    assert first_reached([0, 1], [0.9, 0.2], 0.5, higher_is_better=False) == 1


def test_front(sweep):
    assert pareto_front([1, 2, np.nan], [0.5, 0.6, 0.9]).tolist() == [True, True, False]
    found = pareto(sweep, "train_flops").set_index("policy")["on_front"]
    assert found.to_dict() == {"thompson": True, "set": False, "static": False}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: judge(r, rope=-1), "rope must lie in"),
        (lambda r: judge(r, test="z"), "test must be one of"),
        (lambda r: judge(r, baseline="x"), "baseline must be one of"),
        (lambda r: judge(r, metric="x"), "metric must be one of"),
        (lambda r: curves(r, x="y"), "x must be one of"),
        (lambda r: curves(r, value="y"), "value must be one of"),
        (lambda r: curves(r, split="y"), "split must be one of"),
        (lambda r: curves(r, n_points=1), "n_points must be a whole number of at least 2"),
        (lambda r: pareto(r, "tears"), "cost must be one of"),
        (lambda _: pareto_front([1], [1, 2]), "of one length, got 1 and 2"),
        (lambda _: area_under_curve([1], [1, 2]), "of one length, got 1 and 2"),
        (lambda _: area_under_curve([2, 1], [1, 2]), "x must not descend"),
    ],
)
def test_refusals(sweep, call, message):
    with pytest.raises(InvalidParameter, match=message):
        call(sweep)


def write_curve(root, policy, seed, scores, flops):
    run = {"study": "s", "dataset": "digits", "density": 0.05, "seed": seed, "policy": policy}
    with Recorder(root / f"{policy}-{seed}", run) as recorder:
        for step, (score, spent) in enumerate(zip(scores, flops, strict=True)):
            fixed = {"epoch": 0, "split": "test", "loss": 1 - score, "learning_rate": 0.1}
            sizes = {"n_neurons": 3, "n_connections": 4, "density": 0.1}
            spent_so_far = {"train_flops": spent, "candidate_gradients": 0, "seconds": 0.0}
            row = {"step": 10 * step, "score": score}
            recorder.add("convergence", fixed | sizes | spent_so_far | row)


def test_curves_have_students_bands(tmp_path):
    write_curve(tmp_path, "set", 0, [0.1, 0.5, 0.9], [0, 100, 200])
    write_curve(tmp_path, "set", 1, [0.3, 0.6, 0.7], [0, 200, 400])
    results = load_results(tmp_path)
    found = curves(results)
    assert found["step"].tolist() == [0, 10, 20]
    low, high = stats.t.interval(0.95, 1, 0.55, stats.sem([0.5, 0.6]))
    np.testing.assert_allclose(
        found.loc[1, ["mean", "low", "high"]].tolist(), [0.55, low, high]
    )
    paid = curves(results, x="train_flops", n_points=5)
    assert paid["train_flops"].tolist() == [0, 100, 200, 300, 400]
    assert paid["n_runs"].tolist() == [2, 2, 2, 1, 1]
    np.testing.assert_allclose(paid["mean"], [0.2, 0.475, 0.75, 0.65, 0.7])
    row = milestones(results, 0.8).iloc[0]
    assert (row["n_runs"], row["n_reached"]) == (2, 1)
    assert (row["steps_to_target"], row["flops_to_target"]) == (20, 200)
    np.testing.assert_allclose([row["area"], row["final"], row["best"]], [0.525, 0.8, 0.8])
