"""Paired trials: the posterior, the objective, what each arm does, and the two controls."""

from __future__ import annotations

import numpy as np
import pytest
from trials import Trial, graph, layers, moons, run
from views import SHAPES, edits_of, learned, view_of

from plastic.columns import check_piece
from plastic.edits import PruneNeurons
from plastic.engine import Network
from plastic.errors import InvalidParameter
from plastic.policies import Branch, Outcome, PairedTrials, Proposal
from plastic.policies.merging import mergers
from plastic.policies.neurons import members, neuron_saliency
from plastic.policies.paired_trials import arm_names
from plastic.topology import Kind
from plastic.training import LOST


def rng_of(seed=0):
    return np.random.default_rng(seed)


def branch(loss, n_connections):
    return Branch(loss, 10, n_connections, 0)


# ---------------------------------------------------------------------- objective and posterior


@pytest.mark.parametrize(
    ("step", "factor"), [(0, 0.0), (25, 0.0), (30, 0.2), (50, 1.0), (75, 1.0)]
)
def test_the_objective_is_log_loss_and_priced_log_size(step, factor):
    network = learned("layers")
    network.topology.step = step
    policy = PairedTrials(price=0.4)
    policy.propose(view_of(network, n_steps=100), rng_of())
    edited, plain = branch(0.50, 80), branch(0.49, 100)
    expected = np.log(0.49 / 0.50) + factor * 0.4 * np.log(100 / 80)
    assert policy.judge(edited, plain) == pytest.approx(expected)


def test_rewards_are_clipped_and_a_lost_branch_costs_the_most():
    policy = PairedTrials()
    assert policy.judge(branch(1.0, 9), branch(5.0, 9)) == 0.2
    assert policy.judge(branch(np.inf, 9), branch(5.0, 9)) == -0.2
    assert policy.judge(branch(1.0, 9), branch(np.inf, 9)) == 0.2
    assert np.isnan(policy.judge(branch(np.inf, 9), branch(np.inf, 9)))
    assert policy.judge(branch(0.0, 9), branch(1.0, 9)) == 0.2


def tell(policy, arm, reward):
    policy.observe(Outcome(Proposal(pulled=arm), "", reward))


def test_the_posterior_is_that_of_the_discounted_rewards():
    policy = PairedTrials(discount=0.5)
    view = view_of(learned("layers"))
    names = arm_names([1, 2])
    first = policy.propose(view, rng_of()).arms
    np.testing.assert_array_equal(first["posterior_mean"], np.zeros(len(names)))
    np.testing.assert_array_equal(first["posterior_std"], np.full(len(names), 0.05))
    rewards = [("add:1", 0.1), ("add:1", -0.2), ("prune:2", 0.15), ("add:1", 0.05)]
    for arm, reward in rewards:
        tell(policy, arm, reward)
    age = 0.5 ** np.arange(4)[::-1]
    mine = np.array([arm == "add:1" for arm, _ in rewards])
    values = np.array([reward for _, reward in rewards])
    n, total = (age * mine).sum(), (age * mine * values).sum()
    sigma = 0.05 if age.sum() <= 2 else np.sqrt((age * values**2).sum() / age.sum())
    row = policy.propose(view, rng_of()).arms
    at = names.index("add:1")
    assert row["posterior_mean"][at] == pytest.approx(total / (n + 1))
    assert row["posterior_std"][at] == pytest.approx(sigma / np.sqrt(n + 1))


def test_no_reward_teaches_nothing():
    policy = PairedTrials()
    view = view_of(learned("layers"))
    policy.propose(view, rng_of())
    before = policy.state()
    tell(policy, "add:1", np.nan)
    assert all((policy.state()[k] == before[k]).all() for k in before)
    tell(policy, "nothing", np.nan)  # nothing is worth nothing, and that is known
    assert policy.state()["counts"].sum() == 1


# ------------------------------------------------------------------------------- what arms do


def proposals(view, policy=None, n=300, seed=0):
    """Proposals under uniform sampling, one list for each arm."""
    policy, rng = policy or PairedTrials(sampling="uniform"), rng_of(seed)
    by_arm = {}
    for _ in range(n):
        proposal = policy.propose(view, rng)
        by_arm.setdefault(proposal.pulled, []).append(proposal)
    return by_arm


