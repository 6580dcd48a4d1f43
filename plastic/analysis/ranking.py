"""Many policies ranked over many blocks: Wilcoxon, Friedman, Nemenyi, critical differences.

Scores have the shape ``(n_blocks, n_policies)``; a block is one seed of one setting, or a
setting with scores averaged over seeds.  Blocks that lack a policy are left out and counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from plastic.analysis.statistics import LEVEL, flat
from plastic.errors import InvalidParameter, check_range, require_extra

Array = NDArray[np.float64]


def wilcoxon(a: ArrayLike, b: ArrayLike) -> float:
    """Two-sided p value of Wilcoxon's signed-rank test of pairs, by SciPy.

    Parameters
    ----------
    a, b : float array, shape (n_pairs,)
        NaN where one is missing.

    Returns
    -------
    float
        NaN below two pairs, 1 where no pair differs.  With n pairs it is at least
        ``2 / 2**n``: below 6 pairs it cannot fall under 0.05, whatever the scores.

    Raises
    ------
    InvalidParameter
        If the shapes differ.

    References
    ----------
    Wilcoxon (1945), Individual comparisons by ranking methods, Biometrics Bulletin 1, 80-83.

    Examples
    --------
    >>> wilcoxon([0.9, 0.8, 0.95, 0.7], [0.8, 0.75, 0.8, 0.68])
    0.125
    """
    ours, theirs = flat("a", a), flat("b", b)
    if ours.shape != theirs.shape:
        raise InvalidParameter(
            f"a and b must hold the same pairs, got {len(ours)} and {len(theirs)}"
        )
    difference = ours - theirs
    difference = difference[~np.isnan(difference)]
    if len(difference) < 2:
        return float("nan")
    if not difference.any():
        return 1.0
    return float(stats.wilcoxon(difference).pvalue)


@dataclass(frozen=True)
class Ranking:
    """Average ranks of policies, and which of them cannot be told apart.

    Parameters
    ----------
    policies : tuple of str
        Best first.
    ranks : float array, shape (n_policies,)
        Average rank of each, ascending; 1 is best.
    n_blocks, n_left_out : int
        Blocks that were ranked, and those that lacked a policy.
    p_value : float
        Friedman's, of all policies being alike; NaN below 3 policies or 2 blocks.
    critical_difference : float
        Average ranks further apart than this differ, by Nemenyi's test.
    groups : tuple of (int, int)
        First and last policy of each longest run that cannot be told apart.
    """

    policies: tuple[str, ...]
    ranks: Array
    n_blocks: int
    n_left_out: int
    p_value: float
    critical_difference: float
    groups: tuple[tuple[int, int], ...]


def rank_policies(
    scores: ArrayLike,
    policies: Sequence[str],
    *,
    level: float = LEVEL,
    higher_is_better: bool = True,
) -> Ranking:
    r"""What a critical-difference diagram shows.

    Policies differ if their average ranks are further apart than
    :math:`q_\alpha \sqrt{k (k + 1) / 6 n}`, for :math:`k` policies in :math:`n` blocks, with
    :math:`q` the studentized range over :math:`\sqrt 2`.

    Parameters
    ----------
    scores : float array, shape (n_blocks, n_policies)
        NaN where a run is missing; that block is left out.
    policies : sequence of str
        Name of each column.
    level : float
        Probability that no two alike policies are called different, in (0, 1).
    higher_is_better : bool
        False for losses.

    Raises
    ------
    InvalidParameter
        If the shapes do not fit.

    References
    ----------
    Demšar (2006), Statistical comparisons of classifiers over multiple data sets, JMLR 7.

    Examples
    --------
    >>> scores = [[0.9, 0.8, 0.1], [0.8, 0.9, 0.2], [0.9, 0.8, 0.1], [0.9, 0.7, np.nan]]
    >>> found = rank_policies(scores, ["set", "rigl", "static"])
    >>> found.policies, found.ranks.round(2).tolist(), found.n_left_out
    (('set', 'rigl', 'static'), [1.33, 1.67, 3.0], 1)
    >>> round(found.critical_difference, 3), found.groups
    (1.914, ((0, 2),))
    """
    check_range("level", level, 0, 1, open_low=True, open_high=True)
    table, left_out = complete_blocks(scores, len(policies))
    n, k = table.shape
    if n == 0 or k == 0:
        none = np.full(k, np.nan)
        return Ranking(tuple(policies), none, n, left_out, np.nan, np.nan, ())
    signed = -table if higher_is_better else table
    average = stats.rankdata(signed, axis=1).mean(axis=0)
    order = np.argsort(average, kind="stable")
    ranks = average[order]
    reach = np.nan
    if k > 1:
        reach = float(stats.studentized_range.ppf(level, k, np.inf) / np.sqrt(2)) * np.sqrt(
            k * (k + 1) / (6 * n)
        )
    names = tuple(policies[i] for i in order)
    return Ranking(
        names, ranks, n, left_out, friedman(table), float(reach), _groups(ranks, float(reach))
    )


def friedman(scores: ArrayLike) -> float:
    """P value of Friedman's test that all policies are alike, by SciPy.

    Parameters
    ----------
    scores : float array, shape (n_blocks, n_policies)
        Blocks with a NaN are left out.

    Returns
    -------
    float
        NaN below 3 policies or 2 blocks; 1 if no block tells two policies apart.

    References
    ----------
    Friedman (1937), The use of ranks to avoid the assumption of normality implicit in the
    analysis of variance, Journal of the American Statistical Association 32, 675-701.

    Examples
    --------
    >>> round(friedman([[3, 2, 1], [3, 2, 1], [3, 2, 1]]), 4)
    0.0498
    """
    table, _ = complete_blocks(scores)
    if table.shape[0] < 2 or table.shape[1] < 3:
        return float("nan")
    if (table == table[:, :1]).all():
        return 1.0
    return float(stats.friedmanchisquare(*table.T).pvalue)


def nemenyi(scores: ArrayLike) -> Array:
    """P values of Nemenyi's test of every pair of policies, by scikit-posthocs.

    Use it after Friedman's test says that not all are alike.

    Parameters
    ----------
    scores : float array, shape (n_blocks, n_policies)
        Blocks with a NaN are left out.

    Returns
    -------
    float array, shape (n_policies, n_policies)
        Symmetric, with 1 on the diagonal; NaN below 2 blocks or 2 policies.

    Raises
    ------
    InvalidParameter
        If the scores have not two axes.
    MissingExtra
        If scikit-posthocs is not installed.

    References
    ----------
    Nemenyi (1963), Distribution-free multiple comparisons, thesis, Princeton.

    Examples
    --------
    >>> nemenyi([[3, 2, 1], [3, 2, 1], [3, 2, 1]])[0].round(3).tolist()
    [1.0, 0.438, 0.038]
    """
    posthocs = require_extra("scikit_posthocs", "report")
    table, _ = complete_blocks(scores)
    n, k = table.shape
    if n < 2 or k < 2:
        return np.full((k, k), np.nan)
    return np.array(posthocs.posthoc_nemenyi_friedman(table), dtype=np.float64)


def complete_blocks(scores: ArrayLike, n_policies: int | None = None) -> tuple[Array, int]:
    """The blocks in which every policy has a score, and how many have not.

    Raises
    ------
    InvalidParameter
        If the scores have not two axes, or not one column for each policy.
    """
    table = np.asarray(scores, dtype=np.float64)
    wrong = table.ndim != 2 or (n_policies is not None and table.shape[1] != n_policies)
    if wrong:
        k = "n_policies" if n_policies is None else n_policies
        raise InvalidParameter(
            f"scores must have the shape (n_blocks, {k}), got shape {table.shape}"
        )
    whole = ~np.isnan(table).any(axis=1)
    return table[whole], int((~whole).sum())


def _groups(ranks: Array, reach: float) -> tuple[tuple[int, int], ...]:
    ends = np.searchsorted(ranks, ranks + reach, side="right") - 1
    groups: list[tuple[int, int]] = []
    for first, last in enumerate(ends.tolist()):
        if last > first and (not groups or last > groups[-1][1]):  # within no longer one
            groups.append((first, last))
    return tuple(groups)
