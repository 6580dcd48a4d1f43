"""Parts of one's own, from a folder outside of the repository, used by the installed wheel.

The files and the commands are those of docs/your_own_parts.md.
"""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pandas as pd
import pytest
from runs import the_row

from experiments.config import LISTED
from plastic.analysis import load_results

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "your_own_parts.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^```\w+\n# (\S+\.(?:py|yaml))\n(.*?)^```$", PAGE, re.M | re.S))
COMMANDS = [
    shlex.split(line)
    for block in re.findall(r"^```sh\n(.*?)^```$", PAGE, re.M | re.S)
    for line in block.splitlines()
]

ALONE = [words for words in COMMANDS if words[0] == "plastic-run" and "-m" not in words]
"""Those of one part; they run in this process, which spares each a start."""


@pytest.fixture
def mine(tmp_path):
    """A folder with the page's files in it, and nothing else."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_the_page_has_one_file_of_each_kind_and_its_command():
    kinds = {Path(name).parent.name for name in FILES if name.endswith(".yaml")}
    assert kinds == {"policy", "dataset", "metrics", "callbacks", "bandit"}
    for kind in kinds:
        (yaml,) = (name for name in FILES if name.startswith(f"{kind}/"))
        assert f"{Path(yaml).stem}.py" in FILES
        chosen = f"{kind}=[" if kind == "metrics" else f"{kind}={Path(yaml).stem}"
        assert any(word.startswith(chosen) for words in COMMANDS for word in words)
    assert all(words[0].startswith("plastic-") for words in COMMANDS)
    listed = re.search(r"^```text\nmine/\n(.*?)^```$", PAGE, re.M | re.S)[1].split()
    assert sorted(listed) == sorted(FILES)


def test_the_installed_programs_find_and_compare_them(installed, mine):
    said = {}
    for words in COMMANDS:
        if words not in ALONE:
            ended = installed.ask(mine, *words, safe=False)
            assert ended.code == 0, ended.err
            said[words[0]] = ended.out
    results = load_results(mine / "results" / "mine")
    assert len(results.complete) == len(results.runs) == 8
    assert set(results.runs["git_commit"]) == {""}  # nothing of the checkout ran
    assert set(results.runs["policy"]) == {"static", "wander"}
    assert set(results.runs["dataset"]) == {"stripes", "wine"}
    assert set(results.runs["policy._target_"]) >= {"wander.Wander"}
    moved = results.edits[results.edits["reason"] == "anywhere"]
    assert moved["accepted"].all()
    wanders = results.runs.loc[results.runs["policy"] == "wander", "run_id"]
    assert set(moved["run_id"]) == set(wanders)
    assert (results.metrics["metric"] == "cliques").all()
    assert set(results.metrics["run_id"]) == set(results.runs["run_id"])
    for folder in results.folders.values():
        first, *lines = (folder / "diary.txt").read_text().splitlines()
        assert first == the_row(folder)["policy"]
        assert [int(line.split()[0]) for line in lines] == [0, 50, 100, 150, 200]
    for dataset in ("stripes", "wine"):
        table = said["plastic-compare"].partition(f"\n{dataset}, ")[2].partition("\n\n")[0]
        assert re.search(r"^wander +2 ", table, re.M)
        assert re.search(r"^static +2 ", table, re.M)
    assert re.search(r"^ *curious ", said["plastic-regret"], re.M)
    regret = pd.read_parquet(mine / "results" / "regret" / "regret.parquet")
    assert set(regret["bandit"]) == {"curious", "uniform"}


@pytest.mark.parametrize("words", ALONE, ids=" ".join)
def test_each_runs_by_itself(command, mine, monkeypatch, words):
    monkeypatch.setattr("sys.path", [*sys.path])  # put back what the program appends
    ended = command("run", *words[1:], cwd=mine)
    assert ended.code == 0, ended.err
    assert "complete already" not in ended.out
    for name in FILES:
        sys.modules.pop(Path(name).stem, None)


def test_a_folder_elsewhere_will_do(installed, mine, tmp_path_factory):
    here = tmp_path_factory.mktemp("here")
    words = ["--config-dir", str(mine), "policy=wander", "dataset=wine", "steps=60"]
    ended = installed.ask(here, "plastic-run", *words)
    assert ended.code == 0, ended.err
    (folder,) = (here / "results" / "first").iterdir()
    assert the_row(folder)["policy"] == "wander"


# ------------------------------------------------------------------------------- mistakes

BROKEN = """
from plastic.policies import Policy, Proposal

