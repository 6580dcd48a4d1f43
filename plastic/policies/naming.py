"""Policies by name, for who writes no configuration: in Python, and in scikit-learn's grids."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import partial
from typing import Any

from plastic.errors import InvalidParameter, check_in
from plastic.policies.base import Policy
from plastic.policies.connection_thompson import connection_thompson
from plastic.policies.deep_rewiring import deep_rewiring
from plastic.policies.homeostasis import Homeostasis
from plastic.policies.layer_thompson import layer_thompson
from plastic.policies.neuron_turnover import NeuronTurnover
from plastic.policies.random_rewiring import random_rewiring
from plastic.policies.rigl import rigl
from plastic.policies.sparse_evolution import sparse_evolution
from plastic.policies.sparse_momentum import sparse_momentum
from plastic.policies.static import Static
from plastic.policies.taylor_gradient import taylor_gradient
from plastic.policies.thompson import thompson

POLICIES: dict[str, Callable[..., Policy]] = {
    "connection_thompson": connection_thompson,
    "deep_rewiring": deep_rewiring,
    "homeostasis": Homeostasis,
    "layer_thompson": layer_thompson,
    "neuron_turnover": NeuronTurnover,
    "random": random_rewiring,
    "rigl": rigl,
    "set": sparse_evolution,
    "sparse_momentum": sparse_momentum,
    "static": Static,
    "taylor_gradient": taylor_gradient,
    "thompson": thompson,
    "thompson_mean": partial(thompson, sampling="mean"),
}
"""Policies by name; any other is given as an object."""


def named_policy(given: str | Mapping[str, Any] | Policy | Callable[[], Policy]) -> Policy:
    """The policy that is meant; one that is given is copied, for it remembers.

    Parameters
    ----------
    given : str, mapping, Policy or callable
        One of `POLICIES`, such a name with parameters, a policy, or what makes one.

    Raises
    ------
    InvalidParameter
        If it is none of these, or a parameter is of no use.

    Examples
    --------
    >>> named_policy({"name": "thompson", "every": 20}).schedule.every
    20
    """
    made = given() if callable(given) else given
    if isinstance(made, Policy):
        return deepcopy(made)
    if not isinstance(given, str | Mapping):
        raise InvalidParameter(f"policy must be a name, a policy or make one, got {given!r}")
    spec: dict[str, Any] = {"name": given} if isinstance(given, str) else dict(given)
    name = spec.pop("name", "")
    check_in("policy", name, POLICIES)
    try:
        return POLICIES[name](**spec)
    except TypeError as error:
        raise InvalidParameter(f"policy {name}: {error}") from None
