"""Safetensors: a whole network in one file, topology and optimizer state included.

The file is an ordinary safetensors file, which libraries in many languages read: weights are
the tensor ``connection.weight``, biases ``neuron.bias``, and `plastic.topology.encoding` tells
the rest.  What is no array is JSON under the metadata key ``plastic``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from plastic.errors import InvalidNetwork, ResultsError
from plastic.files import write_whole
from plastic.topology import decode, encode

if TYPE_CHECKING:
    from plastic.engine import Network

FORMAT_VERSION = 1
KEY = "plastic"
NEEDED = (
    "connection.weight", "neuron.bias", "structure.connection_ids", "structure.neuron_ids",
)  # fmt: skip

NETWORK = "network.safetensors"
"""The file in a run's folder that holds the network as it ended, if it was kept."""


class Parameters(NamedTuple):
    """What a network has learned.

    Parameters
    ----------
    connection : int array, shape (n_connections,)
        Ids, in no order.
    weight : float array, shape (n_connections,)
    neuron : int array, shape (n_neurons,)
        Ids, ascending.
    bias : float array, shape (n_neurons,)
    """

    connection: NDArray[np.int64]
    weight: NDArray[np.floating[Any]]
    neuron: NDArray[np.int64]
    bias: NDArray[np.floating[Any]]


def save_network(network: Network, path: str | Path) -> Path:
    """Write a network to a safetensors file, whole or not at all.

    Parameters
    ----------
    network : Network
        With its ids, columns (weights, biases, optimizer state, statistics), birth dates,
        blocks and constraints.
    path : str or Path
        In a folder that exists; replaced if it is there.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ResultsError
        If it cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from plastic import Network
    >>> from plastic.topology.wiring import minimal
    >>> rng = np.random.default_rng(0)
    >>> network = Network(minimal(2, 1, 1.0, rng)).initialize(rng)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = save_network(network, Path(folder) / "small.safetensors")
    ...     load_network(path)
    Network(Topology(3 neurons: 2 inputs, 0 hidden, 1 outputs; 2 connections),
    cross_entropy, float32)
    """
    arrays, described = encode(network.topology)
    told = {
        "version": FORMAT_VERSION,
        "loss": network.loss,
        "dtype": network.dtype.name,
        "biases": network.use_biases,
        "topology": described,
    }
    held = {name: np.ascontiguousarray(values) for name, values in arrays.items()}
    # one key only: the library writes several in no fixed order
    content = safetensors.numpy.save(held, {KEY: json.dumps(told)})
    write_whole(Path(path), content)
    return Path(path)


def load_network(path: str | Path, **options: Any) -> Network:
    """Read a network that `save_network` has written; it goes on as if nothing had been.

    Parameters
    ----------
    path : str or Path
    **options
        As for `Network`: by default the fast engine, one thread, and the dtype and loss that
        the network had.

    Returns
    -------
    Network

    Raises
    ------
    ResultsError
        If there is no such file.
    InvalidNetwork
        If it is no network of plastic's, or of a later version, or damaged.
    """
    from plastic.engine import Network  # what only reads parameters does not wait for it

    arrays, told = _read(Path(path))
    kept = {name: told[name] for name in ("dtype", "loss", "biases")}
    return Network(decode(arrays, told["topology"]), **kept | options)


def load_parameters(path: str | Path) -> Parameters:
    """Weights and biases of a file that `save_network` has written, without its network.

    Raises
    ------
    ResultsError, InvalidNetwork
        As `load_network`.

    Examples
    --------
    >>> import tempfile
    >>> from plastic import Network
    >>> from plastic.topology.wiring import minimal
    >>> rng = np.random.default_rng(0)
    >>> network = Network(minimal(2, 1, 1.0, rng)).initialize(rng)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = load_parameters(save_network(network, Path(folder) / "small.safetensors"))
    >>> found.connection, found.neuron, bool((found.weight == network.weights).all())
    (array([0, 1]), array([0, 1, 2]), True)
    """
    arrays, _ = _read(Path(path))
    connection, weight, neuron, bias = (
        arrays[name]
        for name in (
            "structure.connection_ids", "connection.weight", "structure.neuron_ids",
            "neuron.bias",
        )
    )  # fmt: skip
    if connection.shape != weight.shape or neuron.shape != bias.shape:
        raise InvalidNetwork(
            f"{path} holds {weight.size} weights of {connection.size} connections and "
            f"{bias.size} biases of {neuron.size} neurons"
        )
    return Parameters(connection.astype(np.int64), weight, neuron.astype(np.int64), bias)


def _read(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """The arrays of a file, and what it tells of them."""
    if not path.is_file():
        raise ResultsError(f"there is no file {path}")
    try:
        with safetensors.safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            if KEY not in metadata:
                raise InvalidNetwork(f"{path} holds tensors, but no network of plastic's")
            names = file.keys()  # of what is no mapping
            arrays = {name: file.get_tensor(name) for name in names}
        told = _described(metadata[KEY])
    except (safetensors.SafetensorError, json.JSONDecodeError) as error:
        raise InvalidNetwork(f"{path} is not a readable safetensors file: {error}") from None
    for name in NEEDED:
        if name not in arrays:
            raise InvalidNetwork(f"{path} holds no tensor {name!r}")
    return arrays, told


def _described(text: str) -> dict[str, Any]:
    told = json.loads(text)
    version = told.get("version") if isinstance(told, dict) else None
    if version != FORMAT_VERSION:
        raise InvalidNetwork(
            f"the network is of format {version!r}, this version reads {FORMAT_VERSION}"
        )
    for name, kind in {"loss": str, "dtype": str, "biases": bool, "topology": dict}.items():
        if not isinstance(told.get(name), kind):
            raise InvalidNetwork(
                f"{name} must be a {kind.__name__}, but the file tells {told.get(name)!r}"
            )
    return told
