"""Runs at equal cost: each stands where its last evaluation within the budget found it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from plastic.analysis import compare, load_results
from plastic.analysis.equal_flops import at_equal_flops
from plastic.errors import InvalidParameter


def runs_of(**flops):
    runs = pd.DataFrame({"run_id": list(flops), "train_flops": list(flops.values())})
    return runs.assign(
        dataset="digits", seed=0, final_test_score=0.0, final_test_loss=9.0,
        best_test_score=0.0, steps_done=40,
    )  # fmt: skip


def curve(run_id, each, scores):
    """Evaluations every ten steps of a run whose steps cost so much each."""
    steps = 10 * np.arange(len(scores))
    table = pd.DataFrame({"step": steps, "score": scores, "train_flops": each * steps})
    return table.assign(run_id=run_id, split="test", loss=1 - table["score"])


def test_each_run_stands_where_the_budget_leaves_it():
    runs = runs_of(cheap=400, dear=1200, dearer=4000)
    curves = [
        curve("cheap", 10, [0.1, 0.3, 0.5, 0.6, 0.7]),
        curve("dear", 30, [0.1, 0.6, 0.4, 0.8, 0.9]),
        curve("dearer", 100, [0.1, 0.9, 0.9, 0.9, 0.9]),
    ]
    found = at_equal_flops(runs, pd.concat(curves), ["dataset"]).set_index("run_id")
    assert found["final_test_score"].to_dict() == {"cheap": 0.7, "dear": 0.6, "dearer": 0.1}
    assert found["best_test_score"].to_dict() == {"cheap": 0.7, "dear": 0.6, "dearer": 0.1}
    assert found["train_flops"].to_dict() == {"cheap": 400, "dear": 300, "dearer": 0}
    assert found["steps_done"].to_dict() == {"cheap": 40, "dear": 10, "dearer": 0}
    np.testing.assert_allclose(found["final_test_loss"], 1 - found["final_test_score"])
    assert (runs["final_test_score"] == 0).all()  # what was given is left alone


def test_budgets_are_those_of_a_setting_and_a_seed():
    runs = runs_of(a=100, b=300, c=300).assign(dataset=["x", "x", "y"])
    curves = pd.concat([curve(name, 10, np.linspace(0, 1, 31)) for name in "abc"])
    found = at_equal_flops(runs, curves, ["dataset"]).set_index("run_id")
    assert found["train_flops"].to_dict() == {"a": 100, "b": 100, "c": 300}
    found = at_equal_flops(runs.assign(seed=[0, 1, 1]), curves, ["dataset"])
    assert found["train_flops"].tolist() == [100, 300, 300]


def test_a_comparison_at_equal_cost(demo, command):
    results = load_results(demo / "results" / "demo")
    plain, equal = (compare(results, equal=e).set_index("policy") for e in ("steps", "flops"))
    assert equal["mean"]["static"] == plain["mean"]["static"]  # the cheapest of them
    assert equal["train_flops"]["thompson"] <= plain["train_flops"]["static"]
    assert equal["train_flops"]["thompson"] < plain["train_flops"]["thompson"]
    ended = command("compare", "results/demo", "--equal", "flops", cwd=demo)
    assert ended.code == 0
    with pytest.raises(
        InvalidParameter, match="equal must be one of 'steps', 'flops', got 'time'"
    ):
        compare(results, equal="time")
