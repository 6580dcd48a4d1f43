"""The compiled engine: arrays in, arrays out."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from plastic import activations, losses
from plastic.edits import Connect, Disconnect
from plastic.engine import (
    bits,
    blocks,
    gradients,
    hits,
    kernels,
    loading,
    pairs,
    panels,
    race,
    ranking,
    rows,
    sharing,
    simd,
    small,
    small_passes,
    spans,
    updates,
    vector_math,
)
from plastic.engine.compiling import share_stamp, tell_of_compiling
from plastic.engine.layout import (
    Batches,
    Buffers,
    Graph,
    Parameters,
    Rule,
    SmallBuffers,
    Watch,
)
from plastic.engine.optimizers import SGD, Optimizer
from plastic.engine.plan import (
    aligned_empty,
    plan_buffers,
    plan_exchange,
    plan_graph,
    plan_small_buffers,
    plan_small_graph,
)
from plastic.engine.results import LOSS_BOUND, NO_HITS, Gradients, Signals
from plastic.engine.simd import LANES
from plastic.engine.statistics import MOMENTS, SALIENCY, Statistics
from plastic.losses import LOSSES
from plastic.topology import Structure, Topology

Array = NDArray[Any]

SMALL = 2**16
"""Connections times samples of a mini-batch up to which `plastic.engine.small` is faster.

