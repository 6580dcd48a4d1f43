from __future__ import annotations

import csv
from types import SimpleNamespace

import numpy as np
import pytest

from experiments.bench import __main__ as program
from experiments.bench import cases, editing, loading, peaks, peers, problems, roofline
from experiments.bench.growth import MOMENTS, Growing, growth_rows
from experiments.bench.measure import (
    Contender,
    Disagreement,
    Effort,
    check_equal,
    compare,
    interleaved,
)
from experiments.bench.memory import held_bytes, training_rows
from experiments.bench.peers.ours import PlasticProgram
from experiments.bench.peers.scipy_levels import ScipyLevels, levels
from experiments.bench.peers.torch_layers import TorchCsr, TorchCsrAutograd, TorchLayers
from experiments.bench.rewiring import Rewiring, missing_keys, pair_keys, rewire_rows
from experiments.bench.startup import startup_rows
from experiments.bench.table import COLUMNS
from plastic.policies import rigl, thompson
from plastic.topology.topology import Topology

BRIEF = Effort(rounds=3, seconds=0.0, call_seconds=0.0)


@pytest.fixture
def only_ours(monkeypatch):
    """As where no library of the bench extra is installed."""
    for module in (cases, peers):
        monkeypatch.setattr(module, "is_installed", lambda _: False)


def small_nets():
    return [problems.mlp((6, 9, 9, 3), 0.5, batch=40), problems.dag(90, 300, batch=5)]


def test_xor_fills_the_table(only_ours, tmp_path, capsys):
    out = tmp_path / "deep" / "bench.csv"
    assert program.main(["--quick", "--only", "xor", "--out", str(out)]) == 0
    with out.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert COLUMNS == (
        "case", "density", "threads", "peer",
        "our_ms", "peer_ms", "ratio", "ratio_low", "ratio_high",
    )  # fmt: skip
    assert {row["peer"] for row in rows} == {"plastic nodes"}
    for row in rows:
        low, ratio, high = (float(row[name]) for name in ("ratio_low", "ratio", "ratio_high"))
        assert 0 < low <= ratio <= high
    said = capsys.readouterr().out
    assert f"Table: {out}" in said
    assert f'pandas.read_csv("{out.as_posix()}")' in said
    assert "results/reference/bench/bench.csv" in said
    assert "-m experiments.bench --only xor" in said
    for package in ("torch", "neat-python", "micrograd"):
        assert f"{package} is not installed and left out; to have it: " in said


def test_an_unknown_case_names_those_there_are(capsys, tmp_path):
    assert program.main(["--only", "mlp_3", "--out", str(tmp_path / "no.csv")]) == 2
    said = capsys.readouterr().err
    assert "there is no case mlp_3" in said
    assert "mlp_0.05" in said
    assert not any(tmp_path.iterdir())


def test_a_disagreement_ends_the_run(monkeypatch, capsys, tmp_path):
    def disagree(effort):
        raise Disagreement("losses of a peer differ")

    monkeypatch.setattr(cases, "cases", lambda: {"xor": cases.Case("xor", disagree)})
    assert program.main(["--out", str(tmp_path / "no.csv")]) == 2
    assert "xor: losses of a peer differ" in capsys.readouterr().err


@pytest.mark.parametrize("which", [0, 1], ids=["layers", "dag"])
def test_all_that_train_take_the_same_steps(which):
    problem = small_nets()[which]
    expected = PlasticProgram(problem).losses(6)
    assert expected[-1] < expected[0]
    others = [ScipyLevels(problem), PlasticProgram(problem, "nodes")]
    if which == 0 and peers.is_installed("torch"):
        others += [TorchLayers(problem, masked=True), TorchCsr(problem)]
        others += [TorchCsrAutograd(problem)]
    for peer in others:
        np.testing.assert_allclose(peer.losses(6), expected, rtol=1e-4)


@pytest.mark.parametrize("make", [PlasticProgram, ScipyLevels])
def test_a_reset_program_starts_again(make):
    peer = make(small_nets()[0])
    first = peer.losses(5)
    peer.reset()
    np.testing.assert_array_equal(peer.losses(5), first)


def test_a_peer_that_computes_something_else_is_not_timed():
    problem = small_nets()[0]
    other = problems.mlp((6, 9, 9, 3), 0.25, batch=40)
    with pytest.raises(Disagreement, match=r"losses of scipy \+ numba differ from ours by"):
        cases.compare_training("a", 0.5, PlasticProgram(problem), [ScipyLevels(other)], BRIEF)


def test_not_a_number_is_a_disagreement():
    with pytest.raises(Disagreement, match="losses of a peer differ from ours by nan"):
        check_equal("losses", "a peer", np.ones(2), np.array([1.0, np.nan]), 1e-3)


