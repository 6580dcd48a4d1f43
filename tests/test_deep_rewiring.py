"""Deep Rewiring: signs for life, and death at the crossing of zero."""

from __future__ import annotations

import numpy as np
import pytest
from views import SHAPES, edits_of, learned, view_of

from plastic.errors import InvalidParameter
from plastic.policies import deep_rewiring
from plastic.policies.deep_rewiring import SignedWeight


def signs_of(policy):
    state = policy.state()
    return dict(zip(state["prune.ids"].tolist(), state["prune.sign"].tolist(), strict=True))


@pytest.mark.parametrize("shape", SHAPES)
def test_exactly_those_that_crossed_zero_are_pruned(shape):
    network, rng = learned(shape), np.random.default_rng(0)
    policy = deep_rewiring(drift=0, noise=0)
    first = policy.propose(view_of(network), rng)
    assert [len(edit) for edit in first.edits] == [0, 0]  # all have the sign of their weight
    crossed = np.arange(0, len(network.weights), 5)
    network.weights[crossed] *= -1
    view = view_of(network)
    (cut,) = edits_of(policy.propose(view, rng), "disconnect")
    assert sorted(cut.ids) == sorted(view.structure.connection_ids[crossed])
    assert (cut.scores < 0).all()
    assert cut.reason == "low signed weight"


def test_signs_are_for_life():
    network, rng = learned(), np.random.default_rng(0)
    policy, held = deep_rewiring(drift=0, noise=0), {}
    for _ in range(6):
        network.weights[:] *= np.where(rng.random(len(network.weights)) < 0.2, -1, 1)
        network.apply(*policy.propose(view_of(network), rng).edits)
        signs = signs_of(policy)
        assert set(signs.values()) <= {-1.0, 1.0}
        assert all(signs[number] == sign for number, sign in held.items() if number in signs)
        held = signs


def test_a_newborn_has_either_sign_wherever_its_weight_has_gone():
    signs = []
    for seed in range(40):
        network, rng = learned(), np.random.default_rng(seed)
        policy = deep_rewiring(drift=0, noise=0)
        policy.propose(view_of(network), rng)
        network.weights[:] *= -1
        network.apply(*policy.propose(view_of(network), rng).edits)
        last = max(signs_of(policy))
        network.weights[:] = 1.0
        policy.propose(view_of(network), rng)
        signs += [sign for number, sign in signs_of(policy).items() if number > last]
    assert len(signs) > 500
    assert 0.4 < np.mean(np.array(signs) > 0) < 0.6


def test_drift_and_noise_add_up_over_the_steps_between():
    network = learned()
    for drift, noise in ((1e-3, 0.0), (0.0, 1e-2), (1e-3, 1e-2)):
        score, rng = SignedWeight(drift, noise), np.random.default_rng(0)
        network.topology.step = 20
        score(view_of(network), rng)
        network.topology.step = 45
        walks = np.abs(network.weights) - np.array(
            [rewound(score, 20)(view_of(network), rng) for _ in range(200)]
        )
        assert walks.mean() == pytest.approx(25 * drift, abs=5e-4)
        assert walks.std() == pytest.approx(5 * noise, rel=0.05, abs=1e-9)


def rewound(score, step):
    """The score as it was after that step."""
    again = SignedWeight(score.drift, score.noise)
    again.restore(score.state() | {"step": np.array(step)})
    return again


def test_every_block_keeps_its_number_of_connections():
    network, rng = learned("graph", density=0.8), np.random.default_rng(0)
    policy = deep_rewiring(drift=1.0)  # all want to go, but not all can be replaced
    view = view_of(network)
    before = [len(block.positions) for block in view.blocks]
    room = sum(
        min(view.count_missing(block), n) for block, n in zip(view.blocks, before, strict=True)
    )
    proposal = policy.propose(view, rng)
    assert [len(edit) for edit in proposal.edits] == [room, room]
    network.apply(*proposal.edits)
    assert [len(block.positions) for block in view_of(network).blocks] == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"drift": -1.0}, "drift must"),
        ({"noise": float("nan")}, "noise must"),
        ({"every": 0}, "every must be a whole number of at least 1, got 0"),
    ],
)
def test_choices_are_checked(options, message):
    with pytest.raises(InvalidParameter, match=message):
        deep_rewiring(**options)
