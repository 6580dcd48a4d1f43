"""Whether something moves the random state that all code shares."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np


def moved_by(call: Callable[[], object]) -> str:
    """What is said of a call that moves the global random state; "" if it does not.

    Examples
    --------
    >>> moved_by(lambda: 1), moved_by(random.random)
    ('', 'it moves the global state of random')
    """

    def states() -> tuple[str, object]:
        # looked at, not drawn from
        return repr(np.random.get_state()), random.getstate()  # noqa: NPY002 - looked at only

    before = states()
    call()
    moved = [
        name
        for name, old, new in zip(("numpy.random", "random"), before, states(), strict=True)
        if old != new
    ]
    return f"it moves the global state of {' and '.join(moved)}" if moved else ""
