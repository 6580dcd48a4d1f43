"""A comparison as files: every column as CSV, and what is printed as Markdown and LaTeX."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from plastic.analysis.cells import replace_file
from plastic.analysis.rendering import notes, one_table, to_markdown
from plastic.errors import ResultsError

_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
}  # fmt: skip


_SIGN = re.compile(r"^-(?=\d)")


def to_csv(frame: pd.DataFrame) -> str:
    """Every column of a comparison; a spreadsheet takes no name in it for a formula.

    Text that begins as formulas do gets an apostrophe in front.

    Examples
    --------
    >>> print(to_csv(pd.DataFrame({"policy": ["set", "=1+1"], "mean": [-0.5, 1]})), end="")
    policy,mean
    set,-0.5
    '=1+1,1.0
    """
    text = frame.select_dtypes(["object", "str", "category"])
    guarded = {name: [_guarded(value) for value in text[name]] for name in text}
    return str(frame.assign(**guarded).to_csv(index=False))


def _guarded(value: Any) -> Any:
    formula = isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{value}" if formula else value


def to_latex(frame: pd.DataFrame) -> str:
    """The table of `plastic.analysis.compare` in LaTeX, for the package booktabs."""
    table = one_table(frame)
    columns = "l" * table.n_names + "r" * (len(table.head) - table.n_names)
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", _row(table.head), r"\midrule"]
    lines += [_row(line) for line in table.body]
    lines += [r"\bottomrule", r"\end{tabular}"]
    return "\n".join([*lines, *(f"% {note}" for note in notes(frame))]) + "\n"


def _row(cells: list[str]) -> str:
    return " & ".join(map(escape_latex, cells)) + r" \\"


def escape_latex(text: str) -> str:
    r"""Text that LaTeX shows as it is; numbers get signs rather than hyphens.

    Examples
    --------
    >>> print(escape_latex("deep_rewiring 5% +-1"), escape_latex("-2.0 +-0.1"))
    deep\_rewiring 5\% $\pm$1 $-$2.0 $\pm$0.1
    """
    escaped = "".join(_LATEX.get(letter, letter) for letter in text)
    escaped = re.sub("-(?=-)", "-{}", escaped)  # else a dash
    return _SIGN.sub("$-$", escaped).replace("+-", r"$\pm$")


def write_comparison(frame: pd.DataFrame, folder: Path) -> list[Path]:
    """Write comparison.csv, comparison.md and comparison.tex into a folder.

    Raises
    ------
    ResultsError
        If the folder cannot be written.
    """
    texts = {
        "csv": to_csv(frame),
        "md": to_markdown(frame),
        "tex": to_latex(frame),
    }
    try:
        for ending, text in texts.items():
            write = partial(Path.write_text, data=text, encoding="utf-8")
            replace_file(folder / f"comparison.{ending}", write)
    except OSError as error:
        reason = error.strerror or error
        raise ResultsError(
            f"comparison.csv cannot be written to {folder} ({reason})"
        ) from error
    return [folder / f"comparison.{ending}" for ending in texts]
