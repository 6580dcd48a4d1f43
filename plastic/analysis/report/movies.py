"""Films for the player: arrays in base64, so that ten thousand connections take 200 KB."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plastic.analysis.film import Film, film_of, learned, run_of
from plastic.analysis.results import Results
from plastic.analysis.scores import named_runs
from plastic.errors import InvalidParameter

MOST_FILMS = 8
"""Runs that a page holds the films of."""

MOST_LIVES = 60_000
"""Lives of connections in a film; of more, some are shown, and the name says so."""


def pack(array: NDArray[Any]) -> dict[str, str]:
    """An array as the script reads it: kind of its numbers, and little-endian bytes in base64.

    Examples
    --------
    >>> pack(np.array([1, 2]))
    {'kind': 'u2', 'data': 'AQACAA=='}
    """
    kind = "f4"
    if array.dtype.kind in "iu":
        low, high = int(array.min(initial=0)), int(array.max(initial=0))
        kind = "i4" if low < 0 else "u2" if high < 2**16 else "u4"
    data = array.astype(np.dtype(kind).newbyteorder("<")).tobytes()
    return {"kind": kind, "data": base64.b64encode(data).decode("ascii")}


def packed(film: Film, most: int = MOST_LIVES) -> tuple[dict[str, Any], int]:
    """The arrays of a film, and how many lives of connections they hold.

    Weights are those of the connections that stay to the end, in their order.
    """
    lives = len(film.connection)
    kept = np.linspace(0, lives - 1, most).astype(np.int64) if lives > most else slice(None)
    arrays: dict[str, Any] = {
        name: pack(getattr(film, name))
        for name in ("steps", "neuron", "group", "neuron_born", "neuron_died", "x", "y")
    }
    for name in ("connection", "source", "target", "born", "died"):
        arrays[name] = pack(getattr(film, name)[kept])
    if film.weight is not None:
        stay = film.died[kept] == len(film.steps)
        arrays["weight"] = pack(film.weight[kept][stay])
    if film.bias is not None:
        arrays["bias"] = pack(film.bias)
    return arrays, min(lives, most)


def movies(results: Results, by: str, chosen: list[str]) -> list[dict[str, Any]]:
    """Films of these runs, as far as their tables of edits make one."""
    named, found = named_runs(results, by)[0].set_index("run_id"), []
    for run_id in chosen:
        own = run_of(results, run_id)
        try:
            film = learned(film_of(own.edits), results.folders[run_id])
        except InvalidParameter:  # it failed before it was wired, or its table is corrupt
            continue
        arrays, lives = packed(film)
        row, name = named.loc[run_id], run_name(named, by, run_id)
        if lives < len(film.connection):
            name += f", {lives:,} of {len(film.connection):,} connections"
        tested = own.convergence[own.convergence["split"] == "test"].sort_values("step")
        arrays |= {
            "scored": pack(tested["step"].to_numpy()),
            "score": pack(tested["score"].to_numpy()),
        }
        last = max(int(row["steps_done"]), int(film.steps[-1]))
        found.append(
            {"name": name, "last": last, "metric": row["metric"] or "score", "arrays": arrays}
        )
    return found


def run_name(named: pd.DataFrame, by: str, run_id: str) -> str:
    """A run as a reader tells it from others: what was compared, the seed, and the run_id.

    Parameters
    ----------
    named : DataFrame
        As `plastic.analysis.scores.named_runs` has it, by run_id.
    by : str
    run_id : str
    """
    return f"{named.loc[run_id, by]}, seed {named.loc[run_id, 'seed']} ({run_id})"


def to_script(value: Any) -> str:
    r"""JSON that no HTML parser takes for markup.

    Examples
    --------
    >>> to_script("</script>")
    '"\\u003c/script\\u003e"'
    """
    text = json.dumps(value, allow_nan=False)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text
