"""Which hyperparameter matters: how much of the variance of scores each one explains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import NDArray

from plastic.analysis.bootstrap import SEED, student_half
from plastic.analysis.compare import check_choices, is_choice
from plastic.analysis.results import Results
from plastic.analysis.scores import higher_is_better
from plastic.analysis.statistics import LEVEL
from plastic.errors import check_count, check_range

Array = NDArray[np.float64]
Codes = NDArray[np.intp]

MOST_VALUES = 8
"""Numbers of more different values than this are put into bins."""

_NAMES = {"dataset", "study", "version"}


def parameter_importance(
    results: Results,
    *,
    metric: str = "final_test_score",
    n_bins: int = 4,
    level: float = LEVEL,
    n_resamples: int = 2000,
    rng: Generator | None = None,
) -> pd.DataFrame:
    r"""A row for each parameter that varies: the share of the variance of scores it explains.

    With the scores :math:`y` of :math:`N` runs, centred within blocks, in cells (a value in a
    block) of :math:`n_c` runs and mean :math:`\bar y_c`,

    .. math:: \text{share} = \frac{S - d\,m}{\sum_i y_i^2 + m}, \qquad
        S = \sum_c n_c \bar y_c^2

    for :math:`d` cells more than blocks, and the mean square :math:`m` that all parameters and
    the seed leave together, each by itself (:math:`\omega^2`).  It is 0 on average where a
    parameter does nothing, and may then fall a little below 0.

    A block is a dataset, whose scores are put in units of their own spread; for a parameter of
    a choice, as ``policy.fraction``, also the choice: only runs that have it are looked at,
    each policy for itself.  Numbers of many values, as a search leaves them, are put into
    `n_bins` bins of as many runs each.

    In a full grid the shares of parameters, interactions, seeds and chance add up to 1.  Where
    parameters vary together, each explains what the other does; ``beyond`` tells them apart:
    it is the share of what only this one explains, when all others have had their turn.

    Parameters
    ----------
    results : Results
        Complete runs with a finite score are used; take those of a sweep of parameters.
    metric : str
        A score or loss of the run table.
    n_bins : int
    level : float
        Of the intervals.
    n_resamples : int
        Of whole seeds, drawn anew with replacement, as runs of a seed share their data and
        batches; the interval is Student's, as that of `plastic.analysis.estimate`.
    rng : Generator, optional
        By default a new one of seed `plastic.analysis.bootstrap.SEED`.

    Returns
    -------
    DataFrame
        ``parameter``, ``share``, ``low``, ``high`` (NaN with one seed), ``beyond`` (all of
        them NaN where nothing is left to tell chance by), ``n_values``, ``best`` and ``worst``
        (values, by their mean score within blocks), ``gain`` (what the best has over the
        worst, in the unit of the metric), ``n_runs``, ``n_seeds``.  The greatest share first,
        and among them a row for the ``seed``: what explains less hardly matters.

    Raises
    ------
    ResultsError
        If not one run can be read.
    InvalidParameter
        If there is no such metric, or a parameter is outside its range.

    References
    ----------
    Hutter, Hoos and Leyton-Brown (2014), An efficient approach for assessing hyperparameter
    importance, ICML, PMLR 32: main effects as shares of the variance.  Olejnik and Algina
    (2003), Generalized eta and omega squared statistics, Psychological Methods 8, 434-447.
    """
    check_count("n_bins", n_bins, low=2)
    check_range("level", level, 0, 1, open_low=True, open_high=True)
    check_count("n_resamples", n_resamples)
    check_choices(results, metric=metric)
    runs = results.runs
    runs = runs[(runs["status"] == "complete") & np.isfinite(runs[metric])]
    factors = _factors(runs, metric, n_bins)
    chance = _residual(factors)[2]
    rows = [
        {"parameter": factor.name}
        | _share_and_interval(factor, chance, level, n_resamples, rng)
        | {"beyond": _beyond(factor, factors, chance)}
        | _best(factor, higher_is_better(metric))
        | {"n_runs": len(factor.rows), "n_seeds": len(np.unique(factor.seed))}
        for factor in factors
    ]
    frame = pd.DataFrame(rows, columns=_COLUMNS)
    return frame.sort_values("share", ascending=False, kind="stable", ignore_index=True)


_COLUMNS = (
    "parameter", "share", "low", "high", "beyond", "n_values", "best", "worst", "gain",
    "n_runs", "n_seeds",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Factor:
    """A parameter on the runs that have it.

    Parameters
    ----------
    name : str
    rows : int array, shape (n,)
        Positions of these runs.
    block, cell, seed : int arrays, shape (n,)
        The dataset and choice that each is of, the value within that, and the seed.
    value : object array, shape (n,)
    score, scaled : float arrays, shape (n,)
        Less their block's mean; in the metric's unit, and in that of their dataset's spread.
    everywhere : float array, shape (n_runs,)
        The latter of all runs, less their dataset's mean.
    """

    name: str
    rows: Codes
    block: Codes
    cell: Codes
    seed: Codes
    value: NDArray[np.object_]
    score: Array
    scaled: Array
    everywhere: Array


def _factors(runs: pd.DataFrame, metric: str, n_bins: int) -> list[_Factor]:
    """The parameters that vary in some block, and the seed."""
    score = runs[metric].to_numpy(np.float64)
    dataset, seed = pd.factorize(runs["dataset"])[0], pd.factorize(runs["seed"])[0]
    if len(runs) == 0:
        return []
    score = score - _means(score, dataset)[dataset]
    spread = np.sqrt(_means(score**2, dataset))[dataset]
    # scores that differ by rounding alone are alike
    scaled = np.divide(score, spread, out=np.zeros(len(runs)), where=spread > 1e-12)
    found = []
    for name in [*(name for name in runs if is_choice(name) and name not in _NAMES), "seed"]:
        rows = np.flatnonzero(runs[name].notna())
        own = runs.iloc[rows]
        owner = name.partition(".")[0]
        within = [
            "dataset",
            *([owner] if owner in runs and owner not in _NAMES | {name} else []),
        ]
        block = own.groupby(within, sort=False).ngroup().to_numpy()
        value = _binned(own[name], n_bins).to_numpy(dtype=object)
        cell = _pairs(block, pd.factorize(value)[0])
        if len(rows) and cell.max() > block.max():
            own_score, own_scaled = (
                part[rows] - _means(part[rows], block)[block] for part in (score, scaled)
            )
            found.append(
                _Factor(
                    name, rows, block, cell, seed[rows], value, own_score, own_scaled, scaled
                )
            )
    return found


def _binned(values: pd.Series, n_bins: int) -> pd.Series:
    number = values.dtype.kind in "iuf" and values.name != "seed"
    if not number or values.nunique() <= MOST_VALUES:
        return values
    ends = values.groupby(pd.qcut(values, n_bins, duplicates="drop"), observed=True).transform
    pairs = zip(ends("min"), ends("max"), strict=True)
    return pd.Series([f"{low:.3g} to {high:.3g}" for low, high in pairs], values.index)


def _pairs(a: Codes, b: Codes) -> Codes:
    """One code for each pair that occurs."""
    return np.unique(np.stack([a, b]), axis=1, return_inverse=True)[1].ravel()


def _means(values: Array, codes: Codes) -> Array:
    return np.asarray(np.bincount(codes, values) / np.bincount(codes))


def _shares(factor: _Factor, chance: float, weights: Array) -> Array:
    """The share for each row of weights of the seeds, shapes (n_draws,), (n_draws, n_seeds)."""
    n_cells, n_seeds = factor.cell.max() + 1, weights.shape[1]
    place = factor.seed * n_cells + factor.cell
    block_of = np.zeros(n_cells, np.intp)
    block_of[factor.cell] = factor.block
    member = np.eye(factor.block.max() + 1)[block_of]

    def of_cells(values: Array | None) -> Array:
        sums = np.bincount(place, values, n_seeds * n_cells).reshape(n_seeds, n_cells)
        return np.asarray(weights @ sums)

    n, sums, squares = of_cells(None), of_cells(factor.scaled), of_cells(factor.scaled**2)
    in_blocks = _squares(sums @ member, n @ member)  # resamples are not centred
    total = squares.sum(axis=1) - in_blocks
    freedom = (n > 0).sum(axis=1) - ((n @ member) > 0).sum(axis=1)
    between = _squares(sums, n) - in_blocks
    return np.asarray((between - freedom * chance) / (total + chance))


def _squares(sums: Array, n: Array) -> Array:
    return np.asarray(np.divide(sums**2, n, out=np.zeros_like(sums), where=n > 0).sum(axis=1))


def _share_and_interval(
    factor: _Factor, chance: float, level: float, n_resamples: int, rng: Generator | None
) -> dict[str, float]:
    present = np.unique(factor.seed)
    n = len(present)
    weights = np.zeros((n_resamples + 1, factor.seed.max() + 1))
    weights[0] = 1
    drawn = (rng or np.random.default_rng(SEED)).multinomial(n, np.full(n, 1 / n), n_resamples)
    weights[1:, present] = drawn
    share, *others = _shares(factor, chance, weights)
    if n < 2 or factor.name == "seed" or np.isnan(share):
        return {"share": float(share), "low": np.nan, "high": np.nan}
    half = student_half(np.array(others), n, n - 1, level)
    low, high = np.clip([share - half, share + half], min(share, 0.0), 1.0)
    return {"share": float(share), "low": float(low), "high": float(high)}


def _residual(factors: Sequence[_Factor]) -> tuple[float, int, float]:
    """What factors leave together, each by itself: sum of squares, their rank, mean square."""
    if not factors:
        return np.nan, 0, np.nan
    y = factors[0].everywhere
    columns = []
    for factor in factors:
        dummies = np.zeros((len(y), factor.cell.max() + 1))
        dummies[factor.rows, factor.cell] = 1
        columns.append(dummies)
    design = np.concatenate(columns, axis=1)
    solution, _, rank, _ = np.linalg.lstsq(design, y, rcond=None)
    rest, left = float(((y - design @ solution) ** 2).sum()), len(y) - int(rank)
    nothing = left <= 0 or not y.any()
    return rest, int(rank), np.nan if nothing else rest / left


def _beyond(factor: _Factor, factors: Sequence[_Factor], chance: float) -> float:
    # the parameters of a choice are part of it
    whole = [one for one in factors if not one.name.startswith(f"{factor.name}.")]
    rest, rank, _ = _residual(whole)
    rest_without, rank_without, _ = _residual([one for one in whole if one is not factor])
    gained = rest_without - rest - (rank - rank_without) * chance
    return gained / (float(factor.scaled @ factor.scaled) + chance)


def _best(factor: _Factor, higher_is_better: bool) -> dict[str, object]:
    means = pd.Series(factor.score).groupby(factor.value, sort=True).mean()
    best, worst = means.idxmax(), means.idxmin()
    if not higher_is_better:
        best, worst = worst, best
    gain = float(means.max() - means.min())
    return {"n_values": len(means), "best": best, "worst": worst, "gain": gain}
