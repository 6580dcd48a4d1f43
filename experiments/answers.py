"""How programs that look at results end: with an exit code, and an error in one line."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from plastic.errors import PlasticError


def answered(look: Callable[[], int | None]) -> int:
    """The exit code of a program that prints what `look` prints.

    Parameters
    ----------
    look : callable
        Prints the answer; what it returns is the exit code, 0 for None.

    Returns
    -------
    int
        2 if it raised an error of plastic or of the file system, which is told in one line on
        standard error.  A reader that closes the pipe early, as ``head`` does, is no error.
    """
    try:
        code = look() or 0
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read this has seen enough; nothing may be flushed there
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (PlasticError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return code
