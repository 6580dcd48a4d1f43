"""What ``python -m plastic doctor`` looks at: this machine, what is installed, the engine.

Versions are read without importing anything, so that a library that is broken can be named.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import metadata
from itertools import count
from time import perf_counter
from typing import Any

import plastic
from plastic.errors import PlasticError

CASES = (  # wiring, hidden activation, output activation, loss
    ("random_dag", "tanh", "softmax", "cross_entropy"),
    ("erk", "relu", "softmax", "mse"),
    ("small_world", "sigmoid", "sigmoid", "cross_entropy"),
    ("scale_free", "straight_through", "identity", "mse"),
    ("random_dag", "identity", "tanh", "mse"),
)
"""What the self-check builds, for each element type and optimizer."""

KINKED = ("relu", "straight_through")
"""Checked in float64 only: in float32 two sums may fall on either side of a kink."""

ALLOWED = {"float64": 1e-9, "float32": 1e-3}
"""Largest relative difference of the two engines after 20 steps of learning."""

NOT_FOR_USERS = ("", "dev", "extras")
"""Extras for working on plastic itself, and what is no extra."""

WHAT_FOR = {
    "report": "charts, pages and further tests of policies",
    "search": "searching for parameters",
    "query": "SQL over the tables",
    "ray": "sweeps on a Ray cluster",
    "slurm": "sweeps on a Slurm cluster",
    "torch": "networks to PyTorch and back",
    "onnx": "networks as ONNX",
    "neat": "networks that neat-python evolved",
    "tensorboard": "runs in TensorBoard",
    "mlflow": "runs in MLflow",
    "wandb": "runs in Weights & Biases",
    "docs": "building these pages as a site",
    "bench": "measuring beside other programs",
}
"""What an extra is needed for."""

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Parameters
    ----------
    name, value : str
    is_well : bool
        Whether plastic works as it should; an extra that is absent is no illness.
    """

    name: str
    value: str
    is_well: bool = True


def examine(seconds: float = 5.0) -> Iterator[tuple[str, list[Finding]]]:
    """Look at everything in turn.

    Parameters
    ----------
    seconds : float
        For the self-check; it does one round at least.

    Yields
    ------
    title : str
    findings : list of Finding
    """
    yield "versions", versions()
    yield "machine", machine()
    yield "extras", extras()
    yield "self-check", self_check(seconds)


def versions() -> list[Finding]:
    """Python, plastic and what it cannot do without."""
    system = f"{platform.system()} {platform.release()}, {platform.machine()}"
    python = f"{platform.python_implementation()} {platform.python_version()}, {sys.executable}"
    findings = [Finding("plastic", plastic.__version__), Finding("python", python)]
    findings.append(Finding("system", system))
    for requirement, extra in requirements():
        if not extra:
            findings.append(_installed(requirement, 'pip install "plastic"'))
    return findings


def machine() -> list[Finding]:
    """Processors, registers, and where compiled kernels are kept."""
    affinity = getattr(os, "sched_getaffinity", None)  # there on Linux only
    usable = len(affinity(0)) if affinity else os.cpu_count()
    said = [f"{name}={os.environ[name]}" for name in THREAD_VARIABLES if name in os.environ]
    threads = f"{usable} of {os.cpu_count()} processors usable; a run takes 1 unless told more"
    findings = [Finding("threads", ", ".join([threads, *said]))]
    try:
        from plastic.engine.machine import compiles, kernel_cache, processor, vector_bits

        bits, cache = vector_bits(), kernel_cache()
    except Exception as error:  # noqa: BLE001 whatever keeps the engine from being imported
        return [*findings, Finding("engine", f"cannot be imported: {_line(error)}", False)]
    width = "not known" if bits is None else f"{bits} bits, {bits // 32} floats at once"
    findings.append(Finding("vectors", f"{width} ({processor()})"))
    if not compiles():
        told = "NUMBA_DISABLE_JIT is set: kernels are not compiled, which is very slow"
        findings.append(Finding("compiler", told, False))
    state = f"{cache.n_kernels} kernels in {cache.folder}"
    if not cache.writable:
        state += ", which cannot be written to: set NUMBA_CACHE_DIR to a folder that can"
    elif not cache.n_kernels:
        state += ": the first run compiles them, which takes up to half a minute"
    findings.append(Finding("cache", state, cache.writable))
    return findings


def extras() -> list[Finding]:
    """Every optional library, or how to get it; one that is too old is an illness."""
    findings = []
    for requirement, extra in sorted(requirements(), key=lambda pair: (pair[1], pair[0])):
        if extra not in NOT_FOR_USERS:
            purpose = f", for {WHAT_FOR[extra]}" if extra in WHAT_FOR else ""
            command = f'pip install "plastic[{extra}]"'
            found = _installed(requirement, command, optional=True, purpose=purpose)
            findings.append(replace(found, name=f"[{extra}] {found.name}"))
    return findings


