"""What a command line does not need is not imported: a law that no clock decides."""

from __future__ import annotations

import re

import pytest

HEAVY = {"numba", "scipy", "sklearn", "networkx", "pandas", "pyarrow", "matplotlib"}
"""Libraries that take a tenth of a second each, or more."""

AS_INSTALLED = "import sys; from experiments.{0} import main; sys.exit(main())"
"""What the programs plastic-run and plastic-compare consist of."""

HELP = [
    ("-m", "experiments.run", "--help"),
    ("-m", "experiments.compare", "--help"),
    ("-m", "experiments.bench", "--help"),
    ("-m", "experiments.query", "--help"),
    ("-m", "experiments.search", "--help"),
    ("-m", "experiments.study", "--help"),
    ("-m", "experiments.regret", "--help"),
    ("-m", "experiments.masks", "--help"),
    ("-m", "experiments.watch", "--help"),
    ("-m", "experiments.status", "--help"),
    ("-c", AS_INSTALLED.format("run"), "--help"),
    ("-c", AS_INSTALLED.format("compare"), "--help"),
]

WRONG = [
    (("run", "densty=0.1"), 1, "did you mean 'density'?"),
    (("run", "policy=nope"), 1, "there is no policy 'nope'"),
    (("run", "policy.fractoin=0.1"), 1, "did you mean 'fraction'?"),
    (("run", "steps=0"), 1, "steps must be a whole number of at least 1, got 0"),
    (("run", "density=much"), 1, "density: "),
    (("compare",), 2, "the following arguments are required: folder"),
    (("compare", "here", "--metrics"), 2, "unrecognized arguments: --metrics"),
    (("search",), 2, "the following arguments are required: space\n"),
    (("study",), 2, "the following arguments are required: study\n"),
    (("regret", "bandit=nope"), 1, "there is no bandit 'nope'"),
    (("bench", "--fast"), 2, "unrecognized arguments: --fast"),
    (("watch", "here", "--every", "0"), 2, "--every: must be seconds above 0, got '0'"),
]


def imported(said):
    """Libraries that ``-X importtime`` tells of."""
    return {name.split(".")[0] for name in re.findall(r"^import time:.*\| +(\S+)$", said, re.M)}


@pytest.mark.parametrize("arguments", HELP, ids=lambda arguments: " ".join(arguments))
def test_help_needs_no_heavy_library(process, tmp_path, arguments):
    ended = process("-X", "importtime", *arguments, cwd=tmp_path)
    assert ended.code == 0
    assert ended.out
    assert "experiments" in imported(ended.err)
    assert not imported(ended.err) & HEAVY


@pytest.mark.parametrize(("arguments", "code", "said"), WRONG, ids=str)
def test_a_wrong_command_line_needs_none_either(process, tmp_path, arguments, code, said):
    program, *rest = arguments
    ended = process("-X", "importtime", "-m", f"experiments.{program}", *rest, cwd=tmp_path)
    assert ended.code == code
    assert said in ended.err
    assert not imported(ended.err) & HEAVY
    assert not (tmp_path / "results").exists()


def test_a_wrong_parameter_is_refused_before_data_is_read(process, tmp_path):
    """Digits come from scikit-learn, which takes longer to import than all else."""
    ended = process(
        *("-X", "importtime", "-m", "experiments.run", "policy.fraction=2"), cwd=tmp_path
    )
    assert ended.code == 1
    assert "fraction must lie in (0, 1], got 2" in ended.err
    assert not imported(ended.err) & {"sklearn", "pandas"}


def test_the_package_itself_imports_nothing_heavy(process, tmp_path):
    ended = process("-X", "importtime", "-c", "import plastic", cwd=tmp_path)
    assert ended.code == 0
    assert not imported(ended.err) & {"numpy", *HEAVY}
