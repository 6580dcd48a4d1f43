"""Films and pictures of one run: lives as replay has them, places by depth, nothing global."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from runs import OFTEN, SMALL

from experiments.run import run
from plastic import load_results
from plastic.analysis import film_of, plot_arms, plot_edits, plot_topology
from plastic.analysis.film import OUTPUTS, depths, run_of
from plastic.errors import InvalidParameter
from plastic.topology import Topology, replay
from plastic.topology.wiring import random_dag


@pytest.fixture(scope="module")
def results(tmp_path_factory, config_of):
    folder = tmp_path_factory.mktemp("results")
    for policy in ("set", "thompson", "gradmax"):
        run(config_of(*SMALL, *OFTEN, f"policy={policy}", f"results_dir={folder}"))
    return load_results(folder)


def axes(plot, *arguments, **options):
    pytest.importorskip("matplotlib", reason="needs Matplotlib: make extras")
    return plot(*arguments, **options)


@pytest.mark.parametrize("policy", ["set", "thompson", "gradmax"])
def test_a_film_has_the_structure_of_the_replay_in_every_frame(results, policy):
    run_id = results.runs.set_index("policy").loc[policy, "run_id"]
    edits = run_of(results, run_id).edits
    edits = edits[edits.accepted]
    film = film_of(edits)
    for frame, step in enumerate(film.steps):
        topology = Topology(13, 3)
        rows = edits[edits.step <= step]
        replay(topology, {name: rows[name].to_numpy() for name in rows})
        structure = topology.structure
        there = film.alive(frame)
        assert set(film.connection[there]) == set(structure.connection_ids)
        by_id = {int(c): i for i, c in enumerate(structure.connection_ids)}
        at = [by_id[int(c)] for c in film.connection[there]]
        ids = structure.neuron_ids
        assert (film.neuron[film.source[there]] == ids[structure.sources[at]]).all()
        assert (film.neuron[film.target[there]] == ids[structure.targets[at]]).all()
        alive = (film.neuron_born <= frame) & (frame < film.neuron_died)
        hidden = film.neuron[alive & (film.group > 0)]
        assert set(hidden) == set(ids[structure.groups > 0]) - {13, 14, 15}
    assert set(film.neuron[film.group == OUTPUTS]) == {13, 14, 15}


def test_depth_is_the_longest_way_and_cycles_share_one():
    assert depths(4, [0, 0, 1, 2], [1, 3, 2, 3], [0, 1, 1, OUTPUTS]).tolist() == [0, 1, 2, 3]
    # 1 and 2 took turns: the one fed the other, and later the other way round
    assert depths(4, [0, 1, 2, 2], [1, 2, 1, 3], [0, 1, 1, OUTPUTS]).tolist() == [0, 1, 1, 2]


def test_places_lie_in_the_unit_square(results):
    film = film_of(run_of(results).edits)
    assert film.x.min() == 0
    assert film.x.max() == 1
    assert (film.x[film.group == 0] == 0).all()
    assert (film.x[film.group == OUTPUTS] == 1).all()
    assert ((film.y > 0) & (film.y < 1)).all()


def test_pictures_are_drawn_without_pyplot(results, tmp_path):
    was_there = "matplotlib.pyplot" in sys.modules
    thompson = results.runs.set_index("policy").loc["thompson", "run_id"]
    assert len(axes(plot_edits, results, thompson).collections) == 1
    for value in ("pulls", "posterior_mean", "reward"):
        ax = axes(plot_arms, results, thompson, value=value, most=3)
        assert 1 <= len(ax.lines) <= 3
        assert "3 of" in ax.get_title()
    ax = axes(plot_topology, results, thompson, at=0.5)
    ax.figure.savefig(tmp_path / "topology.svg")
    assert ("matplotlib.pyplot" in sys.modules) == was_there


def test_a_topology_is_drawn_in_the_axes_given():
    topology = random_dag(4, 2, 0.3, np.random.default_rng(0), n_hidden=20)
    first = axes(plot_topology, topology)
    assert plot_topology(topology, ax=first) is first
    assert len(first.collections[0].get_segments()) == topology.n_connections
    few = plot_topology(topology, most=10)
    assert len(few.collections[0].get_segments()) <= 10
    assert "drawn" in few.get_title()


def test_what_is_not_there_is_said(results):
    set_run = results.runs.set_index("policy").loc["set", "run_id"]
    assert axes(plot_arms, results, set_run).texts[0].get_text() == "this run has no bandit"
    with pytest.raises(InvalidParameter, match="there is no run 'none'"):
        plot_edits(results, "none")
    with pytest.raises(InvalidParameter, match="holds no connection"):
        film_of(results.edits.iloc[:0])
    with pytest.raises(
        InvalidParameter, match="needs a Network, a Topology or Results, got int"
    ):
        plot_topology(3)
