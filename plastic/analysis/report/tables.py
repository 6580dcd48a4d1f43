"""Tables of the page; every name in them is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

import pandas as pd

MOST_ROWS = 400
"""Rows of a table that are shown."""


def table(
    heads: Sequence[str],
    rows: Iterable[Sequence[Any]],
    caption: str,
    *,
    n_names: int | None = None,
) -> str:
    """A table in which one can scroll; of too many rows the first ones are shown.

    Parameters
    ----------
    heads : sequence of str
    rows : iterable of sequences
        Text, numbers, or None and NaN for what is missing.
    caption : str
        What it holds, for those who cannot see it.
    n_names : int, optional
        Columns from here on are set right, as numbers are; by default those are that hold
        numbers.
    """
    rows = list(rows)
    first = rows[0] if rows else []
    right = [
        not isinstance(value, str) if n_names is None else place >= n_names
        for place, value in enumerate(first)
    ]
    body = "".join(
        "<tr>" + "".join(map(_cell, row, right)) + "</tr>" for row in rows[:MOST_ROWS]
    )
    more = len(rows) - MOST_ROWS
    note = f'<p class="note">{more} more rows are in the tables.</p>' if more > 0 else ""
    head = "".join(
        f'<th scope="col"{_class(number)}>{escape(name)}</th>'
        for name, number in zip(heads, right or [False] * len(heads), strict=True)
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{note}"
    )


def _class(right: bool, text: str = "") -> str:
    names = ["number"] * right + ["long"] * (len(text) > 40)
    return f' class="{" ".join(names)}"' if names else ""


def _cell(value: Any, right: bool) -> str:
    text = value if isinstance(value, str) else number(value)
    return f"<td{_class(right, text)}>{escape(text)}</td>"


def number(value: Any) -> str:
    """A value of a table or a configuration, as short as it goes.

    Examples
    --------
    >>> [number(value) for value in (40.0, 0.123456, 1293, True, None, float("nan"))]
    ['40', '0.1235', '1,293', 'True', '-', '-']
    """
    if value is None or pd.isna(value):
        return "-"
    if isinstance(value, str) or value is True or value is False:
        return str(value)
    if not float(value).is_integer():
        return f"{value:.4g}"
    return f"{int(value):,}"
