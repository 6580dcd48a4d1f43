"""Everything that a training goes on from: taken from one, and given to another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.checkpoint.proposals import decode_pending, encode_pending
from plastic.costs import Ledger
from plastic.engine import SGD, Adam
from plastic.errors import InvalidCheckpoint
from plastic.selection import Selected
from plastic.streams import check_stream, stream_state
from plastic.topology import Topology, decode, encode
from plastic.training import Training

Arrays = Mapping[str, NDArray[Any]]


def capture_training(training: Training) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """All that a training goes on from, as named arrays and what is fit for JSON."""
    network = training.network
    of_topology, topology = encode(network.topology)
    of_pending, pending = encode_pending(training.pending)
    first = first_loss(training)
    arrays = {f"topology.{name}": values for name, values in of_topology.items()}
    arrays |= {f"policy.{name}": values for name, values in training.policy.state().items()}
    arrays |= {
        f"plasticity.{name}": values for name, values in training.plasticity.state().items()
    }
    arrays |= {f"metrics.{name}": values for name, values in training.readings.state().items()}
    if isinstance(network, Selected):
        state = network.selection_state()
        arrays |= {f"selection.{name}": values for name, values in state.items()}
    arrays |= {
        "losses": training.losses[first : training.step],
        "scores": training.scores[first : training.step],
        "batches": training.batches.ready,
    }
    return arrays | of_pending, {
        "of": _described(training),
        "topology": topology,
        "streams": {
            name: stream_state(stream) for name, stream in vars(training.streams).items()
        },
        "ledger": vars(training.ledger),
        "asked": training.asked,
        "begun": training.begun,
        "first_loss": first,
        "pending": pending,
    }


def first_loss(training: Training) -> int:
    """The first step whose loss is asked for once more: by an evaluation or by plasticity."""
    return min(training.asked, training.last_evaluated())


def restore_training(training: Training, arrays: Arrays, told: Mapping[str, Any]) -> None:
    """Bring a training that was just begun to where another one of the same kind was.

    Raises
    ------
    InvalidCheckpoint
        If it was not of the same kind, or something is missing; nothing is changed then.
    """
    try:
        _check_kind(training, told["of"])
        topology = decode(_below(arrays, "topology"), told["topology"])
        _check_topology(training, topology)
        streams = {
            name: check_stream(stream, told["streams"][name])
            for name, stream in vars(training.streams).items()
        }
        ready = training.batches.checked(arrays["batches"])
        pending = decode_pending(arrays, told["pending"])
        ledger = Ledger(*(kind(told["ledger"][name]) for name, kind in LEDGER.items()))
        losses = _losses(training, arrays["losses"], told, topology.step)
        scores = _losses(training, arrays["scores"], told, topology.step)
        asked, begun = told["asked"], told["begun"]
        if type(asked) is not int or not 0 <= asked <= topology.step:
            raise InvalidCheckpoint(f"the policy cannot have been asked last at {asked!r}")
        later = [n for n in training.policy.steps(training.n_steps).tolist() if n > asked]
        if later and min(later) < topology.step:
            raise InvalidCheckpoint(f"the policy was asked after {asked}, at {min(later)}")
        if type(begun) is not int or not 0 <= begun <= topology.step:
            raise InvalidCheckpoint(f"training cannot have begun at {begun!r}")
        _restore_parts(training, arrays, topology)
    except InvalidCheckpoint:
        raise
    except Exception as error:
        said = str(error) or type(error).__name__
        raise InvalidCheckpoint(f"the checkpoint does not fit: {said}") from error
    for name, state in streams.items():
        getattr(training.streams, name).bit_generator.state = state
    training.batches.ready = ready
    training.pending, training.ledger = pending, ledger
    training.losses, training.scores = losses, scores
    training.asked, training.begun = asked, begun


LEDGER: dict[str, type] = {"flops": int, "candidate_gradients": int, "seconds": float}


def _described(training: Training) -> dict[str, Any]:
    """What two trainings must have in common for one to go on from the other."""
    network = training.network
    return {
        "loss": network.loss,
        "dtype": network.dtype.name,
        "biases": network.use_biases,
        "selects": isinstance(network, Selected),
        "n_steps": training.n_steps,
        "evaluate_every": training.evaluate_every,
        "batch_size": training.batches.size,
        "task_steps": training.dataset.drift.every if training.dataset.drift else None,
        "optimizer": repr(training.optimizer),
        "policy": type(training.policy).__name__,
        "plasticity": type(training.plasticity).__name__,
        "metrics": training.readings.described,
    }


def _check_kind(training: Training, told: Mapping[str, Any]) -> None:
    for name, mine in _described(training).items():
        if told.get(name) != mine:
            raise InvalidCheckpoint(
                f"the checkpoint is of a training with {name} {told.get(name)!r}, not {mine!r}"
            )


def _check_topology(training: Training, topology: Topology) -> None:
    """Refuse a topology that the network, its data or its compiled engine could not take."""
    network, own = training.network, training.network.topology
    ends = [(one.n_inputs, one.n_outputs, _output_codes(one)) for one in (own, topology)]
    if ends[0] != ends[1]:
        raise InvalidCheckpoint(
            f"the checkpoint holds {topology!r}, which does not take the place of {own!r}"
        )
    if not 0 <= topology.step <= training.n_steps:
        raise InvalidCheckpoint(f"the checkpoint is of step {topology.step}")
    for columns, needed in (
        (topology.connection_columns, "weight"),
        (topology.neuron_columns, "bias"),
    ):
        if needed not in columns:
            raise InvalidCheckpoint(f"the checkpoint lacks the column {needed!r}")
        slots = [name for rule in (SGD, Adam) for name in rule.slots[:2]]
        for name in (needed, *slots):
            if name in columns and columns[name].dtype != network.dtype:
                raise InvalidCheckpoint(
                    f"column {name!r} holds {columns[name].dtype}, not {network.dtype}"
                )
        ages = columns.get(Adam.slots[2])
        # the kernel looks up a table by age
        if ages is not None and (
            ages.dtype != np.int32 or (ages < 0).any() or (ages > topology.step).any()
        ):
            raise InvalidCheckpoint(f"column {Adam.slots[2]!r} holds no ages")
        for name, values in columns.items():
            if values.ndim != 1:
                raise InvalidCheckpoint(f"column {name!r} is of shape {values.shape}")


def _output_codes(topology: Topology) -> list[int]:
    structure = topology.structure
    return structure.activations[structure.outputs].tolist()


def _losses(
    training: Training, held: NDArray[Any], told: Mapping[str, Any], step: int
) -> NDArray[Any]:
    first = told["first_loss"]
    if type(first) is not int or not 0 <= first <= step or held.shape != (step - first,):
        raise InvalidCheckpoint(f"{held.shape} losses from step {first!r} do not end at {step}")
    losses = np.full(training.n_steps, np.nan)
    losses[first:step] = held
    return losses


def _restore_parts(training: Training, arrays: Arrays, topology: Topology) -> None:
    """All parts and the topology; if one refuses, all are as they were."""
    network = training.network
    own, before = network.topology, copy(network.topology)
    undo: list[Callable[[], None]] = []
    try:
        parts: tuple[tuple[Any, str], ...] = (
            (training.policy, "policy"),
            (training.plasticity, "plasticity"),
            (training.readings, "metrics"),
        )
        for part, name in parts:
            kept = part.state()
            undo.append(partial(part.restore, kept))
            part.restore(_below(arrays, name))
        undo.append(lambda: own.become(before))
        own.become(topology)
        if isinstance(network, Selected):
            chosen = network.selection_state()
            undo.append(lambda: network.restore_selection(chosen))
            network.restore_selection(_below(arrays, "selection"))
    except Exception:
        for one in undo:  # the topology before the selection on it
            one()
        raise


def _below(arrays: Arrays, name: str) -> dict[str, NDArray[Any]]:
    """Copies of the arrays whose names begin so, without that."""
    start = f"{name}."
    return {
        key[len(start) :]: np.array(held)
        for key, held in arrays.items()
        if key.startswith(start)
    }
