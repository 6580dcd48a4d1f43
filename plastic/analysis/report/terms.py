"""What a page compares, and how it says so."""

from __future__ import annotations

import re
from dataclasses import dataclass

CURVE = re.compile(r"(?:final|best)_(train|reward|test)_(score|loss)")


@dataclass(frozen=True)
class Terms:
    """What is compared, by which measure, and at which moment.

    Parameters
    ----------
    by : str
        The column whose values are compared.
    metric : str
        A score or loss of the run table.
    equal : {"steps", "flops"}
        Whether runs are compared at their ends, or at equal training operations.
    baseline : str, optional
        What the others are compared with.

    Examples
    --------
    >>> Terms(metric="final_train_loss").curve
    {'value': 'loss', 'split': 'train'}
    """

    by: str = "policy"
    metric: str = "final_test_score"
    equal: str = "steps"
    baseline: str | None = None

    @property
    def measure(self) -> str:
        """The metric in words."""
        return self.metric.replace("_", " ")

    @property
    def curve(self) -> dict[str, str]:
        """What of the table of convergence shows how the metric came about."""
        found = CURVE.fullmatch(self.metric)
        if found:
            return {"value": found[2], "split": found[1]}
        return {"value": "density" if self.metric == "final_density" else "score"}

    @property
    def moment(self) -> str:
        """When runs are compared."""
        if self.equal == "steps":
            return "at the end of each run"
        return (
            "at equal training operations: each run as it stood when it had cost as much as "
            "the cheapest run of its setting and seed"
        )

    @property
    def sentence(self) -> str:
        """All of it in a sentence."""
        against = f", against {self.baseline}" if self.baseline else ""
        return f"Compared by {self.metric}, {self.moment}{against}."
