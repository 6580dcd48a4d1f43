"""The contract of every selection in conf/selection/, and what a selected network promises."""

from __future__ import annotations

import numpy as np
import pytest
from networks import (
    assert_same_columns,
    columns_by_id,
    random_data,
    random_rows,
    random_topology,
)
from runs import names_in

from experiments.choices import build
from plastic.costs import step_flops
from plastic.edits import Connect, PruneNeurons
from plastic.engine import SGD, Adam, Network, Statistics
from plastic.errors import Diverged, InvalidEdit, InvalidNetwork, InvalidParameter
from plastic.selection import Selected, full, random_resampling, resampling
from plastic.selection import successive_elimination as elimination
from plastic.topology import Kind
from plastic.topology.wiring import dense, erk

N_STEPS = 80
X, Y = random_data(0, 200, n_inputs=6)
ROWS = random_rows(1, N_STEPS, 10, len(X))
SELECTIONS = [name for name in names_in("selection") if name != "full"]
every_selection = pytest.mark.parametrize("name", SELECTIONS)


@pytest.fixture(scope="module")
def selector_of(config_of):
    made = {}

    def selector_of(name):
        if name not in made:
            every = ["selection.every=3"] if "elimination" in name else []
            config = config_of(f"selection={name}", "selection.keep=0.25", *every)
            made[name] = build(config, "selection")
        return made[name]

    return selector_of


def layers(seed=0):
    rng = np.random.default_rng(seed)
    return erk(6, 3, 0.6, rng, hidden=(24, 16), activation="tanh")


def selected(selector, topology=None, *, seed=0, n_steps=N_STEPS, **options):
    rng = np.random.default_rng(seed)
    network = Selected(
        topology or layers(), selector=selector, n_steps=n_steps, rng=rng,
        **({"dtype": "float64"} | options),
    )  # fmt: skip
    return network.initialize(np.random.default_rng(seed + 1))


def learned(selector, *arguments, optimizer=None, pieces=1, n=N_STEPS, **options):
    network = selected(selector, *arguments, **options)
    for rows in np.array_split(ROWS[: min(n, network.timetable.n_steps)], pieces):
        network.learn(X, Y, rows, optimizer or SGD(0.1))
    return network


# ------------------------------------------------------------------ the contract of them all


@every_selection
def test_one_seed_has_one_result_and_another_another(name, selector_of):
    one, other = (learned(selector_of(name)) for _ in range(2))
    assert_same_columns(one.topology, other.topology)
    np.testing.assert_array_equal(one.active_ids, other.active_ids)
    third = learned(selector_of(name), seed=5)
    assert not np.array_equal(one.active_ids, third.active_ids)


@every_selection
def test_it_ends_with_the_fraction_asked_for_of_every_layer(name, selector_of):
    network = learned(selector_of(name))
    structure = network.computed
    hidden = structure.kinds == Kind.HIDDEN
    np.testing.assert_array_equal(np.unique(structure.groups[hidden]), [1, 2])
    assert [int(np.sum(structure.groups[hidden] == group)) for group in (1, 2)] == [6, 4]


@every_selection
def test_the_budget_is_kept(name, selector_of):
    network = learned(selector_of(name))
    assert network.topology.step == network.timetable.n_steps
    assert network.evaluations == network.timetable.evaluations
    budget = N_STEPS * (6 + 4)
    if name == "successive_elimination_steps":
        assert budget < network.evaluations < 1.5 * budget
        assert network.timetable.n_steps == N_STEPS
    else:
        assert budget - (6 + 4) < network.evaluations <= budget


@every_selection
def test_inputs_and_outputs_are_always_computed(name, selector_of):
    network = selected(selector_of(name))
    whole = network.topology.structure
    for rows in ROWS[: network.timetable.n_steps]:
        network.learn(X, Y, rows[None], SGD(0.1))
        part = network.computed
        for kind in ("inputs", "outputs"):
            ids = part.neuron_ids[getattr(part, kind)]
            np.testing.assert_array_equal(ids, whole.neuron_ids[getattr(whole, kind)])


@every_selection
def test_what_is_not_computed_stays_as_it_is(name, selector_of):
    network = selected(selector_of(name))
    network.learn(X, Y, ROWS[:1], SGD(0.1))
    for rows in ROWS[1 : network.timetable.n_steps]:
        before = columns_by_id(network.topology)
        network.learn(X, Y, rows[None], SGD(0.1))
        after, part = columns_by_id(network.topology), network.computed
        held = {
            "neuron": set(part.neuron_ids.tolist()),
            "connection": set(part.connection_ids.tolist()),
        }
        changed = 0
        for (what, column), values in after.items():
            for key, value in values.items():
                same = value == before[what, column][key]
                assert same or key in held[what]
                changed += not same
        assert changed > 0


