"""The promise about constraints: a policy keeps them, and still finds something to do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from plastic.checks.cases import Case, Run
from plastic.errors import InvalidEdit
from plastic.topology import Constraints, Kind, Topology
from plastic.topology.constraints import fan
from plastic.training import LOST


def limits_of(topology: Topology) -> Constraints:
    """Limits of every kind that a wiring is just within, with a little room left.

    A quarter more connections and two more neurons than it has, one more way in or out than
    any of its neurons; a third of its hidden neurons and its first connections are protected,
    and its inputs may not lead straight to its outputs.
    """
    structure = topology.structure
    n_connections = structure.n_connections
    hidden = np.flatnonzero(structure.kinds == Kind.HIDDEN)
    ends = [int(structure.groups[slots[0]]) for slots in (structure.inputs, structure.outputs)]
    direct = (structure.groups[structure.sources] == ends[0]) & (
        structure.groups[structure.targets] == ends[1]
    )
    return Constraints(
        max_connections=n_connections + max(n_connections // 4, 2),
        max_hidden=len(hidden) + 2,
        max_fan_in=int(fan(structure, "in").max()) + 1,
        max_fan_out=int(fan(structure, "out").max()) + 1,
        protected_neurons=structure.neuron_ids[hidden[: len(hidden) // 3]],
        protected_connections=structure.connection_ids[~direct][: n_connections // 20],
        forbidden=[(ends[0], ends[1])],
    )


def run_within_limits(case: Case) -> Run:
    """The policy's run on a network that is held to limits of every kind."""
    # twice as long, as those who save up for an edit have fewer neurons to save by
    return replace(case, limit=limits_of, n_steps=2 * case.n_steps).run


def refusals(run: Run) -> list[str]:
    """The rules that proposals would have broken, in the order of steps."""
    pieces = [piece for piece in run.pieces("edits") if not _taken(piece)]
    return [f"at step {piece['step'][0]}, {piece['refusal']}" for piece in pieces]


def breaks_or_idles(case: Case) -> str:
    """A breach: a limit is broken, or all that is proposed is refused, or nothing is any more.

    Where a policy changes nothing even without limits, it need not within them.
    """
    run = run_within_limits(case)
    limits = run.topology.constraints
    assert limits is not None
    try:
        limits.check(run.topology.structure)
    except InvalidEdit as error:
        return str(error)
    if _done(run) or not _done(case.run):
        return ""
    refused = [f"; {first}" for first in refusals(run)[:1]]
    return f"none of its proposals is accepted, as some are without{''.join(refused)}"


def _done(run: Run) -> int:
    """Proposals that the topology took, lost trials among them."""
    return sum(_taken(piece) for piece in run.pieces("edits"))


def _taken(piece: dict[str, Any]) -> bool:
    return bool(np.all(piece["accepted"])) or piece["refusal"] == LOST
