"""Selected: a network of which only some hidden neurons are computed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from plastic.edits import Edit, PruneNeurons
from plastic.engine import Gradients, Network, Optimizer, Signals, Statistics
from plastic.engine.checking import checked_rates, checked_rows
from plastic.engine.network import NO_STATISTICS
from plastic.engine.results import LOSS_BOUND
from plastic.errors import InvalidEdit, InvalidNetwork, InvalidParameter, check_count
from plastic.selection.beliefs import Beliefs, taylor_relevance
from plastic.selection.rankings import Candidates
from plastic.selection.selectors import Selector
from plastic.signals import step_flops
from plastic.topology import Kind, Structure, Topology

Array = NDArray[Any]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Part:
    """The neurons that are computed, as a network of their own.

    Parameters
    ----------
    network : Network
    neurons, connections : int arrays
        Slots and positions, in the whole, of what it holds.
    active : int array, shape (n_active,)
        Which of the whole's hidden neurons it holds.
    hidden : int array, shape (n_active,)
        Slots of these in the part.
    """

    network: Network
    neurons: Indices
    connections: Indices
    active: Indices
    hidden: Indices


class Selected(Network):
    """A network of which only the selected hidden neurons are computed, or learn.

    Towards training and towards its user it is a `Network` on the whole topology: weights,
    biases and optimizer state of all neurons can be read at any time, and those of neurons
    that are not computed stay as they are, bit for bit.  What computes is a network of the
    selected neurons alone, made anew whenever the selection changes: neurons left out cost no
    time, in training, prediction or evaluation.

    Parameters
    ----------
    topology : Topology
        The whole; not to be edited before `commit`.
    loss : str
    selector : Selector
    n_steps : int
        Training steps that the budget is reckoned by; see `plastic.selection.timetables`.
    rng : Generator
        Used whenever neurons are chosen.
    **options
        As for `Network`.

    Attributes
    ----------
    timetable : Timetable
        ``timetable.n_steps`` is how many steps the budget pays for.
    beliefs : Beliefs
        Of each hidden neuron, in the order of ids.
    flops, evaluations : int
        Operations, and neuron evaluations, spent on learning so far.
    last_flops : int
        Operations of the last call of `learn`.

    Raises
    ------
    InvalidNetwork
        If there are no hidden neurons to select.

    Examples
    --------
    >>> from plastic.engine import SGD
    >>> from plastic.selection import successive_elimination
    >>> from plastic.topology.wiring import dense
    >>> rng = np.random.default_rng(0)
    >>> topology = dense(2, 2, 1.0, rng, hidden=[32], activation="tanh")
    >>> selector = successive_elimination(keep=0.125)
    >>> network = Selected(topology, selector=selector, n_steps=1000, rng=rng, engine="nodes")
    >>> network = network.initialize(rng)
    >>> X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    >>> Y = np.eye(2)[[0, 1, 1, 0]]
    >>> rows = np.tile(np.arange(4), (network.timetable.n_steps, 1))
    >>> losses = network.learn(X, Y, rows, SGD(0.3))
    >>> len(network.active_ids), network.predict(X).argmax(axis=1)
    (4, array([0, 1, 1, 0]))
    >>> undo = network.commit()
    >>> topology
    Topology(8 neurons: 2 inputs, 4 hidden, 2 outputs; 16 connections)
    """

    def __init__(
        self,
        topology: Topology,
        loss: str = "cross_entropy",
        *,
        selector: Selector,
        n_steps: int,
        rng: Generator,
        **options: Any,
    ) -> None:
        check_count("n_steps", n_steps)
        super().__init__(topology, loss, **options)
        self.selector, self._rng, self._options = selector, rng, options
        self._structure = structure = topology.structure
        self._hidden = np.flatnonzero(structure.kinds == Kind.HIDDEN)
        if not len(self._hidden):
            raise InvalidNetwork("there is no hidden neuron to select from")
        _, self._group = np.unique(structure.groups[self._hidden], return_inverse=True)
        self._sizes = np.bincount(self._group)
        self.timetable = selector.timing.timetable(self._sizes, n_steps)
        self.beliefs = Beliefs.none(len(self._hidden), selector.discount)
        self.flops = self.evaluations = self.last_flops = 0
        self._part: Part | None = self._take(np.arange(len(self._hidden)))

    @property
    def computed(self) -> Structure:
        """The neurons and connections that are computed."""
        return self._part.network.topology.structure if self._part else self.topology.structure

    @property
    def selecting(self) -> bool:
        """Whether the selection goes on; no more after `commit`."""
        return self._part is not None

    @property
    def active_ids(self) -> Indices:
        """Ids of the hidden neurons that are computed, ascending."""
        structure = self.computed
        return structure.neuron_ids[structure.kinds == Kind.HIDDEN]

    def initialize(self, rng: Generator) -> Selected:
        r"""Draw the weights as `Network.initialize` does; see there.

        With the selector's `rescale` they are those of the network that is left at the end: a
        target's fan-in is then counted as the number of sources that it will keep, so its
        weights are larger by :math:`\sqrt{n / k}` where `k` of `n` sources stay.  The few
        neurons that are trained for most of the run then start as a network of their size
        does, instead of with answers that are too small by that factor.
        """
        super().initialize(rng)
        if self.selector.rescale:
            structure = self.topology.structure
            stays = np.ones(structure.n_neurons)
            stays[self._hidden] = (self.selector.timing.kept(self._sizes) / self._sizes)[
                self._group
            ]
            n = structure.n_neurons
            left = np.bincount(structure.targets, stays[structure.sources], n)
            now = np.bincount(structure.targets, minlength=n)
            factor = np.sqrt(now / np.where(left > 0, left, 1.0))
            self.weights[:] *= factor[structure.targets]
        return self

    def predict(self, X: Array) -> Array:
        """Answers of the selected neurons to samples; see `Network.predict`."""
        part = self._loaded()
        return super().predict(X) if part is None else part.network.predict(X)

    def evaluate(self, X: Array, Y: Array) -> tuple[float, Array]:
        """Loss of the selected neurons on samples, and their answers."""
        part = self._loaded()
        return super().evaluate(X, Y) if part is None else part.network.evaluate(X, Y)

    def signals(self, X: Array, Y: Array) -> Signals:
        """Outputs and deltas for a batch; 0 for neurons that are not computed."""
        part = self._loaded()
        if part is None:
            return super().signals(X, Y)
        signals = part.network.signals(X, Y)
        n = self.topology.n_neurons
        of_all = (
            _spread(n, part.neurons, values) for values in (signals.outputs, signals.deltas)
        )
        return Signals(signals.loss, *of_all)

    def gradients(self, X: Array, Y: Array) -> Gradients:
        """Loss gradients; 0 for connections that are not computed."""
        part = self._loaded()
        if part is None:
            return super().gradients(X, Y)
        gradients = part.network.gradients(X, Y)
        return Gradients(
            gradients.loss,
            _spread(self.topology.n_connections, part.connections, gradients.weights),
            _spread(self.topology.n_neurons, part.neurons, gradients.biases),
        )

    def learn(
        self,
        X: Array,
        Y: Array,
        rows: Array,
        optimizer: Optimizer,
        *,
        rates: Array | None = None,
        statistics: Statistics = NO_STATISTICS,
    ) -> Array:
        """Take one optimizer step for each mini-batch, choosing neurons on the way.

        Where the timetable asks for it, neurons are chosen before a step, and their relevance
        is measured on that step's own gradients: it costs no pass of its own.  Everything
        else is as in `Network.learn`.

        Raises
        ------
        InvalidParameter
            If statistics are asked for: they are for policies, which cannot edit meanwhile.
        """
        if self._part is None:
            return super().learn(X, Y, rows, optimizer, rates=rates, statistics=statistics)
        if statistics.wanted:
            raise InvalidParameter(f"a selection keeps no statistics, got {statistics}")
        rows, part = np.asarray(rows), self._loaded()
        rates = checked_rates(optimizer.learning_rate if rates is None else rates, len(rows))
        X, Y = self._samples(X, Y)
        rows = checked_rows(rows, len(X))
        losses, before = [], self.flops
        try:
            for stretch, event in self._stretches(len(rows)):
                if event is not None:
                    self._choose(event)
                batch = X, Y, rows[stretch]
                if event is not None and self._observes(event):
                    losses.append(self._observe(*batch, optimizer, rates[stretch]))
                else:
                    losses.append(self._learn(*batch, optimizer, rates[stretch]))
        finally:
            self._store()
            self.last_flops = self.flops - before
        return np.concatenate(losses)

    def apply(self, *edits: Edit) -> tuple[Edit, ...]:
        """Apply edits, all or none; only after `commit`."""
        if self._part is not None:
            raise InvalidEdit("neurons are being selected: commit the selection before editing")
        return super().apply(*edits)

    def commit(self) -> tuple[Edit, ...]:
        """Prune the neurons that are not selected, and end the selection.

        From then on this is a network like any other, which may be edited.

        Returns
        -------
        tuple of Edit
            The edits that undo it: the pruned neurons come back as they were.
        """
        if self._part is None:
            return ()
        self._loaded()
        gone = np.delete(self._hidden, self._part.active)
        ids = self.topology.structure.neuron_ids[gone]
        undo = self.topology.apply(PruneNeurons(ids, keep_stranded=True, reason="not selected"))
        self._part = None
        return undo

    def arms(self) -> dict[str, Array]:
        """What is believed of the selected neurons, as rows of the table of arms."""
        if self._part is None:
            return {}
        active = self._part.active
        known = self.beliefs.pulls[active] > 0
        return {
            "arm": np.array([f"neuron {one}" for one in self.active_ids], object),
            "pulls": self.beliefs.pulls[active],
            "posterior_mean": np.where(known, self.beliefs.mean[active], np.nan),
            "posterior_std": np.where(known, self.beliefs.std()[active], np.nan),
        }

    def state(self) -> dict[str, Array]:
        """Everything that the topology's columns and the random stream do not hold."""
        active = np.zeros(len(self._hidden), bool)
        if self._part is not None:
            active[self._part.active] = True
        spent = np.array([self.flops, self.evaluations])
        return {"active": active, "spent": spent, **self.beliefs.state()}

    def restore(self, state: dict[str, Array]) -> None:
        """Go on from a `state` of a network of the same topology.

        Raises
        ------
        InvalidParameter
            If an array is missing or of another shape; nothing is changed then.
        """
        for name, shape in (("active", self._hidden.shape), ("spent", (2,))):
            if np.shape(state.get(name)) != shape:
                raise InvalidParameter(
                    f"{name} must be of shape {shape}, got {np.shape(state.get(name))}"
                )
        self.beliefs.restore(state)
        self.flops, self.evaluations = (int(number) for number in state["spent"])
        self._part = self._take(np.flatnonzero(state["active"]))

    def _stretches(self, n: int) -> Iterator[tuple[slice, int | None]]:
        """The next `n` steps, cut where the timetable has an event or an observation."""
        at, steps = self.topology.step, self.timetable.steps
        k = 0
        while k < n:
            event = int(np.searchsorted(steps, at + k))
            here = event < len(steps) and steps[event] == at + k
            following = event + here
            end = min(n, steps[following] - at if following < len(steps) else n)
            if here and self._observes(event):
                end = k + 1
            yield slice(k, end), event if here else None
            k = end

    def _observes(self, event: int) -> bool:
        """Whether relevance is measured at an event; after the last one it is of no use."""
        return self.selector.ranking.observes and event < len(self.timetable.steps) - 1

    def _choose(self, event: int) -> None:
        """Select neurons, and make the network of them."""
        assert self._part is not None
        table, ranking = self.timetable, self.selector.ranking
        settle = event == len(table.steps) - 1 and not table.shrinks
        choose = ranking.settle if settle else ranking.choose
        among = self._part.active if table.shrinks else np.arange(len(self._hidden))
        chosen = []
        for group, count in enumerate(table.counts[event]):
            peers = among[self._group[among] == group]
            if count < len(peers):
                peers = peers[choose(self._candidates(peers), int(count), self._rng)]
            chosen.append(peers)
        active = np.sort(np.concatenate(chosen))
        if not np.array_equal(active, self._part.active):
            self._store()
            self._part = self._take(active)

    def _candidates(self, neurons: Indices) -> Candidates:
        beliefs = self.beliefs
        size = np.zeros(0)
        if self.selector.ranking.weighs:
            self._store()
            size = self._magnitudes()[neurons]
        step = self.topology.step
        pulls = beliefs.pulls[neurons]
        return Candidates(beliefs.mean[neurons], beliefs.std()[neurons], pulls, size, step)

    def _magnitudes(self) -> Array:
        """Norm of the weights into each hidden neuron times norm of those out of it."""
        structure = self.topology.structure
        squares = self.weights.astype(np.float64) ** 2
        into = np.bincount(structure.targets, squares, structure.n_neurons)
        out = np.bincount(structure.sources, squares, structure.n_neurons)
        return np.sqrt(into * out)[self._hidden]

    def _observe(
        self, X: Array, Y: Array, rows: Array, optimizer: Optimizer, rates: Array
    ) -> Array:
        """One step whose gradients also tell how relevant each neuron is."""
        part = self._part
        assert part is not None
        network, batch = part.network, rows[0]
        gradients = network.gradients(X[batch], Y[batch])
        if not gradients.loss <= LOSS_BOUND:
            return self._learn(X, Y, rows, optimizer, rates)  # which says so
        structure = network.topology.structure
        relevance = taylor_relevance(structure, network.weights, gradients.weights)[part.hidden]
        group = self._group[part.active]
        for one in range(len(self._sizes)):
            of = group == one
            self.beliefs.observe(part.active[of], relevance[of])
        take_step(network, gradients, optimizer, float(rates[0]))
        self._spend(1, len(batch))
        return np.array([gradients.loss])

    def _learn(
        self, X: Array, Y: Array, rows: Array, optimizer: Optimizer, rates: Array
    ) -> Array:
        """Steps in one native stretch."""
        assert self._part is not None
        n_steps, size = rows.shape
        if n_steps * size < len(X):  # the engine checks what it is given: give it no more
            batch = rows.ravel()
            X, Y, rows = X[batch], Y[batch], np.arange(n_steps * size).reshape(n_steps, size)
        losses = self._part.network.learn(X, Y, rows, optimizer, rates=rates)
        self._spend(n_steps, size)
        return losses

    def _spend(self, n_steps: int, batch_size: int) -> None:
        part = self._part
        assert part is not None
        self.flops += n_steps * step_flops(part.network.topology.structure, batch_size)
        self.evaluations += n_steps * len(part.active)

    def _take(self, active: Indices) -> Part:
        """The network of some of the hidden neurons, with all that the whole knows of them."""
        keep = self._structure.kinds != Kind.HIDDEN
        keep[self._hidden[active]] = True
        topology, neurons, connections = self.topology.part(keep)
        network = Network(topology, self.loss, **self._options)
        hidden = np.flatnonzero(topology.structure.kinds == Kind.HIDDEN)
        return Part(network, neurons, connections, active, hidden)

    def _loaded(self) -> Part | None:
        """The part, as the whole is now; None once the selection is over."""
        part = self._part
        if part is None:
            return None
        if self.topology.structure is not self._structure:
            raise InvalidNetwork("the topology was edited while neurons are being selected")
        for whole, piece, at in self._columns(part):
            for name, values in whole.items():
                piece.add(name, values.dtype)[:] = values[at]
        part.network.topology.step = self.topology.step
        return part

    def _store(self) -> None:
        """Write back what the part has learned."""
        part = self._part
        assert part is not None
        for whole, piece, at in self._columns(part):
            for name, values in piece.items():
                whole.add(name, values.dtype)[at] = values
        self.topology.step = part.network.topology.step

    def _columns(self, part: Part) -> Any:
        whole, piece = self.topology, part.network.topology
        return (
            (whole.neuron_columns, piece.neuron_columns, part.neurons),
            (whole.connection_columns, piece.connection_columns, part.connections),
        )


