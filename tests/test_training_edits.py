"""What the loop does with a policy's edits: journal, refusals, rewards, and the bill."""

from __future__ import annotations

import numpy as np
import pytest
from trials import GrowsNeurons, Rewarded, Swaps, Trial, contents, graph, layers, moons, run

from plastic.costs import pass_flops, step_flops
from plastic.edits import Connect
from plastic.errors import InvalidEdit
from plastic.policies import Proposal, Static, rigl, sparse_evolution, thompson
from plastic.topology import Topology, replay
from plastic.topology.journal import wiring_rows
from plastic.topology.wiring import minimal


class Refused(Swaps):
    """Its last edit is against the rules; the ones before it are not."""

    def propose(self, view, rng):
        edits = super().propose(view, rng).edits
        structure = view.structure
        ends = structure.neuron_ids[[structure.inputs[0], structure.inputs[1]]]
        loop = Connect(ends[:1], ends[1:], reason="nonsense")
        return Proposal([*edits, loop])


# --------------------------------------------------------------------------------- the journal


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


# ------------------------------------------------------------------------ rewards and outcomes


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


# ---------------------------------------------------------------------------------- the ledger


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
