"""A search: deterministic, stoppable, by the reward split alone."""

import pandas as pd
import pytest
from omegaconf import OmegaConf

from experiments import search as program
from experiments.config import config_folder
from experiments.search import DATABASE, Search, Space, read_space
from plastic.analysis import load_results
from plastic.errors import InUse, InvalidParameter
from plastic.locks import FolderLock

optuna = pytest.importorskip("optuna", reason="make extras brings Optuna")

SMALL = ("dataset=wine", "wiring.hidden=[6]", "density=0.4", "steps=20", "evaluate_every=5")
SPACE = Space({"optimizer.learning_rate": {"low": 0.001, "high": 1.0, "log": True}})


def a_search(folder, space=SPACE, seeds=(0, 1), seed=0, more=()):
    own = (f"results_dir={folder}", "study=s", "policy=static", *SMALL, *more)
    return Search(space, own, tuple(seeds), seed)


def told(study):
    return [(t.params, t.value, t.state.name) for t in study.trials]


def test_one_at_a_stretch_and_one_that_was_stopped_find_the_same(tmp_path):
    whole = a_search(tmp_path / "a").carry_on(5)
    a_search(tmp_path / "b").carry_on(2)
    stopped = a_search(tmp_path / "b").carry_on(5)
    assert told(whole) == told(stopped)
    assert len(whole.trials) == 5
    other = a_search(tmp_path / "c", seed=1).carry_on(2)
    assert told(other) != told(whole)[:2]
    table = pd.read_csv(tmp_path / "a" / "s" / "trials.csv")
    assert len(table) == 5


def test_the_objective_is_the_reward_split(tmp_path):
    study = a_search(tmp_path, Space(SPACE.space, pruner="none")).carry_on(3)
    runs = load_results(tmp_path).runs
    rewards = runs.groupby("optimizer.learning_rate")["final_reward_score"].mean()
    tests = runs.groupby("optimizer.learning_rate")["final_test_score"].mean()
    for trial in study.trials:
        rate = trial.params["optimizer.learning_rate"]
        assert trial.value == rewards[rate]
        assert trial.user_attrs["test_score"] == tests[rate]
    assert len(runs) == 6


def test_a_killed_trial_is_failed_and_repeated_and_complete_runs_are_kept(
    tmp_path, monkeypatch
):
    search = a_search(tmp_path)
    real = Search._run

    def dies(self, trial, overrides, at, before):
        if trial.number == 1 and at == 1:
            raise KeyboardInterrupt
        return real(self, trial, overrides, at, before)

    monkeypatch.setattr(Search, "_run", dies)
    with pytest.raises(KeyboardInterrupt):
        search.carry_on(3)
    monkeypatch.setattr(Search, "_run", real)
    study = search.carry_on(3)
    assert [t.state.name for t in study.trials] == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    assert study.trials[1].params == study.trials[2].params
    straight = a_search(tmp_path / "straight").carry_on(3)
    assert [t[:2] for t in told(straight)] == [told(study)[at][:2] for at in (0, 2, 3)]


def test_a_pruned_trial_stops_its_run(tmp_path, monkeypatch):
    search = a_search(tmp_path)
    monkeypatch.setattr(optuna.Trial, "should_prune", lambda trial: trial.number == 1)
    study = search.carry_on(3)
    assert [t.state.name for t in study.trials] == ["COMPLETE", "PRUNED", "COMPLETE"]
    results = load_results(tmp_path)
    assert len(results.complete) == 4
    assert results.failed["reason"].str.startswith("Pruned: trial 1 promises too little").all()
    assert study.trials[1].intermediate_values.keys() == {0}


def test_a_failing_trial_is_told_and_the_search_ends(tmp_path, capsys):
    space = Space({"batch_size": [0]})
    study = a_search(tmp_path, space).carry_on(2)
    assert [t.state.name for t in study.trials] == ["FAIL", "FAIL"]
    assert "batch_size must be" in capsys.readouterr().out
    assert "0 trials complete, 0 pruned, 2 failed" in program.summary(
        a_search(tmp_path, space), study
    )


def test_one_search_a_folder_and_one_process_a_search(tmp_path):
    a_search(tmp_path).carry_on(1)
    with pytest.raises(InvalidParameter, match="holds another search"):
        a_search(tmp_path, seeds=(3,)).carry_on(2)
    with FolderLock(tmp_path / "s"), pytest.raises(InUse):
        a_search(tmp_path).carry_on(2)
    assert (tmp_path / "s" / DATABASE).is_file()


