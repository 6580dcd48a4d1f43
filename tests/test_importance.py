"""What a parameter explains: the shares of a textbook, and what confounding does to them."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_compare import write_run

from plastic.analysis import load_results, parameter_importance, plot_importance
from plastic.analysis.results import Results
from plastic.errors import InvalidParameter

COLUMNS = [
    "parameter", "share", "low", "high", "beyond", "n_values", "best", "worst", "gain",
    "n_runs", "n_seeds",
]  # fmt: skip


def results_of(rows):
    """Results that hold just these runs."""
    frame = pd.DataFrame(rows)
    for name, value in {"dataset": "d", "policy": "set", "status": "complete"}.items():
        frame[name] = frame.get(name, value)
    results = Results(Path(), ())
    vars(results)["runs"] = frame
    return results


def grid(rng, effect=0.1, other=0.03, n_seeds=4, noise=0.05, of_seed=0.05):
    shifts = of_seed * rng.normal(size=n_seeds)
    return [
        {
            "policy.rate": rate, "optimizer.kind": kind, "seed": seed,
            "final_test_score": 0.5 + effect * rate + other * (kind == "adam") + shifts[seed]
            + noise * rng.normal(),
        }
        for rate, kind, seed in itertools.product((1, 2, 3), ("sgd", "adam"), range(n_seeds))
    ]  # fmt: skip


def importance(rows, **options):
    found = parameter_importance(results_of(rows), **({"n_resamples": 200} | options))
    assert list(found) == COLUMNS
    return found.set_index("parameter")


@pytest.mark.parametrize("seed", range(4))
def test_shares_of_a_grid_are_omega_squared(seed):
    formula = pytest.importorskip(
        "statsmodels.formula.api", reason="statsmodels (with autorank) comes by make extras"
    )
    anova = pytest.importorskip("statsmodels.stats.anova")
    rows = grid(np.random.default_rng(seed))
    frame = pd.DataFrame(rows).rename(columns={"policy.rate": "rate", "optimizer.kind": "kind"})
    model = formula.ols("final_test_score ~ C(rate) + C(kind) + C(seed)", frame).fit()
    table = anova.anova_lm(model)
    chance = table.loc["Residual", "mean_sq"]
    expected = (table["sum_sq"] - table["df"] * chance) / (table["sum_sq"].sum() + chance)
    found = importance(rows)
    for ours, theirs in (("policy.rate", "rate"), ("optimizer.kind", "kind"), ("seed", "seed")):
        assert found.loc[ours, "share"] == pytest.approx(expected[f"C({theirs})"], abs=1e-9)
        assert found.loc[ours, "beyond"] == pytest.approx(found.loc[ours, "share"], abs=1e-9)


def test_what_matters_comes_first_and_says_which_value_is_best():
    found = importance(grid(np.random.default_rng(0), effect=0.2))
    assert found.index[0] == "policy.rate"
    row = found.loc["policy.rate"]
    assert row["low"] < row["share"] < row["high"]
    assert (row["best"], row["worst"], row["n_values"]) == (3, 1, 3)
    assert row["gain"] == pytest.approx(0.4, abs=0.1)
    assert (row["n_runs"], row["n_seeds"]) == (24, 4)
    assert np.isnan(found.loc["seed", "low"])


def test_what_does_nothing_explains_nothing_on_average():
    rng = np.random.default_rng(1)
    shares = [
        importance(grid(rng, 0, 0), n_resamples=2).loc["policy.rate", "share"]
        for _ in range(100)
    ]
    assert abs(np.mean(shares)) < 0.03


def test_intervals_hold_the_share_about_as_often_as_they_say():
    rng, effect, other, noise = np.random.default_rng(2), 0.1, 0.05, 0.1
    varied = effect**2 * 2 / 3
    truth = varied / (varied + other**2 / 4 + 2 * noise**2)
    held = 0
    for _ in range(100):
        rows = grid(rng, effect, other, 5, noise, of_seed=noise)
        low, high = importance(rows).loc["policy.rate", ["low", "high"]]
        held += low <= truth <= high
    assert held >= 88


def test_parameters_that_vary_together_explain_the_same_and_nothing_beyond_each_other():
    rows = grid(np.random.default_rng(3))
    for row in rows:
        row["policy.twin"] = -row["policy.rate"]
    found = importance(rows)
    assert found.loc["policy.twin", "share"] == pytest.approx(found.loc["policy.rate", "share"])
    for name in ("policy.rate", "policy.twin"):
        assert found.loc[name, "share"] > 0.2
        assert found.loc[name, "beyond"] == pytest.approx(0, abs=1e-9)
    assert found.loc["optimizer.kind", "beyond"] > 0


@settings(max_examples=25)
@given(st.integers(0, 9), st.floats(0.1, 100), st.floats(-10, 10))
def test_shares_depend_on_neither_unit_nor_zero(seed, unit, zero):
    rows = grid(np.random.default_rng(seed))
    moved = [row | {"final_test_score": zero + unit * row["final_test_score"]} for row in rows]
    ours, theirs = importance(rows), importance(moved)
    assert list(ours.index) == list(theirs.index)
    for name in ("share", "low", "high", "beyond"):
        np.testing.assert_allclose(ours[name], theirs[name], atol=1e-6)
    np.testing.assert_allclose(theirs["gain"], unit * ours["gain"], rtol=1e-6)


def test_a_parameter_is_looked_at_within_the_policies_that_have_it():
    rng = np.random.default_rng(4)
    rows = []
    for seed in range(4):
        noise = iter(0.01 * rng.normal(size=9))
        rows.append({"policy": "static", "seed": seed, "final_test_score": 0.1 + next(noise)})
        for every in (1, 2):
            for policy, score in (("set", 0.5), ("rigl", 0.9)):
                row = {"policy": policy, "policy.every": every, "policy.fixed": score}
                rows.append(row | {"seed": seed, "final_test_score": score + next(noise)})
    found = importance(rows)
    assert found.loc["policy", "share"] > 0.95
    assert found.loc["policy", "beyond"] > 0.9  # its own parameters do not stand in for it
    assert abs(found.loc["policy.every", "share"]) < 0.2
    assert found.loc["policy.every", "n_runs"] == 16
    assert "policy.fixed" not in found.index  # of one value in each policy


def test_datasets_of_other_units_weigh_alike():
    rows = []
    for dataset, unit in (("digits", 1), ("teacher", 1000)):
        for row in grid(np.random.default_rng(5)):
            score = unit * row["final_test_score"]
            rows.append(row | {"dataset": dataset, "final_test_score": score})
    alone, both = importance(rows[: len(rows) // 2]), importance(rows)
    assert both.loc["policy.rate", "share"] == pytest.approx(
        alone.loc["policy.rate", "share"], abs=0.05
    )
    assert "dataset" not in both.index


def test_numbers_of_many_values_are_binned():
    rng = np.random.default_rng(6)
    rates = rng.uniform(0.01, 1, 60)
    rows = [
        {"optimizer.rate": rate, "seed": i % 3, "final_test_score": rate + 0.05 * rng.normal()}
        for i, rate in enumerate(rates)
    ]
    row = importance(rows).loc["optimizer.rate"]
    assert row["n_values"] == 4
    assert row["share"] > 0.7
    low, high = map(float, row["best"].split(" to "))
    assert high == pytest.approx(rates.max(), rel=0.01)
    assert low < high
    assert importance(rows, n_bins=2).loc["optimizer.rate", "n_values"] == 2


def test_of_losses_the_lowest_is_best():
    rows = grid(np.random.default_rng(7), effect=0.2)
    for row in rows:
        row["final_test_loss"] = row.pop("final_test_score")
    row = importance(rows, metric="final_test_loss").loc["policy.rate"]
    assert (row["best"], row["worst"]) == (1, 3)
    assert row["gain"] > 0


def test_little_to_look_at_gives_no_numbers():
    rows = grid(np.random.default_rng(8))
    one = importance([row for row in rows if row["seed"] == 0])
    assert one["low"].isna().all()
    assert one.loc["policy.rate", "share"] > 0
    alone = [{"policy.rate": rate, "seed": 0, "final_test_score": 0.1} for rate in (1, 2)]
    assert importance(alone)[["share", "beyond"]].isna().all(axis=None)
    alike = importance([row | {"final_test_score": 0.5} for row in rows])
    assert alike["share"].isna().all()
    assert importance(rows[:1]).empty


def test_runs_that_failed_or_have_no_score_are_left_out(tmp_path):
    for seed in (0, 1, 2):
        for rate in (0.1, 0.2):
            row = {"policy": "set", "policy__rate": rate, "seed": seed}
            write_run(tmp_path, score=rate + seed / 100, **row)
    write_run(tmp_path, policy="set", policy__rate=0.3, seed=0, status="failed")
    write_run(tmp_path, policy="set", policy__rate=0.4, seed=0, score=float("nan"))
    found = parameter_importance(load_results(tmp_path)).set_index("parameter")
    assert found["n_runs"].tolist() == [6, 6]
    assert found.loc["policy.rate", "share"] > 0.9


def test_the_picture_shows_the_shares():
    pytest.importorskip("matplotlib", reason="needs Matplotlib: pip install 'plastic[report]'")
    results = results_of(grid(np.random.default_rng(9), effect=0.2))
    found = parameter_importance(results)
    ax = plot_importance(results)
    assert [label.get_text() for label in ax.get_yticklabels()] == found["parameter"].tolist()[
        ::-1
    ]
    drawn = [bar.get_width() for bar in ax.patches]
    np.testing.assert_allclose(drawn, found["share"].clip(lower=0)[::-1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "x"}, "metric must be one of"),
        ({"n_bins": 1}, "n_bins must be a whole number of at least 2"),
        ({"level": 1}, r"level must lie in \(0, 1\)"),
        ({"n_resamples": 0}, "n_resamples must be a whole number"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(InvalidParameter, match=message):
        parameter_importance(results_of(grid(np.random.default_rng(0))), **options)
