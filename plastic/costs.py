"""What computing costs: floating-point operations, counted the same way for every policy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from plastic.topology import Structure


@dataclass
class Bill:
    """What a policy has asked for so far.

    Parameters
    ----------
    candidate_gradients : int
        Gradients of connections that are not there.
    flops : int
        Floating-point operations for them and for passes over batches.
    """

    candidate_gradients: int = 0
    flops: int = 0


@dataclass
class Ledger:
    """What a run has spent so far.

    Parameters
    ----------
    flops : int
        Of training, passes for policies and candidate gradients included.
    candidate_gradients : int
        Gradients of connections that are not there.
    seconds : float
        Of training; evaluation is not counted.
    """

    flops: int = 0
    candidate_gradients: int = 0
    seconds: float = 0.0


def forward_flops(structure: Structure, n_samples: int) -> int:
    """Operations of a forward pass: a multiplication and an addition each."""
    return 2 * n_samples * structure.n_connections


def pass_flops(structure: Structure, n_samples: int) -> int:
    """Operations of a pass forward and back: a multiplication and an addition each.

    Deltas are sent back along all connections but those that leave inputs.
    """
    starts, inputs = structure.out.indptr, structure.inputs
    from_inputs = int(np.sum(starts[inputs + 1] - starts[inputs]))
    return 2 * n_samples * (2 * structure.n_connections - from_inputs)


def step_flops(structure: Structure, n_samples: int) -> int:
    """Operations of a training step: a pass, and the gradient of every weight."""
    return pass_flops(structure, n_samples) + 2 * n_samples * structure.n_connections
