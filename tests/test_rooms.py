"""The map of the house: floors, rooms, and the manners of the code in them."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted(
    path.relative_to(ROOT)
    for folder in ("plastic", "experiments")
    for path in (ROOT / folder).rglob("*.py")
)
"""Every file of the two packages, as in plastic/topology/graph.py."""

FLOORS = {
    "plastic/__init__": 0,  # the version; it imports the rest only when asked
    "plastic/errors": 0,
    "plastic/activations": 0.1,  # the vocabulary is a stair: each step may use the lower ones
    "plastic/columns": 0.1,
    "plastic/losses": 0.2,
    "plastic/edits": 0.2,
    "plastic/datasets": 0.2,
    "plastic/nodes": 1,
    "plastic/topology": 1,
    "plastic/engine": 2,
    "plastic/plasticity": 2.1,
    "plastic/blocks": 2.1,
    "plastic/costs": 2.1,
    "plastic/signals": 3,
    "plastic/bandits": 3,
    "plastic/policies": 4,
    "plastic/streams": 0.2,
    "plastic/evaluation": 4,
    "plastic/metrics": 4,
    "plastic/selection": 4,
    "plastic/training": 5,
    "plastic/checkpoint": 5.5,
    "plastic/callbacks": 5.5,
    "plastic/checks": 6,
    "plastic/files": 0.2,
    "plastic/locks": 0.3,
    "plastic/parts": 5,
    "plastic/records": 6,
    "plastic/estimators": 6.1,
    "plastic/interop": 6,
    "plastic/doctor": 7,
    "plastic/__main__": 8,
    "plastic/sweeps": 6,
    "plastic/analysis": 7,
    "experiments": 8,
}
"""A file imports only from its own room and from lower floors."""

LIBRARIES = {
    # the bench stands for others; graph files are read and written by NetworkX
    "networkx": [
        "plastic/topology",
        "plastic/metrics",
        "plastic/interop/graphs",
        "experiments/bench",
    ],
    "numba": [
        "plastic/engine",
        "plastic/topology/compiled",
        "plastic/topology/compiled_gathers",
        "plastic/topology/compiled_ids",
        "experiments/bench",
    ],
    "llvmlite": ["plastic/engine"],
    "pandas": [
        "plastic/records",
        "plastic/analysis",
        "plastic/datasets/table",
        "experiments/bench",
        "plastic/estimators",  # history_ is a frame, as users of scikit-learn expect
    ],
    "pyarrow": [
        "plastic/parts",
        "plastic/records",
        "plastic/analysis",
        "plastic/datasets/table",
    ],
    "sklearn": ["plastic/datasets", "plastic/estimators"],
    "safetensors": ["plastic/checkpoint", "plastic/interop"],
    "duckdb": ["experiments/query"],
    "optuna": ["experiments/search"],
    "scikit_posthocs": ["plastic/analysis"],
    "baycomp": ["plastic/analysis"],
    "onnx": ["plastic/interop"],
    "onnxruntime": ["plastic/interop"],
    "tensorboard": ["plastic/callbacks"],
    "mlflow": ["plastic/callbacks"],
    "sqlalchemy": ["plastic/callbacks"],
    "wandb": ["plastic/callbacks"],
    "scipy": None,
    "numpy": None,
    "matplotlib": ["plastic/analysis"],
    "hydra": ["experiments"],
    "omegaconf": ["experiments"],
    "torch": ["experiments/bench/peers", "experiments/bench/cases", "plastic/interop"],
    "neat": ["experiments/bench/peers", "plastic/interop"],
    "micrograd": ["experiments/bench/peers"],
    "threadpoolctl": ["experiments/bench"],
}
"""The rooms that may import a library; None for any."""

MOST_LINES = 450

every_file = pytest.mark.parametrize("file", FILES, ids=str)


def tree_of(file):
    return ast.parse((ROOT / file).read_text(encoding="utf-8"))


def room_of(name):
    """The room of a path without its ending; node_*.py are parts of nodes.py."""
    if name.startswith("plastic/node_"):
        return "plastic/nodes"
    rooms = [room for room in FLOORS if name == room or name.startswith(f"{room}/")]
    assert rooms, f"{name} has no floor; give it one in FLOORS"
    return rooms[0]


def is_for_types_only(node):
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def imports(node):
    """Every module that is imported when the code runs, wherever in it."""
    for child in ast.iter_child_nodes(node):
        if is_for_types_only(child):
            continue
        if isinstance(child, ast.Call) and ast.unparse(child.func).endswith("require_extra"):
            yield child.args[0].value  # an optional library, imported when this runs
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "imports say their whole path"
            for alias in child.names:
                part = f"{child.module}.{alias.name}"
                # what a package offers by name is its own, whichever of its files it is from
                yield part if child.module == "plastic" else child.module
        else:
            yield from imports(child)


@every_file
def test_a_file_imports_only_from_lower_floors(file):
    here = room_of(file.with_suffix("").as_posix())
    for module in imports(tree_of(file)):
        if module.split(".")[0] in ("plastic", "experiments"):
            path = "plastic/__init__" if module == "plastic" else module.replace(".", "/")
            there = room_of(path)
            assert there == here or FLOORS[there] < FLOORS[here], f"{here} imports {there}"


def test_every_room_is_there():
    for room in FLOORS:
        assert (ROOT / room).is_dir() or (ROOT / f"{room}.py").is_file(), room


@every_file
def test_one_library_one_room(file):
    name = file.with_suffix("").as_posix()
    for module in imports(tree_of(file)):
        library = module.split(".")[0]
        rooms = LIBRARIES.get(library)
        if rooms is not None:
            assert any(name == room or name.startswith(f"{room}/") for room in rooms), library


def test_every_library_is_declared_and_used():
    declared = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    used = {module.split(".")[0] for file in FILES for module in imports(tree_of(file))}
    names = {"sklearn": "scikit-learn", "hydra": "hydra-core", "neat": "neat-python"}
    # omegaconf comes with Hydra, llvmlite with numba
    for library in used & set(LIBRARIES) - {"omegaconf", "llvmlite"}:
        assert f'"{names.get(library, library)}' in declared


def test_nothing_else_is_imported():
    ours = {"plastic", "experiments", *LIBRARIES}
    for file in FILES:
        for module in imports(tree_of(file)):
            library = module.split(".")[0]
            assert library in ours or library in sys.stdlib_module_names, f"{file}: {module}"


@every_file
def test_files_are_short(file):
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    assert len(lines) <= MOST_LINES


@every_file
def test_nothing_is_pickled(file):
    assert not {"pickle", "dill", "joblib", "shelve", "marshal"} & {
        module.split(".")[0] for module in imports(tree_of(file))
    }
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            assert isinstance(node.value, ast.Constant)
            assert node.value.value is False


PASSED_IN = {"default_rng", "Generator", "SeedSequence", "RandomState"}
"""Of NumPy's random module, what makes a stream or names its kind."""