@pytest.mark.parametrize("shape", SHAPES)
def test_arms_do_what_their_names_say(shape):
    network = learned(shape)
    network.topology.step = 50
    view = view_of(network)
    policy = PairedTrials(sampling="uniform")
    policy.begin(0.9)
    structure, by_arm = view.structure, proposals(view, policy)
    groups = [1, 2] if shape == "layers" else [1]
    assert set(by_arm) == set(arm_names(groups))
    assert by_arm["nothing"][0].edits == []
    assert by_arm["nothing"][0].trial_steps == 0
    for group in groups:
        held = len(members(structure, group))
        for kind in ("add", "split"):
            (born,) = edits_of(by_arm[f"{kind}:{group}"][0], "add_neuron")
            assert len(born) == round(0.3 * held)
            assert set(born.groups.tolist()) == {group}
        (pruned,) = edits_of(by_arm[f"prune:{group}"][0], "prune_neuron")
        slots, worth = members(structure, group), neuron_saliency(view)
        lowest = slots[np.argsort(worth[slots])][: round(0.15 * held)]
        assert set(structure.neuron_ids[lowest].tolist()) <= set(pruned.ids.tolist())
        (merged,) = edits_of(by_arm[f"merge:{group}"][0], "prune_neuron")
        chosen = mergers(view, group, round(0.15 * held), 40, rng_of())
        gone = structure.neuron_ids[[merger.gone for merger in chosen]]
        assert set(gone.tolist()) <= set(merged.ids.tolist())
    sizes = [len(block.positions) for block in view.blocks]
    (grown,) = edits_of(by_arm["connect"][0], "connect")
    assert len(grown) == sum(int(np.ceil(0.2 * size)) for size in sizes)
    (gone,) = edits_of(by_arm["disconnect"][0], "disconnect")
    assert len(gone) == sum(int(0.15 * size) for size in sizes)
    weights = np.abs(view.weights)
    for block in view.blocks:
        here = np.isin(structure.connection_ids[block.positions], gone.ids)
        kept = weights[block.positions[~here]]
        assert weights[block.positions[here]].max(initial=0) <= kept.min()
    for name, (proposal, *_) in by_arm.items():
        snapshot = network.snapshot()
        network.apply(*proposal.edits)  # whatever it is, the topology takes it
        network.restore(snapshot)
        if name != "nothing":
            assert proposal.trial_steps == PairedTrials().every * PairedTrials().trial
            assert all(edit.reason.startswith("trial of ") for edit in proposal.edits)


def test_disconnecting_takes_neurons_without_a_way_along():
    network = learned("layers", density=0.2)
    network.topology.step = 50
    proposal = proposals(view_of(network), PairedTrials(sampling="uniform", disconnect=0.6))
    network.apply(*proposal["disconnect"][0].edits)
    structure = network.topology.structure
    hidden = structure.kinds == Kind.HIDDEN
    ways_out = np.bincount(structure.sources, minlength=structure.n_neurons)
    assert (np.diff(structure.indptr)[hidden] > 0).all()
    assert (ways_out[hidden] > 0).all()


def test_the_young_are_not_pruned():
    network = learned("layers")
    taking_away = {f"{kind}:{group}" for kind in ("prune", "merge") for group in (1, 2)}
    network.topology.step = 39
    assert not taking_away & set(proposals(view_of(network)))
    network.topology.step = 40
    assert taking_away <= set(proposals(view_of(network)))


def test_an_arm_that_can_do_nothing_gives_way_to_the_next():
    policy = PairedTrials(sampling="uniform", most=5)
    policy.begin(0.0001)  # nothing can be grown, by neurons or by connections
    pulled = set(proposals(view_of(learned("layers")), policy))
    assert pulled == {"nothing", "disconnect"}


def test_no_group_grows_beyond_its_bound():
    policy = PairedTrials(sampling="uniform", most=16)
    by_arm = proposals(view_of(learned("layers")), policy)  # of 14 and 11 neurons
    assert {len(edits_of(p, "add_neuron")[0]) for p in by_arm["add:1"]} == {2}
    assert {len(edits_of(p, "add_neuron")[0]) for p in by_arm["add:2"]} == {3}
    assert policy.most_neurons(np.array([20, 3])).tolist() == [20, 16]


# ------------------------------------------------------------------------------------ sampling


def test_the_controls_pull_as_they_should():
    view = view_of(learned("layers"))
    counts = {}
    for sampling in ("thompson", "mean", "uniform"):
        policy = PairedTrials(sampling=sampling)
        policy.propose(view, rng_of())
        for arm, reward in (("split:1", 0.04), ("connect", 0.03), ("nothing", np.nan)):
            tell(policy, arm, reward)
        by_arm = proposals(view, policy, n=400)
        counts[sampling] = {name: len(pulled) for name, pulled in by_arm.items()}
    assert counts["mean"] == {"split:1": 400}
    # of the arms that can do something, all are equally likely; who is so young cannot go
    too_young = {f"{kind}:{group}" for kind in ("prune", "merge") for group in (1, 2)}
    assert set(counts["uniform"]) == set(arm_names([1, 2])) - too_young
    assert max(counts["uniform"].values()) < 110
    assert 400 > counts["thompson"]["split:1"] > counts["thompson"]["disconnect"] > 0


