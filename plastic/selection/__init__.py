"""Relevant-neuron selection: which hidden neurons are computed at all."""

from plastic.selection.beliefs import Beliefs
from plastic.selection.course import Course
from plastic.selection.network import Selected, check_unedited, learning_flops, paid_steps
from plastic.selection.relevance import MEASURES, saliency, taylor
from plastic.selection.selectors import (
    Selector,
    epsilon_greedy,
    full,
    magnitude,
    magnitude_elimination,
    random_resampling,
    resampling,
    successive_elimination,
    ucb,
)
from plastic.selection.timetables import Elimination, Resampling, Timetable

__all__ = [
    "MEASURES",
    "Beliefs",
    "Course",
    "Elimination",
    "Resampling",
    "Selected",
    "Selector",
    "Timetable",
    "check_unedited",
    "epsilon_greedy",
    "full",
    "learning_flops",
    "magnitude",
    "magnitude_elimination",
    "paid_steps",
    "random_resampling",
    "resampling",
    "saliency",
    "successive_elimination",
    "taylor",
    "ucb",
]