def test_every_edge_of_the_levels_leads_up():
    structure = small_nets()[1].structure
    level = levels(structure)
    assert np.all(level[structure.sources] < level[structure.targets])
    assert np.all(level[structure.inputs] == 0)
    assert np.all(level[structure.outputs] == level.max())


def test_contenders_take_turns_and_are_prepared_off_the_clock(monkeypatch):
    calls, clock = [], SimpleNamespace(now=0.0)
    monkeypatch.setattr("time.perf_counter", lambda: clock.now)

    def contender(name, seconds):
        def work(what, spent):
            calls.append((what, name))
            clock.now += spent

        return Contender(name, lambda: work("run", seconds), lambda: work("prepare", 9), per=2)

    times = interleaved([contender("a", 0.001), contender("b", 0.004)], BRIEF)
    np.testing.assert_allclose(times, [[0.5, 2.0]] * 3)
    runs = [name for what, name in calls if what == "run"]
    assert runs == ["a", "b"] * 2 + ["b", "a"] + ["a", "b"]
    assert [what for what, _ in calls] == ["prepare", "run"] * 8


def test_a_ratio_is_of_one_round(monkeypatch):
    times = np.array([[1.0, 2.0], [10.0, 20.0], [3.0, 9.0]])
    monkeypatch.setattr("experiments.bench.measure.interleaved", lambda *_: times)
    nothing = Contender("nothing", lambda: None)
    (row,) = compare("a", 1.0, nothing, [nothing], BRIEF)
    assert (row.our_ms, row.peer_ms, row.ratio) == (3.0, 9.0, 2.0)
    assert 2.0 <= row.ratio_low <= row.ratio <= row.ratio_high <= 3.0


def test_a_rewiring_goes_to_and_fro():
    rewiring = Rewiring(problems.dag_topology(90, 300))
    before = np.sort(pair_keys(rewiring.topology.structure))
    rewiring.check()
    between = np.sort(pair_keys(rewiring.topology.structure))
    assert len(np.setdiff1d(before, between)) == 90
    rewiring.check()
    np.testing.assert_array_equal(np.sort(pair_keys(rewiring.topology.structure)), before)
    for call in (rewiring.prepare_lists, rewiring.edit_graph_checked):
        call()
    with pytest.raises(Disagreement, match="networkx has other connections"):
        rewiring.check()


def test_edits_are_done_and_undone(monkeypatch):
    monkeypatch.setitem(editing.SIZES, "tiny", (300, (30, 20, 20, 10)))
    edited = editing.Editing("tiny")
    topology = edited.network.topology
    before = pair_keys(topology.structure)
    for prepare in (edited.prepare_undo, edited.prepare_revival):
        prepare(90)
        assert len(np.setdiff1d(before, pair_keys(topology.structure))) == 90
        edited.undo()
        np.testing.assert_array_equal(pair_keys(topology.structure), before)
    rows = editing.edit_rows("tiny", BRIEF)
    assert [row.case for row in rows] == [
        "edit 1 of tiny",
        "edit 30% of tiny",
        "undo 30% of tiny",
        "revive 30% of tiny",
    ]
    assert {row.peer for row in rows} == {"own training step"}


def test_missing_pairs_are_missing_and_may_be_connected():
    structure = problems.dag_topology(90, 300).structure
    keys = missing_keys(structure, 50, np.random.default_rng(0))
    assert len(np.unique(keys)) == 50
    assert not np.isin(keys, pair_keys(structure)).any()
    sources, targets = np.divmod(keys, structure.n_neurons)
    assert np.all(structure.rank[sources] < structure.rank[targets])
    assert not np.isin(targets, structure.inputs).any()
    assert not np.isin(sources, structure.outputs).any()


def test_rewiring_rows_tell_time_and_memory():
    rows = rewire_rows(200, 2000, BRIEF)
    assert [row.case for row in rows] == ["rewire 30%"] * 2 + ["bytes a connection"]
    assert rows[-1].peer_ms > rows[-1].our_ms > 12  # source, id and weight at the least


def test_a_bound_counts_what_a_step_does():
    # 1 input, 2 hidden neurons, 1 output: 2 connections from the input, 2 from hidden ones
    problem = problems.mlp((1, 2, 1), 1.0)
    assert roofline.vector_uses(problem) == 4 + 4 + 2
    names = [bound.name for bound in roofline.bounds(problem)]
    assert names == ["FMA peak", "sgemm", "cache bandwidth"]