It has less to do around the connections, but passes one tile at a time, where the large
kernels pass four: measured in docs/bench.md.
"""

NARROW, WIDE = (0,) * 8, (0,) * LANES
"""Lanes of a tile of a small network: of mini-batches that fit into the first, and others."""

ONE_TILE = 8
"""Times `SMALL`, connections times lanes up to which it is faster where there is one tile."""

MOST_KEPT = 4
"""Batch sizes whose working memory is kept at a time."""

share_stamp(
    kernels, loading, hits, gradients, rows, sharing, spans, updates, blocks, small,
    small_passes, vector_math, simd, bits, panels, pairs, race, ranking, activations,
    losses,
)  # fmt: skip


class FastEngine:
    """Runs the compiled kernels on a topology's arrays.

    Parameters
    ----------
    topology : Topology
        Its columns ``weight`` and ``bias`` are the parameters; they are changed in place.
    loss : str
    dtype : dtype
        float32 for work, float64 for proof.
    use_biases : bool
        Whether biases are learned.
    threads : int
        Threads that share each step; the result is the same for any number.
    """

    def __init__(
        self, topology: Topology, loss: str, dtype: np.dtype, *, use_biases: bool, threads: int
    ) -> None:
        self._topology, self._loss, self._dtype = topology, LOSSES[loss], np.dtype(dtype)
        self._use_biases, self._threads = use_biases, threads
        limits = np.finfo(dtype)
        self._limits = float(limits.tiny), float(limits.eps)
        self._most_small = SMALL
        self._planned: Structure | None = None
        self._graph: Graph | None = None
        self._small_graph: Graph | None = None
        self._shares: sharing.Shares | None = None
        self._buffers: dict[int, Buffers] = {}
        self._small_buffers: dict[tuple[int, int], SmallBuffers] = {}
        tell_of_compiling()

    def __getstate__(self) -> dict[str, Any]:
        """All but plans and working memory, whose alignment no copy keeps."""
        emptied: dict[str, Any] = {"_planned": None, "_graph": None, "_small_graph": None}
        emptied["_shares"] = None
        return self.__dict__ | emptied | {"_buffers": {}, "_small_buffers": {}}

    def prepare(self, batch_size: int) -> None:
        """Compile the kernels that this size needs, and the loops of edits, or load them."""
        topology = Topology(1, 1)
        topology.neuron_columns.add("bias", self._dtype)
        topology.connection_columns.add("weight", self._dtype)
        topology.apply(Connect([0], [1]))
        topology.apply(*topology.apply(Disconnect([0], keep_stranded=True)))
        twin = FastEngine(topology, "mse", self._dtype, use_biases=True, threads=self._threads)
        X, rows = np.zeros((1, 1)), np.zeros((1, batch_size), np.int64)
        twin._most_small = len(rows[0]) if self._learns_small(batch_size) else -1
        twin.learn(X, X, rows, np.zeros(1), SGD(), Statistics(), NO_HITS)
        twin._most_small = LANES if self._answers_small() else -1
        twin.predict(X)
        twin.signals(X, X)

    def predict(self, X: Array) -> Array:
        """Answers (n_samples, n_outputs) to X (n_samples, n_inputs)."""
        answers = np.empty((len(X), self._topology.n_outputs), self._dtype)
        data, rows = _locked(X, self._dtype), _all_rows(len(X))
        if self._answers_small():  # of any number: no answer may depend on its company
            graph, buffers = self._plan_small(LANES)
            small.predict(
                buffers.neurons, buffers.sources, graph.order, graph.activations, graph.inputs,
                graph.outputs, buffers.outputs, buffers.values, *self._weights_and_biases(),
                data, rows, answers,
            )  # fmt: skip
            return answers
        graph, tiles = self._plan(min(len(X), 4 * LANES))
        kernels.predict(graph, tiles.outputs, self._parameters(), data, rows, answers)
        return answers

    def signals(self, X: Array, Y: Array) -> Signals:
        """One pass forward and back."""
        n_neurons = self._topology.n_neurons
        buffers: Buffers | SmallBuffers
        if self._answers_small():
            loss, buffers, _ = self._small_pass(X, Y)
        else:
            _, buffers = self._pass(X, Y)
            loss = kernels.mean_loss(buffers.losses, len(X))
        outputs, deltas = (
            _by_neuron(tiles, n_neurons, len(X)) for tiles in (buffers.outputs, buffers.deltas)
        )
        return Signals(loss, outputs, deltas)

    def gradients(self, X: Array, Y: Array) -> Gradients:
        """Gradients of all parameters."""
        if self._answers_small():
            loss, _, gradients = self._small_pass(X, Y)
            return Gradients(loss, *gradients)
        graph, buffers = self._pass(X, Y)
        of_weights, of_biases = self._empty_gradients()
        kernels.gradients(graph, buffers, len(X), of_weights, of_biases)
        loss = kernels.mean_loss(buffers.losses, len(X))
        return Gradients(loss, of_weights, of_biases)

    def learn(
        self,
        X: Array,
        Y: Array,
        rows: NDArray[np.int64],
        rates: Array,
        optimizer: Optimizer,
        statistics: Statistics,
        hits: NDArray[np.int64],
    ) -> Array:
        """One step for each of `rows` (n_steps, batch_size); see `Engine.learn`."""
        statistics.attach(self._topology, self._dtype)
        parameters, batch = self._parameters(optimizer), rows.shape[1]
        batches = Batches(
            _locked(X, self._dtype), _locked(Y, self._dtype), _locked(rows, np.int64)
        )
        losses = np.empty(len(rows))
        given = (
            parameters, self._rule(optimizer), self._watch(statistics), batches,
            _locked(rates, self._dtype), self._topology.step,
            self._loss, self._limits, LOSS_BOUND, losses, hits,
        )  # fmt: skip
        if self._learns_small(batch):
            lanes = _lanes(batch)
            done = small.learn(*self._plan_small(batch, len(lanes)), *given, lanes)
        else:
            graph, buffers = self._plan(batch)
            learn: Any = kernels.learn
            if self._threads > 1:
                if self._shares is None:
                    self._shares = sharing.plan_shares(graph, self._threads)
                learn = partial(sharing.learn, self._threads, self._shares)
            done = learn(graph, buffers, *given)
        return losses[: done + 1]

    def _pass(self, X: Array, Y: Array) -> tuple[Graph, Buffers]:
        graph, buffers = self._plan(len(X))
        parameters = self._parameters()
        starts = graph.out_indptr[:-1].astype(np.int32)
        updates.fill_exchange(
            graph, buffers.exchange, parameters.weights, starts, 0, len(graph.kinds)
        )
        data, targets = _locked(X, self._dtype), _locked(Y, self._dtype)
        rows = _all_rows(len(X))
        kernels.pass_tiles(
            graph, buffers, parameters, data, targets, rows,
            self._loss, self._limits, False, 0, len(buffers.losses),
        )  # fmt: skip
        return graph, buffers

    def _small_pass(
        self, X: Array, Y: Array
    ) -> tuple[float, SmallBuffers, tuple[Array, Array]]:
        (graph, buffers), gradients = self._plan_small(len(X)), self._empty_gradients()
        loss = small.gradients(
            graph, buffers, *self._weights_and_biases(),
            _locked(X, self._dtype), _locked(Y, self._dtype),
            _all_rows(len(X)), self._loss, self._limits, *gradients,
        )  # fmt: skip
        return loss, buffers, gradients

    def _learns_small(self, batch_size: int) -> bool:
        """Whether `small` takes mini-batches of this size; a law of sizes alone."""
        n = self._topology.n_connections
        if batch_size <= LANES and n * len(_lanes(batch_size)) <= ONE_TILE * self._most_small:
            return True
        return n * batch_size <= self._most_small

    def _answers_small(self) -> bool:
        """Whether `small` answers, however many samples are asked for."""
        return self._topology.n_connections * LANES <= self._most_small

    def _plan(self, batch_size: int) -> tuple[Graph, Buffers]:
        """The plan for the structure as it is now; made again after an edit."""
        structure = self._look()
        if self._graph is None:
            self._graph = plan_graph(structure)
        n_tiles = -(-batch_size // LANES)
        if n_tiles not in self._buffers:
            self._buffers = {n_tiles: plan_buffers(structure, batch_size, self._dtype)}
        return self._graph, self._buffers[n_tiles]

    def _plan_small(self, batch_size: int, n_lanes: int = LANES) -> tuple[Graph, SmallBuffers]:
        """The same for a small network."""
        structure, key = self._look(), (batch_size, n_lanes)
        if self._small_graph is None:
            self._small_graph = plan_small_graph(structure)
        if key not in self._small_buffers:
            if len(self._small_buffers) == MOST_KEPT:
                self._small_buffers.clear()
            self._small_buffers[key] = plan_small_buffers(structure, *key, self._dtype)
        return self._small_graph, self._small_buffers[key]

    def _look(self) -> Structure:
        """The structure as it is now; plans for another one are forgotten."""
        now, then = self._topology.structure, self._planned
        if now is not then:
            self._planned, self._graph, self._small_graph, self._shares = now, None, None, None
            self._small_buffers = {}
            if then is None or now.kinds is not then.kinds:
                self._buffers = {}
            elif now.n_connections != then.n_connections:  # of the same neurons
                self._buffers = {
                    n_tiles: plan_exchange(now, buffers, self._dtype)
                    for n_tiles, buffers in self._buffers.items()
                }
        return now

    def _parameters(self, optimizer: Optimizer | None = None) -> Parameters:
        topology = self._topology
        names = optimizer.slots if optimizer else ("", "", "")
        kinds = (self._dtype, self._dtype, np.dtype(np.int32))
        states: list[Any] = [
            columns.add(name, kind) if name else np.zeros(0, kind)
            for columns in (topology.connection_columns, topology.neuron_columns)
            for name, kind in zip(names, kinds, strict=True)
        ]
        return Parameters._make([*self._weights_and_biases(), *states, self._use_biases])

    def _weights_and_biases(self) -> tuple[Array, Array]:
        topology = self._topology
        weights, biases = topology.connection_columns["weight"], topology.neuron_columns["bias"]
        # without, whatever the column holds
        return weights, biases if self._use_biases else np.zeros_like(biases)

    def _empty_gradients(self) -> tuple[Array, Array]:
        topology = self._topology
        of_weights = np.empty(topology.n_connections, self._dtype)
        return of_weights, np.zeros(topology.n_neurons, self._dtype)

    def _rule(self, optimizer: Optimizer) -> Rule:
        first, second = (table.astype(self._dtype) for table in optimizer.corrections())
        return Rule(optimizer.code, np.array(optimizer.numbers, self._dtype), first, second)

    def _watch(self, statistics: Statistics) -> Watch:
        topology = self._topology
        saliency = np.zeros(0, self._dtype)
        if statistics.saliency:
            saliency = topology.connection_columns[SALIENCY]
        moments: list[Any] = [np.zeros(0) for _ in MOMENTS]
        if statistics.moments:
            moments = [topology.neuron_columns[name] for name in MOMENTS]
        every = statistics.every if statistics.wanted else 0
        return Watch._make([saliency, *moments, every, statistics.rate, statistics.discount])


def _locked(array: Array, dtype: DTypeLike) -> Array:
    """The array as a kernel takes it, copied only where it must be.

    One dtype, one memory layout, never writable: so every kernel is compiled once.
    """
    flags = array.flags
    if array.dtype != dtype or not (flags.c_contiguous and flags.aligned):
        array = np.require(array, dtype, ["C", "A"])
    view = array.view(np.ndarray)
    view.flags.writeable = False
    return view


def _by_neuron(tiles: Array, n_neurons: int, n_samples: int) -> Array:
    """A copy, shape (n_neurons, n_samples), as the next pass writes over the tiles."""
    values = aligned_empty((n_neurons, n_samples), tiles.dtype)
    loading.unload_tiles(tiles, values)
    return values


def _lanes(batch_size: int) -> tuple[int, ...]:
    """What stands for the lanes of a small network's tiles, by their number."""
    return NARROW if batch_size <= len(NARROW) else WIDE


@lru_cache(maxsize=8)
def _all_rows(n: int) -> Array:
    return _locked(np.arange(n), np.int64)
