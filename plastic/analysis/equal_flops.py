"""Runs as they stood when all of them had cost the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd


def at_equal_flops(
    runs: pd.DataFrame, convergence: pd.DataFrame, settings: Sequence[str]
) -> pd.DataFrame:
    """The run table as of the training operations of the cheapest run of each setting and seed.

    Operations are all that training took: candidate gradients and branches of trials that were
    lost are counted.  A run stands where its last evaluation within that budget found it; one
    without any in it has no score.  Learning rates that fall along a schedule have not come to
    their end then, which is what equal cost means for policies that spend more on each step.

    Parameters
    ----------
    runs : DataFrame
        The run table.
    convergence : DataFrame
        The evaluations of these runs.
    settings : sequence of str
        Columns of the run table; only runs that are alike in them and the seed are compared.

    Returns
    -------
    DataFrame
        With ``final_<split>_score``, ``final_<split>_loss``, ``best_test_score``,
        ``train_flops`` and ``steps_done`` of then.
    """
    budgets = runs.groupby([*settings, "seed"], dropna=False)["train_flops"].transform("min")
    budget = pd.Series(budgets.to_numpy(), index=runs["run_id"].astype(str))
    of_run = convergence["run_id"].astype(str)
    within = convergence[convergence["train_flops"] <= of_run.map(budget).to_numpy()]
    within = within.sort_values("step", kind="stable")
    by_run = within["run_id"].astype(str)
    stands = runs.copy()
    index = stands["run_id"].astype(str)
    for split in within["split"].astype(str).unique():
        rows = within["split"] == split
        last = within[rows].groupby(by_run[rows]).last()
        for what in ("score", "loss"):
            if (name := f"final_{split}_{what}") in stands:
                stands[name] = index.map(last[what]).astype(float).to_numpy()
        if split == "test":
            best = within[rows].groupby(by_run[rows])["score"].max()
            stands["best_test_score"] = index.map(best).astype(float).to_numpy()
            spent = index.map(last["train_flops"]), index.map(last["step"])
            for name, values in zip(("train_flops", "steps_done"), spent, strict=True):
                stands[name] = np.nan_to_num(values.astype(float)).astype(stands[name].dtype)
    return stands