def test_a_multiply_add_kernel_computes():
    for kernel, n_vectors in roofline.KERNELS:
        values = np.ones(n_vectors * roofline.LANES, np.float32)
        values[1] = 0.5
        kernel(values, 2)
        np.testing.assert_allclose(values[2:], 0.5 * (0.5 + 1) + 1)
    sums = np.zeros(2 * roofline.LANES, np.float32)
    peaks.read_all(np.ones(8 * roofline.LANES, np.float32), sums, 3)
    np.testing.assert_array_equal(sums, 12)


def test_dags_are_of_the_size_that_is_asked_for():
    topology = problems.dag_topology(2_000, 100_000)
    assert isinstance(topology, Topology)
    assert (topology.n_neurons, topology.n_connections) == (2_000, 100_000)


def test_growth_is_measured_by_the_update_and_by_the_run():
    rows = growth_rows(problems.mlp((6, 30, 3), 0.3, batch=8), 0.3, BRIEF)
    assert [row.case for row in rows] == [
        "growth exact", "growth exact, whole run",
        "growth sampled", "growth sampled, whole run",
    ]  # fmt: skip
    assert {row.peer for row in rows} == {"100 own training steps", "own training steps"}
    assert all(row.our_ms > 0 for row in rows)


@pytest.mark.parametrize("make", [rigl, thompson])
def test_what_is_timed_as_growth_is_an_update_at_the_largest_share(make):
    growing = Growing(problems.mlp((6, 30, 3), 0.3, batch=8), make(every=100))
    before = pair_keys(growing.network.topology.structure)
    growing.train()
    growing.update()
    after = pair_keys(growing.network.topology.structure)
    assert len(after) == len(before)
    shares = [int(0.3 * n) for n in (54, 27)]  # of each of the two blocks
    assert len(np.setdiff1d(after, before)) == sum(shares)


@pytest.mark.parametrize("make", [rigl, thompson])
def test_a_run_renews_less_and_less(make, monkeypatch):
    growing = Growing(problems.mlp((40, 300, 10), 0.3), make(every=100))
    n_before, moved, apply = growing.network.topology.n_connections, [], growing.network.apply

    def counted(*edits):
        moved.append(len(edits[1]))
        return apply(*edits)

    monkeypatch.setattr(growing.network, "apply", counted)
    growing.course()
    through = (np.arange(MOMENTS) + 0.5) / MOMENTS
    shares = 0.15 * (1 + np.cos(np.pi * through))
    assert np.array(moved) / n_before == pytest.approx(shares, abs=0.01)


def test_memory_in_training_counts_weights_and_the_optimizers_state():
    problem = problems.mlp((60, 300, 10), 0.5)
    n = problem.structure.n_connections
    if not peers.is_installed("torch"):
        assert training_rows(problem, 0.5) == []
        return
    sgd, adam = training_rows(problem, 0.5)
    assert (sgd.case, adam.case) == ("bytes, SGD training", "bytes, Adam training")
    dense = (60 * 300 + 300 * 10) * 4
    biases = 310 * 4
    # weight, gradient, mask and momentum; Adam has one moment more, and a step count each
    assert sgd.peer_ms * n == pytest.approx(4 * dense + 3 * biases)
    assert adam.peer_ms * n == pytest.approx(5 * dense + 4 * biases + 4 * 4)
    assert adam.our_ms > sgd.our_ms > 4 + 4 + 4  # source, weight and momentum at the least


def test_memory_of_what_is_made_is_counted_and_of_what_is_gone_is_not():
    def make():
        np.ones(10**6)
        return np.ones(10**5)

    assert 8 * 10**5 <= held_bytes(make) < 9 * 10**5


def test_answers_are_measured_a_batch_whatever_the_call(only_ours):
    problem = problems.mlp((6, 9, 3), 0.5, batch=40)
    few, many = (cases._answering(problem, n) for n in (40, 10_000))
    assert few.per == many.per == 250
    few.run()


def test_start_up_is_measured_in_processes_of_their_own():
    rows = startup_rows(BRIEF)
    assert {row.case for row in rows} == {"run --help"}
    assert rows[0].peer == "Hydra alone"
    assert all(row.our_ms > 10 and row.peer_ms > 10 for row in rows)


def test_loading_is_measured_beside_pandas(monkeypatch):
    whole, part = loading.loading_rows(BRIEF, n_runs=4, n_rows=31)
    assert (whole.case, part.case) == ("load 4x31", "load 4x31, part")
    assert min(whole.our_ms, whole.peer_ms, part.our_ms, part.peer_ms) > 0
    monkeypatch.setattr(loading, "_theirs", lambda folder: loading._ours(folder).head(1))
    with pytest.raises(Disagreement, match="pandas does not load the same"):
        loading.loading_rows(BRIEF, n_runs=2, n_rows=31)
