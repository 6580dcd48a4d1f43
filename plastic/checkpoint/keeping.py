"""When checkpoints are written, and which of them are kept."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from plastic.checkpoint.files import write_checkpoint
from plastic.checkpoint.training import capture_training
from plastic.errors import ResultsError, check_count, check_range
from plastic.files import remove_temporaries, unwritable
from plastic.training import Training

SHORT, LONG = 0.1, 1.0
"""Seconds between two looks at the clock, about: steps are taken in stretches as long."""


def no_extra() -> dict[str, Any]:
    """Nothing beside the training itself."""
    return {}


@dataclass
class Checkpoints:
    """Where, and how often, a training is saved; what `train` takes as ``checkpoints``.

    How often changes nothing but what is lost at a kill: the results are the same, bit for
    bit.

    Parameters
    ----------
    folder : Path
        Created at the first checkpoint; each is a file ``step-<number>.safetensors``.
    every : int
        Steps from one to the next; 0 to let the clock alone decide.
    seconds : float
        Saved if the last one is so many seconds old; 0 to let the steps alone decide.
    keep : int, optional
        How many of the newest stay; None for all.
    extra : callable
        What is to be saved beside the training, fit for JSON, at each checkpoint; the rows
        that the training has yielded so far have been dealt with when it is called.

    Raises
    ------
    InvalidParameter
        If a number is outside its range.
    """

    folder: Path
    every: int = 0
    seconds: float = 60.0
    keep: int | None = 1
    extra: Callable[[], Mapping[str, Any]] = no_extra
    _pace: int = field(default=256, init=False, repr=False)
    _saved: float = field(default_factory=time.monotonic, init=False, repr=False)
    _looked: float = field(default_factory=time.monotonic, init=False, repr=False)

    def __post_init__(self) -> None:
        self.folder = Path(self.folder)
        check_count("every", self.every, low=0)
        check_range("seconds", self.seconds, 0)
        if self.keep is not None:
            check_count("keep", self.keep)

    def stop(self, step: int, until: int) -> int:
        """The step up to which training may go on in one stretch."""
        stops = [until]
        if self.every:
            stops.append(step - step % self.every + self.every)
        if self.seconds:
            stops.append(step + self._pace)
        return min(stops)

    def offer(self, training: Training) -> None:
        """Save the training if it is time to.

        Raises
        ------
        ResultsError
            If it cannot be written.
        """
        now = time.monotonic()
        if now - self._looked < SHORT:
            self._pace *= 2
        elif now - self._looked > LONG:
            self._pace = max(1, self._pace // 2)
        self._looked = now
        by_steps = self.every and training.step % self.every == 0
        by_clock = self.seconds and now - self._saved >= self.seconds
        if (by_steps or by_clock) and 0 < training.step < training.n_steps:
            self.save(training)
            self._saved = self._looked = time.monotonic()

    def save(self, training: Training) -> Path:
        """Save the training, and remove the checkpoints that are not to be kept."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self.folder / f"step-{training.step:09d}.safetensors"
            save_checkpoint(path, training, self.extra())
            remove_temporaries(self.folder)
            kept = checkpoints_in(self.folder)
            for old in kept[self.keep :] if self.keep else []:
                old.unlink(missing_ok=True)
        except OSError as error:
            if isinstance(error, ResultsError):
                raise
            raise unwritable(self.folder, error) from error
        return path


def save_checkpoint(
    path: str | Path, training: Training, extra: Mapping[str, Any] | None = None
) -> Path:
    """Write a training to a file, whole or not at all.

    Parameters
    ----------
    path : str or Path
        In a folder that exists; replaced if it is there.
    training : Training
        Between two steps, and not in the middle of a trial.
    extra : mapping, optional
        What else is to be kept, fit for JSON: `Checkpoint.extra`.

    Raises
    ------
    ResultsError
        If it cannot be written.
    """
    arrays, told = capture_training(training)
    write_checkpoint(Path(path), arrays, told | {"extra": dict(extra or {})})
    return Path(path)


def checkpoints_in(folder: Path) -> list[Path]:
    """The checkpoints in a folder, newest first.

    Examples
    --------
    >>> checkpoints_in(Path("nowhere"))
    []
    """
    found = [
        path
        for path in folder.glob("step-*")
        if re.fullmatch(r"step-\d{9,}\.safetensors", path.name)
    ]
    return sorted(found, key=lambda path: int(path.stem[5:]), reverse=True)
