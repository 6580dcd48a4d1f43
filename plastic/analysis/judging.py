"""Policies judged pair by pair: by how much, how surely, and in a plain sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from plastic.analysis.bayes import Equivalence, bayes_t
from plastic.analysis.compare import choose_baseline
from plastic.analysis.profiles import probability_of_improvement
from plastic.analysis.ranking import wilcoxon
from plastic.analysis.results import Results
from plastic.analysis.scores import Scores, score_table
from plastic.analysis.statistics import LEVEL, Difference, error_of_mean, holm
from plastic.errors import check_in, check_range

Array = NDArray[np.float64]

ROPE = 0.01
"""Differences of up to a point of accuracy are of no practical importance, by convention."""

TESTS = ("t", "wilcoxon")


def judge(
    results: Results,
    *,
    metric: str = "final_test_score",
    by: str = "policy",
    baseline: str | None = None,
    all_pairs: bool = True,
    across: bool = False,
    rope: float = ROPE,
    level: float = LEVEL,
    test: str = "t",
) -> pd.DataFrame:
    """A row for each pair of policies of each setting, the better one first.

    Seeds are paired: a seed that one of the two lacks is left out of the difference, and
    counted.  Needs no optional library.

    Parameters
    ----------
    results : Results
    metric : str
        A score or loss of the run table.
    by : str
        The column whose values are compared.
    baseline : str, optional
        With it, or with `all_pairs` false, policies are compared with this one only; by
        default with ``static`` then, or the first by name.  There are fewer tests then, so
        the p values are smaller.
    all_pairs : bool
    across : bool
        Whether to judge all settings together, each of the same weight, rather than one by
        one.  Their scores must be of one kind.
    rope : float
        Differences of up to this, in the unit of the metric, count as none.
    level : float
        Of the intervals; and from its probability on, verdicts are sure.
    test : str
        ``t`` (paired, Student's) or ``wilcoxon``.

    Returns
    -------
    DataFrame
        The columns of the setting (none if across), ``a``, ``b``, ``mean_a``, ``mean_b``,
        ``difference`` (a less b, so below 0 for losses), ``low``, ``high``,
        ``probability_of_improvement`` (that a run of a is better than one of b), ``p_value``
        (by Holm's method over the whole table), ``p_better``, ``p_equivalent``, ``p_worse``
        (posterior of the mean difference being beyond or within the rope),
        ``n_pairs``, ``n_missing`` (seeds that were run in the setting, but of which one of
        both has no score), ``verdict``.

    Raises
    ------
    ResultsError
        If not one run can be read.
    InvalidParameter
        If there is no such column, no such baseline, or a parameter outside its range.
    """
    check_range("rope", rope, 0)
    check_range("level", level, 0, 1, open_low=True, open_high=True)
    check_in("test", test, TESTS)
    scores = score_table(results, metric=metric, by=by)
    reference = None
    if baseline is not None or not all_pairs:
        reference = choose_baseline(baseline, pd.Series(scores.policies))
    rows, settings = [], [{}] if across else scores.settings.to_dict("records")
    for number, setting in enumerate(settings):
        values = scores.table if across else scores.table[:, :, number : number + 1]
        for pair in _pairs(scores, values, reference):
            rows.append(setting | _judgement(pair, scores, rope, level, test))
    columns = [*([] if across else scores.settings), *_COLUMNS]
    frame = pd.DataFrame(rows, columns=columns)
    frame["p_value"] = holm(frame["p_value"].to_numpy(np.float64))
    percent = scores.unit == "accuracy" and scores.higher_is_better
    frame["verdict"] = [
        verdict(row, level=level, rope=rope, percent=percent)
        for row in frame.to_dict("records")
    ]
    return frame


_COLUMNS = (
    "a", "b", "mean_a", "mean_b", "difference", "low", "high",
    "probability_of_improvement", "p_value", "p_better", "p_equivalent", "p_worse",
    "n_pairs", "n_missing", "verdict",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Pair:
    a: str
    b: str
    scores_a: Array  # (n_seeds, n_settings), as the next
    scores_b: Array
    n_missing: int


def _pairs(scores: Scores, values: Array, baseline: str | None) -> Iterator[_Pair]:
    # what no policy ran is not missing
    ran = ~np.isnan(values).all(axis=0)
    there = [i for i in range(len(values)) if _has_runs(scores, values, i)]
    sign = 1 if scores.higher_is_better else -1
    means = {i: _mean_of_means(values[i]) for i in there}
    best_first = sorted(there, key=lambda i: (np.isnan(means[i]), -sign * means[i]))
    for i, j in combinations(best_first, 2):
        if baseline is not None and baseline not in (scores.policies[i], scores.policies[j]):
            continue
        if scores.policies[i] == baseline:  # it is always what the other is compared with
            i, j = j, i
        both = ~np.isnan(values[i]) & ~np.isnan(values[j])
        n_missing = int((ran & ~both).sum())
        yield _Pair(scores.policies[i], scores.policies[j], values[i], values[j], n_missing)


def _has_runs(scores: Scores, values: Array, policy: int) -> bool:
    if values.shape == scores.table.shape and len(scores.settings) > 1:
        return True  # judged across settings
    tried = scores.n_failed + scores.n_unfinished + scores.n_without_score
    return bool((~np.isnan(values[policy])).any() or tried[policy].any())


def _mean_of_means(values: Array) -> float:
    means = [column.mean() for column in _present(values)]
    return float(np.mean(means)) if means else float("nan")


def _judgement(
    pair: _Pair, scores: Scores, rope: float, level: float, test: str
) -> dict[str, Any]:
    difference = pair.scores_a - pair.scores_b
    found = stratified_difference(difference, level)
    p_value = found.p_value
    if test == "wilcoxon":
        flat = difference[~np.isnan(difference)]
        p_value = wilcoxon(flat, np.zeros(len(flat)))
    equal = _equivalence(difference, rope)
    better, worse = equal.above, equal.below
    wins = probability_of_improvement(pair.scores_a, pair.scores_b, n_resamples=0).value
    if not scores.higher_is_better:
        better, worse, wins = worse, better, 1 - wins
    return {
        "a": pair.a,
        "b": pair.b,
        "mean_a": _mean_of_means(pair.scores_a),
        "mean_b": _mean_of_means(pair.scores_b),
        "difference": found.mean,
        "low": found.low,
        "high": found.high,
        "probability_of_improvement": wins,
        "p_value": p_value,
        "p_better": better,
        "p_equivalent": equal.within,
        "p_worse": worse,
        "n_pairs": found.n,
        "n_missing": pair.n_missing,
    }


def stratified_difference(difference: Array, level: float = LEVEL) -> Difference:
    r"""Mean over settings of the mean paired difference of each.

    The variance is the sum of those of the settings' means, and the degrees of freedom are
    Welch's and Satterthwaite's.  For one setting this is Student's interval.

    Parameters
    ----------
    difference : float array, shape (n_seeds, n_settings)
        NaN where a pair is missing; settings without a pair are left out.
    level : float

    Returns
    -------
    Difference
        Without interval and p value where a setting has a single pair, whose spread nobody
        knows.

    Examples
    --------
    >>> found = stratified_difference(np.array([[0.01, 0.03], [0.02, 0.05], [0.03, 0.04]]))
    >>> round(found.mean, 3), round(found.low, 4), round(found.high, 4), found.n
    (0.03, 0.0187, 0.0413, 6)
    """
    columns = _present(difference)
    n = sum(map(len, columns))
    if not columns:
        return Difference(np.nan, np.nan, np.nan, 0, np.nan)
    mean = float(np.mean([column.mean() for column in columns]))
    if min(map(len, columns)) < 2:
        return Difference(mean, np.nan, np.nan, n, np.nan)
    error, freedom = error_of_mean(columns)
    if error == 0:  # the limit: all pairs of a setting differ by the same
        return Difference(mean, mean, mean, n, 0.0 if mean else 1.0)
    half = float(stdtrit(freedom, 0.5 + level / 2)) * error
    p_value = 2 * float(stdtr(freedom, -abs(mean) / error))
    return Difference(mean, mean - half, mean + half, n, p_value)


def _equivalence(difference: Array, rope: float) -> Equivalence:
    """The posterior that `stratified_difference` has; for one setting that of `bayes_t`."""
    columns = _present(difference)
    n = sum(map(len, columns))
    if not columns or min(map(len, columns)) < 2:
        return Equivalence(np.nan, np.nan, np.nan, n)
    if len(columns) == 1:
        return bayes_t(columns[0], np.zeros(n), rope)
    mean, (error, freedom) = np.mean([c.mean() for c in columns]), error_of_mean(columns)
    if error == 0:
        above, below = float(mean > rope), float(mean < -rope)
    else:
        above = float(stdtr(freedom, (mean - rope) / error))
        below = float(stdtr(freedom, (-rope - mean) / error))
    return Equivalence(above, max(1 - above - below, 0.0), below, n)


def _present(table: Array) -> list[Array]:
    columns = [column[~np.isnan(column)] for column in table.T]
    return [column for column in columns if len(column)]


def verdict(
    row: Mapping[str, Any], *, level: float = LEVEL, rope: float = ROPE, percent: bool = True
) -> str:
    """A pair in one plain sentence, with its evidence.

    Parameters
    ----------
    row : mapping of str to value
        A row of `judge`.
    level : float
        From this probability on, the sentence is sure.
    rope : float
    percent : bool
        Whether differences are told in points of a percent.

    Examples
    --------
    >>> print(verdict({"a": "set", "b": "static", "difference": 0.031, "low": 0.02,
    ...     "high": 0.042, "p_value": 0.001, "p_better": 0.99, "p_equivalent": 0.01,
    ...     "p_worse": 0.0, "mean_a": 0.95, "mean_b": 0.92, "n_pairs": 8, "n_missing": 0}))
    set is better than static by 3.1 points (95% interval 2.0 to 4.2, p = 0.001, 8 pairs).
    """
    a, b, n = row["a"], row["b"], int(row["n_pairs"])
    missing = int(row["n_missing"])
    lost = f", {missing} missing" if missing else ""
    pairs = f"{n} pair{'s' * (n != 1)}{lost}"
    if n < 2 or np.isnan(row["p_value"]):
        return f"{a} and {b} cannot be compared: too few pairs of seeds ({pairs})."
    factor, digits, unit = (100, 1, " points") if percent else (1, 3, "")
    size, low, high = (
        f"{factor * value:.{digits}f}"
        for value in _towards(row["difference"], row["low"], row["high"])
    )
    p_value = "p < 0.001" if row["p_value"] < 0.001 else f"p = {row['p_value']:.3f}"
    evidence = f"{100 * level:g}% interval {low} to {high}, {p_value}, {pairs}"
    equal = row["p_equivalent"] >= level
    within = f"within {factor * rope:g}{unit}"
    if within.endswith(" 1 points"):
        within = within.removesuffix("s")
    if row["p_value"] <= 1 - level:
        best, other = (a, b) if row["p_better"] >= row["p_worse"] else (b, a)
        hardly = f", though hardly: the difference is {within}" if equal else ""
        return f"{best} is better than {other} by {size}{unit} ({evidence}){hardly}."
    if equal:
        return (
            f"{a} and {b} are practically equivalent: {within} with a probability of "
            f"{100 * row['p_equivalent']:.0f}% ({evidence})."
        )
    return f"{a} and {b} cannot be told apart: they differ by {size}{unit} ({evidence})."


def _towards(difference: float, low: float, high: float) -> tuple[float, float, float]:
    """The same with the difference above 0."""
    return (difference, low, high) if difference >= 0 else (-difference, -high, -low)
