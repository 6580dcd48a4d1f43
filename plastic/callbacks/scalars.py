"""What trackers show of a piece of a table: numbers by name, at a step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from plastic.training import Rows

MOST_ARMS = 32
"""Rounds with more arms are left out: their table is the place to look at them."""

OF_SPLITS = ("loss", "score", "running_loss", "running_score")
OF_NETWORK = (
    "n_neurons", "n_active", "n_connections", "density", "truth_precision", "truth_recall",
)  # fmt: skip
OF_TRAINING = ("epoch", "learning_rate", "train_flops", "candidate_gradients", "seconds")
OF_ARMS = ("pulls", "posterior_mean", "posterior_std", "reward")


def scalars(rows: Rows) -> dict[str, float]:
    """The numbers of a piece, by the names that they have in trackers; NaN is left out.

    Evaluations give ``test/loss``, ``network/density``, ``training/learning_rate`` and so on,
    metrics ``metrics/<name>/<label>``, edits their numbers by kind (``edits/connect``,
    ``edits/refused``; the initial wiring is none), and arms their pulls, posteriors and rewards
    (``arms/<name>/pulls``).

    Examples
    --------
    >>> from plastic.training import Rows
    >>> kinds = np.array(["connect", "connect", "disconnect"], object)
    >>> edits = {"step": np.full(3, 40), "kind": kinds, "accepted": np.full(3, True)}
    >>> scalars(Rows("edits", edits))
    {'edits/connect': 2.0, 'edits/disconnect': 1.0, 'edits/refused': 0.0}
    """
    found = _READERS.get(rows.table, _nothing)(rows.columns)
    return {name: float(value) for name, value in found.items() if not np.isnan(value)}


def step_of(rows: Rows) -> int:
    """The step of a piece: all its rows have the same."""
    return int(rows.columns["step"][0])


def numbers(findings: Mapping[str, Any]) -> dict[str, float]:
    """The findings of a run that are numbers, NaN left out.

    Examples
    --------
    >>> numbers({"metric": "accuracy", "n_edits": 3, "final_test_score": 0.9})
    {'n_edits': 3.0, 'final_test_score': 0.9}
    """
    held = {k: v for k, v in findings.items() if isinstance(v, int | float | np.number)}
    return {name: float(value) for name, value in held.items() if not np.isnan(value)}


def _of_evaluation(columns: Mapping[str, Any]) -> dict[str, Any]:
    found = {
        f"{split}/{name}": value
        for name in OF_SPLITS
        for split, value in zip(columns["split"], columns[name], strict=True)
    }
    found |= {f"network/{name}": columns[name][0] for name in OF_NETWORK}
    return found | {f"training/{name}": columns[name][0] for name in OF_TRAINING}


def _of_edits(columns: Mapping[str, Any]) -> dict[str, Any]:
    if columns["step"][0] == 0:
        return {}
    accepted = columns["accepted"]
    kinds, counts = np.unique(columns["kind"][accepted].astype(str), return_counts=True)
    found = {f"edits/{kind}": n for kind, n in zip(kinds, counts, strict=True)}
    return found | {"edits/refused": int((~accepted).sum())}


def _of_arms(columns: Mapping[str, Any]) -> dict[str, Any]:
    if len(columns["arm"]) > MOST_ARMS:
        return {}
    return {
        f"arms/{arm}/{name}": value
        for name in OF_ARMS
        for arm, value in zip(columns["arm"], columns[name], strict=True)
    }


def _of_metrics(columns: Mapping[str, Any]) -> dict[str, Any]:
    return {
        f"metrics/{metric}/{label}".rstrip("/"): value
        for metric, label, value in zip(
            columns["metric"], columns["label"], columns["value"], strict=True
        )
    }


def _nothing(columns: Mapping[str, Any]) -> dict[str, Any]:
    del columns  # of a table that trackers have no use for
    return {}


_READERS = {
    "convergence": _of_evaluation,
    "edits": _of_edits,
    "arms": _of_arms,
    "metrics": _of_metrics,
}
