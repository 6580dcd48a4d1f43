"""Reading metrics in a run: what they need is computed once, and only if one needs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.datasets import Dataset
from plastic.engine import Network
from plastic.errors import InvalidParameter
from plastic.metrics.base import Metric, Need, Reading
from plastic.streams import reading_stream

Array = NDArray[Any]

PROBE = 256
"""Activity is that for at most so many samples of the training split, always the first."""


class Readings:
    """The metrics of a run, and what they remember.

    Parameters
    ----------
    metrics : mapping of str to Metric
        By name, as the table has it.
    seed : int
        Of the run.

    Examples
    --------
    >>> from plastic.metrics import Degrees
    >>> from plastic.topology.wiring import dense
    >>> network = Network(dense(2, 1, 1.0, np.random.default_rng(0), hidden=[3]), "mse")
    >>> rows = Readings({"degrees": Degrees()}).take(network, None, n_steps=10)
    >>> rows["label"][:3], rows["value"][:3]
    (['in_mean', 'in_std', 'in_max'], [2.25, 0.4330127018922193, 3.0])
    """

    def __init__(self, metrics: Mapping[str, Metric] | None = None, seed: int = 0) -> None:
        self.metrics, self.seed = dict(metrics or {}), seed
        for name, metric in self.metrics.items():
            if not isinstance(metric, Metric):
                raise InvalidParameter(f"metric {name!r} must be a Metric, got {metric!r}")

    @property
    def described(self) -> dict[str, str]:
        """What each metric is, by name."""
        return {name: repr(metric) for name, metric in sorted(self.metrics.items())}

    @property
    def needs(self) -> frozenset[Need]:
        """All that one of the metrics needs."""
        return frozenset().union(*(metric.needs for metric in self.metrics.values()))

    def take(self, network: Network, dataset: Dataset | None, n_steps: int) -> dict[str, Any]:
        """Read all metrics of a network as it is now.

        Parameters
        ----------
        network : Network
        dataset : Dataset, optional
            Needed by metrics of activity and of the truth.
        n_steps : int
            Training steps in all.

        Returns
        -------
        dict of str to scalar or list
            Columns of the table of metrics.

        Raises
        ------
        InvalidParameter
            If a metric returns something else than numbers under labels.
        """
        return self.of(reading_of(network, dataset, n_steps, self.needs))

    def of(self, reading: Reading) -> dict[str, Any]:
        """The same of a reading that is there already."""
        found = {}
        for name, metric in self.metrics.items():
            rng = reading_stream(self.seed, name, reading.step)
            found[name] = metric.read(reading, rng)
        return as_rows(reading.step, found)

    def state(self) -> dict[str, Array]:
        """What all of them remember, by ``<metric>.<name>``."""
        return {
            f"{name}.{key}": values
            for name, metric in self.metrics.items()
            for key, values in metric.state().items()
        }

    def restore(self, state: Mapping[str, Array]) -> None:
        """Go on from such a state.

        Raises
        ------
        InvalidParameter
            If it is of other metrics.
        """
        own: dict[str, dict[str, Array]] = {name: {} for name in self.metrics}
        for key, values in state.items():
            of, _, what = key.rpartition(".")
            if of not in own:
                raise InvalidParameter(f"there is no metric {of!r} to remember {what!r}")
            own[of][what] = values
        for name, metric in self.metrics.items():
            metric.restore(own[name])


def reading_of(
    network: Network, dataset: Dataset | None, n_steps: int, needs: frozenset[Need]
) -> Reading:
    """A network as metrics of these needs see it."""
    topology, structure = network.topology, network.computed
    weights = activity = None
    if "weights" in needs:
        weights = network.weights
        if structure is not topology.structure:
            weights = weights[topology.structure.positions_of(structure.connection_ids)]
    if "activity" in needs and dataset is not None:
        train = dataset.train
        activity = network.signals(train.X[:PROBE], train.y[:PROBE]).outputs
        if structure is not topology.structure:
            activity = activity[topology.structure.slots_of(structure.neuron_ids)]
    truth = dataset.truth if "truth" in needs and dataset is not None else None
    return Reading(
        topology.step, n_steps, structure, topology.birth_steps, weights, activity, truth
    )


def as_rows(step: int, found: Mapping[str, Any]) -> dict[str, Any]:
    """What metrics have read, by name and label, as columns of the table of metrics.

    Raises
    ------
    InvalidParameter
        If something else was read than numbers under labels, or infinity.

    Examples
    --------
    >>> as_rows(50, {"age": {"mean": 20, "max": 50}})
    {'step': 50, 'metric': ['age', 'age'], 'label': ['mean', 'max'], 'value': [20.0, 50.0]}
    """
    rows: list[tuple[str, str, float]] = []
    for name, values in found.items():
        if not isinstance(values, Mapping):
            raise InvalidParameter(f"metric {name!r} must return a mapping, got {values!r}")
        for label, value in values.items():
            if not isinstance(label, str):
                raise InvalidParameter(
                    f"a label of metric {name!r} must be text, got {label!r}"
                )
            if not _is_number(value):
                raise InvalidParameter(
                    f"metric {name!r} must return numbers, or NaN for none, "
                    f"got {value!r} for {label!r}"
                )
            rows.append((name, label, float(value)))
    names, labels, numbers = map(list, zip(*rows, strict=True)) if rows else ([], [], [])
    return {"step": step, "metric": names, "label": labels, "value": numbers}


def _is_number(value: Any) -> bool:
    known = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    return known and np.isreal(value) and not np.isinf(value)
