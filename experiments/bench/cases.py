"""The cases of the table: each checks that all programs compute the same, then times them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from experiments.bench import problems
from experiments.bench.editing import SIZES, edit_rows
from experiments.bench.growth import growth_rows
from experiments.bench.loading import loading_rows
from experiments.bench.measure import Contender, Effort, Row, check_equal, compare
from experiments.bench.memory import training_rows
from experiments.bench.peers import Program, is_installed
from experiments.bench.peers.micrograd_scalar import MicrogradScalar
from experiments.bench.peers.neat_forward import NeatForward
from experiments.bench.peers.ours import PlasticProgram
from experiments.bench.peers.scipy_levels import ScipyLevels
from experiments.bench.peers.torch_layers import TorchCsr, TorchCsrAutograd, TorchLayers
from experiments.bench.problems import Problem
from experiments.bench.rewiring import rewire_rows
from experiments.bench.roofline import bounds
from experiments.bench.startup import startup_rows

DENSITIES = (1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)
GROWN = (0.1, 0.05, 0.01)
"""Densities at which growth and answers are measured."""

MLP = (784, 1000, 1000, 1000, 10)
MLP_1M = (784, 2047, 2047, 2047, 10)
"""A million connections at density 0.1."""

ANSWERED = (128, 10_000)
"""Samples in a call of `predict`."""

CHECKED_STEPS = 4
TOLERANCE = 1e-5
"""Of losses in single precision, summed in whatever order, after up to `CHECKED_STEPS`.

They agree to 3e-7, and change by 5e-4 at the least: an update left out would be seen.
"""

MOST_STEPS = 20_000
"""In one call; enough that a tiny network's stretch takes milliseconds."""


@dataclass(frozen=True)
class Case:
    """A part of the table.

    Parameters
    ----------
    name : str
        What ``--only`` names.
    rows : callable
        ``effort -> rows``.
    only_named : bool
        Whether it takes so long that it runs only if ``--only`` names it.
    """

    name: str
    rows: Callable[[Effort], list[Row]]
    only_named: bool = False


def cases() -> dict[str, Case]:
    """All cases by name, in the order of the table."""
    listed = [
        Case("xor", _xor),
        Case("xor_forward", _xor_forward),
        *(Case(f"mlp_{density:g}", _mlp(density)) for density in DENSITIES),
        Case("mlp_threads", _mlp_threads),
        Case("dag_2k", _dag("DAG 2k/100k", 2_000, 100_000, nodes=True)),
        Case("dag_2k_forward", _dag_forward),
        Case("dag_20k", _dag("DAG 20k/1M", 20_000, 1_000_000, nodes=False)),
        *(Case(f"predict_{density:g}", _predict(density)) for density in GROWN),
        *(Case(f"growth_{density:g}", _growth(density)) for density in GROWN),
        Case("growth_dag", _growth_dag),
        Case("memory", _memory),
        Case("startup", startup_rows),
        Case("load", loading_rows),
        *(Case(f"edit_{size}", _edits(size), size == "10M") for size in SIZES),
        Case("rewire", lambda effort: rewire_rows(20_000, 1_000_000, effort)),
        *(Case(f"roofline_{density:g}", _roofline(density)) for density in DENSITIES),
    ]
    return {case.name: case for case in listed}


@contextmanager
def one_thread() -> Iterator[None]:
    """BLAS and PyTorch on one thread; those that may use more say so themselves."""
    with threadpool_limits(limits=1):
        set_torch_threads(1)
        yield


def set_torch_threads(n: int) -> None:
    """Let PyTorch, if it is there, use this many threads."""
    if is_installed("torch"):
        import torch

        torch.set_num_threads(n)


def compare_training(
    name: str,
    density: float,
    ours: Program,
    peers: Sequence[Program],
    effort: Effort,
    *,
    threads: int = 1,
    checked_steps: dict[str, int] | None = None,
) -> list[Row]:
    """Check the losses, then time steps.

    Parameters
    ----------
    name, density
        For the table.
    ours, peers : Program
    effort : Effort
    threads : int
        Of the peers.
    checked_steps : dict of str to int, optional
        Steps for which a peer of this name must agree, where that is not `CHECKED_STEPS`.

    Raises
    ------
    Disagreement
        If a peer's losses are not ours.
    """
    ours.reset()
    expected = ours.losses(CHECKED_STEPS)
    for peer in peers:
        peer.reset()
        steps = (checked_steps or {}).get(peer.name, CHECKED_STEPS)
        check_equal("losses", peer.name, expected[:steps], peer.losses(steps), TOLERANCE)
    ours_timed = training(ours, effort)
    return compare(
        name, density, ours_timed, [training(peer, effort, threads) for peer in peers], effort
    )


def training(program: Program, effort: Effort, threads: int = 1) -> Contender:
    """A contender that trains from the start for as many steps as fill a call."""
    program.reset()
    start = time.perf_counter()
    program.losses(2)
    seconds = (time.perf_counter() - start) / 2
    if seconds < effort.call_seconds / 10:  # too short to tell from what a call costs at all
        program.reset()
        start = time.perf_counter()
        program.losses(50)
        seconds = (time.perf_counter() - start) / 50
    n_steps = int(np.clip(np.ceil(effort.call_seconds / seconds), program.stretch, MOST_STEPS))
    return Contender(
        program.name,
        lambda: program.losses(n_steps),
        program.reset,
        per=n_steps,
        threads=threads,
    )


