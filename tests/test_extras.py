"""Without any extra the core works, and what needs one says in a line how to get it."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

NOT_FOR_USERS = {"dev", "extras"}
"""Extras for working on plastic itself."""

IMPORTED_AS = {
    "scikit-posthocs": "scikit_posthocs",
    "neat-python": "neat",
    "mlflow-skinny": "mlflow",
    "mkdocs-material": "material",
    "mkdocstrings[python]": "mkdocstrings",
    "hydra-ray-launcher": "hydra_plugins.hydra_ray_launcher",
    "hydra-submitit-launcher": "hydra_plugins.hydra_submitit_launcher",
}
"""What a distribution is imported as, where that is not its name."""

ALWAYS_THERE = {"threadpoolctl"}
"""What scikit-learn brings along, so that it is never missing."""

BESIDE = {"docs": {"mkdocs"}, "slurm": {"submitit"}}
"""What the libraries of an extra bring along and plastic may ask for."""

FEATURES = {
    "torch": ["plastic.interop.to_torch(network)", "plastic.interop.from_torch(None)"],
    "onnx": [
        "plastic.interop.to_onnx(network)",
        "plastic.interop.save_onnx(network, 'net.onnx')",
    ],
    "neat": ["plastic.interop.from_neat(None, None)"],
}
"""What needs an extra, as a user would call it; it runs where none is installed.

Besides these, every call of ``require_extra`` in the packages is tried by itself.
"""

CHILD = '''
import json, sys
from importlib.machinery import PathFinder
from pkgutil import walk_packages

class Hidden:
    """Finds modules as Python does, but for those that are hidden."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        hidden = any(f"{name}.".startswith(f"{one}.") for one in HIDDEN)
        return None if hidden else PathFinder.find_spec(name, path, target)

    @staticmethod
    def find_distributions(*arguments, **options):
        for found in PathFinder.find_distributions(*arguments, **options):
            if found.metadata["Name"].lower().replace("_", "-") not in GONE:
                yield found

HIDDEN, GONE, FEATURES = json.loads(sys.stdin.read())
sys.meta_path[sys.meta_path.index(PathFinder)] = Hidden

import numpy as np
import plastic, plastic.interop, experiments
from plastic.errors import MissingExtra, require_extra
from plastic.topology.wiring import erk

rng = np.random.default_rng(0)
network = plastic.Network(erk(3, 2, 0.8, rng, hidden=[4])).initialize(rng)
said, imported = {}, []
for feature in FEATURES:
    try:
        eval(feature)
        said[feature] = None
    except MissingExtra as missing:
        said[feature] = str(missing)
for package in (plastic, experiments):
    for module in walk_packages(package.__path__, f"{package.__name__}."):
        if module.name.endswith("__main__"):
            continue
        try:
            __import__(module.name)
        except MissingExtra as missing:
            said[module.name] = str(missing)
network.learn(np.zeros((2, 3)), np.eye(2), [[0, 1]], plastic.engine.SGD(0.1))
from plastic.interop import load_graph, load_network, save_graph, save_network
load_graph(save_graph(network, "net.graphml"))
load_network(save_network(network, "net.safetensors"))
assert not {name for name in sys.modules if name.split(".")[0] in HIDDEN}
print(json.dumps(said))
'''


def name_of(requirement):
    """The distribution of a requirement, as in ``mkdocstrings[python]>=0.27``."""
    return requirement.partition(">")[0].partition("<")[0].strip()


def roster():
    """Extra -> names of the libraries that it brings."""
    return {
        extra: {IMPORTED_AS.get(name_of(one), name_of(one)) for one in requirements}
        | BESIDE.get(extra, set())
        for extra, requirements in PROJECT["optional-dependencies"].items()
        if extra not in NOT_FOR_USERS
    }


def asked_for(*folders):
    """Library and extra of every call of ``require_extra``, in the packages by default."""
    for folder in folders or ("plastic", "experiments"):
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "require_extra":
                    yield tuple(ast.literal_eval(argument) for argument in node.args)


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What each feature and module says where no extra is installed, and the core works."""
    hidden = sorted(set().union(*roster().values()) - ALWAYS_THERE)
    gone = [
        name_of(one).partition("[")[0]
        for extra, requirements in PROJECT["optional-dependencies"].items()
        for one in requirements
        if extra not in NOT_FOR_USERS
    ]
    features = [feature for held in FEATURES.values() for feature in held]
    features += [f"require_extra{pair}" for pair in set(asked_for())]
    ended = subprocess.run(
        [sys.executable, "-c", CHILD],
        input=json.dumps([hidden, gone, features]),
        cwd=tmp_path_factory.mktemp("bare"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


def test_every_feature_names_its_extra_in_one_line(said):
    for extra, features in FEATURES.items():
        for feature in features:
            message = said[feature]
            assert message is not None, f"{feature} does without {extra}"
            assert message.endswith(f'which is not installed: pip install "plastic[{extra}]"')
            assert "\n" not in message


def test_a_module_that_cannot_be_imported_says_so_too(said):
    modules = {name: said[name] for name in said if name.replace(".", "").isidentifier()}
    assert "plastic.interop.torch" in modules
    for message in modules.values():
        assert 'which is not installed: pip install "plastic[' in message


def test_every_call_names_an_extra_that_brings_the_library():
    held = roster()
    for library, extra in asked_for():
        assert extra in held, f"there is no extra {extra!r}"
        roots = {one.split(".")[0] for one in held[extra]}
        assert library.split(".")[0] in roots, f"plastic[{extra}] does not bring {library}"


def test_every_call_says_how_to_get_the_library(said):
    for library, extra in asked_for():
        name = library.partition(".")[0]
        message = f'this needs {name}, which is not installed: pip install "plastic[{extra}]"'
        assert said[f"require_extra{(library, extra)}"] == message


def test_every_neighbour_has_a_feature_here():
    neighbours = {extra for _, extra in asked_for("plastic/interop")}
    assert neighbours <= set(FEATURES) <= {extra for _, extra in asked_for()}


def test_the_extra_for_working_on_neighbours_brings_them_all():
    everything = " ".join(PROJECT["optional-dependencies"]["extras"])
    everything += " ".join(PROJECT["optional-dependencies"]["dev"])
    for extra in set(roster()) - {
        "torch",
        "bench",
    }:  # installed by themselves: see the Makefile
        assert extra in everything
