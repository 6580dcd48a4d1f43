"""Whole studies: what they run can be run, and is run in turn."""

from __future__ import annotations

import subprocess

import pandas as pd
import pytest
from hydra import compose, initialize_config_dir

from experiments import study as program
from experiments.config import config_folder
from experiments.study import PROGRAMS, SWEEPING, commands_of, main, studies

ROOTS = {"run": "config", "masks": "masks", "regret": "regret"}

SWEEPS = [
    (study, tuple(command))
    for study in studies()
    for command in commands_of(study)
    if command[0] in SWEEPING
]


def test_the_studies_are_those_of_the_reference_tables(reference):
    folders = reference.iterdir()
    renamed = {"digits": "reference_digits"}
    tables = {renamed.get(folder.name, folder.name) for folder in folders}
    assert tables - {"bench"} <= set(studies())


@pytest.mark.parametrize(("study", "command"), SWEEPS, ids=lambda part: str(part)[:60])
def test_a_sweep_composes_and_goes_where_the_tables_look(study, command):
    words = [word for word in command[1:] if word != "-m"]
    # a sweep takes one of several, each in turn; here the first of each
    first = [word if word[-1:] == "]" else word.partition(",")[0] for word in words]
    first = [w.partition("],")[0] + "]" if "],[" in w else w for w in first]
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        config = compose(ROOTS[command[0]], first, return_hydra_config=True)
    (*_, tables) = commands_of(study)
    assert config.study.startswith(study)
    assert config.hydra.sweeper.params
    assert tables[0] not in SWEEPING
    told = f"results/{config.study}" in tables or tables[:2] == ["published", "results"]
    assert told


def test_overrides_and_the_folder_go_to_every_sweep():
    plain = commands_of("growth")
    changed = commands_of("growth", ["seed=0,1"], "elsewhere")
    for before, after in zip(plain, changed, strict=True):
        if before[0] in SWEEPING:
            assert after == [*before, "results_dir=elsewhere", "seed=0,1"]
        else:
            assert after == [word.replace("results/", "elsewhere/") for word in before]


def test_commands_are_run_in_turn_and_failures_are_told(monkeypatch, capsys):
    codes, ran = iter([0, 3]), []

    def run(words, check):
        ran.append(words)
        return subprocess.CompletedProcess(words, next(codes))

    monkeypatch.setattr(program.subprocess, "run", run)
    monkeypatch.setattr(
        program, "commands_of", lambda *_: [["run", "-m", "a=1,2"], ["summarize", "b"]]
    )
    assert main(["anything"]) == 1
    assert [words[1:] for words in ran] == [
        ["-m", "experiments.run", "-m", "a=1,2"],
        ["-m", "experiments.summarize", "b"],
    ]
    told = capsys.readouterr()
    assert "[1/2] done in" in told.out
    assert "[2/2] failed with exit code 3" in told.out
    assert told.err == "error: 1 of 2 commands failed\n"


def test_a_dry_run_only_prints(monkeypatch, capsys):
    monkeypatch.delattr(program.subprocess, "run")
    assert main(["growth", "--dry-run", "seed=0,1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(commands_of("growth"))
    assert lines[0].endswith("-m experiments.run -m experiment=growth seed=0,1")


def test_what_is_no_study_is_refused(monkeypatch, tmp_path, capsys):
    assert main(["growht"]) == 2
    assert "there is no study 'growht' (did you mean 'growth'?)" in capsys.readouterr().err
    (tmp_path / "studies").mkdir()
    monkeypatch.setattr(program, "config_folder", lambda: tmp_path)
    for text, rule in [
        ("commands: [rm -rf x]", "a command begins with one of run, masks"),
        ("commands: ['']", "a command begins with one of run, masks"),
        ("orders: []", "a study is a list of commands"),
        ("commands: 3", "a study is a list of commands"),
    ]:
        (tmp_path / "studies" / "mine.yaml").write_text(text)
        assert main(["mine"]) == 2
        assert rule in capsys.readouterr().err


def test_programs_are_those_there_are():
    for name in PROGRAMS:
        __import__(f"experiments.{name}")


def test_a_small_study_ends_as_a_table(monkeypatch, tmp_path, process):
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "mine.yaml").write_text(
        "commands:\n"
        "- run -m study=mine dataset=xor wiring.hidden=[4] density=1 batch_size=4 seed=0,1\n"
        "- summarize RESULTS/mine\n"
    )
    monkeypatch.setattr(program, "config_folder", lambda: tmp_path)
    results = tmp_path / "results"
    assert main(["mine", "steps=20", "--results", str(results)]) == 0
    table = pd.read_csv(results / "mine" / "summary.csv")
    assert table["n_seeds"].tolist() == [2]
