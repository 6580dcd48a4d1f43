"""Bayesian comparisons with a region of practical equivalence.

A p value cannot say that two policies are as good as each other; these probabilities can.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike
from scipy.special import stdtr

from plastic.analysis.bootstrap import SEED
from plastic.analysis.statistics import flat
from plastic.errors import InvalidParameter, check_count, check_range, require_extra


@dataclass(frozen=True)
class Equivalence:
    """How likely a difference is above, within and below the region of equivalence.

    Parameters
    ----------
    above, within, below : float
        Probabilities that sum to 1; NaN below two pairs.
    n : int
        How many pairs they rest on.
    """

    above: float
    within: float
    below: float
    n: int


def bayes_t(a: ArrayLike, b: ArrayLike, rope: float) -> Equivalence:
    r"""Posterior of the mean difference of pairs of independent seeds.

    With the prior :math:`p(\mu, \sigma) \propto 1 / \sigma` the mean difference is Student's
    around the mean of the pairs, with :math:`n - 1` degrees of freedom and the scale
    :math:`s / \sqrt n`: the correlated t test of Benavoli et al. without correlation, as seeds
    share no data splits.  The rope is closed: a difference of just its size is within.

    Parameters
    ----------
    a, b : float array, shape (n_seeds,)
        Values of the same seeds in the same order; NaN where a seed is missing.
    rope : float
        Differences of at most this are of no practical importance; at least 0.

    Raises
    ------
    InvalidParameter
        If the shapes differ, or `rope` is below 0.

    References
    ----------
    Benavoli et al. (2017), Time for a change: a tutorial for comparing multiple classifiers
    through Bayesian analysis, JMLR 18(77).

    Examples
    --------
    >>> found = bayes_t([0.95, 0.96, 0.97], [0.90, 0.90, 0.93], rope=0.01)
    >>> round(found.above, 3), round(found.within, 3), round(found.below, 3)
    (0.99, 0.006, 0.005)
    """
    difference = _differences(a, b, rope)
    n = len(difference)
    if n < 2:
        return Equivalence(np.nan, np.nan, np.nan, n)
    mean, scale = float(difference.mean()), float(difference.std(ddof=1) / np.sqrt(n))
    if scale == 0:  # the limit: every pair differs by the same
        above, below = float(mean > rope), float(mean < -rope)
    else:
        above = float(stdtr(n - 1, (mean - rope) / scale))
        below = float(stdtr(n - 1, (-rope - mean) / scale))
    return Equivalence(above, max(1 - above - below, 0.0), below, n)


def bayes_signed_rank(
    a: ArrayLike,
    b: ArrayLike,
    rope: float,
    *,
    n_samples: int = 10_000,
    rng: Generator | None = None,
) -> Equivalence:
    """Bayesian signed-rank test over settings, by baycomp.

    Parameters
    ----------
    a, b : float array, shape (n_settings,)
        A mean score for each setting (dataset, density, ...), in the same order; NaN where it
        is missing.
    rope : float
        At least 0.
    n_samples : int
        Of the posterior, from which the probabilities are counted.
    rng : Generator, optional
        By default a new one of seed `plastic.analysis.bootstrap.SEED`.

    Raises
    ------
    InvalidParameter
        If the shapes differ, or `rope` is below 0.
    MissingExtra
        If baycomp is not installed.

    References
    ----------
    Benavoli et al. (2014), A Bayesian Wilcoxon signed-rank test based on the Dirichlet
    process, ICML, PMLR 32, 1026-1034.

    Examples
    --------
    >>> found = bayes_signed_rank([0.9, 0.8, 0.7, 0.9], [0.8, 0.7, 0.6, 0.8], rope=0.01)
    >>> found.above > 0.95
    True
    """
    check_count("n_samples", n_samples)
    difference = _differences(a, b, rope)
    n = len(difference)
    if n < 2:
        return Equivalence(np.nan, np.nan, np.nan, n)
    seed = int((rng or np.random.default_rng(SEED)).integers(2**31))
    test = require_extra("baycomp", "report").SignedRankTest
    # samples rather than test.probs, which leaves the rope out where it is 0
    sample = test.sample(np.zeros(n), difference, rope, nsamples=n_samples, random_state=seed)
    below, within, above = np.bincount(sample.argmax(axis=1), minlength=3) / n_samples
    return Equivalence(float(above), float(within), float(below), n)


def _differences(a: ArrayLike, b: ArrayLike, rope: float) -> np.ndarray:
    check_range("rope", rope, 0)
    ours, theirs = flat("a", a), flat("b", b)
    if ours.shape != theirs.shape:
        raise InvalidParameter(
            f"a and b must hold the same pairs, got {len(ours)} and {len(theirs)}"
        )
    difference = ours - theirs
    return difference[~np.isnan(difference)]
