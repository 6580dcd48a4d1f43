"""Datasets: three disjoint splits drawn from a seed, scaled by training statistics.

Every loader is called as ``loader(rng, *, reward_size, test_size, scale, ...)``; those with a
published test set (`mnist1d`, `fashion_mnist`) and `xor` have no `test_size`.  To add one,
write a function that returns what `from_arrays` makes, and a file in ``conf/dataset``.

Examples
--------
>>> import numpy as np
>>> from plastic import datasets
>>> dataset = datasets.digits(np.random.default_rng(0))
>>> dataset.n_inputs, dataset.n_outputs, dataset.reward
(64, 10, Split(250 samples, 64 inputs, 10 outputs))
"""

from plastic.datasets.base import Dataset, Split, Truth
from plastic.datasets.breast_cancer import breast_cancer
from plastic.datasets.diabetes import diabetes
from plastic.datasets.digits import digits
from plastic.datasets.drift import Drift, Tasks, drifting
from plastic.datasets.fashion_mnist import fashion_mnist
from plastic.datasets.mnist1d import mnist1d
from plastic.datasets.permuted_inputs import permuted_inputs
from plastic.datasets.permuted_labels import permuted_labels
from plastic.datasets.preparing import from_arrays, from_parts
from plastic.datasets.rotated_inputs import rotated_inputs
from plastic.datasets.sparse_teacher import sparse_teacher
from plastic.datasets.table import table
from plastic.datasets.truth import recovered, truth_precision, truth_recall
from plastic.datasets.two_moons import two_moons
from plastic.datasets.two_spirals import two_spirals
from plastic.datasets.wine import wine
from plastic.datasets.xor import xor

__all__ = [
    "Dataset",
    "Drift",
    "Split",
    "Tasks",
    "Truth",
    "breast_cancer",
    "diabetes",
    "digits",
    "drifting",
    "fashion_mnist",
    "from_arrays",
    "from_parts",
    "mnist1d",
    "permuted_inputs",
    "permuted_labels",
    "recovered",
    "rotated_inputs",
    "sparse_teacher",
    "table",
    "truth_precision",
    "truth_recall",
    "two_moons",
    "two_spirals",
    "wine",
    "xor",
]
