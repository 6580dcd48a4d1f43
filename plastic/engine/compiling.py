"""What surrounds the compiler: a cache that sees every file, and a word before it starts.

numba keeps what it has compiled beside the source, and compiles a function again when the
file of that function has changed.  It does not look into the files of the functions that are
called in it: their code, though, is compiled in.  So all kernels get one stamp, of all files
that they are made of; whichever changes, all are compiled again.
"""

from __future__ import annotations

import hashlib
import logging
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from numba.core import event
from numba.core.dispatcher import Dispatcher

log = logging.getLogger(__name__)


def share_stamp(*modules: ModuleType) -> None:
    """Give all compiled functions of these modules one stamp of all their files.

    To be called before any of them is compiled.
    """
    digest = hashlib.sha256()
    for module in modules:
        assert module.__file__ is not None
        digest.update(Path(module.__file__).read_bytes())
    stamp = digest.digest()
    for module in modules:
        held: dict[str, Any] = vars(module)
        for function in held.values():
            if isinstance(function, Dispatcher):
                cached: Any = function  # numba offers no other way to say what it depends on
                cached._cache._cache_file._source_stamp = stamp


class _Teller(event.Listener):
    """Says that our kernels are compiled, when the first one really is."""

    def on_start(self, event: event.Event) -> None:
        if event.data["dispatcher"].py_func.__module__.startswith("plastic."):
            _say_compiling()

    def on_end(self, event: event.Event) -> None:
        """Nothing: once it is compiled there is nothing to wait for."""


@cache
def tell_of_compiling() -> None:
    """Log a warning as soon as a kernel is compiled, and not read from the cache."""
    event.register("numba:compile", _Teller())


@cache
def _say_compiling() -> None:
    log.warning("compiling the kernels, once per machine: this takes up to half a minute")
