"""What the kernels are compiled for, and where what was compiled is kept."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llvmlite import binding
from numba.core import config as numba_config

config: Any = numba_config  # what it holds is made when it is imported

WIDTHS = {"avx512f": 512, "avx2": 256, "avx": 256, "sse2": 128, "neon": 128}
"""Bits of a vector register, by the feature of a processor; the widest first."""


@dataclass(frozen=True)
class Cache:
    """Where compiled kernels are kept.

    Parameters
    ----------
    folder : Path
    n_kernels : int
        Functions compiled there so far.
    writable : bool
        Whether more can be kept; if not, every process compiles anew.
    """

    folder: Path
    n_kernels: int
    writable: bool


def processor() -> str:
    """The processor's name, as LLVM knows it: ``"skylake-avx512"``, ``"apple-m2"``, ..."""
    return str(config.CPU_NAME or binding.get_host_cpu_name())


def vector_bits() -> int | None:
    """Bits of the widest vector register that kernels are compiled for, None if not known."""
    if config.CPU_FEATURES is not None:  # numba was told to compile for another processor
        held = {name[1:] for name in config.CPU_FEATURES.split(",") if name.startswith("+")}
    else:
        held = {name for name, there in binding.get_host_cpu_features().items() if there}
    return next((bits for name, bits in WIDTHS.items() if name in held), None)


def compiles() -> bool:
    """Whether kernels are compiled at all: numba can be told not to."""
    return not config.DISABLE_JIT


def kernel_cache() -> Cache:
    """The cache of the kernels of this installation."""
    from plastic.engine import kernels

    kernel: Any = kernels.forward_tiles  # numba offers no other way to ask where it keeps it
    folder = Path(kernel._cache.cache_path)
    known = folder if folder.is_dir() else folder.parent
    n_kernels = len(list(folder.glob("*.nbi")))
    return Cache(folder, n_kernels, os.access(known, os.W_OK))
