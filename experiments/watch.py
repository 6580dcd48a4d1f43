"""A running sweep, in the terminal: ``python -m experiments.watch results/demo``."""

from __future__ import annotations

import argparse
import math
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from plastic.errors import PlasticError, ResultsError

if TYPE_CHECKING:
    import pandas as pd

MOST_LISTED = 10
"""Runs of a state that are listed one by one; `experiments.status` lists all."""

BAR = 40
"""Characters of the bar."""

SETTLE_SECONDS = 5.0
"""After so long, a sweep that seems to be over is looked at once more.

What is planned is missing until it begins.  But nothing tells of a run that was cut off whether
it is about to have its other turn, for which a new process must start, nor of runs that are
started one by one, by hand or a script, whether there will be another.
"""


@dataclass(frozen=True)
class Score:
    """How the runs of a policy stand.

    Parameters
    ----------
    dataset, policy, metric : str
    n_complete, n_running : int
    mean : float
        Of the final test scores of complete runs and the latest ones of running ones; NaN
        before the first.
    """

    dataset: str
    policy: str
    metric: str
    n_complete: int
    n_running: int
    mean: float


@dataclass(frozen=True)
class Look:
    """What was seen of a sweep at a time.

    Parameters
    ----------
    folder : Path
    runs : DataFrame
        As `plastic.analysis.status.survey` gives them.
    counts : dict of str to int
        Runs by state.
    scores : sequence of Score
    seconds_left : float
        NaN where there is nothing to tell it by.
    """

    folder: Path
    runs: pd.DataFrame
    counts: dict[str, int]
    scores: Sequence[Score]
    seconds_left: float

    @property
    def is_over(self) -> bool:
        """Whether nothing is going on or left to begin."""
        return not {"running", "missing"} & set(self.counts)

    @property
    def code(self) -> int:
        """The exit code: 0 if all is complete, 1 if not."""
        return 1 if set(self.counts) - {"complete"} else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Show how a sweep goes on until nothing of it is left to run.

    Parameters
    ----------
    argv : sequence of str, optional
        The command line without the program's name; the process's own by default.

    Returns
    -------
    int
        0 if all is complete, 1 if not, 2 if there is nothing to tell of.
    """
    arguments = _parser().parse_args(argv)
    if sys.stdout.isatty() and not arguments.once and not arguments.folder.is_file():
        return watch(arguments.folder, arguments.every, sys.stdout)
    try:
        seen = look(arguments.folder)
    except (PlasticError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    print(*as_lines(seen), sep="\n")
    return seen.code


def watch(
    folder: Path, every: float, stream: TextIO, pause: Callable[[float], None] = time.sleep
) -> int:
    """Show a sweep on a terminal, in one place, until it is over or Ctrl-C is pressed.

    Parameters
    ----------
    folder : Path
        There need not be such a folder yet.
    every : float
        Seconds between looks; longer if a look takes more than a quarter of that.
    stream : text file
    pause : callable
        What waits for some seconds.

    Returns
    -------
    int
        As of `main`, for what was seen last.
    """
    drawn, code, was_over = 0, 2, False
    seen: Look | None = None
    try:
        while True:
            began = time.monotonic()
            try:
                seen = look(folder)
                lines, code = as_lines(seen), seen.code
            except (ResultsError, OSError) as error:  # not begun, or on its way just now
                seen, code = None, 2
                lines = [str(error), "waiting for a first run; Ctrl-C ends"]
            drawn = _draw(stream, lines, drawn)
            is_over = seen is not None and seen.is_over
            if is_over and was_over:
                break
            was_over = is_over
            wait = max(every, 4 * (time.monotonic() - began))
            pause(SETTLE_SECONDS if is_over else wait)
    except KeyboardInterrupt:
        pass
    if seen is not None:  # whole, as what does not fit need not be drawn over any more
        stream.write(f"\x1b[{drawn}A\r\x1b[J" if drawn else "")
        stream.write("\n".join(as_lines(seen)) + "\n")
        stream.flush()
    return code


def _draw(stream: TextIO, lines: Sequence[str], drawn: int) -> int:
    """Draw over the lines drawn before; how many there are now."""
    size = shutil.get_terminal_size()
    # a line that wraps or scrolls away could not be drawn over
    kept = [line[: size.columns - 1] for line in lines[: max(size.lines - 1, 1)]]
    if len(kept) < len(lines):
        kept[-1] = f"... and {len(lines) - len(kept) + 1} lines more"[: size.columns - 1]
    up = f"\x1b[{drawn}A" if drawn else ""
    stream.write(f"{up}\r" + "".join(f"{line}\x1b[K\n" for line in kept) + "\x1b[J")
    stream.flush()
    return len(kept)


# --------------------------------------------------------------------------------- what is seen


def look(folder: Path) -> Look:
    """How a sweep stands now.

    Raises
    ------
    ResultsError
        If there is no such folder, or neither a run nor a plan in it.
    """
    # not before: --help and wrong command lines are answered without pandas
    from plastic.analysis.status import MISSING, counts, survey

    runs = survey(folder)
    found = counts(runs)
    left = seconds_left(runs, found.get(MISSING, 0))
    return Look(folder, runs, found, _scores(folder, runs), left)


def seconds_left(runs: pd.DataFrame, n_missing: int) -> float:
    """How long a sweep will take yet, if as many runs go on at once as do now.

    A run is taken to need as long as the complete ones of its policy did on the mean; one of
    which no policy is known, or none is complete, as long as all did.

    Parameters
    ----------
    runs : DataFrame
        With state, policy, seconds and folder, as of a survey.
    n_missing : int
        Runs that are not begun.

    Returns
    -------
    float
        NaN if no run is complete or, where some are missing, none is going on.
    """
    complete, going = (runs[runs["state"] == state] for state in ("complete", "running"))
    if complete.empty or (going.empty and n_missing):
        return math.nan
    mean = float(complete["seconds"].mean())
    by_policy = complete.groupby("policy")["seconds"].mean().to_dict()
    alone = [
        max(0.0, by_policy.get(run.policy, mean) - _elapsed(run.seconds, Path(run.folder)))
        for run in going.itertuples()
    ]
    work = sum(alone) + n_missing * mean
    return float(max(work / max(len(alone), 1), max(alone, default=0.0)))


def _elapsed(seconds: float, folder: Path) -> float:
    """Seconds that a run has taken: until its row was written, and since."""
    try:
        return seconds + max(0.0, time.time() - (folder / "run.parquet").stat().st_mtime)
    except OSError:
        return seconds


def _scores(folder: Path, runs: pd.DataFrame) -> list[Score]:
    """The scores of each policy of each dataset, complete and running ones."""
    from plastic.analysis import load_results

    states = dict(zip(runs["run_id"], runs["state"], strict=True))
    states = {name: s for name, s in states.items() if s in ("complete", "running")}
    if not states:
        return []
    try:
        rows = load_results(folder, where={"run_id": list(states)}).runs
    except ResultsError:  # removed since
        return []
    latest = dict(zip(rows["run_id"], rows["final_test_score"], strict=True))
    going = [name for name, state in states.items() if state == "running"]
    if going:
        where = {"run_id": going, "split": "test", "step": "last"}
        table = load_results(folder, columns=["run_id", "score"], where=where).convergence
        latest |= dict.fromkeys(going, math.nan)
        latest |= dict(zip(table["run_id"].astype(str), table["score"], strict=True))
    rows = rows.assign(now=[latest[name] for name in rows["run_id"]],
                       state=[states[name] for name in rows["run_id"]])  # fmt: skip
    found = [
        Score(str(dataset), str(policy), max(own["metric"].astype(str)),
              int((own["state"] == "complete").sum()), int((own["state"] == "running").sum()),
              float(own["now"].mean()))
        for (dataset, policy), own in rows.groupby(["dataset", "policy"], observed=True)
    ]  # fmt: skip
    best_first = [math.inf if math.isnan(score.mean) else -score.mean for score in found]
    order = sorted(range(len(found)), key=lambda i: (found[i].dataset, best_first[i]))
    return [found[i] for i in order]


# ------------------------------------------------------------------------------- how it is told


def as_lines(seen: Look) -> list[str]:
    """What was seen, as lines of text."""
    n = {"complete": 0, "running": 0, "missing": 0} | seen.counts
    total = sum(n.values())
    listed = ", ".join(f"{count} {state}" for state, count in seen.counts.items())
    lines = [
        f"{n['complete']} of {total} runs are complete: {seen.folder}",
        f"{bar(n['complete'], n['running'], n['missing'], total)}  "
        f"{math.floor(100 * n['complete'] / total)}%  {_time_left(seen)}",
        listed,
    ]
    if seen.scores:
        lines += ["", *_table(seen.scores)]
    for state in ("failed", "cut off", "unreadable"):
        own = seen.runs[seen.runs["state"] == state]
        lines += ["", f"{state} ({len(own)})"] * (not own.empty)
        for run in own.head(MOST_LISTED).itertuples():
            lines.append(f"  {run.run_id}: {(run.reason.splitlines() or [''])[0]}")
        if len(own) > MOST_LISTED:
            program = f"python -m experiments.status {shlex.quote(str(seen.folder))}"
            lines.append(f"  ... and {len(own) - MOST_LISTED} more: {program}")
    # a name or a reason may hold what a terminal would obey
    return ["".join(c if c.isprintable() else "?" for c in line) for line in lines]


def bar(n_complete: int, n_running: int, n_missing: int, total: int, width: int = BAR) -> str:
    """A bar: ``#`` is complete, ``x`` ended otherwise, ``>`` is running, ``.`` is to come.

    Examples
    --------
    >>> bar(4, 2, 1, total=8, width=16)
    '[########xx>>>>..]'
    """
    ended = total - n_running - n_missing
    ends = [width * n // total for n in (n_complete, ended, ended + n_running, total)]
    sizes = [end - begin for begin, end in zip([0, *ends], ends, strict=False)]
    return f"[{''.join(sign * n for sign, n in zip('#x>.', sizes, strict=True))}]"


def _time_left(seen: Look) -> str:
    if seen.is_over:
        return "nothing is left to run"
    going = seen.counts.get("running", 0)
    if not going:
        return "none is running now"
    if math.isnan(seen.seconds_left):
        return f"{going} at a time"
    return f"about {duration(seen.seconds_left)} left, {going} at a time"


def duration(seconds: float) -> str:
    """A duration in the two units that matter.

    Examples
    --------
    >>> duration(7.2), duration(200), duration(7300), duration(100_000)
    ('8 s', '3 min 20 s', '2 h 1 min', '1 d 3 h')
    """
    parts, n = list[str](), math.ceil(seconds)
    for name, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, n = divmod(n, size)
        if count or parts:
            parts.append(f"{count} {name}")
    return " ".join(parts[:2]) or "0 s"


def _table(scores: Sequence[Score]) -> list[str]:
    several = len({score.dataset for score in scores}) > 1
    metrics = {score.metric for score in scores if score.metric}
    rows = [["policy", "complete", "running", f"test {' / '.join(sorted(metrics)) or 'score'}"]]
    for score in scores:
        name = f"{score.dataset} {score.policy}" if several else score.policy
        mean = "-" if math.isnan(score.mean) else f"{score.mean:.3f}"
        rows.append([name, str(score.n_complete), str(score.n_running), mean])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([row[0].ljust(widths[0]),
                   *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]  # fmt: skip


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not (seconds > 0 and math.isfinite(seconds)):
        raise argparse.ArgumentTypeError(f"must be seconds above 0, got {text!r}")
    return seconds


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="plastic-watch",
        description="A running sweep in the terminal: runs done, scores, failures, time left.",
    )
    parser.add_argument("folder", type=Path, help="a folder of runs, such as results/demo")
    parser.add_argument("--every", type=_seconds, default=2.0, metavar="SECONDS",
                        help="between looks; 2 by default")  # fmt: skip
    parser.add_argument("--once", action="store_true",
                        help="print how it stands now, and end; so does a pipe")  # fmt: skip
    return parser


if __name__ == "__main__":
    sys.exit(main())