@every_selection
def test_only_the_selected_are_computed(name, selector_of):
    network = learned(selector_of(name))
    whole = network.topology
    answers = network.predict(X)
    gone = np.setdiff1d(
        whole.structure.neuron_ids[whole.structure.kinds == Kind.HIDDEN], network.active_ids
    )
    twin = layers()
    pruned = Network(twin, dtype="float64")
    pruned.weights[:], pruned.biases[:] = network.weights, network.biases
    pruned.apply(PruneNeurons(gone, keep_stranded=True))
    np.testing.assert_array_equal(
        network.computed.connection_ids, twin.structure.connection_ids
    )
    np.testing.assert_array_equal(answers, pruned.predict(X))
    assert network.evaluate(X, Y)[0] == pruned.evaluate(X, Y)[0]
    spent = network.flops
    network.learn(X, Y, ROWS[:3], SGD(0.1))
    assert network.last_flops == network.flops - spent == 3 * step_flops(twin.structure, 10)
    pruned.learn(X, Y, ROWS[:3], SGD(0.1, momentum=0))  # other momentum, other steps
    assert not np.array_equal(network.predict(X), pruned.predict(X))


@every_selection
def test_signals_and_gradients_are_zero_where_nothing_is_computed(name, selector_of):
    network = learned(selector_of(name))
    structure, part = network.topology.structure, network.computed
    gradients, signals = network.gradients(X, Y), network.signals(X, Y)
    computed = np.isin(structure.connection_ids, part.connection_ids)
    assert not gradients.weights[~computed].any()
    assert gradients.weights[computed].any()
    neurons = np.isin(structure.neuron_ids, part.neuron_ids)
    for values in (gradients.biases, signals.outputs, signals.deltas):
        assert len(values) == structure.n_neurons
        assert not values[~neurons].any()
    assert signals.loss == pytest.approx(gradients.loss)


@every_selection
@pytest.mark.parametrize("optimizer", [SGD(0.1), Adam(0.01)], ids=["sgd", "adam"])
def test_both_engines_select_and_learn_the_same(name, optimizer, selector_of):
    fast, nodes = (
        learned(selector_of(name), optimizer=optimizer, engine=engine)
        for engine in ("fast", "nodes")
    )
    np.testing.assert_array_equal(fast.active_ids, nodes.active_ids)
    assert_same_columns(fast.topology, nodes.topology, 1e-9)


@every_selection
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_threads_change_nothing(name, dtype, selector_of):
    one, two = (learned(selector_of(name), threads=n, dtype=dtype) for n in (1, 2))
    assert_same_columns(one.topology, two.topology)


@every_selection
def test_learning_in_pieces_is_learning_at_once(name, selector_of):
    one, other = learned(selector_of(name)), learned(selector_of(name), pieces=17)
    assert_same_columns(one.topology, other.topology)
    np.testing.assert_array_equal(one.active_ids, other.active_ids)
    assert one.flops == other.flops


@every_selection
def test_a_saved_state_goes_on_as_if_nothing_had_been(name, selector_of):
    network = learned(selector_of(name), n=33)
    again = selected(selector_of(name), seed=0)
    state = network.selection_state()
    assert all(isinstance(values, np.ndarray) for values in state.values())
    for mine, theirs in (
        (again.topology.neuron_columns, network.topology.neuron_columns),
        (again.topology.connection_columns, network.topology.connection_columns),
    ):
        for column, values in theirs.items():
            mine.add(column, values.dtype)[:] = values
    again.topology.step = network.topology.step
    again._course._rng.bit_generator.state = network._course._rng.bit_generator.state
    again.restore_selection(state)
    rest = ROWS[33 : network.timetable.n_steps]
    for one in (network, again):
        one.learn(X, Y, rest, SGD(0.1))
    assert_same_columns(network.topology, again.topology)
    for key, values in network.selection_state().items():
        np.testing.assert_array_equal(values, again.selection_state()[key])


@every_selection
@pytest.mark.parametrize("seed", range(4))
def test_any_graph_will_do(name, seed, selector_of):
    topology = random_topology(seed, n_inputs=6, n_hidden=30)
    network = learned(selector_of(name), topology, seed=seed, optimizer=SGD(0.02))
    assert np.isfinite(network.predict(X)).all()
    assert len(network.active_ids) == round(0.25 * 30)


@every_selection
def test_commit_prunes_what_is_not_selected_and_can_be_undone(name, selector_of):
    network = learned(selector_of(name))
    before, answers, active = (
        columns_by_id(network.topology),
        network.predict(X),
        network.active_ids,
    )
    undo = network.commit()
    np.testing.assert_array_equal(network.predict(X), answers)
    np.testing.assert_array_equal(network.active_ids, active)
    assert network.computed is network.topology.structure
    assert not network.selecting
    assert network.commit() == ()
    network.apply(*undo)
    assert columns_by_id(network.topology) == before
    network.learn(X, Y, ROWS[:2], SGD(0.1), statistics=Statistics(saliency=True))


# ------------------------------------------------------------------------ a selected network


