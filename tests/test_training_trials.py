"""Trials: two branches from one snapshot, the same batches, and tables that tell of both."""

from __future__ import annotations

import numpy as np
import pytest
from trials import Swaps, Trial, contents, graph, layers, run

from plastic.columns import check_piece
from plastic.costs import pass_flops, step_flops
from plastic.datasets import diabetes
from plastic.edits import Connect
from plastic.engine import SGD, Constant, Network
from plastic.errors import Diverged
from plastic.policies import Policy, Proposal, Static
from plastic.topology import Topology, replay
from plastic.training import LOST


class Tries(Swaps):
    """Swaps connections as `Swaps` does, each time in a trial whose result is settled."""

    def __init__(self, *steps, verdict=1.0, trial_steps=15, arms=None):
        super().__init__(*steps)
        self.verdict, self.trial_steps, self.arms = verdict, trial_steps, arms or {}
        self.judged = []

    def propose(self, view, rng):
        edits = super().propose(view, rng).edits
        return Proposal(edits, self.arms, self.trial_steps, "swap")

    def judge(self, edited, plain):
        self.judged.append((edited, plain))
        return self.verdict


def rows_of(trial, without=("train_flops", "seconds")):
    return [
        (rows.table, {k: repr(v) for k, v in rows.columns.items() if k not in without})
        for rows in trial.rows
        if rows.table == "convergence"
    ]


@pytest.mark.parametrize("wire", [layers, graph], ids=["layers", "graph"])
@pytest.mark.parametrize("evaluate_every", [50, 7])
def test_a_lost_trial_leaves_no_trace_in_the_network(wire, evaluate_every):
    options = {"wire": wire, "evaluate_every": evaluate_every}
    lost = run(Tries(20, 40, 80, verdict=-1.0), **options)
    plain = run(Static(), **options)
    assert contents(lost.network) == contents(plain.network)
    assert rows_of(lost) == rows_of(plain)


@pytest.mark.parametrize("wire", [layers, graph], ids=["layers", "graph"])
@pytest.mark.parametrize("evaluate_every", [50, 7])
def test_a_won_trial_is_as_an_edit_without_one(wire, evaluate_every):
    options = {"wire": wire, "evaluate_every": evaluate_every}
    won, plain = run(Tries(20, 40, 80), **options), run(Swaps(20, 40, 80), **options)
    assert contents(won.network) == contents(plain.network)
    assert rows_of(won) == rows_of(plain)


def test_both_branches_learn_from_the_same_batches(monkeypatch):
    learned, learn = [], Network.learn

    def spy(self, X, Y, rows, *arguments, **options):
        learned.append((self.topology.step, rows))
        return learn(self, X, Y, rows, *arguments, **options)

    monkeypatch.setattr(Network, "learn", spy)
    run(Tries(20, 60), n_steps=100)
    by_step = {}
    for start, rows in learned:
        for step, batch in enumerate(rows.tolist(), start):
            by_step.setdefault(step, []).append(batch)
    assert sorted(by_step) == list(range(100))
    for step, batches in by_step.items():
        tried = 20 <= step < 35 or 60 <= step < 75
        assert len(batches) == (2 if tried else 1)
        assert all(batch == batches[0] for batch in batches)


@pytest.mark.parametrize("verdict", [1.0, -1.0])
def test_the_ledger_counts_both_branches_and_their_looks(verdict):
    policy = Tries(20, 60, verdict=verdict)
    trial = run(policy, batch_size=30)
    structure = trial.topology.structure  # swaps keep the counts
    looks = 4 * 2 * len(trial.dataset.reward) * structure.n_connections
    steps = 130 * step_flops(structure, 30)
    assert trial.pieces("convergence")[-1]["train_flops"] == steps + looks
    (edited, plain), _ = policy.judged
    assert edited.flops == plain.flops == looks // 4 + 15 * step_flops(structure, 30)


def test_the_table_of_edits_tells_what_was_taken_back():
    trial = run(Tries(20, 40, verdict=-1.0))
    wiring, *lost = trial.pieces("edits")
    assert [set(piece["step"].tolist()) for piece in lost] == [{20}, {40}]
    for piece in lost:
        assert piece["accepted"] is False
        assert piece["refusal"] == LOST == "lost its trial"
        check_piece("edits", {"run_id": "a", **piece})
    ids = np.concatenate([piece["id"][piece["kind"] == "connect"] for piece in lost])
    assert len(set(ids.tolist())) == 2  # an id of a lost branch is not given out again
    assert ids.min() > wiring["id"].max()


@pytest.mark.parametrize("wire", [layers, graph], ids=["layers", "graph"])
def test_the_accepted_edits_make_the_same_structure_again(wire):
    class Mixed(Tries):
        def judge(self, edited, plain):
            return 1.0 if len(self.proposals) % 2 else -1.0

    trial = run(Mixed(10, 30, 50, 70, 90), wire=wire)
    pieces = [piece for piece in trial.pieces("edits") if piece["accepted"]]
    assert len(pieces) == 1 + 3
    names = ("step", "kind", "id", "source", "target", "activation", "group")
    rows = {name: np.concatenate([piece[name] for piece in pieces]) for name in names}
    final = trial.topology.structure
    again = Topology(
        trial.topology.n_inputs, trial.topology.n_outputs, "softmax",
        output_group=int(final.groups[final.outputs[0]]), blocks=trial.topology.blocks,
    )  # fmt: skip
    replay(again, rows)
    np.testing.assert_array_equal(again.structure.sources, final.sources)
    np.testing.assert_array_equal(again.structure.connection_ids, final.connection_ids)
    births = [
        t.birth_steps("connection", final.connection_ids) for t in (again, trial.topology)
    ]
    np.testing.assert_array_equal(*births)


