"""What a policy has proposed and not been told about yet, as arrays and JSON, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.edits import AddNeurons, Connect, Disconnect, Edit, PruneNeurons
from plastic.policies import Branch, Proposal, Trial
from plastic.training import Pending

Arrays = dict[str, NDArray[Any]]

KINDS: dict[str, type[Edit]] = {
    one.kind: one for one in (AddNeurons, PruneNeurons, Connect, Disconnect)
}
FIELDS = ("ids", "scores", "sources", "targets", "activations", "groups")
"""Fields of edits that are arrays, where they are not None."""


def encode_pending(pending: Pending | None) -> tuple[Arrays, dict[str, Any] | None]:
    """Arrays under ``pending.*``, and the rest fit for JSON; None if nothing is pending."""
    if pending is None:
        return {}, None
    proposal, arrays = pending.proposal, Arrays()
    edits = [
        _encode_edit(edit, f"pending.{i}.", arrays) for i, edit in enumerate(proposal.edits)
    ]
    arms: dict[str, Any] = {}
    for name, values in proposal.arms.items():
        values = np.asarray(values)
        arms[name] = values.tolist() if values.dtype.kind in "OU" else None
        if arms[name] is None:
            arrays[f"pending.arms.{name}"] = values
    return arrays, {
        "edits": edits,
        "arms": arms,
        "trial_steps": proposal.trial_steps,
        "pulled": proposal.pulled,
        "refusal": pending.refusal,
        "reward_loss": float(pending.reward_loss),
        "reward": float(pending.reward),
        "trial": None if pending.trial is None else asdict(pending.trial),
    }


def decode_pending(
    arrays: Mapping[str, NDArray[Any]], told: Mapping[str, Any] | None
) -> Pending | None:
    """What `encode_pending` told of.

    Raises
    ------
    KeyError, TypeError, ValueError
        If something is missing or of another kind.
    """
    if told is None:
        return None
    edits = [_decode_edit(one, f"pending.{i}.", arrays) for i, one in enumerate(told["edits"])]
    arms = {
        name: arrays[f"pending.arms.{name}"] if texts is None else np.array(texts, object)
        for name, texts in told["arms"].items()
    }
    trial = told["trial"]
    if trial is not None:
        edited, plain = (Branch(**trial[name]) for name in ("edited", "plain"))
        trial = Trial(edited, plain, bool(trial["kept"]))
    proposal = Proposal(edits, arms, int(told["trial_steps"]), str(told["pulled"]))
    losses = float(told["reward_loss"]), float(told["reward"])
    return Pending(proposal, str(told["refusal"]), *losses, trial)


def _encode_edit(edit: Edit, start: str, arrays: Arrays) -> dict[str, Any]:
    for name in FIELDS:
        values = getattr(edit, name, None)
        if values is not None:
            arrays[f"{start}{name}"] = np.asarray(values)
    columns = getattr(edit, "columns", {})
    arrays |= {f"{start}columns.{name}": np.asarray(held) for name, held in columns.items()}
    return {
        "kind": edit.kind,
        "n": len(edit),
        "reason": edit.reason,
        "keep_stranded": getattr(edit, "keep_stranded", False),
    }


def _decode_edit(
    told: Mapping[str, Any], start: str, arrays: Mapping[str, NDArray[Any]]
) -> Edit:
    held: dict[str, Any] = {name: arrays.get(f"{start}{name}") for name in FIELDS}
    of_columns = f"{start}columns."
    columns = {
        name[len(of_columns) :]: values
        for name, values in arrays.items()
        if name.startswith(of_columns)
    }
    kind, named = KINDS[told["kind"]], {"reason": told["reason"], "scores": held["scores"]}
    if kind is Connect:
        ends = held["sources"], held["targets"]
        return Connect(*ends, ids=held["ids"], columns=columns, **named)
    named["keep_stranded"] = bool(told["keep_stranded"])
    if kind is AddNeurons:
        kinds = held["activations"], held["groups"]
        return AddNeurons(told["n"], *kinds, ids=held["ids"], columns=columns, **named)
    last: Any = kind  # PruneNeurons or Disconnect, which take the same
    removal: Edit = last(ids=held["ids"], **named)
    return removal