def _xor(effort: Effort) -> list[Row]:
    rows = []
    for name, problem in (
        ("XOR 2-8-1 relu", problems.xor(8, "relu", "identity")),
        ("XOR 2-2-1 sigmoid", problems.xor(2, "sigmoid", "sigmoid")),
    ):
        peers: list[Program] = [PlasticProgram(problem, "nodes")]
        if is_installed("torch"):
            peers.append(TorchLayers(problem, masked=False))
        if is_installed("micrograd") and problem.activation == "relu":
            peers.append(MicrogradScalar(problem))
        rows += compare_training(name, 1.0, PlasticProgram(problem), peers, effort)
    return rows


def _xor_forward(effort: Effort) -> list[Row]:
    problem = problems.xor(2, "sigmoid", "sigmoid")
    return _forward("XOR 2-2-1 forward", 1.0, problem, 500, effort)


def _dag_forward(effort: Effort) -> list[Row]:
    problem = problems.dag(2_000, 100_000, batch=32)
    density = problem.build().density
    return _forward("DAG 2k/100k forward", density, problem, 1, effort)


def _forward(
    name: str, density: float, problem: Problem, repeats: int, effort: Effort
) -> list[Row]:
    """Milliseconds a batch of answers."""
    if not is_installed("neat"):
        return []
    ours, peer = PlasticProgram(problem), NeatForward(problem)
    check_equal("answers", peer.name, ours.answers(), peer.answers(), TOLERANCE)

    def contender(program: Any) -> Contender:
        def run() -> None:
            for _ in range(repeats):
                program.answers()

        return Contender(program.name, run, per=repeats)

    return compare(name, density, contender(ours), [contender(peer)], effort)


def _mlp(density: float) -> Callable[[Effort], list[Row]]:
    def rows(effort: Effort) -> list[Row]:
        problem = problems.mlp(MLP, density)
        peers: list[Program] = [ScipyLevels(problem)]
        if is_installed("torch"):
            peers += [
                TorchLayers(problem, masked=False),
                TorchLayers(problem, masked=True),
                TorchCsr(problem),
                TorchCsrAutograd(problem),
            ]
        # connections that are missing start to learn in a dense layer, so only before the
        # first update is its loss that of the sparse network
        checked = {"torch dense": CHECKED_STEPS if density == 1 else 1}
        ours = PlasticProgram(problem)
        return compare_training("MLP", density, ours, peers, effort, checked_steps=checked)

    return rows


def _mlp_threads(effort: Effort) -> list[Row]:
    """Two threads: of plastic beside one, and of plastic beside two of PyTorch."""
    problem = problems.mlp(MLP_1M, 0.1)
    one, two = PlasticProgram(problem), PlasticProgram(problem, threads=2)
    # not one bit may depend on the number of threads
    check_equal(
        "losses", "two threads", one.losses(CHECKED_STEPS), two.losses(CHECKED_STEPS), 0.0
    )
    one.name = "plastic, 1 thread"
    rows = compare_training("MLP 1M", 0.1, two, [one], effort, threads=2)
    if is_installed("torch"):
        with threadpool_limits(limits=2):
            set_torch_threads(2)
            peer = TorchLayers(problem, masked=True)
            rows += compare_training("MLP 1M", 0.1, two, [peer], effort, threads=2)
        set_torch_threads(1)
    return rows


def _dag(
    name: str, n_neurons: int, n_connections: int, *, nodes: bool
) -> Callable[[Effort], list[Row]]:
    def rows(effort: Effort) -> list[Row]:
        problem = problems.dag(n_neurons, n_connections)
        peers: list[Program] = [ScipyLevels(problem)]
        if nodes:
            peers.append(PlasticProgram(problem, "nodes"))
        density = problem.build().density
        return compare_training(name, density, PlasticProgram(problem), peers, effort)

    return rows


def _predict(density: float) -> Callable[[Effort], list[Row]]:
    def rows(effort: Effort) -> list[Row]:
        problem = problems.mlp(MLP, density)
        steps = replace(training(PlasticProgram(problem), effort), name="own training step")
        found = []
        for n_samples in ANSWERED:
            answers = _answering(problem, n_samples)
            found += compare(f"predict {n_samples}", density, answers, [steps], effort)
        return found

    return rows


def _answering(problem: Problem, n_samples: int) -> Contender:
    """Answers in calls of so many samples; a unit is as many as a mini-batch has."""
    network = PlasticProgram(problem).network
    X = np.resize(problem.X, (n_samples, problem.X.shape[1]))
    calls = max(1, ANSWERED[-1] // n_samples)

    def run() -> None:
        for _ in range(calls):
            network.predict(X)

    return Contender("plastic", run, per=calls * n_samples / problem.batch)


def _growth(density: float) -> Callable[[Effort], list[Row]]:
    return lambda effort: growth_rows(problems.mlp(MLP, density), density, effort)


def _growth_dag(effort: Effort) -> list[Row]:
    problem = problems.dag(2_000, 100_000)
    return growth_rows(problem, problem.build().density, effort)


def _memory(effort: Effort) -> list[Row]:
    del effort  # memory does not vary
    return training_rows(problems.mlp(MLP_1M, 0.1), 0.1)


def _edits(size: str) -> Callable[[Effort], list[Row]]:
    return lambda effort: edit_rows(size, effort)


def _roofline(density: float) -> Callable[[Effort], list[Row]]:
    def rows(effort: Effort) -> list[Row]:
        problem = problems.mlp(MLP, density)
        ours = training(PlasticProgram(problem), effort)
        return compare("roofline MLP", density, ours, bounds(problem), effort)

    return rows
