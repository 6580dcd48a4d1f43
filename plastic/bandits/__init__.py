"""Bandits: arms, posteriors, and what is drawn from them; the contract is in `base`."""

from plastic.bandits.base import Bandit
from plastic.bandits.beta import BetaThompson
from plastic.bandits.bootstrap import ResidualBootstrap
from plastic.bandits.counting import Counting
from plastic.bandits.exp3 import EXP3
from plastic.bandits.gaussian import GaussianThompson
from plastic.bandits.greedy import EpsilonGreedy, Greedy
from plastic.bandits.kl_ucb import KLUCB
from plastic.bandits.linear import LinearThompson
from plastic.bandits.normal_inverse_gamma import NormalInverseGammaThompson
from plastic.bandits.posterior import SAMPLINGS, Posterior, draw, standard_error
from plastic.bandits.ucb import UCB1, ChernoffUCB
from plastic.bandits.uniform import Uniform

__all__ = [
    "EXP3",
    "KLUCB",
    "SAMPLINGS",
    "UCB1",
    "Bandit",
    "BetaThompson",
    "ChernoffUCB",
    "Counting",
    "EpsilonGreedy",
    "GaussianThompson",
    "Greedy",
    "LinearThompson",
    "NormalInverseGammaThompson",
    "Posterior",
    "ResidualBootstrap",
    "Uniform",
    "draw",
    "standard_error",
]
