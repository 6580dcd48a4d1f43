"""How files of a run are written: whole or not at all, and by one process at a time."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from plastic.errors import ResultsError


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that whoever reads it sees the old content or the new, never a part.

    The content goes to a temporary file beside it, to the disk, and then under its name: a
    kill leaves the temporary file behind at worst, and a power cut the old content.

    Parameters
    ----------
    path : Path
        In a folder that exists; replaced if it is there.
    content : bytes

    Raises
    ------
    ResultsError
        If it cannot be written; what was there is still there then.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_whole(Path(folder) / "a.txt", b"whole")
    ...     [(file.name, file.read_bytes()) for file in Path(folder).iterdir()]
    [('a.txt', b'whole')]
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        try:
            _write(temporary, content)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(path.parent)
    except OSError as error:
        raise unwritable(path.parent, error) from error


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk, too, where the system knows how."""
    with contextlib.suppress(OSError):  # not every file system can; the content is safe
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove_temporaries(folder: Path) -> None:
    """Remove what killed processes left of files that they were writing into a folder."""
    for path in folder.glob(".*.*"):
        if path.suffix[1:].isdigit():
            path.unlink(missing_ok=True)


def unwritable(folder: Path, error: OSError) -> ResultsError:
    """The error for a folder that results cannot be written to."""
    return ResultsError(
        f"results cannot be written to {folder} ({error.strerror or error}); "
        "choose another folder, or make room and make this one writable"
    )
