"""Laws of the cache of compiled kernels: it sees every file, and its message is true."""

from __future__ import annotations

import shutil
from pathlib import Path

import plastic

PACKAGE = Path(plastic.__file__).parent
SCRIPT = """
import logging
import numpy as np
from plastic.edits import Connect
from plastic.engine import Network, SGD, small
from plastic.topology import Topology

logging.basicConfig(format="%(message)s")
topology = Topology(1, 1, "sigmoid")
topology.apply(Connect([0], [1]))
network = Network(topology, "mse")
network.weights[:] = 1
print(network.predict(np.array([[1.0]]))[0, 0])
print(sum(small.predict.stats.cache_hits.values()))
"""
MESSAGE = "compiling the kernels, once per machine: this takes up to about ten seconds\n"


def test_a_change_of_any_file_is_seen(process, tmp_path):
    copy = tmp_path / "plastic"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    environment = {"PYTHONPATH": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}

    def answer():
        ended = process("-c", SCRIPT, cwd=tmp_path, **environment)
        assert ended.code == 0, ended.err
        value, hits = ended.out.split()
        return round(float(value), 3), int(hits), ended.err

    assert answer() == (0.731, 0, MESSAGE)
    assert answer() == (0.731, 1, "")
    # the file of the kernel stays as it is; a function that it calls becomes another one
    called = copy / "engine" / "vector_math.py"
    source = called.read_text(encoding="utf-8")
    changed = source.replace("sigmoid = intrinsic(_function(_sigmoid))", "sigmoid = tanh_too")
    changed = changed.replace("# exp(vector)", "tanh_too = intrinsic(_function(_tanh))\n# exp")
    assert changed.count("tanh_too") == 2
    called.write_text(changed, encoding="utf-8")
    assert answer() == (0.762, 0, MESSAGE)
    assert answer() == (0.762, 1, "")
