"""Policies: where a network grows and shrinks while it learns; one file each."""

from plastic.policies.base import Branch, Outcome, Policy, Proposal, Trial, checked
from plastic.policies.connection_thompson import connection_thompson
from plastic.policies.deep_rewiring import deep_rewiring
from plastic.policies.dense_pruning import DensePruning, dense_then_prune, gradual_magnitude
from plastic.policies.gradual_neurons import GradualNeurons
from plastic.policies.hierarchical_thompson import hierarchical_thompson
from plastic.policies.homeostasis import Homeostasis
from plastic.policies.layer_thompson import layer_thompson
from plastic.policies.mask_pruning import MaskPruning, ScorePruning
from plastic.policies.masked_trials import masked_trials
from plastic.policies.meta_bandit import MetaBandit
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
from plastic.policies.sparse_momentum import sparse_momentum
from plastic.policies.static import Static
from plastic.policies.taylor_gradient import taylor_gradient
from plastic.policies.thompson import PosteriorGrowth, thompson

__all__ = [
    "Branch",
    "DensePruning",
    "GradualNeurons",
    "Homeostasis",
    "MaskPruning",
    "MetaBandit",
    "NeuronGrowth",
    "NeuronTurnover",
    "Outcome",
    "PairedTrials",
    "Policy",
    "PosteriorGrowth",
    "Proposal",
    "Rewiring",
    "ScorePruning",
    "Static",
    "Trial",
    "cascade_correlation",
    "checked",
    "connection_thompson",
    "deep_rewiring",
    "dense_then_prune",
    "gradmax",
    "gradual_magnitude",
    "hierarchical_thompson",
    "layer_thompson",
    "masked_trials",
    "net2net",
    "random_neurons",
    "random_rewiring",
    "rigl",
    "sparse_evolution",
    "sparse_momentum",
    "taylor_gradient",
    "thompson",
]
