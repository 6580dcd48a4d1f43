"""The contracts of policies and bandits, as functions that anyone can run on their own."""

from plastic.checks.bandits import check_bandit
from plastic.checks.policies import check_policy

__all__ = ["check_bandit", "check_policy"]
