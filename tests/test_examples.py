"""Every example runs on its own, without a warning, and says what it promises."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
CLAIMS = {
    "01_the_post.py": [
        "largest residual over 11 rows",
        "(allowed: 1e-12)",
        "as published                             0.936332",
        "The last two rows agree in every digit of every iteration.",
    ],
    "03_your_own_policy.py": [
        "BusyEnds keeps every promise of a policy",
        "test accuracy on digits at density 0.02, 600 steps",
        "BusyEnds is ahead of SET under both seeds",
    ],
    "04_your_own_csv.py": [
        "$ python -m experiments.run -m study=mine dataset=table dataset.path=my.csv",
        "Study mine: 12 runs (12 complete)",
        "Columns that reach the output",
        "Most connections of a wiring this sparse lead nowhere, until they are moved.",
    ],
    "05_train_an_evolved_network.py": [
        "(allowed: 1e-12)",
        "Gradient descent improves on what evolution left.",
    ],
    "06_structure_with_networkx.py": [
        "of the connections were grown while it learned",
        "The central ones matter more.",
        "and read back with equal predictions",
    ],
    "07_online_learning.py": [
        "online accuracy                      static  neuron_turnover",
        "The static network lost plasticity; the one that renews its neurons kept it.",
    ],
}
NEEDED = {"05_train_an_evolved_network.py": "neat"}
"""Optional libraries that an example is about."""


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example_runs_without_a_warning_and_keeps_its_promises(path: Path, tmp_path: Path):
    library = NEEDED.get(path.name, "sys")
    if find_spec(library) is None:
        pytest.skip(f"{library} is not installed: make extras")
    ran = subprocess.run(
        [sys.executable, "-W", "error", str(path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    for claim in CLAIMS.get(path.name, []):
        assert claim in ran.stdout


def test_every_claim_has_its_example():
    assert set(CLAIMS) <= {path.name for path in EXAMPLES}
