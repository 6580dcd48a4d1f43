"""Every policy in conf/policy keeps the contract, and every way to break it is found."""

from __future__ import annotations

import re
from functools import partial

import numpy as np
import pytest
from breaches import BREACHES, Careless, Doubles, PrunesAnInput, Swap
from hydra import compose, initialize_config_dir

from experiments.choices import build
from experiments.config import config_folder
from plastic.checks import check_policy
from plastic.checks.cases import SETTINGS, Case
from plastic.checks.limits import refusals, run_within_limits
from plastic.checks.policies import PROMISES
from plastic.datasets import xor
from plastic.engine import SGD, Cosine, Network
from plastic.errors import ContractBroken, InvalidParameter, PlasticError
from plastic.policies import Homeostasis, MetaBandit, NeuronTurnover, PairedTrials, Static
from plastic.signals import NetworkView
from plastic.topology import Kind
from plastic.topology.wiring import random_dag
from plastic.training import Streams, train

ROSTER = sorted(path.stem for path in (config_folder() / "policy").glob("*.yaml"))


# ---------------------------------------------------------------------------------- the roster


@pytest.mark.parametrize("choice", ROSTER)
def test_every_policy_of_the_configuration_keeps_the_contract(choice):
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        config = compose("config", overrides=[f"policy={choice}"])
    check_policy(lambda: build(config, "policy"))


@pytest.mark.parametrize("choice", ROSTER)
def test_no_policy_of_the_configuration_is_refused_for_a_limit(choice):
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        config = compose("config", overrides=[f"policy={choice}"])
    for setting in SETTINGS:
        case = Case(lambda: build(config, "policy"), setting, 100, 1, accepted=True)
        assert refusals(run_within_limits(case)) == []


def test_there_is_a_roster():
    assert len(ROSTER) > 5


# ------------------------------------------------------------------------- breaking a promise


def test_a_policy_that_keeps_its_promises_passes():
    check_policy(Swap)


@pytest.mark.parametrize("breach", BREACHES, ids=lambda breach: breach.make.__name__)
def test_a_breach_is_found_and_named(breach):
    with pytest.raises(ContractBroken) as caught:
        check_policy(breach.make)
    message = str(caught.value)
    assert message.startswith(f"a policy {breach.promise}")
    assert f"on the network {breach.setting!r} this one does not: " in message
    assert breach.message in message


@pytest.mark.parametrize("given", [None, []])
def test_what_is_no_proposal_is_named_in_a_run_too(given):
    class Forgetful(Swap):
        def steps(self, n_steps):
            return np.arange(40, 0.75 * n_steps, 40, dtype=int)

        def propose(self, view, rng):
            return given

    told = re.escape(f"Forgetful.propose must return a Proposal, got {given!r}")
    with pytest.raises(ContractBroken, match=told):
        check_policy(Forgetful)
    dataset, rng = xor(np.random.default_rng(0)), np.random.default_rng(0)
    network = Network(random_dag(2, 2, 0.9, rng, n_hidden=3)).initialize(rng)
    parts = Forgetful(), SGD(), Cosine(), Streams.of(0)
    with pytest.raises(ContractBroken, match=told):
        list(train(network, dataset, *parts, n_steps=100))
    with pytest.raises(ContractBroken, match=told):
        check_policy(lambda: MetaBandit({"nothing": Static(), "forgetful": Forgetful()}))


def test_every_promise_is_broken_by_one_of_them():
    broken = {
        name for name in PROMISES for breach in BREACHES if name.startswith(breach.promise)
    }
    assert broken == set(PROMISES)


def test_the_error_is_one_of_ours_and_an_assertion():
    assert issubclass(ContractBroken, PlasticError)
    assert issubclass(ContractBroken, AssertionError)


# --------------------------------------------------------------------------------- the checker


def test_refusals_may_be_allowed():
    check_policy(Doubles, accepted=False)
    with pytest.raises(ContractBroken, match="keeps inputs and outputs"):
        check_policy(PrunesAnInput, accepted=False)


def test_what_went_wrong_inside_is_the_cause():
    with pytest.raises(ContractBroken) as caught:
        check_policy(Careless)
    assert isinstance(caught.value.__cause__, IndexError)


def test_settings_of_ones_own():
    check_policy(Careless, settings=SETTINGS[:2])
    with pytest.raises(ContractBroken, match="three neurons"):
        check_policy(Careless, settings=SETTINGS[2:3])


def test_there_must_be_steps_to_plan_for():
    with pytest.raises(InvalidParameter, match="n_steps must be a whole number of at least 2"):
        check_policy(Static, n_steps=1)


def test_the_settings_are_what_they_say():
    views = {}
    for setting in SETTINGS:
        case = Case(Static, setting, n_steps=10, seed=0, accepted=True)
        split, topology = case.dataset.train, case.run.topology
        assert topology.n_connections <= case.run.n_allowed
        network = Network(topology, case.dataset.loss)
        views[setting.name] = NetworkView(network, split.X, split.y, 10)
    room = {name: sum(map(v.count_missing, v.blocks)) for name, v in views.items()}
    assert (room["three neurons"], room["no room to grow"]) == (1, 0)
    assert views["three neurons"].structure.n_neurons == 3
    structure = views["a graph with skip connections"].structure
    sources, targets = structure.kinds[structure.sources], structure.kinds[structure.targets]
    assert ((sources == Kind.INPUT) & (targets == Kind.OUTPUT)).any()


@pytest.mark.parametrize(
    "make",
    [
        partial(PairedTrials, every=10, until=0.95, sampling="uniform"),
        partial(NeuronTurnover, rate=0.02, maturity=10),
        partial(Homeostasis, target=0.4, minimum=0.0, growth_rate=3.0, every=20),
    ],
    ids=["trials", "turnover", "homeostasis"],
)
def test_busy_policies_keep_the_budget_under_any_seed(make):
    for seed in range(6):
        for setting in SETTINGS:
            case = Case(make, setting, n_steps=200, seed=seed, accepted=True)
            assert PROMISES["keeps the budget"](case) == ""
