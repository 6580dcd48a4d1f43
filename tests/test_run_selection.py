"""Runs in which only some neurons are computed, from the configuration to the tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from runs import SMALL, names_in, tables_of, the_row
from trials import Swaps, moons

from experiments.run import make_network
from plastic.costs import step_flops
from plastic.engine import SGD, Cosine, Network
from plastic.errors import InvalidParameter
from plastic.policies import Static
from plastic.records import comparable
from plastic.selection import Selected, random_resampling, successive_elimination
from plastic.topology.wiring import dense
from plastic.training import Streams, train

STATIC = [*SMALL, "policy=static", "wiring.hidden=[32,16]"]
SELECTIONS = [name for name in names_in("selection") if name != "full"]
QUARTER = ["selection.keep=0.25", "batch_size=16"]


@pytest.mark.parametrize("name", SELECTIONS)
def test_every_selection_runs(do, name):
    folder = do(*STATIC, *QUARTER, f"selection={name}", "dtype=float64")
    tables, row = tables_of(folder), the_row(folder)
    assert (row["status"], row["selection"]) == ("complete", name)
    assert folder.name.startswith(f"wine-{name}-s0-")
    ends = 13 + 3
    assert row["n_neurons"] == ends + 32 + 16
    assert row["n_active"] == ends + 8 + 4
    curve = tables["convergence"].groupby("step").first()
    assert curve["n_active"].iloc[0] == row["n_neurons"]
    assert (curve["n_neurons"] == row["n_neurons"]).all()
    arms = tables["arms"]
    last = arms[arms["step"] == row["steps_done"]]
    assert len(last) == 8 + 4
    assert last["arm"].str.fullmatch(r"neuron \d+").all()
    nodes = tables_of(
        do(*STATIC, *QUARTER, f"selection={name}", "dtype=float64", "engine=nodes")
    )
    for table in ("convergence", "arms"):
        mine, theirs = (
            comparable(one[table]).drop(columns="run_id") for one in (tables, nodes)
        )
        pd.testing.assert_frame_equal(mine, theirs, rtol=1e-8, atol=1e-10)


def test_without_a_selection_all_neurons_are_computed(do, config_of):
    curve = tables_of(do(*STATIC))["convergence"]
    assert (curve["n_active"] == curve["n_neurons"]).all()
    config = config_of(*STATIC)
    dataset = moons()
    assert type(make_network(config, dataset, Static(), Streams.of(0))) is Network


def test_an_elimination_takes_the_steps_that_its_budget_pays_for(do):
    row = the_row(do(*STATIC, *QUARTER, "selection=successive_elimination", "steps=120"))
    assert row["steps"] == 120
    assert 60 < row["steps_done"] < 120
    full = the_row(do(*STATIC, *QUARTER[1:], "steps=120"))
    assert 0.2 * full["train_flops"] < row["train_flops"] < 0.3 * full["train_flops"]


@pytest.mark.parametrize("policy", ["thompson", "rigl", "set", "gradual_magnitude"])
def test_a_policy_that_edits_is_refused_before_anything_is_written(do, policy, tmp_path):
    with pytest.raises(InvalidParameter, match="a selection goes with policy=static alone"):
        do(*SMALL, f"policy={policy}", "selection=resampling", "policy.every=10")
    assert not list(tmp_path.iterdir())


def make(selector, streams, dataset, n_steps=40):
    topology = dense(
        dataset.n_inputs, dataset.n_outputs, 1.0, streams.wiring,
        hidden=(32,), output_activation=dataset.output_activation,
    )  # fmt: skip
    network = Selected(
        topology, dataset.loss, selector=selector, n_steps=n_steps, rng=streams.selection
    )
    return network.initialize(streams.weights)


def rows_of(network, policy, streams, dataset, n_steps=40):
    pieces = train(
        network, dataset, policy, SGD(0.1), Cosine(), streams,
        n_steps=n_steps, batch_size=20, evaluate_every=10,
    )  # fmt: skip
    return list(pieces)


def test_train_refuses_it_too_before_the_first_row():
    streams, dataset = Streams.of(0), moons()
    network = make(random_resampling(keep=0.25), streams, dataset)
    with pytest.raises(InvalidParameter, match="would edit the network at step 20"):
        rows_of(network, Swaps(20), streams, dataset)
    assert network.topology.step == 0
    network.commit()  # from here on it may be edited
    rows = rows_of(network, Swaps(20), streams, dataset)
    edits = [piece for piece in rows if piece.table == "edits"]
    assert edits[-1].columns["reason"].tolist() == ["out"]  # it is dense: nothing to add
    assert edits[-1].columns["accepted"]
    assert not [piece for piece in rows if piece.table == "arms"]


def test_the_flops_are_those_of_what_was_computed():
    streams, dataset = Streams.of(0), moons()
    selector = successive_elimination(keep=0.25, every=2, equal="steps")
    network = make(selector, streams, dataset)
    twin = make(selector, Streams.of(0), dataset).topology
    rows = rows_of(network, Static(), streams, dataset)
    curve = [piece.columns for piece in rows if piece.table == "convergence"]
    assert curve[-1]["train_flops"] == network.flops
    steps, counts = network.timetable.steps, network.timetable.counts.ravel()
    lengths = np.diff(np.append(steps, 40))
    assert network.evaluations == lengths @ counts
    assert network.flops == step_flops(twin.structure, 20) // 32 * network.evaluations


def test_only_the_selection_draws_from_its_stream():
    streams, dataset = Streams.of(3), moons()
    network = make(random_resampling(keep=0.25), streams, dataset)
    rows_of(network, Static(), streams, dataset)
    fresh, again = Streams.of(3), Streams.of(3)
    assert streams.policy.random() == fresh.policy.random()
    assert streams.selection.random() != fresh.selection.random()
    plain = Streams.of(3)
    others = make(random_resampling(keep=0.25, rescale=False), again, dataset)
    wired = dense(
        dataset.n_inputs, dataset.n_outputs, 1.0, plain.wiring,
        hidden=(32,), output_activation=dataset.output_activation,
    )  # fmt: skip
    first = Network(wired, dataset.loss).initialize(plain.weights)
    np.testing.assert_array_equal(others.weights, first.weights)