@pytest.mark.parametrize("optimizer", [SGD(0.1, weight_decay=0.01), Adam(0.01)], ids=repr)
def test_selecting_all_is_learning_as_ever(optimizer):
    network = learned(elimination(keep=1.0, every=3), optimizer=optimizer)
    plain = Network(layers(), dtype="float64").initialize(np.random.default_rng(1))
    plain.learn(X, Y, ROWS[: network.topology.step], optimizer)
    assert network.topology.step == N_STEPS
    assert_same_columns(network.topology, plain.topology, 1e-12)


def test_without_biases_none_is_learned():
    network = learned(elimination(keep=0.25, every=3), biases=False)
    assert not network.biases.any()


def test_weights_written_between_calls_are_used():
    network = learned(resampling(keep=0.25))
    answers = network.predict(X)
    network.weights[:] *= 2
    assert not np.allclose(network.predict(X), answers)


def test_initial_weights_are_those_of_the_network_that_is_left():
    def first(rescale):
        topology = dense(6, 3, 1.0, np.random.default_rng(0), hidden=[32, 16])
        return selected(elimination(keep=0.25, rescale=rescale), topology)

    plain, scaled = first(False), first(True)
    structure = plain.topology.structure
    from_hidden = structure.kinds[structure.sources] == Kind.HIDDEN
    np.testing.assert_allclose(scaled.weights[from_hidden], 2 * plain.weights[from_hidden])
    np.testing.assert_array_equal(scaled.weights[~from_hidden], plain.weights[~from_hidden])


def test_what_was_learned_before_a_divergence_is_kept():
    line = dense(6, 3, 1.0, np.random.default_rng(0), hidden=[16], output_activation="identity")
    network = selected(elimination(keep=0.25, every=3), line, loss="mse")
    rates = np.where(np.arange(40) < 20, 0.01, 1e3)
    with pytest.raises(Diverged, match="a lower learning rate may help"):
        network.learn(X, Y, ROWS[:40], SGD(0.1), rates=rates)
    assert 20 < network.topology.step < 40
    assert np.abs(network.weights).max() > 1e3
    assert network.topology.connection_columns["momentum"].any()


def test_the_beliefs_are_rows_of_the_table_of_arms():
    network = learned(elimination(keep=0.25, every=3))
    arms = network.arms()
    assert arms["arm"].tolist() == [f"neuron {one}" for one in network.active_ids]
    assert (arms["pulls"] > 1).all()
    assert np.isfinite(arms["posterior_std"]).all()
    unseen = learned(random_resampling(keep=0.25)).arms()
    assert np.isnan(unseen["posterior_mean"]).all()


# ----------------------------------------------------------------------------------- refusals


def test_edits_wait_for_the_commit():
    network = learned(elimination(keep=0.25, every=3))
    before = columns_by_id(network.topology)
    with pytest.raises(InvalidEdit, match="commit the selection before editing"):
        network.apply(PruneNeurons(network.active_ids[:1]))
    assert columns_by_id(network.topology) == before


def test_a_topology_edited_behind_its_back_is_noticed():
    network = learned(elimination(keep=0.25, every=3))
    structure = network.topology.structure
    first, last = structure.neuron_ids[[structure.inputs[0], structure.outputs[0]]]
    network.topology.blocks = None
    network.topology.apply(Connect([first], [last]))
    for call in (
        lambda: network.predict(X),
        lambda: network.learn(X, Y, ROWS, SGD(0.1)),
        network.commit,
    ):
        with pytest.raises(InvalidNetwork, match="edited while neurons are being selected"):
            call()


def test_a_selection_keeps_no_statistics():
    network = selected(elimination(keep=0.25, every=3))
    with pytest.raises(InvalidParameter, match="keeps no statistics, got Statistics"):
        network.learn(X, Y, ROWS, SGD(0.1), statistics=Statistics(moments=True))
    assert network.topology.step == 0


def test_there_must_be_neurons_and_steps():
    rng = np.random.default_rng(0)
    none = dense(2, 2, 1.0, rng, hidden=[])
    with pytest.raises(InvalidNetwork, match="no hidden neuron to select from"):
        Selected(none, selector=full(), n_steps=5, rng=rng)
    with pytest.raises(InvalidParameter, match="n_steps must be a whole number of at least 1"):
        Selected(layers(), selector=full(), n_steps=0, rng=rng)


@pytest.mark.parametrize("name", ["active", "spent", "selecting", "mean", "pulls"])
def test_a_state_of_something_else_is_refused_whole(name):
    network = learned(elimination(keep=0.25, every=3), n=20)
    state = network.selection_state()
    before = network.selection_state()
    for bad in ({**state, name: np.zeros(3)}, {k: v for k, v in state.items() if k != name}):
        with pytest.raises(InvalidParameter, match=f"{name} must be of shape"):
            network.restore_selection(bad)
    for key, values in network.selection_state().items():
        np.testing.assert_array_equal(values, before[key])
