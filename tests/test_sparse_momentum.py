"""Sparse momentum: small weights go, and blocks grow by their momentum."""

from __future__ import annotations

import numpy as np
import pytest
from views import SHAPES, edits_of, learned, view_of

from plastic.engine import SGD, Adam, Network
from plastic.errors import InvalidParameter
from plastic.policies import sparse_momentum
from plastic.policies.allocation import ByMomentum, spread
from plastic.topology.wiring import erk


@pytest.mark.parametrize("shape", SHAPES)
def test_blocks_grow_in_proportion_to_their_mean_momentum(shape):
    view = view_of(learned(shape, density=0.2))
    allotments = ByMomentum()(view, np.abs(view.weights), 0.3, np.random.default_rng(0))
    held = [block.positions for block in view.blocks]
    prune = [int(0.3 * len(at)) for at in held]
    assert [each.prune for each in allotments] == prune
    worth = np.array([np.abs(view.momentum[at]).mean() for at in held])
    room = np.array([view.count_missing(block) for block in view.blocks])
    expected = spread(worth, room, sum(prune))
    assert [each.grow for each in allotments] == expected.tolist()
    assert expected.tolist() != prune


def test_the_smallest_weights_of_each_block_go_and_the_total_stays():
    network = learned(density=0.2)
    view = view_of(network)
    proposal = sparse_momentum(every=20, fraction=0.4).propose(view, np.random.default_rng(0))
    (cut,), (new,) = (edits_of(proposal, kind) for kind in ("disconnect", "connect"))
    assert len(cut) == len(new) > 5
    gone = np.isin(view.structure.connection_ids, cut.ids)
    for block in view.blocks:
        of_block = gone[block.positions]
        weights = np.abs(view.weights[block.positions])
        assert weights[of_block].max(initial=0) <= weights[~of_block].min()
    assert (cut.reason, new.reason) == ("low magnitude", "averaged gradient growth")


@pytest.mark.parametrize(
    ("optimizer", "column"), [(SGD(0.1), "momentum"), (Adam(0.01), "adam_mean")]
)
def test_momentum_is_the_optimizers_first_moment(optimizer, column):
    network = Network(erk(6, 3, 0.4, np.random.default_rng(0), hidden=[8]))
    view = view_of(network)
    with pytest.raises(
        InvalidParameter, match="there is no momentum before the first training step"
    ):
        _ = view.momentum
    network.learn(view._X, view._Y, np.arange(8).reshape(1, 8), optimizer)
    held = network.topology.connection_columns[column]
    np.testing.assert_array_equal(view.momentum, held)
    with pytest.raises(ValueError, match="read-only"):
        view.momentum[0] = 1
