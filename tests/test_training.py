"""The loop: what happens when, what is told to whom, and that one seed has one result."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from plastic import training
from plastic.columns import check_piece
from plastic.datasets import Split, diabetes, digits, recovered, sparse_teacher, two_moons
from plastic.edits import AddNeurons, Connect, Disconnect
from plastic.engine import SGD, Adam, Constant, Cosine, Network
from plastic.errors import Diverged, InvalidEdit, InvalidParameter
from plastic.policies import Policy, Proposal, Static, rigl, sparse_evolution, thompson
from plastic.policies.growth import draw_missing
from plastic.signals import pass_flops, step_flops
from plastic.topology import Topology, replay
from plastic.topology.wiring import erk, minimal, random_dag
from plastic.training import Batches, Rows, Streams, train, wiring_rows


def moons(seed=0):
    return two_moons(Streams.of(seed).split, n_samples=400)


def layers(dataset, density, rng, hidden=(12, 10)):
    return erk(
        dataset.n_inputs, dataset.n_outputs, density, rng,
        hidden=hidden, output_activation=dataset.output_activation,
    )  # fmt: skip


def graph(dataset, density, rng):
    return random_dag(
        dataset.n_inputs, dataset.n_outputs, density, rng,
        n_hidden=20, output_activation=dataset.output_activation,
    )  # fmt: skip


class Trial:
    """A run and everything that it yields."""

    def __init__(
        self, policy, dataset=None, wire=layers, *, seed=0, density=0.4, n_steps=100,
        optimizer=None, schedule=None, batch_size=20, evaluate_every=50, **options,
    ):  # fmt: skip
        dataset = dataset or moons(seed)
        self.policy, self.dataset, self.streams = policy, dataset, Streams.of(seed)
        self.topology = wire(dataset, policy.begin(density), self.streams.wiring)
        self.network = Network(self.topology, dataset.loss, **options)
        self.network.initialize(self.streams.weights)
        self.first_weights = self.network.weights.copy()
        self.steps = train(
            self.network, dataset, policy, optimizer or SGD(0.1), schedule or Cosine(),
            self.streams, n_steps=n_steps, batch_size=batch_size, evaluate_every=evaluate_every,
        )  # fmt: skip
        self.rows = []

    def run(self):
        self.rows = list(self.steps)
        return self

    def pieces(self, table):
        return [rows.columns for rows in self.rows if rows.table == table]

    def column(self, table, name):
        pieces = [check_piece(table, {"run_id": "a", **p}) for p in self.pieces(table)]
        return np.concatenate([piece[name] for piece in pieces])


def run(*arguments, **options):
    return Trial(*arguments, **options).run()


class Swaps(Policy):
    """Swaps one connection at each of its steps, and takes notes."""

    def __init__(self, *steps, greed=0):
        self.when, self.greed = steps, greed
        self.views, self.proposals, self.outcomes = [], [], []

    def steps(self, n_steps):
        return np.array(self.when)

    def propose(self, view, rng):
        self.views.append((view.step, view._X.copy(), view._Y.copy()))
        rng.random(self.greed)
        block = max(view.blocks, key=view.count_missing)
        sources, targets = draw_missing(view, block, 1, rng)
        ids = view.structure.neuron_ids
        gone = view.structure.connection_ids[rng.choice(block.positions, 1)]
        swap = [
            Disconnect(gone, keep_stranded=True, reason="out"),
            Connect(ids[sources], ids[targets], reason="in"),
        ]
        self.proposals.append(Proposal(swap))
        return self.proposals[-1]

    def observe(self, outcome):
        self.outcomes.append(outcome)


class Rewarded(Swaps):
    wants_reward = True


class Refused(Swaps):
    """Its last edit is against the rules; the ones before it are not."""

    def propose(self, view, rng):
        edits = super().propose(view, rng).edits
        structure = view.structure
        ends = structure.neuron_ids[[structure.inputs[0], structure.inputs[1]]]
        loop = Connect(ends[:1], ends[1:], reason="nonsense")
        return Proposal([*edits, loop])


def contents(network):
    topology = network.topology
    columns = {**topology.connection_columns, **topology.neuron_columns}
    structure = {k: v for k, v in vars(topology.structure).items() if isinstance(v, np.ndarray)}
    return {name: values.tobytes() for name, values in {**columns, **structure}.items()}


# ------------------------------------------------------------------------------ what, and when


def test_it_is_an_iterator_that_goes_no_further_than_asked():
    trial = Trial(Swaps(30))
    assert iter(trial.steps) is trial.steps
    assert trial.topology.step == 0
    first = [next(trial.steps), next(trial.steps)]
    assert [rows.table for rows in first] == ["edits", "convergence"]
    assert trial.topology.step == 0
    np.testing.assert_array_equal(trial.network.weights, trial.first_weights)
    third = next(trial.steps)
    assert (third.table, trial.topology.step) == ("edits", 30)
    assert len(list(trial.steps)) == 2
    assert trial.topology.step == 100


def test_events_come_at_their_steps_and_evaluation_before_the_edit():
    trial = run(Swaps(10, 50, 99, 100, 120), n_steps=100, evaluate_every=25)
    events = [(rows.table, int(np.max(rows.columns["step"]))) for rows in trial.rows]
    assert events == [
        ("edits", 0),
        ("convergence", 0),
        ("edits", 10),
        ("convergence", 25),
        ("convergence", 50),
        ("edits", 50),
        ("convergence", 75),
        ("edits", 99),
        ("convergence", 100),
    ]
    assert [step for step, *_ in trial.policy.views] == [10, 50, 99]


@pytest.mark.parametrize(("every", "expected"), [(30, [0, 30, 60, 70]), (500, [0, 70])])
def test_there_is_an_evaluation_at_the_start_and_at_the_end(every, expected):
    trial = run(Static(), n_steps=70, evaluate_every=every)
    assert trial.column("convergence", "step")[::3].tolist() == expected
    assert trial.column("convergence", "split").tolist() == ["train", "reward", "test"] * len(
        expected
    )


def test_an_evaluation_says_what_the_network_says():
    trial = run(Static(), n_steps=40)
    for at, (name, split) in enumerate(trial.dataset.splits.items()):
        loss, answers = trial.network.evaluate(split.X, split.y)
        row = trial.pieces("convergence")[-1]
        assert row["split"][at] == name
        assert row["loss"][at] == loss
        assert row["score"][at] == trial.dataset.score(answers, split.y)
    assert row["n_connections"] == trial.topology.n_connections
    assert row["density"] == pytest.approx(trial.topology.n_connections / (24 + 120 + 20))
    assert row["epoch"] == pytest.approx(40 * 20 / len(trial.dataset.train))


def test_a_long_training_split_is_evaluated_in_part(monkeypatch):
    monkeypatch.setattr(training, "EVALUATED", 15)
    trial = run(Static(), n_steps=5)
    split = trial.dataset.train
    loss, _ = trial.network.evaluate(split.X[:15], split.y[:15])
    assert trial.pieces("convergence")[-1]["loss"][0] == loss
    test = trial.dataset.test
    loss, _ = trial.network.evaluate(test.X, test.y)
    assert trial.pieces("convergence")[-1]["loss"][2] == loss


def test_running_loss_and_learning_rate_are_those_of_the_steps(monkeypatch):
    losses, learn = [], Network.learn

    def spy(self, *arguments, **options):
        losses.append(learn(self, *arguments, **options))
        return losses[-1]

    monkeypatch.setattr(Network, "learn", spy)
    trial = run(Swaps(30, 80), n_steps=100, evaluate_every=50, schedule=Cosine(floor=0.1))
    assert [*map(len, losses)] == [30, 20, 30, 20]
    per_step = np.concatenate(losses)
    running = trial.column("convergence", "running_loss").reshape(3, 3)
    assert np.isnan(running[0]).all()
    assert np.isnan(running[:, 1:]).all()
    np.testing.assert_allclose(running[1:, 0], per_step.reshape(2, 50).mean(axis=1))
    rates = trial.column("convergence", "learning_rate")[::3]
    expected = 0.1 * Cosine(floor=0.1).factors(np.array([0, 49, 99]), 100)
    np.testing.assert_allclose(rates, expected)


def test_every_piece_fits_its_table():
    trial = run(thompson(every=20), n_steps=100)
    for rows in trial.rows:
        assert isinstance(rows, Rows)
        check_piece(rows.table, {"run_id": "a", **rows.columns})
    assert {rows.table for rows in trial.rows} == {"edits", "convergence", "arms"}
    steps = sorted(set(trial.column("arms", "step").tolist()))
    assert steps == [20, 40, 60]
    pulls = {}
    for name, count in zip(
        trial.column("arms", "arm"), trial.column("arms", "pulls"), strict=True
    ):
        assert count >= pulls.get(name, 0)
        pulls[name] = count
    assert sum(pulls.values()) == 2 * trial.pieces("convergence")[-1]["candidate_gradients"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_steps": 0}, "n_steps must be a whole number of at least 1, got 0"),
        ({"evaluate_every": 0}, "evaluate_every must be a whole number of at least 1, got 0"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1, got 0"),
    ],
)
def test_counts_are_checked(options, message):
    with pytest.raises(InvalidParameter, match=message):
        run(Static(), **options)


def test_a_trained_network_may_go_on_but_not_back():
    trial = run(Static(), n_steps=40)
    again = [trial.network, trial.dataset, Swaps(10, 60), SGD(0.1), Constant(), Streams.of(5)]
    with pytest.raises(
        InvalidParameter,
        match="n_steps must be above the 40 steps that the network has learned for already, "
        "got 40",
    ):
        next(train(*again, n_steps=40))
    rows = list(train(*again, n_steps=90, evaluate_every=30))
    assert [int(np.max(r.columns["step"])) for r in rows] == [40, 40, 60, 60, 90]
    assert trial.topology.step == 90


# ----------------------------------------------------------------------------- random streams


def test_each_sample_comes_once_an_epoch():
    batches = Batches(100, 8, np.random.default_rng(0))
    rows = batches.take(36)
    assert rows.shape == (36, 8)
    epochs = rows.reshape(3, 96)
    for epoch in epochs:
        assert len(set(epoch.tolist())) == 96
    assert (epochs[0] != epochs[1]).any()
    assert set(epochs.ravel().tolist()) <= set(range(100))


def test_looking_at_the_next_batch_changes_nothing():
    looked, other = (Batches(50, 7, np.random.default_rng(3)) for _ in range(2))
    taken = []
    for n in (3, 1, 0, 10, 5):
        ahead = looked.peek()
        np.testing.assert_array_equal(ahead, looked.peek())
        piece = looked.take(n)
        if n:
            np.testing.assert_array_equal(piece[0], ahead)
        taken.append(piece)
    np.testing.assert_array_equal(np.concatenate(taken), other.take(19))


def test_a_batch_is_cut_down_to_the_samples_there_are():
    batches = Batches(5, 50, np.random.default_rng(0))
    assert batches.size == 5
    assert sorted(batches.take(1)[0]) == [0, 1, 2, 3, 4]


def test_streams_are_reproducible_and_independent():
    names = ("split", "wiring", "weights", "batches", "policy")
    one, other = Streams.of(7), Streams.of(7)
    one.policy.random(1000)
    drawn = {name: getattr(one, name).random() for name in names}
    again = {name: getattr(other, name).random() for name in names}
    assert [name for name in names if drawn[name] != again[name]] == ["policy"]
    assert len(set(again.values())) == 5
    with pytest.raises(InvalidParameter, match="seed must be a whole number of at least 0"):
        Streams.of(-1)


def test_policies_of_one_seed_see_the_same_run(monkeypatch):
    seen, learn = [], Network.learn

    def spy(self, X, Y, rows, *arguments, **options):
        seen[-1].append(rows)
        return learn(self, X, Y, rows, *arguments, **options)

    monkeypatch.setattr(Network, "learn", spy)
    trials = []
    for policy in (Static(), Swaps(20, 40), Swaps(20, 55, greed=1000), rigl(every=15)):
        seen.append([])
        trials.append(run(policy, seed=4))
    first = trials[0]
    batches = np.concatenate(seen[0])
    expected = Batches(len(first.dataset.train), 20, Streams.of(4).batches).take(100)
    np.testing.assert_array_equal(batches, expected)
    for trial, rows in zip(trials[1:], seen[1:], strict=True):
        np.testing.assert_array_equal(np.concatenate(rows), batches)
        np.testing.assert_array_equal(trial.first_weights, first.first_weights)
        wiring, same = trial.pieces("edits")[0], first.pieces("edits")[0]
        assert all((wiring[name] == same[name]).all() for name in ("id", "source", "target"))
    split = first.dataset.train
    for step, X, Y in trials[1].policy.views:  # a policy looks at the batch that comes next
        np.testing.assert_array_equal(X, split.X[batches[step]])
        np.testing.assert_array_equal(Y, split.y[batches[step]])


# -------------------------------------------------------------------------------- the journal


class GrowsNeurons(Swaps):
    def propose(self, view, rng):
        structure = view.structure
        new = view.next_neuron_id
        ends = structure.neuron_ids[[structure.inputs[0], structure.outputs[0]]]
        born = AddNeurons(1, "tanh", 1, reason="born")
        return Proposal([born, Connect([ends[0], new], [new, ends[1]], reason="born")])


@pytest.mark.parametrize(
    ("policy", "wire"),
    [
        (rigl(every=10), layers),
        (thompson(every=10), graph),
        (sparse_evolution(every=7, anneal=False), graph),
        (GrowsNeurons(10, 20, 30), graph),
        (Static(), lambda _, density, rng: minimal(2, 2, density, rng)),
    ],
    ids=["layers", "graph", "random", "neurons", "minimal"],
)
def test_the_table_of_edits_makes_the_same_structure_again(policy, wire):
    trial = run(policy, wire=wire)
    pieces = trial.pieces("edits")
    names = ("step", "kind", "id", "source", "target", "activation", "group")
    assert all(np.all(piece["accepted"]) for piece in pieces)
    rows = {name: np.concatenate([piece[name] for piece in pieces]) for name in names}
    final = trial.topology.structure
    again = Topology(
        trial.topology.n_inputs, trial.topology.n_outputs, "softmax",
        output_group=int(final.groups[final.outputs[0]]), blocks=trial.topology.blocks,
    )  # fmt: skip
    replay(again, rows)
    for name in ("neuron_ids", "kinds", "activations", "groups", "indptr", "sources"):
        np.testing.assert_array_equal(getattr(again.structure, name), getattr(final, name))
    np.testing.assert_array_equal(again.structure.connection_ids, final.connection_ids)
    for what, ids in (("neuron", final.neuron_ids), ("connection", final.connection_ids)):
        born = again.birth_steps(what, ids), trial.topology.birth_steps(what, ids)
        np.testing.assert_array_equal(*born)


def test_wiring_rows_are_the_initial_wiring():
    topology = layers(moons(), 0.4, np.random.default_rng(0))
    rows = wiring_rows(topology)
    assert rows["reason"].tolist() == ["wiring"] * len(rows["id"])
    assert (rows["kind"] == "add_neuron").sum() == 22
    assert (rows["kind"] == "connect").sum() == topology.n_connections
    assert set(rows["step"].tolist()) == {0}


def test_a_refused_proposal_is_told_and_changes_nothing():
    policy = Refused(20, 60)
    trial, control = run(policy), run(Static())
    assert contents(trial.network) == contents(control.network)
    _, *refused = trial.pieces("edits")
    assert [set(piece["step"].tolist()) for piece in refused] == [{20}, {60}]
    for piece in refused:
        assert piece["accepted"] is False
        assert piece["refusal"] == "connection 0->1 would lead into an input neuron"
        assert piece["kind"].tolist() == ["disconnect", "connect", "connect"]
        assert piece["id"].tolist()[1:] == [-1, -1]
        assert piece["reason"].tolist() == ["out", "in", "nonsense"]
    (outcome,) = policy.outcomes
    assert outcome.refusal == refused[0]["refusal"]


def test_an_error_of_the_policys_own_is_not_taken_for_a_refusal():
    class Mistaken(Swaps):
        def propose(self, view, rng):
            raise InvalidEdit("made in the policy")

    with pytest.raises(InvalidEdit, match="made in the policy"):
        run(Mistaken(20))


def test_edits_carry_reasons_and_ids():
    trial = run(Swaps(20))
    piece = trial.pieces("edits")[-1]
    assert piece["reason"].tolist() == ["out", "in"]
    assert piece["id"][1] == trial.topology.structure.connection_ids.max()
    assert piece["source"].min() >= 0


# ------------------------------------------------------------------------- rewards and outcomes


def test_the_reward_is_the_fall_of_the_reward_loss():
    policy = Rewarded(20, 50, 80)
    trial = Trial(policy, evaluate_every=10)
    held = {}
    for rows in trial.steps:
        if rows.table == "convergence":
            held[rows.columns["step"]] = rows.columns["loss"][1]
    assert [outcome.proposal for outcome in policy.outcomes] == policy.proposals[:-1]
    # the evaluation at the same step comes before the edit
    rewards = [outcome.reward for outcome in policy.outcomes]
    assert rewards == [held[20] - held[50], held[50] - held[80]]
    assert all(outcome.refusal == "" for outcome in policy.outcomes)


def test_who_wants_no_reward_costs_none_and_gets_none():
    plain, rewarded = Swaps(20, 50), Rewarded(20, 50)
    costs = [
        run(policy).pieces("convergence")[-1]["train_flops"] for policy in (plain, rewarded)
    ]
    assert np.isnan(plain.outcomes[0].reward)
    trial = run(Rewarded(20, 50))
    looks = 2 * 2 * len(trial.dataset.reward) * trial.topology.n_connections
    assert costs[1] - costs[0] == looks


# --------------------------------------------------------------------------------- the ledger


def test_flops_of_training_alone():
    trial = run(Static(), n_steps=60, batch_size=30)
    cost = step_flops(trial.topology.structure, 30)
    flops = trial.column("convergence", "train_flops")[::3]
    assert flops.tolist() == [0, 50 * cost, 60 * cost]
    assert set(trial.column("convergence", "candidate_gradients").tolist()) == {0}


def test_flops_and_candidates_of_a_policy_are_counted():
    trial = run(rigl(every=20, until=0.5, anneal=False), n_steps=100)
    structure = trial.topology.structure  # the number of connections in each block is constant
    missing = trial.topology.n_possible - trial.topology.n_connections
    last = trial.pieces("convergence")[-1]
    assert last["candidate_gradients"] == 2 * missing
    looks = 2 * (pass_flops(structure, 20) + 2 * 20 * missing)
    assert last["train_flops"] == 100 * step_flops(structure, 20) + looks


def test_flops_follow_the_structure():
    policy = GrowsNeurons(50)
    trial = Trial(policy, wire=graph)
    before = step_flops(trial.topology.structure, 20)
    trial.run()
    after = step_flops(trial.topology.structure, 20)
    assert after > before
    assert trial.pieces("convergence")[-1]["train_flops"] == 50 * before + 50 * after


# ------------------------------------------------------------------------- what must not happen


def test_divergence_stops_the_run_and_leaves_the_rows_so_far():
    trial = Trial(
        Static(),
        diabetes(np.random.default_rng(0)),
        optimizer=SGD(50.0),
        schedule=Constant(),
        evaluate_every=1,
    )
    with pytest.raises(Diverged, match=r"the loss is .* at step .* lower learning rate"):
        trial.rows.extend(trial.steps)
    steps = trial.column("convergence", "step")[::3]
    assert steps.tolist() == list(range(len(steps)))
    assert 1 < len(steps) < 100
    assert trial.topology.step == steps[-1]


@pytest.mark.parametrize("make", [lambda: thompson(every=20), lambda: Rewarded(20, 40)])
def test_the_test_split_changes_nothing_but_its_own_rows(make):
    clean = moons()
    test = clean.test
    poisoned = replace(clean, test=Split(1e3 * test.X[::-1], test.y[::-1]))
    trials = [run(make(), dataset) for dataset in (clean, poisoned)]
    assert contents(trials[0].network) == contents(trials[1].network)
    differ = []
    for one, other in zip(trials[0].rows, trials[1].rows, strict=True):
        assert one.table == other.table
        for name in set(one.columns) - {"seconds"}:
            here, there = np.asarray(one.columns[name]), np.asarray(other.columns[name])
            if one.table == "convergence" and name in ("loss", "score"):
                differ.append(here[2] != there[2])
                here, there = here[:2], there[:2]
            np.testing.assert_array_equal(here, there)
    assert sum(differ) >= 3  # the poison was tasted at every evaluation


# -------------------------------------------------------------------------------- other tasks


def test_regression():
    dataset = diabetes(np.random.default_rng(0))
    trial = run(
        sparse_evolution(every=30),
        dataset,
        n_steps=300,
        optimizer=SGD(0.02),
        evaluate_every=300,
    )
    first, last = trial.pieces("convergence")
    assert last["loss"][0] < 0.6 * first["loss"][0]
    assert 0.3 < last["score"][2] < 0.7


def test_where_the_truth_is_known_it_is_compared_with():
    dataset = sparse_teacher(
        np.random.default_rng(0), n_samples=600, n_inputs=20, n_relevant=4, n_hidden=3,
        fan_in=2, n_outputs=3, reward_size=100, test_size=100,
    )  # fmt: skip
    trial = run(Swaps(20, 40), dataset, density=0.2)
    rows = trial.pieces("convergence")
    structure = trial.topology.structure
    ids = structure.neuron_ids
    first = [
        (int(ids[source]), int(ids[target]))
        for source, target in zip(structure.sources, structure.targets, strict=True)
        if ids[source] < 20
    ]
    inputs, neurons = np.array(first).T
    expected = recovered(dataset.truth, inputs, neurons)
    assert {name: rows[-1][name] for name in expected} == expected
    assert 0 < expected["truth_precision"] < 1
    assert not {"truth_precision", "truth_recall"} & set(run(Static()).pieces("convergence")[0])


# ------------------------------------------------------------------- one seed, one result (law)


def on_digits(policy, **options):
    dataset = digits(Streams.of(3).split)
    return run(
        policy, dataset, seed=3, density=0.2, n_steps=200, batch_size=50, evaluate_every=40,
        **options,
    )  # fmt: skip


def small_layers(dataset, density, rng):
    return layers(dataset, density, rng, hidden=(32, 32))


@pytest.mark.parametrize(
    ("make", "wire", "optimizer"),
    [
        (lambda: thompson(every=20), small_layers, SGD(0.1, momentum=0.9, weight_decay=1e-4)),
        (lambda: thompson(every=20), graph, Adam(0.01)),
        (lambda: rigl(every=20), small_layers, SGD(0.1, momentum=0.9)),
    ],
    ids=["thompson-layers-sgd", "thompson-graph-adam", "rigl-layers-sgd"],
)
def test_both_engines_make_the_same_run(make, wire, optimizer):
    fast, nodes = (
        on_digits(make(), wire=wire, optimizer=optimizer, engine=engine, dtype="float64")
        for engine in ("fast", "nodes")
    )
    for name in ("step", "kind", "id", "source", "target", "reason"):
        mine, theirs = fast.column("edits", name), nodes.column("edits", name)
        np.testing.assert_array_equal(mine, theirs)
    assert (fast.column("edits", "step") > 0).sum() > 100
    for name in ("loss", "running_loss"):
        mine, theirs = fast.column("convergence", name), nodes.column("convergence", name)
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-9)
    for name in ("score", "train_flops", "candidate_gradients", "n_connections"):
        mine, theirs = fast.column("convergence", name), nodes.column("convergence", name)
        np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_allclose(fast.network.weights, nodes.network.weights, atol=1e-9)


def fingerprint(threads=1, make=lambda: thompson(every=20)):
    """Hash of every bit of every row of a run, but for the clock's."""
    trial = on_digits(make(), wire=small_layers, threads=threads)
    digest = hashlib.sha256(trial.network.weights.tobytes())
    for rows in trial.rows:
        for name in sorted(set(rows.columns) - {"seconds"}):
            values = np.asarray(rows.columns[name])
            whole = values.dtype.kind in "OU"
            digest.update(name.encode())
            digest.update(repr(values.tolist()).encode() if whole else values.tobytes())
    return digest.hexdigest()


def test_threads_change_no_bit():
    assert fingerprint(threads=1) == fingerprint(threads=2)


def test_another_process_makes_the_same_bits():
    command = "import test_training; print(test_training.fingerprint())"
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", command],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == fingerprint()


def test_another_policy_makes_others():
    assert fingerprint() != fingerprint(make=lambda: rigl(every=20))
