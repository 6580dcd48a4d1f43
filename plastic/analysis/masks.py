"""Tables of the study of masks: what is left of a network that was pruned by whole masks."""

from __future__ import annotations

import pandas as pd

from plastic.analysis.statistics import holm, mean_interval, paired_difference
from plastic.bandits.masks import RULES

COLUMNS = {
    "dataset": "Choice of conf/dataset.",
    "units": "Hidden neurons: relu, or threshold for the sign of a trained tanh.",
    "rule": "How the mask was chosen; thompson, its controls, or a score.",
    "cost": "What a pull told: loss or error.",
    "seed": "Of all random streams.",
    "n_hidden": "Hidden neurons before.",
    "n_pruned": "Hidden neurons pruned.",
    "n_connections": "Connections left.",
    "pulls": "Mini-batches looked at.",
    "accuracy": "Test accuracy right after pruning, without further training.",
    "loss": "Test loss then.",
    "dense_accuracy": "Test accuracy before.",
    "flops": "Operations that the choice took.",
    "seconds": "Time that the choice took.",
}
"""Columns of masks.csv and masks.parquet."""

KEYS = ["dataset", "units", "cost", "rule", "seed"]

CELL = ["dataset", "units", "cost"]


def summarize_masks(table: pd.DataFrame) -> pd.DataFrame:
    """Mean accuracy of each rule, and Thompson's lead over it, paired by seed.

    Returns
    -------
    DataFrame
        One row for each dataset, kind of units, cost and rule: ``n_seeds``, ``mean``,
        ``low``, ``high`` of accuracy; ``lead``, ``lead_low``, ``lead_high`` of Thompson
        sampling over the rule, and ``p_value`` after Holm's correction over the rules.

    Examples
    --------
    >>> table = pd.DataFrame({"rule": ["thompson", "thompson", "mean", "mean"]})
    >>> table = table.assign(dataset="digits", units="relu", cost="loss", seed=[0, 1, 0, 1])
    >>> table["accuracy"] = [0.9, 0.94, 0.8, 0.82]
    >>> summarize_masks(table)[["rule", "n_seeds", "mean", "lead"]].round(3).values.tolist()
    [['thompson', 2, 0.92, nan], ['mean', 2, 0.81, 0.11]]
    """
    rows = []
    for cell, block in table.groupby(CELL, sort=True):
        by_seed = block.pivot_table(index="seed", columns="rule", values="accuracy")
        for rule in by_seed.mean().sort_values(ascending=False).index:
            interval = mean_interval(by_seed[rule])
            row = dict(zip(CELL, cell, strict=True)) | {
                "rule": rule,
                "n_seeds": interval.n,
                "mean": interval.mean,
                "low": interval.low,
                "high": interval.high,
            }
            if rule != "thompson" and "thompson" in by_seed:
                lead = paired_difference(by_seed["thompson"], by_seed[rule])
                row |= {
                    "lead": lead.mean,
                    "lead_low": lead.low,
                    "lead_high": lead.high,
                    "p_value": lead.p_value,
                }
            rows.append(row)
    frame = pd.DataFrame(rows)
    if "p_value" in frame:
        frame["p_value"] = frame.groupby(CELL)["p_value"].transform(_corrected)
    return frame


def _corrected(p_values: pd.Series) -> pd.Series:
    known = p_values.notna()
    corrected = p_values.copy()
    corrected[known] = holm(p_values[known])
    return corrected


def masks_study(table: pd.DataFrame) -> pd.DataFrame:
    """The table in the columns of all studies: networks are dense before they are pruned.

    Examples
    --------
    >>> row = {"dataset": "wine", "units": "relu", "cost": "loss", "n_hidden": 8, "n_pruned": 6}
    >>> row |= {"n_connections": 20, "flops": 100, "seconds": 0.1}
    >>> table = pd.DataFrame([row | {"accuracy": 0.8}, row | {"accuracy": 0.9}])
    >>> study = masks_study(table.assign(rule="mean"))
    >>> study[["dataset", "policy", "sampling", "n_seeds"]].values.tolist()
    [['wine (relu units)', 'mask_pruning', 'mean', 2]]
    """
    rows = []
    for (dataset, units, cost, rule), block in table.groupby([*CELL, "rule"], sort=True):
        interval, is_score = mean_interval(block["accuracy"]), rule not in RULES
        name = f"score_pruning {rule}" if is_score else "mask_pruning"
        rows.append(
            {
                "dataset": f"{dataset} ({units} units)",
                "density": 1.0,
                "policy": name if cost == "loss" else f"{name} cost={cost}",
                "sampling": "" if is_score else rule,
                "n_seeds": interval.n,
                "metric": "accuracy",
                "mean": interval.mean,
                "low": interval.low,
                "high": interval.high,
                "n_neurons": float((block["n_hidden"] - block["n_pruned"]).mean()),
                "n_connections": float(block["n_connections"].mean()),
                "train_flops": float(block["flops"].mean()),
                "candidate_fraction": 0.0,
                "seconds": float(block["seconds"].mean()),
            }
        )
    frame = pd.DataFrame(rows)
    return frame.sort_values(["dataset", "mean"], ascending=[True, False], ignore_index=True)


def format_masks(table: pd.DataFrame) -> str:
    """The summary for the screen: one block a dataset and kind of units, best rule first."""
    lines = []
    summary = summarize_masks(table)
    for (dataset, units, cost), block in summary.groupby(CELL, sort=True):
        of_cell = (table["dataset"] == dataset) & (table["units"] == units)
        dense = table[of_cell].groupby("seed")["dense_accuracy"].first().mean()
        share = (table["n_pruned"] / table["n_hidden"])[of_cell].mean()
        lines.append(
            f"{dataset}, {units} units, {share:.0%} pruned by {cost} (before: {dense:.1%})"
        )
        lines.append(f"  {'rule':18} {'accuracy %':>12} {'thompson leads by':>20}  seeds")
        for row in block.itertuples():
            half = 50 * (row.high - row.low)
            lead = ""
            if "lead" in block and pd.notna(row.lead):
                lead = f"{100 * row.lead:+.1f} +-{50 * (row.lead_high - row.lead_low):.1f}"
            lines.append(
                f"  {row.rule:18} {f'{100 * row.mean:.1f} +-{half:.1f}':>12} {lead:>20} "
                f"{row.n_seeds:6d}"
            )
    return "\n".join(lines)
