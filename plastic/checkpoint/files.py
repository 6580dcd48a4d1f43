"""The file of a checkpoint: arrays and JSON in a safetensors file, with a digest of both."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from plastic.checkpoint.training import restore_training
from plastic.errors import InvalidCheckpoint
from plastic.files import write_whole

if TYPE_CHECKING:
    from plastic.training import Training

Arrays = Mapping[str, NDArray[Any]]

VERSION = 1
KEY = "plastic.checkpoint"
MOST_HEADER = 2**26
"""Bytes that the header of a file may take; it holds the JSON."""


@dataclass(frozen=True)
class Checkpoint:
    """A training in the middle, as `load_checkpoint` has read it.

    Parameters
    ----------
    arrays : mapping of str to array
    told : dict
        What is no array.
    """

    arrays: Arrays
    told: dict[str, Any]

    @property
    def step(self) -> int:
        """Training steps done."""
        return int(self.told["topology"]["step"])

    @property
    def extra(self) -> dict[str, Any]:
        """What its maker has added."""
        return dict(self.told["extra"])

    def restore(self, training: Training) -> None:
        """Bring a training that was just begun to where this one was.

        Raises
        ------
        InvalidCheckpoint
            If it is of another network, policy or number of steps; nothing is changed then.
        """
        restore_training(training, self.arrays, self.told)


def write_checkpoint(path: Path, arrays: Arrays, told: Mapping[str, Any]) -> None:
    """Write the file of a checkpoint, whole or not at all.

    Raises
    ------
    ResultsError
        If it cannot be written.
    """
    held = {name: _contiguous(values) for name, values in arrays.items()}
    text = json.dumps({"version": VERSION, **told}, default=_plain)
    # one key only: the library writes several in no fixed order
    metadata = {KEY: json.dumps({"sha256": digest(held, text), "told": text})}
    write_whole(path, safetensors.numpy.save(held, metadata))


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    Checkpoint
        To be given to `plastic.training.train` as ``resume``.

    Raises
    ------
    InvalidCheckpoint
        If there is no such file, or it is no checkpoint, damaged or of another version.
        Nothing in it is run, and it takes no more memory than a few times its size.

    Examples
    --------
    >>> load_checkpoint("nowhere.safetensors")
    Traceback (most recent call last):
        ...
    plastic.errors.InvalidCheckpoint: nowhere.safetensors: there is no such file
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            _check_header(file.read(8), path.stat().st_size)
        content = path.read_bytes()
        (text, sha256), arrays = _told(content), safetensors.numpy.load(content)
        if digest(arrays, text) != sha256:
            raise InvalidCheckpoint("its content is of another digest: it is damaged")
        told = json.loads(text)
    except FileNotFoundError:
        raise InvalidCheckpoint(f"{path}: there is no such file") from None
    except InvalidCheckpoint as error:
        raise InvalidCheckpoint(f"{path}: {error}") from None
    except (
        OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError,
        safetensors.SafetensorError,
    ) as error:  # fmt: skip
        said = (str(error).splitlines() or [repr(error)])[0]
        raise InvalidCheckpoint(f"{path}: it is no checkpoint, or damaged: {said}") from None
    version = told.get("version") if isinstance(told, dict) else None
    if version != VERSION:
        raise InvalidCheckpoint(
            f"{path}: it is of format {version!r}, this version of plastic reads {VERSION}"
        )
    return Checkpoint(arrays, told)


def digest(arrays: Arrays, text: str) -> str:
    """SHA-256 of all that a checkpoint holds, names and shapes included."""
    whole = hashlib.sha256(text.encode("utf-8", "surrogatepass"))
    for name in sorted(arrays):
        values = arrays[name]
        whole.update(f"\n{name} {values.dtype.str} {values.shape}\n".encode())
        whole.update(values.tobytes())
    return whole.hexdigest()


def _check_header(first: bytes, size: int) -> None:
    length = int.from_bytes(first, "little")
    if len(first) < 8 or length > min(MOST_HEADER, size - 8):
        raise InvalidCheckpoint(f"a file of {size} bytes has no header of {length}")


def _told(content: bytes) -> tuple[str, str]:
    """The JSON of a file, and the digest that it should have."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    held = json.loads(header["__metadata__"][KEY])
    text, sha256 = held["told"], held["sha256"]
    if not isinstance(text, str) or not isinstance(sha256, str):
        raise InvalidCheckpoint("its metadata hold no text")
    return text, sha256


def _contiguous(values: NDArray[Any]) -> NDArray[Any]:
    return np.array(values, order="C", copy=None)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"a checkpoint holds plain values, got {value!r}")
