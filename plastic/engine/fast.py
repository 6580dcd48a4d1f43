"""The compiled engine: arrays in, arrays out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from plastic.edits import Connect, Disconnect
from plastic.engine import kernels
from plastic.engine.layout import Batches, Buffers, Graph, Parameters, Rule, Watch
from plastic.engine.optimizers import SGD, Optimizer
from plastic.engine.plan import plan_buffers, plan_graph
from plastic.engine.results import LOSS_BOUND, Gradients, Signals
from plastic.engine.simd import LANES
from plastic.engine.statistics import MOMENTS, SALIENCY, Statistics
from plastic.losses import LOSSES
from plastic.topology import Topology

Array = NDArray[Any]

log = logging.getLogger(__name__)


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
        self._planned: Any = None
        self._graph: Any = None
        self._buffers: dict[int, Buffers] = {}
        _say_compiling()

    def prepare(self) -> None:
        """Compile the kernels and the loops of edits, or load them, on two neurons."""
        topology = Topology(1, 1)
        topology.neuron_columns.add("bias", self._dtype)
        topology.connection_columns.add("weight", self._dtype)
        topology.apply(Connect([0], [1]))
        topology.apply(*topology.apply(Disconnect([0], keep_stranded=True)))
        twin = FastEngine(topology, "mse", self._dtype, use_biases=True, threads=self._threads)
        X, rows = np.zeros((1, 1)), np.zeros((1, 1), np.int64)
        twin.learn(X, X, rows, np.zeros(1), SGD(), Statistics())
        twin.predict(X)
        twin.signals(X, X)

    def predict(self, X: Array) -> Array:
        """Answers (n_samples, n_outputs) to X (n_samples, n_inputs)."""
        graph, buffers = self._plan(min(len(X), 4 * LANES))
        answers = np.empty((len(X), len(graph.outputs)), self._dtype)
        data, rows = _locked(X, self._dtype), _locked(np.arange(len(X)), np.int64)
        kernels.predict(graph, buffers.outputs, self._parameters(), data, rows, answers)
        return answers

    def signals(self, X: Array, Y: Array) -> Signals:
        """One pass forward and back."""
        graph, buffers = self._pass(X, Y)
        flat = (graph.activations.size, -1)
        outputs, deltas = (  # copies, as the next pass writes over the buffers
            tiles.transpose(1, 0, 2).reshape(flat)[:, : len(X)].copy()
            for tiles in (buffers.outputs, buffers.deltas)
        )
        return Signals(kernels.mean_loss(buffers.losses, len(X)), outputs, deltas)

    def gradients(self, X: Array, Y: Array) -> Gradients:
        """Gradients of all parameters."""
        graph, buffers = self._pass(X, Y)
        of_weights = np.empty(len(graph.sources), self._dtype)
        of_biases = np.zeros(graph.activations.size, self._dtype)
        kernels.gradients(graph, buffers, len(X), of_weights, of_biases)
        return Gradients(kernels.mean_loss(buffers.losses, len(X)), of_weights, of_biases)

    def learn(
        self,
        X: Array,
        Y: Array,
        rows: NDArray[np.int64],
        rates: Array,
        optimizer: Optimizer,
        statistics: Statistics,
    ) -> Array:
        """One step for each of `rows` (n_steps, batch_size); see `Engine.learn`."""
        statistics.attach(self._topology, self._dtype)
        parameters = self._parameters(optimizer)
        graph, buffers = self._plan(rows.shape[1])
        batches = Batches(
            _locked(X, self._dtype), _locked(Y, self._dtype), _locked(rows, np.int64)
        )
        rule = self._rule(optimizer)
        watch = self._watch(statistics)
        losses = np.empty(len(rows))
        step = self._topology.step
        learn = kernels.learn if self._threads == 1 else self._learn_threaded
        done = learn(
            graph, buffers, parameters, rule, watch, batches,
            np.asarray(rates, self._dtype), step, self._loss, self._limits, LOSS_BOUND, losses,
        )  # fmt: skip
        return losses[: done + 1]

    def _learn_threaded(
        self,
        graph: Graph,
        buffers: Buffers,
        parameters: Parameters,
        rule: Rule,
        watch: Watch,
        batches: Batches,
        rates: Array,
        step: int,
        loss: int,
        limits: tuple[float, float],
        bound: float,
        losses: Array,
    ) -> int:
        """As `kernels.learn`, each pass shared by threads, which hold no lock meanwhile."""
        n_steps, batch = batches.rows.shape
        n_tiles = len(buffers.losses)
        work = _balanced(graph.indptr, self._threads)
        with ThreadPoolExecutor(self._threads) as pool:

            def share(kernel: Callable[..., None], bounds: list[int], *given: Any) -> None:
                jobs = [pool.submit(kernel, *given, *ends) for ends in pairwise(bounds)]
                for job in jobs:
                    job.result()

            tiles = _even(n_tiles, self._threads)
            for k in range(n_steps):
                share(
                    kernels.pass_tiles, tiles, graph, buffers, parameters,
                    batches.X, batches.Y, batches.rows[k], loss, limits,
                )  # fmt: skip
                losses[k] = kernels.mean_loss(buffers.losses, batch)
                if not losses[k] <= bound:
                    return k
                watching = watch.every > 0 and (step + k + 1) % watch.every == 0
                share(
                    kernels.update_rows, work, graph, buffers, parameters,
                    rule, watch, watching, rates[k], batch,
                )  # fmt: skip
        return n_steps

    def _pass(self, X: Array, Y: Array) -> tuple[Graph, Buffers]:
        graph, buffers = self._plan(len(X))
        parameters = self._parameters()
        data, targets = _locked(X, self._dtype), _locked(Y, self._dtype)
        rows = _locked(np.arange(len(X)), np.int64)
        kernels.pass_tiles(
            graph, buffers, parameters, data, targets, rows,
            self._loss, self._limits, 0, len(buffers.losses),
        )  # fmt: skip
        return graph, buffers

    def _plan(self, batch_size: int) -> tuple[Graph, Buffers]:
        """The plan for the structure as it is now; made again after an edit."""
        structure = self._topology.structure
        if structure is not self._planned:
            if self._planned is None or structure.kinds is not self._planned.kinds:
                self._buffers = {}  # else there are the same neurons
            self._planned = self._graph = None  # frees the old plan before a new one is made
            self._planned, self._graph = structure, plan_graph(structure)
        n_tiles = -(-batch_size // LANES)
        if n_tiles not in self._buffers:
            self._buffers = {n_tiles: plan_buffers(structure, batch_size, self._dtype)}
        return self._graph, self._buffers[n_tiles]

    def _parameters(self, optimizer: Optimizer | None = None) -> Parameters:
        topology = self._topology
        names = optimizer.slots if optimizer else ("", "", "")
        kinds = (self._dtype, self._dtype, np.dtype(np.int32))
        states: list[Any] = [
            columns.add(name, kind) if name else np.zeros(0, kind)
            for columns in (topology.connection_columns, topology.neuron_columns)
            for name, kind in zip(names, kinds, strict=True)
        ]
        weights, biases = topology.connection_columns["weight"], topology.neuron_columns["bias"]
        if not self._use_biases:  # whatever the column holds
            biases = np.zeros_like(biases)
        return Parameters._make([weights, biases, *states, self._use_biases])

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
    view = np.require(array, dtype, ["C", "A"]).view(np.ndarray)
    view.flags.writeable = False
    return view


def _even(n: int, parts: int) -> list[int]:
    return [n * part // parts for part in range(parts + 1)]


def _balanced(indptr: Array, parts: int) -> list[int]:
    """Bounds of ranges of rows with about the same number of connections each."""
    inner = np.searchsorted(indptr, _even(int(indptr[-1]), parts)[1:-1])
    return [0, *np.minimum(inner, len(indptr) - 1).tolist(), len(indptr) - 1]


@cache
def _say_compiling() -> None:
    """Say so where the kernels are about to be compiled, which takes a while."""
    cached = Path(kernels.learn.stats.cache_path or ".").glob("kernels.learn-*.nbi")
    if not kernels.learn.signatures and not any(cached):
        log.warning("compiling the kernels, once per machine: this takes about ten seconds")