class Half(Policy):
    def steps(self, n_steps):
        return []

class Needy(Policy):
    def __init__(self, every: int):
        self.every = every
    def steps(self, n_steps):
        return []
    def propose(self, view, rng):
        return Proposal()

class Duck:
    def propose(self, view, rng):
        return Proposal()

def number():
    return 3

def blind(n_samples: int = 3):
    return None

def nothing(rng):
    return None
"""

MISTAKES = [
    ("policy", "nowhere.Policy", "cannot be imported: No module named 'nowhere' (a module of"),
    ("policy", "broken.Nope", "broken.Nope cannot be imported: broken has no 'Nope'"),
    ("policy", "faulty.Any", "faulty.Any cannot be imported: SyntaxError: "),
    ("policy", "raising.Any", "raising.Any cannot be imported: ZeroDivisionError: division"),
    ("policy", "wanting.Any", "cannot be imported: No module named 'not_there'"),
    ("policy", "broken.Half", "broken.Half lacks propose"),
    (
        "policy",
        "broken.Duck",
        "Duck, which is no plastic.policies.Policy: it lacks begin",
    ),
    ("policy", "broken.number", "makes an object of class int, which is no plastic.policies."),
    ("dataset", "broken.blind", "broken.blind must take 'rng', which every run gives"),
    ("dataset", "broken.nothing", "class NoneType, which is no plastic.datasets.Dataset: it"),
    ("bandit", "broken.number", "class int, which is no plastic.bandits.Bandit: it lacks"),
    ("callbacks", "broken.Duck", "which is no plastic.callbacks.Callback: it lacks begin, end"),
    ("metrics", "broken.number", "class int, which is no plastic.metrics.Metric: it lacks"),
    ("policy", "broken.Needy", "policy needs 'every', which its configuration lacks"),
    ("policy", "", "policy needs a choice with a _target_, got {'a': 1}"),
    ("callbacks", "", "callbacks.wrong needs a choice with a _target_, got {'a': 1}"),
]


@pytest.mark.parametrize(("group", "target", "message"), MISTAKES)
def test_a_mistake_is_told_in_a_line(command, tmp_path, monkeypatch, group, target, message):
    modules = {
        "broken": BROKEN,
        "faulty": "def wrong(:\n",
        "raising": "1 / 0\n",
        "wanting": "import not_there\n",
    }
    for name, text in modules.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.setattr("sys.path", [*sys.path])  # put back what the program appends
    for name in modules:
        monkeypatch.delitem(sys.modules, name, raising=False)
    held = f"_target_: {target}\n" if target else "a: 1\n"
    listed = group in LISTED
    text = f"wrong:\n  {held}" if listed else f"name: wrong\n{held}"
    (tmp_path / group).mkdir()
    (tmp_path / group / "wrong.yaml").write_text(text)
    program = "regret" if group == "bandit" else "run"
    ended = command(program, "--config-dir", str(tmp_path), f"{group}=wrong", cwd=tmp_path)
    assert ended.code == 1
    (line,) = {one for one in ended.err.splitlines() if message in one}
    assert line.startswith(f"error: {group}")
    assert "Traceback" not in ended.err
    assert list(tmp_path.rglob("*.parquet")) == []
    for name in modules:
        sys.modules.pop(name, None)
