"""The compiled loops, brought in when they are first used.

They bring numba, which nobody who asks for help should wait for.  An ``import`` inside a
function would do, too, but it is looked up anew at each call, and edits are made of short ones.
"""

from __future__ import annotations

from functools import cache
from typing import Any


@cache
def loops() -> Any:
    """`plastic.topology.compiled`, where connections go and come."""
    from plastic.topology import compiled

    return compiled


@cache
def gathers() -> Any:
    """`plastic.topology.compiled_gathers`, where columns are carried along."""
    from plastic.topology import compiled_gathers

    return compiled_gathers
