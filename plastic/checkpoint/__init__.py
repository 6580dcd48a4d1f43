"""Checkpoints: a training in the middle, in one file, to go on from as if nothing had been.

The format is told in docs/checkpoints.md.
"""

from plastic.checkpoint.files import Checkpoint, load_checkpoint
from plastic.checkpoint.keeping import Checkpoints, checkpoints_in, save_checkpoint

__all__ = [
    "Checkpoint",
    "Checkpoints",
    "checkpoints_in",
    "load_checkpoint",
    "save_checkpoint",
]