LOOKED_AT = {"np.random.get_state", "random.getstate"}
"""The global state may be looked at, to prove that nobody touched it."""


@every_file
def test_random_generators_are_passed_in(file):
    tree = tree_of(file)
    held = {"np.random", "numpy.random"} | ({"random"} & set(imports(tree)))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in held:
            assert node.attr in PASSED_IN or ast.unparse(node) in LOOKED_AT, node.lineno
        if isinstance(node, ast.ImportFrom) and node.module in ("random", "numpy.random"):
            assert {alias.name for alias in node.names} <= PASSED_IN


def prints(node):
    """Lines that print, but for those of a function that promises to."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef) and child.name == "print_structure":
            continue
        if isinstance(child, ast.Call) and ast.unparse(child.func) == "print":
            yield child.lineno
        yield from prints(child)


@every_file
def test_only_programs_print(file):
    assert file.parts[0] == "experiments" or list(prints(tree_of(file))) == []


OF_OTHERS = {"Vector.key"}
"""What a class of another library demands, and documents."""


@every_file
def test_everything_public_is_documented(file):
    named = public(tree_of(file), "")
    missing = {name for name, node in named if ast.get_docstring(node) is None}
    assert missing <= OF_OTHERS


def public(node, name):
    """The module, and each class and function in it whose name says that it is for others."""
    yield name or "the module", node
    for child in node.body:
        if not isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if not child.name.startswith("_") and not is_another_signature(child):
            whole = f"{name}.{child.name}".lstrip(".")
            if isinstance(child, ast.ClassDef):
                yield from public(child, whole)
            else:
                yield whole, child


def is_another_signature(node):
    """Whether this is an overload or a setter, which its first definition documents."""
    marks = [ast.unparse(mark) for mark in node.decorator_list]
    return any(mark.endswith((".setter", "overload")) for mark in marks)
