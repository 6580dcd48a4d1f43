"""Checks of what a `Network` is given; each returns it as the engines take it."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from plastic.activations import BY_CODE, softmax
from plastic.errors import InvalidData, InvalidNetwork, InvalidParameter, check_in
from plastic.nodes import Neuron, Node
from plastic.topology import Structure

Array = NDArray[Any]

HIGHEST_RATE = 1e6

WITHOUT_GRADIENT = np.array(
    [c in BY_CODE and not BY_CODE[c].differentiable for c in range(max(BY_CODE) + 1)]
)
"""By the code of an activation: whether it is a hard one."""


def checked_dtype(dtype: DTypeLike) -> np.dtype:
    """The dtype in this machine's byte order.

    Raises
    ------
    InvalidParameter
        If it is neither float32 nor float64.
    """
    try:
        name: Any = np.dtype(dtype).name
    except TypeError:
        name = dtype
    check_in("dtype", name, ("float32", "float64"))
    return np.dtype(name)


def check_learnable(structure: Structure) -> None:
    """Refuse to compute gradients of a network that has none.

    Raises
    ------
    InvalidNetwork
        If a neuron's activation is not differentiable; the message names the first.
    """
    held = WITHOUT_GRADIENT[structure.activations]
    if held.any():
        neuron = structure.neuron_ids[held][0]
        name = BY_CODE[int(structure.activations[held][0])]
        raise InvalidNetwork(
            f"neuron {neuron} is a hard {name}, which has no gradient: "
            "this network predicts, but does not learn"
        )


def checked_samples(
    name: str, values: ArrayLike, width: int, dtype: np.dtype, n_samples: int | None = None
) -> Array:
    """One row a sample, as numbers of this dtype; copied only where it is another.

    Raises
    ------
    InvalidData
        If there is none, their shape is not ``(n_samples, width)``, or a value is not finite.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise InvalidData(f"{name} must hold numbers, got {array.dtype}")
    rows = "n_samples" if n_samples is None else n_samples
    if array.ndim != 2 or array.shape != (n_samples or len(array), width):
        raise InvalidData(f"{name} must be of shape ({rows}, {width}), got {array.shape}")
    if not len(array):
        raise InvalidData(f"{name} must hold at least one sample, got shape {array.shape}")
    held = array
    if array.dtype != dtype:
        with np.errstate(over="ignore"):  # a number too large becomes infinite: caught below
            held = array.astype(dtype)
    # a finite sum, one cheap pass, tells that all is well; another one may only be large
    if not isfinite(np.vdot(held, held)) and not np.isfinite(held).all():
        row = int(np.argmin(np.isfinite(held).all(axis=1)))
        raise InvalidData(f"{name} must be finite in {dtype}; row {row} is not")
    return held


def checked_rows(rows: ArrayLike, n_samples: int) -> NDArray[np.int64]:
    """The samples of each mini-batch, shape (n_steps, batch_size).

    Raises
    ------
    InvalidData
        If they are not, are none, or name a sample that is not there.
    """
    array = np.asarray(rows)
    if array.ndim != 2 or array.size == 0 or array.dtype.kind not in "iu":
        raise InvalidData(
            "rows must be whole numbers of shape (n_steps, batch_size), "
            f"got {array.dtype} of shape {array.shape}"
        )
    for row in (array.min(), array.max()):
        if not 0 <= row < n_samples:
            raise InvalidData(f"rows must name samples 0 to {n_samples - 1}, got {row}")
    return array.astype(np.int64, copy=False)


def checked_rates(rates: ArrayLike, n_steps: int) -> NDArray[np.float64]:
    """The learning rate of each step, shape (n_steps,); a number stands for all.

    Raises
    ------
    InvalidParameter
        If their number is another, or one is outside [0, 1e6].
    """
    array = np.asarray(rates, float)
    if array.shape not in ((), (n_steps,)):
        raise InvalidParameter(f"rates must be of shape ({n_steps},), got {array.shape}")
    bad = ~((array >= 0) & (array <= HIGHEST_RATE))  # a NaN is bad, too
    if bad.any():
        raise InvalidParameter(f"rates must lie in [0, {HIGHEST_RATE:g}], got {array[bad][0]}")
    return np.broadcast_to(array, n_steps)


def checked_hits(hits: NDArray[Any], n_steps: int) -> NDArray[np.int64]:
    """Where the right answers of each step are to be written, shape (n_steps,).

    Raises
    ------
    InvalidParameter
        If it is of another shape or kind, or cannot be written to.
    """
    fits = isinstance(hits, np.ndarray) and hits.dtype == np.int64 and hits.shape == (n_steps,)
    if not fits or not (hits.flags.c_contiguous and hits.flags.writeable):
        raise InvalidParameter(
            f"hits must be a contiguous, writable int64 array of shape ({n_steps},), got "
            f"{getattr(hits, 'dtype', type(hits).__name__)} of shape {np.shape(hits)}"
        )
    return hits


def check_output_nodes(outputs: Sequence[Node]) -> None:
    """Raise unless these nodes can be the outputs of one network.

    Raises
    ------
    InvalidNetwork
        If there are none, one is no neuron or named twice, or softmax joins them otherwise
        than all in one layer.
    """
    if not outputs or len(set(outputs)) < len(outputs):
        raise InvalidNetwork(f"outputs must be one or more different neurons, got {outputs}")
    for node in outputs:
        if not isinstance(node, Neuron):
            raise InvalidNetwork(f"an output must be a neuron, got {node!r}")
    groups = [node.softmax_group for node in outputs]
    alone = any(
        isinstance(node, Neuron) and node.activation_function is softmax and not group
        for node, group in zip(outputs, groups, strict=True)
    )
    group = groups[0]
    if alone or len(set(groups)) > 1 or (group and set(group.neurons) != set(outputs)):
        raise InvalidNetwork("softmax outputs must be all neurons of one softmax_layer")
