"""Kernels are compiled once per machine, and who waits for it is told why."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from runs import SMALL

ROOT = Path(__file__).parent.parent

MESSAGE = "compiling the kernels, once per machine"

ASK = """
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

USE_ALL = """
import json
import numpy as np
from numba.core.dispatcher import Dispatcher
from plastic.engine import Adam, Network, candidates, kernels, race, small, strongest
from plastic.topology.wiring import dense

X, Y, rows = np.zeros((128, 2)), np.zeros((128, 1)), np.zeros((1, 128), int)
for dtype in ("float32", "float64"):
    for threads in (1, 2):
        for hidden in (3, 1000):  # small and large
            wiring = dense(2, 1, 1.0, np.random.default_rng(0), hidden=[hidden])
            network = Network(wiring, "mse", dtype=dtype, threads=threads)
            network.prepare(128)
            network.learn(X, Y, rows, Adam())
            network.gradients(X, Y)
            network.predict(X)
found = {
    f"{module.__name__}.{name}": value
    for module in (kernels, small, candidates, race, strongest)
    for name, value in vars(module).items() if isinstance(value, Dispatcher)
}
print(json.dumps({
    name: [len(kernel.signatures), sum(kernel.stats.cache_hits.values()),
           sum(kernel.stats.cache_misses.values())]
    for name, kernel in found.items()
}))
"""
"""Kernels; of each, the kinds of arguments seen, and how many were loaded and compiled."""


def used(ended):
    assert ended.code == 0, ended.err
    return {name: counts for name, counts in json.loads(ended.out).items() if any(counts)}


def test_a_second_process_compiles_nothing(process, tmp_path):
    """Whatever the precision and the number of threads."""
    script = ("-c", USE_ALL)
    process(*script, cwd=tmp_path, PYTHONPATH=str(ROOT))  # may have to compile them
    ended = process(*script, cwd=tmp_path, PYTHONPATH=str(ROOT))
    kinds = used(ended)
    for file in ("kernels", "small"):
        for name in ("learn", "predict", "gradients"):
            whole = f"plastic.engine.{file}.{name}"
            assert kinds[whole][0] >= 2, f"{whole}: float32 and float64"
    for name, (n_kinds, loaded, compiled) in kinds.items():
        assert compiled == 0, name
        assert loaded == n_kinds, name
    assert MESSAGE not in ended.err


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A copy of the packages in which no cache can be kept, as where it may not be written."""
    folder = tmp_path_factory.mktemp("installed")
    for name in ("plastic", "experiments", "conf"):
        shutil.copytree(
            ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    # even for an administrator, who may write to any folder
    (folder / "plastic" / "engine" / "__pycache__").write_text("a file, not a folder")
    return folder


def test_where_the_package_cannot_be_written_kernels_are_compiled_once_too(
    process, installed, tmp_path
):
    own = {name: str(tmp_path) for name in ("XDG_CACHE_HOME", "HOME", "LOCALAPPDATA")}
    own |= {"PYTHONPATH": str(installed), "PYTHONSAFEPATH": "1", "NUMBA_CACHE_DIR": ""}
    arguments = ["-m", "experiments.run", *SMALL, "results_dir=results"]
    first = process(*arguments, cwd=tmp_path, **own)
    assert first.code == 0, first.err
    assert first.err.count(MESSAGE) == 1
    assert list(tmp_path.rglob("small.learn-*.nbi"))
    second = process(*arguments, "seed=1", cwd=tmp_path, **own)
    assert second.code == 0, second.err
    assert MESSAGE not in second.err
    place = process("-c", "import plastic.engine as e; print(e.__file__)", cwd=tmp_path, **own)
    assert Path(place.out.strip()).is_relative_to(installed)
    assert not (installed / "plastic" / "engine" / "__pycache__").is_dir()


WARM_UP = "from experiments.warming import train_a_little; train_a_little('float32')"

BOTH = [
    "-m", "experiments.run", "-m", "hydra.launcher.n_jobs=2", *SMALL,
    "policy=thompson,rigl", "policy.every=7",
]  # fmt: skip
"""Two processes at once: each would compile, and say so, had none done it for them."""


def test_after_warming_up_workers_compile_nothing(process, tmp_path):
    assert process("-c", WARM_UP, cwd=tmp_path, PYTHONPATH=str(ROOT)).code == 0
    ended = process(*BOTH, cwd=tmp_path, PYTHONPATH=str(ROOT))
    assert (ended.code, ended.err) == (0, "")


@pytest.mark.slow  # a minute, as all kernels are compiled
def test_a_sweep_compiles_once_whatever_its_workers(process, tmp_path):
    own = {"PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    first = process(*BOTH, cwd=tmp_path, **own)
    assert first.code == 0, first.err
    assert first.err.count(MESSAGE) == 1
    again = process(*BOTH, "seed=1", cwd=tmp_path, **own)
    assert (again.code, again.err) == (0, "")


def test_other_packages_may_compile_without_a_word(process, tmp_path):
    code = """
from numba import njit
import plastic.engine
@njit
def twice(x):
    return 2 * x
print(twice(3))
"""
    ended = process("-c", code, cwd=tmp_path, PYTHONPATH=str(ROOT))
    assert (ended.code, ended.out.strip(), ended.err) == (0, "6", "")


def test_a_change_of_any_file_is_seen(process, tmp_path):
    copy = tmp_path / "plastic"
    shutil.copytree(ROOT / "plastic", copy, ignore=shutil.ignore_patterns("__pycache__"))
    environment = {"PYTHONPATH": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}

    def answer():
        ended = process("-c", ASK, cwd=tmp_path, **environment)
        assert ended.code == 0, ended.err
        value, hits = ended.out.split()
        return round(float(value), 3), int(hits), ended.err.count(MESSAGE)

    assert answer() == (0.731, 0, 1)
    assert answer() == (0.731, 1, 0)
    # the file of the kernel stays as it is; a function that it calls becomes another one
    called = copy / "engine" / "vector_math.py"
    source = called.read_text(encoding="utf-8")
    changed = source.replace("sigmoid = intrinsic(_function(_sigmoid))", "sigmoid = tanh_too")
    changed = changed.replace(
        "exp = intr", "tanh_too = intrinsic(_function(_tanh))\nexp = intr"
    )
    assert changed.count("tanh_too") == 2
    called.write_text(changed, encoding="utf-8")
    assert answer() == (0.762, 0, 1)
    assert answer() == (0.762, 1, 0)
