"""Constraints: kept by the topology, and heeded by what policies see."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plastic.datasets import from_arrays
from plastic.edits import AddNeurons, Connect, Disconnect, PruneNeurons
from plastic.engine import SGD, Constant, Network
from plastic.errors import InvalidEdit, InvalidParameter
from plastic.policies import random_rewiring, rigl, sparse_evolution, thompson
from plastic.signals import NetworkView
from plastic.topology import Constraints, Kind
from plastic.topology.constraints import fan
from plastic.topology.wiring import erk, random_dag
from plastic.training import Streams, train


def layered(rng, density=0.4):
    return erk(6, 3, density, rng, hidden=[10, 8])


def everything(topology):
    structure = topology.structure
    columns = [*topology.neuron_columns.values(), *topology.connection_columns.values()]
    return [a.tobytes() for a in (structure.sources, structure.connection_ids, *columns)]


def fresh_pair(topology):
    """A connection of an allowed block that is not there yet."""
    structure = topology.structure
    for source in structure.neuron_ids[structure.groups == 1]:
        for target in structure.neuron_ids[structure.groups == 2]:
            if not topology.graph.has_edge(source, target):
                return int(source), int(target)
    raise AssertionError("the block is full")


def test_an_edit_over_the_budget_of_connections_is_refused_and_changes_nothing():
    topology = layered(np.random.default_rng(0))
    n = topology.n_connections
    topology.constrain(Constraints(max_connections=n))
    before, (source, target) = everything(topology), fresh_pair(topology)
    rule = f"there would be {n + 1} connections, max_connections is {n}"
    with pytest.raises(InvalidEdit, match=rule):
        topology.apply(Connect([source], [target]))
    assert everything(topology) == before
    one = topology.structure.connection_ids[:1]
    topology.apply(Disconnect(one, keep_stranded=True), Connect([source], [target]))
    assert topology.n_connections == n


def test_an_edit_over_the_budget_of_neurons_is_refused():
    topology = layered(np.random.default_rng(0))
    topology.constrain(Constraints(max_hidden=18))
    with pytest.raises(InvalidEdit, match="there would be 19 hidden neurons, max_hidden is 18"):
        topology.apply(AddNeurons(1, group=1, keep_stranded=True))


@pytest.mark.parametrize("way", ["in", "out"])
def test_fans_are_limited(way):
    topology = layered(np.random.default_rng(0))
    widest = int(fan(topology.structure, way).max())
    with pytest.raises(InvalidEdit, match=rf"\d connections {way}, max_fan_{way} is 1"):
        topology.constrain(Constraints(**{f"max_fan_{way}": 1}))
    assert topology.constraints is None  # refused before anything changed
    structure = topology.structure
    view = NetworkView(Network(topology), np.zeros((2, 6)), np.zeros((2, 3)), 10)
    pairs = [np.concatenate(list(view.missing(block)), axis=1).T for block in view.blocks]
    pairs = np.concatenate(pairs)
    is_full = fan(structure, way) == widest
    topology.constrain(Constraints(**{f"max_fan_{way}": widest}))
    for source, target in pairs:
        connect = Connect(structure.neuron_ids[[source]], structure.neuron_ids[[target]])
        if is_full[target if way == "in" else source]:
            with pytest.raises(InvalidEdit, match=f"max_fan_{way} is {widest}"):
                topology.apply(connect)
        else:
            topology.apply(*topology.apply(connect))


def test_what_is_protected_stays():
    topology = layered(np.random.default_rng(0))
    structure = topology.structure
    neuron = int(structure.neuron_ids[structure.kinds == Kind.HIDDEN][0])
    connection = int(structure.connection_ids[3])
    topology.constrain(
        Constraints(protected_neurons=[neuron], protected_connections=[connection])
    )
    with pytest.raises(InvalidEdit, match=f"neuron {neuron} is protected"):
        topology.apply(PruneNeurons([neuron], keep_stranded=True))
    with pytest.raises(InvalidEdit, match=f"connection {connection} is protected"):
        topology.apply(Disconnect([connection], keep_stranded=True))
    other = structure.neuron_ids[structure.sources[3]]
    if structure.kinds[structure.sources[3]] == Kind.HIDDEN:
        with pytest.raises(InvalidEdit, match=f"connection {connection} is protected"):
            topology.apply(PruneNeurons([other], keep_stranded=True))


def test_groups_that_may_not_connect():
    topology = random_dag(4, 2, 0.3, np.random.default_rng(0), n_hidden=6)
    groups = topology.structure.groups
    n_before = topology.n_possible
    wired = set(
        zip(
            groups[topology.structure.sources].tolist(),
            groups[topology.structure.targets].tolist(),
            strict=True,
        )
    )
    pair = sorted(wired)[0]
    with pytest.raises(InvalidEdit, match=rf"group {pair[0]} to group {pair[1]}, which is"):
        topology.constrain(Constraints(forbidden=[pair]))
    for ids in (topology.structure.connection_ids,):
        topology.apply(Disconnect(ids, keep_stranded=True))
    topology.constrain(Constraints(forbidden=[pair]))
    assert topology.n_possible < n_before
    assert not topology.may_join(*pair)
    view = NetworkView(Network(topology, "mse"), np.zeros((2, 4)), np.zeros((2, 2)), 10)
    assert pair not in {(b.source_group, b.target_group) for b in view.blocks}


def test_constraints_can_be_lifted():
    topology = layered(np.random.default_rng(0))
    topology.constrain(Constraints(max_hidden=18))
    topology.constrain(None)
    topology.apply(AddNeurons(1, group=1, keep_stranded=True))


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ({"max_connections": 0}, "max_connections must be a whole number of at least 1"),
        ({"max_hidden": -1}, "max_hidden must be a whole number of at least 0"),
        ({"max_fan_in": 1.5}, "max_fan_in must be a whole number"),
        ({"max_fan_out": True}, "max_fan_out must be a whole number"),
        ({"protected_neurons": [-1]}, "protected_neurons must be whole ids of at least 0"),
        ({"protected_connections": [0.5]}, "protected_connections must be whole ids"),
        ({"forbidden": [(0, 1, 2)]}, r"forbidden must hold pairs .*got \(0, 1, 2\)"),
        ({"forbidden": [3]}, "forbidden must hold pairs"),
    ],
)
def test_bad_constraints_are_refused(wrong, rule):
    with pytest.raises(InvalidParameter, match=rule):
        Constraints(**wrong)


POLICIES = {
    "set": sparse_evolution,
    "rigl": rigl,
    "random": random_rewiring,
    "thompson": thompson,
}


@pytest.mark.parametrize("wiring", [layered, partial(random_dag, 6, 3, 0.3, n_hidden=12)])
@pytest.mark.parametrize("name", POLICIES)
def test_rewiring_keeps_within_fan_limits_and_is_never_refused(name, wiring):
    rng = np.random.default_rng(1)
    topology = wiring(rng=rng) if wiring is not layered else layered(rng)
    structure = topology.structure
    protected = structure.connection_ids[::7].copy()
    limits = Constraints(
        max_connections=topology.n_connections,
        max_fan_in=int(fan(structure, "in").max()),
        max_fan_out=int(fan(structure, "out").max()),
        protected_connections=protected,
    )
    topology.constrain(limits)
    X = rng.normal(size=(300, 6))
    classes = (X @ rng.normal(size=(6, 3))).argmax(axis=1)
    dataset = from_arrays("points", X, classes, rng, task="classification", reward_size=80)
    network = Network(topology).initialize(rng)
    rows = list(
        train(
            network, dataset, POLICIES[name](every=5), SGD(0.05), Constant(), Streams.of(0),
            n_steps=100, batch_size=20, evaluate_every=100,
        )
    )  # fmt: skip
    edits = [r.columns for r in rows if r.table == "edits" and np.all(r.columns["step"] > 0)]
    assert len(edits) > 5
    assert all(np.all(piece["accepted"]) for piece in edits)
    assert sum(len(piece["id"]) for piece in edits) > 20
    assert np.isin(protected, topology.structure.connection_ids).all()
    assert topology.n_connections == limits.max_connections


@given(
    seed=st.integers(0, 1000),
    fan_in=st.integers(1, 6),
    fan_out=st.integers(1, 6),
    most=st.integers(1, 60),
)
def test_a_wiring_is_cut_down_to_what_is_allowed(seed, fan_in, fan_out, most):
    rng = np.random.default_rng(seed)
    topology = random_dag(4, 2, 0.5, rng, n_hidden=8)
    structure = topology.structure
    protected = rng.choice(structure.connection_ids, 1)
    limits = Constraints(
        max_connections=most, max_fan_in=fan_in, max_fan_out=fan_out, forbidden=[(0, 2)],
        protected_connections=protected,
    )  # fmt: skip
    surplus = limits.surplus(structure, rng)
    crossing = structure.connection_ids[
        (structure.groups[structure.sources] == 0) & (structure.groups[structure.targets] == 2)
    ]
    topology.apply(Disconnect(structure.connection_ids[surplus], keep_stranded=True))
    left = topology.structure.connection_ids
    assert not np.isin(crossing, left).any()
    if protected[0] not in crossing:  # it goes first where something must
        topology.constrain(limits)
        assert protected[0] in left
    room = min(most, int(np.minimum(fan(structure, "in"), fan_in).sum()))
    assert topology.n_connections <= room


def test_nothing_is_cut_where_nothing_is_limited():
    rng = np.random.default_rng(0)
    assert len(Constraints().surplus(layered(rng).structure, rng)) == 0
