"""Policies: where a network grows and shrinks while it learns; one file each."""

from plastic.policies.base import Branch, Outcome, Policy, Proposal, Trial
from plastic.policies.gradual_magnitude import GradualMagnitude
from plastic.policies.gradual_neurons import GradualNeurons
from plastic.policies.homeostasis import Homeostasis
from plastic.policies.neuron_growth import (
    NeuronGrowth,
    cascade_correlation,
    gradmax,
    net2net,
    random_neurons,
)
from plastic.policies.neuron_turnover import NeuronTurnover
from plastic.policies.paired_trials import PairedTrials
from plastic.policies.random_rewiring import random_rewiring
from plastic.policies.rewiring import Rewiring
from plastic.policies.rigl import rigl
from plastic.policies.sparse_evolution import sparse_evolution
from plastic.policies.static import Static
from plastic.policies.thompson import PosteriorGrowth, thompson

__all__ = [
    "Branch",
    "GradualMagnitude",
    "GradualNeurons",
    "Homeostasis",
    "NeuronGrowth",
    "NeuronTurnover",
    "Outcome",
    "PairedTrials",
    "Policy",
    "PosteriorGrowth",
    "Proposal",
    "Rewiring",
    "Static",
    "Trial",
    "cascade_correlation",
    "gradmax",
    "net2net",
    "random_neurons",
    "random_rewiring",
    "rigl",
    "sparse_evolution",
    "thompson",
]
