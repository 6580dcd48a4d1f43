"""The page as a whole: one file that asks nobody for anything."""

from __future__ import annotations

import base64
import hashlib
import os
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from plastic.analysis.compare import check_choices
from plastic.analysis.report import sections
from plastic.analysis.report.movies import MOST_FILMS, movies, to_script
from plastic.analysis.report.provenance import what_was_run
from plastic.analysis.report.terms import Terms
from plastic.analysis.results import Results
from plastic.analysis.scores import higher_is_better, named_runs, standing
from plastic.errors import ResultsError, require_extra

SCRIPTS = ("lines.js", "stage.js", "player.js")
"""What the page runs, one after another."""

_STAGE = """<div class="stage"><label>Run <select></select></label>
<div class="controls"><button type="button" data-zoom="1.25" aria-label="Zoom in">+</button>
<button type="button" data-zoom="0.8" aria-label="Zoom out">-</button>
<button type="button" data-zoom="0" aria-label="Whole network">whole</button></div>
<p class="legend"></p>
<canvas tabindex="0" role="application" aria-roledescription="picture of a network"
aria-label="Network" aria-describedby="keys"></canvas>
<p class="count"></p><p class="tip" aria-live="polite"></p></div>"""

_PLAYER = """<div id="player"><div class="controls">
<button type="button" data-part="play">Play</button>
<button type="button" data-part="back" aria-label="One change back">&#8249; change</button>
<button type="button" data-part="on" aria-label="One change on">change &#8250;</button>
<input type="range" data-part="slider" min="0" max="1000" value="0" aria-label="Step">
<output data-part="clock"></output>
<label>Speed <select data-part="speed"><option value="0.25">1/4</option>
<option value="0.5">1/2</option><option value="1" selected>1</option>
<option value="2">2</option><option value="4">4</option>
<option value="16">16</option></select></label>
<label><input type="checkbox" data-part="both"> Two runs side by side</label></div>
<p class="note"><span class="key" style="color:var(--c2)"></span>just born
<span class="key" style="color:var(--c1);border-top-style:dashed"></span>about to be pruned.
Left to right is depth; squares are inputs and outputs.</p>
<div class="stages" data-part="stages">{stages}</div>
<p class="note" id="keys">Point at a neuron or a connection, or touch it; drag to move, pinch or
Ctrl and the wheel to zoom.  Keys on a picture: arrows move it, + and - zoom, 0 shows all, n and
p go from neuron to neuron, c through the connections of one, comma and full stop from change to
change, space plays.</p></div>
<script type="application/json" id="films">{films}</script>"""


def report(
    results: Results,
    *,
    by: str = "policy",
    metric: str = "final_test_score",
    equal: str = "steps",
    baseline: str | None = None,
) -> str:
    """The page of a sweep.

    Parameters
    ----------
    results : Results
        Runs that failed are listed; the rest is drawn.
    by, metric, equal, baseline : str
        What is compared, as for `plastic.analysis.compare`; the page says so.  Without a
        baseline the others are compared with ``static``, or all with the best one.

    Returns
    -------
    str
        HTML that holds its style, script and data.

    Raises
    ------
    ResultsError
        If not one run can be read.
    InvalidParameter
        If a parameter is none of its choices.
    MissingExtra
        If Matplotlib is not installed.
    """
    require_extra("matplotlib", "report")
    if results.runs.empty:
        raise ResultsError(f"none of the runs in {results.folder} can be read")
    check_choices(results, by=by, metric=metric)
    terms = Terms(by, metric, equal, baseline)
    stood = standing(results, equal, by)
    chosen = chosen_runs(stood, terms)
    films = movies(results, by, chosen)
    player = "<p>No run left a table of edits to play.</p>"
    if films:
        player = _PLAYER.format(stages=2 * _STAGE, films=to_script(films))
    asked = (results.complete["metrics"] != "[]").any()
    structure = sections.structure(results, by) if asked else ""
    parts = {
        "verdict": ("Verdict", sections.verdicts(stood, terms)),
        "scores": ("Scores and costs", sections.comparison(results, terms)),
        "charts": ("Charts", sections.charts(stood, terms)),
        "rewiring": ("Where it rewired", sections.rewiring(results, by, chosen)),
        "structure": ("Structure over time", structure),
        "topology": ("The networks as they rewire", player),
        "runs": ("What was run", what_was_run(results, by)),
    }
    parts = {key: part for key, part in parts.items() if part[1]}
    links = "".join(f'<a href="#{key}">{title}</a>' for key, (title, _) in parts.items())
    body = "".join(
        f'<section aria-labelledby="{key}"><h2 id="{key}">{title}</h2>{text}</section>'
        for key, (title, text) in parts.items()
    )
    counts = f"{_counts(results)} {terms.sentence}"
    return _document(_title(results), counts, links, body)


def write_report(results: Results, path: str | Path | None = None, **choices: Any) -> Path:
    """Write the page, by default as ``report.html`` in the folder of the results; its path.

    Parameters
    ----------
    results : Results
    path : path, optional
    **choices
        As for `report`.

    Raises
    ------
    ResultsError
        If not one run can be read, or the page cannot be written.
    InvalidParameter
        If a parameter is none of its choices.
    MissingExtra
        If Matplotlib is not installed.
    """
    path = results.folder / "report.html" if path is None else Path(path)
    text = report(results, **choices)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(path)  # whoever looks at it sees the old page or the new one
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise ResultsError(f"cannot write {path}: {error.strerror}") from error
    return path


def chosen_runs(results: Results, terms: Terms) -> list[str]:
    """The runs that are drawn alone: of each policy that of the lowest seed, the best first."""
    by = terms.by
    named = named_runs(results, by)[0]
    named = named.assign(lost=named["status"] != "complete")
    named["mean"] = named.groupby(by)[terms.metric].transform("mean")
    up = not higher_is_better(terms.metric)
    named = named.sort_values(["lost", "mean", "seed"], ascending=[True, up, True])
    first = named.drop_duplicates(by)
    rest = named[~named["run_id"].isin(first["run_id"])]
    # with few policies there is room for a second seed of each
    return [*first["run_id"], *rest["run_id"]][:MOST_FILMS]


def _title(results: Results) -> str:
    studies = sorted({study for study in results.runs["study"] if study})
    return f"Study {', '.join(studies[:5])}" if studies else results.folder.name


def _counts(results: Results) -> str:
    runs, n = results.runs, len(results.runs)
    datasets, versions = (", ".join(sorted(set(runs[name]))) for name in ("dataset", "version"))
    return (
        f"{n} {'run' if n == 1 else 'runs'}: {len(results.complete)} complete, "
        f"{len(results.failed)} failed, {len(results.unfinished)} unfinished. "
        f"Datasets: {datasets}. Made with plastic {versions}."
    )


def _document(title: str, counts: str, links: str, body: str) -> str:
    here = files("plastic.analysis.report")
    style = here.joinpath("report.css").read_text(encoding="utf-8")
    parts = [here.joinpath(name).read_text(encoding="utf-8") for name in SCRIPTS]
    script = f'"use strict";(() => {{{"".join(parts)}}})();'  # no name of its own for others
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    # the page may ask nobody for anything, and run no script but its own
    rules = (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'"
    )
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{rules}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{escape(title)}</title><style>{style}</style>'
        f"</head><body><header><h1>{escape(title)}</h1><p class='faint'>{escape(counts)}</p>"
        f"<nav aria-label='Sections'>{links}</nav></header><main>{body}</main>"
        f"<script>{script}</script></body></html>\n"
    )
