"""Pictures as SVG within the page: colours are its variables, text stays text."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from html import escape

from plastic.analysis.style import PALETTE, new_axes
from plastic.errors import require_extra

_COLORS = {color: f"var(--c{i})" for i, color in enumerate(PALETTE)} | {
    "#000000": "currentColor",
    "#b0b0b0": "var(--grid)",
    "#808080": "var(--faint)",
    "#666666": "var(--faint)",
}


def chart(
    draw: Callable[..., object], title: str, text: str, *, names: str = "", height: float = 3.6
) -> str:
    """A figure of the page.

    Parameters
    ----------
    draw : function of ``ax``
        Draws into these axes.
    title : str
        What the picture is called.
    text : str
        What it shows, for those who cannot see it and below it for all.
    names : str
        What is drawn there, for those who cannot see the legend.
    height : float
        In inches; it is 4.8 wide, so that its letters can be read on a phone.
    """
    matplotlib = require_extra("matplotlib", "report")
    figures = require_extra("matplotlib.figure", "report")
    with matplotlib.rc_context(
        {"svg.fonttype": "none", "svg.hashsalt": title, "font.size": 10}
    ):
        figure = figures.Figure(figsize=(4.8, height), layout="constrained")
        draw(ax=new_axes(figure.add_subplot()))
        buffer = io.StringIO()
        figure.savefig(
            buffer,
            format="svg",
            transparent=True,
            metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
        )
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<[^>]*>", lambda found: _tag(found[0]), svg)
    label = escape(f"{title}. {text} {names}".strip(), quote=True)
    svg = svg.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
    return (
        f"<figure><h3>{escape(title)}</h3>{svg}<figcaption>{escape(text)}</figcaption></figure>"
    )


def _tag(tag: str) -> str:
    """A tag in colours of the page, its places to a hundredth of a point; text is no tag."""
    tag = re.sub(r"#[0-9a-f]{6}\b", lambda found: _COLORS.get(found[0], found[0]), tag)
    return re.sub(r"(\d\.\d\d)\d+", r"\1", tag)
