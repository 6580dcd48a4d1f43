"""Thompson sampling for rewards that depend linearly on contexts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from plastic.bandits.base import Array, Ids, check_arms, check_rewards
from plastic.bandits.posterior import Posterior
from plastic.errors import InvalidParameter, check_count, check_range


@dataclass(kw_only=True, eq=False)
class LinearThompson(Posterior):
    r"""Thompson sampling in Bayesian linear regression.

    .. math:: r = x^\top \theta + \epsilon, \quad \epsilon \sim N(0, \sigma^2), \quad
              \theta \sim N(P^{-1} b, c P^{-1})

    .. math:: P = I / \tau^2 + \sum_s \gamma^{t-s} x_s x_s^\top / \sigma^2, \quad
              b = \sum_s \gamma^{t-s} x_s r_s / \sigma^2

    with the `variance_scale` c.  Each arm has its own :math:`\theta`, or, if `shared`, all have
    one, and only their contexts tell them apart; then a choice samples one :math:`\theta` for
    all of its arms, and what was learned of a retired arm stays.

    Contexts go with the arms: ``select(arms, rng, contexts=X)`` and
    ``update(arms, rewards, contexts=X)``, with X of shape ``(*arms.shape, n_features)``, or one
    for each choice, shape ``(n_features,)`` or ``(n_choices, 1, n_features)``.  Left out, they
    are all ones.

    Parameters
    ----------
    n_features : int
        Length of a context.
    variance : float
        :math:`\sigma^2`, above 0.
    prior_variance : float
        :math:`\tau^2` of each coefficient, above 0.
    shared : bool
        Whether all arms have the same :math:`\theta`.
    discount : float
        :math:`\gamma` in (0, 1], for each round; the prior does not fade.

    References
    ----------
    Agrawal and Goyal (2013), Thompson Sampling for Contextual Bandits with Linear Payoffs,
    arXiv:1209.3352, algorithm 1 (`shared`; its :math:`v^2` is our c at :math:`\sigma = 1`).

    Examples
    --------
    >>> bandit, rng = LinearThompson(n_features=2, shared=True), np.random.default_rng(0)
    >>> X = np.array([[1.0, 0.0], [1.0, 1.0]])
    >>> chosen = bandit.select([0, 1], rng, contexts=X)
    >>> bandit.update([0, 1], [2.0, 3.0], contexts=X)
    >>> bandit.posterior(np.array([0, 1]), X)[0].round(3)
    array([1.4, 2.2])
    """

    n_features: int = 1
    variance: float = 1.0
    prior_variance: float = 1.0
    shared: bool = False
    discount: float = 1.0

    def __post_init__(self) -> None:
        check_count("n_features", self.n_features)
        for name in ("variance", "prior_variance"):
            check_range(name, getattr(self, name), 0, np.inf, open_low=True, open_high=True)
        check_range("discount", self.discount, 0, 1, open_low=True)
        super().__post_init__()
        self._contexts: Array | None = None

    @property
    def order_matters(self) -> bool:
        """Only with a discount."""
        return self.discount < 1

    def columns(self) -> dict[str, Array]:
        """The evidence, and the round that it was true in, unless it is shared."""
        return {} if self.shared else self._evidence()

    def common(self) -> dict[str, Array]:
        """Rounds so far; the evidence if it is shared, as a table of one row."""
        common = {"round": np.zeros((), np.int64)}
        if self.shared:
            common |= {name: value[None] for name, value in self._evidence().items()}
        return common

    def _evidence(self) -> dict[str, Array]:
        d = self.n_features
        return {
            "precision": np.zeros((d, d)),
            "moment": np.zeros(d),
            "true_in": np.zeros((), np.int64),
        }

    def select(
        self, arms: ArrayLike, rng: Generator, count: int = 1, contexts: ArrayLike | None = None
    ) -> Ids:
        """Choose arms, given the context of each; see `Bandit.select`."""
        self._contexts = self._check_contexts(contexts, check_arms(arms).shape)
        try:
            return super().select(arms, rng, count)
        finally:
            self._contexts = None

    def update(
        self, arms: ArrayLike, rewards: ArrayLike, contexts: ArrayLike | None = None
    ) -> None:
        """Learn what arms have earned in their contexts; see `Bandit.update`."""
        pulled = check_arms(arms)
        earned = check_rewards(rewards, pulled.shape, *self.reward_range)
        X = self._check_contexts(contexts, pulled.shape)
        positions = self._arms.at(pulled.ravel())
        self._learn(positions, earned.ravel(), X.reshape(-1, self.n_features))

    def learn(self, positions: Ids, rewards: Array) -> None:
        """Without contexts they are all ones."""
        self._learn(positions, rewards, np.ones((len(positions), self.n_features)))

    def posterior(self, arms: Ids, contexts: ArrayLike | None = None) -> tuple[Array, Array]:
        """Mean and standard deviation of each arm's expected reward in its context."""
        X = self._given(arms, contexts)
        precision, centre = self._theta(arms)
        solved = np.linalg.solve(precision, X[..., None])[..., 0]
        variance = self.variance_scale * (X * solved).sum(axis=-1)
        return (X * centre).sum(axis=-1), np.sqrt(variance)

    def sample(self, arms: Ids, rng: Generator) -> Array:
        r"""Expected rewards under a sampled :math:`\theta`."""
        precision, centre = self._theta(arms)
        root = np.linalg.cholesky(precision)
        noise = rng.standard_normal(centre.shape)
        # the inverse of the transposed root of P is a root of the inverse of P
        off = np.linalg.solve(np.swapaxes(root, -1, -2), noise[..., None])[..., 0]
        theta = centre + np.sqrt(self.variance_scale) * off
        return (self._given(arms, None) * theta).sum(axis=-1)

    def _draw_rows(self, arms: Ids, rows: Ids, rng: Generator) -> Array:
        whole = self._contexts
        if whole is not None:
            self._contexts = whole.reshape(*arms.shape, self.n_features)[rows]
        try:
            return super()._draw_rows(arms, rows, rng)
        finally:
            self._contexts = whole

    def _theta(self, arms: Ids) -> tuple[Array, Array]:
        r"""Precision and centre of :math:`\theta`: for each arm, or if shared for each row."""
        if self.shared:
            held: Any = self._common
            at = np.zeros((*arms.shape[:-1], 1), np.int64)
        else:
            held, at = self._arms, self._arms.at(arms)
        fade = self.discount ** (self._common["round"] - held["true_in"][at])
        prior = np.eye(self.n_features) / self.prior_variance
        precision = prior + fade[..., None, None] * held["precision"][at]
        moment = fade[..., None] * held["moment"][at]
        return precision, np.linalg.solve(precision, moment[..., None])[..., 0]

    def _learn(self, positions: Ids, rewards: Array, X: Array) -> None:
        self._common["round"] += 1
        if not len(positions):
            return
        held: Any = self._common if self.shared else self._arms
        at = np.zeros_like(positions) if self.shared else positions
        touched = np.unique(at)
        fade = self.discount ** (self._common["round"] - held["true_in"][touched])
        held["precision"][touched] *= fade[:, None, None]
        held["moment"][touched] *= fade[:, None]
        held["true_in"][touched] = self._common["round"]
        outer = X[:, :, None] * X[:, None, :] / self.variance
        np.add.at(held["precision"], at, outer)
        np.add.at(held["moment"], at, X * (rewards / self.variance)[:, None])

    def _given(self, arms: Ids, contexts: ArrayLike | None) -> Array:
        if contexts is None and self._contexts is not None:
            return self._contexts
        return self._check_contexts(contexts, arms.shape)

    def _check_contexts(self, contexts: ArrayLike | None, shape: tuple[int, ...]) -> Array:
        wanted = (*shape, self.n_features)
        if contexts is None:
            return np.ones(wanted)
        X = np.asarray(contexts, dtype=float)
        try:
            X = np.broadcast_to(X, wanted)
        except ValueError:
            raise InvalidParameter(
                f"contexts must have shape {wanted}, got {X.shape}"
            ) from None
        if not np.isfinite(X).all():
            raise InvalidParameter(f"contexts must be finite, got {X[~np.isfinite(X)][0]}")
        return X
