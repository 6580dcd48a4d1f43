"""Going on with a run that was cut off, from the newest of its checkpoints that is of use."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from experiments.config import as_text
from plastic.errors import InUse, InvalidCheckpoint, InvalidParameter, ResultsError
from plastic.locks import LOCK, FolderLock

if TYPE_CHECKING:
    from plastic.checkpoint import Checkpoint, Checkpoints
    from plastic.records import Recorder
    from plastic.training import Rows

FOLDER = "checkpoints"
"""Name of the folder of checkpoints in a run's folder."""

PARTS = "parts"
"""As `plastic.parts.PARTS`, which is not imported for a run that is skipped."""

Train = Callable[..., "Iterator[Rows]"]


@dataclass(frozen=True)
class Begun:
    """A run that is about to start, or to go on.

    Parameters
    ----------
    recorder : Recorder
    rows : iterator of Rows
    checkpoints : Checkpoints
        Whose `extra` is still to be set.
    findings : mapping
        What `experiments.run.Summary` knew; empty at the start.
    step : int
        From which it goes on; 0 from the beginning.
    """

    recorder: Recorder
    rows: Iterator[Rows]
    checkpoints: Checkpoints
    findings: Mapping[str, Any]
    step: int = 0


def begin(folder: Path, config: DictConfig, row: Mapping[str, Any], train: Train) -> Begun:
    """Start a run from the beginning, or from where it was cut off; say so if not from there.

    What had failed starts from the beginning: going on would fail once more.

    Parameters
    ----------
    folder : Path
        The run's, which is held.
    config : DictConfig
    row : mapping
        The run row.
    train : callable
        `plastic.training.train` of this run, but for ``checkpoints`` and ``resume``.
    """
    from plastic.checkpoint import Checkpoints, checkpoints_in, load_checkpoint
    from plastic.interop.safetensors import NETWORK
    from plastic.records import Recorder, read_status

    saving = Checkpoints(
        folder / FOLDER, config.checkpoint_every, config.checkpoint_seconds,
        keep=_most_kept(config),
    )  # fmt: skip
    text, status = as_text(config), read_status(folder)
    for path in checkpoints_in(saving.folder) if status == "running" else []:
        try:
            checkpoint = load_checkpoint(path)
            position = _extra(checkpoint, folder.name)
            recorder = Recorder(folder, row, text, resume=position["recorder"])
            rows = train(checkpoints=saving, resume=checkpoint)
        except (InvalidCheckpoint, InvalidParameter, ResultsError) as error:
            print(f"{folder.name}  cannot go on from {path.name}: {error}", flush=True)
            continue
        print(f"{folder.name}  goes on from step {checkpoint.step}", flush=True)
        return Begun(recorder, rows, saving, position["summary"], checkpoint.step)
    if status:
        again = _why_again(status, folder, config)
        print(f"{folder.name}  {again}; from the beginning", flush=True)
    recorder = Recorder(folder, row, text)
    shutil.rmtree(saving.folder, ignore_errors=True)  # of another start, whose parts now go
    (folder / NETWORK).unlink(missing_ok=True)
    return Begun(recorder, train(checkpoints=saving), saving, {})


def missing_metrics(held: DictConfig, config: DictConfig) -> list[str]:
    """Metrics that a configuration asks for, and that another one of the same run did not.

    A metric of other parameters is another one.
    """
    before, asked = (_plain(one).get("metrics") or {} for one in (held, config))
    return [str(name) for name, node in asked.items() if before.get(name) != node]


def _plain(config: DictConfig) -> dict[str, Any]:
    plain: Any = OmegaConf.to_container(config, resolve=True)
    return plain


def _why_again(status: str, folder: Path, config: DictConfig) -> str:
    if status != "complete":
        return "had failed" if status == "failed" else "was cut off"
    held = OmegaConf.load(folder / "config.yaml")
    assert isinstance(held, DictConfig)
    return f"is complete, but without the metrics {', '.join(missing_metrics(held, config))}"


def tidy_up(folder: Path, config: DictConfig) -> None:
    """Remove what a complete run needs no more, and what a kill at its very end left behind."""
    names = {PARTS, LOCK, FOLDER} if config.keep_checkpoints == 0 else {PARTS, LOCK}
    left = [folder / name for name in names if (folder / name).exists()]
    if not left:
        return
    with suppress(InUse), FolderLock(folder):  # whoever holds it tidies up, too
        for path in left:
            shutil.rmtree(path, ignore_errors=True)  # but the lock, which is a file


def _most_kept(config: DictConfig) -> int | None:
    """How many checkpoints stay while the run goes on: the newest is needed anyway."""
    return None if config.keep_checkpoints is None else max(1, config.keep_checkpoints)


def _extra(checkpoint: Checkpoint, run_id: str) -> Mapping[str, Any]:
    """What `experiments.run.run` has added to a checkpoint of this run."""
    extra = checkpoint.extra
    if extra.get("run_id") != run_id:
        raise InvalidCheckpoint(f"it is of {extra.get('run_id')!r}, another run")
    if not all(isinstance(extra.get(name), dict) for name in ("recorder", "summary")):
        raise InvalidCheckpoint("it does not tell where the tables were")
    return extra
