"""The engines: what computes a network, forward and back, and makes it learn."""

from plastic.engine.network import Network
from plastic.engine.optimizers import SGD, Adam, Optimizer
from plastic.engine.results import Gradients, Signals
from plastic.engine.schedules import Constant, Cosine, Schedule, Step
from plastic.engine.statistics import Statistics

__all__ = [
    "SGD",
    "Adam",
    "Constant",
    "Cosine",
    "Gradients",
    "Network",
    "Optimizer",
    "Schedule",
    "Signals",
    "Statistics",
    "Step",
]
