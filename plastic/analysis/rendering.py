"""A comparison as text of at most 100 columns, or as a Markdown table."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

WIDTH = 100
_PREFIXES = ("", "k", "M", "G", "T", "P", "E")
_LISTED = 5  # as many failed runs are named; the tables name them all


def engineering(value: float) -> str:
    """A number of three digits with the prefix of its magnitude.

    Examples
    --------
    >>> engineering(1.2345e9), engineering(999.6), engineering(0), engineering(float("nan"))
    ('1.23 G', '1.00 k', '0', '-')
    """
    if math.isnan(value):
        return "-"
    if value == 0:
        return "0"
    power = min(max(math.floor(math.log10(abs(value)) / 3), 0), len(_PREFIXES) - 1)
    # rounding to three digits may reach the next prefix
    if abs(value) / 1000**power >= 999.5 and power + 1 < len(_PREFIXES):
        power += 1
    scaled = value / 1000**power
    digits = 2 if abs(scaled) < 9.995 else 1 if abs(scaled) < 99.95 else 0
    return f"{scaled:.{digits}f} {_PREFIXES[power]}".rstrip()


def score(mean: float, low: float, high: float, *, percent: bool, sign: bool = False) -> str:
    """A mean with the half-width of its interval, in percent or as it is.

    Examples
    --------
    >>> score(0.965, 0.961, 0.969, percent=True)
    '96.5 +-0.4'
    >>> score(0.9861, float("nan"), float("nan"), percent=False)
    '0.986'
    """
    if math.isnan(mean):
        return "-"
    factor, digits = (100, 1) if percent else (1, 3)
    text = f"{factor * mean:{'+' if sign else ''}.{digits}f}"
    return text if math.isnan(low) else f"{text} +-{factor * (high - low) / 2:.{digits}f}"


def printable(text: object) -> str:
    r"""A name in one line, without anything that a terminal would obey.

    Examples
    --------
    >>> printable("two\nlines \x1b[31m")
    'two lines ?[31m'
    """
    letters = (" " if letter.isspace() else letter for letter in str(text))
    return "".join(letter if letter.isprintable() else "?" for letter in letters)


def format_comparison(frame: pd.DataFrame) -> str:
    """The table of `plastic.analysis.compare` as text, a block for each setting.

    Parameters
    ----------
    frame : DataFrame
        As `compare` returned it; rows may be left out.

    Returns
    -------
    str
        Of at most 100 columns.  Accuracies are percentages, differences percentage points.
    """
    settings, by = _settings(frame)
    blocks = []
    for setting, rows in frame.groupby(settings, dropna=False, sort=False):
        title = [
            printable(value) if name == "dataset" else f"{name} {printable(value)}"
            for name, value in zip(settings, setting, strict=True)
            if value == value  # a NaN is a setting that these runs do not have
        ]
        cells = _cells(rows, by)
        neurons = cells[0].index("neurons")
        if len({line[neurons] for line in cells[1:]}) == 1:  # said once, and room for names
            if cells[1][neurons] != "-":
                title.append(f"{cells[1][neurons]} neurons")
            cells = [line[:neurons] + line[neurons + 1 :] for line in cells]
        blocks += [_wrapped(", ".join(title)), _text_table(cells)]
        differences = _difference_cells(rows, by)
        if len(differences) > 1:
            blocks.append(_text_table(differences))
        blocks.append("")
    return "\n".join(blocks + notes(frame))


@dataclass(frozen=True)
class Table:
    """One table for all settings, as text that nothing is escaped in yet.

    Parameters
    ----------
    head : list of str
    body : list of list of str
    n_names : int
        How many columns in front hold names and settings; numbers follow.
    """

    head: list[str]
    body: list[list[str]]
    n_names: int


def one_table(frame: pd.DataFrame) -> Table:
    """The table of `plastic.analysis.compare` as cells, a row for each of its rows."""
    settings, by = _settings(frame)
    cells = _cells(frame, by)
    head = [*settings, *cells[0], f"vs {printable(frame['baseline'].iloc[0])}", "p (Holm)"]
    body = []
    for (_, row), line in zip(frame.iterrows(), cells[1:], strict=True):
        own = ["-" if row[name] != row[name] else printable(row[name]) for name in settings]
        body.append([*own, *line, _difference(row), _p_value(row["p_value"])])
    return Table(head, body, len(settings) + 1)


def to_markdown(frame: pd.DataFrame) -> str:
    """The table of `plastic.analysis.compare` in Markdown, one table for all settings."""
    table = one_table(frame)
    rule = ["---"] * table.n_names + ["---:"] * (len(table.head) - table.n_names)
    body = [
        [*map(escape_markdown, line[: table.n_names]), *line[table.n_names :]]
        for line in table.body
    ]
    lines = [[escape_markdown(name) for name in table.head], rule, *body]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{text}\n\n" + "\n".join(map(escape_markdown, notes(frame))) + "\n"


def escape_markdown(text: str) -> str:
    """Text that Markdown shows as it is, whatever dialect it is.

    Entities mean themselves in all of them, and no HTML begins with one; underscores within a
    word are left alone, so names of policies stay readable.

    Examples
    --------
    >>> print(escape_markdown("deep_rewiring a|b <b> _x_"))
    deep_rewiring a&#124;b &lt;b&gt; &#95;x&#95;
    """
    text = "".join(_MARKDOWN.get(letter, letter) for letter in text)
    text = re.sub(r"(?<![^\W_])_|_(?![^\W_])", "&#95;", text)  # where emphasis may begin or end
    return text.replace("](", "]&#40;")  # a link or a picture


_MARKDOWN = {"&": "&amp;", "<": "&lt;", ">": "&gt;"} | {
    letter: f"&#{ord(letter)};" for letter in "\\`*|~$"
}


def _settings(frame: pd.DataFrame) -> tuple[list[str], str]:
    # compare puts the setting first, then what is compared, then the measure
    names = list(frame)[: list(frame).index("measure")]
    return names[:-1], names[-1]


def _cells(rows: pd.DataFrame, by: str) -> list[list[str]]:
    columns: dict[str, Callable[[pd.Series], str]] = {
        by: lambda row: printable(row[by]),
        "seeds": lambda row: str(row["n_seeds"]),
        "final": lambda row: _score(row, "", row["measure"]),
        "best": lambda row: _score(row, "best_", "best_test_score"),
        "neurons": lambda row: _count(row["n_neurons"]),
        "connections": lambda row: _count(row["n_connections"]),
        "FLOPs": lambda row: engineering(row["train_flops"]),
        "seconds": lambda row: _seconds(row["seconds"]),
    }
    body = [[render(row) for render in columns.values()] for _, row in rows.iterrows()]
    return [list(columns), *body]


def _difference_cells(rows: pd.DataFrame, by: str) -> list[list[str]]:
    compared = rows[rows["n_pairs"] > 0]
    body = [
        [printable(row[by]), _difference(row), _p_value(row["p_value"]), str(row["n_pairs"])]
        for _, row in compared.iterrows()
    ]
    baseline = printable(rows["baseline"].iloc[0])
    return [[f"  minus {baseline}", "final", "p (Holm)", "pairs"]] + [
        [f"  {name}", *cells] for name, *cells in body
    ]


def _is_percent(row: pd.Series, measure: str) -> bool:
    return row["metric"] == "accuracy" and measure.endswith("score")


def _score(row: pd.Series, prefix: str, measure: str) -> str:
    values = (row[f"{prefix}{name}"] for name in ("mean", "low", "high"))
    return score(*values, percent=_is_percent(row, measure))


def _difference(row: pd.Series) -> str:
    values = (row[name] for name in ("difference", "difference_low", "difference_high"))
    return score(*values, percent=_is_percent(row, row["measure"]), sign=True)


def _count(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:,.0f}"


def _seconds(value: float) -> str:
    return _count(value) if value >= 100 else engineering(value)


def _p_value(value: float) -> str:
    return "-" if math.isnan(value) else "<0.001" if value < 0.001 else f"{value:.3f}"


def _text_table(lines: Sequence[Sequence[str]]) -> str:
    numbers = [line[1:] for line in lines]
    widths = [max(map(len, column)) for column in zip(*numbers, strict=True)]
    room = WIDTH - sum(width + 2 for width in widths)
    first = max((len(line[0]) for line in lines if len(line[0]) <= room), default=0)
    text = []
    for name, *cells in lines:
        if len(name) > room:  # a name too long for its column gets lines of its own
            text.append(_wrapped(name))
            name = ""
        padded = [cell.rjust(width) for cell, width in zip(cells, widths, strict=True)]
        text.append("  ".join([name.ljust(first), *padded]))
    return "\n".join(text)


def notes(frame: pd.DataFrame) -> list[str]:
    """What a reader of the table has to know, in lines of at most 100 characters."""
    measure = frame["measure"].iloc[0]
    percent = any(_is_percent(row, measure) for _, row in frame.iterrows())
    unit = ", accuracies in percent" if percent else ""
    told = [
        f"final: mean {measure} over the seeds; best: mean best_test_score of any step{unit}."
    ]
    if frame["n_seeds"].max() > 1:
        pairs = "; differences are paired by seed, and p is corrected for all comparisons of "
        told.append(
            "+- is half of the 95% t interval"
            + (f"{pairs}the table." if frame["n_pairs"].max() > 1 else ".")
        )
    if (frame["n_seeds"] == 1).any():
        some = "Where there is only one seed" if frame["n_seeds"].max() > 1 else "Only one seed"
        told.append(f"{some}: no intervals, and no difference can be told from chance.")
    told += _unpaired(frame)
    for what, name in (
        ("failed and left out", "failed"),
        ("not finished and left out", "unfinished"),
        (f"complete without a finite {measure} and left out", "without_score"),
    ):
        told += _missing(what, int(frame[f"n_{name}"].sum()), frame[name])
    lines = [_wrapped(printable(note)) for note in told]
    return [line for text in lines for line in text.splitlines()]


def _unpaired(frame: pd.DataFrame) -> list[str]:
    """What to know where seeds have no partner."""
    settings, by = _settings(frame)
    baseline = frame["baseline"].iloc[0]
    own = frame[by] == baseline
    theirs = frame["n_seeds"].where(own).groupby(
        [frame[name] for name in settings], dropna=False
    ).transform("max").fillna(0)  # fmt: skip
    others = frame[~own & (frame["n_seeds"] > 0)]
    told = []
    if (others["n_pairs"] < others["n_seeds"].clip(lower=theirs[others.index])).any():
        told.append(
            f"A seed that only one of two has is left out of their difference; pairs are the "
            f"seeds that it shares with {baseline}."
        )
    alone = list(dict.fromkeys(others.loc[others["n_pairs"] == 0, by].astype("str")))
    if alone:
        more = f" and {len(alone) - _LISTED} more" if len(alone) > _LISTED else ""
        told.append(
            f"Without a seed in common with {baseline}: {', '.join(alone[:_LISTED])}{more}."
        )
    return told


def _missing(what: str, n: int, listed: Sequence[str]) -> list[str]:
    if n == 0:
        return []
    names = [name for text in listed if text for name in text.split(", ")]
    more = f" and {n - _LISTED} more" if n > _LISTED else ""
    runs = "1 run" if n == 1 else f"{n} runs"
    return [f"{runs} {what}: {', '.join(names[:_LISTED])}{more}."]


def _wrapped(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_on_hyphens=False)
