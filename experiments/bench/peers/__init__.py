"""The programs that are compared, one file a library; see `docs/bench.md` for each set-up.

A library is imported when a program of it is made, so that those that are not installed can
be left out.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, Protocol

from numpy.typing import NDArray


class Program(Protocol):
    """A network that can be trained from the same start again and again.

    Attributes
    ----------
    name : str
        For the table.
    stretch : int
        Steps that a call takes at least: 1, unless a call costs something of its own, which in
        a run is shared by all steps from one edit to the next.
    """

    name: str
    stretch: int

    def reset(self) -> None:
        """Take up the first weights; forget the momentum."""

    def losses(self, n_steps: int) -> NDArray[Any]:
        """Take steps; the loss of the batch before each, shape (n_steps,)."""


def is_installed(library: str) -> bool:
    """Whether a library can be imported.

    Examples
    --------
    >>> is_installed("numpy"), is_installed("no_such_library")
    (True, False)
    """
    return find_spec(library) is not None
