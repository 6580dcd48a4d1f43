"""Says when the kernels are being compiled, as they are once per machine."""

from __future__ import annotations

import logging

from numba.core.event import Event, Listener, register

log = logging.getLogger(__name__)


class CompilingIsTold(Listener):
    """Warns when the first kernel of this process is compiled rather than loaded.

    numba tells of a compilation after it has looked in its cache in vain, whatever the reason:
    the first run on this machine, another precision, a kernel that has changed.
    """

    def __init__(self) -> None:
        self._told = False

    def on_start(self, event: Event) -> None:
        """A function, of plastic or another package, begins to be compiled."""
        module = event.data["dispatcher"].py_func.__module__
        if not self._told and module.startswith("plastic."):
            self._told = True
            log.warning("compiling the kernels, once per machine: this takes about ten seconds")

    def on_end(self, event: Event) -> None:
        """Nothing is said."""


def tell_compiling() -> None:
    """Warn once in this process when kernels are compiled."""
    register("numba:compile", CompilingIsTold())
