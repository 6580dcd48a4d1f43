"""The contracts of parts of one's own, as functions that anyone can run on them."""

from plastic.checks.bandits import check_bandit
from plastic.checks.callbacks import check_callback
from plastic.checks.metrics import check_metric
from plastic.checks.policies import check_policy

__all__ = ["check_bandit", "check_callback", "check_metric", "check_policy"]
