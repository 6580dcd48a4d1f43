"""Mutations of files, and how a reader may end: refused in a clear error, or as if unharmed."""

from __future__ import annotations

import json
import random
import resource
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import safetensors.numpy

from plastic.checkpoint.files import KEY, digest

ROOM = 2**29
"""Bytes that a reader may take beyond what the process has: far more than files of a few KB."""


@contextmanager
def bounded_memory():
    """No more address space than there is in use now, and some room: beyond, MemoryError."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[0]
    used = int(pages) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def flip(content, rng):
    """One bit of it."""
    at, changed = rng.randrange(len(content)), bytearray(content)
    changed[at] ^= 1 << rng.randrange(8)
    return bytes(changed)


def cut(content, rng):
    """Only its beginning."""
    return content[: rng.randrange(len(content))]


def drop(content, rng):
    """Without a piece."""
    at = rng.randrange(len(content))
    return content[:at] + content[at + rng.randrange(1, 64) :]


def repeat(content, rng):
    """With a piece twice."""
    at = rng.randrange(len(content))
    return content[:at] + content[at : at + rng.randrange(1, 64)] + content[at:]


def overwrite(content, rng):
    """With noise, or zeros, or ones, over a piece."""
    at, n = rng.randrange(len(content)), rng.randrange(1, 64)
    noise = rng.choice([rng.randbytes(n), b"\0" * n, b"\xff" * n])
    return (content[:at] + noise + content[at + n :])[: len(content)]


def splice(content, rng):
    """Its beginning, and another place's end."""
    return content[: rng.randrange(len(content))] + content[rng.randrange(len(content)) :]


def head(content, rng):
    """With another length of the header, however huge."""
    return rng.randrange(2 ** rng.randrange(1, 65)).to_bytes(8, "little") + content[8:]


def tail(content, rng):
    """With another length of the footer, however huge."""
    return (
        content[:-8] + rng.randrange(2 ** rng.randrange(1, 33)).to_bytes(4, "little") + b"PAR1"
    )


KINDS = (np.float64, np.int64, np.uint8, np.bool_, np.int8)
BYTEWISE = (flip, flip, cut, drop, repeat, overwrite, splice)
NUMBERS = (0, -1, 1, 2**31, -(2**31), 2**63 - 1, 2**64, 2**200, 1.5, float("nan"))
VALUES = (*NUMBERS, None, True, "", "../../etc/passwd", [], {}, [[]], {"a": {}}, "x" * 1000)


def mutate_value(told, rng):
    """JSON with another value somewhere in it, or without one."""
    told = json.loads(json.dumps(told))
    inner = told
    while True:
        keys = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
        key = rng.choice(keys)
        deeper = isinstance(inner[key], dict | list) and len(inner[key])
        if not deeper or rng.random() < 0.1:
            break
        inner = inner[key]
    if rng.random() < 0.2:
        del inner[key]
    else:
        inner[key] = rng.choice(VALUES)
    return told


def mutate_array(arrays, rng):
    """The arrays with one of another shape, kind or content, renamed, or gone."""
    arrays = {name: np.array(values) for name, values in arrays.items()}
    name = rng.choice(sorted(arrays))
    values = arrays.pop(name)
    how = rng.randrange(7)
    if how == 0:
        return arrays
    if how == 1:
        return arrays | {rng.choice(["../../etc/passwd", "/etc/passwd", "", "x"]): values}
    if how == 2:
        values = values.ravel()[: rng.randrange(values.size + 1)]
    elif how == 3:
        values = np.concatenate([values.ravel(), values.ravel()])
    elif how == 4:
        with np.errstate(all="ignore"):
            values = values.astype(rng.choice(KINDS))
    elif how == 5:
        values = values[None] if rng.random() < 0.5 else np.zeros((0, *values.shape))
    elif values.size:
        at, flat = rng.randrange(values.size), values.reshape(-1)
        extreme = rng.choice([-1, 0, 1, 127, -128, 2**31 - 1, -(2**31), 2**63 - 1])
        with np.errstate(all="ignore"):
            flat[at] = np.array(extreme).astype(values.dtype)
    return arrays | {name: values}


def forge(arrays, told):
    """The file of a checkpoint with the right digest, whatever is in it."""
    text = json.dumps(told)
    held = {name: np.ascontiguousarray(values) for name, values in arrays.items()}
    metadata = {KEY: json.dumps({"sha256": digest(held, text), "told": text})}
    return safetensors.numpy.save(held, metadata)


def mutants(content, n, seed, special=()):
    """So many different mutants of a file's content, by a number each."""
    rng = random.Random(seed)
    for number in range(n):
        how = rng.choice((*BYTEWISE, *special))
        changed = how(content, rng)
        for _ in range(rng.randrange(3) if rng.random() < 0.3 else 0):
            changed = rng.choice(BYTEWISE)(changed or content, rng)
        if changed != content:
            yield number, how.__name__, changed


def tally(endings):
    """How many ended in which way."""
    return dict(Counter(endings))