def take_step(
    network: Network, gradients: Gradients, optimizer: Optimizer, rate: float
) -> None:
    """One optimizer step along gradients that are there already, by the readable rule."""
    topology = network.topology
    kinds = (network.dtype, network.dtype, np.dtype(np.int32))
    for columns, values, gradient, decay in (
        (topology.connection_columns, network.weights, gradients.weights, True),
        (topology.neuron_columns, network.biases, gradients.biases, False),
    ):
        if decay or network.use_biases:
            slots = zip(optimizer.slots, kinds, strict=True)
            state = {name: columns.add(name, kind) for name, kind in slots if name}
            optimizer.step(values, gradient.astype(network.dtype), state, rate, decay=decay)
    topology.step += 1


def learning_flops(network: Network, batch_size: int, n_steps: int) -> int:
    """Operations of the steps just learned: of the neurons that were really computed."""
    if isinstance(network, Selected) and network.selecting:
        return network.last_flops
    return n_steps * step_flops(network.topology.structure, batch_size)


def paid_steps(network: Network, n_steps: int) -> int:
    """Training steps that the budget of a selection pays for; all without one."""
    return network.timetable.n_steps if isinstance(network, Selected) else n_steps


def check_unedited(network: Network, steps: Iterable[int]) -> None:
    """Raise `InvalidParameter` if a policy is to edit, at these steps, while neurons are selected.

    A policy would see, and edit, a network that is not the one that learns.
    """
    first = min(steps, default=None)
    if first is not None and isinstance(network, Selected) and network.selecting:
        raise InvalidParameter(
            f"the policy would edit the network at step {first} while neurons are being "
            "selected; a selection goes with policy=static alone"
        )


def _spread(n: int, at: Indices, values: Array) -> Array:
    """Values of a part among zeros for the rest."""
    whole = np.zeros((n, *values.shape[1:]), values.dtype)
    whole[at] = values
    return whole
