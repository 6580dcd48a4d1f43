"""Graph files: GraphML, GEXF and node-link JSON, for Gephi, yEd, Cytoscape, D3 and others.

Nodes carry ``kind``, ``activation``, ``group`` and ``bias``, edges ``weight`` and ``id``, so a
network comes back with the same predictions.  What such files have no place for (optimizer
state, birth dates, limits) is kept by `plastic.interop.safetensors`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import networkx as nx

from plastic.activations import softmax
from plastic.engine import Network
from plastic.errors import InvalidNetwork, InvalidParameter, ResultsError
from plastic.files import write_whole
from plastic.interop.stages import check_whole
from plastic.topology import from_networkx

UNREADABLE = (
    ParseError, nx.NetworkXException, ValueError, LookupError, TypeError, AttributeError
)  # fmt: skip
"""What NetworkX raises on files that are not what they should be."""


def save_graph(network: Network, path: str | Path) -> Path:
    """Write a network to a graph file, whole or not at all.

    Parameters
    ----------
    network : Network
    path : str or Path
        Its ending says the format: ``.graphml``, ``.gexf`` or ``.json`` (node-link).

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InvalidParameter
        If the ending is another.
    InvalidNetwork
        If the network is a selection that was not committed.
    ResultsError
        If it cannot be written.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from plastic.topology.wiring import random_dag
    >>> rng = np.random.default_rng(0)
    >>> network = Network(random_dag(3, 2, 0.5, rng, n_hidden=4)).initialize(rng)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = save_graph(network, Path(folder) / "net.graphml")
    ...     back = load_graph(path)
    >>> X = rng.normal(size=(5, 3))
    >>> bool((back.predict(X) == network.predict(X)).all())
    True
    """
    path = Path(path)
    write = _format(path)[0]
    check_whole(network)
    graph = nx.DiGraph(network.topology.graph)
    graph.graph.update(loss=network.loss, dtype=network.dtype.name, biases=network.use_biases)
    if network.topology.blocks is not None:
        graph.graph["blocks"] = json.dumps(sorted(map(list, network.topology.blocks)))
    write_whole(path, write(graph))
    return path


def load_graph(
    path: str | Path,
    *,
    inputs: Iterable[Hashable] | None = None,
    outputs: Iterable[Hashable] | None = None,
    **options: Any,
) -> Network:
    """Read a network from a graph file, of plastic's or of another program's.

    Parameters
    ----------
    path : str or Path
        ``.graphml``, ``.gexf`` or ``.json`` (node-link).
    inputs, outputs : iterable of nodes, optional
        As for `from_networkx`: by default the nodes of that ``kind``, otherwise those that
        nothing leads into, and those that nothing leads out of.
    **options
        As for `Network`.  Loss, dtype and biases are by default those that the network had; in
        a file that does not tell, cross_entropy if outputs are softmax and mse if not, float32,
        with biases.

    Returns
    -------
    Network
        With the ids of the file where nodes are named by whole numbers.

    Raises
    ------
    InvalidParameter
        If the ending is of no such format.
    ResultsError
        If there is no such file.
    InvalidNetwork
        If it cannot be read, or the graph makes no network.
    """
    path = Path(path)
    read = _format(path)[1]
    if not path.is_file():
        raise ResultsError(f"there is no file {path}")
    try:
        graph = read(path.read_bytes())
    except UNREADABLE as error:
        kind = path.suffix[1:]
        raise InvalidNetwork(f"{path} cannot be read as {kind}: {error!r}") from None
    graph = _with_numbers(graph)
    topology = from_networkx(graph, inputs=inputs, outputs=outputs, keep_stranded=True)
    held = graph.graph
    if held.get("blocks"):
        topology.blocks = frozenset((int(a), int(b)) for a, b in json.loads(held["blocks"]))
    last = topology.structure.activations[topology.structure.outputs[0]]
    kept: dict[str, Any] = {
        "loss": held.get("loss", "cross_entropy" if last == softmax.code else "mse"),
        "dtype": held.get("dtype", "float32"),
        "biases": bool(held.get("biases", True)),
    }
    return Network(topology, **kept | options)


def _with_numbers(graph: nx.DiGraph) -> nx.DiGraph:
    """The graph with whole numbers where a file has them as text: nodes, ids of edges."""
    if all(isinstance(node, str) and node.isdecimal() for node in graph):
        graph = nx.relabel_nodes(graph, int)
    for *_, attributes in graph.edges(data=True):
        number = attributes.get("id")
        if isinstance(number, str) and number.isdecimal():
            attributes["id"] = int(number)
    return graph


def _write_graphml(graph: nx.DiGraph) -> bytes:
    file = BytesIO()
    nx.write_graphml_xml(graph, file, named_key_ids=True)
    return file.getvalue()


def _read_graphml(content: bytes) -> nx.DiGraph:
    return nx.read_graphml(BytesIO(content))


def _write_gexf(graph: nx.DiGraph) -> bytes:
    graph.graph["name"] = json.dumps(graph.graph)  # GEXF tells of a graph its name alone
    file = BytesIO()
    nx.write_gexf(graph, file)
    return file.getvalue()


def _read_gexf(content: bytes) -> nx.DiGraph:
    graph = nx.read_gexf(BytesIO(content))
    name = graph.graph.get("name", "")
    if name.startswith("{"):
        graph.graph.update(json.loads(name))
    return graph


def _write_json(graph: nx.DiGraph) -> bytes:
    return json.dumps(nx.node_link_data(graph, edges="edges")).encode()


def _read_json(content: bytes) -> nx.DiGraph:
    return nx.node_link_graph(json.loads(content), edges="edges")


Write = Callable[[nx.DiGraph], bytes]
Read = Callable[[bytes], nx.DiGraph]

FORMATS: dict[str, tuple[Write, Read]] = {
    ".graphml": (_write_graphml, _read_graphml),
    ".gexf": (_write_gexf, _read_gexf),
    ".json": (_write_json, _read_json),
}


def _format(path: Path) -> tuple[Write, Read]:
    ending = path.suffix.lower()
    if ending not in FORMATS:
        known = ", ".join(FORMATS)
        raise InvalidParameter(f"a graph file must end in one of {known}, got {path.name!r}")
    return FORMATS[ending]
