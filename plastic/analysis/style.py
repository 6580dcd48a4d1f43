"""How pictures look: axes that touch no global state, and a style for each policy.

Matplotlib (extra ``report``) is imported when the first picture is drawn, and its ``pyplot``
never, so pictures need no display and leave no figure behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from plastic.errors import require_extra

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PALETTE = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#8f7a00",
    "#56b4e9",
    "#7b4fa3",
    "#5f6b6d",
)
"""Told apart by colour-blind readers; after Okabe and Ito, its yellow darkened."""

DASHES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def new_axes(ax: Axes | None, width: float = 6.4, height: float = 3.8) -> Axes:
    """The axes given, or those of a new figure that no global list knows.

    Raises
    ------
    MissingExtra
        If Matplotlib is not installed.
    """
    if ax is None:
        figure = require_extra("matplotlib.figure", "report")
        ax = figure.Figure(figsize=(width, height), layout="constrained").add_subplot()
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(True, linewidth=0.6, alpha=0.35)
    ax.set_axisbelow(True)
    return ax


def styles(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Colour, dashes and marker of each name: no two of the first 224 are alike.

    Examples
    --------
    >>> styles(["set", "rigl"])["rigl"]["linestyle"]
    '--'
    """
    return {
        name: {
            "color": PALETTE[i % len(PALETTE)],
            "linestyle": DASHES[(i + i // len(PALETTE)) % len(DASHES)],
            "marker": MARKERS[i % len(MARKERS)],
        }
        for i, name in enumerate(names)
    }


def plain(text: object) -> str:
    r"""A name as text that Matplotlib sets as it is, without formulas, shortened if long.

    Examples
    --------
    >>> plain("cost $x$")
    'cost \\$x\\$'
    """
    words = " ".join(str(text).split())
    short = words if len(words) <= 48 else f"{words[:47]}…"
    return short.replace("$", r"\$")


def legend(ax: Axes) -> None:
    """A legend below the axes, if anything in them has a name."""
    handles, labels = ax.get_legend_handles_labels()
    if handles:
        ax.legend(
            handles,
            labels,
            loc="upper center",
            bbox_to_anchor=(0.5, -0.16),
            ncols=legend_columns(labels),
            frameon=False,
            fontsize="small",
        )


def legend_columns(labels: Sequence[str]) -> int:
    """How many columns a legend has, so that it is no wider than its picture.

    Examples
    --------
    >>> legend_columns(["set", "rigl", "static", "thompson"]), legend_columns(["s" * 20] * 4)
    (3, 2)
    """
    longest = max(map(len, labels))
    columns = 3 if longest < 16 else 2 if longest < 26 else 1
    return min(columns, len(labels))


def nothing(ax: Axes, why: str) -> Axes:
    """Say in the axes why nothing is drawn there."""
    ax.text(0.5, 0.5, why, ha="center", va="center", transform=ax.transAxes, wrap=True)
    ax.set_xticks([])
    ax.set_yticks([])
    return ax
