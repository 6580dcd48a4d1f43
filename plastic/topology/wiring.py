"""Wirings: how a network is connected before it learns.

Every function takes the number of inputs and outputs, the density and a random generator,
and returns a `Topology` of exactly ``round(density * n_possible)`` connections (layered
wirings round block by block).  Layered ones may leave a neuron of a very sparse layer without
a way in or out: that is part of what sparse policies have to live with.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import networkx as nx
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from plastic.edits import AddNeurons, Connect
from plastic.errors import InvalidParameter, check_count, check_range, check_rng
from plastic.topology.drawing import drawn_numbers
from plastic.topology.topology import Topology

Pairs = NDArray[np.int64]  # (n_pairs, 2)

DAG_BLOCKS = ((0, 1), (1, 1), (1, 2), (0, 2))
"""Inputs are group 0, hidden neurons 1, outputs 2; any may connect forward."""


def dense(
    n_inputs: int,
    n_outputs: int,
    density: float,
    rng: Generator,
    *,
    hidden: Sequence[int] = (128, 128),
    activation: str = "relu",
    output_activation: str = "softmax",
) -> Topology:
    """Fully connected layers.

    Parameters
    ----------
    n_inputs, n_outputs : int
    density : float
        Must be 1: a dense wiring leaves nothing out.
    rng : Generator
        Not used; every wiring takes one.
    hidden : sequence of int
        Neurons of each hidden layer.
    activation, output_activation : str

    Raises
    ------
    InvalidParameter
        If the density is not 1 or a layer is empty.

    Examples
    --------
    >>> dense(2, 1, 1.0, np.random.default_rng(0), hidden=[3])
    Topology(6 neurons: 2 inputs, 3 hidden, 1 outputs; 9 connections)
    """
    if density != 1:
        raise InvalidParameter(f"wiring dense needs density 1, got {density}; use erk instead")
    sizes = _layer_sizes(n_inputs, hidden, n_outputs)
    full = [a * b for a, b in pairwise(sizes)]
    return _layered(sizes, full, rng, activation, output_activation)


def dense_equal(
    n_inputs: int,
    n_outputs: int,
    density: float,
    rng: Generator,
    *,
    hidden: Sequence[int] = (128, 128),
    activation: str = "relu",
    output_activation: str = "softmax",
) -> Topology:
    """Fully connected layers, narrowed to the connections that a sparse network would have.

    It tells a sparse network from a small one.  Parameters are those of `erk`; `hidden` are the
    layers of the sparse network, whose proportions are kept.

    Raises
    ------
    InvalidParameter
        If the density is too low for a neuron in every layer.

    Examples
    --------
    >>> dense_equal(64, 10, 0.05, np.random.default_rng(0), hidden=[128, 128])
    Topology(104 neurons: 64 inputs, 30 hidden, 10 outputs; 1280 connections)
    """
    check_range("density", density, 0, 1, open_low=True)
    sizes = _layer_sizes(n_inputs, hidden, n_outputs)
    allowed = round(density * _n_pairs(sizes))
    narrow = [1] * len(hidden)
    if _n_pairs([n_inputs, *narrow, n_outputs]) > allowed:
        few = f"density {density} leaves {allowed} connections, too few for dense layers"
        raise InvalidParameter(few)
    wider = [narrow]
    while wider:  # by one neuron, rather in a layer that is narrow for what it was
        narrow = wider[0]
        by_share = np.argsort(np.array(narrow) / hidden, kind="stable")
        steps = [[n + (i == one) for i, n in enumerate(narrow)] for one in by_share]
        wider = [s for s in steps if _n_pairs([n_inputs, *s, n_outputs]) <= allowed]
    sizes = [n_inputs, *narrow, n_outputs]
    full = [a * b for a, b in pairwise(sizes)]
    return _layered(sizes, full, rng, activation, output_activation)


def erdos_renyi(
    n_inputs: int,
    n_outputs: int,
    density: float,
    rng: Generator,
    *,
    hidden: Sequence[int] = (128, 128),
    activation: str = "relu",
    output_activation: str = "softmax",
) -> Topology:
    """Layers in which every connection is equally likely (Erdos and Renyi, 1959).

    Parameters are those of `erk`.
    """
    check_range("density", density, 0, 1, open_low=True)
    sizes = _layer_sizes(n_inputs, hidden, n_outputs)
    counts = [max(1, round(density * a * b)) for a, b in pairwise(sizes)]
    return _layered(sizes, counts, rng, activation, output_activation)


def erk(
    n_inputs: int,
    n_outputs: int,
    density: float,
    rng: Generator,
    *,
    hidden: Sequence[int] = (128, 128),
    activation: str = "relu",
    output_activation: str = "softmax",
) -> Topology:
    r"""Layers whose density goes with :math:`(n_{in} + n_{out}) / (n_{in} n_{out})`.

    Small layers are wired more densely than large ones.  For fully connected layers this is
    both the sparse Erdos-Renyi wiring of SET and the Erdos-Renyi kernel wiring of RigL.

    Parameters
    ----------
    n_inputs, n_outputs : int
    density : float
        Fraction of all connections of all layers together, in (0, 1].
    rng : Generator
        Draws the connections.
    hidden : sequence of int
        Neurons of each hidden layer.
    activation, output_activation : str

    References
    ----------
    Mocanu et al. (2018), Scalable training of artificial neural networks with adaptive sparse
    connectivity, arXiv:1707.04780, equation 3.  Evci et al. (2020), Rigging the Lottery,
    arXiv:1911.11134, section 3.

    Examples
    --------
    >>> topology = erk(64, 10, 0.05, np.random.default_rng(0), hidden=[128, 128])
    >>> topology.n_connections
    1293
    """
    check_range("density", density, 0, 1, open_low=True)
    sizes = _layer_sizes(n_inputs, hidden, n_outputs)
    blocks = np.array(list(pairwise(sizes)))
    counts = erk_counts(blocks[:, 0], blocks[:, 1], density)
    return _layered(sizes, counts.tolist(), rng, activation, output_activation)


def erk_counts(
    n_sources: NDArray[np.integer],
    n_targets: NDArray[np.integer],
    density: float,
    room: NDArray[np.integer] | None = None,
) -> NDArray[np.int64]:
    """Connections of each block under the rule of `erk`, none beyond its room.

    Parameters
    ----------
    n_sources, n_targets : int arrays, shape (n_blocks,)
        Sizes of the groups that each block joins.
    density : float
        Of all blocks together, in (0, 1].
    room : int array, shape (n_blocks,), optional
        Connections that each block can hold; by default one for every pair.

    Returns
    -------
    int array, shape (n_blocks,)
        At least 1 each.

    Examples
    --------
    >>> erk_counts(np.array([64, 128, 128]), np.array([128, 128, 10]), 0.05)
    array([424, 565, 304])
    """
    room = n_sources * n_targets if room is None else room
    share = room * (n_sources + n_targets) / (n_sources * n_targets)
    wanted = density * room.sum()
    full = np.zeros(len(room), bool)
    counts = np.zeros(len(room))
    while not full.all():  # what full blocks cannot take goes to the others
        counts = np.where(full, room, share * (wanted - room[full].sum()) / share[~full].sum())
        overfull = (counts > room) & ~full
        if not overfull.any():
            break
        full |= overfull
    counts = np.where(full, room, counts)
    return np.maximum(1, np.round(counts)).astype(np.int64)


def random_dag(
    n_inputs: int,
    n_outputs: int,
    density: float,
    rng: Generator,
    *,
    n_hidden: int = 256,
    activation: str = "relu",
    output_activation: str = "softmax",
) -> Topology:
    """Hidden neurons in a line; every forward connection is equally likely.

    Every hidden neuron gets a way in and a way out.

    Parameters
    ----------
    n_inputs, n_outputs : int
    density : float
        Fraction of all forward connections, in (0, 1].
    rng : Generator
    n_hidden : int
    activation, output_activation : str

    Raises
    ------
    InvalidParameter
        If the density is too low for every hidden neuron to have a way in and out.

    Examples
    --------
    >>> random_dag(4, 2, 0.3, np.random.default_rng(0), n_hidden=10)
    Topology(16 neurons: 4 inputs, 10 hidden, 2 outputs; 34 connections)
    """
    none = np.zeros((0, 2), np.int64)
    return _dag(
        (n_inputs, n_hidden, n_outputs), none, density, rng, (activation, output_activation)
    )


def small_world(
    n_inputs: int,
    n_outputs: int,
    density: float,
    rng: Generator,
    *,
    n_hidden: int = 256,
    rewired: float = 0.1,
    activation: str = "relu",
    output_activation: str = "softmax",
) -> Topology:
    """Near neighbours in a line, some of them rewired (Watts and Strogatz, 1998).

    Parameters
    ----------
    n_inputs, n_outputs, density, rng, n_hidden, activation, output_activation
        As in `random_dag`; the density sets the number of neighbours.
    rewired : float
        Probability that a connection leads somewhere else, in [0, 1].
    """
    check_range("rewired", rewired, 0, 1)
    sizes = (n_inputs, n_hidden, n_outputs)
    _check_sizes(sizes, rng)
    n = sum(sizes)
    degree = 2 * _dag_count(sizes, density) / n
    neighbours = min(max(2, 2 * round(degree / 2)), n - 1)
    graph = nx.watts_strogatz_graph(n, neighbours, rewired, seed=int(rng.integers(2**31)))
    pairs = np.sort(np.array(graph.edges, np.int64).reshape(-1, 2), axis=1)
    return _dag(sizes, pairs, density, rng, (activation, output_activation))


def scale_free(
    n_inputs: int,
    n_outputs: int,
    density: float,
    rng: Generator,
    *,
    n_hidden: int = 256,
    activation: str = "relu",
    output_activation: str = "softmax",
) -> Topology:
    """Few hubs, many neurons of low degree (Barabasi and Albert, 1999).

    Parameters
    ----------
    n_inputs, n_outputs, density, rng, n_hidden, activation, output_activation
        As in `random_dag`; the density sets how many connections a neuron attaches with.
    """
    sizes = (n_inputs, n_hidden, n_outputs)
    _check_sizes(sizes, rng)
    n = sum(sizes)
    attached = min(max(1, round(_dag_count(sizes, density) / n)), n - 1)
    graph = nx.barabasi_albert_graph(n, attached, seed=int(rng.integers(2**31)))
    place = rng.permutation(n)  # hubs may be anywhere, not only among the inputs
    pairs = np.sort(place[np.array(graph.edges, np.int64).reshape(-1, 2)], axis=1)
    return _dag(sizes, pairs, density, rng, (activation, output_activation))


def minimal(
    n_inputs: int,
    n_outputs: int,
    density: float,
    rng: Generator,
    *,
    output_activation: str = "softmax",
) -> Topology:
    """Inputs connected to outputs, no hidden neuron: where growth from nothing begins.

    The density is that of the connections from inputs to outputs.
    """
    check_range("density", density, 0, 1, open_low=True)
    check_rng(rng)
    topology = Topology(n_inputs, n_outputs, output_activation, blocks=DAG_BLOCKS)
    count = max(1, round(density * n_inputs * n_outputs))
    flat = np.sort(rng.choice(n_inputs * n_outputs, count, replace=False))
    topology.apply(Connect(flat % n_inputs, n_inputs + flat // n_inputs, reason="wiring"))
    return topology


def _layer_sizes(n_inputs: int, hidden: Sequence[int], n_outputs: int) -> list[int]:
    check_count("n_inputs", n_inputs)
    check_count("n_outputs", n_outputs)
    if not hasattr(hidden, "__iter__"):
        raise InvalidParameter(f"hidden must list the size of each layer, got {hidden!r}")
    for layer, size in enumerate(hidden):
        check_count(f"hidden[{layer}]", size)
    return [n_inputs, *hidden, n_outputs]


def _n_pairs(sizes: Sequence[int]) -> int:
    return sum(a * b for a, b in pairwise(sizes))


def _layered(
    sizes: list[int],
    counts: list[int],
    rng: Generator,
    activation: str,
    output_activation: str,
) -> Topology:
    check_rng(rng)
    last = len(sizes) - 1
    blocks = [(layer, layer + 1) for layer in range(last)]
    topology = Topology(
        sizes[0], sizes[-1], output_activation, output_group=last, blocks=blocks
    )
    layers = [np.arange(sizes[0])]
    first = sizes[0] + sizes[-1]
    for size in sizes[1:-1]:
        layers.append(np.arange(first, first + size))
        first += size
    layers.append(np.arange(sizes[0], sizes[0] + sizes[-1]))
    groups = np.repeat(np.arange(1, last), sizes[1:-1])
    topology.apply(
        AddNeurons(len(groups), activation, groups, keep_stranded=True, reason="wiring")
    )
    for layer, count in enumerate(counts):
        n_sources = sizes[layer]
        for flat in drawn_numbers(n_sources * sizes[layer + 1], count, rng):
            target, source = np.divmod(flat, n_sources)
            ends = layers[layer][source], layers[layer + 1][target]
            topology.apply(Connect(*ends, reason="wiring"))  # one by one, for the memory
    return topology


def _dag(
    sizes: tuple[int, int, int],
    wanted: Pairs,
    density: float,
    rng: Generator,
    activations: tuple[str, str],
) -> Topology:
    """A topology of neurons in a line: inputs, hidden, outputs.

    `wanted` pairs of places (low, high) are used first; then pairs that give every hidden
    neuron a way in and out; then random ones, up to the count that the density asks for.
    """
    _check_sizes(sizes, rng)
    count = _dag_count(sizes, density)
    n_inputs, n_hidden, n_outputs = sizes
    n = sum(sizes)
    needed = _spanning(sizes, rng)
    if len(needed) > count:
        raise InvalidParameter(
            f"density {density} leaves {count} connections, but {n_hidden} hidden neurons need "
            f"{len(needed)} to have a way in and out each"
        )
    joined = (wanted[:, 1] >= n_inputs) & (wanted[:, 0] < n - n_outputs)
    wanted = rng.permutation(wanted[joined])
    keys = _first_unique(np.concatenate([needed, wanted]) @ [n, 1])[:count]
    while len(keys) < count:
        low, high = np.sort(rng.integers(0, n, (2, 2 * count)), axis=0)
        fits = (low < high) & (high >= n_inputs) & (low < n - n_outputs)
        keys = _first_unique(np.concatenate([keys, low[fits] * n + high[fits]]))[:count]
    keys.sort()
    topology = Topology(n_inputs, n_outputs, activations[1], blocks=DAG_BLOCKS)
    hidden = np.arange(n_inputs + n_outputs, n)
    ids = np.concatenate([np.arange(n_inputs), hidden, n_inputs + np.arange(n_outputs)])
    neurons = AddNeurons(n_hidden, activations[0], 1, reason="wiring")
    topology.apply(neurons, Connect(ids[keys // n], ids[keys % n], reason="wiring"))
    return topology


def _spanning(sizes: tuple[int, int, int], rng: Generator) -> Pairs:
    """One way in from before and one way out to behind for every hidden place."""
    n_inputs, n_hidden, _ = sizes
    n = sum(sizes)
    places = np.arange(n_inputs, n_inputs + n_hidden)
    into = np.stack([rng.integers(0, places), places], axis=1)
    out_of = np.stack([places, rng.integers(places + 1, n)], axis=1)
    pairs = np.concatenate([into, out_of])
    keys = _first_unique(pairs @ [n, 1])
    return np.stack([keys // n, keys % n], axis=1)


def _dag_count(sizes: tuple[int, int, int], density: float) -> int:
    check_range("density", density, 0, 1, open_low=True)
    n_inputs, n_hidden, n_outputs = sizes
    between = n_inputs * n_hidden + n_hidden * n_outputs + n_inputs * n_outputs
    return max(1, round(density * (between + n_hidden * (n_hidden - 1) // 2)))


def _check_sizes(sizes: tuple[int, int, int], rng: Generator) -> None:
    check_rng(rng)
    for name, size in zip(("n_inputs", "n_hidden", "n_outputs"), sizes, strict=True):
        check_count(name, size)


def _first_unique(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    _, first = np.unique(keys, return_index=True)
    return keys[np.sort(first)]
