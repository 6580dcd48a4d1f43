"""Selected: a network of which only some hidden neurons are computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from plastic.costs import step_flops
from plastic.edits import Edit, PruneNeurons
from plastic.engine import Gradients, Network, Optimizer, Signals, Statistics
from plastic.engine.checking import checked_hits, checked_rates, checked_rows
from plastic.engine.network import NO_STATISTICS
from plastic.engine.results import LOSS_BOUND
from plastic.errors import InvalidEdit, InvalidNetwork, InvalidParameter, check_count
from plastic.selection.beliefs import Beliefs, taken
from plastic.selection.course import Course
from plastic.selection.part import Part, take_step
from plastic.selection.selectors import Selector
from plastic.selection.timetables import Timetable
from plastic.topology import Kind, Structure, Topology

Array = NDArray[Any]
Indices = NDArray[np.int64]


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
        self.selector, self._options = selector, options
        self._structure = structure = topology.structure
        self._hidden = np.flatnonzero(structure.kinds == Kind.HIDDEN)
        if not len(self._hidden):
            raise InvalidNetwork("there is no hidden neuron to select from")
        self._course = Course(selector, structure.groups[self._hidden], n_steps, rng)
        self.flops = self.evaluations = self.last_flops = 0
        self._part: Part | None = self._take()

    @property
    def timetable(self) -> Timetable:
        """When how many neurons are computed, and how many steps the budget pays for."""
        return self._course.timetable

    @property
    def beliefs(self) -> Beliefs:
        """What is known of each hidden neuron, in the order of ids."""
        return self._course.beliefs

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
        target's fan-in is then the number of sources that it will keep, so its weights are
        larger by :math:`\sqrt{n / k}` where `k` of `n` hidden sources stay.
        """
        super().initialize(rng)
        if self.selector.rescale:
            structure = self.topology.structure
            stays = np.ones(structure.n_neurons)
            stays[self._hidden] = self._course.kept_fraction()
            left = np.bincount(structure.targets, stays[structure.sources], len(stays))
            now = np.bincount(structure.targets, minlength=len(stays))
            factor = np.sqrt(now / np.where(left > 0, left, 1.0))
            self.weights[:] *= factor[structure.targets]
        return self

    def predict(self, X: Array) -> Array:
        """Answers of the selected neurons to samples; see `Network.predict`."""
        part = self._loaded()
        return part.network.predict(X) if part else super().predict(X)

    def evaluate(self, X: Array, Y: Array) -> tuple[float, Array]:
        """Loss of the selected neurons on samples, and their answers."""
        part = self._loaded()
        return part.network.evaluate(X, Y) if part else super().evaluate(X, Y)

    def signals(self, X: Array, Y: Array) -> Signals:
        """Outputs and deltas for a batch; 0 for neurons that are not computed."""
        part = self._loaded()
        if part is None:
            return super().signals(X, Y)
        signals = part.network.signals(X, Y)
        of_all = (part.spread_neurons(one) for one in (signals.outputs, signals.deltas))
        return Signals(signals.loss, *of_all)

    def gradients(self, X: Array, Y: Array) -> Gradients:
        """Loss gradients; 0 for connections and neurons that are not computed."""
        part = self._loaded()
        if part is None:
            return super().gradients(X, Y)
        gradients = part.network.gradients(X, Y)
        return Gradients(
            gradients.loss,
            part.spread_connections(gradients.weights),
            part.spread_neurons(gradients.biases),
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
        hits: Indices | None = None,
    ) -> Array:
        """Take one optimizer step for each mini-batch, choosing neurons on the way.

        Where the timetable asks for it, neurons are chosen before a step, and how relevant
        they are is measured on that step's own gradients: it takes no pass of its own.
        Everything else is as in `Network.learn`.

        Raises
        ------
        InvalidParameter
            If statistics are asked for: they are for policies, which cannot edit meanwhile.
        """
        part = self._loaded()
        if part is None:
            return super().learn(
                X, Y, rows, optimizer, rates=rates, statistics=statistics, hits=hits
            )
        if statistics.wanted:
            raise InvalidParameter(f"a selection keeps no statistics, got {statistics}")
        X, Y = self._samples(X, Y)
        rows = checked_rows(rows, len(X))
        rates = checked_rates(optimizer.learning_rate if rates is None else rates, len(rows))
        hits = np.zeros(len(rows), np.int64) if hits is None else checked_hits(hits, len(rows))
        losses, before = [], self.flops
        try:
            for stretch, event in self._course.stretches(self.topology.step, len(rows)):
                if event is not None:
                    self._choose(event)
                observes = event is not None and self._course.observes(event)
                learn = self._learn_observed if observes else self._learn_stretch
                losses.append(
                    learn(X, Y, rows[stretch], optimizer, rates[stretch], hits[stretch])
                )
        finally:
            self._stored()
            self.last_flops = self.flops - before
        return np.concatenate(losses)

    def apply(self, *edits: Edit) -> tuple[Edit, ...]:
        """Apply edits, all or none; only after `commit`."""
        if self.selecting:
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
        if self._loaded() is None:
            return ()
        gone = np.delete(self._hidden, self._course.active)
        ids = self.topology.structure.neuron_ids[gone]
        prune = PruneNeurons(ids, keep_stranded=True, reason="not selected")
        undo = self.topology.apply(prune)
        self._part = None
        return undo

    def arms(self) -> dict[str, Array]:
        """What is believed of the selected neurons, as columns of the table of arms."""
        names = np.array([f"neuron {one}" for one in self.active_ids], object)
        return {"arm": names, **self._course.arms()}

    def selection_state(self) -> dict[str, Array]:
        """Everything that the topology's columns and the random stream do not hold."""
        spent = np.array([self.flops, self.evaluations])
        return {"selecting": np.array(self.selecting), "spent": spent, **self._course.state()}

    def restore_selection(self, state: Mapping[str, Array]) -> None:
        """Go on from a `selection_state` of a network of the same topology.

        Raises
        ------
        InvalidParameter
            If an array is missing or of another shape; nothing is changed then.
        """
        spent, selecting = taken(state, "spent", (2,)), taken(state, "selecting", ())
        self._course.restore(state)
        self.flops, self.evaluations = spent.tolist()
        self._structure = self.topology.structure  # perhaps read from a file since
        self._part = self._take() if selecting else None

    def _choose(self, event: int) -> None:
        """Select neurons, and make the network of them."""
        before = self._course.active
        step = self._stored().network.topology.step
        self._course.choose(event, step, self._magnitudes)
        if not np.array_equal(self._course.active, before):
            self._part = self._take()

    def _magnitudes(self) -> Array:
        """Norm of the weights into each hidden neuron times norm of those out of it."""
        structure = self.topology.structure
        squares = self.weights.astype(np.float64) ** 2
        into = np.bincount(structure.targets, squares, structure.n_neurons)
        out = np.bincount(structure.sources, squares, structure.n_neurons)
        return np.sqrt(into * out)[self._hidden]

    def _learn_observed(
        self, X: Array, Y: Array, rows: Array, optimizer: Optimizer, rates: Array, hits: Indices
    ) -> Array:
        """One step, whose gradients also tell how relevant each neuron is."""
        part, batch = self._current(), rows[0]
        network, structure = part.network, part.network.topology.structure
        gradients = network.gradients(X[batch], Y[batch])
        if not gradients.loss <= LOSS_BOUND:
            return self._learn_stretch(X, Y, rows, optimizer, rates, hits)  # which says so
        said = network.predict(X[batch]).argmax(axis=1)
        hits[0] = np.sum(said == Y[batch].argmax(axis=1))
        measured = self.selector.measure(structure, network.weights, gradients.weights)
        self._course.observe(measured[part.hidden])
        take_step(network, gradients, optimizer, float(rates[0]))
        self._spend(1, len(batch))
        return np.array([gradients.loss])

    def _learn_stretch(
        self, X: Array, Y: Array, rows: Array, optimizer: Optimizer, rates: Array, hits: Indices
    ) -> Array:
        """Steps in one native stretch."""
        n_steps, size = rows.shape
        if n_steps * size < len(X):  # the engine checks what it is given: give it no more
            batch = rows.ravel()
            X, Y, rows = X[batch], Y[batch], np.arange(n_steps * size).reshape(n_steps, size)
        losses = self._current().network.learn(X, Y, rows, optimizer, rates=rates, hits=hits)
        self._spend(n_steps, size)
        return losses

    def _spend(self, n_steps: int, batch_size: int) -> None:
        self.flops += n_steps * step_flops(self.computed, batch_size)
        self.evaluations += n_steps * len(self._course.active)

    def _take(self) -> Part:
        """The network of the active neurons, with all that the whole knows of them."""
        active = self._hidden[self._course.active]
        return Part.of(
            self.topology, active, lambda part: Network(part, self.loss, **self._options)
        )

    def _loaded(self) -> Part | None:
        """The part, as the whole is now; None once the selection is over."""
        if self._part is not None:
            if self.topology.structure is not self._structure:
                raise InvalidNetwork("the topology was edited while neurons are being selected")
            self._part.load()
        return self._part

    def _stored(self) -> Part:
        part = self._current()
        part.store()
        return part

    def _current(self) -> Part:
        assert self._part is not None
        return self._part


def learning_flops(network: Network, batch_size: int, n_steps: int) -> int:
    """Operations of the steps just learned: of the neurons that were really computed."""
    if isinstance(network, Selected) and network.selecting:
        return network.last_flops
    return n_steps * step_flops(network.topology.structure, batch_size)


def paid_steps(network: Network, n_steps: int) -> int:
    """Training steps that the budget of a selection pays for; all without one."""
    return network.timetable.n_steps if isinstance(network, Selected) else n_steps


def check_unedited(network: Network, steps: Iterable[int]) -> None:
    """Raise `InvalidParameter` if a policy is to edit, at these steps, during a selection.

    It would see, and edit, a network that is not the one that learns.
    """
    first = min(steps, default=None)
    if first is not None and isinstance(network, Selected) and network.selecting:
        raise InvalidParameter(
            f"the policy would edit the network at step {first} while neurons are being "
            "selected; a selection goes with policy=static alone"
        )
