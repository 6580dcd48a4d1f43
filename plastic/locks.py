"""One process at a time in a run's folder.

The lock is the file ``.lock``, held by the operating system, which lets go of it the moment
its holder ends, however it ends.  It names the holder by host and process for whoever comes
too late.  Where a file system knows no locks, a file ``.lock.held`` is the lock: it is taken
for left behind if its process is gone from this host, or was not heard of for an hour.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from plastic.errors import InUse
from plastic.files import unwritable

fcntl: Any
try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None

LOCK, HELD = ".lock", ".lock.held"
"""Names of the files in a run's folder."""

STALE_SECONDS = 3600.0
"""After so long a silence, a holder on another host is taken for gone."""

PATIENCE_SECONDS = 0.2
"""How long a lock is tried for: `holder_of` holds it for a moment to look."""


class FolderLock:
    """Holds a folder; use it as a context manager.

    Parameters
    ----------
    folder : Path
        Created if it is not there.

    Raises
    ------
    InUse
        On entering, if another process, or another part of this one, holds it.
    ResultsError
        If the folder cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name:
    ...     with FolderLock(Path(name)):
    ...         try:
    ...             FolderLock(Path(name)).__enter__()
    ...         except InUse as error:
    ...             print(f"is in use by process {os.getpid()} on " in str(error))
    ...     list(Path(name).iterdir())
    True
    []
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / LOCK
        self._descriptor: int | None = None

    def __enter__(self) -> FolderLock:
        give_up = time.monotonic() + PATIENCE_SECONDS
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            while not self._take():
                if time.monotonic() > give_up:
                    holder = holder_of(self.folder) or "another process"
                    raise InUse(f"{self.folder} is in use by {holder}")
                time.sleep(PATIENCE_SECONDS / 20)
        except OSError as error:
            if isinstance(error, InUse):
                raise
            raise unwritable(self.folder, error) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for name in (HELD, LOCK):  # while it is held, or another's would be removed
            (self.folder / name).unlink(missing_ok=True)
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def refresh(self) -> None:
        """Let it be seen that the holder is alive; only file systems without locks need it."""
        with contextlib.suppress(OSError):
            os.utime(self.folder / HELD)

    def _take(self) -> bool:
        """Whether the lock was free, and is held now."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if not _held_by_system(descriptor):
                os.close(descriptor)
                return self._take_file()
            if not _is_at(descriptor, self._path):  # its last holder removed it meanwhile
                os.close(descriptor)
                return False
        except BlockingIOError:
            os.close(descriptor)
            return False
        os.ftruncate(descriptor, 0)
        os.write(descriptor, _who())
        self._descriptor = descriptor
        return True

    def _take_file(self) -> bool:
        """The same where the system holds no locks: whoever makes the file has it."""
        path = self.folder / HELD
        if _is_left_behind(path):
            path.unlink(missing_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            return False
        os.write(descriptor, _who())
        os.close(descriptor)
        return True


def holder_of(folder: Path) -> str:
    """Who holds a folder, as ``process 12 on host``; empty if nobody does.

    Examples
    --------
    >>> holder_of(Path("nowhere"))
    ''
    """
    path = folder / LOCK
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return ""
    try:
        if _held_by_system(descriptor, shared=True):
            return ""
        held = folder / HELD
        return "" if _is_left_behind(held) else _named(held)
    except BlockingIOError:
        return _named(path)
    finally:
        os.close(descriptor)


def check_free(folder: Path) -> None:
    """Refuse a folder that somebody holds.

    Raises
    ------
    InUse
        Naming the holder.
    """
    if holder := holder_of(folder):
        raise InUse(f"{folder} is in use by {holder}")


def _held_by_system(descriptor: int, *, shared: bool = False) -> bool:
    """Hold an open file: False where that is not known, BlockingIOError if another has it."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return False
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _who() -> bytes:
    return json.dumps({"host": socket.gethostname(), "process": os.getpid()}).encode()


def _read(path: Path) -> dict[str, Any]:
    try:
        said = json.loads(path.read_bytes()[:1000])
    except (OSError, ValueError):
        return {}  # its holder has only just made it
    return said if isinstance(said, dict) else {}


def _named(path: Path) -> str:
    said = _read(path)
    if {"process", "host"} <= set(said):
        return f"process {said['process']} on {said['host']}"
    return "another process"


def _is_left_behind(path: Path) -> bool:
    """Whether a lock that no system holds is that of a process that is gone."""
    said = _read(path)
    try:
        silent = time.time() - path.stat().st_mtime
    except OSError:
        return True
    if said.get("host") != socket.gethostname() or not isinstance(said.get("process"), int):
        return silent > (STALE_SECONDS if said else 10.0)
    try:
        os.kill(said["process"], 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass  # it is alive, and somebody else's
    return False
