"""The contract of a metric.

A metric looks at a network at every evaluation of a run and says what it sees in numbers,
each under a label.  `Metric.read` gets a `Reading`, in which there is what the metric said
that it `needs`, and a random stream of its own.

A metric owes its user: numbers, NaN where there is none to give, never infinity; the same
ones for the same reading and stream; draws from that stream alone; nothing changed; nothing
looked at that it does not need; and, where it remembers something from one reading to the
next, the same numbers when it goes on from its saved `state`.
`plastic.checks.check_metric` holds any metric to it.

The stream is made for each reading from the run's seed, the metric's name and the step, so
what a metric draws changes neither the run nor another metric, whichever of them are read.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from plastic.datasets.base import Truth
from plastic.errors import InvalidParameter
from plastic.topology import Kind, Structure
from plastic.topology.structure import locked

if TYPE_CHECKING:
    import networkx as nx
    from scipy import sparse

Array = NDArray[Any]

Need = Literal["weights", "activity", "truth"]
"""What a metric may need beside the structure."""


@dataclass(frozen=True, eq=False)
class Reading:
    """A network as metrics see it; nothing in it can be written to.

    Parameters
    ----------
    step, n_steps : int
        Training steps done, and in all.
    structure : Structure
        The neurons and connections that are computed.
    birth_steps : callable
        As `plastic.topology.Topology.birth_steps`.
    weights : float array, shape (n_connections,), optional
        In the order of the structure's positions.
    activity : float array, shape (n_neurons, n_samples), optional
        Outputs of the neurons, in the order of the structure's slots, for the first samples
        of the training split.
    truth : Truth, optional
        Which connections the data were made with, where that is known.
    """

    step: int
    n_steps: int
    structure: Structure
    birth_steps: Callable[[str, Any], NDArray[np.int64]]
    weights: Array | None = None
    activity: Array | None = None
    truth: Truth | None = None

    def __post_init__(self) -> None:
        for name in ("weights", "activity"):
            if (held := getattr(self, name)) is not None:
                object.__setattr__(self, name, locked(held.view()))

    @cached_property
    def hidden(self) -> NDArray[np.intp]:
        """Slots of the hidden neurons, ascending."""
        return locked(np.flatnonzero(self.structure.kinds == Kind.HIDDEN))

    @cached_property
    def born(self) -> NDArray[np.int64]:
        """Training step at which each connection was born, shape (n_connections,)."""
        return locked(self.birth_steps("connection", self.structure.connection_ids))

    @cached_property
    def matrix(self) -> sparse.csr_array:
        """Adjacency: 1 at (source slot, target slot), shape (n_neurons, n_neurons)."""
        from scipy import sparse  # an eighth of a second for who needs it

        s = self.structure
        shape = s.n_neurons, s.n_neurons
        ones = locked(np.ones(s.n_connections))
        return sparse.csr_array((ones, s.out.targets, s.out.indptr), shape)

    @cached_property
    def undirected(self) -> sparse.csr_array:
        """Adjacency without directions: 1 at both places of each connection."""
        both = (self.matrix + self.matrix.T).tocsr()
        locked(both.data)
        return both

    @cached_property
    def graph(self) -> nx.DiGraph:
        """A frozen NetworkX graph of neuron ids, for algorithms; copy it to change it.

        Its adjacency is in dictionaries, which such algorithms walk several times as fast as
        the live graph of a `plastic.topology.Topology`.
        """
        import networkx as nx

        s, graph = self.structure, nx.DiGraph()
        graph.add_nodes_from(s.neuron_ids.tolist())
        ends = s.neuron_ids[s.sources].tolist(), s.neuron_ids[s.targets].tolist()
        graph.add_edges_from(zip(*ends, strict=True))
        return nx.freeze(graph)

    def needed(self, name: Need) -> Any:
        """What a metric said that it needs.

        Raises
        ------
        InvalidParameter
            If it is not there, as for a metric that does not say so in its `Metric.needs`.
        """
        held = getattr(self, name)
        if held is None:
            raise InvalidParameter(
                f"the reading has no {name}: name it among the metric's needs"
            )
        return held


class Metric(ABC):
    """A metric; concrete ones are dataclasses whose fields are their configuration.

    Examples
    --------
    A metric of one's own, by NetworkX:

    >>> import networkx as nx
    >>> class Transitivity(Metric):
    ...     def read(self, reading, rng):
    ...         return {"": nx.transitivity(reading.graph.to_undirected())}
    """

    needs: ClassVar[frozenset[Need]] = frozenset()
    """What there must be in a reading beside structure and birth steps: it is paid for only
    if a metric needs it.  A known truth is there only for the datasets that have one."""

    @abstractmethod
    def read(self, reading: Reading, rng: Generator) -> Mapping[str, float]:
        """The numbers of one reading by label; the label of an only one may be empty.

        Parameters
        ----------
        reading : Reading
        rng : Generator
            For this reading alone; see the module.
        """

    def state(self) -> dict[str, Array]:
        """All that it remembers from reading to reading: flat names, arrays of numbers."""
        return {}

    def restore(self, state: Mapping[str, Array]) -> None:
        """Go on as the metric that this state is of.

        Asked of a metric of the same configuration.

        Raises
        ------
        InvalidParameter
            If the state is not that of such a metric.
        """
        remembered(state)


def remembered(state: Mapping[str, Array], **kinds: str) -> list[Array]:
    """The arrays of a metric's state, in the order in which they are named.

    Parameters
    ----------
    state : mapping
    **kinds : str
        Each array, all flat, and the letters of the kinds of numbers that it may hold, as
        in ``ids="i"``.

    Raises
    ------
    InvalidParameter
        If an array is missing, of another shape or kind, or nobody's.

    Examples
    --------
    >>> remembered({"ids": np.array([1, 2])}, ids="i")
    [array([1, 2])]
    """
    if set(state) != set(kinds):
        raise InvalidParameter(
            f"the state must hold {', '.join(kinds) or 'nothing'}, got {', '.join(state)}"
        )
    for name, letters in kinds.items():
        if state[name].ndim != 1 or state[name].dtype.kind not in letters:
            raise InvalidParameter(
                f"{name} must be flat numbers of kind {letters}, "
                f"got {state[name].dtype} of shape {state[name].shape}"
            )
    return [state[name] for name in kinds]
