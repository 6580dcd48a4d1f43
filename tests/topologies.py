"""What the tests of the topology manager share: random topologies, and ways to look at one."""

import networkx as nx
import numpy as np

from plastic.activations import BY_CODE
from plastic.edits import AddNeurons, Connect, Disconnect, PruneNeurons
from plastic.topology import Kind, Topology
from plastic.topology.wiring import random_dag

ARRAYS = (
    "neuron_ids", "kinds", "activations", "groups", "rank",
    "indptr", "sources", "connection_ids",
)  # fmt: skip
DTYPES = ("int64", "int8", "int8", "int32", "int32", "int64", "int32", "int32")
SEEDS = (0, 1, 2)


def snapshot(topology):
    """Every bit of a topology: structure, columns, counters and dates."""
    structure, out = topology.structure, topology.structure.out
    arrays = {name: getattr(structure, name) for name in ARRAYS}
    of_out = {name: getattr(out, name) for name in ("indptr", "targets", "positions")}
    arrays |= {f"out.{name}": values for name, values in of_out.items()}
    arrays |= {f"neuron.{name}": v for name, v in topology.neuron_columns.items()}
    arrays |= {f"connection.{name}": v for name, v in topology.connection_columns.items()}
    for what, ids in (
        ("neuron", structure.neuron_ids),
        ("connection", structure.connection_ids),
    ):
        arrays[f"{what} births"] = topology.birth_steps(what, ids)
    held = {name: (str(a.dtype), a.shape, a.tobytes()) for name, a in arrays.items()}
    neurons, connections = topology.number(AddNeurons(1), Connect([0], [1]))
    return held | {"next": (neurons.ids[0], connections.ids[0]), "step": topology.step}


def without_counters(held):
    """A snapshot less what an undo does not bring back: ids once given out stay given out."""
    order = ("next", "rank")  # any topological order will do
    return {name: value for name, value in held.items() if name not in order}


def plain_graph(topology, columns=True):
    """The same graph as an `nx.DiGraph`, read off the arrays one by one."""
    structure, graph = topology.structure, nx.DiGraph()
    ids = structure.neuron_ids.tolist()
    births = topology.birth_steps("neuron", ids).tolist()
    for slot, neuron in enumerate(ids):
        graph.add_node(
            neuron,
            kind=Kind(structure.kinds[slot]).name.lower(),
            activation=BY_CODE[int(structure.activations[slot])].name,
            group=int(structure.groups[slot]),
            birth_step=births[slot],
        )
        for name, values in topology.neuron_columns.items() if columns else ():
            graph.nodes[neuron][name] = values[slot].item()
    births = topology.birth_steps("connection", structure.connection_ids).tolist()
    for slot, neuron in enumerate(ids):
        for position in range(structure.indptr[slot], structure.indptr[slot + 1]):
            source = ids[structure.sources[position]]
            number = int(structure.connection_ids[position])
            graph.add_edge(source, neuron, id=number, birth_step=births[position])
            for name, values in topology.connection_columns.items() if columns else ():
                graph.edges[source, neuron][name] = values[position].item()
    return graph


def assert_consistent(topology):
    """Everything that must hold of the arrays, whatever edits led to them."""
    structure, out = topology.structure, topology.structure.out
    n_neurons, n_connections = structure.n_neurons, structure.n_connections
    for name, dtype in zip(ARRAYS, DTYPES, strict=True):
        array = getattr(structure, name)
        assert array.dtype == dtype, name
        assert not array.flags.writeable, name
    of_out = out.indptr, out.targets, out.positions
    assert [str(array.dtype) for array in of_out] == ["int32", "int32", "int32"]

    assert (np.diff(structure.neuron_ids) > 0).all()
    np.testing.assert_array_equal(np.sort(structure.rank), np.arange(n_neurons))
    np.testing.assert_array_equal(structure.rank[structure.order], np.arange(n_neurons))
    assert (structure.rank[structure.sources] < structure.rank[structure.targets]).all()

    assert (structure.indptr[0], structure.indptr[-1]) == (0, n_connections)
    assert (np.diff(structure.indptr) >= 0).all()
    assert_rows_ascend(structure)
    assert len(np.unique(structure.connection_ids)) == n_connections
    pairs = structure.targets.astype(np.int64) * n_neurons + structure.sources
    assert len(np.unique(pairs)) == n_connections
    assert (structure.kinds[structure.targets] != Kind.INPUT).all()

    np.testing.assert_array_equal(np.sort(out.positions), np.arange(n_connections))
    np.testing.assert_array_equal(structure.targets[out.positions], out.targets)
    by_source = np.repeat(np.arange(n_neurons), np.diff(out.indptr))
    np.testing.assert_array_equal(structure.sources[out.positions], by_source)
    assert ((np.diff(out.targets) > 0) | (np.diff(by_source) > 0)).all()

    assert all(len(values) == n_neurons for values in topology.neuron_columns.values())
    assert all(len(values) == n_connections for values in topology.connection_columns.values())


def assert_rows_ascend(structure):
    """Ids ascend within each row."""
    rising = np.diff(structure.connection_ids) > 0
    firsts = structure.indptr[:-1][np.diff(structure.indptr) > 0]
    rising[firsts[1:] - 1] = True
    assert rising.all()


def random_topology(seed, n_inputs=6, n_outputs=3, n_hidden=40, density=0.3):
    """A random graph with weights and biases whose ids have gaps and whose order was moved."""
    rng = np.random.default_rng(seed)
    topology = random_dag(n_inputs, n_outputs, density, rng, n_hidden=n_hidden)
    topology.neuron_columns.add("bias", np.float64)[:] = rng.normal(size=topology.n_neurons)
    weights = topology.connection_columns.add("weight", np.float32)
    weights[:] = rng.normal(size=topology.n_connections)
    topology.step = 10
    structure = topology.structure
    hidden = structure.neuron_ids[structure.kinds == Kind.HIDDEN]
    topology.apply(PruneNeurons(rng.choice(hidden, 3, replace=False), keep_stranded=True))
    first, last = n_inputs + n_outputs - 1, n_inputs + n_outputs + n_hidden
    grown = AddNeurons(2, "tanh", ids=[last, last + 2])
    topology.apply(
        grown, Connect([0, last, 1, last + 2, last], [last, first, last + 2, first, last + 2])
    )
    lost = rng.choice(topology.structure.connection_ids, 10, replace=False)
    topology.step = 20
    topology.apply(Disconnect(lost, keep_stranded=True))
    return topology


def two_in_a_row():
    """Inputs 0 and 1, outputs 2 and 3, hidden neurons 4 and 5 in a row between them."""
    topology = Topology(2, 2)
    topology.connection_columns.add("weight", np.float32)
    topology.apply(AddNeurons(2), Connect([0, 4, 5, 1], [4, 5, 2, 3]))
    return topology


def random_batch(topology, rng):
    """Edits of all four kinds that go through together."""
    structure = topology.structure
    hidden = structure.neuron_ids[structure.kinds == Kind.HIDDEN]
    pruned, kept = np.split(rng.permutation(hidden), [3])
    cut = rng.choice(structure.connection_ids, 15, replace=False)
    born = topology.next_neuron_id + np.arange(2)
    outputs = structure.neuron_ids[structure.outputs]
    return (
        Disconnect(cut, keep_stranded=True),
        PruneNeurons(pruned, keep_stranded=True),
        AddNeurons(2, "tanh", columns={"bias": rng.normal(size=2)}),
        Connect([0, 1, *born, born[0]], [*born, *outputs[:2], kept[0]]),
    )
