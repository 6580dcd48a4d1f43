"""What a command line says of its jobs is what Hydra makes of it; seeds are whole numbers."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from experiments.arguments import expand, quote_seeds, results_for_all, seeds_of
from plastic.errors import InvalidParameter

seeds = st.lists(st.integers(0, 2**40), min_size=1, max_size=5, unique=True)


@given(given=st.dictionaries(st.sampled_from(["seed", "steps", "density"]), seeds, min_size=1))
def test_a_sweep_is_every_combination_in_order(given):
    words = [f"{key}={','.join(map(str, values))}" for key, values in given.items()]
    combinations = product(*([f"{key}={value}" for value in values] for key, values in
                             given.items()))  # fmt: skip
    assert expand(words) == list(combinations)


@given(seeds=seeds)
def test_seeds_are_one_value_and_come_back(seeds):
    listed = ",".join(map(str, seeds))
    for text in (listed, f"[{listed}]"):
        (word,) = quote_seeds([f"seeds={text}"])
        ((job,),) = expand([word])  # one job, whatever the sweep
        value = OmegaConf.from_dotlist([job.replace("'", "")]).seeds
        assert seeds_of(value) == seeds
    assert seeds_of(seeds) == seeds_of(OmegaConf.create(seeds)) == seeds
    assert seeds_of(seeds[0]) == seeds[:1]


@given(low=st.integers(0, 50), n=st.integers(1, 20), by=st.integers(1, 5))
def test_a_range_is_pythons(low, n, by):
    high = low + n * by
    assert seeds_of(f"range({low}, {high}, {by})") == list(range(low, high, by))
    assert seeds_of(f" range({high}) ") == list(range(high))
    assert seeds_of(f"range({high - 1},{low - 1},{-by})") == list(range(high - 1, low - 1, -by))


@pytest.mark.parametrize(
    "wrong",
    [
        "", "range()", "range(0)", "range(1,2,0)", "range(a)", "range(3", "1,", "1.5", "1,1",
        "-1", "range(-2,2)", True, False, 1.0, None, [], [1, 1], [1, True], [0.5], [-1], {},
    ],
    ids=repr,
)  # fmt: skip
def test_what_are_no_seeds_is_refused(wrong):
    with pytest.raises(InvalidParameter, match="seeds must be a range or different whole"):
        seeds_of(wrong)


def test_only_seeds_are_quoted():
    left = ["seed=0,1", "policy=set,static", "seeds='range(3)'", "seeds=null", "-m"]
    assert quote_seeds(left) == left
    assert quote_seeds(["+seeds=range(3)"]) == ["+seeds='range(3)'"]


@pytest.mark.parametrize("flag", ["-m", "--multirun"])
def test_a_sweep_may_be_asked_for_anywhere(flag, command, tmp_path):
    quick = ["dataset=xor", "steps=2", "wiring.hidden=[4]", "study=anywhere"]
    ended = command("run", *quick, flag, "policy=static,set", cwd=tmp_path)
    assert (ended.code, ended.err) == (0, "")
    assert len(list((tmp_path / "results" / "anywhere").glob("xor-*"))) == 2


@pytest.mark.parametrize("launcher", ["ray", "submitit_slurm"])
def test_where_others_run_the_jobs_the_folder_is_absolute(launcher):
    chosen = f"hydra/launcher={launcher}"
    here = f"results_dir={Path('results').absolute()}"
    assert results_for_all(["-m", chosen]) == ["-m", chosen, here]
    own = ["-m", "results_dir=mine", chosen, "seed=0,1"]
    mine = f"results_dir={Path('mine').absolute()}"
    assert results_for_all(own) == ["-m", chosen, mine, "seed=0,1"]
    assert results_for_all([*own, "hydra/launcher=basic"]) == [*own, "hydra/launcher=basic"]