def test_the_policy_is_told_of_both_branches():
    policy = Tries(20, 60, verdict=0.25)
    trial = run(policy)
    (outcome,) = policy.outcomes
    assert (outcome.reward, outcome.refusal, outcome.trial.kept) == (0.25, "", True)
    assert (outcome.trial.edited, outcome.trial.plain) == policy.judged[0]
    assert outcome.trial.edited.n_connections == trial.topology.n_connections
    lost = Tries(20, 60, verdict=0.0)  # no better is not better
    run(lost)
    assert (lost.outcomes[0].refusal, lost.outcomes[0].trial.kept) == (LOST, False)


def test_branches_are_judged_by_the_reward_split():
    policy = Tries(20)
    run(policy, n_steps=60)
    edited, plain = policy.judged[0]
    at_35 = run(Swaps(20), n_steps=60, evaluate_every=35).pieces("convergence")[1]
    assert edited.reward_loss == at_35["loss"][1]
    at_35 = run(Static(), n_steps=60, evaluate_every=35).pieces("convergence")[1]
    assert plain.reward_loss == at_35["loss"][1]


def test_a_policy_without_a_judge_goes_by_the_loss():
    class Plain(Swaps):
        judge = Policy.judge

        def propose(self, view, rng):
            return Proposal(super().propose(view, rng).edits, trial_steps=5)

    policy = Plain(20, 60)
    run(policy)
    (outcome,) = policy.outcomes
    edited, plain = outcome.trial.edited, outcome.trial.plain
    assert outcome.reward == plain.reward_loss - edited.reward_loss
    assert outcome.trial.kept == (edited.reward_loss < plain.reward_loss)


def test_the_reward_stands_beside_the_arm_that_was_pulled():
    arms = {"arm": np.array(["rest", "swap"], object), "pulls": np.array([0, 1])}
    trial = run(Tries(20, verdict=0.5, arms=arms))
    np.testing.assert_array_equal(trial.column("arms", "reward"), [np.nan, 0.5])
    assert trial.column("arms", "step").tolist() == [20, 20]


@pytest.mark.parametrize(
    ("steps", "trial_steps", "n_steps", "length"),
    [((20, 30), 15, 100, 10), ((20,), 500, 50, 30), ((49,), 3, 50, 1)],
)
def test_a_trial_is_over_before_the_next_step_and_the_end(steps, trial_steps, n_steps, length):
    policy = Tries(*steps, trial_steps=trial_steps)
    trial = run(policy, n_steps=n_steps, evaluate_every=n_steps)
    cost = 2 * len(trial.dataset.reward) * trial.topology.n_connections
    cost += length * step_flops(trial.topology.structure, 20)
    assert policy.judged[0][0].flops == cost
    assert trial.topology.step == n_steps


def test_refused_edits_have_no_trial():
    class Doubles(Tries):
        def propose(self, view, rng):
            structure = view.structure
            ends = structure.neuron_ids[[structure.sources[0], structure.targets[0]]]
            return Proposal([Connect(ends[:1], ends[1:], reason="more")], {}, 10)

    policy = Doubles(20, 60)
    trial, control = run(policy), run(Static())
    assert policy.judged == []
    assert contents(trial.network) == contents(control.network)
    outcome = policy.outcomes[0]
    assert "already exists" in outcome.refusal
    assert outcome.trial is None
    assert np.isnan(outcome.reward)


class Blows(Tries):
    """Connects with a weight that no network survives."""

    judge = Policy.judge

    def propose(self, view, rng):
        _, grown = super().propose(view, rng).edits
        columns = {"weight": np.array([3e38])}
        grown = Connect(grown.sources, grown.targets, columns=columns, reason="blow")
        return Proposal([grown], {}, 15)


def test_a_branch_that_diverges_has_lost():
    policy = Blows(20, 60)
    trial, control = run(policy), run(Static())
    assert contents(trial.network) == contents(control.network)
    assert rows_of(trial) == rows_of(control)
    assert policy.outcomes[0].trial.edited.reward_loss == np.inf
    assert policy.outcomes[0].refusal == LOST


def test_where_both_branches_diverge_the_run_does():
    dataset = diabetes(np.random.default_rng(0))
    with pytest.raises(Diverged, match="a lower learning rate may help"):
        run(Tries(1, trial_steps=60), dataset, optimizer=SGD(50.0), schedule=Constant())


def test_passes_for_policies_are_still_on_the_bill():
    class Looks(Tries):
        def propose(self, view, rng):
            assert view.signals.loss > 0
            return super().propose(view, rng)

    plain, looking = (
        run(make(20)).pieces("convergence")[-1]["train_flops"] for make in (Tries, Looks)
    )
    assert looking - plain == pass_flops(Trial(Static()).topology.structure, 20)
