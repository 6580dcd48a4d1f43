"""What is told of a run as it goes on: trackers, and callbacks of one's own."""

from plastic.callbacks.base import Callback, Started
from plastic.callbacks.mlflow import MLflow
from plastic.callbacks.telling import Telling
from plastic.callbacks.tensorboard import TensorBoard
from plastic.callbacks.wandb import WandB

__all__ = ["Callback", "MLflow", "Started", "Telling", "TensorBoard", "WandB"]