def self_check(seconds: float = 5.0) -> list[Finding]:
    """The compiled engine against the node engine, on small networks of all sorts.

    Both learn for 20 steps; then weights and predictions are compared.

    Parameters
    ----------
    seconds : float
        Rounds are begun until so many have passed; what compiling takes is apart.
    """
    start, n_done, worst = perf_counter(), 0, dict.fromkeys(ALLOWED, 0.0)
    findings = []
    try:
        for dtype in ALLOWED:  # at its first use each compiles, or loads what was compiled
            _difference(CASES[0], dtype, seed=0)
        ready = perf_counter() - start
        findings.append(Finding("kernels", f"ready in {ready:.1f} s"))
        start = perf_counter()
        for seed in count():
            for case in CASES:
                for dtype in ["float64"] if case[1] in KINKED else ALLOWED:
                    worst[dtype] = max(worst[dtype], _difference(case, dtype, seed))
                    n_done += 1
            if perf_counter() - start > seconds:
                break
    except Exception as error:  # noqa: BLE001 the doctor tells of every illness
        return [Finding("engine", f"fails: {_line(error)}", False)]
    took = perf_counter() - start
    findings.append(Finding("networks", f"{n_done} trained by both engines in {took:.1f} s"))
    for dtype, difference in worst.items():
        told = f"largest relative difference {difference:.1e} (allowed: {ALLOWED[dtype]:.0e})"
        findings.append(Finding(dtype, told, difference <= ALLOWED[dtype]))
    return findings


def requirements() -> list[tuple[str, str]]:
    """What plastic's metadata asks for: requirement and extra, "" for what is always needed.

    Examples
    --------
    >>> [(text, extra) for text, extra in requirements() if extra == "duckdb"]
    []
    >>> [text for text, extra in requirements() if extra == "query"]
    ['duckdb>=1.1']
    """
    try:
        lines = metadata.requires("plastic") or []
    except metadata.PackageNotFoundError:  # run from a folder that is not installed
        return []
    pairs = (line.partition(";") for line in lines)
    named = [
        (text.strip(), re.search(r"extra == ['\"](.+)['\"]", mark)) for text, _, mark in pairs
    ]
    return [
        (text, extra[1] if extra else "")
        for text, extra in named
        if not text.startswith("plastic")
    ]


def _installed(
    requirement: str, command: str, *, optional: bool = False, purpose: str = ""
) -> Finding:
    """Whether a library is there, and of a version that will do."""
    name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Finding(name, f"not installed{purpose}: {command}", optional)
    least = re.search(r">=([\d.]+)", requirement)
    if least and _numbers(version) < _numbers(least[1]):
        return Finding(name, f"{version}, but {requirement} is needed: {command} -U", False)
    return Finding(name, version)


def _numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:3]]


def _difference(case: tuple[str, ...], dtype: str, seed: int) -> float:
    """Largest relative difference of weights and predictions after learning on both engines."""
    import numpy as np

    from plastic.engine import SGD, Adam, Network
    from plastic.topology import wiring

    name, hidden, output, loss = case
    X = np.random.default_rng(seed).normal(size=(48, 6))
    Y = np.eye(3)[np.random.default_rng(seed).integers(0, 3, 48)]
    rows = np.random.default_rng(seed).integers(0, 48, (20, 8))
    optimizer: Any = SGD(0.05, momentum=0.9) if seed % 2 == 0 else Adam(0.01)
    found = []
    for engine in ("fast", "nodes"):
        rng = np.random.default_rng(seed)
        sizes: Any = {"n_hidden": 16} if name != "erk" else {"hidden": [9, 7]}
        make: Any = getattr(wiring, name)
        topology = make(6, 3, 0.3, rng, activation=hidden, output_activation=output, **sizes)
        network = Network(topology, loss, engine=engine, dtype=dtype).initialize(rng)
        network.learn(X, Y, rows, optimizer)
        found.append([network.weights.astype(float), network.predict(X).astype(float)])
    scales = [max(1.0, float(np.abs(values).max())) for values in found[1]]
    return max(
        float(np.abs(mine - theirs).max()) / scale
        for mine, theirs, scale in zip(*found, scales, strict=True)
    )


def _line(error: Exception) -> str:
    kind = "" if isinstance(error, PlasticError) else f"{type(error).__name__}: "
    return f"{kind}{str(error).splitlines()[0] if str(error) else ''}"
