"""A topology comes back from its arrays bit for bit, or is refused by the rule broken."""

import json
from dataclasses import fields

import numpy as np
import pytest
from networks import random_topology as oddest_topology
from topologies import SEEDS, assert_consistent, random_batch, random_topology, snapshot

from plastic.edits import Connect
from plastic.errors import InvalidEdit, InvalidNetwork
from plastic.topology import Constraints, Structure, Topology, decode, encode
from plastic.topology.encoding import DTYPES


def through_json(topology):
    arrays, described = encode(topology)
    return decode(arrays, json.loads(json.dumps(described)))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("make", [random_topology, oddest_topology])
def test_there_and_back_nothing_is_lost(seed, make):
    topology = make(seed)
    topology.neuron_columns.add("seen", np.uint8, 3)
    topology.connection_columns.add("pair", np.float32)
    topology.connection_columns.replace("pair", np.ones((topology.n_connections, 2)))
    back = through_json(topology)
    assert_consistent(back)
    assert snapshot(back) == snapshot(topology)


@pytest.mark.parametrize("seed", SEEDS)
def test_it_goes_on_as_if_nothing_had_been(seed):
    topology = random_topology(seed)
    topology.neuron_columns.add("seen", np.uint8, 3)
    back = through_json(topology)
    for one in (topology, back):
        one.step = 30
        one.apply(*random_batch(one, np.random.default_rng(seed)))
    assert snapshot(back) == snapshot(topology)
    assert 3 in back.neuron_columns["seen"]


def test_the_arrays_are_its_own():
    topology = random_topology(0)
    arrays, described = encode(topology)
    back = decode(arrays, described)
    back.connection_columns["weight"][:] = 7
    assert not (topology.connection_columns["weight"] == 7).any()


def test_blocks_and_constraints_come_back():
    topology = Topology(2, 1, blocks=[(0, 2)])
    topology.apply(Connect([0], [2]))
    limits = {"max_connections": 1, "protected_connections": [0], "forbidden": [(0, 5)]}
    topology.constrain(Constraints(**limits))
    back = through_json(topology)
    assert back.blocks == {(0, 2)}
    assert back.constraints.forbidden == {(0, 5)}
    with pytest.raises(InvalidEdit, match="max_connections is 1"):
        back.apply(Connect([1], [2]))


def test_every_array_of_a_structure_is_among_them():
    assert list(DTYPES) == [field.name for field in fields(Structure)]


def changed(name, change):
    def damage(arrays, described):
        arrays[name] = np.array(change(arrays[name].copy()))

    return damage


def lacking(arrays, described):
    del arrays["structure.rank"]


def put(place, value):
    """Set one item of an array."""

    def change(array):
        array[place] = value
        return array

    return change


def described_as(**values):
    return lambda _, described: described.update(values)


NO_TOPOLOGY = "the arrays make no topology: "
DAMAGES = {
    "there is no array 'structure.rank'": lacking,
    "structure.kinds must be a flat array of whole numbers, got float64 of shape": changed(
        "structure.kinds", lambda array: array.astype(float)
    ),
    "structure.groups must hold 48 items, got 47": changed(
        "structure.groups", lambda array: array[:-1]
    ),
    NO_TOPOLOGY + "neuron ids do not ascend from 0 on": changed(
        "structure.neuron_ids", put(1, 0)
    ),
    NO_TOPOLOGY + "kinds must be among": changed("structure.kinds", put(10, 7)),
    NO_TOPOLOGY + "an activation has an unknown code": changed(
        "structure.activations", put(10, 99)
    ),
    NO_TOPOLOGY + "a group is negative": changed("structure.groups", put(0, -1)),
    NO_TOPOLOGY + "the rank is no order": changed("structure.rank", put(0, 3)),
    NO_TOPOLOGY + "there is no input neuron": changed(
        "structure.kinds", lambda array: np.maximum(array, 1)
    ),
    NO_TOPOLOGY + "there is no output neuron": changed(
        "structure.kinds", lambda array: np.minimum(array, 1)
    ),
    NO_TOPOLOGY + "softmax joins all outputs and no other neuron": changed(
        "structure.activations", put(20, 4)
    ),
    NO_TOPOLOGY + "the rows do not end at": changed("structure.indptr", put(-1, 5)),
    NO_TOPOLOGY + "a connection comes out of a neuron that is not there": changed(
        "structure.sources", put(0, 48)
    ),
    NO_TOPOLOGY + "connection ids are not unique from 0": changed(
        "structure.connection_ids", lambda array: np.zeros_like(array)
    ),
    NO_TOPOLOGY + "connection ids do not ascend within a row": changed(
        "structure.connection_ids", lambda array: array[::-1]
    ),
    NO_TOPOLOGY + "a connection goes against the order of the neurons": changed(
        "structure.rank", lambda array: array[::-1]
    ),
    NO_TOPOLOGY + "a connection leads into an input neuron": changed(
        "structure.kinds", put(20, 0)
    ),
    "neuron.bias must hold a number for each of 48 neurons, got float64 of shape (3,)": changed(
        "neuron.bias", lambda array: array[:3]
    ),
    "births.neuron must hold first ids from 0 on": changed(
        "births.neuron", lambda array: array + 1
    ),
    "next_neuron must be a whole number of at least 52, got 3": described_as(next_neuron=3),
    "next_connection must be a whole number of at least": described_as(next_connection=True),
    "step must be a whole number of at least 0, got None": described_as(step=None),
    "blocks must hold pairs of groups, got [1]": described_as(blocks=[1]),
    "constraints: ": described_as(constraints={"max_fan_in": 0}),
    "constraints: Constraints.__init__() got an unexpected": described_as(constraints={"a": 1}),
}


@pytest.mark.parametrize("said", DAMAGES)
def test_what_makes_no_topology_is_refused_by_name(said):
    arrays, described = encode(random_topology(0))
    arrays = dict(arrays)
    DAMAGES[said](arrays, described)
    with pytest.raises(InvalidNetwork) as caught:
        decode(arrays, described)
    assert str(caught.value).startswith(said)


def test_what_softmax_and_pairs_forbid_is_refused():
    topology = Topology(2, 2, "softmax")
    topology.apply(Connect([0, 1, 1], [2, 2, 3]))
    arrays, described = encode(topology)
    twice = arrays | {"structure.sources": np.array([0, 0, 1])}
    with pytest.raises(InvalidNetwork, match="two connections join the same neurons"):
        decode(twice, described)
    out_of = arrays | {"structure.sources": np.array([0, 1, 2])}
    with pytest.raises(InvalidNetwork, match="leads out of a softmax output"):
        decode(out_of, described)
