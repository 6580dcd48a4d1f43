"""Thompson sampling over neurons decides which connections are worth a gradient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from plastic.bandits import SAMPLINGS, draw, standard_error
from plastic.blocks import Block
from plastic.engine import Statistics
from plastic.engine.candidates import tally
from plastic.errors import check_count, check_in
from plastic.policies.growth import Array, Choice, Slots, Wanted, draw_missing, verified
from plastic.policies.memory import State, take
from plastic.policies.parts import Saliency, UpdateSchedule
from plastic.policies.rewiring import Rewiring
from plastic.signals import NetworkView

ARMS = ("activity", "sensitivity")

KEEP_MOMENTS = Statistics(moments=True)

_NONE: Slots = np.zeros(0, np.int64)


def thompson(
    every: int = 40,
    until: float = 0.75,
    fraction: float = 0.3,
    anneal: bool = True,
    sampling: str = "thompson",
    candidates: int = 16,
    observe_every: int = 5,
    saliency_rate: float = 0.1,
    discount: float = 0.9,
) -> Rewiring:
    """Prune by saliency; grow by gradient among candidates that sampled neurons suggest.

    Parameters
    ----------
    every, until, fraction, anneal
        As for `plastic.policies.parts.UpdateSchedule`.
    sampling : {"thompson", "mean", "uniform"}
        Whether neurons are sampled from their posteriors, taken at their posterior means, or
        all taken alike; the last two are the controls.
    candidates : int
        Gradients computed for each connection grown.
    observe_every : int
        Steps from one observation of the statistics to the next.
    saliency_rate : float
        Weight of a new observation in the saliency's moving average.
    discount : float
        What is left of a neuron's old observations at each new one.

    See Also
    --------
    PosteriorGrowth : the growth rule.
    """
    schedule = UpdateSchedule(every, until, fraction, anneal)
    observed = Statistics(
        saliency=True, moments=True, every=observe_every, rate=saliency_rate, discount=discount
    )
    growth = PosteriorGrowth(sampling, candidates, statistics=observed)
    return Rewiring(Saliency(observed), growth, schedule)


@dataclass
class PosteriorGrowth:
    r"""Growth by gradient among candidates drawn from posteriors that connections share.

    The gradient of a missing connection is bounded by how active its source and how sensitive
    its target are, so two arms a neuron stand for all the connections it could have: its mean
    activity :math:`a_u = \overline{|y_u|}` and its mean sensitivity
    :math:`d_v = \overline{|\delta_v|}`, each with the Gaussian posterior
    :math:`N(m, \sigma^2 / n)` of its discounted observations.  At an update one value is drawn
    for each arm, `candidates` missing connections for each one to be grown are drawn in
    proportion to :math:`(\tilde a_u \tilde d_v)^2`, their exact gradients are computed, and the
    largest win.

    Parameters
    ----------
    sampling : {"thompson", "mean", "uniform"}
    candidates : int
        Gradients computed for each connection grown.

    Notes
    -----
    In the table of arms, ``pulls`` counts the candidates drawn with an arm so far, and
    ``reward`` is the mean gradient that those of this update turned out to have.
    """

    sampling: str = "thompson"
    candidates: int = 16
    statistics: Statistics = KEEP_MOMENTS
    name: ClassVar[str] = "posterior"
    arms: ClassVar[tuple[str, str]] = ARMS
    _pulls: dict[str, Slots] = field(default_factory=dict, init=False, repr=False)
    _names: dict[str, NDArray[Any]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _last_named: tuple[list[Slots], NDArray[Any]] = field(
        default=([_NONE, _NONE], np.zeros(0, object)), init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        check_in("sampling", self.sampling, SAMPLINGS)
        check_count("candidates", self.candidates)

    def __call__(self, view: NetworkView, wanted: Wanted, rng: Generator) -> Choice:
        """Missing connections of each block."""
        posteriors = self.posteriors(view)
        sampled = [
            self.weight(draw(self.sampling, *posterior, rng)) for posterior in posteriors
        ]
        grown, drawn, gradients = [], [], []
        for block, count in wanted:
            a, d = sampled[0][block.sources], sampled[1][block.targets]
            pairs = draw_missing(view, block, self.candidates * count, rng, a, d)
            chosen, found = verified(view, *pairs, count, rng)
            grown.append(chosen)
            drawn.append(pairs)
            gradients.append(found)
        blocks = [block for block, _ in wanted]
        return Choice(grown, self._table(view, blocks, posteriors, sampled, drawn, gradients))

    def posteriors(self, view: NetworkView) -> list[tuple[Array, Array]]:
        """Mean and standard deviation of each neuron's two arms, by slot."""
        seen = [view.moments(arm) for arm in self.arms]
        return [(mean, standard_error(count, variance)) for count, mean, variance in seen]

    def weight(self, sampled: Array) -> Array:
        """What candidates are drawn by, of the values of the arms in this round."""
        return sampled

    def state(self) -> State:
        """Pulls of each arm, by neuron id."""
        return {f"pulls_{arm}": self._pulls.get(arm, _NONE).copy() for arm in self.arms}

    def restore(self, state: Mapping[str, Array]) -> None:
        """Pulls as they were."""
        held = take(state, [f"pulls_{arm}" for arm in self.arms])
        self._pulls = dict(zip(self.arms, held, strict=True))

    def _table(
        self,
        view: NetworkView,
        blocks: list[Block],
        posteriors: list[tuple[Array, Array]],
        sampled: list[Array],
        drawn: list[tuple[Slots, Slots]],
        gradients: list[Array],
    ) -> dict[str, Array]:
        """Rows for the table of arms: one for each neuron that has the first, or the second."""
        structure, n = view.structure, view.structure.n_neurons
        slots = [
            _joined([getattr(block, side) for block in blocks], n)
            for side in ("sources", "targets")
        ]
        ids = [structure.neuron_ids[of_arm] for of_arm in slots]
        at = np.concatenate([slots[0], slots[1] + n])  # in arrays of both arms
        tallies = [
            tally(zip(of_arm, gradients, strict=True), n) for of_arm in zip(*drawn, strict=True)
        ]
        now, total = (np.concatenate(each)[at] for each in zip(*tallies, strict=True))
        mean, std = (np.concatenate(each)[at] for each in zip(*posteriors, strict=True))
        return {
            "arm": self._named(ids),
            "pulls": self._count(ids, now),
            "posterior_mean": mean,
            "posterior_std": std,
            "sampled": np.concatenate(sampled)[at],
            "reward": np.where(now > 0, total / np.maximum(now, 1), np.nan),
        }

    def _named(self, ids: list[Slots]) -> NDArray[Any]:
        """Names of the arms of neurons; each is put together once."""
        if not all(map(np.array_equal, ids, self._last_named[0])):
            names = []
            for arm, of_arm in zip(self.arms, ids, strict=True):
                known = self._names.get(arm, np.zeros(0, object))
                new = range(len(known), int(of_arm.max(initial=-1)) + 1)
                if new:
                    fresh = np.array([f"{arm}:{neuron}" for neuron in new], object)
                    known = self._names[arm] = np.append(known, fresh)
                names.append(known[of_arm])
            self._last_named = ids, np.concatenate(names)
        return self._last_named[1]

    def _count(self, ids: list[Slots], now: Slots) -> Slots:
        """Add pulls to those so far, by neuron id."""
        pulls, first = np.empty(len(now), np.int64), 0
        for arm, of_arm in zip(self.arms, ids, strict=True):
            held, last = self._pulls.get(arm, _NONE), first + len(of_arm)
            new = int(of_arm.max(initial=-1)) + 1 - len(held)
            if new > 0:
                held = self._pulls[arm] = np.append(held, np.zeros(new, np.int64))
            held[of_arm] += now[first:last]
            pulls[first:last] = held[of_arm]
            first = last
        return pulls


def _joined(groups: list[Slots], n_neurons: int) -> Slots:
    """Slots of all groups, ascending."""
    found = np.zeros(n_neurons, bool)
    for slots in groups:
        found[slots] = True
    return np.flatnonzero(found)
