"""Kernels are compiled before processes share the runs: each would compile its own.

numba keeps what it has compiled, but two processes that need a kernel at once both compile it.
So whoever starts several goes through a short training first, once per machine.
"""

from __future__ import annotations

import hashlib
import os
import platform
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from omegaconf import DictConfig

import plastic

SOURCES = ("engine/*.py", "topology/compiled*.py")
"""What is compiled, and what is compiled into it, in the package's folder."""


def warm_once(dtype: str = "float32") -> None:
    """Compile what most runs need, unless that was done on this machine.

    Parameters
    ----------
    dtype : str
        ``float32`` or ``float64``; each has kernels of its own.
    """
    mark = _mark(dtype)
    if mark.is_file():
        return
    train_a_little(dtype)
    with suppress(OSError):  # then every sweep will look, which takes about two seconds
        mark.touch()


def warm_for(config: DictConfig) -> None:
    """The same for runs of a configuration, if they need kernels at all."""
    if config.engine.value == "fast":
        warm_once(config.dtype.value)


def _mark(dtype: str) -> Path:
    """The file that says so, in numba's cache, so that it goes when that is removed."""
    package = Path(plastic.__file__).parent
    digest = hashlib.sha256(f"{version('numba')} {platform.processor()} {dtype}".encode())
    for path in sorted(path for pattern in SOURCES for path in package.glob(pattern)):
        digest.update(path.read_bytes())
    folder = os.environ.get("NUMBA_CACHE_DIR") or package / "engine" / "__pycache__"
    return Path(folder) / f"warm-{digest.hexdigest()[:16]}"


def train_a_little(dtype: str) -> None:
    """Train a small and a large network, under policies that rewire them."""
    # not before: where all is compiled, nothing of this is needed
    import numpy as np

    from plastic.datasets import from_arrays
    from plastic.engine import SGD, Cosine, Network
    from plastic.policies import rigl, thompson
    from plastic.topology.wiring import erk
    from plastic.training import Streams, train

    sizes = ([8, 6], 0.3, 10), ([128, 64], 0.25, 128)  # of either kind of kernels
    for hidden, density, batch_size in sizes:
        for policy in (thompson(every=5), rigl(every=5)):
            streams = Streams.of(0)
            X, labels = streams.split.normal(size=(320, 64)), np.arange(320) % 10
            dataset = from_arrays("warming", X, labels, streams.split)
            wiring = erk(
                64, dataset.n_outputs, density, streams.wiring,
                hidden=hidden, output_activation=dataset.output_activation,
            )  # fmt: skip
            network = Network(wiring, dataset.loss, dtype=dtype).initialize(streams.weights)
            rows = train(
                network, dataset, policy, SGD(), Cosine(), streams,
                n_steps=20, batch_size=batch_size, evaluate_every=10,
            )  # fmt: skip
            for _ in rows:
                pass
