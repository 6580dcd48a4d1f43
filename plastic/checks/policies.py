"""The contract of a policy, as a function that anyone can run on a policy of their own.

Each promise is a small function that looks for a breach on a `Case`: one policy on one of
the `SETTINGS`.  `check_policy` goes through all of them and names the first that is broken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from plastic.checks.cases import BATCH, OPTIMIZER, SETTINGS, Case, Setting, group_sizes
from plastic.checks.global_state import moved_by
from plastic.checks.limits import breaks_or_idles
from plastic.columns import check_piece
from plastic.datasets import Split
from plastic.edits import PruneNeurons
from plastic.engine import Network, Statistics
from plastic.errors import ContractBroken, InvalidEdit, InvalidParameter, check_count
from plastic.policies import Branch, Outcome, Policy, Proposal, checked
from plastic.signals import NetworkView
from plastic.training import LOST, Streams

LENGTHS = (2, 3, 10, 97, 1000)
"""Training steps that a policy is asked to plan for."""


def check_policy(
    make: Callable[[], Policy],
    *,
    accepted: bool = True,
    settings: Sequence[Setting] = SETTINGS,
    n_steps: int = 200,
    seed: int = 0,
) -> None:
    """Hold a policy to its contract on several small networks.

    Parameters
    ----------
    make : callable
        Returns a new policy at each call; a class whose fields have defaults will do.
    accepted : bool
        Whether the topology must take every proposal.
    settings : sequence of Setting
        Networks and tasks to try it on.
    n_steps : int
        Training steps of each run; enough for the policy to be asked a few times.
    seed : int
        Of everything random.

    Raises
    ------
    ContractBroken
        If a promise is broken; the message names the promise, the network and the breach.

    Examples
    --------
    >>> from plastic.policies import Static, sparse_evolution
    >>> check_policy(Static)
    >>> check_policy(lambda: sparse_evolution(every=20))
    """
    check_count("n_steps", n_steps, low=2)
    for setting in settings:
        case = Case(make, setting, n_steps, seed, accepted)
        for promise, find_breach in PROMISES.items():
            where = f"a policy {promise}; on the network {setting.name!r} this one does not"
            try:
                breach = find_breach(case)
            except Exception as error:
                raise ContractBroken(f"{where}: {type(error).__name__}: {error}") from error
            if breach:
                raise ContractBroken(f"{where}: {breach}")


def _fails(case: Case) -> str:
    return "" if case.run.rows else "its run wrote nothing"


def _asks_out_of_order(case: Case) -> str:
    for n_steps in (*LENGTHS, case.n_steps):
        steps = np.asarray(case.make().steps(n_steps))
        whole = steps.ndim == 1 and (steps.dtype.kind in "iu" or not len(steps))
        if not whole or not (np.diff([0, *steps, n_steps]) > 0).all():
            return f"of {n_steps} steps it names {steps.tolist()}"
    return ""


def _exceeds_budget(case: Case) -> str:
    n, allowed = case.run.topology.n_connections, case.run.n_allowed
    if n > allowed:
        return f"{n} connections at the end, at most {allowed} asked for"
    for group, size in group_sizes(case.run.topology).items():
        if size > (most := case.run.most_neurons[group]):
            return f"{size} neurons in group {group} at the end, at most {most} promised"
    return ""


def _prunes_ends(case: Case) -> str:
    structure = case.run.topology.structure
    ends = structure.neuron_ids[[*structure.inputs, *structure.outputs]]
    for piece in case.run.pieces("edits"):
        of_neurons = piece["id"][piece["kind"] == PruneNeurons.kind]
        if (wrong := of_neurons[np.isin(of_neurons, ends)]).size:
            return f"it proposes to prune neuron {wrong[0]} at step {piece['step'][0]}"
    return ""


def _is_refused(case: Case) -> str:
    for piece in case.run.pieces("edits") if case.accepted else ():
        if not np.all(piece["accepted"]) and piece["refusal"] != LOST:
            return f"at step {piece['step'][0]}, {piece['refusal']}"
    return ""


def _gives_no_reason(case: Case) -> str:
    for piece in case.run.pieces("edits"):
        if not np.all(piece["reason"] != ""):
            return f"an edit at step {piece['step'][0]} has none"
    return ""


def _writes_bad_arms(case: Case) -> str:
    pulls: dict[str, int] = {}
    for piece in case.run.pieces("arms"):
        try:
            rows = check_piece("arms", {"run_id": "check", **piece})
        except InvalidParameter as error:
            return str(error)
        names = rows["arm"].tolist()
        if len(set(names)) < len(names):
            return f"an arm has two rows at step {rows['step'][0]}"
        for name, count in zip(names, rows["pulls"].tolist(), strict=True):
            if count < pulls.get(name, 0):
                return f"pulls of arm {name!r} fall from {pulls.get(name, 0)} to {count}"
            pulls[name] = count
    return ""


def _differs(case: Case) -> str:
    same = case.train(case.dataset).text == case.run.text
    return "" if same else f"two new policies differ under seed {case.seed}"


def _sees_test_data(case: Case) -> str:
    test = case.dataset.test
    poisoned = replace(case.dataset, test=Split(10 - 3 * test.X[::-1], test.y[::-1]))
    if case.train(poisoned).text != case.run.text:
        return "its proposals change with the test split"
    test = Sealed(test.X, test.y)
    look = wrapped(case.make, test.sealed)
    replace(case, make=look).train(replace(case.dataset, test=test))
    return "it looks at the test split while it is asked" if test.touched else ""


def _forgets(case: Case) -> str:
    @contextmanager
    def resumed(policy: Policy) -> Iterator[Policy]:
        successor = case.make()
        successor.restore(plain_copy(policy.state()))
        yield successor

    again = replace(case, make=wrapped(case.make, resumed))
    same = again.run.text == case.run.text
    return "" if same else "its proposals change once it goes on from its state"


def _draws_elsewhere(case: Case) -> str:
    return moved_by(lambda: case.train(case.dataset))


def _writes(case: Case) -> str:
    policy, streams = case.make(), Streams.of(case.seed)
    network, split = case.start(policy, streams), case.dataset.train
    for step in policy.steps(case.n_steps):
        shape = (int(step) - network.topology.step, BATCH)
        rows = streams.batches.integers(0, len(split), shape)
        network.learn(split.X, split.y, rows, OPTIMIZER, statistics=policy.statistics)
        before = _contents(network)
        view = NetworkView(network, split.X[:BATCH], split.y[:BATCH], case.n_steps)
        proposal = checked(policy.propose(view, streams.policy), policy)
        after = _contents(network)
        changed = [name for name in after if after[name] != before.get(name)]
        if changed:
            return f"{changed[0]} changes while it looks, at step {step}"
        with suppress(InvalidEdit):
            network.apply(*proposal.edits)
    return ""


def _contents(network: Network) -> dict[str, bytes]:
    """Every bit of a network, by the name of the array."""
    topology = network.topology
    structure = topology.structure
    arrays = {f.name: getattr(structure, f.name) for f in fields(structure)}
    arrays |= {f"{name} of neurons": array for name, array in topology.neuron_columns.items()}
    arrays |= {
        f"{name} of connections": array for name, array in topology.connection_columns.items()
    }
    return {name: array.tobytes() for name, array in arrays.items()}


def plain_copy(state: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """A state as it would come back from a file, which takes arrays of numbers only.

    Raises
    ------
    InvalidParameter
        If it holds anything else.
    """
    for name, values in state.items():
        if getattr(values, "dtype", np.dtype(object)).kind not in "biuf":
            raise InvalidParameter(
                f"a state holds arrays of numbers, but {name!r} is {values!r}"
            )
    return {name: values.copy() for name, values in state.items()}


class Sealed(Split):
    """A split that takes note of being looked at while it is sealed."""

    touched = False
    closed = False

    def __getattribute__(self, name: str) -> Any:
        """The attribute, noting whether it is data that nobody may see now."""
        if name in ("X", "y") and self.closed:
            object.__setattr__(self, "touched", True)
        return super().__getattribute__(name)

    @contextmanager
    def sealed(self, policy: Policy) -> Iterator[Policy]:
        """Seal it while a policy is asked."""
        object.__setattr__(self, "closed", True)
        try:
            yield policy
        finally:
            object.__setattr__(self, "closed", False)


def wrapped(
    make: Callable[[], Policy], asking: Callable[[Policy], AbstractContextManager[Policy]]
) -> Callable[[], Policy]:
    """The same policy, but each time it is asked or told, `asking` says who answers."""

    class Wrapped(Policy):
        wants_reward = make().wants_reward

        def __init__(self) -> None:
            self.inner = make()

        @property
        def statistics(self) -> Statistics:
            return self.inner.statistics

        def begin(self, density: float) -> float:
            return self.inner.begin(density)

        def steps(self, n_steps: int) -> NDArray[np.integer]:
            return self.inner.steps(n_steps)

        def propose(self, view: NetworkView, rng: Generator) -> Proposal:
            with asking(self.inner) as self.inner:
                return self.inner.propose(view, rng)

        def most_neurons(self, sizes: NDArray[np.integer]) -> NDArray[np.integer]:
            return self.inner.most_neurons(sizes)

        def judge(self, edited: Branch, plain: Branch) -> float:
            with asking(self.inner) as self.inner:
                return self.inner.judge(edited, plain)

        def observe(self, outcome: Outcome) -> None:
            with asking(self.inner) as self.inner:
                self.inner.observe(outcome)

    return Wrapped


PROMISES: dict[str, Callable[[Case], str]] = {
    "works on any network": _fails,
    "names its steps in ascending order, before the last": _asks_out_of_order,
    "keeps the budget": _exceeds_budget,
    "keeps inputs and outputs": _prunes_ends,
    "proposes what the topology accepts": _is_refused,
    "works within constraints": breaks_or_idles,
    "gives a reason for every edit": _gives_no_reason,
    "writes well-formed rows of arms": _writes_bad_arms,
    "proposes the same under the same seed": _differs,
    "never sees test data": _sees_test_data,
    "goes on the same from its saved state": _forgets,
    "leaves the global random state alone": _draws_elsewhere,
    "changes nothing but by its edits": _writes,
}
"""What a policy promises, and the function that looks for a breach: "" if there is none."""
