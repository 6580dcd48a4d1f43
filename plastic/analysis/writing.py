"""A comparison as files: every column as CSV, and what is printed as Markdown and LaTeX."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from plastic.analysis.cells import replace_file
from plastic.analysis.rendering import to_markdown
from plastic.errors import ResultsError

_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip


def to_latex(frame: pd.DataFrame) -> str:
    """The table of `plastic.analysis.compare` in LaTeX, for the package booktabs."""
    table, _, notes = to_markdown(frame).partition("\n\n")
    head, _, *body = (
        [cell.strip() for cell in line[2:-2].split(" | ")] for line in table.splitlines()
    )
    lines = [rf"\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}", r"\toprule"]
    lines += [_row(head), r"\midrule", *map(_row, body), r"\bottomrule", r"\end{tabular}"]
    return "\n".join([*lines, *(f"% {note}" for note in notes.splitlines())]) + "\n"


def _row(cells: list[str]) -> str:
    return " & ".join(escape_latex(cell) for cell in cells) + r" \\"


def escape_latex(text: str) -> str:
    r"""Text that LaTeX shows as it is.

    Examples
    --------
    >>> print(escape_latex("deep_rewiring 5% +-1"))
    deep\_rewiring 5\% $\pm$1
    """
    escaped = "".join(_LATEX.get(letter, letter) for letter in text)
    return escaped.replace("+-", r"$\pm$")


def write_comparison(frame: pd.DataFrame, folder: Path) -> list[Path]:
    """Write comparison.csv, comparison.md and comparison.tex into a folder.

    Raises
    ------
    ResultsError
        If the folder cannot be written.
    """
    texts = {
        "csv": frame.to_csv(index=False),
        "md": to_markdown(frame),
        "tex": to_latex(frame),
    }
    try:
        for ending, text in texts.items():
            replace_file(
                folder / f"comparison.{ending}",
                lambda path, text=text: path.write_text(text, encoding="utf-8"),  # type: ignore[misc]
            )
    except OSError as error:
        reason = error.strerror or error
        raise ResultsError(
            f"comparison.csv cannot be written to {folder} ({reason})"
        ) from error
    return [folder / f"comparison.{ending}" for ending in texts]
