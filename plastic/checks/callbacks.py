"""The contract of a callback, as a function that anyone can run on a callback of their own.

Each promise is a small function that looks for a breach while a callback is told of a run:
a short training of a small network, with pieces of every table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from plastic.callbacks import Callback, Started, Telling
from plastic.checks.cases import SETTINGS
from plastic.checks.cases import Case as Training
from plastic.checks.global_state import moved_by
from plastic.columns import check_piece
from plastic.errors import ContractBroken, InvalidParameter
from plastic.policies import layer_thompson
from plastic.training import Rows

STUDY = Path("results") / "check"
"""Where the runs are, in an empty folder that is the current one meanwhile."""

FINDINGS = {"metric": "accuracy", "final_test_score": 0.5, "n_edits": 3, "steps_done": 40}

ROW: dict[str, Any] = {
    "study": "check", "policy": "layer_thompson", "policy.every": 10, "seed": 0,
    "density": 0.3, "wiring.hidden": "[12, 8]", "biases": True, "constraints.max_hidden": None,
}  # fmt: skip


def check_callback(make: Callable[[], Callback]) -> None:
    """Hold a callback to its contract.

    Parameters
    ----------
    make : callable
        Returns a new callback at each call; a class whose parameters have defaults will do.

    Raises
    ------
    ContractBroken
        If a promise is broken; the message names the promise and the breach.

    Examples
    --------
    >>> class Count(Callback):
    ...     n_pieces = 0
    ...     def rows(self, rows):
    ...         self.n_pieces += 1
    >>> check_callback(Count)
    """
    pieces = tuple(_pieces())
    with TemporaryDirectory() as place, chdir(place):
        case = Case(make, pieces)
        for promise, find_breach in PROMISES.items():
            said = f"a callback {promise}; this one does not"
            try:
                breach = find_breach(case)
            except Exception as error:
                raise ContractBroken(f"{said}: {type(error).__name__}: {error}") from error
            if breach:
                raise ContractBroken(f"{said}: {breach}")


@dataclass(frozen=True)
class Case:
    """A callback to look for breaches of.

    Parameters
    ----------
    make : callable
    pieces : tuple of Rows
        Of a run, in order, as a recorder returns them.
    """

    make: Callable[[], Callback]
    pieces: tuple[Rows, ...]

    @contextmanager
    def run(self, callback: Callback, name: str, step: int = 0) -> Iterator[Telling]:
        """A run of this name that has begun, to be told of."""
        folder = STUDY / name
        folder.mkdir(parents=True, exist_ok=True)
        with Strict({"checked": callback}) as telling:
            telling.findings = FINDINGS
            telling.begin(Started(name, folder, {**ROW, "run_id": name}, step))
            yield telling


class Strict(Telling):
    """Lets errors of callbacks pass."""

    def _note(self, name: str, when: str, error: Exception) -> None:
        del name, when  # there is one, and the traceback tells the rest
        raise error


def _pieces() -> Iterator[Rows]:
    """Pieces of every table, of a short run."""
    policy = partial(layer_thompson, every=10)
    for rows in Training(policy, SETTINGS[0], n_steps=40, seed=0, accepted=True).run.rows:
        yield Rows(rows.table, check_piece(rows.table, {"run_id": "check", **rows.columns}))
        if rows.table == "convergence":
            read = {"step": rows.columns["step"], "metric": "size", "value": [3.0]}
            yield Rows("metrics", check_piece("metrics", {"run_id": "check", **read}))


def _has_no_hooks(case: Case) -> str:
    callback = case.make()
    hooks = [name for name in ("begin", "rows", "end") if not hasattr(callback, name)]
    return f"{type(callback).__name__} lacks {', '.join(hooks)}" if hooks else ""


def _hears_badly(case: Case) -> str:
    def whole() -> None:
        with case.run(case.make(), "whole") as telling:
            for rows in case.pieces:
                telling.rows(rows)

    return moved_by(whole)


def _goes_on_badly(case: Case) -> str:
    half = case.pieces[: len(case.pieces) // 2]
    with suppress(KeyboardInterrupt), case.run(case.make(), "cut") as telling:
        for rows in half:
            telling.rows(rows)
        raise KeyboardInterrupt
    with case.run(case.make(), "cut", step=int(half[-1].columns["step"][0])) as telling:
        for rows in case.pieces:
            telling.rows(rows)
    return ""


def _serves_once(case: Case) -> str:
    callback = case.make()
    with case.run(callback, "one") as telling:
        telling.rows(case.pieces[0])
    with suppress(InvalidParameter), case.run(callback, "other"):
        raise InvalidParameter("this run fails before anything is recorded")
    return ""


def _litters(case: Case) -> str:
    del case  # all that it did is there to be looked at
    left = sorted(path.as_posix() for path in Path().iterdir() if path != STUDY.parent)
    left += [path.as_posix() for path in STUDY.parent.iterdir() if path != STUDY]
    return f"it leaves {', '.join(left)}" if left else ""


PROMISES: dict[str, Callable[[Case], str]] = {
    "has all hooks": _has_no_hooks,
    "hears a whole run, and leaves the global random state alone": _hears_badly,
    "hears that a run is cut off, and goes on with it": _goes_on_badly,
    "serves one run after another, one that fails at once too": _serves_once,
    "writes nothing outside of the study": _litters,
}
"""What a callback promises, and the function that looks for a breach: "" if there is none."""