def test_the_program_ends_with_a_command_that_runs(tmp_path, capsys, config_of):
    words = ["optimizer", f"results_dir={tmp_path}", "study=s", "policy=static", *SMALL]
    # options may stand among the overrides
    assert program.main([*words[:3], "--trials", "5", "--seeds", "0", *words[3:]]) == 0
    said = capsys.readouterr().out
    assert "5 trials complete, 0 pruned" in said
    assert "optimizer.learning_rate" in said
    command = said.strip().splitlines()[-1]
    assert "'seeds=range(1,11)'" in command
    own = command.partition("experiments.run ")[2].partition(" 'seeds")[0]
    assert config_of(*own.replace("'", "").split()).study == "found"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rewirin"], "there is no space 'rewirin' (did you mean 'rewiring'?); spaces are"),
        (["rewiring", "densty=1"], "did you mean 'density'?"),
        (["rewiring", "seed=1"], "seeds are those of --seeds, got 'seed=1'"),
        (["rewiring", "--seeds", "x"], "seeds must be a range or different whole numbers"),
        (["rewiring", "--trials", "0"], "--trials must be a whole number of at least 1"),
        (["rewiring", "policy=nope"], "there is no policy 'nope'"),
    ],
)
def test_wrong_command_lines(words, said, capsys):
    assert program.main(words) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"space": {}}, "space must name a key"),
        ({"space": {"a": {"low": 1}}}, "must be a list of choices, or have low and high"),
        ({"space": {"a": {"low": 1, "high": 0}}}, "low must not exceed high"),
        ({"space": {"a": {"low": 0, "high": 1, "log": True}}}, "log needs low > 0"),
        ({"space": {"a": {"low": 0, "high": 1, "lgo": True}}}, "there is no key 'a.lgo'"),
        ({"space": {"a": {"low": 0, "high": 1, "type": "x"}}}, "a.type must be one of"),
        ({"space": {"a": [1]}, "sampler": "x"}, "sampler must be one of"),
        ({"space": {"a": [1]}, "pruner": "x"}, "pruner must be one of"),
        ({"spaces": {}}, "there is no key 'spaces'"),
    ],
)
def test_spaces_that_are_of_no_use(content, said, tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text(OmegaConf.to_yaml(OmegaConf.create(content)), encoding="utf-8")
    with pytest.raises(InvalidParameter, match=said):
        read_space(str(path))


@pytest.mark.parametrize("name", sorted(p.stem for p in (config_folder() / "search").glob("*")))
def test_every_space_composes(name, config_of):
    study = optuna.create_study()
    overrides = read_space(name).suggest(study.ask())
    assert config_of("policy=set", *overrides).policy.name == "set"


def test_no_optuna_is_one_line(capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    assert program.main(["rewiring"]) == 2
    assert 'pip install "plastic[search]"' in capsys.readouterr().err


def test_a_policy_of_ones_own_is_searched_over(tmp_path, monkeypatch, capsys):
    own = tmp_path / "own parts"
    (own / "policy").mkdir(parents=True)
    (own / "policy" / "still.yaml").write_text(
        "name: still\n_target_: standing_still.Still\nshare: 0.5\n", "utf-8"
    )
    (own / "standing_still.py").write_text(
        "from dataclasses import dataclass\n\nimport numpy as np\n\n"
        "from plastic.policies import Policy, Proposal\n\n\n"
        "@dataclass\nclass Still(Policy):\n    share: float = 0.5\n\n"
        "    def steps(self, n_steps):\n        return np.zeros(0, int)\n\n"
        "    def propose(self, view, rng):\n        return Proposal()\n",
        "utf-8",
    )
    (tmp_path / "space.yaml").write_text("space:\n  policy.share: [0.1, 0.2]\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", list(program.sys.path))
    command = ["space.yaml", "policy=still", "study=s", *SMALL, "--trials", "2", "--seeds", "0"]
    assert program.main([*command, "--config-dir", "nowhere"]) == 2
    assert "--config-dir: nowhere is not a folder" in capsys.readouterr().err
    assert program.main([*command, "--config-dir", str(own)]) == 0
    assert f"--config-dir '{own}' policy=still" in capsys.readouterr().out
    runs = load_results(tmp_path / "results" / "s").runs
    assert set(runs["policy"]) == {"still"}
    assert set(runs["policy.share"]) <= {0.1, 0.2}