def test_the_settings_are_checked():
    for options, message in [
        ({"sampling": "median"}, "sampling must be one of"),
        ({"price": -1.0}, "price must lie in"),
        ({"trial": 0.0}, "trial must lie in"),
        ({"discount": 2.0}, "discount must lie in"),
        ({"most": 0}, "most must be a whole"),
        ({"add": 0.0}, "add must lie in"),
        ({"disconnect": 1.5}, "disconnect must lie in"),
        ({"every": 0}, "every must be a whole"),
    ]:
        with pytest.raises(InvalidParameter, match=message):
            PairedTrials(**options)


# ----------------------------------------------------------------------------------- in a run


@pytest.mark.parametrize("wire", [layers, graph], ids=["layers", "graph"])
def test_the_tables_tell_what_happened(wire):
    policy = PairedTrials(every=10, until=0.9)
    trial = run(policy, wire=wire, n_steps=200)
    pieces = trial.pieces("arms")
    edits = {int(p["step"][0]): p for p in trial.pieces("edits")[1:]}
    pulls, kept = {}, 0
    for piece in pieces:
        check_piece("arms", {"run_id": "a", **piece})
        names, now = piece["arm"].tolist(), piece["pulls"].tolist()
        (pulled,) = [n for n, k in zip(names, now, strict=True) if k > pulls.get(n, 0)]
        pulls = dict(zip(names, now, strict=True))
        reward = piece["reward"][names.index(pulled)]
        assert np.isnan(np.delete(piece["reward"], names.index(pulled))).all()
        told = edits.get(int(piece["step"]))
        if pulled == "nothing":
            assert (reward, told) == (0.0, None)
            continue
        assert set(told["reason"].tolist()) <= {
            f"trial of {pulled.split(':')[0]}",
            "with its neuron",
        }
        assert told["accepted"] == (reward > 0)
        assert told["refusal"] == ("" if reward > 0 else LOST)
        kept += reward > 0
    assert len(pieces) == len(policy.steps(200)) == sum(pulls.values())
    assert 0 < kept < len(edits)


def test_the_posterior_in_the_table_is_made_of_the_rewards_in_it():
    policy = PairedTrials(every=10, until=0.9)
    trial = run(policy, n_steps=200)
    count, total = {}, {}
    for piece in trial.pieces("arms"):
        for k, name in enumerate(piece["arm"].tolist()):
            expected = total.get(name, 0.0) / (count.get(name, 0.0) + 1)
            assert piece["posterior_mean"][k] == pytest.approx(expected)
        for name in count:
            count[name] *= 0.95
            total[name] *= 0.95
        (at,) = np.flatnonzero(~np.isnan(piece["reward"]))
        name = piece["arm"][at]
        count[name] = count.get(name, 0.0) + 1
        total[name] = total.get(name, 0.0) + piece["reward"][at]


def test_it_shrinks_what_is_too_large():
    free, dear = (
        run(PairedTrials(every=10, price=price, until=0.9), density=1.0, n_steps=400)
        for price in (0.0, 5.0)
    )
    assert dear.topology.n_connections < 0.5 * free.topology.n_connections


@pytest.mark.parametrize("sampling", ["thompson", "mean"])
def test_what_is_remembered_can_be_told_and_restored(sampling):
    policy = PairedTrials(every=10, sampling=sampling)
    trial = run(policy, n_steps=150)
    other = PairedTrials(every=10, sampling=sampling)
    other.restore(policy.state())
    split = trial.dataset.train
    view = view_like(trial.network, split)
    one, same = (p.propose(view, rng_of(5)) for p in (policy, other))
    assert one.pulled == same.pulled
    for name in one.arms:
        np.testing.assert_array_equal(one.arms[name], same.arms[name])
    assert all(values.dtype.kind in "if" for values in policy.state().values())
    fresh = PairedTrials()
    fresh.restore(PairedTrials().state())
    assert fresh.state()["pulls"].tolist() == []


def view_like(network, split):
    from plastic.signals import NetworkView

    return NetworkView(network, split.X[:20], split.y[:20], 200)


def test_a_refused_edit_is_no_pull_to_learn_from():
    policy = PairedTrials()
    view = view_of(learned("layers"))
    policy.propose(view, rng_of())
    policy.observe(
        Outcome(Proposal(pulled="connect"), "connection 1->2 already exists", np.nan)
    )
    assert policy.state()["counts"].sum() == 0


def test_pruned_neurons_are_hidden_ones():
    trial = Trial(PairedTrials(every=10), moons()).run()
    ends = [*range(2), *range(2, 4)]
    gone = trial.column("edits", "id")[trial.column("edits", "kind") == PruneNeurons.kind]
    assert not set(ends) & set(gone.tolist())
    assert isinstance(trial.network, Network)
