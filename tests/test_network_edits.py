"""Edits of a network that has learned: survivors keep all, newborns start afresh."""

from __future__ import annotations

import numpy as np
import pytest
from networks import (
    ENGINES,
    OPTIMIZERS,
    WATCHED,
    assert_same_columns,
    columns_by_id,
    random_data,
    random_network,
    random_rows,
)

from plastic.activations import relu, tanh
from plastic.edits import AddNeurons, Connect, Disconnect, PruneNeurons
from plastic.engine import SGD
from plastic.errors import InvalidEdit


def trained(seed, optimizer, **options):
    X, Y = random_data(seed, 50)
    network = random_network(seed, "tanh", **options)
    network.learn(X, Y, random_rows(seed, 20, 33, 50), optimizer, statistics=WATCHED)
    return network, X, Y


def some_edits(topology):
    """Edits of all kinds at once, among them a newborn with given weights."""
    structure = topology.structure
    hidden = structure.neuron_ids[structure.kinds == 1]
    pruned, newborn = hidden[3], topology.next_neuron_id
    ends = structure.neuron_ids[structure.sources], structure.neuron_ids[structure.targets]
    alive = structure.connection_ids[(ends[0] != pruned) & (ends[1] != pruned)]
    return (
        Disconnect(alive[[2, 5, 11]], keep_stranded=True),
        PruneNeurons([pruned], keep_stranded=True),
        AddNeurons(2, [tanh.code, relu.code], keep_stranded=True),
        Connect([0, newborn, newborn + 1], [newborn, newborn + 1, 5]),
        Connect([0], [6], columns={"weight": np.array([0.25])}),
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_survivors_keep_everything_and_newborns_start_fresh(optimizer, engine, dtype):
    network, *_ = trained(14, optimizer, engine=engine, dtype=dtype)
    before = columns_by_id(network.topology)
    kept = {"weight", "saliency", *filter(None, optimizer.slots)}
    assert kept <= {name for what, name in before if what == "connection"}
    network.apply(*some_edits(network.topology))
    after = columns_by_id(network.topology)
    assert set(after) == set(before)
    for key, values in after.items():
        newborns = {i: value for i, value in values.items() if i not in before[key]}
        assert {i: before[key][i] for i in values if i in before[key]} == {
            i: value for i, value in values.items() if i in before[key]
        }
        assert len(newborns) == (2 if key[0] == "neuron" else 4)
        if key == ("connection", "weight"):  # the last was given one
            assert newborns.pop(max(newborns)) == np.array(0.25, dtype).tobytes()
        assert not any(b"".join(newborns.values()))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("engine", ENGINES)
def test_grown_at_zero_changes_no_prediction(engine, dtype):
    network, X, _ = trained(15, SGD(0.1), engine=engine, dtype=dtype)
    before = network.predict(X)
    newborn = network.topology.next_neuron_id
    network.apply(
        AddNeurons(1, "tanh", keep_stranded=True),
        Connect([0, 1], [newborn] * 2, columns={"weight": np.array([0.7, -0.3])}),
        Connect([newborn, newborn, newborn], [4, 5, 6]),
        Connect([0], [4]),
    )
    assert network.predict(X).tobytes() == before.tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_undo_brings_everything_back(optimizer, engine, dtype):
    network, X, Y = trained(16, optimizer, engine=engine, dtype=dtype)
    twin, *_ = trained(16, optimizer, engine=engine, dtype=dtype)
    before, columns = network.predict(X), columns_by_id(network.topology)
    undo = network.apply(*some_edits(network.topology))
    assert network.predict(X).tobytes() != before.tobytes()
    network.apply(*undo)
    assert network.predict(X).tobytes() == before.tobytes()
    assert columns_by_id(network.topology) == columns
    for one in (network, twin):  # as if nothing had been
        one.learn(X, Y, random_rows(17, 5, 8, 50), optimizer, statistics=WATCHED)
    assert columns_by_id(network.topology) == columns_by_id(twin.topology)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_engines_agree_across_edits(optimizer):
    fast, X, Y = trained(18, optimizer, engine="fast")
    nodes, *_ = trained(18, optimizer, engine="nodes")
    for network in (fast, nodes):
        network.apply(*some_edits(network.topology))
    rows = random_rows(19, 30, 33, 50)
    losses = [n.learn(X, Y, rows, optimizer, statistics=WATCHED) for n in (fast, nodes)]
    np.testing.assert_allclose(losses[0], losses[1], atol=1e-9)
    assert_same_columns(fast.topology, nodes.topology, tolerance=1e-9)
    if "adam_age" in fast.topology.connection_columns:
        ages = fast.topology.connection_columns["adam_age"]
        ids = fast.topology.structure.connection_ids
        assert set(ages[np.argsort(ids)[-4:]]) == {30}
        assert set(ages[np.argsort(ids)[:-4]]) == {50}


@pytest.mark.parametrize("engine", ENGINES)
def test_a_refused_edit_changes_nothing(engine):
    network, X, _ = trained(20, SGD(0.1), engine=engine)
    before, columns = network.predict(X), columns_by_id(network.topology)
    edits = some_edits(network.topology)
    with pytest.raises(InvalidEdit, match="there is no neuron 999"):
        network.apply(*edits, Connect([999], [5]))
    assert columns_by_id(network.topology) == columns
    assert network.predict(X).tobytes() == before.tobytes()
